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
    /// The highest offset of the changelog that was acknowledged, by partition.
    pub(crate) changelog: [i64; PARTITIONS as usize],
    changelog_slot: Option<TopicSlot>,
    lost: Option<String>,
}

impl Output {
    pub(crate) fn new(bootstrap: &str) -> Result<Self, Error> {
        let mut settings = vec![("bootstrap.servers".to_owned(), bootstrap.to_owned())];
        settings.extend(overrides("LIMIT_PRODUCER"));
        let pairs = settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let mut producer = Producer::new(Config::new(Role::Producer, pairs)?)?;
        producer.wake(&Waker::current());
        Ok(Self {
            producer,
            changelog: [-1; PARTITIONS as usize],
            changelog_slot: None,
            lost: None,
        })
    }

    pub(crate) fn topic(&mut self, name: &str) -> Result<TopicSlot, Error> {
        Ok(self.producer.topic(name)?)
    }

    pub(crate) fn changelog(&mut self, name: &str) -> Result<TopicSlot, Error> {
        let slot = self.producer.topic(name)?;
        self.changelog_slot = Some(slot);
        Ok(slot)
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
            self.serve(Duration::from_millis(100))?;
        }
        Ok(())
    }

    /// Reads the reports that are there, waiting for the first at most `timeout`.
    pub(crate) fn serve(&mut self, timeout: Duration) -> Result<(), Error> {
        let Self { producer, changelog, changelog_slot, lost } = self;
        producer.poll(timeout, |event| match event {
            ProducerEvent::Delivered(report) if report.code == Code::NONE => {
                if Some(report.topic) == *changelog_slot
                    && let Some(offset) =
                        usize::try_from(report.partition).ok().and_then(|at| changelog.get_mut(at))
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
