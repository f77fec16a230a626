//! Key and time to value.

use std::rc::Rc;

use streams_core::error::StoreError;
use streams_core::names::StoreName;
use streams_core::time::Timestamp;

use super::{Codec, Timestamped};

/// What became of a version that was put. Answers to the number that Kafka's
/// `VersionedKeyValueStore.put` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutVersion {
    /// It is the latest of its key. Kafka's -1.
    Latest,
    /// It holds until this time, from which a later version does. Kafka's `validTo`.
    Until(Timestamp),
    /// It is older than the history that is kept, and was not put. Kafka's `Long.MIN_VALUE`.
    Expired,
}

/// A store that keeps the former values of each key for a while. Answers to Kafka's
/// `VersionedKeyValueStore` (KIP-889).
///
/// A version begins at its own time and holds until the next one of its key. So the order in which
/// versions come does not matter, as long as none comes later than the history is kept; the time
/// that counts is the greatest one written to the store. Each change is a record of the changelog:
/// the plain value, with the time of the version as timestamp and without headers.
///
/// A handle, with the properties of [`KeyValueStore`](crate::KeyValueStore). It has no record cache
/// and no scans.
pub struct VersionedKeyValueStore<K, V>(Rc<Codec<K, V>>);

impl<K, V> Clone for VersionedKeyValueStore<K, V> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<K, V> std::fmt::Debug for VersionedKeyValueStore<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("VersionedKeyValueStore").field(&self.0).finish()
    }
}

impl<K: 'static, V: 'static> VersionedKeyValueStore<K, V> {
    pub(crate) fn new(codec: Codec<K, V>) -> Self {
        Self(Rc::new(codec))
    }

    /// The store's name.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{PutVersion, Stores, Timestamped};
    /// # let store = Stores::versioned_key_value::<String, i64>("prices", Duration::from_secs(60));
    /// # let (_task, prices) = alone::open(store);
    /// # let a = "a".to_owned();
    /// # let at = Timestamp::from_millis;
    /// assert_eq!(prices.name(), "prices");
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &StoreName {
        self.0.layers.name()
    }

    fn decode(
        &self,
        version: Option<(Timestamp, &[u8])>,
    ) -> Result<Option<Timestamped<V>>, StoreError> {
        let decode =
            |(timestamp, value)| Ok(Timestamped { value: self.0.decode_value(value)?, timestamp });
        version.map(decode).transpose()
    }

    /// How many rows there are, for tests.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> u64 {
        self.0.layers.approximate_len().unwrap_or(u64::MAX)
    }

    /// The latest value of a key, and when it began.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{PutVersion, Stores, Timestamped};
    /// # let store = Stores::versioned_key_value::<String, i64>("prices", Duration::from_secs(60));
    /// # let (_task, prices) = alone::open(store);
    /// # let a = "a".to_owned();
    /// # let at = Timestamp::from_millis;
    /// prices.put(&a, &10, at(1_000))?;
    /// prices.put(&a, &9, at(500))?;
    /// assert_eq!(prices.get(&a)?, Some(Timestamped { value: 10, timestamp: at(1_000) }));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the key cannot be encoded, the value not be decoded, or the store not be read.
    pub fn get(&self, key: &K) -> Result<Option<Timestamped<V>>, StoreError> {
        let layers = &self.0.layers;
        self.0.with_key(key, |key| layers.read_version(key, None, |found| self.decode(found))?)
    }

    /// The value that a key had at a time, and when it began. Nothing, when the time is older than
    /// the history that is kept, unless the latest version holds since then.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{PutVersion, Stores, Timestamped};
    /// # let store = Stores::versioned_key_value::<String, i64>("prices", Duration::from_secs(60));
    /// # let (_task, prices) = alone::open(store);
    /// # let a = "a".to_owned();
    /// # let at = Timestamp::from_millis;
    /// prices.put(&a, &10, at(1_000))?;
    /// prices.put(&a, &12, at(2_000))?;
    /// let former = Timestamped { value: 10, timestamp: at(1_000) };
    /// assert_eq!(prices.as_of(&a, at(1_999))?, Some(former));
    /// assert_eq!(prices.as_of(&a, at(999))?, None);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn as_of(
        &self,
        key: &K,
        timestamp: Timestamp,
    ) -> Result<Option<Timestamped<V>>, StoreError> {
        let (layers, as_of) = (&self.0.layers, Some(timestamp.millis()));
        self.0.with_key(key, |key| layers.read_version(key, as_of, |found| self.decode(found))?)
    }

    /// Gives a key a value from a time on, until the time of its next version. A value that its
    /// serde turns into null deletes.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{PutVersion, Stores, Timestamped};
    /// # let store = Stores::versioned_key_value::<String, i64>("prices", Duration::from_secs(60));
    /// # let (_task, prices) = alone::open(store);
    /// # let a = "a".to_owned();
    /// # let at = Timestamp::from_millis;
    /// assert_eq!(prices.put(&a, &12, at(2_000))?, PutVersion::Latest);
    /// assert_eq!(prices.put(&a, &10, at(1_000))?, PutVersion::Until(at(2_000)));
    /// assert_eq!(prices.put(&a, &13, at(100_000))?, PutVersion::Latest);
    /// assert_eq!(prices.put(&a, &11, at(1_500))?, PutVersion::Expired);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When key or value cannot be encoded, the store not be read, or the changelog does not take
    /// the change.
    pub fn put(&self, key: &K, value: &V, timestamp: Timestamp) -> Result<PutVersion, StoreError> {
        let (layers, time) = (&self.0.layers, timestamp.millis());
        self.0.with_key(key, |key| {
            self.0.with_row(&[], value, |value| layers.put_version(key, value, time))
        })
    }

    /// Deletes a key from a time on, until the time of its next version. Gives what it had at that
    /// time; nothing is deleted or given, when that is older than the history that is kept.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{PutVersion, Stores, Timestamped};
    /// # let store = Stores::versioned_key_value::<String, i64>("prices", Duration::from_secs(60));
    /// # let (_task, prices) = alone::open(store);
    /// # let a = "a".to_owned();
    /// # let at = Timestamp::from_millis;
    /// prices.put(&a, &10, at(1_000))?;
    /// let former = Timestamped { value: 10, timestamp: at(1_000) };
    /// assert_eq!(prices.delete(&a, at(2_000))?, Some(former));
    /// assert_eq!((prices.get(&a)?, prices.as_of(&a, at(1_500))?), (None, Some(former)));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`get`](Self::get) and [`put`](Self::put).
    pub fn delete(
        &self,
        key: &K,
        timestamp: Timestamp,
    ) -> Result<Option<Timestamped<V>>, StoreError> {
        let (layers, time) = (&self.0.layers, timestamp.millis());
        self.0.with_key(key, |key| {
            let old = layers.read_deleted(key, time, |found| self.decode(found))??;
            layers.put_version(key, None, time)?;
            Ok(old)
        })
    }
}

/// For the node that owns a store: the operators of the DSL.
impl<K: 'static, V: 'static> VersionedKeyValueStore<K, V> {
    /// Gives a key a value from a time on, or deletes it.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn put_row(
        &self,
        key: &K,
        value: Option<&V>,
        timestamp: Timestamp,
    ) -> Result<PutVersion, StoreError> {
        match value {
            Some(value) => self.put(key, value, timestamp),
            None => {
                let (layers, time) = (&self.0.layers, timestamp.millis());
                self.0.with_key(key, |key| layers.put_version(key, None, time))
            }
        }
    }
}
