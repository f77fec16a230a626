//! How a join of two streams keeps and sends their records.

use std::fmt;
use std::sync::Arc;

use streams_core::names::{NodeName, StoreName};
use streams_core::serde::{DefaultSerde, Serde, SharedSerde};
use streams_core::store::StoreSpec;
use streams_state::{BytesStoreSupplier, StoreBuilder, Stores, WindowStore};

use super::{Medium, Named, Placement};
use crate::window::JoinWindows;

/// Names, serdes and stores of a join of two streams. Answers to Kafka's `StreamJoined`.
///
/// `K` is the plain key; `V` and `W` are the values of the two streams, which may be an `Option`.
/// Each stream has a store, which keeps its records for the size of the windows and their grace
/// period. By default it is on disk and has a changelog topic; it never has a record cache.
///
/// ```
/// # use std::time::Duration;
/// # use streams_core::time::Timestamp;
/// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
/// # use streams_state::Stores;
/// # use streams_test::TopologyTestDriver;
/// let builder = StreamsBuilder::new();
/// let ours: KStream<'_, String, i64> = builder.stream("ours");
/// let theirs: KStream<'_, String, i64> = builder.stream("theirs");
/// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
/// let recent = Stores::window::<String, i64>("recent", windows.size(), windows.retention());
/// let joined = StreamJoined::new()
///     .with_name("sum")
///     .with_store_name("sum")
///     .with_this_store(recent.retaining_duplicates().in_memory());
/// ours.join_with(theirs, |one: &i64, other: &i64| one + other, windows, joined).to("sums");
///
/// let topology = builder.build()?;
/// let stores: Vec<_> = topology.stores().map(|store| store.name().to_string()).collect();
/// assert_eq!(stores, ["recent", "sum-other-join-store"]);
/// let driver = TopologyTestDriver::new(&topology)?;
/// driver.input::<String, i64>("ours").pipe_at("a", 1, Timestamp::from_millis(0))?;
/// driver.input::<String, i64>("theirs").pipe_at("a", 2, Timestamp::from_millis(9))?;
/// assert_eq!(driver.output::<String, i64>("sums").read_values()?, [3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StreamJoined<K, V, W> {
    pub(crate) name: Option<NodeName>,
    pub(crate) store: Option<StoreName>,
    pub(crate) key: SharedSerde<K>,
    pub(crate) value: SharedSerde<V>,
    pub(crate) other_value: SharedSerde<W>,
    pub(crate) this_store: Option<StoreBuilder<WindowStore<K, V>>>,
    pub(crate) other_store: Option<StoreBuilder<WindowStore<K, W>>>,
    placement: Placement,
}

impl<K, V, W> StreamJoined<K, V, W> {
    /// The default serdes of the types, and generated names.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
    /// let sum = |one: &i64, other: &i64| one + other;
    /// ours.join_with(theirs, sum, windows, StreamJoined::new()).to("sums");
    ///
    /// let topology = builder.build()?;
    /// let stores: Vec<_> = topology.stores().map(|store| store.name().to_string()).collect();
    /// assert_eq!(stores[0], "KSTREAM-JOINTHIS-0000000004-store");
    /// assert_eq!(stores[1], "KSTREAM-JOINOTHER-0000000005-store");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new() -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
        W: DefaultSerde,
    {
        Self::with_shared_serdes(K::serde(), V::serde(), W::serde())
    }

    /// The default serdes, and this name for the nodes; see [`with_name`](Self::with_name).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
    /// let sum = |one: &i64, other: &i64| one + other;
    /// ours.join_with(theirs, sum, windows, StreamJoined::named("sum")).to("sums");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: sum-this-join "));
    /// assert!(text.contains("Processor: sum-merge "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn named(name: impl Into<NodeName>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
        W: DefaultSerde,
    {
        Self::new().with_name(name)
    }

    /// These serdes: of the key, of this stream's values and of the other's.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::serde::{Json, Number, Utf8};
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let lists: KStream<'_, String, String> = builder.stream("lists");
    /// let lists = lists.map_values(|list| list.split(' ').map(str::to_owned).collect::<Vec<_>>());
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
    /// let joined = StreamJoined::with_serdes(Utf8, Number, Json::new()).with_store_name("picks");
    /// let pick = |at: &i64, list: &Vec<String>| list[*at as usize].clone();
    /// ours.join_with(lists, pick, windows, joined).to("picks");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("ours").pipe("a", 1)?;
    /// driver.input::<String, String>("lists").pipe("a", "to be")?;
    /// assert_eq!(driver.output::<String, String>("picks").read_values()?, ["be"]);
    /// let rows = driver.produced("topology-test-driver-picks-other-join-store-changelog");
    /// assert_eq!(rows[0].value.as_deref(), Some(&br#"["to","be"]"#[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_serdes(key: impl Serde<K>, value: impl Serde<V>, other: impl Serde<W>) -> Self {
        Self::with_shared_serdes(Arc::new(key), Arc::new(value), Arc::new(other))
    }

    /// These serdes, which others use too.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let number = i64::serde();
    /// let joined = StreamJoined::with_shared_serdes(String::serde(), number.clone(), number);
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
    /// ours.join_with(theirs, |one: &i64, other: &i64| one + other, windows, joined).to("sums");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("ours").pipe("a", 1)?;
    /// driver.input::<String, i64>("theirs").pipe("a", 2)?;
    /// assert_eq!(driver.output::<String, i64>("sums").read_values()?, [3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_shared_serdes(
        key: SharedSerde<K>,
        value: SharedSerde<V>,
        other_value: SharedSerde<W>,
    ) -> Self {
        Self {
            name: None,
            store: None,
            key,
            value,
            other_value,
            this_store: None,
            other_store: None,
            placement: Placement::new(),
        }
    }

    /// The nodes are called `<name>-this-join`, `<name>-merge` and so on; repartition topics, where
    /// they are needed, `<application id>-<name>-left-repartition` and `..-right-repartition`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
    /// let sum = |one: &i64, other: &i64| one + other;
    /// let by_kind = ours.select_key(|kind, _| kind.to_lowercase());
    /// by_kind.join_with(theirs, sum, windows, StreamJoined::new().with_name("sum")).to("sums");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: sum-this-join "));
    /// assert!(text.contains("(topic: sum-left-repartition)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_name(self, name: impl Into<Named>) -> Self {
        Self { name: name.into().0, ..self }
    }

    /// The stores are called `<name>-this-join-store` and so on.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
    /// let sum = |one: Option<&i64>, other: Option<&i64>| one.unwrap_or(&0) + other.unwrap_or(&0);
    /// let joined = StreamJoined::new().with_store_name("sum");
    /// ours.outer_join_with(theirs, sum, windows, joined).to("sums");
    ///
    /// let topology = builder.build()?;
    /// let stores: Vec<_> = topology.stores().map(|store| store.name().to_string()).collect();
    /// let store_of = |part| format!("sum-outer-{part}-join-store");
    /// assert_eq!(stores, [store_of("this"), store_of("other"), store_of("shared")]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_store_name(self, name: impl Into<StoreName>) -> Self {
        Self { store: Some(name.into()), ..self }
    }

    /// The stores are kept in memory, and rebuilt from their changelogs after each start.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
    /// let sum = |one: &i64, other: &i64| one + other;
    /// ours.join_with(theirs, sum, windows, StreamJoined::new().in_memory()).to("sums");
    ///
    /// assert!(builder.build()?.stores().all(|store| !store.is_persistent()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn in_memory(self) -> Self {
        Self { placement: self.placement.in_memory(), ..self }
    }

    /// The stores are kept on disk, whatever `dsl.store.suppliers.class` says.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
    /// let sum = |one: &i64, other: &i64| one + other;
    /// ours.join_with(theirs, sum, windows, StreamJoined::new().on_disk()).to("sums");
    /// let config = StreamsConfig::builder()
    ///     .application_id("sums")
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

    /// The rows of the stores are kept in a place of the program's own; see `StoreBuilder::kept_in`.
    /// Kafka's `StreamJoined.with(DslStoreSuppliers)`.
    ///
    /// ```
    /// # mod map { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../streams-state/doc/map.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_state::{BytesStore, BytesStoreError, BytesStoreSupplier, StorePlace};
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
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
    /// let sum = |one: &i64, other: &i64| one + other;
    /// ours.join_with(theirs, sum, windows, StreamJoined::new().kept_in(Maps)).to("sums");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("ours").pipe_at("a", 1, Timestamp::from_millis(0))?;
    /// driver.input::<String, i64>("theirs").pipe_at("a", 2, Timestamp::from_millis(9))?;
    /// assert_eq!(driver.output::<String, i64>("sums").read_values()?, [3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn kept_in(self, supplier: impl BytesStoreSupplier) -> Self {
        Self { placement: self.placement.kept_in(supplier), ..self }
    }

    /// No changelogs: what the stores hold is lost with their disk. Without effect on stores that
    /// are given.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::store::Logging;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
    /// let sum = |one: &i64, other: &i64| one + other;
    /// ours.join_with(theirs, sum, windows, StreamJoined::new().without_changelog()).to("sums");
    ///
    /// assert!(builder.build()?.stores().all(|store| *store.logging() == Logging::Off));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn without_changelog(self) -> Self {
        Self { placement: self.placement.without_changelog(), ..self }
    }

    /// Settings of the changelog topics, over the defaults; `cleanup.policy` is `delete` for the
    /// two streams all the same. Without effect on stores that are given.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::store::Logging;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
    /// let joined = StreamJoined::new().with_changelog_settings([("segment.ms", "60000")]);
    /// ours.join_with(theirs, |one: &i64, other: &i64| one + other, windows, joined).to("sums");
    ///
    /// for store in builder.build()?.stores() {
    ///     let Logging::On(set) = store.logging() else { unreachable!() };
    ///     assert_eq!((&*set["segment.ms"], &*set["cleanup.policy"]), ("60000", "delete"));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_changelog_settings(
        self,
        settings: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        Self { placement: self.placement.with_changelog_settings(settings), ..self }
    }

    /// The store of this stream. Its windows must be of the join's size, kept for that and the
    /// grace period, and it must retain duplicates; else it is a fault when the topology is built.
    /// What a left or outer join keeps without partner lies on disk or in memory as this store does,
    /// unless the join says where its stores are, and is called after it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_state::Stores;
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
    /// let recent = Stores::window::<String, i64>("recent", windows.size(), windows.retention());
    /// let joined = StreamJoined::new().with_this_store(recent);
    /// ours.join_with(theirs, |one: &i64, other: &i64| one + other, windows, joined).to("sums");
    ///
    /// let faults = builder.build().expect_err("it keeps one row of each key and time");
    /// assert!(faults.to_string().contains("retaining_duplicates()"));
    /// ```
    #[must_use]
    pub fn with_this_store(self, store: StoreBuilder<WindowStore<K, V>>) -> Self {
        Self { this_store: Some(store), ..self }
    }

    /// The store of the other stream; see [`with_this_store`](Self::with_this_store).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_state::Stores;
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(5));
    /// let theirs_recent = Stores::window("theirs-recent", windows.size(), windows.retention());
    /// let joined = StreamJoined::new().with_other_store(theirs_recent.retaining_duplicates());
    /// ours.join_with(theirs, |one: &i64, other: &i64| one + other, windows, joined).to("sums");
    ///
    /// let topology = builder.build()?;
    /// let stores: Vec<_> = topology.stores().map(|store| store.name().to_string()).collect();
    /// assert!(stores.contains(&"theirs-recent".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_other_store(self, store: StoreBuilder<WindowStore<K, W>>) -> Self {
        Self { other_store: Some(store), ..self }
    }

    /// What is wrong with the stores that are given.
    pub(crate) fn problem(&self, windows: JoinWindows) -> Option<String> {
        let this = self.this_store.as_ref().and_then(|store| misfit(store, windows));
        let other = || self.other_store.as_ref().and_then(|store| misfit(store, windows));
        this.or_else(other).or_else(|| {
            let (this, other) = (self.this_store.as_ref()?, self.other_store.as_ref()?);
            (this.name() == other.name())
                .then(|| format!("two stores \"{}\"; give one of them another name", this.name()))
        })
    }

    /// The store of this stream as declared to the topology; `name` is for one that is not given.
    pub(crate) fn store_of_this(&self, name: &str, windows: JoinWindows) -> Arc<dyn StoreSpec>
    where
        K: 'static,
        V: 'static,
    {
        self.declared(self.this_store.as_ref(), &self.value, (name, windows))
    }

    /// The store of the other stream as declared to the topology.
    pub(crate) fn store_of_other(&self, name: &str, windows: JoinWindows) -> Arc<dyn StoreSpec>
    where
        K: 'static,
        W: 'static,
    {
        self.declared(self.other_store.as_ref(), &self.other_value, (name, windows))
    }

    fn declared<T: 'static>(
        &self,
        given: Option<&StoreBuilder<WindowStore<K, T>>>,
        value: &SharedSerde<T>,
        (name, windows): (&str, JoinWindows),
    ) -> Arc<dyn StoreSpec>
    where
        K: 'static,
    {
        if let Some(given) = given {
            return given.clone().with_logged_headers().build();
        }
        let sizes = (windows.size(), windows.retention());
        let (key, value) = (Arc::clone(&self.key), Arc::clone(value));
        let store = Stores::window_with(format!("{name}-store").as_str(), sizes, key, value);
        // Duplicates have keys of their own, so that compaction would keep them all.
        let placement = self.placement.clone().with_setting("cleanup.policy", "delete");
        let store = store.retaining_duplicates().with_logged_headers().laid_out_by_settings();
        placement.place(store).build()
    }

    /// The store of what has no partner as declared to the topology.
    pub(crate) fn unmatched_store<S>(&self, store: StoreBuilder<S>) -> Arc<dyn StoreSpec> {
        let mut placement = self.placement.clone();
        // As in Kafka, a place of the program's own says nothing about other stores.
        if let (Medium::AsConfigured, Some(given)) = (&placement.medium, &self.this_store) {
            if given.is_in_memory() {
                placement.medium = Medium::Memory;
            } else if given.is_on_disk() {
                placement.medium = Medium::Disk;
            }
        }
        placement.place(store).build()
    }
}

/// Why a store cannot keep the records of a join.
fn misfit<K, T>(store: &StoreBuilder<WindowStore<K, T>>, windows: JoinWindows) -> Option<String> {
    let name = store.name();
    if !store.retains_duplicates() {
        return Some(format!(
            "store \"{name}\", which keeps one row of each key and time; declare it with retaining_duplicates()"
        ));
    }
    let (size, retention) = (store.window_size(), store.retention());
    let fits = size == windows.size() && retention == windows.retention();
    (!fits).then(|| {
        format!(
            "store \"{name}\" with windows of {} ms that are kept for {} ms; the join's are of {} ms and kept for {} ms, and the store must have the same",
            size.as_millis(),
            retention.as_millis(),
            windows.size().as_millis(),
            windows.retention().as_millis()
        )
    })
}

impl<K, V, W> Default for StreamJoined<K, V, W>
where
    K: DefaultSerde,
    V: DefaultSerde,
    W: DefaultSerde,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V, W> Clone for StreamJoined<K, V, W> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            store: self.store.clone(),
            key: Arc::clone(&self.key),
            value: Arc::clone(&self.value),
            other_value: Arc::clone(&self.other_value),
            this_store: self.this_store.clone(),
            other_store: self.other_store.clone(),
            placement: self.placement.clone(),
        }
    }
}

impl<K, V, W> fmt::Debug for StreamJoined<K, V, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamJoined")
            .field("name", &self.name)
            .field("store", &self.store)
            .field("this_store", &self.this_store)
            .field("other_store", &self.other_store)
            .field("placement", &self.placement)
            .finish_non_exhaustive()
    }
}
