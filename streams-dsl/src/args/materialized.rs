//! The store behind a table.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use streams_core::names::{NodeName, StoreName};
use streams_core::serde::{DefaultSerde, Serde, SharedSerde};
use streams_core::store::StoreSpec;
use streams_state::Stores;

use super::Named;

/// The store behind a table or an aggregation, and the name of its node. Answers to Kafka's
/// `Materialized`.
///
/// By default a store is on disk, has a record cache, which keeps all but the last update of a key
/// between two commits from going further, and a changelog topic, from which it is rebuilt.
pub struct Materialized<K, V> {
    pub(crate) node: Option<NodeName>,
    pub(crate) store: Option<StoreName>,
    pub(crate) index: StoreIndex,
    pub(crate) key: SharedSerde<K>,
    pub(crate) value: SharedSerde<V>,
    medium: Medium,
    caching: Caching,
    changelog: Changelog,
    retention: Option<Duration>,
}

/// Whether naming the node alone takes the index that Kafka's `count(Materialized)` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreIndex {
    /// As when a `Materialized` is passed.
    Extra,
    /// As when none is.
    Plain,
}

#[derive(Debug, Clone, Copy)]
enum Medium {
    Disk,
    Memory,
}

#[derive(Debug, Clone, Copy)]
enum Caching {
    On,
    Off,
}

#[derive(Debug, Clone)]
enum Changelog {
    Off,
    On(BTreeMap<String, String>),
}

impl<K, V> Materialized<K, V> {
    /// A store without a name of its own, and the default serdes of its types.
    #[must_use]
    pub fn new() -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::with_shared_serdes(K::serde(), V::serde())
    }

    /// A store of this name, under which it can be queried, with the default serdes of its types.
    pub fn named(store: impl Into<StoreName>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::new().with_store_name(store)
    }

    /// A store with these serdes.
    pub fn with_serdes(key: impl Serde<K>, value: impl Serde<V>) -> Self {
        Self::with_shared_serdes(Arc::new(key), Arc::new(value))
    }

    /// A store with these serdes, which others use too.
    #[must_use]
    pub fn with_shared_serdes(key: SharedSerde<K>, value: SharedSerde<V>) -> Self {
        Self {
            node: None,
            store: None,
            index: StoreIndex::Extra,
            key,
            value,
            medium: Medium::Disk,
            caching: Caching::On,
            changelog: Changelog::On(BTreeMap::new()),
            retention: None,
        }
    }

    /// The store has this name.
    #[must_use]
    pub fn with_store_name(self, store: impl Into<StoreName>) -> Self {
        Self { store: Some(store.into()), ..self }
    }

    /// The operator's node has this name, as with [`Named`].
    #[must_use]
    pub fn with_node_name(self, node: impl Into<NodeName>) -> Self {
        Self { node: Some(node.into()), ..self }
    }

    /// The store is kept in memory, and rebuilt from its changelog after each start.
    #[must_use]
    pub fn in_memory(self) -> Self {
        Self { medium: Medium::Memory, ..self }
    }

    /// Each update goes on at once, and is written to the changelog at once.
    #[must_use]
    pub fn without_cache(self) -> Self {
        Self { caching: Caching::Off, ..self }
    }

    /// No changelog: what the store holds is lost with its disk.
    #[must_use]
    pub fn without_changelog(self) -> Self {
        Self { changelog: Changelog::Off, ..self }
    }

    /// Settings of the changelog topic, over the defaults.
    #[must_use]
    pub fn with_changelog_settings(
        self,
        settings: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let settings = settings.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { changelog: Changelog::On(settings.collect()), ..self }
    }

    /// How long entries are kept. Only the stores of windows and sessions expire, so it has an effect
    /// with them alone; a key-value store keeps its entries until they are deleted.
    #[must_use]
    pub fn with_retention(self, retention: Duration) -> Self {
        Self { retention: Some(retention), ..self }
    }

    /// The store as declared to the topology.
    pub(crate) fn key_value_store(&self, name: StoreName) -> Arc<dyn StoreSpec>
    where
        K: 'static,
        V: 'static,
    {
        let (key, value) = (Arc::clone(&self.key), Arc::clone(&self.value));
        let store = Stores::timestamped_key_value_with(name, key, value);
        let store = match self.medium {
            Medium::Disk => store,
            Medium::Memory => store.in_memory(),
        };
        let store = match self.caching {
            Caching::On => store.cached(),
            Caching::Off => store,
        };
        match &self.changelog {
            Changelog::Off => store.without_changelog().build(),
            Changelog::On(settings) => store.with_changelog_settings(settings.clone()).build(),
        }
    }
}

impl<K: DefaultSerde, V: DefaultSerde> Default for Materialized<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: DefaultSerde, V: DefaultSerde> From<Named> for Materialized<K, V> {
    fn from(Named(node): Named) -> Self {
        Self { index: StoreIndex::Plain, ..Self::new() }.with_node_name(node)
    }
}

impl<K, V> Clone for Materialized<K, V> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            store: self.store.clone(),
            index: self.index,
            key: Arc::clone(&self.key),
            value: Arc::clone(&self.value),
            medium: self.medium,
            caching: self.caching,
            changelog: self.changelog.clone(),
            retention: self.retention,
        }
    }
}

impl<K, V> fmt::Debug for Materialized<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Materialized")
            .field("node", &self.node)
            .field("store", &self.store)
            .field("medium", &self.medium)
            .field("caching", &self.caching)
            .field("changelog", &self.changelog)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}
