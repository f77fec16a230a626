//! How many partitions internal topics have, and which topics must agree.

use std::collections::BTreeMap;

use super::{RepartitionCount, Subtopology, Topology};
use crate::names::{StoreName, SubtopologyId, TopicName};

/// Why the partitions of topics do not fit a topology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartitionCountError {
    /// A source topic does not exist.
    #[error("source topic \"{0}\" does not exist; create it")]
    MissingTopic(TopicName),
    /// Topics that are joined have different numbers of partitions.
    #[error("topics that are read together must have equally many partitions, but have {}; make one of them anew, or put repartition() before the join", list(.0))]
    NotCopartitioned(Vec<(TopicName, i32)>),
    /// A repartition topic was asked to have no partition.
    #[error("repartition topic \"{topic}\" is to have {partitions} partitions; give it at least 1")]
    NoPartitions {
        /// The topic.
        topic: TopicName,
        /// How many it was to have.
        partitions: i32,
    },
    /// The number of partitions of a repartition topic depends on itself alone.
    #[error(
        "the partitions of repartition topic \"{0}\" cannot be derived; give it a number with Repartitioned"
    )]
    Underivable(TopicName),
}

fn list(topics: &[(TopicName, i32)]) -> String {
    let topics = topics.iter().map(|(topic, partitions)| format!("\"{topic}\" {partitions}"));
    topics.collect::<Vec<_>>().join(", ")
}

/// How many partitions each topic of a topology has, internal ones included (by their names in the
/// topology).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionCounts(BTreeMap<TopicName, i32>);

impl PartitionCounts {
    /// Derives the counts of repartition topics from those of the topics outside, as Kafka does:
    /// the most of what feeds them, and then what joins ask for.
    ///
    /// # Errors
    /// All that does not fit.
    pub fn derive(
        topology: &Topology,
        outside: impl Fn(&TopicName) -> Option<i32>,
    ) -> Result<Self, Vec<PartitionCountError>> {
        let mut counts = BTreeMap::new();
        let mut faults = Vec::new();
        let mut underived = Vec::new();
        for topic in topology.subtopologies().iter().flat_map(|part| &part.source_topics) {
            match topology.parts().repartition_topics.get(topic) {
                Some(RepartitionCount::Fixed(partitions)) if *partitions < 1 => {
                    let (topic, partitions) = (topic.clone(), *partitions);
                    faults.push(PartitionCountError::NoPartitions { topic, partitions });
                }
                Some(RepartitionCount::Fixed(count)) => {
                    counts.insert(topic.clone(), *count);
                }
                Some(RepartitionCount::Derived) => underived.push(topic.clone()),
                None => match outside(topic) {
                    Some(count) => {
                        counts.insert(topic.clone(), count);
                    }
                    None => faults.push(PartitionCountError::MissingTopic(topic.clone())),
                },
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        derive_from_writers(topology, &mut counts, underived, &mut faults);
        for group in topology.copartitioned_topics() {
            copartition(topology, &group, &mut counts, &mut faults);
        }
        if faults.is_empty() { Ok(Self(counts)) } else { Err(faults) }
    }

    /// The partitions of a topic.
    #[must_use]
    pub fn of(&self, topic: &TopicName) -> Option<i32> {
        self.0.get(topic).copied()
    }

    /// How many tasks a sub-topology has: the most partitions among its inputs.
    #[must_use]
    pub fn tasks(&self, subtopology: &Subtopology) -> i32 {
        subtopology.source_topics.iter().filter_map(|topic| self.of(topic)).max().unwrap_or(0)
    }

    /// How many partitions the changelog of a store has.
    #[must_use]
    pub fn of_changelog(&self, topology: &Topology, store: &StoreName) -> i32 {
        let uses = |part: &&Subtopology| part.stores.contains(store);
        topology.subtopologies().iter().find(uses).map_or(0, |part| self.tasks(part))
    }

    /// Whether a sub-topology reads anything.
    #[must_use]
    pub fn has_tasks(&self, topology: &Topology, id: SubtopologyId) -> bool {
        topology.subtopology(id).is_some_and(|part| self.tasks(part) > 0)
    }
}

/// A repartition topic has as many partitions as the widest input of those who write to it.
fn derive_from_writers(
    topology: &Topology,
    counts: &mut BTreeMap<TopicName, i32>,
    mut underived: Vec<TopicName>,
    faults: &mut Vec<PartitionCountError>,
) {
    loop {
        let before = underived.len();
        underived.retain(|topic| {
            let writers =
                topology.subtopologies().iter().filter(|part| part.sink_topics.contains(topic));
            let inputs = writers.flat_map(|part| &part.source_topics);
            // As in Kafka, inputs that are not derived yet do not count: one may be this topic.
            match inputs.filter_map(|input| counts.get(input).copied()).max() {
                Some(count) => {
                    counts.insert(topic.clone(), count);
                    false
                }
                None => true,
            }
        });
        if underived.is_empty() || underived.len() == before {
            break;
        }
    }
    faults.extend(underived.into_iter().map(PartitionCountError::Underivable));
}

/// Topics read together have equally many partitions; derived ones follow the others.
fn copartition(
    topology: &Topology,
    group: &[TopicName],
    counts: &mut BTreeMap<TopicName, i32>,
    faults: &mut Vec<PartitionCountError>,
) {
    let is_derived = |topic: &TopicName| {
        topology.parts().repartition_topics.get(topic) == Some(&RepartitionCount::Derived)
    };
    let given: Vec<(TopicName, i32)> = group
        .iter()
        .filter(|topic| !is_derived(topic))
        .filter_map(|topic| Some((topic.clone(), *counts.get(topic)?)))
        .collect();
    let most = group.iter().filter_map(|topic| counts.get(topic).copied()).max();
    let Some(count) = given.first().map(|(_, count)| *count).or(most) else { return };
    if given.iter().any(|(_, other)| *other != count) {
        faults.push(PartitionCountError::NotCopartitioned(given));
        return;
    }
    for topic in group.iter().filter(|topic| is_derived(topic)) {
        counts.insert(topic.clone(), count);
    }
}
