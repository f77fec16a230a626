//! The end of a node whose table is stored: changes leave it at once, or when the record cache of
//! the store writes them out. Kafka's `TimestampedTupleForwarder` and its flush listener.

use std::cell::RefCell;
use std::rc::Rc;

use streams_core::error::{Pushed, StoreError};
use streams_core::names::StoreName;
use streams_core::processor::{Edge, FlushCache, LinkError, NodeCell, NodeLinks, Push};
use streams_core::record::{Headers, Record};
use streams_core::time::Timestamp;
use streams_state::{Flushed, OldValues, PutVersion, Timestamped, Update, VersionedKeyValueStore};

use crate::change::{Age, Change};
use crate::view::TableStore;

/// The store of a table, and the way to its readers.
pub(super) struct TableOutput<K, V> {
    store: TableStore<K, V>,
    name: StoreName,
    out: Edge<K, Change<V>>,
    old_values: OldValues,
    forwards: Forwards,
}

/// When changes leave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forwards {
    AtOnce,
    FromCache,
}

/// A row's new state. `old` is only given where it is sent.
pub(super) struct Row<V> {
    pub(super) new: Option<V>,
    pub(super) old: Option<V>,
    pub(super) timestamp: Timestamp,
}

impl<K: Clone + 'static, V: Clone + 'static> TableOutput<K, V> {
    /// The output of the node that owns this store.
    pub(super) fn of(
        links: &NodeLinks<'_>,
        store: &StoreName,
        old_values: OldValues,
        out: Edge<K, Change<V>>,
    ) -> Result<Self, LinkError> {
        let name = store.clone();
        let store = TableStore::of(links, store)?;
        let forwards = match &store {
            TableStore::Timestamped(store) if store.own_flushes(old_values) => Forwards::FromCache,
            TableStore::Timestamped(_) | TableStore::Versioned(_) => Forwards::AtOnce,
        };
        Ok(Self { store, name, out, old_values, forwards })
    }

    /// Whether changes carry the value before.
    pub(super) fn sends_old(&self) -> bool {
        self.old_values == OldValues::Send
    }

    /// Reads a row and writes what `with` makes of it; `None` keeps it. Says what is to be
    /// forwarded at once.
    #[inline]
    pub(super) fn update(
        &self,
        key: &K,
        with: impl FnOnce(Option<Timestamped<V>>) -> Option<Row<V>>,
    ) -> Result<Option<Written<V>>, StoreError> {
        let store = match &self.store {
            TableStore::Timestamped(store) => store,
            TableStore::Versioned(store) => {
                let row = with(store.get(key)?);
                return row.map_or(Ok(None), |row| put_version(store, key, row));
            }
        };
        store.update(key, |stored| {
            let Some(row) = with(stored) else { return (Update::Keep, None) };
            let at_once = self.forwards == Forwards::AtOnce && !self.out.is_empty();
            match (row.new, at_once) {
                (None, true) => (Update::Delete, Some(Written::latest(Row { new: None, ..row }))),
                (None, false) => (Update::Delete, None),
                (Some(new), false) => (Update::Put(new, row.timestamp), None),
                (Some(new), true) => {
                    let update = Update::Put(new.clone(), row.timestamp);
                    (update, Some(Written::latest(Row { new: Some(new), ..row })))
                }
            }
        })
    }

    /// Writes a row without a look at what was there.
    pub(super) fn put(&self, key: &K, row: Row<V>) -> Result<Option<Written<V>>, StoreError> {
        let store = match &self.store {
            TableStore::Timestamped(store) => store,
            TableStore::Versioned(store) => return put_version(store, key, row),
        };
        store.put_row(key, row.new.as_ref(), row.timestamp)?;
        Ok((self.forwards == Forwards::AtOnce).then(|| Written::latest(row)))
    }

    /// Writes a row in place of what is there, which is read where readers are sent it.
    pub(super) fn replace(
        &self,
        key: &K,
        new: Option<V>,
        timestamp: Timestamp,
    ) -> Result<Option<Written<V>>, StoreError> {
        if !self.sends_old() {
            return self.put(key, Row { new, old: None, timestamp });
        }
        self.update(key, |stored| {
            let old = stored.map(|row| row.value);
            Some(Row { new, old, timestamp })
        })
    }

    /// Forwards what [`update`](Self::update), [`put`](Self::put) or [`replace`](Self::replace)
    /// gave, then what the cache evicted.
    #[inline]
    pub(super) fn forward(
        &mut self,
        key: K,
        written: Option<Written<V>>,
        headers: Headers,
    ) -> Pushed {
        if let Some(Written { row: Row { new, old, timestamp }, age }) = written {
            let old = old.filter(|_| self.old_values == OldValues::Send);
            self.out.push(Record { key, value: Change { new, old, age }, timestamp, headers })?;
        }
        let Self { store, out, .. } = self;
        match store {
            TableStore::Timestamped(store) => {
                store.forward_evicted(&mut |flushed| out.push(written_out(flushed)))
            }
            TableStore::Versioned(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> Pushed {
        let Self { store, out, .. } = self;
        match store {
            TableStore::Timestamped(store) => {
                store.flush_cache(&mut |flushed| out.push(written_out(flushed)))
            }
            TableStore::Versioned(_) => Ok(()),
        }
    }
}

/// A row that was written, to be forwarded.
pub(super) struct Written<V> {
    row: Row<V>,
    age: Age,
}

impl<V> Written<V> {
    const fn latest(row: Row<V>) -> Self {
        Self { row, age: Age::Latest }
    }
}

/// Nothing is forwarded of a row that is too old for its store.
fn put_version<K: 'static, V: 'static>(
    store: &VersionedKeyValueStore<K, V>,
    key: &K,
    row: Row<V>,
) -> Result<Option<Written<V>>, StoreError> {
    let age = match store.put_row(key, row.new.as_ref(), row.timestamp)? {
        PutVersion::Latest => Age::Latest,
        PutVersion::Until(_) => Age::Late,
        PutVersion::Expired => return Ok(None),
    };
    Ok(Some(Written { row, age }))
}

fn written_out<K, V>(flushed: Flushed<K, V>) -> Record<K, Change<V>> {
    let Flushed { key, new, old, timestamp, headers } = flushed;
    Record { key, value: Change::latest(new, old), timestamp, headers }
}

/// A node that ends in a table's store.
pub(super) trait Stored: Sized + 'static {
    type Key: Clone + 'static;
    type Value: Clone + 'static;

    fn output(&mut self) -> &mut TableOutput<Self::Key, Self::Value>;
}

/// A node that is also asked to flush its store's cache.
struct Flushing<N>(N);

impl<K, V, N: Push<K, V>> Push<K, V> for Flushing<N> {
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        self.0.push(record)
    }
}

impl<N: Stored> FlushCache for Flushing<N> {
    fn flush_cache(&mut self) -> Pushed {
        self.0.output().flush()
    }
}

/// The cell of a node that ends in a table's store.
pub(super) fn stored_node<K: 'static, V: 'static, N: Stored + Push<K, V>>(
    links: &mut NodeLinks<'_>,
    mut node: N,
) -> NodeCell<K, V> {
    if node.output().forwards == Forwards::AtOnce {
        return NodeCell::owned(node);
    }
    let store = node.output().name.clone();
    let node = Rc::new(RefCell::new(Flushing(node)));
    links.on_flush(&store, &node);
    NodeCell::shared(&node)
}
