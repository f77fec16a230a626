//! The rows of a buffer: found by key, taken by time and key, and put back as they were at the last
//! commit when a task is reset.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::arena::{Arena, Place};
use super::pages::Pages;
use super::row::{counted, key_of};

/// A row and its time.
pub(super) type TimedRow<'a> = (i64, &'a [u8]);

/// What a row costs beside its bytes: its slot, and its places in the index and in the order.
const ROW_BYTES: usize = size_of::<i64>() + size_of::<Place>() + 2 * size_of::<u32>() + 7;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct BufferRows {
    hasher: RandomState,
    arena: Arena,
    /// By slot, the time of its row, which is beside its bytes so that rows are compared with one look
    /// at memory.
    times: Pages<i64>,
    /// By slot, where the bytes of its row are.
    places: Pages<Place>,
    free: Pages<u32>,
    index: HashTable<u32>,
    /// A heap of slots, the first row on top; `None` until it is asked for after rows came or went
    /// that are not the first.
    order: Option<Pages<u32>>,
    /// By slot, whether the row was written since the last commit.
    written: Pages<bool>,
    /// The rows of the last commit that were written over or taken out since, each with its time
    /// before it; each key once.
    undo: Arena,
    /// As Kafka counts them.
    counted_bytes: usize,
}

impl BufferRows {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The bytes of the rows as Kafka counts them.
    pub(super) const fn counted_bytes(&self) -> usize {
        self.counted_bytes
    }

    /// The bytes of the rows in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.arena.bytes() + self.len() * ROW_BYTES
    }

    /// Bytes kept to undo what was done since the last commit.
    pub(super) const fn undo_bytes(&self) -> usize {
        self.undo.bytes()
    }

    fn slot(&self, slot: u32) -> TimedRow<'_> {
        (self.times[slot as usize], self.arena.get(self.places[slot as usize]))
    }

    fn find(&self, key: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.index.find(hash, |slot| key_of(self.slot(*slot).1) == key).copied()
    }

    /// The row of a key, and its time.
    pub(super) fn get(&self, key: &[u8]) -> Option<TimedRow<'_>> {
        self.find(key).map(|slot| self.slot(slot))
    }

    /// The first row by time, then key.
    pub(super) fn first(&mut self) -> Option<TimedRow<'_>> {
        let slot = *self.ordered().get(0)?;
        Some(self.slot(slot))
    }

    fn ordered(&mut self) -> &Pages<u32> {
        let order = match self.order.take() {
            Some(order) => order,
            None => {
                let mut order: Pages<u32> = self.index.iter().copied().collect();
                for at in (0..order.len() / 2).rev() {
                    self.sift_down(&mut order, at);
                }
                order
            }
        };
        self.order.insert(order)
    }

    fn compare(&self, a: u32, b: u32) -> Ordering {
        let key = |slot| key_of(self.slot(slot).1);
        let (first, second) = (self.times[a as usize], self.times[b as usize]);
        first.cmp(&second).then_with(|| key(a).cmp(key(b)))
    }

    fn sift_down(&self, order: &mut Pages<u32>, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let mut least = at;
            for child in [left, right] {
                if child < order.len() && self.compare(order[child], order[least]).is_lt() {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            order.swap(at, least);
            at = least;
        }
    }

    fn sift_up(&self, order: &mut Pages<u32>, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.compare(order[at], order[parent]).is_ge() {
                return;
            }
            order.swap(at, parent);
            at = parent;
        }
    }

    /// Writes a row. One of its key that is there already has its time, and keeps its place.
    pub(super) fn put(&mut self, time: i64, row: &[u8]) {
        let found = self.find(key_of(row));
        if let Some(slot) = found.filter(|slot| !self.written[*slot as usize]) {
            self.remember(slot);
        }
        let slot = self.write(found, time, row);
        self.written[slot as usize] = true;
        self.fill_holes();
    }

    /// Takes out the first row.
    pub(super) fn remove_first(&mut self) {
        self.ordered();
        let Some(mut order) = self.order.take() else { return };
        let Some(last) = order.pop() else { return };
        let slot = order.get(0).copied().unwrap_or(last);
        if order.len() > 0 {
            order[0] = last;
            self.sift_down(&mut order, 0);
        }
        self.order = Some(order);
        if self.written.get(slot as usize) == Some(&false) {
            self.remember(slot);
        }
        self.forget(slot);
        self.fill_holes();
    }

    fn remember(&mut self, slot: u32) {
        let row = self.arena.get(self.places[slot as usize]);
        self.undo.add_joined(&self.times[slot as usize].to_be_bytes(), row);
    }

    /// Writes a row that was read from the changelog.
    pub(super) fn restore(&mut self, time: i64, row: &[u8]) {
        self.write(self.find(key_of(row)), time, row);
        self.fill_holes();
    }

    /// Takes out the row of a key that the changelog says is gone.
    pub(super) fn restore_deleted(&mut self, key: &[u8]) {
        if let Some(slot) = self.find(key) {
            self.order = None;
            self.forget(slot);
            self.fill_holes();
        }
    }

    /// Writes a row, in its key's slot where it has one. Says in which slot it is.
    fn write(&mut self, found: Option<u32>, time: i64, row: &[u8]) -> u32 {
        let place = self.arena.add(row);
        self.counted_bytes += counted(row);
        if let Some(slot) = found {
            self.times[slot as usize] = time;
            let before = std::mem::replace(&mut self.places[slot as usize], place);
            self.take_bytes(before);
            return slot;
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                self.times[slot as usize] = time;
                self.places[slot as usize] = place;
                slot
            }
            None => {
                self.times.push(time);
                self.places.push(place);
                self.written.push(false);
                u32::try_from(self.times.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let hash = self.hasher.hash_one(key_of(row));
        let Self { index, places, hasher, arena, .. } = self;
        let hash_of = |slot: &u32| hasher.hash_one(key_of(arena.get(places[*slot as usize])));
        index.insert_unique(hash, slot, hash_of);
        if let Some(mut order) = self.order.take() {
            order.push(slot);
            let last = order.len() - 1;
            self.sift_up(&mut order, last);
            self.order = Some(order);
        }
        slot
    }

    fn take_bytes(&mut self, gone: Place) {
        self.counted_bytes -= counted(self.arena.get(gone));
        self.arena.remove(gone);
    }

    /// Frees a slot.
    fn forget(&mut self, slot: u32) {
        let hash = self.hasher.hash_one(key_of(self.slot(slot).1));
        if let Ok(found) = self.index.find_entry(hash, |other| *other == slot) {
            found.remove();
        }
        self.free.push(slot);
        self.written[slot as usize] = false;
        let gone = std::mem::take(&mut self.places[slot as usize]);
        self.take_bytes(gone);
    }

    /// Moves rows together while too much of their memory is of rows that are gone.
    fn fill_holes(&mut self) {
        while let Some(emptying) = self.arena.chunk_to_empty() {
            for (place, row) in emptying.rows() {
                let hash = self.hasher.hash_one(key_of(row));
                // Rows whose bytes were given up have other places by now.
                let is_here = |slot: &u32| self.places[*slot as usize] == place;
                if let Some(slot) = self.index.find(hash, is_here).copied() {
                    self.places[slot as usize] = self.arena.add(row);
                }
            }
            self.arena.emptied(&emptying);
        }
    }

    /// What was done up to now is committed.
    pub(super) fn committed(&mut self) {
        self.undo.clear();
        self.written.fill(false);
    }

    /// Puts back the rows of the last commit.
    pub(super) fn discard(&mut self) {
        self.order = None;
        let written = |slot: &u32| self.written[*slot as usize];
        for slot in self.index.iter().copied().filter(written).collect::<Vec<_>>() {
            self.forget(slot);
        }
        let undo = std::mem::take(&mut self.undo);
        for (time, row) in undo.rows().filter_map(|(_, row)| row.split_first_chunk()) {
            self.restore(i64::from_be_bytes(*time), row);
        }
        self.committed();
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use streams_core::record::Headers;

    use super::super::row::{Row, RowContext, RowValues, read};
    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Put(u8, i64, u8),
        RemoveFirst,
        Commit,
        Discard,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..12_u8, 0..6_i64, any::<u8>()).prop_map(|(k, t, v)| Step::Put(k, t, v)),
            3 => Just(Step::RemoveFirst),
            1 => Just(Step::Commit),
            1 => Just(Step::Discard),
        ];
        proptest::collection::vec(step, 0..80)
    }

    fn row(time: i64, key: u8, value: u8) -> Vec<u8> {
        let context = RowContext { timestamp: time, origin: None, headers: Headers::new() };
        let values = RowValues { prior: None, old: None, new: Some(&[value]) };
        let row = Row { time, key: &[key], values, context };
        let mut bytes = Vec::new();
        row.write(row.counted(0), &mut bytes);
        bytes
    }

    /// Time and value by key.
    type Model = BTreeMap<u8, (i64, u8)>;

    fn check(rows: &mut BufferRows, model: &Model) {
        assert_eq!(rows.len(), model.len());
        assert_eq!(rows.counted_bytes(), model.len() * (28 + 2));
        let first = model.iter().map(|(key, (time, value))| (*time, *key, *value)).min();
        let found = rows.first().map(|(time, row)| read(time, row));
        let found = found.map(|row| (row.time, row.key[0], row.values.new.unwrap()[0]));
        assert_eq!(found, first);
        for key in 0..12_u8 {
            let found = rows.get(&[key]).map(|(time, row)| read(time, row));
            let found = found.map(|row| (row.time, row.values.new.unwrap()[0]));
            assert_eq!(found, model.get(&key).copied());
        }
    }

    /// What is allocated for the rows, used or not.
    fn allocated_bytes(rows: &BufferRows) -> usize {
        rows.arena.allocated_bytes()
            + rows.times.allocated_bytes()
            + rows.places.allocated_bytes()
            + rows.free.allocated_bytes()
            + rows.order.as_ref().map_or(0, Pages::allocated_bytes)
            + rows.index.allocation_size()
            + rows.written.allocated_bytes()
            + rows.undo.allocated_bytes()
    }

    #[test]
    fn small_rows_take_no_more_than_half_as_much_again_as_kafka_counts() {
        const MIB: usize = 1 << 20;
        for value in [8, 100, 1000].map(|length| vec![7; length]) {
            let mut rows = BufferRows::default();
            let mut bytes = Vec::new();
            let mut greatest = 0;
            // A third of the rows find an earlier one of their key.
            for time in 0..16 * MIB as u64 / (value.len() as u64 + 44) {
                let key = if time % 3 == 2 { time - time % 7 } else { time };
                let key = format!("key-{key:012}");
                let waiting = rows.get(key.as_bytes()).map(|(time, _)| time);
                let time = waiting.unwrap_or(time as i64);
                let context = RowContext { timestamp: time, origin: None, headers: Headers::new() };
                let values = RowValues { prior: None, old: None, new: Some(&value) };
                let row = Row { time, key: key.as_bytes(), values, context };
                bytes.clear();
                row.write(row.counted(0), &mut bytes);
                rows.put(time, &bytes);
                while rows.counted_bytes() > 8 * MIB {
                    rows.remove_first();
                }
                if rows.undo_bytes() > MIB / 2 {
                    rows.committed();
                }
                greatest = greatest.max(allocated_bytes(&rows));
            }
            assert!(rows.counted_bytes() > 7 * MIB);
            assert!(greatest <= 12 * MIB, "{greatest} bytes for values of {}", value.len());
        }
    }

    proptest! {
        #[test]
        fn rows_are_those_of_a_map_and_come_back_after_a_reset(steps in steps()) {
            let (mut rows, mut model) = (BufferRows::default(), Model::new());
            let mut committed = model.clone();
            for step in steps {
                match step {
                    Step::Put(key, time, value) => {
                        let time = model.get(&key).map_or(time, |(time, _)| *time);
                        rows.put(time, &row(time, key, value));
                        model.insert(key, (time, value));
                    }
                    Step::RemoveFirst => {
                        rows.remove_first();
                        let first = model.iter().map(|(key, (time, _))| (*time, *key)).min();
                        if let Some((_, key)) = first {
                            model.remove(&key);
                        }
                    }
                    Step::Commit => {
                        rows.committed();
                        committed.clone_from(&model);
                    }
                    Step::Discard => {
                        rows.discard();
                        model.clone_from(&committed);
                    }
                }
                check(&mut rows, &model);
            }
        }
    }
}
