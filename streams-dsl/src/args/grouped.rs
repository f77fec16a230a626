//! How records travel to the task of their new key.

use std::fmt;
use std::sync::Arc;

use streams_core::names::NodeName;
use streams_core::serde::{DefaultSerde, Serde, SharedSerde};

/// How grouped records are written to a repartition topic, where one is needed, and its name.
/// Answers to Kafka's `Grouped`.
///
/// `K` is the plain key; `V` is the stream's value, which may be an `Option`.
pub struct Grouped<K, V> {
    pub(crate) name: Option<NodeName>,
    pub(crate) key: SharedSerde<K>,
    pub(crate) value: SharedSerde<V>,
}

impl<K, V> Grouped<K, V> {
    /// The default serdes of the types, and a generated name.
    #[must_use]
    pub fn new() -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::with_shared_serdes(K::serde(), V::serde())
    }

    /// The default serdes, and this name.
    pub fn named(name: impl Into<NodeName>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::new().with_name(name)
    }

    /// These serdes.
    pub fn with_serdes(key: impl Serde<K>, value: impl Serde<V>) -> Self {
        Self::with_shared_serdes(Arc::new(key), Arc::new(value))
    }

    /// These serdes, which others use too.
    #[must_use]
    pub fn with_shared_serdes(key: SharedSerde<K>, value: SharedSerde<V>) -> Self {
        Self { name: None, key, value }
    }

    /// The repartition topic is `<application id>-<name>-repartition`, and the node that computes a
    /// new key has this name.
    #[must_use]
    pub fn with_name(self, name: impl Into<NodeName>) -> Self {
        Self { name: Some(name.into()), ..self }
    }
}

impl<K: DefaultSerde, V: DefaultSerde> Default for Grouped<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Clone for Grouped<K, V> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), key: Arc::clone(&self.key), value: Arc::clone(&self.value) }
    }
}

impl<K, V> fmt::Debug for Grouped<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grouped").field("name", &self.name).finish_non_exhaustive()
    }
}
