//! Cogrouped streams in windows.

use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::names::StoreName;
use streams_core::serde::DefaultSerde;
use streams_core::window::Windowed;

use super::member::{Member, Merger, Start};
use super::{CogroupedKStream, Parts, presence};
use crate::args::Materialized;
use crate::null::OrNull;
use crate::operators::window_node::Windowing as By;
use crate::plan::MakeTable;
use crate::table::KTable;
use crate::view::Kept;
use crate::window::{
    EmitStrategy, SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows, Windowing,
};
use crate::windowed::problem_of;

/// Cogrouped streams whose records fall into windows `W`, to be aggregated by key and window.
/// Answers to Kafka's `TimeWindowedCogroupedKStream` and `SessionWindowedCogroupedKStream`.
///
/// Keys, values, nulls, times, headers and late records are as with
/// [`WindowedKStream`](crate::WindowedKStream), and so is how long a store keeps a window, and its
/// changelog; each stream has its own stream time. All streams write one store,
/// `COGROUPKSTREAM-AGGREGATE-STATE-STORE-<number>` unless it is given a name. Where the key of a
/// stream was changed, its records pass through `<application id>-<name>-repartition` first, called
/// after its grouping or else the store. Results leave at each update of a window.
#[must_use = "windowed streams do nothing until they are aggregated"]
pub struct WindowedCogroupedKStream<'b, K, A, W, I = A> {
    streams: CogroupedKStream<'b, K, A, I>,
    windows: W,
}

impl<K, A, W: Copy, I> Clone for WindowedCogroupedKStream<'_, K, A, W, I> {
    fn clone(&self) -> Self {
        Self { streams: self.streams.clone(), windows: self.windows }
    }
}

impl<K, A, W: std::fmt::Debug, I> std::fmt::Debug for WindowedCogroupedKStream<'_, K, A, W, I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("WindowedCogroupedKStream");
        debug.field("streams", &self.streams).field("windows", &self.windows).finish()
    }
}

/// Windows that never become one; sealed.
pub trait Unmerged: Windowing {
    /// The aggregate in this store.
    fn aggregated<'b, K, A, I>(
        streams: WindowedCogroupedKStream<'b, K, A, Self, I>,
        initial: Arc<dyn Fn() -> I + Send + Sync>,
        materialized: Materialized<K, A>,
    ) -> KTable<'b, Windowed<K>, A>
    where
        K: Clone + 'static,
        A: Clone + 'static,
        I: OrNull<A>;
}

const EMIT: EmitStrategy = EmitStrategy::OnWindowUpdate;

macro_rules! unmerged {
    ($windows:ident, $store:ident, $node:ident) => {
        impl Unmerged for $windows {
            fn aggregated<'b, K, A, I>(
                streams: WindowedCogroupedKStream<'b, K, A, Self, I>,
                start: Arc<dyn Fn() -> I + Send + Sync>,
                materialized: Materialized<K, A>,
            ) -> KTable<'b, Windowed<K>, A>
            where
                K: Clone + 'static,
                A: Clone + 'static,
                I: OrNull<A>,
            {
                let store = |windows: &Self, with: &Materialized<K, A>, name| {
                    with.$store(name, windows, EMIT)
                };
                streams.built(materialized, store, |by, member| member.$node(&start, by))
            }
        }
    };
}

unmerged!(TimeWindows, window_store, in_time_windows);
unmerged!(UnlimitedWindows, window_store, in_one_window);
unmerged!(SlidingWindows, sliding_store, in_sliding_windows);

impl<'b, K, A, W, I> WindowedCogroupedKStream<'b, K, A, W, I>
where
    K: Clone + 'static,
    A: Clone + 'static,
    I: OrNull<A>,
    W: Windowing,
{
    pub(super) const fn new(streams: CogroupedKStream<'b, K, A, I>, windows: W) -> Self {
        Self { streams, windows }
    }

    /// The table in this store, whose nodes `make` makes.
    fn built(
        self,
        materialized: Materialized<K, A>,
        store_of: impl FnOnce(&W, &Materialized<K, A>, StoreName) -> Kept<Windowed<K>, A>,
        make: impl Fn(&By<W>, &dyn Member<K, A, I>) -> Box<MakeTable>,
    ) -> KTable<'b, Windowed<K>, A> {
        let Self { streams, windows } = self;
        let store = streams.store_name(&materialized);
        let parts = Parts {
            presence: presence(&materialized),
            // DIFFERENCE(cogrouped-rows): Kafka looks for a store of keys and values here.
            kept: store_of(&windows, &materialized, store.clone()),
            windows: Some(windows.of_keys()),
            problem: problem_of(&windows, &materialized),
            node: materialized.node,
        };
        let by = By { windows, emit: EMIT, store };
        streams.built(parts, |member| make(&by, member))
    }
}

impl<'b, K, A, W, I> WindowedCogroupedKStream<'b, K, A, W, I>
where
    K: Clone + 'static,
    A: Clone + 'static,
    I: OrNull<A>,
    W: Unmerged,
{
    /// The aggregate of each key and window over all streams. It starts from what `initial` gives;
    /// an aggregator that gives `None` deletes it. Aggregators see null values where a stream's
    /// type has null; sliding windows drop and count them.
    ///
    /// A row has the key and its window, and the time of the window's latest record. A change has
    /// the headers of the record that made it. A null key is dropped and counted; a closed window
    /// stays as it is, and each record that comes too late for it is counted.
    /// [`WindowedCogroupedKStream`] says what is made.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let views: KStream<'_, String, String> = builder.stream("views");
    /// let buys: KStream<'_, String, i64> = builder.stream("buys");
    /// views
    ///     .group_by_key()
    ///     .cogroup(|_, _, points: i64| points + 1)
    ///     .cogroup(buys.group_by_key(), |_, price, points| points + 10 * price)
    ///     .windowed_by(TimeWindows::of_size(Duration::from_millis(10)))
    ///     .aggregate(|| 0)
    ///     .to_stream()
    ///     .map(|window, points| (window.key, points))
    ///     .to("points");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let at = Timestamp::from_millis(3);
    /// driver.input::<String, String>("views").pipe_at("ann", "shoes", at)?;
    /// driver.input::<String, i64>("buys").pipe_at("ann", 4, at)?;
    /// let points = driver.output::<String, Option<i64>>("points").read_map()?;
    /// assert_eq!(points["ann"], Some(41));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
    ) -> KTable<'b, Windowed<K>, A>
    where
        K: DefaultSerde,
        A: DefaultSerde,
    {
        self.aggregate_with(initial, Materialized::new())
    }

    /// As [`aggregate`](Self::aggregate), with a store or a name.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder, TimeWindows};
    /// # use streams_state::TimestampedWindowStore;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let views: KStream<'_, String, String> = builder.stream("views");
    /// let views = views.group_by_key().cogroup(|_, _, points: i64| points + 1);
    /// let minutes = views.windowed_by(TimeWindows::of_size(Duration::from_secs(60)));
    /// let _ = minutes.aggregate_with(|| 0, Materialized::named("points"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let at = Timestamp::from_millis(61_000);
    /// driver.input::<String, String>("views").pipe_at("ann", "shoes", at)?;
    /// let points = driver.store::<TimestampedWindowStore<String, i64>>("points")?;
    /// let point = points.get(&"ann".to_owned(), Timestamp::from_millis(60_000))?;
    /// assert_eq!(point.map(|point| point.value), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate_with(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, Windowed<K>, A> {
        W::aggregated(self, Arc::new(initial), materialized.into())
    }
}

impl<'b, K, A, I> WindowedCogroupedKStream<'b, K, A, SessionWindows, I>
where
    K: Clone + 'static,
    A: Clone + 'static,
    I: OrNull<A>,
{
    /// The aggregate of each key and session over all streams. It starts from what `initial` gives;
    /// `merger` makes one aggregate of two when sessions become one. An aggregator that gives
    /// `None` deletes it; it sees null values where its stream's type has null.
    ///
    /// A row has the key and its session, and the session's end as its time. Sessions that a record
    /// joins leave the table by a null, each at its own end, before the one that they become comes.
    /// A change has the headers of the record that made it, and none without a record cache or with
    /// `dsl.store.format=headers`. Records with a null key, and those whose session is closed, are
    /// dropped and counted. [`WindowedCogroupedKStream`] says what is made.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, SessionWindows, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let clicks: KStream<'_, String, i64> = builder.stream("clicks");
    /// let keys: KStream<'_, String, i64> = builder.stream("keys");
    /// clicks
    ///     .group_by_key()
    ///     .cogroup(|_, count, sum: i64| sum + count)
    ///     .cogroup(keys.group_by_key(), |_, count, sum| sum + count)
    ///     .windowed_by(SessionWindows::of_inactivity_gap(Duration::from_millis(5)))
    ///     .aggregate(|| 0, |_, one, other| one + other)
    ///     .to_stream()
    ///     .map(|session, sum| (session.key, sum))
    ///     .to("activity");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("clicks").pipe_at("ann", 1, Timestamp::from_millis(10))?;
    /// driver.input::<String, i64>("keys").pipe_at("ann", 8, Timestamp::from_millis(14))?;
    /// let activity = driver.output::<String, Option<i64>>("activity").read_map()?;
    /// assert_eq!(activity["ann"], Some(9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        merger: impl Fn(&K, I, I) -> I + Send + Sync + 'static,
    ) -> KTable<'b, Windowed<K>, A>
    where
        K: DefaultSerde,
        A: DefaultSerde,
    {
        self.aggregate_with(initial, merger, Materialized::new())
    }

    /// As [`aggregate`](Self::aggregate), with a store or a name.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, Materialized, SessionWindows, StreamsBuilder};
    /// # use streams_state::SessionStore;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let views: KStream<'_, String, String> = builder.stream("views");
    /// let views = views.group_by_key().cogroup(|_, _, points: i64| points + 1);
    /// let minute = SessionWindows::of_inactivity_gap(Duration::from_secs(60));
    /// let sessions = views.windowed_by(minute);
    /// let both = |_: &String, one: i64, other| one + other;
    /// let _ = sessions.aggregate_with(|| 0, both, Materialized::named("points"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut views = driver.input::<String, String>("views");
    /// views.pipe_at("ann", "shoes", Timestamp::from_millis(1))?;
    /// views.pipe_at("ann", "hats", Timestamp::from_millis(60_000))?;
    /// let points = driver.store::<SessionStore<String, i64>>("points")?;
    /// let points = points.fetch(&"ann".to_owned())?.collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!((points[0].0.to_string().as_str(), points[0].1), ("[ann@1/60000]", 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate_with(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        merger: impl Fn(&K, I, I) -> I + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, Windowed<K>, A> {
        let merger =
            move |key: &K, one, other| -> Result<I, ProcessorError> { Ok(merger(key, one, other)) };
        self.try_aggregate(initial, merger, materialized)
    }

    /// As [`aggregate`](Self::aggregate), by a merger that may fail; the processing handler says
    /// what becomes of the record, and the sessions stay as they were.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, Materialized, SessionWindows, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let gap = SessionWindows::of_inactivity_gap(Duration::from_millis(5));
    /// let sums = numbers.group_by_key().cogroup(|_, n, sum: i64| sum + n).windowed_by(gap);
    /// let both = |_: &String, one: i64, other| one.checked_add(other).ok_or("too large a sum");
    /// let sums = sums.try_aggregate(|| 0, both, Materialized::new());
    /// sums.to_stream().map(|session, sum| (session.to_string(), sum)).to("sums");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut numbers = driver.input::<String, i64>("numbers");
    /// numbers.pipe_at("a", i64::MAX, Timestamp::from_millis(10))?;
    /// assert!(numbers.pipe_at("a", 1, Timestamp::from_millis(14)).is_err());
    /// let sums = driver.output::<String, Option<i64>>("sums").read_map()?;
    /// assert_eq!((sums.len(), sums["[a@10/10]"]), (1, Some(i64::MAX)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_aggregate<E>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        merger: impl Fn(&K, I, I) -> Result<I, E> + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, Windowed<K>, A>
    where
        E: Into<ProcessorError>,
    {
        let merge = move |key: &K, one, other| merger(key, one, other).map_err(Into::into);
        let (start, merge): (Start<I>, Merger<K, I>) = (Arc::new(initial), Arc::new(merge));
        let store = |windows: &SessionWindows, with: &Materialized<K, A>, name| {
            with.session_store(name, windows, EMIT)
        };
        self.built(materialized.into(), store, |by, member| {
            member.in_sessions((&start, &merge), by)
        })
    }
}
