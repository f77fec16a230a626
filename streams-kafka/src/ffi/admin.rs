//! Admin requests: blocking with a deadline, for a thread that may wait.

use super::client::{Client, milliseconds};
use super::config::Config;
use super::error::{ClientError, raw, text};
use super::event::{ClientProblem, Event};
use super::queue::Queue;
use rd::rd_kafka_admin_op_t as Operation;
use rdkafka::bindings as rd;
use std::ffi::c_int;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a request may be late beyond its timeout before it is given up here: librdkafka answers
/// in time by itself.
const GRACE: Duration = Duration::from_secs(5);

/// A client for admin requests. The requests on topics are in [`topics`](super::topics).
#[derive(Debug)]
pub(crate) struct Admin {
    client: Arc<Client>,
    /// Read by one thread at a time.
    events: Mutex<Queue>,
}

impl Admin {
    /// Makes the client. It connects by itself.
    ///
    /// # Errors
    /// Settings that contradict each other.
    pub(crate) fn new(config: Config) -> Result<Self, ClientError> {
        let (client, events) = Client::new(config)?;
        Ok(Self { client, events: Mutex::new(events) })
    }

    /// Serves logs and problems; to be called until `None`, at least once a second.
    pub(crate) fn poll(&self) -> Option<ClientProblem> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(event) = events.poll(Duration::ZERO) {
            if let Some(problem) = event.problem() {
                return Some(problem);
            }
        }
        None
    }

    /// The id of the cluster.
    ///
    /// # Errors
    /// No broker answered within `timeout`.
    pub(crate) fn cluster_id(&self, timeout: Duration) -> Result<String, ClientError> {
        self.client.cluster_id(timeout)
    }

    /// All topics with the number of their partitions, those of the brokers' own included.
    ///
    /// # Errors
    /// No broker answered within `timeout`.
    pub(crate) fn list_topics(
        &self,
        timeout: Duration,
    ) -> Result<Vec<(String, usize)>, ClientError> {
        let mut metadata = std::ptr::null();
        // SAFETY: the handle is live; on success the metadata is ours until it is destroyed below,
        // and its topics lie one after the other. Fields are read one by one, since codes may lie
        // outside the enum.
        unsafe {
            let all = 1;
            let topic = std::ptr::null_mut();
            let code = raw::rd_kafka_metadata(
                self.client.raw(),
                all,
                topic,
                &raw mut metadata,
                milliseconds(timeout),
            );
            ClientError::check("list topics", code)?;
            let count = usize::try_from((*metadata).topic_cnt).unwrap_or(0);
            let topics = (0..count).map(|index| {
                let topic = (*metadata).topics.add(index);
                (text((*topic).topic), usize::try_from((*topic).partition_cnt).unwrap_or(0))
            });
            let topics = topics.collect();
            rd::rd_kafka_metadata_destroy(metadata);
            Ok(topics)
        }
    }

    /// Sends one request and waits for its event. `send` gets the handle, the options and the queue
    /// for the answer.
    pub(super) fn request(
        &self,
        request: &Request,
        send: impl FnOnce(
            *mut rd::rd_kafka_t,
            *const rd::rd_kafka_AdminOptions_t,
            *mut rd::rd_kafka_queue_t,
        ),
    ) -> Result<Event, ClientError> {
        let options = self.options(request)?;
        // SAFETY: the handle is live; a new queue.
        let replies =
            unsafe { Queue::own(&self.client, rd::rd_kafka_queue_new(self.client.raw())) }
                .ok_or_else(|| ClientError::Create { reason: "out of memory".to_owned() })?;
        send(self.client.raw(), options.raw(), replies.raw());
        let Some(event) = replies.poll(request.timeout + GRACE) else {
            return Err(ClientError::TimedOut { call: request.name });
        };
        if event.kind() != request.answer {
            return Err(ClientError::TimedOut { call: request.name });
        }
        match event.failure() {
            None => Ok(event),
            Some((code, message)) => {
                ClientError::check(request.name, code.0)?;
                Err(ClientError::Call { call: request.name, code, message })
            }
        }
    }

    fn options(
        &self,
        request: &Request,
    ) -> Result<Owned<rd::rd_kafka_AdminOptions_t>, ClientError> {
        // SAFETY: the handle is live; the options are given to their own destructor.
        let options = unsafe {
            let options = rd::rd_kafka_AdminOptions_new(self.client.raw(), request.operation);
            Owned::new(options, rd::rd_kafka_AdminOptions_destroy)?
        };
        // SAFETY: live options; no text of an error is asked for. A refused timeout leaves the
        // default of a minute.
        unsafe {
            let timeout = milliseconds(request.timeout);
            rd::rd_kafka_AdminOptions_set_request_timeout(
                options.raw(),
                timeout,
                std::ptr::null_mut(),
                0,
            );
            if let Some(isolation) = request.isolation {
                let refused =
                    rd::rd_kafka_AdminOptions_set_isolation_level(options.raw(), isolation);
                ClientError::take(request.name, refused)?;
            }
        }
        Ok(options)
    }
}

/// One kind of request.
pub(super) struct Request {
    pub(super) name: &'static str,
    pub(super) operation: Operation,
    /// The kind of event that answers it.
    pub(super) answer: c_int,
    pub(super) timeout: Duration,
    pub(super) isolation: Option<rd::rd_kafka_IsolationLevel_t>,
}

/// An object of librdkafka with its destructor.
#[derive(Debug)]
pub(super) struct Owned<T> {
    raw: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// # Safety
    /// `raw` is null or an object that nobody else will destroy, and `destroy` destroys it.
    pub(super) unsafe fn new(
        raw: *mut T,
        destroy: unsafe extern "C" fn(*mut T),
    ) -> Result<Self, ClientError> {
        NonNull::new(raw).map(|raw| Self { raw, destroy }).ok_or_else(|| ClientError::Create {
            reason: "librdkafka refuses the argument of a request".to_owned(),
        })
    }

    pub(super) fn raw(&self) -> *mut T {
        self.raw.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: by the contract of `new`.
        unsafe { (self.destroy)(self.raw.as_ptr()) }
    }
}
