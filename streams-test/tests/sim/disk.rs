//! The state directory of a process: what it holds survives the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use streams_core::error::StoreError;
use streams_core::membership::MemberId;
use streams_core::names::{StoreName, TaskId};
use streams_core::record::{Headers, RawRecord};
use streams_core::store::{
    ChangelogTopic, Deletions, OpenStores, StateBackend, StoreIdentity, TaskStores,
};
use streams_core::time::Timestamp;
use streams_state::{KeyValueStore, MemoryBackend};
use streams_test::model::WriterId;

use super::defects::Defect;
use super::process::Setting;

/// What lies on disk of one store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) rows: BTreeMap<String, String>,
    pub(crate) position: Option<i64>,
    identity: StoreIdentity,
}

#[derive(Debug, Default)]
struct Content {
    images: BTreeMap<(TaskId, StoreName), Image>,
    last_member: Option<MemberId>,
    on_disk: BTreeMap<TaskId, i64>,
    is_full: bool,
}

/// A disk; clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    content: Arc<Mutex<Content>>,
    defect: Option<Defect>,
    /// Whose records to look for, where stores are written before the offsets are committed.
    early: Option<(Setting, WriterId)>,
}

impl Disk {
    pub(crate) fn new(defect: Option<Defect>) -> Self {
        Self { content: Arc::default(), defect, early: None }
    }

    /// The same disk, for a worker that writes by this name.
    pub(crate) fn of_writer(&self, setting: &Setting, writer: WriterId) -> Self {
        let is_early = self.defect == Some(Defect::StoreBeforeOffsets);
        let early = is_early.then(|| (setting.clone(), writer));
        Self { early, ..self.clone() }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap()
    }

    pub(crate) fn images(&self) -> BTreeMap<(TaskId, StoreName), Image> {
        self.content().images.clone()
    }

    pub(crate) fn wipe(&self) {
        *self.content() = Content::default();
    }

    /// Takes all of its space, or gives it back. Whether it is full now.
    pub(crate) fn fill_or_free(&self) -> bool {
        let mut content = self.content();
        content.is_full = !content.is_full;
        content.is_full
    }

    pub(crate) fn free(&self) {
        self.content().is_full = false;
    }

    fn has_space_for(&self, store: &StoreName) -> Result<(), StoreError> {
        if self.content().is_full {
            let (store, source) = (store.clone(), "no space left".into());
            return Err(StoreError::DiskFull { store, action: "write its rows", source });
        }
        Ok(())
    }

    pub(crate) fn remember(&self, member: Option<MemberId>) {
        self.content().last_member = member;
    }

    pub(crate) fn last_member(&self) -> Option<MemberId> {
        self.content().last_member.clone()
    }

    pub(crate) fn keep_positions(&self, on_disk: &BTreeMap<TaskId, i64>) {
        self.content().on_disk.clone_from(on_disk);
    }

    pub(crate) fn positions(&self) -> BTreeMap<TaskId, i64> {
        self.content().on_disk.clone()
    }
}

impl StateBackend for Disk {
    fn open(&self, request: OpenStores) -> Result<Box<dyn TaskStores>, StoreError> {
        let task = request.task;
        let names: Vec<StoreName> =
            request.stores.iter().map(|store| store.spec.name().clone()).collect();
        let mut stores = MemoryBackend::new().open(request)?;
        for (at, name) in names.iter().enumerate() {
            let image = self.content().images.get(&(task, name.clone())).cloned();
            let Some(Image { rows, position: Some(position), identity }) = image else { continue };
            for (key, value) in rows {
                stores.restore(at, &row(&key, &value))?;
            }
            stores.restored_up_to(at, position)?;
            identify(&mut *stores, at, identity)?;
        }
        Ok(Box::new(OnDisk { stores, names, task, disk: self.clone() }))
    }
}

fn identify(
    stores: &mut dyn TaskStores,
    store: usize,
    identity: StoreIdentity,
) -> Result<(), StoreError> {
    let StoreIdentity { cluster_id, topic_id, current_at } = identity;
    let deletions = Deletions::default();
    stores.belongs_to(store, &ChangelogTopic { cluster_id, topic_id, deletions });
    current_at.map_or(Ok(()), |time| stores.set_current_at(store, time))
}

fn row<'a>(key: &'a str, value: &'a str) -> RawRecord<'a> {
    RawRecord {
        key: Some(key.as_bytes()),
        value: Some(value.as_bytes()),
        timestamp: Timestamp::from_millis(0),
        offset: 0,
        leader_epoch: None,
        headers: Headers::default(),
    }
}

/// Stores in memory whose commits go to the disk.
struct OnDisk {
    stores: Box<dyn TaskStores>,
    names: Vec<StoreName>,
    task: TaskId,
    disk: Disk,
}

impl OnDisk {
    /// The rows of a store, staged ones among them.
    fn rows(&self, store: usize) -> BTreeMap<String, String> {
        let handle = self.stores.handle(&self.names[store]).unwrap();
        let store = handle.downcast::<KeyValueStore<String, String>>().unwrap();
        store.all().unwrap().map(Result::unwrap).collect()
    }

    /// The offset behind what the worker has sent of a store's changes.
    fn sent_up_to(&self) -> Option<i64> {
        let (setting, writer) = self.disk.early.as_ref()?;
        let changelog = setting.app.changelog(self.task);
        let records = setting.kafka.records(&changelog.topic);
        let mut own = records.iter().rev().filter(|record| record.partition == changelog.partition);
        Some(own.find(|record| record.writer == *writer)?.offset + 1)
    }

    fn saved_position(&self, store: usize) -> Option<i64> {
        let name = (self.task, self.names[store].clone());
        self.disk.content().images.get(&name)?.position
    }

    fn save(&self, store: usize, position: Option<i64>) {
        let rows = self.rows(store);
        let name = (self.task, self.names[store].clone());
        let identity = self.stores.identity(store);
        self.disk.content().images.insert(name, Image { rows, position, identity });
    }
}

impl TaskStores for OnDisk {
    fn handle(&self, store: &StoreName) -> Option<Box<dyn std::any::Any>> {
        self.stores.handle(store)
    }

    fn read_only_handle(&self, store: &StoreName) -> Option<Box<dyn std::any::Any>> {
        self.stores.read_only_handle(store)
    }

    fn position(&self, store: usize) -> Option<i64> {
        self.stores.position(store)
    }

    fn restore(&mut self, store: usize, record: &RawRecord<'_>) -> Result<(), StoreError> {
        self.stores.restore(store, record)
    }

    fn restored_up_to(&mut self, store: usize, next_offset: i64) -> Result<(), StoreError> {
        self.disk.has_space_for(&self.names[store])?;
        self.stores.restored_up_to(store, next_offset)?;
        self.save(store, Some(next_offset));
        Ok(())
    }

    fn write_again(&mut self, store: usize, record: &RawRecord<'_>) -> Result<(), StoreError> {
        self.stores.write_again(store, record)
    }

    fn wipe(&mut self, store: usize) -> Result<(), StoreError> {
        self.disk.has_space_for(&self.names[store])?;
        self.stores.wipe(store)?;
        self.save(store, None);
        Ok(())
    }

    fn staged_bytes(&self) -> usize {
        self.stores.staged_bytes()
    }

    fn commit(&mut self, positions: &[(usize, i64)]) -> Result<(), StoreError> {
        self.names.first().map_or(Ok(()), |store| self.disk.has_space_for(store))?;
        self.stores.commit(positions)?;
        for store in 0..self.names.len() {
            let written = positions.iter().find(|(at, _)| *at == store).map(|(_, next)| *next);
            let written =
                written.filter(|_| self.disk.defect != Some(Defect::BatchWithoutPosition));
            self.save(store, written.or_else(|| self.saved_position(store)));
        }
        Ok(())
    }

    fn commit_unlogged(&mut self) -> Result<(), StoreError> {
        if self.disk.early.is_some() {
            for store in 0..self.names.len() {
                self.save(store, self.sent_up_to().or_else(|| self.saved_position(store)));
            }
        }
        self.stores.commit_unlogged()
    }

    fn flush_caches(&mut self) -> Result<(), StoreError> {
        self.stores.flush_caches()
    }

    fn identity(&self, store: usize) -> StoreIdentity {
        self.stores.identity(store)
    }

    fn belongs_to(&mut self, store: usize, topic: &ChangelogTopic) {
        self.stores.belongs_to(store, topic);
    }

    fn set_current_at(&mut self, store: usize, time: Timestamp) -> Result<(), StoreError> {
        self.disk.has_space_for(&self.names[store])?;
        self.stores.set_current_at(store, time)?;
        let name = (self.task, self.names[store].clone());
        if let Some(image) = self.disk.content().images.get_mut(&name) {
            image.identity.current_at = Some(time);
        }
        Ok(())
    }

    fn discard(&mut self) {
        self.stores.discard();
    }
}

/// What a store holds after these records of its changelog.
pub(crate) fn fold<'a>(
    records: impl Iterator<Item = (&'a Option<Bytes>, &'a Option<Bytes>)>,
) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    for (key, value) in records {
        let Some(key) = key else { continue };
        match value {
            Some(value) => rows.insert(text(key), text(value)),
            None => rows.remove(&text(key)),
        };
    }
    rows
}
