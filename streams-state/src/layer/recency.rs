//! The bound of a store that keeps its least recently used rows out. Answers to Kafka's
//! `MemoryLRUCache`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The keys of a store in the order of their last use. Reading a row by its key uses it, and so
/// does writing it; scanning does not.
#[derive(Debug)]
pub(crate) struct Recency {
    rows_max: usize,
    uses: RefCell<Uses>,
}

#[derive(Debug, Default)]
struct Uses {
    /// When each key was used last.
    last: BTreeMap<Rc<[u8]>, u64>,
    /// The keys by their last use.
    keys: BTreeMap<u64, Rc<[u8]>>,
    next: u64,
}

impl Uses {
    /// Takes a key out, if it is known.
    fn take(&mut self, key: &[u8]) -> Option<Rc<[u8]>> {
        let at = self.last.remove(key)?;
        self.keys.remove(&at)
    }

    /// Puts a key behind all others.
    fn push(&mut self, key: Rc<[u8]>) {
        self.last.insert(Rc::clone(&key), self.next);
        self.keys.insert(self.next, key);
        self.next += 1;
    }
}

impl Recency {
    pub(crate) fn new(rows_max: usize) -> Self {
        Self { rows_max, uses: RefCell::default() }
    }

    /// A row is read, if it is there.
    pub(super) fn read(&self, key: &[u8]) {
        let mut uses = self.uses.borrow_mut();
        if let Some(key) = uses.take(key) {
            uses.push(key);
        }
    }

    /// A row is written; `None` deletes it. Gives the key of the row that has to go for it.
    pub(crate) fn written(&self, key: &[u8], value: Option<&[u8]>) -> Option<Rc<[u8]>> {
        let mut uses = self.uses.borrow_mut();
        let known = uses.take(key);
        value?;
        uses.push(known.unwrap_or_else(|| key.into()));
        if uses.keys.len() <= self.rows_max {
            return None;
        }
        let (_, eldest) = uses.keys.pop_first()?;
        uses.last.remove(&eldest);
        Some(eldest)
    }

    /// The store has these rows again. Those that were evicted meanwhile are the eldest.
    pub(super) fn reset(&self, keys: BTreeSet<Box<[u8]>>) {
        let mut uses = self.uses.borrow_mut();
        let before = std::mem::take(&mut *uses);
        let evicted = keys.iter().filter(|key| !before.last.contains_key(&key[..]));
        evicted.for_each(|key| uses.push(Rc::from(&key[..])));
        let kept = before.keys.into_values().filter(|key| keys.contains(&key[..]));
        kept.for_each(|key| uses.push(key));
    }

    /// The store is empty.
    pub(super) fn clear(&self) {
        *self.uses.borrow_mut() = Uses::default();
    }
}
