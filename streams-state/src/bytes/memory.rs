//! An ordered map in memory, for stores that ask for no disk.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use streams_core::store::StoresOf;

use super::rubbish::drop_beside;
use super::{ByteRows, BytesError, Chunk, Direction, KeyRange, Progress};

/// Rows in the order of their keys.
pub(super) type OrderedRows = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// So many are given back at once.
const DROPPED_AT_ONCE_MAX: usize = 1024;

/// Rows in memory. Lost with the process; rebuilt from the changelog.
#[derive(Debug)]
pub(crate) enum MemoryStore {
    /// Of one thread.
    Own(RefCell<OrderedRows>),
    /// Of a global store, which other threads read.
    Shared(Arc<RwLock<OrderedRows>>),
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::Own(RefCell::default())
    }
}

impl MemoryStore {
    /// An empty store, which other threads can read where it is the process's.
    pub(crate) fn of(owner: &StoresOf) -> Self {
        match owner {
            StoresOf::Task => Self::default(),
            StoresOf::Process { .. } => Self::Shared(Arc::default()),
        }
    }

    fn read<R>(&self, read: impl FnOnce(&OrderedRows) -> R) -> R {
        match self {
            Self::Own(rows) => read(&rows.borrow()),
            Self::Shared(rows) => read(&rows.read().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn change<R>(&self, change: impl FnOnce(&mut OrderedRows) -> R) -> R {
        match self {
            Self::Own(rows) => change(&mut rows.borrow_mut()),
            Self::Shared(rows) => change(&mut rows.write().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Writes a row; `None` deletes it.
    pub(crate) fn write(&self, key: &[u8], value: Option<&[u8]>) {
        self.change(|rows| {
            let Some(value) = value else {
                rows.remove(key);
                return;
            };
            match rows.get_mut(key) {
                Some(old) if old.len() == value.len() => old.copy_from_slice(value),
                Some(old) => *old = value.into(),
                None => {
                    rows.insert(key.into(), value.into());
                }
            }
        });
    }

    /// Removes the rows before this key.
    pub(crate) fn remove_before(&self, key: &[u8]) {
        self.change(|rows| {
            let kept = rows.split_off(key);
            give_back(std::mem::replace(rows, kept));
        });
    }

    /// Removes all rows.
    pub(crate) fn clear(&self) {
        self.change(|rows| give_back(std::mem::take(rows)));
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        if let Self::Own(rows) = self {
            give_back(std::mem::take(rows.get_mut()));
        }
    }
}

fn give_back(rows: OrderedRows) {
    if rows.len() > DROPPED_AT_ONCE_MAX {
        drop_beside(rows);
    }
}

impl ByteRows for MemoryStore {
    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, BytesError> {
        self.read(|rows| {
            let found = rows.get(key);
            if let Some(bytes) = found {
                value.extend_from_slice(bytes);
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
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (range.lower(), range.upper());
        self.read(|rows| {
            let mut rows = rows.range::<[u8], _>(bounds);
            loop {
                if chunk.is_full() {
                    return Ok(Progress::More);
                }
                let row = match direction {
                    Direction::Forward => rows.next(),
                    Direction::Backward => rows.next_back(),
                };
                let Some((key, value)) = row else { return Ok(Progress::Done) };
                chunk.push(key, value);
            }
        })
    }

    fn approximate_len(&self) -> Result<u64, BytesError> {
        Ok(u64::try_from(self.read(OrderedRows::len)).unwrap_or(u64::MAX))
    }
}
