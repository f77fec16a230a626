//! The keys whose changes are not in the changelog yet. They are written in the order in which Java
//! gives back its set of them.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use streams_core::java_order::HashSetOrder;

/// Keys one behind the other, in the order of their first changes.
#[derive(Debug, Default, Clone)]
pub(super) struct Keys {
    bytes: Vec<u8>,
    /// Where each begins.
    starts: Vec<usize>,
}

impl Keys {
    fn get(&self, at: usize) -> &[u8] {
        let end = self.starts.get(at + 1).copied().unwrap_or(self.bytes.len());
        self.starts.get(at).and_then(|start| self.bytes.get(*start..end)).unwrap_or_default()
    }

    fn push(&mut self, key: &[u8]) {
        self.starts.push(self.bytes.len());
        self.bytes.extend_from_slice(key);
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.starts.len()).map(|at| self.get(at))
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct DirtyKeys {
    hasher: RandomState,
    /// Each once.
    keys: Keys,
    index: HashTable<u32>,
    order: HashSetOrder,
    /// What the last commit left unwritten: caches that were flushed after this store.
    committed: Keys,
}

/// What a key costs beside its bytes.
const KEY_BYTES: usize = size_of::<usize>() + 8;

impl DirtyKeys {
    pub(super) fn add(&mut self, key: &[u8]) {
        let Self { hasher, keys, index, .. } = self;
        let hash = hasher.hash_one(key);
        if index.find(hash, |at| keys.get(*at as usize) == key).is_some() {
            return;
        }
        let at = u32::try_from(keys.starts.len()).unwrap_or(u32::MAX);
        keys.push(key);
        index.insert_unique(hash, at, |at| hasher.hash_one(keys.get(*at as usize)));
    }

    /// Bytes that the keys take.
    pub(super) fn bytes(&self) -> usize {
        self.keys.bytes.len() + self.keys.starts.len() * KEY_BYTES
    }

    /// Gives each key, which are dirty no more, until one cannot be taken.
    pub(super) fn drain<E>(&mut self, each: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.index.clear();
        let keys = std::mem::take(&mut self.keys);
        let mut sorted: Vec<&[u8]> = keys.iter().collect();
        self.order.sort(&mut sorted, |key| key);
        sorted.into_iter().try_for_each(each)
    }

    pub(super) fn committed(&mut self) {
        self.committed.clone_from(&self.keys);
    }

    /// The keys that were dirty after the last commit are it again.
    pub(super) fn discard(&mut self) {
        self.index.clear();
        self.keys = Keys::default();
        for key in std::mem::take(&mut self.committed).iter() {
            self.add(key);
        }
        self.committed();
    }
}
