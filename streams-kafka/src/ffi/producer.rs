//! Producing to explicit partitions, and the delivery reports.

use super::client::Client;
use super::config::Config;
use super::error::{ClientError, Code, raw};
use super::event::ClientProblem;
use super::headers::{HeadersRef, pointer};
use super::queue::{Queue, Waker};
use super::topic_handle::TopicHandle;
use rdkafka::bindings as rd;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

/// A topic that a producer knows; of use only with the producer that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TopicSlot(u32);

impl TopicSlot {
    /// Slots are counted from 0 in the order in which they were first asked for.
    pub(crate) const fn index(self) -> u32 {
        self.0
    }
}

/// A record to produce; key, value and headers are copied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: TopicSlot,
    pub(crate) partition: i32,
    /// Milliseconds since 1970, not negative. DIFFERENCE(timestamp-zero): 0 is sent as 1, because
    /// librdkafka takes 0 for "now".
    pub(crate) timestamp: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Option<HeadersRef<'a>>,
    /// Comes back in the delivery report.
    pub(crate) tag: u64,
}

/// Whether a record was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Accepted {
    Queued,
    /// The queue is at its bound: serve delivery reports, then produce the record again.
    QueueFull,
}

/// The fate of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) tag: u64,
    pub(crate) topic: TopicSlot,
    pub(crate) partition: i32,
    /// Where the record is in the log; negative if it failed, or if no broker has told.
    pub(crate) offset: i64,
    /// Bytes of its key and value.
    pub(crate) bytes: usize,
    /// [`Code::NONE`] when librdkafka takes it for written.
    pub(crate) code: Code,
}

/// What [`Producer::poll`] hands out.
#[derive(Debug)]
pub(crate) enum ProducerEvent {
    Delivered(Report),
    Problem(ClientProblem),
}

// Tags travel as pointers.
const _: () = assert!(usize::BITS >= u64::BITS);

/// The handle. One thread uses it at a time.
#[derive(Debug)]
pub(crate) struct Producer {
    topics: Vec<Topic>,
    outstanding: u64,
    events: Queue,
    client: Arc<Client>,
}

impl Producer {
    /// Makes the client. It connects by itself.
    ///
    /// # Errors
    /// Settings that contradict each other.
    pub(crate) fn new(config: Config) -> Result<Self, ClientError> {
        let (client, events) = Client::new(config)?;
        Ok(Self { topics: Vec::new(), outstanding: 0, events, client })
    }

    /// The slot of `name`, to be asked for once and kept.
    ///
    /// # Errors
    /// A name that librdkafka refuses.
    pub(crate) fn topic(&mut self, name: &str) -> Result<TopicSlot, ClientError> {
        if let Some(topic) = self.topics.iter().find(|topic| topic.name == name) {
            return Ok(topic.slot);
        }
        let slot = TopicSlot(u32::try_from(self.topics.len()).unwrap_or(u32::MAX));
        self.topics.push(Topic::new(&self.client, name, slot)?);
        Ok(slot)
    }

    /// Queues a record. Costs no system call and never waits.
    ///
    /// # Errors
    /// A record above `message.max.bytes`, a partition that does not exist, a client after a fatal
    /// problem.
    pub(crate) fn produce(&mut self, record: &Outgoing<'_>) -> Result<Accepted, ClientError> {
        let Some(topic) = self.topics.get(record.topic.0 as usize) else {
            return Err(ClientError::Create {
                reason: "the topic belongs to another producer".to_owned(),
            });
        };
        let code = match record.headers {
            None => topic.send(&self.client, record, std::ptr::null_mut()),
            Some(headers) => {
                let copy = headers.copy();
                let code = topic.send(&self.client, record, copy);
                if code != 0 {
                    // SAFETY: a copy of ours, which librdkafka does not take when it refuses the
                    // record.
                    unsafe { rd::rd_kafka_headers_destroy(copy) };
                }
                code
            }
        };
        match Code(code) {
            Code::NONE => {
                self.outstanding += 1;
                Ok(Accepted::Queued)
            }
            Code::QUEUE_FULL => Ok(Accepted::QueueFull),
            code => Err(ClientError::Call { call: "produce", code, message: code.describe() }),
        }
    }

    /// Records that were queued and not yet reported. Flushing is to poll until this is 0.
    pub(crate) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// Sends what waits for `linger.ms` at once; what is produced later waits again. Returns after
    /// at most a millisecond.
    pub(crate) fn hurry(&self) {
        // SAFETY: the handle is live. With reports as events the call serves none: it sets a flag
        // for the brokers' threads, wakes them, waits a millisecond for the queue to run empty, and
        // takes the flag back. That it did not run empty is no error.
        unsafe { rd::rd_kafka_flush(self.client.raw(), 1) };
    }

    /// Puts the client into the state of a fatal problem of this code.
    #[cfg(test)]
    pub(crate) fn fail_for_good(&self, code: i32) {
        // SAFETY: the handle is live, and the text ends in zero.
        unsafe { raw::rd_kafka_test_fatal_error(self.client.raw(), code, c"a test".as_ptr()) };
    }

    /// Wakes `waker` when there is something for [`poll`](Self::poll).
    pub(crate) fn wake(&mut self, waker: &Waker) {
        self.events.wake(waker);
    }

    /// Hands all that has arrived to `serve`, waiting for the first at most `timeout`; logs go to
    /// `tracing`. To be called at least once a second: until its report is served, a record counts
    /// against the queue's bound.
    pub(crate) fn poll(&mut self, timeout: Duration, mut serve: impl FnMut(ProducerEvent)) {
        let mut wait = timeout;
        while let Some(event) = self.events.poll(wait) {
            wait = Duration::ZERO;
            if event.kind() != rd::RD_KAFKA_EVENT_DR {
                event
                    .problem()
                    .into_iter()
                    .for_each(|problem| serve(ProducerEvent::Problem(problem)));
                continue;
            }
            loop {
                // SAFETY: a live event of delivery reports; each message is valid until the event
                // is dropped, below.
                let message = unsafe { rd::rd_kafka_event_message_next(event.raw()) };
                let Some(message) = NonNull::new(message.cast_mut()) else { break };
                self.outstanding = self.outstanding.saturating_sub(1);
                // SAFETY: as above.
                serve(ProducerEvent::Delivered(unsafe { report(message) }));
            }
        }
    }
}

/// # Safety
/// `message` is live, and was produced by this module.
unsafe fn report(message: NonNull<rd::rd_kafka_message_t>) -> Report {
    let message = message.as_ptr();
    // SAFETY: fields are read one by one, the code as the number that it is. The topic lives as
    // long as the message, and its opaque value is the slot that `Topic::new` put there.
    unsafe {
        let code = Code((&raw const (*message).err).cast::<i32>().read());
        Report {
            tag: (*message)._private as u64,
            topic: TopicSlot(rd::rd_kafka_topic_opaque((*message).rkt) as usize as u32),
            partition: (*message).partition,
            // librdkafka numbers refused records too.
            offset: if code == Code::NONE { (*message).offset } else { -1 },
            bytes: (*message).len + (*message).key_len,
            code,
        }
    }
}

/// A topic handle.
#[derive(Debug)]
struct Topic {
    name: String,
    slot: TopicSlot,
    handle: TopicHandle,
}

impl Topic {
    fn new(client: &Arc<Client>, name: &str, slot: TopicSlot) -> Result<Self, ClientError> {
        let handle = TopicHandle::new(client, name, slot.0 as usize)?;
        Ok(Self { name: name.to_owned(), slot, handle })
    }

    /// Queues the record and returns librdkafka's code. Takes `headers` (null for none) only if
    /// that is 0.
    #[inline]
    fn send(
        &self,
        client: &Client,
        record: &Outgoing<'_>,
        headers: *mut rd::rd_kafka_headers_t,
    ) -> i32 {
        use rd::rd_kafka_vtype_t as v;
        let (key, key_size) = pointer(record.key);
        let (value, value_size) = pointer(record.value);
        let tag: *mut c_void = std::ptr::without_provenance_mut(record.tag as usize);
        // SAFETY: pairs of tag and value in the types that `rd_kafka_producev` reads for each tag,
        // ended by END. Value (by the flag) and key (always) are copied before it returns. A null
        // list of headers is allowed and means none.
        unsafe {
            raw::rd_kafka_producev(
                client.raw(),
                v::RD_KAFKA_VTYPE_RKT,
                self.handle.raw(),
                v::RD_KAFKA_VTYPE_PARTITION,
                record.partition,
                v::RD_KAFKA_VTYPE_MSGFLAGS,
                rd::RD_KAFKA_MSG_F_COPY,
                v::RD_KAFKA_VTYPE_TIMESTAMP,
                record.timestamp.max(1),
                v::RD_KAFKA_VTYPE_KEY,
                key,
                key_size,
                v::RD_KAFKA_VTYPE_VALUE,
                value,
                value_size,
                v::RD_KAFKA_VTYPE_OPAQUE,
                tag,
                v::RD_KAFKA_VTYPE_HEADERS,
                headers,
                v::RD_KAFKA_VTYPE_END,
            )
        }
    }
}
