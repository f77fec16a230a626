//! Tests of applications on real Kafka: a broker in a container, or the one that
//! `KAFKA_BOOTSTRAP_SERVERS` names; those that stop their broker have one of their own. Without
//! either they fail and say what to install.
//!
//! Each test has its own topics, application and state directory. Figures are printed; see them
//! with `cargo test --release -p streams-kafka --test kafka -- --nocapture`.

#![expect(clippy::disallowed_methods, reason = "tests on real Kafka live by the real clock")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "figures are part of the result")]

#[path = "../../../streams-state/src/testing/small_disk.rs"]
mod small_disk;
mod support;

mod churn;
mod closing;
mod crashes;
mod crowd;
mod deleted;
mod failures;
mod faults;
mod full_disk;
mod globals;
mod joining;
mod joins;
mod large;
mod model;
mod networks;
mod outages;
mod panics;
mod pausing;
mod producers;
mod restoring;
mod running;
mod secured;
mod shapes;
mod sharing;
mod state_faults;
mod strangers;
mod suspended;
mod takeover;
mod threads;
mod tools;
mod topics;
mod unequal;
