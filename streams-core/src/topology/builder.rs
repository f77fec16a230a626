//! Building a topology from sources, processors, stores and sinks: Kafka's Processor API.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use indexmap::IndexMap;

use super::error::{TopologyError, TopologyErrors};
use super::global::{self, GlobalStoreNodes, GlobalStoreParts};
use super::graph;
use super::{
    NodeDef, NodeId, NodeKind, OffsetReset, Parts, RepartitionCount, TopicPattern, Topology,
};
use crate::config::Optimization;
use crate::names::{NodeName, StoreName, TopicName};
use crate::processor::{
    ConnectedStores, LinkError, NodeSupplier, Processor, ProcessorNode, ProcessorTemplate, Sink,
    SinkDestination, SinkTemplate, Source, SourceTemplate,
};
use crate::store::{Logging, StoreSpec};

/// A node that forwards records of key `K` and value `V`. Copy it to give a node several children.
pub struct NodeHandle<K, V> {
    id: NodeId,
    forwards: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for NodeHandle<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for NodeHandle<K, V> {}

impl<K, V> fmt::Debug for NodeHandle<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl<K, V> NodeHandle<K, V> {
    /// The node.
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
    /// let words = builder.source("words", ["words"], source);
    /// let copy = words;
    /// assert_eq!(words.id(), copy.id());
    /// ```
    #[must_use]
    pub const fn id(self) -> NodeId {
        self.id
    }
}

/// Tells the nodes of several builders apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BuilderId(u32);

impl Default for BuilderId {
    fn default() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Builds a [`Topology`] node by node. Faults are collected and reported by [`build`](Self::build),
/// all at once.
#[derive(Debug, Default)]
pub struct TopologyBuilder {
    id: BuilderId,
    nodes: Vec<NodeDef>,
    stores: IndexMap<StoreName, Arc<dyn StoreSpec>>,
    repartition_topics: BTreeMap<TopicName, RepartitionCount>,
    copartitioned: Vec<Vec<NodeId>>,
    optimizations: Option<BTreeSet<Optimization>>,
    globals: Vec<GlobalStoreNodes>,
    generated: BTreeSet<String>,
    faults: Vec<TopologyError>,
}

impl TopologyBuilder {
    /// An empty topology.
    ///
    /// ```
    /// # use streams_core::topology::TopologyBuilder;
    /// let topology = TopologyBuilder::new().build()?;
    /// assert!(topology.subtopologies().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source that reads these topics. Kafka's `addSource`.
    ///
    /// ```
    /// # use streams_core::processor::{Nulls, Source, TimestampExtractor};
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_core::topology::TopologyBuilder;
    /// let mut builder = TopologyBuilder::new();
    /// let source = Source {
    ///     key: String::serde(),
    ///     value: i64::serde(),
    ///     timestamps: TimestampExtractor::Configured,
    ///     nulls: Nulls::Fail,
    /// };
    /// builder.source("prices", ["old-prices", "new-prices"], source);
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Source: prices (topics: [old-prices, new-prices])"), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn source<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        name: impl Into<NodeName>,
        topics: impl IntoIterator<Item = impl Into<TopicName>>,
        source: Source<K, V>,
    ) -> NodeHandle<K, V> {
        self.typed_source(name.into(), topics, None, source)
    }

    /// As [`source`](Self::source), and says where reading begins where the group has no offset,
    /// rather than as `auto.offset.reset` does. Kafka's `addSource(AutoOffsetReset, name, ..)`.
    ///
    /// ```
    /// # mod declared { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/declared.in")); }
    /// # use declared::{forward, texts};
    /// # use streams_core::topology::{OffsetReset, TopologyBuilder};
    /// # let mut builder = TopologyBuilder::new();
    /// let words = builder.source_with_reset("words", ["words"], OffsetReset::Latest, texts());
    /// builder.processor("forward", &[words], forward);
    ///
    /// let topology = builder.build()?;
    /// assert_eq!(topology.offset_reset(&"words".into()), Some(OffsetReset::Latest));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn source_with_reset<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        name: impl Into<NodeName>,
        topics: impl IntoIterator<Item = impl Into<TopicName>>,
        reset: OffsetReset,
        source: Source<K, V>,
    ) -> NodeHandle<K, V> {
        self.typed_source(name.into(), topics, Some(reset), source)
    }

    fn typed_source<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        name: NodeName,
        topics: impl IntoIterator<Item = impl Into<TopicName>>,
        reset: Option<OffsetReset>,
        source: Source<K, V>,
    ) -> NodeHandle<K, V> {
        let topics = topics.into_iter().map(Into::into).collect();
        let id = self.add_source(name, topics, reset, SourceTemplate::new(source));
        NodeHandle { id, forwards: PhantomData }
    }

    /// Adds a source that reads all topics whose whole names match a regular expression, those too
    /// that are made while the application runs. See [`TopicPattern`]. Kafka's
    /// `addSource(name, Pattern)`.
    ///
    /// ```
    /// # mod declared { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/declared.in")); }
    /// # use declared::{texts};
    /// # use streams_core::topology::TopologyBuilder;
    /// # let mut builder = TopologyBuilder::new();
    /// builder.source_matching("orders", "orders-.*", texts());
    ///
    /// let topology = builder.build()?;
    /// let text = topology.describe().to_string();
    /// assert!(text.contains("Source: orders (topics: orders-.*)"), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn source_matching<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        name: impl Into<NodeName>,
        pattern: impl Into<String>,
        source: Source<K, V>,
    ) -> NodeHandle<K, V> {
        let template = SourceTemplate::new(source);
        let id = self.add_pattern_source(name.into(), &pattern.into(), None, template);
        NodeHandle { id, forwards: PhantomData }
    }

    /// As [`source_matching`](Self::source_matching), and says where reading begins where the group
    /// has no offset, rather than as `auto.offset.reset` does. Kafka's
    /// `addSource(AutoOffsetReset, name, Pattern)`.
    ///
    /// ```
    /// # mod declared { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/declared.in")); }
    /// # use declared::{forward, texts};
    /// # use streams_core::topology::{OffsetReset, TopicNames, TopologyBuilder};
    /// # let mut builder = TopologyBuilder::new();
    /// let reset = OffsetReset::Earliest;
    /// let orders = builder.source_matching_with_reset("orders", "orders-.*", reset, texts());
    /// builder.processor("forward", &[orders], forward);
    ///
    /// let names = TopicNames::new(&"shop".into());
    /// let existing = ["orders-eu".into(), "returns".into()];
    /// let topology = builder.build()?.matching(&names, &existing)?;
    /// assert_eq!(topology.offset_reset(&"orders-eu".into()), Some(OffsetReset::Earliest));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn source_matching_with_reset<K: Clone + 'static, V: Clone + 'static>(
        &mut self,
        name: impl Into<NodeName>,
        pattern: impl Into<String>,
        reset: OffsetReset,
        source: Source<K, V>,
    ) -> NodeHandle<K, V> {
        let template = SourceTemplate::new(source);
        let id = self.add_pattern_source(name.into(), &pattern.into(), Some(reset), template);
        NodeHandle { id, forwards: PhantomData }
    }

    /// Adds a processor below nodes that forward what it takes. `supplier` is called once a task
    /// and resolves the stores. Kafka's `addProcessor`.
    ///
    /// ```
    /// # use streams_core::error::ProcessorError;
    /// # use streams_core::processor::{Context, Nulls, Processor, Source, TimestampExtractor};
    /// # use streams_core::record::Record;
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_core::topology::TopologyBuilder;
    /// # struct Forward;
    /// # impl Processor<String, String> for Forward {
    /// #     type OutKey = String;
    /// #     type OutValue = String;
    /// #     fn process(
    /// #         &mut self,
    /// #         record: Record<String, String>,
    /// #         cx: &mut Context<'_, String, String>,
    /// #     ) -> Result<(), ProcessorError> {
    /// #         cx.forward(record)
    /// #     }
    /// # }
    /// # let source = Source {
    /// #     key: String::serde(),
    /// #     value: String::serde(),
    /// #     timestamps: TimestampExtractor::Configured,
    /// #     nulls: Nulls::Fail,
    /// # };
    /// # let mut builder = TopologyBuilder::new();
    /// let words = builder.source("words", ["words"], source);
    /// let forward = builder.processor("forward", &[words], |_| Ok(Forward));
    /// builder.processor("again", &[words, forward], |_| Ok(Forward));
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: again (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn processor<K, V, P>(
        &mut self,
        name: impl Into<NodeName>,
        parents: &[NodeHandle<K, V>],
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
    ) -> NodeHandle<P::OutKey, P::OutValue>
    where
        K: Clone + 'static,
        V: Clone + 'static,
        P: Processor<K, V>,
    {
        self.node(name, parents, ProcessorNode::new(supplier))
    }

    /// Adds a node of any supplier; the DSL's operators are such nodes.
    ///
    /// ```
    /// # mod declared { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/declared.in")); }
    /// # use declared::{forward, texts};
    /// # use streams_core::processor::ProcessorNode;
    /// # use streams_core::topology::TopologyBuilder;
    /// # let mut builder = TopologyBuilder::new();
    /// let words = builder.source("words", ["words"], texts());
    /// builder.node("forward", &[words], ProcessorNode::new(forward));
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: forward (stores: [])"), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn node<K: 'static, V: 'static, KO: 'static, VO: 'static>(
        &mut self,
        name: impl Into<NodeName>,
        parents: &[NodeHandle<K, V>],
        supplier: impl NodeSupplier<K, V, KO, VO>,
    ) -> NodeHandle<KO, VO> {
        let parents = parents.iter().map(|parent| parent.id).collect();
        let id = self.add_processor(name.into(), parents, ProcessorTemplate::new(supplier));
        NodeHandle { id, forwards: PhantomData }
    }

    /// Adds a sink. Kafka's `addSink`.
    ///
    /// ```
    /// # use streams_core::processor::{Nulls, Sink, SinkDestination, Source, TimestampExtractor};
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_core::topology::TopologyBuilder;
    /// # let source = Source {
    /// #     key: String::serde(),
    /// #     value: String::serde(),
    /// #     timestamps: TimestampExtractor::Configured,
    /// #     nulls: Nulls::Fail,
    /// # };
    /// # let mut builder = TopologyBuilder::new();
    /// let words = builder.source("words", ["words"], source);
    /// let sink = Sink {
    ///     destination: SinkDestination::Topic("out".into()),
    ///     key: String::serde(),
    ///     value: String::serde(),
    ///     partitioner: None,
    /// };
    /// builder.sink("write-words", &[words], sink);
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Sink: write-words (topic: out)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sink<K: 'static, V: 'static>(
        &mut self,
        name: impl Into<NodeName>,
        parents: &[NodeHandle<K, V>],
        sink: Sink<K, V>,
    ) -> NodeId {
        let topic = match &sink.destination {
            SinkDestination::Topic(topic) => Some(topic.clone()),
            SinkDestination::Dynamic(_) => None,
        };
        let parents = parents.iter().map(|parent| parent.id).collect();
        self.add_sink(name.into(), parents, topic, SinkTemplate::new(sink))
    }

    /// Adds a store, connected to these nodes. One that is connected to no node is left out. Kafka's
    /// `addStateStore`.
    ///
    /// ```
    /// # mod declared { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/declared.in")); }
    /// # use declared::{forward, key_value, texts};
    /// # use streams_core::topology::TopologyBuilder;
    /// # let mut builder = TopologyBuilder::new();
    /// let words = builder.source("words", ["words"], texts());
    /// let count = builder.processor("count", &[words], forward);
    /// builder.store(key_value("counts"), [count.id()]);
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: count (stores: [counts])"), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn store(
        &mut self,
        spec: impl Into<Arc<dyn StoreSpec>>,
        nodes: impl IntoIterator<Item = NodeId>,
    ) -> &mut Self {
        let spec = spec.into();
        let name = spec.name().clone();
        self.add_store(spec);
        for node in nodes {
            self.connect(node, name.clone());
        }
        self
    }

    /// Adds a source of erased types; what is below it is of erased types too.
    ///
    /// ```
    /// # mod declared { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/declared.in")); }
    /// # use declared::{forward, texts};
    /// # use streams_core::processor::{ProcessorNode, ProcessorTemplate, SourceTemplate};
    /// # use streams_core::topology::TopologyBuilder;
    /// # let mut builder = TopologyBuilder::new();
    /// let template = SourceTemplate::new(texts());
    /// let words = builder.add_source("words".into(), vec!["words".into()], None, template);
    /// let template = ProcessorTemplate::new(ProcessorNode::new(forward));
    /// builder.add_processor("forward".into(), vec![words], template);
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Source: words (topics: [words])"), "{text}");
    /// assert!(text.contains("Processor: forward (stores: [])"), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_source(
        &mut self,
        name: NodeName,
        topics: Vec<TopicName>,
        reset: Option<OffsetReset>,
        template: SourceTemplate,
    ) -> NodeId {
        if topics.is_empty() {
            self.faults.push(TopologyError::NoTopics(name.clone()));
        }
        let kind = NodeKind::Source { topics, pattern: None, reset, template };
        self.add_node(name, Vec::new(), kind)
    }

    /// As [`add_source`](Self::add_source), for all topics that match a pattern, those too that are
    /// made while the application runs.
    pub fn add_pattern_source(
        &mut self,
        name: NodeName,
        pattern: &str,
        reset: Option<OffsetReset>,
        template: SourceTemplate,
    ) -> NodeId {
        let pattern = TopicPattern::new(pattern).map_err(|problem| {
            let (node, pattern) = (name.clone(), pattern.to_owned());
            self.faults.push(TopologyError::Pattern { node, pattern, problem });
        });
        let (topics, pattern) = (Vec::new(), pattern.ok());
        self.add_node(name, Vec::new(), NodeKind::Source { topics, pattern, reset, template })
    }

    /// Adds a processor of erased types; see [`add_source`](Self::add_source).
    pub fn add_processor(
        &mut self,
        name: NodeName,
        parents: Vec<NodeId>,
        template: ProcessorTemplate,
    ) -> NodeId {
        self.add_child(name, parents, NodeKind::Processor { template })
    }

    /// Adds a sink of erased types; without a topic, it is computed. See
    /// [`add_source`](Self::add_source).
    pub fn add_sink(
        &mut self,
        name: NodeName,
        parents: Vec<NodeId>,
        topic: Option<TopicName>,
        template: SinkTemplate,
    ) -> NodeId {
        self.add_child(name, parents, NodeKind::Sink { topic, template })
    }

    /// Adds a store that is connected later. Adding the same store again has no effect.
    pub fn add_store(&mut self, spec: Arc<dyn StoreSpec>) {
        let name = spec.name().clone();
        match self.stores.get(&name) {
            None => {
                self.stores.insert(name, spec);
            }
            Some(known) if Arc::ptr_eq(known, &spec) => {}
            Some(_) => self.faults.push(TopologyError::DuplicateStore(name)),
        }
    }

    /// Adds a store that every task can read, and that is filled from all partitions of a topic by
    /// a processor of its own. `supplier` is called once a process. The topic is the store's
    /// changelog; it is read from its beginning before any task starts. Kafka's `addGlobalStore`.
    ///
    /// ```
    /// # mod declared { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/declared.in")); }
    /// # use declared::{forward, key_value, texts};
    /// # use streams_core::topology::TopologyBuilder;
    /// # let mut builder = TopologyBuilder::new();
    /// let names = ("names-source", "names", texts());
    /// builder.global_store(key_value("names"), names, ("fill", forward));
    ///
    /// let topology = builder.build()?;
    /// assert!(topology.is_global(&"names".into()));
    /// assert!(!topology.has_tasks());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn global_store<K, V, P>(
        &mut self,
        store: impl Into<Arc<dyn StoreSpec>>,
        (source_name, topic, source): (impl Into<NodeName>, impl Into<TopicName>, Source<K, V>),
        (name, supplier): (
            impl Into<NodeName>,
            impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
        ),
    ) where
        K: Clone + 'static,
        V: Clone + 'static,
        P: Processor<K, V>,
    {
        self.add_global_store(GlobalStoreParts {
            store: store.into(),
            source: (source_name.into(), SourceTemplate::new(source)),
            topic: topic.into(),
            processor: (name.into(), ProcessorTemplate::new(ProcessorNode::new(supplier))),
        });
    }

    /// Adds a store that is restored from a topic which somebody else writes: the topic is its
    /// changelog, and Millstream writes none (KIP-813). `supplier` makes the processor that keeps
    /// the store up to date with what comes; it should put each record as it is, because a restored
    /// store has the records as they are. Other processors read the store by
    /// [`connect`](Self::connect). The topic is read from its beginning. Kafka's
    /// `addReadOnlyStateStore`.
    ///
    /// ```
    /// # mod declared { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/declared.in")); }
    /// # use declared::{forward, key_value, texts};
    /// # use streams_core::store::Logging;
    /// # use streams_core::topology::TopologyBuilder;
    /// # let mut builder = TopologyBuilder::new();
    /// let names = ("names-source", "names", texts());
    /// builder.read_only_store(key_value("names"), names, ("fill", forward));
    ///
    /// let topology = builder.build()?;
    /// let store = topology.stores().next().expect("one store");
    /// assert_eq!(*store.logging(), Logging::SourceTopic("names".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_only_store<K, V, P>(
        &mut self,
        store: impl Into<Arc<dyn StoreSpec>>,
        (source_name, topic, source): (impl Into<NodeName>, impl Into<TopicName>, Source<K, V>),
        (name, supplier): (
            impl Into<NodeName>,
            impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
        ),
    ) -> NodeHandle<P::OutKey, P::OutValue>
    where
        K: Clone + 'static,
        V: Clone + 'static,
        P: Processor<K, V>,
    {
        let (store, topic) = (store.into(), topic.into());
        let store = store.with_logging(Logging::SourceTopic(topic.clone()));
        let (reset, template) = (Some(OffsetReset::Earliest), SourceTemplate::new(source));
        let source = self.add_source(source_name.into(), vec![topic], reset, template);
        let template = ProcessorTemplate::new(ProcessorNode::new(supplier));
        let id = self.add_processor(name.into(), vec![source], template);
        self.store(store, [id]);
        NodeHandle { id, forwards: PhantomData }
    }

    /// Adds a global store of erased types.
    pub fn add_global_store(&mut self, parts: GlobalStoreParts) {
        let GlobalStoreParts { store, source, topic, processor } = parts;
        let (name, store) = (store.name().clone(), store.with_logging(Logging::Off));
        let source = self.add_source(source.0, vec![topic.clone()], None, source.1);
        let processor = self.add_processor(processor.0, vec![source], processor.1);
        self.add_store(store);
        self.connect(processor, &name);
        self.globals.push(GlobalStoreNodes { source, processor, topic, store: name });
    }

    /// Lets a processor use a store, which may be added later; a fault where it is not. Kafka's
    /// `connectProcessorAndStateStores`.
    ///
    /// ```
    /// # mod declared { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/declared.in")); }
    /// # use declared::{forward, key_value, texts};
    /// # use streams_core::topology::TopologyBuilder;
    /// # let mut builder = TopologyBuilder::new();
    /// let words = builder.source("words", ["words"], texts());
    /// let count = builder.processor("count", &[words], forward);
    /// let print = builder.processor("print", &[words], forward);
    /// builder.store(key_value("counts"), [count.id()]).connect(print.id(), "counts");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: print (stores: [counts])"), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(&mut self, node: NodeId, store: impl Into<StoreName>) {
        let store = store.into();
        match self.own(node) {
            None => {
                let call = format!("connect() for store \"{store}\"");
                self.faults.push(TopologyError::ForeignHandle(call));
            }
            Some(NodeDef { kind: NodeKind::Processor { .. }, stores, .. }) => {
                if !stores.contains(&store) {
                    stores.push(store);
                }
            }
            Some(node) => {
                let node = node.name.clone();
                self.faults.push(TopologyError::StoreOutsideProcessor { store, node });
            }
        }
    }

    /// The node, if it is of this builder.
    fn own(&mut self, node: NodeId) -> Option<&mut NodeDef> {
        self.nodes.get_mut(node.at).filter(|found| found.id == node)
    }

    /// Says that a topic is internal: its name gets the application's prefix, and Millstream makes
    /// it.
    pub fn add_repartition_topic(&mut self, topic: TopicName, partitions: RepartitionCount) {
        let before = self.repartition_topics.insert(topic.clone(), partitions);
        if before.is_some_and(|before| before != partitions) {
            self.faults.push(TopologyError::PartitionCounts(vec![topic]));
        }
    }

    /// Says that the topics of these sources must have equally many partitions.
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
    /// let left = builder.source("left", ["left"], source.clone());
    /// let right = builder.source("right", ["right"], source);
    /// builder.copartition([left.id(), right.id()]);
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn copartition(&mut self, sources: impl IntoIterator<Item = NodeId>) {
        let sources: Vec<NodeId> = sources.into_iter().collect();
        for id in &sources {
            let fault = match self.own(*id) {
                None => TopologyError::ForeignHandle("copartition()".to_owned()),
                Some(NodeDef { kind: NodeKind::Source { .. }, .. }) => continue,
                Some(node) => TopologyError::NotASource(node.name.clone()),
            };
            self.faults.push(fault);
        }
        self.copartitioned.push(sources);
    }

    /// Says which optimisations a layer above made.
    pub fn optimized(&mut self, optimizations: BTreeSet<Optimization>) {
        self.optimizations = Some(optimizations);
    }

    /// Says which names of stores and internal topics a layer above made up.
    pub fn generated(&mut self, names: BTreeSet<String>) {
        self.generated = names;
    }

    /// Reports a fault that a layer above found.
    pub fn fault(&mut self, fault: TopologyError) {
        self.faults.push(fault);
    }

    fn add_child(&mut self, name: NodeName, mut parents: Vec<NodeId>, kind: NodeKind) -> NodeId {
        if parents.is_empty() {
            self.faults.push(TopologyError::NoParent(name.clone()));
        }
        let given = parents.len();
        parents.retain(|parent| self.own(*parent).is_some());
        if parents.len() < given {
            self.faults.push(TopologyError::ForeignNode(name.clone()));
        }
        self.add_node(name, parents, kind)
    }

    fn add_node(&mut self, name: NodeName, parents: Vec<NodeId>, kind: NodeKind) -> NodeId {
        let id = NodeId { builder: self.id, at: self.nodes.len() };
        self.nodes.push(NodeDef { id, name, kind, parents, stores: Vec::new() });
        id
    }

    /// The topology, once everything about it holds.
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
    /// builder.source("words", ["other-words"], source);
    /// let faults = builder.build().expect_err("two nodes of one name");
    /// assert!(faults.to_string().contains("two nodes \"words\""));
    /// ```
    ///
    /// # Errors
    /// All faults that were found, each with its name and remedy.
    pub fn build(mut self) -> Result<Topology, TopologyErrors> {
        let mut faults = std::mem::take(&mut self.faults);
        self.check_nodes(&mut faults);
        self.check_edges(&mut faults);
        self.check_stores(&mut faults);
        self.check_sources(&mut faults);
        self.check_repartition_topics(&mut faults);
        self.check_copartitioned(&mut faults);
        if !faults.is_empty() {
            return Err(TopologyErrors(faults));
        }
        let parts = graph::subtopologies(&self.nodes);
        let (subtopologies, globals) = global::separate(parts, &self.globals);
        Ok(Topology(Arc::new(Parts {
            nodes: self.nodes,
            stores: self.stores,
            repartition_topics: self.repartition_topics,
            copartitioned: self.copartitioned,
            subtopologies,
            optimizations: self.optimizations,
            globals,
            generated: self.generated,
            wrapper: None,
        })))
    }

    fn check_nodes(&self, faults: &mut Vec<TopologyError>) {
        let mut names = BTreeSet::new();
        for node in &self.nodes {
            if !names.insert(&node.name) {
                faults.push(TopologyError::DuplicateNode(node.name.clone()));
            }
        }
    }

    fn check_edges(&self, faults: &mut Vec<TopologyError>) {
        for node in &self.nodes {
            let Some(takes) = node.kind.takes() else { continue };
            for parent in node.parents.iter().filter_map(|id| self.nodes.get(id.at)) {
                let (name, parent_name) = (node.name.clone(), parent.name.clone());
                match parent.kind.forwards() {
                    None => {
                        faults
                            .push(TopologyError::ParentIsSink { node: name, parent: parent_name });
                    }
                    Some(forwards) if !forwards.fit(&takes) => {
                        faults.push(TopologyError::EdgeType {
                            node: name,
                            taken: takes.name,
                            parent: parent_name,
                            given: forwards.name,
                        });
                    }
                    Some(_) => {}
                }
            }
        }
    }

    fn check_repartition_topics(&self, faults: &mut Vec<TopologyError>) {
        for topic in self.repartition_topics.keys() {
            let (mut is_read, mut is_written) = (false, false);
            for node in &self.nodes {
                match &node.kind {
                    NodeKind::Source { topics, .. } => is_read |= topics.contains(topic),
                    NodeKind::Sink { topic: to, .. } => is_written |= to.as_ref() == Some(topic),
                    NodeKind::Processor { .. } => {}
                }
            }
            for (is_there, missing) in [(is_read, "source"), (is_written, "sink")] {
                if !is_there {
                    let topic = topic.clone();
                    faults.push(TopologyError::OpenRepartitionTopic { topic, missing });
                }
            }
        }
    }

    /// Stores that no processor uses are left out, as in Kafka.
    fn check_stores(&mut self, faults: &mut Vec<TopologyError>) {
        let mut connected = BTreeSet::new();
        for node in &self.nodes {
            for store in &node.stores {
                connected.insert(store);
                let is_global =
                    |nodes: &GlobalStoreNodes| nodes.store == *store && nodes.processor != node.id;
                let (node, store) = (&node.name, store.clone());
                if !self.stores.contains_key(&store) {
                    faults.push(TopologyError::UnknownStore { node: node.clone(), store });
                } else if self.globals.iter().any(is_global) {
                    faults.push(TopologyError::GlobalStoreConnected { node: node.clone(), store });
                }
            }
        }
        self.stores.retain(|store, _| connected.contains(store));
    }

    fn check_sources(&self, faults: &mut Vec<TopologyError>) {
        let mut readers: BTreeMap<&TopicName, &NodeName> = BTreeMap::new();
        for node in &self.nodes {
            let NodeKind::Source { topics, .. } = &node.kind else { continue };
            for topic in topics {
                if let Some(first) = readers.insert(topic, &node.name) {
                    faults.push(TopologyError::TopicReadTwice {
                        topic: topic.clone(),
                        first: first.clone(),
                        second: node.name.clone(),
                    });
                }
            }
        }
        for node in &self.nodes {
            let NodeKind::Source { pattern: Some(pattern), .. } = &node.kind else { continue };
            let named = readers.iter().filter(|(topic, _)| pattern.matches(topic));
            faults.extend(named.map(|(topic, first)| TopologyError::TopicReadTwice {
                topic: (*topic).clone(),
                first: (*first).clone(),
                second: node.name.clone(),
            }));
        }
    }

    fn check_copartitioned(&self, faults: &mut Vec<TopologyError>) {
        for group in &self.copartitioned {
            let sources = group.iter().filter_map(|id| self.nodes.get(id.at));
            let topics = sources.filter_map(|node| match &node.kind {
                NodeKind::Source { topics, .. } => Some(topics),
                NodeKind::Processor { .. } | NodeKind::Sink { .. } => None,
            });
            let fixed: BTreeMap<i32, TopicName> = topics
                .flatten()
                .filter_map(|topic| match self.repartition_topics.get(topic)? {
                    RepartitionCount::Fixed(partitions) => Some((*partitions, topic.clone())),
                    RepartitionCount::Derived => None,
                })
                .collect();
            if fixed.len() > 1 {
                faults.push(TopologyError::PartitionCounts(fixed.into_values().collect()));
            }
        }
    }
}
