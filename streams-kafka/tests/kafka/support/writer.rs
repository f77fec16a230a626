//! Writes records by a client that has nothing to do with Millstream, and keeps what became of them.

use std::sync::Mutex;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::cluster::Given;

/// Longer than a request that waits for copies, and its repetition.
const FLUSH_MAX: Duration = Duration::from_secs(150);

/// Where a broker said that it had written a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// The time of the record, by which its writer knows it.
    pub(crate) timestamp: i64,
}

/// What was told of each record.
#[derive(Debug, Default)]
struct Told {
    receipts: Vec<Receipt>,
    failed: usize,
}

#[derive(Debug, Default)]
struct Reports(Mutex<Told>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut told = self.0.lock().unwrap();
        match result {
            Ok(record) => told.receipts.push(Receipt {
                partition: record.partition(),
                offset: record.offset(),
                timestamp: record.timestamp().to_millis().unwrap_or(-1),
            }),
            Err(_) => told.failed += 1,
        }
    }
}

/// Partitions that share a producer. One that sends one request at a time, with one partition in each,
/// would let more of them wait for each other.
const PARTITIONS_EACH: usize = 10;

/// Writes records as they come.
pub(crate) struct Writer {
    config: ClientConfig,
    producers: Vec<BaseProducer<Reports>>,
}

impl Writer {
    pub(super) fn new(mut config: ClientConfig) -> Self {
        config.set("linger.ms", "5").set("enable.idempotence", "true");
        config.set("message.max.bytes", "8000000").set("compression.type", "none");
        // One request at a time. With several, librdkafka reports a batch as written that the broker
        // sent back, as long as it took a later one. Brokers that know the producer do not; they
        // forget it when they start again, because records of these tests are years old.
        config.set("max.in.flight", "1");
        Self { config, producers: Vec::new() }
    }

    fn producer(&mut self, partition: i32) -> &BaseProducer<Reports> {
        let at = usize::try_from(partition).unwrap() / PARTITIONS_EACH;
        while self.producers.len() <= at {
            let new = self.config.create_with_context(Reports::default()).unwrap();
            self.producers.push(new);
        }
        &self.producers[at]
    }

    pub(crate) fn write(&mut self, topic: &str, given: &Given) {
        let headers = given.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_deref() })
        });
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(topic).partition(given.partition).timestamp(given.timestamp);
        if !given.headers.is_empty() {
            record = record.headers(headers);
        }
        record.key = given.key.as_deref();
        record.payload = given.value.as_deref();
        let producer = self.producer(given.partition);
        while let Err((error, same)) = producer.send(record) {
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            assert!(is_full, "a record was refused: {error}");
            producer.poll(Duration::from_millis(10));
            record = same;
        }
        producer.poll(Duration::ZERO);
    }

    /// Waits until all is acknowledged. Where each record is, in the order in which that was told of
    /// its partition.
    pub(crate) fn finish(self) -> Vec<Receipt> {
        self.producers.into_iter().flat_map(finish).collect()
    }
}

fn finish(producer: BaseProducer<Reports>) -> Vec<Receipt> {
    producer.flush(FLUSH_MAX).unwrap();
    let Told { receipts, failed } = std::mem::take(&mut *producer.context().0.lock().unwrap());
    assert_eq!(failed, 0, "input records were not acknowledged");
    let unplaced = receipts.iter().filter(|receipt| receipt.offset < 0).count();
    assert_eq!(unplaced, 0, "no broker has said where it wrote these input records");
    receipts
}
