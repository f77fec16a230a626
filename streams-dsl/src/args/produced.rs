//! How a sink writes.
//!
//! DIFFERENCE(serdes-not-inherited): where no serde is given, it is the type's default; in Kafka one
//! that was given upstream may be used.

use std::fmt;
use std::sync::Arc;

use streams_core::names::{NodeName, TopicName};
use streams_core::processor::{Partitions, StreamPartitioner};

use super::Serdes;
use super::serdes::by_serdes;

/// How a sink writes to its topic. Answers to Kafka's `Produced`; the serdes belong to the topic.
pub struct Produced<K, V> {
    pub(crate) name: Option<NodeName>,
    pub(crate) partitioner: Option<Arc<StreamPartitioner<K, V>>>,
}

impl<K, V> Produced<K, V> {
    /// A generated name, and Kafka's default partitioner.
    #[must_use]
    pub const fn new() -> Self {
        Self { name: None, partitioner: None }
    }

    /// The sink's node has this name.
    pub fn named(name: impl Into<NodeName>) -> Self {
        Self::new().with_name(name)
    }

    /// The sink's node has this name.
    #[must_use]
    pub fn with_name(self, name: impl Into<NodeName>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Chooses the partitions of a record: topic, key, value, number of partitions.
    #[must_use]
    pub fn with_partitioner(
        self,
        partitioner: impl Fn(&TopicName, &K, &V, i32) -> Partitions + Send + Sync + 'static,
    ) -> Self {
        Self { partitioner: Some(Arc::new(partitioner)), ..self }
    }
}

impl<K, V> Default for Produced<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Clone for Produced<K, V> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), partitioner: self.partitioner.clone() }
    }
}

impl<K, V> fmt::Debug for Produced<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Produced").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a sink writes to topics that are computed from each record, all with the same serdes.
pub struct DynamicProduced<K, V> {
    pub(crate) produced: Produced<K, V>,
    pub(crate) serdes: Serdes<K, V>,
}

impl<K, V> DynamicProduced<K, V> {
    const fn of(serdes: Serdes<K, V>) -> Self {
        Self { produced: Produced::new(), serdes }
    }

    /// The sink's node has this name.
    #[must_use]
    pub fn with_name(self, name: impl Into<NodeName>) -> Self {
        Self { produced: self.produced.with_name(name), ..self }
    }

    /// Chooses the partitions of a record: topic, key, value, number of partitions.
    #[must_use]
    pub fn with_partitioner(
        self,
        partitioner: impl Fn(&TopicName, &K, &V, i32) -> Partitions + Send + Sync + 'static,
    ) -> Self {
        Self { produced: self.produced.with_partitioner(partitioner), ..self }
    }
}

by_serdes! {
    /// The default serdes of the types, a generated name, and Kafka's default partitioner.
    DynamicProduced
}

impl<K, V> Clone for DynamicProduced<K, V> {
    fn clone(&self) -> Self {
        Self { produced: self.produced.clone(), serdes: self.serdes.clone() }
    }
}

impl<K, V> fmt::Debug for DynamicProduced<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DynamicProduced").field(&self.produced).finish()
    }
}
