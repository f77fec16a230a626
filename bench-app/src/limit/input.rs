//! Reading: the consumer, its partitions, and the committed offsets.

use super::{Error, number, overrides};
use crate::ffi::bounds::FetchBounds;
use crate::ffi::config::{Config, Role};
use crate::ffi::consumer::{Consumer, PartitionQueue, Start};
use crate::ffi::message::{Batch, Fetched, RawMessage};
use crate::ffi::queue::Waker;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// One partition that is read.
pub(crate) struct Partition {
    pub(crate) topic: String,
    pub(crate) number: i32,
    pub(crate) next: i64,
    queue: PartitionQueue,
    batch: Option<Batch>,
    at: usize,
}

/// What a partition has to give.
pub(crate) enum Head<'b> {
    Record(RawMessage<'b>),
    /// More is to come.
    Awaited,
    /// Nothing is left.
    End,
}

impl Partition {
    /// Fetches when all that was fetched has been passed.
    pub(crate) fn refill(&mut self, most: usize) {
        if self.batch.as_ref().is_none_or(|batch| self.at >= batch.len()) {
            self.batch = self.queue.fetch(most);
            self.at = 0;
        }
    }

    /// The next record; [`pass`](Self::pass) leaves it behind.
    pub(crate) fn head(&self) -> Result<Head<'_>, Error> {
        let Some(batch) = &self.batch else {
            let is_at_end = self.queue.end().is_some_and(|end| self.next >= end);
            return Ok(if is_at_end { Head::End } else { Head::Awaited });
        };
        match batch.get(self.at) {
            Some(Fetched::Record(record)) => Ok(Head::Record(record)),
            Some(entry) => failure(self.number, &entry).map_or(Ok(Head::Awaited), Err),
            None => Ok(Head::Awaited),
        }
    }

    /// Leaves the record at the head behind.
    pub(crate) fn pass(&mut self) {
        if let Some(Fetched::Record(record)) = self.batch.as_ref().and_then(|b| b.get(self.at)) {
            self.next = record.offset() + 1;
        }
        self.at += 1;
    }
}

/// All partitions that are read, and the handle that commits.
pub(crate) struct Input {
    pub(crate) partitions: Vec<Partition>,
    consumer: Consumer,
    commits: BaseConsumer,
    pub(crate) most: usize,
}

impl Input {
    pub(crate) fn new(bootstrap: &str, app: &str, topics: &[(String, i32)]) -> Result<Self, Error> {
        let all = || {
            topics
                .iter()
                .flat_map(|(topic, count)| (0..*count).map(move |number| (topic.as_str(), number)))
        };
        let mut settings = vec![("bootstrap.servers".to_owned(), bootstrap.to_owned())];
        settings.push(("group.id".to_owned(), app.to_owned()));
        let bounds = FetchBounds::new(number("LIMIT_BUDGET", 16 << 20) as u64, all().count());
        settings.extend(bounds.settings().map(|(key, value)| (key.to_owned(), value)));
        settings.extend(overrides("LIMIT_CONSUMER"));
        let pairs = settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let consumer = Consumer::new(Config::new(Role::Consumer, pairs)?)?;
        let starts: Vec<_> =
            all().map(|(topic, partition)| Start { topic, partition, offset: 0 }).collect();
        let queues = consumer.assign(&starts, &Waker::current())?;
        let partitions = all().zip(queues).map(|((topic, number), queue)| Partition {
            topic: topic.to_owned(),
            number,
            next: 0,
            queue,
            batch: None,
            at: 0,
        });
        let commits = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", app)
            .set("enable.auto.commit", "false")
            .create()?;
        Ok(Self {
            partitions: partitions.collect(),
            consumer,
            commits,
            most: number("LIMIT_FETCH", 500),
        })
    }

    /// What partition `index` has.
    pub(crate) fn fetch(&mut self, index: usize) -> Option<Batch> {
        self.partitions.get_mut(index)?.queue.fetch(self.most)
    }

    /// Commits all offsets as nobody, which Kafka takes for a group without members.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        while self.consumer.poll().is_some() {}
        let mut offsets = TopicPartitionList::new();
        for partition in self.partitions.iter().filter(|partition| partition.next > 0) {
            offsets.add_partition_offset(
                &partition.topic,
                partition.number,
                Offset::Offset(partition.next),
            )?;
        }
        if offsets.count() > 0 {
            self.commits.commit(&offsets, CommitMode::Sync)?;
        }
        Ok(())
    }
}

/// The error of an entry that is no record.
pub(crate) fn failure(partition: i32, entry: &Fetched<'_>) -> Option<Error> {
    match entry {
        Fetched::Failed { message, .. } => {
            Some(Error::Read { partition, message: message.clone() })
        }
        Fetched::Record(_) | Fetched::End { .. } => None,
    }
}
