//! The steps of a worker's commit.

use super::Worker;
use super::commit::InFlight;
use super::message::{Action, CommitFailure, CommitId, TurnReport, WorkerError};
use crate::error::{Origin, TaskError};
use crate::names::TaskId;
use crate::task::OffsetToCommit;
use crate::time::Timestamp;

impl Worker {
    /// Begins a commit when one is due, and takes the step that is possible now.
    pub(super) fn step_commit(
        &mut self,
        now: Timestamp,
        report: &mut TurnReport,
    ) -> Result<(), WorkerError> {
        if self.commits.in_flight.is_none() && self.commits.is_due(now) {
            self.begin_commit(now)?;
        }
        match self.commits.in_flight.take() {
            Some(InFlight::Flushing { tasks, began }) if self.undelivered == 0 => {
                self.hand_out_offsets(tasks, began)?;
                // Without offsets, the commit is complete already.
                report.is_busy |= self.commits.in_flight.is_none();
            }
            Some(InFlight::Waiting { until, tasks, began, offsets }) if now >= until => {
                self.send_offsets(tasks, began, offsets);
            }
            other => self.commits.in_flight = other,
        }
        if let Some(latency) = self.commit_latency.take() {
            report.commits += 1;
            report.commit_latency = Some(latency);
        }
        Ok(())
    }

    fn begin_commit(&mut self, now: Timestamp) -> Result<(), WorkerError> {
        self.commits.began(now);
        let mut tasks = Vec::new();
        for number in self.order.values() {
            let Some(Some(active)) = self.tasks.get_mut(*number as usize) else { continue };
            if !active.is_running() || !active.task.needs_commit() {
                continue;
            }
            let flushed = active.task.flush_caches(now);
            flushed.map_err(|source| WorkerError::Task { task: active.task.id(), source })?;
            tasks.push(*number);
        }
        if tasks.is_empty() {
            return self.finish_leaving(now);
        }
        self.plane.hurry();
        self.commits.in_flight = Some(InFlight::Flushing { tasks, began: now });
        self.take_deliveries()
    }

    /// All records are acknowledged: stores without changelog are written, offsets go out.
    fn hand_out_offsets(&mut self, tasks: Vec<u32>, began: Timestamp) -> Result<(), WorkerError> {
        let mut offsets = Vec::new();
        for number in &tasks {
            let Some(Some(active)) = self.tasks.get_mut(*number as usize) else { continue };
            let written = active.task.stores_mut().commit_unlogged();
            written.map_err(|source| WorkerError::Task {
                task: active.task.id(),
                source: Box::new(TaskError::Store { node: None, origin: Origin(None), source }),
            })?;
            offsets.extend(active.task.offsets());
        }
        if offsets.is_empty() {
            return self.finish_commit(&tasks, began, began);
        }
        self.send_offsets(tasks, began, offsets);
        Ok(())
    }

    fn send_offsets(&mut self, tasks: Vec<u32>, began: Timestamp, offsets: Vec<OffsetToCommit>) {
        let id = self.commits.next_id();
        let names = self.names_of(&tasks);
        self.actions.push_back(Action::Commit { id, tasks: names, offsets: offsets.clone() });
        self.commits.in_flight = Some(InFlight::Sent { id, tasks, began, offsets });
    }

    fn names_of(&self, numbers: &[u32]) -> Vec<TaskId> {
        let tasks = numbers.iter().filter_map(|n| self.tasks.get(*n as usize)?.as_ref());
        tasks.map(super::active::ActiveTask::id).collect()
    }

    pub(super) fn commit_answered(
        &mut self,
        answered: CommitId,
        result: Result<(), CommitFailure>,
        now: Timestamp,
    ) -> Result<(), WorkerError> {
        match self.commits.in_flight.take() {
            Some(InFlight::Sent { id, tasks, began, offsets }) if id == answered => match result {
                Ok(()) => self.finish_commit(&tasks, began, now),
                Err(CommitFailure::Fenced) => {
                    let lost = self.names_of(&tasks);
                    self.lose(&lost);
                    Ok(())
                }
                Err(CommitFailure::Retriable(why)) => {
                    tracing::warn!(%why, "offsets are committed again");
                    let until = now.plus(self.commits.policy.retry_backoff);
                    self.commits.in_flight =
                        Some(InFlight::Waiting { until, tasks, began, offsets });
                    Ok(())
                }
                Err(fatal) => Err(WorkerError::Commit(fatal)),
            },
            other => {
                self.commits.in_flight = other;
                Ok(())
            }
        }
    }

    /// The offsets are committed: the stores are written, each task's in one batch.
    fn finish_commit(
        &mut self,
        tasks: &[u32],
        began: Timestamp,
        now: Timestamp,
    ) -> Result<(), WorkerError> {
        self.commit_latency = Some(now.since(began));
        for number in tasks {
            let Some(Some(active)) = self.tasks.get_mut(*number as usize) else { continue };
            let task = active.id();
            for offset in active.task.offsets() {
                active.remember_committed(&offset);
            }
            let mut positions = active.positions();
            let interleaved = active.settle_positions();
            // A position behind another writer's changes must not reach the disk: after a kill
            // before the rebuild they would be missed for ever.
            positions.retain(|(store, _)| !interleaved.contains(store));
            let written = active.task.committed(&positions);
            written.map_err(|source| WorkerError::Task { task, source })?;
            if !interleaved.is_empty() {
                self.rebuild(*number, &interleaved, now)?;
            }
        }
        self.finish_leaving(now)
    }
}
