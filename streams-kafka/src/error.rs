//! Why an application does not start, or stops.

use streams_core::config::{NotAvailable, OtherOptimizations};
use streams_core::error::StoreError;
use streams_core::membership::GroupFault;
use streams_core::names::TopicPartition;
use streams_core::worker::WorkerError;

use crate::ffi::error::ClientError;
use crate::topics::TopicsError;

/// What ends an application, or keeps it from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamsError {
    /// A setting asks for what this release does not have.
    #[error(transparent)]
    NotAvailable(#[from] NotAvailable),
    /// The topology was built with other optimisations than the configuration asks for.
    #[error(transparent)]
    Optimizations(#[from] OtherOptimizations),
    /// The topology reads no topic.
    #[error("the topology reads no topic, so that there is nothing to run; give it a source")]
    NothingToRead,
    /// The state directory cannot be used.
    #[error("the state directory cannot be used")]
    State(#[from] StoreError),
    /// A Kafka client could not be made from the settings.
    #[error("a Kafka client could not be made: {0}")]
    Client(String),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}; check the limits of the process")]
    Thread(String),
    /// The group refuses this member.
    #[error("the consumer group refuses this process")]
    Group(#[source] GroupFault),
    /// Topics are missing or do not fit.
    #[error(transparent)]
    Topics(TopicsError),
    /// A partition has no committed offset, and `auto.offset.reset` is `none`.
    #[error(
        "{0} has no committed offset and auto.offset.reset is none; set it to earliest or latest, or commit an offset"
    )]
    NoOffset(TopicPartition),
    /// A worker failed.
    #[error("a worker failed")]
    Worker(#[source] WorkerError),
    /// A worker panicked where no user code is called.
    #[error("a worker panicked: {0}")]
    Panicked(String),
    /// SASL and TLS are not spoken by the membership client yet.
    #[error("security.protocol {0} is not available yet for group membership; use PLAINTEXT")]
    SecurityUnavailable(&'static str),
    /// The broker asks for SASL, which is not spoken yet.
    #[error("the broker asks for SASL, which is not available yet; use a PLAINTEXT listener")]
    SaslUnavailable,
    /// The application was started before.
    #[error("the application was started before; make a new one")]
    StartedBefore,
}

impl StreamsError {
    #[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
    pub(crate) fn client(error: ClientError) -> Self {
        Self::Client(error.to_string())
    }

    /// The error with all of its causes, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}
