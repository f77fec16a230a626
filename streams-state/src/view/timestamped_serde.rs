//! A value with its time in one row.

use streams_core::names::TopicName;
use streams_core::serde::{Payload, Serde, SerdeError, SharedSerde};

use super::Timestamped;
use crate::layer::changelog::{TIMESTAMP_BYTES, split_timestamp};

/// The time in 8 bytes, then the value. Answers to Kafka's `ValueAndTimestampSerde`.
pub(crate) struct TimestampedSerde<V>(SharedSerde<V>);

impl<V> TimestampedSerde<V> {
    pub(crate) const fn new(value: SharedSerde<V>) -> Self {
        Self(value)
    }
}

/// The value behind what a row has from `start` on, which goes where the value has no bytes.
pub(super) fn encode_behind<V: 'static>(
    start: usize,
    serde: &SharedSerde<V>,
    (topic, value): (&TopicName, &V),
    out: &mut Vec<u8>,
) -> Result<Payload, SerdeError> {
    let payload = serde.encode(topic, value, out);
    if !matches!(payload, Ok(Payload::Bytes)) {
        out.truncate(start);
    }
    payload
}

impl<V: 'static> Serde<Timestamped<V>> for TimestampedSerde<V> {
    fn encode(
        &self,
        topic: &TopicName,
        row: &Timestamped<V>,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        let start = out.len();
        out.extend_from_slice(&row.timestamp.millis().to_be_bytes());
        encode_behind(start, &self.0, (topic, &row.value), out)
    }

    fn decode(
        &self,
        topic: &TopicName,
        bytes: Option<&[u8]>,
    ) -> Result<Timestamped<V>, SerdeError> {
        let expected = "timestamp before a value";
        let row = bytes.ok_or(SerdeError::Null { expected })?;
        let (timestamp, value) = split_timestamp(row).ok_or(SerdeError::Width {
            expected,
            width: TIMESTAMP_BYTES,
            actual: row.len(),
        })?;
        Ok(Timestamped { value: self.0.decode(topic, Some(value))?, timestamp })
    }
}
