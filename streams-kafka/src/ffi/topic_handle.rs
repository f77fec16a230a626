//! A topic that a client keeps in mind.

use super::client::Client;
use super::config::c_string;
use super::error::ClientError;
use rdkafka::bindings as rd;
use std::ptr::NonNull;
use std::sync::Arc;

/// A topic handle, which keeps its client alive.
#[derive(Debug)]
pub(super) struct TopicHandle {
    raw: NonNull<rd::rd_kafka_topic_t>,
    _client: Arc<Client>,
}

// SAFETY: topic handles are thread-safe in librdkafka, and this one has a single owner.
unsafe impl Send for TopicHandle {}

impl TopicHandle {
    /// A topic with the client's settings, whose messages come back with this number. Brokers are
    /// asked at once who leads its partitions.
    ///
    /// # Errors
    /// A name with a zero byte, or that librdkafka refuses.
    pub(super) fn new(
        client: &Arc<Client>,
        name: &str,
        opaque: usize,
    ) -> Result<Self, ClientError> {
        let c_name = c_string(name)?;
        // SAFETY: the handle is live, the name ends in zero; the settings are a copy that
        // `rd_kafka_topic_new` takes over in any case.
        let raw = unsafe {
            let settings = rd::rd_kafka_default_topic_conf_dup(client.raw());
            rd::rd_kafka_topic_conf_set_opaque(settings, std::ptr::without_provenance_mut(opaque));
            rd::rd_kafka_topic_new(client.raw(), c_name.as_ptr(), settings)
        };
        let raw = NonNull::new(raw).ok_or_else(|| ClientError::Create {
            reason: format!("the topic name \"{name}\" is refused"),
        })?;
        Ok(Self { raw, _client: Arc::clone(client) })
    }

    pub(super) const fn raw(&self) -> *mut rd::rd_kafka_topic_t {
        self.raw.as_ptr()
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: live and ours; the client is still there.
        unsafe { rd::rd_kafka_topic_destroy(self.raw.as_ptr()) }
    }
}
