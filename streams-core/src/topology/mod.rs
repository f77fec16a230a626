//! Topologies: immutable, validated graphs of sources, processors, stores and sinks.

mod builder;
mod configured;
mod copartition;
mod describe;
mod error;
mod generated;
mod global;
mod graph;
mod internal_topics;
mod link;
mod pattern;
mod topic;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use self::builder::BuilderId;
pub use self::builder::{NodeHandle, TopologyBuilder};
pub use self::copartition::{PartitionCountError, PartitionCounts};
pub use self::describe::{
    DescribedKind, DescribedNode, DescribedSubtopology, SubtopologyRole, TopologyDescription,
};
pub use self::error::{TopologyError, TopologyErrors};
pub use self::generated::GeneratedNames;
pub use self::global::{GlobalStore, GlobalStoreParts};
pub use self::graph::Subtopology;
pub use self::internal_topics::{InternalTopic, InternalTopicKind, TopicNames};
pub use self::link::LinkTask;
pub(crate) use self::link::LinkedGraph;
pub use self::pattern::{PatternConflict, PatternError, TopicPattern};
pub use self::topic::Topic;
use crate::config::Optimization;
use crate::names::{NodeName, StoreName, SubtopologyId, TopicName};
use crate::processor::{
    Forwards, ProcessorTemplate, ProcessorWrapper, SinkTemplate, SourceTemplate, Takes,
};
use crate::store::StoreSpec;

/// A node of a topology: its builder, and its place in the order of addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    builder: BuilderId,
    pub(crate) at: usize,
}

/// Where a source begins when the group has no committed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the oldest record.
    Earliest,
    /// At what arrives from now on.
    Latest,
    /// At the first record not older than this (KIP-1106).
    By(Duration),
    /// Nowhere: it is an error.
    Fail,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum NodeKind {
    Source {
        topics: Vec<TopicName>,
        /// By what topics are found, where they are not named.
        pattern: Option<TopicPattern>,
        reset: Option<OffsetReset>,
        template: SourceTemplate,
    },
    Processor {
        template: ProcessorTemplate,
    },
    /// Without a topic, it is computed from each record.
    Sink {
        topic: Option<TopicName>,
        template: SinkTemplate,
    },
}

impl NodeKind {
    /// What it takes; `None` for a source.
    fn takes(&self) -> Option<Takes> {
        match self {
            Self::Source { .. } => None,
            Self::Processor { template } => Some(template.takes()),
            Self::Sink { template, .. } => Some(template.takes()),
        }
    }

    /// What it forwards; `None` for a sink.
    fn forwards(&self) -> Option<Forwards> {
        match self {
            Self::Source { template, .. } => Some(template.forwards()),
            Self::Processor { template } => template.forwards(),
            Self::Sink { .. } => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct NodeDef {
    pub(crate) id: NodeId,
    pub(crate) name: NodeName,
    pub(crate) kind: NodeKind,
    pub(crate) parents: Vec<NodeId>,
    pub(crate) stores: Vec<StoreName>,
}

/// How many partitions a repartition topic gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepartitionCount {
    /// As many as the topics that feed it, and those that it is joined with.
    Derived,
    /// This many.
    Fixed(i32),
}

/// A validated topology. Cheap to clone; shared by all threads.
#[derive(Clone)]
pub struct Topology(Arc<Parts>);

#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) nodes: Vec<NodeDef>,
    pub(crate) stores: IndexMap<StoreName, Arc<dyn StoreSpec>>,
    pub(crate) repartition_topics: BTreeMap<TopicName, RepartitionCount>,
    pub(crate) copartitioned: Vec<Vec<NodeId>>,
    pub(crate) subtopologies: Vec<Subtopology>,
    pub(crate) optimizations: Option<BTreeSet<Optimization>>,
    pub(crate) globals: Vec<GlobalStore>,
    /// Names that no program gave; not all are of stores and topics that there are.
    pub(crate) generated: BTreeSet<String>,
    /// What goes around its processors.
    pub(crate) wrapper: Option<Arc<dyn ProcessorWrapper>>,
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.describe())
    }
}

impl Topology {
    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }

    /// What Kafka's `Topology#describe` tells, and prints.
    ///
    /// ```
    /// # use streams_core::processor::{Nulls, Source, TimestampExtractor};
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_core::topology::TopologyBuilder;
    /// # let source = Source {
    /// #     key: String::serde(),
    /// #     value: String::serde(),
    /// #     timestamps: TimestampExtractor::Configured,
    /// #     nulls: Nulls::Fail,
    /// # };
    /// # let mut builder = TopologyBuilder::new();
    /// builder.source("words", ["words"], source);
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.starts_with("Topologies:\n   Sub-topology: 0\n    Source: words "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn describe(&self) -> TopologyDescription {
        TopologyDescription::new(self)
    }

    /// The sub-topologies that run as tasks, in the order of their numbers.
    ///
    /// ```
    /// # use streams_core::processor::{Nulls, Source, TimestampExtractor};
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_core::topology::TopologyBuilder;
    /// # let source = Source {
    /// #     key: String::serde(),
    /// #     value: String::serde(),
    /// #     timestamps: TimestampExtractor::Configured,
    /// #     nulls: Nulls::Fail,
    /// # };
    /// # let mut builder = TopologyBuilder::new();
    /// builder.source("words", ["words"], source.clone());
    /// builder.source("names", ["names"], source);
    /// assert_eq!(builder.build()?.subtopologies().len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn subtopologies(&self) -> &[Subtopology] {
        &self.0.subtopologies
    }

    /// The sub-topology of this number.
    #[must_use]
    pub fn subtopology(&self, id: SubtopologyId) -> Option<&Subtopology> {
        self.0.subtopologies.iter().find(|part| part.id == id)
    }

    /// The global stores, in the order of their numbers.
    #[must_use]
    pub fn global_stores(&self) -> &[GlobalStore] {
        &self.0.globals
    }

    /// Whether this store is global.
    #[must_use]
    pub fn is_global(&self, store: &StoreName) -> bool {
        self.0.globals.iter().any(|global| global.store == *store)
    }

    /// The nodes of this number, be they of tasks or of a global store.
    pub(crate) fn part(&self, id: SubtopologyId) -> Option<&Subtopology> {
        let globals = self.0.globals.iter().map(|global| &global.part);
        self.0.subtopologies.iter().chain(globals).find(|part| part.id == id)
    }

    /// The stores, in the order of addition.
    pub fn stores(&self) -> impl Iterator<Item = &Arc<dyn StoreSpec>> {
        self.0.stores.values()
    }

    /// The optimisations that it was built with; `None` when it was built node by node, which
    /// leaves nothing to optimise.
    ///
    /// ```
    /// # use streams_core::topology::TopologyBuilder;
    /// assert!(TopologyBuilder::new().build()?.optimizations().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn optimizations(&self) -> Option<&BTreeSet<Optimization>> {
        self.0.optimizations.as_ref()
    }

    /// The stores and internal topics whose names the program did not give.
    ///
    /// ```
    /// # use streams_core::topology::TopologyBuilder;
    /// // What is built node by node has the program's names.
    /// assert!(TopologyBuilder::new().build()?.generated_names().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn generated_names(&self) -> GeneratedNames {
        GeneratedNames::of(self, &self.0.generated)
    }

    /// Whether records of this topic pass only inside the application.
    ///
    /// ```
    /// # use streams_core::processor::{Nulls, Source, TimestampExtractor};
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_core::topology::TopologyBuilder;
    /// # let source = Source {
    /// #     key: String::serde(),
    /// #     value: String::serde(),
    /// #     timestamps: TimestampExtractor::Configured,
    /// #     nulls: Nulls::Fail,
    /// # };
    /// # let mut builder = TopologyBuilder::new();
    /// builder.source("words", ["words"], source);
    /// assert!(!builder.build()?.is_repartition_topic(&"words".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_repartition_topic(&self, topic: &TopicName) -> bool {
        self.0.repartition_topics.contains_key(topic)
    }

    /// Where the sources of this topic begin without a committed offset; `None` is the
    /// configuration's choice.
    ///
    /// ```
    /// # use streams_core::processor::{Nulls, Source, TimestampExtractor};
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_core::topology::TopologyBuilder;
    /// # let source = Source {
    /// #     key: String::serde(),
    /// #     value: String::serde(),
    /// #     timestamps: TimestampExtractor::Configured,
    /// #     nulls: Nulls::Fail,
    /// # };
    /// # let mut builder = TopologyBuilder::new();
    /// builder.source("words", ["words"], source);
    /// assert_eq!(builder.build()?.offset_reset(&"words".into()), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn offset_reset(&self, topic: &TopicName) -> Option<OffsetReset> {
        if self.is_repartition_topic(topic) {
            return Some(OffsetReset::Earliest);
        }
        self.0.nodes.iter().find_map(|node| match &node.kind {
            NodeKind::Source { topics, reset, .. } if topics.contains(topic) => *reset,
            _ => None,
        })
    }
}
