//! The boundary of a task: of a panic in it no other task of its worker notices anything.

use std::collections::BTreeSet;

use streams_core::error::TaskError;
use streams_core::names::TaskId;
use streams_core::worker::{Command, WorkerError};

use super::{Process, Thread};
use crate::defects::Defect;

/// Tasks that a worker said, in one turn, that they cannot go on.
#[derive(Debug, Default)]
pub(super) struct Failed {
    all: BTreeSet<TaskId>,
    panicked: BTreeSet<TaskId>,
}

fn is_panic(error: &WorkerError) -> bool {
    let WorkerError::Task { source, .. } = error else { return false };
    matches!(**source, TaskError::Panic { .. })
}

impl Failed {
    pub(super) fn add(&mut self, tasks: &[TaskId], error: &WorkerError) {
        self.all.extend(tasks);
        if is_panic(error) {
            self.panicked.extend(tasks);
        }
    }
}

impl Thread {
    /// Notes which tasks it was told to let go of.
    pub(super) fn follow(&mut self, command: &Command) {
        match command {
            Command::Start(tasks) => tasks.iter().for_each(|one| {
                self.leaving.remove(&one.task);
            }),
            Command::Demote(tasks) | Command::Release(tasks) | Command::Lose(tasks) => {
                self.leaving.extend(tasks);
            }
            Command::Shutdown => {
                let running = self.worker.running().map(|task| task.id());
                self.leaving.extend(running.collect::<Vec<_>>());
            }
            _ => {}
        }
    }

    /// The tasks that run, and were not told otherwise.
    pub(super) fn staying(&self) -> BTreeSet<TaskId> {
        let running = self.worker.running().map(|task| task.id());
        running.filter(|task| !self.leaving.contains(task)).collect()
    }
}

impl Process {
    /// Of the tasks of a worker that were to stay in a turn, all but those that failed have.
    pub(super) fn hold_boundary(
        &mut self,
        (worker, stay): (usize, &BTreeSet<TaskId>),
        failed: &Failed,
        now: u64,
    ) {
        if failed.panicked.is_empty() {
            return;
        }
        if self.is(Defect::PanicIsTheThreads) {
            self.end_thread(worker, now);
        }
        let running = self.threads.get(&worker).map(Thread::staying).unwrap_or_default();
        let mut others = stay.difference(&failed.all);
        if let Some(other) = others.find(|task| !running.contains(task)) {
            self.fault = Some(format!("a panic in {:?} stopped {other}", failed.panicked));
        }
        let inputs = failed.panicked.iter().map(|task| self.setting.app.input(*task));
        if let Some(thread) = self.threads.get(&worker) {
            thread.slips.borrow_mut().extend(inputs);
        }
    }
}
