//! How a stream is repartitioned before a join.

use std::fmt;
use std::sync::Arc;

use streams_core::names::NodeName;
use streams_core::serde::{DefaultSerde, Serde, SharedSerde};

/// How the records of a stream are written to a repartition topic before a join with a table, where
/// one is needed, and the name of the join. Answers to Kafka's `Joined`.
///
/// `K` is the plain key; `V` is the stream's value, which may be an `Option`.
///
/// ```
/// use streams_dsl::Joined;
///
/// let joined = Joined::<String, i64>::named("with-prices");
/// assert!(format!("{joined:?}").contains("with-prices"));
/// ```
pub struct Joined<K, V> {
    pub(crate) name: Option<NodeName>,
    pub(crate) key: SharedSerde<K>,
    pub(crate) value: SharedSerde<V>,
}

impl<K, V> Joined<K, V> {
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

    /// The join's node has this name, and the repartition topic is
    /// `<application id>-<name>-repartition`.
    #[must_use]
    pub fn with_name(self, name: impl Into<NodeName>) -> Self {
        Self { name: Some(name.into()), ..self }
    }
}

impl<K: DefaultSerde, V: DefaultSerde> Default for Joined<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Clone for Joined<K, V> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), key: Arc::clone(&self.key), value: Arc::clone(&self.value) }
    }
}

impl<K, V> fmt::Debug for Joined<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("name", &self.name).finish_non_exhaustive()
    }
}
