//! How a stream is repartitioned.

use std::fmt;
use std::sync::Arc;

use streams_core::names::{NodeName, TopicName};
use streams_core::processor::{Partitions, StreamPartitioner};
use streams_core::serde::DefaultSerde;
use streams_core::topology::RepartitionCount;

use super::Serdes;
use super::serdes::by_serdes;

/// The topic through which a stream is repartitioned. Answers to Kafka's `Repartitioned`.
pub struct Repartitioned<K, V> {
    pub(crate) name: Option<NodeName>,
    pub(crate) partitions: RepartitionCount,
    pub(crate) partitioner: Option<Arc<StreamPartitioner<K, V>>>,
    pub(crate) serdes: Serdes<K, V>,
}

impl<K, V> Repartitioned<K, V> {
    const fn of(serdes: Serdes<K, V>) -> Self {
        let partitions = RepartitionCount::Derived;
        Self { name: None, partitions, partitioner: None, serdes }
    }

    /// The default serdes, and this name.
    pub fn named(name: impl Into<NodeName>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::new().with_name(name)
    }

    /// The topic is `<application id>-<name>-repartition`.
    #[must_use]
    pub fn with_name(self, name: impl Into<NodeName>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The topic has this many partitions; with less than 1 the application does not start.
    #[must_use]
    pub fn with_partitions(self, partitions: i32) -> Self {
        Self { partitions: RepartitionCount::Fixed(partitions), ..self }
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

by_serdes! {
    /// The default serdes of the types, a generated name, as many partitions as the topics that
    /// feed it, and Kafka's default partitioner.
    Repartitioned
}

impl<K, V> Clone for Repartitioned<K, V> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            partitions: self.partitions,
            partitioner: self.partitioner.clone(),
            serdes: self.serdes.clone(),
        }
    }
}

impl<K, V> fmt::Debug for Repartitioned<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repartitioned")
            .field("name", &self.name)
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}
