//! The rows of a buffer: found by key, taken by time and key, and put back as they were at the last
//! commit when a task is reset.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::row::{counted, key_of};

/// A row as bytes.
type RowBytes = Box<[u8]>;

/// A row and its time.
pub(super) type TimedRow<'a> = (i64, &'a [u8]);

/// What a row costs beside its bytes: its slot, its places in the index and in the order, and what
/// the allocator takes.
const ROW_BYTES: usize = size_of::<Slot>() + 8 + size_of::<u32>() + 12;

/// A row and its time, which is beside its bytes so that rows are compared with one look at memory.
#[derive(Debug, Default)]
struct Slot {
    time: i64,
    row: RowBytes,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct BufferRows {
    hasher: RandomState,
    /// With an empty row where free.
    slots: Vec<Slot>,
    free: Vec<u32>,
    index: HashTable<u32>,
    /// A heap of slots, the first row on top; `None` until it is asked for after rows came or went
    /// that are not the first.
    order: Option<Vec<u32>>,
    /// By slot, whether the row was written since the last commit.
    written: Vec<bool>,
    /// The rows of the last commit that were written over or taken out since; each key once.
    undo: Vec<Slot>,
    undo_bytes: usize,
    /// As Kafka counts them.
    counted_bytes: usize,
    /// As they lie in memory.
    row_bytes: usize,
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
        self.row_bytes + self.len() * ROW_BYTES
    }

    /// Bytes kept to undo what was done since the last commit.
    pub(super) const fn undo_bytes(&self) -> usize {
        self.undo_bytes
    }

    fn slot(&self, slot: u32) -> TimedRow<'_> {
        let Slot { time, row } = &self.slots[slot as usize];
        (*time, row)
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
        let ((time, row), (other_time, other)) = (self.slot(a), self.slot(b));
        time.cmp(&other_time).then_with(|| key_of(row).cmp(key_of(other)))
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
    pub(super) fn put(&mut self, time: i64, row: RowBytes) {
        let (slot, before) = self.write(Slot { time, row });
        let was_written = std::mem::replace(&mut self.written[slot as usize], true);
        if let Some(before) = before.filter(|_| !was_written) {
            self.remember(before);
        }
    }

    /// Takes out the first row.
    pub(super) fn remove_first(&mut self) {
        self.ordered();
        let Some(mut order) = self.order.take().filter(|order| !order.is_empty()) else { return };
        let slot = order.swap_remove(0);
        self.sift_down(&mut order, 0);
        self.order = Some(order);
        let was_written = self.written.get(slot as usize) == Some(&true);
        let row = self.forget(slot);
        if !was_written {
            self.remember(row);
        }
    }

    fn remember(&mut self, before: Slot) {
        self.undo_bytes += before.row.len() + size_of::<Slot>() + 12;
        self.undo.push(before);
    }

    /// Writes a row that was read from the changelog.
    pub(super) fn restore(&mut self, time: i64, row: RowBytes) {
        self.write(Slot { time, row });
    }

    /// Takes out the row of a key that the changelog says is gone.
    pub(super) fn restore_deleted(&mut self, key: &[u8]) {
        if let Some(slot) = self.find(key) {
            self.order = None;
            self.forget(slot);
        }
    }

    /// Where the row is now, and the row that was there.
    fn write(&mut self, new: Slot) -> (u32, Option<Slot>) {
        self.counted_bytes += counted(&new.row);
        self.row_bytes += new.row.len();
        if let Some(slot) = self.find(key_of(&new.row)) {
            let before = std::mem::replace(&mut self.slots[slot as usize], new);
            self.counted_bytes -= counted(&before.row);
            self.row_bytes -= before.row.len();
            return (slot, Some(before));
        }
        let hash = self.hasher.hash_one(key_of(&new.row));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = new;
                slot
            }
            None => {
                self.slots.push(new);
                self.written.push(false);
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let Self { index, slots, hasher, .. } = self;
        let hash_of = |slot: &u32| hasher.hash_one(key_of(&slots[*slot as usize].row));
        index.insert_unique(hash, slot, hash_of);
        if let Some(mut order) = self.order.take() {
            order.push(slot);
            let last = order.len() - 1;
            self.sift_up(&mut order, last);
            self.order = Some(order);
        }
        (slot, None)
    }

    /// Frees a slot and gives its row.
    fn forget(&mut self, slot: u32) -> Slot {
        let hash = self.hasher.hash_one(key_of(self.slot(slot).1));
        if let Ok(found) = self.index.find_entry(hash, |other| *other == slot) {
            found.remove();
        }
        self.free.push(slot);
        self.written[slot as usize] = false;
        let row = std::mem::take(&mut self.slots[slot as usize]);
        self.counted_bytes -= counted(&row.row);
        self.row_bytes -= row.row.len();
        row
    }

    /// What was done up to now is committed.
    pub(super) fn committed(&mut self) {
        self.undo.clear();
        self.undo.shrink_to(UNDO_KEPT);
        self.undo_bytes = 0;
        self.written.fill(false);
    }

    /// Puts back the rows of the last commit.
    pub(super) fn discard(&mut self) {
        self.order = None;
        let written = |slot: &u32| self.written[*slot as usize];
        for slot in self.index.iter().copied().filter(written).collect::<Vec<_>>() {
            self.forget(slot);
        }
        for Slot { time, row } in std::mem::take(&mut self.undo) {
            self.restore(time, row);
        }
        self.committed();
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Changes whose room is kept from commit to commit.
const UNDO_KEPT: usize = 1024;

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

    fn row(time: i64, key: u8, value: u8) -> RowBytes {
        let context = RowContext { timestamp: time, origin: None, headers: Headers::new() };
        let values = RowValues { prior: None, old: None, new: Some(&[value]) };
        let row = Row { time, key: &[key], values, context };
        let mut bytes = Vec::new();
        row.write(row.counted(0), &mut bytes);
        bytes.into()
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

    proptest! {
        #[test]
        fn rows_are_those_of_a_map_and_come_back_after_a_reset(steps in steps()) {
            let (mut rows, mut model) = (BufferRows::default(), Model::new());
            let mut committed = model.clone();
            for step in steps {
                match step {
                    Step::Put(key, time, value) => {
                        let time = model.get(&key).map_or(time, |(time, _)| *time);
                        rows.put(time, row(time, key, value));
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
