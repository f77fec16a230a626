//! How a join of two streams keeps and sends their records.

use std::fmt;
use std::sync::Arc;

use streams_core::names::{NodeName, StoreName};
use streams_core::serde::{DefaultSerde, Serde, SharedSerde};
use streams_core::store::StoreSpec;
use streams_state::{StoreBuilder, Stores, WindowStore};

use super::{Medium, Placement};
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
    pub fn named(name: impl Into<NodeName>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
        W: DefaultSerde,
    {
        Self::new().with_name(name)
    }

    /// These serdes: of the key, of this stream's values and of the other's.
    pub fn with_serdes(key: impl Serde<K>, value: impl Serde<V>, other: impl Serde<W>) -> Self {
        Self::with_shared_serdes(Arc::new(key), Arc::new(value), Arc::new(other))
    }

    /// These serdes, which others use too.
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
    #[must_use]
    pub fn with_name(self, name: impl Into<NodeName>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The stores are called `<name>-this-join-store` and so on.
    #[must_use]
    pub fn with_store_name(self, name: impl Into<StoreName>) -> Self {
        Self { store: Some(name.into()), ..self }
    }

    /// The stores are kept in memory, and rebuilt from their changelogs after each start.
    #[must_use]
    pub fn in_memory(self) -> Self {
        Self { placement: self.placement.in_memory(), ..self }
    }

    /// No changelogs: what the stores hold is lost with their disk. Without effect on stores that
    /// are given.
    #[must_use]
    pub fn without_changelog(self) -> Self {
        Self { placement: self.placement.without_changelog(), ..self }
    }

    /// Settings of the changelog topics, over the defaults; `cleanup.policy` is `delete` for the two
    /// streams all the same. Without effect on stores that are given.
    #[must_use]
    pub fn with_changelog_settings(
        self,
        settings: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        Self { placement: self.placement.with_changelog_settings(settings), ..self }
    }

    /// The store of this stream. Its windows must be of the join's size, kept for that and the grace
    /// period, and it must retain duplicates; else it is a fault when the topology is built. What a
    /// left or outer join keeps without partner lies where this store's rows lie, and is called
    /// after it.
    #[must_use]
    pub fn with_this_store(self, store: StoreBuilder<WindowStore<K, V>>) -> Self {
        Self { this_store: Some(store), ..self }
    }

    /// The store of the other stream; see [`with_this_store`](Self::with_this_store).
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
        placement.place(store.retaining_duplicates().with_logged_headers()).build()
    }

    /// The store of what has no partner as declared to the topology.
    pub(crate) fn unmatched_store<S>(&self, store: StoreBuilder<S>) -> Arc<dyn StoreSpec> {
        let mut placement = self.placement.clone();
        if let Some(given) = &self.this_store {
            placement.medium = if given.is_in_memory() { Medium::Memory } else { Medium::Disk };
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
