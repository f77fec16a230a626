//! Grouped streams in windows.

mod aggregates;
mod session;
mod takes;

use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::names::{NodeName, StoreName};
use streams_core::processor::ProcessorTemplate;
use streams_core::serde::DefaultSerde;
use streams_core::topology::TopologyError;
use streams_core::window::Windowed;
use streams_state::OldValues;

use self::takes::Takes;
use crate::args::{Materialized, StoreIndex};
use crate::builder::StreamsBuilder;
use crate::change::Change;
use crate::null::OrNull;
use crate::operators::fold::{Aggregation, Reduction};
use crate::operators::stream_aggregate::{AGGREGATE_PREFIX, REDUCE_PREFIX};
use crate::operators::window_node::Windowing as OperatorWindowing;
use crate::plan::{LogicalNode, NodeKind, Presence, StreamGrouping, Table};
use crate::table::KTable;
use crate::view::Kept;
use crate::window::{ClosingWindows, EmitStrategy, Windowing};

/// A grouped stream whose records fall into windows `W`, to be aggregated by key and window.
/// Answers to Kafka's `TimeWindowedKStream` and `SessionWindowedKStream`. `K` is the plain key, `S`
/// the key of the stream, `V` the stream's value.
///
/// What holds for all aggregations:
///
/// - Key: a row has the key and its window, a [`Windowed`]. A record with a null key is dropped and
///   counted; where the stream is repartitioned, it is dropped there, uncounted.
/// - Value: windows that follow from time alone, and sessions, hand a null value to the function,
///   as Kafka does; sliding windows drop and count it. What a function deletes leaves the table by
///   a null.
/// - Time: that of the latest record of the window; of a session, its end.
/// - Headers: those of the record that made the change. A change of a session has none where there
///   is no record cache or `dsl.store.format` is `headers`, as in Kafka.
/// - Late records: a window is closed once stream time has passed its end by the grace period, a
///   session by its gap too. Stream time is the greatest time of a record that the aggregation has
///   seen in its task since that started. A closed window stays as it is, and each record that
///   comes too late for it is counted.
/// - On window close ([`EmitStrategy::OnWindowClose`]): a window leaves once, with its time as
///   above and the headers of the record that was processed when it was found closed. The stores of
///   sliding windows and sessions have no record cache then.
/// - Store: `KSTREAM-AGGREGATE-STATE-STORE-<number>`, of a reduction
///   `KSTREAM-REDUCE-STATE-STORE-<number>`, unless it is given a name. It keeps a window from its
///   start for its size and grace period (sliding windows for twice their difference and the grace
///   period), a session from its end for the gap and grace period, or longer with
///   [`Materialized::with_retention`]. The table is joined, and otherwise used, as any other; it has
///   no row of a window that is no longer kept.
/// - Topics: the changelog `<application id>-<store>-changelog`, with `cleanup.policy`
///   `compact,delete` and, as `retention.ms`, what the store keeps and a day more
///   (`windowstore.changelog.additional.retention.ms`). Where the key was changed, records pass
///   through `<application id>-<name>-repartition` first, called after the grouping or else the
///   store.
///
/// ```
/// # use std::time::Duration;
/// # use streams_core::metrics::DropReason;
/// # use streams_core::time::Timestamp;
/// # use streams_dsl::{KStream, StreamsBuilder, TimeWindows};
/// # use streams_test::TopologyTestDriver;
/// let builder = StreamsBuilder::new();
/// let clicks: KStream<'_, String, String> = builder.stream("clicks");
/// let windows = TimeWindows::of_size(Duration::from_millis(10));
/// let counts = clicks.group_by_key().windowed_by(windows).count();
/// counts.to_stream().map(|window, count| (window.to_string(), count)).to("counts");
///
/// let driver = TopologyTestDriver::new(&builder.build()?)?;
/// let mut clicks = driver.input::<String, String>("clicks");
/// for millis in [7, 3, 12, 5] {
///     clicks.pipe_at("ann", "x", Timestamp::from_millis(millis))?;
/// }
/// let counts = driver.output::<String, Option<i64>>("counts").read_records()?;
/// let counts = counts.into_iter().map(|count| (count.key, count.value, count.timestamp.millis()));
/// let expected = [("[ann@0/10]", 1, 7), ("[ann@0/10]", 2, 7), ("[ann@10/20]", 1, 12)];
/// assert!(counts.eq(expected.map(|(key, count, at)| (key.to_owned(), Some(count), at))));
/// assert_eq!(driver.dropped().of(DropReason::Late), 1);
/// let changelog = "topology-test-driver-KSTREAM-AGGREGATE-STATE-STORE-0000000001-changelog";
/// assert!(driver.produced_topics().contains(&changelog.into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a windowed stream does nothing until it is aggregated"]
pub struct WindowedKStream<'b, K, V, W, S = K> {
    builder: &'b StreamsBuilder,
    grouping: StreamGrouping,
    windows: W,
    emit: EmitStrategy,
    types: Types<K, V, S>,
}

type Types<K, V, S> = PhantomData<fn() -> (K, V, S)>;

impl<K, V, W: Copy, S> Clone for WindowedKStream<'_, K, V, W, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V, W: Copy, S> Copy for WindowedKStream<'_, K, V, W, S> {}

impl<K, V, W: std::fmt::Debug, S> std::fmt::Debug for WindowedKStream<'_, K, V, W, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("WindowedKStream");
        debug.field("windows", &self.windows).field("emit", &self.emit).finish_non_exhaustive()
    }
}

impl<'b, K, V, W: Windowing, S> WindowedKStream<'b, K, V, W, S> {
    pub(crate) fn new(builder: &'b StreamsBuilder, grouping: StreamGrouping, windows: W) -> Self {
        Self { builder, grouping, windows, emit: EmitStrategy::default(), types: PhantomData }
    }

    /// When the results leave; each update of a window, unless told otherwise. At its close, a
    /// window leaves once, with the time of its latest record, or the end of a session, and the
    /// headers of the record that was processed when it was found closed; deleted windows, and
    /// sessions that became one, do not. The stores of sliding windows and sessions have no record
    /// cache then; names and topics are the same.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{EmitStrategy, KStream, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let counts = clicks
    ///     .group_by_key()
    ///     .windowed_by(TimeWindows::of_size(Duration::from_millis(10)))
    ///     .with_emit_strategy(EmitStrategy::OnWindowClose)
    ///     .count();
    /// counts.to_stream().map(|window, count| (window.key, count)).to("counts");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// clicks.pipe_at("ann", "x", Timestamp::from_millis(1))?;
    /// clicks.pipe_at("ann", "y", Timestamp::from_millis(2))?;
    /// driver.advance_wall_clock(Duration::from_secs(1))?;
    /// clicks.pipe_at("bob", "z", Timestamp::from_millis(10))?;
    /// let counts = driver.output::<String, Option<i64>>("counts").read_map()?;
    /// assert_eq!((counts.len(), counts["ann"]), (1, Some(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    // DIFFERENCE(emit-strategy): in Kafka the stream that it is called on changes too.
    pub fn with_emit_strategy(self, emit: EmitStrategy) -> Self
    where
        W: ClosingWindows,
    {
        Self { emit, ..self }
    }
}

/// Makes the node of an aggregation by a function.
type MakeTemplate<F, W> = fn(Arc<F>, &OperatorWindowing<W>, OldValues) -> ProcessorTemplate;

/// A store of windows.
type InWindows<K, A> = Kept<Windowed<K>, A>;

impl<'b, K, V, W, S> WindowedKStream<'b, K, V, W, S>
where
    K: Clone + 'static,
    W: Windowing,
{
    fn aggregated<A: Clone + 'static, F: 'static>(
        self,
        (prefix, materialized): (&'static str, Materialized<K, A>),
        store_of: impl FnOnce(&Materialized<K, A>, StoreName, &W, EmitStrategy) -> InWindows<K, A>,
        (fold, template): (F, MakeTemplate<F, W>),
    ) -> KTable<'b, Windowed<K>, A> {
        let mut plan = self.builder.plan();
        let presence =
            if materialized.store.is_some() { Presence::Queryable } else { Presence::Stored };
        let store = plan.names.store_or(materialized.store.clone(), prefix);
        let kept = store_of(&materialized, store.clone(), &self.windows, self.emit);
        let name: NodeName = plan.names.node_or(materialized.node.clone(), prefix);
        if let Some(problem) = problem_of(&self.windows, &materialized) {
            plan.fault(TopologyError::Windows { node: name.clone(), problem });
        }
        let parent = plan.regrouped_stream(self.grouping, &store);
        let windowing = OperatorWindowing { windows: self.windows, emit: self.emit, store };
        let fold = Arc::new(fold);
        let table = plan.add_table(Table::new(presence, Some(kept), move |settings| {
            template(Arc::clone(&fold), &windowing, settings.old_values)
        }));
        let forwards = TypeId::of::<(Windowed<K>, Change<A>)>();
        let node = LogicalNode::new(name, NodeKind::Table(table), forwards);
        let node = plan.add(parent, node.in_windows(self.windows.of_keys()));
        KTable::new(self.builder, node, table)
    }
}

/// What is wrong with the windows of an aggregation, or with how long its store keeps them.
pub(crate) fn problem_of<K, A, W: Windowing>(
    windows: &W,
    materialized: &Materialized<K, A>,
) -> Option<String> {
    let least = windows.retention_ms();
    let retention = materialized.retention_ms().filter(|retention| *retention < least);
    windows.problem().or_else(|| {
        retention.map(|retention| {
            format!("a retention of {retention} ms, but its windows need {least} ms; keep them at least as long")
        })
    })
}

impl<'b, K, V, W, S> WindowedKStream<'b, K, V, W, S>
where
    K: Clone + 'static,
    V: Clone + 'static,
    S: OrNull<K> + Clone,
    W: Windowing,
{
    /// How many records each key has had in each window; those with a null value too, except in
    /// sliding windows, which drop and count them. For these, name `N` where `V = Option<N>`, as in
    /// `count::<String>()`.
    ///
    /// A row has the key and its window; its time is that of the window's latest record, of a
    /// session its end. A change has the headers of the record that made it; that of a session has
    /// none without a record cache or with `dsl.store.format=headers`. A null key is dropped and
    /// counted; a closed window stays as it is, and each record that comes too late for it is
    /// counted.
    ///
    /// The store is `KSTREAM-AGGREGATE-STATE-STORE-<number>` unless it is given a name, with the
    /// changelog `<application id>-<store>-changelog`. [`WindowedKStream`] says for how long it
    /// keeps a window, when a window closes, and through which topic records pass where the key was
    /// changed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::{Window, Windowed};
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder, TimeWindows};
    /// # use streams_state::TimestampedWindowStore;
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let minutes = TimeWindows::of_size(Duration::from_secs(60));
    /// let _ = clicks.group_by_key().windowed_by(minutes).count_with(Materialized::named("counts"));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// for millis in [1, 2, 60_000] {
    ///     clicks.pipe_at("ann", "x", Timestamp::from_millis(millis))?;
    /// }
    /// let counts = driver.store::<TimestampedWindowStore<String, i64>>("counts")?;
    /// let of = |start| counts.get(&"ann".to_owned(), Timestamp::from_millis(start));
    /// assert_eq!(of(0)?.map(|count| count.value), Some(2));
    /// assert_eq!(of(60_000)?.map(|count| count.value), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count<T>(self) -> KTable<'b, Windowed<K>, i64>
    where
        W: Takes<V, T, Taken = T>,
        K: DefaultSerde,
    {
        self.counted(Materialized::new())
    }

    /// As [`count`](Self::count), with a store or a name.
    ///
    /// Without a store name, Kafka's numbering of what follows differs by one from that of
    /// `count()`, except in sliding windows; a [`Named`](crate::Named) alone keeps it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder, TimeWindows};
    /// # use streams_state::TimestampedWindowStore;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let minutes = TimeWindows::of_size(Duration::from_secs(60));
    /// let clicks = clicks.group_by_key().windowed_by(minutes);
    /// let counts = clicks.count_with(Materialized::named("counts").with_node_name("count"));
    /// assert_eq!(counts.store_name(), Some("counts".into()));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let at = Timestamp::from_millis;
    /// driver.input::<String, String>("clicks").pipe_at("ann", "x", at(61_000))?;
    /// let counts = driver.store::<TimestampedWindowStore<String, i64>>("counts")?;
    /// let count = counts.get(&"ann".to_owned(), at(60_000))?;
    /// assert_eq!(count.map(|count| count.value), Some(1));
    /// assert!(driver.describe().to_string().contains("Processor: count (stores: [counts])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count_with<T>(
        self,
        materialized: impl Into<Materialized<K, i64>>,
    ) -> KTable<'b, Windowed<K>, i64>
    where
        W: Takes<V, T, Taken = T>,
    {
        let materialized = materialized.into();
        let is_extra = W::COUNT_TAKES_INDEX && materialized.index == StoreIndex::Extra;
        if is_extra && materialized.store.is_none() {
            self.builder.plan().names.skip();
        }
        self.counted(materialized)
    }

    fn counted<T>(self, materialized: Materialized<K, i64>) -> KTable<'b, Windowed<K>, i64>
    where
        W: Takes<V, T, Taken = T>,
    {
        let count = Aggregation::new(|| 0_i64, |_: &K, _: T, count| Ok(count + 1));
        let stored = (AGGREGATE_PREFIX, materialized);
        W::folded(self, stored, count.merging(|_: &K, one, other| Ok(one + other)))
    }

    /// The values of each key and window, put together two by two: the aggregate so far and the
    /// next value, which may be null where the stream's type has null; sliding windows drop and
    /// count a null. The first value is the first aggregate; the aggregates of sessions that become
    /// one are put together alike. A function that gives `None` deletes it.
    ///
    /// A row has the key and its window; its time is that of the window's latest record, of a
    /// session its end. A change has the headers of the record that made it; that of a session has
    /// none without a record cache or with `dsl.store.format=headers`. A null key is dropped and
    /// counted; a closed window stays as it is, and each record that comes too late for it is
    /// counted.
    ///
    /// The store is `KSTREAM-REDUCE-STATE-STORE-<number>` unless it is given a name, with the
    /// changelog `<application id>-<store>-changelog`. [`WindowedKStream`] says for how long it
    /// keeps a window, when a window closes, and through which topic records pass where the key was
    /// changed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let bids: KStream<'_, String, i64> = builder.stream("bids");
    /// let minutes = TimeWindows::of_size(Duration::from_secs(60));
    /// let highest = bids.group_by_key().windowed_by(minutes).reduce(i64::max);
    /// highest.to_stream().map(|window, bid| (window.to_string(), bid)).to("highest");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut bids = driver.input::<String, i64>("bids");
    /// for (bid, millis) in [(20, 1), (15, 2), (7, 60_000)] {
    ///     bids.pipe_at("vase", bid, Timestamp::from_millis(millis))?;
    /// }
    /// let highest = driver.output::<String, Option<i64>>("highest").read_map()?;
    /// assert_eq!(highest["[vase@0/60000]"], Some(20));
    /// assert_eq!(highest["[vase@60000/120000]"], Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reduce<N, R>(
        self,
        reducer: impl Fn(N, W::Taken) -> R + Send + Sync + 'static,
    ) -> KTable<'b, Windowed<K>, N>
    where
        W: Takes<V, N>,
        R: OrNull<N>,
        K: DefaultSerde,
        N: DefaultSerde + Clone,
    {
        self.reduce_with(reducer, Materialized::new())
    }

    /// As [`reduce`](Self::reduce), with a store or a name.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, Materialized, SessionWindows, StreamsBuilder};
    /// # use streams_state::SessionStore;
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let bids: KStream<'_, String, i64> = builder.stream("bids");
    /// let gap = SessionWindows::of_inactivity_gap(Duration::from_millis(5));
    /// let bids = bids.group_by_key().windowed_by(gap);
    /// let _ = bids.reduce_with(i64::max, Materialized::named("highest"));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut bids = driver.input::<String, i64>("bids");
    /// for (bid, millis) in [(20, 10), (15, 18), (7, 14)] {
    ///     bids.pipe_at("vase", bid, Timestamp::from_millis(millis))?;
    /// }
    /// let highest = driver.store::<SessionStore<String, i64>>("highest")?;
    /// let highest = highest.fetch(&"vase".to_owned())?.collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!((highest[0].0.to_string().as_str(), highest[0].1), ("[vase@10/18]", 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reduce_with<N, R>(
        self,
        reducer: impl Fn(N, W::Taken) -> R + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, N>>,
    ) -> KTable<'b, Windowed<K>, N>
    where
        W: Takes<V, N>,
        R: OrNull<N>,
        N: Clone + 'static,
    {
        let reducer =
            move |before, value| -> Result<R, ProcessorError> { Ok(reducer(before, value)) };
        self.try_reduce(reducer, materialized)
    }

    /// As [`reduce_with`](Self::reduce_with), by a function that may fail; the processing handler
    /// says what becomes of the record, and the aggregate of the window stays as it was. Windows
    /// that took the record before the failure keep it, as in Kafka.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let add = |sum: i64, n| sum.checked_add(n).ok_or("the sum is too large");
    /// let minutes = TimeWindows::of_size(Duration::from_secs(60));
    /// let sums = numbers.group_by_key().windowed_by(minutes).try_reduce(add, Materialized::new());
    /// sums.to_stream().map(|window, sum| (window.key, sum)).to("sums");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut numbers = driver.input::<String, i64>("numbers");
    /// numbers.pipe_all([("a", 3), ("a", i64::MAX - 3)])?;
    /// assert!(numbers.pipe("a", 1).is_err());
    /// assert_eq!(driver.output::<String, Option<i64>>("sums").read_map()?["a"], Some(i64::MAX));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_reduce<N, R, E>(
        self,
        reducer: impl Fn(N, W::Taken) -> Result<R, E> + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, N>>,
    ) -> KTable<'b, Windowed<K>, N>
    where
        W: Takes<V, N>,
        R: OrNull<N>,
        N: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let reduce = move |before, value| reducer(before, value).map_err(Into::into);
        let stored = (REDUCE_PREFIX, materialized.into());
        W::folded(self, stored, Reduction::new(reduce))
    }
}
