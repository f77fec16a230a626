//! A consumer that only reads what it is told to: no group, explicit offsets, one queue for each
//! partition.

use super::client::Client;
use super::config::{Config, c_string};
use super::error::{ClientError, Code, raw};
use super::event::ClientProblem;
use super::message::Batch;
use super::partition_error;
use super::partitions::PartitionList;
use super::queue::{Queue, Waker};
use super::topic_handle::TopicHandle;
use rdkafka::bindings as rd;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where to start reading a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    /// The first offset to read, or [`Start::EARLIEST`], or [`Start::LATEST`].
    pub(crate) offset: i64,
}

impl Start<'_> {
    /// At the first record that is there.
    pub(crate) const EARLIEST: i64 = -2;
    /// At what arrives from now on.
    pub(crate) const LATEST: i64 = -1;
}

/// The handle, which may be used from any thread. `group.id` must be set, as librdkafka asks for
/// it, but is never used.
#[derive(Debug)]
pub(crate) struct Consumer {
    client: Arc<Client>,
    /// Read by one thread at a time.
    events: Mutex<Queue>,
    claimed: Claims,
    /// The topics that partitions were assigned of.
    known: Mutex<BTreeMap<String, TopicHandle>>,
}

impl Consumer {
    /// Makes the client. It connects by itself.
    ///
    /// # Errors
    /// Settings that contradict each other.
    pub(crate) fn new(config: Config) -> Result<Self, ClientError> {
        let (client, events) = Client::new(config)?;
        let (events, claimed, known) = (Mutex::new(events), Claims::default(), Mutex::default());
        Ok(Self { client, events, claimed, known })
    }

    /// Adds partitions without disturbing the others. Their queues come back in the same order;
    /// `waker` is woken when one of them is no longer empty. Waits for librdkafka's main thread,
    /// not for a broker.
    ///
    /// # Errors
    /// A partition that is assigned already or whose queue was not dropped, a name with a zero
    /// byte.
    pub(crate) fn assign(
        &self,
        starts: &[Start<'_>],
        waker: &Waker,
    ) -> Result<Vec<PartitionQueue>, ClientError> {
        let list = PartitionList::new(
            starts.iter().map(|start| (start.topic, start.partition, start.offset)),
        )?;
        starts.iter().try_for_each(|start| self.ask_for_leaders(start.topic))?;
        // Before the assignment, so that no record goes to the consumer's common queue.
        let queues = starts
            .iter()
            .map(|start| self.partition(start, waker))
            .collect::<Result<Vec<_>, _>>()?;
        // SAFETY: both live; the list is copied, the error is ours.
        unsafe {
            ClientError::take(
                "assign",
                rd::rd_kafka_incremental_assign(self.client.raw(), list.raw()),
            )?
        };
        Ok(queues)
    }

    /// Takes partitions away without disturbing the others. Their queues yield nothing after this
    /// call; drop them.
    ///
    /// # Errors
    /// A partition that is not assigned.
    pub(crate) fn unassign<'a>(
        &self,
        partitions: impl IntoIterator<Item = (&'a str, i32)>,
    ) -> Result<(), ClientError> {
        let list = PartitionList::new(
            partitions.into_iter().map(|(topic, partition)| (topic, partition, 0)),
        )?;
        // SAFETY: as in `assign`.
        unsafe {
            ClientError::take(
                "unassign",
                rd::rd_kafka_incremental_unassign(self.client.raw(), list.raw()),
            )
        }
    }

    /// Has brokers asked at once which of them lead the topic's partitions. Of an assigned partition
    /// alone librdkafka asks that when it looks through all topics, once a second.
    fn ask_for_leaders(&self, topic: &str) -> Result<(), ClientError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(topic) {
            known.insert(topic.to_owned(), TopicHandle::new(&self.client, topic, 0)?);
        }
        Ok(())
    }

    fn partition(&self, start: &Start<'_>, waker: &Waker) -> Result<PartitionQueue, ClientError> {
        let claim = Claim::new(&self.claimed, start)?;
        let topic = c_string(start.topic)?;
        // SAFETY: the handle is live, the name ends in zero; the result is a new reference or null.
        let queue = unsafe {
            let queue = rd::rd_kafka_queue_get_partition(
                self.client.raw(),
                topic.as_ptr(),
                start.partition,
            );
            Queue::own(&self.client, queue)
        };
        let mut queue = queue.ok_or_else(|| ClientError::Create {
            reason: format!("no queue for \"{}\"", start.topic),
        })?;
        // SAFETY: live; null ends the forwarding, for this partition's next assignments as well.
        unsafe { rd::rd_kafka_queue_forward(queue.raw(), std::ptr::null_mut()) };
        queue.wake(waker);
        Ok(PartitionQueue { queue, topic, spare: Vec::new(), is_unknown: false, claim })
    }

    /// Wakes `waker` when there is something for [`poll`](Self::poll).
    pub(crate) fn wake(&mut self, waker: &Waker) {
        self.events.get_mut().unwrap_or_else(PoisonError::into_inner).wake(waker);
    }

    /// Serves what concerns the whole client: logs go to `tracing`, problems come back. To be
    /// called until `None`, at least once a second, since the queue has no bound.
    pub(crate) fn poll(&self) -> Option<ClientProblem> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(event) = events.poll(Duration::ZERO) {
            if let Some(problem) = event.problem() {
                return Some(problem);
            }
        }
        None
    }
}

/// What one partition has fetched ahead. Back-pressure is not to fetch: librdkafka stops asking the
/// broker once the bounds of the settings are reached, and keeps what it has.
#[derive(Debug)]
pub(crate) struct PartitionQueue {
    queue: Queue,
    topic: CString,
    /// Kept from a call that found nothing.
    spare: Vec<*mut rd::rd_kafka_message_t>,
    /// Whether brokers did not know the partition at the last call.
    is_unknown: bool,
    // Given up after the queue, as fields are dropped in order.
    claim: Claim,
}

// SAFETY: `spare` is always empty between calls; `Queue` is `Send`.
unsafe impl Send for PartitionQueue {}

impl PartitionQueue {
    /// Up to `max` entries that are there already, or `None`. Never waits. A queue is empty only
    /// once `None` has come back: until then its waker stays silent.
    pub(crate) fn fetch(&mut self, max: usize) -> Option<Batch> {
        self.spare.reserve(max);
        let (count, is_unknown) = partition_error::watching(|| {
            // SAFETY: `spare` is empty and has room for `max` pointers; librdkafka writes as many as
            // it returns, each a live message that becomes ours.
            unsafe {
                rd::rd_kafka_consume_batch_queue(self.queue.raw(), 0, self.spare.as_mut_ptr(), max)
            }
        });
        self.is_unknown = is_unknown;
        let count = usize::try_from(count).unwrap_or(0);
        if count == 0 {
            return None;
        }
        let mut pointers = std::mem::take(&mut self.spare);
        // SAFETY: `count` pointers were written above.
        unsafe { pointers.set_len(count) };
        let messages = pointers.into_iter().filter_map(NonNull::new).collect();
        // SAFETY: live messages of this client, ours since the call above.
        Some(unsafe { Batch::own(self.queue.client(), messages) })
    }

    /// Whether brokers said during the last [`fetch`](Self::fetch) that they do not know the
    /// partition, as when its topic was deleted.
    pub(crate) const fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// The end of the partition as of its last fetch; `None` before the first. Asks no broker.
    pub(crate) fn end(&self) -> Option<i64> {
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the handle is live, the name ends in zero, the offsets are written to.
        let code = unsafe {
            raw::rd_kafka_get_watermark_offsets(
                self.queue.client().raw(),
                self.topic.as_ptr(),
                self.claim.key.1,
                &raw mut low,
                &raw mut high,
            )
        };
        (code == 0 && high >= 0).then_some(high)
    }

    /// The offset after the last record or transaction marker that was fetched; `None` before the
    /// first. With `enable.partition.eof` use [`Fetched::End`](super::message::Fetched) instead:
    /// librdkafka counts the end as one more record.
    ///
    /// # Errors
    /// None that is known.
    pub(crate) fn position(&self) -> Result<Option<i64>, ClientError> {
        let (topic, partition) = &self.claim.key;
        let list = PartitionList::new([(topic.as_str(), *partition, -1)])?;
        // SAFETY: both live; the offsets are written into the list.
        ClientError::check("position", unsafe {
            raw::rd_kafka_position(self.queue.client().raw(), list.raw())
        })?;
        let entry = list.entries().into_iter().next();
        Ok(entry
            .filter(|entry| entry.code == Code::NONE && entry.offset >= 0)
            .map(|entry| entry.offset))
    }

    /// Moves the wake-ups to another worker. Fetch once after this call, as an earlier wake-up went
    /// to the old one.
    pub(crate) fn wake(&mut self, waker: &Waker) {
        self.queue.wake(waker);
    }
}

type Claims = Arc<Mutex<BTreeSet<(String, i32)>>>;

/// The right to a partition's queue. librdkafka has one queue for each partition and one wake-up
/// for it, which goes when a reference of ours is dropped: a second one must not exist beside it.
#[derive(Debug)]
struct Claim {
    key: (String, i32),
    claimed: Claims,
}

impl Claim {
    fn new(claimed: &Claims, start: &Start<'_>) -> Result<Self, ClientError> {
        let key = (start.topic.to_owned(), start.partition);
        if !claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone()) {
            return Err(ClientError::QueueInUse { topic: key.0, partition: key.1 });
        }
        Ok(Self { key, claimed: Arc::clone(claimed) })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
