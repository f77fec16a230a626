//! Reading the rows of a table from beside it, as joins do. Kafka's `KTableValueGetter`.

use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::names::StoreName;
use streams_core::processor::{LinkError, NodeLinks};
use streams_core::store::StoreSpec;
use streams_core::time::Timestamp;
use streams_core::window::Windowed;
use streams_state::{
    SessionStore, Timestamped, TimestampedKeyValueStore, TimestampedWindowStore,
    VersionedKeyValueStore,
};

/// The store of a table that is not one of windows.
pub(crate) enum TableStore<K, V> {
    Timestamped(TimestampedKeyValueStore<K, V>),
    Versioned(VersionedKeyValueStore<K, V>),
}

impl<K: 'static, V: 'static> TableStore<K, V> {
    pub(crate) fn of(links: &NodeLinks<'_>, store: &StoreName) -> Result<Self, LinkError> {
        match links.store(store) {
            Ok(store) => Ok(Self::Timestamped(store)),
            Err(error) => {
                let versioned = links.store(store).map_err(|_| error)?;
                Ok(Self::Versioned(versioned))
            }
        }
    }
}

/// A row, or what its store or the function that computes it failed with.
pub(crate) type LookedUp<V> = Result<Option<Timestamped<V>>, ProcessorError>;

/// Gives the row of a key as it is now.
pub(crate) trait LookUp<K, V> {
    fn look_up(&self, key: &K) -> LookedUp<V>;

    /// The row as it was at a time; as it is now, where former rows are not kept.
    #[inline]
    fn look_up_as_of(&self, key: &K, _: Timestamp) -> LookedUp<V> {
        self.look_up(key)
    }
}

impl<K: 'static, V: 'static> LookUp<K, V> for TimestampedKeyValueStore<K, V> {
    #[inline]
    fn look_up(&self, key: &K) -> LookedUp<V> {
        Ok(self.get(key)?)
    }
}

impl<K: 'static, V: 'static> LookUp<K, V> for VersionedKeyValueStore<K, V> {
    fn look_up(&self, key: &K) -> LookedUp<V> {
        Ok(self.get(key)?)
    }

    fn look_up_as_of(&self, key: &K, timestamp: Timestamp) -> LookedUp<V> {
        Ok(self.as_of(key, timestamp)?)
    }
}

/// The start of a window tells it from the others of its key.
impl<K: 'static, V: 'static> LookUp<Windowed<K>, V> for TimestampedWindowStore<K, V> {
    #[inline]
    fn look_up(&self, key: &Windowed<K>) -> LookedUp<V> {
        Ok(self.get(&key.key, key.window.start)?)
    }
}

/// As in Kafka, the time of a session's row is the session's end.
impl<K: 'static, V: 'static> LookUp<Windowed<K>, V> for SessionStore<K, V> {
    fn look_up(&self, key: &Windowed<K>) -> LookedUp<V> {
        let value = self.get(&key.key, key.window)?;
        Ok(value.map(|value| Timestamped { value, timestamp: key.window.end }))
    }
}

/// The rows of a table, in one task.
pub(crate) type View<K, V> = Box<dyn LookUp<K, V>>;

/// Opens the rows of a store, in one task.
pub(crate) type Open<K, V> = fn(&NodeLinks<'_>, &StoreName) -> Result<View<K, V>, LinkError>;

/// A store that keeps a table of `K` and `V`: as the topology has it, and how its rows are read.
pub(crate) struct Kept<K, V> {
    pub(crate) spec: Arc<dyn StoreSpec>,
    pub(crate) open: Open<K, V>,
}

impl<K: 'static, V: 'static> Kept<K, V> {
    /// A store of keys and values, versioned or not.
    pub(crate) const fn by_key(spec: Arc<dyn StoreSpec>) -> Self {
        Self { spec, open: of_keys }
    }

    /// A store `S` of windows or sessions.
    pub(crate) const fn in_windows<S: LookUp<K, V> + Clone + 'static>(
        spec: Arc<dyn StoreSpec>,
    ) -> Self {
        Self { spec, open: of_windows::<K, V, S> }
    }
}

pub(crate) fn of_keys<K: 'static, V: 'static>(
    links: &NodeLinks<'_>,
    store: &StoreName,
) -> Result<View<K, V>, LinkError> {
    Ok(match TableStore::of(links, store)? {
        TableStore::Timestamped(store) => Box::new(store),
        TableStore::Versioned(store) => Box::new(store),
    })
}

fn of_windows<K: 'static, V: 'static, S: LookUp<K, V> + Clone + 'static>(
    links: &NodeLinks<'_>,
    store: &StoreName,
) -> Result<View<K, V>, LinkError> {
    Ok(Box::new(links.store::<S>(store)?))
}

type Link<K, V> = dyn Fn(&NodeLinks<'_>) -> Result<View<K, V>, LinkError> + Send + Sync;

/// How a node gets at the rows of a table: it is connected to these stores, and computes from them
/// what is not stored itself.
pub(crate) struct TableView<K, V> {
    pub(crate) stores: Vec<StoreName>,
    link: Arc<Link<K, V>>,
}

impl<K: 'static, V: 'static> TableView<K, V> {
    /// The rows are in a store.
    pub(crate) fn of_store(store: &StoreName, open: Open<K, V>) -> Self {
        let (stores, store) = (vec![store.clone()], store.clone());
        let link = move |links: &NodeLinks<'_>| open(links, &store);
        Self { stores, link: Arc::new(link) }
    }

    /// The rows are in a global store, which needs no connection.
    pub(crate) fn of_global(store: &StoreName) -> Self {
        Self { stores: Vec::new(), ..Self::of_store(store, of_keys) }
    }

    /// The rows are computed from those of this view.
    pub(crate) fn computed<N: 'static, L: LookUp<K, N> + 'static>(
        self,
        compute: impl Fn(View<K, V>) -> L + Send + Sync + 'static,
    ) -> TableView<K, N> {
        let Self { stores, link } = self;
        let link = move |links: &NodeLinks<'_>| -> Result<View<K, N>, LinkError> {
            Ok(Box::new(compute(link(links)?)))
        };
        TableView { stores, link: Arc::new(link) }
    }

    /// The rows are computed from those of this view, by what is made with these stores.
    // DIFFERENCE(transformer-stores): in Kafka the reader is not connected to them.
    pub(crate) fn transformed<N: 'static, L: LookUp<K, N> + 'static>(
        self,
        with: Vec<StoreName>,
        make: impl Fn(&NodeLinks<'_>, View<K, V>) -> Result<L, LinkError> + Send + Sync + 'static,
    ) -> TableView<K, N> {
        let Self { mut stores, link } = self;
        stores.extend(with);
        let link = move |links: &NodeLinks<'_>| -> Result<View<K, N>, LinkError> {
            Ok(Box::new(make(links, link(links)?)?))
        };
        TableView { stores, link: Arc::new(link) }
    }

    /// The rows are computed from those of this view and from a store.
    pub(crate) fn behind<S: Clone + 'static, L: LookUp<K, V> + 'static>(
        self,
        store: &StoreName,
        compute: impl Fn(S, View<K, V>) -> L + Send + Sync + 'static,
    ) -> Self {
        let mut stores = vec![store.clone()];
        stores.extend(self.stores);
        let (store, link) = (store.clone(), self.link);
        let link = move |links: &NodeLinks<'_>| -> Result<View<K, V>, LinkError> {
            Ok(Box::new(compute(links.store::<S>(&store)?, link(links)?)))
        };
        Self { stores, link: Arc::new(link) }
    }

    /// The rows are computed from those of two views.
    pub(crate) fn combined<W: 'static, N: 'static, L: LookUp<K, N> + 'static>(
        self,
        other: TableView<K, W>,
        combine: impl Fn(View<K, V>, View<K, W>) -> L + Send + Sync + 'static,
    ) -> TableView<K, N> {
        let Self { mut stores, link } = self;
        stores.extend(other.stores);
        let of_other = other.link;
        let link = move |links: &NodeLinks<'_>| -> Result<View<K, N>, LinkError> {
            Ok(Box::new(combine(link(links)?, of_other(links)?)))
        };
        TableView { stores, link: Arc::new(link) }
    }

    /// The rows, for a node that is connected to the stores.
    pub(crate) fn link(&self, links: &NodeLinks<'_>) -> Result<View<K, V>, LinkError> {
        (self.link)(links)
    }
}

impl<K, V> Clone for TableView<K, V> {
    fn clone(&self) -> Self {
        Self { stores: self.stores.clone(), link: Arc::clone(&self.link) }
    }
}
