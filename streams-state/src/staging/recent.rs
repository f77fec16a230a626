//! The newest rows of a store that expires. All rows behind a bound in time are in memory, staged or
//! as copies of what was committed, so that one that is not found there is nowhere, and the byte store
//! is not asked. The bound rises where memory is short, and where rows come to the byte store by
//! another way; rows up to it are known as in other stores.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::by_key::{ByKey, Place};
use crate::bytes::Direction;
use crate::row_key::RowKeys;

/// What the time of a slot costs.
const TIME_BYTES: usize = size_of::<i64>();

/// Rows that a fetch copies at most, and their bytes; larger ones are read in parts.
const FETCHED_ROWS_MAX: usize = 16 << 10;
pub(super) const FETCHED_BYTES_MAX: usize = 1 << 20;

/// The time of a slot without a row. Rows have none before 0.
const NO_TIME: i64 = i64::MIN;

/// Rows of one key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfKey<'a> {
    pub(crate) key: &'a [u8],
    /// The first time and the last.
    pub(crate) times: (i64, i64),
    /// The greatest start of a session.
    pub(crate) detail_max: i64,
}

/// What the overlay of a store that expires knows of times.
#[derive(Debug)]
pub(crate) struct Recent {
    keys: RowKeys,
    hasher: RandomState,
    /// All rows behind this time are in the overlay.
    complete_after: i64,
    /// No row is behind this time, in the overlay or in the byte store.
    greatest: i64,
    /// No row in the overlay is before this time.
    least: i64,
    /// By slot, the time of its row.
    times: Vec<i64>,
    by_key: ByKey,
    /// The slots of a fetch.
    found: Vec<u32>,
}

impl Recent {
    /// Nothing is known of the byte store.
    pub(super) fn new(keys: RowKeys) -> Self {
        Self {
            keys,
            hasher: RandomState::default(),
            complete_after: i64::MAX,
            greatest: i64::MIN,
            least: i64::MAX,
            times: Vec::new(),
            by_key: ByKey::default(),
            found: Vec::new(),
        }
    }

    /// Bytes besides those of the slots.
    pub(super) fn bytes(&self) -> usize {
        self.times.len() * TIME_BYTES + self.by_key.bytes()
    }

    /// The time of a row.
    pub(super) fn time_of(&self, key: &[u8]) -> Option<i64> {
        self.keys.read_row(key).map(|row| row.time)
    }

    /// The byte store has no row behind this time.
    pub(super) fn starts_after(&mut self, time: i64) {
        self.complete_after = time;
        self.greatest = self.greatest.max(time);
    }

    /// Nothing is known any more of rows that were known so far.
    pub(super) fn forget_all(&mut self) {
        self.complete_after = self.complete_after.max(self.greatest);
    }

    /// Rows up to before this time may be in the byte store only.
    pub(super) fn is_complete_from(&mut self, time: i64) {
        self.complete_after = self.complete_after.max(time.saturating_sub(1));
    }

    /// A row of this key comes to the byte store past the overlay.
    pub(super) fn written_below(&mut self, key: &[u8]) {
        if let Some(time) = self.time_of(key) {
            self.greatest = self.greatest.max(time);
            self.complete_after = self.complete_after.max(time);
        }
    }

    /// Whether the row of this key is in the overlay or nowhere.
    pub(super) fn knows(&self, key: &[u8]) -> bool {
        self.time_of(key).is_some_and(|time| self.knows_from(time))
    }

    /// Whether all rows from this time on are in the overlay.
    pub(super) const fn knows_from(&self, time: i64) -> bool {
        time > self.complete_after
    }

    /// Whether the slot's row is one of those that must stay, as no others may be missing.
    pub(super) fn needs(&self, slot: usize) -> bool {
        self.time(slot) > self.complete_after
    }

    /// The time of a slot's row; the least of all for a slot without one.
    pub(super) fn time(&self, slot: usize) -> i64 {
        self.times.get(slot).copied().unwrap_or(NO_TIME)
    }

    /// The hash under which a row is found, and its place there: the hash of its key without the window.
    /// An entry of an index has the hash of all of its key, so that it is not among the rows.
    fn place(&self, slot: u32, key: &[u8]) -> (u64, Place) {
        match self.keys.read_row(key) {
            Some(row) => {
                let hashed = if self.keys.is_row(key) { row.key } else { key };
                (self.hasher.hash_one(hashed), (row.time, row.detail.cast_unsigned(), slot))
            }
            None => (self.hasher.hash_one(key), (NO_TIME, 0, slot)),
        }
    }

    /// The slot of the row of this key, which `is_at` tells from others.
    pub(super) fn find(&self, key: &[u8], is_at: impl Fn(u32) -> bool) -> Option<u32> {
        let (hash, place) = self.place(0, key);
        self.by_key.between(hash, place, (place.0, place.1, u32::MAX)).find(|slot| is_at(*slot))
    }

    /// A slot takes a row of this key.
    pub(super) fn add(&mut self, slot: u32, key: &[u8]) {
        let (hash, place) = self.place(slot, key);
        let (time, at) = (place.0, slot as usize);
        if at >= self.times.len() {
            self.times.resize(at + 1, NO_TIME);
        }
        self.times[at] = time;
        self.least = self.least.min(time);
        self.greatest = self.greatest.max(time);
        self.by_key.add(hash, place);
    }

    /// A slot gives up its row.
    pub(super) fn remove(&mut self, slot: u32, key: &[u8]) {
        let (hash, place) = self.place(slot, key);
        self.by_key.remove(hash, place);
        self.vacate(slot);
    }

    /// A slot gives up its row; followed by [`removed`](Self::removed).
    pub(super) fn vacate(&mut self, slot: u32) {
        if let Some(time) = self.times.get_mut(slot as usize) {
            *time = NO_TIME;
        }
    }

    /// Slots were vacated.
    pub(super) fn removed(&mut self) {
        let times = &self.times;
        let is_taken = |slot: u32| times.get(slot as usize).is_some_and(|time| *time != NO_TIME);
        self.by_key.retain(is_taken);
        let taken = times.iter().filter(|time| **time != NO_TIME);
        self.least = taken.min().copied().unwrap_or(i64::MAX);
    }

    /// Whether it is worth the while to forget the rows before this time.
    pub(super) const fn is_worth_forgetting(&self, before: i64) -> bool {
        let old = before.saturating_sub(self.least);
        old > 0 && old >= self.greatest.saturating_sub(before) / 4
    }

    /// All slots are numbered anew; these are the keys of the rows in them.
    pub(super) fn renumber<'a>(&mut self, keys: impl Iterator<Item = &'a [u8]>) {
        self.by_key.clear();
        self.times.clear();
        self.times.shrink_to_fit();
        for (slot, key) in (0..).zip(keys) {
            self.add(slot, key);
        }
    }

    /// The overlay is empty, and nothing is known of the byte store.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.keys);
    }

    /// Raises the bound so that of these rows, each with a slot and its bytes, those behind it take no
    /// more than so many bytes.
    pub(super) fn raise(&mut self, rows: impl Iterator<Item = (usize, usize)>, bytes_max: usize) {
        let mut rows: Vec<(i64, usize)> = rows
            .map(|(slot, bytes)| (self.time(slot), bytes))
            .filter(|(time, _)| *time > self.complete_after)
            .collect();
        rows.sort_unstable_by_key(|(time, _)| std::cmp::Reverse(*time));
        let mut bytes = 0;
        for (time, row_bytes) in rows {
            bytes += row_bytes;
            if bytes > bytes_max {
                self.complete_after = self.complete_after.max(time);
                return;
            }
        }
    }

    /// The slots of a key's rows in the order of their times, all of them or `None`; other keys' may be
    /// among them.
    pub(super) fn slots_of(
        &mut self,
        of: &OfKey<'_>,
        direction: Direction,
    ) -> Option<(RowKeys, &[u32])> {
        if !self.knows_from(of.times.0) {
            return None;
        }
        self.found.clear();
        let (from, to) = of.times;
        let (from, to) = ((from, 0, 0), (to, u64::MAX, u32::MAX));
        let slots = self.by_key.between(self.hasher.hash_one(of.key), from, to);
        self.found.extend(slots.take(FETCHED_ROWS_MAX + 1));
        if self.found.len() > FETCHED_ROWS_MAX {
            return None;
        }
        if direction == Direction::Backward {
            self.found.reverse();
        }
        Some((self.keys, &self.found))
    }
}
