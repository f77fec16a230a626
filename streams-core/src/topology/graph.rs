//! Sub-topologies: the connected parts of a topology, numbered as Kafka numbers them.

use std::collections::BTreeMap;

use indexmap::{IndexMap, IndexSet};

use super::{NodeDef, NodeId, NodeKind};
use crate::java_order::hash_set_order;
use crate::names::{StoreName, SubtopologyId, TopicName};

/// A connected part of a topology: nodes that are linked by edges or share a store. It runs as one
/// task for each partition of its inputs.
#[derive(Debug, Clone)]
pub struct Subtopology {
    /// Its number.
    pub id: SubtopologyId,
    pub(crate) nodes: Vec<NodeId>,
    /// The topics that it reads, as named in the topology (internal ones without prefix).
    pub source_topics: Vec<TopicName>,
    /// The fixed topics that it writes, as named in the topology.
    pub sink_topics: Vec<TopicName>,
    /// Its stores, in the order in which their caches are flushed.
    pub stores: Vec<StoreName>,
}

/// Sets of nodes, united step by step.
struct Groups(Vec<usize>);

impl Groups {
    fn root(&mut self, mut node: usize) -> usize {
        while self.0[node] != node {
            self.0[node] = self.0[self.0[node]];
            node = self.0[node];
        }
        node
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[b] = a;
    }
}

/// Divides the nodes; a part's number is the order of its first node.
pub(super) fn subtopologies(nodes: &[NodeDef]) -> Vec<Subtopology> {
    let mut groups = Groups((0..nodes.len()).collect());
    let mut first_user: BTreeMap<&StoreName, usize> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        for parent in &node.parents {
            groups.unite(parent.at, at);
        }
        for store in &node.stores {
            let first = *first_user.entry(store).or_insert(at);
            groups.unite(first, at);
        }
    }
    let mut parts: IndexMap<usize, Vec<NodeId>> = IndexMap::new();
    for (at, node) in nodes.iter().enumerate() {
        parts.entry(groups.root(at)).or_default().push(node.id);
    }
    parts.into_values().zip(0..).map(|(part, id)| subtopology(nodes, part, id)).collect()
}

/// The stores of these nodes, in the order in which their caches are flushed.
pub(super) fn stores_of<'a>(nodes: impl Iterator<Item = &'a NodeDef>) -> Vec<StoreName> {
    let mut stores: IndexSet<&StoreName> = IndexSet::new();
    for node in nodes {
        stores.extend(hash_set_order(node.stores.iter().collect()));
    }
    stores.into_iter().cloned().collect()
}

/// The topics that the sources among these nodes read.
pub(super) fn source_topics(nodes: &[NodeDef], part: &[NodeId]) -> Vec<TopicName> {
    let of_part = part.iter().filter_map(|id| nodes.get(id.at));
    let topics = of_part.filter_map(|node| match &node.kind {
        NodeKind::Source { topics, .. } => Some(topics),
        NodeKind::Processor { .. } | NodeKind::Sink { .. } => None,
    });
    topics.flatten().cloned().collect()
}

fn subtopology(nodes: &[NodeDef], part: Vec<NodeId>, id: u32) -> Subtopology {
    let source_topics = source_topics(nodes, &part);
    let mut sink_topics = Vec::new();
    for node in part.iter().filter_map(|id| nodes.get(id.at)) {
        if let NodeKind::Sink { topic, .. } = &node.kind {
            sink_topics.extend(topic.iter().cloned());
        }
    }
    let stores = stores_of(part.iter().filter_map(|id| nodes.get(id.at)));
    Subtopology { id: SubtopologyId(id), nodes: part, source_topics, sink_topics, stores }
}
