//! The driver, over hand-built topologies.

mod one_task;
mod support;
mod task_per_partition;
