//! The data plane over librdkafka: one queue for each partition, one producer for each worker.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use streams_core::error::ProduceError;
use streams_core::names::TopicPartition;
use streams_core::outbox::{NoOutbox, SharedOutbox};
use streams_core::plane::{DataPlane, Delivery, FetchError, Fetched, InputId, ReadFor, StartAt};
use streams_core::record::{RawRecord, RecordBatch};
use streams_core::time::Timestamp;
use streams_core::topology::OffsetReset;

use crate::clients::Clients;
use crate::ffi::consumer::{PartitionQueue, Start};
use crate::ffi::error::Code;
use crate::ffi::message::{Batch, Fetched as Entry};
use crate::ffi::queue::Waker;
use crate::headers;
use crate::outbox::KafkaOutbox;
use crate::topics::TopicsError;

/// Entries taken from librdkafka in one call, of inputs at most `max.poll.records`.
const BATCH_MAX: usize = 4096;

/// Where a log begins of which nothing was deleted.
const FIRST_OFFSET: i64 = 0;

/// The way of one worker to Kafka's records.
#[derive(Debug)]
pub(crate) struct KafkaPlane {
    clients: Arc<Clients>,
    waker: Waker,
    /// None for one that only reads.
    outbox: Option<Rc<RefCell<KafkaOutbox>>>,
    open: Vec<Option<Open>>,
    /// Entries of an input taken at once.
    input_batch_max: usize,
}

/// A partition being read.
#[derive(Debug)]
struct Open {
    partition: TopicPartition,
    purpose: ReadFor,
    start: StartAt,
    source: Source,
    /// Entries of an earlier call that are still to be given out.
    rest: Option<(Rc<Batch>, usize)>,
    /// The offset after the last record given out.
    next: Option<i64>,
    /// Whether brokers did not know it once.
    is_missed: bool,
}

/// Where a partition's records come from.
#[derive(Debug)]
enum Source {
    Queue(PartitionQueue),
    /// It could not be assigned.
    Refused(String),
    /// Where to begin is being looked up by time.
    Asked(Receiver<Result<StartAt, TopicsError>>),
}

impl KafkaPlane {
    /// A plane for the calling thread, which is woken when there is something to do.
    pub(crate) fn new(clients: Arc<Clients>, outbox: KafkaOutbox, waker: Waker) -> Self {
        Self::of(clients, Some(outbox), waker)
    }

    /// As [`new`](Self::new), without a producer.
    pub(crate) fn reading(clients: Arc<Clients>, waker: Waker) -> Self {
        Self::of(clients, None, waker)
    }

    fn of(clients: Arc<Clients>, outbox: Option<KafkaOutbox>, waker: Waker) -> Self {
        let outbox = outbox.map(|outbox| Rc::new(RefCell::new(outbox)));
        let input_batch_max = BATCH_MAX.min(clients.poll_records_max());
        Self { clients, waker, outbox, open: Vec::new(), input_batch_max }
    }

    /// Looks up off this thread where to begin, by time.
    fn ask(&self, partition: &TopicPartition, age: Duration) -> Source {
        let (answer, asked) = sync_channel(1);
        let (topics, waker) = (Arc::clone(self.clients.topics()), self.waker.clone());
        let partition = partition.clone();
        let ask = move || {
            // Nobody listens any more when the partition was closed.
            let _ = answer.send(topics.start_by(&partition, age));
            waker.wake();
        };
        match std::thread::Builder::new().name("offset-by-time".to_owned()).spawn(ask) {
            Ok(_) => Source::Asked(asked),
            Err(error) => Source::Refused(error.to_string()),
        }
    }

    fn source(&self, partition: &TopicPartition, start: StartAt, purpose: ReadFor) -> Source {
        if let StartAt::Reset(OffsetReset::By(age)) = start {
            return self.ask(partition, age);
        }
        let offset = match start {
            StartAt::Offset(offset) => offset.max(0),
            StartAt::Reset(OffsetReset::Latest) => Start::LATEST,
            // Most logs begin there. The client would look up where this one begins, half a second
            // later where it does not know the leader yet.
            StartAt::Reset(_) => FIRST_OFFSET,
        };
        self.assign(partition, offset, purpose)
    }

    /// Goes on once it is known where to begin. A failed look-up is told, and begun again.
    fn begin_if_answered(&mut self, input: InputId) -> Option<Fetched> {
        let open = self.open.get(input.0 as usize)?.as_ref()?;
        let Source::Asked(asked) = &open.source else { return None };
        let answer = match asked.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => return Some(Fetched::Nothing),
            Err(error @ TryRecvError::Disconnected) => Err(TopicsError::Ask(error.to_string())),
        };
        let (partition, purpose, reset) = (open.partition.clone(), open.purpose, open.start);
        let (start, told) = match answer {
            Ok(start) => (start, None),
            Err(error) => (reset, Some(error.to_string())),
        };
        let source = self.source(&partition, start, purpose);
        if let Some(Some(open)) = self.open.get_mut(input.0 as usize) {
            open.source = source;
            open.next = offset_of(start);
        }
        told.map(|message| Fetched::Failed(FetchError::Other { partition, message }))
    }

    /// Begins where the log does, which the client looks up.
    fn look_for_begin(&mut self, input: InputId) {
        let Some(Some(open)) = self.open.get_mut(input.0 as usize) else { return };
        let (partition, purpose) = (open.partition.clone(), open.purpose);
        // The old queue goes before there is another.
        open.source = Source::Refused("it is being assigned anew".to_owned());
        self.unassign(&partition, purpose);
        let source = self.assign(&partition, Start::EARLIEST, purpose);
        if let Some(Some(open)) = self.open.get_mut(input.0 as usize) {
            open.source = source;
        }
    }

    fn replace_producer(&self) {
        let Some(outbox) = &self.outbox else { return };
        // The old one is kept where no other can be made.
        match self.clients.producer() {
            Ok(mut producer) => {
                producer.wake(&self.waker);
                outbox.borrow_mut().renew(producer);
                tracing::info!("the producer was made anew");
            }
            Err(error) => tracing::error!("{}; the producer is not replaced", error.chain()),
        }
    }

    fn end(&self, open: Open) {
        if let Source::Queue(_) = open.source {
            self.unassign(&open.partition, open.purpose);
        }
    }

    fn unassign(&self, partition: &TopicPartition, purpose: ReadFor) {
        let Ok(consumer) = self.clients.consumer_for(purpose) else { return };
        let of_client = (partition.topic.as_str(), partition.partition);
        if let Err(error) = consumer.unassign([of_client]) {
            tracing::warn!(%partition, %error, "could not be unassigned");
        }
    }

    fn assign(&self, partition: &TopicPartition, offset: i64, purpose: ReadFor) -> Source {
        let topic = partition.topic.as_str();
        let start = Start { topic, partition: partition.partition, offset };
        let consumer = match self.clients.consumer_for(purpose) {
            Ok(consumer) => consumer,
            Err(error) => return Source::Refused(error.to_string()),
        };
        match consumer.assign(&[start], &self.waker).map(|mut queues| queues.pop()) {
            Ok(Some(queue)) => Source::Queue(queue),
            Ok(None) => Source::Refused("librdkafka gave no queue".to_owned()),
            Err(error) => Source::Refused(error.to_string()),
        }
    }
}

fn offset_of(start: StartAt) -> Option<i64> {
    match start {
        StartAt::Offset(offset) => Some(offset),
        StartAt::Reset(_) => None,
    }
}

impl DataPlane for KafkaPlane {
    fn outbox(&self) -> SharedOutbox {
        match &self.outbox {
            Some(outbox) => Rc::<RefCell<KafkaOutbox>>::clone(outbox),
            None => Rc::new(RefCell::new(NoOutbox::default())),
        }
    }

    fn open(&mut self, partition: &TopicPartition, start: StartAt, purpose: ReadFor) -> InputId {
        let source = self.source(partition, start, purpose);
        let (partition, next) = (partition.clone(), offset_of(start));
        let open = Open { partition, purpose, start, source, rest: None, next, is_missed: false };
        let slot = self.open.iter().position(Option::is_none).unwrap_or_else(|| {
            self.open.push(None);
            self.open.len() - 1
        });
        self.open[slot] = Some(open);
        InputId(u32::try_from(slot).unwrap_or(u32::MAX))
    }

    fn close(&mut self, input: InputId) {
        let Some(open) = self.open.get_mut(input.0 as usize).and_then(Option::take) else { return };
        self.end(open);
    }

    fn fetch(&mut self, input: InputId, max: usize) -> Fetched {
        if let Some(waiting) = self.begin_if_answered(input) {
            return waiting;
        }
        let Some(Some(open)) = self.open.get_mut(input.0 as usize) else { return Fetched::Nothing };
        let batch_max = match open.purpose {
            ReadFor::Input => self.input_batch_max,
            ReadFor::Restore | ReadFor::Global => BATCH_MAX,
        };
        let fetched = open.fetch(max.min(batch_max));
        if matches!(&open.source, Source::Queue(queue) if queue.is_unknown()) {
            open.missed(&self.clients);
        }
        if open.begins_later(&fetched) {
            self.look_for_begin(input);
            return Fetched::Nothing;
        }
        fetched
    }

    fn lag(&mut self, input: InputId) -> Option<i64> {
        let open = self.open.get(input.0 as usize)?.as_ref()?;
        let Source::Queue(queue) = &open.source else { return None };
        let end = queue.end()?;
        // Before the first record, the whole log may be ahead; at its end, nothing is.
        Some(end.saturating_sub(open.next.unwrap_or(0)).max(0))
    }

    fn hurry(&mut self) {
        if let Some(outbox) = &self.outbox {
            outbox.borrow().hurry();
        }
    }

    fn failure(&mut self) -> Option<ProduceError> {
        self.outbox.as_ref()?.borrow().failure()
    }

    fn renew(&mut self) {
        let outbox = self.outbox.as_ref();
        if outbox.is_some_and(|outbox| outbox.borrow().failure().is_some()) {
            self.replace_producer();
        }
    }

    fn abandon(&mut self) {
        self.replace_producer();
    }

    fn deliveries(&mut self, each: &mut dyn FnMut(Delivery)) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.borrow_mut().deliveries(each))
    }

    fn undelivered_of(&self, task: u32) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.borrow().undelivered_of(task))
    }
}

/// The consumers are those of all workers: what is assigned there for a thread that ends, in whatever
/// way, nobody else could read.
impl Drop for KafkaPlane {
    fn drop(&mut self) {
        std::mem::take(&mut self.open).into_iter().flatten().for_each(|open| self.end(open));
    }
}

impl Open {
    /// Brokers do not know the partition. The group thread sees to topics of tasks.
    #[cold]
    fn missed(&mut self, clients: &Clients) {
        let partition = &self.partition;
        match self.purpose {
            ReadFor::Input | ReadFor::Restore => clients.miss(&partition.topic),
            ReadFor::Global if !self.is_missed => {
                tracing::warn!(%partition, "a topic of a global store does not exist any more; create it again, and restart the application");
            }
            ReadFor::Global => {}
        }
        self.is_missed = true;
    }

    /// Whether the log has lost the beginning that was asked for.
    fn begins_later(&self, fetched: &Fetched) -> bool {
        let lost =
            matches!(fetched, Fetched::Failed(FetchError::OutOfRange { offset: FIRST_OFFSET, .. }));
        lost && self.start == StartAt::Reset(OffsetReset::Earliest) && self.next.is_none()
    }

    fn fetch(&mut self, max: usize) -> Fetched {
        let (batch, from) = match self.rest.take() {
            Some(rest) => rest,
            None => match &mut self.source {
                Source::Asked(_) => return Fetched::Nothing,
                Source::Refused(message) => {
                    let (partition, message) = (self.partition.clone(), message.clone());
                    return Fetched::Failed(FetchError::Refused { partition, message });
                }
                Source::Queue(queue) => match queue.fetch(max) {
                    None => return Fetched::Nothing,
                    Some(batch) => (Rc::new(batch), 0),
                },
            },
        };
        self.give(batch, from)
    }

    /// Gives out the records up to the first entry that is none, or that entry.
    fn give(&mut self, batch: Rc<Batch>, from: usize) -> Fetched {
        let is_record = |at: usize| matches!(batch.get(at), Some(Entry::Record(_)));
        let records = (from..batch.len()).take_while(|at| is_record(*at)).count();
        let until = from + records;
        if records > 0 {
            if until < batch.len() {
                self.rest = Some((Rc::clone(&batch), until));
            }
            let batch = KafkaBatch { batch, from, records };
            self.next = Some(batch.record(records - 1).offset + 1);
            return Fetched::Records(Box::new(batch));
        }
        if from + 1 < batch.len() {
            self.rest = Some((Rc::clone(&batch), from + 1));
        }
        match batch.get(from) {
            Some(Entry::End { offset }) => {
                // The end may lie behind a transaction's marker or a gap, where no record tells it.
                self.next = Some(offset);
                Fetched::End(offset)
            }
            Some(Entry::Failed { code, offset, message }) => self.failed(code, offset, &message),
            Some(Entry::Record(_)) | None => Fetched::Nothing,
        }
    }

    fn failed(&self, code: Code, offset: i64, message: &str) -> Fetched {
        let partition = self.partition.clone();
        Fetched::Failed(match code {
            // Not an offset, but where the log begins or ends could not be found out.
            Code::OFFSET_OUT_OF_RANGE | Code::LOG_TRUNCATION if offset < 0 => {
                FetchError::NoStart { partition, message: message.to_owned() }
            }
            Code::OFFSET_OUT_OF_RANGE | Code::LOG_TRUNCATION => {
                FetchError::OutOfRange { partition, offset }
            }
            Code::UNKNOWN_TOPIC_OR_PARTITION => FetchError::Missing(partition),
            Code::TOPIC_AUTHORIZATION_FAILED => FetchError::Denied(partition),
            _ => FetchError::Other { partition, message: message.to_owned() },
        })
    }
}

/// Records in librdkafka's memory.
struct KafkaBatch {
    batch: Rc<Batch>,
    from: usize,
    records: usize,
}

impl RecordBatch for KafkaBatch {
    fn len(&self) -> usize {
        self.records
    }

    fn bytes_from(&self, index: usize) -> usize {
        let bytes = |at| match self.batch.get(at) {
            Some(Entry::Record(message)) => {
                message.key().map_or(0, <[u8]>::len) + message.value().map_or(0, <[u8]>::len)
            }
            _ => 0,
        };
        (self.from + index..self.from + self.records).map(bytes).sum()
    }

    fn record(&self, index: usize) -> RawRecord<'_> {
        let Some(Entry::Record(message)) = self.batch.get(self.from + index) else {
            return NO_RECORD;
        };
        let epoch = message.leader_epoch();
        RawRecord {
            key: message.key(),
            value: message.value(),
            timestamp: Timestamp::from_millis(message.timestamp()),
            offset: message.offset(),
            leader_epoch: (epoch >= 0).then_some(epoch),
            headers: message.headers().map(headers::from_librdkafka).unwrap_or_default(),
        }
    }
}

/// Beyond the end of a batch; nobody asks for it.
const NO_RECORD: RawRecord<'static> = RawRecord {
    key: None,
    value: None,
    timestamp: Timestamp::UNKNOWN,
    offset: -1,
    leader_epoch: None,
    headers: streams_core::record::Headers::new(),
};

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaRespErr;
    use streams_core::config::StreamsConfig;

    use super::*;

    #[test]
    fn an_input_that_brokers_do_not_know_is_missed() {
        let brokers = MockCluster::new(1).unwrap();
        let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        brokers.topic_error("gone", unknown).unwrap();
        let config = StreamsConfig::builder().application_id("plane");
        let config = config.bootstrap_servers(brokers.bootstrap_servers());
        let config = config.set("topic.metadata.propagation.max.ms", "0").build().unwrap();
        let clients = Arc::new(Clients::new(config, None).unwrap());
        let mut plane = KafkaPlane::reading(Arc::clone(&clients), Waker::current());
        let gone = TopicPartition::new("gone", 0);
        let input = plane.open(&gone, StartAt::Offset(7), ReadFor::Input);
        let began = crate::clock::monotonic();
        while clients.take_missed() != [gone.topic.clone()].into() {
            let fetched = plane.fetch(input, 1);
            assert!(matches!(fetched, Fetched::Nothing), "{fetched:?}");
            assert!(began.elapsed() < Duration::from_secs(10), "it is not missed");
            std::thread::yield_now();
        }
    }
}
