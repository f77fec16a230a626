//! The cache layer: thins the writes of a store, and hands what it writes out to the node that
//! forwards it. Answers to Kafka's `CachingKeyValueStore` and `ThreadCache`.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::rc::Rc;

use streams_core::error::StoreError;
use streams_core::processor::TaskContext;
use streams_core::store::CacheBudget;

use super::Layers;
use super::cache::{DirtyEntry, NodeHint, RecordCache, Writer};
use crate::bytes::{Direction, KeyRange, OwnedRow};
use crate::view::OldValues;

/// Who forwards what the cache writes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody: an evicted entry is written and that is all.
    Nobody,
    /// A node that wants new values.
    WithoutOldValues,
    /// A node that wants new and old values.
    WithOldValues,
}

impl Owner {
    /// A node that wants old values, or not.
    pub(crate) const fn of(old_values: OldValues) -> Self {
        match old_values {
            OldValues::Send => Self::WithOldValues,
            OldValues::Omit => Self::WithoutOldValues,
        }
    }
}

/// An entry that has left the cache.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) entry: DirtyEntry,
    /// The value before, where the owner wants it.
    pub(crate) old: Option<Box<[u8]>>,
    state: OutgoingState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutgoingState {
    Unwritten,
    Written,
    /// There was nothing below and there still is not.
    Nothing,
}

/// How far an eviction is whose entries a node forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Eviction {
    Over,
    /// The node has not come for the entries yet.
    Waiting,
    Forwarding,
}

/// The record cache of a store, within the budget of its worker.
///
/// As in Kafka, what is evicted counts until the node that owns the store has forwarded it, so that
/// the caches of the stores below evict too; only then is the budget looked at again.
#[derive(Debug)]
pub(crate) struct CacheLayer {
    cache: RefCell<RecordCache>,
    budget: Rc<CacheBudget>,
    owner: Cell<Owner>,
    /// Entries to be written below, then forwarded, in order.
    outgoing: RefCell<VecDeque<Outgoing>>,
    /// How many of them, at the end, are not yet written.
    unwritten: Cell<usize>,
    eviction: Cell<Eviction>,
    /// Bytes of evicted entries that still count.
    held_bytes: Cell<usize>,
    /// What says deleted and leaves the cache when the eviction is over.
    deleted: RefCell<Deleted>,
}

impl CacheLayer {
    pub(crate) fn new(budget: Rc<CacheBudget>) -> Self {
        Self {
            cache: RefCell::default(),
            budget,
            owner: Cell::new(Owner::Nobody),
            outgoing: RefCell::default(),
            unwritten: Cell::new(0),
            eviction: Cell::new(Eviction::Over),
            held_bytes: Cell::new(0),
            deleted: RefCell::default(),
        }
    }

    pub(crate) fn set_owner(&self, owner: Owner) {
        self.owner.set(owner);
    }

    pub(crate) fn has_owner(&self) -> bool {
        self.owner.get() != Owner::Nobody
    }

    /// Bytes of entries that wait to be forwarded.
    pub(crate) fn outgoing_bytes(&self) -> usize {
        let bytes = |out: &Outgoing| {
            let (new, old) = (&out.entry.value, &out.old);
            out.entry.key.len() + [new, old].into_iter().flatten().map(|v| v.len()).sum::<usize>()
        };
        self.outgoing.borrow().iter().map(bytes).sum()
    }

    fn change<R>(&self, change: impl FnOnce(&mut RecordCache) -> R) -> R {
        let mut cache = self.cache.borrow_mut();
        let before = cache.bytes();
        let result = change(&mut cache);
        self.budget.adjust(before, cache.bytes());
        result
    }

    /// Shows `read` the value of a key; what was only below is cached.
    pub(super) fn read_with<R>(
        &self,
        layers: &Layers,
        hash: u64,
        key: &[u8],
        read: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Result<(R, Option<NodeHint>), StoreError> {
        if let Some((value, hint)) = self.cache.borrow_mut().get(hash, key) {
            return Ok((read(value), Some(hint)));
        }
        // As in Kafka, the caches of stores that expire keep nothing that was only read.
        let kept = layers.retention().is_none();
        let populate = |value: Option<&[u8]>| {
            let hint = value
                .filter(|_| kept)
                .map(|_| self.change(|cache| cache.put((hash, key), value, None, None)));
            (read(value), hint)
        };
        let (result, _) = layers.read_below(hash, key, populate)?;
        let is_cached = result.1.is_some();
        // As in Kafka, to find nothing evicts nothing.
        if is_cached && self.is_over_budget() {
            self.make_room(layers)?;
        }
        Ok(result)
    }

    /// Writes a row into the cache; `None` deletes it.
    pub(super) fn put(
        &self,
        layers: &Layers,
        hash: u64,
        key: &[u8],
        value: Option<&[u8]>,
        hint: Option<NodeHint>,
    ) -> Result<(), StoreError> {
        layers.check_open()?;
        let writer = writer(layers.context());
        self.change(|cache| cache.put((hash, key), value, Some(writer), hint));
        // An owner that has read the row just now forwards next what that evicted.
        let is_owner_to_forward = hint.is_some() && self.eviction.get() == Eviction::Waiting;
        if self.is_over_budget() && !is_owner_to_forward {
            self.make_room(layers)?;
        }
        Ok(())
    }

    /// Whether the worker's caches are over their budget.
    #[inline]
    fn is_over_budget(&self) -> bool {
        // What waits for its node is as good as gone: until that comes, others may read and write.
        let gone = match self.eviction.get() {
            Eviction::Waiting => self.held_bytes.get(),
            Eviction::Over | Eviction::Forwarding => 0,
        };
        self.budget.used_bytes().saturating_sub(gone) > self.budget.max_bytes()
    }

    /// Evicts entries of this store while the worker's caches are over their budget. Where a node is
    /// to forward them, that goes on once it has; see [`forwarded`](Self::forwarded).
    #[cold]
    fn make_room(&self, layers: &Layers) -> Result<(), StoreError> {
        while self.is_over_budget() && !self.cache.borrow().is_empty() {
            // A clean entry may be waiting to be written; it must not be read from below before.
            self.write_outgoing(layers)?;
            if self.change(RecordCache::evict_clean) {
                continue;
            }
            self.evict_dirty(layers)?;
            if self.has_owner() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Evicts clean entries while the worker's caches are over their budget.
    pub(crate) fn trim(&self) {
        // A clean entry that waits to be written must not be read from below before.
        while self.is_settled() && self.is_over_budget() && self.change(RecordCache::evict_clean) {}
    }

    fn evict_dirty(&self, layers: &Layers) -> Result<(), StoreError> {
        let mut cache = self.cache.borrow_mut();
        let before = cache.bytes();
        let Some(evicted) = cache.evict() else { return Ok(()) };
        let freed = before.saturating_sub(cache.bytes());
        let others = cache.take_dirty();
        drop(cache);
        self.held_bytes.set(self.held_bytes.get() + freed);
        self.deleted.borrow_mut().add(&others);
        self.enqueue(std::iter::once(evicted).chain(others));
        self.write_outgoing(layers)?;
        match (self.has_owner(), self.eviction.get()) {
            (false, _) => self.end_eviction(layers),
            (true, Eviction::Over) => self.eviction.set(Eviction::Waiting),
            (true, Eviction::Waiting | Eviction::Forwarding) => {}
        }
        Ok(())
    }

    // DIFFERENCE(cache-count): what is read into the cache meanwhile counts twice in Kafka.
    fn end_eviction(&self, layers: &Layers) {
        let deleted = self.deleted.take();
        self.remove_deleted(layers, &deleted);
        self.budget.adjust(self.held_bytes.take(), 0);
        self.eviction.set(Eviction::Over);
    }

    /// The node begins to forward what waits.
    pub(crate) fn forwarding(&self) {
        if self.eviction.get() == Eviction::Waiting {
            self.eviction.set(Eviction::Forwarding);
        }
    }

    /// The node has forwarded all that waited: what was evicted counts no more, and if the worker's
    /// caches are over their budget still, more is.
    pub(crate) fn forwarded(&self, layers: &Layers) -> Result<(), StoreError> {
        if self.eviction.get() == Eviction::Over {
            return Ok(());
        }
        self.end_eviction(layers);
        self.make_room(layers)
    }

    fn enqueue(&self, entries: impl IntoIterator<Item = DirtyEntry>) {
        let mut outgoing = self.outgoing.borrow_mut();
        let before = outgoing.len();
        let state = OutgoingState::Unwritten;
        outgoing.extend(entries.into_iter().map(|entry| Outgoing { entry, old: None, state }));
        self.unwritten.set(self.unwritten.get() + outgoing.len() - before);
    }

    /// Writes below what has left the cache.
    fn write_outgoing(&self, layers: &Layers) -> Result<(), StoreError> {
        while self.unwritten.get() > 0 {
            let mut outgoing = self.outgoing.borrow_mut();
            let at = outgoing.len().saturating_sub(self.unwritten.get());
            self.unwritten.set(self.unwritten.get() - 1);
            if let Some(out) = outgoing.get_mut(at) {
                self.write_below(layers, out)?;
            }
        }
        if !self.has_owner() {
            self.outgoing.borrow_mut().clear();
        }
        Ok(())
    }

    fn write_below(&self, layers: &Layers, out: &mut Outgoing) -> Result<(), StoreError> {
        let DirtyEntry { key, value, writer } = &out.entry;
        let hash = layers.hash(key);
        let owner = self.owner.get();
        let mut hint = None;
        if owner == Owner::WithOldValues || (owner != Owner::Nobody && value.is_none()) {
            let (old, at) = layers.read_below(hash, key, |old| old.map(Box::from))?;
            (out.old, hint) = (old, at);
            if value.is_none() && out.old.is_none() {
                out.state = OutgoingState::Nothing;
                return Ok(());
            }
        }
        if owner != Owner::WithOldValues {
            out.old = None;
        }
        out.state = OutgoingState::Written;
        let Writer { place, timestamp, headers, .. } = writer;
        let saved = layers.context().turn_to_cached(*place, *timestamp, headers.clone());
        let written = layers.put_below(hash, key, value.as_deref(), hint);
        layers.context().restore(saved);
        written
    }

    /// The next entry to be forwarded, written below.
    pub(crate) fn next_outgoing(&self, layers: &Layers) -> Result<Option<Outgoing>, StoreError> {
        loop {
            let Some(mut out) = self.outgoing.borrow_mut().pop_front() else { return Ok(None) };
            if out.state == OutgoingState::Unwritten {
                self.unwritten.set(self.unwritten.get().saturating_sub(1));
                self.write_below(layers, &mut out)?;
            }
            if out.state == OutgoingState::Written {
                return Ok(Some(out));
            }
        }
    }

    /// Whether nothing waits to be forwarded.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.outgoing.borrow().is_empty()
    }

    /// All dirty entries leave; to be written and forwarded by `next_outgoing`. The result goes to
    /// [`flushed`](Self::flushed) when that is done.
    pub(crate) fn start_flush(&self) -> Deleted {
        let dirty = self.cache.borrow_mut().take_dirty();
        let mut deleted = Deleted::default();
        deleted.add(&dirty);
        self.enqueue(dirty);
        deleted
    }

    /// The flush is done.
    pub(crate) fn flushed(&self, layers: &Layers, deleted: &Deleted) {
        self.remove_deleted(layers, deleted);
    }

    fn remove_deleted(&self, layers: &Layers, deleted: &Deleted) {
        for key in &deleted.0 {
            self.change(|cache| cache.remove_deleted(layers.hash(key), key));
        }
    }

    /// Writes out all dirty entries of a store that no node owns.
    pub(crate) fn write_out(&self, layers: &Layers) -> Result<(), StoreError> {
        let deleted = self.start_flush();
        self.write_outgoing(layers)?;
        self.remove_deleted(layers, &deleted);
        Ok(())
    }

    /// An iterator comes to this entry, which counts as use. Whether it is still there.
    pub(super) fn use_if_cached(&self, hash: u64, key: &[u8]) -> bool {
        self.cache.borrow_mut().get(hash, key).is_some()
    }

    /// A scan gives these entries, in this order, which counts as use.
    pub(super) fn touch_all(
        &self,
        layers: &Layers,
        entries: &[OwnedRow],
        order: impl Fn(&[u8], &[u8]) -> Ordering,
    ) {
        let mut keys: Vec<&[u8]> = entries.iter().map(|entry| &*entry.key).collect();
        keys.sort_by(|a, b| order(a, b));
        keys.into_iter().for_each(|key| {
            self.use_if_cached(layers.hash(key), key);
        });
    }

    /// A copy of the cached entries of a range.
    pub(super) fn range(&self, range: &KeyRange, direction: Direction) -> Vec<OwnedRow> {
        self.cache.borrow_mut().range(range, direction)
    }

    /// The segments that have entries, from `from` to `to`, for a store that expires.
    pub(super) fn segments(&self, from: i64, to: i64) -> Vec<i64> {
        self.cache.borrow_mut().segments(from, to)
    }

    /// Drops everything.
    pub(super) fn clear(&self) {
        self.change(RecordCache::clear);
        self.outgoing.borrow_mut().clear();
        self.unwritten.set(0);
        self.budget.adjust(self.held_bytes.take(), 0);
        self.deleted.take();
        self.eviction.set(Eviction::Over);
    }
}

/// The keys of flushed entries that say deleted; their nodes go when the flush is done.
#[derive(Debug, Default)]
pub(crate) struct Deleted(Vec<Box<[u8]>>);

impl Deleted {
    fn add(&mut self, entries: &[DirtyEntry]) {
        let deleted = entries.iter().filter(|entry| entry.value.is_none());
        self.0.extend(deleted.map(|entry| entry.key.clone()));
    }
}

fn writer(context: &TaskContext) -> Writer {
    let place = context.place();
    let topic = place.and_then(|(partition, _)| context.partitions().get(partition as usize));
    Writer {
        place,
        timestamp: context.timestamp(),
        headers: context.headers(),
        topic_chars: topic.map_or(0, |input| input.topic.as_str().len()),
    }
}
