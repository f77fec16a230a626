//! Rebuilding a store from its changelog, a bounded number of records a turn.

use std::collections::BTreeMap;
use std::time::Duration;

use super::message::{RestorePhase, RestoreProgress, TaskInput};
use crate::error::StoreError;
use crate::names::TopicPartition;
use crate::plane::{DataPlane, FetchError, Fetched, InputId, ReadFor, StartAt};
use crate::record::RecordBatch;
use crate::store::TaskStores;
use crate::task::Task;
use crate::time::{Moment, Now};
use crate::topology::OffsetReset;

/// Records after which progress is told.
pub(super) const TOLD_RECORDS: u64 = 100_000;
/// Records after which progress is made durable. The more, the fewer rows are written twice.
const DURABLE_RECORDS: i64 = 1_000_000;

/// How long a standby's reader may bring nothing on its way to the end that was found when its task
/// was to run. Leaders that are new know the end of their log a little later.
const GOAL_WAIT: Duration = Duration::from_secs(10);

/// How far a store is to be rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pursuit {
    /// To the end, so that the task can run.
    ToTheEnd,
    /// Behind its owner, for as long as the task is a standby.
    OnAndOn,
}

/// What is known of the end of a restoration before it begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Until {
    /// See [`Restoration`].
    pub(super) limit: Option<i64>,
    /// The end of the changelog.
    pub(super) end: Option<i64>,
}

impl Until {
    /// By store of a task: what its inputs and the ends of its changelogs tell.
    pub(super) fn of_all(
        task: &Task,
        inputs: &[TaskInput],
        ends: &BTreeMap<TopicPartition, i64>,
    ) -> Vec<(usize, Self)> {
        let stores = 0..task.store_names().len();
        stores.map(|store| (store, Self::of(task, store, inputs.iter(), ends))).collect()
    }

    /// What a task's inputs and the ends of its changelogs tell of a store.
    pub(super) fn of<'a>(
        task: &Task,
        store: usize,
        mut inputs: impl Iterator<Item = &'a TaskInput>,
        ends: &BTreeMap<TopicPartition, i64>,
    ) -> Self {
        let from = task.restored_from().get(store).and_then(Option::as_ref);
        let input = from.and_then(|from| inputs.find(|input| input.partition == *from));
        let limit = input.map(|input| match input.start {
            StartAt::Offset(offset) => offset,
            StartAt::Reset(_) => 0,
        });
        Self { limit, end: from.and_then(|from| ends.get(from)).copied() }
    }
}

/// What went wrong while a store was restored.
#[derive(Debug)]
pub(super) enum RestoreFailure {
    Store(StoreError),
    Fetch(FetchError),
}

/// Since when a changelog has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// For this restoration.
    Own,
    /// Since before the standby's task was to run. If it brings nothing until this time, the log may
    /// have become shorter, and what it told of the end before is not told again.
    OfStandby(Moment),
}

/// One store being restored.
pub(super) struct Restoration {
    store: usize,
    progress: RestoreProgress,
    /// `None` when there is nothing to read.
    input: Option<InputId>,
    /// Where a store stops whose source topic is its changelog: what lies behind is still input.
    limit: Option<i64>,
    /// Where the changelog ended when its last writer had let go. Its reader says that it is at the
    /// end only once the broker has waited for more in vain.
    goal: Option<i64>,
    reader: Reader,
    told_at: u64,
    /// All before this offset is durable.
    durable: i64,
}

/// What a turn of a restoration brought.
pub(super) struct Step {
    pub(super) records: u64,
    pub(super) progress: Option<RestoreProgress>,
}

const NO_STEP: Step = Step { records: 0, progress: None };

impl Restoration {
    /// Begins where the store's position says; `until` is what is known of the end. `None` for a
    /// store that is not restored from anywhere.
    fn begin(
        task: &mut Task,
        store: usize,
        until: Until,
        plane: &mut dyn DataPlane,
        now: Now,
    ) -> Result<Option<Self>, StoreError> {
        let partition = task.restored_from().get(store).cloned().flatten();
        let name = task.store_names().get(store).cloned();
        let (Some(partition), Some(name)) = (partition, name) else { return Ok(None) };
        let position = task.stores().position(store);
        if position.is_none() {
            // What is read from now on is followed by all deletions that are written from now on.
            task.stores_mut().set_current_at(store, now.wall)?;
        }
        let start = position.map_or(StartAt::Reset(OffsetReset::Earliest), StartAt::Offset);
        let begin = position.unwrap_or(0);
        let is_there = until.end == Some(begin);
        let input = (!is_there).then(|| plane.open(&partition, start, ReadFor::Restore));
        let progress = RestoreProgress {
            task: task.id(),
            store: name,
            partition,
            start: begin,
            next: begin,
            end: until.end,
            records: 0,
            phase: RestorePhase::Began,
        };
        let limit = until.limit;
        // A log that ends before the store's position has lost records: reading it tells.
        let goal = until.end.filter(|end| *end > begin);
        let (told_at, durable, reader) = (0, begin, Reader::Own);
        Ok(Some(Self { store, progress, input, limit, goal, reader, told_at, durable }))
    }

    /// Begins all of these. Where one cannot begin, none is read.
    pub(super) fn begin_all(
        task: &mut Task,
        stores: impl IntoIterator<Item = (usize, Until)>,
        plane: &mut dyn DataPlane,
        now: Now,
    ) -> Result<Vec<Self>, StoreError> {
        let mut begun = Vec::new();
        for (store, until) in stores {
            match Self::begin(task, store, until, plane, now) {
                Ok(one) => begun.extend(one),
                Err(error) => {
                    begun.iter_mut().for_each(|one: &mut Self| one.close(plane));
                    return Err(error);
                }
            }
        }
        Ok(begun)
    }

    /// The store was emptied: all of its changelog is read.
    pub(super) fn begin_again(
        &mut self,
        task: &mut Task,
        until: Until,
        plane: &mut dyn DataPlane,
        now: Now,
    ) -> Result<(), StoreError> {
        self.close(plane);
        if let Some(again) = Self::begin(task, self.store, until, plane, now)? {
            *self = again;
        }
        Ok(())
    }

    /// Stops reading.
    pub(super) fn close(&mut self, plane: &mut dyn DataPlane) {
        if let Some(input) = self.input.take() {
            plane.close(input);
        }
    }

    pub(super) const fn store(&self) -> usize {
        self.store
    }

    pub(super) const fn has_read(&self, store: usize) -> bool {
        self.store == store && self.progress.records > 0
    }

    pub(super) const fn progress(&self) -> &RestoreProgress {
        &self.progress
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!(self.progress.phase, RestorePhase::Ended)
    }

    pub(super) const fn limit(&self) -> Option<i64> {
        self.limit
    }

    /// The source topic that serves as changelog is processed up to here by now.
    pub(super) fn raise(&mut self, limit: i64, plane: &mut dyn DataPlane) {
        let Some(before) = self.limit.filter(|before| *before < limit) else { return };
        self.limit = Some(limit);
        // What was fetched beyond the limit before was dropped.
        if self.progress.next >= before {
            self.read_on(plane);
        }
    }

    /// Reads from the next record on, whatever was fetched.
    fn read_on(&mut self, plane: &mut dyn DataPlane) {
        self.close(plane);
        let start = StartAt::Offset(self.progress.next);
        self.input = Some(plane.open(&self.progress.partition, start, ReadFor::Restore));
    }

    /// A standby's task is to run: what is there already is not read again.
    pub(super) fn aim(&mut self, until: Until, plane: &mut dyn DataPlane, now: Now) {
        let next = self.progress.next;
        self.limit = until.limit;
        (self.goal, self.reader) = (until.end, Reader::OfStandby(now.moment.after(GOAL_WAIT)));
        self.told_at = 0;
        self.progress = RestoreProgress {
            start: next,
            end: until.end,
            records: 0,
            phase: RestorePhase::Began,
            ..self.progress.clone()
        };
        // The end may have been reported before, and is not again: a new reader tells it.
        if until.end.is_none() {
            self.ask_anew(plane);
        }
    }

    /// A reader of its own says where the end is.
    fn ask_anew(&mut self, plane: &mut dyn DataPlane) {
        self.reader = Reader::Own;
        self.read_on(plane);
    }

    /// Puts at most about `max` records into the store of a standby. How many there were.
    pub(super) fn follow(
        &mut self,
        stores: &mut dyn TaskStores,
        plane: &mut dyn DataPlane,
        max: usize,
    ) -> Result<u64, RestoreFailure> {
        Ok(self.read(stores, plane, (max, Pursuit::OnAndOn))?.records)
    }

    /// Makes durable what a standby read.
    pub(super) fn settle(&mut self, stores: &mut dyn TaskStores) -> Result<(), StoreError> {
        let next = self.progress.next;
        if self.durable != next {
            stores.restored_up_to(self.store, next)?;
            self.durable = next;
        }
        Ok(())
    }

    /// Puts at most about `max` records into the store.
    pub(super) fn step(
        &mut self,
        stores: &mut dyn TaskStores,
        plane: &mut dyn DataPlane,
        (max, now): (usize, Now),
    ) -> Result<Step, RestoreFailure> {
        if self.is_done() {
            return self.finish(stores, self.progress.next);
        }
        if matches!(self.reader, Reader::OfStandby(until) if now.moment >= until) {
            self.ask_anew(plane);
        }
        let step = self.read(stores, plane, (max, Pursuit::ToTheEnd))?;
        if let Reader::OfStandby(until) = &mut self.reader
            && step.records > 0
        {
            *until = now.moment.after(GOAL_WAIT);
        }
        Ok(step)
    }

    fn read(
        &mut self,
        stores: &mut dyn TaskStores,
        plane: &mut dyn DataPlane,
        (max, pursuit): (usize, Pursuit),
    ) -> Result<Step, RestoreFailure> {
        let goes_on = pursuit == Pursuit::OnAndOn;
        if self.is_through(pursuit) {
            return if goes_on { Ok(NO_STEP) } else { self.finish(stores, self.progress.next) };
        }
        let Some(input) = self.input else { return self.finish(stores, self.progress.next) };
        let mut records = 0;
        match plane.fetch(input, max) {
            Fetched::Nothing => {}
            Fetched::Records(batch) => {
                records = self.apply(stores, &*batch).map_err(RestoreFailure::Store)?;
                if !goes_on && self.is_through(pursuit) {
                    return self.finish(stores, self.progress.next);
                }
            }
            // One of before the task was promoted may still be on its way.
            Fetched::End(offset) if goes_on || self.told_before(offset) => {
                self.progress.next = offset.max(self.progress.next);
            }
            Fetched::End(offset) => return self.finish(stores, offset.max(self.progress.next)),
            Fetched::Failed(error) if error.is_passing() => {
                tracing::warn!(%error, store = %self.progress.store, "restoration waits");
            }
            Fetched::Failed(error) => return Err(RestoreFailure::Fetch(error)),
        }
        let behind = plane.lag(input);
        self.progress.end = behind.map(|lag| self.progress.next + lag);
        let is_due = self.progress.records >= self.told_at + TOLD_RECORDS;
        if is_due {
            self.told_at = self.progress.records;
            self.progress.phase = RestorePhase::Reading;
        }
        if self.progress.next >= self.durable.saturating_add(DURABLE_RECORDS) {
            self.settle(stores).map_err(RestoreFailure::Store)?;
        }
        Ok(Step { records, progress: is_due.then(|| self.progress.clone()) })
    }

    /// Whether the reader may have come to this end while the task was a standby.
    fn told_before(&self, end: i64) -> bool {
        matches!(self.reader, Reader::OfStandby(_)) && self.goal.is_some_and(|goal| end < goal)
    }

    fn is_through(&self, pursuit: Pursuit) -> bool {
        let goal = self.goal.filter(|_| pursuit == Pursuit::ToTheEnd);
        let ends = self.limit.into_iter().chain(goal);
        ends.min().is_some_and(|end| self.progress.next >= end)
    }

    fn apply(
        &mut self,
        stores: &mut dyn TaskStores,
        batch: &dyn RecordBatch,
    ) -> Result<u64, StoreError> {
        let mut applied = 0;
        for index in 0..batch.len() {
            let record = batch.record(index);
            if self.limit.is_some_and(|limit| record.offset >= limit) {
                self.progress.next = self.progress.next.max(record.offset);
                break;
            }
            stores.restore(self.store, &record)?;
            self.progress.next = record.offset + 1;
            applied += 1;
        }
        self.progress.records += applied;
        Ok(applied)
    }

    fn finish(&mut self, stores: &mut dyn TaskStores, end: i64) -> Result<Step, RestoreFailure> {
        if self.is_done() {
            return Ok(NO_STEP);
        }
        self.progress.next = end;
        self.progress.end = Some(end);
        self.progress.phase = RestorePhase::Ended;
        stores.restored_up_to(self.store, end).map_err(RestoreFailure::Store)?;
        Ok(Step { records: 0, progress: Some(self.progress.clone()) })
    }
}
