//! Rows in memory over a byte store: what was written since the last commit, and copies of what was
//! read or written a short while ago.

use std::collections::BTreeMap;
use std::ops::Bound;

use hashbrown::HashTable;

use super::recent::{FETCHED_BYTES_MAX, OfKey, Recent};
use super::row_bytes::RowBytes;
use crate::bytes::{Direction, KeyRange, OwnedRow};
use crate::row_key::RowKeys;

/// What a slot costs besides what it allocates: itself and its place in the index.
const SLOT_BYTES: usize = size_of::<Slot>() + 10;

/// What a slot without a row costs: itself and its place in the list of free ones.
const EMPTY_SLOT_BYTES: usize = SLOT_BYTES + size_of::<u32>();

/// What the overlay knows of a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known<'a> {
    /// Nothing; ask the byte store.
    Nothing,
    /// The key is absent.
    Absent,
    /// The key's value.
    Value(&'a [u8]),
}

/// Slots that a read looks at for rows to evict: more than the one that it adds, so that the
/// overlay shrinks, and few, as most may be staged.
const STEPS_LITTLE: usize = 64;

/// So few slots are not worth giving back.
const SLOTS_KEPT: usize = 1024;

/// How much is done at once to evict rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// As much as a read can afford; the next ones go on.
    Little,
    /// All that is needed.
    Full,
}

/// Where a row was found, to find it again without hashing. Checked when used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotHint(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    /// Equal to the byte store's row. Evicted when `referenced` was not set for a round of the
    /// hand.
    Clean {
        referenced: bool,
    },
    /// Written since the last commit.
    Staged,
}

#[derive(Debug)]
struct Slot {
    hash: u64,
    /// The key, then the value.
    row: RowBytes,
    key_len: u32,
    absent: bool,
    state: State,
}

impl Slot {
    fn key(&self) -> &[u8] {
        self.row.as_slice().get(..self.key_len as usize).unwrap_or_default()
    }

    fn value(&self) -> Option<&[u8]> {
        (!self.absent).then(|| self.row.as_slice().get(self.key_len as usize..).unwrap_or_default())
    }

    fn bytes(&self) -> usize {
        SLOT_BYTES + self.row.allocated()
    }
}

/// The first bytes of a key, of which numbers in the order of the keys are made.
fn first_bytes<const N: usize>(key: &[u8]) -> [u8; N] {
    if let Some(bytes) = key.first_chunk() {
        return *bytes;
    }
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(key) {
        *to = *from;
    }
    bytes
}

/// A hash table of rows; see the module.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    /// Where there is no `recent`, which finds slots too.
    index: HashTable<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// The staged slots, in the order of their first writes.
    staged: Vec<u32>,
    /// The staged keys in order; kept from the first scan on, until the commit.
    order: Option<BTreeMap<Box<[u8]>, u32>>,
    staged_bytes: usize,
    clean_bytes: usize,
    /// Where the search for a row to evict goes on.
    hand: usize,
    /// Bytes of the last value written, so that a row first known as absent needs no second
    /// allocation.
    usual_value_len: usize,
    /// In a store that expires.
    recent: Option<Recent>,
}

impl Overlay {
    /// That of a store that expires.
    pub(crate) fn of_windows(keys: RowKeys) -> Self {
        Self { recent: Some(Recent::new(keys)), ..Self::default() }
    }

    /// What is known of times, in a store that expires.
    pub(crate) const fn recent(&mut self) -> Option<&mut Recent> {
        self.recent.as_mut()
    }

    /// Whether a row that is not here is nowhere.
    pub(crate) fn knows(&self, key: &[u8]) -> bool {
        self.recent.as_ref().is_some_and(|recent| recent.knows(key))
    }

    /// Bytes of rows written since the last commit.
    pub(crate) const fn staged_bytes(&self) -> usize {
        self.staged_bytes
    }

    /// Bytes of rows that can be evicted.
    pub(crate) const fn clean_bytes(&self) -> usize {
        self.clean_bytes
    }

    /// Bytes of all slots, with what is in them and without.
    pub(crate) fn bytes(&self) -> usize {
        let recent = self.recent.as_ref().map_or(0, Recent::bytes);
        self.staged_bytes + self.clean_bytes + self.empty_bytes() + recent
    }

    /// Bytes of slots without a row, which stay for rows to come.
    pub(crate) const fn empty_bytes(&self) -> usize {
        self.free.len() * EMPTY_SLOT_BYTES
    }

    /// Gives slots back when three of four are empty: after a large commit, or when another store
    /// needs the memory. Nothing may be staged.
    pub(crate) fn shrink(&mut self) {
        let live = self.slots.len() - self.free.len();
        let is_worth_it = self.slots.len() > SLOTS_KEPT && live < self.slots.len() / 4;
        if !is_worth_it || !self.staged.is_empty() {
            return;
        }
        self.slots.retain(|slot| slot.state != State::Free);
        self.slots.shrink_to_fit();
        self.free = Vec::new();
        self.staged = Vec::new();
        self.hand = 0;
        let slots = &self.slots;
        if let Some(recent) = &mut self.recent {
            recent.renumber(slots.iter().map(Slot::key));
            return;
        }
        self.index = HashTable::with_capacity(live);
        for (at, slot) in (0_u32..).zip(slots) {
            self.index.insert_unique(slot.hash, at, |at| slots[*at as usize].hash);
        }
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let is_at = |slot: u32| self.slots[slot as usize].key() == key;
        match &self.recent {
            Some(recent) => recent.find(key, is_at),
            None => self.index.find(hash, |slot| is_at(*slot)).copied(),
        }
    }

    fn is_at(&self, hint: SlotHint, key: &[u8]) -> bool {
        self.slots
            .get(hint.0 as usize)
            .is_some_and(|slot| slot.state != State::Free && slot.key() == key)
    }

    /// What is known of a key, and where.
    pub(crate) fn get(&mut self, hash: u64, key: &[u8]) -> (Known<'_>, Option<SlotHint>) {
        let Some(at) = self.find(hash, key) else { return (Known::Nothing, None) };
        let slot = &mut self.slots[at as usize];
        if let State::Clean { referenced } = &mut slot.state {
            *referenced = true;
        }
        let known = slot.value().map_or(Known::Absent, Known::Value);
        (known, Some(SlotHint(at)))
    }

    /// Writes a row; `None` deletes it.
    pub(crate) fn stage(
        &mut self,
        hash: u64,
        key: &[u8],
        value: Option<&[u8]>,
        hint: Option<SlotHint>,
    ) {
        let at = hint.filter(|hint| self.is_at(*hint, key)).map(|hint| hint.0);
        let at = at.or_else(|| self.find(hash, key));
        let at = at.unwrap_or_else(|| self.insert(hash, key, value.map_or(0, <[u8]>::len)));
        if let Some(value) = value {
            self.usual_value_len = value.len();
        }
        let slot = &mut self.slots[at as usize];
        let before = slot.bytes();
        slot.absent = value.is_none();
        slot.row.replace_tail(slot.key_len as usize, value.unwrap_or_default());
        let (was, bytes) = (slot.state, slot.bytes());
        slot.state = State::Staged;
        if was == State::Staged {
            self.staged_bytes = self.staged_bytes - before + bytes;
            return;
        }
        self.clean_bytes -= before;
        self.staged_bytes += bytes;
        self.staged.push(at);
        if let Some(order) = &mut self.order {
            order.insert(key.into(), at);
        }
    }

    /// Keeps a copy of a row as the byte store has it. The key must be unknown.
    pub(crate) fn remember(&mut self, hash: u64, key: &[u8], value: Option<&[u8]>) -> SlotHint {
        let room = value.map_or(self.usual_value_len, <[u8]>::len);
        let at = self.insert(hash, key, room);
        let slot = &mut self.slots[at as usize];
        if let Some(value) = value {
            slot.row.replace_tail(key.len(), value);
            slot.absent = false;
        }
        SlotHint(at)
    }

    /// A clean, absent row for a key that has none.
    fn insert(&mut self, hash: u64, key: &[u8], room: usize) -> u32 {
        let row = RowBytes::new(key, room);
        let key_len = u32::try_from(key.len()).unwrap_or(u32::MAX);
        let state = State::Clean { referenced: false };
        let slot = Slot { hash, row, key_len, absent: true, state };
        self.clean_bytes += slot.bytes();
        let at = if let Some(at) = self.free.pop() {
            self.slots[at as usize] = slot;
            at
        } else {
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        };
        let slots = &self.slots;
        match &mut self.recent {
            Some(recent) => recent.add(at, key),
            None => {
                self.index.insert_unique(hash, at, |at| slots[*at as usize].hash);
            }
        }
        at
    }

    fn remove(&mut self, at: u32) {
        if let Some(recent) = &mut self.recent {
            recent.remove(at, self.slots[at as usize].key());
        }
        self.vacate(at);
    }

    fn vacate(&mut self, at: u32) {
        let slot = &mut self.slots[at as usize];
        let bytes = slot.bytes();
        match slot.state {
            State::Free => return,
            State::Clean { .. } => self.clean_bytes -= bytes,
            State::Staged => self.staged_bytes -= bytes,
        }
        slot.state = State::Free;
        slot.row = RowBytes::default();
        if let Ok(entry) = self.index.find_entry(slot.hash, |other| *other == at) {
            entry.remove();
        }
        self.free.push(at);
    }

    /// Forgets one clean row, for one that changes below. Staged rows stay.
    pub(crate) fn forget(&mut self, hash: u64, key: &[u8]) {
        if let Some(at) = self.find(hash, key)
            && self.slots[at as usize].state != State::Staged
        {
            self.remove(at);
        }
    }

    /// How many rows were written since the last commit, and the bytes of their keys and values.
    pub(crate) fn staged_size(&self) -> (usize, usize) {
        let bytes =
            self.staged.iter().map(|at| self.slots[*at as usize].row.as_slice().len()).sum();
        (self.staged.len(), bytes)
    }

    /// The rows written since the last commit, in the order of their keys; `None` for a deleted
    /// one.
    pub(crate) fn staged(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        // In order, a skip list takes them three times as fast.
        let sorted = match self.recent {
            None => self.sorted(|key| u64::from_be_bytes(first_bytes(key))),
            // The first eight bytes are the segment, which most have in common.
            Some(_) => self.sorted(|key| u128::from_be_bytes(first_bytes(key))),
        };
        sorted.into_iter().map(|at| {
            let slot = &self.slots[at as usize];
            (slot.key(), slot.value())
        })
    }

    /// The staged slots in the order of their keys. Most comparisons are of what `number` makes of them.
    fn sorted<N: Ord>(&self, number: impl Fn(&[u8]) -> N) -> Vec<u32> {
        let key = |at: u32| self.slots[at as usize].key();
        let mut sorted: Vec<(N, u32)> = Vec::with_capacity(self.staged.len());
        sorted.extend(self.staged.iter().map(|at| (number(key(*at)), *at)));
        sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1))));
        sorted.into_iter().map(|(_, at)| at).collect()
    }

    /// The byte store has taken what was staged.
    pub(crate) fn committed(&mut self) {
        let mut staged = std::mem::take(&mut self.staged);
        self.clean_bytes += std::mem::take(&mut self.staged_bytes);
        for at in staged.drain(..) {
            let slot = &mut self.slots[at as usize];
            slot.state = State::Clean { referenced: true };
            // Where all rows are known, absent ones need no place.
            let recent = self.recent.as_ref().filter(|_| slot.absent);
            if recent.is_some_and(|recent| recent.needs(at as usize)) {
                self.remove(at);
            }
        }
        self.staged = staged;
        self.order = None;
    }

    /// Drops what was staged.
    pub(crate) fn discard(&mut self) {
        for at in std::mem::take(&mut self.staged) {
            self.remove(at);
        }
        self.order = None;
        if let Some(recent) = &mut self.recent {
            recent.forget_all();
        }
    }

    /// Drops everything. Nothing is known of the byte store then.
    pub(crate) fn clear(&mut self) {
        let mut recent = self.recent.take();
        if let Some(recent) = &mut recent {
            recent.clear();
        }
        *self = Self { recent, ..Self::default() };
    }

    /// Drops the rows of before this time, also staged ones: nobody asks for them any more.
    pub(crate) fn drop_before(&mut self, time: i64) {
        self.remove_before(time, |_| true);
        let slots = &self.slots;
        self.staged.retain(|at| slots[*at as usize].state == State::Staged);
        self.order = None;
    }

    /// Forgets the rows of before this time that the byte store has, when there are many.
    pub(crate) fn forget_before(&mut self, time: i64) {
        if self.recent.as_ref().is_some_and(|recent| recent.is_worth_forgetting(time)) {
            self.remove_before(time, |state| state != State::Staged);
        }
    }

    fn remove_before(&mut self, time: i64, which: impl Fn(State) -> bool) {
        let Some(mut recent) = self.recent.take() else { return };
        recent.is_complete_from(time);
        for at in 0..self.slots.len() {
            if recent.time(at) < time && which(self.slots[at].state) {
                let at = u32::try_from(at).unwrap_or(u32::MAX);
                recent.vacate(at);
                self.vacate(at);
            }
        }
        recent.removed();
        self.recent = Some(recent);
    }

    /// Shows `each` the rows of a key, each with its key and value, if all of them are known and not too
    /// many.
    pub(crate) fn rows_of(
        &mut self,
        of: &OfKey<'_>,
        direction: Direction,
        mut each: impl FnMut(&[u8], &[u8]),
    ) -> bool {
        let slots = &self.slots;
        let Some(recent) = &mut self.recent else { return false };
        let Some((keys, found)) = recent.slots_of(of, direction) else { return false };
        let found = found.iter().map(|at| &slots[*at as usize]);
        let found = found.filter(|slot| {
            let row = keys.read_row(slot.key());
            row.is_some_and(|row| row.key == of.key && row.detail <= of.detail_max)
        });
        if found.clone().map(Slot::bytes).sum::<usize>() > FETCHED_BYTES_MAX {
            return false;
        }
        for slot in found {
            if let Some(value) = slot.value() {
                each(slot.key(), value);
            }
        }
        true
    }

    /// Evicts clean rows until they take no more than `max_bytes`: those first that were not asked
    /// for since the hand last passed.
    pub(crate) fn trim(&mut self, max_bytes: usize, effort: Effort) {
        let mut steps = match effort {
            Effort::Little => STEPS_LITTLE,
            // Two rounds: the first may only clear the marks.
            Effort::Full => self.slots.len().saturating_mul(2),
        };
        if effort == Effort::Full && self.clean_bytes > max_bytes {
            self.need_less(max_bytes);
        }
        while self.clean_bytes > max_bytes && steps > 0 {
            let needed = |at| self.recent.as_ref().is_some_and(|recent| recent.needs(at));
            steps -= 1;
            self.hand = if self.hand + 1 < self.slots.len() { self.hand + 1 } else { 0 };
            let Some(slot) = self.slots.get_mut(self.hand) else { return };
            match &mut slot.state {
                State::Free | State::Staged => {}
                State::Clean { .. } if needed(self.hand) => {}
                State::Clean { referenced } if *referenced => *referenced = false,
                State::Clean { .. } => self.remove(u32::try_from(self.hand).unwrap_or(u32::MAX)),
            }
        }
    }

    /// Lets rows be evicted that had to stay, so that no more than so many bytes have to.
    fn need_less(&mut self, max_bytes: usize) {
        let Some(recent) = &mut self.recent else { return };
        let rows = self.slots.iter().enumerate();
        let clean = rows.filter(|(_, slot)| matches!(slot.state, State::Clean { .. }));
        // More than asked for, so that it is not done at each commit.
        recent.raise(clean.map(|(at, slot)| (at, slot.bytes())), max_bytes / 4 * 3);
    }

    /// A copy of the staged rows of a range, in the order of `direction`.
    pub(crate) fn staged_range(&mut self, range: &KeyRange, direction: Direction) -> Vec<OwnedRow> {
        let (slots, staged) = (&self.slots, &self.staged);
        let order = self.order.get_or_insert_with(|| {
            staged.iter().map(|at| (slots[*at as usize].key().into(), *at)).collect()
        });
        if range.is_empty() {
            return Vec::new();
        }
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (range.lower(), range.upper());
        let row = |(key, at): (_, &u32)| OwnedRow {
            key: Box::clone(key),
            value: slots[*at as usize].value().map(Into::into),
        };
        let rows = order.range::<[u8], _>(bounds);
        match direction {
            Direction::Forward => rows.map(row).collect(),
            Direction::Backward => rows.rev().map(row).collect(),
        }
    }
}
