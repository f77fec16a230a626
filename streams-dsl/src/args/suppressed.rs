//! How long updates of a table wait, and how many may.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use streams_core::names::NodeName;
use streams_core::serde::{DefaultSerde, SessionWindowedSerde, SharedSerde, TimeWindowedSerde};
use streams_core::store::Logging;
use streams_core::time::Timestamp;
use streams_core::window::Windowed;

use super::Named;
use crate::window::KeyWindows;

/// When a table's updates go on; see [`KTable::suppress`](crate::KTable::suppress). Answers to
/// Kafka's `Suppressed`.
///
/// `K` and `V` are the types of the table. Its serdes are needed for the buffer's changelog.
// DIFFERENCE(suppress-serdes): in Kafka the serdes come from upstream.
pub struct Suppressed<K, V> {
    pub(crate) name: Option<NodeName>,
    pub(crate) until: Until<K>,
    pub(crate) bounds: Bounds,
    pub(crate) key: KeySerde<K>,
    pub(crate) value: SharedSerde<V>,
}

/// What an update waits for.
pub(crate) enum Until<K> {
    /// Stream time has passed the time of the first update by so many milliseconds.
    TimeLimit(i64),
    /// Stream time has passed the end of the key's window, and what it grants to late records.
    WindowCloses(fn(&K) -> Timestamp),
}

impl<K> Clone for Until<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Until<K> {}

/// The serde of the keys.
pub(crate) enum KeySerde<K> {
    Given(SharedSerde<K>),
    /// Made for the windows of the table.
    InWindows(Arc<dyn Fn(KeyWindows) -> SharedSerde<K>>),
}

impl<K> Clone for KeySerde<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Given(serde) => Self::Given(Arc::clone(serde)),
            Self::InWindows(make) => Self::InWindows(Arc::clone(make)),
        }
    }
}

impl<K, V> Suppressed<K, V> {
    /// An update waits until stream time has passed its time by `limit`; later updates of its key
    /// take its place, and go on when it would have. Stream time is the greatest time of an update
    /// that came. With a limit of 0 nothing waits.
    ///
    /// Keys and values have the default serdes of their types.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{BufferConfig, KTable, StreamsBuilder, Suppressed};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let second = Duration::from_secs(1);
    /// let last = Suppressed::until_time_limit(second, BufferConfig::unbounded());
    /// prices.suppress(last).to_stream().to("thin-prices");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut prices = driver.input::<String, i64>("prices");
    /// for (key, price, millis) in [("a", 1, 0), ("a", 2, 500), ("b", 7, 1000)] {
    ///     prices.pipe_at(key, price, Timestamp::from_millis(millis))?;
    /// }
    /// let thin = driver.output::<String, Option<i64>>("thin-prices").read_records()?;
    /// assert_eq!((thin.len(), thin[0].value, thin[0].timestamp.millis()), (1, Some(2), 500));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn until_time_limit<F: WhenFull>(limit: Duration, buffer: BufferConfig<F>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::until_time_limit_with(limit, buffer, (K::serde(), V::serde()))
    }

    /// As [`until_time_limit`](Self::until_time_limit), with these serdes of keys and values. The
    /// key of a table of windows has [`TimeWindowedSerde`] or [`SessionWindowedSerde`].
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::time::Duration;
    /// # use streams_core::serde::{DefaultSerde, Json, SharedSerde};
    /// # use streams_dsl::{BufferConfig, KTable, StreamsBuilder, Suppressed};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let lists: KTable<'_, String, String> = builder.table("lists");
    /// let lists = lists.map_values(|list| list.split(' ').map(str::to_owned).collect::<Vec<_>>());
    /// let json: SharedSerde<Vec<String>> = Arc::new(Json::new());
    /// let serdes = (String::serde(), json);
    /// let second = Duration::from_secs(1);
    /// let last = Suppressed::until_time_limit_with(second, BufferConfig::unbounded(), serdes);
    /// lists.suppress(last.with_name("thin")).to_stream().map_values(|_| ()).to("lists");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("lists").pipe("a", "to be")?;
    /// assert_eq!(driver.produced("topology-test-driver-thin-store-changelog").len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn until_time_limit_with<F: WhenFull>(
        limit: Duration,
        buffer: BufferConfig<F>,
        (key, value): (SharedSerde<K>, SharedSerde<V>),
    ) -> Self {
        let limit_ms = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
        let until = Until::TimeLimit(limit_ms);
        Self { name: None, until, bounds: buffer.bounds, key: KeySerde::Given(key), value }
    }

    /// The operator's node has this name, and its buffer `<name>-store`. Without a name, both are
    /// generated.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{BufferConfig, KTable, StreamsBuilder, Suppressed};
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let second = Duration::from_secs(1);
    /// let last = Suppressed::until_time_limit(second, BufferConfig::unbounded());
    /// prices.suppress(last.with_name("thin")).to_stream().to("thin-prices");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: thin (stores: [thin-store])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_name(self, name: impl Into<Named>) -> Self {
        Self { name: name.into().0, ..self }
    }
}

impl<K: 'static, V> Suppressed<Windowed<K>, V> {
    /// Each window gives its last update, and no other, when it is closed: when stream time has
    /// passed its end and its grace period, for a session its gap too. Deletions do not go on, as
    /// nothing did before. A window never leaves before that, so the buffer must not be one that
    /// emits early.
    ///
    /// Keys within their windows and values have the default serdes of their types.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{BufferConfig, KStream, StreamsBuilder, Suppressed, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let ms = Duration::from_millis;
    /// let windows = TimeWindows::of_size(ms(10)).with_grace(ms(5));
    /// let closed = Suppressed::until_window_closes(BufferConfig::unbounded());
    /// let counts = clicks.group_by_key().windowed_by(windows).count().suppress(closed);
    /// counts.to_stream().map(|window, count| (window.to_string(), count)).to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// for millis in [1, 14, 2, 15] {
    ///     clicks.pipe_at("ann", "x", Timestamp::from_millis(millis))?;
    /// }
    /// let counts = driver.output::<String, Option<i64>>("counts").read_key_values()?;
    /// assert_eq!(counts, [("[ann@0/10]".to_owned(), Some(2))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn until_window_closes(buffer: StrictBufferConfig) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::until_window_closes_with(buffer, (K::serde(), V::serde()))
    }

    /// As [`until_window_closes`](Self::until_window_closes), with these serdes of keys, which do
    /// not write the window, and of values.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{BufferConfig, KStream, StreamsBuilder, Suppressed, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let windows = TimeWindows::of_size(Duration::from_millis(10));
    /// let serdes = (String::serde(), i64::serde());
    /// let closed = Suppressed::until_window_closes_with(BufferConfig::unbounded(), serdes);
    /// let counts = clicks.group_by_key().windowed_by(windows).count().suppress(closed);
    /// counts.to_stream().map(|window, count| (window.key, count)).to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// clicks.pipe_at("ann", "x", Timestamp::from_millis(9))?;
    /// clicks.pipe_at("ann", "x", Timestamp::from_millis(10))?;
    /// assert_eq!(driver.output::<String, Option<i64>>("counts").read_values()?, [Some(1)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn until_window_closes_with(
        buffer: StrictBufferConfig,
        (key, value): (SharedSerde<K>, SharedSerde<V>),
    ) -> Self {
        let in_windows = move |windows: KeyWindows| match windows.size_ms {
            Some(size) => {
                let size = Duration::from_millis(u64::try_from(size).unwrap_or(0));
                TimeWindowedSerde::shared(Arc::clone(&key), size)
            }
            None => SessionWindowedSerde::shared(Arc::clone(&key)),
        };
        Self {
            name: None,
            until: Until::WindowCloses(|key| key.window.end),
            bounds: buffer.bounds,
            key: KeySerde::InWindows(Arc::new(in_windows)),
            value,
        }
    }
}

impl<K, V> Clone for Suppressed<K, V> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            until: self.until,
            bounds: self.bounds.clone(),
            key: self.key.clone(),
            value: Arc::clone(&self.value),
        }
    }
}

impl<K, V> fmt::Debug for Suppressed<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Suppressed");
        debug.field("name", &self.name);
        match self.until {
            Until::TimeLimit(limit_ms) => debug.field("limit_ms", &limit_ms),
            Until::WindowCloses(_) => debug.field("until", &"window closes"),
        };
        debug.field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

/// How many updates may wait in [`suppress`](crate::KTable::suppress), what happens when there are
/// more, and whether they survive a crash. Answers to Kafka's `BufferConfig`.
///
/// The buffer is in memory, whose part for buffers no bound exceeds: then an early emission happens,
/// or the task fails with [`BufferFull`](streams_core::error::BufferFull), as at a bound of its own.
///
/// ```
/// use streams_dsl::{BufferConfig, EagerBufferConfig, StrictBufferConfig};
///
/// let eager: EagerBufferConfig = BufferConfig::max_records(1000).with_max_bytes(1 << 20);
/// let strict: StrictBufferConfig = eager.clone().shut_down_when_full();
/// assert_ne!(format!("{eager:?}"), format!("{strict:?}"));
/// assert_eq!(format!("{:?}", eager.with_no_bound()), format!("{:?}", BufferConfig::unbounded()));
/// ```
#[derive(Debug, Clone)]
pub struct BufferConfig<F> {
    bounds: Bounds,
    when_full: PhantomData<fn() -> F>,
}

/// A buffer that gives out its first updates early when it is full.
pub type EagerBufferConfig = BufferConfig<EmitEarly>;

/// A buffer that gives out nothing early: when it is full, the task fails.
pub type StrictBufferConfig = BufferConfig<ShutDown>;

/// Of a [`BufferConfig`]: a full buffer gives out its first updates.
#[derive(Debug, Clone, Copy)]
pub enum EmitEarly {}

/// Of a [`BufferConfig`]: a full buffer fails the task.
#[derive(Debug, Clone, Copy)]
pub enum ShutDown {}

mod sealed {
    /// What [`WhenFull`](super::WhenFull) is inside the crate.
    pub trait WhenFull {
        const POLICY: super::Full;
    }
}

/// What a full buffer does: [`EmitEarly`] or [`ShutDown`].
pub trait WhenFull: sealed::WhenFull {}

impl sealed::WhenFull for EmitEarly {
    const POLICY: Full = Full::Emit;
}

impl sealed::WhenFull for ShutDown {
    const POLICY: Full = Full::Fail;
}

impl WhenFull for EmitEarly {}
impl WhenFull for ShutDown {}

/// What a full buffer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// It gives out its first updates.
    Emit,
    /// It fails the task.
    Fail,
}

/// What a buffer may hold.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    pub(crate) records_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) full: Full,
    pub(crate) logging: Logging,
}

impl Bounds {
    const fn none(full: Full, logging: Logging) -> Self {
        Self { records_max: usize::MAX, bytes_max: usize::MAX, full, logging }
    }
}

impl StrictBufferConfig {
    /// As many updates as the process has memory for. A good choice where the keys are few, or a
    /// window is short.
    ///
    /// ```
    /// # use streams_dsl::{BufferConfig, StrictBufferConfig};
    /// let buffer: StrictBufferConfig = BufferConfig::unbounded();
    /// let bounded = buffer.clone().with_max_records(1000);
    /// assert_ne!(format!("{buffer:?}"), format!("{bounded:?}"));
    /// ```
    #[must_use]
    pub const fn unbounded() -> Self {
        Self::of(Bounds::none(Full::Fail, Logging::On(BTreeMap::new())))
    }
}

impl EagerBufferConfig {
    /// At most so many updates; when there are more, the first go on early.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{BufferConfig, KTable, StreamsBuilder, Suppressed};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let (hour, one) = (Duration::from_secs(3_600), BufferConfig::max_records(1));
    /// prices.suppress(Suppressed::until_time_limit(hour, one)).to_stream().to("thin-prices");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe_all([("a", 1), ("a", 2), ("b", 7)])?;
    /// let thin = driver.output::<String, Option<i64>>("thin-prices").read_key_values()?;
    /// assert_eq!(thin, [("a".to_owned(), Some(2))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn max_records(records: usize) -> Self {
        let bounds = Bounds::none(Full::Emit, Logging::On(BTreeMap::new()));
        Self::of(bounds).with_max_records(records)
    }

    /// At most so many bytes; when there are more, the first updates go on early. Counted as in
    /// Kafka: keys, values, headers and what is known of the record.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{BufferConfig, KTable, StreamsBuilder, Suppressed};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let (hour, few) = (Duration::from_secs(3_600), BufferConfig::max_bytes(100));
    /// prices.suppress(Suppressed::until_time_limit(hour, few)).to_stream().to("thin-prices");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe_all([("a", 1), ("b", 2), ("c", 3)])?;
    /// let thin = driver.output::<String, Option<i64>>("thin-prices").read_key_values()?;
    /// assert_eq!(thin[0], ("a".to_owned(), Some(1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn max_bytes(bytes: usize) -> Self {
        let bounds = Bounds::none(Full::Emit, Logging::On(BTreeMap::new()));
        Self::of(bounds).with_max_bytes(bytes)
    }
}

impl<F> BufferConfig<F> {
    const fn of(bounds: Bounds) -> Self {
        Self { bounds, when_full: PhantomData }
    }

    /// At most so many updates.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{BufferConfig, KTable, StreamsBuilder, Suppressed};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let one = BufferConfig::max_bytes(1 << 20).with_max_records(1);
    /// let hour = Duration::from_secs(3_600);
    /// prices.suppress(Suppressed::until_time_limit(hour, one)).to_stream().to("thin-prices");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe_all([("a", 1), ("b", 7)])?;
    /// assert_eq!(driver.output::<String, Option<i64>>("thin-prices").len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn with_max_records(mut self, records: usize) -> Self {
        self.bounds.records_max = records;
        self
    }

    /// At most so many bytes, counted as in [`max_bytes`](Self::max_bytes).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{BufferConfig, KTable, StreamsBuilder, Suppressed};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let none = BufferConfig::unbounded().with_max_bytes(1);
    /// let hour = Duration::from_secs(3_600);
    /// prices.suppress(Suppressed::until_time_limit(hour, none)).to_stream().to("thin-prices");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// assert!(driver.input::<String, i64>("prices").pipe("a", 1).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn with_max_bytes(mut self, bytes: usize) -> Self {
        self.bounds.bytes_max = bytes;
        self
    }

    /// No bound, and so none of its own at which the task fails.
    ///
    /// ```
    /// # use streams_dsl::{BufferConfig, StrictBufferConfig};
    /// let buffer: StrictBufferConfig = BufferConfig::max_records(1000).with_no_bound();
    /// assert_eq!(format!("{buffer:?}"), format!("{:?}", BufferConfig::unbounded()));
    /// ```
    #[must_use]
    pub fn with_no_bound(self) -> StrictBufferConfig {
        BufferConfig::of(Bounds::none(Full::Fail, self.bounds.logging))
    }

    /// A full buffer gives out its first updates early.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{BufferConfig, KTable, StreamsBuilder, Suppressed};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let one = BufferConfig::unbounded().with_max_records(1).emit_early_when_full();
    /// let hour = Duration::from_secs(3_600);
    /// prices.suppress(Suppressed::until_time_limit(hour, one)).to_stream().to("thin-prices");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe_all([("a", 1), ("b", 7)])?;
    /// assert_eq!(driver.output::<String, Option<i64>>("thin-prices").read_values()?, [Some(1)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn emit_early_when_full(self) -> EagerBufferConfig {
        self.when_full()
    }

    /// A full buffer fails the task. The processing handler is asked first; if it says to go on,
    /// the update waits nevertheless, unless it is the memory that is full.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{BufferConfig, KTable, StreamsBuilder, Suppressed};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let one = BufferConfig::max_records(1).shut_down_when_full();
    /// let hour = Duration::from_secs(3_600);
    /// prices.suppress(Suppressed::until_time_limit(hour, one)).to_stream().to("thin-prices");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut prices = driver.input::<String, i64>("prices");
    /// prices.pipe_all([("a", 1), ("a", 2)])?;
    /// assert!(prices.pipe("b", 7).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn shut_down_when_full(self) -> StrictBufferConfig {
        self.when_full()
    }

    // DIFFERENCE(suppress-logging): in Kafka this turns a changelog on again that was turned off.
    fn when_full<G: WhenFull>(self) -> BufferConfig<G> {
        BufferConfig::of(Bounds { full: G::POLICY, ..self.bounds })
    }

    /// No changelog: what waits is lost when the task moves or the process ends.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{BufferConfig, KTable, StreamsBuilder, Suppressed};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let buffer = BufferConfig::max_records(9).without_changelog().emit_early_when_full();
    /// let hour = Duration::from_secs(3_600);
    /// prices.suppress(Suppressed::until_time_limit(hour, buffer)).to_stream().to("thin-prices");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe("a", 1)?;
    /// assert!(driver.produced_topics().iter().all(|topic| !topic.as_str().contains("SUPPRESS")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn without_changelog(mut self) -> Self {
        self.bounds.logging = Logging::Off;
        self
    }

    /// Settings of the changelog topic, over the defaults.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::store::Logging;
    /// # use streams_dsl::{BufferConfig, KTable, StreamsBuilder, Suppressed};
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let buffer = BufferConfig::unbounded().with_changelog_settings([("segment.ms", "60000")]);
    /// let last = Suppressed::until_time_limit(Duration::from_secs(1), buffer).with_name("thin");
    /// let _ = prices.suppress(last).to_stream();
    ///
    /// let topology = builder.build()?;
    /// let buffer = topology.stores().find(|store| store.name() == "thin-store");
    /// let store = buffer.expect("the store of what waits");
    /// assert!(matches!(store.logging(), Logging::On(set) if set["segment.ms"] == "60000"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_changelog_settings(
        mut self,
        settings: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let settings = settings.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.bounds.logging = Logging::On(settings.collect());
        self
    }
}
