//! The keys whose changes are not in the changelog yet. They are written in the order in which Java
//! gives back its set of them.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use streams_core::java_order::HashSetOrder;

use super::arena::{Arena, Place};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct DirtyKeys {
    hasher: RandomState,
    /// Each once, in the order of their first changes.
    keys: Arena,
    index: HashTable<Place>,
    order: HashSetOrder,
    /// What the last commit left unwritten: caches that were flushed after this store.
    committed: Arena,
}

/// What a key costs beside its bytes.
const KEY_BYTES: usize = size_of::<Place>() + 3;

impl DirtyKeys {
    pub(super) fn add(&mut self, key: &[u8]) {
        let Self { hasher, keys, index, .. } = self;
        let hash = hasher.hash_one(key);
        if index.find(hash, |place| keys.get(*place) == key).is_none() {
            let place = keys.add(key);
            index.insert_unique(hash, place, |place| hasher.hash_one(keys.get(*place)));
        }
    }

    /// Bytes that the keys take.
    pub(super) fn bytes(&self) -> usize {
        self.keys.bytes() + self.index.len() * KEY_BYTES
    }

    /// Gives each key, which are dirty no more, until one cannot be taken.
    pub(super) fn drain<E>(
        &mut self,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.index.clear();
        let keys = &self.keys;
        let mut sorted: Vec<Place> = keys.rows().map(|(place, _)| place).collect();
        self.order.sort(&mut sorted, |place| keys.get(*place));
        let result = sorted.into_iter().try_for_each(|place| each(keys.get(place)));
        self.keys.clear();
        result
    }

    pub(super) fn committed(&mut self) {
        self.committed.clone_from(&self.keys);
    }

    /// The keys that were dirty after the last commit are it again.
    pub(super) fn discard(&mut self) {
        self.index.clear();
        self.keys.clear();
        let committed = std::mem::take(&mut self.committed);
        committed.rows().for_each(|(_, key)| self.add(key));
        self.committed = committed;
    }
}
