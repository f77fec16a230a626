//! From an assignment to tasks: topics, partitions, and who runs what.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::Arc;

use streams_core::assign::{TaskInputs, TaskState};
use streams_core::membership::{Assigned, Generation};
use streams_core::names::{TaskId, TopicName, TopicPartition};
use streams_core::roster::Role;
use streams_core::store::{ChangelogTopic, Logging, StoreSpec};
use streams_core::topology::{PartitionCounts, TopicNames, Topology};

use super::offsets::Fetching;
use super::{Counted, Group, Input, Life, LookUp, Retry, TOPICS_MISSING_MAX, TOPICS_RETRY};
use crate::error::StreamsError;
use crate::topics::TopicsError;

/// How often changelogs are asked about before tasks start without knowing them.
const DESCRIBE_TRIES: u32 = 5;

impl Group {
    /// The leader makes the internal topics, then says which tasks there are.
    pub(super) fn prepare_topics(&self, generation: Generation) {
        let topics = Arc::clone(self.parts.clients.topics());
        let (topology, names) = (self.parts.topology.clone(), self.parts.names.clone());
        self.ask(move || {
            let prepared = topics.prepare(&topology, &names).map(|found| {
                let tasks = all_tasks(&found.topology, &found.counts);
                let changelogs = tasks
                    .iter()
                    .flat_map(|task| changelogs_of(&topology, &names, *task).unwrap_or_default());
                let changelog_ends = topics.ends(&changelogs.collect::<Vec<_>>());
                Counted { found, changelog_ends, changelogs: BTreeMap::new() }
            });
            Input::TopicsPrepared(generation, prepared)
        });
    }

    pub(super) fn topics_prepared(
        &mut self,
        generation: Generation,
        result: Result<Counted, TopicsError>,
    ) -> Result<(), StreamsError> {
        match result {
            Ok(counted) => {
                self.topics_missing_since = None;
                self.follow_topology(&counted.found.topology);
                let tasks = self.task_inputs(&counted);
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
    ///
    /// DIFFERENCE(missing-topics): Kafka Streams fails at once when a source topic is missing. Whoever
    /// starts an application beside the program that makes its topics would have to start it twice.
    fn wait_for_topics(&mut self, error: TopicsError, retry: Retry) -> Result<(), StreamsError> {
        let now = self.now();
        let missed = self.gone.since().unwrap_or(now);
        let since = *self.topics_missing_since.get_or_insert(missed);
        let is_patient = matches!(error, TopicsError::Ask(_));
        if !error.is_passing() || (!is_patient && now.since(since) >= TOPICS_MISSING_MAX) {
            return Err(StreamsError::Topics(error));
        }
        if self.complaints.is_due(&error.to_string(), now) {
            match is_patient {
                true => tracing::warn!(%error, "trying again every second"),
                false => {
                    let seconds = TOPICS_MISSING_MAX.as_secs();
                    tracing::warn!(%error, "trying again every second, for {seconds} s");
                }
            }
        }
        self.retries.push((now.after(TOPICS_RETRY), retry));
        Ok(())
    }

    pub(super) fn retry_if_due(&mut self) {
        let now = self.now();
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.retries).into_iter().partition(|(at, _)| *at <= now);
        self.retries = later;
        for (_, retry) in due {
            match retry {
                Retry::Prepare(generation) => self.prepare_topics(generation),
                Retry::Look(look_up) => match self.life {
                    Life::Member | Life::Parting(_) => self.look_up(look_up),
                    // Nobody can be asked until the member is back.
                    Life::Outside => self.look_again(look_up),
                    Life::Closing | Life::Leaving | Life::Over => {}
                },
            }
        }
    }

    fn task_inputs(&self, counted: &Counted) -> BTreeMap<TaskId, TaskInputs> {
        let tasks = all_tasks(&self.parts.topology, &counted.found.counts).into_iter();
        tasks
            .map(|task| {
                let partitions = self.inputs_of(task, &counted.found.counts);
                let state = self.state_of(task, &counted.changelog_ends);
                (task, TaskInputs { partitions, state })
            })
            .collect()
    }

    /// Whether the task has state, and where its own changelogs end.
    fn state_of(&self, task: TaskId, ends: &BTreeMap<TopicPartition, i64>) -> TaskState {
        match changelogs_of(&self.parts.topology, &self.parts.names, task) {
            None => TaskState::Stateless,
            Some(changelogs) => {
                let ends = changelogs.iter().map(|changelog| ends.get(changelog));
                TaskState::Logged { end: ends.sum() }
            }
        }
    }

    /// The partitions that a task reads: its own of each topic that has as many, sorted.
    pub(super) fn inputs_of(&self, task: TaskId, counts: &PartitionCounts) -> Vec<TopicPartition> {
        let Some(part) = self.parts.topology.subtopology(task.subtopology) else {
            return Vec::new();
        };
        let has = |topic: &&TopicName| {
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

    /// A new assignment is in force.
    pub(super) fn adopt(&mut self, assigned: Assigned) {
        self.token = Some(assigned.token);
        if self.life != Life::Member {
            return;
        }
        let (active, standby) = (assigned.active.len(), assigned.standby.len());
        tracing::info!(active, standby, "assignment adopted");
        self.roster.adopt(&assigned.active, &assigned.standby);
        self.look_at_inputs();
    }

    /// What has to be known of tasks before they start. Where the changelogs of one that is to run
    /// end is asked now that its last owner has let go.
    pub(super) fn look_up(&self, mut look_up: LookUp) {
        let topics = Arc::clone(self.parts.clients.topics());
        let (topology, names) = (self.parts.topology.clone(), self.parts.names.clone());
        self.ask(move || {
            let active = look_up.tasks.iter().filter(|(_, role)| **role == Role::Active);
            let changelogs = active
                .flat_map(|(task, _)| changelogs_of(&topology, &names, *task).unwrap_or_default());
            let changelogs: Vec<TopicPartition> = changelogs.collect();
            let restored = restored_from(&topology, &names, look_up.tasks.keys());
            // The tasks stand still meanwhile.
            let (ends, describe) = (|| topics.ends(&changelogs), || topics.describe(&restored));
            let count = || topics.counts(&topology, &names);
            let (changelog_ends, (described, found)) = both(ends, || both(describe, count));
            let counted = found.and_then(|found| {
                let changelogs = look_up.known_of(described)?;
                Ok(Counted { found, changelog_ends, changelogs })
            });
            Input::Counted(look_up, counted)
        });
    }

    pub(super) fn counted(
        &mut self,
        look_up: LookUp,
        result: Result<Counted, TopicsError>,
    ) -> Result<(), StreamsError> {
        let Counted { found, changelog_ends, changelogs } = match result {
            Ok(counted) => counted,
            Err(error) => return self.wait_for_topics(error, Retry::Look(look_up)),
        };
        self.topics_missing_since = None;
        self.follow_topology(&found.topology);
        let counts = found.counts;
        let sources = self.parts.topology.subtopologies().iter();
        let sources = sources.flat_map(|part| &part.source_topics);
        let partitions: i32 = sources.filter_map(|topic| counts.of(topic)).sum();
        self.parts.clients.consumers(usize::try_from(partitions).unwrap_or(1))?;
        let inputs =
            look_up.tasks.keys().map(|task| (*task, self.inputs_of(*task, &counts))).collect();
        self.fetch_offsets(Fetching { look_up, inputs, changelog_ends, changelogs });
        Ok(())
    }
}

fn all_tasks(topology: &Topology, counts: &PartitionCounts) -> Vec<TaskId> {
    let tasks = topology.subtopologies().iter().flat_map(|part| {
        (0..counts.tasks(part)).map(|partition| TaskId { subtopology: part.id, partition })
    });
    tasks.collect()
}

impl LookUp {
    /// What is known of changelogs. Asked for again a few times, then done without.
    fn known_of(
        &mut self,
        described: Result<BTreeMap<TopicName, ChangelogTopic>, TopicsError>,
    ) -> Result<BTreeMap<TopicName, ChangelogTopic>, TopicsError> {
        described.or_else(|error| {
            self.failures += 1;
            if self.failures < DESCRIBE_TRIES {
                return Err(error);
            }
            tracing::warn!(%error, "the ids and settings of changelogs are not known, so stores are trusted however old they are");
            Ok(BTreeMap::new())
        })
    }
}

/// Asks two questions at the same time, the first one on a thread of its own where there can be one.
fn both<A: Send, B>(one: impl Fn() -> A + Sync, other: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("ask".to_owned());
        let asked = thread.spawn_scoped(scope, &one);
        let other = other();
        let one = asked.map_or_else(
            |_| one(),
            |asked| asked.join().unwrap_or_else(|panic| resume_unwind(panic)),
        );
        (one, other)
    })
}

/// The topics that stores of these tasks are restored from.
fn restored_from<'a>(
    topology: &Topology,
    names: &TopicNames,
    tasks: impl Iterator<Item = &'a TaskId>,
) -> BTreeSet<TopicName> {
    let parts: BTreeSet<_> = tasks.map(|task| task.subtopology).collect();
    let parts = parts.into_iter().filter_map(|part| topology.subtopology(part));
    let stores: BTreeSet<_> = parts.flat_map(|part| &part.stores).collect();
    let specs = topology.stores().filter(|spec| stores.contains(spec.name()));
    let topic = |spec: &Arc<dyn StoreSpec>| match spec.logging() {
        Logging::Off => None,
        Logging::On(_) => Some(names.changelog(spec.name())),
        Logging::SourceTopic(topic) => Some(topic.clone()),
    };
    specs.filter_map(topic).collect()
}

/// The changelogs that a task has of its own; `None` if nothing of it can be rebuilt from Kafka.
fn changelogs_of(
    topology: &Topology,
    names: &TopicNames,
    task: TaskId,
) -> Option<Vec<TopicPartition>> {
    let stores = &topology.subtopology(task.subtopology)?.stores;
    let specs = topology.stores().filter(|spec| stores.contains(spec.name()));
    let specs: Vec<_> = specs.filter(|spec| *spec.logging() != Logging::Off).collect();
    if specs.is_empty() {
        return None;
    }
    let own = specs.into_iter().filter(|spec| matches!(spec.logging(), Logging::On(_)));
    let partition = task.partition;
    let topic = |name| TopicPartition { topic: names.changelog(name), partition };
    Some(own.map(|spec| topic(spec.name())).collect())
}
