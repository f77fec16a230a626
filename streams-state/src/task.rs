//! The stores of one task, as its worker sees them.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use streams_core::error::StoreError;
use streams_core::names::{StoreName, TopicName};
use streams_core::outbox::Purpose;
use streams_core::record::RawRecord;
use streams_core::store::{
    ChangelogTopic, OpenStores, RowOrder, StoreIdentity, StoreSpec, StoreToOpen, TaskStores,
};
use streams_core::time::Timestamp;

use crate::builder::{Caching, Factory};
use crate::bytes::{Bytes, BytesError, Changes, InputPositions, RocksDatabase, SharedRows};
use crate::layer::changelog::{Changelog, LogFormat, RowFormat};
use crate::layer::expiry::Closed;
use crate::layer::{Access, CacheLayer, LayerParts, Layers, Reach, Retention};
use crate::row_key::RowKeys;
use crate::staging::{OverlayBudget, Staged, StagedError};

/// Bytes of versions that are staged while a store is restored.
const RESTORE_STAGED_BYTES_MAX: usize = 8 << 20;

/// A store of a task.
struct OpenStore {
    spec: Arc<dyn StoreSpec>,
    layers: Rc<Layers>,
    rows: RowFormat,
    /// What the serdes of its views get as their topic.
    topic: TopicName,
    /// All before this offset of the changelog is in the byte store.
    position: Cell<Option<i64>>,
    /// Of a store in memory; the database keeps those on disk.
    identity: RefCell<StoreIdentity>,
    /// Whether it can be rebuilt from Kafka.
    is_logged: bool,
}

/// A global store, on its way to other threads.
#[derive(Debug)]
pub(crate) struct SharedStore {
    pub(crate) spec: Arc<dyn StoreSpec>,
    pub(crate) topic: TopicName,
    pub(crate) rows: SharedRows,
}

/// The stores of one task.
pub(crate) struct StoresOfTask {
    stores: Vec<OpenStore>,
    /// Where the stores on disk are.
    database: Option<Rc<RocksDatabase>>,
    row: Vec<u8>,
}

pub(crate) fn factory(spec: &dyn StoreSpec) -> Result<&Factory, StoreError> {
    let factory = spec.as_any().downcast_ref::<Factory>();
    factory.ok_or_else(|| StoreError::Unknown(spec.name().clone()))
}

/// The topic that serdes see: the changelog's, or what it would be called.
fn serde_topic(request: &OpenStores, store: &StoreToOpen) -> TopicName {
    match &store.restored_from {
        Some(changelog) => changelog.topic.clone(),
        None => {
            let application = request.context.application_id();
            format!("{application}-{}-changelog", store.spec.name()).into()
        }
    }
}

impl StoresOfTask {
    /// Puts the layers over the byte stores, which come with the changelog offsets they hold.
    pub(crate) fn open(
        request: OpenStores,
        bytes: Vec<(Bytes, Option<i64>)>,
        database: Option<Rc<RocksDatabase>>,
        budget: &Arc<OverlayBudget>,
    ) -> Result<Self, StoreError> {
        let mut stores = Vec::with_capacity(bytes.len());
        for ((number, store), (bytes, position)) in (0..).zip(&request.stores).zip(bytes) {
            let factory = factory(&*store.spec)?;
            let rows = factory.rows();
            let rows = rows.ok_or_else(|| StoreError::Unknown(store.spec.name().clone()))?;
            let changelog = store.changelog.as_ref().map(|to| {
                let topic = request.outbox.borrow_mut().topic(&to.topic);
                let purpose = Purpose::Changelog { task: request.task_number, store: number };
                let (headers, times) = (factory.logged_headers(), factory.logged_times());
                let format = LogFormat { rows, headers, times };
                Changelog::new(Rc::clone(&request.outbox), (topic, to.partition), purpose, format)
            });
            let cache = match factory.caching() {
                // Without bytes for caches there is none, as in Kafka; a cache of no bytes would
                // not write the deletion of a row that is not there.
                Caching::On if request.cache.max_bytes() > 0 => {
                    Some(CacheLayer::new(Rc::clone(&request.cache)))
                }
                Caching::On | Caching::Off => None,
            };
            let layers = Rc::new(Layers::new(LayerParts {
                name: store.spec.name().clone(),
                context: Rc::clone(&request.context),
                cache,
                changelog,
                retention: factory.retention_layer(),
                duplicates: factory.duplicates(),
                versions: factory.versions_layer(),
                staged: Staged::new(bytes, budget),
            }));
            layers.find_segments()?;
            stores.push(OpenStore {
                spec: Arc::clone(&store.spec),
                layers,
                rows,
                topic: serde_topic(&request, store),
                position: Cell::new(position),
                identity: RefCell::default(),
                is_logged: store.restored_from.is_some(),
            });
        }
        Ok(Self { stores, database, row: Vec::new() })
    }

    fn view(&self, store: &StoreName, access: Access) -> Option<Box<dyn Any>> {
        let store = self.stores.iter().find(|open| open.layers.name() == store)?;
        let factory = factory(&*store.spec).ok()?;
        Some(factory.handle(Reach::new(Rc::clone(&store.layers), access), &store.topic))
    }

    /// The database, for tests.
    #[cfg(test)]
    pub(crate) fn database(&self) -> Option<&RocksDatabase> {
        self.database.as_deref()
    }

    /// How many stores there are.
    pub(crate) const fn len(&self) -> usize {
        self.stores.len()
    }

    /// How far the inputs of a global store are in it, as it was written last.
    pub(crate) fn input_positions(&self, at: usize) -> Result<Option<InputPositions>, StoreError> {
        let store = self.store(at)?;
        let (Some(database), Some(number)) = (&self.database, store.at_in_database()) else {
            return Ok(None);
        };
        let bytes = database.input_positions(number).map_err(|error| self.failed(error))?;
        Ok(bytes.as_deref().and_then(InputPositions::decode))
    }

    /// Writes what is staged, and how far the inputs of global stores are in them, in one batch.
    pub(crate) fn commit_inputs<'a>(
        &self,
        positions: impl Iterator<Item = (usize, &'a InputPositions)>,
    ) -> Result<(), StoreError> {
        self.write_with(
            |_| true,
            |changes| {
                for (store, positions) in positions {
                    if let Some(at) = self.store(store)?.at_in_database() {
                        let added = changes.inputs(at, &positions.encode());
                        added.map_err(|error| self.failed(error))?;
                    }
                }
                Ok(())
            },
        )
    }

    /// All stores, for other threads to read.
    pub(crate) fn share(&self) -> Vec<SharedStore> {
        let stores = self.stores.iter().filter_map(|store| {
            let rows = store.layers.staged().with_bytes(Bytes::share).ok().flatten()?;
            Some(SharedStore { spec: Arc::clone(&store.spec), topic: store.topic.clone(), rows })
        });
        stores.collect()
    }

    fn store(&self, at: usize) -> Result<&OpenStore, StoreError> {
        self.stores.get(at).ok_or_else(|| StoreError::Unknown(format!("#{at}").into()))
    }

    /// Writes what is staged in these stores, and the positions, in one batch.
    fn write(
        &self,
        which: impl Fn(&OpenStore) -> bool,
        positions: &[(usize, i64)],
    ) -> Result<(), StoreError> {
        self.write_with(which, |changes| {
            for (store, next_offset) in positions {
                if let Some(at) = self.store(*store)?.at_in_database() {
                    let added = changes.position(at, *next_offset);
                    added.map_err(|error| self.failed(error))?;
                }
            }
            Ok(())
        })?;
        for (store, next_offset) in positions {
            self.store(*store)?.position.set(Some(*next_offset));
        }
        Ok(())
    }

    /// Writes what is staged in these stores, and what `add` adds, in one batch.
    fn write_with(
        &self,
        which: impl Fn(&OpenStore) -> bool,
        add: impl FnOnce(&mut Changes<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let chosen = || self.stores.iter().filter(|store| which(store));
        if let Some(database) = &self.database {
            let sizes = chosen().map(|store| store.layers.staged().staged_size());
            let size = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
            let mut changes = database.changes(size);
            for store in chosen() {
                let added = store.with_bytes(|bytes, staged| match bytes {
                    Bytes::Rocks(rocks) => {
                        let mut changes = changes.of(rocks.at())?;
                        staged.for_each_staged(|key, value| changes.put(key, value));
                        if let Some((from, before)) = store.closed_segments() {
                            changes.drop_range(&from, &before);
                        }
                        Ok(())
                    }
                    Bytes::Memory(_) | Bytes::Foreign(_) => Ok(()),
                });
                added?;
            }
            add(&mut changes)?;
            let written = changes.write();
            written.map_err(|error| self.failed(error))?;
        }
        for store in chosen() {
            store.with_bytes(|bytes, staged| {
                match bytes {
                    Bytes::Memory(memory) => {
                        staged.for_each_staged(|key, value| memory.write(key, value));
                        if let Some((_, before)) = store.closed_segments() {
                            memory.remove_before(&before);
                        }
                    }
                    Bytes::Rocks(rocks) => {
                        rocks.database().wrote(rocks.at(), staged.staged_size().1);
                        if let Some((from, before)) = store.closed_segments() {
                            rocks.database().drop_files(rocks.at(), (&from, &before));
                        }
                    }
                    Bytes::Foreign(_) => {}
                }
                Ok(())
            })?;
            store.layers.staged().committed();
            store.forget_closed_segments();
        }
        Ok(())
    }

    fn identify(&self, store: usize, identity: StoreIdentity) {
        let Some(open) = self.stores.get(store) else { return };
        let known = open.with_bytes(|bytes, _| {
            match bytes {
                Bytes::Rocks(rocks) => rocks.database().identify(rocks.at(), identity),
                Bytes::Memory(_) | Bytes::Foreign(_) => *open.identity.borrow_mut() = identity,
            }
            Ok(())
        });
        if let Err(error) = known {
            tracing::warn!(%error, "a store in use is not told which changelog it follows");
        }
    }

    /// Writes what is staged in one store, and its position.
    fn write_one(
        &self,
        open: &OpenStore,
        store: usize,
        next_offset: i64,
    ) -> Result<(), StoreError> {
        self.write(|other| std::ptr::eq(open, other), &[(store, next_offset)])
    }

    /// Puts one record of the changelog into a versioned store. Unlike others, it has to be read
    /// for that, and so is staged.
    fn restore_version(
        &self,
        store: usize,
        record: &RawRecord<'_>,
        key: &[u8],
    ) -> Result<(), StoreError> {
        let open = self.store(store)?;
        open.layers.restore_version(key, record.value, record.timestamp.millis())?;
        if open.layers.staged_bytes() < RESTORE_STAGED_BYTES_MAX {
            return Ok(());
        }
        self.write_one(open, store, record.offset.saturating_add(1))
    }

    /// A failure of the database as a whole, named after one of its stores.
    fn failed(&self, error: BytesError) -> StoreError {
        let on_disk = self.stores.iter().find(|store| store.spec.is_persistent());
        match on_disk {
            Some(store) => store.layers.failed(error.into()),
            None => StoreError::Unknown("rocksdb".into()),
        }
    }
}

impl OpenStore {
    /// The first bytes of the segments to be dropped: of the first, and of the one behind the last.
    fn closed_segments(&self) -> Option<([u8; 8], [u8; 8])> {
        let Closed { from, before } = self.layers.expiry()?.closed()?;
        Some((RowKeys::segment_start(from), RowKeys::segment_start(before)))
    }

    /// The closed segments are dropped; what is written up to now is committed.
    fn forget_closed_segments(&self) {
        let Some(expiry) = self.layers.expiry() else { return };
        if let Some(closed) = expiry.closed() {
            expiry.dropped(closed);
        }
        expiry.committed();
    }

    /// Puts one row into the byte store; `None` deletes it. `next_offset` is the position then.
    fn restore_row(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        next_offset: i64,
    ) -> Result<(), StoreError> {
        let hash = self.layers.hash(key);
        self.layers.staged().changed_below(hash, key);
        self.with_bytes(|bytes, _| match bytes {
            Bytes::Memory(memory) => {
                memory.write(key, value);
                Ok(())
            }
            Bytes::Rocks(rocks) => rocks.restore((hash, key, value), next_offset),
            Bytes::Foreign(_) => Ok(()),
        })
    }

    /// Puts one record of the changelog into a store that expires. A record that is too old is left
    /// out.
    fn restore_windowed(
        &self,
        retention: &Retention,
        (key, value): (&[u8], Option<&[u8]>),
        next_offset: i64,
    ) -> Result<(), StoreError> {
        let keys = retention.keys;
        let Some(row) = keys.read_changelog(key) else {
            tracing::warn!(store = %self.layers.name(), next_offset, "a changelog record whose key has no window is left out");
            return Ok(());
        };
        if !retention.takes(row) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        if keys.order == RowOrder::TimeFirstIndexed {
            keys.write_index(row, &mut bytes);
            self.restore_row(&bytes, value.map(|_| &[][..]), next_offset)?;
            bytes.clear();
        }
        keys.write_row(row, &mut bytes);
        self.restore_row(&bytes, value, next_offset)
    }

    /// Its number in the task's database.
    fn at_in_database(&self) -> Option<usize> {
        let at = self.layers.staged().with_bytes(|bytes| match bytes {
            Bytes::Rocks(rocks) => Some(rocks.at()),
            Bytes::Memory(_) | Bytes::Foreign(_) => None,
        });
        at.ok().flatten()
    }

    fn with_bytes<R>(
        &self,
        with: impl FnOnce(&Bytes, &Staged) -> Result<R, BytesError>,
    ) -> Result<R, StoreError> {
        let staged = self.layers.staged();
        let result = staged.with_bytes(|bytes| with(bytes, staged));
        result
            .and_then(|result| result.map_err(StagedError::from))
            .map_err(|error| self.layers.failed(error))
    }
}

impl TaskStores for StoresOfTask {
    fn handle(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        self.view(store, Access::ReadWrite)
    }

    fn read_only_handle(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        self.view(store, Access::Read)
    }

    fn position(&self, store: usize) -> Option<i64> {
        self.stores.get(store)?.position.get()
    }

    fn restore(&mut self, store: usize, record: &RawRecord<'_>) -> Result<(), StoreError> {
        let mut row = std::mem::take(&mut self.row);
        let open = self.store(store)?;
        let Some(key) = record.key else {
            tracing::warn!(store = %open.layers.name(), offset = record.offset, "a changelog record without a key is left out");
            return Ok(());
        };
        row.clear();
        if open.rows == RowFormat::Timestamped {
            row.extend_from_slice(&record.timestamp.millis().to_be_bytes());
        }
        row.extend_from_slice(record.value.unwrap_or_default());
        let value = record.value.map(|_| &*row);
        let next_offset = record.offset.saturating_add(1);
        if open.layers.kept_versions().is_some() {
            self.row = row;
            return self.restore_version(store, record, key);
        }
        let written = match open.layers.retention() {
            None => open.restore_row(key, value, next_offset),
            Some(retention) => open.restore_windowed(retention, (key, value), next_offset),
        };
        self.row = row;
        written
    }

    fn restored_up_to(&mut self, store: usize, next_offset: i64) -> Result<(), StoreError> {
        let open = self.store(store)?;
        if open.layers.kept_versions().is_some() {
            return self.write_one(open, store, next_offset);
        }
        open.with_bytes(|bytes, _| match bytes {
            Bytes::Memory(memory) => {
                if let Some((_, before)) = open.closed_segments() {
                    memory.remove_before(&before);
                }
                Ok(())
            }
            Bytes::Rocks(rocks) => {
                rocks.database().restored_up_to(rocks.at(), next_offset)?;
                match open.closed_segments() {
                    Some((from, to)) => rocks.database().drop_range(rocks.at(), (&from, &to)),
                    None => Ok(()),
                }
            }
            Bytes::Foreign(_) => Ok(()),
        })?;
        open.forget_closed_segments();
        open.position.set(Some(next_offset));
        Ok(())
    }

    fn wipe(&mut self, store: usize) -> Result<(), StoreError> {
        let open = self.store(store)?;
        open.position.set(None);
        open.with_bytes(|bytes, _| match bytes {
            Bytes::Memory(memory) => {
                memory.clear();
                Ok(())
            }
            Bytes::Rocks(rocks) => rocks.database().empty(rocks.at()),
            Bytes::Foreign(_) => Ok(()),
        })?;
        open.layers.emptied();
        Ok(())
    }

    fn staged_bytes(&self) -> usize {
        self.stores.iter().map(|store| store.layers.staged_bytes()).sum()
    }

    fn commit(&mut self, positions: &[(usize, i64)]) -> Result<(), StoreError> {
        self.write(|_| true, positions)
    }

    fn commit_unlogged(&mut self) -> Result<(), StoreError> {
        if self.stores.iter().all(|store| store.is_logged) {
            return Ok(());
        }
        self.write(|store| !store.is_logged, &[])
    }

    fn flush_caches(&mut self) -> Result<(), StoreError> {
        self.stores.iter().try_for_each(|store| store.layers.write_out())
    }

    fn identity(&self, store: usize) -> StoreIdentity {
        let Some(open) = self.stores.get(store) else { return StoreIdentity::default() };
        let identity = open.with_bytes(|bytes, _| {
            Ok(match bytes {
                Bytes::Rocks(rocks) => rocks.database().identity(rocks.at()),
                Bytes::Memory(_) | Bytes::Foreign(_) => open.identity.borrow().clone(),
            })
        });
        identity.unwrap_or_default()
    }

    fn belongs_to(&mut self, store: usize, topic: &ChangelogTopic) {
        let mut identity = self.identity(store);
        identity.belongs_to(topic);
        self.identify(store, identity);
    }

    fn set_current_at(&mut self, store: usize, time: Timestamp) -> Result<(), StoreError> {
        let identity = StoreIdentity { current_at: Some(time), ..self.identity(store) };
        self.identify(store, identity);
        self.store(store)?.with_bytes(|bytes, _| match bytes {
            Bytes::Rocks(rocks) => rocks.database().keep_identity(rocks.at()),
            Bytes::Memory(_) | Bytes::Foreign(_) => Ok(()),
        })
    }

    fn directory(&self) -> Option<String> {
        Some(self.database.as_ref()?.path().display().to_string())
    }

    fn discard(&mut self) {
        if let Some(database) = &self.database {
            database.discard_restoring();
        }
        for store in &self.stores {
            store.layers.discard();
        }
    }
}

impl Drop for StoresOfTask {
    fn drop(&mut self) {
        for store in &self.stores {
            store.layers.close();
        }
    }
}
