//! The last step of a commit: the stores of its tasks are written, a part of them a turn where much is
//! staged, while the tasks process whose stores are written.

use super::Worker;
use super::active::{ActiveTask, Surprises};
use super::commit::InFlight;
use super::message::WorkerError;
use super::retry::Troubles;
use crate::time::{Moment, Now};

impl Worker {
    /// The offsets are committed.
    pub(super) fn finish_commit(
        &mut self,
        tasks: Vec<u32>,
        began: Moment,
        now: Now,
    ) -> Result<(), WorkerError> {
        self.commits.resume();
        self.commits.made.add(now.moment.since(began));
        for number in &tasks {
            let Some(Some(active)) = self.tasks.get_mut(*number as usize) else { continue };
            for offset in active.task.offsets() {
                active.remember_committed(&offset);
            }
        }
        self.commits.in_flight = Some(InFlight::Writing { tasks, last: now.moment });
        self.write_stores(now)
    }

    /// Writes stores of tasks that are committed, until others are to have their turn.
    pub(super) fn write_stores(&mut self, now: Now) -> Result<(), WorkerError> {
        let mut left = self.commits.bytes_to_write(now.moment);
        while let Some(number) = self.next_to_write() {
            self.commits.forget(number);
            let active = self.active_of(number);
            let staged = active.map_or(0, |active| active.task.stores().staged_bytes());
            let result = self.write_stores_of(number, now);
            self.settle(result, now);
            left = left.saturating_sub(staged);
            if left == 0 {
                break;
            }
        }
        self.finish_leaving(now)
    }

    /// Those that stay come first: they shall hardly pause, while those that leave are to be opened
    /// elsewhere anyway.
    fn next_to_write(&self) -> Option<u32> {
        let Some(InFlight::Writing { tasks, .. }) = &self.commits.in_flight else { return None };
        let stays = |number: &&u32| !self.active_of(**number).is_some_and(ActiveTask::leaves);
        tasks.iter().find(stays).or(tasks.first()).copied()
    }

    /// Writes what a task has staged, in one batch.
    fn write_stores_of(&mut self, number: u32, now: Now) -> Result<(), WorkerError> {
        let Some(Some(active)) = self.tasks.get_mut(number as usize) else { return Ok(()) };
        let task = active.id();
        let mut positions = active.positions();
        let Surprises { overwritten, lost } = active.settle_positions();
        // After a kill before the rebuild, a position in the new log would let it be left out.
        positions.retain(|(store, _)| !lost.contains(store));
        let written = active.task.committed(&positions);
        written.map_err(|source| WorkerError::Task { task, source })?;
        active.troubles = Troubles::default();
        active.repairs.committed();
        active.begin_repairs(overwritten, &mut *self.plane, now);
        if lost.is_empty() { Ok(()) } else { self.rebuild(number, &lost, now) }
    }
}
