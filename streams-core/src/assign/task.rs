//! What a task reads, as the leader knows it.

use crate::membership::TopicPartition;
pub use crate::names::TaskId;

/// What a task reads and how much state it has, as the leader knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskInputs {
    /// The partitions that the task consumes.
    pub partitions: Vec<TopicPartition>,
    /// The sum of its changelogs' end offsets; `None` if unknown or without state. Members' lags
    /// are measured against it, else against the member that is furthest.
    pub changelog_end: Option<i64>,
}
