//! The driver, over hand-built topologies.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod contexts;
mod extractors;
mod faults;
mod one_task;
mod places;
mod stores;
mod support;
mod task_per_partition;
