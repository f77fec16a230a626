//! The changelog layer: each change goes to Kafka at once, in order.

use streams_core::error::ProduceError;
use streams_core::outbox::{Destination, OutRecord, Purpose, SharedOutbox, TopicId};
use streams_core::processor::{Activity, TaskContext};
use streams_core::record::Headers;
use streams_core::time::Timestamp;

use super::headers_row::{read_headers, split_headers};

/// How a store's rows hold their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowFormat {
    /// The value alone.
    Plain,
    /// The row's timestamp, 8 bytes big-endian, then the value.
    Timestamped,
    /// The row's headers, then the value.
    WithHeaders,
    /// The row's headers, then its timestamp, then the value.
    TimestampedWithHeaders,
}

impl RowFormat {
    /// Whether a row has a timestamp.
    pub(crate) const fn has_timestamp(self) -> bool {
        matches!(self, Self::Timestamped | Self::TimestampedWithHeaders)
    }

    /// Whether a row has headers.
    pub(crate) const fn has_headers(self) -> bool {
        matches!(self, Self::WithHeaders | Self::TimestampedWithHeaders)
    }
}

/// Whether the records of a changelog have headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoggedHeaders {
    None,
    /// Those of the record being processed.
    OfRecord,
}

/// Whether the records of a changelog have times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoggedTimes {
    /// Those of the rows, or of the record being processed.
    OfRecord,
    /// The producer gives them.
    OfProducer,
}

/// What the records of a changelog are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogFormat {
    pub(crate) rows: RowFormat,
    pub(crate) headers: LoggedHeaders,
    pub(crate) times: LoggedTimes,
}

/// Bytes that a timestamp takes at the start of a row.
pub(crate) const TIMESTAMP_BYTES: usize = size_of::<i64>();

/// Parts a row into its timestamp and value; `None` when it is too short to have one.
pub(crate) fn split_timestamp(row: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (millis, value) = row.split_first_chunk::<TIMESTAMP_BYTES>()?;
    Some((Timestamp::from_millis(i64::from_be_bytes(*millis)), value))
}

/// Where a store's changes are sent.
pub(crate) struct Changelog {
    outbox: SharedOutbox,
    topic: TopicId,
    partition: i32,
    purpose: Purpose,
    format: LogFormat,
}

impl Changelog {
    pub(crate) const fn new(
        outbox: SharedOutbox,
        (topic, partition): (TopicId, i32),
        purpose: Purpose,
        format: LogFormat,
    ) -> Self {
        Self { outbox, topic, partition, purpose, format }
    }

    /// Sends one change. The changelog of a timestamped store has the row's timestamp as the
    /// record's, and the value without it.
    pub(crate) fn send(
        &self,
        key: &[u8],
        row: Option<&[u8]>,
        context: &TaskContext,
    ) -> Result<(), ProduceError> {
        if self.format.rows.has_headers() {
            return self.send_with_headers(key, row, context);
        }
        let (timestamp, value) = self.timed(row, context.timestamp());
        self.send_at(key, value, timestamp, context)
    }

    /// Sends a row as it was stored once more; `otherwise` is its time where it has none.
    pub(crate) fn send_again(
        &self,
        key: &[u8],
        row: Option<&[u8]>,
        otherwise: Timestamp,
        context: &TaskContext,
    ) -> Result<(), ProduceError> {
        let (headers, row) = self.headed(row);
        let (timestamp, value) = self.timed(row, otherwise);
        let headers = headers.unwrap_or_default();
        self.send_record((key, value), timestamp, &headers, context.activity())
    }

    /// As [`send`](Self::send), for rows with headers, which become those of the record. A record
    /// that deletes has those of the record being processed, as in Kafka.
    fn send_with_headers(
        &self,
        key: &[u8],
        row: Option<&[u8]>,
        context: &TaskContext,
    ) -> Result<(), ProduceError> {
        let (headers, row) = self.headed(row);
        let (timestamp, value) = self.timed(row, context.timestamp());
        let headers = headers.unwrap_or_else(|| context.headers());
        self.send_record((key, value), timestamp, &headers, context.activity())
    }

    /// The headers of a row that has some, and what follows.
    fn headed<'r>(&self, row: Option<&'r [u8]>) -> (Option<Headers>, Option<&'r [u8]>) {
        let headed = row.filter(|_| self.format.rows.has_headers()).and_then(split_headers);
        match headed {
            Some((headers, rest)) => (Some(read_headers(headers).unwrap_or_default()), Some(rest)),
            None => (None, row),
        }
    }

    /// The time of a row, or this one where it has none, and the value.
    fn timed<'r>(
        &self,
        row: Option<&'r [u8]>,
        otherwise: Timestamp,
    ) -> (Timestamp, Option<&'r [u8]>) {
        let row_time = row.filter(|_| self.format.rows.has_timestamp()).and_then(split_timestamp);
        match row_time {
            Some((timestamp, value)) => (timestamp, Some(value)),
            None => (otherwise, row),
        }
    }

    /// Sends a value with a time of its own.
    pub(crate) fn send_at(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        timestamp: Timestamp,
        context: &TaskContext,
    ) -> Result<(), ProduceError> {
        let headers = match self.format.headers {
            LoggedHeaders::None => Headers::new(),
            LoggedHeaders::OfRecord => context.headers(),
        };
        self.send_record((key, value), timestamp, &headers, context.activity())
    }

    /// Sends one record as it is, with this time where the records have one.
    pub(crate) fn send_record(
        &self,
        (key, value): (&[u8], Option<&[u8]>),
        timestamp: Timestamp,
        headers: &Headers,
        activity: Activity,
    ) -> Result<(), ProduceError> {
        self.outbox.borrow_mut().send(OutRecord {
            topic: self.topic,
            destination: Destination::Partition(self.partition),
            key: Some(key),
            value,
            timestamp: match self.format.times {
                LoggedTimes::OfRecord => Some(timestamp),
                LoggedTimes::OfProducer => None,
            },
            headers,
            purpose: self.purpose,
            activity,
        })
    }
}
