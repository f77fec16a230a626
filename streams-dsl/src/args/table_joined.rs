//! How the messages of a foreign-key join are written.

use std::fmt;
use std::sync::Arc;

use streams_core::names::{NodeName, TopicName};
use streams_core::serde::{DefaultSerde, Serde, SharedSerde};

use super::Serdes;

/// Chooses the partition of a key: topic, key, number of partitions.
// DIFFERENCE(one-partition): in Kafka it may give several, which fails on the first record.
pub(crate) type KeyPartitioner<K> = dyn Fn(&TopicName, &K, i32) -> Option<i32> + Send + Sync;

/// Name, serdes and partitioners of a foreign-key join. Answers to Kafka's `TableJoined`, which takes
/// the serdes from upstream.
///
/// `K` and `V` are the types of the table that is joined, `KO` and `VO` those of the other one, whose
/// key is the foreign key.
///
/// ```
/// use streams_dsl::TableJoined;
///
/// let joined = TableJoined::<i64, String, String, i64>::named("author-of-book")
///     .with_partitioner(|_, book, partitions| i32::try_from(book % i64::from(partitions)).ok());
/// assert!(format!("{joined:?}").contains("author-of-book"));
/// ```
// DIFFERENCE(foreign-key-serdes): in Kafka the serdes come from upstream.
pub struct TableJoined<K, V, KO, VO> {
    pub(crate) name: Option<NodeName>,
    pub(crate) own: Serdes<K, V>,
    pub(crate) foreign: Serdes<KO, VO>,
    pub(crate) partitioner: Option<Arc<KeyPartitioner<K>>>,
    pub(crate) foreign_partitioner: Option<Arc<KeyPartitioner<KO>>>,
}

impl<K, V, KO, VO> TableJoined<K, V, KO, VO> {
    /// The default serdes of the types, generated names, and Kafka's default partitioner.
    #[must_use]
    pub fn new() -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
        KO: DefaultSerde,
        VO: DefaultSerde,
    {
        Self::with_shared_serdes((K::serde(), V::serde()), (KO::serde(), VO::serde()))
    }

    /// As [`new`](Self::new), with this name.
    pub fn named(name: impl Into<NodeName>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
        KO: DefaultSerde,
        VO: DefaultSerde,
    {
        Self::new().with_name(name)
    }

    /// These serdes: of the table that is joined, and of the other one, each key and value.
    pub fn with_serdes(
        (key, value): (impl Serde<K>, impl Serde<V>),
        (foreign_key, foreign_value): (impl Serde<KO>, impl Serde<VO>),
    ) -> Self {
        Self::with_shared_serdes(
            (Arc::new(key), Arc::new(value)),
            (Arc::new(foreign_key), Arc::new(foreign_value)),
        )
    }

    /// As [`with_serdes`](Self::with_serdes), with serdes that others use too.
    #[must_use]
    pub fn with_shared_serdes(
        (key, value): (SharedSerde<K>, SharedSerde<V>),
        (foreign_key, foreign_value): (SharedSerde<KO>, SharedSerde<VO>),
    ) -> Self {
        let own = Serdes { key, value };
        let foreign = Serdes { key: foreign_key, value: foreign_value };
        Self { name: None, own, foreign, partitioner: None, foreign_partitioner: None }
    }

    /// The names of the join's nodes, topics and store begin with this one.
    #[must_use]
    pub fn with_name(self, name: impl Into<NodeName>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// How the table that is joined is partitioned, where that is not by Kafka's default: topic,
    /// key, number of partitions. `None` is the default.
    #[must_use]
    pub fn with_partitioner(
        self,
        partitioner: impl Fn(&TopicName, &K, i32) -> Option<i32> + Send + Sync + 'static,
    ) -> Self {
        Self { partitioner: Some(Arc::new(partitioner)), ..self }
    }

    /// How the other table is partitioned, where that is not by Kafka's default. Not asked where a
    /// row has no foreign key.
    #[must_use]
    pub fn with_foreign_partitioner(
        self,
        partitioner: impl Fn(&TopicName, &KO, i32) -> Option<i32> + Send + Sync + 'static,
    ) -> Self {
        Self { foreign_partitioner: Some(Arc::new(partitioner)), ..self }
    }
}

impl<K, V, KO, VO> Default for TableJoined<K, V, KO, VO>
where
    K: DefaultSerde,
    V: DefaultSerde,
    KO: DefaultSerde,
    VO: DefaultSerde,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V, KO, VO> Clone for TableJoined<K, V, KO, VO> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            own: self.own.clone(),
            foreign: self.foreign.clone(),
            partitioner: self.partitioner.clone(),
            foreign_partitioner: self.foreign_partitioner.clone(),
        }
    }
}

impl<K, V, KO, VO> fmt::Debug for TableJoined<K, V, KO, VO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableJoined").field("name", &self.name).finish_non_exhaustive()
    }
}
