//! Millstream on Kafka: the shell around the deterministic core. The only crate that names rdkafka.
//!
//! [`KafkaStreams`] runs a topology. Its threads are few: one for the consumer group, one for each
//! worker, and librdkafka's own.

mod app;
mod changelogs;
mod clients;
mod clock;
mod error;
#[expect(dead_code, reason = "parts of the audited module wait for their callers")]
mod ffi;
mod give_way;
mod global_thread;
mod group;
mod headers;
mod in_flight;
mod outbox;
mod plane;
mod pulse;
mod secure;
mod summary;
mod topics;
mod worker_thread;

pub use self::app::{
    HeldUp, KafkaStreams, KafkaStreamsBuilder, Metrics, NamedMetric, ShutDownOnError, State,
    StreamThreadError, UncaughtErrorHandler, UncaughtErrorResponse, WaitError, WorkerMetrics,
};
pub use self::error::StreamsError;
pub use self::secure::{OauthToken, TlsSetupError, TokenProvider};
pub use self::topics::TopicsError;
