//! Tasks go to workers, and workers tell what became of them.

use std::collections::BTreeMap;

use streams_core::names::TaskId;
use streams_core::worker::{Action as WorkerAction, Command, TaskToStart};

use super::{Group, Life, Place, TaskPhase};
use crate::error::StreamsError;
use crate::worker_thread::Told;

impl Group {
    fn tell(&self, worker: usize, command: Command) {
        if let Some(worker) = self.parts.workers.get(worker) {
            worker.tell(Told { losses: self.losses, command });
        }
    }

    /// Gives each task to the worker that has the fewest.
    pub(super) fn give(&mut self, tasks: Vec<TaskToStart>) {
        let mut loads: Vec<usize> = vec![0; self.parts.workers.len()];
        for place in self.tasks.values() {
            if let Place::With { worker, .. } | Place::Leaving { worker } = place
                && let Some(load) = loads.get_mut(*worker)
            {
                *load += 1;
            }
        }
        let mut given: BTreeMap<usize, Vec<TaskToStart>> = BTreeMap::new();
        for task in tasks {
            if self.life != Life::Member || self.tasks.get(&task.task) != Some(&Place::Preparing) {
                continue;
            }
            let least = loads.iter().enumerate().min_by_key(|(_, load)| **load);
            let Some(worker) = least.map(|(worker, _)| worker) else { return };
            if let Some(load) = loads.get_mut(worker) {
                *load += 1;
            }
            self.tasks.insert(task.task, Place::With { worker, phase: TaskPhase::Starting });
            given.entry(worker).or_default().push(task);
        }
        for (worker, tasks) in given {
            self.tell(worker, Command::Start(tasks));
        }
    }

    /// Tasks that the group wants back are committed and closed first.
    pub(super) fn release(&mut self, tasks: &[TaskId]) {
        let mut by_worker: BTreeMap<usize, Vec<TaskId>> = BTreeMap::new();
        for task in tasks {
            match self.tasks.get(task).copied() {
                Some(Place::Preparing) | None => {
                    self.tasks.remove(task);
                    self.released(*task);
                }
                Some(Place::With { worker, .. }) => {
                    self.tasks.insert(*task, Place::Leaving { worker });
                    by_worker.entry(worker).or_default().push(*task);
                }
                Some(Place::Leaving { .. }) => {}
            }
        }
        for (worker, tasks) in by_worker {
            self.tell(worker, Command::Release(tasks));
        }
    }

    /// The group went on without this member.
    pub(super) fn lose_all(&mut self) {
        self.losses += 1;
        self.token = None;
        self.wanted.clear();
        let mut by_worker: BTreeMap<usize, Vec<TaskId>> = BTreeMap::new();
        for (task, place) in std::mem::take(&mut self.tasks) {
            if let Place::With { worker, .. } | Place::Leaving { worker } = place {
                by_worker.entry(worker).or_default().push(task);
            }
        }
        for (worker, tasks) in by_worker {
            self.tell(worker, Command::Lose(tasks));
        }
    }

    pub(super) fn on_worker(
        &mut self,
        worker: usize,
        losses: u64,
        action: WorkerAction,
    ) -> Result<(), StreamsError> {
        match action {
            WorkerAction::Commit { id, offsets, .. } => self.commit(worker, losses, id, offsets),
            WorkerAction::Running(task) => {
                if let Some(Place::With { phase, .. }) = self.tasks.get_mut(&task)
                    && losses == self.losses
                {
                    *phase = TaskPhase::Running;
                }
            }
            WorkerAction::Closed(task) => {
                // After a loss the task may be here again, with another worker.
                let is_leaving = self.tasks.get(&task) == Some(&Place::Leaving { worker });
                if is_leaving && losses == self.losses {
                    self.tasks.remove(&task);
                    self.released(task);
                    self.want_again(task);
                }
            }
            WorkerAction::Done => {
                self.workers_done.insert(worker);
                if self.workers_done.len() == self.parts.workers.len() {
                    let now = self.now();
                    self.membership.leave(now);
                }
            }
            WorkerAction::Failed(error) => return Err(StreamsError::Worker(error)),
            WorkerAction::Restored(progress) => self.parts.shared.tell_restore(&progress),
            WorkerAction::Demoted(_) | WorkerAction::Holds(_) => {}
        }
        Ok(())
    }

    /// A task may have been given back to this member while it was leaving.
    fn want_again(&mut self, task: TaskId) {
        if self.wanted.contains(&task) && self.life == Life::Member {
            self.tasks.insert(task, Place::Preparing);
            self.count();
        }
    }
}
