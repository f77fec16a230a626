//! Which segments a store has, and which of them are over by the greatest time that was written:
//! what all stores that expire keep count of. Answers to Kafka's `AbstractSegments`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::row_key::segment_of;

/// No time was seen.
const UNKNOWN: i64 = -1;

/// Segments to be dropped, from the first up to before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) from: i64,
    pub(crate) before: i64,
}

/// The segments of a store.
#[derive(Debug)]
pub(crate) struct Expiry {
    interval_ms: i64,
    retention_ms: i64,
    observed: Cell<i64>,
    /// The segment of the least time that is kept.
    oldest: Cell<i64>,
    /// As of the last commit; the threads that read a global store see it too.
    committed: Arc<AtomicI64>,
    /// Segments that have rows, and some that had.
    segments: RefCell<BTreeSet<i64>>,
    /// The segment that was written last, which needs no look-up.
    last: Cell<Option<i64>>,
    /// All segments before this one are dropped.
    dropped_before: Cell<i64>,
}

impl Expiry {
    pub(crate) fn new(interval_ms: i64, retention_ms: i64) -> Self {
        let this = Self {
            interval_ms: interval_ms.max(1),
            retention_ms,
            observed: Cell::new(UNKNOWN),
            oldest: Cell::new(0),
            committed: Arc::new(AtomicI64::new(UNKNOWN)),
            segments: RefCell::default(),
            last: Cell::new(None),
            dropped_before: Cell::new(0),
        };
        this.set_observed(UNKNOWN);
        this
    }

    fn set_observed(&self, time: i64) {
        self.observed.set(time);
        self.oldest.set(self.segment_of(self.oldest_kept()));
    }

    /// The segment of a time.
    pub(super) const fn segment_of(&self, time: i64) -> i64 {
        segment_of(time, self.interval_ms)
    }

    /// The greatest time that was written.
    pub(super) const fn observed(&self) -> i64 {
        self.observed.get()
    }

    /// The least time that is kept.
    pub(crate) const fn oldest_kept(&self) -> i64 {
        self.observed.get().saturating_sub(self.retention_ms)
    }

    pub(crate) const fn oldest_segment(&self) -> i64 {
        self.oldest.get()
    }

    /// A time was written, or was too old to be.
    pub(super) fn observe(&self, time: i64) {
        if time > self.observed.get() {
            self.set_observed(time);
        }
    }

    /// A segment is written.
    pub(super) fn writes(&self, segment: i64) {
        if self.last.get() != Some(segment) {
            self.found(segment);
            self.last.set(Some(segment));
        }
    }

    /// A segment has rows.
    pub(crate) fn found(&self, segment: i64) {
        self.segments.borrow_mut().insert(segment);
    }

    /// The segments that have rows with times between these.
    pub(super) fn between(&self, from: i64, to: i64) -> Vec<i64> {
        let (from, to) = (self.segment_of(from), self.segment_of(to));
        if from > to {
            return Vec::new();
        }
        self.segments.borrow().range(from..=to).copied().collect()
    }

    /// The last segment before this one that has rows, and is not before `first`.
    pub(super) fn before(&self, segment: i64, first: i64) -> Option<i64> {
        if first >= segment {
            return None;
        }
        self.segments.borrow().range(first..segment).next_back().copied()
    }

    /// The segments that a commit shall drop.
    pub(crate) fn closed(&self) -> Option<Closed> {
        let (from, before) = (self.dropped_before.get(), self.oldest_segment());
        let has_rows = || self.segments.borrow().range(..before).next().is_some();
        (before > from && has_rows()).then_some(Closed { from, before })
    }

    /// These segments are gone.
    pub(crate) fn dropped(&self, closed: Closed) {
        let mut segments = self.segments.borrow_mut();
        *segments = segments.split_off(&closed.before);
        self.dropped_before.set(closed.before);
        self.last.set(None);
    }

    pub(crate) fn committed(&self) {
        self.set_committed(self.observed.get());
    }

    fn set_committed(&self, time: i64) {
        self.committed.store(time, Ordering::Relaxed);
    }

    /// Goes back to the last commit. Segments without rows do no harm.
    pub(crate) fn discard(&self) {
        self.set_observed(self.committed.load(Ordering::Relaxed));
    }

    /// What another thread goes by that reads what this one writes.
    pub(crate) fn committed_time(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.committed)
    }

    /// That of a thread that only reads; `time` is who writes's.
    pub(crate) fn reading(mut self, time: Arc<AtomicI64>) -> Self {
        self.committed = time;
        self.discard();
        self
    }

    /// Who writes has committed.
    pub(super) fn follow(&self) {
        self.discard();
        let mut segments = self.segments.borrow_mut();
        *segments = segments.split_off(&self.oldest_segment());
    }

    /// The store was emptied.
    pub(crate) fn emptied(&self) {
        self.set_observed(UNKNOWN);
        self.set_committed(UNKNOWN);
        self.segments.borrow_mut().clear();
        self.last.set(None);
        self.dropped_before.set(0);
    }
}
