//! The task that fills the global stores of a driver.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use streams_core::metrics::DropCounts;
use streams_core::names::{StoreName, TaskId, TopicPartition};
use streams_core::outbox::SharedOutbox;
use streams_core::store::{Access, CacheBudget, GlobalStores};
use streams_core::task::{Task, TaskIdle, TaskParts};
use streams_core::time::Timestamp;
use streams_core::topology::TopicNames;

use super::builder::DriverBuilder;
use super::engine::feed;
use super::error::TestError;
use crate::model::KafkaModel;

/// One task of all global stores. It reads its topics from their beginning, and a record at once
/// when it is there.
pub(super) struct GlobalTask(RefCell<Filling>);

struct Filling {
    task: Task,
    /// By input partition: the next offset to read.
    positions: Vec<i64>,
}

impl GlobalStores for GlobalTask {
    fn handle(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        self.0.borrow().task.stores().read_only_handle(store)
    }

    fn handle_with_headers(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        self.0.borrow().task.stores().handle_with_headers(store, Access::Read)
    }
}

impl GlobalTask {
    /// The task of a topology that has global stores.
    pub(super) fn of(
        setup: &DriverBuilder,
        names: &TopicNames,
        kafka: &KafkaModel,
        outbox: &SharedOutbox,
        cache: &Rc<CacheBudget>,
    ) -> Result<Option<Rc<Self>>, TestError> {
        let globals = setup.topology.global_stores();
        let Some(first) = globals.first() else { return Ok(None) };
        let partitions: Vec<TopicPartition> = globals
            .iter()
            .flat_map(|global| {
                let partitions = kafka.partitions(&global.topic).unwrap_or(1);
                (0..partitions).map(|at| TopicPartition::new(global.topic.clone(), at))
            })
            .collect();
        let positions = partitions.iter().map(|at| kafka.offsets(at).map_or(0, |(start, _)| start));
        let positions = positions.collect();
        let context =
            setup.context(TaskId { subtopology: first.part.id, partition: 0 }, partitions);
        let task = Task::new(TaskParts {
            topology: setup.topology.clone(),
            subtopologies: globals.iter().map(|global| global.part.id).collect(),
            names: names.clone(),
            context: Rc::new(context),
            globals: None,
            backend: &*setup.state,
            outbox: Rc::clone(outbox),
            cache: Rc::clone(cache),
            task_number: u32::MAX,
            idle: TaskIdle::Disabled,
        })?;
        Ok(Some(Rc::new(Self(RefCell::new(Filling { task, positions })))))
    }

    pub(super) fn start(&self, now: Timestamp) -> Result<(), TestError> {
        Ok(self.0.borrow_mut().task.start(now)?)
    }

    /// Takes all that lies in the topics.
    pub(super) fn catch_up(&self, kafka: &KafkaModel, now: Timestamp) -> Result<(), TestError> {
        let Filling { task, positions } = &mut *self.0.borrow_mut();
        feed(task, positions, kafka, now)?;
        while task.process(now)? {
            task.flush_caches(now)?;
        }
        if task.needs_commit() {
            task.committed(&[])?;
        }
        Ok(())
    }

    pub(super) fn dropped(&self) -> DropCounts {
        self.0.borrow().task.dropped()
    }
}
