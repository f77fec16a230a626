//! What Kafka's `Topology#describe` tells, for people and tools to read.

use std::cmp::Ordering;
use std::fmt;

use super::{NodeDef, NodeKind, Subtopology, TopicPattern, Topology};
use crate::java_order::{hash_set_copy_order, hash_set_order};
use crate::java_tree_set::JavaTreeSet;
use crate::names::{NodeName, StoreName, SubtopologyId, TopicName};

/// Sub-topologies with their nodes, in Kafka's order. Print it with `{}` for Kafka's words. Answers to
/// Kafka's `TopologyDescription`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyDescription(Vec<DescribedSubtopology>);

/// A sub-topology in a [`TopologyDescription`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescribedSubtopology {
    /// Its number.
    pub id: SubtopologyId,
    /// Whether it runs as tasks or fills a global store.
    pub role: SubtopologyRole,
    /// Its nodes, in Kafka's order: by how many paths lead on from each, then by name.
    pub nodes: Vec<DescribedNode>,
}

/// What a sub-topology is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubtopologyRole {
    /// It runs as one task for each partition.
    Tasks,
    /// It fills a global store, and no tasks come of it.
    GlobalStore,
}

/// A node in a [`TopologyDescription`]. Answers to Kafka's `TopologyDescription.Node`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescribedNode {
    /// Its name.
    pub name: NodeName,
    /// What it does.
    pub kind: DescribedKind,
    /// The nodes that forward to it.
    pub predecessors: Vec<NodeName>,
    /// The nodes that it forwards to.
    pub successors: Vec<NodeName>,
}

/// What a node in a [`TopologyDescription`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DescribedKind {
    /// It reads these topics.
    Source(Vec<TopicName>),
    /// It reads the topics whose names match this.
    PatternSource(TopicPattern),
    /// It processes records with these stores.
    Processor(Vec<StoreName>),
    /// It writes to this topic.
    Sink(TopicName),
    /// It writes to topics that are computed from the records.
    DynamicSink,
}

impl TopologyDescription {
    pub(super) fn new(topology: &Topology) -> Self {
        let of_tasks = topology.subtopologies().iter().map(|part| (part, SubtopologyRole::Tasks));
        let globals = topology.global_stores().iter();
        let globals = globals.map(|store| (&store.part, SubtopologyRole::GlobalStore));
        let mut parts: Vec<_> = of_tasks.chain(globals).collect();
        parts.sort_by_key(|(part, _)| part.id.0);
        let described = parts.into_iter().map(|(part, role)| {
            let nodes = Drawing::new(topology, part).nodes();
            DescribedSubtopology { id: part.id, role, nodes }
        });
        Self(described.collect())
    }

    /// The sub-topologies, by their numbers; those that fill global stores are among them.
    ///
    /// ```
    /// # mod declared { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/declared.in")); }
    /// # use declared::{forward, texts};
    /// # use streams_core::topology::TopologyBuilder;
    /// use streams_core::topology::DescribedKind;
    ///
    /// # let mut builder = TopologyBuilder::new();
    /// let words = builder.source("words", ["in"], texts());
    /// builder.processor("keep-longest", &[words], forward);
    /// let description = builder.build()?.describe();
    ///
    /// let nodes = &description.subtopologies()[0].nodes;
    /// assert_eq!(nodes[0].kind, DescribedKind::Source(vec!["in".into()]));
    /// assert_eq!(nodes[0].successors, ["keep-longest"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn subtopologies(&self) -> &[DescribedSubtopology] {
        &self.0
    }
}

impl fmt::Display for TopologyDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Topologies:\n ")?;
        for DescribedSubtopology { id, role, nodes } in &self.0 {
            let (remark, end) = match role {
                SubtopologyRole::Tasks => ("", "\n"),
                SubtopologyRole::GlobalStore => (" for global store (will not generate tasks)", ""),
            };
            writeln!(f, "  Sub-topology: {id}{remark}")?;
            nodes.iter().try_for_each(|node| writeln!(f, "{node}"))?;
            f.write_str(end)?;
        }
        Ok(())
    }
}

impl fmt::Display for DescribedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, predecessors, successors } = self;
        let (above, below) = (Neighbours(predecessors), Neighbours(successors));
        match kind {
            DescribedKind::Source(topics) => {
                let topics = Listed(topics);
                write!(f, "    Source: {name} (topics: [{topics}])\n      --> {below}")
            }
            DescribedKind::PatternSource(pattern) => {
                write!(f, "    Source: {name} (topics: {pattern})\n      --> {below}")
            }
            DescribedKind::Processor(stores) => {
                let stores = Listed(stores);
                write!(f, "    Processor: {name} (stores: [{stores}])\n      --> {below}")?;
                write!(f, "\n      <-- {above}")
            }
            DescribedKind::Sink(topic) => {
                write!(f, "    Sink: {name} (topic: {topic})\n      <-- {above}")
            }
            // DIFFERENCE(computed-topic-text): Kafka prints `toString` of the object, which holds its
            // address.
            DescribedKind::DynamicSink => {
                write!(f, "    Sink: {name} (extractor class: dynamic)\n      <-- {above}")
            }
        }
    }
}

/// Names of neighbours as Kafka prints them.
struct Neighbours<'a>(&'a [NodeName]);

impl fmt::Display for Neighbours<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("none") } else { Listed(self.0).fmt(f) }
    }
}

/// Names with commas between them.
struct Listed<'a, N>(&'a [N]);

impl<N: fmt::Display> fmt::Display for Listed<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else { return Ok(()) };
        write!(f, "{first}")?;
        others.iter().try_for_each(|name| write!(f, ", {name}"))
    }
}

struct Described<'a> {
    def: &'a NodeDef,
    /// Grows with each path to a node below; Kafka orders by it.
    size: i64,
    parents: JavaTreeSet,
    children: JavaTreeSet,
}

/// The nodes of one sub-topology with their neighbours, in the order in which Kafka prints them.
struct Drawing<'a> {
    nodes: Vec<Described<'a>>,
    order: Vec<usize>,
}

impl<'a> Drawing<'a> {
    fn new(topology: &'a Topology, subtopology: &Subtopology) -> Self {
        let defs = &topology.parts().nodes;
        let names = subtopology.nodes.iter().filter_map(|id| Some(defs.get(id.at)?.name.as_str()));
        // Kafka puts the names in a hash set, then the nodes in a hash map in that order.
        let names = hash_set_order(hash_set_order(names.collect()));
        let find = |name: &str| defs.iter().find(|def| def.name.as_str() == name);
        let described = names.iter().filter_map(|name| {
            let (parents, children) = (JavaTreeSet::default(), JavaTreeSet::default());
            Some(Described { def: find(name)?, size: 1, parents, children })
        });
        let mut drawing = Self { nodes: described.collect(), order: Vec::new() };
        for at in 0..drawing.nodes.len() {
            for parent in &drawing.nodes[at].def.parents {
                let name = defs.get(parent.at).map(|def| &def.name);
                let parent = drawing.nodes.iter().position(|node| Some(&node.def.name) == name);
                if let Some(parent) = parent {
                    drawing.connect(parent, at);
                }
            }
        }
        drawing.order = (0..drawing.nodes.len()).collect();
        let mut order = std::mem::take(&mut drawing.order);
        order.sort_by(|a, b| drawing.compare(*a, *b));
        drawing.order = order;
        drawing
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        let (a, b) = (&self.nodes[a], &self.nodes[b]);
        b.size.cmp(&a.size).then_with(|| a.def.name.cmp(&b.def.name))
    }

    fn connect(&mut self, parent: usize, child: usize) {
        let mut parents = std::mem::take(&mut self.nodes[child].parents);
        parents.add(parent, |a, b| self.compare(a, b));
        self.nodes[child].parents = parents;
        let mut children = std::mem::take(&mut self.nodes[parent].children);
        children.add(child, |a, b| self.compare(a, b));
        self.nodes[parent].children = children;
        let size = self.nodes[child].size;
        self.grow(parent, size);
    }

    fn grow(&mut self, node: usize, by: i64) {
        self.nodes[node].size += by;
        for parent in self.nodes[node].parents.items() {
            self.grow(parent, by);
        }
    }

    fn names(&self, set: &JavaTreeSet) -> Vec<NodeName> {
        set.items().into_iter().map(|at| self.nodes[at].def.name.clone()).collect()
    }

    fn nodes(&self) -> Vec<DescribedNode> {
        let nodes = self.order.iter().filter_map(|at| self.nodes.get(*at));
        let described = nodes.map(|node| DescribedNode {
            name: node.def.name.clone(),
            kind: kind_of(node.def),
            predecessors: self.names(&node.parents),
            successors: self.names(&node.children),
        });
        described.collect()
    }
}

/// Topics and stores come in the order of a hash set of Java's that was made of a collection.
fn kind_of(node: &NodeDef) -> DescribedKind {
    match &node.kind {
        NodeKind::Source { pattern: Some(pattern), .. } => {
            DescribedKind::PatternSource(pattern.clone())
        }
        NodeKind::Source { topics, .. } => {
            let topics = hash_set_copy_order(topics.iter().collect());
            DescribedKind::Source(topics.into_iter().cloned().collect())
        }
        NodeKind::Processor { .. } => {
            let stores = hash_set_copy_order(hash_set_order(node.stores.iter().collect()));
            DescribedKind::Processor(stores.into_iter().cloned().collect())
        }
        NodeKind::Sink { topic: Some(topic), .. } => DescribedKind::Sink(topic.clone()),
        NodeKind::Sink { topic: None, .. } => DescribedKind::DynamicSink,
    }
}
