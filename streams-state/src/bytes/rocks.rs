//! One RocksDB database for each task: a column family for each store, and one for their metadata.

#[cfg(test)]
mod testing;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use rocksdb::{BoundColumnFamily, ColumnFamilyDescriptor, ErrorKind, WriteBatch};
use streams_core::names::StoreName;
use streams_core::store::{StoreIdentity, StoreKind};
use streams_core::time::Timestamp;

use super::BytesError;
use super::metadata::Metadata;
use super::restoring::Restoring;
use super::rocks_files::{
    DAMAGED, Database, METADATA, RocksFiles, RocksRows, STORE, failed, family_name,
};
use super::rocks_options::{BUSY_STORE_BYTES, BUSY_STORE_OPTIONS, RocksShared};

/// Before a store's name, in the name of the positions of the inputs that it is filled from.
const INPUTS: &str = "inputs.";
/// When the task committed last, in databases that do not keep a time of each store.
const COMMITTED_AT: &[u8] = b"committed-at";

/// What a change takes in a batch beside its key and value.
const CHANGE_BYTES: usize = 12;

/// A store that a database shall hold.
#[derive(Debug, Clone)]
pub(crate) struct StoreOnDisk {
    pub(crate) name: StoreName,
    pub(crate) kind: StoreKind,
}

/// The database of a task.
pub(crate) struct RocksDatabase {
    files: Arc<RocksFiles>,
    shared: Arc<RocksShared>,
    stores: Vec<StoreOnDisk>,
    metadata: RefCell<Vec<Metadata>>,
    restoring: RefCell<Restoring>,
    /// By store, whether it has the settings of one that is written much.
    busy: RefCell<Vec<bool>>,
}

impl std::fmt::Debug for RocksDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RocksDatabase").field(&self.files).finish()
    }
}

/// An open failure that only another set of files can cure.
fn open_failed(error: rocksdb::Error) -> BytesError {
    let text = error.as_ref();
    let is_missing = text.contains("No such file") || text.contains("does not exist");
    // A wrong length or magic number of a file shows as one of these, too.
    let is_unreadable = matches!(
        error.kind(),
        ErrorKind::Corruption
            | ErrorKind::NotFound
            | ErrorKind::NotSupported
            | ErrorKind::InvalidArgument
    );
    if is_missing || is_unreadable {
        return BytesError::Damaged(error.into_string());
    }
    failed("be opened", error)
}

impl RocksDatabase {
    /// Opens the database in `path`, which exists, with these stores. A store that is damaged, or
    /// of another kind or format, starts empty; other stores that the database holds stay as they
    /// are.
    pub(crate) fn open(
        path: &Path,
        stores: Vec<StoreOnDisk>,
        shared: &Arc<RocksShared>,
    ) -> Result<Self, BytesError> {
        let options = shared.database_options();
        let mut families = if path.join("CURRENT").exists() {
            Database::list_cf(&options, path).map_err(open_failed)?
        } else {
            Vec::new()
        };
        let wanted = stores.iter().map(|store| family_name(&store.name));
        for family in wanted.chain([METADATA.to_owned(), "default".to_owned()]) {
            if !families.contains(&family) {
                families.push(family);
            }
        }
        let descriptors = families.into_iter().map(|family| {
            let is_store = family.starts_with(STORE);
            let options = if is_store { shared.store_options() } else { shared.metadata_options() };
            ColumnFamilyDescriptor::new(family, options)
        });
        let database =
            Database::open_cf_descriptors(&options, path, descriptors).map_err(open_failed)?;
        let metadata = stores.iter().map(|store| Metadata::new(store.kind)).collect();
        let restoring = Restoring::new(stores.len(), shared.restoring_bytes());
        let this = Self {
            files: Arc::new(RocksFiles::new(database, path)),
            shared: Arc::clone(shared),
            stores,
            metadata: RefCell::new(metadata),
            busy: RefCell::default(),
            restoring: RefCell::new(restoring),
        };
        let mut batch = WriteBatch::new();
        for at in 0..this.stores.len() {
            this.load(at, &mut batch)?;
        }
        if !batch.is_empty() {
            this.write(batch)?;
        }
        Ok(this)
    }

    /// Reads a store's metadata, or empties the store when it has none that fits.
    fn load(&self, at: usize, new: &mut WriteBatch) -> Result<(), BytesError> {
        let Some(StoreOnDisk { name, kind }) = self.stores.get(at) else { return Ok(()) };
        let damaged = self.metadata(format!("{DAMAGED}{name}").as_bytes())?;
        let bytes = self.metadata(family_name(name).as_bytes())?;
        let known = bytes.as_deref().map(|bytes| Metadata::decode(*kind, bytes));
        match known {
            Some(Some(mut metadata)) if damaged.is_none() => {
                if metadata.identity.current_at.is_none() && metadata.position.is_some() {
                    metadata.identity.current_at = self.committed_at()?;
                }
                self.metadata.borrow_mut().splice(at..=at, [metadata]);
                Ok(())
            }
            None if damaged.is_none() && self.has_no_rows(name)? => {
                let metadata = Metadata::new(*kind).encode();
                new.put_cf(&self.family(METADATA)?, family_name(name), metadata);
                Ok(())
            }
            // DIFFERENCE(store-format): Kafka converts the rows of a store whose format changes.
            _ => {
                tracing::warn!(store = %name, path = %self.files.path().display(), "the store is damaged, or of another kind or format; it starts empty and is rebuilt from its changelog");
                self.empty(at)
            }
        }
    }

    /// The files, for other threads to read.
    pub(crate) const fn files(&self) -> &Arc<RocksFiles> {
        &self.files
    }

    fn family(&self, name: &str) -> Result<Arc<BoundColumnFamily<'_>>, BytesError> {
        self.files.family(name)
    }

    fn metadata(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BytesError> {
        self.files.metadata(key)
    }

    fn has_no_rows(&self, name: &StoreName) -> Result<bool, BytesError> {
        let family = self.family(&family_name(name))?;
        let mut rows = self.files.database.raw_iterator_cf(&family);
        rows.seek_to_first();
        Ok(!rows.valid() && rows.status().is_ok())
    }

    /// Removes all rows of a store, and its position.
    pub(crate) fn empty(&self, at: usize) -> Result<(), BytesError> {
        let Some(StoreOnDisk { name, kind }) = self.stores.get(at) else { return Ok(()) };
        self.flush_restoring()?;
        let (metadata, family) = (self.family(METADATA)?, family_name(name));
        let damaged = format!("{DAMAGED}{name}");
        // Until all is done, the store counts as damaged: the next start ends what a crash began.
        let mut batch = WriteBatch::new();
        batch.put_cf(&metadata, &damaged, []);
        self.write(batch)?;
        let emptied = self.files.database.drop_cf(&family);
        emptied.map_err(|error| failed("be emptied", error))?;
        let made = self.files.database.create_cf(&family, &self.shared.store_options());
        made.map_err(|error| failed("be emptied", error))?;
        self.files.renewed();
        let known = self.metadata.borrow().get(at).map(Metadata::emptied);
        let empty = known.unwrap_or_else(|| Metadata::new(*kind));
        let mut batch = WriteBatch::new();
        batch.put_cf(&metadata, &family, empty.encode());
        batch.delete_cf(&metadata, format!("{INPUTS}{name}"));
        batch.delete_cf(&metadata, &damaged);
        self.write(batch)?;
        self.metadata.borrow_mut().splice(at..=at, [empty]);
        if let Some(busy) = self.busy.borrow_mut().get_mut(at) {
            *busy = false;
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        self.files.path()
    }

    /// The changelog offset up to which a store holds data.
    pub(crate) fn position(&self, at: usize) -> Option<i64> {
        self.metadata.borrow().get(at)?.position
    }

    /// Whose position that is, and of when.
    pub(crate) fn identity(&self, at: usize) -> StoreIdentity {
        let metadata = self.metadata.borrow();
        metadata.get(at).map(|metadata| metadata.identity.clone()).unwrap_or_default()
    }

    /// Changes a store's identity; it is written with what is written next.
    pub(crate) fn identify(&self, at: usize, identity: StoreIdentity) {
        if let Some(metadata) = self.metadata.borrow_mut().get_mut(at) {
            metadata.identity = identity;
        }
    }

    /// Writes a store's metadata as they are.
    pub(crate) fn keep_identity(&self, at: usize) -> Result<(), BytesError> {
        let metadata = self.metadata.borrow();
        let (Some(metadata), Some(store)) = (metadata.get(at), self.stores.get(at)) else {
            return Ok(());
        };
        let mut batch = WriteBatch::new();
        batch.put_cf(&self.family(METADATA)?, family_name(&store.name), metadata.encode());
        self.write(batch)
    }

    fn committed_at(&self) -> Result<Option<Timestamp>, BytesError> {
        let bytes = self.metadata(COMMITTED_AT)?;
        let millis = bytes.and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes);
        Ok(millis.map(Timestamp::from_millis))
    }

    /// A batch of changes for any stores; about so many rows and bytes.
    pub(crate) fn changes(&self, (rows, bytes): (usize, usize)) -> Changes<'_> {
        let capacity = bytes + rows.saturating_mul(CHANGE_BYTES) + CHANGE_BYTES;
        let batch = WriteBatch::with_capacity_bytes(capacity);
        Changes { database: self, batch, positions: Vec::new() }
    }

    fn write(&self, batch: WriteBatch) -> Result<(), BytesError> {
        self.files.write(batch)
    }

    /// The positions of the inputs that a global store is filled from, as they were written.
    pub(crate) fn input_positions(&self, at: usize) -> Result<Option<Vec<u8>>, BytesError> {
        let Some(store) = self.stores.get(at) else { return Ok(None) };
        self.metadata(format!("{INPUTS}{}", store.name).as_bytes())
    }

    fn put_position(
        &self,
        batch: &mut WriteBatch,
        (at, position): (usize, i64),
    ) -> Result<(), BytesError> {
        let mut metadata = self.metadata.borrow_mut();
        let (Some(metadata), Some(store)) = (metadata.get_mut(at), self.stores.get(at)) else {
            return Ok(());
        };
        let metadata = Metadata { position: Some(position), ..metadata.clone() };
        batch.put_cf(&self.family(METADATA)?, family_name(&store.name), metadata.encode());
        Ok(())
    }

    fn moved(&self, positions: &[(usize, i64)]) {
        let mut metadata = self.metadata.borrow_mut();
        for (at, position) in positions {
            if let Some(metadata) = metadata.get_mut(*at) {
                metadata.position = Some(*position);
            }
        }
    }

    fn restore(
        &self,
        at: usize,
        row: (u64, &[u8], Option<&[u8]>),
        next_offset: i64,
    ) -> Result<(), BytesError> {
        let mut restoring = self.restoring.borrow_mut();
        restoring.put(at, row, next_offset);
        let is_full = restoring.is_full();
        drop(restoring);
        if is_full { self.flush_restoring() } else { Ok(()) }
    }

    /// Writes the rows being restored, with `next_offset` as the store's position.
    pub(crate) fn restored_up_to(&self, at: usize, next_offset: i64) -> Result<(), BytesError> {
        self.restoring.borrow_mut().reached(at, next_offset);
        self.flush_restoring()
    }

    fn flush_restoring(&self) -> Result<(), BytesError> {
        let mut restoring = self.restoring.borrow_mut();
        let positions = restoring.positions();
        if positions.is_empty() {
            return Ok(());
        }
        let mut batch = WriteBatch::with_capacity_bytes(restoring.bytes());
        for (at, rows) in restoring.rows_by_store() {
            let Some(store) = self.stores.get(at) else { continue };
            let family = self.family(&family_name(&store.name))?;
            let mut changes = ChangesOfStore { batch: &mut batch, family };
            rows.in_order().for_each(|(key, value)| changes.put(key, value));
        }
        for position in &positions {
            self.put_position(&mut batch, *position)?;
        }
        // Rows that find no space now are written with those that follow.
        self.write(batch)?;
        restoring.clear();
        self.moved(&positions);
        Ok(())
    }

    /// Removes the rows with keys between these, at once; that of `to` stays.
    pub(crate) fn drop_range(&self, at: usize, range: (&[u8], &[u8])) -> Result<(), BytesError> {
        let mut changes = self.changes((0, 0));
        changes.of(at)?.drop_range(range.0, range.1);
        self.write(changes.batch)?;
        self.drop_files(at, range);
        Ok(())
    }

    /// Gives back the files that hold nothing but rows between these keys, which are removed.
    pub(crate) fn drop_files(&self, at: usize, (from, to): (&[u8], &[u8])) {
        let Some(store) = self.stores.get(at) else { return };
        let Ok(family) = self.family(&family_name(&store.name)) else { return };
        if let Err(error) = self.files.database.delete_file_in_range_cf(&family, from, to) {
            tracing::debug!(store = %store.name, %error, "files of closed segments stay until they are compacted");
        }
    }

    /// A commit wrote so many bytes to a store.
    pub(crate) fn wrote(&self, at: usize, bytes: usize) {
        let mut busy = self.busy.borrow_mut();
        busy.resize(self.stores.len(), false);
        let (Some(busy), Some(store)) = (busy.get_mut(at), self.stores.get(at)) else { return };
        if *busy || bytes < BUSY_STORE_BYTES {
            return;
        }
        *busy = true;
        let Ok(family) = self.family(&family_name(&store.name)) else { return };
        if let Err(error) = self.files.database.set_options_cf(&family, &BUSY_STORE_OPTIONS) {
            tracing::debug!(store = %store.name, %error, "the store keeps the settings of an idle one");
        }
    }

    /// Drops rows that were to be restored and are not written.
    pub(crate) fn discard_restoring(&self) {
        self.restoring.borrow_mut().clear();
    }
}

/// Changes that are written together or not at all.
pub(crate) struct Changes<'a> {
    database: &'a RocksDatabase,
    batch: WriteBatch,
    positions: Vec<(usize, i64)>,
}

impl<'a> Changes<'a> {
    /// Takes changes of one store.
    pub(crate) fn of(&mut self, at: usize) -> Result<ChangesOfStore<'_, 'a>, BytesError> {
        let name = self.database.stores.get(at).map(|store| family_name(&store.name));
        let family = self.database.family(name.as_deref().unwrap_or_default())?;
        Ok(ChangesOfStore { batch: &mut self.batch, family })
    }

    /// The position of a store's changelog that these changes lead to.
    pub(crate) fn position(&mut self, at: usize, next_offset: i64) -> Result<(), BytesError> {
        self.positions.push((at, next_offset));
        self.database.put_position(&mut self.batch, (at, next_offset))
    }

    /// The positions of the inputs that a global store is filled from, to be read by
    /// [`input_positions`](RocksDatabase::input_positions), and the store's identity beside them.
    pub(crate) fn inputs(&mut self, at: usize, positions: &[u8]) -> Result<(), BytesError> {
        let Some(store) = self.database.stores.get(at) else { return Ok(()) };
        let family = self.database.family(METADATA)?;
        self.batch.put_cf(&family, format!("{INPUTS}{}", store.name), positions);
        if let Some(metadata) = self.database.metadata.borrow().get(at) {
            self.batch.put_cf(&family, family_name(&store.name), metadata.encode());
        }
        Ok(())
    }

    /// Writes everything.
    pub(crate) fn write(self) -> Result<(), BytesError> {
        self.database.flush_restoring()?;
        self.database.write(self.batch)?;
        self.database.moved(&self.positions);
        Ok(())
    }
}

/// The changes of one store in a batch.
pub(crate) struct ChangesOfStore<'b, 'a> {
    batch: &'b mut WriteBatch,
    family: Arc<BoundColumnFamily<'a>>,
}

impl ChangesOfStore<'_, '_> {
    /// Writes a row; `None` deletes it.
    pub(crate) fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => self.batch.put_cf(&self.family, key, value),
            None => self.batch.delete_cf(&self.family, key),
        }
    }

    /// Removes the rows with keys between these; that of `to` stays.
    pub(crate) fn drop_range(&mut self, from: &[u8], to: &[u8]) {
        self.batch.delete_range_cf(&self.family, from, to);
    }
}

/// The rows of one store in its task's database.
pub(crate) struct RocksStore {
    database: Rc<RocksDatabase>,
    /// The store's number in the database.
    at: usize,
    rows: RocksRows,
}

impl std::fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RocksStore").field(&self.rows).finish()
    }
}

impl RocksStore {
    pub(crate) fn new(database: Rc<RocksDatabase>, at: usize, name: &StoreName) -> Self {
        let rows = RocksRows::new(Arc::clone(&database.files), name);
        Self { database, at, rows }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn database(&self) -> &RocksDatabase {
        &self.database
    }

    pub(crate) const fn rows(&self) -> &RocksRows {
        &self.rows
    }

    /// Adds a row to those being restored: the hash of its key, the key, and the value; `None`
    /// deletes it. `next_offset` is the position once it is written.
    pub(crate) fn restore(
        &self,
        row: (u64, &[u8], Option<&[u8]>),
        next_offset: i64,
    ) -> Result<(), BytesError> {
        self.database.restore(self.at, row, next_offset)
    }
}
