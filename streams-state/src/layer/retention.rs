//! The retention layer: what is too old is not taken and not shown, and whole segments are dropped.
//! Answers to the segments of Kafka's `AbstractRocksDBSegmentedBytesStore` and to the expiry of its
//! in-memory stores, which differ.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use streams_core::store::RowOrder;

use crate::builder::Medium;
use crate::row_key::{RowKey, RowKeys, WindowForm};

/// No time was seen.
const UNKNOWN: i64 = -1;

/// Which rows a read leaves out as too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    /// Those at the end of the retention.
    Retention,
    /// Those whose segment is closed.
    Segment,
}

/// Segments to be dropped, from the first up to before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) from: i64,
    pub(crate) before: i64,
}

/// What a store keeps, by the greatest time that was written to it.
#[derive(Debug)]
pub(crate) struct Retention {
    pub(crate) keys: RowKeys,
    retention_ms: i64,
    medium: Medium,
    observed: Cell<i64>,
    /// As of the last commit.
    committed: Cell<i64>,
    /// Segments that have rows, and some that had.
    segments: RefCell<BTreeSet<i64>>,
    /// The segment that was written last, which needs no look-up.
    last: Cell<Option<i64>>,
    /// All segments before this one are dropped.
    dropped_before: Cell<i64>,
}

impl Retention {
    pub(crate) fn new(keys: RowKeys, retention_ms: i64, medium: Medium) -> Self {
        Self {
            keys,
            retention_ms,
            medium,
            observed: Cell::new(UNKNOWN),
            committed: Cell::new(UNKNOWN),
            segments: RefCell::default(),
            last: Cell::new(None),
            dropped_before: Cell::new(0),
        }
    }

    /// Where the rows are.
    pub(crate) const fn medium(&self) -> Medium {
        self.medium
    }

    fn oldest_kept(&self) -> i64 {
        self.observed.get().saturating_sub(self.retention_ms)
    }

    fn oldest_segment(&self) -> i64 {
        self.keys.segment_of(self.oldest_kept())
    }

    /// The least time that a read shows.
    pub(crate) fn floor(&self, floor: Floor) -> i64 {
        let by_time = self.keys.order != RowOrder::KeyFirst;
        match floor {
            Floor::Segment if self.medium == Medium::Disk => {
                self.keys.start_of(self.oldest_segment())
            }
            // As in Kafka: windows that are kept for their end would else be gone when it comes.
            Floor::Retention
                if by_time
                    && self.keys.form == WindowForm::Window
                    && self.medium == Medium::Disk =>
            {
                self.oldest_kept()
            }
            Floor::Segment | Floor::Retention => self.oldest_kept().saturating_add(1),
        }
    }

    /// Whether a read of this row shows it.
    pub(crate) fn shows(&self, row: &[u8]) -> bool {
        self.keys.read_row(row).is_some_and(|row| row.time >= self.floor(Floor::Retention))
    }

    /// Whether a row is written: not when it is too old already.
    pub(crate) fn takes(&self, row: RowKey<'_>) -> bool {
        let time = row.time;
        self.observed.set(self.observed.get().max(time));
        let segment = self.keys.segment_of(time);
        let kept = match self.medium {
            Medium::Disk => segment >= self.oldest_segment(),
            Medium::Memory => time > self.oldest_kept(),
        };
        if !kept || time < 0 {
            return false;
        }
        if self.last.get() != Some(segment) {
            self.found(segment);
            self.last.set(Some(segment));
        }
        true
    }

    /// A segment has rows.
    pub(crate) fn found(&self, segment: i64) {
        self.segments.borrow_mut().insert(segment);
    }

    /// The segments that have rows with times between these.
    pub(crate) fn between(&self, from: i64, to: i64) -> Vec<i64> {
        let (from, to) = (self.keys.segment_of(from), self.keys.segment_of(to));
        if from > to {
            return Vec::new();
        }
        self.segments.borrow().range(from..=to).copied().collect()
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
        self.committed.set(self.observed.get());
    }

    /// Goes back to the last commit. Segments without rows do no harm.
    pub(crate) fn discard(&self) {
        self.observed.set(self.committed.get());
    }

    /// The store was emptied.
    pub(crate) fn emptied(&self) {
        self.observed.set(UNKNOWN);
        self.committed.set(UNKNOWN);
        self.segments.borrow_mut().clear();
        self.last.set(None);
        self.dropped_before.set(0);
    }
}
