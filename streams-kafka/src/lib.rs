//! Millstream on Kafka: the shell around the deterministic core. The only crate that names rdkafka.

mod clock;
#[expect(dead_code, reason = "parts of the audited module wait for their callers")]
mod ffi;
mod headers;
mod outbox;
mod plane;
mod topics;
