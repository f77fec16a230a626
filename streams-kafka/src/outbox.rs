//! The way of a worker's records to Kafka: one producer, partitions chosen as Java's does.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use streams_core::error::ProduceError;
use streams_core::murmur2::partition_for_key;
use streams_core::names::TopicName;
use streams_core::outbox::{Destination, OutRecord, Outbox, TopicId};
use streams_core::plane::Delivery;

use crate::clients::Clients;
use crate::ffi::error::{ClientError, Code};
use crate::ffi::event::{ClientProblem, Severity};
use crate::ffi::producer::{Accepted, Outgoing, Producer, ProducerEvent, Report, TopicSlot};
use crate::headers;
use crate::in_flight::{InFlight, Sender};
use crate::topics::{Topics, TopicsError};

const QUEUE_FULL_STEP: Duration = Duration::from_millis(50);
/// How long a topic may take to appear: every broker hears of a new one a little later.
const APPEARS_MAX: Duration = Duration::from_secs(10);
/// How long it is before it is asked for again: this at first, then twice as long each time.
const APPEARS_STEP_MIN: Duration = Duration::from_millis(100);
const APPEARS_STEP_MAX: Duration = Duration::from_secs(2);
/// Records without a key stay with a partition for this many bytes, so that batches fill.
const STICKY_BYTES: usize = 16 << 10;

/// What is known of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    /// It was waited for once, in vain, or is there no more: each record looks whether it is back.
    Missing,
    Partitions(i32),
}

#[derive(Debug)]
struct Topic {
    name: TopicName,
    slot: Result<TopicSlot, String>,
    known: Known,
    is_internal: bool,
    sticky: i32,
    sticky_bytes: usize,
}

impl Topic {
    /// It does not exist, or not any more.
    fn gone(&mut self) -> ProduceError {
        self.known = Known::Missing;
        let topic = self.name.clone();
        if self.is_internal {
            ProduceError::InternalTopicGone { topic }
        } else {
            ProduceError::UnknownTopic { topic }
        }
    }
}

/// The producer of one worker.
#[derive(Debug)]
pub(crate) struct KafkaOutbox {
    producer: Producer,
    known: Arc<Topics>,
    /// The application's internal topics.
    internal: BTreeSet<TopicName>,
    topics: Vec<Topic>,
    delivered: VecDeque<Delivery>,
    fatal: Option<ClientProblem>,
    bounds: SendBounds,
    /// Keys and values of the records that are on their way, in bytes.
    waiting_bytes: usize,
    in_flight: InFlight,
}

/// The bounds of what waits to be sent.
#[derive(Debug, Clone)]
pub(crate) struct SendBounds {
    /// How long a full queue is waited for.
    pub(crate) wait_max: Duration,
    /// A worker's share in bytes, which changes with the number of workers. The client has a bound
    /// of its own, which does not.
    pub(crate) bytes_max: Arc<AtomicUsize>,
}

impl KafkaOutbox {
    pub(crate) fn new(
        producer: Producer,
        clients: &Clients,
        internal: BTreeSet<TopicName>,
    ) -> Self {
        Self {
            producer,
            known: Arc::clone(clients.topics()),
            internal,
            topics: Vec::new(),
            delivered: VecDeque::new(),
            fatal: None,
            bounds: clients.send_bounds(),
            waiting_bytes: 0,
            in_flight: InFlight::default(),
        }
    }

    /// Why the producer sends nothing any more.
    pub(crate) fn failure(&self) -> Option<ProduceError> {
        let ClientProblem { code, message, .. } = self.fatal.as_ref()?;
        Some(ProduceError::ProducerFailed { code: code.name(), message: message.clone() })
    }

    /// Goes on with another producer. What the old one had not sent is gone, and nothing more is told
    /// of what it had.
    pub(crate) fn renew(&mut self, producer: Producer) {
        self.producer = producer;
        self.delivered.clear();
        (self.fatal, self.waiting_bytes) = (None, 0);
        self.in_flight.clear();
        for topic in &mut self.topics {
            topic.slot = self.producer.topic(topic.name.as_str()).map_err(|e| e.to_string());
        }
    }

    /// Serves what has arrived. How many records are still on their way.
    pub(crate) fn deliveries(&mut self, each: &mut dyn FnMut(Delivery)) -> usize {
        self.delivered.drain(..).for_each(&mut *each);
        self.poll(Duration::ZERO, each);
        usize::try_from(self.producer.outstanding()).unwrap_or(usize::MAX)
    }

    /// How many records of the task of this number have not been told about yet.
    pub(crate) fn undelivered_of(&self, task: u32) -> usize {
        let served = self.delivered.iter().filter(|delivery| delivery.purpose.task() == task);
        self.in_flight.of_task(task) + served.count()
    }

    /// Sends what waits for more to come.
    pub(crate) fn hurry(&self) {
        self.producer.hurry();
    }

    /// Serves what arrives while nobody takes it.
    fn serve(&mut self, timeout: Duration) {
        let mut delivered = std::mem::take(&mut self.delivered);
        self.poll(timeout, &mut |delivery| delivered.push_back(delivery));
        self.delivered = delivered;
    }

    fn poll(&mut self, timeout: Duration, each: &mut dyn FnMut(Delivery)) {
        let Self { producer, waiting_bytes, in_flight, fatal, topics, .. } = self;
        producer.poll(timeout, |event| match event {
            ProducerEvent::Delivered(report) => {
                *waiting_bytes = waiting_bytes.saturating_sub(report.bytes);
                let deleted = || topics.get_mut(report.topic.index() as usize).map(Topic::gone);
                if let Some(sender) = in_flight.take(report.tag) {
                    each(delivery(&report, deleted, sender));
                }
            }
            ProducerEvent::Problem(problem) if problem.severity == Severity::Fatal => {
                *fatal = Some(problem);
            }
            ProducerEvent::Problem(problem) => {
                tracing::warn!(code = %problem.code, "{}", problem.message);
            }
        });
    }

    /// Serves what arrives within this time.
    fn serve_for(&mut self, time: Duration) {
        let began = crate::clock::monotonic();
        let now = crate::clock::monotonic;
        let left = || time.saturating_sub(now().saturating_duration_since(began));
        while !left().is_zero() {
            self.serve(left());
        }
    }

    /// Asks the brokers about a topic, and waits for one that is not there, the first time.
    fn ask_partitions(&mut self, at: usize) -> Result<i32, ProduceError> {
        let (asked, mut step) = (crate::clock::monotonic(), APPEARS_STEP_MIN);
        loop {
            let Some(topic) = self.topics.get_mut(at) else { return Ok(0) };
            let found = self.known.partitions(&topic.name).map_err(unanswered)?;
            if let Some(partitions) = found {
                topic.known = Known::Partitions(partitions);
                return Ok(partitions);
            }
            let waited = crate::clock::monotonic().saturating_duration_since(asked);
            if topic.known == Known::Missing || waited >= APPEARS_MAX {
                return Err(topic.gone());
            }
            self.serve_for(step);
            step = (step * 2).min(APPEARS_STEP_MAX);
        }
    }

    fn choose(&mut self, record: &OutRecord<'_>) -> Result<i32, ProduceError> {
        let partitions = self.partitions(record.topic)?;
        let Some(topic) = self.topics.get_mut(record.topic.0 as usize) else { return Ok(0) };
        match (record.destination, record.key) {
            (Destination::Partition(partition), _) if (0..partitions).contains(&partition) => {
                Ok(partition)
            }
            (Destination::Partition(partition), _) => {
                let topic = topic.name.clone();
                Err(ProduceError::NoSuchPartition { topic, partition, partitions })
            }
            (Destination::ByKey, Some(key)) => Ok(partition_for_key(key, partitions)),
            (Destination::ByKey, None) => {
                topic.sticky_bytes += record.value.map_or(0, <[u8]>::len) + 1;
                if topic.sticky_bytes > STICKY_BYTES {
                    topic.sticky_bytes = 0;
                    topic.sticky = (topic.sticky + 1) % partitions.max(1);
                }
                Ok(topic.sticky.min(partitions - 1))
            }
        }
    }

    /// Whether the records on their way are the worker's share already.
    fn is_full(&self) -> bool {
        self.waiting_bytes >= self.bounds.bytes_max.load(Ordering::Relaxed)
    }

    fn produce(&mut self, outgoing: &Outgoing<'_>, bytes: usize) -> Result<(), ProduceError> {
        let mut waited = Duration::ZERO;
        loop {
            let accepted = if self.is_full() {
                Ok(Accepted::QueueFull)
            } else {
                self.producer.produce(outgoing)
            };
            match accepted {
                Ok(Accepted::Queued) => {
                    self.waiting_bytes += bytes;
                    return Ok(());
                }
                Ok(Accepted::QueueFull) if waited < self.bounds.wait_max => {
                    // As in Kafka, what waits for `linger.ms` makes room at once.
                    self.producer.hurry();
                    self.serve(QUEUE_FULL_STEP);
                    waited += QUEUE_FULL_STEP;
                }
                Ok(Accepted::QueueFull) => {
                    let wait_max = self.bounds.wait_max.as_millis();
                    let millis = u64::try_from(wait_max).unwrap_or(u64::MAX);
                    return Err(ProduceError::QueueFull(millis));
                }
                Err(error) if error.is_unknown_topic() => {
                    let topic = self.topics.get_mut(outgoing.topic.index() as usize);
                    return Err(topic.map_or_else(|| refused(error, bytes), Topic::gone));
                }
                Err(error) => return Err(refused(error, bytes)),
            }
        }
    }
}

impl Outbox for KafkaOutbox {
    fn topic(&mut self, name: &TopicName) -> TopicId {
        let known = self.topics.iter().position(|topic| topic.name == *name);
        let at = known.unwrap_or_else(|| {
            let slot = self.producer.topic(name.as_str()).map_err(|error| error.to_string());
            let name = name.clone();
            self.topics.push(Topic {
                is_internal: self.internal.contains(&name),
                name,
                slot,
                known: Known::Nothing,
                sticky: 0,
                sticky_bytes: 0,
            });
            self.topics.len() - 1
        });
        TopicId(u32::try_from(at).unwrap_or(u32::MAX))
    }

    fn topic_name(&self, topic: TopicId) -> TopicName {
        self.topics.get(topic.0 as usize).map_or_else(|| "".into(), |topic| topic.name.clone())
    }

    fn partitions(&mut self, topic: TopicId) -> Result<i32, ProduceError> {
        let at = topic.0 as usize;
        match self.topics.get(at).map(|topic| topic.known) {
            None => Ok(0),
            Some(Known::Partitions(partitions)) => Ok(partitions),
            Some(_) => self.ask_partitions(at),
        }
    }

    fn send(&mut self, record: OutRecord<'_>) -> Result<(), ProduceError> {
        if let Some(error) = self.failure() {
            return Err(error);
        }
        let OutRecord { purpose, activity, .. } = record;
        let partition = self.choose(&record)?;
        let Some(topic) = self.topics.get(record.topic.0 as usize) else { return Ok(()) };
        let slot = topic.slot.as_ref().map_err(|message| ProduceError::Refused {
            code: "TOPIC".to_owned(),
            message: message.clone(),
        })?;
        let slot = *slot;
        let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        let list = if record.headers.is_empty() {
            None
        } else {
            let list = headers::to_librdkafka(record.headers);
            Some(list.map_err(|error| refused(error, bytes))?)
        };
        let outgoing = Outgoing {
            topic: slot,
            partition,
            timestamp: record.timestamp.map_or_else(crate::clock::now_millis, |t| t.millis()),
            key: record.key,
            value: record.value,
            headers: list.as_ref().map(crate::ffi::headers::Headers::as_ref),
            tag: self.in_flight.add(Sender { purpose, activity }),
        };
        let taken = self.produce(&outgoing, bytes);
        if taken.is_err() {
            self.in_flight.take(outgoing.tag);
        }
        taken
    }
}

fn unanswered(error: TopicsError) -> ProduceError {
    let (code, message) = ("METADATA".to_owned(), error.to_string());
    if error.is_passing() {
        ProduceError::Unavailable { code, message }
    } else {
        ProduceError::Refused { code, message }
    }
}

fn refused(error: ClientError, bytes: usize) -> ProduceError {
    match error {
        ClientError::Call { code: Code::MESSAGE_TOO_LARGE, .. } => ProduceError::TooLarge { bytes },
        ClientError::Call { code, message, .. } => not_taken(code, message),
        other => ProduceError::Refused { code: "CLIENT".to_owned(), message: other.to_string() },
    }
}

/// Whether the record is at fault, the way to the broker, or the producer.
fn not_taken(code: Code, message: String) -> ProduceError {
    let name = code.name();
    if code.is_passing_for_producer() {
        ProduceError::Unavailable { code: name, message }
    } else if code.is_of_producer() {
        ProduceError::ProducerFailed { code: name, message }
    } else {
        ProduceError::Refused { code: name, message }
    }
}

fn delivery(
    report: &Report,
    deleted: impl FnOnce() -> Option<ProduceError>,
    Sender { purpose, activity }: Sender,
) -> Delivery {
    let outcome = match report.code {
        // DIFFERENCE(unconfirmed-records): Kafka's client sends a batch that came back again;
        // librdkafka reports it as written, without an offset, when one that was sent after it was
        // written.
        Code::NONE if report.offset < 0 => Err(ProduceError::Unconfirmed),
        Code::NONE => Ok(report.offset),
        Code::MESSAGE_TOO_LARGE => Err(ProduceError::BatchTooLarge),
        code => {
            let deleted = if code.is_unknown_topic() { deleted() } else { None };
            Err(deleted.unwrap_or_else(|| not_taken(code, code.describe())))
        }
    };
    let topic = TopicId(report.topic.index());
    Delivery { purpose, activity, topic, outcome }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    use streams_core::config::StreamsConfig;
    use streams_core::outbox::Purpose;
    use streams_core::processor::Activity;
    use streams_core::record::Headers;

    use super::*;

    const PURPOSE: Purpose = Purpose::Output { task: 7, sink: 1 };
    const ACTIVITY: Activity = Activity::Record { input: 0, offset: 5 };
    const INTERNAL: &str = "legacy-by-hand";

    fn send(outbox: &mut KafkaOutbox, topic: TopicId) -> Result<(), ProduceError> {
        outbox.send(OutRecord {
            topic,
            destination: Destination::Partition(0),
            key: Some(b"key"),
            value: Some(b"value"),
            timestamp: None,
            headers: &Headers::new(),
            purpose: PURPOSE,
            activity: ACTIVITY,
        })
    }

    fn clients(servers: &str, settings: &[(&str, &str)]) -> Clients {
        let config = StreamsConfig::builder().application_id("outbox").bootstrap_servers(servers);
        let config = settings.iter().fold(config, |config, (key, value)| config.set(*key, *value));
        Clients::new(config.build().unwrap(), None).unwrap()
    }

    /// The outbox with topics of one partition, the user's but for the internal one.
    fn outbox<const N: usize>(clients: &Clients, names: [&str; N]) -> (KafkaOutbox, [TopicId; N]) {
        let internal = [INTERNAL.into()].into();
        let mut outbox = KafkaOutbox::new(clients.producer().unwrap(), clients, internal);
        let topics = names.map(|name| outbox.topic(&name.into()));
        outbox.topics.iter_mut().for_each(|topic| topic.known = Known::Partitions(1));
        (outbox, topics)
    }

    /// What became of all that was sent.
    fn delivered(outbox: &mut KafkaOutbox) -> Vec<Delivery> {
        let (began, mut told) = (crate::clock::monotonic(), Vec::new());
        while outbox.deliveries(&mut |delivery| told.push(delivery)) > 0 {
            assert!(began.elapsed() < Duration::from_secs(30), "only {told:?} is told");
            outbox.serve(Duration::from_millis(10));
        }
        told
    }

    /// Without a broker: what is sent waits.
    #[test]
    fn a_producer_that_failed_for_good_is_replaced_and_its_topics_keep_their_numbers() {
        let clients = clients("127.0.0.1:1", &[]);
        let (mut outbox, [_, topic]) = outbox(&clients, ["one", "two"]);
        send(&mut outbox, topic).unwrap();
        assert_eq!((outbox.failure(), outbox.waiting_bytes), (None, 8));

        outbox.producer.fail_for_good(45);
        let told = delivered(&mut outbox);
        assert!(told[0].outcome.as_ref().is_err_and(|error| !error.concerns_record()), "{told:?}");
        assert_eq!((told[0].purpose, told[0].activity), (PURPOSE, ACTIVITY));
        let error = outbox.failure().unwrap();
        assert!(matches!(&error, ProduceError::ProducerFailed { .. }), "{error}");
        assert_eq!(send(&mut outbox, topic), Err(error));

        outbox.renew(clients.producer().unwrap());
        send(&mut outbox, topic).unwrap();
        assert_eq!((outbox.failure(), outbox.waiting_bytes), (None, 8));
        outbox.bounds.bytes_max.store(8, Ordering::Relaxed);
        outbox.bounds.wait_max = Duration::ZERO;
        assert_eq!(send(&mut outbox, topic), Err(ProduceError::QueueFull(0)));
    }

    /// Leaving out single records would leave out all of them from then on.
    #[test]
    fn a_topic_that_was_deleted_is_named_and_no_handler_is_asked_of_an_internal_one() {
        let brokers = MockCluster::new(1).unwrap();
        let names = [INTERNAL, "outbox-counts-changelog"];
        let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        names.iter().for_each(|topic| brokers.topic_error(topic, unknown).unwrap());
        let settings = [("linger.ms", "0"), ("topic.metadata.propagation.max.ms", "0")];
        let clients = clients(&brokers.bootstrap_servers(), &settings);
        let (mut outbox, topics) = outbox(&clients, names);
        let errors = topics.map(|topic| match send(&mut outbox, topic) {
            Ok(()) => delivered(&mut outbox).remove(0).outcome.unwrap_err(),
            Err(error) => error,
        });
        assert!(outbox.topics.iter().all(|topic| topic.known == Known::Missing));
        let [internal, other] = names.map(TopicName::from);
        let expected = [
            ProduceError::InternalTopicGone { topic: internal },
            ProduceError::UnknownTopic { topic: other },
        ];
        assert_eq!(errors, expected);
        assert_eq!(errors.map(|error| error.concerns_record()), [false, true]);
    }

    /// The broker sends the first batch back, and takes the second: it knows nothing of the producer.
    #[test]
    fn a_record_that_was_written_by_the_clients_reckoning_only_has_failed() {
        let brokers = MockCluster::new(1).unwrap();
        brokers.create_topic("topic", 1, 1).unwrap();
        brokers.broker_round_trip_time(-1, Duration::from_millis(50)).unwrap();
        let not_leader = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
        let settings = [("producer.batch.num.messages", "1"), ("linger.ms", "0")];
        let clients = clients(&brokers.bootstrap_servers(), &settings);
        let (mut outbox, [topic]) = outbox(&clients, ["topic"]);
        brokers.request_errors(RDKafkaApiKey::Produce, &[not_leader]);
        (0..3).for_each(|_| send(&mut outbox, topic).unwrap());
        let mut outcomes: Vec<_> =
            delivered(&mut outbox).into_iter().map(|one| one.outcome).collect();
        outcomes.sort_by_key(Result::is_ok);
        assert_eq!(outcomes, [Err(ProduceError::Unconfirmed), Ok(0), Ok(1)]);
    }
}
