//! How records travel to the task of their new key.

use std::fmt;

use streams_core::names::NodeName;
use streams_core::serde::DefaultSerde;

use super::Serdes;
use super::serdes::by_serdes;

/// How grouped records are written to a repartition topic, where one is needed, and its name.
/// Answers to Kafka's `Grouped`.
///
/// `K` is the plain key; `V` is the stream's value, which may be an `Option`.
pub struct Grouped<K, V> {
    pub(crate) name: Option<NodeName>,
    pub(crate) serdes: Serdes<K, V>,
}

impl<K, V> Grouped<K, V> {
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

    /// The repartition topic is `<application id>-<name>-repartition`, and the node that computes a
    /// new key has this name.
    #[must_use]
    pub fn with_name(self, name: impl Into<NodeName>) -> Self {
        Self { name: Some(name.into()), ..self }
    }
}

by_serdes! {
    /// The default serdes of the types, and a generated name.
    Grouped
}

impl<K, V> Clone for Grouped<K, V> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), serdes: self.serdes.clone() }
    }
}

impl<K, V> fmt::Debug for Grouped<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grouped").field("name", &self.name).finish_non_exhaustive()
    }
}
