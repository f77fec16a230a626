//! Key and window to value.

use std::ops::RangeBounds;
use std::rc::Rc;

use streams_core::error::{Pushed, StoreError};
use streams_core::names::StoreName;
use streams_core::serde::Payload;
use streams_core::time::Timestamp;
use streams_core::window::Windowed;

use super::windowed::{WindowedCodec, millis, selection};
use super::{Flushed, OldValues, Timestamped, WindowEntries, WindowedEntries};
use crate::bytes::Direction;
use crate::layer::{KeySpan, Owner};

/// A store of keys and windows, named by their starts, and values, for processors. Answers to
/// Kafka's `WindowStore`.
///
/// A handle: clones are the same store. It stays on its task's thread. The store keeps a window for
/// its retention, counted from the window's start to the greatest start that was written. What is
/// older is not shown, and writing it drops it and counts
/// [`DropReason::Expired`](streams_core::metrics::DropReason::Expired).
///
/// Scans of one key go by time. Scans of several keys go by key, then time, within each segment of
/// time on disk, and by time, then key, in memory and in stores that are ordered by time. Whatever
/// a method does, it holds nothing of the store when it returns; an iterator does not see later
/// changes.
pub struct WindowStore<K, V>(Rc<WindowedCodec<K, V>>);

/// A [`WindowStore`] whose values have the time of their last update: what the windowed
/// aggregations of the DSL use. Answers to Kafka's `TimestampedWindowStore`.
pub type TimestampedWindowStore<K, V> = WindowStore<K, Timestamped<V>>;

impl<K, V> Clone for WindowStore<K, V> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<K, V> std::fmt::Debug for WindowStore<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WindowStore").field(&self.0).finish()
    }
}

impl<K: 'static, V: 'static> WindowStore<K, V> {
    pub(crate) fn new(codec: WindowedCodec<K, V>) -> Self {
        Self(Rc::new(codec))
    }

    /// The store's name.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::Stores;
    /// # let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    /// # let store = Stores::window::<String, i64>("clicks", second, minute);
    /// # let (_task, clicks) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// assert_eq!(clicks.name(), "clicks");
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &StoreName {
        self.0.codec.layers.name()
    }

    /// The value of a key in the window that starts at `start`. Among duplicates it finds only the
    /// row that was written last to the store; use [`fetch`](Self::fetch).
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::Stores;
    /// # let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    /// # let store = Stores::window::<String, i64>("clicks", second, minute);
    /// # let (_task, clicks) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// clicks.put(&a, &1, at(1_000))?;
    /// assert_eq!((clicks.get(&a, at(1_000))?, clicks.get(&a, at(0))?), (Some(1), None));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the key cannot be encoded, the value not be decoded, or the store not be read.
    pub fn get(&self, key: &K, start: Timestamp) -> Result<Option<V>, StoreError> {
        let layers = &self.0.codec.layers;
        self.0.with_row_key(key, (start, layers.last_sequence()), |row| {
            layers.read_with(row, |value| self.0.decode(value))?.0
        })
    }

    /// Gives a key a value in the window that starts at `start`. A value that its serde turns into
    /// null deletes it.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::Stores;
    /// # let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    /// # let store = Stores::window::<String, i64>("clicks", second, minute);
    /// # let (_task, clicks) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// clicks.put(&a, &1, at(0))?;
    /// clicks.put(&a, &2, at(0))?;
    /// assert_eq!(clicks.get(&a, at(0))?, Some(2));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When key or value cannot be encoded, or the changelog does not take the change.
    pub fn put(&self, key: &K, value: &V, start: Timestamp) -> Result<(), StoreError> {
        let layers = &self.0.codec.layers;
        self.0.with_row_key(key, (start, layers.next_sequence()), |row| {
            self.0.codec.with_row(&[], value, |value| layers.put(row, value))
        })
    }

    /// Deletes the value of a key in the window that starts at `start`.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::Stores;
    /// # let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    /// # let store = Stores::window::<String, i64>("clicks", second, minute);
    /// # let (_task, clicks) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// clicks.put(&a, &1, at(0))?;
    /// clicks.delete(&a, at(0))?;
    /// assert_eq!(clicks.get(&a, at(0))?, None);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn delete(&self, key: &K, start: Timestamp) -> Result<(), StoreError> {
        let layers = &self.0.codec.layers;
        self.0.with_row_key(key, (start, layers.next_sequence()), |row| layers.put(row, None))
    }

    fn of_key(
        &self,
        key: &K,
        starts: &impl RangeBounds<Timestamp>,
        direction: Direction,
    ) -> Result<WindowEntries<K, V>, StoreError> {
        let rows = self.0.of_key(key, (millis(starts), i64::MAX), direction)?;
        Ok(WindowEntries::new(Rc::clone(&self.0), rows))
    }

    fn of_keys(
        &self,
        keys: KeySpan,
        starts: &impl RangeBounds<Timestamp>,
        direction: Direction,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        let selection = selection(keys, millis(starts), i64::MAX);
        Ok(WindowedEntries::new(Rc::clone(&self.0), self.0.scan(selection, direction)?))
    }

    /// The windows of a key that start within a range, the earliest first.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::Stores;
    /// # let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    /// # let store = Stores::window::<String, i64>("clicks", second, minute);
    /// # let (_task, clicks) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # for (key, start, count) in [(&a, 0, 1), (&b, 0, 2), (&a, 1_000, 3)] {
    /// #     clicks.put(key, &count, at(start))?;
    /// # }
    /// let found: Vec<_> = clicks.fetch(&a, at(0)..=at(1_000))?.collect::<Result<_, _>>()?;
    /// assert_eq!(found, [(at(0), 1), (at(1_000), 3)]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the key cannot be encoded, or the store not be read.
    pub fn fetch(
        &self,
        key: &K,
        starts: impl RangeBounds<Timestamp>,
    ) -> Result<WindowEntries<K, V>, StoreError> {
        self.of_key(key, &starts, Direction::Forward)
    }

    /// As [`fetch`](Self::fetch), the latest first. Answers to Kafka's `backwardFetch`.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::Stores;
    /// # let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    /// # let store = Stores::window::<String, i64>("clicks", second, minute);
    /// # let (_task, clicks) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # for (key, start, count) in [(&a, 0, 1), (&b, 0, 2), (&a, 1_000, 3)] {
    /// #     clicks.put(key, &count, at(start))?;
    /// # }
    /// let found: Vec<_> = clicks.reverse_fetch(&a, ..)?.collect::<Result<_, _>>()?;
    /// assert_eq!(found, [(at(1_000), 3), (at(0), 1)]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the key cannot be encoded, or the store not be read.
    pub fn reverse_fetch(
        &self,
        key: &K,
        starts: impl RangeBounds<Timestamp>,
    ) -> Result<WindowEntries<K, V>, StoreError> {
        self.of_key(key, &starts, Direction::Backward)
    }

    /// The windows of a range of keys, by their bytes, that start within a range.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::Stores;
    /// # let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    /// # let store = Stores::window::<String, i64>("clicks", second, minute);
    /// # let (_task, clicks) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # for (key, start, count) in [(&a, 0, 1), (&b, 0, 2), (&a, 1_000, 3)] {
    /// #     clicks.put(key, &count, at(start))?;
    /// # }
    /// let found = clicks.fetch_keys(&a..=&b, at(0)..at(1_000))?.map(|entry| Ok(entry?.1));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [1, 2]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When an end of the range cannot be encoded, or the store not be read.
    pub fn fetch_keys(
        &self,
        keys: impl RangeBounds<K>,
        starts: impl RangeBounds<Timestamp>,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        self.of_keys(self.0.keys(&keys)?, &starts, Direction::Forward)
    }

    /// As [`fetch_keys`](Self::fetch_keys), the other way round.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::Stores;
    /// # let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    /// # let store = Stores::window::<String, i64>("clicks", second, minute);
    /// # let (_task, clicks) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # for (key, start, count) in [(&a, 0, 1), (&b, 0, 2), (&a, 1_000, 3)] {
    /// #     clicks.put(key, &count, at(start))?;
    /// # }
    /// let found = clicks.reverse_fetch_keys(&a..=&b, at(0)..at(1_000))?.map(|entry| Ok(entry?.1));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [2, 1]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When an end of the range cannot be encoded, or the store not be read.
    pub fn reverse_fetch_keys(
        &self,
        keys: impl RangeBounds<K>,
        starts: impl RangeBounds<Timestamp>,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        self.of_keys(self.0.keys(&keys)?, &starts, Direction::Backward)
    }

    /// The windows of all keys that start within a range.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::Stores;
    /// # let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    /// # let store = Stores::window::<String, i64>("clicks", second, minute);
    /// # let (_task, clicks) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # for (key, start, count) in [(&a, 0, 1), (&b, 0, 2), (&a, 1_000, 3)] {
    /// #     clicks.put(key, &count, at(start))?;
    /// # }
    /// let found = clicks.fetch_all(at(1_000)..)?.map(|entry| Ok(entry?.1));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [3]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn fetch_all(
        &self,
        starts: impl RangeBounds<Timestamp>,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        self.of_keys(KeySpan::All, &starts, Direction::Forward)
    }

    /// As [`fetch_all`](Self::fetch_all), the other way round.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::Stores;
    /// # let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    /// # let store = Stores::window::<String, i64>("clicks", second, minute);
    /// # let (_task, clicks) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # for (key, start, count) in [(&a, 0, 1), (&b, 0, 2), (&a, 1_000, 3)] {
    /// #     clicks.put(key, &count, at(start))?;
    /// # }
    /// let found = clicks.reverse_fetch_all(at(0)..at(1_000))?.map(|entry| Ok(entry?.1));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [2, 1]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn reverse_fetch_all(
        &self,
        starts: impl RangeBounds<Timestamp>,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        self.of_keys(KeySpan::All, &starts, Direction::Backward)
    }

    /// All windows of all keys.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::Stores;
    /// # let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    /// # let store = Stores::window::<String, i64>("clicks", second, minute);
    /// # let (_task, clicks) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # for (key, start, count) in [(&a, 0, 1), (&b, 0, 2), (&a, 1_000, 3)] {
    /// #     clicks.put(key, &count, at(start))?;
    /// # }
    /// let first = clicks.all()?.next().transpose()?;
    /// let (key, count) = first.expect("there are three");
    /// assert_eq!((key.to_string(), count), ("[a@0/1000]".to_owned(), 1));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn all(&self) -> Result<WindowedEntries<K, V>, StoreError> {
        self.fetch_all(..)
    }

    /// As [`all`](Self::all), the other way round.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_state::Stores;
    /// # let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    /// # let store = Stores::window::<String, i64>("clicks", second, minute);
    /// # let (_task, clicks) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # for (key, start, count) in [(&a, 0, 1), (&b, 0, 2), (&a, 1_000, 3)] {
    /// #     clicks.put(key, &count, at(start))?;
    /// # }
    /// let found = clicks.reverse_all()?.map(|entry| Ok(entry?.1));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [2, 3, 1]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn reverse_all(&self) -> Result<WindowedEntries<K, V>, StoreError> {
        self.reverse_fetch_all(..)
    }
}

/// The bytes of a row that is still to be written; see [`WindowStore::encode`].
#[derive(Debug)]
pub struct EncodedRow {
    /// The key, then the value.
    bytes: Vec<u8>,
    value_at: usize,
    payload: Payload,
}

/// For the node that owns a store: the operators of the DSL.
impl<K: 'static, V: 'static> WindowStore<K, V> {
    /// From now on a node forwards what the cache writes out; see
    /// [`TimestampedKeyValueStore::own_flushes`](crate::TimestampedKeyValueStore::own_flushes).
    /// Says whether there is a cache.
    pub fn own_flushes(&self, old_values: OldValues) -> bool {
        let cache = self.0.codec.layers.cache();
        cache.inspect(|cache| cache.set_owner(Owner::of(old_values))).is_some()
    }

    /// Encodes the row that [`put`](Self::put) would write, so that key and value can be handed on
    /// before it is written by [`put_encoded`](Self::put_encoded).
    ///
    /// # Errors
    /// When key or value cannot be encoded.
    pub fn encode(&self, key: &K, value: &V, start: Timestamp) -> Result<EncodedRow, StoreError> {
        let codec = &self.0.codec;
        let mut bytes = codec.take_buffer();
        self.0.with_row_key(key, (start, codec.layers.next_sequence()), |row| {
            bytes.extend_from_slice(row);
            Ok(())
        })?;
        let value_at = bytes.len();
        let payload = codec.encode_value(value, &mut bytes)?;
        Ok(EncodedRow { bytes, value_at, payload })
    }

    /// Writes a row of [`encode`](Self::encode).
    ///
    /// # Errors
    /// When the changelog does not take the change.
    pub fn put_encoded(&self, row: EncodedRow) -> Result<(), StoreError> {
        let EncodedRow { bytes, value_at, payload } = row;
        let codec = &self.0.codec;
        let (key, value) = bytes.split_at(value_at);
        let put = codec.layers.put(key, (payload == Payload::Bytes).then_some(value));
        codec.give_back(bytes);
        put
    }

    /// Reads the value of a key in the window that starts at `start`, and writes what `with` makes
    /// of it, with one encoding of the key and one look-up. A value of `None` deletes it; when `with`
    /// gives nothing at all, it stays as it is. `with` may use any store, this one too.
    ///
    /// # Errors
    /// As for [`get`](Self::get) and [`put`](Self::put).
    pub fn update<R>(
        &self,
        key: &K,
        start: Timestamp,
        with: impl FnOnce(Option<V>) -> Option<(Option<V>, R)>,
    ) -> Result<Option<R>, StoreError> {
        let layers = &self.0.codec.layers;
        self.0.with_row_key(key, (start, layers.last_sequence()), |row| {
            let (old, hint) = layers.read_with(row, |value| self.0.decode(value))?;
            let Some((new, result)) = with(old?) else { return Ok(None) };
            match new {
                None => layers.put_at(row, None, hint)?,
                Some(new) => {
                    self.0.codec.with_row(&[], &new, |new| layers.put_at(row, new, hint))?;
                }
            }
            Ok(Some(result))
        })
    }

    /// Gives `each` what the cache evicted; see
    /// [`TimestampedKeyValueStore::forward_evicted`](crate::TimestampedKeyValueStore::forward_evicted).
    ///
    /// # Errors
    /// What `each` returns, or a failure of the store.
    #[inline]
    pub fn forward_evicted(
        &self,
        each: &mut dyn FnMut(Flushed<Windowed<K>, V>) -> Pushed,
    ) -> Pushed {
        self.0.forward_evicted(each)
    }

    /// Writes out all dirty entries of the cache, in the order of their last writes, and gives each
    /// to `each`.
    ///
    /// # Errors
    /// What `each` returns, or a failure of the store.
    pub fn flush_cache(&self, each: &mut dyn FnMut(Flushed<Windowed<K>, V>) -> Pushed) -> Pushed {
        self.0.flush_cache(each)
    }
}
