//! Byte stores of the program's own, in place of RocksDB and memory.

use std::error::Error;
use std::ops::{Bound, ControlFlow};
use std::path::Path;

use streams_core::names::{StoreName, TaskId};

/// Why a byte store of the program's own failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BytesStoreError {
    /// What it keeps is damaged. The store is emptied, and rebuilt from its changelog.
    #[error("{0}")]
    Damaged(String),
    /// It could not do what was asked. The task goes on from its last commit, as after any failure.
    #[error(transparent)]
    Failed(#[from] Box<dyn Error + Send + Sync>),
}

impl From<std::io::Error> for BytesStoreError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// Which way a scan of a [`BytesStore`] goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanOrder {
    /// From the least key up.
    Ascending,
    /// From the greatest key down.
    Descending,
}

/// What is asked for each row of a scan: its key and value.
pub type EachRow<'s> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 's;

/// A row that a commit changes: its key, and its value or `None` where it is deleted.
pub type ChangedRow<'r> = (&'r [u8], Option<&'r [u8]>);

/// The rows of one store of a task, as bytes, in a place of the program's own: a database, a file, a
/// map. Answers to Kafka's `KeyValueStore<Bytes, byte[]>`.
///
/// Everything else lies above it, as above RocksDB: typed views, the record cache, the changelog, and
/// the rows that were written since the last commit, which are kept in memory and read from there. So
/// it is written at commits, and while it is restored, and is otherwise only read; it never holds what
/// was not committed.
///
/// It is used by one thread at a time, which waits for each call, and is dropped when its task goes.
pub trait BytesStore {
    /// Appends the value of a key to `value`, and says whether there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, BytesStoreError>;

    /// Gives `each` the rows whose keys lie between these ends, by the order of their bytes, until it
    /// breaks.
    ///
    /// # Errors
    /// When they cannot be read.
    fn scan(
        &self,
        keys: (Bound<&[u8]>, Bound<&[u8]>),
        order: ScanOrder,
        each: &mut EachRow<'_>,
    ) -> Result<(), BytesStoreError>;

    /// About how many rows there are.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn approximate_num_entries(&self) -> Result<u64, BytesStoreError>;

    /// Takes changes, in the order of their keys, and in place of the former one the checkpoint: the
    /// bytes that say to which offset of the changelog the rows have come. Both or none, and after a
    /// crash as well: rows with a checkpoint of another time make the store differ from its changelog
    /// for good. A write may be lost in a crash of the machine, with those after it.
    ///
    /// # Errors
    /// When they could not be written; nothing may have changed then.
    fn write(
        &mut self,
        changes: &mut dyn Iterator<Item = ChangedRow<'_>>,
        checkpoint: &[u8],
    ) -> Result<(), BytesStoreError>;

    /// The checkpoint that was written last, by this process or a former one; `None` for a store that
    /// is new or was emptied.
    ///
    /// # Errors
    /// When it cannot be read.
    fn checkpoint(&self) -> Result<Option<Vec<u8>>, BytesStoreError>;

    /// Removes all rows and the checkpoint, also where they are damaged.
    ///
    /// # Errors
    /// When they cannot be removed.
    fn clear(&mut self) -> Result<(), BytesStoreError>;
}

/// Whose rows a [`BytesStore`] shall keep.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StorePlace<'a> {
    /// The store.
    pub store: &'a StoreName,
    /// The task. Each task has rows of its own.
    pub task: TaskId,
    /// A directory for what is kept on disk, which goes when the state of the task is removed; `None`
    /// where no state directory is used, as by the test driver.
    pub directory: Option<&'a Path>,
}

/// Opens the byte stores of tasks; shared by all threads. Answers to Kafka's
/// `KeyValueBytesStoreSupplier`.
pub trait BytesStoreSupplier: Send + Sync + 'static {
    /// Opens the rows of a store of a task, or makes it without any. The ones that were opened for
    /// this place before are dropped by then. Files that are found damaged are to be set aside.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(&self, place: StorePlace<'_>) -> Result<Box<dyn BytesStore>, BytesStoreError>;

    /// Whether rows outlast the process, as they do unless told otherwise. Those that do not are
    /// restored at each start.
    fn is_persistent(&self) -> bool {
        true
    }
}
