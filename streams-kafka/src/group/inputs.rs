//! Which topics there are for the patterns of a topology, and whether tasks have the inputs that they
//! were begun with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use streams_core::membership::Moment;
use streams_core::names::{TaskId, TopicName, TopicPartition};
use streams_core::topology::Topology;
use streams_core::worker::Command;

use super::{Group, Input, Life, TOPICS_RETRY};
use crate::error::StreamsError;
use crate::topics::{Found, TopicsError};

/// What was seen of topics, and when to look again.
#[derive(Debug)]
pub(super) struct InputsSeen {
    /// The inputs that tasks were begun with.
    begun: BTreeMap<TaskId, Vec<TopicPartition>>,
    patterns: Patterns,
    is_asked: bool,
}

#[derive(Debug, Clone, Copy)]
enum Patterns {
    None,
    /// Looked for from this time on.
    Unknown(Moment),
    Known(Moment),
}

impl InputsSeen {
    pub(super) fn new(topology: &Topology) -> Self {
        let patterns = if topology.has_patterns() {
            Patterns::Unknown(Moment::default())
        } else {
            Patterns::None
        };
        Self { begun: BTreeMap::new(), patterns, is_asked: false }
    }

    /// Whether it is known what the patterns stand for.
    pub(super) const fn is_known(&self) -> bool {
        !matches!(self.patterns, Patterns::Unknown(_))
    }

    /// When to look for topics that match a pattern.
    fn due(&self) -> Option<Moment> {
        match self.patterns {
            Patterns::Unknown(at) | Patterns::Known(at) => Some(at),
            Patterns::None => None,
        }
    }

    /// The partitions of a topic that tasks were begun with.
    pub(super) fn partitions_of(&self, topic: &TopicName) -> impl Iterator<Item = &TopicPartition> {
        self.begun.values().flatten().filter(move |partition| partition.topic == *topic)
    }

    /// The tasks that were begun with one of these topics.
    pub(super) fn tasks_of(&self, topics: &BTreeSet<TopicName>) -> BTreeSet<TaskId> {
        let reads = |inputs: &[TopicPartition]| inputs.iter().any(|p| topics.contains(&p.topic));
        let tasks = self.begun.iter().filter(|(_, inputs)| reads(inputs));
        tasks.map(|(task, _)| *task).collect()
    }

    pub(super) fn begun(&mut self, task: TaskId, inputs: &[TopicPartition]) {
        self.begun.insert(task, inputs.to_vec());
    }
}

impl Group {
    /// When to look for topics.
    pub(super) fn look_due(&self) -> Option<Moment> {
        let due = self.inputs_seen.due().into_iter().chain(self.gone.due()).min();
        due.filter(|_| self.life == Life::Member && !self.inputs_seen.is_asked)
    }

    /// Every `metadata.max.age.ms`, topics are looked for that match a pattern; at once, those that
    /// are missed.
    pub(super) fn look_for_topics_if_due(&mut self) {
        let now = self.now();
        if self.look_due().is_some_and(|due| due <= now) {
            self.look_at_topics();
        }
    }

    /// A task that stays may have another partition to read: of a topic that matches a pattern by now,
    /// or of one with more partitions than before that is read beside others.
    pub(super) fn look_at_inputs(&mut self) {
        let topology = &self.parts.topology;
        let several = topology.subtopologies().iter().any(|part| part.source_topics.len() > 1);
        if several || topology.has_patterns() {
            self.look_at_topics();
        }
    }

    fn look_at_topics(&mut self) {
        self.inputs_seen.is_asked = true;
        self.gone.asked();
        let topics = Arc::clone(self.parts.clients.topics());
        let (topology, names) = (self.parts.topology.clone(), self.parts.names.clone());
        self.ask(move || Input::TopicsSeen(topics.counts(&topology, &names)));
    }

    pub(super) fn topics_seen(
        &mut self,
        found: Result<Found, TopicsError>,
    ) -> Result<(), StreamsError> {
        let now = self.now();
        self.inputs_seen.is_asked = false;
        let found = self.follow_missed(found)?;
        let again = if found.is_ok() { self.parts.config.metadata_max_age } else { TOPICS_RETRY };
        self.inputs_seen.patterns = match self.inputs_seen.patterns {
            Patterns::None => Patterns::None,
            Patterns::Unknown(_) if found.is_err() => Patterns::Unknown(now.after(again)),
            Patterns::Unknown(_) | Patterns::Known(_) => Patterns::Known(now.after(again)),
        };
        let found = match found {
            Ok(found) => found,
            // The leader finds it too, and waits for a while.
            Err(error) if error.is_passing() || self.inputs_seen.is_known() => {
                if self.complaints.is_due(&error.to_string(), now) {
                    tracing::warn!(%error, "looking for topics again");
                }
                return Ok(());
            }
            Err(error) => return Err(StreamsError::Topics(error)),
        };
        self.follow_topology(&found.topology);
        if self.life == Life::Member {
            // Says nothing new unless the topics differ, and then begins a rebalance.
            self.subscribe();
            self.reopen_with(&found);
        }
        Ok(())
    }

    /// Workers open tasks with the topics that patterns match now.
    pub(super) fn follow_topology(&mut self, topology: &Topology) {
        let names = &self.parts.names;
        if topology.source_topics(names) == self.parts.topology.source_topics(names) {
            return;
        }
        tracing::info!(topics = ?topology.source_topics(names), "other topics match");
        self.parts.topology = topology.clone();
        self.parts.worker_parts.settings.topology = topology.clone();
        for worker in self.parts.workers.keys() {
            self.tell(*worker, Command::Matching(topology.clone()));
        }
    }

    fn reopen_with(&mut self, found: &Found) {
        let begun = self.inputs_seen.begun.iter();
        let differs = |(task, inputs): &(&TaskId, &Vec<TopicPartition>)| {
            self.inputs_of(**task, &found.counts) != **inputs
        };
        let differing: BTreeSet<TaskId> = begun.filter(differs).map(|(task, _)| *task).collect();
        if !differing.is_empty() {
            self.roster.reopen(&differing);
        }
    }
}
