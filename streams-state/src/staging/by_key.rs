//! Slots by the hash of a key and in the order of their times. Most keys have one row or two, which
//! take no allocation.

use std::collections::{BTreeSet, btree_set};

use hashbrown::HashTable;

/// The time of a row, the rest of its window, and its slot.
pub(super) type Place = (i64, u64, u32);

/// So many slots of a key are kept in place, in a cache line together with their hash.
const INLINE: usize = 2;
/// So many slots of a key are kept in a list; more are looked for in a tree.
const FEW: usize = 16;

#[derive(Debug)]
enum Slots {
    /// In order, with the number of those that are taken.
    Inline(u8, [Place; INLINE]),
    /// In order.
    Few(Vec<Place>),
    Many(BTreeSet<Place>),
}

impl Slots {
    const fn one(place: Place) -> Self {
        Self::Inline(1, [place; INLINE])
    }

    /// Those in a list.
    fn list(&self) -> &[Place] {
        match self {
            Self::Inline(len, places) => places.get(..usize::from(*len)).unwrap_or_default(),
            Self::Few(places) => places,
            Self::Many(_) => &[],
        }
    }

    fn add(&mut self, place: Place) {
        let at = self.list().partition_point(|other| *other < place);
        match self {
            Self::Inline(len, places) if usize::from(*len) < INLINE => {
                *len += 1;
                if let Some(behind) = places.get_mut(at..) {
                    behind.rotate_right(1);
                }
                if let Some(free) = places.get_mut(at) {
                    *free = place;
                }
            }
            Self::Inline(_, places) => {
                let mut list = Vec::with_capacity(2 * INLINE);
                list.extend_from_slice(places);
                list.insert(at, place);
                *self = Self::Few(list);
            }
            Self::Few(places) if places.len() < FEW => places.insert(at, place),
            Self::Few(places) => {
                let mut places: BTreeSet<Place> = places.drain(..).collect();
                places.insert(place);
                *self = Self::Many(places);
            }
            Self::Many(places) => {
                places.insert(place);
            }
        }
    }

    fn retain(&mut self, is_kept: impl Fn(Place) -> bool) {
        match self {
            Self::Inline(len, places) => {
                let mut kept = 0;
                for at in 0..usize::from(*len) {
                    if is_kept(places[at]) {
                        places[kept] = places[at];
                        kept += 1;
                    }
                }
                *len = u8::try_from(kept).unwrap_or(u8::MAX);
            }
            Self::Few(places) => places.retain(|place| is_kept(*place)),
            Self::Many(places) => places.retain(|place| is_kept(*place)),
        }
    }

    fn remove(&mut self, place: Place) {
        match self {
            Self::Many(places) => {
                places.remove(&place);
            }
            Self::Inline(..) | Self::Few(_) => self.retain(|other| other != place),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Inline(len, _) => usize::from(*len),
            Self::Few(places) => places.len(),
            Self::Many(places) => places.len(),
        }
    }
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
            Some(of) => of.slots.add(place),
            None => {
                let new = OfHash { hash, slots: Slots::one(place) };
                self.table.insert_unique(hash, new, |of| of.hash);
            }
        }
    }

    pub(super) fn remove(&mut self, hash: u64, place: Place) {
        let Ok(mut entry) = self.table.find_entry(hash, |of| of.hash == hash) else { return };
        let slots = &mut entry.get_mut().slots;
        let before = slots.len();
        slots.remove(place);
        let left = slots.len();
        self.len -= before - left;
        if left == 0 {
            entry.remove();
        }
    }

    /// Keeps the slots that `is_kept` says.
    pub(super) fn retain(&mut self, is_kept: impl Fn(u32) -> bool) {
        let mut len = 0;
        self.table.retain(|of| {
            of.slots.retain(|(.., slot)| is_kept(slot));
            len += of.slots.len();
            of.slots.len() > 0
        });
        self.len = len;
    }

    /// Drops all slots.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The slots of a hash from one place to another, in their order.
    pub(super) fn between(&self, hash: u64, from: Place, to: Place) -> Between<'_> {
        let of = self.table.find(hash, |of| of.hash == hash);
        match of.map(|of| &of.slots) {
            _ if from > to => Between::List([].iter()),
            None => Between::List([].iter()),
            Some(Slots::Many(places)) => Between::Tree(places.range(from..=to)),
            Some(slots) => {
                let places = slots.list();
                let start = places.partition_point(|place| *place < from);
                let end = places.partition_point(|place| *place <= to);
                Between::List(places.get(start..end).unwrap_or_default().iter())
            }
        }
    }
}

/// See [`ByKey::between`].
pub(super) enum Between<'a> {
    List(std::slice::Iter<'a, Place>),
    Tree(btree_set::Range<'a, Place>),
}

impl Iterator for Between<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let place = match self {
            Self::List(places) => places.next(),
            Self::Tree(places) => places.next(),
        };
        place.map(|(.., slot)| *slot)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slots_are_found_in_order(
            steps in prop::collection::vec((0..2_u64, 0..40_i64, any::<bool>()), 0..120),
            kept in 1..5_u32,
        ) {
            let (mut by_key, mut model) = (ByKey::default(), BTreeSet::new());
            for (slot, (hash, time, is_new)) in (0_u32..).zip(steps) {
                let later = (hash, (time, 0, 0))..(hash + 1, (0, 0, 0));
                match model.range(later).next().copied() {
                    Some((hash, place)) if !is_new => {
                        by_key.remove(hash, place);
                        model.remove(&(hash, place));
                    }
                    _ => {
                        by_key.add(hash, (time, 0, slot));
                        model.insert((hash, (time, 0, slot)));
                    }
                }
            }
            for round in 0..2 {
                prop_assert_eq!(by_key.len, model.len());
                for hash in 0..2 {
                    let (from, to) = ((5, 0, 0), (30, u64::MAX, u32::MAX));
                    let of_hash = model.iter().filter(|(other, place)| {
                        *other == hash && (from..=to).contains(place)
                    });
                    let expected: Vec<u32> = of_hash.map(|(_, (.., slot))| *slot).collect();
                    let found: Vec<u32> = by_key.between(hash, from, to).collect();
                    prop_assert_eq!(found, expected, "{}", round);
                    prop_assert_eq!(by_key.between(hash, to, from).count(), 0);
                }
                by_key.retain(|slot| slot % kept > 0);
                model.retain(|(_, (.., slot))| slot % kept > 0);
            }
        }
    }
}
