//! What a driver does: it feeds tasks from the model, runs them, and commits.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use streams_core::murmur2::partition_for_key;
use streams_core::names::{TopicName, TopicPartition};
use streams_core::outbox::Purpose;
use streams_core::plane::DataPlane;
use streams_core::store::CacheBudget;
use streams_core::task::Task;
use streams_core::time::{Now, Timestamp};
use streams_core::topology::TopicNames;

use super::builder::{CommitWhen, DriverBuilder, Layout};
use super::error::TestError;
use super::global::GlobalTask;
use super::tasks;
use crate::model::{CommittedOffset, KafkaModel, ModelBatch, ModelPlane, ModelRecord, NewRecord};

/// A task with its place in its inputs.
pub(super) struct RunningTask {
    pub(super) task: Task,
    /// By input partition: the next offset to read.
    positions: Vec<i64>,
    /// By store: the offset after the last change that was sent since the last commit.
    changed: BTreeMap<usize, i64>,
}

impl RunningTask {
    pub(super) const fn new(task: Task, positions: Vec<i64>) -> Self {
        Self { task, positions, changed: BTreeMap::new() }
    }

    /// By store: the position to keep with its data.
    fn store_positions(&mut self) -> Vec<(usize, i64)> {
        let mut positions = std::mem::take(&mut self.changed);
        let offsets = self.task.offsets();
        for (store, from) in self.task.restored_from().iter().enumerate() {
            let source = offsets.iter().find(|offset| Some(&offset.partition) == from.as_ref());
            if let Some(source) = source {
                positions.insert(store, source.offset);
            }
        }
        positions.into_iter().collect()
    }
}

/// Queues what lies in a task's input partitions, in the order in which it was appended.
pub(super) fn feed(
    task: &mut Task,
    positions: &mut [i64],
    kafka: &KafkaModel,
    now: Timestamp,
) -> Result<(), TestError> {
    let mut arrived: Vec<(usize, Arc<ModelRecord>)> = Vec::new();
    for (slot, position) in positions.iter_mut().enumerate() {
        let Some(input) = task.partitions().get(slot) else { continue };
        let records = kafka.read(input, *position, usize::MAX).unwrap_or_default();
        if let Some(last) = records.last() {
            *position = last.offset + 1;
        }
        arrived.extend(records.into_iter().map(|record| (slot, record)));
    }
    arrived.sort_by_key(|(_, record)| record.sequence);
    for (slot, record) in arrived {
        task.add(slot, Box::new(ModelBatch::new(vec![record])), now)?;
    }
    for slot in 0..positions.len() {
        task.set_lag(slot, Some(0));
    }
    Ok(())
}

pub(super) struct Engine {
    pub(super) setup: DriverBuilder,
    pub(super) kafka: KafkaModel,
    pub(super) plane: ModelPlane,
    pub(super) tasks: Vec<RunningTask>,
    pub(super) globals: Option<Rc<GlobalTask>>,
    pub(super) now: Timestamp,
    inputs: Vec<TopicName>,
    /// By topic: how many records without a key were piped.
    without_key: BTreeMap<TopicName, i32>,
    since_commit: u32,
    stopped: bool,
}

impl Engine {
    pub(super) fn new(mut setup: DriverBuilder) -> Result<Self, TestError> {
        let names = TopicNames::new(&setup.application_id);
        setup.topology = tasks::matching(&setup, &names)?;
        let kafka = tasks::topics(&setup, &names)?;
        kafka.set_now(setup.now);
        let plane = ModelPlane::new(&kafka);
        let cache = Rc::new(CacheBudget::new(setup.cache_bytes));
        let globals = GlobalTask::of(&setup, &names, &kafka, &plane.outbox(), &cache)?;
        if let Some(globals) = &globals {
            globals.start(setup.now)?;
            globals.catch_up(&kafka, setup.now)?;
        }
        let shared = (&plane.outbox(), &cache);
        let tasks = tasks::tasks(&setup, &names, &kafka, shared, globals.as_ref())?;
        let sources = setup.topology.subtopologies().iter().flat_map(|part| &part.source_topics);
        let global = setup.topology.global_stores().iter().map(|global| &global.topic);
        let sources = sources.chain(global);
        let inputs = sources.map(|topic| names.in_kafka(&setup.topology, topic)).collect();
        let mut engine = Self {
            now: setup.now,
            setup,
            kafka,
            plane,
            tasks,
            globals,
            inputs,
            without_key: BTreeMap::new(),
            since_commit: 0,
            stopped: false,
        };
        engine.start()?;
        Ok(engine)
    }

    fn start(&mut self) -> Result<(), TestError> {
        for running in &mut self.tasks {
            running.task.start(self.now)?;
        }
        Ok(())
    }

    /// Does one thing, and all the work that follows from it.
    pub(super) fn run(
        &mut self,
        first: impl FnOnce(&mut Self) -> Result<(), TestError>,
    ) -> Result<(), TestError> {
        if self.stopped {
            return Err(TestError::Stopped);
        }
        let done = first(self).and_then(|()| self.complete_work());
        self.stopped = matches!(done, Err(TestError::Task(_) | TestError::Start(_)));
        done
    }

    /// Processes records until none is left that may be processed now.
    fn complete_work(&mut self) -> Result<(), TestError> {
        self.feed()?;
        loop {
            let mut progress = false;
            for at in 0..self.tasks.len() {
                progress |= self.step(at)?;
            }
            if !progress {
                return Ok(());
            }
        }
    }

    fn feed(&mut self) -> Result<(), TestError> {
        if let Some(globals) = &self.globals {
            globals.catch_up(&self.kafka, self.now)?;
        }
        self.tasks.iter_mut().try_for_each(|running| {
            feed(&mut running.task, &mut running.positions, &self.kafka, self.now)
        })
    }

    /// One record of one task. Whether there was one.
    fn step(&mut self, at: usize) -> Result<bool, TestError> {
        let now = self.now;
        let Some(RunningTask { task, .. }) = self.tasks.get_mut(at) else { return Ok(false) };
        if !task.has_records() || !task.is_processable(Now::from_wall(now).moment) {
            return Ok(false);
        }
        task.process(now)?;
        task.punctuate_stream_time()?;
        let is_requested = task.is_commit_requested();
        self.since_commit += 1;
        let due = match self.setup.commit {
            _ if is_requested => true,
            CommitWhen::EachRecord => true,
            CommitWhen::Every(records) => self.since_commit >= records,
            CommitWhen::WhenTold => false,
        };
        if due {
            self.commit()?;
        }
        self.feed()?;
        Ok(true)
    }

    /// Commits every task that did anything.
    pub(super) fn commit(&mut self) -> Result<(), TestError> {
        self.since_commit = 0;
        for at in 0..self.tasks.len() {
            self.commit_task(at)?;
        }
        Ok(())
    }

    fn commit_task(&mut self, at: usize) -> Result<(), TestError> {
        let Some(running) = self.tasks.get_mut(at) else { return Ok(()) };
        if !running.task.needs_commit() {
            return Ok(());
        }
        running.task.flush_caches(self.now)?;
        running.task.commit_unlogged()?;
        self.collect_deliveries();
        let Some(running) = self.tasks.get_mut(at) else { return Ok(()) };
        let offsets = running.task.offsets().into_iter().map(|offset| {
            let committed = CommittedOffset {
                offset: offset.offset,
                leader_epoch: offset.leader_epoch,
                metadata: offset.metadata,
            };
            (offset.partition, committed)
        });
        self.kafka.commit_offsets(&self.setup.application_id, offsets)?;
        let positions = running.store_positions();
        running.task.committed(&positions)?;
        Ok(())
    }

    /// Notes how far each changelog was acknowledged.
    fn collect_deliveries(&mut self) {
        let tasks = &mut self.tasks;
        self.plane.deliveries(&mut |delivery| {
            if let (Purpose::Changelog { task, store }, Ok(offset)) =
                (delivery.purpose, delivery.outcome)
                && let Some(running) = tasks.get_mut(task as usize)
            {
                running.changed.insert(store as usize, offset + 1);
            }
        });
    }

    /// Appends a record to an input topic.
    pub(super) fn append(
        &mut self,
        topic: &TopicName,
        partition: Option<i32>,
        record: NewRecord,
    ) -> Result<(), TestError> {
        if !self.inputs.contains(topic) {
            return Err(TestError::UnknownTopic(topic.clone()));
        }
        let partition = partition.unwrap_or_else(|| self.partition_for(topic, &record));
        let at = TopicPartition { topic: topic.clone(), partition };
        let appended = self.kafka.append(&at, record);
        appended.map_err(|source| TestError::Pipe { topic: topic.clone(), source })?;
        Ok(())
    }

    fn partition_for(&mut self, topic: &TopicName, record: &NewRecord) -> i32 {
        if self.setup.layout == Layout::OneTask {
            return 0;
        }
        let partitions = self.kafka.partitions(topic).unwrap_or(1);
        if let Some(key) = &record.key {
            return partition_for_key(key, partitions);
        }
        let count = self.without_key.entry(topic.clone()).or_insert(-1);
        *count = count.wrapping_add(1);
        count.rem_euclid(partitions)
    }

    /// Moves the clock, and calls what is due.
    pub(super) fn advance(&mut self, by: Duration) -> Result<(), TestError> {
        self.now = self.now.plus(by);
        self.kafka.set_now(self.now);
        for running in &mut self.tasks {
            running.task.punctuate_wall_clock(self.now)?;
        }
        let is_requested = self.tasks.iter().any(|running| running.task.is_commit_requested());
        if is_requested || self.setup.commit == CommitWhen::EachRecord {
            self.commit()?;
        }
        Ok(())
    }

    /// Goes back to the last commit.
    pub(super) fn restart(&mut self) -> Result<(), TestError> {
        self.collect_deliveries();
        for running in &mut self.tasks {
            running.task.reset()?;
            running.changed.clear();
            running.positions = tasks::resume(&self.setup, &self.kafka, &mut running.task);
        }
        self.stopped = false;
        self.since_commit = 0;
        self.run(Self::start)
    }
}
