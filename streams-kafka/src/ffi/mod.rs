//! librdkafka behind safe types: the only place of this project with `unsafe`.
//!
//! Rules that keep it sound, stated once:
//! - A handle (`rd_kafka_t`) is thread-safe and lives in a [`Client`](client::Client) behind an
//!   `Arc`. Whatever belongs to it (queues, topics, messages, events) holds that `Arc`, so that it
//!   is destroyed last.
//! - Error codes are read as `i32`, never as the enum of the bindings: a broker may send a code
//!   that the enum does not list.
//! - C strings are copied out before the object that owns them is destroyed.
//! - A wake-up callback does nothing but unpark a thread: it runs on librdkafka's threads with a
//!   queue locked.
#![expect(unsafe_code, reason = "the one audited module over librdkafka's C interface")]

pub(crate) mod admin;
pub(crate) mod bounds;
mod client;
pub(crate) mod config;
pub(crate) mod consumer;
pub(crate) mod describe;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod headers;
pub(crate) mod message;
mod partition_error;
mod partitions;
pub(crate) mod producer;
pub(crate) mod queue;
pub(crate) mod token;
mod topic_handle;
pub(crate) mod topics;
