//! A task of one store whose changelog goes nowhere.

#[path = "../../src/testing/scratch.rs"]
pub(crate) mod scratch;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use streams_core::config::{DefaultTimestampExtractor, OwnSettings};
use streams_core::error::ProduceError;
use streams_core::handler::Handlers;
use streams_core::names::{TaskId, TopicName, TopicPartition};
use streams_core::outbox::{OutRecord, Outbox, TopicId};
use streams_core::processor::{ContextParts, EmitIntervals, TaskContext};
use streams_core::store::{
    CacheBudget, OpenStores, StateBackend, StoreSpec, StoreToOpen, StoresOf, TaskStores,
};

/// Takes records and forgets them.
pub(crate) struct Nowhere;

impl Outbox for Nowhere {
    fn topic(&mut self, _: &TopicName) -> TopicId {
        TopicId(0)
    }

    fn topic_name(&self, _: TopicId) -> TopicName {
        "nowhere".into()
    }

    fn partitions(&mut self, _: TopicId) -> Result<i32, ProduceError> {
        Ok(1)
    }

    fn send(&mut self, record: OutRecord<'_>) -> Result<(), ProduceError> {
        std::hint::black_box(record);
        Ok(())
    }
}

/// Opens a task with one store.
pub(crate) fn open(
    backend: &dyn StateBackend,
    task: i32,
    specs: &[Arc<dyn StoreSpec>],
    cache: usize,
) -> Box<dyn TaskStores> {
    let task = TaskId::new(0, task);
    let context = TaskContext::new(ContextParts {
        application_id: "bench".into(),
        task,
        partitions: vec![TopicPartition::new("input", 0)],
        handlers: Handlers::default(),
        timestamps: DefaultTimestampExtractor::FailOnInvalid,
        emit_intervals: EmitIntervals::default(),
        own_settings: OwnSettings::default(),
    });
    let stores = specs.iter().map(|spec| {
        let topic = format!("bench-{}-changelog", spec.name());
        let changelog = Some(TopicPartition::new(topic, task.partition));
        StoreToOpen { spec: Arc::clone(spec), restored_from: changelog.clone(), changelog }
    });
    let request = OpenStores {
        task,
        owner: StoresOf::Task,
        task_number: 0,
        stores: stores.collect(),
        context: Rc::new(context),
        outbox: Rc::new(RefCell::new(Nowhere)),
        cache: Rc::new(CacheBudget::new(cache)),
    };
    backend.open(request).expect("the stores open")
}

/// The handle of a store.
pub(crate) fn handle<S: 'static>(stores: &dyn TaskStores, name: &str) -> S {
    let handle = stores.handle(&name.into()).expect("there is such a store");
    *handle.downcast::<S>().expect("it is of this type")
}
