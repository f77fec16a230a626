//! The core of Millstream: records, topologies, typed processors and tasks.
//!
//! Nothing here reads a clock, a socket or a file: time is an argument, records come in as events
//! and leave through an outbox. `streams-state` implements the stores, `streams-dsl` the operators,
//! `streams-kafka` the connection to Kafka.

#![forbid(unsafe_code)]

pub mod assign;
pub mod config;
#[cfg(test)]
#[path = "../tests/garbage/damage.rs"]
mod damage;
pub mod error;
pub mod handler;
pub mod java_order;
mod java_tree_set;
pub mod membership;
pub mod metrics;
pub mod murmur2;
pub mod names;
pub mod outbox;
pub mod plane;
pub mod processor;
pub mod record;
pub mod roster;
pub mod serde;
pub mod store;
pub mod task;
pub mod time;
pub mod topology;
pub mod window;
pub mod worker;
