//! Tables.

mod fallible;
mod foreign_key_joins;
mod foreign_key_nodes;
mod joins;
mod suppress;
mod transform;

use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::names::{NodeName, StoreName};
use streams_core::serde::DefaultSerde;

use crate::args::{Derived, Grouped, Named, Serdes};
use crate::builder::StreamsBuilder;
use crate::change::Change;
use crate::grouped_table::KGroupedTable;
use crate::null::OrNull;
use crate::operators::{table_filter, table_map_values, table_select, to_stream};
use crate::plan::{
    ComputeRows, Demand, LogicalNode, MakeTable, NodeKind, Plan, PlanId, Presence, Processing,
    Table, TableId,
};
use crate::stream::KStream;

/// A table: the last value of each key. Answers to Kafka's `KTable`.
///
/// A handle: copy it to use a table twice. Keys and values are plain; a null deletes a row and is
/// never shown to a function. A table that is derived row by row has a store of its own only when
/// it is given one by name.
///
/// ```
/// # use streams_dsl::{KTable, StreamsBuilder};
/// # use streams_test::TopologyTestDriver;
/// let builder = StreamsBuilder::new();
/// let prices: KTable<'_, String, i64> = builder.table("prices");
/// let doubled = prices.map_values(|price| 2 * price);
/// doubled.to_stream().to("doubled");
///
/// let driver = TopologyTestDriver::new(&builder.build()?)?;
/// let mut prices = driver.input::<String, i64>("prices");
/// prices.pipe("pear", 5)?;
/// prices.pipe_tombstone("pear")?;
/// let doubled = driver.output::<String, Option<i64>>("doubled").read_values()?;
/// assert_eq!(doubled, [Some(10), None]);
/// assert!(driver.store_names().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a table does nothing by itself; see `to_stream`"]
pub struct KTable<'b, K, V> {
    builder: &'b StreamsBuilder,
    node: PlanId,
    table: TableId,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for KTable<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for KTable<'_, K, V> {}

impl<K, V> std::fmt::Debug for KTable<'_, K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KTable({})", self.builder.plan().name_of(self.node))
    }
}

impl<'b, K, V> KTable<'b, K, V> {
    pub(crate) const fn new(builder: &'b StreamsBuilder, node: PlanId, table: TableId) -> Self {
        Self { builder, node, table, types: PhantomData }
    }

    /// Where it is in the plan, if that is the plan of this builder.
    pub(crate) fn in_plan_of(self, builder: &StreamsBuilder) -> Option<(PlanId, TableId)> {
        std::ptr::eq(self.builder, builder).then_some((self.node, self.table))
    }

    /// The table's store, if it was given one by name.
    ///
    /// ```
    /// # use streams_dsl::{Consumed, KTable, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let prices: KTable<'_, String, i64> = builder.table("prices");
    /// assert_eq!(prices.store_name(), None);
    ///
    /// let named = Materialized::named("rates");
    /// let rates = builder.table_with::<String, i64>("rates", Consumed::new(), named);
    /// let store = rates.store_name().expect("it was given one");
    /// assert_eq!(store, "rates");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("rates").pipe("NOK", 3)?;
    /// assert_eq!(driver.key_values::<String, i64>(store)?.get(&"NOK".to_owned())?, Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn store_name(self) -> Option<StoreName> {
        self.builder.plan().table(self.table).queryable().cloned()
    }
}

/// Whether a table asks its parent for old values because of its own work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WantsOld {
    IfStored,
    No,
}

/// How a derived table is made: its processor, and its rows where it is not stored.
struct Derivation<K, N> {
    make: Box<MakeTable>,
    rows: Box<ComputeRows<K, N>>,
}

impl<'b, K: Clone + 'static, V: Clone + 'static> KTable<'b, K, V> {
    /// The rows for which the predicate holds, each with its time; a change keeps its headers. A
    /// row for which it no longer does is deleted; a deletion in this table goes on as one, without
    /// a question to the predicate.
    ///
    /// Unless this table is stored, deletions go on also for rows that never were. The result has a
    /// store, with the changelog `<application id>-<store>-changelog`, only if it is given one by
    /// name; no other topic is made.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let prices: KTable<'_, String, i64> = builder.table("prices");
    /// prices.filter(|_, price| *price > 9).to_stream().to("high");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe_all([("pear", 12), ("pear", 7), ("plum", 5)])?;
    /// let high = driver.output::<String, Option<i64>>("high").read_key_values()?;
    /// let (pear, plum) = ("pear".to_owned(), "plum".to_owned());
    /// assert_eq!(high, [(pear.clone(), Some(12)), (pear, None), (plum, None)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter(self, predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filter_with(predicate, Derived::default())
    }

    /// As [`filter`](Self::filter), with a name or a store.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let _ = prices.filter_with(|_, price| *price > 9, Materialized::named("high"));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe_all([("pear", 12), ("plum", 5)])?;
    /// let high = driver.key_values::<String, i64>("high")?.all()?;
    /// assert_eq!(high, [("pear".to_owned(), 12)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_with(
        self,
        predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
        derived: impl Into<Derived<K, V>>,
    ) -> Self {
        self.filtered(move |key, value| Ok(predicate(key, value)), derived.into())
    }

    fn filtered(
        self,
        holds: impl Fn(&K, &V) -> Result<bool, ProcessorError> + Send + Sync + 'static,
        derived: Derived<K, V>,
    ) -> Self {
        let holds = Arc::new(holds);
        let (parent, of_rows) = (self.table, Arc::clone(&holds));
        let input = self.builder.plan().input_from(self.node);
        let make: Box<MakeTable> =
            Box::new(move |settings| table_filter::template(Arc::clone(&holds), input, settings));
        let rows = move |plan: &mut Plan| {
            let rows = plan.view::<K, V>(parent);
            table_filter::rows(Arc::clone(&of_rows), rows)
        };
        let derivation = Derivation { make, rows: Box::new(rows) };
        self.derive(table_filter::PREFIX, WantsOld::IfStored, derived, derivation)
    }

    /// The rows for which the predicate does not hold, otherwise as with [`filter`](Self::filter):
    /// times and headers stay, a deletion goes on as one, and a store is made only under a name.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let prices: KTable<'_, String, i64> = builder.table("prices");
    /// prices.filter_not(|_, price| *price > 9).to_stream().to("low");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe_all([("pear", 7), ("pear", 12)])?;
    /// let low = driver.output::<String, Option<i64>>("low").read_values()?;
    /// assert_eq!(low, [Some(7), None]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_not(self, predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filter_not_with(predicate, Derived::default())
    }

    /// As [`filter_not`](Self::filter_not), with a name or a store.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let name = (Named::new("low-only"), Materialized::named("low"));
    /// let low = prices.filter_not_with(|_, price| *price > 9, name);
    /// assert_eq!(low.store_name(), Some("low".into()));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe_all([("pear", 12), ("plum", 5)])?;
    /// let low = driver.key_values::<String, i64>("low")?.all()?;
    /// assert_eq!(low, [("plum".to_owned(), 5)]);
    /// assert!(driver.describe().to_string().contains("Processor: low-only (stores: [low])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_not_with(
        self,
        predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
        derived: impl Into<Derived<K, V>>,
    ) -> Self {
        self.filter_with(move |key, value| !predicate(key, value), derived)
    }

    /// Another value for each row; its time and headers stay, and a deletion goes on as one. A
    /// function that gives `None` deletes the row; then name the plain type, as in
    /// `map_values::<String, _>(..)`. The result has a store, with a changelog, only if it is given
    /// one by name.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KTable<'_, String, String> = builder.table("texts");
    /// let numbers = texts.map_values::<i64, _>(|text| text.parse().ok());
    /// numbers.to_stream().to("numbers");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("texts").pipe_all([("a", "7"), ("a", "many")])?;
    /// let numbers = driver.output::<String, Option<i64>>("numbers").read_values()?;
    /// assert_eq!(numbers, [Some(7), None]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_values<N, R>(self, f: impl Fn(V) -> R + Send + Sync + 'static) -> KTable<'b, K, N>
    where
        R: OrNull<N>,
        N: Clone + 'static,
    {
        self.map_values_with(f, Derived::default())
    }

    /// As [`map_values`](Self::map_values), with a name or a store.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KTable<'_, String, String> = builder.table("words");
    /// let _ = words.map_values_with(|word| word.len() as i64, Materialized::named("lengths"));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "seven")?;
    /// assert_eq!(driver.key_values::<String, i64>("lengths")?.get(&"a".to_owned())?, Some(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_values_with<N, R>(
        self,
        f: impl Fn(V) -> R + Send + Sync + 'static,
        derived: impl Into<Derived<K, N>>,
    ) -> KTable<'b, K, N>
    where
        R: OrNull<N>,
        N: Clone + 'static,
    {
        self.map_values_with_key_with(move |_, value| f(value), derived)
    }

    /// As [`map_values`](Self::map_values), by a function that sees the key too.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KTable<'_, String, String> = builder.table("words");
    /// words.map_values_with_key(|key, word| format!("{key}: {word}")).to_stream().to("lines");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// let lines = driver.output::<String, Option<String>>("lines").read_map()?;
    /// assert_eq!(lines["a"].as_deref(), Some("a: x"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_values_with_key<N, R>(
        self,
        f: impl Fn(&K, V) -> R + Send + Sync + 'static,
    ) -> KTable<'b, K, N>
    where
        R: OrNull<N>,
        N: Clone + 'static,
    {
        self.map_values_with_key_with(f, Derived::default())
    }

    /// As [`map_values_with_key`](Self::map_values_with_key), with a name or a store.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KTable<'_, String, String> = builder.table("words");
    /// let line = |key: &String, word| format!("{key}: {word}");
    /// words.map_values_with_key_with(line, Named::new("line")).to_stream().to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// assert_eq!(driver.output::<String, String>("lines").read_values()?, ["a: x"]);
    /// assert!(driver.describe().to_string().contains("Processor: line (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_values_with_key_with<N, R>(
        self,
        f: impl Fn(&K, V) -> R + Send + Sync + 'static,
        derived: impl Into<Derived<K, N>>,
    ) -> KTable<'b, K, N>
    where
        R: OrNull<N>,
        N: Clone + 'static,
    {
        self.values_mapped(move |key, value| Ok(f(key, value).into_plain()), derived.into())
    }

    fn values_mapped<N: Clone + 'static>(
        self,
        f: impl Fn(&K, V) -> Result<Option<N>, ProcessorError> + Send + Sync + 'static,
        derived: Derived<K, N>,
    ) -> KTable<'b, K, N> {
        let f = Arc::new(f);
        let (parent, of_rows) = (self.table, Arc::clone(&f));
        let make: Box<MakeTable> = Box::new(move |settings| {
            table_map_values::template::<K, V, N, _>(Arc::clone(&f), settings)
        });
        let rows = move |plan: &mut Plan| {
            let rows = plan.view::<K, V>(parent);
            table_map_values::rows(Arc::clone(&of_rows), rows)
        };
        let derivation = Derivation { make, rows: Box::new(rows) };
        self.derive(table_map_values::PREFIX, WantsOld::No, derived, derivation)
    }

    /// A table whose rows are computed from those of this one.
    fn derive<N: Clone + 'static>(
        self,
        prefix: &str,
        wants_old: WantsOld,
        derived: Derived<K, N>,
        derivation: Derivation<K, N>,
    ) -> KTable<'b, K, N> {
        let Derived { node, store } = derived;
        let mut plan = self.builder.plan();
        let is_given = store.is_some();
        // Kafka takes an index also for a store without a name, which it then does not make.
        let kept = store.and_then(|store| {
            let name = plan.names.store_or(store.store.clone(), prefix);
            store.store.is_some().then(|| store.key_value_store(name))
        });
        let presence =
            if kept.is_some() { Presence::Queryable } else { Presence::Computed(self.table) };
        let name: NodeName = plan.names.node_or(node, prefix);
        let Derivation { make, rows } = derivation;
        let mut table = Table::new(presence, kept, make).with_rows(rows);
        // As in Kafka, serdes alone make a table that is not versioned.
        if !is_given {
            table = table.inheriting_versions();
        }
        if wants_old == WantsOld::IfStored && plan.send_old_values(self.table, Demand::IfStored) {
            table = table.sending_old_values();
        }
        let table = plan.add_table(table);
        let forwards = TypeId::of::<(K, Change<N>)>();
        let node = plan.add(self.node, LogicalNode::new(name, NodeKind::Table(table), forwards));
        KTable::new(self.builder, node, table)
    }

    /// The changes of the table as a stream, each with the row's time and the headers of the record
    /// that made it; a deleted row gives a null. A table with a record cache gives the last change
    /// of a key between two commits. Makes no topic and no store.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let prices: KTable<'_, String, i64> = builder.table("prices");
    /// prices.to_stream().to("changes");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut prices = driver.input::<String, i64>("prices");
    /// prices.pipe_at("pear", 5, Timestamp::from_millis(7))?;
    /// prices.pipe_tombstone_at("pear", Timestamp::from_millis(8))?;
    /// let changes = driver.output::<String, Option<i64>>("changes").read_records()?;
    /// assert_eq!((changes[0].value, changes[0].timestamp.millis()), (Some(5), 7));
    /// assert_eq!((changes[1].value, changes[1].timestamp.millis()), (None, 8));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_stream(self) -> KStream<'b, K, Option<V>> {
        self.to_stream_with(Named::default())
    }

    /// As [`to_stream`](Self::to_stream), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// prices.to_stream_with(Named::new("changes")).to("out");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe("pear", 5)?;
    /// assert_eq!(driver.output::<String, i64>("out").read_values()?, [5]);
    /// assert!(driver.describe().to_string().contains("Processor: changes (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_stream_with(self, named: Named) -> KStream<'b, K, Option<V>> {
        self.to_stream_by(|key| key, |value| value, named)
    }

    /// As [`to_stream`](Self::to_stream), with wider types, so that the stream can be merged with
    /// one of these: `counts.to_stream_as::<Option<String>, i64>()`. A deleted row gives a null;
    /// times and headers stay.
    ///
    /// ```
    /// # use streams_dsl::{KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let clicks: KStream<'_, Option<String>, Option<i64>> = builder.stream("clicks");
    /// let counts: KTable<'_, String, i64> = builder.table("counts");
    /// counts.to_stream_as::<Option<String>, i64>().merge(clicks).to("all");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("counts").pipe("ann", 3)?;
    /// driver.input::<String, i64>("clicks").pipe_value(1)?;
    /// let all = driver.output::<Option<String>, i64>("all").read_key_values()?;
    /// assert_eq!(all, [(Some("ann".to_owned()), 3), (None, 1)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_stream_as<K2, V2>(self) -> KStream<'b, K2, Option<V2>>
    where
        K: Into<K2>,
        V: Into<V2>,
        K2: Clone + 'static,
        V2: Clone + 'static,
    {
        self.to_stream_as_with(Named::default())
    }

    /// As [`to_stream_as`](Self::to_stream_as), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let counts: KTable<'_, String, i64> = builder.table("counts");
    /// let named = Named::new("changes");
    /// counts.to_stream_as_with::<Option<String>, i64>(named).to("out");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("counts").pipe("ann", 3)?;
    /// let out = driver.output::<Option<String>, i64>("out").read_key_values()?;
    /// assert_eq!(out, [(Some("ann".to_owned()), 3)]);
    /// assert!(driver.describe().to_string().contains("Processor: changes (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_stream_as_with<K2, V2>(self, named: Named) -> KStream<'b, K2, Option<V2>>
    where
        K: Into<K2>,
        V: Into<V2>,
        K2: Clone + 'static,
        V2: Clone + 'static,
    {
        self.to_stream_by(K::into, V::into, named)
    }

    /// The changes of the table as a stream, with the key and the value that functions make of
    /// those of the row, for types that no `From` is for. Each has the row's time and the headers
    /// of the record that made it; a deleted row gives a null, which `value` is not asked about.
    /// Makes no topic and no store.
    ///
    /// The stream stands for keyed as the table is, so different keys have to stay different.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, Named, StreamsBuilder, TimeWindows, Windowed};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let windows = TimeWindows::of_size(Duration::from_millis(10));
    /// let counts = clicks.group_by_key().windowed_by(windows).count();
    /// let text = |Windowed { key, window }: Windowed<String>| format!("{key}@{}", window.start);
    /// counts.to_stream_by(text, |count| count.to_string(), Named::default()).to("texts");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// clicks.pipe_at("ann", "x", Timestamp::from_millis(17))?;
    /// let texts = driver.output::<String, String>("texts").read_key_values()?;
    /// assert_eq!(texts, [("ann@10".to_owned(), "1".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_stream_by<K2: Clone + 'static, V2: Clone + 'static>(
        self,
        key: impl Fn(K) -> K2 + Send + Sync + 'static,
        value: impl Fn(V) -> V2 + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K2, Option<V2>> {
        let mut plan = self.builder.plan();
        let name = plan.names.node_or(named.0, to_stream::PREFIX);
        let template = to_stream::template(key, value);
        let kind = NodeKind::Processor(Processing { template, stores: Vec::new() });
        let forwards = TypeId::of::<(K2, Option<V2>)>();
        let node = plan.add(self.node, LogicalNode::new(name, kind, forwards));
        KStream::new(self.builder, node)
    }

    /// Groups the rows by a new key, each with a new value, to be aggregated. Rows that get a null
    /// key are left out, uncounted; a value has no null. A deleted row leaves its group. The
    /// changes, each with its time and headers, pass through `<application id>-<name>-repartition`,
    /// called after the grouping or else the aggregation's store. If this table comes from a topic,
    /// it gets a store.
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
    /// city_of.pipe("ann", "Rome")?;
    /// let people = driver.output::<String, Option<i64>>("people-in-city").read_map()?;
    /// assert_eq!((people["Oslo"], people["Rome"]), (Some(0), Some(1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group_by<K2, V2, S>(
        self,
        selector: impl Fn(&K, V) -> (S, V2) + Send + Sync + 'static,
    ) -> KGroupedTable<'b, K2, V2>
    where
        S: OrNull<K2>,
        K2: DefaultSerde + Clone + PartialEq,
        V2: DefaultSerde + Clone,
    {
        self.group_by_with(selector, Grouped::new())
    }

    /// As [`group_by`](Self::group_by), with serdes, or a name for the node that computes the key
    /// and for the repartition topic.
    ///
    /// ```
    /// # use streams_dsl::{Grouped, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let city_of: KTable<'_, String, String> = builder.table("city-of-person");
    /// let by_city = |person: &String, city| (city, person.clone());
    /// let grouped = city_of.group_by_with(by_city, Grouped::named("cities"));
    /// grouped.count().to_stream().to("people-in-city");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("city-of-person").pipe("ann", "Oslo")?;
    /// let people = driver.output::<String, Option<i64>>("people-in-city").read_map()?;
    /// assert_eq!(people["Oslo"], Some(1));
    /// assert_eq!(driver.produced("topology-test-driver-cities-repartition").len(), 1);
    /// assert!(driver.describe().to_string().contains("Processor: cities (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group_by_with<K2, V2, S>(
        self,
        selector: impl Fn(&K, V) -> (S, V2) + Send + Sync + 'static,
        grouped: Grouped<K2, V2>,
    ) -> KGroupedTable<'b, K2, V2>
    where
        S: OrNull<K2>,
        K2: Clone + PartialEq + 'static,
        V2: Clone + 'static,
    {
        self.grouped(move |key, value| Ok(selector(key, value)), grouped)
    }

    fn grouped<K2, V2, S>(
        self,
        selector: impl Fn(&K, V) -> Result<(S, V2), ProcessorError> + Send + Sync + 'static,
        grouped: Grouped<K2, V2>,
    ) -> KGroupedTable<'b, K2, V2>
    where
        S: OrNull<K2>,
        K2: Clone + PartialEq + 'static,
        V2: Clone + 'static,
    {
        let Grouped { name, serdes: Serdes { key, value } } = grouped;
        let mut plan = self.builder.plan();
        let node = plan.names.node_or(name.clone(), table_select::PREFIX);
        let input = plan.input_from(self.node);
        let template = table_select::template::<K, V, K2, V2, S>(selector, input);
        let kind = NodeKind::Processor(Processing { template, stores: Vec::new() });
        let forwards = TypeId::of::<(K2, Change<V2>)>();
        let node = plan.add(self.node, LogicalNode::new(node, kind, forwards));
        plan.send_old_values(self.table, Demand::Needed);
        let grouping = plan.group_table(node, name, table_select::channel(key, value));
        KGroupedTable::new(self.builder, grouping)
    }
}
