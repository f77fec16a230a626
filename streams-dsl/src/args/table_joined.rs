//! How the messages of a foreign-key join are written.

use std::fmt;
use std::sync::Arc;

use streams_core::names::{NodeName, TopicName};
use streams_core::serde::{DefaultSerde, Serde, SharedSerde};

use super::{Named, Serdes};

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
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
    /// # let builder = StreamsBuilder::new();
    /// # let books: KTable<'_, String, String> = builder.table("author-of-book");
    /// # let authors: KTable<'_, String, String> = builder.table("country-of-author");
    /// let land = |_: &String, country: &String| country.clone();
    /// let (joined, stored) = (TableJoined::new(), Materialized::<String, String>::new());
    /// let _ = books.foreign_key_join_with(authors, |author| author.clone(), land, joined, stored);
    ///
    /// let text = builder.build()?.describe().to_string();
    /// let registration = "KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000006-topic";
    /// assert!(text.contains(registration), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
    /// # let builder = StreamsBuilder::new();
    /// # let books: KTable<'_, String, String> = builder.table("author-of-book");
    /// # let authors: KTable<'_, String, String> = builder.table("country-of-author");
    /// let land = |_: &String, country: &String| country.clone();
    /// let (joined, stored) = (TableJoined::named("land"), Materialized::<String, String>::new());
    /// let _ = books.foreign_key_join_with(authors, |author| author.clone(), land, joined, stored);
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("land-subscription-registration-topic"), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// # use streams_core::serde::Utf8;
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let books: KTable<'_, String, String> = builder.table("author-of-book");
    /// # let authors: KTable<'_, String, String> = builder.table("country-of-author");
    /// let land = |_: &String, country: &String| country.clone();
    /// let joined = TableJoined::with_serdes((Utf8, Utf8), (Utf8, Utf8));
    /// let stored = Materialized::<String, String>::named("land-of-book");
    /// let _ = books.foreign_key_join_with(authors, |author| author.clone(), land, joined, stored);
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("country-of-author").pipe("Ibsen", "Norway")?;
    /// driver.input::<String, String>("author-of-book").pipe("Brand", "Ibsen")?;
    /// let lands = driver.key_values::<String, String>("land-of-book")?;
    /// assert_eq!(lands.get(&"Brand".to_owned())?.as_deref(), Some("Norway"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
    /// # let builder = StreamsBuilder::new();
    /// # let books: KTable<'_, String, String> = builder.table("author-of-book");
    /// # let authors: KTable<'_, String, String> = builder.table("country-of-author");
    /// let text = String::serde;
    /// let joined = TableJoined::with_shared_serdes((text(), text()), (text(), text()));
    /// let author = |author: &String| author.clone();
    /// let land = |_: &String, country: &String| country.clone();
    /// let stored = Materialized::<String, String>::named("land-of-book");
    /// let lands = books.foreign_key_join_with(authors, author, land, joined, stored);
    /// assert_eq!(lands.store_name(), Some("land-of-book".into()));
    /// ```
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
    ///
    /// ```
    /// # use streams_core::serde::Utf8;
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
    /// # let builder = StreamsBuilder::new();
    /// # let books: KTable<'_, String, String> = builder.table("author-of-book");
    /// # let authors: KTable<'_, String, String> = builder.table("country-of-author");
    /// let land = |_: &String, country: &String| country.clone();
    /// let joined = TableJoined::with_serdes((Utf8, Utf8), (Utf8, Utf8)).with_name("land");
    /// let stored = Materialized::<String, String>::new();
    /// let _ = books.foreign_key_join_with(authors, |author| author.clone(), land, joined, stored);
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("land-subscription-registration-topic"), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_name(self, name: impl Into<Named>) -> Self {
        Self { name: name.into().0, ..self }
    }

    /// How the table that is joined is partitioned, where that is not by Kafka's default: topic,
    /// key, number of partitions. `None` is the default.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
    /// # use streams_test::{Layout, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # let books: KTable<'_, i64, String> = builder.table("author-of-book");
    /// # let authors: KTable<'_, String, String> = builder.table("country-of-author");
    /// // The books are partitioned by their numbers.
    /// let by_number = |_: &_, book: &i64, count| i32::try_from(book % i64::from(count)).ok();
    /// let joined = TableJoined::named("land").with_partitioner(by_number);
    /// let land = |_: &String, country: &String| country.clone();
    /// let stored = Materialized::<i64, String>::new();
    /// let _ = books.foreign_key_join_with(authors, |author| author.clone(), land, joined, stored);
    ///
    /// let layout = Layout::TaskPerPartition { partitions: 2 };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).layout(layout).build()?;
    /// driver.input::<String, String>("country-of-author").pipe("Ibsen", "Norway")?;
    /// driver.input::<i64, String>("author-of-book").with_partition(1).pipe(7, "Ibsen")?;
    /// let responses = driver.produced("topology-test-driver-land-subscription-response-topic");
    /// assert_eq!(responses[0].partition, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_partitioner(
        self,
        partitioner: impl Fn(&TopicName, &K, i32) -> Option<i32> + Send + Sync + 'static,
    ) -> Self {
        Self { partitioner: Some(Arc::new(partitioner)), ..self }
    }

    /// How the other table is partitioned, where that is not by Kafka's default. Not asked where a
    /// row has no foreign key.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
    /// # use streams_test::{Layout, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # let books: KTable<'_, String, i64> = builder.table("author-of-book");
    /// # let authors: KTable<'_, i64, String> = builder.table("country-of-author");
    /// // The authors are partitioned by their numbers.
    /// let by_number = |_: &_, author: &i64, count| i32::try_from(author % i64::from(count)).ok();
    /// let joined = TableJoined::named("land").with_foreign_partitioner(by_number);
    /// let land = |_: &i64, country: &String| country.clone();
    /// let stored = Materialized::<String, String>::new();
    /// let _ = books.foreign_key_join_with(authors, |author| *author, land, joined, stored);
    ///
    /// let layout = Layout::TaskPerPartition { partitions: 2 };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).layout(layout).build()?;
    /// driver.input::<i64, String>("country-of-author").with_partition(1).pipe(7, "Norway")?;
    /// driver.input::<String, i64>("author-of-book").pipe("Brand", 7)?;
    /// let asked = driver.produced("topology-test-driver-land-subscription-registration-topic");
    /// assert_eq!(asked[0].partition, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
