//! Stores whose rows have headers (KIP-1271).

use std::sync::Arc;
use std::time::Duration;

use streams_core::names::StoreName;
use streams_core::serde::{DefaultSerde, SharedSerde};
use streams_core::store::StoreKind;

use super::{StoreBuilder, Stores};
use crate::view::{
    SessionStoreWithHeaders, Timestamped, TimestampedKeyValueStoreWithHeaders, TimestampedSerde,
    TimestampedWindowStoreWithHeaders, WithHeaders, WithHeadersSerde,
};

impl<S> StoreBuilder<S> {
    fn of_rows_with_headers(mut self) -> Self {
        self.factory.kind = match self.factory.kind {
            StoreKind::KeyValue => StoreKind::TimestampedKeyValueWithHeaders,
            StoreKind::Window(segments) => StoreKind::TimestampedWindowWithHeaders(segments),
            StoreKind::Session(segments) => StoreKind::SessionWithHeaders(segments),
            other => other,
        };
        self
    }
}

pub(super) fn with_headers<V: 'static>(value: SharedSerde<V>) -> SharedSerde<WithHeaders<V>> {
    Arc::new(WithHeadersSerde::new(value))
}

pub(super) fn with_time<V: 'static>(value: SharedSerde<V>) -> SharedSerde<Timestamped<V>> {
    Arc::new(TimestampedSerde::new(value))
}

impl Stores {
    /// A store of keys and values that each have a time and headers, with the default serdes of their
    /// types. The records of its changelog have the times and headers of the rows. Kafka's
    /// `timestampedKeyValueStoreWithHeadersBuilder` (KIP-1271).
    ///
    /// ```
    /// # use streams_core::store::StoreKind;
    /// # use streams_state::Stores;
    /// let last = Stores::timestamped_key_value_and_headers::<String, i64>("last").build();
    /// assert_eq!(last.kind(), StoreKind::TimestampedKeyValueWithHeaders);
    /// ```
    pub fn timestamped_key_value_and_headers<K: DefaultSerde, V: DefaultSerde>(
        name: impl Into<StoreName>,
    ) -> StoreBuilder<TimestampedKeyValueStoreWithHeaders<K, V>> {
        Self::timestamped_key_value_and_headers_with(name, K::serde(), V::serde())
    }

    /// As [`timestamped_key_value_and_headers`](Self::timestamped_key_value_and_headers), with these
    /// serdes.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_core::record::Headers;
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{Stores, Timestamped, WithHeaders};
    /// let (key, value) = (String::serde(), i64::serde());
    /// let last = Stores::timestamped_key_value_and_headers_with("last", key, value);
    /// # let (_stores, last) = alone::open(last);
    /// let value = Timestamped { value: 7, timestamp: Timestamp::from_millis(5) };
    /// let mut headers = Headers::new();
    /// headers.add("trace", Some("x".into()));
    /// let row = WithHeaders { value, headers };
    /// last.put(&"ann".to_owned(), &row)?;
    /// assert_eq!(last.get(&"ann".to_owned())?, Some(row));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timestamped_key_value_and_headers_with<K: 'static, V: 'static>(
        name: impl Into<StoreName>,
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> StoreBuilder<TimestampedKeyValueStoreWithHeaders<K, V>> {
        Self::key_value_with(name, key, with_headers(with_time(value))).of_rows_with_headers()
    }

    /// A store of keys, windows of a size, and values that each have a time and headers, with the
    /// default serdes of their types. Windows are kept for `retention` from their start, and not
    /// shorter than their size. Kafka's `timestampedWindowStoreWithHeadersBuilder` (KIP-1271).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::store::StoreKind;
    /// # use streams_state::Stores;
    /// let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    /// let clicks = Stores::timestamped_window_and_headers::<String, i64>("clicks", minute, hour);
    /// let kind = clicks.build().kind();
    /// assert!(matches!(kind, StoreKind::TimestampedWindowWithHeaders(_)));
    /// ```
    pub fn timestamped_window_and_headers<K: DefaultSerde, V: DefaultSerde>(
        name: impl Into<StoreName>,
        size: Duration,
        retention: Duration,
    ) -> StoreBuilder<TimestampedWindowStoreWithHeaders<K, V>> {
        Self::timestamped_window_and_headers_with(name, (size, retention), K::serde(), V::serde())
    }

    /// As [`timestamped_window_and_headers`](Self::timestamped_window_and_headers), with these
    /// serdes. First the size of the windows, then how long they are kept.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_state::Stores;
    /// let times = (Duration::from_secs(60), Duration::from_secs(3_600));
    /// let (key, value) = (String::serde(), i64::serde());
    /// let clicks = Stores::timestamped_window_and_headers_with("clicks", times, key, value);
    /// assert_eq!((clicks.window_size(), clicks.retention()), times);
    /// ```
    pub fn timestamped_window_and_headers_with<K: 'static, V: 'static>(
        name: impl Into<StoreName>,
        (size, retention): (Duration, Duration),
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> StoreBuilder<TimestampedWindowStoreWithHeaders<K, V>> {
        let value = with_headers(with_time(value));
        Self::window_with(name, (size, retention), key, value).of_rows_with_headers()
    }

    /// A store of keys, sessions and values with headers, with the default serdes of their types.
    /// Sessions are kept for `retention` from their end. Kafka's `sessionStoreWithHeadersBuilder`
    /// (KIP-1271).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::store::StoreKind;
    /// # use streams_state::Stores;
    /// let hour = Duration::from_secs(3_600);
    /// let visits = Stores::session_and_headers::<String, i64>("visits", hour).build();
    /// assert!(matches!(visits.kind(), StoreKind::SessionWithHeaders(_)));
    /// ```
    pub fn session_and_headers<K: DefaultSerde, V: DefaultSerde>(
        name: impl Into<StoreName>,
        retention: Duration,
    ) -> StoreBuilder<SessionStoreWithHeaders<K, V>> {
        Self::session_and_headers_with(name, retention, K::serde(), V::serde())
    }

    /// As [`session_and_headers`](Self::session_and_headers), with these serdes.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::serde::DefaultSerde;
    /// # use streams_state::Stores;
    /// let (hour, key, value) = (Duration::from_secs(3_600), String::serde(), i64::serde());
    /// let visits = Stores::session_and_headers_with("visits", hour, key, value).build();
    /// assert_eq!(visits.retention(), Some(hour));
    /// ```
    pub fn session_and_headers_with<K: 'static, V: 'static>(
        name: impl Into<StoreName>,
        retention: Duration,
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> StoreBuilder<SessionStoreWithHeaders<K, V>> {
        Self::session_with(name, retention, key, with_headers(value)).of_rows_with_headers()
    }
}
