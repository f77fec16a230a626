//! Declaring stores: name, types, and what lies below them.

mod factory;
mod stores;
mod with_headers;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use streams_core::names::StoreName;
use streams_core::store::{Logging, RowOrder, StoreKind, StoreSpec};

pub use self::factory::kept_in;
pub(crate) use self::factory::{Caching, Duplicates, Factory, Medium};
use self::factory::{MakeHandle, SaidBy};
pub use self::stores::Stores;
use crate::layer::changelog::{LoggedHeaders, LoggedTimes};
use crate::own::BytesStoreSupplier;
use crate::row_key::RowKeys;
use crate::view::{Bounded, Cached, VersionedKeyValueStore, WindowStore};

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
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
            rows_max: None,
            headers: LoggedHeaders::None,
            times: LoggedTimes::OfRecord,
            layout: SaidBy::Program,
            place: SaidBy::Program,
            own: None,
            make,
            make_with_headers: None,
        };
        Self { factory, view: PhantomData }
    }

    fn showing_headers_by(mut self, make: Arc<MakeHandle>) -> Self {
        self.factory.make_with_headers = Some(make);
        self
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
        | StoreKind::TimestampedWindowWithHeaders(segments)
        | StoreKind::Session(segments)
        | StoreKind::SessionWithHeaders(segments) = &mut self.factory.kind
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
    pub fn in_memory(self) -> Self {
        self.placed_in(Medium::Memory)
    }

    /// Keeps the rows in a place of the program's own, which `supplier` opens for each task, or for the
    /// process where the store is global. Its record cache, changelog, expiry and all else are as those
    /// of a store on disk. It is not bounded by [`lru_map`](Self::lru_map) any more. Kafka's
    /// `keyValueStoreBuilder`, `windowStoreBuilder` and their kin with a supplier of one's own.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # mod map { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/map.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::window::Window;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{BytesStore, BytesStoreError, BytesStoreSupplier, StorePlace, Stores};
    /// # use map::Map;
    /// struct Maps;
    ///
    /// impl BytesStoreSupplier for Maps {
    ///     fn open(&self, _: StorePlace<'_>) -> Result<Box<dyn BytesStore>, BytesStoreError> {
    ///         Ok(Box::new(Map::default())) // A `BytesStore` over a `BTreeMap`.
    ///     }
    ///
    ///     fn is_persistent(&self) -> bool {
    ///         false
    ///     }
    /// }
    ///
    /// let hour = Duration::from_secs(3_600);
    /// let visits = Stores::session::<String, i64>("visits", hour).kept_in(Maps);
    /// # let (mut stores, visits) = alone::open(visits);
    /// let visit = Window::new(Timestamp::from_millis(5), Timestamp::from_millis(9));
    /// visits.put(&"ann".to_owned(), visit, &1)?;
    /// # stores.commit(&[])?;
    /// assert_eq!(visits.get(&"ann".to_owned(), visit)?, Some(1));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    #[must_use]
    pub fn kept_in(self, supplier: impl BytesStoreSupplier) -> Self {
        self.kept_in_shared(Arc::new(supplier))
    }

    /// As [`kept_in`](Self::kept_in), with a supplier that others use too.
    #[must_use]
    pub fn kept_in_shared(self, supplier: Arc<dyn BytesStoreSupplier>) -> Self {
        let mut this = self.placed_in(Medium::Disk);
        this.factory.own = Some(supplier);
        this.factory.layout = SaidBy::Program;
        this.factory.rows_max = None;
        this
    }

    fn placed_in(mut self, medium: Medium) -> Self {
        self.factory.medium = medium;
        self.factory.own = None;
        self.factory.place = SaidBy::Program;
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

/// For operators that are given a store, or declare one.
impl<S> StoreBuilder<S> {
    /// The rows are in memory if `dsl.store.suppliers.class` says so when the topology is run, and on
    /// disk otherwise, unless the store is versioned or [`in_memory`](Self::in_memory) follows.
    #[must_use]
    pub fn placed_by_settings(mut self) -> Self {
        self.factory.place = SaidBy::Settings;
        self
    }

    /// The rows are laid out as `dsl.store.format` says when the topology is run. With headers, if
    /// the store is on disk and not versioned, the operator's view does not show them, and a view of
    /// the type with headers is there beside it. Rows are then written without any; those of a store
    /// [`with_logged_headers`](Self::with_logged_headers), with the headers of the record being
    /// processed. Answers to Kafka's `AbstractConfigurableStoreFactory` (KIP-1271).
    #[must_use]
    pub fn laid_out_by_settings(mut self) -> Self {
        self.factory.layout = SaidBy::Settings;
        self
    }

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

    /// Whether its rows are kept on disk, and not in a place of the program's own.
    ///
    /// ```
    /// # use streams_state::Stores;
    /// let seen = Stores::key_value::<String, i64>("seen");
    /// assert!(seen.is_on_disk());
    /// assert!(!seen.in_memory().is_on_disk());
    /// ```
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        self.factory.medium == Medium::Disk && self.factory.own.is_none()
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

impl<S: Bounded> StoreBuilder<S> {
    /// Keeps at most so many rows, in memory: a row that is written when there are as many pushes
    /// out the one that was not read or written for longest, and that one is deleted from the
    /// changelog. Scans do not count as reads, nor does what a record cache before the store
    /// answers, nor, in a global store, what tasks read. After a start rows count as used when they
    /// were written. Kafka's `Stores.lruMap`.
    ///
    /// ```
    /// # use streams_state::Stores;
    /// let seen = Stores::key_value::<String, i64>("seen").lru_map(1_000).build();
    /// assert!(!seen.is_persistent());
    /// ```
    #[must_use]
    pub fn lru_map(mut self, rows_max: usize) -> Self {
        self.factory.rows_max = Some(rows_max);
        self.in_memory()
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
