//! Bringing records to the tasks of their keys: repartitioning, tables, groups.

use std::any::TypeId;
use std::sync::Arc;

use streams_core::serde::DefaultSerde;

use super::KStream;
use crate::args::{Grouped, Materialized, Repartitioned, Serdes};
use crate::change::Change;
use crate::grouped_stream::KGroupedStream;
use crate::null::{OrNull, nullable_serde};
use crate::operators::{repartition, table_source};
use crate::plan::{
    KeyFilter, LogicalNode, Naming, NodeKind, Partitioning, Presence, Repartition,
    RepartitionOrigin, Table,
};
use crate::table::KTable;

impl<'b, K: Clone + 'static, V: Clone + 'static> KStream<'b, K, V> {
    /// Sends the records through a topic to the tasks of their keys, each with its time and
    /// headers, and a null value as one. Records without a key are dropped, uncounted, unless a
    /// left or outer join below takes them, as in Kafka. The topic is `<application id>-<generated
    /// name>-repartition` and has as many partitions as the topics that feed it; what was processed
    /// of it is deleted. Answers to Kafka's `repartition` (KIP-221).
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.select_key(|_, word| word.len() as i64).repartition().to("by-length");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "seven")?;
    /// let first = driver.output::<i64, String>("by-length").read_key_value()?;
    /// assert_eq!(first, (5, "seven".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn repartition<N>(self) -> Self
    where
        K: OrNull<N> + DefaultSerde,
        V: DefaultSerde,
    {
        self.repartition_with(Repartitioned::new())
    }

    /// As [`repartition`](Self::repartition), with a name, a number of partitions, serdes, or a
    /// partitioner.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Repartitioned, StreamsBuilder};
    /// # use streams_test::{Layout, TopologyTestDriver};
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// let by_length = words.select_key(|_, word| word.len() as i64);
    /// by_length.repartition_with(Repartitioned::named("by-length").with_partitions(4)).to("out");
    ///
    /// let layout = Layout::TaskPerPartition { partitions: 1 };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).layout(layout).build()?;
    /// driver.input::<String, String>("words").pipe_all([("a", "x"), ("a", "xy"), ("a", "xyz")])?;
    /// let sent = driver.produced("topology-test-driver-by-length-repartition");
    /// assert!(sent.iter().any(|record| record.partition > 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn repartition_with<N>(self, repartitioned: Repartitioned<K, V>) -> Self
    where
        K: OrNull<N>,
    {
        let Repartitioned { name, partitions, partitioner, serdes } = repartitioned;
        let mut plan = self.builder.plan();
        let naming = Naming::of(name.as_ref());
        let base = name.unwrap_or_else(|| plan.names.node(repartition::PREFIX));
        let names = plan.names.repartition(base.as_str(), naming);
        let node = plan.insert_repartition(Repartition {
            names,
            channel: repartition::channel::<K, V, N>(serdes.key, serdes.value, partitioner),
            origin: RepartitionOrigin::Program(partitions),
            filter: KeyFilter::All,
        });
        plan.attach(self.node, node);
        KStream::new(self.builder, node)
    }

    /// A table of the last value of each key. A null value deletes the key; a null key is dropped
    /// and counted. A row's time is its record's, also when that is less than the row's, and a
    /// change has the record's headers. If the key was changed, the stream is repartitioned first,
    /// through `<application id>-<name or generated name>-repartition`, and null keys are dropped
    /// there uncounted, as in Kafka.
    ///
    /// The table has a store, `KSTREAM-TOTABLE-STATE-STORE-<number>` with the changelog
    /// `<application id>-<store>-changelog`, only if an operator needs its rows or it is given a
    /// name.
    ///
    /// ```
    /// # use streams_core::metrics::DropReason;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let moves: KStream<'_, Option<String>, Option<String>> = builder.stream("moves");
    /// moves.to_table::<String, String>().to_stream().to("city-of-person");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut moves = driver.input::<String, String>("moves");
    /// moves.pipe("ann", "Oslo")?;
    /// moves.pipe_tombstone("ann")?;
    /// moves.pipe_value("nowhere")?;
    /// let cities = driver.output::<String, Option<String>>("city-of-person").read_values()?;
    /// assert_eq!(cities, [Some("Oslo".to_owned()), None]);
    /// assert_eq!(driver.dropped().of(DropReason::NullKey), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_table<NK, NV>(self) -> KTable<'b, NK, NV>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        NK: DefaultSerde + Clone,
        NV: DefaultSerde + Clone,
    {
        self.to_table_with(Materialized::new())
    }

    /// As [`to_table`](Self::to_table). With a store name the table is stored, and found under it
    /// by the test driver.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let moves: KStream<'_, String, String> = builder.stream("moves");
    /// let _ = moves.to_table_with(Materialized::<String, String>::named("city-of-person"));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("moves").pipe_all([("ann", "Oslo"), ("ann", "Rome")])?;
    /// let cities = driver.key_values::<String, String>("city-of-person")?;
    /// assert_eq!(cities.get(&"ann".to_owned())?.as_deref(), Some("Rome"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_table_with<NK, NV>(self, materialized: Materialized<NK, NV>) -> KTable<'b, NK, NV>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        NK: Clone + 'static,
        NV: Clone + 'static,
    {
        let mut plan = self.builder.plan();
        let prefix = table_source::TO_TABLE_PREFIX;
        let name = plan.names.node_or(materialized.node.clone(), prefix);
        let presence =
            if materialized.store.is_some() { Presence::Queryable } else { Presence::OnDemand };
        let store = plan.names.store_or(materialized.store.clone(), prefix);
        let store = materialized.key_value_store(store);
        let mut parent = self.node;
        if plan.node(parent).partitioning == Partitioning::Stale {
            let key = nullable_serde::<K, NK>(Arc::clone(&materialized.serdes.key));
            let value = nullable_serde::<V, NV>(Arc::clone(&materialized.serdes.value));
            let naming = Naming::of(materialized.node.as_ref());
            let names = plan.names.repartition(name.as_str(), naming);
            let node = plan.insert_repartition(Repartition {
                names,
                channel: repartition::channel::<K, V, NK>(key, value, None),
                origin: RepartitionOrigin::Operator,
                filter: KeyFilter::All,
            });
            plan.attach(parent, node);
            parent = node;
        }
        let table = plan.add_table(Table::new(presence, Some(store), |settings| {
            table_source::template::<K, V, NK, NV>(settings)
        }));
        let forwards = TypeId::of::<(NK, Change<NV>)>();
        let node = LogicalNode::new(name, NodeKind::Table(table), forwards);
        let node = plan.add(parent, node);
        KTable::new(self.builder, node, table)
    }

    /// Groups the records by their key, each with its value, time and headers. An aggregation drops
    /// and counts records without a key. If the key was changed, it repartitions first, through
    /// `<application id>-<name>-repartition`, called after the grouping or else the aggregation's
    /// store, and drops them there uncounted, as in Kafka.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let clicks: KStream<'_, Option<String>, String> = builder.stream("clicks");
    /// clicks.group_by_key::<String>().count().to_stream().to("counts");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<Option<String>, String>("clicks");
    /// clicks.pipe(Some("anna".to_owned()), "home")?;
    /// clicks.pipe_value("nobody's")?;
    /// let counts = driver.output::<String, Option<i64>>("counts").read_key_values()?;
    /// assert_eq!(counts, [("anna".to_owned(), Some(1))]);
    /// assert_eq!(driver.dropped().total(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group_by_key<NK>(self) -> KGroupedStream<'b, NK, V, K>
    where
        K: OrNull<NK>,
        NK: DefaultSerde + Clone,
        V: DefaultSerde,
    {
        self.group_by_key_with(Grouped::new())
    }

    /// As [`group_by_key`](Self::group_by_key), with serdes, or a name for the repartition topic.
    ///
    /// ```
    /// # use streams_dsl::{Grouped, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let by_word = words.select_key(|_, word| word.clone());
    /// by_word.group_by_key_with(Grouped::named("words")).count().to_stream().to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("1", "be"), ("2", "be")])?;
    /// assert_eq!(driver.output::<String, Option<i64>>("counts").read_map()?["be"], Some(2));
    /// assert_eq!(driver.produced("topology-test-driver-words-repartition").len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group_by_key_with<NK>(self, grouped: Grouped<NK, V>) -> KGroupedStream<'b, NK, V, K>
    where
        K: OrNull<NK>,
        NK: Clone + 'static,
    {
        let Grouped { name, serdes: Serdes { key, value } } = grouped;
        let channel = repartition::channel::<K, V, NK>(nullable_serde(key), value, None);
        let grouping = self.builder.plan().group_stream(self.node, name, channel);
        KGroupedStream::new(self.builder, grouping)
    }

    /// Groups the records by a new key, each with its value, time and headers; an `Option` makes a
    /// key that may be null. An aggregation repartitions first, through `<application
    /// id>-<name>-repartition`, called after the grouping or else the aggregation's store, and
    /// drops records without a key there, uncounted, as in Kafka.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.group_by(|_, word| word.clone()).count().to_stream().to("counts");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("1", "be"), ("2", "be")])?;
    /// assert_eq!(driver.output::<String, Option<i64>>("counts").read_map()?["be"], Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group_by<NK, K2>(
        self,
        f: impl Fn(&K, &V) -> K2 + Send + Sync + 'static,
    ) -> KGroupedStream<'b, NK, V, K2>
    where
        K2: OrNull<NK> + Clone,
        NK: DefaultSerde + Clone,
        V: DefaultSerde,
    {
        self.group_by_with(f, Grouped::new())
    }

    /// As [`group_by`](Self::group_by), with serdes, or a name for the node that computes the key
    /// and for the repartition topic.
    ///
    /// ```
    /// # use streams_dsl::{Grouped, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let grouped = words.group_by_with(|_, word| word.clone(), Grouped::named("words"));
    /// grouped.count().to_stream().to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("1", "be"), ("2", "be")])?;
    /// assert_eq!(driver.output::<String, Option<i64>>("counts").read_map()?["be"], Some(2));
    /// assert_eq!(driver.produced("topology-test-driver-words-repartition").len(), 2);
    /// assert!(driver.describe().to_string().contains("Processor: words (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group_by_with<NK, K2>(
        self,
        f: impl Fn(&K, &V) -> K2 + Send + Sync + 'static,
        grouped: Grouped<NK, V>,
    ) -> KGroupedStream<'b, NK, V, K2>
    where
        K2: OrNull<NK> + Clone,
        NK: Clone + 'static,
    {
        let rekeyed = self.rekeyed(grouped.name.clone(), move |key, value| Ok(f(key, value)));
        rekeyed.group_by_key_with(grouped)
    }
}
