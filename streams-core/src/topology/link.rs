//! A task's graph: the nodes of its sub-topologies, linked.

use std::rc::Rc;

use super::graph;
use super::{NodeId, NodeKind, SubtopologyId, TopicNames, Topology};
use crate::names::{NodeName, StoreName, TopicName};
use crate::outbox::SharedOutbox;
use crate::processor::{LinkError, Linker, NodePlace, Registry, SourceNode, TaskContext};
use crate::store::{GlobalStores, TaskStores};

/// What a task is linked from.
#[expect(missing_debug_implementations, reason = "stores and outbox are trait objects")]
pub struct LinkTask<'a> {
    /// The topology.
    pub topology: &'a Topology,
    /// Which parts of it the task runs; one, or all in a test driver.
    pub subtopologies: &'a [SubtopologyId],
    /// Names of internal topics.
    pub names: &'a TopicNames,
    /// The task's context.
    pub context: Rc<TaskContext>,
    /// The task's stores.
    pub stores: &'a dyn TaskStores,
    /// The global stores, where there are any.
    pub globals: Option<&'a dyn GlobalStores>,
    /// Where its records go.
    pub outbox: SharedOutbox,
    /// The task's number in its worker.
    pub task_number: u32,
}

/// A task's processors.
pub(crate) struct LinkedGraph {
    pub(crate) sources: Vec<Box<dyn SourceNode>>,
    /// By input partition of the task: its source.
    pub(crate) source_of: Vec<usize>,
    pub(crate) registry: Registry,
}

impl Topology {
    /// The nodes of these sub-topologies, in the order of addition.
    fn nodes_of(&self, subtopologies: &[SubtopologyId]) -> Vec<NodeId> {
        let parts = subtopologies.iter().filter_map(|id| self.part(*id));
        let mut nodes: Vec<NodeId> = parts.flat_map(|part| part.nodes.iter().copied()).collect();
        nodes.sort_unstable();
        nodes
    }

    /// The stores of these sub-topologies, in the order in which caches are flushed.
    pub(crate) fn stores_of(&self, subtopologies: &[SubtopologyId]) -> Vec<StoreName> {
        let nodes = self.nodes_of(subtopologies);
        graph::stores_of(nodes.iter().filter_map(|id| self.parts().nodes.get(id.at)))
    }

    /// Links the nodes of a task, children first.
    pub(crate) fn link(&self, task: LinkTask<'_>) -> Result<LinkedGraph, LinkError> {
        let nodes = self.nodes_of(task.subtopologies);
        let topic_name = |topic: &TopicName| task.names.in_kafka(self, topic);
        let mut linker = Linker {
            context: Rc::clone(&task.context),
            stores: task.stores,
            globals: task.globals,
            outbox: task.outbox,
            task_number: task.task_number,
            topic_name: &topic_name,
            wrapper: self.parts().wrapper.as_deref(),
            linked: (0..self.parts().nodes.len()).map(|_| None).collect(),
            registry: Registry::default(),
        };
        let mut sources = Vec::new();
        let mut source_of = vec![usize::MAX; task.context.partitions().len()];
        for id in nodes.iter().rev() {
            let Some(def) = self.parts().nodes.get(id.at) else { continue };
            let children = self.children(*id);
            let place = NodePlace { name: &def.name, connected: &def.stores, children: &children };
            let cell = match &def.kind {
                NodeKind::Source { topics, template, .. } => {
                    let source = template.link(&place, &mut linker)?;
                    for (slot, input) in task.context.partitions().iter().enumerate() {
                        if topics.iter().any(|topic| topic_name(topic) == input.topic) {
                            source_of[slot] = sources.len();
                        }
                    }
                    sources.push(source);
                    continue;
                }
                NodeKind::Processor { template } => template.link(&place, &mut linker)?,
                NodeKind::Sink { template, .. } => template.link(&place, &mut linker)?,
            };
            if let Some(slot) = linker.linked.get_mut(id.at) {
                *slot = Some((cell, def.parents.len()));
            }
        }
        let mut registry = linker.registry;
        registry.lifecycles.reverse();
        Ok(LinkedGraph { sources, source_of, registry })
    }

    /// A node's children, once for each time that it is their parent.
    fn children(&self, parent: NodeId) -> Vec<(NodeId, NodeName)> {
        let nodes = self.parts().nodes.iter();
        nodes
            .flat_map(|node| {
                let times = node.parents.iter().filter(|id| **id == parent).count();
                std::iter::repeat_n((node.id, node.name.clone()), times)
            })
            .collect()
    }
}
