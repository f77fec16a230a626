//! Records: key, value, timestamp, headers, and where a record came from.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::names::TopicName;
use crate::time::Timestamp;

/// One header of a record: a name and bytes, which may be null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The header's name; several headers may share it.
    pub name: Arc<str>,
    /// The header's value, or null.
    pub value: Option<Bytes>,
}

/// The headers of a record, in order. Cloning shares them; changing shared ones copies first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Option<Arc<Vec<Header>>>);

impl Headers {
    /// No headers.
    ///
    /// ```
    /// # use streams_core::record::Headers;
    /// assert!(Headers::new().is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Whether there are none.
    ///
    /// ```
    /// # use streams_core::record::Headers;
    /// let mut headers = Headers::new();
    /// headers.add("from", None);
    /// assert!(!headers.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|headers| headers.is_empty())
    }

    /// How many there are.
    ///
    /// ```
    /// # use streams_core::record::Headers;
    /// let mut headers = Headers::new();
    /// headers.add("from", None);
    /// headers.add("from", None);
    /// assert_eq!(headers.len(), 2);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().len()
    }

    /// All headers in order.
    ///
    /// ```
    /// # use streams_core::record::Headers;
    /// let mut headers = Headers::new();
    /// headers.add("to", None);
    /// headers.add("from", None);
    /// let names: Vec<&str> = headers.iter().map(|header| &*header.name).collect();
    /// assert_eq!(names, ["to", "from"]);
    /// ```
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.as_ref().map_or(&[][..], |headers| headers.as_slice()).iter()
    }

    /// The last header of this name, which is the one that counts in Kafka.
    ///
    /// ```
    /// # use streams_core::record::Headers;
    /// let mut headers = Headers::new();
    /// headers.add("try", Some("1".into()));
    /// headers.add("try", Some("2".into()));
    /// let last = headers.last("try").and_then(|header| header.value.clone());
    /// assert_eq!(last.as_deref(), Some(&b"2"[..]));
    /// ```
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&Header> {
        self.iter().rev().find(|header| &*header.name == name)
    }

    /// Appends a header. `None` is a null value.
    ///
    /// ```
    /// # use streams_core::record::Headers;
    /// let mut headers = Headers::new();
    /// headers.add("from", Some("paper".into()));
    /// let shared = headers.clone();
    /// headers.add("to", None);
    /// assert_eq!((shared.len(), headers.len()), (1, 2));
    /// ```
    pub fn add(&mut self, name: impl Into<Arc<str>>, value: Option<Bytes>) {
        let headers = self.0.get_or_insert_default();
        Arc::make_mut(headers).push(Header { name: name.into(), value });
    }

    /// Removes every header of this name.
    ///
    /// ```
    /// # use streams_core::record::Headers;
    /// let mut headers = Headers::new();
    /// headers.add("try", Some("1".into()));
    /// headers.add("try", Some("2".into()));
    /// headers.remove("try");
    /// assert!(headers.is_empty());
    /// ```
    pub fn remove(&mut self, name: &str) {
        if self.last(name).is_some()
            && let Some(headers) = &mut self.0
        {
            Arc::make_mut(headers).retain(|header| &*header.name != name);
        }
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        let headers: Vec<Header> = headers.into_iter().collect();
        Self((!headers.is_empty()).then(|| Arc::new(headers)))
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A record on its way through the topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<K, V> {
    /// The key.
    pub key: K,
    /// The value.
    pub value: V,
    /// The event's time.
    pub timestamp: Timestamp,
    /// The headers.
    pub headers: Headers,
}

impl<K, V> Record<K, V> {
    /// A record without headers.
    ///
    /// ```
    /// # use streams_core::record::Record;
    /// # use streams_core::time::Timestamp;
    /// let record = Record::new("a", 7, Timestamp::from_millis(5));
    /// assert!(record.headers.is_empty());
    /// ```
    pub const fn new(key: K, value: V, timestamp: Timestamp) -> Self {
        Self { key, value, timestamp, headers: Headers::new() }
    }

    /// The same record with another key; value, time and headers stay.
    ///
    /// ```
    /// # use streams_core::record::Record;
    /// # use streams_core::time::Timestamp;
    /// let record = Record::new("a", 7, Timestamp::from_millis(5)).with_key(true);
    /// assert_eq!((record.key, record.value), (true, 7));
    /// ```
    pub fn with_key<K2>(self, key: K2) -> Record<K2, V> {
        Record { key, value: self.value, timestamp: self.timestamp, headers: self.headers }
    }

    /// The same record with another value; key, time and headers stay.
    ///
    /// ```
    /// # use streams_core::record::Record;
    /// # use streams_core::time::Timestamp;
    /// let record = Record::new("a", 7, Timestamp::from_millis(5)).with_value("seven");
    /// assert_eq!((record.key, record.value), ("a", "seven"));
    /// ```
    pub fn with_value<V2>(self, value: V2) -> Record<K, V2> {
        Record { key: self.key, value, timestamp: self.timestamp, headers: self.headers }
    }

    /// The same record at another time.
    ///
    /// ```
    /// # use streams_core::record::Record;
    /// # use streams_core::time::Timestamp;
    /// let record = Record::new("a", 7, Timestamp::from_millis(5));
    /// let record = record.with_timestamp(Timestamp::from_millis(6));
    /// assert_eq!(record.timestamp.millis(), 6);
    /// ```
    #[must_use]
    pub fn with_timestamp(self, timestamp: Timestamp) -> Self {
        Self { timestamp, ..self }
    }
}

/// A record whose key a fixed-key processor cannot change, so that no repartitioning is needed.
/// Answers to Kafka's `FixedKeyRecord` (KIP-820).
///
/// ```
/// # mod run { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/run.in")); }
/// # use streams_core::time::Timestamp;
/// let mut node = run::calls().start_values(|mut record, cx| {
///     let text = format!("{} of {} at {}", record.value(), record.key(), record.timestamp());
///     record.headers_mut().add("seen", None);
///     assert_eq!(record.headers().len(), 1);
///     cx.forward_to("out", record.with_value(text).with_timestamp(Timestamp::from_millis(7)))
/// });
/// node.pipe("a", "x", 1)?;
/// assert_eq!(node.sent(), ["out: a=x of a at 1 @7"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedKeyRecord<K, V>(Record<K, V>);

impl<K, V> FixedKeyRecord<K, V> {
    pub(crate) const fn new(record: Record<K, V>) -> Self {
        Self(record)
    }

    pub(crate) fn into_record(self) -> Record<K, V> {
        self.0
    }

    /// The key.
    pub const fn key(&self) -> &K {
        &self.0.key
    }

    /// The value.
    pub const fn value(&self) -> &V {
        &self.0.value
    }

    /// The event's time.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        self.0.timestamp
    }

    /// The headers.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.0.headers
    }

    /// The headers, to be changed.
    pub const fn headers_mut(&mut self) -> &mut Headers {
        &mut self.0.headers
    }

    /// The same record with another value.
    pub fn with_value<V2>(self, value: V2) -> FixedKeyRecord<K, V2> {
        FixedKeyRecord(self.0.with_value(value))
    }

    /// The same record at another time.
    #[must_use]
    pub fn with_timestamp(self, timestamp: Timestamp) -> Self {
        Self(self.0.with_timestamp(timestamp))
    }
}

/// Where the record being processed stands in Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMeta {
    /// The topic that it was read from.
    pub topic: TopicName,
    /// The partition that it was read from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

impl fmt::Display for RecordMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic \"{}\" partition {} offset {}", self.topic, self.partition, self.offset)
    }
}

/// A record as bytes, borrowed from the client's memory.
#[derive(Debug, Clone)]
pub struct RawRecord<'a> {
    /// The key's bytes, or null.
    pub key: Option<&'a [u8]>,
    /// The value's bytes, or null.
    pub value: Option<&'a [u8]>,
    /// The record's timestamp in Kafka; negative when it has none.
    pub timestamp: Timestamp,
    /// The record's offset in its partition.
    pub offset: i64,
    /// The leader epoch of the batch that held it, where the broker told.
    pub leader_epoch: Option<i32>,
    /// The headers.
    pub headers: Headers,
}

/// Records of one partition, in order of their offsets, owned until the last was processed.
pub trait RecordBatch {
    /// How many records the batch holds.
    fn len(&self) -> usize;

    /// Whether it holds none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The record at `index`, which is below [`len`](Self::len).
    fn record(&self, index: usize) -> RawRecord<'_>;

    /// Bytes of the keys and values of the records from `index` on.
    fn bytes_from(&self, index: usize) -> usize {
        let bytes = |index| {
            let record = self.record(index);
            record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)
        };
        (index..self.len()).map(bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_shared_until_changed() {
        let mut a = Headers::new();
        a.add("trace", Some(Bytes::from_static(b"1")));
        let mut b = a.clone();
        b.add("trace", None);
        assert_eq!(a.len(), 1);
        assert_eq!(b.last("trace").map(|h| h.value.clone()), Some(None));
        b.remove("trace");
        assert!(b.is_empty());
        assert_eq!(a.last("trace").and_then(|h| h.value.as_deref()), Some(&b"1"[..]));
    }
}
