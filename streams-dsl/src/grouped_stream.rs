//! Streams grouped by key.

use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::names::NodeName;
use streams_core::serde::DefaultSerde;

use crate::args::{Materialized, StoreIndex};
use crate::builder::StreamsBuilder;
use crate::change::Change;
use crate::cogrouped::CogroupedKStream;
use crate::null::OrNull;
use crate::operators::fold::{Aggregation, Fold, Reduction};
use crate::operators::stream_aggregate::{self, AGGREGATE_PREFIX, REDUCE_PREFIX};
use crate::plan::{LogicalNode, NodeKind, Presence, StreamGrouping, Table};
use crate::table::KTable;
use crate::window::Windowing;
use crate::windowed::WindowedKStream;

/// A stream whose records are grouped by key, to be aggregated. Answers to Kafka's
/// `KGroupedStream`.
///
/// `K` is the plain key and `S` the key of the stream, which may be an `Option`; `V` is the
/// stream's value. An aggregation drops and counts records without key or value; those without a
/// key uncounted where it repartitions. For `V = Option<N>` name `N`, as in `count::<String>()`.
///
/// A row's time is the latest of its records' times; a change has the headers of the record that
/// made it. The store has the changelog topic `<application id>-<store name>-changelog`; where the
/// key was changed, records pass through `<application id>-<name>-repartition`, called after the
/// grouping or else the store.
#[must_use = "a grouped stream does nothing until it is aggregated"]
pub struct KGroupedStream<'b, K, V, S = K> {
    builder: &'b StreamsBuilder,
    grouping: StreamGrouping,
    types: Types<K, V, S>,
}

type Types<K, V, S> = PhantomData<fn() -> (K, V, S)>;

impl<K, V, S> Clone for KGroupedStream<'_, K, V, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V, S> Copy for KGroupedStream<'_, K, V, S> {}

impl<K, V, S> std::fmt::Debug for KGroupedStream<'_, K, V, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KGroupedStream").field(&self.grouping).finish()
    }
}

impl<'b, K, V, S> KGroupedStream<'b, K, V, S> {
    pub(crate) const fn new(builder: &'b StreamsBuilder, grouping: StreamGrouping) -> Self {
        Self { builder, grouping, types: PhantomData }
    }

    pub(crate) const fn builder(self) -> &'b StreamsBuilder {
        self.builder
    }

    pub(crate) const fn grouping(self) -> StreamGrouping {
        self.grouping
    }

    /// Aggregations are by key and window: [`TimeWindows`](crate::TimeWindows),
    /// [`SlidingWindows`](crate::SlidingWindows), [`SessionWindows`](crate::SessionWindows) or
    /// [`UnlimitedWindows`](crate::UnlimitedWindows). Records stay as they are, and no topic or
    /// store is made before an aggregation; see [`WindowedKStream`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let minutes = TimeWindows::of_size(Duration::from_secs(60));
    /// let counts = clicks.group_by_key().windowed_by(minutes).count();
    /// counts.to_stream().map(|window, count| (window.to_string(), count)).to("counts");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// clicks.pipe_at("ann", "x", Timestamp::from_millis(59_999))?;
    /// clicks.pipe_at("ann", "y", Timestamp::from_millis(60_000))?;
    /// let counts = driver.output::<String, Option<i64>>("counts").read_map()?;
    /// assert_eq!((counts["[ann@0/60000]"], counts["[ann@60000/120000]"]), (Some(1), Some(1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn windowed_by<W: Windowing>(self, windows: W) -> WindowedKStream<'b, K, V, W, S> {
        WindowedKStream::new(self.builder, self.grouping, windows)
    }
}

impl<'b, K, V, S> KGroupedStream<'b, K, V, S>
where
    K: Clone + 'static,
    V: Clone + 'static,
    S: OrNull<K> + Clone,
{
    /// How many records each key has had. A record with a null key or a null value is dropped and
    /// counted. A row's time is the latest of its records', and a change has the headers of the
    /// record that made it.
    ///
    /// The store is `KSTREAM-AGGREGATE-STATE-STORE-<number>` unless it is given a name, with the
    /// changelog `<application id>-<store>-changelog`; where the key was changed, records pass
    /// through `<application id>-<name>-repartition` first, called after the grouping or else the
    /// store.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let visits: KStream<'_, String, String> = builder.stream("visits");
    /// visits.group_by_key().count().to_stream().to("counts");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut visits = driver.input::<String, String>("visits");
    /// visits.pipe_at("ann", "home", Timestamp::from_millis(5))?;
    /// visits.pipe_at("ann", "shop", Timestamp::from_millis(3))?;
    /// let counts = driver.output::<String, Option<i64>>("counts").read_records()?;
    /// assert_eq!(counts[1].value, Some(2));
    /// assert_eq!(counts[1].timestamp, Timestamp::from_millis(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count<N: 'static>(self) -> KTable<'b, K, i64>
    where
        V: OrNull<N>,
        K: DefaultSerde,
    {
        self.counted(Materialized::new())
    }

    /// As [`count`](Self::count), with a store or a name.
    ///
    /// Without a store name, Kafka's numbering of what follows differs by one from that of
    /// `count()`; a [`Named`](crate::Named) alone keeps it.
    ///
    /// ```
    /// # use streams_core::metrics::DropReason;
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let visits: KStream<'_, String, Option<String>> = builder.stream("visits");
    /// let _ = visits.group_by_key().count_with::<String>(Materialized::named("counts"));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut visits = driver.input::<String, String>("visits");
    /// visits.pipe("ann", "home")?;
    /// visits.pipe_tombstone("ann")?;
    /// assert_eq!(driver.key_values::<String, i64>("counts")?.get(&"ann".to_owned())?, Some(1));
    /// assert_eq!(driver.dropped().of(DropReason::NullValue), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count_with<N: 'static>(
        self,
        materialized: impl Into<Materialized<K, i64>>,
    ) -> KTable<'b, K, i64>
    where
        V: OrNull<N>,
    {
        let materialized = materialized.into();
        if materialized.store.is_none() && materialized.index == StoreIndex::Extra {
            self.builder.plan().names.skip();
        }
        self.counted(materialized)
    }

    fn counted<N: 'static>(self, materialized: Materialized<K, i64>) -> KTable<'b, K, i64>
    where
        V: OrNull<N>,
    {
        let count = |_: &K, _: N, count: i64| Ok(count + 1);
        self.folded(AGGREGATE_PREFIX, materialized, Aggregation::new(|| 0_i64, count))
    }

    /// The values of each key, put together two by two: the aggregate so far and the next value.
    /// The first value is the first aggregate. A function that gives `None` deletes it. A record
    /// with a null key or a null value is dropped and counted. A row's time is the latest of its
    /// records', and a change has the headers of the record that made it.
    ///
    /// The store is `KSTREAM-REDUCE-STATE-STORE-<number>` unless it is given a name, with the
    /// changelog `<application id>-<store>-changelog`; where the key was changed, records pass
    /// through `<application id>-<name>-repartition` first, called after the grouping or else the
    /// store.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let bids: KStream<'_, String, i64> = builder.stream("bids");
    /// bids.group_by_key().reduce(|highest, bid| highest.max(bid)).to_stream().to("highest");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut bids = driver.input::<String, i64>("bids");
    /// bids.pipe("vase", 20_i64)?;
    /// bids.pipe("vase", 15_i64)?;
    /// let highest = driver.output::<String, Option<i64>>("highest").read_map()?;
    /// assert_eq!(highest["vase"], Some(20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reduce<N, R>(
        self,
        reducer: impl Fn(N, N) -> R + Send + Sync + 'static,
    ) -> KTable<'b, K, N>
    where
        V: OrNull<N>,
        R: OrNull<N>,
        K: DefaultSerde,
        N: DefaultSerde + Clone,
    {
        self.reduce_with(reducer, Materialized::new())
    }

    /// As [`reduce`](Self::reduce), with a store or a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let bids: KStream<'_, String, i64> = builder.stream("bids");
    /// let _ = bids.group_by_key().reduce_with(i64::max, Materialized::named("highest"));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("bids").pipe_all([("vase", 20), ("vase", 15)])?;
    /// assert_eq!(driver.key_values::<String, i64>("highest")?.get(&"vase".to_owned())?, Some(20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reduce_with<N, R>(
        self,
        reducer: impl Fn(N, N) -> R + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, N>>,
    ) -> KTable<'b, K, N>
    where
        V: OrNull<N>,
        R: OrNull<N>,
        N: Clone + 'static,
    {
        let reducer =
            move |before, value| -> Result<R, ProcessorError> { Ok(reducer(before, value)) };
        self.try_reduce(reducer, materialized)
    }

    /// The values of each key, taken into an aggregate one by one. It starts from what `initial`
    /// gives. An aggregate `Option<A>` may be null, which deletes it. A record with a null key or a
    /// null value is dropped and counted. A row's time is the latest of its records', and a change
    /// has the headers of the record that made it.
    ///
    /// The store is `KSTREAM-AGGREGATE-STATE-STORE-<number>` unless it is given a name, with the
    /// changelog `<application id>-<store>-changelog`; where the key was changed, records pass
    /// through `<application id>-<name>-repartition` first, called after the grouping or else the
    /// store.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words
    ///     .group_by_key()
    ///     .aggregate(|| 0_i64, |_, word: String, total| total + word.len() as i64)
    ///     .to_stream()
    ///     .to("totals");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut words = driver.input::<String, String>("words");
    /// words.pipe("a", "three")?;
    /// words.pipe("a", "four")?;
    /// assert_eq!(driver.output::<String, Option<i64>>("totals").read_map()?["a"], Some(9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate<A, N, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        aggregator: impl Fn(&K, N, I) -> I + Send + Sync + 'static,
    ) -> KTable<'b, K, A>
    where
        V: OrNull<N>,
        I: OrNull<A>,
        K: DefaultSerde,
        N: 'static,
        A: DefaultSerde + Clone,
    {
        self.aggregate_with(initial, aggregator, Materialized::new())
    }

    /// As [`aggregate`](Self::aggregate), with a store or a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// // The basket is emptied at 0.
    /// let add = |_: &String, pieces, sum: Option<i64>| {
    ///     (pieces > 0).then(|| sum.unwrap_or(0) + pieces)
    /// };
    /// let stored = Materialized::named("baskets");
    /// let baskets = orders.group_by_key().aggregate_with::<i64, i64, _>(|| None, add, stored);
    /// baskets.to_stream().to("changes");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("orders").pipe_all([("ann", 2), ("ann", 3), ("ann", 0)])?;
    /// let changes = driver.output::<String, Option<i64>>("changes").read_values()?;
    /// assert_eq!(changes, [Some(2), Some(5), None]);
    /// assert_eq!(driver.key_values::<String, i64>("baskets")?.get(&"ann".to_owned())?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate_with<A, N, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        aggregator: impl Fn(&K, N, I) -> I + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, K, A>
    where
        V: OrNull<N>,
        I: OrNull<A>,
        N: 'static,
        A: Clone + 'static,
    {
        let aggregator = move |key: &K, value, before| -> Result<I, ProcessorError> {
            Ok(aggregator(key, value, before))
        };
        self.try_aggregate(initial, aggregator, materialized)
    }

    /// Aggregates the stream together with others of the same key, each by an aggregator of its
    /// own; see [`CogroupedKStream::cogroup`] for the others, and [`CogroupedKStream::aggregate`]
    /// for times, headers, nulls and what is made. Answers to Kafka's `cogroup` (KIP-150).
    ///
    /// For a stream whose value is an `Option<N>`, name the aggregate and `N`: `cogroup::<i64,
    /// String, _>(..)`. The aggregator then sees `Option<N>`.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let deposits: KStream<'_, String, i64> = builder.stream("deposits");
    /// let notes: KStream<'_, String, Option<String>> = builder.stream("notes");
    /// let closed = |_: &_, note: Option<String>, sum| if note.is_some() { 0 } else { sum };
    /// deposits
    ///     .group_by_key()
    ///     .cogroup(|_, amount, sum: i64| sum + amount)
    ///     .cogroup::<Option<String>, String, _>(notes.group_by_key(), closed)
    ///     .aggregate_with(|| 0, Materialized::named("balances"))
    ///     .to_stream()
    ///     .to("balances");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("deposits").pipe_all([("ann", 3), ("ann", 4)])?;
    /// driver.input::<String, String>("notes").pipe("ann", "closed")?;
    /// let balances = driver.output::<String, Option<i64>>("balances").read_values()?;
    /// assert_eq!(balances, [Some(3), Some(7), Some(0)]);
    /// assert_eq!(driver.produced("topology-test-driver-balances-changelog").len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cogroup<A, N, I>(
        self,
        aggregator: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
    ) -> CogroupedKStream<'b, K, A, I>
    where
        V: OrNull<N>,
        N: Clone + 'static,
        I: OrNull<A>,
        A: Clone + 'static,
    {
        CogroupedKStream::of(self.builder).cogroup::<V, N, S>(self, aggregator)
    }

    /// As [`cogroup`](Self::cogroup), by an aggregator that may fail; the processing handler says what
    /// becomes of the record, and the aggregate stays as it was.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let add = |_: &String, text: String, sum: i64| text.parse::<i64>().map(|n| sum + n);
    /// texts.group_by_key().try_cogroup(add).aggregate(|| 0).to_stream().to("sums");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe_all([("a", "3"), ("a", "4")])?;
    /// assert_eq!(driver.output::<String, Option<i64>>("sums").read_map()?["a"], Some(7));
    /// assert!(texts.pipe("a", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_cogroup<A, N, I, E>(
        self,
        aggregator: impl Fn(&K, V, I) -> Result<I, E> + Send + Sync + 'static,
    ) -> CogroupedKStream<'b, K, A, I>
    where
        V: OrNull<N>,
        N: Clone + 'static,
        I: OrNull<A>,
        A: Clone + 'static,
        E: Into<ProcessorError>,
    {
        CogroupedKStream::of(self.builder).try_cogroup::<V, N, S, E>(self, aggregator)
    }

    /// As [`reduce`](Self::reduce), by a function that may fail; the processing handler says what
    /// becomes of the record, and the aggregate stays as it was.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, i64> = builder.stream("texts");
    /// let add = |sum: i64, n| sum.checked_add(n).ok_or("the sum is too large");
    /// let sums = texts.group_by_key().try_reduce(add, Materialized::new());
    /// sums.to_stream().to("sums");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, i64>("texts");
    /// texts.pipe_all([("a", 3), ("a", i64::MAX - 3)])?;
    /// assert!(texts.pipe("a", 1).is_err());
    /// assert_eq!(driver.output::<String, Option<i64>>("sums").read_map()?["a"], Some(i64::MAX));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_reduce<N, R, E>(
        self,
        reducer: impl Fn(N, N) -> Result<R, E> + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, N>>,
    ) -> KTable<'b, K, N>
    where
        V: OrNull<N>,
        R: OrNull<N>,
        N: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let reduce = move |before, value| reducer(before, value).map_err(Into::into);
        self.folded(REDUCE_PREFIX, materialized.into(), Reduction::new(reduce))
    }

    /// As [`aggregate`](Self::aggregate), by a function that may fail; the processing handler says
    /// what becomes of the record, and the aggregate stays as it was.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let add = |_: &String, text: String, total: i64| text.parse::<i64>().map(|n| total + n);
    /// let totals = texts.group_by_key().try_aggregate(|| 0, add, Materialized::new());
    /// totals.to_stream().to("totals");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe_all([("a", "3"), ("a", "4")])?;
    /// assert_eq!(driver.output::<String, Option<i64>>("totals").read_map()?["a"], Some(7));
    /// assert!(texts.pipe("a", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_aggregate<A, N, I, E>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        aggregator: impl Fn(&K, N, I) -> Result<I, E> + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, K, A>
    where
        V: OrNull<N>,
        I: OrNull<A>,
        N: 'static,
        A: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let add = move |key: &K, value, before| aggregator(key, value, before).map_err(Into::into);
        self.folded(AGGREGATE_PREFIX, materialized.into(), Aggregation::new(initial, add))
    }

    fn folded<N, A, F>(
        self,
        prefix: &str,
        materialized: Materialized<K, A>,
        fold: F,
    ) -> KTable<'b, K, A>
    where
        V: OrNull<N>,
        N: 'static,
        A: Clone + 'static,
        F: Fold<K, N, A>,
    {
        let mut plan = self.builder.plan();
        let presence =
            if materialized.store.is_some() { Presence::Queryable } else { Presence::Stored };
        let store = plan.names.store_or(materialized.store.clone(), prefix);
        let kept = materialized.key_value_store(store.clone());
        let name: NodeName = plan.names.node_or(materialized.node, prefix);
        let parent = plan.regrouped_stream(self.grouping, &store);
        let fold = Arc::new(fold);
        let table = plan.add_table(Table::new(presence, Some(kept), move |settings| {
            let fold = Arc::clone(&fold);
            stream_aggregate::template::<S, V, K, N, A, F>(fold, &store, settings.old_values)
        }));
        let forwards = TypeId::of::<(K, Change<A>)>();
        let node = plan.add(parent, LogicalNode::new(name, NodeKind::Table(table), forwards));
        KTable::new(self.builder, node, table)
    }
}
