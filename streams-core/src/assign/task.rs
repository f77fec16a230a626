//! A task's id and what it reads.

use std::fmt;

use crate::membership::TopicPartition;

/// A task: one partition of one sub-topology. Prints as `0_3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// The sub-topology's number.
    pub subtopology: u32,
    /// The partition that the task reads of each input topic.
    pub partition: i32,
}

impl TaskId {
    /// Names a task.
    #[must_use]
    pub const fn new(subtopology: u32, partition: i32) -> Self {
        Self { subtopology, partition }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}_{}", self.subtopology, self.partition)
    }
}

/// What a task reads and how much state it has, as the leader knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskInputs {
    /// The partitions that the task consumes.
    pub partitions: Vec<TopicPartition>,
    /// The sum of its changelogs' end offsets; `None` if unknown or without state. Members' lags
    /// are measured against it, else against the member that is furthest.
    pub changelog_end: Option<i64>,
}
