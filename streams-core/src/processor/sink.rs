//! Sinks: records become bytes and leave the task.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashMap;

use super::TaskContext;
use super::context::Judge;
use super::edge::Push;
use crate::error::{Part, ProduceError, Pushed, TaskError};
use crate::murmur2::partition_for_key;
use crate::names::{NodeName, TaskId, TopicName};
use crate::outbox::{Destination, OutRecord, Purpose, SharedOutbox, TopicId};
use crate::record::{Headers, Record, RecordMeta};
use crate::serde::{Payload, SerdeError, SharedSerde};
use crate::time::Timestamp;

/// Which partitions a partitioner chose. Answers to what Kafka's `StreamPartitioner` gives.
///
/// ```
/// # use streams_core::names::TopicName;
/// # use streams_core::processor::Partitions;
/// let partitioner = |_: &TopicName, _: &String, value: &i64, partitions: i32| match value {
///     0 => Partitions::Many((0..partitions).collect()),
///     1.. => Partitions::One(0),
///     _ => Partitions::Default,
/// };
/// let chosen = |value| partitioner(&"out".into(), &"a".to_owned(), &value, 3);
/// assert_eq!(chosen(0), Partitions::Many(vec![0, 1, 2]));
/// assert_eq!(chosen(-1), Partitions::Default);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitions {
    /// The one that Kafka's default partitioner chooses.
    Default,
    /// The one that Kafka's default partitioner would choose for a key without its last bytes, of
    /// which there are so many.
    ByKeyWithout(usize),
    /// This one.
    One(i32),
    /// Each of these (KIP-837); none drops the record.
    Many(Vec<i32>),
}

/// Chooses the partitions of a record: topic, key, value, number of partitions.
pub type StreamPartitioner<K, V> = dyn Fn(&TopicName, &K, &V, i32) -> Partitions + Send + Sync;

/// What a computed topic may depend on beside key and value.
#[derive(Debug, Clone)]
pub struct RecordContext {
    /// Where the record being processed was read; `None` in a punctuation.
    pub meta: Option<RecordMeta>,
    /// The task.
    pub task: TaskId,
    /// The record's time.
    pub timestamp: Timestamp,
    /// The record's headers.
    pub headers: Headers,
}

/// Computes the topic of a record. The topic must exist.
pub type ExtractTopic<K, V> = dyn Fn(&K, &V, &RecordContext) -> TopicName + Send + Sync;

/// Where a sink writes to.
pub enum SinkDestination<K, V> {
    /// One topic.
    Topic(TopicName),
    /// A topic computed from each record.
    Dynamic(Arc<ExtractTopic<K, V>>),
}

impl<K, V> Clone for SinkDestination<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Topic(topic) => Self::Topic(topic.clone()),
            Self::Dynamic(extract) => Self::Dynamic(Arc::clone(extract)),
        }
    }
}

impl<K, V> fmt::Debug for SinkDestination<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(topic) => write!(f, "Topic({topic})"),
            Self::Dynamic(_) => f.write_str("Dynamic(..)"),
        }
    }
}

/// How a sink writes its records.
pub struct Sink<K, V> {
    /// Where to.
    pub destination: SinkDestination<K, V>,
    /// Writes keys.
    pub key: SharedSerde<K>,
    /// Writes values.
    pub value: SharedSerde<V>,
    /// Chooses partitions; `None` is Kafka's default partitioner.
    pub partitioner: Option<Arc<StreamPartitioner<K, V>>>,
}

impl<K, V> Clone for Sink<K, V> {
    fn clone(&self) -> Self {
        Self {
            destination: self.destination.clone(),
            key: Arc::clone(&self.key),
            value: Arc::clone(&self.value),
            partitioner: self.partitioner.clone(),
        }
    }
}

impl<K, V> fmt::Debug for Sink<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}

/// What a sink finds around it.
pub(crate) struct SinkSetting {
    pub(crate) name: NodeName,
    /// In its task.
    pub(crate) number: u32,
    pub(crate) context: Rc<TaskContext>,
    pub(crate) outbox: SharedOutbox,
    pub(crate) task_number: u32,
}

pub(crate) struct LinkedSink<K, V> {
    target: Target<K, V>,
    writer: Writer<K, V>,
}

enum Target<K, V> {
    Topic(TopicName, TopicId),
    Dynamic(Arc<ExtractTopic<K, V>>, HashMap<TopicName, TopicId>),
}

impl<K, V> LinkedSink<K, V> {
    pub(crate) fn new(
        sink: Sink<K, V>,
        setting: SinkSetting,
        topic_name: &dyn Fn(&TopicName) -> TopicName,
    ) -> Self {
        let target = match &sink.destination {
            SinkDestination::Topic(topic) => {
                let topic = topic_name(topic);
                let id = setting.outbox.borrow_mut().topic(&topic);
                Target::Topic(topic, id)
            }
            SinkDestination::Dynamic(extract) => {
                Target::Dynamic(Arc::clone(extract), HashMap::new())
            }
        };
        let (key_bytes, value_bytes) = (Vec::new(), Vec::new());
        Self { target, writer: Writer { sink, setting, key_bytes, value_bytes } }
    }
}

impl<K: 'static, V: 'static> Push<K, V> for LinkedSink<K, V> {
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        let Self { target, writer } = self;
        match target {
            Target::Topic(topic, id) => writer.write((topic, *id), &record),
            Target::Dynamic(extract, known) => {
                let context = &writer.setting.context;
                let context = RecordContext {
                    meta: context.meta(),
                    task: context.task(),
                    timestamp: record.timestamp,
                    headers: record.headers.clone(),
                };
                let topic = extract(&record.key, &record.value, &context);
                let outbox = &writer.setting.outbox;
                let id =
                    *known.entry_ref(&topic).or_insert_with(|| outbox.borrow_mut().topic(&topic));
                writer.write((&topic, id), &record)
            }
        }
    }
}

/// Makes records bytes and sends them.
struct Writer<K, V> {
    sink: Sink<K, V>,
    setting: SinkSetting,
    key_bytes: Vec<u8>,
    value_bytes: Vec<u8>,
}

impl<K, V> Writer<K, V> {
    fn write(&mut self, (topic, id): (&TopicName, TopicId), record: &Record<K, V>) -> Pushed
    where
        K: 'static,
        V: 'static,
    {
        if !record.timestamp.is_known() {
            let millis = record.timestamp.millis();
            return self.refused(topic, ProduceError::NegativeTimestamp(millis));
        }
        self.key_bytes.clear();
        self.value_bytes.clear();
        let key = match self.sink.key.encode(topic, &record.key, &mut self.key_bytes) {
            Ok(payload) => payload,
            Err(error) => return self.unwritable(topic, Part::Key, error),
        };
        let value = match self.sink.value.encode(topic, &record.value, &mut self.value_bytes) {
            Ok(payload) => payload,
            Err(error) => return self.unwritable(topic, Part::Value, error),
        };
        match self.send_to_chosen(topic, id, (key, value), record) {
            Ok(()) => Ok(()),
            Err(error) => self.refused(topic, error),
        }
    }

    #[cold]
    fn unwritable(&self, topic: &TopicName, part: Part, source: SerdeError) -> Pushed {
        let topic = topic.clone();
        let (node, origin) = (self.setting.name.clone(), self.setting.context.origin());
        let failure = TaskError::Serialization { node, topic, part, origin, source };
        self.setting.context.judge(failure, Judge::Production)
    }

    #[cold]
    fn refused(&self, topic: &TopicName, source: ProduceError) -> Pushed {
        let topic = topic.clone();
        let (node, origin) = (self.setting.name.clone(), self.setting.context.origin());
        let concerns_record = source.concerns_record();
        let failure = TaskError::Production { topic, from: Some((node, origin)), source };
        if !concerns_record {
            return Err(Box::new(failure));
        }
        self.setting.context.judge(failure, Judge::Production)
    }

    /// Sends what is in the buffers.
    fn send(
        &self,
        id: TopicId,
        destination: Destination,
        payloads: (Payload, Payload),
        record: &Record<K, V>,
    ) -> Result<(), ProduceError> {
        let bytes = |payload, bytes| (payload == Payload::Bytes).then_some(bytes);
        self.setting.outbox.borrow_mut().send(OutRecord {
            topic: id,
            destination,
            key: bytes(payloads.0, &self.key_bytes[..]),
            value: bytes(payloads.1, &self.value_bytes[..]),
            timestamp: Some(record.timestamp),
            headers: &record.headers,
            purpose: Purpose::Output { task: self.setting.task_number, sink: self.setting.number },
            activity: self.setting.context.activity(),
        })
    }

    fn send_to_chosen(
        &self,
        topic: &TopicName,
        id: TopicId,
        payloads: (Payload, Payload),
        record: &Record<K, V>,
    ) -> Result<(), ProduceError> {
        let Some(partitioner) = &self.sink.partitioner else {
            return self.send(id, Destination::ByKey, payloads, record);
        };
        let partitions = self.setting.outbox.borrow_mut().partitions(id)?;
        match partitioner(topic, &record.key, &record.value, partitions) {
            Partitions::Default => self.send(id, Destination::ByKey, payloads, record),
            Partitions::ByKeyWithout(_) if payloads.0 == Payload::Null => {
                self.send(id, Destination::ByKey, payloads, record)
            }
            Partitions::ByKeyWithout(last) => {
                let key = self.key_bytes.get(..self.key_bytes.len().saturating_sub(last));
                let chosen = partition_for_key(key.unwrap_or_default(), partitions);
                self.send(id, Destination::Partition(chosen), payloads, record)
            }
            Partitions::One(chosen) => {
                self.send(id, Destination::Partition(chosen), payloads, record)
            }
            Partitions::Many(chosen) => {
                if chosen.is_empty() {
                    let context = &self.setting.context;
                    context.drop_record(crate::metrics::DropReason::ProductionFailed);
                }
                chosen.into_iter().try_for_each(|chosen| {
                    self.send(id, Destination::Partition(chosen), payloads, record)
                })
            }
        }
    }
}
