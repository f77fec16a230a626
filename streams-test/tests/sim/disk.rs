//! The state directory of a process: what it holds survives the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use streams_core::error::StoreError;
use streams_core::membership::MemberId;
use streams_core::names::{StoreName, TaskId};
use streams_core::record::RawRecord;
use streams_core::store::{
    ChangelogTopic, Deletions, OpenStores, StateBackend, StoreIdentity, TaskStores,
};
use streams_core::time::Timestamp;
use streams_state::{KeyValueStore, MemoryBackend};
use streams_test::model::{Dice, WriterId};

use super::defects::Defect;
use super::image::{Began, Image, Rows, record};
use super::plan::Disks;
use super::process::Setting;

#[derive(Debug, Default)]
struct Content {
    images: BTreeMap<(TaskId, StoreName), Image>,
    last_member: Option<MemberId>,
    on_disk: BTreeMap<TaskId, i64>,
    is_full: bool,
    /// Stores that workers have emptied since this was looked at.
    emptied: Vec<(TaskId, StoreName)>,
    /// Damaged stores that were found and set aside.
    set_aside: u64,
}

/// A disk; clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    content: Arc<Mutex<Content>>,
    defect: Option<Defect>,
    /// Of the worker that uses it.
    user: Option<(Setting, WriterId)>,
}

impl Disk {
    pub(crate) fn new(defect: Option<Defect>) -> Self {
        Self { content: Arc::default(), defect, user: None }
    }

    /// The same disk, for a worker that writes by this name.
    pub(crate) fn of_writer(&self, setting: &Setting, writer: WriterId) -> Self {
        Self { user: Some((setting.clone(), writer)), ..self.clone() }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap()
    }

    pub(crate) fn images(&self) -> BTreeMap<(TaskId, StoreName), Image> {
        self.content().images.clone()
    }

    /// Something happens to a store while no process is up, that is to tell of it. Which.
    pub(crate) fn damage(&self, dice: &mut Dice) -> Option<(TaskId, StoreName)> {
        let mut content = self.content();
        let whole = content.images.iter().filter(|(_, image)| image.position.is_some());
        let whole: Vec<_> = whole.map(|(name, _)| name.clone()).collect();
        let name = whole.get(dice.index(whole.len()))?.clone();
        // A file that is gone altogether has no checksum to tell.
        if dice.one_in(4) {
            content.images.remove(&name);
        } else if let Some(image) = content.images.get_mut(&name) {
            image.damage(dice);
        }
        Some(name)
    }

    pub(crate) fn set_aside(&self) -> u64 {
        self.content().set_aside
    }

    pub(crate) fn take_emptied(&self) -> Vec<(TaskId, StoreName)> {
        std::mem::take(&mut self.content().emptied)
    }

    /// What is there of a store, unless it is damaged: then it is set aside.
    fn read(&self, name: &(TaskId, StoreName)) -> Option<Image> {
        let mut content = self.content();
        let image = content.images.get(name).cloned()?;
        if !image.is_damaged() || self.defect == Some(Defect::DamageTakenAsItIs) {
            return Some(image);
        }
        content.set_aside += 1;
        if self.defect == Some(Defect::DamagedPositionKept) {
            return Some(image.without_rows());
        }
        content.images.remove(name);
        None
    }

    /// Whether all stores are in memory. What this holds of them then is only looked at.
    fn is_unused(&self) -> bool {
        self.user.as_ref().is_some_and(|(setting, _)| setting.plan.disks == Disks::Unused)
    }

    /// Which topic a task's changelog is now.
    fn changelog(&self, task: TaskId) -> Option<u64> {
        let (setting, _) = self.user.as_ref()?;
        setting.kafka.topic_identity(&setting.app.changelog(task).topic)
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

    pub(crate) fn is_full(&self) -> bool {
        self.content().is_full
    }

    fn has_space_for(&self, store: &StoreName) -> Result<(), StoreError> {
        if self.is_full() {
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
        let empty = Began { topic: self.changelog(task), offset: None };
        let mut begun = vec![empty; names.len()];
        for (at, name) in names.iter().enumerate() {
            let image = self.read(&(task, name.clone())).filter(|_| !self.is_unused());
            let Some(Image { rows, position: Some(position), identity, began, .. }) = image else {
                continue;
            };
            for (key, value) in rows {
                stores.restore(at, &record(&key, &value))?;
            }
            stores.restored_up_to(at, position)?;
            identify(&mut *stores, at, self.trusted(task, identity))?;
            begun[at] = began;
        }
        Ok(Box::new(OnDisk { stores, names, task, begun, disk: self.clone() }))
    }
}

impl Disk {
    fn trusted(&self, task: TaskId, identity: StoreIdentity) -> StoreIdentity {
        let Some((setting, _)) = &self.user else { return identity };
        if self.defect != Some(Defect::RemadeChangelogTrusted) {
            return identity;
        }
        let topic = setting.kafka.changelog_topic(&setting.app.changelog(task).topic);
        StoreIdentity { topic_id: topic.and_then(|topic| topic.topic_id), ..identity }
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

/// Stores in memory whose commits go to the disk.
struct OnDisk {
    stores: Box<dyn TaskStores>,
    names: Vec<StoreName>,
    task: TaskId,
    /// By store.
    begun: Vec<Began>,
    disk: Disk,
}

impl OnDisk {
    /// The rows of a store, staged ones among them.
    fn rows(&self, store: usize) -> Rows {
        let handle = self.stores.handle(&self.names[store]).unwrap();
        let store = handle.downcast::<KeyValueStore<String, String>>().unwrap();
        store.all().unwrap().map(Result::unwrap).collect()
    }

    /// The offset behind what the worker has sent of a store's changes.
    fn sent_up_to(&self) -> Option<i64> {
        let (setting, writer) = self.disk.user.as_ref()?;
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
        let image = Image::new((rows, position), identity, self.begun[store]);
        self.disk.content().images.insert(name, image);
    }

    /// Something is read of the changelog.
    fn reads(&mut self, store: usize, offset: i64) {
        if self.begun[store].offset.is_none() {
            let topic = self.disk.changelog(self.task);
            self.begun[store] = Began { topic, offset: Some(offset) };
        }
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
        self.reads(store, record.offset);
        self.stores.restore(store, record)
    }

    fn restored_up_to(&mut self, store: usize, next_offset: i64) -> Result<(), StoreError> {
        self.disk.has_space_for(&self.names[store])?;
        self.reads(store, next_offset);
        self.stores.restored_up_to(store, next_offset)?;
        self.save(store, Some(next_offset));
        Ok(())
    }

    fn write_again(&mut self, store: usize, record: &RawRecord<'_>) -> Result<(), StoreError> {
        self.stores.write_again(store, record)
    }

    fn wipe(&mut self, store: usize) -> Result<(), StoreError> {
        self.disk.has_space_for(&self.names[store])?;
        let held_some = self.stores.position(store).is_some();
        self.stores.wipe(store)?;
        self.begun[store] = Began { topic: self.disk.changelog(self.task), offset: None };
        self.save(store, None);
        if held_some {
            self.disk.content().emptied.push((self.task, self.names[store].clone()));
        }
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
        if self.disk.defect == Some(Defect::StoreBeforeOffsets) {
            for store in 0..self.names.len() {
                self.save(store, self.sent_up_to().or_else(|| self.saved_position(store)));
            }
        }
        self.stores.commit_unlogged()
    }

    fn flush_caches(&mut self) -> Result<(), StoreError> {
        if self.disk.defect == Some(Defect::CacheKeptAtCommit) {
            return Ok(());
        }
        self.stores.flush_caches()
    }

    fn trim_caches(&mut self) {
        self.stores.trim_caches();
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
