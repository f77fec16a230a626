//! Byte stores: ordered maps of bytes, below all layers. They change at commits only.

mod chunk;
mod input_positions;
mod memory;
mod metadata;
mod own;
mod restoring;
mod rocks;
mod rocks_files;
mod rocks_options;
mod rubbish;

use std::ops::Bound;
use std::sync::{Arc, RwLock};

use streams_core::error::StoreError;
use streams_core::names::StoreName;

use crate::own::BytesStoreError;

pub(crate) use self::chunk::Chunk;
pub(crate) use self::input_positions::InputPositions;
pub(crate) use self::memory::MemoryStore;
use self::memory::OrderedRows;
pub(crate) use self::own::{OwnRows, OwnStore, Reached, guarded};
pub(crate) use self::rocks::{Changes, RocksDatabase, RocksStore, StoreOnDisk};
pub(crate) use self::rocks_files::{RocksFiles, RocksRows, damage_mark};
pub(crate) use self::rocks_options::RocksShared;

/// Which way a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the least key up.
    Forward,
    /// From the greatest key down.
    Backward,
}

/// A row that owns its bytes; `None` for one that hides the row below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnedRow {
    pub(crate) key: Box<[u8]>,
    pub(crate) value: Option<Box<[u8]>>,
}

/// The keys that a scan covers.
#[derive(Debug, Clone)]
pub(crate) struct KeyRange {
    lower: Bound<Box<[u8]>>,
    upper: Bound<Box<[u8]>>,
}

fn as_slice(bound: &Bound<Box<[u8]>>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &**key)
}

impl KeyRange {
    pub(crate) const fn new(lower: Bound<Box<[u8]>>, upper: Bound<Box<[u8]>>) -> Self {
        Self { lower, upper }
    }

    /// The keys that start with `prefix`.
    pub(crate) fn prefix(prefix: &[u8]) -> Self {
        let mut after = prefix.to_vec();
        while let Some(last) = after.pop() {
            if last < u8::MAX {
                after.push(last + 1);
                break;
            }
        }
        let upper = if after.is_empty() { Bound::Unbounded } else { Bound::Excluded(after.into()) };
        Self { lower: Bound::Included(prefix.into()), upper }
    }

    /// The same range, from this key on.
    pub(crate) fn starting_at(self, key: Vec<u8>) -> Self {
        Self { lower: Bound::Included(key.into()), ..self }
    }

    /// The same range, up to before this key.
    pub(crate) fn ending_before(self, key: Vec<u8>) -> Self {
        Self { upper: Bound::Excluded(key.into()), ..self }
    }

    pub(crate) fn lower(&self) -> Bound<&[u8]> {
        as_slice(&self.lower)
    }

    pub(crate) fn upper(&self) -> Bound<&[u8]> {
        as_slice(&self.upper)
    }

    /// Whether the bounds leave no key between them.
    pub(crate) fn is_empty(&self) -> bool {
        match (self.lower(), self.upper()) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
            (Bound::Excluded(lower) | Bound::Included(lower), Bound::Excluded(upper))
            | (Bound::Excluded(lower), Bound::Included(upper)) => lower >= upper,
        }
    }

    /// The rest of the range, once `key` was passed.
    pub(crate) fn pass(&mut self, key: &[u8], direction: Direction) {
        match direction {
            Direction::Forward => self.lower = Bound::Excluded(key.into()),
            Direction::Backward => self.upper = Bound::Excluded(key.into()),
        }
    }
}

/// Why a byte store failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BytesError {
    /// What is on disk is damaged.
    #[error("{0}")]
    Damaged(String),
    /// The file system or the database refused.
    #[error("could not {action}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What was said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no space left.
    #[error("could not {action}")]
    Full {
        /// What was tried.
        action: &'static str,
        /// What was said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl BytesError {
    /// What the system said when this was tried.
    pub(crate) fn of_system(action: &'static str, error: std::io::Error) -> Self {
        Self::of_own(action, error.into())
    }

    /// What a store of the program's own said when this was tried.
    pub(crate) fn of_own(action: &'static str, error: BytesStoreError) -> Self {
        match error {
            BytesStoreError::Damaged(detail) => Self::Damaged(detail),
            BytesStoreError::Full(source) => Self::Full { action, source },
            BytesStoreError::Failed(source) => Self::Io { action, source },
        }
    }

    /// It happened to this store.
    pub(crate) fn of_store(self, store: &StoreName) -> StoreError {
        let store = store.clone();
        match self {
            Self::Damaged(detail) => StoreError::Corrupted { store, detail },
            Self::Io { action, source } => StoreError::Io { store, action, source },
            Self::Full { action, source } => StoreError::DiskFull { store, action, source },
        }
    }
}

/// Whether a scan has more to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The chunk is full; go on behind its last row.
    More,
    /// The range is done.
    Done,
}

/// The rows of one store.
pub(crate) trait ByteRows {
    /// Appends the value of a key to `value`, and says whether there is one.
    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, BytesError>;

    /// Adds rows of the range to the chunk until it is full.
    fn scan(
        &self,
        range: &KeyRange,
        direction: Direction,
        chunk: &mut Chunk,
    ) -> Result<Progress, BytesError>;

    /// How many rows there are, roughly.
    fn approximate_len(&self) -> Result<u64, BytesError>;
}

/// The byte store of one store.
#[derive(Debug)]
pub(crate) enum Bytes {
    /// In memory.
    Memory(MemoryStore),
    /// In the task's database.
    Rocks(RocksStore),
    /// Those of a global store, which another thread writes.
    Foreign(ForeignRows),
    /// In a place of the program's own.
    Own(OwnStore),
}

/// Rows that another thread writes.
#[derive(Debug)]
pub(crate) enum ForeignRows {
    Rocks(RocksRows),
    Own(OwnRows),
}

/// The rows of a global store, on their way to other threads.
#[derive(Debug)]
pub(crate) enum SharedRows {
    Memory(Arc<RwLock<OrderedRows>>),
    Rocks(Arc<RocksFiles>),
    Own(OwnRows),
}

impl SharedRows {
    /// The rows of the store of this name, to be read.
    pub(crate) fn to_read(&self, name: &StoreName) -> Bytes {
        match self {
            Self::Memory(rows) => Bytes::Memory(MemoryStore::Shared(Arc::clone(rows))),
            Self::Rocks(files) => {
                let rows = RocksRows::new(Arc::clone(files), name);
                Bytes::Foreign(ForeignRows::Rocks(rows))
            }
            Self::Own(rows) => Bytes::Foreign(ForeignRows::Own(rows.clone())),
        }
    }
}

impl Bytes {
    fn store(&self) -> &dyn ByteRows {
        match self {
            Self::Memory(memory) => memory,
            Self::Rocks(rocks) => rocks.rows(),
            Self::Foreign(ForeignRows::Rocks(rows)) => rows,
            Self::Foreign(ForeignRows::Own(rows)) => rows,
            Self::Own(own) => own.rows(),
        }
    }

    /// For other threads; `None` for rows that are one thread's own.
    pub(crate) fn share(&self) -> Option<SharedRows> {
        match self {
            Self::Memory(MemoryStore::Own(_)) | Self::Foreign(_) => None,
            Self::Memory(MemoryStore::Shared(rows)) => Some(SharedRows::Memory(Arc::clone(rows))),
            Self::Rocks(rocks) => Some(SharedRows::Rocks(Arc::clone(rocks.database().files()))),
            Self::Own(own) => Some(SharedRows::Own(own.rows().clone())),
        }
    }
}

impl ByteRows for Bytes {
    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, BytesError> {
        self.store().get(key, value)
    }

    fn scan(
        &self,
        range: &KeyRange,
        direction: Direction,
        chunk: &mut Chunk,
    ) -> Result<Progress, BytesError> {
        self.store().scan(range, direction, chunk)
    }

    fn approximate_len(&self) -> Result<u64, BytesError> {
        self.store().approximate_len()
    }
}
