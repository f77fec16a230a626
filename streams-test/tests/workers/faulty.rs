//! Stores and brokers that fail when a test says so.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use streams_core::error::{ProduceError, StoreError};
use streams_core::names::{StoreName, TopicPartition};
use streams_core::outbox::SharedOutbox;
use streams_core::plane::{DataPlane, Delivery, Fetched, InputId, ReadFor, StartAt};
use streams_core::record::RawRecord;
use streams_core::store::{
    ChangelogTopic, OpenStores, SharedStores, StateBackend, StoreIdentity, TaskStores,
};
use streams_core::time::Timestamp;
use streams_state::MemoryBackend;
use streams_test::ModelPlane;

/// What tests set, and user code obeys.
#[derive(Default)]
pub(crate) struct Fuses {
    /// How many more times the value `panic` panics.
    pub(crate) panics: AtomicU32,
    /// Processors made.
    pub(crate) made: AtomicU32,
    /// How many more commits of the stores find the store `counts` damaged.
    pub(crate) damaged: AtomicU32,
    /// How many more times the disk is found full: when stores are opened, restored, emptied
    /// or committed.
    pub(crate) full: AtomicU32,
    /// Times that stores were committed.
    pub(crate) written: AtomicU32,
    /// How many more times the second store of a task cannot begin to be restored.
    pub(crate) unwritable: AtomicU32,
}

pub(crate) fn blows(fuse: &AtomicU32) -> bool {
    fuse.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

fn has_space(fuses: &Fuses) -> Result<(), StoreError> {
    if !blows(&fuses.full) {
        return Ok(());
    }
    let source = std::io::Error::from(std::io::ErrorKind::StorageFull).into();
    Err(StoreError::DiskFull { store: "counts".into(), action: "write its rows", source })
}

/// Stores that find themselves damaged when a test says so.
struct Damageable {
    stores: Box<dyn TaskStores>,
    fuses: Arc<Fuses>,
}

pub(crate) struct Backend(pub(crate) MemoryBackend, pub(crate) Arc<Fuses>);

impl StateBackend for Backend {
    fn open(&self, request: OpenStores) -> Result<Box<dyn TaskStores>, StoreError> {
        has_space(&self.1)?;
        let (stores, fuses) = (self.0.open(request)?, Arc::clone(&self.1));
        Ok(Box::new(Damageable { stores, fuses }))
    }
}

impl TaskStores for Damageable {
    fn handle(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        self.stores.handle(store)
    }

    fn read_only_handle(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        self.stores.read_only_handle(store)
    }
    fn position(&self, store: usize) -> Option<i64> {
        self.stores.position(store)
    }
    fn restore(&mut self, store: usize, record: &RawRecord<'_>) -> Result<(), StoreError> {
        self.stores.restore(store, record)
    }
    fn restored_up_to(&mut self, store: usize, next_offset: i64) -> Result<(), StoreError> {
        has_space(&self.fuses)?;
        self.stores.restored_up_to(store, next_offset)
    }
    fn wipe(&mut self, store: usize) -> Result<(), StoreError> {
        has_space(&self.fuses)?;
        self.stores.wipe(store)
    }
    fn identity(&self, store: usize) -> StoreIdentity {
        self.stores.identity(store)
    }
    fn belongs_to(&mut self, store: usize, topic: &ChangelogTopic) {
        self.stores.belongs_to(store, topic);
    }
    fn staged_bytes(&self) -> usize {
        self.stores.staged_bytes()
    }
    fn commit(&mut self, positions: &[(usize, i64)]) -> Result<(), StoreError> {
        if blows(&self.fuses.damaged) {
            let (store, detail) = ("counts".into(), "a bit has flipped".to_owned());
            return Err(StoreError::Corrupted { store, detail });
        }
        has_space(&self.fuses)?;
        self.fuses.written.fetch_add(1, Ordering::Relaxed);
        self.stores.commit(positions)
    }
    fn commit_unlogged(&mut self) -> Result<(), StoreError> {
        self.stores.commit_unlogged()
    }
    fn flush_caches(&mut self) -> Result<(), StoreError> {
        self.stores.flush_caches()
    }
    fn set_current_at(&mut self, store: usize, time: Timestamp) -> Result<(), StoreError> {
        if store == 1 && blows(&self.fuses.unwritable) {
            let (action, source) = ("write its position", "the disk is full".into());
            return Err(StoreError::Io { store: "more".into(), action, source });
        }
        self.stores.set_current_at(store, time)
    }
    fn discard(&mut self) {
        self.stores.discard();
    }
    fn shared(&self) -> Option<Arc<dyn SharedStores>> {
        self.stores.shared()
    }
}

/// What becomes of records on their way.
#[derive(Default)]
pub(crate) struct Brokers {
    /// How many more deliveries come back undelivered, with this error.
    pub(crate) lost: Cell<u32>,
    pub(crate) error: RefCell<Option<ProduceError>>,
    /// Why the producer has failed, until it is made anew.
    pub(crate) failure: RefCell<Option<ProduceError>>,
    /// How often it was made anew.
    pub(crate) renewed: Cell<u32>,
    /// How often what it had not sent yet was dropped.
    pub(crate) abandoned: Cell<u32>,
    /// Partitions that are being read.
    pub(crate) open: Cell<u32>,
    /// Whether they wait for more records at the end of a partition, and say nothing.
    pub(crate) wait_at_ends: Cell<bool>,
}

/// The model, with brokers that may be away.
pub(crate) struct Plane(pub(crate) ModelPlane, pub(crate) Rc<Brokers>);

impl DataPlane for Plane {
    fn outbox(&self) -> SharedOutbox {
        self.0.outbox()
    }
    fn open(&mut self, partition: &TopicPartition, start: StartAt, purpose: ReadFor) -> InputId {
        self.1.open.set(self.1.open.get() + 1);
        self.0.open(partition, start, purpose)
    }
    fn close(&mut self, input: InputId) {
        self.1.open.set(self.1.open.get() - 1);
        self.0.close(input);
    }
    fn fetch(&mut self, input: InputId, max: usize) -> Fetched {
        match self.0.fetch(input, max) {
            Fetched::End(_) if self.1.wait_at_ends.get() => Fetched::Nothing,
            fetched => fetched,
        }
    }
    fn lag(&mut self, input: InputId) -> Option<i64> {
        self.0.lag(input)
    }
    fn failure(&mut self) -> Option<ProduceError> {
        self.1.failure.borrow().clone()
    }
    fn renew(&mut self) {
        if self.1.failure.take().is_some() {
            self.1.renewed.set(self.1.renewed.get() + 1);
        }
    }
    fn abandon(&mut self) {
        self.1.abandoned.set(self.1.abandoned.get() + 1);
        self.0.abandon();
    }
    fn deliveries(&mut self, each: &mut dyn FnMut(Delivery)) -> usize {
        let brokers = &self.1;
        self.0.deliveries(&mut |delivery| {
            let lost = brokers.lost.get();
            let error = brokers.error.borrow().clone().filter(|_| lost > 0);
            brokers.lost.set(lost.saturating_sub(1));
            let outcome = error.map_or_else(|| delivery.outcome.clone(), Err);
            each(Delivery { outcome, ..delivery });
        })
    }
    fn undelivered_of(&self, task: u32) -> usize {
        self.0.undelivered_of(task)
    }
}
