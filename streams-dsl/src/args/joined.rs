//! How a stream is repartitioned before a join.

use std::fmt;

use streams_core::names::NodeName;
use streams_core::serde::DefaultSerde;

use super::Serdes;
use super::serdes::by_serdes;

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
    pub(crate) serdes: Serdes<K, V>,
}

impl<K, V> Joined<K, V> {
    const fn of(serdes: Serdes<K, V>) -> Self {
        Self { name: None, serdes }
    }

    /// The default serdes, and this name.
    pub fn named(name: impl Into<NodeName>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::new().with_name(name)
    }

    /// The join's node has this name, and the repartition topic is
    /// `<application id>-<name>-repartition`.
    #[must_use]
    pub fn with_name(self, name: impl Into<NodeName>) -> Self {
        Self { name: Some(name.into()), ..self }
    }
}

by_serdes! {
    /// The default serdes of the types, and a generated name.
    Joined
}

impl<K, V> Clone for Joined<K, V> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), serdes: self.serdes.clone() }
    }
}

impl<K, V> fmt::Debug for Joined<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("name", &self.name).finish_non_exhaustive()
    }
}
