//! What the tests of this crate share: a directory, an outbox that records, and a task of stores.

mod scratch;
pub(crate) mod small_disk;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use streams_core::config::{DefaultTimestampExtractor, OwnSettings};
use streams_core::error::ProduceError;
use streams_core::handler::Handlers;
use streams_core::names::{TaskId, TopicName, TopicPartition};
use streams_core::outbox::{OutRecord, Outbox, TopicId};
use streams_core::processor::{ContextParts, EmitIntervals, TaskContext};
use streams_core::record::{Headers, RawRecord};
use streams_core::store::{
    CacheBudget, Logging, OpenStores, StateBackend, StoreSpec, StoreToOpen, StoresOf, TaskStores,
};
use streams_core::time::Timestamp;

pub(crate) use self::scratch::ScratchDirectory;
use crate::{MemoryBudget, RocksBackend, StateDirectory};

impl ScratchDirectory {
    pub(crate) fn backend(&self) -> RocksBackend {
        let directory = StateDirectory::open(self.path(), &"app".into()).unwrap();
        RocksBackend::new(directory, MemoryBudget::of(16 << 20))
    }
}

/// A record that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) topic: TopicName,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
    /// -1 for none.
    pub(crate) timestamp: i64,
    pub(crate) headers: Headers,
}

/// Keeps what is sent.
#[derive(Default)]
pub(crate) struct RecordingOutbox {
    topics: Vec<TopicName>,
    pub(crate) sent: Vec<Sent>,
}

impl Outbox for RecordingOutbox {
    fn topic(&mut self, name: &TopicName) -> TopicId {
        let known = self.topics.iter().position(|topic| topic == name);
        let at = known.unwrap_or_else(|| {
            self.topics.push(name.clone());
            self.topics.len() - 1
        });
        TopicId(u32::try_from(at).unwrap())
    }

    fn topic_name(&self, topic: TopicId) -> TopicName {
        self.topics[topic.0 as usize].clone()
    }

    fn partitions(&mut self, _: TopicId) -> Result<i32, ProduceError> {
        Ok(1)
    }

    fn send(&mut self, record: OutRecord<'_>) -> Result<(), ProduceError> {
        self.sent.push(Sent {
            topic: self.topics[record.topic.0 as usize].clone(),
            key: record.key.unwrap().to_vec(),
            value: record.value.map(<[u8]>::to_vec),
            timestamp: record.timestamp.unwrap_or(Timestamp::UNKNOWN).millis(),
            headers: record.headers.clone(),
        });
        Ok(())
    }
}

/// What a task is opened with.
pub(crate) struct Fixture {
    pub(crate) context: Rc<TaskContext>,
    pub(crate) outbox: Rc<RefCell<RecordingOutbox>>,
    pub(crate) cache: Rc<CacheBudget>,
    specs: Vec<Arc<dyn StoreSpec>>,
    pub(crate) task: TaskId,
}

impl Fixture {
    pub(crate) fn new(specs: Vec<Arc<dyn StoreSpec>>, cache_bytes: usize) -> Self {
        let task = TaskId::new(0, 0);
        let context = TaskContext::new(ContextParts {
            application_id: "app".into(),
            task,
            partitions: vec![TopicPartition::new("topic", 0)],
            handlers: Handlers::default(),
            timestamps: DefaultTimestampExtractor::FailOnInvalid,
            emit_intervals: EmitIntervals::NONE,
            own_settings: OwnSettings::default(),
        });
        Self {
            context: Rc::new(context),
            outbox: Rc::default(),
            cache: Rc::new(CacheBudget::new(cache_bytes)),
            specs,
            task,
        }
    }

    pub(crate) fn request(&self) -> OpenStores {
        let stores = self.specs.iter().map(|spec| {
            let topic = format!("app-{}-changelog", spec.name());
            let changelog = (spec.logging() != &Logging::Off)
                .then(|| TopicPartition::new(topic, self.task.partition));
            StoreToOpen { spec: Arc::clone(spec), restored_from: changelog.clone(), changelog }
        });
        OpenStores {
            task: self.task,
            owner: StoresOf::Task,
            task_number: 0,
            stores: stores.collect(),
            context: Rc::clone(&self.context),
            outbox: Rc::clone(&self.outbox) as _,
            cache: Rc::clone(&self.cache),
        }
    }

    pub(crate) fn open(&self, backend: &dyn StateBackend) -> Box<dyn TaskStores> {
        backend.open(self.request()).unwrap()
    }

    /// The task turns to a record of input partition 0.
    pub(crate) fn at(&self, offset: i64, timestamp: i64) {
        let timestamp = Timestamp::from_millis(timestamp);
        let _ = self.context.turn_to_cached(Some((0, offset)), timestamp, Headers::new());
    }

    /// How many records were sent.
    pub(crate) fn end(&self) -> i64 {
        i64::try_from(self.outbox.borrow().sent.len()).unwrap()
    }

    /// Replays the changelog from the store's position up to `end`. There is one store with a
    /// changelog.
    pub(crate) fn restore(&self, stores: &mut dyn TaskStores, store: usize, end: i64) {
        let from = stores.position(store).unwrap_or(0);
        let outbox = self.outbox.borrow();
        for (offset, sent) in (0..end).zip(&outbox.sent) {
            if offset < from {
                continue;
            }
            let record = RawRecord {
                key: Some(&sent.key),
                value: sent.value.as_deref(),
                timestamp: Timestamp::from_millis(sent.timestamp),
                offset,
                leader_epoch: None,
                headers: sent.headers.clone(),
            };
            stores.restore(store, &record).unwrap();
        }
        stores.restored_up_to(store, end).unwrap();
    }
}

/// The handle of a store.
pub(crate) fn handle<S: 'static>(stores: &dyn TaskStores, name: &str) -> S {
    *stores.handle(&name.into()).unwrap().downcast::<S>().unwrap()
}
