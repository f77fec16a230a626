//! Counts on RocksDB: writes staged in a hash map, one batch a commit, values readable from memory
//! after it.

use super::Error;
use foldhash::fast::RandomState;
use indexmap::IndexMap;
use rocksdb::{BlockBasedOptions, Cache, DB, Options, WriteBatch};
use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

/// A count and the time of its last change, in the milliseconds of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) count: i64,
    pub(crate) timestamp: i64,
}

struct Staged {
    value: Count,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Clean,
    Dirty,
}

/// Counts by key in memory, and which of them have changed.
#[derive(Default)]
pub(super) struct Staging {
    staged: IndexMap<Key, Staged, RandomState>,
    dirty: Vec<usize>,
}

/// The counts of one task.
pub(crate) struct Counts {
    db: DB,
    staging: Staging,
}

/// Not the name of a count: keys of this workload are not empty.
pub(super) const OFFSET_KEY: &[u8] = b"";
/// Forget what is on the disk once the map holds this many keys.
const MOST_STAGED: usize = 1 << 18;

impl Staging {
    /// Adds one to the count of `key` at `timestamp`; `stored` looks where the key is not in memory.
    pub(super) fn add(
        &mut self,
        key: &[u8],
        timestamp: i64,
        stored: impl FnOnce() -> Result<Option<Count>, Error>,
    ) -> Result<Count, Error> {
        if let Some((index, _, staged)) = self.staged.get_full_mut(key) {
            let Count { count, timestamp: before } = staged.value;
            staged.value = Count { count: count + 1, timestamp: timestamp.max(before) };
            if staged.state == State::Clean {
                staged.state = State::Dirty;
                self.dirty.push(index);
            }
            return Ok(staged.value);
        }
        let value = match stored()? {
            Some(before) => {
                Count { count: before.count + 1, timestamp: timestamp.max(before.timestamp) }
            }
            None => Count { count: 1, timestamp },
        };
        let (index, _) =
            self.staged.insert_full(Key::new(key), Staged { value, state: State::Dirty });
        self.dirty.push(index);
        Ok(value)
    }

    /// What has changed since the last call.
    pub(super) fn drain(&mut self, mut write: impl FnMut(&[u8], [u8; 16])) {
        for index in self.dirty.drain(..) {
            if let Some((key, staged)) = self.staged.get_index_mut(index) {
                write(key.bytes(), encode(staged.value));
                staged.state = State::Clean;
            }
        }
    }
}

/// A database as Kafka Streams sets it up by default.
pub(super) fn open(path: &str) -> Result<DB, Error> {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(16 << 20));
    blocks.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_write_buffer_size(8 << 20);
    options.set_max_write_buffer_number(2);
    options.set_block_based_table_factory(&blocks);
    Ok(DB::open(&options, path)?)
}

impl Counts {
    pub(crate) fn open(path: &str) -> Result<Self, Error> {
        Ok(Self { db: open(path)?, staging: Staging::default() })
    }

    /// Adds one to the count of `key` at `timestamp`.
    pub(crate) fn add(&mut self, key: &[u8], timestamp: i64) -> Result<Count, Error> {
        let Self { db, staging } = self;
        staging.add(key, timestamp, || db.get_pinned(key)?.map(|bytes| decode(&bytes)).transpose())
    }

    /// Writes what has changed, and the changelog's offset that it stands for.
    pub(crate) fn commit(&mut self, offset: i64) -> Result<(), Error> {
        if self.staging.dirty.is_empty() {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        self.staging.drain(|key, value| batch.put(key, value));
        batch.put(OFFSET_KEY, offset.to_be_bytes());
        self.db.write(batch)?;
        if self.staging.staged.len() > MOST_STAGED {
            self.staging.staged.clear();
        }
        Ok(())
    }
}

/// A key in place if it is short: one more cache miss a record is what the hash map costs
/// otherwise.
pub(super) enum Key {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

const SHORT: usize = 22;

impl Key {
    pub(super) fn new(key: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..key.len()), u8::try_from(key.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(key);
                Self::Short { length, bytes }
            }
            _ => Self::Long(key.into()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.bytes()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Key {}

fn encode(value: Count) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (time, count) = bytes.split_at_mut(8);
    time.copy_from_slice(&value.timestamp.to_be_bytes());
    count.copy_from_slice(&value.count.to_be_bytes());
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<Count, Error> {
    let (&[time, count], []) = bytes.as_chunks::<8>() else {
        return Err(Error::Data("a count is not 16 bytes long"));
    };
    Ok(Count { count: i64::from_be_bytes(count), timestamp: i64::from_be_bytes(time) })
}
