//! A value with headers in one row.

use streams_core::names::TopicName;
use streams_core::record::Headers;
use streams_core::serde::{Payload, Serde, SerdeError, SharedSerde};

use super::timestamped_serde::encode_behind;
use super::{KeyValueStore, SessionStore, Timestamped, WindowStore};
use crate::layer::headers_row::{read_headers, split_headers, write_headers};

/// A value and the headers that it was written with. Answers to Kafka's `AggregationWithHeaders`
/// and, around a [`Timestamped`], to its `ValueTimestampHeaders`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithHeaders<V> {
    /// The value.
    pub value: V,
    /// The headers.
    pub headers: Headers,
}

/// A [`KeyValueStore`] whose values have a time and headers. Answers to Kafka's
/// `TimestampedKeyValueStoreWithHeaders` (KIP-1271).
pub type TimestampedKeyValueStoreWithHeaders<K, V> = KeyValueStore<K, WithHeaders<Timestamped<V>>>;

/// A [`WindowStore`] whose values have a time and headers. Answers to Kafka's
/// `TimestampedWindowStoreWithHeaders` (KIP-1271).
pub type TimestampedWindowStoreWithHeaders<K, V> = WindowStore<K, WithHeaders<Timestamped<V>>>;

/// A [`SessionStore`] whose values have headers. Answers to Kafka's `SessionStoreWithHeaders`
/// (KIP-1271).
pub type SessionStoreWithHeaders<K, V> = SessionStore<K, WithHeaders<V>>;

/// The headers, then what the serde of the value writes.
pub(crate) struct WithHeadersSerde<V>(SharedSerde<V>);

impl<V> WithHeadersSerde<V> {
    pub(crate) const fn new(value: SharedSerde<V>) -> Self {
        Self(value)
    }
}

impl<V: 'static> Serde<WithHeaders<V>> for WithHeadersSerde<V> {
    fn encode(
        &self,
        topic: &TopicName,
        row: &WithHeaders<V>,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        let start = out.len();
        write_headers(&row.headers, out);
        encode_behind(start, &self.0, (topic, &row.value), out)
    }

    fn decode(
        &self,
        topic: &TopicName,
        bytes: Option<&[u8]>,
    ) -> Result<WithHeaders<V>, SerdeError> {
        let expected = "headers before a value";
        let row = bytes.ok_or(SerdeError::Null { expected })?;
        let parts = split_headers(row);
        let parts = parts.and_then(|(headers, value)| Some((read_headers(headers)?, value)));
        let (headers, value) =
            parts.ok_or_else(|| SerdeError::Invalid { expected, source: "no headers".into() })?;
        Ok(WithHeaders { value: self.0.decode(topic, Some(value))?, headers })
    }
}
