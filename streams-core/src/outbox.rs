//! The way out of a task: records for Kafka, as bytes.

use std::cell::RefCell;
use std::rc::Rc;

use crate::error::ProduceError;
use crate::names::TopicName;
use crate::processor::Activity;
use crate::record::Headers;
use crate::time::Timestamp;

/// A topic as an outbox knows it, so that no name is looked up per record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopicId(pub u32);

/// Which partition of its topic a record goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// By the hash of the key as Kafka's default partitioner does; without a key, any.
    ByKey,
    /// This one.
    Partition(i32),
}

/// Who wants to know how far the record was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// An output or repartition record of this task (its number in the worker).
    Output {
        /// The task's number in its worker.
        task: u32,
        /// The sink's number in its task.
        sink: u32,
    },
    /// A change of a store of this task.
    Changelog {
        /// The task's number in its worker.
        task: u32,
        /// The store's number in its task.
        store: u32,
    },
}

impl Purpose {
    /// The task's number in its worker.
    #[must_use]
    pub const fn task(self) -> u32 {
        let (Self::Output { task, .. } | Self::Changelog { task, .. }) = self;
        task
    }
}

/// A record on its way to Kafka; the outbox copies what it keeps.
#[derive(Debug, Clone)]
pub struct OutRecord<'a> {
    /// Where it goes.
    pub topic: TopicId,
    /// Which partition of it.
    pub destination: Destination,
    /// The key's bytes, or null.
    pub key: Option<&'a [u8]>,
    /// The value's bytes, or null.
    pub value: Option<&'a [u8]>,
    /// The record's time; `None` leaves it to the producer.
    pub timestamp: Option<Timestamp>,
    /// The headers.
    pub headers: &'a Headers,
    /// Who sends it.
    pub purpose: Purpose,
    /// What the task is doing, to be told when the record cannot be written.
    pub activity: Activity,
}

/// Takes records for Kafka, in order for each partition. Bounded: a full queue is waited for, up to
/// a limit.
pub trait Outbox {
    /// The number by which records name this topic from now on. Called while a task is linked, and
    /// by sinks whose topic is computed.
    fn topic(&mut self, name: &TopicName) -> TopicId;

    /// The name of a topic that was given a number; empty for another.
    fn topic_name(&self, topic: TopicId) -> TopicName;

    /// How many partitions the topic has.
    ///
    /// # Errors
    /// When the topic does not exist.
    fn partitions(&mut self, topic: TopicId) -> Result<i32, ProduceError>;

    /// Queues a record.
    ///
    /// # Errors
    /// When the record cannot be taken: no such topic or partition, too large, or a queue that
    /// stayed full.
    fn send(&mut self, record: OutRecord<'_>) -> Result<(), ProduceError>;
}

/// The outbox of who sends nothing: global stores have no changelogs, and their processors no
/// children.
#[derive(Debug, Default)]
pub struct NoOutbox(Vec<TopicName>);

impl Outbox for NoOutbox {
    fn topic(&mut self, name: &TopicName) -> TopicId {
        self.0.push(name.clone());
        TopicId(u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX))
    }

    fn topic_name(&self, topic: TopicId) -> TopicName {
        self.0.get(topic.0 as usize).cloned().unwrap_or_else(|| "".into())
    }

    fn partitions(&mut self, topic: TopicId) -> Result<i32, ProduceError> {
        Err(ProduceError::UnknownTopic { topic: self.topic_name(topic) })
    }

    fn send(&mut self, record: OutRecord<'_>) -> Result<(), ProduceError> {
        Err(ProduceError::UnknownTopic { topic: self.topic_name(record.topic) })
    }
}

/// The outbox of a worker, shared by the sinks and changelogs of its tasks.
pub type SharedOutbox = Rc<RefCell<dyn Outbox>>;
