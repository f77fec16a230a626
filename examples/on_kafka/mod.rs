//! What stands around the program on a cluster, by an ordinary Kafka client: it makes the topics,
//! writes the text, sees how far the application has come, and reads the counts.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Mutex;
use std::time::Duration;

use futures::executor::block_on;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::topic_partition_list::Offset;

/// How long one question to the brokers may take.
pub(crate) const ASK_MAX: Duration = Duration::from_secs(10);
const WRITE_MAX: Duration = Duration::from_secs(60);

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A Kafka that answers.
pub(crate) struct Cluster {
    config: ClientConfig,
    /// Of the application's group, whose offsets it asks for; it never joins.
    consumer: BaseConsumer,
}

/// How much of a topic an application has done.
pub(crate) struct Progress {
    pub(crate) done: i64,
    pub(crate) all: i64,
}

impl Cluster {
    /// Asks the brokers whether they are there.
    pub(crate) fn connect(servers: &str, group: &str) -> Outcome<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers).set("group.id", group);
        config.set("enable.auto.commit", "false").set("enable.partition.eof", "true");
        config.set_log_level(RDKafkaLogLevel::Emerg);
        let consumer: BaseConsumer = config.create()?;
        consumer.fetch_metadata(None, ASK_MAX).map_err(|error| {
            format!(
                "no Kafka answers at {servers} ({error}); start it, or name another one in \
                 KAFKA_BOOTSTRAP_SERVERS"
            )
        })?;
        Ok(Self { config, consumer })
    }

    /// Makes the topics that are not there.
    pub(crate) fn create(&self, topics: [&str; 2]) -> Outcome<()> {
        // As many replicas as the brokers make by default.
        let new = topics.map(|topic| NewTopic::new(topic, 1, TopicReplication::Fixed(-1)));
        let admin: AdminClient<DefaultClientContext> = self.config.create()?;
        let options = AdminOptions::new().operation_timeout(Some(ASK_MAX));
        for made in block_on(admin.create_topics(&new, &options.request_timeout(Some(ASK_MAX))))? {
            match made {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    return Err(format!("topic \"{topic}\" could not be created: {code}").into());
                }
            }
        }
        Ok(())
    }

    /// Writes each line of a text as a record, and waits until all are acknowledged.
    pub(crate) fn write(&self, topic: &str, text: &str) -> Outcome<()> {
        let mut config = self.config.clone();
        config.set("message.timeout.ms", WRITE_MAX.as_millis().to_string());
        config.set("enable.idempotence", "true");
        let producer: BaseProducer<Refused> = config.create_with_context(Refused::default())?;
        for (line, number) in text.lines().zip(1..) {
            let mut record = BaseRecord::<(), str, usize>::with_opaque_to(topic, number);
            record = record.payload(line);
            while let Err((error, same)) = producer.send(record) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(not_written(number, topic, &error).into());
                }
                producer.poll(Duration::from_millis(100));
                record = same;
            }
        }
        let written = producer.flush(WRITE_MAX);
        written.map_err(|error| format!("the text was not written to \"{topic}\": {error}"))?;
        let refused = producer.context().0.lock().map(|mut refused| refused.take());
        match refused {
            Ok(Some((number, error))) => Err(not_written(number, topic, &error).into()),
            _ => Ok(()),
        }
    }

    /// What the application has committed of a topic; nothing where the topic is not there yet.
    pub(crate) fn progress(&self, topic: &str) -> Outcome<Progress> {
        let mut progress = Progress { done: 0, all: 0 };
        let partitions = self.partitions(topic)?;
        let mut asked = TopicPartitionList::new();
        for partition in 0..partitions {
            asked.add_partition(topic, partition);
        }
        let committed = self.consumer.committed_offsets(asked, ASK_MAX)?;
        for partition in committed.elements() {
            let number = partition.partition();
            let (first, end) = self.consumer.fetch_watermarks(topic, number, ASK_MAX)?;
            let done = partition.offset().to_raw().unwrap_or(first).max(first);
            progress.done += done - first;
            progress.all += end - first;
        }
        Ok(progress)
    }

    /// The last count of each word in a topic of counts.
    pub(crate) fn counts(&self, topic: &str) -> Outcome<BTreeMap<String, i64>> {
        let (mut counts, mut open) = (BTreeMap::new(), self.partitions(topic)?);
        let mut all = TopicPartitionList::new();
        for partition in 0..open {
            all.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        self.consumer.assign(&all)?;
        while open > 0 {
            match self.consumer.poll(ASK_MAX) {
                Some(Ok(record)) => {
                    let word = String::from_utf8_lossy(record.key().unwrap_or_default());
                    let count = record.payload().and_then(|bytes| bytes.try_into().ok());
                    let count = count.ok_or_else(|| format!("\"{topic}\" holds other records"))?;
                    counts.insert(word.into_owned(), i64::from_be_bytes(count));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(error)) => return Err(error.into()),
                None => return Err(format!("\"{topic}\" could not be read to its end").into()),
            }
        }
        Ok(counts)
    }

    fn partitions(&self, topic: &str) -> Outcome<i32> {
        let metadata = self.consumer.fetch_metadata(Some(topic), ASK_MAX)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let found = found.filter(|found| found.error().is_none());
        Ok(i32::try_from(found.map_or(0, |topic| topic.partitions().len()))?)
    }
}

/// The first line that the brokers did not take, and why.
#[derive(Default)]
struct Refused(Mutex<Option<(usize, KafkaError)>>);

impl ClientContext for Refused {}

impl ProducerContext for Refused {
    type DeliveryOpaque = usize;

    fn delivery(&self, delivered: &DeliveryResult<'_>, line: usize) {
        if let (Err((error, _)), Ok(mut first)) = (delivered, self.0.lock()) {
            first.get_or_insert_with(|| (line, error.clone()));
        }
    }
}

fn not_written(line: usize, topic: &str, error: &KafkaError) -> String {
    let remedy = match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => "; break it into shorter ones",
        _ => "",
    };
    format!("line {line} of the text was not written to \"{topic}\": {error}{remedy}")
}
