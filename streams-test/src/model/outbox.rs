//! Sending to the model.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use streams_core::error::ProduceError;
use streams_core::murmur2::partition_for_key;
use streams_core::names::{TopicName, TopicPartition};
use streams_core::outbox::{Destination, OutRecord, Outbox, TopicId};
use streams_core::plane::Delivery;

use super::wire::Tag;
use super::{KafkaModel, NewRecord, WriterId};

#[derive(Debug)]
struct KnownTopic {
    name: TopicName,
    /// The partition of the next record without a key.
    next: i32,
}

/// A producer of the model. Every record is acknowledged at once, unless [calls may
/// fail](KafkaModel::set_faults); what became of it is kept until [`deliveries`](Self::deliveries)
/// is called.
#[derive(Debug)]
pub struct ModelOutbox {
    model: KafkaModel,
    writer: WriterId,
    topics: Vec<KnownTopic>,
    deliveries: VecDeque<Delivery>,
    on_their_way: usize,
    /// By the number of the task, how many records nothing has been told about.
    undelivered: BTreeMap<u32, usize>,
}

impl ModelOutbox {
    /// A new producer.
    #[must_use]
    pub fn new(model: &KafkaModel) -> Self {
        let (model, writer) = (model.clone(), model.new_writer());
        Self {
            model,
            writer,
            topics: Vec::new(),
            deliveries: VecDeque::new(),
            on_their_way: 0,
            undelivered: BTreeMap::new(),
        }
    }

    /// The number that its records bear.
    #[must_use]
    pub const fn writer(&self) -> WriterId {
        self.writer
    }

    /// What became of the records sent since the last call, in the order of sending.
    pub fn deliveries(&mut self) -> impl Iterator<Item = Delivery> + use<> {
        let machine = self.model.machine;
        let (late, on_their_way) = self.model.state().delivered(self.writer, machine);
        self.on_their_way = on_their_way;
        let told: Vec<Delivery> = self.deliveries.drain(..).chain(late).collect();
        for delivery in &told {
            if let Some(count) = self.undelivered.get_mut(&delivery.purpose.task()) {
                *count = count.saturating_sub(1);
            }
        }
        told.into_iter()
    }

    /// How many records of the task of this number nothing has been told about.
    pub(super) fn undelivered_of(&self, task: u32) -> usize {
        self.undelivered.get(&task).copied().unwrap_or(0)
    }

    /// Why it can send no more: a record was not acknowledged in time.
    pub(super) fn failure(&self) -> Option<ProduceError> {
        self.model.state().failure(self.writer)
    }

    /// A producer that can send no more is made anew, under its number.
    pub(super) fn renew(&self) {
        self.model.state().renew(self.writer);
    }

    /// How many records were on their way when [`deliveries`](Self::deliveries) was called last.
    pub(super) const fn on_their_way(&self) -> usize {
        self.on_their_way
    }

    fn known(&mut self, topic: TopicId) -> Result<&mut KnownTopic, ProduceError> {
        self.topics.get_mut(topic.0 as usize).ok_or_else(|| ProduceError::Refused {
            code: "UNKNOWN_TOPIC_ID".to_owned(),
            message: format!("topic number {} was not given out by this outbox", topic.0),
        })
    }

    fn choose(&mut self, record: &OutRecord<'_>) -> Result<TopicPartition, ProduceError> {
        let partitions = self.partitions(record.topic)?;
        let known = self.known(record.topic)?;
        let partition = match (record.destination, record.key) {
            (Destination::Partition(chosen), _) => chosen,
            (Destination::ByKey, Some(key)) => partition_for_key(key, partitions),
            (Destination::ByKey, None) => {
                let chosen = known.next % partitions;
                known.next = chosen + 1;
                chosen
            }
        };
        Ok(TopicPartition { topic: known.name.clone(), partition })
    }
}

impl Outbox for ModelOutbox {
    fn topic(&mut self, name: &TopicName) -> TopicId {
        let at = self.topics.iter().position(|known| known.name == *name);
        let at = at.unwrap_or_else(|| {
            self.topics.push(KnownTopic { name: name.clone(), next: 0 });
            self.topics.len() - 1
        });
        TopicId(u32::try_from(at).unwrap_or(u32::MAX))
    }

    fn topic_name(&self, topic: TopicId) -> TopicName {
        self.topics.get(topic.0 as usize).map_or_else(|| "".into(), |known| known.name.clone())
    }

    fn partitions(&mut self, topic: TopicId) -> Result<i32, ProduceError> {
        let name = self.known(topic)?.name.clone();
        let mut state = self.model.state();
        state.ensure(&name)?;
        let found = state.topics.get(&name).map(super::topic::Topic::partition_count);
        found.ok_or(ProduceError::UnknownTopic { topic: name })
    }

    fn send(&mut self, record: OutRecord<'_>) -> Result<(), ProduceError> {
        let partition = self.choose(&record)?;
        let new = NewRecord {
            key: record.key.map(Bytes::copy_from_slice),
            value: record.value.map(Bytes::copy_from_slice),
            timestamp: record.timestamp,
            headers: record.headers.clone(),
            writer: self.writer,
        };
        let OutRecord { purpose, activity, topic, .. } = record;
        let tag = Tag { purpose, activity, topic };
        let mut state = self.model.state();
        state.ensure(&partition.topic)?;
        if state.network.is_faulty() {
            state.check(&partition, &new)?;
            state.dispatch(self.model.machine, partition, (new, tag))?;
        } else {
            let offset = state.append(&partition, new)?;
            self.deliveries.push_back(tag.told(Ok(offset)));
        }
        *self.undelivered.entry(purpose.task()).or_default() += 1;
        Ok(())
    }
}

impl Drop for ModelOutbox {
    fn drop(&mut self) {
        self.model.state().abandon(self.writer);
    }
}
