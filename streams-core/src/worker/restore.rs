//! Rebuilding a store from its changelog, a bounded number of records a turn.

use super::message::{RestorePhase, RestoreProgress};
use crate::error::StoreError;
use crate::names::{StoreName, TopicPartition};
use crate::plane::{DataPlane, FetchError, Fetched, InputId, ReadFor, StartAt};
use crate::record::RecordBatch;
use crate::store::TaskStores;
use crate::task::Task;
use crate::topology::OffsetReset;

/// Records after which progress is made durable and told.
const STEP_RECORDS: u64 = 100_000;

/// What is known of the end of a restoration before it begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Until {
    /// See [`Restoration`].
    pub(super) limit: Option<i64>,
    /// The end of the changelog.
    pub(super) end: Option<i64>,
}

/// What went wrong while a store was restored.
#[derive(Debug)]
pub(super) enum RestoreFailure {
    Store(StoreError),
    Fetch(FetchError),
}

/// One store being restored.
pub(super) struct Restoration {
    store: usize,
    progress: RestoreProgress,
    /// `None` when there is nothing to read.
    input: Option<InputId>,
    /// Where a store stops whose source topic is its changelog: what lies behind is still input.
    limit: Option<i64>,
    told_at: u64,
}

/// What a turn of a restoration brought.
pub(super) struct Step {
    pub(super) records: u64,
    pub(super) progress: Option<RestoreProgress>,
}

impl Restoration {
    /// Begins where the store's position says; `until` is what is known of the end.
    pub(super) fn begin(
        task: &Task,
        store: usize,
        until: Until,
        plane: &mut dyn DataPlane,
    ) -> Option<Self> {
        let partition: TopicPartition = task.restored_from().get(store)?.clone()?;
        let name: StoreName = task.store_names().get(store)?.clone();
        let position = task.stores().position(store);
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
        Some(Self { store, progress, input, limit: until.limit, told_at: 0 })
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

    pub(super) const fn progress(&self) -> &RestoreProgress {
        &self.progress
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!(self.progress.phase, RestorePhase::Ended)
    }

    /// Puts at most about `max` records into the store.
    pub(super) fn step(
        &mut self,
        stores: &mut dyn TaskStores,
        plane: &mut dyn DataPlane,
        max: usize,
    ) -> Result<Step, RestoreFailure> {
        if self.is_done() || self.reached_limit() {
            return self.finish(stores, self.progress.next);
        }
        let Some(input) = self.input else { return self.finish(stores, self.progress.next) };
        let mut records = 0;
        match plane.fetch(input, max) {
            Fetched::Nothing => {}
            Fetched::Records(batch) => {
                records = self.apply(stores, &*batch).map_err(RestoreFailure::Store)?;
                if self.reached_limit() {
                    return self.finish(stores, self.progress.next);
                }
            }
            Fetched::End(offset) => return self.finish(stores, offset.max(self.progress.next)),
            Fetched::Failed(error) if error.is_passing() => {
                tracing::warn!(%error, store = %self.progress.store, "restoration waits");
            }
            Fetched::Failed(error) => return Err(RestoreFailure::Fetch(error)),
        }
        let behind = plane.lag(input);
        self.progress.end = behind.map(|lag| self.progress.next + lag);
        let is_due = self.progress.records >= self.told_at + STEP_RECORDS;
        if is_due {
            self.told_at = self.progress.records;
            self.progress.phase = RestorePhase::Reading;
            let next = self.progress.next;
            stores.restored_up_to(self.store, next).map_err(RestoreFailure::Store)?;
        }
        Ok(Step { records, progress: is_due.then(|| self.progress.clone()) })
    }

    fn reached_limit(&self) -> bool {
        self.limit.is_some_and(|limit| self.progress.next >= limit)
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
            return Ok(Step { records: 0, progress: None });
        }
        self.progress.next = end;
        self.progress.end = Some(end);
        self.progress.phase = RestorePhase::Ended;
        stores.restored_up_to(self.store, end).map_err(RestoreFailure::Store)?;
        Ok(Step { records: 0, progress: Some(self.progress.clone()) })
    }
}
