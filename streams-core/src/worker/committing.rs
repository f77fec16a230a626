//! The steps of a worker's commit.

use super::Worker;
use super::active::ActiveTask;
use super::commit::{InFlight, Wanted};
use super::message::{Action, CommitFailure, CommitId, TurnReport, WorkerError};
use crate::names::TaskId;
use crate::time::{Moment, Now};

impl Worker {
    /// Begins a commit when one is due, and takes the step that is possible now.
    pub(super) fn step_commit(
        &mut self,
        now: Now,
        report: &mut TurnReport,
    ) -> Result<(), WorkerError> {
        if self.commits.in_flight.is_none() && self.commits.is_due(now.moment) {
            self.begin_commit(now)?;
        }
        match self.commits.in_flight.take() {
            Some(InFlight::Flushing { tasks, began }) if self.have_arrived(&tasks) => {
                self.hand_out_offsets(tasks, began, now)?;
                // Without tasks, nobody has to be waited for.
                report.is_busy |= self.commits.awaits_nobody();
            }
            Some(writing @ InFlight::Writing { .. }) => {
                self.commits.in_flight = Some(writing);
                self.write_stores(now)?;
                report.is_busy = true;
            }
            other => self.commits.in_flight = other,
        }
        Ok(())
    }

    /// Whether all that these tasks sent was acknowledged. They send nothing meanwhile, whatever
    /// others do.
    fn have_arrived(&self, tasks: &[u32]) -> bool {
        self.undelivered == 0 || tasks.iter().all(|task| self.plane.undelivered_of(*task) == 0)
    }

    fn begin_commit(&mut self, now: Now) -> Result<(), WorkerError> {
        let scope = self.commits.begin(now.moment);
        let (mut tasks, mut failed) = (Vec::new(), Vec::new());
        for number in self.order.values() {
            let Some(Some(active)) = self.tasks.get_mut(*number as usize) else { continue };
            if !active.needs_commit() || (scope == Wanted::OfLeaving && !active.leaves()) {
                continue;
            }
            match active.task.flush_caches(now.wall) {
                Ok(()) => tasks.push(*number),
                Err(source) => failed.push(WorkerError::Task { task: active.task.id(), source }),
            }
        }
        for error in failed {
            self.settle(Err(error), now);
        }
        if tasks.is_empty() {
            self.commits.resume();
            return self.finish_leaving(now);
        }
        self.plane.hurry();
        self.commits.in_flight = Some(InFlight::Flushing { tasks, began: now.moment });
        self.take_deliveries(now);
        Ok(())
    }

    /// All records are acknowledged: stores without changelog are written, offsets go out.
    fn hand_out_offsets(
        &mut self,
        mut tasks: Vec<u32>,
        began: Moment,
        now: Now,
    ) -> Result<(), WorkerError> {
        let (mut offsets, mut failed) = (Vec::new(), Vec::new());
        tasks.retain(|number| {
            let task = self.tasks.get_mut(*number as usize).and_then(Option::as_mut);
            let Some(active) = task else { return false };
            match active.task.commit_unlogged() {
                Ok(()) => offsets.extend(active.task.offsets()),
                Err(source) => failed.push(WorkerError::Task { task: active.id(), source }),
            }
            !failed.iter().any(|error| error.task() == Some(active.id()))
        });
        for error in failed {
            self.settle(Err(error), now);
        }
        if tasks.is_empty() {
            return self.finish_commit(tasks, began, now);
        }
        // Where nothing was read there are none, and yet the group has to say whose the tasks are.
        let id = self.commits.next_id();
        self.actions.push_back(Action::Commit { id, tasks: self.names_of(&tasks), offsets });
        self.commits.in_flight = Some(InFlight::Sent { id, tasks, began });
        Ok(())
    }

    pub(super) fn names_of(&self, numbers: &[u32]) -> Vec<TaskId> {
        let tasks = numbers.iter().filter_map(|number| self.active_of(*number));
        tasks.map(ActiveTask::id).collect()
    }

    pub(super) fn commit_answered(
        &mut self,
        answered: CommitId,
        result: Result<(), CommitFailure>,
        now: Now,
    ) -> Result<(), WorkerError> {
        match self.commits.in_flight.take() {
            Some(InFlight::Sent { id, tasks, began }) if id == answered => match result {
                Ok(()) => self.finish_commit(tasks, began, now),
                Err(CommitFailure::Fenced) => {
                    self.commits.resume();
                    let lost = self.names_of(&tasks);
                    self.lose(&lost);
                    Ok(())
                }
                Err(failure @ CommitFailure::Retriable(_)) => {
                    tracing::debug!(%failure, "the tasks go on, and commit later");
                    self.put_off(&tasks, failure, now);
                    Ok(())
                }
                Err(CommitFailure::Rebalancing) => {
                    self.commits.await_rebalance(now.moment);
                    Ok(())
                }
                Err(fatal) => {
                    self.commits.resume();
                    self.fail_together(&tasks, WorkerError::Commit(fatal), now);
                    Ok(())
                }
            },
            other => {
                self.commits.in_flight = other;
                Ok(())
            }
        }
    }

    /// The tasks go on, until that has lasted too long.
    fn put_off(&mut self, tasks: &[u32], failure: CommitFailure, now: Now) {
        let waited = self.commits.put_off(now.moment);
        if !self.settings.retries.is_over(waited) {
            return;
        }
        let source = Box::new(WorkerError::Commit(failure));
        let Some(task) = self.names_of(tasks).first().copied() else { return };
        self.commits.resume();
        self.fail_together(tasks, WorkerError::TimedOut { task, waited, source }, now);
    }
}
