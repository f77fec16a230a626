//! The stores of one task, as its worker sees them.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use streams_core::error::StoreError;
use streams_core::metrics::BufferMetrics;
use streams_core::names::{StoreName, TopicName};
use streams_core::outbox::Purpose;
use streams_core::record::RawRecord;
use streams_core::store::{
    Access, ChangelogTopic, OpenStores, StoreIdentity, StoreSpec, StoreToOpen, TaskStores,
};
use streams_core::time::Timestamp;

use crate::buffer::{BUFFER_LOG, BufferFactory, BufferParts, BufferStore};
use crate::builder::{Caching, Factory};
use crate::bytes::{
    Bytes, BytesError, Changes, InputPositions, Reached, RocksDatabase, SharedRows,
};
use crate::layer::changelog::{Changelog, LogFormat};
use crate::layer::{CacheLayer, Expiry, LayerParts, Layers, Reach};
use crate::row_store::RowStore;
use crate::staging::{OverlayBudget, Staged};

/// Bytes of versions that are staged while a store is restored.
const RESTORE_STAGED_BYTES_MAX: usize = 8 << 20;

/// A store of a task.
struct OpenStore {
    spec: Arc<dyn StoreSpec>,
    content: Content,
    /// What the serdes of its views get as their topic.
    topic: TopicName,
    /// All before this offset of the changelog is in the byte store.
    position: Cell<Option<i64>>,
    /// Of a store in memory; the database keeps those on disk.
    identity: RefCell<StoreIdentity>,
    /// Whether it can be rebuilt from Kafka.
    is_logged: bool,
}

/// What a store holds, by its kind.
enum Content {
    Rows(RowStore),
    Buffer(Rc<BufferStore>),
}

/// A global store, on its way to other threads.
#[derive(Debug)]
pub(crate) struct SharedStore {
    pub(crate) spec: Arc<dyn StoreSpec>,
    pub(crate) topic: TopicName,
    pub(crate) rows: SharedRows,
    /// The greatest time that was written to a store that expires, as of the last commit.
    pub(crate) time: Option<Arc<AtomicI64>>,
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

/// The changelog that a store writes, if it writes one.
fn changelog(
    request: &OpenStores,
    (number, store): (u32, &StoreToOpen),
    format: LogFormat,
) -> Option<Changelog> {
    let to = store.changelog.as_ref()?;
    let topic = request.outbox.borrow_mut().topic(&to.topic);
    let purpose = Purpose::Changelog { task: request.task_number, store: number };
    Some(Changelog::new(Rc::clone(&request.outbox), (topic, to.partition), purpose, format))
}

fn open_buffer(
    request: &OpenStores,
    store: (u32, &StoreToOpen),
    budget: &Arc<OverlayBudget>,
) -> Rc<BufferStore> {
    let parts = BufferParts {
        name: store.1.spec.name().clone(),
        context: Rc::clone(&request.context),
        changelog: changelog(request, store, BUFFER_LOG),
        restored_from: store.1.restored_from.clone(),
    };
    Rc::new(BufferStore::new(parts, budget))
}

fn open_rows(
    request: &OpenStores,
    store: (u32, &StoreToOpen),
    bytes: Bytes,
    budget: &Arc<OverlayBudget>,
) -> Result<RowStore, StoreError> {
    let spec = &store.1.spec;
    let factory = factory(&**spec)?;
    let rows = factory.rows().ok_or_else(|| StoreError::Unknown(spec.name().clone()))?;
    let (headers, times) = (factory.logged_headers(), factory.logged_times());
    let cache = match factory.caching() {
        // Without bytes for caches there is none, as in Kafka; a cache of no bytes would not write
        // the deletion of a row that is not there.
        Caching::On if request.cache.max_bytes() > 0 => {
            Some(CacheLayer::new(Rc::clone(&request.cache)))
        }
        Caching::On | Caching::Off => None,
    };
    let retention = factory.retention_layer();
    let staged = match &retention {
        Some(retention) => Staged::of_windows(bytes, budget, retention.keys),
        None => Staged::new(bytes, budget),
    };
    let layers = Rc::new(Layers::new(LayerParts {
        name: spec.name().clone(),
        context: Rc::clone(&request.context),
        cache,
        changelog: changelog(request, store, LogFormat { rows, headers, times }),
        retention,
        duplicates: factory.duplicates(),
        versions: factory.versions_layer(),
        recency: factory.recency_layer(),
        staged,
        commits: None,
    }));
    Ok(RowStore { layers, rows })
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
            let (content, position) = if store.spec.as_any().is::<BufferFactory>() {
                (Content::Buffer(open_buffer(&request, (number, store), budget)), position)
            } else {
                let rows = open_rows(&request, (number, store), bytes, budget)?;
                let position = rows.learn_segments(position)?;
                (Content::Rows(rows), position)
            };
            stores.push(OpenStore {
                spec: Arc::clone(&store.spec),
                content,
                topic: serde_topic(&request, store),
                position: Cell::new(position),
                identity: RefCell::default(),
                is_logged: store.restored_from.is_some(),
            });
        }
        Ok(Self { stores, database, row: Vec::new() })
    }

    fn view(&self, store: &StoreName, access: Access) -> Option<Box<dyn Any>> {
        let open = self.stores.iter().find(|open| open.spec.name() == store)?;
        let (spec, topic) = (&*open.spec, &open.topic);
        match &open.content {
            Content::Rows(rows) => {
                let reach = Reach::new(Rc::clone(&rows.layers), access);
                Some(factory(spec).ok()?.handle(reach, topic))
            }
            Content::Buffer(buffer) => {
                Some(spec.as_any().downcast_ref::<BufferFactory>()?.handle(buffer, topic))
            }
        }
    }

    fn view_with_headers(&self, store: &StoreName, access: Access) -> Option<Box<dyn Any>> {
        let open = self.stores.iter().find(|open| open.spec.name() == store)?;
        let reach = Reach::new(Rc::clone(&open.rows()?.layers), access);
        factory(&*open.spec).ok()?.handle_with_headers(reach, &open.topic)
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
        let Some(rows) = self.store(at)?.rows() else { return Ok(None) };
        rows.with_bytes(|bytes, _| match bytes {
            Bytes::Rocks(rocks) => {
                let known = rocks.database().input_positions(rocks.at())?;
                Ok(known.as_deref().and_then(InputPositions::decode))
            }
            Bytes::Own(own) => Ok(own.input_positions()),
            Bytes::Memory(_) | Bytes::Foreign(_) => Ok(None),
        })
    }

    /// Writes what is staged, and how far the inputs of global stores are in them, in one batch; a
    /// store in a place of the program's own in one of its own.
    pub(crate) fn commit_inputs(
        &self,
        positions: &[(usize, &InputPositions)],
    ) -> Result<(), StoreError> {
        let of = |at| positions.iter().find(|(store, _)| *store == at);
        self.write_with(
            |_| true,
            |at| of(at).map_or(Reached::Same, |(_, inputs)| Reached::Inputs(inputs)),
            |changes| {
                for (store, positions) in positions {
                    let rows = self.store(*store)?.rows();
                    if let Some(at) = rows.and_then(RowStore::at_in_database) {
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
            let layers = &store.rows()?.layers;
            let rows = layers.staged().with_bytes(Bytes::share).ok().flatten()?;
            let time = layers.expiry().map(Expiry::committed_time);
            let (spec, topic) = (Arc::clone(&store.spec), store.topic.clone());
            Some(SharedStore { spec, topic, rows, time })
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
        let of = |at| positions.iter().find(|(store, _)| *store == at);
        let reached = |at| of(at).map_or(Reached::Same, |(_, next)| Reached::Changelog(*next));
        self.write_with(which, reached, |changes| {
            for (store, next_offset) in positions {
                let rows = self.store(*store)?.rows();
                if let Some(at) = rows.and_then(RowStore::at_in_database) {
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

    /// Writes what is staged in these stores, and what `add` adds, in one batch; then, one by one,
    /// the stores that are elsewhere, each with how far it has come.
    fn write_with<'a>(
        &self,
        which: impl Fn(&OpenStore) -> bool,
        reached: impl Fn(usize) -> Reached<'a>,
        add: impl FnOnce(&mut Changes<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let all = || self.stores.iter().enumerate().filter(|(_, store)| which(store));
        let chosen = || all().filter_map(|(at, store)| Some((at, store.rows()?)));
        // What would be removed at once is not written.
        chosen().for_each(|(_, store)| store.layers.drop_closed());
        if let Some(database) = &self.database {
            let sizes = chosen().map(|(_, store)| store.layers.staged().staged_size());
            let size = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
            let mut changes = database.changes(size);
            chosen().try_for_each(|(_, store)| add_staged(store, &mut changes))?;
            add(&mut changes)?;
            let written = changes.write();
            written.map_err(|error| self.failed(error))?;
        }
        for (at, store) in chosen() {
            store.take_staged(reached(at))?;
        }
        all().filter_map(|(_, store)| store.buffer()).for_each(BufferStore::committed);
        Ok(())
    }

    fn identify(&self, store: usize, identity: StoreIdentity) {
        let Some(open) = self.stores.get(store) else { return };
        let Content::Rows(rows) = &open.content else {
            *open.identity.borrow_mut() = identity;
            return;
        };
        let known = rows.with_bytes(|bytes, _| {
            match bytes {
                Bytes::Rocks(rocks) => rocks.database().identify(rocks.at(), identity),
                Bytes::Own(own) => own.identify(identity),
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
        (store, layers): (usize, &Layers),
        record: &RawRecord<'_>,
        key: &[u8],
    ) -> Result<(), StoreError> {
        layers.restore_version(key, record.value, record.timestamp.millis())?;
        if layers.staged_bytes() < RESTORE_STAGED_BYTES_MAX {
            return Ok(());
        }
        self.write_one(self.store(store)?, store, record.offset.saturating_add(1))
    }

    /// A failure of the database as a whole, named after one of its stores.
    fn failed(&self, error: BytesError) -> StoreError {
        let mut rows = self.stores.iter().filter_map(OpenStore::rows);
        match rows.find(|rows| rows.at_in_database().is_some()) {
            Some(store) => store.layers.failed(error.into()),
            None => StoreError::Unknown("rocksdb".into()),
        }
    }
}

/// Adds what is staged in a store of the task's database.
fn add_staged(store: &RowStore, changes: &mut Changes<'_>) -> Result<(), StoreError> {
    store.with_bytes(|bytes, staged| {
        let Bytes::Rocks(rocks) = bytes else { return Ok(()) };
        let mut changes = changes.of(rocks.at())?;
        staged.for_each_staged(|key, value| changes.put(key, value));
        if let Some((from, before)) = store.closed_segments() {
            changes.drop_range(&from, &before);
        }
        Ok(())
    })
}

impl OpenStore {
    fn rows(&self) -> Option<&RowStore> {
        if let Content::Rows(rows) = &self.content { Some(rows) } else { None }
    }

    fn buffer(&self) -> Option<&BufferStore> {
        if let Content::Buffer(buffer) = &self.content { Some(buffer) } else { None }
    }
}

impl TaskStores for StoresOfTask {
    fn handle(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        self.view(store, Access::ReadWrite)
    }

    fn read_only_handle(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        self.view(store, Access::Read)
    }

    fn handle_with_headers(&self, store: &StoreName, access: Access) -> Option<Box<dyn Any>> {
        self.view_with_headers(store, access)
    }

    fn position(&self, store: usize) -> Option<i64> {
        self.stores.get(store)?.position.get()
    }

    fn restore(&mut self, store: usize, record: &RawRecord<'_>) -> Result<(), StoreError> {
        let mut row = std::mem::take(&mut self.row);
        let restored = match (&self.store(store)?.content, record.key) {
            (_, None) => {
                let store = self.store(store)?.spec.name();
                tracing::warn!(%store, offset = record.offset, "a changelog record without a key is left out");
                Ok(())
            }
            (Content::Buffer(buffer), Some(key)) => buffer.restore(key, record),
            (Content::Rows(rows), Some(key)) if rows.layers.kept_versions().is_some() => {
                self.restore_version((store, &rows.layers), record, key)
            }
            (Content::Rows(rows), Some(key)) => rows.restore(key, record, &mut row),
        };
        self.row = row;
        restored
    }

    fn restored_up_to(&mut self, store: usize, next_offset: i64) -> Result<(), StoreError> {
        let open = self.store(store)?;
        if let Content::Rows(rows) = &open.content {
            if rows.layers.kept_versions().is_some() {
                return self.write_one(open, store, next_offset);
            }
            rows.restored_up_to(next_offset)?;
        }
        open.position.set(Some(next_offset));
        Ok(())
    }

    fn write_again(&mut self, store: usize, record: &RawRecord<'_>) -> Result<(), StoreError> {
        let Some(key) = record.key else { return Ok(()) };
        match &self.store(store)?.content {
            Content::Rows(rows) => rows.layers.log_again(key, record.timestamp),
            Content::Buffer(buffer) => {
                buffer.log_again(key);
                Ok(())
            }
        }
    }

    fn wipe(&mut self, store: usize) -> Result<(), StoreError> {
        let open = self.store(store)?;
        // First: some rows may be gone where others cannot be removed.
        open.position.set(None);
        match &open.content {
            Content::Rows(rows) => rows.wipe(),
            Content::Buffer(buffer) => {
                buffer.clear();
                Ok(())
            }
        }
    }

    fn staged_bytes(&self) -> usize {
        let staged = self.stores.iter().map(|store| match &store.content {
            Content::Rows(rows) => rows.layers.staged_bytes(),
            Content::Buffer(buffer) => buffer.staged_bytes(),
        });
        staged.sum()
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
        self.stores.iter().filter_map(OpenStore::rows).try_for_each(|rows| rows.layers.write_out())
    }

    fn buffers(&self) -> Vec<BufferMetrics> {
        self.stores.iter().filter_map(OpenStore::buffer).filter_map(BufferStore::metrics).collect()
    }

    fn trim_caches(&mut self) {
        self.stores.iter().filter_map(OpenStore::rows).for_each(|rows| rows.layers.trim_cache());
    }

    fn identity(&self, store: usize) -> StoreIdentity {
        let Some(open) = self.stores.get(store) else { return StoreIdentity::default() };
        let Content::Rows(rows) = &open.content else { return open.identity.borrow().clone() };
        let identity = rows.with_bytes(|bytes, _| {
            Ok(match bytes {
                Bytes::Rocks(rocks) => rocks.database().identity(rocks.at()),
                Bytes::Own(own) => own.identity(),
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
        let Content::Rows(rows) = &self.store(store)?.content else { return Ok(()) };
        rows.with_bytes(|bytes, _| match bytes {
            Bytes::Rocks(rocks) => rocks.database().keep_identity(rocks.at()),
            Bytes::Own(own) => own.keep_identity(),
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
            match &store.content {
                Content::Rows(rows) => rows.discard(),
                Content::Buffer(buffer) => buffer.discard(),
            }
        }
    }
}

impl Drop for StoresOfTask {
    fn drop(&mut self) {
        for store in &self.stores {
            match &store.content {
                Content::Rows(rows) => rows.layers.close(),
                Content::Buffer(buffer) => buffer.close(),
            }
        }
    }
}
