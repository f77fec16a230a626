//! An application in a process of its own, which can be killed: the example `killed_tally`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use streams_kafka::State;

use super::app::SOON;
use super::place::Place;
use super::wait::eventually;

/// Before each line that a child writes for its parent.
pub(crate) const MARK: &str = "@child ";

/// What a child told, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    State(State),
    /// A store was restored: first offset, next offset, records.
    Restored {
        start: i64,
        next: i64,
        records: i64,
    },
    /// Records processed and commits made so far.
    Progress {
        processed: u64,
        commits: u64,
    },
}

/// A tally running in a child process.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    told: Arc<Mutex<Vec<(Instant, Told)>>>,
    began: Instant,
}

/// Runs the tally of a place in a child process, with more settings.
pub(crate) fn start(place: &Place, state: &Path, settings: &[(&str, &str)]) -> Process {
    let mut words = vec![
        place.application.clone(),
        place.cluster.servers().to_owned(),
        place.input.clone(),
        place.output.clone(),
        state.to_str().unwrap().to_owned(),
    ];
    words.extend(settings.iter().map(|(key, value)| format!("{key}={value}")));
    let mut command = Command::new(program());
    command.args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (lines, heard) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&told));
    let listener = std::thread::Builder::new().name("child-listener".to_owned());
    listener
        .spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some((_, line)) = line.split_once(MARK) {
                    heard.lock().unwrap().push((Instant::now(), Told::read(line)));
                }
            }
        })
        .unwrap();
    let stdin = child.stdin.take();
    Process { child, stdin, told, began }
}

/// The example that cargo has built beside this test.
fn program() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let program = this.ancestors().nth(2).unwrap().join("examples/killed_tally");
    let built = "build it with `cargo build --release --workspace --examples`";
    assert!(program.is_file(), "{} is missing; {built}", program.display());
    program
}

impl Told {
    fn read(line: &str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<i64>().unwrap();
        match words[0] {
            "state" => Self::State(state_named(words[1])),
            "restored" => Self::Restored { start: number(1), next: number(2), records: number(3) },
            "progress" => Self::Progress {
                processed: number(1).unsigned_abs(),
                commits: number(2).unsigned_abs(),
            },
            other => panic!("a child said {other}"),
        }
    }
}

fn state_named(name: &str) -> State {
    let all = [
        State::Created,
        State::Rebalancing,
        State::Running,
        State::PendingShutdown,
        State::NotRunning,
        State::PendingError,
        State::Error,
    ];
    all.into_iter().find(|state| state.to_string() == name).unwrap()
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn told(&self) -> Vec<(Instant, Told)> {
        self.told.lock().unwrap().clone()
    }

    fn first(&self, wanted: Told) -> Option<Duration> {
        let told = self.told();
        told.iter().find(|(_, told)| *told == wanted).map(|(at, _)| *at - self.began)
    }

    /// Time from the start of the process until the application ran.
    #[track_caller]
    pub(crate) fn await_running(&self) -> Duration {
        eventually("the child runs", SOON, || self.first(Told::State(State::Running)))
    }

    /// Records processed and commits made, as of the last word.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let told = self.told();
        let progress = told.iter().rev().find_map(|(_, told)| match told {
            Told::Progress { processed, commits } => Some((*processed, *commits)),
            _ => None,
        });
        progress.unwrap_or((0, 0))
    }

    /// First offset, next offset and records of each restored store.
    pub(crate) fn restored(&self) -> Vec<(i64, i64, i64)> {
        let told = self.told();
        let restored = told.iter().filter_map(|(_, told)| match told {
            Told::Restored { start, next, records } => Some((*start, *next, *records)),
            _ => None,
        });
        restored.collect()
    }

    /// Ends it by SIGKILL.
    pub(crate) fn kill(mut self) -> Vec<(Instant, Told)> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.told()
    }

    /// Asks it to close, and waits until it has.
    #[track_caller]
    pub(crate) fn close(mut self) -> Vec<(Instant, Told)> {
        let mut stdin = self.stdin.take().unwrap();
        stdin.write_all(b"close\n").unwrap();
        let ended: ExitStatus =
            eventually("the child has closed", SOON, || self.child.try_wait().unwrap());
        assert!(ended.success(), "{ended}");
        self.told()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
