//! Key to value and timestamp.

use std::ops::RangeBounds;
use std::rc::Rc;

use streams_core::error::{Part, Pushed, StoreError};
use streams_core::names::StoreName;
use streams_core::record::Headers;
use streams_core::serde::SerdeError;
use streams_core::time::Timestamp;

use super::{Codec, owner};
use crate::bytes::{Direction, KeyRange};
use crate::layer::changelog::{TIMESTAMP_BYTES, split_timestamp};
use crate::layer::{Outgoing, Owner, Rows};

/// A value and the time of its last update. Answers to Kafka's `ValueAndTimestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamped<V> {
    /// The value.
    pub value: V,
    /// The time of the record that made it.
    pub timestamp: Timestamp,
}

/// Whether an owner wants the value before with each one that is written out of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldValues {
    /// The value before is read and given.
    Send,
    /// It is not.
    Omit,
}

/// An entry that the record cache has written out, to be forwarded by the node that owns the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Flushed<K, V> {
    /// The key.
    pub key: K,
    /// The new value; `None` when the key was deleted.
    pub new: Option<V>,
    /// The value before; `None` when there was none or [`OldValues::Omit`].
    pub old: Option<V>,
    /// The new value's time; for a deleted key the time of the record that deleted it.
    pub timestamp: Timestamp,
    /// The headers of the record that wrote the entry last.
    pub headers: Headers,
}

/// What [`TimestampedKeyValueStore::update`] shall do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update<V> {
    /// Nothing.
    Keep,
    /// Delete it.
    Delete,
    /// Give it this value and time.
    Put(V, Timestamp),
}

/// A store of keys, values and timestamps: what the tables and aggregations of the DSL use. Answers
/// to Kafka's `TimestampedKeyValueStore`.
///
/// A handle, with the properties of [`KeyValueStore`](crate::KeyValueStore).
pub struct TimestampedKeyValueStore<K, V>(Rc<Codec<K, V>>);

impl<K, V> Clone for TimestampedKeyValueStore<K, V> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<K, V> std::fmt::Debug for TimestampedKeyValueStore<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TimestampedKeyValueStore").field(&self.0).finish()
    }
}

impl<K: 'static, V: 'static> Codec<K, V> {
    fn decode_timestamped(&self, row: &[u8]) -> Result<Timestamped<V>, StoreError> {
        let row = self.seen(row)?;
        let (timestamp, value) = split_timestamp(row).ok_or_else(|| {
            let expected = "timestamp before a value";
            let too_short =
                SerdeError::Width { expected, width: TIMESTAMP_BYTES, actual: row.len() };
            self.failed("read", Part::Value, too_short)
        })?;
        Ok(Timestamped { value: self.read_value(value)?, timestamp })
    }
}

impl<K: 'static, V: 'static> TimestampedKeyValueStore<K, V> {
    pub(crate) fn new(codec: Codec<K, V>) -> Self {
        Self(Rc::new(codec))
    }

    /// The store's name.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{Stores, Timestamped};
    /// # let store = Stores::timestamped_key_value::<String, i64>("counts");
    /// # let (_task, counts) = alone::open(store);
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// assert_eq!(counts.name(), "counts");
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &StoreName {
        self.0.layers.name()
    }

    fn decode(&self, row: Option<&[u8]>) -> Result<Option<Timestamped<V>>, StoreError> {
        row.map(|row| self.0.decode_timestamped(row)).transpose()
    }

    /// The value and time of a key.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{Stores, Timestamped};
    /// # let store = Stores::timestamped_key_value::<String, i64>("counts");
    /// # let (_task, counts) = alone::open(store);
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// counts.put(&a, &1, at(7))?;
    /// assert_eq!(counts.get(&a)?, Some(Timestamped { value: 1, timestamp: at(7) }));
    /// assert_eq!(counts.get(&b)?, None);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the key cannot be encoded, the value not be decoded, or the store not be read.
    pub fn get(&self, key: &K) -> Result<Option<Timestamped<V>>, StoreError> {
        self.0.with_key(key, |key| self.0.layers.read_with(key, |row| self.decode(row))?.0)
    }

    /// Gives a key a value and time. A value that its serde turns into null deletes the key.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{Stores, Timestamped};
    /// # let store = Stores::timestamped_key_value::<String, i64>("counts");
    /// # let (_task, counts) = alone::open(store);
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// counts.put(&a, &1, at(7))?;
    /// counts.put(&a, &2, at(5))?;
    /// assert_eq!(counts.get(&a)?, Some(Timestamped { value: 2, timestamp: at(5) }));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When key or value cannot be encoded, or the changelog does not take the change.
    pub fn put(&self, key: &K, value: &V, timestamp: Timestamp) -> Result<(), StoreError> {
        self.put_row(key, Some(value), timestamp)
    }

    /// Deletes a key, and gives what it had.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{Stores, Timestamped};
    /// # let store = Stores::timestamped_key_value::<String, i64>("counts");
    /// # let (_task, counts) = alone::open(store);
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// counts.put(&a, &1, at(7))?;
    /// assert_eq!(counts.delete(&a)?, Some(Timestamped { value: 1, timestamp: at(7) }));
    /// assert_eq!(counts.get(&a)?, None);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`get`](Self::get) and [`put`](Self::put).
    pub fn delete(&self, key: &K) -> Result<Option<Timestamped<V>>, StoreError> {
        self.0.with_key(key, |key| {
            let (old, hint) = self.0.layers.read_with(key, |row| self.decode(row))?;
            self.0.layers.put_at(key, None, hint)?;
            old
        })
    }

    /// Gives a key a value and time if it has none; else gives what it has.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{Stores, Timestamped};
    /// # let store = Stores::timestamped_key_value::<String, i64>("counts");
    /// # let (_task, counts) = alone::open(store);
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// assert_eq!(counts.put_if_absent(&a, &1, at(7))?, None);
    /// let first = Timestamped { value: 1, timestamp: at(7) };
    /// assert_eq!(counts.put_if_absent(&a, &2, at(8))?, Some(first));
    /// assert_eq!(counts.get(&a)?, Some(first));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`get`](Self::get) and [`put`](Self::put).
    pub fn put_if_absent(
        &self,
        key: &K,
        value: &V,
        timestamp: Timestamp,
    ) -> Result<Option<Timestamped<V>>, StoreError> {
        self.0.with_key(key, |key| {
            let (old, hint) = self.0.layers.read_with(key, |row| self.decode(row))?;
            let old = old?;
            if old.is_none() {
                let head = timestamp.millis().to_be_bytes();
                self.0.with_row(&head, value, |row| self.0.layers.put_at(key, row, hint))?;
            }
            Ok(old)
        })
    }

    /// Puts all entries, in their order.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{Stores, Timestamped};
    /// # let store = Stores::timestamped_key_value::<String, i64>("counts");
    /// # let (_task, counts) = alone::open(store);
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// counts.put_all([(&a, &1, at(7)), (&b, &2, at(8))])?;
    /// assert_eq!(counts.get(&b)?, Some(Timestamped { value: 2, timestamp: at(8) }));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`put`](Self::put); the entries before the one that failed are in the store.
    pub fn put_all<'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a K, &'a V, Timestamp)>,
    ) -> Result<(), StoreError> {
        entries.into_iter().try_for_each(|(key, value, time)| self.put(key, value, time))
    }

    fn entries(&self, rows: Rows) -> TimestampedEntries<K, V> {
        TimestampedEntries { codec: Rc::clone(&self.0), rows }
    }

    /// The entries of a range of keys, in the order of their bytes: `&from..=&to` for both ends
    /// included, as in Kafka. Nothing, and a warning, when the ends are in the wrong order.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{Stores, Timestamped};
    /// # let store = Stores::timestamped_key_value::<String, i64>("counts");
    /// # let (_task, counts) = alone::open(store);
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # for (key, count) in [(&a, 1), (&b, 2), (&c, 3)] {
    /// #     counts.put(key, &count, at(7))?;
    /// # }
    /// let found: Vec<_> = counts.range(&a..&b)?.collect::<Result<_, _>>()?;
    /// assert_eq!(found, [(a, Timestamped { value: 1, timestamp: at(7) })]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When an end of the range cannot be encoded.
    pub fn range(
        &self,
        range: impl RangeBounds<K>,
    ) -> Result<TimestampedEntries<K, V>, StoreError> {
        Ok(self.entries(self.0.range(&range, Direction::Forward)?))
    }

    /// As [`range`](Self::range), from the greatest key down.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{Stores, Timestamped};
    /// # let store = Stores::timestamped_key_value::<String, i64>("counts");
    /// # let (_task, counts) = alone::open(store);
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # for (key, count) in [(&a, 1), (&b, 2), (&c, 3)] {
    /// #     counts.put(key, &count, at(7))?;
    /// # }
    /// let found = counts.reverse_range(&b..)?.map(|entry| Ok((entry?.1).value));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [3, 2]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When an end of the range cannot be encoded.
    pub fn reverse_range(
        &self,
        range: impl RangeBounds<K>,
    ) -> Result<TimestampedEntries<K, V>, StoreError> {
        Ok(self.entries(self.0.range(&range, Direction::Backward)?))
    }

    /// All entries, in the order of their keys' bytes.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{Stores, Timestamped};
    /// # let store = Stores::timestamped_key_value::<String, i64>("counts");
    /// # let (_task, counts) = alone::open(store);
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # for (key, count) in [(&a, 1), (&b, 2), (&c, 3)] {
    /// #     counts.put(key, &count, at(7))?;
    /// # }
    /// let found = counts.all()?.map(|entry| Ok((entry?.1).value));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [1, 2, 3]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// None before the first entry.
    pub fn all(&self) -> Result<TimestampedEntries<K, V>, StoreError> {
        self.range(..)
    }

    /// All entries, from the greatest key down.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{Stores, Timestamped};
    /// # let store = Stores::timestamped_key_value::<String, i64>("counts");
    /// # let (_task, counts) = alone::open(store);
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # for (key, count) in [(&a, 1), (&b, 2), (&c, 3)] {
    /// #     counts.put(key, &count, at(7))?;
    /// # }
    /// let found = counts.reverse_all()?.map(|entry| Ok((entry?.1).value));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [3, 2, 1]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// None before the first entry.
    pub fn reverse_all(&self) -> Result<TimestampedEntries<K, V>, StoreError> {
        self.reverse_range(..)
    }

    /// The entries whose keys' bytes start with `prefix`, in their order.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{Stores, Timestamped};
    /// # let store = Stores::timestamped_key_value::<String, i64>("counts");
    /// # let (_task, counts) = alone::open(store);
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// counts.put(&"apple".to_owned(), &1, at(7))?;
    /// counts.put(&"pear".to_owned(), &2, at(7))?;
    /// let found: Vec<_> = counts.prefix_scan("app")?.collect::<Result<_, _>>()?;
    /// assert_eq!(found, [("apple".to_owned(), Timestamped { value: 1, timestamp: at(7) })]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// None before the first entry.
    pub fn prefix_scan(
        &self,
        prefix: impl AsRef<[u8]>,
    ) -> Result<TimestampedEntries<K, V>, StoreError> {
        let range = KeyRange::prefix(prefix.as_ref());
        Ok(self.entries(self.0.layers.rows(range, Direction::Forward)))
    }

    /// About how many keys there are. Keys written again since the last commit may count twice.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::{Stores, Timestamped};
    /// # let store = Stores::timestamped_key_value::<String, i64>("counts");
    /// # let (_task, counts) = alone::open(store);
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # for (key, count) in [(&a, 1), (&b, 2), (&c, 3)] {
    /// #     counts.put(key, &count, at(7))?;
    /// # }
    /// assert_eq!(counts.approximate_num_entries()?, 3);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the store is closed or does not answer.
    pub fn approximate_num_entries(&self) -> Result<u64, StoreError> {
        self.0.layers.approximate_len()
    }
}

/// For the node that owns a store: the operators of the DSL.
impl<K: 'static, V: 'static> TimestampedKeyValueStore<K, V> {
    /// Whether the store has a record cache.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.0.layers.cache().is_some()
    }

    /// From now on a node forwards what the cache writes out, and fetches it with
    /// [`forward_evicted`](Self::forward_evicted) and [`flush_cache`](Self::flush_cache). To be
    /// called while the node is linked; says whether there is a cache. Answers to Kafka's
    /// `setFlushListener`.
    pub fn own_flushes(&self, old_values: OldValues) -> bool {
        let cache = self.0.layers.cache();
        cache.inspect(|cache| cache.set_owner(Owner::of(old_values))).is_some()
    }

    /// Gives a key a value and time, or deletes it.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn put_row(
        &self,
        key: &K,
        value: Option<&V>,
        timestamp: Timestamp,
    ) -> Result<(), StoreError> {
        let layers = &self.0.layers;
        self.0.with_key(key, |key| match value {
            None => layers.put(key, None),
            Some(value) => {
                let head = timestamp.millis().to_be_bytes();
                self.0.with_row(&head, value, |row| layers.put(key, row))
            }
        })
    }

    /// Reads a key and writes it, with one encoding of the key and one look-up. `with` gets what is
    /// there and says what to do; it may use any store, this one too.
    ///
    /// # Errors
    /// As for [`get`](Self::get) and [`put`](Self::put).
    pub fn update<R>(
        &self,
        key: &K,
        with: impl FnOnce(Option<Timestamped<V>>) -> (Update<V>, R),
    ) -> Result<R, StoreError> {
        let layers = &self.0.layers;
        self.0.with_key(key, |key| {
            let (old, hint) = layers.read_with(key, |row| self.decode(row))?;
            let (update, result) = with(old?);
            match update {
                Update::Keep => {}
                Update::Delete => layers.put_at(key, None, hint)?,
                Update::Put(value, timestamp) => {
                    let head = timestamp.millis().to_be_bytes();
                    self.0.with_row(&head, &value, |row| layers.put_at(key, row, hint))?;
                }
            }
            Ok(result)
        })
    }

    /// Gives `each` what the cache evicted, in Kafka's order: the entry that had to go, then all
    /// other dirty ones. Each call sees the time, place and headers of the record that wrote the
    /// entry. To be called after each read or write of the store by its owner; costs nothing when
    /// nothing was evicted.
    ///
    /// # Errors
    /// What `each` returns, or a failure of the store.
    #[inline]
    pub fn forward_evicted(&self, each: &mut dyn FnMut(Flushed<K, V>) -> Pushed) -> Pushed {
        match self.0.layers.cache() {
            Some(cache) if !cache.is_settled() => {
                owner::forward(&self.0.layers, cache, |out| self.flushed(out), each)
            }
            _ => Ok(()),
        }
    }

    /// Writes out all dirty entries of the cache, in the order of their last writes, and gives each
    /// to `each` as [`forward_evicted`](Self::forward_evicted) does.
    ///
    /// # Errors
    /// What `each` returns, or a failure of the store.
    pub fn flush_cache(&self, each: &mut dyn FnMut(Flushed<K, V>) -> Pushed) -> Pushed {
        owner::flush(&self.0.layers, |out| self.flushed(out), each)
    }

    fn flushed(&self, out: Outgoing) -> Result<Flushed<K, V>, StoreError> {
        let new = self.decode(out.entry.value.as_deref())?;
        let old = self.decode(out.old.as_deref())?;
        Ok(Flushed {
            key: self.0.decode_key(&out.entry.key)?,
            timestamp: new.as_ref().map_or(out.entry.writer.timestamp, |new| new.timestamp),
            new: new.map(|new| new.value),
            old: old.map(|old| old.value),
            headers: out.entry.writer.headers,
        })
    }
}

/// The entries of a scan, as they were when it started. To be finished before the task commits:
/// afterwards it gives [`StoreError::StaleIterator`].
#[derive(Debug)]
pub struct TimestampedEntries<K, V> {
    codec: Rc<Codec<K, V>>,
    rows: Rows,
}

impl<K: 'static, V: 'static> Iterator for TimestampedEntries<K, V> {
    type Item = Result<(K, Timestamped<V>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let codec = &self.codec;
        let row = self.rows.next_row().transpose()?;
        Some(
            row.and_then(|(key, row)| Ok((codec.decode_key(key)?, codec.decode_timestamped(row)?))),
        )
    }
}
