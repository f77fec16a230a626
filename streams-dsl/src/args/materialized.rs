//! The store behind a table.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use streams_core::names::{NodeName, StoreName};
use streams_core::serde::DefaultSerde;
use streams_core::store::{RowOrder, StoreSpec};
use streams_core::window::Windowed;
use streams_state::{
    BytesStoreSupplier, Cached, SessionStore, StoreBuilder, Stores, TimestampedWindowStore,
};

use super::serdes::by_serdes;
use super::{Named, Placement, Serdes};
use crate::view::Kept;
use crate::window::{EmitStrategy, SessionWindows, Sizes, SlidingWindows, StartsOf};

/// The store behind a table or an aggregation, and the name of its node. Answers to Kafka's
/// `Materialized`.
///
/// By default a store is on disk, or where `dsl.store.suppliers.class` says, has a record cache, which
/// keeps all but the last update of a key between two commits from going further, and a changelog
/// topic, from which it is rebuilt.
///
/// ```
/// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
/// # use streams_test::TopologyTestDriver;
/// let builder = StreamsBuilder::new();
/// let words: KStream<'_, String, String> = builder.stream("words");
/// let stored = Materialized::named("counts").in_memory().without_changelog();
/// let _ = words.group_by_key().count_with(stored);
///
/// let driver = TopologyTestDriver::new(&builder.build()?)?;
/// driver.input::<String, String>("words").pipe_all([("be", "x"), ("be", "y")])?;
/// assert_eq!(driver.key_values::<String, i64>("counts")?.get(&"be".to_owned())?, Some(2));
/// assert!(driver.produced_topics().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Materialized<K, V> {
    pub(crate) node: Option<NodeName>,
    pub(crate) store: Option<StoreName>,
    pub(crate) index: StoreIndex,
    pub(crate) serdes: Serdes<K, V>,
    placement: Placement,
    caching: Caching,
    retention: Option<Duration>,
    versions: Option<Versions>,
    rows_max: Option<usize>,
}

/// The versions that a store keeps of each row.
#[derive(Debug, Clone, Copy)]
struct Versions {
    history: Duration,
    segment_interval: Option<Duration>,
}

/// Whether naming the node alone takes the index that Kafka's `count(Materialized)` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreIndex {
    /// As when a `Materialized` is passed.
    Extra,
    /// As when none is.
    Plain,
}

#[derive(Debug, Clone, Copy)]
enum Caching {
    On,
    Off,
}

impl<K, V> Materialized<K, V> {
    const fn of(serdes: Serdes<K, V>) -> Self {
        Self {
            node: None,
            store: None,
            index: StoreIndex::Extra,
            serdes,
            placement: Placement::new(),
            caching: Caching::On,
            retention: None,
            versions: None,
            rows_max: None,
        }
    }

    /// A store of this name, under which processors and the test driver find it, with the default
    /// serdes of its types.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let counts = words.group_by_key().count_with(Materialized::named("counts"));
    /// assert_eq!(counts.store_name(), Some("counts".into()));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("be", "x")?;
    /// assert_eq!(driver.produced("topology-test-driver-counts-changelog").len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn named(store: impl Into<StoreName>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::new().with_store_name(store)
    }

    /// The store has this name, under which processors and the test driver find it; its changelog
    /// is `<application id>-<name>-changelog`.
    ///
    /// ```
    /// # use streams_core::serde::{Number, Utf8};
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let stored = Materialized::with_serdes(Utf8, Number).with_store_name("counts");
    /// let counts = words.group_by_key().count_with(stored);
    /// assert_eq!(counts.store_name(), Some("counts".into()));
    /// ```
    #[must_use]
    pub fn with_store_name(self, store: impl Into<StoreName>) -> Self {
        Self { store: Some(store.into()), ..self }
    }

    /// The operator's node has this name, as with [`Named`]. The store has not: it keeps its own.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let stored = Materialized::new().with_node_name("count-words");
    /// let counts = words.group_by_key().count_with(stored);
    /// assert_eq!(counts.store_name(), None);
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("count-words (stores: [KSTREAM-AGGREGATE-STATE-STORE-0000000002])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_node_name(self, node: impl Into<Named>) -> Self {
        Self { node: node.into().0, ..self }
    }

    /// The store is kept in memory, and rebuilt from its changelog after each start.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let _ = words.group_by_key().count_with(Materialized::named("counts").in_memory());
    ///
    /// let topology = builder.build()?;
    /// let store = topology.stores().next().expect("one store");
    /// assert!(!store.is_persistent());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn in_memory(self) -> Self {
        Self { placement: self.placement.in_memory(), ..self }
    }

    /// The store is kept on disk, whatever `dsl.store.suppliers.class` says. Kafka's
    /// `withStoreType(ROCKS_DB)`.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let _ = words.group_by_key().count_with(Materialized::named("counts").on_disk());
    /// let config = StreamsConfig::builder()
    ///     .application_id("words")
    ///     .bootstrap_servers("none:9092")
    ///     .set("dsl.store.suppliers.class", "in_memory")
    ///     .build()?;
    ///
    /// let topology = builder.build()?.configured(config.state());
    /// assert!(topology.stores().all(|store| store.is_persistent()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn on_disk(self) -> Self {
        Self { placement: self.placement.on_disk(), ..self }
    }

    /// The rows are kept in a place of the program's own, be they those of a table, of windows, of
    /// sessions, versioned or global; see `StoreBuilder::kept_in`. As in Kafka, rows in a place that is
    /// said so have no headers, whatever `dsl.store.format` says. Kafka's `Materialized.as` with a
    /// supplier of one's own.
    ///
    /// ```
    /// # mod map { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../streams-state/doc/map.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder, TimeWindows};
    /// # use streams_state::{BytesStore, BytesStoreError, BytesStoreSupplier, StorePlace};
    /// # use streams_state::TimestampedWindowStore;
    /// # use streams_test::TopologyTestDriver;
    /// # use map::Map;
    /// struct Maps;
    ///
    /// impl BytesStoreSupplier for Maps {
    ///     fn open(&self, _: StorePlace<'_>) -> Result<Box<dyn BytesStore>, BytesStoreError> {
    ///         Ok(Box::new(Map::default())) // A `BytesStore` over a `BTreeMap`.
    ///     }
    /// }
    ///
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let minutes = TimeWindows::of_size(Duration::from_secs(60));
    /// let counted = words.group_by_key().windowed_by(minutes);
    /// let _ = counted.count_with(Materialized::named("counts").kept_in(Maps));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("be", "x"), ("be", "y")])?;
    /// let counts: TimestampedWindowStore<String, i64> = driver.store("counts")?;
    /// let count = counts.get(&"be".to_owned(), Timestamp::from_millis(0))?;
    /// assert_eq!(count.map(|row| row.value), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn kept_in(self, supplier: impl BytesStoreSupplier) -> Self {
        Self { placement: self.placement.kept_in(supplier), rows_max: None, ..self }
    }

    /// The store keeps at most so many rows, in memory, and those that were not read or written for
    /// longest go; see `StoreBuilder::lru_map`. A row that goes is not forwarded as deleted. Without
    /// effect on windows, sessions and versions, and in a place of the program's own. Kafka's
    /// `Stores.lruMap`.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let _ = words.group_by_key().count_with(Materialized::named("counts").lru_map(1).without_cache());
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("be", "x"), ("or", "y")])?;
    /// let counts = driver.key_values::<String, i64>("counts")?;
    /// assert_eq!(counts.get(&"be".to_owned())?, None);
    /// assert_eq!(counts.get(&"or".to_owned())?, Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn lru_map(self, rows_max: usize) -> Self {
        Self { rows_max: Some(rows_max), ..self }
    }

    /// Without a record cache: each update goes on and is written to the changelog at once, also
    /// what a later one of the key replaces before the next commit. Kafka's `withCachingDisabled`.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::{CommitWhen, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let counts = words.group_by_key().count_with(Materialized::new().without_cache());
    /// counts.to_stream().to("counts");
    ///
    /// let topology = builder.build()?;
    /// let when_told = CommitWhen::WhenTold;
    /// let driver = TopologyTestDriver::builder(&topology).commit_when(when_told).build()?;
    /// driver.input::<String, String>("words").pipe_all([("be", "x"), ("be", "y")])?;
    /// let counts = driver.output::<String, Option<i64>>("counts").read_values()?;
    /// assert_eq!(counts, [Some(1), Some(2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn without_cache(self) -> Self {
        Self { caching: Caching::Off, ..self }
    }

    /// No changelog: what the store holds is lost with its disk, and does not follow its task to
    /// another process. Kafka's `withLoggingDisabled`.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let stored = Materialized::named("counts").without_changelog();
    /// let _ = words.group_by_key().count_with(stored);
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("be", "x")?;
    /// assert!(driver.produced_topics().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn without_changelog(self) -> Self {
        Self { placement: self.placement.without_changelog(), ..self }
    }

    /// Settings of the changelog topic, over the defaults, under Kafka's names; they are used when
    /// the topic is made, and change none that is there. Kafka's `withLoggingEnabled`.
    ///
    /// ```
    /// # use streams_core::store::Logging;
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let hourly = [("segment.ms", "3600000")];
    /// let stored = Materialized::named("counts").with_changelog_settings(hourly);
    /// let _ = words.group_by_key().count_with(stored);
    ///
    /// let topology = builder.build()?;
    /// let store = topology.stores().next().expect("one store");
    /// assert!(matches!(store.logging(), Logging::On(set) if set["segment.ms"] == "3600000"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_changelog_settings(
        self,
        settings: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        Self { placement: self.placement.with_changelog_settings(settings), ..self }
    }

    /// How long windows and sessions are kept: a window from its start, a session from its end.
    /// Less than they need, which is the default, is a fault when the topology is built. Without
    /// effect on stores that do not expire.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder, TimeWindows};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let (minute, day) = (Duration::from_secs(60), Duration::from_secs(86_400));
    /// let minutes = words.group_by_key().windowed_by(TimeWindows::of_size(minute));
    /// let _ = minutes.count_with(Materialized::named("counts").with_retention(day));
    ///
    /// let topology = builder.build()?;
    /// let store = topology.stores().next().expect("one store");
    /// assert_eq!(store.retention(), Some(day));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_retention(self, retention: Duration) -> Self {
        Self { retention: Some(retention), ..self }
    }

    /// Keeps the former versions of each row, until `history` has passed since they were replaced
    /// (KIP-889). A table is then ordered by time: an update that is older than the row does not
    /// replace it, and joins and aggregations of the table leave it out (KIP-914); one older than
    /// the history is dropped and counted. A stream is joined with the row as it was at the time of
    /// the record. The store has no record cache. Without effect on windows.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{Consumed, KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let history = Materialized::named("prices").versioned(Duration::from_secs(60 * 60));
    /// let prices = builder.table_with::<String, i64>("prices", Consumed::new(), history);
    /// let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// orders.join_table(prices, |amount, price| amount * price).to("totals");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let at = Timestamp::from_millis;
    /// driver.input::<String, i64>("prices").pipe_at("pear", 5, at(10))?;
    /// driver.input::<String, i64>("prices").pipe_at("pear", 7, at(20))?;
    /// driver.input::<String, i64>("orders").pipe_at("pear", 2, at(19))?;
    /// let totals = driver.output::<String, i64>("totals").read_values()?;
    /// assert_eq!(totals, [10]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn versioned(self, history: Duration) -> Self {
        let versions = Versions { history, segment_interval: None };
        Self { versions: Some(versions), ..self }
    }

    /// As [`versioned`](Self::versioned), with the time that one segment of the history covers; see
    /// [`StoreBuilder::with_segment_interval`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{Consumed, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let (hour, minute) = (Duration::from_secs(3_600), Duration::from_secs(60));
    /// let history = Materialized::named("prices").versioned_in_segments(hour, minute);
    /// let _ = builder.table_with::<String, i64>("prices", Consumed::new(), history);
    ///
    /// let topology = builder.build()?;
    /// let store = topology.stores().next().expect("one store");
    /// assert_eq!(store.retention(), Some(hour));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn versioned_in_segments(self, history: Duration, interval: Duration) -> Self {
        let versions = Versions { history, segment_interval: Some(interval) };
        Self { versions: Some(versions), ..self }
    }

    pub(crate) const fn is_versioned(&self) -> bool {
        self.versions.is_some()
    }

    /// The store as declared to the topology.
    pub(crate) fn key_value_store(&self, name: StoreName) -> Kept<K, V>
    where
        K: 'static,
        V: 'static,
    {
        let Serdes { key, value } = self.serdes.clone();
        Kept::by_key(if let Some(Versions { history, segment_interval }) = self.versions {
            let store = Stores::versioned_key_value_with(name, history, key, value);
            self.declared(match segment_interval {
                Some(interval) => store.with_segment_interval(interval),
                None => store,
            })
        } else {
            let store = Stores::timestamped_key_value_with(name, key, value);
            self.cached(match self.rows_max {
                Some(rows_max) => store.lru_map(rows_max),
                None => store,
            })
        })
    }

    /// The store of a windowed aggregation as declared to the topology.
    pub(crate) fn window_store<W: StartsOf>(
        &self,
        name: StoreName,
        windows: &W,
        emit: EmitStrategy,
    ) -> Kept<Windowed<K>, V>
    where
        K: 'static,
        V: 'static,
    {
        let order = match emit {
            EmitStrategy::OnWindowUpdate => RowOrder::KeyFirst,
            EmitStrategy::OnWindowClose => RowOrder::TimeFirst,
        };
        let store = self.cached(self.windows(name, windows).ordered(order));
        Kept::in_windows::<TimestampedWindowStore<K, V>>(store)
    }

    /// The store of an aggregation over sliding windows as declared to the topology.
    pub(crate) fn sliding_store(
        &self,
        name: StoreName,
        windows: &SlidingWindows,
        emit: EmitStrategy,
    ) -> Kept<Windowed<K>, V>
    where
        K: 'static,
        V: 'static,
    {
        let store = self.indexed(self.windows(name, windows), emit);
        Kept::in_windows::<TimestampedWindowStore<K, V>>(store)
    }

    /// The store of an aggregation over sessions as declared to the topology.
    pub(crate) fn session_store(
        &self,
        name: StoreName,
        windows: &SessionWindows,
        emit: EmitStrategy,
    ) -> Kept<Windowed<K>, V>
    where
        K: 'static,
        V: 'static,
    {
        let Serdes { key, value } = self.serdes.clone();
        let store = self.indexed(Stores::session_with(name, self.kept(windows), key, value), emit);
        Kept::in_windows::<SessionStore<K, V>>(store)
    }

    fn windows(
        &self,
        name: StoreName,
        windows: &impl Sizes,
    ) -> StoreBuilder<TimestampedWindowStore<K, V>>
    where
        K: 'static,
        V: 'static,
    {
        let Serdes { key, value } = self.serdes.clone();
        let sizes = (from_millis(windows.size_ms()), self.kept(windows));
        Stores::timestamped_window_with(name, sizes, key, value)
    }

    fn kept(&self, windows: &impl Sizes) -> Duration {
        self.retention.unwrap_or_else(|| from_millis(windows.retention_ms()))
    }

    /// Milliseconds for which the store was told to keep its rows.
    pub(crate) fn retention_ms(&self) -> Option<i64> {
        self.retention.map(|kept| i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))
    }

    /// A store that is asked for windows by key, and by time when they are given out at their close.
    /// As in Kafka, it has no record cache then.
    fn indexed<S: Cached>(&self, store: StoreBuilder<S>, emit: EmitStrategy) -> Arc<dyn StoreSpec> {
        match emit {
            EmitStrategy::OnWindowUpdate => self.cached(store),
            EmitStrategy::OnWindowClose => self.declared(store.ordered(RowOrder::TimeFirstIndexed)),
        }
    }

    fn cached<S: Cached>(&self, store: StoreBuilder<S>) -> Arc<dyn StoreSpec> {
        self.declared(self.with_cache(store))
    }

    fn with_cache<S: Cached>(&self, store: StoreBuilder<S>) -> StoreBuilder<S> {
        match self.caching {
            Caching::On => store.cached(),
            Caching::Off => store,
        }
    }

    fn declared<S>(&self, store: StoreBuilder<S>) -> Arc<dyn StoreSpec> {
        self.placement.place(store.laid_out_by_settings()).build()
    }
}

fn from_millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

by_serdes! {
    Materialized:
    /// A store without a name of its own, and the default serdes of its types.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let bids: KStream<'_, String, i64> = builder.stream("bids");
    /// let highest = bids.group_by_key().reduce_with(i64::max, Materialized::new());
    /// assert_eq!(highest.store_name(), None);
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("(stores: [KSTREAM-REDUCE-STATE-STORE-0000000001])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    new,
    /// A store without a name of its own, and these serdes, by which its rows and its changelog
    /// are written.
    ///
    /// ```
    /// # use streams_core::serde::{Json, Utf8};
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let listed = Materialized::with_serdes(Utf8, Json::<Vec<String>>::new());
    /// let list = |_: &String, word: String, mut list: Vec<String>| {
    ///     list.push(word);
    ///     list
    /// };
    /// let listed = listed.with_store_name("lists");
    /// let lists = words.group_by_key().aggregate_with(Vec::new, list, listed);
    /// assert_eq!(lists.store_name(), Some("lists".into()));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("a", "to"), ("a", "be")])?;
    /// let rows = driver.key_values::<String, Vec<String>>("lists")?;
    /// assert_eq!(rows.get(&"a".to_owned())?, Some(vec!["to".to_owned(), "be".to_owned()]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    with_serdes,
    /// As [`with_serdes`](Self::with_serdes), with serdes that others use too.
    ///
    /// ```
    /// # use streams_core::serde::{Json, Utf8};
    /// # use streams_core::topology::Topic;
    /// # use streams_dsl::{Consumed, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let lists: Topic<String, Vec<String>> = Topic::with_serdes("lists", Utf8, Json::new());
    /// let (key, value) = (lists.key_serde().clone(), lists.value_serde().clone());
    /// let stored = Materialized::with_shared_serdes(key, value).with_store_name("last");
    /// let _ = builder.table_with(lists, Consumed::new(), stored);
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("lists").pipe("a", r#"["to","be"]"#)?;
    /// let last = driver.key_values::<String, Vec<String>>("last")?;
    /// assert_eq!(last.get(&"a".to_owned())?, Some(vec!["to".to_owned(), "be".to_owned()]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    with_shared_serdes,
}

impl<K: DefaultSerde, V: DefaultSerde> From<Named> for Materialized<K, V> {
    fn from(Named(node): Named) -> Self {
        Self { node, index: StoreIndex::Plain, ..Self::new() }
    }
}

impl<K, V> Clone for Materialized<K, V> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            store: self.store.clone(),
            index: self.index,
            serdes: self.serdes.clone(),
            placement: self.placement.clone(),
            caching: self.caching,
            retention: self.retention,
            versions: self.versions,
            rows_max: self.rows_max,
        }
    }
}

impl<K, V> fmt::Debug for Materialized<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Materialized")
            .field("node", &self.node)
            .field("store", &self.store)
            .field("placement", &self.placement)
            .field("caching", &self.caching)
            .field("retention", &self.retention)
            .field("versions", &self.versions)
            .field("rows_max", &self.rows_max)
            .finish_non_exhaustive()
    }
}
