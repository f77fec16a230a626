//! Declaring stores: name, types, and what lies below them.

use std::any::Any;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use streams_core::names::{StoreName, TopicName};
use streams_core::serde::{DefaultSerde, SharedSerde};
use streams_core::store::{Logging, RowOrder, Segments, StoreKind, StoreSpec};

use crate::layer::changelog::{LoggedHeaders, LoggedTimes, RowFormat};
use crate::layer::{Reach, Retention, Versions};
use crate::row_key::RowKeys;
use crate::view::{
    Cached, Codec, KeyValueStore, ListStore, SessionStore, Timestamped, TimestampedKeyValueStore,
    TimestampedSerde, TimestampedWindowStore, VersionedKeyValueStore, WindowStore, WindowedCodec,
};

/// Declares stores. Answers to Kafka's `Stores`.
///
/// ```
/// use std::sync::Arc;
/// use streams_core::store::{Logging, StoreSpec};
/// use streams_state::Stores;
///
/// let seen: Arc<dyn StoreSpec> = Stores::key_value::<String, i64>("seen").in_memory().build();
/// assert_eq!(seen.name(), "seen");
/// assert!(!seen.is_persistent());
/// assert!(matches!(seen.logging(), Logging::On(_)));
/// ```
#[derive(Debug)]
pub struct Stores;

impl Stores {
    /// A store of keys and values, with the default serdes of their types. On disk, without record
    /// cache, with a changelog. Kafka's `persistentKeyValueStore` and `keyValueStoreBuilder`.
    ///
    /// ```
    /// # use streams_core::store::Logging;
    /// # use streams_state::Stores;
    /// let seen = Stores::key_value::<String, i64>("seen").build();
    /// assert!(seen.is_persistent());
    /// assert_eq!(*seen.logging(), Logging::On([].into()));
    /// ```
    pub fn key_value<K: DefaultSerde, V: DefaultSerde>(
        name: impl Into<StoreName>,
    ) -> StoreBuilder<KeyValueStore<K, V>> {
        Self::key_value_with(name, K::serde(), V::serde())
    }

    /// A store of keys and values, with these serdes.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use streams_core::serde::{DefaultSerde, Json, SharedSerde};
    /// # use streams_state::Stores;
    /// # use streams_core::store::StoreKind;
    /// let lists: SharedSerde<Vec<String>> = Arc::new(Json::new());
    /// let seen = Stores::key_value_with("seen", String::serde(), lists).build();
    /// assert_eq!(seen.kind(), StoreKind::KeyValue);
    /// ```
    pub fn key_value_with<K: 'static, V: 'static>(
        name: impl Into<StoreName>,
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> StoreBuilder<KeyValueStore<K, V>> {
        let make = move |layers: Reach, topic| -> Box<dyn Any> {
            let codec = Codec::new(layers, topic, Arc::clone(&key), Arc::clone(&value));
            Box::new(KeyValueStore::new(codec))
        };
        StoreBuilder::new(name.into(), StoreKind::KeyValue, Arc::new(make))
    }

    /// A store of keys, values and timestamps, with the default serdes of their types: what the
    /// tables of the DSL use. Kafka's `timestampedKeyValueStoreBuilder`.
    ///
    /// ```
    /// # use streams_state::Stores;
    /// # use streams_core::store::StoreKind;
    /// let counts = Stores::timestamped_key_value::<String, i64>("counts").build();
    /// assert_eq!(counts.kind(), StoreKind::TimestampedKeyValue);
    /// ```
    pub fn timestamped_key_value<K: DefaultSerde, V: DefaultSerde>(
        name: impl Into<StoreName>,
    ) -> StoreBuilder<TimestampedKeyValueStore<K, V>> {
        Self::timestamped_key_value_with(name, K::serde(), V::serde())
    }

    /// A store of keys, values and timestamps, with these serdes.
    ///
    /// ```
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_state::Stores;
    /// let (key, value) = (String::serde(), i64::serde());
    /// let counts = Stores::timestamped_key_value_with("counts", key, value).cached().build();
    /// assert_eq!(counts.name(), "counts");
    /// ```
    pub fn timestamped_key_value_with<K: 'static, V: 'static>(
        name: impl Into<StoreName>,
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> StoreBuilder<TimestampedKeyValueStore<K, V>> {
        let make = move |layers: Reach, topic| -> Box<dyn Any> {
            let codec = Codec::new(layers, topic, Arc::clone(&key), Arc::clone(&value));
            Box::new(TimestampedKeyValueStore::new(codec))
        };
        StoreBuilder::new(name.into(), StoreKind::TimestampedKeyValue, Arc::new(make))
    }

    /// A store of keys, windows of a size, and values, with the default serdes of their types.
    /// Windows are kept for `retention` from their start, and not shorter than their size.
    // DIFFERENCE(short-retention): in Kafka a retention below the size is refused.
    /// A store of keys, windows of a size, and values, with the default serdes of their types.
    /// Windows are kept for `retention` from their start, and not shorter than their size. Kafka's
    /// `persistentWindowStore`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_state::Stores;
    /// let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    /// let clicks = Stores::window::<String, i64>("clicks", minute, hour);
    /// assert_eq!((clicks.window_size(), clicks.retention()), (minute, hour));
    /// let short = Stores::window::<String, i64>("short", hour, minute);
    /// assert_eq!(short.retention(), hour);
    /// ```
    pub fn window<K: DefaultSerde, V: DefaultSerde>(
        name: impl Into<StoreName>,
        size: Duration,
        retention: Duration,
    ) -> StoreBuilder<WindowStore<K, V>> {
        Self::window_with(name, (size, retention), K::serde(), V::serde())
    }

    /// As [`window`](Self::window), with these serdes. First the size of the windows, then how long
    /// they are kept.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_state::Stores;
    /// let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    /// let (key, value) = (String::serde(), i64::serde());
    /// let clicks = Stores::window_with("clicks", (minute, hour), key, value);
    /// assert_eq!((clicks.window_size(), clicks.retention()), (minute, hour));
    /// ```
    pub fn window_with<K: 'static, V: 'static>(
        name: impl Into<StoreName>,
        (size, retention): (Duration, Duration),
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> StoreBuilder<WindowStore<K, V>> {
        let retention = retention.max(size);
        let kind = StoreKind::Window(segments(retention));
        let views = window_views(size, key, value);
        StoreBuilder::new(name.into(), kind, views).keeping(retention).of_size(size)
    }

    /// A store of keys, windows of a size, and values with timestamps, with the default serdes of
    /// their types. Windows are kept for `retention` from their start, and not shorter than their
    /// size.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_state::Stores;
    /// let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    /// let counts = Stores::timestamped_window::<String, i64>("counts", minute, hour).build();
    /// assert_eq!(counts.retention(), Some(hour));
    /// ```
    pub fn timestamped_window<K: DefaultSerde, V: DefaultSerde>(
        name: impl Into<StoreName>,
        size: Duration,
        retention: Duration,
    ) -> StoreBuilder<TimestampedWindowStore<K, V>> {
        Self::timestamped_window_with(name, (size, retention), K::serde(), V::serde())
    }

    /// As [`timestamped_window`](Self::timestamped_window), with these serdes. First the size of
    /// the windows, then how long they are kept.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_state::Stores;
    /// let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    /// let (key, value) = (String::serde(), i64::serde());
    /// let counts = Stores::timestamped_window_with("counts", (minute, hour), key, value).build();
    /// assert_eq!(counts.retention(), Some(hour));
    /// ```
    pub fn timestamped_window_with<K: 'static, V: 'static>(
        name: impl Into<StoreName>,
        (size, retention): (Duration, Duration),
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> StoreBuilder<TimestampedWindowStore<K, V>> {
        let retention = retention.max(size);
        let kind = StoreKind::TimestampedWindow(segments(retention));
        let value: SharedSerde<Timestamped<V>> = Arc::new(TimestampedSerde::new(value));
        let views = window_views(size, key, value);
        StoreBuilder::new(name.into(), kind, views).keeping(retention).of_size(size)
    }

    /// A store of keys, sessions and values, with the default serdes of their types. Sessions are
    /// kept for `retention` from their end. Kafka's `persistentSessionStore`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_state::Stores;
    /// let hour = Duration::from_secs(3_600);
    /// let visits = Stores::session::<String, i64>("visits", hour).build();
    /// assert_eq!(visits.retention(), Some(hour));
    /// ```
    pub fn session<K: DefaultSerde, V: DefaultSerde>(
        name: impl Into<StoreName>,
        retention: Duration,
    ) -> StoreBuilder<SessionStore<K, V>> {
        Self::session_with(name, retention, K::serde(), V::serde())
    }

    /// As [`session`](Self::session), with these serdes.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_state::Stores;
    /// let hour = Duration::from_secs(3_600);
    /// let visits = Stores::session_with("visits", hour, String::serde(), i64::serde()).build();
    /// assert_eq!(visits.retention(), Some(hour));
    /// ```
    pub fn session_with<K: 'static, V: 'static>(
        name: impl Into<StoreName>,
        retention: Duration,
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> StoreBuilder<SessionStore<K, V>> {
        let make = move |layers: Reach, topic| -> Box<dyn Any> {
            let serdes = (Arc::clone(&key), Arc::clone(&value));
            match WindowedCodec::new(layers, topic, serdes, 0) {
                Some(codec) => Box::new(SessionStore::new(codec)),
                None => Box::new(()),
            }
        };
        let kind = StoreKind::Session(segments(retention));
        StoreBuilder::new(name.into(), kind, Arc::new(make)).keeping(retention)
    }

    /// A store of keys and the versions of their values, with the default serdes of their types. A
    /// version that was replaced is kept until `history` has passed since, in the time of what is
    /// written; the latest one for ever. What comes later than that is not taken (KIP-889).
    ///
    /// ```
    /// use std::time::Duration;
    /// use streams_core::store::StoreKind;
    /// use streams_state::Stores;
    ///
    /// let hour = Duration::from_secs(60 * 60);
    /// let prices = Stores::versioned_key_value::<String, i64>("prices", hour).build();
    /// assert_eq!(prices.retention(), Some(hour));
    /// assert!(matches!(prices.kind(), StoreKind::Versioned(_)));
    /// ```
    pub fn versioned_key_value<K: DefaultSerde, V: DefaultSerde>(
        name: impl Into<StoreName>,
        history: Duration,
    ) -> StoreBuilder<VersionedKeyValueStore<K, V>> {
        Self::versioned_key_value_with(name, history, K::serde(), V::serde())
    }

    /// As [`versioned_key_value`](Self::versioned_key_value), with these serdes.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_state::Stores;
    /// let hour = Duration::from_secs(3_600);
    /// let (key, value) = (String::serde(), i64::serde());
    /// let prices = Stores::versioned_key_value_with("prices", hour, key, value).build();
    /// assert_eq!(prices.retention(), Some(hour));
    /// ```
    pub fn versioned_key_value_with<K: 'static, V: 'static>(
        name: impl Into<StoreName>,
        history: Duration,
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> StoreBuilder<VersionedKeyValueStore<K, V>> {
        let make = move |layers: Reach, topic| -> Box<dyn Any> {
            let codec = Codec::new(layers, topic, Arc::clone(&key), Arc::clone(&value));
            Box::new(VersionedKeyValueStore::new(codec))
        };
        let interval_ms = version_segment_ms(millis(history));
        let segments = Segments { interval_ms, order: RowOrder::KeyFirst };
        let kind = StoreKind::Versioned(segments);
        StoreBuilder::new(name.into(), kind, Arc::new(make)).keeping(history)
    }
}

/// Milliseconds of a segment of a versioned store, unless they are given: as in Kafka.
fn version_segment_ms(history_ms: i64) -> i64 {
    let (parts, least) = match history_ms {
        ..=60_000 => (3, 2_000),
        60_001..=300_000 => (5, 20_000),
        300_001..=3_600_000 => (12, 60_000),
        _ => (24, 300_000),
    };
    least.max(history_ms / parts)
}

impl<K: 'static, V: 'static> ListStore<K, V> {
    /// Declares such a store, with these serdes.
    pub fn declare(
        name: impl Into<StoreName>,
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> StoreBuilder<Self> {
        let make = move |layers: Reach, topic| -> Box<dyn Any> {
            let codec = Codec::new(layers, topic, Arc::clone(&key), Arc::clone(&value));
            Box::new(Self::new(codec))
        };
        StoreBuilder::new(name.into(), StoreKind::KeyValue, Arc::new(make))
    }
}

/// The views of a store of windows.
fn window_views<K: 'static, V: 'static>(
    size: Duration,
    key: SharedSerde<K>,
    value: SharedSerde<V>,
) -> Arc<MakeHandle> {
    Arc::new(move |layers: Reach, topic| -> Box<dyn Any> {
        let serdes = (Arc::clone(&key), Arc::clone(&value));
        match WindowedCodec::new(layers, topic, serdes, millis(size)) {
            Some(codec) => Box::new(WindowStore::new(codec)),
            None => Box::new(()),
        }
    })
}

/// The least length of a segment, as in Kafka.
const SEGMENT_MS_MIN: i64 = 60_000;

fn segments(retention: Duration) -> Segments {
    let interval_ms = SEGMENT_MS_MIN.max(millis(retention) / 2);
    Segments { interval_ms, order: RowOrder::KeyFirst }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Where a store's rows live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    Disk,
    Memory,
}

/// What a second row of a key and window does to the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duplicates {
    Replace,
    /// Both are kept, in the order in which they were written.
    Keep,
}

/// Whether a store has a record cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caching {
    Off,
    On,
}

type MakeHandle = dyn Fn(Reach, TopicName) -> Box<dyn Any> + Send + Sync;

/// A store as declared; what every [`StoreSpec`] of this crate is.
#[derive(Clone)]
pub(crate) struct Factory {
    name: StoreName,
    kind: StoreKind,
    medium: Medium,
    caching: Caching,
    logging: Logging,
    retention: Option<Duration>,
    window_size: Option<Duration>,
    duplicates: Duplicates,
    headers: LoggedHeaders,
    times: LoggedTimes,
    make: Arc<MakeHandle>,
}

impl std::fmt::Debug for Factory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Factory")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("medium", &self.medium)
            .field("caching", &self.caching)
            .field("logging", &self.logging)
            .field("retention", &self.retention)
            .field("window_size", &self.window_size)
            .field("duplicates", &self.duplicates)
            .finish_non_exhaustive()
    }
}

impl Factory {
    /// How the rows hold their values; `None` for a kind of store that is not made here.
    pub(crate) const fn rows(&self) -> Option<RowFormat> {
        match self.kind {
            StoreKind::KeyValue
            | StoreKind::Window(_)
            | StoreKind::Session(_)
            | StoreKind::Versioned(_) => Some(RowFormat::Plain),
            StoreKind::TimestampedKeyValue | StoreKind::TimestampedWindow(_) => {
                Some(RowFormat::Timestamped)
            }
            _ => None,
        }
    }

    /// What lets rows expire.
    pub(crate) fn retention_layer(&self) -> Option<Retention> {
        let keys = RowKeys::of(self.kind)?;
        Some(Retention::new(keys, millis(self.retention?), self.medium))
    }

    pub(crate) const fn duplicates(&self) -> Duplicates {
        self.duplicates
    }

    /// What keeps versions.
    pub(crate) fn versions_layer(&self) -> Option<Versions> {
        match (self.kind, self.retention) {
            (StoreKind::Versioned(segments), Some(history)) => {
                Some(Versions::new(segments.interval_ms, millis(history)))
            }
            _ => None,
        }
    }

    pub(crate) const fn logged_headers(&self) -> LoggedHeaders {
        self.headers
    }

    pub(crate) const fn logged_times(&self) -> LoggedTimes {
        self.times
    }

    pub(crate) const fn caching(&self) -> Caching {
        self.caching
    }

    /// The typed view. `topic` is what its serdes get as their topic.
    pub(crate) fn handle(&self, layers: Reach, topic: &TopicName) -> Box<dyn Any> {
        (self.make)(layers, topic.clone())
    }
}

impl StoreSpec for Factory {
    fn name(&self) -> &StoreName {
        &self.name
    }

    fn kind(&self) -> StoreKind {
        self.kind
    }

    fn is_persistent(&self) -> bool {
        self.medium == Medium::Disk
    }

    fn logging(&self) -> &Logging {
        &self.logging
    }

    fn retention(&self) -> Option<Duration> {
        self.retention
    }

    fn with_logging(&self, logging: Logging) -> Arc<dyn StoreSpec> {
        Arc::new(Self { logging, ..self.clone() })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A store being declared; `S` is the view that processors will hold. On disk, with a changelog and
/// without a record cache, unless told otherwise.
pub struct StoreBuilder<S> {
    factory: Factory,
    view: PhantomData<fn() -> S>,
}

impl<S> Clone for StoreBuilder<S> {
    fn clone(&self) -> Self {
        Self { factory: self.factory.clone(), view: PhantomData }
    }
}

impl<S> std::fmt::Debug for StoreBuilder<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StoreBuilder").field(&self.factory).finish()
    }
}

impl<S> StoreBuilder<S> {
    fn new(name: StoreName, kind: StoreKind, make: Arc<MakeHandle>) -> Self {
        let (medium, caching) = (Medium::Disk, Caching::Off);
        let logging = Logging::On(BTreeMap::new());
        let factory = Factory {
            name,
            kind,
            medium,
            caching,
            logging,
            retention: None,
            window_size: None,
            duplicates: Duplicates::Replace,
            headers: LoggedHeaders::None,
            times: LoggedTimes::OfRecord,
            make,
        };
        Self { factory, view: PhantomData }
    }

    fn keeping(mut self, retention: Duration) -> Self {
        self.factory.retention = Some(retention);
        self
    }

    fn of_size(mut self, size: Duration) -> Self {
        self.factory.window_size = Some(size);
        self
    }

    /// The order of the rows of a store that expires; by key unless told otherwise. Without effect
    /// on others. A store with a record cache has no index.
    #[must_use]
    pub fn ordered(mut self, order: RowOrder) -> Self {
        if let StoreKind::Window(segments)
        | StoreKind::TimestampedWindow(segments)
        | StoreKind::Session(segments) = &mut self.factory.kind
        {
            segments.order = order;
        }
        self
    }

    /// Keeps the rows in memory. They are rebuilt from the changelog at each start. Kafka's
    /// `inMemoryKeyValueStore` and its kin.
    ///
    /// ```
    /// # use streams_state::Stores;
    /// let seen = Stores::key_value::<String, i64>("seen").in_memory().build();
    /// assert!(!seen.is_persistent());
    /// ```
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.factory.medium = Medium::Memory;
        self
    }

    /// Sends no changes to Kafka: what the store holds is lost with its disk, and does not follow
    /// its task to another process. Kafka's `withLoggingDisabled`.
    ///
    /// ```
    /// # use streams_core::store::Logging;
    /// # use streams_state::Stores;
    /// let seen = Stores::key_value::<String, i64>("seen").without_changelog().build();
    /// assert_eq!(*seen.logging(), Logging::Off);
    /// ```
    #[must_use]
    pub fn without_changelog(mut self) -> Self {
        self.factory.logging = Logging::Off;
        self
    }

    /// Sends changes to a changelog topic with these settings over the defaults, such as
    /// `min.insync.replicas`.
    ///
    /// ```
    /// # use streams_core::store::Logging;
    /// # use streams_state::Stores;
    /// let two = [("min.insync.replicas", "2")];
    /// let seen = Stores::key_value::<String, i64>("seen").with_changelog_settings(two).build();
    /// assert!(matches!(seen.logging(), Logging::On(set) if set["min.insync.replicas"] == "2"));
    /// ```
    #[must_use]
    pub fn with_changelog_settings<N: Into<String>, T: Into<String>>(
        mut self,
        settings: impl IntoIterator<Item = (N, T)>,
    ) -> Self {
        let settings = settings.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.factory.logging = Logging::On(settings.collect());
        self
    }

    /// Gives the records of the changelog the headers of the record being processed. The store does
    /// not keep them.
    #[must_use]
    pub fn with_logged_headers(mut self) -> Self {
        self.factory.headers = LoggedHeaders::OfRecord;
        self
    }

    /// Leaves the times of the changelog's records to the producer, as Kafka does for the records
    /// that an operator holds back.
    #[must_use]
    pub fn without_logged_timestamps(mut self) -> Self {
        self.factory.times = LoggedTimes::OfProducer;
        self
    }

    /// The declaration, for a topology.
    ///
    /// ```
    /// # use streams_state::Stores;
    /// let seen = Stores::key_value::<String, i64>("seen").cached().build();
    /// assert_eq!(seen.name(), "seen");
    /// assert_eq!(seen.retention(), None);
    /// ```
    #[must_use]
    pub fn build(mut self) -> Arc<dyn StoreSpec> {
        if self.factory.duplicates == Duplicates::Keep {
            // A cache would know one row of each key and window.
            self.factory.caching = Caching::Off;
        }
        // An index would not know what only the cache has.
        let this = match (self.factory.caching, RowKeys::of(self.factory.kind)) {
            (Caching::On, Some(RowKeys { order: RowOrder::TimeFirstIndexed, .. })) => {
                self.ordered(RowOrder::TimeFirst)
            }
            _ => self,
        };
        Arc::new(this.factory)
    }
}

/// For operators that are given a store.
impl<S> StoreBuilder<S> {
    /// The store's name.
    ///
    /// ```
    /// # use streams_state::Stores;
    /// assert_eq!(Stores::key_value::<String, i64>("seen").name(), "seen");
    /// ```
    #[must_use]
    pub const fn name(&self) -> &StoreName {
        &self.factory.name
    }

    /// Whether its rows are kept in memory.
    ///
    /// ```
    /// # use streams_state::Stores;
    /// let seen = Stores::key_value::<String, i64>("seen");
    /// assert!(!seen.is_in_memory());
    /// assert!(seen.in_memory().is_in_memory());
    /// ```
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        self.factory.medium == Medium::Memory
    }
}

impl<K, V> StoreBuilder<WindowStore<K, V>> {
    /// Keeps all rows of a key and window, in the order in which they were written, where a store
    /// otherwise keeps the last one: what joins of streams need. A row gets a number in its key;
    /// the numbers start again with each opening of the store, as in Kafka. Such a store has no
    /// record cache, and a deletion changes nothing in it, though it is written to the changelog.
    /// Answers to Kafka's `retainDuplicates`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use streams_state::Stores;
    ///
    /// let minute = Duration::from_secs(60);
    /// let clicks = Stores::window::<String, i64>("clicks", minute, minute).retaining_duplicates();
    /// assert!(clicks.retains_duplicates());
    /// assert_eq!(clicks.window_size(), minute);
    /// ```
    #[must_use]
    pub fn retaining_duplicates(mut self) -> Self {
        self.factory.duplicates = Duplicates::Keep;
        self
    }

    /// Whether all rows of a key and window are kept.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_state::Stores;
    /// let minute = Duration::from_secs(60);
    /// let clicks = Stores::window::<String, i64>("clicks", minute, minute);
    /// assert!(!clicks.retains_duplicates());
    /// assert!(clicks.retaining_duplicates().retains_duplicates());
    /// ```
    #[must_use]
    pub fn retains_duplicates(&self) -> bool {
        self.factory.duplicates == Duplicates::Keep
    }

    /// The size of the windows.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_state::Stores;
    /// let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    /// let clicks = Stores::window::<String, i64>("clicks", minute, hour);
    /// assert_eq!(clicks.window_size(), minute);
    /// ```
    #[must_use]
    pub fn window_size(&self) -> Duration {
        self.factory.window_size.unwrap_or_default()
    }

    /// For how long a window is kept.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_state::Stores;
    /// let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    /// let clicks = Stores::window::<String, i64>("clicks", minute, hour);
    /// assert_eq!(clicks.retention(), hour);
    /// ```
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.factory.retention.unwrap_or_default()
    }
}

impl<S: Cached> StoreBuilder<S> {
    /// Puts a record cache before the store, which thins its writes: of the updates of a key
    /// between two commits the last one goes to the store and its changelog; see
    /// `statestore.cache.max.bytes`. Kafka's `withCachingEnabled`.
    ///
    /// ```
    /// # use streams_state::Stores;
    /// let counts = Stores::timestamped_key_value::<String, i64>("counts").cached().build();
    /// assert_eq!(counts.name(), "counts");
    /// ```
    #[must_use]
    pub fn cached(mut self) -> Self {
        self.factory.caching = Caching::On;
        self
    }
}

impl<K, V> StoreBuilder<VersionedKeyValueStore<K, V>> {
    /// How much time one segment of the history covers, at least 1 ms. Shorter ones free the disk
    /// sooner; a look into the past may have to search all of them. A 24th of the history unless
    /// told otherwise, and more for less than an hour.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_state::Stores;
    /// # use streams_core::store::StoreKind;
    /// let (hour, minute) = (Duration::from_secs(3_600), Duration::from_secs(60));
    /// let prices = Stores::versioned_key_value::<String, i64>("prices", hour);
    /// let prices = prices.with_segment_interval(minute).build();
    /// let StoreKind::Versioned(segments) = prices.kind() else { unreachable!() };
    /// assert_eq!(segments.interval_ms, 60_000);
    /// ```
    #[must_use]
    pub fn with_segment_interval(mut self, interval: Duration) -> Self {
        if let StoreKind::Versioned(segments) = &mut self.factory.kind {
            segments.interval_ms = millis(interval).max(1);
        }
        self
    }
}

impl<S> From<StoreBuilder<S>> for Arc<dyn StoreSpec> {
    fn from(builder: StoreBuilder<S>) -> Self {
        builder.build()
    }
}
