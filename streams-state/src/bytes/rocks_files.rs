//! The files of a RocksDB database, and the rows of a store in them, to be read from any thread.

use std::cell::RefCell;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rocksdb::{
    BoundColumnFamily, DBWithThreadMode, ErrorKind, MultiThreaded, ReadOptions, WriteBatch,
};
use streams_core::names::StoreName;
use yoke::{Yoke, Yokeable};

use super::rocks_options::write_options;
use super::{ByteRows, BytesError, Chunk, Direction, KeyRange, Progress};

/// The column family of the stores' metadata.
pub(super) const METADATA: &str = "metadata";
/// Before a store's name, in the name of its column family and of its metadata.
pub(super) const STORE: &str = "store.";
/// Before a store's name, in the name of the mark that its column family is damaged.
pub(super) const DAMAGED: &str = "damaged.";

pub(super) type Database = DBWithThreadMode<MultiThreaded>;

/// An open database. It is closed when the last of its users lets go.
pub(crate) struct RocksFiles {
    pub(super) database: Database,
    path: PathBuf,
    /// How often a column family was made anew.
    renewals: AtomicU64,
}

impl std::fmt::Debug for RocksFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksFiles").field("path", &self.path).finish_non_exhaustive()
    }
}

pub(super) fn failed(action: &'static str, error: rocksdb::Error) -> BytesError {
    match error.kind() {
        ErrorKind::Corruption => BytesError::Damaged(error.into_string()),
        _ if is_full(&error) => BytesError::Full { action, source: Box::new(error) },
        _ => BytesError::Io { action, source: Box::new(error) },
    }
}

/// RocksDB tells what the system said in words alone.
fn is_full(error: &rocksdb::Error) -> bool {
    let text = error.as_ref();
    ["No space left on device", "Disk quota exceeded"].iter().any(|said| text.contains(said))
}

pub(super) fn family_name(store: &StoreName) -> String {
    format!("{STORE}{store}")
}

/// Where a damaged database is marked as such; beside it, as it may take no more writes.
pub(crate) fn damage_mark(path: &Path) -> PathBuf {
    let mut mark = path.as_os_str().to_owned();
    mark.push(".damaged");
    mark.into()
}

impl RocksFiles {
    pub(super) fn new(database: Database, path: &Path) -> Self {
        Self { database, path: path.to_owned(), renewals: AtomicU64::new(0) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn family(&self, name: &str) -> Result<Arc<BoundColumnFamily<'_>>, BytesError> {
        let missing = || BytesError::Damaged(format!("the column family \"{name}\" is missing"));
        self.database.cf_handle(name).ok_or_else(missing)
    }

    /// Handles of column families that were taken before are out of date.
    pub(super) fn renewed(&self) {
        self.renewals.fetch_add(1, Ordering::Release);
    }

    pub(super) fn metadata(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BytesError> {
        let family = self.family(METADATA)?;
        self.database.get_cf(&family, key).map_err(|error| failed("be read", error))
    }

    pub(super) fn write(&self, batch: WriteBatch) -> Result<(), BytesError> {
        let written = self.database.write_opt(batch, &write_options());
        written.map_err(|error| {
            let error = failed("be written", error);
            if matches!(error, BytesError::Damaged(_)) {
                self.mark_damaged();
            }
            error
        })
    }

    fn mark_damaged(&self) {
        if let Err(error) = crate::backend::private::write_file(&damage_mark(&self.path), b"") {
            tracing::warn!(path = %self.path.display(), %error, "a damaged database could not be marked");
        }
    }

    /// A read found a store's rows damaged: the store starts empty when it is opened next.
    fn mark_store_damaged(&self, name: &StoreName) {
        let mut batch = WriteBatch::new();
        let Ok(family) = self.family(METADATA) else { return };
        batch.put_cf(&family, format!("{DAMAGED}{name}"), []);
        if self.write(batch).is_err() {
            self.mark_damaged();
        }
    }
}

/// A column family of open files.
#[derive(Yokeable)]
struct Family<'f>(Arc<BoundColumnFamily<'f>>);

/// A column family beside the files that it is of, so that no read looks it up by name.
struct HeldFamily {
    held: Yoke<Family<'static>, Arc<RocksFiles>>,
    /// The count of renewals when it was looked up.
    renewals: u64,
}

impl HeldFamily {
    fn of(files: &Arc<RocksFiles>, name: &str) -> Result<Self, BytesError> {
        let renewals = files.renewals.load(Ordering::Acquire);
        let held =
            Yoke::try_attach_to_cart(Arc::clone(files), |files| files.family(name).map(Family))?;
        Ok(Self { held, renewals })
    }
}

/// The rows of one store, to be read.
pub(crate) struct RocksRows {
    files: Arc<RocksFiles>,
    name: StoreName,
    family: RefCell<Option<HeldFamily>>,
    point_reads: ReadOptions,
}

impl std::fmt::Debug for RocksRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksRows").field("name", &self.name).finish_non_exhaustive()
    }
}

impl RocksRows {
    pub(crate) fn new(files: Arc<RocksFiles>, name: &StoreName) -> Self {
        let point_reads = ReadOptions::default();
        Self { files, name: name.clone(), family: RefCell::default(), point_reads }
    }

    /// Reads in the store's column family; looks it up when it was made anew since the last read.
    fn with_family<T>(
        &self,
        read: impl FnOnce(&Arc<BoundColumnFamily<'_>>) -> Result<T, BytesError>,
    ) -> Result<T, BytesError> {
        let mut family = self.family.borrow_mut();
        let renewals = self.files.renewals.load(Ordering::Acquire);
        let family = match &mut *family {
            Some(family) if family.renewals == renewals => family,
            outdated => outdated.insert(HeldFamily::of(&self.files, &family_name(&self.name))?),
        };
        read(&family.held.get().0)
    }

    fn read_failed(&self, error: rocksdb::Error) -> BytesError {
        let error = failed("be read", error);
        if matches!(error, BytesError::Damaged(_)) {
            self.files.mark_store_damaged(&self.name);
        }
        error
    }
}

/// The key right behind this one.
fn after(key: &[u8]) -> Vec<u8> {
    let mut after = Vec::with_capacity(key.len() + 1);
    after.extend_from_slice(key);
    after.push(0);
    after
}

fn read_options(range: &KeyRange) -> ReadOptions {
    let mut options = ReadOptions::default();
    match range.lower() {
        Bound::Unbounded => {}
        Bound::Included(key) => options.set_iterate_lower_bound(key),
        Bound::Excluded(key) => options.set_iterate_lower_bound(after(key)),
    }
    match range.upper() {
        Bound::Unbounded => {}
        Bound::Included(key) => options.set_iterate_upper_bound(after(key)),
        Bound::Excluded(key) => options.set_iterate_upper_bound(key),
    }
    options
}

impl ByteRows for RocksRows {
    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, BytesError> {
        self.with_family(|family| {
            let found = self.files.database.get_pinned_cf_opt(family, key, &self.point_reads);
            let found = found.map_err(|error| self.read_failed(error))?;
            if let Some(found) = &found {
                value.extend_from_slice(found);
            }
            Ok(found.is_some())
        })
    }

    fn scan(
        &self,
        range: &KeyRange,
        direction: Direction,
        chunk: &mut Chunk,
    ) -> Result<Progress, BytesError> {
        if range.is_empty() {
            return Ok(Progress::Done);
        }
        let options = read_options(range);
        let rows = |family: &Arc<BoundColumnFamily<'_>>| {
            Ok(self.files.database.raw_iterator_cf_opt(family, options))
        };
        let mut rows = self.with_family(rows)?;
        match direction {
            Direction::Forward => rows.seek_to_first(),
            Direction::Backward => rows.seek_to_last(),
        }
        while let Some((key, value)) = rows.item() {
            if chunk.is_full() {
                return Ok(Progress::More);
            }
            chunk.push(key, value);
            match direction {
                Direction::Forward => rows.next(),
                Direction::Backward => rows.prev(),
            }
        }
        rows.status().map_err(|error| self.read_failed(error))?;
        Ok(Progress::Done)
    }

    fn approximate_len(&self) -> Result<u64, BytesError> {
        const KEYS: &str = "rocksdb.estimate-num-keys";
        self.with_family(|family| {
            let keys = self.files.database.property_int_value_cf(family, KEYS);
            Ok(keys.map_err(|error| self.read_failed(error))?.unwrap_or(0))
        })
    }
}
