//! What can be wrong with a topology.

use std::fmt;
use std::time::Duration;

use super::pattern::PatternError;
use crate::names::{NameError, NodeName, StoreName, TopicName};

/// A fault of a topology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopologyError {
    /// A name breaks Kafka's rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Two nodes have one name.
    #[error("there are two nodes \"{0}\"; give one of them another name")]
    DuplicateNode(NodeName),
    /// Two stores have one name.
    #[error("there are two stores \"{0}\"; give one of them another name")]
    DuplicateStore(StoreName),
    /// A processor wants a store that nobody added.
    #[error(
        "processor \"{node}\" wants store \"{store}\", which was not added; add it with its builder"
    )]
    UnknownStore {
        /// The processor.
        node: NodeName,
        /// The store.
        store: StoreName,
    },
    /// Two sources read one topic, but not the same set of topics.
    #[error(
        "topic \"{topic}\" is read by \"{first}\" and by \"{second}\"; read it once and use that stream twice"
    )]
    TopicReadTwice {
        /// The topic.
        topic: TopicName,
        /// One source.
        first: NodeName,
        /// The other.
        second: NodeName,
    },
    /// A source without topics.
    #[error("source \"{0}\" names no topic; name at least one")]
    NoTopics(NodeName),
    /// A processor or sink without parents.
    #[error("node \"{0}\" has no parent; name at least one")]
    NoParent(NodeName),
    /// A parent is a node of another builder.
    #[error("node \"{0}\" has a parent from another builder; build one topology with one builder")]
    ForeignNode(NodeName),
    /// A node of another builder was used.
    #[error("a node of another builder was given to {0}; build one topology with one builder")]
    ForeignHandle(String),
    /// A sink was named as a parent.
    #[error(
        "\"{parent}\", a parent of \"{node}\", is a sink, which forwards nothing; name its own parent"
    )]
    ParentIsSink {
        /// The node.
        node: NodeName,
        /// The sink.
        parent: NodeName,
    },
    /// A node takes other types than its parent forwards.
    #[error(
        "node \"{node}\" takes {taken}, but its parent \"{parent}\" forwards {given}; put a processor between them that converts"
    )]
    EdgeType {
        /// The node.
        node: NodeName,
        /// What it takes.
        taken: &'static str,
        /// Its parent.
        parent: NodeName,
        /// What that forwards.
        given: &'static str,
    },
    /// A global store was connected to a processor.
    #[error(
        "processor \"{node}\" is connected to the global store \"{store}\", which every processor can read without; do not connect it"
    )]
    GlobalStoreConnected {
        /// The processor.
        node: NodeName,
        /// The store.
        store: StoreName,
    },
    /// A store was connected to a source or a sink.
    #[error(
        "store \"{store}\" is connected to \"{node}\", which is no processor; connect it to the processors that use it"
    )]
    StoreOutsideProcessor {
        /// The store.
        store: StoreName,
        /// The source or sink.
        node: NodeName,
    },
    /// A node that reads no topic was to be co-partitioned.
    #[error("node \"{0}\" is to be co-partitioned, but is no source; name sources")]
    NotASource(NodeName),
    /// Records cannot pass through a repartition topic.
    #[error(
        "no {missing} of the topology names the repartition topic \"{topic}\"; let a sink write it and a source read it"
    )]
    OpenRepartitionTopic {
        /// The topic.
        topic: TopicName,
        /// `source` or `sink`.
        missing: &'static str,
    },
    /// Two sources of the same topics disagree where to begin.
    #[error("topic \"{0}\" has two different offset resets; choose one")]
    OffsetReset(TopicName),
    /// Two streams of one topic disagree on nulls that their types do not have.
    #[error(
        "topic \"{topic}\" is read by \"{first}\" and by \"{second}\", one of which skips nulls and the other fails on them; choose one"
    )]
    TopicNulls {
        /// The topic.
        topic: TopicName,
        /// One source.
        first: NodeName,
        /// The other.
        second: NodeName,
    },
    /// Topics that must have equally many partitions were asked to have different ones.
    #[error(
        "the repartition topics {0:?} must have equally many partitions; give them the same number, or none"
    )]
    PartitionCounts(Vec<TopicName>),
    /// Two streams of one topic have different types.
    #[error(
        "topic \"{0}\" is read as two different types; read it once and map what one of the streams needs"
    )]
    TopicTypes(TopicName),
    /// A global table keeps no versions.
    #[error("global table \"{0}\" cannot be versioned; leave its history out, or take a table")]
    GlobalVersions(StoreName),
    /// A stream waits for a table that does not remember so much.
    #[error(
        "join \"{node}\" has a grace period of {grace:?}, but the table \"{store}\" {problem}; let it be versioned with a history of at least the grace period"
    )]
    JoinGrace {
        /// The join.
        node: NodeName,
        /// Its grace period.
        grace: Duration,
        /// The store of the table.
        store: StoreName,
        /// What the table lacks.
        problem: &'static str,
    },
    /// Updates of a versioned table cannot wait.
    #[error("node \"{0}\" suppresses a versioned table; suppress one that keeps no versions")]
    SuppressedVersions(NodeName),
    /// The topics of a source cannot be found.
    #[error(
        "source \"{node}\" reads the topics of \"{pattern}\", which is no regular expression that can be used: {problem}; correct it"
    )]
    Pattern {
        /// The source.
        node: NodeName,
        /// Its pattern.
        pattern: String,
        /// What is wrong with it.
        problem: PatternError,
    },
    /// Windows that cannot be.
    #[error("node \"{node}\" has {problem}")]
    Windows {
        /// The node of the aggregation.
        node: NodeName,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// All faults of a topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyErrors(pub Vec<TopologyError>);

impl fmt::Display for TopologyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the topology has {} fault(s):", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "\n  - {error}"))
    }
}

impl std::error::Error for TopologyErrors {}
