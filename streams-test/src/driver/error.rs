//! What a test learns when something goes wrong.

use streams_core::config::ConfigErrors;
use streams_core::error::{Part, ProduceError, StoreError, TaskError};
use streams_core::names::{StoreName, TopicName};
use streams_core::serde::SerdeError;
use streams_core::task::TaskStartError;
use streams_core::topology::{PartitionCountError, PatternConflict};

use crate::model::ModelError;

/// Why a step of a test failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// A record or punctuation failed the task, as it would fail a running application.
    #[error(transparent)]
    Task(#[from] Box<TaskError>),
    /// An earlier step failed the task.
    #[error("an earlier record failed the task; call restart() to go on from the last commit")]
    Stopped,
    /// The topology is not as the configuration asks for.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// A task could not be made.
    #[error(transparent)]
    Start(#[from] TaskStartError),
    /// The partitions of the topics do not fit the topology.
    #[error("the topics do not fit the topology: {}", list(.0))]
    Partitions(Vec<PartitionCountError>),
    /// Topics match the patterns of two sources.
    #[error(transparent)]
    Pattern(PatternConflict),
    /// The model of Kafka could not be set up.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A record could not be appended to an input topic.
    #[error("a record could not be piped into topic \"{topic}\"")]
    Pipe {
        /// The topic.
        topic: TopicName,
        /// Why not.
        #[source]
        source: ProduceError,
    },
    /// The topology does not read the topic.
    #[error("the topology does not read topic \"{0}\"; pipe into one of its source topics")]
    UnknownTopic(TopicName),
    /// A key or value of the test could not be encoded, or one of the output not decoded.
    #[error("the {part} of a record of topic \"{topic}\" does not fit the serde of the test topic")]
    Serde {
        /// The topic.
        topic: TopicName,
        /// Which part.
        part: Part,
        /// Why not.
        #[source]
        source: SerdeError,
    },
    /// There is nothing more to read.
    #[error("topic \"{0}\" holds no record that was not read yet")]
    NoRecord(TopicName),
    /// No task has such a store.
    #[error("there is no store \"{store}\" in a task of partition {partition}")]
    NoStore {
        /// The store.
        store: StoreName,
        /// The partition.
        partition: i32,
    },
    /// The store is of another type.
    #[error("store \"{store}\" is not a {wanted}")]
    StoreType {
        /// The store.
        store: StoreName,
        /// The type that was asked for.
        wanted: &'static str,
    },
    /// The rows of a store could not be read.
    #[error("a row of store \"{store}\" could not be read")]
    Read {
        /// The store.
        store: StoreName,
        /// Why not.
        #[source]
        source: StoreError,
    },
    /// A store failed while it was restored.
    #[error("a store could not be restored")]
    Restore(#[source] StoreError),
}

fn list(faults: &[PartitionCountError]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
