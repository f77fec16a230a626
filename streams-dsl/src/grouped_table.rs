//! Tables grouped by a new key.

use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::serde::DefaultSerde;

use crate::args::Materialized;
use crate::builder::StreamsBuilder;
use crate::change::Change;
use crate::null::OrNull;
use crate::operators::table_aggregate::{
    self, AGGREGATE_PREFIX, Adjust, Aggregation, REDUCE_PREFIX, Reduction,
};
use crate::plan::{LogicalNode, NodeKind, Presence, Table, TableGrouping};
use crate::table::KTable;

/// A table whose rows are grouped by a new key, to be aggregated. Answers to Kafka's
/// `KGroupedTable`.
///
/// A group's time is the latest of itself and of the change; the change has the headers of the
/// record that made it. The rows pass through `<application id>-<name>-repartition`, called after
/// the grouping or else the store, which has the changelog topic `<application id>-<store
/// name>-changelog`.
///
/// When a row moves from one group to another, the groups are adjusted one after the other, in
/// different tasks: until the second is, the row counts in neither.
#[must_use = "a grouped table does nothing until it is aggregated"]
pub struct KGroupedTable<'b, K, V> {
    builder: &'b StreamsBuilder,
    grouping: TableGrouping,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for KGroupedTable<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for KGroupedTable<'_, K, V> {}

impl<K, V> std::fmt::Debug for KGroupedTable<'_, K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KGroupedTable").field(&self.grouping).finish()
    }
}

impl<'b, K, V> KGroupedTable<'b, K, V> {
    pub(crate) const fn new(builder: &'b StreamsBuilder, grouping: TableGrouping) -> Self {
        Self { builder, grouping, types: PhantomData }
    }
}

impl<'b, K: Clone + 'static, V: Clone + 'static> KGroupedTable<'b, K, V> {
    /// How many rows each group has; a deleted row leaves its group, and one that lost its last row
    /// counts 0. A group's time is the latest of itself and of the change; a change has the headers
    /// of the record that made it.
    ///
    /// The rows pass through `<application id>-<name>-repartition`, called after the grouping or
    /// else the store, which is `KTABLE-AGGREGATE-STATE-STORE-<number>` unless it is given a name
    /// and has the changelog `<application id>-<store>-changelog`.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let city_of: KTable<'_, String, String> = builder.table("city-of-person");
    /// let by_city = city_of.group_by(|person, city| (city, person.clone()));
    /// by_city.count().to_stream().to("people-in-city");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut city_of = driver.input::<String, String>("city-of-person");
    /// city_of.pipe("ann", "Oslo")?;
    /// city_of.pipe_tombstone("ann")?;
    /// let people = driver.output::<String, Option<i64>>("people-in-city").read_values()?;
    /// assert_eq!(people, [Some(1), Some(0)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count(self) -> KTable<'b, K, i64>
    where
        K: DefaultSerde,
    {
        self.count_with(Materialized::new())
    }

    /// As [`count`](Self::count), with a store or a name.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let city_of: KTable<'_, String, String> = builder.table("city-of-person");
    /// let by_city = city_of.group_by(|person, city| (city, person.clone()));
    /// let _ = by_city.count_with(Materialized::named("people"));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut city_of = driver.input::<String, String>("city-of-person");
    /// city_of.pipe_all([("ann", "Oslo"), ("bob", "Oslo")])?;
    /// assert_eq!(driver.key_values::<String, i64>("people")?.get(&"Oslo".to_owned())?, Some(2));
    /// assert_eq!(driver.produced("topology-test-driver-people-repartition").len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count_with(self, materialized: impl Into<Materialized<K, i64>>) -> KTable<'b, K, i64> {
        let more = |_: &K, _: V, count: i64| count + 1;
        let fewer = |_: &K, _: V, count: i64| count - 1;
        self.aggregate_with(|| 0_i64, more, fewer, materialized)
    }

    /// The rows of each group, put together two by two. `adder` gets the aggregate and a new value,
    /// `subtractor` the aggregate and a value that is no longer there, as when its row is deleted.
    /// The first value is the first aggregate. A function that gives `None` deletes it. A group's
    /// time is the latest of itself and of the change; a change has the headers of the record that
    /// made it.
    ///
    /// The rows pass through `<application id>-<name>-repartition`, called after the grouping or
    /// else the store, which is `KTABLE-AGGREGATE-STATE-STORE-<number>` unless it is given a name and
    /// has the changelog `<application id>-<store>-changelog`.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let stock: KTable<'_, String, i64> = builder.table("stock");
    /// let all = stock.group_by(|_, pieces| ("all".to_owned(), pieces));
    /// all.reduce(|sum, new| sum + new, |sum, old| sum - old).to_stream().to("pieces");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("stock").pipe_all([("pears", 3), ("plums", 4), ("pears", 2)])?;
    /// let pieces = driver.output::<String, Option<i64>>("pieces").read_values()?;
    /// assert_eq!(pieces, [Some(3), Some(7), Some(6)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reduce<R, S>(
        self,
        adder: impl Fn(V, V) -> R + Send + Sync + 'static,
        subtractor: impl Fn(V, V) -> S + Send + Sync + 'static,
    ) -> KTable<'b, K, V>
    where
        R: OrNull<V>,
        S: OrNull<V>,
        K: DefaultSerde,
        V: DefaultSerde,
    {
        self.reduce_with(adder, subtractor, Materialized::new())
    }

    /// As [`reduce`](Self::reduce), with a store or a name.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let stock: KTable<'_, String, i64> = builder.table("stock");
    /// let all = stock.group_by(|_, pieces| ("all".to_owned(), pieces));
    /// // A sum of 0 leaves the table.
    /// let subtract = |sum: i64, old: i64| (sum > old).then(|| sum - old);
    /// let _ = all.reduce_with(|sum, new| sum + new, subtract, Materialized::named("pieces"));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut stock = driver.input::<String, i64>("stock");
    /// stock.pipe("pears", 3)?;
    /// stock.pipe_tombstone("pears")?;
    /// assert_eq!(driver.key_values::<String, i64>("pieces")?.get(&"all".to_owned())?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reduce_with<R, S>(
        self,
        adder: impl Fn(V, V) -> R + Send + Sync + 'static,
        subtractor: impl Fn(V, V) -> S + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, V>>,
    ) -> KTable<'b, K, V>
    where
        R: OrNull<V>,
        S: OrNull<V>,
    {
        let adder = move |before, value| -> Result<R, ProcessorError> { Ok(adder(before, value)) };
        let subtractor = move |before, value| Ok(subtractor(before, value));
        self.try_reduce(adder, subtractor, materialized)
    }

    /// As [`reduce_with`](Self::reduce_with), by functions that may fail; the processing handler
    /// says what becomes of the change, and the aggregate stays as it was.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let stock: KTable<'_, String, i64> = builder.table("stock");
    /// let all = stock.group_by(|_, pieces| ("all".to_owned(), pieces));
    /// let add = |sum: i64, new| sum.checked_add(new).ok_or("the sum is too large");
    /// let subtract = |sum: i64, old| sum.checked_sub(old).ok_or("the sum is too small");
    /// all.try_reduce(add, subtract, Materialized::new()).to_stream().to("pieces");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut stock = driver.input::<String, i64>("stock");
    /// stock.pipe("pears", i64::MAX)?;
    /// assert!(stock.pipe("plums", 1).is_err());
    /// assert_eq!(driver.output::<String, Option<i64>>("pieces").read_values()?, [Some(i64::MAX)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_reduce<R, S, E>(
        self,
        adder: impl Fn(V, V) -> Result<R, E> + Send + Sync + 'static,
        subtractor: impl Fn(V, V) -> Result<S, E> + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, V>>,
    ) -> KTable<'b, K, V>
    where
        R: OrNull<V>,
        S: OrNull<V>,
        E: Into<ProcessorError>,
    {
        let add = move |before, value| adder(before, value).map_err(Into::into);
        let subtract = move |before, value| subtractor(before, value).map_err(Into::into);
        self.adjusted(REDUCE_PREFIX, materialized.into(), Reduction::new(add, subtract))
    }

    /// The rows of each group, taken into an aggregate one by one: `adder` takes a new value in,
    /// `subtractor` takes one out that is no longer there, as when its row is deleted. It starts
    /// from what `initial` gives. An aggregate `Option<A>` may be null, which deletes it. A group's
    /// time is the latest of itself and of the change; a change has the headers of the record that
    /// made it.
    ///
    /// The rows pass through `<application id>-<name>-repartition`, called after the grouping or
    /// else the store, which is `KTABLE-AGGREGATE-STATE-STORE-<number>` unless it is given a name
    /// and has the changelog `<application id>-<store>-changelog`.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let stock: KTable<'_, String, String> = builder.table("stock");
    /// let all = stock.group_by(|_, pieces| ("all".to_owned(), pieces));
    /// let add = |_: &String, new: String, sum| sum + new.len() as i64;
    /// let subtract = |_: &String, old: String, sum| sum - old.len() as i64;
    /// all.aggregate(|| 0, add, subtract).to_stream().to("letters");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("stock").pipe_all([("a", "pea"), ("b", "fig"), ("a", "")])?;
    /// let letters = driver.output::<String, Option<i64>>("letters").read_values()?;
    /// assert_eq!(letters, [Some(3), Some(6), Some(3)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate<A, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        adder: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
        subtractor: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
    ) -> KTable<'b, K, A>
    where
        I: OrNull<A>,
        K: DefaultSerde,
        A: DefaultSerde + Clone,
    {
        self.aggregate_with(initial, adder, subtractor, Materialized::new())
    }

    /// As [`aggregate`](Self::aggregate), with a store or a name.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let stock: KTable<'_, String, i64> = builder.table("stock");
    /// let all = stock.group_by(|_, pieces| ("all".to_owned(), pieces));
    /// let add = |_: &String, new, sum: i64| sum + new;
    /// let subtract = |_: &String, old, sum: i64| sum - old;
    /// let _ = all.aggregate_with(|| 0, add, subtract, Materialized::named("pieces"));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("stock").pipe_all([("pears", 3), ("plums", 4), ("pears", 2)])?;
    /// assert_eq!(driver.key_values::<String, i64>("pieces")?.get(&"all".to_owned())?, Some(6));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate_with<A, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        adder: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
        subtractor: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, K, A>
    where
        I: OrNull<A>,
        A: Clone + 'static,
    {
        let adder = move |key: &K, value, before| -> Result<I, ProcessorError> {
            Ok(adder(key, value, before))
        };
        let subtractor = move |key: &K, value, before| Ok(subtractor(key, value, before));
        self.try_aggregate(initial, adder, subtractor, materialized)
    }

    /// As [`aggregate_with`](Self::aggregate_with), by functions that may fail; the processing
    /// handler says what becomes of the change, and the aggregate stays as it was: of a row that has
    /// another value within its group, neither the old one is subtracted nor the new one added.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let stock: KTable<'_, String, String> = builder.table("stock");
    /// let add = |_: &String, text: String, total: i64| text.parse::<i64>().map(|n| total + n);
    /// let subtract = |_: &String, text: String, total: i64| text.parse::<i64>().map(|n| total - n);
    /// let totals = stock.group_by(|_, text| ("all".to_owned(), text));
    /// let totals = totals.try_aggregate(|| 0, add, subtract, Materialized::new());
    /// totals.to_stream().to("totals");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut stock = driver.input::<String, String>("stock");
    /// stock.pipe_all([("pears", "3"), ("plums", "4"), ("pears", "2")])?;
    /// let totals = driver.output::<String, Option<i64>>("totals").read_values()?;
    /// assert_eq!(totals, [Some(3), Some(7), Some(6)]);
    /// assert!(stock.pipe("plums", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_aggregate<A, I, E>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        adder: impl Fn(&K, V, I) -> Result<I, E> + Send + Sync + 'static,
        subtractor: impl Fn(&K, V, I) -> Result<I, E> + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, K, A>
    where
        I: OrNull<A>,
        A: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let add = move |key: &K, value, before| adder(key, value, before).map_err(Into::into);
        let subtract =
            move |key: &K, value, before| subtractor(key, value, before).map_err(Into::into);
        let aggregation = Aggregation::new(initial, add, subtract);
        self.adjusted(AGGREGATE_PREFIX, materialized.into(), aggregation)
    }

    fn adjusted<A, F>(
        self,
        prefix: &str,
        materialized: Materialized<K, A>,
        adjust: F,
    ) -> KTable<'b, K, A>
    where
        A: Clone + 'static,
        F: Adjust<K, V, A>,
    {
        let mut plan = self.builder.plan();
        let presence =
            if materialized.store.is_some() { Presence::Queryable } else { Presence::Stored };
        // Kafka calls the store of a reduce as that of an aggregate.
        let store = plan.names.store_or(materialized.store.clone(), AGGREGATE_PREFIX);
        let kept = materialized.key_value_store(store.clone());
        let given = materialized.node;
        let parent = plan.regrouped_table(self.grouping, &store, given.as_ref());
        let name = plan.names.node_or(given, prefix);
        let adjust = Arc::new(adjust);
        let table = plan.add_table(Table::new(presence, Some(kept), move |settings| {
            let adjust = Arc::clone(&adjust);
            table_aggregate::template::<K, V, A, F>(adjust, &store, settings.old_values)
        }));
        let forwards = TypeId::of::<(K, Change<A>)>();
        let node = plan.add(parent, LogicalNode::new(name, NodeKind::Table(table), forwards));
        KTable::new(self.builder, node, table)
    }
}
