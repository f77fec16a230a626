//! One side of a join of streams: its rows of the retention in memory, in the order of their coming
//! and by key, and on RocksDB.

use super::Error;
use super::store::{OFFSET_KEY, open};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use rocksdb::{DB, IteratorMode, WriteBatch};
use std::collections::VecDeque;
use std::hash::BuildHasher;

/// How far apart two records are at most.
pub(crate) const DIFFERENCE_MS: i64 = 5_000;
const GRACE_MS: i64 = 5_000;
const RETENTION_MS: i64 = 2 * DIFFERENCE_MS + GRACE_MS;

/// No row.
const NONE: u64 = u64::MAX;

struct Row {
    timestamp: i64,
    sequence: u32,
    key_length: u32,
    /// The key, then the value.
    bytes: Box<[u8]>,
    hash: u64,
    /// The row of this key that came before.
    before: u64,
}

impl Row {
    fn parts(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at_checked(self.key_length as usize).unwrap_or_default()
    }
}

/// The rows of one side in one task.
pub(crate) struct Rows {
    db: DB,
    /// Numbered from `first` on.
    rows: VecDeque<Row>,
    first: u64,
    /// The first row that is not on the disk.
    staged_from: u64,
    /// By key, the newest row.
    newest: HashTable<u64>,
    hasher: RandomState,
    sequence: u32,
    stream_time: i64,
    dropped_before: i64,
    found: Vec<u64>,
}

impl Rows {
    pub(crate) fn open(path: &str) -> Result<Self, Error> {
        let mut side = Self {
            db: open(path)?,
            rows: VecDeque::new(),
            first: 0,
            staged_from: 0,
            newest: HashTable::new(),
            hasher: RandomState::default(),
            sequence: 0,
            stream_time: 0,
            dropped_before: 0,
            found: Vec::new(),
        };
        let stored: Vec<_> = side.db.iterator(IteratorMode::Start).collect::<Result<_, _>>()?;
        for (row, value) in &stored {
            if let Some((timestamp, rest)) = row.split_first_chunk()
                && let Some((sequence, key)) = rest.split_first_chunk()
            {
                let sequence = u32::from_be_bytes(*sequence);
                side.sequence = side.sequence.max(sequence);
                side.push(key, i64::from_be_bytes(*timestamp), sequence, value);
            }
        }
        side.staged_from = side.first + side.rows.len() as u64;
        Ok(side)
    }

    /// Adds a row, and gives its key in the changelog.
    pub(crate) fn put(&mut self, key: &[u8], timestamp: i64, value: &[u8], row: &mut Vec<u8>) {
        self.sequence = (self.sequence + 1) & 0x7fff_ffff;
        self.push(key, timestamp, self.sequence, value);
        row.clear();
        row.extend_from_slice(key);
        row.extend_from_slice(&timestamp.to_be_bytes());
        row.extend_from_slice(&self.sequence.to_be_bytes());
    }

    fn push(&mut self, key: &[u8], timestamp: i64, sequence: u32, value: &[u8]) {
        self.stream_time = self.stream_time.max(timestamp);
        let hash = self.hasher.hash_one(key);
        let number = self.first + self.rows.len() as u64;
        let Self { rows, first, newest, .. } = self;
        let row_of = |number: u64| rows.get(usize::try_from(number - *first).ok()?);
        let is_key = |number: &u64| {
            row_of(*number).is_some_and(|row| row.hash == hash && row.parts().0 == key)
        };
        let before = match newest.find_mut(hash, is_key) {
            Some(newest) => std::mem::replace(newest, number),
            None => {
                let hash_of = |number: &u64| row_of(*number).map_or(0, |row| row.hash);
                newest.insert_unique(hash, number, hash_of);
                NONE
            }
        };
        let bytes = [key, value].concat().into_boxed_slice();
        let key_length = u32::try_from(key.len()).unwrap_or_default();
        self.rows.push_back(Row { timestamp, sequence, key_length, bytes, hash, before });
    }

    fn row(&self, number: u64) -> Option<&Row> {
        self.rows.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Gives the time and the value of each row of `key` that is near `timestamp`, in order.
    pub(crate) fn near(
        &mut self,
        key: &[u8],
        timestamp: i64,
        mut give: impl FnMut(i64, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        let hash = self.hasher.hash_one(key);
        let is_key = |number: &u64| self.row(*number).is_some_and(|row| row.parts().0 == key);
        let from = (timestamp - DIFFERENCE_MS).max(self.stream_time - RETENTION_MS + 1);
        let mut next = self.newest.find(hash, is_key).copied().unwrap_or(NONE);
        while let Some(row) = self.row(next) {
            if (from..=timestamp + DIFFERENCE_MS).contains(&row.timestamp) {
                found.push(next);
            }
            next = row.before;
        }
        found.sort_by_key(|number| self.row(*number).map(|row| (row.timestamp, row.sequence)));
        for row in found.iter().filter_map(|number| self.row(*number)) {
            give(row.timestamp, row.parts().1)?;
        }
        self.found = found;
        Ok(())
    }

    /// Writes the new rows that are still kept, and the changelog's offset.
    pub(crate) fn commit(&mut self, offset: i64) -> Result<(), Error> {
        let end = self.first + self.rows.len() as u64;
        if self.staged_from == end {
            return Ok(());
        }
        let kept_from = self.stream_time - RETENTION_MS + 1;
        while let Some(row) = self.rows.front().filter(|row| row.timestamp < kept_from) {
            let (hash, number) = (row.hash, self.first);
            if let Ok(newest) = self.newest.find_entry(hash, |newest| *newest == number) {
                newest.remove();
            }
            self.rows.pop_front();
            self.first += 1;
        }
        let mut batch = WriteBatch::default();
        batch.delete_range(self.dropped_before.to_be_bytes(), kept_from.to_be_bytes());
        self.dropped_before = kept_from;
        let mut at = Vec::new();
        let new = usize::try_from(self.staged_from.saturating_sub(self.first)).unwrap_or_default();
        for row in self.rows.iter().skip(new) {
            let (key, value) = row.parts();
            at.clear();
            at.extend_from_slice(&row.timestamp.to_be_bytes());
            at.extend_from_slice(&row.sequence.to_be_bytes());
            at.extend_from_slice(key);
            batch.put(&at, value);
        }
        self.staged_from = end;
        batch.put(OFFSET_KEY, offset.to_be_bytes());
        Ok(self.db.write(batch)?)
    }
}
