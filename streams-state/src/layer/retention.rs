//! The retention layer: what is too old is not taken and not shown, and whole segments are dropped.
//! Answers to the segments of Kafka's `AbstractRocksDBSegmentedBytesStore` and to the expiry of its
//! in-memory stores, which differ.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use streams_core::store::RowOrder;

use super::Expiry;
use crate::builder::Medium;
use crate::row_key::{RowKey, RowKeys, WindowForm};

/// Which rows a read leaves out as too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    /// Those at the end of the retention.
    Retention,
    /// Those whose segment is closed.
    Segment,
}

/// What a store keeps, by the greatest time that was written to it.
#[derive(Debug)]
pub(crate) struct Retention {
    pub(crate) keys: RowKeys,
    medium: Medium,
    pub(crate) expiry: Expiry,
}

impl Retention {
    pub(crate) fn new(keys: RowKeys, retention_ms: i64, medium: Medium) -> Self {
        Self { keys, medium, expiry: Expiry::new(keys.interval_ms(), retention_ms) }
    }

    /// That of a thread that only reads; `time` is who writes's.
    pub(crate) fn reading(self, time: Arc<AtomicI64>) -> Self {
        Self { expiry: self.expiry.reading(time), ..self }
    }

    /// Where the rows are.
    pub(crate) const fn medium(&self) -> Medium {
        self.medium
    }

    /// The least time that a read shows.
    pub(crate) fn floor(&self, floor: Floor) -> i64 {
        let by_time = self.keys.order != RowOrder::KeyFirst;
        match floor {
            Floor::Segment if self.medium == Medium::Disk => {
                self.keys.start_of(self.expiry.oldest_segment())
            }
            // As in Kafka: windows that are kept for their end would else be gone when it comes.
            Floor::Retention
                if by_time
                    && self.keys.form == WindowForm::Window
                    && self.medium == Medium::Disk =>
            {
                self.expiry.oldest_kept()
            }
            Floor::Segment | Floor::Retention => self.expiry.oldest_kept().saturating_add(1),
        }
    }

    /// Whether a read of this row shows it.
    pub(crate) fn shows(&self, row: &[u8]) -> bool {
        self.keys.read_row(row).is_some_and(|row| row.time >= self.floor(Floor::Retention))
    }

    /// Whether a row is written: not when it is too old already.
    pub(crate) fn takes(&self, row: RowKey<'_>) -> bool {
        let time = row.time;
        self.expiry.observe(time);
        let segment = self.keys.segment_of(time);
        let kept = match self.medium {
            Medium::Disk => segment >= self.expiry.oldest_segment(),
            Medium::Memory => time > self.expiry.oldest_kept(),
        };
        if !kept || time < 0 {
            return false;
        }
        self.expiry.writes(segment);
        true
    }

    /// The segment in which Kafka begins a scan of cached windows backwards, up to this time: that of
    /// the latest window, also where the scan ends after it.
    pub(crate) fn latest_segment(&self, to: i64) -> i64 {
        self.keys.segment_of(self.expiry.observed().min(to))
    }

    /// The segments that have rows with times between these.
    pub(crate) fn between(&self, from: i64, to: i64) -> Vec<i64> {
        self.expiry.between(from, to)
    }
}
