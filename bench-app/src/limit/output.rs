//! Writing: the producer, its topics, and the reports.

use super::partitioner::partition;
use super::{Error, overrides};
use crate::ffi::config::{Config, Role};
use crate::ffi::error::Code;
use crate::ffi::event::Severity;
use crate::ffi::headers::HeadersRef;
use crate::ffi::producer::{Accepted, Outgoing, Producer, ProducerEvent, TopicSlot};
use crate::ffi::queue::Waker;
use std::time::Duration;

/// The partitions of every topic here.
pub(crate) const PARTITIONS: i32 = 4;

/// A record on its way out.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) timestamp: i64,
    pub(crate) headers: Option<HeadersRef<'a>>,
}

pub(crate) struct Output {
    producer: Producer,
    /// The highest offsets of each changelog that were acknowledged, by partition.
    changelogs: Vec<(TopicSlot, [i64; PARTITIONS as usize])>,
    lost: Option<String>,
}

impl Output {
    pub(crate) fn new(bootstrap: &str) -> Result<Self, Error> {
        let mut settings = vec![("bootstrap.servers".to_owned(), bootstrap.to_owned())];
        settings.extend(overrides("LIMIT_PRODUCER"));
        let pairs = settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let mut producer = Producer::new(Config::new(Role::Producer, pairs)?)?;
        producer.wake(&Waker::current());
        Ok(Self { producer, changelogs: Vec::new(), lost: None })
    }

    pub(crate) fn topic(&mut self, name: &str) -> Result<TopicSlot, Error> {
        Ok(self.producer.topic(name)?)
    }

    pub(crate) fn changelog(&mut self, name: &str) -> Result<TopicSlot, Error> {
        let slot = self.producer.topic(name)?;
        self.changelogs.push((slot, [-1; PARTITIONS as usize]));
        Ok(slot)
    }

    /// The highest acknowledged offset of a partition of a changelog; -1 for none.
    pub(crate) fn acknowledged(&self, changelog: TopicSlot, partition: usize) -> i64 {
        let of_topic = self.changelogs.iter().find(|(slot, _)| *slot == changelog);
        of_topic.and_then(|(_, offsets)| offsets.get(partition)).copied().unwrap_or(-1)
    }

    /// Sends by the hash of the key.
    pub(crate) fn send(&mut self, topic: TopicSlot, record: Sent<'_>) -> Result<(), Error> {
        self.send_to(topic, record.key.map_or(0, |key| partition(key, PARTITIONS)), record)
    }

    pub(crate) fn send_to(
        &mut self,
        topic: TopicSlot,
        partition: i32,
        record: Sent<'_>,
    ) -> Result<(), Error> {
        let Sent { key, value, timestamp, headers } = record;
        let outgoing = Outgoing { topic, partition, timestamp, key, value, headers, tag: 0 };
        while self.producer.produce(&outgoing)? == Accepted::QueueFull {
            self.producer.hurry();
            self.serve(Duration::from_millis(100))?;
        }
        Ok(())
    }

    /// Reads the reports that are there, waiting for the first at most `timeout`.
    pub(crate) fn serve(&mut self, timeout: Duration) -> Result<(), Error> {
        let Self { producer, changelogs, lost } = self;
        producer.poll(timeout, |event| match event {
            ProducerEvent::Delivered(report) if report.code == Code::NONE => {
                let changelog = changelogs.iter_mut().find(|(slot, _)| *slot == report.topic);
                if let Some((_, offsets)) = changelog
                    && let Ok(at) = usize::try_from(report.partition)
                    && let Some(offset) = offsets.get_mut(at)
                {
                    *offset = report.offset.max(*offset);
                }
            }
            ProducerEvent::Delivered(report) => *lost = Some(report.code.describe()),
            ProducerEvent::Problem(problem) if problem.severity == Severity::Fatal => {
                *lost = Some(problem.message)
            }
            ProducerEvent::Problem(_) => {}
        });
        self.lost.take().map_or(Ok(()), |reason| Err(Error::Lost(reason)))
    }

    /// Waits until every record is acknowledged.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        while self.producer.outstanding() > 0 {
            self.producer.hurry();
            self.serve(Duration::from_millis(100))?;
        }
        Ok(())
    }
}
