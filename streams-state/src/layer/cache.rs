//! The record cache of one store: which entries are dirty, in which order they were written and
//! used, and what they count. Order and sizes are those of Kafka's `NamedCache`.

use std::collections::BTreeMap;
use std::ops::Bound;

use hashbrown::HashTable;
use streams_core::record::Headers;
use streams_core::time::Timestamp;

use crate::bytes::{Direction, KeyRange, OwnedRow};
use crate::row_key::RowKeys;

/// Three references of a node in Kafka's list.
const NODE_BYTES: usize = 24;
/// The dirty mark, timestamp, offset and partition of an entry.
const ENTRY_BYTES: usize = 1 + 8 + 8 + 4;

/// The record that wrote an entry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writer {
    /// Its input partition and offset; see `TaskContext::place`.
    pub(crate) place: Option<(u32, i64)>,
    pub(crate) timestamp: Timestamp,
    pub(crate) headers: Headers,
    /// Characters of the topic's name, which count.
    pub(crate) topic_chars: usize,
}

impl Writer {
    fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|header| {
            let value = header.value.as_ref().map_or(0, bytes::Bytes::len);
            header.name.encode_utf16().count() + value
        });
        self.topic_chars + headers.sum::<usize>()
    }
}

/// A dirty entry on its way out of the cache.
#[derive(Debug, Clone)]
pub(crate) struct DirtyEntry {
    pub(crate) key: Box<[u8]>,
    pub(crate) value: Option<Box<[u8]>>,
    pub(crate) writer: Writer,
}

/// Where an entry was found; checked when used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeHint(u32);

/// No node.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Links {
    previous: u32,
    next: u32,
}

const UNLINKED: Links = Links { previous: NONE, next: NONE };

#[derive(Debug)]
struct Node {
    hash: u64,
    /// `None` once the node is free.
    key: Option<Box<[u8]>>,
    value: Vec<u8>,
    deleted: bool,
    /// Who wrote the entry, while it is dirty.
    writer: Option<Box<Writer>>,
    /// Kafka's count of the node.
    bytes: usize,
    recent: Links,
    dirty: Links,
}

impl Node {
    fn key(&self) -> &[u8] {
        self.key.as_deref().unwrap_or_default()
    }

    fn value(&self) -> Option<&[u8]> {
        (!self.deleted).then_some(&*self.value)
    }
}

/// A list through the nodes.
#[derive(Debug, Clone, Copy)]
struct List {
    first: u32,
    last: u32,
    of: fn(&mut Node) -> &mut Links,
}

impl List {
    const fn new(of: fn(&mut Node) -> &mut Links) -> Self {
        Self { first: NONE, last: NONE, of }
    }

    fn push_last(&mut self, nodes: &mut [Node], at: u32) {
        *(self.of)(&mut nodes[at as usize]) = Links { previous: self.last, next: NONE };
        match self.last {
            NONE => self.first = at,
            last => (self.of)(&mut nodes[last as usize]).next = at,
        }
        self.last = at;
    }

    fn unlink(&mut self, nodes: &mut [Node], at: u32) {
        let Links { previous, next } =
            std::mem::replace((self.of)(&mut nodes[at as usize]), UNLINKED);
        match previous {
            NONE => self.first = next,
            previous => (self.of)(&mut nodes[previous as usize]).next = next,
        }
        match next {
            NONE => self.last = previous,
            next => (self.of)(&mut nodes[next as usize]).previous = previous,
        }
    }
}

/// The entries of one store; see the module.
#[derive(Debug)]
pub(crate) struct RecordCache {
    index: HashTable<u32>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// The eldest first.
    recent: List,
    /// In the order of their last writes.
    dirty: List,
    bytes: usize,
    /// The keys in order; kept from the first scan on.
    order: Option<BTreeMap<Box<[u8]>, u32>>,
}

impl Default for RecordCache {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            nodes: Vec::new(),
            free: Vec::new(),
            recent: List::new(|node| &mut node.recent),
            dirty: List::new(|node| &mut node.dirty),
            bytes: 0,
            order: None,
        }
    }
}

impl RecordCache {
    /// What the entries count together.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is no entry.
    pub(crate) const fn is_empty(&self) -> bool {
        self.recent.first == NONE
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        self.index.find(hash, |at| self.nodes[*at as usize].key() == key).copied()
    }

    fn use_now(&mut self, at: u32) {
        if self.recent.last != at {
            self.recent.unlink(&mut self.nodes, at);
            self.recent.push_last(&mut self.nodes, at);
        }
    }

    /// An entry: `Some(None)` for one that says deleted. It becomes the most recently used.
    pub(crate) fn get(&mut self, hash: u64, key: &[u8]) -> Option<(Option<&[u8]>, NodeHint)> {
        let at = self.find(hash, key)?;
        self.use_now(at);
        Some((self.nodes[at as usize].value(), NodeHint(at)))
    }

    /// Puts an entry: dirty when there is a writer, else a copy of what is below.
    pub(crate) fn put(
        &mut self,
        (hash, key): (u64, &[u8]),
        value: Option<&[u8]>,
        writer: Option<Writer>,
        hint: Option<NodeHint>,
    ) -> NodeHint {
        let hinted = hint.map(|hint| hint.0).filter(|at| {
            self.nodes.get(*at as usize).is_some_and(|node| node.key.as_deref() == Some(key))
        });
        let at = match hinted.or_else(|| self.find(hash, key)) {
            Some(at) => {
                self.use_now(at);
                at
            }
            None => self.insert(hash, key),
        };
        let node = &mut self.nodes[at as usize];
        let bytes = key.len() + NODE_BYTES + ENTRY_BYTES + value.map_or(0, <[u8]>::len);
        let bytes = bytes + writer.as_ref().map_or(0, Writer::bytes);
        self.bytes = self.bytes - node.bytes + bytes;
        node.bytes = bytes;
        node.deleted = value.is_none();
        node.value.clear();
        node.value.extend_from_slice(value.unwrap_or_default());
        if let Some(writer) = writer {
            let was_dirty = node.writer.is_some();
            match &mut node.writer {
                Some(old) => **old = writer,
                None => node.writer = Some(Box::new(writer)),
            }
            if was_dirty {
                self.dirty.unlink(&mut self.nodes, at);
            }
            self.dirty.push_last(&mut self.nodes, at);
        }
        NodeHint(at)
    }

    fn insert(&mut self, hash: u64, key: &[u8]) -> u32 {
        let node = Node {
            hash,
            key: Some(key.into()),
            value: Vec::new(),
            deleted: true,
            writer: None,
            bytes: 0,
            recent: UNLINKED,
            dirty: UNLINKED,
        };
        let at = if let Some(at) = self.free.pop() {
            self.nodes[at as usize] = node;
            at
        } else {
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
        };
        let nodes = &self.nodes;
        self.index.insert_unique(hash, at, |at| nodes[*at as usize].hash);
        self.recent.push_last(&mut self.nodes, at);
        if let Some(order) = &mut self.order {
            order.insert(key.into(), at);
        }
        at
    }

    /// Removes an entry; gives it if it was dirty.
    fn remove(&mut self, at: u32) -> Option<DirtyEntry> {
        self.recent.unlink(&mut self.nodes, at);
        if self.nodes[at as usize].writer.is_some() {
            self.dirty.unlink(&mut self.nodes, at);
        }
        let node = &mut self.nodes[at as usize];
        self.bytes -= node.bytes;
        if let Ok(entry) = self.index.find_entry(node.hash, |other| *other == at) {
            entry.remove();
        }
        self.free.push(at);
        let key = node.key.take().unwrap_or_default();
        if let Some(order) = &mut self.order {
            order.remove(&key);
        }
        let value = std::mem::take(&mut node.value);
        let value = (!node.deleted).then(|| value.into_boxed_slice());
        node.writer.take().map(|writer| DirtyEntry { key, value, writer: *writer })
    }

    /// Evicts the entry that was not used for longest; gives it if it was dirty. All other dirty
    /// entries are then due, see [`take_dirty`](Self::take_dirty).
    pub(crate) fn evict(&mut self) -> Option<DirtyEntry> {
        if self.is_empty() {
            return None;
        }
        self.remove(self.recent.first)
    }

    /// Evicts the entry that was not used for longest, if it is clean. Whether it was.
    pub(crate) fn evict_clean(&mut self) -> bool {
        let first = self.nodes.get(self.recent.first as usize);
        let is_clean = !self.is_empty() && first.is_some_and(|node| node.writer.is_none());
        if is_clean {
            self.remove(self.recent.first);
        }
        is_clean
    }

    /// All dirty entries in the order of their last writes. They stay in the cache, clean.
    pub(crate) fn take_dirty(&mut self) -> Vec<DirtyEntry> {
        let mut taken = Vec::new();
        while self.dirty.first != NONE {
            let at = self.dirty.first;
            self.dirty.unlink(&mut self.nodes, at);
            let node = &mut self.nodes[at as usize];
            let Some(writer) = node.writer.take() else { continue };
            let (key, value) = (node.key().into(), node.value().map(Into::into));
            taken.push(DirtyEntry { key, value, writer: *writer });
        }
        taken
    }

    /// Removes an entry that says deleted and was written out.
    pub(crate) fn remove_deleted(&mut self, hash: u64, key: &[u8]) {
        // DIFFERENCE(flushed-delete): Kafka removes it also when it was written anew while it was
        // flushed, and then loses that write.
        let Some(at) = self.find(hash, key) else { return };
        let node = &self.nodes[at as usize];
        if node.deleted && node.writer.is_none() {
            self.remove(at);
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        *self = Self { order: self.order.take().map(|_| BTreeMap::new()), ..Self::default() };
    }

    fn order(&mut self) -> (&BTreeMap<Box<[u8]>, u32>, &[Node]) {
        let nodes = &self.nodes;
        let order = self.order.get_or_insert_with(|| {
            let used = nodes.iter().zip(0..).filter(|(node, _)| node.key.is_some());
            used.map(|(node, at)| (node.key().into(), at)).collect()
        });
        (order, nodes)
    }

    /// The segments, which are the first bytes of keys, of the entries from `from` to `to`.
    pub(crate) fn segments(&mut self, from: i64, to: i64) -> Vec<i64> {
        let (order, _) = self.order();
        let (mut found, mut next) = (Vec::new(), from);
        loop {
            let start = RowKeys::segment_start(next);
            let bounds = (Bound::Included(&start[..]), Bound::Unbounded);
            let first = order.range::<[u8], _>(bounds).next();
            let segment = first.and_then(|(key, _)| RowKeys::segment_in(key));
            let Some(segment) = segment.filter(|segment| *segment <= to) else { return found };
            found.push(segment);
            let Some(behind) = segment.checked_add(1) else { return found };
            next = behind;
        }
    }

    /// A copy of the entries of a range, in the order of `direction`. Does not count as use.
    pub(crate) fn range(&mut self, range: &KeyRange, direction: Direction) -> Vec<OwnedRow> {
        let (order, nodes) = self.order();
        if range.is_empty() {
            return Vec::new();
        }
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (range.lower(), range.upper());
        let row = |(key, at): (_, &u32)| OwnedRow {
            key: Box::clone(key),
            value: nodes[*at as usize].value().map(Into::into),
        };
        let rows = order.range::<[u8], _>(bounds);
        match direction {
            Direction::Forward => rows.map(row).collect(),
            Direction::Backward => rows.rev().map(row).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
