//! The handle that everything else belongs to.

use super::config::{Config, Role};
use super::error::{ClientError, text};
use super::queue::Queue;
use super::token::{self, TokenSource};
use rdkafka::bindings as rd;
use std::ffi::c_int;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

/// One `rd_kafka_t` with its threads and connections.
#[derive(Debug)]
pub(super) struct Client {
    raw: NonNull<rd::rd_kafka_t>,
    /// Dropped after the client is destroyed.
    tokens: Option<TokenSource>,
}

// SAFETY: librdkafka documents its handles as thread-safe; every function of this module that takes
// one may be called from any thread, several at once. `rd_kafka_destroy` runs when the last `Arc`
// goes, on none of librdkafka's own threads, since no callback of ours holds one.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

impl Client {
    /// Makes the client and its event queue, which carries errors, logs and delivery reports.
    pub(super) fn new(mut config: Config) -> Result<(Arc<Self>, Queue), ClientError> {
        let (role, tokens) = (config.role(), config.take_tokens());
        let client = Arc::new(Self { raw: config.create()?, tokens });
        let raw = client.raw();
        if client.tokens.is_some() {
            // SAFETY: `raw` is live, and its settings name the source that the client keeps.
            unsafe { token::begin(raw) };
        }
        // SAFETY: `raw` is live. The consumer's queue then takes what would arrive on the main one;
        // null names the main queue.
        let events = unsafe {
            if role == Role::Consumer {
                rd::rd_kafka_poll_set_consumer(raw);
            }
            rd::rd_kafka_set_log_queue(raw, std::ptr::null_mut());
            match role {
                Role::Consumer => rd::rd_kafka_queue_get_consumer(raw),
                Role::Producer | Role::Admin => rd::rd_kafka_queue_get_main(raw),
            }
        };
        // SAFETY: a new reference to a queue of this client.
        let events = unsafe { Queue::own(&client, events) }
            .ok_or_else(|| ClientError::Create { reason: "it has no event queue".to_owned() })?;
        Ok((client, events))
    }

    pub(super) fn raw(&self) -> *mut rd::rd_kafka_t {
        self.raw.as_ptr()
    }

    /// The id of the cluster, from the metadata or asked for within `timeout`.
    pub(super) fn cluster_id(&self, timeout: Duration) -> Result<String, ClientError> {
        // SAFETY: the handle is live; the text is copied, then given back to librdkafka's
        // allocator.
        unsafe {
            let id = rd::rd_kafka_clusterid(self.raw(), milliseconds(timeout));
            if id.is_null() {
                return Err(ClientError::TimedOut { call: "cluster id" });
            }
            let copy = text(id);
            rd::rd_kafka_mem_free(self.raw(), id.cast());
            Ok(copy)
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: the last user is gone. The flag skips leaving a group, since this module never
        // joins one.
        unsafe { rd::rd_kafka_destroy_flags(self.raw(), rd::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE) }
    }
}

/// A duration for C; at most what fits.
pub(super) fn milliseconds(timeout: Duration) -> c_int {
    c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX)
}
