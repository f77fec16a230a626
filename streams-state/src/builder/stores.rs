//! Stores of each kind.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use streams_core::names::StoreName;
use streams_core::serde::{DefaultSerde, SharedSerde};
use streams_core::store::{RowOrder, Segments, StoreKind};

use super::factory::MakeHandle;
use super::with_headers::{with_headers, with_time};
use super::{StoreBuilder, millis};
use crate::layer::Reach;
use crate::view::{
    Codec, KeyValueStore, ListStore, SessionStore, TimestampedKeyValueStore,
    TimestampedWindowStore, VersionedKeyValueStore, WindowStore, WindowedCodec,
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
        StoreBuilder::new(name.into(), StoreKind::KeyValue, key_value_views(key, value))
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
        let shown = with_headers(with_time(Arc::clone(&value)));
        let with_headers = key_value_views(Arc::clone(&key), shown);
        let make = move |layers: Reach, topic| -> Box<dyn Any> {
            let codec = Codec::new(layers, topic, Arc::clone(&key), Arc::clone(&value));
            Box::new(TimestampedKeyValueStore::new(codec))
        };
        StoreBuilder::new(name.into(), StoreKind::TimestampedKeyValue, Arc::new(make))
            .showing_headers_by(with_headers)
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
        let shown = with_headers(with_time(Arc::clone(&value)));
        let with_headers = window_views(size, Arc::clone(&key), shown);
        let views = window_views(size, key, value);
        let store = StoreBuilder::new(name.into(), kind, views).showing_headers_by(with_headers);
        store.keeping(retention).of_size(size)
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
        let value = with_time(value);
        let shown = with_headers(Arc::clone(&value));
        let with_headers = window_views(size, Arc::clone(&key), shown);
        let views = window_views(size, key, value);
        let store = StoreBuilder::new(name.into(), kind, views).showing_headers_by(with_headers);
        store.keeping(retention).of_size(size)
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
        let kind = StoreKind::Session(segments(retention));
        let with_headers = session_views(Arc::clone(&key), with_headers(Arc::clone(&value)));
        let store = StoreBuilder::new(name.into(), kind, session_views(key, value));
        store.showing_headers_by(with_headers).keeping(retention)
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

/// The views of a store of keys and values.
fn key_value_views<K: 'static, V: 'static>(
    key: SharedSerde<K>,
    value: SharedSerde<V>,
) -> Arc<MakeHandle> {
    Arc::new(move |layers: Reach, topic| -> Box<dyn Any> {
        let codec = Codec::new(layers, topic, Arc::clone(&key), Arc::clone(&value));
        Box::new(KeyValueStore::new(codec))
    })
}

/// The views of a store of sessions.
fn session_views<K: 'static, V: 'static>(
    key: SharedSerde<K>,
    value: SharedSerde<V>,
) -> Arc<MakeHandle> {
    Arc::new(move |layers: Reach, topic| -> Box<dyn Any> {
        let serdes = (Arc::clone(&key), Arc::clone(&value));
        match WindowedCodec::new(layers, topic, serdes, 0) {
            Some(codec) => Box::new(SessionStore::new(codec)),
            None => Box::new(()),
        }
    })
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
