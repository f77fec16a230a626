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

use super::gone::missing_of;
use super::offsets::Begun;
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
                let changelogs =
                    tasks.iter().flat_map(|task| Changelogs::of(&topology, &names, *task).own);
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
                self.gone.none_missing();
                self.follow_topology(&counted.found.topology);
                let tasks = all_tasks(&self.parts.topology, &counted.found.counts).into_iter();
                let inputs = tasks.flat_map(|task| self.changelogs_of(task).inputs);
                let inputs: BTreeSet<TopicPartition> = inputs.collect();
                if inputs.is_empty() {
                    self.spread(generation, &counted);
                } else {
                    self.find_processed(inputs, (generation, counted));
                }
                Ok(())
            }
            Err(error) => self.wait_for_topics(error, Retry::Prepare(generation)),
        }
    }

    /// The leader says which tasks there are, and where their changelogs end.
    pub(super) fn spread(&mut self, generation: Generation, counted: &Counted) {
        let (tasks, now) = (self.task_inputs(counted), self.now());
        if let Err(refused) = self.membership.provide_tasks(generation, &tasks, now) {
            tracing::debug!(%refused, "a rebalance overtook the assignment");
        }
    }

    /// Topics may yet be made, and brokers come back: for a while.
    ///
    /// DIFFERENCE(missing-topics): Kafka Streams fails at once when a source topic is missing. Whoever
    /// starts an application beside the program that makes its topics would have to start it twice.
    fn wait_for_topics(&mut self, error: TopicsError, retry: Retry) -> Result<(), StreamsError> {
        let now = self.now();
        let missing = match &error {
            TopicsError::Partitions(errors) => missing_of(errors),
            _ => BTreeSet::new(),
        };
        if !error.is_passing() || self.gone.too_long(&missing, now).is_some() {
            return Err(StreamsError::Topics(error));
        }
        if self.complaints.is_due(&error.to_string(), now) {
            match missing.is_empty() {
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

    /// Whether the task has state, and where its changelogs end.
    fn state_of(&self, task: TaskId, ends: &BTreeMap<TopicPartition, i64>) -> TaskState {
        let Changelogs { own, inputs } = self.changelogs_of(task);
        if own.is_empty() && inputs.is_empty() {
            return TaskState::Stateless;
        }
        let ends = own.iter().chain(&inputs).map(|changelog| ends.get(changelog));
        TaskState::Logged { end: ends.sum() }
    }

    fn changelogs_of(&self, task: TaskId) -> Changelogs {
        Changelogs::of(&self.parts.topology, &self.parts.names, task)
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
            let changelogs =
                active.flat_map(|(task, _)| Changelogs::of(&topology, &names, *task).own);
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
        self.gone.none_missing();
        self.follow_topology(&found.topology);
        let counts = found.counts;
        let sources = self.parts.topology.subtopologies().iter();
        let sources = sources.flat_map(|part| &part.source_topics);
        let partitions: i32 = sources.filter_map(|topic| counts.of(topic)).sum();
        self.parts.clients.consumers(usize::try_from(partitions).unwrap_or(1))?;
        let inputs =
            look_up.tasks.keys().map(|task| (*task, self.inputs_of(*task, &counts))).collect();
        self.fetch_offsets(Begun { look_up, inputs, changelog_ends, changelogs });
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

/// What a task's stores are restored from.
struct Changelogs {
    own: Vec<TopicPartition>,
    /// Those that the task reads as well: where they end is what the group has processed.
    inputs: Vec<TopicPartition>,
}

impl Changelogs {
    fn of(topology: &Topology, names: &TopicNames, task: TaskId) -> Self {
        let (mut own, mut inputs) = (Vec::new(), Vec::new());
        let stores = topology.subtopology(task.subtopology).map(|part| &part.stores);
        let is_its =
            |spec: &&Arc<dyn StoreSpec>| stores.is_some_and(|stores| stores.contains(spec.name()));
        for spec in topology.stores().filter(is_its) {
            let of = |topic| TopicPartition { topic, partition: task.partition };
            match spec.logging() {
                Logging::Off => {}
                Logging::On(_) => own.push(of(names.changelog(spec.name()))),
                Logging::SourceTopic(topic) => inputs.push(of(topic.clone())),
            }
        }
        Self { own, inputs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::testing::Idle;
    use crate::topics::found;

    /// A copy would count as complete without having read any of it.
    #[test]
    fn an_input_that_serves_as_changelog_ends_where_the_group_has_processed_it() {
        let mut idle = Idle::reusing("assignment-reusing");
        let group = &mut idle.group;
        let found = found(&group.parts.topology, &group.parts.names, &["in"]);
        let (changelog_ends, changelogs) = Default::default();
        let counted = Counted { found, changelog_ends, changelogs };
        group.topics_prepared(Generation(1), Ok(counted)).unwrap();
        let task = TaskId::new(0, 0);
        let state =
            |ends: &[(TopicPartition, i64)]| group.state_of(task, &ends.iter().cloned().collect());
        let input = TopicPartition::new("in", 0);
        assert_eq!(state(&[(input.clone(), 7)]), TaskState::Logged { end: Some(7) });
        assert_eq!(state(&[]), TaskState::Logged { end: None });
        assert!(group.asks_how_far_is_processed(), "before the tasks are spread");
    }

    #[test]
    fn tasks_are_spread_at_once_where_no_input_serves_as_changelog() {
        let mut idle = Idle::counting("assignment-counting");
        let group = &mut idle.group;
        let (topology, names) = (&group.parts.topology, &group.parts.names);
        let found = found(topology, names, &["in"]);
        let task = TaskId::new(0, 0);
        let changelog = group.changelogs_of(task).own.remove(0);
        let changelog_ends = [(changelog, 5)].into();
        assert_eq!(group.state_of(task, &changelog_ends), TaskState::Logged { end: Some(5) });
        let counted = Counted { found, changelog_ends, changelogs: BTreeMap::new() };
        group.topics_prepared(Generation(1), Ok(counted)).unwrap();
        assert!(!group.asks_how_far_is_processed());
    }
}
