//! Slots by the hash of a key and in the order of their times. Most keys have one row, which takes no
//! allocation.

use std::collections::BTreeSet;

use hashbrown::HashTable;

/// The time of a row, the rest of its window, and its slot.
pub(super) type Place = (i64, u64, u32);

#[derive(Debug)]
enum Slots {
    One(Place),
    Many(BTreeSet<Place>),
}

/// The slots of the keys of one hash, nearly always of one key.
#[derive(Debug)]
struct OfHash {
    hash: u64,
    slots: Slots,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ByKey {
    table: HashTable<OfHash>,
    len: usize,
}

/// What a slot costs here.
const PLACE_BYTES: usize = size_of::<OfHash>() + size_of::<Place>() / 2;

impl ByKey {
    pub(super) const fn bytes(&self) -> usize {
        self.len * PLACE_BYTES
    }

    pub(super) fn add(&mut self, hash: u64, place: Place) {
        self.len += 1;
        match self.table.find_mut(hash, |of| of.hash == hash) {
            None => {
                let new = OfHash { hash, slots: Slots::One(place) };
                self.table.insert_unique(hash, new, |of| of.hash);
            }
            Some(OfHash { slots: Slots::Many(places), .. }) => {
                places.insert(place);
            }
            Some(OfHash { slots, .. }) => {
                if let Slots::One(first) = slots {
                    *slots = Slots::Many([*first, place].into());
                }
            }
        }
    }

    pub(super) fn remove(&mut self, hash: u64, place: Place) {
        let Ok(mut entry) = self.table.find_entry(hash, |of| of.hash == hash) else { return };
        let is_last = match &mut entry.get_mut().slots {
            Slots::One(one) => *one == place,
            Slots::Many(places) => {
                self.len -= usize::from(places.remove(&place));
                places.is_empty()
            }
        };
        if is_last {
            self.len -= usize::from(matches!(entry.get().slots, Slots::One(_)));
            entry.remove();
        }
    }

    /// Keeps the slots that `is_kept` says.
    pub(super) fn retain(&mut self, is_kept: impl Fn(u32) -> bool) {
        let mut len = 0;
        self.table.retain(|of| {
            let left = match &mut of.slots {
                Slots::One((.., slot)) => usize::from(is_kept(*slot)),
                Slots::Many(places) => {
                    places.retain(|(.., slot)| is_kept(*slot));
                    places.len()
                }
            };
            len += left;
            left > 0
        });
        self.len = len;
    }

    /// The slots of a hash with times between these, in their order.
    pub(super) fn between(&self, hash: u64, (from, to): (i64, i64)) -> Between<'_> {
        let of = self.table.find(hash, |of| of.hash == hash);
        match of.map(|of| &of.slots) {
            Some(Slots::One((time, _, slot))) if (from..=to).contains(time) => {
                Between::One(Some(*slot))
            }
            Some(Slots::Many(places)) if from <= to => {
                Between::Many(places.range((from, 0, 0)..=(to, u64::MAX, u32::MAX)))
            }
            _ => Between::One(None),
        }
    }
}

/// See [`ByKey::between`].
pub(super) enum Between<'a> {
    One(Option<u32>),
    Many(std::collections::btree_set::Range<'a, Place>),
}

impl Iterator for Between<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match self {
            Self::One(slot) => slot.take(),
            Self::Many(places) => places.next().map(|(.., slot)| *slot),
        }
    }
}
