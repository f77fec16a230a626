//! Sources: bytes become records at the head of an input queue.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::context::Judge;
use super::edge::{Edge, Push, at_work_on};
use super::{Activity, TaskContext};
use crate::config::DefaultTimestampExtractor;
use crate::error::{Part, Pushed, TaskError};
use crate::metrics::DropReason;
use crate::names::NodeName;
use crate::record::{Headers, RawRecord, Record, RecordMeta};
use crate::serde::{SerdeError, SharedSerde};
use crate::time::Timestamp;

/// What a source does with a null key or value where its types have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nulls {
    /// It is a deserialization error. The default: nothing is lost unseen.
    #[default]
    Fail,
    /// The record is left out and counted as dropped.
    Skip,
}

/// What a timestamp extractor sees of a record.
#[derive(Debug)]
pub struct Extraction<'a, K, V> {
    /// The key.
    pub key: &'a K,
    /// The value.
    pub value: &'a V,
    /// The record's timestamp in Kafka; negative when it has none.
    pub timestamp: Timestamp,
    /// The headers.
    pub headers: &'a Headers,
    /// The greatest time taken from this partition so far; negative when none was.
    pub partition_time: Timestamp,
    /// Wall-clock time.
    pub now: Timestamp,
}

/// Computes a record's time.
pub type ExtractTimestamp<K, V> = dyn Fn(&Extraction<'_, K, V>) -> Timestamp + Send + Sync;

/// How a source finds the time of a record. Answers to Kafka's `TimestampExtractor`.
///
/// ```
/// # use std::sync::Arc;
/// # use streams_core::processor::{Extraction, TimestampExtractor};
/// # use streams_core::record::Headers;
/// # use streams_core::time::Timestamp;
/// // The value is the time; where it is none, Kafka's timestamp counts.
/// let extract = |record: &Extraction<'_, String, String>| {
///     record.value.parse().map_or(record.timestamp, Timestamp::from_millis)
/// };
/// # let (key, headers, time) = ("a".to_owned(), Headers::new(), Timestamp::from_millis(5));
/// # let of = |value: &String| {
/// #     let (key, headers) = (&key, &headers);
/// #     extract(&Extraction { key, value, timestamp: time, headers, partition_time: time, now: time })
/// # };
/// assert_eq!(of(&"70".to_owned()), Timestamp::from_millis(70));
/// assert_eq!(of(&"soon".to_owned()), Timestamp::from_millis(5));
/// let extractor = TimestampExtractor::By(Arc::new(extract));
/// # let _ = extractor;
/// ```
pub enum TimestampExtractor<K, V> {
    /// As `default.timestamp.extractor` says; [`FailOnInvalid`](Self::FailOnInvalid) unless it is
    /// set. The default.
    Configured,
    /// Kafka's timestamp; a negative one is an error.
    FailOnInvalid,
    /// Kafka's timestamp; records with a negative one are left out and counted.
    SkipInvalid,
    /// Kafka's timestamp; a negative one becomes the greatest time seen in the partition.
    PartitionTimeOnInvalid,
    /// Wall-clock time of the moment of processing.
    WallClock,
    /// Computed from the record; a negative result leaves the record out, counted.
    By(Arc<ExtractTimestamp<K, V>>),
}

impl<K, V> Clone for TimestampExtractor<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Configured => Self::Configured,
            Self::FailOnInvalid => Self::FailOnInvalid,
            Self::SkipInvalid => Self::SkipInvalid,
            Self::PartitionTimeOnInvalid => Self::PartitionTimeOnInvalid,
            Self::WallClock => Self::WallClock,
            Self::By(extract) => Self::By(Arc::clone(extract)),
        }
    }
}

impl<K, V> TimestampExtractor<K, V> {
    /// What the configuration says, where that decides.
    fn resolved(self, configured: DefaultTimestampExtractor) -> Self {
        match (self, configured) {
            (Self::Configured, DefaultTimestampExtractor::FailOnInvalid) => Self::FailOnInvalid,
            (Self::Configured, DefaultTimestampExtractor::SkipInvalid) => Self::SkipInvalid,
            (Self::Configured, DefaultTimestampExtractor::PartitionTimeOnInvalid) => {
                Self::PartitionTimeOnInvalid
            }
            (Self::Configured, DefaultTimestampExtractor::WallClock) => Self::WallClock,
            (own, _) => own,
        }
    }
}

impl<K, V> fmt::Debug for TimestampExtractor<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configured => "Configured",
            Self::FailOnInvalid => "FailOnInvalid",
            Self::SkipInvalid => "SkipInvalid",
            Self::PartitionTimeOnInvalid => "PartitionTimeOnInvalid",
            Self::WallClock => "WallClock",
            Self::By(_) => "By(..)",
        })
    }
}

/// How a source reads its records.
pub struct Source<K, V> {
    /// Reads keys.
    pub key: SharedSerde<K>,
    /// Reads values.
    pub value: SharedSerde<V>,
    /// Finds the time.
    pub timestamps: TimestampExtractor<K, V>,
    /// What happens to nulls that the types do not have.
    pub nulls: Nulls,
}

impl<K, V> Clone for Source<K, V> {
    fn clone(&self) -> Self {
        Self {
            key: Arc::clone(&self.key),
            value: Arc::clone(&self.value),
            timestamps: self.timestamps.clone(),
            nulls: self.nulls,
        }
    }
}

impl<K, V> fmt::Debug for Source<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Source");
        debug.field("timestamps", &self.timestamps).field("nulls", &self.nulls);
        debug.finish_non_exhaustive()
    }
}

/// What became of the head of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loaded {
    /// It can be processed, and this is its time.
    Ready(Timestamp),
    /// It was left out, and counted.
    Skipped,
}

/// A source in its task, as the queues see it: one slot for the head of each input partition.
pub(crate) trait SourceNode {
    /// Reads the head of input partition `slot`.
    fn load(
        &mut self,
        slot: usize,
        raw: &RawRecord<'_>,
        partition_time: Timestamp,
    ) -> Result<Loaded, Box<TaskError>>;

    /// Pushes what was loaded.
    fn process(&mut self, slot: usize) -> Pushed;
}

pub(crate) struct LinkedSource<K, V> {
    reader: Reader<K, V>,
    out: Edge<K, V>,
    /// By input partition of the task; those of other sources stay empty.
    heads: Vec<Head<K, V>>,
}

/// A record that was read, and its offset.
type Head<K, V> = Option<(Record<K, V>, i64)>;

/// Makes records of bytes.
struct Reader<K, V> {
    source: Source<K, V>,
    name: NodeName,
    context: Rc<TaskContext>,
}

impl<K: Clone + 'static, V: Clone + 'static> LinkedSource<K, V> {
    pub(crate) fn new(
        source: Source<K, V>,
        name: NodeName,
        context: Rc<TaskContext>,
        out: Edge<K, V>,
    ) -> Self {
        let timestamps = source.timestamps.resolved(context.default_timestamps());
        let source = Source { timestamps, ..source };
        let heads = context.partitions().iter().map(|_| None).collect();
        Self { reader: Reader { source, name, context }, out, heads }
    }
}

/// The record at an offset of an input partition, which may not be the one being processed.
#[inline]
fn record_at(slot: usize, offset: i64) -> Activity {
    Activity::Record { input: u32::try_from(slot).unwrap_or(u32::MAX), offset }
}

impl<K: Clone + 'static, V: Clone + 'static> Reader<K, V> {
    fn meta(&self, slot: usize, offset: i64) -> RecordMeta {
        self.context.partitions().get(slot).map_or_else(
            || RecordMeta { topic: "".into(), partition: -1, offset },
            |input| RecordMeta { topic: input.topic.clone(), partition: input.partition, offset },
        )
    }

    /// Asks policy and handler about bytes that cannot be read.
    fn undecodable(
        &self,
        slot: usize,
        offset: i64,
        part: Part,
        source: SerdeError,
    ) -> Result<Loaded, Box<TaskError>> {
        if self.source.nulls == Nulls::Skip && matches!(source, SerdeError::Null { .. }) {
            self.context.drop_record(DropReason::UnexpectedNull);
            return Ok(Loaded::Skipped);
        }
        let (node, record) = (self.name.clone(), self.meta(slot, offset));
        let failure = TaskError::Deserialization { node, record, part, source };
        self.context.judge(failure, Judge::Deserialization)?;
        Ok(Loaded::Skipped)
    }

    fn timestamp(&self, record: &Record<K, V>, partition_time: Timestamp) -> Timestamp {
        match &self.source.timestamps {
            TimestampExtractor::Configured
            | TimestampExtractor::FailOnInvalid
            | TimestampExtractor::SkipInvalid => record.timestamp,
            TimestampExtractor::PartitionTimeOnInvalid => {
                if record.timestamp.is_known() {
                    record.timestamp
                } else {
                    partition_time
                }
            }
            TimestampExtractor::WallClock => self.context.now(),
            TimestampExtractor::By(extract) => extract(&Extraction {
                key: &record.key,
                value: &record.value,
                timestamp: record.timestamp,
                headers: &record.headers,
                partition_time,
                now: self.context.now(),
            }),
        }
    }

    fn read(
        &self,
        (slot, raw): (usize, &RawRecord<'_>),
        partition_time: Timestamp,
        head: &mut Head<K, V>,
    ) -> Result<Loaded, Box<TaskError>> {
        let Some(input) = self.context.partitions().get(slot) else { return Ok(Loaded::Skipped) };
        let key = match self.source.key.decode(&input.topic, raw.key) {
            Ok(key) => key,
            Err(error) => return self.undecodable(slot, raw.offset, Part::Key, error),
        };
        let value = match self.source.value.decode(&input.topic, raw.value) {
            Ok(value) => value,
            Err(error) => return self.undecodable(slot, raw.offset, Part::Value, error),
        };
        let (timestamp, headers) = (raw.timestamp, raw.headers.clone());
        let mut record = Record { key, value, timestamp, headers };
        record.timestamp = self.timestamp(&record, partition_time);
        if !record.timestamp.is_known() {
            if !matches!(
                self.source.timestamps,
                TimestampExtractor::SkipInvalid | TimestampExtractor::By(_)
            ) {
                return Err(Box::new(TaskError::InvalidTimestamp {
                    node: self.name.clone(),
                    record: self.meta(slot, raw.offset),
                    timestamp: record.timestamp.millis(),
                }));
            }
            self.context.drop_record(DropReason::InvalidTimestamp);
            return Ok(Loaded::Skipped);
        }
        let ready = Loaded::Ready(record.timestamp);
        *head = Some((record, raw.offset));
        Ok(ready)
    }
}

impl<K: Clone + 'static, V: Clone + 'static> SourceNode for LinkedSource<K, V> {
    fn load(
        &mut self,
        slot: usize,
        raw: &RawRecord<'_>,
        partition_time: Timestamp,
    ) -> Result<Loaded, Box<TaskError>> {
        let Self { reader, heads, .. } = self;
        let Some(head) = heads.get_mut(slot) else { return Ok(Loaded::Skipped) };
        // Another record may be the one that the task processes.
        let on = (&*reader.context, record_at(slot, raw.offset));
        at_work_on(on, &reader.name, || reader.read((slot, raw), partition_time, head))
    }

    fn process(&mut self, slot: usize) -> Pushed {
        let Some((record, offset)) = self.heads.get_mut(slot).and_then(Option::take) else {
            return Ok(());
        };
        let (activity, headers) = (record_at(slot, offset), record.headers.clone());
        self.reader.context.enter(activity, record.timestamp, headers);
        self.out.push(record)
    }
}
