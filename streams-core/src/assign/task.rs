//! What a task reads, as the leader knows it.

use crate::membership::TopicPartition;
pub use crate::names::TaskId;

/// Whether a task has state that is rebuilt from changelogs, and so takes time to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskState {
    /// It has none: any member runs it at once.
    #[default]
    Stateless,
    /// It has.
    Logged {
        /// The sum of its changelogs' end offsets; `None` if unknown. Members' lags are measured
        /// against it, else against the member that is furthest.
        end: Option<i64>,
    },
}

impl TaskState {
    /// Whether there is state to rebuild.
    #[must_use]
    pub const fn is_logged(self) -> bool {
        matches!(self, Self::Logged { .. })
    }
}

/// What a task reads and how much state it has, as the leader knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskInputs {
    /// The partitions that the task consumes.
    pub partitions: Vec<TopicPartition>,
    /// Its state.
    pub state: TaskState,
}
