//! The text of Kafka's `Topology#describe`, which people and tools read.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use super::{NodeDef, NodeKind, Subtopology, Topology};
use crate::java_order::{hash_set_copy_order, hash_set_order};
use crate::java_tree_set::JavaTreeSet;

/// Sub-topologies with their nodes, in Kafka's order and words. Print it with `{}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyDescription(String);

impl fmt::Display for TopologyDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TopologyDescription {
    pub(super) fn new(topology: &Topology) -> Self {
        let mut text = String::from("Topologies:\n ");
        let of_tasks = topology.subtopologies().iter().map(|part| (part, "", "\n"));
        let remark = " for global store (will not generate tasks)";
        let globals = topology.global_stores().iter().map(|store| (&store.part, remark, ""));
        let mut parts: Vec<_> = of_tasks.chain(globals).collect();
        parts.sort_by_key(|(part, ..)| part.id.0);
        for (part, remark, end) in parts {
            let drawing = Drawing::new(topology, part);
            // Writing to a String cannot fail.
            let _ = write!(text, "  Sub-topology: {}{remark}\n{drawing}{end}", part.id);
        }
        Self(text)
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

    fn names(&self, set: &JavaTreeSet) -> String {
        let names: Vec<&str> =
            set.items().into_iter().map(|at| self.nodes[at].def.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

/// Names as Kafka's `describe` prints them: a hash set that was made of a collection.
fn list(names: Vec<&str>) -> String {
    format!("[{}]", hash_set_copy_order(names).join(", "))
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in self.order.iter().filter_map(|at| self.nodes.get(*at)) {
            let name = &node.def.name;
            let (below, above) = (self.names(&node.children), self.names(&node.parents));
            match &node.def.kind {
                NodeKind::Source { pattern: Some(pattern), .. } => {
                    write!(f, "    Source: {name} (topics: {pattern})\n      --> {below}")?;
                }
                NodeKind::Source { topics, .. } => {
                    let topics = list(topics.iter().map(|topic| topic.as_str()).collect());
                    write!(f, "    Source: {name} (topics: {topics})\n      --> {below}")?;
                }
                NodeKind::Processor { .. } => {
                    let stores = node.def.stores.iter().map(|store| store.as_str());
                    let stores = list(hash_set_order(stores.collect()));
                    write!(f, "    Processor: {name} (stores: {stores})\n      --> {below}")?;
                    write!(f, "\n      <-- {above}")?;
                }
                NodeKind::Sink { topic: Some(topic), .. } => {
                    write!(f, "    Sink: {name} (topic: {topic})\n      <-- {above}")?;
                }
                // DIFFERENCE(computed-topic-text): Kafka prints `toString` of the object, which
                // holds its address.
                NodeKind::Sink { topic: None, .. } => {
                    write!(f, "    Sink: {name} (extractor class: dynamic)\n      <-- {above}")?;
                }
            }
            f.write_char('\n')?;
        }
        Ok(())
    }
}
