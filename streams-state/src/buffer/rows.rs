//! The rows of a buffer: found by key, taken by time and key, and put back as they were at the last
//! commit when a task is reset.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::arena::{Arena, Place};
use super::row::{counted, key_of, split_length, write_length};

/// A row and its time.
pub(super) type TimedRow<'a> = (i64, &'a [u8]);

/// What a row costs beside its bytes: its slot, and its places in the index and in the order.
const ROW_BYTES: usize = size_of::<Slot>() + 2 * size_of::<u32>() + 6;

/// The time of a row, which is beside its bytes so that rows are compared with one look at memory, and
/// where those are.
#[derive(Debug, Default, Clone, Copy)]
struct Slot {
    time: i64,
    place: Place,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct BufferRows {
    hasher: RandomState,
    arena: Arena,
    slots: Vec<Slot>,
    free: Vec<u32>,
    index: HashTable<u32>,
    /// A heap of slots, the first row on top; `None` until it is asked for after rows came or went
    /// that are not the first.
    order: Option<Vec<u32>>,
    /// By slot, whether the row was written since the last commit.
    written: Vec<bool>,
    /// The rows of the last commit that were written over or taken out since, each with its time
    /// before it; each key once.
    undo: Vec<u8>,
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
        self.undo.len()
    }

    fn slot(&self, slot: u32) -> TimedRow<'_> {
        let Slot { time, place } = self.slots[slot as usize];
        (time, self.arena.get(place))
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
        let slot = *self.ordered().first()?;
        Some(self.slot(slot))
    }

    fn ordered(&mut self) -> &[u32] {
        let order = match self.order.take() {
            Some(order) => order,
            None => {
                let mut order: Vec<u32> = self.index.iter().copied().collect();
                for at in (0..order.len() / 2).rev() {
                    self.sift_down(&mut order, at);
                }
                order
            }
        };
        self.order.insert(order)
    }

    fn compare(&self, a: u32, b: u32) -> Ordering {
        let (first, second) = (self.slots[a as usize], self.slots[b as usize]);
        let key = |place| key_of(self.arena.get(place));
        first.time.cmp(&second.time).then_with(|| key(first.place).cmp(key(second.place)))
    }

    fn sift_down(&self, order: &mut [u32], mut at: usize) {
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

    fn sift_up(&self, order: &mut [u32], mut at: usize) {
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
        let Some(mut order) = self.order.take().filter(|order| !order.is_empty()) else { return };
        let slot = order.swap_remove(0);
        self.sift_down(&mut order, 0);
        self.order = Some(order);
        if self.written.get(slot as usize) == Some(&false) {
            self.remember(slot);
        }
        self.forget(slot);
        self.fill_holes();
    }

    fn remember(&mut self, slot: u32) {
        let Slot { time, place } = self.slots[slot as usize];
        let row = self.arena.get(place);
        self.undo.extend_from_slice(&time.to_be_bytes());
        write_length(row.len(), &mut self.undo);
        self.undo.extend_from_slice(row);
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
        let new = Slot { time, place: self.arena.add(row) };
        self.counted_bytes += counted(row);
        if let Some(slot) = found {
            let before = std::mem::replace(&mut self.slots[slot as usize], new);
            self.take_bytes(before);
            return slot;
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = new;
                slot
            }
            None => {
                push(&mut self.slots, new);
                push(&mut self.written, false);
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let hash = self.hasher.hash_one(key_of(row));
        let Self { index, slots, hasher, arena, .. } = self;
        let hash_of = |slot: &u32| hasher.hash_one(key_of(arena.get(slots[*slot as usize].place)));
        index.insert_unique(hash, slot, hash_of);
        if let Some(mut order) = self.order.take() {
            push(&mut order, slot);
            let last = order.len() - 1;
            self.sift_up(&mut order, last);
            self.order = Some(order);
        }
        slot
    }

    fn take_bytes(&mut self, gone: Slot) {
        self.counted_bytes -= counted(self.arena.get(gone.place));
        self.arena.remove(gone.place);
    }

    /// Frees a slot.
    fn forget(&mut self, slot: u32) {
        let hash = self.hasher.hash_one(key_of(self.slot(slot).1));
        if let Ok(found) = self.index.find_entry(hash, |other| *other == slot) {
            found.remove();
        }
        self.free.push(slot);
        self.written[slot as usize] = false;
        let gone = std::mem::take(&mut self.slots[slot as usize]);
        self.take_bytes(gone);
    }

    /// Moves rows together while too much of their memory is of rows that are gone.
    fn fill_holes(&mut self) {
        while let Some(emptying) = self.arena.chunk_to_empty() {
            for (place, row) in emptying.rows() {
                let hash = self.hasher.hash_one(key_of(row));
                // Rows whose bytes were given up have other places by now.
                let is_here = |slot: &u32| self.slots[*slot as usize].place == place;
                if let Some(slot) = self.index.find(hash, is_here).copied() {
                    self.slots[slot as usize].place = self.arena.add(row);
                }
            }
            self.arena.emptied(&emptying);
        }
    }

    /// What was done up to now is committed.
    pub(super) fn committed(&mut self) {
        self.undo.clear();
        self.undo.shrink_to(UNDO_BYTES_KEPT);
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
        let mut rest = &*undo;
        while let Some((time, behind)) = rest.split_first_chunk() {
            let (row, behind) = split_length(behind);
            self.restore(i64::from_be_bytes(*time), row);
            rest = behind;
        }
        self.committed();
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Adds an item. Room for more is made in smaller steps than usual, as there may be millions.
fn push<T>(items: &mut Vec<T>, item: T) {
    if items.len() == items.capacity() {
        items.reserve_exact(ITEMS_MIN.max(items.len() / 8));
    }
    items.push(item);
}

/// Items for which there is room at once.
const ITEMS_MIN: usize = 16;

/// Bytes of changes whose room is kept from commit to commit.
const UNDO_BYTES_KEPT: usize = 64 << 10;

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
            + rows.slots.capacity() * size_of::<Slot>()
            + rows.free.capacity() * size_of::<u32>()
            + rows.order.as_ref().map_or(0, Vec::capacity) * size_of::<u32>()
            + rows.index.allocation_size()
            + rows.written.capacity()
            + rows.undo.capacity()
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
