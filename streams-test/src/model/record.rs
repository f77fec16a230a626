//! Records as the model keeps them.

use std::sync::Arc;

use bytes::Bytes;
use streams_core::record::{Headers, RawRecord, RecordBatch};
use streams_core::time::Timestamp;

/// Who wrote a record: 0 is the test itself, every producer has a number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WriterId(pub u32);

/// Where the time of a record comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFrom {
    /// The producer was given it.
    Producer,
    /// The producer was given none; it is the model's clock.
    Clock,
}

/// A record to append.
#[derive(Debug, Clone, Default)]
pub struct NewRecord {
    /// The key's bytes, or null.
    pub key: Option<Bytes>,
    /// The value's bytes, or null.
    pub value: Option<Bytes>,
    /// The time; `None` takes the model's clock.
    pub timestamp: Option<Timestamp>,
    /// The headers.
    pub headers: Headers,
    /// Who writes it.
    pub writer: WriterId,
}

impl NewRecord {
    /// Bytes that count against `max.message.bytes`.
    pub(super) fn size(&self) -> usize {
        let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers = self.headers.iter().map(|h| h.name.len() + bytes(&h.value));
        bytes(&self.key) + bytes(&self.value) + headers.sum::<usize>()
    }

    /// The record at its place: partition, offset, sequence number.
    pub(super) fn placed(self, place: (i32, i64, u64), now: Timestamp) -> ModelRecord {
        let (partition, offset, sequence) = place;
        let time_from = if self.timestamp.is_some() { TimeFrom::Producer } else { TimeFrom::Clock };
        ModelRecord {
            partition,
            offset,
            sequence,
            key: self.key,
            value: self.value,
            timestamp: self.timestamp.unwrap_or(now),
            time_from,
            headers: self.headers,
            writer: self.writer,
        }
    }
}

/// A record in a partition of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRecord {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its place among all records of the model, from 1.
    pub sequence: u64,
    /// The key's bytes, or null.
    pub key: Option<Bytes>,
    /// The value's bytes, or null.
    pub value: Option<Bytes>,
    /// Its time.
    pub timestamp: Timestamp,
    /// Where that comes from.
    pub time_from: TimeFrom,
    /// The headers.
    pub headers: Headers,
    /// Who wrote it.
    pub writer: WriterId,
}

/// Records of one partition, shared with the model.
#[derive(Debug, Clone)]
pub struct ModelBatch(Vec<Arc<ModelRecord>>);

impl ModelBatch {
    /// These records, in order of their offsets.
    #[must_use]
    pub const fn new(records: Vec<Arc<ModelRecord>>) -> Self {
        Self(records)
    }
}

impl ModelRecord {
    /// The record as a reader sees it.
    #[must_use]
    pub fn raw(&self) -> RawRecord<'_> {
        RawRecord {
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            timestamp: self.timestamp,
            offset: self.offset,
            leader_epoch: None,
            headers: self.headers.clone(),
        }
    }
}

impl RecordBatch for ModelBatch {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn record(&self, index: usize) -> RawRecord<'_> {
        self.0[index].raw()
    }
}
