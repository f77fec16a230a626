//! Kafka in memory: topics with partitions, committed offsets, and the ways in and out.
//!
//! The model is one value behind one lock, so that the threads of an application, several
//! applications and a test share it; a step of the model is short, and nobody waits inside it.
//! Nothing is kept when the last handle is gone.

mod broker;
mod dice;
mod error;
mod faults;
mod link;
mod log;
mod outbox;
mod plane;
mod record;
mod topic;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use streams_core::error::ProduceError;
use streams_core::names::{ApplicationId, TopicName, TopicPartition};
use streams_core::store::{ChangelogTopic, Deletions};
use streams_core::time::Timestamp;

use self::broker::Groups;
pub use self::broker::{AcceptedCommit, ModelConnection};
pub use self::dice::Dice;
pub use self::error::ModelError;
pub use self::faults::FaultRates;
use self::faults::Network;
use self::link::Links;
pub use self::link::{Brokers, Carries, MachineId, Outage, Survivors};
use self::log::PartitionLog;
pub use self::log::Tombstones;
pub use self::outbox::ModelOutbox;
pub use self::plane::ModelPlane;
pub use self::record::{ModelBatch, ModelRecord, NewRecord, TimeFrom, WriterId};
use self::topic::{SizeLimit, Topic};
use self::wire::Lane;

/// Whether a topic that does not exist comes into being when a record is sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AutoCreate {
    /// It does not: sending is an error. The default.
    #[default]
    Off,
    /// It does, with this many partitions.
    Partitions(i32),
}

/// An offset that a group committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next record to read.
    pub offset: i64,
    /// The leader epoch of the last record read, where it was known.
    pub leader_epoch: Option<i32>,
    /// The text that was committed beside it.
    pub metadata: String,
}

#[derive(Default)]
struct State {
    topics: BTreeMap<TopicName, Topic>,
    offsets: BTreeMap<ApplicationId, BTreeMap<TopicPartition, CommittedOffset>>,
    groups: Groups,
    network: Network,
    links: Links,
    lanes: BTreeMap<WriterId, Lane>,
    auto_create: AutoCreate,
    now: Option<Timestamp>,
    next_sequence: u64,
    next_writer: u32,
    next_topic: u64,
    cluster_id: Option<Arc<str>>,
    size_limit: SizeLimit,
}

/// The id of a cluster that was given none.
const CLUSTER: &str = "model";

/// A model of Kafka in memory. Clones are handles on the same model.
#[derive(Clone, Default)]
pub struct KafkaModel {
    state: Arc<Mutex<State>>,
    /// Where the clients are that come through this handle.
    machine: MachineId,
}

impl fmt::Debug for KafkaModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let topics = state.topics.iter().map(|(name, topic)| (name, topic.partitions().len()));
        f.debug_map().entries(topics).finish()
    }
}

impl KafkaModel {
    /// A Kafka without topics, where topics are made by [`create_topic`](Self::create_topic) only.
    ///
    /// ```
    /// # use streams_test::KafkaModel;
    /// assert!(KafkaModel::new().topics().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same model, which makes topics that records are sent to.
    ///
    /// ```
    /// # use streams_test::KafkaModel;
    /// # use streams_core::names::TopicPartition;
    /// # use streams_test::model::{AutoCreate, NewRecord};
    /// let kafka = KafkaModel::new().auto_create(AutoCreate::Partitions(2));
    /// kafka.append(&TopicPartition::new("words", 1), NewRecord::default())?;
    /// assert_eq!(kafka.partitions(&"words".into()), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn auto_create(self, auto_create: AutoCreate) -> Self {
        self.state().auto_create = auto_create;
        self
    }

    /// The same model under another cluster id; `model` until it is set. Topics of two models have
    /// the same ids.
    #[must_use]
    pub fn with_cluster_id(self, id: &str) -> Self {
        self.state().cluster_id = Some(id.into());
        self
    }

    /// The same model, which takes records of any size where a topic's settings say nothing.
    #[must_use]
    pub(crate) fn without_size_limit(self) -> Self {
        self.state().size_limit = SizeLimit::None;
        self
    }

    /// A thread that panicked inside a step left a state that is still whole: steps change it at
    /// their end.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The broker's clock, which stamps records without a time. At 0 until it is set.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// # use streams_test::KafkaModel;
    /// assert_eq!(KafkaModel::new().now(), Timestamp::from_millis(0));
    /// ```
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.state().now()
    }

    /// Sets the broker's clock.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// # use streams_test::KafkaModel;
    /// let kafka = KafkaModel::new();
    /// kafka.set_now(Timestamp::from_millis(7));
    /// assert_eq!(kafka.now(), Timestamp::from_millis(7));
    /// ```
    pub fn set_now(&self, now: Timestamp) {
        self.state().now = Some(now);
    }

    /// Makes a topic, with settings under Kafka's names. `cleanup.policy` and `max.message.bytes`
    /// have an effect; `delete.retention.ms` is told to readers.
    ///
    /// ```
    /// # use streams_test::KafkaModel;
    /// let kafka = KafkaModel::new();
    /// let compacted = [("cleanup.policy".to_owned(), "compact".to_owned())];
    /// kafka.create_topic("cities", 3, compacted.into())?;
    /// assert_eq!(kafka.partitions(&"cities".into()), Some(3));
    /// assert!(kafka.create_topic("cities", 3, [].into()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When it exists already, its name breaks Kafka's rule, or it would have no partition.
    pub fn create_topic(
        &self,
        name: impl Into<TopicName>,
        partitions: i32,
        settings: BTreeMap<String, String>,
    ) -> Result<(), ModelError> {
        let name = name.into();
        name.check()?;
        self.create_topic_of_any_name(name, partitions, settings)
    }

    /// The same without Kafka's rule for names, which its test driver does not know.
    pub(crate) fn create_topic_of_any_name(
        &self,
        name: TopicName,
        partitions: i32,
        settings: BTreeMap<String, String>,
    ) -> Result<(), ModelError> {
        let mut state = self.state();
        if state.topics.contains_key(&name) {
            return Err(ModelError::TopicExists(name));
        }
        state.create(name, partitions, settings)
    }

    /// Deletes a topic with its records. Committed offsets go with it, as in Kafka.
    ///
    /// ```
    /// # use streams_test::KafkaModel;
    /// let kafka = KafkaModel::new();
    /// kafka.create_topic("words", 1, [].into())?;
    /// kafka.delete_topic(&"words".into())?;
    /// assert!(kafka.topics().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such topic.
    pub fn delete_topic(&self, name: &TopicName) -> Result<(), ModelError> {
        let mut state = self.state();
        state.topics.remove(name).ok_or_else(|| ModelError::UnknownTopic(name.clone()))?;
        for offsets in state.offsets.values_mut() {
            offsets.retain(|partition, _| partition.topic != *name);
        }
        Ok(())
    }

    /// The names of all topics, in order.
    ///
    /// ```
    /// # use streams_test::KafkaModel;
    /// let kafka = KafkaModel::new();
    /// kafka.create_topic("words", 1, [].into())?;
    /// kafka.create_topic("cities", 1, [].into())?;
    /// assert_eq!(kafka.topics(), ["cities", "words"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn topics(&self) -> Vec<TopicName> {
        self.state().topics.keys().cloned().collect()
    }

    /// How many partitions a topic has; `None` when it does not exist.
    ///
    /// ```
    /// # use streams_test::KafkaModel;
    /// let kafka = KafkaModel::new();
    /// kafka.create_topic("words", 3, [].into())?;
    /// assert_eq!(kafka.partitions(&"words".into()), Some(3));
    /// assert_eq!(kafka.partitions(&"cities".into()), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn partitions(&self, topic: &TopicName) -> Option<i32> {
        self.state().topics.get(topic).map(Topic::partition_count)
    }

    /// The settings that a topic was made with; `None` when it does not exist.
    ///
    /// ```
    /// # use streams_test::KafkaModel;
    /// let kafka = KafkaModel::new();
    /// let compacted = [("cleanup.policy".to_owned(), "compact".to_owned())];
    /// kafka.create_topic("cities", 1, compacted.into())?;
    /// let settings = kafka.settings(&"cities".into()).expect("it was made");
    /// assert_eq!(settings["cleanup.policy"], "compact");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn settings(&self, topic: &TopicName) -> Option<BTreeMap<String, String>> {
        self.state().topics.get(topic).map(|topic| topic.settings().clone())
    }

    /// What tells a topic from an earlier one of its name; `None` when it does not exist.
    #[must_use]
    pub fn topic_identity(&self, topic: &TopicName) -> Option<u64> {
        self.state().topics.get(topic).map(Topic::identity)
    }

    /// What the brokers tell a store about the topic that it is restored from; `None` when the topic
    /// does not exist.
    #[must_use]
    pub fn changelog_topic(&self, topic: &TopicName) -> Option<ChangelogTopic> {
        let state = self.state();
        let found = state.topics.get(topic)?;
        let setting =
            |name: &str, default| Some(found.settings().get(name).map_or(default, String::as_str));
        // Kafka's defaults.
        let policy = setting("cleanup.policy", "delete");
        let kept = setting("delete.retention.ms", "86400000");
        Some(ChangelogTopic {
            cluster_id: Some(state.cluster_id()),
            topic_id: Some(found.id()),
            deletions: Deletions::from_settings(policy, kept),
        })
    }

    /// The offset of the first record that is kept, and the offset that the next one will get.
    ///
    /// ```
    /// # use streams_test::KafkaModel;
    /// # use streams_core::names::TopicPartition;
    /// # use streams_test::model::NewRecord;
    /// let kafka = KafkaModel::new();
    /// kafka.create_topic("words", 1, [].into())?;
    /// let first = TopicPartition::new("words", 0);
    /// kafka.append(&first, NewRecord::default())?;
    /// kafka.append(&first, NewRecord::default())?;
    /// kafka.delete_before(&first, 1)?;
    /// assert_eq!(kafka.offsets(&first), Some((1, 2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn offsets(&self, partition: &TopicPartition) -> Option<(i64, i64)> {
        self.state().log(partition).map(|log| (log.start(), log.end()))
    }

    /// A number for a new producer, which its records bear.
    #[must_use]
    pub fn new_writer(&self) -> WriterId {
        let mut state = self.state();
        state.next_writer += 1;
        WriterId(state.next_writer)
    }

    /// Appends a record to a partition. Its offset.
    ///
    /// ```
    /// # use streams_test::KafkaModel;
    /// # use streams_core::names::TopicPartition;
    /// # use streams_test::model::NewRecord;
    /// let kafka = KafkaModel::new();
    /// kafka.create_topic("words", 1, [].into())?;
    /// let first = TopicPartition::new("words", 0);
    /// let word = NewRecord { value: Some("be".into()), ..NewRecord::default() };
    /// assert_eq!(kafka.append(&first, word.clone())?, 0);
    /// assert_eq!(kafka.append(&first, word)?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such topic or partition, or the record is refused by the topic's settings.
    pub fn append(
        &self,
        partition: &TopicPartition,
        record: NewRecord,
    ) -> Result<i64, ProduceError> {
        let mut state = self.state();
        state.ensure(&partition.topic)?;
        state.append(partition, record)
    }

    /// All records of a topic that are kept, in the order in which they were appended.
    ///
    /// ```
    /// # use streams_test::KafkaModel;
    /// # use streams_core::names::TopicPartition;
    /// # use streams_test::model::NewRecord;
    /// let kafka = KafkaModel::new();
    /// kafka.create_topic("words", 1, [].into())?;
    /// let word = NewRecord { value: Some("be".into()), ..NewRecord::default() };
    /// kafka.append(&TopicPartition::new("words", 0), word)?;
    /// assert_eq!(kafka.records(&"words".into())[0].value.as_deref(), Some(&b"be"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn records(&self, topic: &TopicName) -> Vec<Arc<ModelRecord>> {
        self.records_after(topic, 0)
    }

    /// The records of a topic that were appended after the one of this sequence number, in order.
    #[must_use]
    pub fn records_after(&self, topic: &TopicName, sequence: u64) -> Vec<Arc<ModelRecord>> {
        let state = self.state();
        let Some(topic) = state.topics.get(topic) else { return Vec::new() };
        let partitions = topic.partitions().iter();
        let mut records: Vec<_> = partitions.flat_map(|log| log.after(sequence)).cloned().collect();
        records.sort_unstable_by_key(|record| record.sequence);
        records
    }

    /// At most `max` records of a partition from this offset on; `None` when it does not exist.
    #[must_use]
    pub fn read(
        &self,
        partition: &TopicPartition,
        offset: i64,
        max: usize,
    ) -> Option<Vec<Arc<ModelRecord>>> {
        self.state().log(partition).map(|log| log.read(offset, max))
    }

    /// The offset of the first record that is not older than `time`, or the end when all are.
    #[must_use]
    pub fn offset_for_time(&self, partition: &TopicPartition, time: Timestamp) -> Option<i64> {
        self.state().log(partition).map(|log| log.offset_for_time(time))
    }

    /// Compacts a topic: of each key only the last record stays; offsets do not change.
    ///
    /// # Errors
    /// When there is no such topic.
    pub fn compact(&self, topic: &TopicName, tombstones: Tombstones) -> Result<(), ModelError> {
        let mut state = self.state();
        let found = state.topics.get_mut(topic);
        let found = found.ok_or_else(|| ModelError::UnknownTopic(topic.clone()))?;
        found.partitions_mut().iter_mut().for_each(|log| log.compact(tombstones));
        Ok(())
    }

    /// Deletes the records before this offset, as retention and Kafka's `deleteRecords` do.
    ///
    /// ```
    /// # use streams_test::KafkaModel;
    /// # use streams_core::names::TopicPartition;
    /// # use streams_test::model::NewRecord;
    /// let kafka = KafkaModel::new();
    /// kafka.create_topic("words", 1, [].into())?;
    /// let first = TopicPartition::new("words", 0);
    /// kafka.append(&first, NewRecord::default())?;
    /// kafka.delete_before(&first, 1)?;
    /// assert!(kafka.records(&"words".into()).is_empty());
    /// assert_eq!(kafka.append(&first, NewRecord::default())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such partition.
    pub fn delete_before(&self, partition: &TopicPartition, offset: i64) -> Result<(), ModelError> {
        let mut state = self.state();
        let log = state.log_mut(partition);
        log.ok_or_else(|| ModelError::UnknownPartition(partition.clone()))?.delete_before(offset);
        Ok(())
    }

    /// Commits the offsets of a group.
    ///
    /// # Errors
    /// When a partition does not exist; then nothing is committed.
    pub fn commit_offsets(
        &self,
        group: &ApplicationId,
        offsets: impl IntoIterator<Item = (TopicPartition, CommittedOffset)>,
    ) -> Result<(), ModelError> {
        let mut state = self.state();
        let offsets: Vec<_> = offsets.into_iter().collect();
        if let Some((missing, _)) = offsets.iter().find(|(at, _)| state.log(at).is_none()) {
            return Err(ModelError::UnknownPartition(missing.clone()));
        }
        state.offsets.entry(group.clone()).or_default().extend(offsets);
        Ok(())
    }

    /// The offset that a group committed for a partition.
    #[must_use]
    pub fn committed_offset(
        &self,
        group: &ApplicationId,
        partition: &TopicPartition,
    ) -> Option<CommittedOffset> {
        self.state().offsets.get(group)?.get(partition).cloned()
    }

    /// Whether the partition's leader answers a fetch now.
    fn may_fetch(&self, partition: &TopicPartition) -> bool {
        let mut state = self.state();
        let now = state.groups.now();
        state.network.has_leader(partition.partition, now) && !state.network.fails_fetch()
    }

    /// Where a reader starts that has no offset, the policy being to go this far back in time.
    fn offset_by(&self, partition: &TopicPartition, back: Duration) -> Option<i64> {
        let back = i64::try_from(back.as_millis()).unwrap_or(i64::MAX);
        let from = self.now().millis().saturating_sub(back);
        self.offset_for_time(partition, Timestamp::from_millis(from))
    }
}

impl State {
    fn cluster_id(&self) -> Arc<str> {
        self.cluster_id.clone().unwrap_or_else(|| CLUSTER.into())
    }

    fn now(&self) -> Timestamp {
        self.now.unwrap_or(Timestamp::from_millis(0))
    }

    fn log(&self, partition: &TopicPartition) -> Option<&PartitionLog> {
        self.topics.get(&partition.topic)?.partition(partition.partition)
    }

    fn log_mut(&mut self, partition: &TopicPartition) -> Option<&mut PartitionLog> {
        self.topics.get_mut(&partition.topic)?.partition_mut(partition.partition)
    }

    fn create(
        &mut self,
        name: TopicName,
        partitions: i32,
        settings: BTreeMap<String, String>,
    ) -> Result<(), ModelError> {
        if partitions < 1 {
            return Err(ModelError::NoPartitions(name));
        }
        self.next_topic += 1;
        self.topics.insert(name, Topic::new(self.next_topic, partitions, settings));
        Ok(())
    }

    /// Makes the topic if that is allowed.
    fn ensure(&mut self, topic: &TopicName) -> Result<(), ProduceError> {
        if self.topics.contains_key(topic) {
            return Ok(());
        }
        let unknown = || ProduceError::UnknownTopic { topic: topic.clone() };
        let AutoCreate::Partitions(partitions) = self.auto_create else { return Err(unknown()) };
        self.create(topic.clone(), partitions, BTreeMap::new()).map_err(|_| unknown())
    }

    /// Whether the record can be appended.
    fn check(&self, partition: &TopicPartition, record: &NewRecord) -> Result<(), ProduceError> {
        let TopicPartition { topic: name, partition } = partition;
        let topic = self.topics.get(name);
        let topic = topic.ok_or_else(|| ProduceError::UnknownTopic { topic: name.clone() })?;
        topic.check(record, self.size_limit)?;
        if topic.partition(*partition).is_some() {
            return Ok(());
        }
        let (topic, partitions) = (name.clone(), topic.partition_count());
        Err(ProduceError::NoSuchPartition { topic, partition: *partition, partitions })
    }

    fn append(
        &mut self,
        partition: &TopicPartition,
        record: NewRecord,
    ) -> Result<i64, ProduceError> {
        self.check(partition, &record)?;
        let now = self.now();
        let sequence = self.next_sequence + 1;
        let unknown = || ProduceError::UnknownTopic { topic: partition.topic.clone() };
        let log = self.log_mut(partition).ok_or_else(unknown)?;
        let place = (partition.partition, log.end(), sequence);
        let offset = log.append(record.placed(place, now));
        self.next_sequence = sequence;
        Ok(offset)
    }
}
