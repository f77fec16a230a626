//! What can go wrong when a test sets up the model.

use streams_core::names::{NameError, TopicName, TopicPartition};

/// Why the model could not do what a test asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The topic's name breaks Kafka's rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The topic exists already.
    #[error("topic \"{0}\" exists already; delete it first, or use it")]
    TopicExists(TopicName),
    /// The topic would have no partition.
    #[error("topic \"{0}\" needs at least one partition")]
    NoPartitions(TopicName),
    /// The topic does not exist.
    #[error("topic \"{0}\" does not exist; create it first")]
    UnknownTopic(TopicName),
    /// The partition does not exist.
    #[error("partition {0} does not exist; create its topic with more partitions")]
    UnknownPartition(TopicPartition),
}
