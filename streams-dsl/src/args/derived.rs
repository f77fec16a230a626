//! Name and store of a table that is derived from another.

use std::fmt;

use streams_core::names::NodeName;

use super::{Materialized, Named};

/// Name and store of a table that is derived from another, row by row. Such a table has a store
/// only when it is given one by name; else its rows are computed as they pass. The result of a join
/// has one also when a [`Materialized`] without a name is given.
///
/// A [`Named`], a [`Materialized`], or both can be given in its place, and with a name also a store
/// that there may be or not.
///
/// ```
/// # use streams_dsl::{KTable, Materialized, Named, StreamsBuilder};
/// # let builder = StreamsBuilder::new();
/// # let prices: KTable<'_, String, i64> = builder.table("prices");
/// let is_high = |_: &String, price: &i64| *price > 9;
/// let computed = prices.filter_with(is_high, Named::new("high-only"));
/// assert_eq!(computed.store_name(), None);
/// let both = (Named::new("stored-high-only"), Materialized::named("high"));
/// let stored = prices.filter_with(is_high, both);
/// assert_eq!(stored.store_name(), Some("high".into()));
/// let maybe_stored = prices.filter_with(is_high, (Named::default(), None));
/// assert_eq!(maybe_stored.store_name(), None);
/// ```
pub struct Derived<K, V> {
    pub(crate) node: Option<NodeName>,
    pub(crate) store: Option<Materialized<K, V>>,
}

impl<K, V> Default for Derived<K, V> {
    fn default() -> Self {
        Self { node: None, store: None }
    }
}

impl<K, V> From<Named> for Derived<K, V> {
    fn from(Named(node): Named) -> Self {
        Self { node, store: None }
    }
}

impl<K, V> From<Materialized<K, V>> for Derived<K, V> {
    fn from(store: Materialized<K, V>) -> Self {
        Self { node: store.node.clone(), store: Some(store) }
    }
}

impl<K, V> From<(Named, Materialized<K, V>)> for Derived<K, V> {
    fn from((named, store): (Named, Materialized<K, V>)) -> Self {
        (named, Some(store)).into()
    }
}

impl<K, V> From<(Named, Option<Materialized<K, V>>)> for Derived<K, V> {
    fn from((Named(node), store): (Named, Option<Materialized<K, V>>)) -> Self {
        Self { node, store }
    }
}

impl<K, V> Clone for Derived<K, V> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), store: self.store.clone() }
    }
}

impl<K, V> fmt::Debug for Derived<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derived").field("node", &self.node).field("store", &self.store).finish()
    }
}
