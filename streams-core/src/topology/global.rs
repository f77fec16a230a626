//! Global stores: filled from all partitions of a topic, and read by every task.

use super::{NodeId, Subtopology};
use crate::names::{NodeName, StoreName, TopicName};
use crate::processor::{ProcessorTemplate, SourceTemplate};
use crate::store::StoreSpec;

/// A global store as a program declares it, of erased types.
#[derive(Debug)]
pub struct GlobalStoreParts {
    /// The store. Its changelog is the topic, whatever it says itself.
    pub store: std::sync::Arc<dyn StoreSpec>,
    /// Reads the topic.
    pub source: (NodeName, SourceTemplate),
    /// What is read.
    pub topic: TopicName,
    /// Writes to the store what it makes of the records.
    pub processor: (NodeName, ProcessorTemplate),
}

/// A global store of a topology. It has a number among the sub-topologies, but no tasks.
#[derive(Debug, Clone)]
pub struct GlobalStore {
    /// Its nodes.
    pub part: Subtopology,
    /// What is read.
    pub topic: TopicName,
    /// What it is filled into.
    pub store: StoreName,
}

/// A global store while the topology is built.
#[derive(Debug)]
pub(super) struct GlobalStoreNodes {
    pub(super) source: NodeId,
    pub(super) processor: NodeId,
    pub(super) topic: TopicName,
    pub(super) store: StoreName,
}

/// Takes the parts that are global out of all parts of a topology.
pub(super) fn separate(
    parts: Vec<Subtopology>,
    globals: &[GlobalStoreNodes],
) -> (Vec<Subtopology>, Vec<GlobalStore>) {
    let (mut of_tasks, mut global) = (Vec::new(), Vec::new());
    for part in parts {
        match globals.iter().find(|nodes| part.nodes.contains(&nodes.source)) {
            Some(GlobalStoreNodes { topic, store, .. }) => {
                global.push(GlobalStore { part, topic: topic.clone(), store: store.clone() });
            }
            None => of_tasks.push(part),
        }
    }
    (of_tasks, global)
}
