//! How often the wall clock calls the application's code: no more often than its interval has
//! passed, and once more for each time that the clock was set; and where all is well, it does call.

use std::collections::BTreeMap;

use streams_core::names::TaskId;

use super::app::PUNCTUATE_EACH_MS;
use super::calls::{Call, Calls};
use super::checks::Verdict;
use super::process::{Life, Process};

/// How long a call that is due may wait where all is well: for what a worker said before that is
/// heard, and for a commit of which nothing is.
const LATE_MS_MAX: u64 = 20_000;

/// The calls of a task since a process began to run it.
#[derive(Debug)]
struct Rhythm {
    began: u64,
    calls: u64,
    /// How often the clock was set.
    times_set: u64,
    /// What the clock shows at the latest when the next call is due.
    due: i64,
    /// Since when it is seen to be overdue.
    late: Option<u64>,
}

/// The calls of all tasks.
#[derive(Debug)]
pub(crate) struct Rhythms {
    calls: Calls,
    /// By process and task.
    kept: BTreeMap<(u64, TaskId), Rhythm>,
    /// How often each task has begun to run.
    starts: BTreeMap<TaskId, u64>,
    /// How many punctuations there were.
    pub(crate) punctuations: u64,
}

/// When a clock that shows `wall` makes the next call due.
fn due_after(wall: i64) -> i64 {
    wall + PUNCTUATE_EACH_MS.cast_signed()
}

impl Rhythms {
    pub(crate) fn new(calls: &Calls) -> Self {
        Self {
            calls: calls.clone(),
            kept: BTreeMap::new(),
            starts: BTreeMap::new(),
            punctuations: 0,
        }
    }

    /// What a process has called since another one worked.
    pub(crate) fn note(&mut self, process: &Process, now: u64) -> Verdict {
        let (number, due) = (process.number, due_after(process.wall(now).millis()));
        for call in self.calls.take() {
            match call {
                Call::Start(task) => {
                    let rhythm = Rhythm { began: now, calls: 0, times_set: 0, due, late: None };
                    self.kept.insert((number, task), rhythm);
                    *self.starts.entry(task).or_default() += 1;
                }
                Call::Punctuation(task) => {
                    self.punctuations += 1;
                    let rhythm = self.kept.get_mut(&(number, task));
                    let rhythm = rhythm.ok_or("a task is called that has not begun")?;
                    *rhythm = Rhythm { calls: rhythm.calls + 1, due, late: None, ..*rhythm };
                    let Rhythm { began, calls, times_set, .. } = *rhythm;
                    let passed = now - began;
                    if calls > passed / PUNCTUATE_EACH_MS + times_set {
                        return Err(format!(
                            "process {number} has called {task} {calls} times in {passed} ms, in \
                             which the clock was set {times_set} times"
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// How often a task has begun to run, in whichever worker of a process.
    pub(crate) fn starts_of(&self, task: TaskId) -> u64 {
        self.starts.get(&task).copied().unwrap_or_default()
    }

    /// Somebody has set the clock of a process.
    pub(crate) fn clock_is_set(&mut self, process: u64) {
        for ((owner, _), rhythm) in &mut self.kept {
            rhythm.times_set += u64::from(*owner == process);
        }
    }

    /// All is well: what is due is called.
    pub(crate) fn go_on(&mut self, processes: &[Process], now: u64) -> Verdict {
        for process in processes.iter().filter(|process| process.life == Life::Up) {
            let (number, wall) = (process.number, process.wall(now).millis());
            for task in process.running() {
                let rhythm = self.kept.get_mut(&(number, task));
                let rhythm = rhythm.ok_or("a task runs that has not begun")?;
                if wall < rhythm.due {
                    rhythm.late = None;
                    continue;
                }
                let late = now - *rhythm.late.get_or_insert(now);
                if late > LATE_MS_MAX {
                    return Err(format!("process {number} has not called {task} for {late} ms"));
                }
            }
        }
        Ok(())
    }
}
