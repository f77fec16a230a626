//! From an assignment to tasks: topics, partitions, and who runs what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use streams_core::assign::TaskInputs;
use streams_core::membership::{Assigned, Generation};
use streams_core::names::{TaskId, TopicPartition};
use streams_core::store::Logging;
use streams_core::topology::PartitionCounts;

use super::{Counted, Group, Input, Place, Retry, TOPICS_MISSING_MAX, TOPICS_RETRY};
use crate::error::StreamsError;
use crate::topics::TopicsError;

impl Group {
    /// The leader makes the internal topics, then says which tasks there are.
    pub(super) fn prepare_topics(&self, generation: Generation) {
        let topics = Arc::clone(self.parts.clients.topics());
        let (topology, names) = (self.parts.topology.clone(), self.parts.names.clone());
        self.ask(move || Input::TopicsPrepared(generation, topics.prepare(&topology, &names)));
    }

    pub(super) fn topics_prepared(
        &mut self,
        generation: Generation,
        result: Result<PartitionCounts, TopicsError>,
    ) -> Result<(), StreamsError> {
        match result {
            Ok(counts) => {
                self.topics_missing_since = None;
                let tasks = self.all_tasks(&counts);
                let now = self.now();
                if let Err(refused) = self.membership.provide_tasks(generation, &tasks, now) {
                    tracing::debug!(%refused, "a rebalance overtook the assignment");
                }
                Ok(())
            }
            Err(error) => self.wait_for_topics(error, Retry::Prepare(generation)),
        }
    }

    /// Topics may yet be made, and brokers come back: for a while.
    fn wait_for_topics(&mut self, error: TopicsError, retry: Retry) -> Result<(), StreamsError> {
        let now = self.now();
        let since = *self.topics_missing_since.get_or_insert(now);
        let is_patient = matches!(error, TopicsError::Ask(_));
        if !error.is_passing() || (!is_patient && now.since(since) >= TOPICS_MISSING_MAX) {
            return Err(StreamsError::Topics(error));
        }
        tracing::warn!(%error, "trying again");
        self.retry = Some((now.after(TOPICS_RETRY), retry));
        Ok(())
    }

    pub(super) fn retry_if_due(&mut self) {
        let now = self.now();
        let Some((at, retry)) = self.retry else { return };
        if now < at {
            return;
        }
        self.retry = None;
        match retry {
            Retry::Prepare(generation) => self.prepare_topics(generation),
            Retry::Count => self.count(),
        }
    }

    fn all_tasks(&self, counts: &PartitionCounts) -> BTreeMap<TaskId, TaskInputs> {
        let parts = self.parts.topology.subtopologies().iter();
        let tasks = parts.flat_map(|part| {
            (0..counts.tasks(part)).map(|partition| TaskId { subtopology: part.id, partition })
        });
        tasks
            .map(|task| {
                let partitions = self.inputs_of(task, counts);
                (task, TaskInputs { partitions, ..TaskInputs::default() })
            })
            .collect()
    }

    /// The partitions that a task reads: its own of each topic that has as many, sorted.
    pub(super) fn inputs_of(&self, task: TaskId, counts: &PartitionCounts) -> Vec<TopicPartition> {
        let Some(part) = self.parts.topology.subtopology(task.subtopology) else {
            return Vec::new();
        };
        let has = |topic: &&streams_core::names::TopicName| {
            counts.of(topic).is_some_and(|partitions| task.partition < partitions)
        };
        let mut inputs: Vec<TopicPartition> = part
            .source_topics
            .iter()
            .filter(has)
            .map(|topic| TopicPartition {
                topic: self.parts.names.in_kafka(&self.parts.topology, topic),
                partition: task.partition,
            })
            .collect();
        inputs.sort();
        inputs
    }

    /// A new assignment: some tasks stay, some leave after a commit, some come.
    pub(super) fn adopt(&mut self, assigned: Assigned) {
        self.token = Some(assigned.token);
        self.wanted = assigned.active;
        tracing::info!(tasks = self.wanted.len(), "assignment adopted");
        let leaving: Vec<TaskId> =
            self.tasks.keys().filter(|task| !self.wanted.contains(task)).copied().collect();
        self.release(&leaving);
        let new: Vec<TaskId> =
            self.wanted.iter().filter(|task| !self.tasks.contains_key(task)).copied().collect();
        if new.is_empty() {
            return;
        }
        self.tasks.extend(new.into_iter().map(|task| (task, Place::Preparing)));
        self.count();
    }

    pub(super) fn count(&self) {
        let topics = Arc::clone(self.parts.clients.topics());
        let topology = self.parts.topology.clone();
        let changelogs = self.changelogs_of_new();
        self.ask(move || {
            let counted = topics
                .counts(&topology)
                .map(|(counts, _)| Counted { counts, changelog_ends: topics.ends(&changelogs) });
            Input::Counted(counted)
        });
    }

    /// The changelogs of the tasks that are to start.
    fn changelogs_of_new(&self) -> Vec<TopicPartition> {
        let (topology, names) = (&self.parts.topology, &self.parts.names);
        let logged: BTreeSet<_> = topology
            .stores()
            .filter(|spec| matches!(spec.logging(), Logging::On(_)))
            .map(|spec| spec.name())
            .collect();
        let preparing = self.tasks.iter().filter(|(_, place)| **place == Place::Preparing);
        let of_task = |task: &TaskId| {
            let stores = topology.subtopology(task.subtopology).map(|part| part.stores.iter());
            let changelogs = stores.into_iter().flatten().filter(|store| logged.contains(store));
            let partition = task.partition;
            changelogs.map(move |store| TopicPartition { topic: names.changelog(store), partition })
        };
        preparing.flat_map(|(task, _)| of_task(task)).collect()
    }

    pub(super) fn counted(
        &mut self,
        result: Result<Counted, TopicsError>,
    ) -> Result<(), StreamsError> {
        let Counted { counts, changelog_ends } = match result {
            Ok(counted) => counted,
            Err(error) => return self.wait_for_topics(error, Retry::Count),
        };
        self.topics_missing_since = None;
        let sources = self.parts.topology.subtopologies().iter();
        let sources = sources.flat_map(|part| &part.source_topics);
        let partitions: i32 = sources.filter_map(|topic| counts.of(topic)).sum();
        self.parts.clients.consumers(usize::try_from(partitions).unwrap_or(1))?;
        let preparing = self.tasks.iter().filter(|(_, place)| **place == Place::Preparing);
        let inputs: BTreeMap<TaskId, Vec<TopicPartition>> =
            preparing.map(|(task, _)| (*task, self.inputs_of(*task, &counts))).collect();
        if !inputs.is_empty() {
            self.fetch_offsets(inputs, changelog_ends);
        }
        Ok(())
    }

    /// Tasks that were closed on demand go back to the group.
    pub(super) fn released(&mut self, task: TaskId) {
        let now = self.now();
        self.membership.release(&BTreeSet::from([task]), now);
    }
}
