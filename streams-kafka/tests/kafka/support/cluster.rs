//! Topics and groups, seen by a client that has nothing to do with Millstream.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use streams_core::membership::consumer_protocol::ConsumerAssignment;
use streams_core::names::TopicPartition;

use super::wait::holds_within;
use super::writer::Writer;

const ASK_MAX: Duration = Duration::from_secs(20);

/// A record to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp: i64,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Given {
    pub(crate) fn text(partition: i32, key: &str, value: &str, timestamp: i64) -> Self {
        let (key, value) = (Some(key.as_bytes().to_vec()), Some(value.as_bytes().to_vec()));
        Self { partition, key, value, timestamp, headers: Vec::new() }
    }
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp: i64,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Seen {
    pub(crate) fn key_text(&self) -> String {
        String::from_utf8(self.key.clone().unwrap()).unwrap()
    }

    pub(crate) fn value_text(&self) -> String {
        String::from_utf8(self.value.clone().unwrap()).unwrap()
    }
}

/// A cluster, by its addresses.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    servers: String,
    /// Copies of each topic.
    replication: i32,
}

impl Cluster {
    pub(crate) fn at(servers: &str) -> Self {
        Self { servers: servers.to_owned(), replication: 1 }
    }

    /// A cluster where every topic has so many copies.
    pub(crate) fn replicated(servers: &str, replication: i32) -> Self {
        Self { servers: servers.to_owned(), replication }
    }

    pub(crate) const fn replication(&self) -> i32 {
        self.replication
    }

    pub(crate) fn servers(&self) -> &str {
        &self.servers
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.servers);
        config.set("reconnect.backoff.max.ms", "500");
        config.set_log_level(RDKafkaLogLevel::Emerg);
        config
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        let mut config = self.client();
        config.set("group.id", group).set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true").create().unwrap()
    }

    /// A consumer of all that is written to a topic from now on.
    pub(super) fn follower(&self, topic: &str) -> BaseConsumer {
        let mut config = self.client();
        let consumer: BaseConsumer = config.set("group.id", "nobody").create().unwrap();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..i32::try_from(self.partitions(topic)).unwrap() {
            assignment.add_partition_offset(topic, partition, Offset::End).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        consumer
    }

    /// A consumer that is a member of a group, as that of any other program may be, and has a share
    /// of a topic.
    pub(crate) fn member_of(&self, group: &str, topic: &str) -> BaseConsumer {
        let consumer = self.consumer(group);
        consumer.subscribe(&[topic]).unwrap();
        holds_within("the consumer has a share", ASK_MAX, || {
            // It takes its share when it is asked for a record.
            drop(consumer.poll(Duration::ZERO));
            consumer.assignment().unwrap().count() > 0
        });
        consumer
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().unwrap()
    }

    /// Whether a broker answers.
    pub(crate) fn is_there(&self) -> bool {
        let metadata = self.consumer("nobody");
        metadata.fetch_metadata(None, Duration::from_secs(5)).is_ok()
    }

    pub(crate) fn create(&self, topic: &str, partitions: i32) {
        self.create_with(topic, partitions, &[]);
    }

    pub(crate) fn create_with(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        // Records of these tests are years old.
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(self.replication));
        let new = new.set("retention.ms", "-1");
        let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
        let options = AdminOptions::new().operation_timeout(Some(ASK_MAX));
        let created = block_on(self.admin().create_topics([&new], &options)).unwrap();
        created.into_iter().for_each(|result| drop(result.unwrap()));
    }

    /// Lets a topic have so many partitions in all.
    pub(crate) fn add_partitions(&self, topic: &str, partitions: usize) {
        let more = NewPartitions::new(topic, partitions);
        let options = AdminOptions::new().operation_timeout(Some(ASK_MAX));
        let added = block_on(self.admin().create_partitions([&more], &options)).unwrap();
        added.into_iter().for_each(|result| drop(result.unwrap()));
    }

    pub(crate) fn delete(&self, topic: &str) {
        let options = AdminOptions::new().operation_timeout(Some(ASK_MAX));
        let deleted = block_on(self.admin().delete_topics(&[topic], &options)).unwrap();
        deleted.into_iter().for_each(|result| drop(result.unwrap()));
    }

    /// Deletes what lies before an offset.
    pub(crate) fn delete_before(&self, topic: &str, partition: i32, offset: i64) {
        let mut before = TopicPartitionList::new();
        before.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
        let options = AdminOptions::new().operation_timeout(Some(ASK_MAX));
        let deleted = block_on(self.admin().delete_records(&before, &options)).unwrap();
        deleted.elements().iter().for_each(|partition| partition.error().unwrap());
    }

    /// Writes records and waits until all are acknowledged.
    pub(crate) fn write(&self, topic: &str, records: &[Given]) {
        let mut writer = self.writer();
        records.iter().for_each(|record| writer.write(topic, record));
        writer.finish();
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer::new(self.client())
    }

    /// Partitions of a topic; none when it does not exist.
    pub(crate) fn partitions(&self, topic: &str) -> usize {
        let metadata = self.consumer("nobody").fetch_metadata(Some(topic), ASK_MAX).unwrap();
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        found.filter(|found| found.error().is_none()).map_or(0, |topic| topic.partitions().len())
    }

    /// Offsets after the last record of each partition.
    pub(crate) fn ends(&self, topic: &str) -> Vec<i64> {
        self.offsets(topic).into_iter().map(|(_, end)| end).collect()
    }

    /// Offsets of the first record of each partition, and after the last.
    pub(crate) fn offsets(&self, topic: &str) -> Vec<(i64, i64)> {
        let (count, consumer) = (self.partitions(topic), self.consumer("nobody"));
        let of = |partition| consumer.fetch_watermarks(topic, partition, ASK_MAX).unwrap();
        (0..i32::try_from(count).unwrap()).map(of).collect()
    }

    /// How many records, of all that a topic ever had, are older than this time since 1970.
    pub(crate) fn offsets_at(&self, topic: &str, time: Duration) -> i64 {
        let mut asked = TopicPartitionList::new();
        let millis = i64::try_from(time.as_millis()).unwrap();
        for partition in 0..i32::try_from(self.partitions(topic)).unwrap() {
            asked.add_partition_offset(topic, partition, Offset::Offset(millis)).unwrap();
        }
        let found = self.consumer("nobody").offsets_for_times(asked, ASK_MAX).unwrap();
        let elements = found.elements();
        let of_each = elements
            .iter()
            .zip(self.ends(topic))
            .map(|(one, end)| if let Offset::Offset(offset) = one.offset() { offset } else { end });
        of_each.sum()
    }

    /// Everything that is in a topic now, each partition in order.
    pub(crate) fn read(&self, topic: &str) -> Vec<Seen> {
        let mut seen = Vec::new();
        self.each(topic, |record| seen.push(record));
        seen.sort_by_key(|record| (record.partition, record.offset));
        seen
    }

    /// Shows everything that is in a topic now, each partition in order, and several in turn.
    pub(crate) fn each(&self, topic: &str, mut show: impl FnMut(Seen)) {
        let consumer = self.consumer("nobody");
        let mut assignment = TopicPartitionList::new();
        // Where more is written all the time, a consumer may never come to an end.
        let mut unread = BTreeMap::new();
        for (partition, (start, end)) in (0..).zip(self.offsets(topic)) {
            if start < end {
                assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
                unread.insert(partition, end);
            }
        }
        consumer.assign(&assignment).unwrap();
        while !unread.is_empty() {
            let ended = match consumer.poll(ASK_MAX) {
                Some(Ok(message)) => {
                    let (partition, next) = (message.partition(), message.offset() + 1);
                    let end = unread.get(&partition).copied();
                    if end.is_some_and(|end| next <= end) {
                        show(copied(&message));
                    }
                    end.filter(|end| next >= *end).map(|_| partition)
                }
                // What is last may be no record but a mark.
                Some(Err(KafkaError::PartitionEOF(partition))) => Some(partition),
                Some(Err(error)) => panic!("\"{topic}\" cannot be read: {error}"),
                None => panic!("\"{topic}\" has not ended within {ASK_MAX:?}"),
            };
            ended.and_then(|partition| unread.remove(&partition));
        }
    }

    /// Committed offset and its text, for each partition that has one.
    pub(crate) fn committed(&self, group: &str, topic: &str) -> Vec<Option<(i64, String)>> {
        let mut asked = TopicPartitionList::new();
        let partitions = i32::try_from(self.partitions(topic)).unwrap();
        asked.add_partition_range(topic, 0, partitions - 1);
        let answer = self.consumer(group).committed_offsets(asked, ASK_MAX).unwrap();
        let committed = |partition| {
            let found = answer.find_partition(topic, partition)?;
            let offset = found.offset().to_raw().filter(|offset| *offset >= 0)?;
            Some((offset, found.metadata().to_owned()))
        };
        (0..partitions).map(committed).collect()
    }

    /// Whether each copy of each partition is as far as its leader.
    pub(crate) fn is_in_sync(&self) -> bool {
        let metadata = self.consumer("nobody").fetch_metadata(None, ASK_MAX);
        let copies = usize::try_from(self.replication).unwrap();
        metadata.is_ok_and(|metadata| {
            let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
            partitions.all(|partition| partition.isr().len() == copies)
        })
    }

    /// What each member of a consumer group is to read.
    pub(crate) fn assignments(&self, group: &str) -> Vec<BTreeSet<TopicPartition>> {
        let groups = self.consumer("nobody").fetch_group_list(Some(group), ASK_MAX).unwrap();
        let members = groups.groups().iter().flat_map(|group| group.members());
        let assigned = members.map(|member| member.assignment().unwrap_or_default());
        assigned.map(|bytes| ConsumerAssignment::decode(bytes).unwrap().partitions).collect()
    }

    /// Members of a consumer group.
    pub(crate) fn members(&self, group: &str) -> usize {
        let groups = self.consumer("nobody").fetch_group_list(Some(group), ASK_MAX).unwrap();
        groups.groups().iter().map(|group| group.members().len()).sum()
    }
}

fn copied(message: &impl Message) -> Seen {
    let headers = message.headers().map(|headers| {
        let headers = headers.iter();
        headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    Seen {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        timestamp: message.timestamp().to_millis().unwrap_or(-1),
        headers: headers.unwrap_or_default(),
    }
}
