//! Byte stores of the program's own, in place of RocksDB and memory.

use std::error::Error;
use std::io::ErrorKind;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::time::Duration;

use streams_core::names::{StoreName, TaskId};
use streams_core::store::StoreKind;

/// Bytes of keys that [`BytesStore::remove_range`] takes at once, unless a store does it itself.
const REMOVED_BYTES_MAX: usize = 1 << 20;

/// Why a byte store of the program's own failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BytesStoreError {
    /// What it keeps is damaged. The store is emptied, and rebuilt from its changelog.
    #[error("{0}")]
    Damaged(String),
    /// There is no space left. The task stops, and goes on from its last commit once there is some,
    /// as where a disk is full: the uncaught error handler is asked only after `task.timeout.ms`.
    #[error(transparent)]
    Full(Box<dyn Error + Send + Sync>),
    /// It could not do what was asked. The task goes on from its last commit, as after any failure.
    #[error(transparent)]
    Failed(#[from] Box<dyn Error + Send + Sync>),
}

impl From<std::io::Error> for BytesStoreError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full(Box::new(error)),
            _ => Self::Failed(Box::new(error)),
        }
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
/// map. Answers to Kafka's `KeyValueStore<Bytes, byte[]>`, and to its `WindowStore`, `SessionStore` and
/// `VersionedBytesStore` of the same bytes.
///
/// Everything else lies above it, as above RocksDB: typed views, the record cache, the changelog, and
/// the rows that were written since the last commit, which are kept in memory and read from there. So
/// it is written at commits, and while it is restored, and is otherwise only read; it never holds what
/// was not committed.
///
/// A store of windows, sessions or versions is rows in the order of their keys as well: each key begins
/// with the number of its segment of time, in 8 bytes. What expires is one range of them, once a
/// segment is over ([`remove_range`](Self::remove_range)).
///
/// DIFFERENCE(own-bytes): in Kafka such a store looks windows up and expires them itself.
///
/// It is used by one thread at a time, which waits for each call, and is dropped when its task goes. A
/// global store is read by all threads, none of which writes meanwhile.
///
/// ```
/// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
/// use std::collections::BTreeMap;
/// use std::ops::{Bound, ControlFlow};
/// use std::time::Duration;
///
/// use streams_core::time::Timestamp;
/// use streams_state::{
///     BytesStore, BytesStoreError, BytesStoreSupplier, ChangedRow, EachRow, ScanOrder, StorePlace,
///     Stores,
/// };
///
/// /// Rows, and the checkpoint that they were written with.
/// #[derive(Default)]
/// struct Map {
///     rows: BTreeMap<Vec<u8>, Vec<u8>>,
///     checkpoint: Option<Vec<u8>>,
/// }
///
/// impl BytesStore for Map {
///     fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, BytesStoreError> {
///         let found = self.rows.get(key);
///         value.extend_from_slice(found.map(Vec::as_slice).unwrap_or_default());
///         Ok(found.is_some())
///     }
///
///     fn scan(
///         &self,
///         keys: (Bound<&[u8]>, Bound<&[u8]>),
///         order: ScanOrder,
///         each: &mut EachRow<'_>,
///     ) -> Result<(), BytesStoreError> {
///         let mut rows = self.rows.range::<[u8], _>(keys);
///         let ended = match order {
///             ScanOrder::Ascending => rows.try_for_each(|(key, value)| each(key, value)),
///             ScanOrder::Descending => rows.rev().try_for_each(|(key, value)| each(key, value)),
///         };
///         let (ControlFlow::Continue(()) | ControlFlow::Break(())) = ended;
///         Ok(())
///     }
///
///     fn approximate_num_entries(&self) -> Result<u64, BytesStoreError> {
///         Ok(self.rows.len() as u64)
///     }
///
///     fn write(
///         &mut self,
///         changes: &mut dyn Iterator<Item = ChangedRow<'_>>,
///         checkpoint: &[u8],
///     ) -> Result<(), BytesStoreError> {
///         for (key, value) in changes {
///             match value {
///                 Some(value) => self.rows.insert(key.to_vec(), value.to_vec()),
///                 None => self.rows.remove(key),
///             };
///         }
///         self.checkpoint = Some(checkpoint.to_vec());
///         Ok(())
///     }
///
///     fn checkpoint(&self) -> Result<Option<Vec<u8>>, BytesStoreError> {
///         Ok(self.checkpoint.clone())
///     }
///
///     fn clear(&mut self) -> Result<(), BytesStoreError> {
///         *self = Self::default();
///         Ok(())
///     }
/// }
///
/// struct Maps;
///
/// impl BytesStoreSupplier for Maps {
///     fn open(&self, _: StorePlace<'_>) -> Result<Box<dyn BytesStore>, BytesStoreError> {
///         Ok(Box::new(Map::default()))
///     }
///
///     fn is_persistent(&self) -> bool {
///         false
///     }
/// }
///
/// let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
/// let clicks = Stores::window::<String, i64>("clicks", minute, hour).kept_in(Maps);
/// # let (mut stores, clicks) = alone::open(clicks);
/// let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
/// clicks.put(&"ann".to_owned(), &7, at(1))?;
/// # stores.commit(&[])?;
/// assert_eq!(clicks.get(&"ann".to_owned(), at(1))?, Some(7));
/// // An hour is over.
/// clicks.put(&"bob".to_owned(), &1, at(120))?;
/// assert_eq!(clicks.get(&"ann".to_owned(), at(1))?, None);
/// # Ok::<(), streams_core::error::StoreError>(())
/// ```
#[doc(alias("WindowStore<Bytes, byte[]>", "SessionStore<Bytes, byte[]>", "VersionedBytesStore"))]
pub trait BytesStore: Send + Sync {
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

    /// Removes the rows whose keys lie from `from` up to before `before`: those of windows, sessions or
    /// versions that have expired. It follows a [`write`](Self::write), once a segment of time is over;
    /// the checkpoint stays as it is. Nobody reads these rows any more, so it may be done in part when
    /// it fails, and a crash may bring some back: they are then removed later.
    ///
    /// Unless told otherwise the rows are looked up and deleted by `write`, 1 MiB of keys at once: as
    /// much work as writing them was. A store that can drop a range at once should.
    ///
    /// # Errors
    /// When they could not be removed.
    fn remove_range(&mut self, from: &[u8], before: &[u8]) -> Result<(), BytesStoreError> {
        remove_by_key(self, from, before)
    }

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

/// Deletes the rows between two keys one by one.
pub(crate) fn remove_by_key<S: BytesStore + ?Sized>(
    store: &mut S,
    from: &[u8],
    before: &[u8],
) -> Result<(), BytesStoreError> {
    // Rows come with a checkpoint.
    let Some(checkpoint) = store.checkpoint()? else { return Ok(()) };
    let mut rest = Bound::Included(from.to_vec());
    loop {
        let (mut keys, mut bytes) = (Vec::<Box<[u8]>>::new(), 0);
        let range = (rest.as_ref().map(Vec::as_slice), Bound::Excluded(before));
        store.scan(range, ScanOrder::Ascending, &mut |key, _| {
            keys.push(key.into());
            bytes += key.len();
            if bytes < REMOVED_BYTES_MAX {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        let Some(last) = keys.last() else { return Ok(()) };
        rest = Bound::Excluded(last.to_vec());
        let is_all = bytes < REMOVED_BYTES_MAX;
        store.write(&mut keys.iter().map(|key| (&**key, None)), &checkpoint)?;
        if is_all {
            return Ok(());
        }
    }
}

/// Whose rows a [`BytesStore`] shall keep. Answers to Kafka's `DslKeyValueParams`, `DslWindowParams` and
/// `DslSessionParams`, and to what its suppliers say of their stores; here the store's declaration does.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StorePlace<'a> {
    /// The store.
    pub store: &'a StoreName,
    /// What kind of store it is; with the milliseconds of a segment where it expires.
    pub kind: StoreKind,
    /// How long windows, sessions and versions are kept.
    pub retention: Option<Duration>,
    /// The task; for a global store, that which fills it. Each task has rows of its own in this process,
    /// and a standby of it has some in another one.
    pub task: TaskId,
    /// A directory for what is kept on disk, which goes when the state of the task is removed; `None`
    /// where no state directory is used, as by the test driver.
    pub directory: Option<&'a Path>,
}

/// Opens the byte stores of tasks, and of global stores; shared by all threads. Answers to Kafka's
/// `KeyValueBytesStoreSupplier`, `WindowBytesStoreSupplier`, `SessionBytesStoreSupplier` and
/// `VersionedBytesStoreSupplier`, and to its `DslStoreSuppliers`.
#[doc(alias(
    "KeyValueBytesStoreSupplier",
    "WindowBytesStoreSupplier",
    "SessionBytesStoreSupplier",
    "VersionedBytesStoreSupplier",
    "DslStoreSuppliers"
))]
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

    /// Whether stores of this kind are kept so where the supplier is given for all stores of a topology
    /// (`StreamsBuilder::keep_stores_in`), as they are unless told otherwise. Those that are not lie
    /// where the settings say.
    fn keeps(&self, kind: StoreKind) -> bool {
        let _ = kind;
        true
    }
}
