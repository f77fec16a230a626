//! Holds the records of a stream until their grace period is over, by the greatest time of a held
//! record. Answers to Kafka's `RocksDBTimeOrderedKeyValueBuffer`, whose bytes the changelog has.
//!
//! ```text
//! key     0 (1), time (8), key, number (4)
//! value   time (8), offset (8), topic, partition (4), headers (4 and each name and value),
//!         -1 (4), -1 (4), value, 0 (8)
//! ```
//!
//! Numbers are big-endian; before each text and value is its length (4), -1 for null.

use std::ops::Bound;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::names::{StoreName, TopicName};
use streams_core::processor::{LinkError, NodeLinks, TaskContext};
use streams_core::record::{Headers, Record, RecordMeta};
use streams_core::serde::{Payload, SerdeError, SharedSerde};
use streams_core::store::StoreSpec;
use streams_core::time::Timestamp;
use streams_state::{Entries, KeyValueStore, Stores};

type Rows = KeyValueStore<Vec<u8>, Vec<u8>>;
type Due = Entries<Vec<u8>, Vec<u8>>;

/// Before each key: the rows are ordered by time.
const TIME_FIRST: u8 = 0;
/// The length of what is null.
const NULL: i32 = -1;
const TAIL: [u8; 8] = [0; 8];

/// How a join holds its records.
pub(crate) struct Holding<K, V> {
    pub(crate) store: StoreName,
    pub(crate) grace_ms: i64,
    /// What the serdes get as their topic: the name of the join.
    pub(crate) topic: TopicName,
    pub(crate) key: SharedSerde<K>,
    pub(crate) value: SharedSerde<V>,
}

impl<K, V> Holding<K, V> {
    /// The store, for the topology.
    // DIFFERENCE(held-keys): Kafka rearranges restored keys as if they were those of windows.
    pub(crate) fn store(&self) -> Arc<dyn StoreSpec> {
        Stores::key_value::<Vec<u8>, Vec<u8>>(self.store.clone())
            .without_logged_timestamps()
            .build()
    }
}

/// What is held is numbered, so that equal keys of equal times stay apart.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The greatest time that was held.
    latest: i64,
    /// No record is held before this time.
    earliest: i64,
    number: i32,
}

/// The records that a join holds.
pub(super) struct JoinBuffer<K, V> {
    rows: Rows,
    given: Arc<Holding<K, V>>,
    /// `None` before the first record.
    seen: Option<Seen>,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// A record that was held, with the place at which it was read.
pub(super) struct Held<K, V> {
    pub(super) record: Record<K, V>,
    pub(super) place: Option<(u32, i64)>,
    /// Its key in the store.
    pub(super) row: Vec<u8>,
}

impl<K: 'static, V: 'static> JoinBuffer<K, V> {
    pub(super) fn of(links: &NodeLinks<'_>, given: &Arc<Holding<K, V>>) -> Result<Self, LinkError> {
        let (rows, given) = (links.store::<Rows>(&given.store)?, Arc::clone(given));
        Ok(Self { rows, given, seen: None, key: Vec::new(), value: Vec::new() })
    }

    /// What an earlier run left is taken into account.
    // DIFFERENCE(held-numbers): Kafka begins to number from 0 after each start.
    // DIFFERENCE(held-time): in Kafka the greatest time is that of the records that were restored.
    fn seen(&mut self) -> Result<Seen, ProcessorError> {
        if let Some(seen) = self.seen {
            return Ok(seen);
        }
        let mut seen = Seen { latest: -1, earliest: i64::MAX, number: 0 };
        for row in self.rows.all()? {
            let (time, _, number) = read_key(&row?.0)?;
            seen.latest = seen.latest.max(time);
            seen.earliest = seen.earliest.min(time);
            seen.number = seen.number.max(number);
        }
        self.seen = Some(seen);
        Ok(seen)
    }

    /// Holds a record. Says no when its grace period is over already.
    pub(super) fn hold(
        &mut self,
        (key, value): (&K, &V),
        (time, headers): (Timestamp, &Headers),
        task: &TaskContext,
    ) -> Result<bool, ProcessorError> {
        let (mut seen, time) = (self.seen()?, time.millis());
        if seen.latest.saturating_sub(self.given.grace_ms) > time {
            return Ok(false);
        }
        seen.number = seen.number.wrapping_add(1) & i32::MAX;
        let Self { given, key: row_key, value: row, .. } = self;
        row_key.clear();
        row_key.push(TIME_FIRST);
        row_key.extend_from_slice(&time.to_be_bytes());
        if given.key.encode(&given.topic, key, row_key)? == Payload::Null {
            return Err(SerdeError::Null { expected: "key of a held record" }.into());
        }
        row_key.extend_from_slice(&seen.number.to_be_bytes());
        row.clear();
        write_context(time, headers, task.meta(), row);
        put_int(NULL, row);
        put_int(NULL, row);
        let at = row.len();
        put_int(NULL, row);
        if given.value.encode(&given.topic, value, row)? == Payload::Bytes {
            let length = length(row.len() - at - size_of::<i32>());
            row[at..at + size_of::<i32>()].copy_from_slice(&length.to_be_bytes());
        }
        row.extend_from_slice(&TAIL);
        self.rows.put(&self.key, &self.value)?;
        seen.latest = seen.latest.max(time);
        seen.earliest = seen.earliest.min(time);
        self.seen = Some(seen);
        Ok(true)
    }

    /// The records whose grace period is over, by their times and then keys.
    pub(super) fn due(&mut self) -> Result<Option<Due>, ProcessorError> {
        let mut seen = self.seen()?;
        let behind = seen.latest.saturating_sub(self.given.grace_ms).saturating_add(1);
        if behind <= seen.earliest {
            return Ok(None);
        }
        seen.earliest = behind;
        self.seen = Some(seen);
        let mut end = vec![TIME_FIRST];
        end.extend_from_slice(&behind.to_be_bytes());
        Ok(Some(self.rows.range((Bound::Unbounded, Bound::Excluded(end)))?))
    }

    /// Reads a record that is due.
    pub(super) fn read(
        &self,
        (row, value): (Vec<u8>, Vec<u8>),
        task: &TaskContext,
    ) -> Result<Held<K, V>, ProcessorError> {
        let (_, key, _) = read_key(&row)?;
        let Context { time, origin, headers, rest } = read_context(&value).ok_or_else(damaged)?;
        let value = read_bytes(rest.get(2 * size_of::<i32>()..).ok_or_else(damaged)?);
        let (value, _) = value.ok_or_else(damaged)?;
        let Holding { topic, key: key_serde, value: value_serde, .. } = &*self.given;
        let record = Record {
            key: key_serde.decode(topic, Some(key))?,
            value: value_serde.decode(topic, value)?,
            timestamp: Timestamp::from_millis(time),
            headers,
        };
        let inputs = task.partitions().iter();
        let slot = inputs.zip(0..).find(|(input, _)| {
            input.topic.as_str() == origin.topic && input.partition == origin.partition
        });
        let place = slot.map(|(_, slot)| (slot, origin.offset));
        Ok(Held { record, place, row })
    }

    /// A record that was due is joined.
    pub(super) fn remove(&self, row: &Vec<u8>) -> Result<(), ProcessorError> {
        self.rows.delete(row)?;
        Ok(())
    }
}

#[cold]
fn damaged() -> ProcessorError {
    let source = "it is too short".into();
    SerdeError::Invalid { expected: "record held for a join", source }.into()
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

fn put_int(int: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(&int.to_be_bytes());
}

fn put_bytes(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    put_int(bytes.map_or(NULL, |bytes| length(bytes.len())), out);
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn write_context(time: i64, headers: &Headers, meta: Option<RecordMeta>, out: &mut Vec<u8>) {
    let (offset, partition) = meta.as_ref().map_or((-1, -1), |meta| (meta.offset, meta.partition));
    out.extend_from_slice(&time.to_be_bytes());
    out.extend_from_slice(&offset.to_be_bytes());
    let topic = meta.as_ref().map_or("", |meta| meta.topic.as_str());
    put_bytes(Some(topic.as_bytes()), out);
    put_int(partition, out);
    put_int(length(headers.len()), out);
    for header in headers.iter() {
        put_bytes(Some(header.name.as_bytes()), out);
        put_bytes(header.value.as_deref(), out);
    }
}

/// Time, key and number.
fn read_key(row: &[u8]) -> Result<(i64, &[u8], i32), ProcessorError> {
    let parts = || {
        let (time, rest) = row.get(1..)?.split_first_chunk()?;
        let (key, number) = rest.split_last_chunk()?;
        Some((i64::from_be_bytes(*time), key, i32::from_be_bytes(*number)))
    };
    parts().ok_or_else(damaged)
}

fn read_long(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (long, rest) = bytes.split_first_chunk()?;
    Some((i64::from_be_bytes(*long), rest))
}

fn read_int(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (int, rest) = bytes.split_first_chunk()?;
    Some((i32::from_be_bytes(*int), rest))
}

fn read_bytes(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = read_int(bytes)?;
    if length == NULL {
        return Some((None, rest));
    }
    let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((Some(bytes), rest))
}

struct Origin<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
}

struct Context<'a> {
    time: i64,
    origin: Origin<'a>,
    headers: Headers,
    rest: &'a [u8],
}

fn read_context(bytes: &[u8]) -> Option<Context<'_>> {
    let (time, rest) = read_long(bytes)?;
    let (offset, rest) = read_long(rest)?;
    let (topic, rest) = read_bytes(rest)?;
    let (partition, rest) = read_int(rest)?;
    let (count, mut rest) = read_int(rest)?;
    let mut headers = Headers::new();
    for _ in 0..count {
        let (name, after) = read_bytes(rest)?;
        let (value, after) = read_bytes(after)?;
        headers.add(std::str::from_utf8(name?).ok()?, value.map(|value| value.to_vec().into()));
        rest = after;
    }
    let topic = std::str::from_utf8(topic?).ok()?;
    Some(Context { time, origin: Origin { topic, partition, offset }, headers, rest })
}
