//! An ordered map in memory, for stores that ask for no disk.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;

use super::{ByteStore, BytesError, Chunk, Direction, KeyRange, Progress};

type OrderedRows = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// Rows in memory. Lost with the process; rebuilt from the changelog.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    rows: RefCell<OrderedRows>,
}

impl MemoryStore {
    /// Writes a row; `None` deletes it.
    pub(crate) fn write(&self, key: &[u8], value: Option<&[u8]>) {
        let mut rows = self.rows.borrow_mut();
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
    }

    /// Removes the rows before this key.
    pub(crate) fn remove_before(&self, key: &[u8]) {
        let mut rows = self.rows.borrow_mut();
        let kept = rows.split_off(key);
        *rows = kept;
    }

    /// Removes all rows.
    pub(crate) fn clear(&self) {
        self.rows.borrow_mut().clear();
    }
}

impl ByteStore for MemoryStore {
    fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, BytesError> {
        let rows = self.rows.borrow();
        let found = rows.get(key);
        if let Some(bytes) = found {
            value.extend_from_slice(bytes);
        }
        Ok(found.is_some())
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
        let rows = self.rows.borrow();
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (range.lower(), range.upper());
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
    }

    fn approximate_len(&self) -> Result<u64, BytesError> {
        Ok(u64::try_from(self.rows.borrow().len()).unwrap_or(u64::MAX))
    }
}
