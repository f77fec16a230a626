//! Making the tasks of a driver, and restoring their stores.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use streams_core::names::{SubtopologyId, TaskId, TopicName, TopicPartition};
use streams_core::outbox::SharedOutbox;
use streams_core::store::{CacheBudget, GlobalStores};
use streams_core::task::commit_metadata::CommitMetadata;
use streams_core::task::{Task, TaskParts};
use streams_core::topology::{InternalTopicKind, PartitionCounts, TopicNames, Topology};

use super::builder::{DriverBuilder, Layout};
use super::engine::RunningTask;
use super::error::TestError;
use super::global::GlobalTask;
use crate::model::{AutoCreate, KafkaModel};

/// Kafka's default of `windowstore.changelog.additional.retention.ms`.
const ADDITIONAL_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// The topology, whose patterns stand for the topics that were told or exist.
pub(super) fn matching(setup: &DriverBuilder, names: &TopicNames) -> Result<Topology, TestError> {
    let existing = setup.kafka.iter().flat_map(KafkaModel::topics);
    let all: Vec<TopicName> = setup.topics.keys().cloned().chain(existing).collect();
    setup.topology.matching(names, &all).map_err(TestError::Pattern)
}

/// Makes the topics that do not exist yet.
pub(super) fn topics(setup: &DriverBuilder, names: &TopicNames) -> Result<KafkaModel, TestError> {
    let partitions = match setup.layout {
        Layout::OneTask => 1,
        Layout::TaskPerPartition { partitions } => partitions,
    };
    let auto_create = AutoCreate::Partitions(partitions);
    let kafka = match &setup.kafka {
        Some(kafka) => kafka.clone(),
        // Kafka's driver takes records of any size.
        None => KafkaModel::new().auto_create(auto_create).without_size_limit(),
    };
    let topology = &setup.topology;
    let sources = topology.subtopologies().iter().flat_map(|part| &part.source_topics);
    let sources = sources.chain(topology.global_stores().iter().map(|global| &global.topic));
    for topic in sources.filter(|topic| !topology.is_repartition_topic(topic)) {
        if kafka.partitions(topic).is_none() {
            let partitions = setup.topics.get(topic).copied().unwrap_or(partitions);
            kafka.create_topic_of_any_name(topic.clone(), partitions, BTreeMap::new())?;
        }
    }
    // One task takes one partition, whatever number was asked for.
    let counts = match setup.layout {
        Layout::OneTask => None,
        Layout::TaskPerPartition { .. } => Some(partition_counts(setup, &kafka)?),
    };
    for topic in topology.internal_topics(names) {
        if kafka.partitions(&topic.name).is_some() {
            continue;
        }
        let count = counts.as_ref().map_or(1, |counts| match &topic.kind {
            InternalTopicKind::Changelog(store) => counts.of_changelog(topology, store),
            InternalTopicKind::Repartition(_) => internal_count(setup, names, counts, &topic.name),
        });
        let settings = match setup.layout {
            // Kafka's driver has no broker, which would refuse to compact a record without a key.
            Layout::OneTask => BTreeMap::new(),
            Layout::TaskPerPartition { .. } => {
                topic.settings(&BTreeMap::new(), ADDITIONAL_RETENTION)
            }
        };
        kafka.create_topic_of_any_name(topic.name, count, settings)?;
    }
    Ok(kafka)
}

fn internal_count(
    setup: &DriverBuilder,
    names: &TopicNames,
    counts: &PartitionCounts,
    in_kafka: &TopicName,
) -> i32 {
    let mut sources = setup.topology.subtopologies().iter().flat_map(|part| &part.source_topics);
    let topic = sources.find(|topic| names.in_kafka(&setup.topology, topic) == *in_kafka);
    topic.and_then(|topic| counts.of(topic)).unwrap_or(1)
}

fn partition_counts(
    setup: &DriverBuilder,
    kafka: &KafkaModel,
) -> Result<PartitionCounts, TestError> {
    PartitionCounts::derive(&setup.topology, |topic| kafka.partitions(topic))
        .map_err(TestError::Partitions)
}

/// A task to make: its name, its sub-topologies, and its input partitions in the order of slots.
struct Plan {
    id: TaskId,
    subtopologies: Vec<SubtopologyId>,
    inputs: Vec<TopicPartition>,
}

fn plans(
    setup: &DriverBuilder,
    names: &TopicNames,
    kafka: &KafkaModel,
) -> Result<Vec<Plan>, TestError> {
    let topology = &setup.topology;
    let in_kafka = |topic: &TopicName| names.in_kafka(topology, topic);
    if setup.layout == Layout::OneTask {
        let parts = topology.subtopologies().iter();
        let subtopologies = parts.clone().map(|part| part.id).collect();
        let topics = parts.flat_map(|part| &part.source_topics).map(in_kafka);
        let mut inputs: Vec<_> = topics.map(|topic| TopicPartition::new(topic, 0)).collect();
        inputs.dedup();
        return Ok(vec![Plan { id: TaskId::new(0, 0), subtopologies, inputs }]);
    }
    let counts = partition_counts(setup, kafka)?;
    let parts = topology.subtopologies().iter();
    let tasks = parts.flat_map(|part| (0..counts.tasks(part)).map(move |at| (part, at)));
    let plan = tasks.map(|(part, partition)| {
        let has = |topic: &&TopicName| counts.of(topic).is_some_and(|count| partition < count);
        let topics = part.source_topics.iter().filter(has).map(in_kafka);
        let inputs = topics.map(|topic| TopicPartition::new(topic, partition)).collect();
        let id = TaskId { subtopology: part.id, partition };
        Plan { id, subtopologies: vec![part.id], inputs }
    });
    Ok(plan.collect())
}

/// Makes the tasks of a driver. Their stores are restored, their inputs stand where the group
/// committed them, they are not started.
pub(super) fn tasks(
    setup: &DriverBuilder,
    names: &TopicNames,
    kafka: &KafkaModel,
    (outbox, cache): (&SharedOutbox, &Rc<CacheBudget>),
    globals: Option<&Rc<GlobalTask>>,
) -> Result<Vec<RunningTask>, TestError> {
    let mut tasks = Vec::new();
    for (plan, task_number) in plans(setup, names, kafka)?.into_iter().zip(0..) {
        let context = setup.context(plan.id, plan.inputs.clone());
        let mut task = Task::new(TaskParts {
            topology: setup.topology.clone(),
            subtopologies: plan.subtopologies,
            names: names.clone(),
            context: Rc::new(context),
            globals: globals.map(|globals| Rc::clone(globals) as Rc<dyn GlobalStores>),
            backend: &*setup.state,
            outbox: Rc::clone(outbox),
            cache: Rc::clone(cache),
            task_number,
            idle: setup.idle,
        })?;
        restore(setup, kafka, &mut task)?;
        let positions = resume(setup, kafka, &mut task);
        tasks.push(RunningTask::new(task, positions));
    }
    Ok(tasks)
}

/// By input partition: the offset to read next. Brings back the partitions' times.
pub(super) fn resume(setup: &DriverBuilder, kafka: &KafkaModel, task: &mut Task) -> Vec<i64> {
    let inputs = task.partitions().to_vec();
    let positions = inputs.iter().enumerate().map(|(slot, input)| {
        let Some(committed) = kafka.committed_offset(&setup.application_id, input) else {
            return kafka.offsets(input).map_or(0, |(start, _)| start);
        };
        task.resume(slot, &CommitMetadata::decode(&committed.metadata));
        committed.offset
    });
    positions.collect()
}

/// Replays changelogs into the stores. A source topic that serves as a changelog is replayed up to
/// the committed offset only: what follows will be processed.
fn restore(setup: &DriverBuilder, kafka: &KafkaModel, task: &mut Task) -> Result<(), TestError> {
    let sources = task.restored_from().to_vec();
    for (store, from) in sources.into_iter().enumerate() {
        let Some(from) = from else { continue };
        let Some((start, mut end)) = kafka.offsets(&from) else { continue };
        if task.partitions().contains(&from) {
            let committed = kafka.committed_offset(&setup.application_id, &from);
            end = committed.map_or(start, |committed| committed.offset.min(end));
        }
        let position = task.stores().position(store).unwrap_or(start).max(start);
        let records = kafka.read(&from, position, usize::MAX).unwrap_or_default();
        let stores = task.stores_mut();
        for record in records.iter().filter(|record| record.offset < end) {
            stores.restore(store, &record.raw()).map_err(TestError::Restore)?;
        }
        stores.restored_up_to(store, end).map_err(TestError::Restore)?;
    }
    Ok(())
}
