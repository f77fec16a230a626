//! Rows over which another writer's records lie in the changelog: they are written once more.
//!
//! A member that was put out of its group sends what it had processed until it hears of that. Its
//! records then lie behind those of the tasks' new owner, and hold older rows; who restores the
//! store next would take them for the last. The owner's own store is right: that a commit was taken
//! proves that it is the owner, and all that was committed before it began lies before the end up
//! to which it restored the store. So it reads the offsets that it missed between its own, and sends
//! its own rows of these keys again.
//!
//! DIFFERENCE(overwritten-rows): Kafka does not notice; what is restored has lost updates.

use std::ops::Range;
use std::time::Duration;

use super::Worker;
use super::active::ActiveTask;
use super::commit::Wanted;
use super::in_step::store_failed;
use super::message::{TurnReport, WorkerError};
use crate::error::StoreError;
use crate::plane::{DataPlane, FetchError, Fetched, InputId, ReadFor, StartAt};
use crate::record::RecordBatch;
use crate::store::TaskStores;
use crate::time::{Moment, Now};
use crate::topology::OffsetReset;

/// Records looked at in a turn.
const TURN_RECORDS: usize = 256;
/// A task that leaves waits no longer for brokers to show what was written.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A stretch of one store's changelog in which others wrote.
#[derive(Debug)]
struct Repair {
    store: usize,
    input: InputId,
    /// What is still to be looked at.
    left: Range<i64>,
    /// Whether records at its beginning are gone, so that it is read from where the log begins.
    is_cut: bool,
    until: Moment,
}

/// Those of one task.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    /// At most one a store.
    open: Vec<Repair>,
    /// Whether rows were written since the last commit.
    is_written: bool,
}

impl Repairs {
    pub(super) const fn are_done(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether rows were written that nobody has waited for yet.
    pub(super) const fn wait_for_commit(&self) -> bool {
        self.is_written
    }

    /// All that was written has arrived.
    pub(super) const fn committed(&mut self) {
        self.is_written = false;
    }

    /// They are not gone on with now.
    fn put_off(&mut self, now: Now) {
        let until = now.moment.after(WAIT_MAX);
        self.open.iter_mut().for_each(|repair| repair.until = until);
    }

    pub(super) fn give_up(&mut self, plane: &mut dyn DataPlane) {
        self.open.drain(..).for_each(|repair| plane.close(repair.input));
        self.is_written = false;
    }
}

impl Repair {
    /// Looks at what there is. How many records it was.
    fn step(
        &mut self,
        stores: &mut dyn TaskStores,
        plane: &mut dyn DataPlane,
    ) -> Result<usize, StoreError> {
        match plane.fetch(self.input, TURN_RECORDS) {
            Fetched::Nothing => Ok(0),
            // Its first records were deleted meanwhile; what is left still lies over rows.
            Fetched::Failed(FetchError::OutOfRange { partition, .. }) if !self.is_cut => {
                self.is_cut = true;
                plane.close(self.input);
                let start = StartAt::Reset(OffsetReset::Earliest);
                self.input = plane.open(&partition, start, ReadFor::Restore);
                self.step(stores, plane)
            }
            Fetched::Records(batch) => self.look_through(&*batch, stores),
            // The topic is another one, and not as long.
            Fetched::End(offset) if self.is_cut && offset < self.left.start => {
                self.left.start = self.left.end;
                Ok(0)
            }
            Fetched::End(offset) => {
                self.left.start = offset.max(self.left.start);
                Ok(0)
            }
            Fetched::Failed(error) if error.is_passing() => Ok(0),
            Fetched::Failed(error) => {
                tracing::warn!(%error, "what another writer wrote cannot be read, and stays");
                self.left.start = self.left.end;
                Ok(0)
            }
        }
    }

    fn look_through(
        &mut self,
        batch: &dyn RecordBatch,
        stores: &mut dyn TaskStores,
    ) -> Result<usize, StoreError> {
        for index in 0..batch.len() {
            let record = batch.record(index);
            if record.offset < self.left.start {
                continue;
            }
            if record.offset >= self.left.end {
                self.left.start = self.left.end;
                break;
            }
            stores.write_again(self.store, &record)?;
            self.left.start = record.offset + 1;
        }
        Ok(batch.len())
    }
}

impl ActiveTask {
    /// Begins to look at stretches of the changelogs of these stores.
    pub(super) fn begin_repairs(
        &mut self,
        stretches: Vec<(usize, Range<i64>)>,
        plane: &mut dyn DataPlane,
        now: Now,
    ) {
        for (store, stretch) in stretches {
            let Some(changelog) = self.task.restored_from().get(store).cloned().flatten() else {
                continue;
            };
            let offsets = (stretch.start, stretch.end);
            tracing::warn!(task = %self.id(), %changelog, ?offsets, "another writer's records are in the changelog; this task's rows of their keys are written again");
            let until = now.moment.after(WAIT_MAX);
            match self.repairs.open.iter_mut().find(|repair| repair.store == store) {
                Some(repair) => (repair.left.end, repair.until) = (stretch.end, until),
                None => {
                    let start = StartAt::Offset(stretch.start);
                    let input = plane.open(&changelog, start, ReadFor::Restore);
                    let left = stretch;
                    self.repairs.open.push(Repair { store, input, left, is_cut: false, until });
                }
            }
        }
    }

    /// Goes on with them. How many records were looked at.
    fn go_on_with_repairs(
        &mut self,
        plane: &mut dyn DataPlane,
        now: Now,
    ) -> Result<usize, StoreError> {
        let (mut looked_at, id, leaves) = (0, self.id(), self.leaves());
        for repair in &mut self.repairs.open {
            looked_at += repair.step(self.task.stores_mut(), plane)?;
            if leaves && now.moment >= repair.until {
                tracing::warn!(task = %id, "what another writer wrote could not be read in time");
                repair.left.start = repair.left.end;
            }
        }
        self.repairs.open.retain(|repair| {
            let goes_on = !repair.left.is_empty();
            if !goes_on {
                plane.close(repair.input);
            }
            goes_on
        });
        self.repairs.is_written |= looked_at > 0;
        Ok(looked_at)
    }
}

impl Worker {
    /// Writes again what others wrote over.
    pub(super) fn step_repairs(
        &mut self,
        now: Now,
        report: &mut TurnReport,
    ) -> Result<(), WorkerError> {
        for (number, active) in (0..).zip(&mut self.tasks) {
            let Some(active) = active else { continue };
            if !active.is_running() || active.repairs.are_done() {
                continue;
            }
            if self.commits.takes(number) {
                // It would not wait for what is sent meanwhile.
                active.repairs.put_off(now);
                continue;
            }
            let task = active.id();
            let looked_at = active.go_on_with_repairs(&mut *self.plane, now);
            let looked_at = looked_at.map_err(|source| store_failed(task, source))?;
            report.is_busy |= looked_at > 0;
            if active.repairs.are_done() {
                let leaves = active.leaves();
                self.commits.request(if leaves { Wanted::OfLeaving } else { Wanted::OfAll });
            }
        }
        Ok(())
    }
}
