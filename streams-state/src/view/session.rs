//! Key and session to value.

use std::ops::RangeBounds;
use std::rc::Rc;

use streams_core::error::{Pushed, StoreError};
use streams_core::names::StoreName;
use streams_core::time::Timestamp;
use streams_core::window::{Window, Windowed};

use super::windowed::{WindowedCodec, millis, selection};
use super::{Flushed, OldValues, WindowedEntries};
use crate::bytes::Direction;
use crate::layer::{Floor, KeySpan, Owner};

/// A store of keys and sessions, each with its start and its end, and values, for processors.
/// Answers to Kafka's `SessionStore`.
///
/// A handle: clones are the same store. It stays on its task's thread. The store keeps a session
/// for its retention, counted from the session's end to the greatest end that was written. What is
/// older is not shown, and writing it drops it and counts
/// [`DropReason::Expired`](streams_core::metrics::DropReason::Expired).
///
/// Scans go by key, end and start within each segment of time on disk; by end, key and the latest
/// start first in memory; and by end, start and key where the store is ordered by time and all keys
/// are asked for. Whatever a method does, it holds nothing of the store when it returns; an
/// iterator does not see later changes.
pub struct SessionStore<K, V>(Rc<WindowedCodec<K, V>>);

impl<K, V> Clone for SessionStore<K, V> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<K, V> std::fmt::Debug for SessionStore<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SessionStore").field(&self.0).finish()
    }
}

impl<K: 'static, V: 'static> SessionStore<K, V> {
    pub(crate) fn new(codec: WindowedCodec<K, V>) -> Self {
        Self(Rc::new(codec))
    }

    /// The store's name.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// # use streams_state::Stores;
    /// # let store = Stores::session::<String, i64>("visits", Duration::from_secs(60));
    /// # let (_task, visits) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # let session = |start, end| Window::new(at(start), at(end));
    /// assert_eq!(visits.name(), "visits");
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &StoreName {
        self.0.codec.layers.name()
    }

    /// The value of a key's session, whose start and end are given. Answers to Kafka's
    /// `fetchSession`.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// # use streams_state::Stores;
    /// # let store = Stores::session::<String, i64>("visits", Duration::from_secs(60));
    /// # let (_task, visits) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # let session = |start, end| Window::new(at(start), at(end));
    /// visits.put(&a, session(0, 10), &1)?;
    /// assert_eq!(visits.get(&a, session(0, 10))?, Some(1));
    /// assert_eq!(visits.get(&a, session(0, 11))?, None);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the key cannot be encoded, the value not be decoded, or the store not be read.
    pub fn get(&self, key: &K, session: Window) -> Result<Option<V>, StoreError> {
        let layers = &self.0.codec.layers;
        self.0.with_row_key(key, (session.end, session.start.millis()), |row| {
            layers.read_with(row, |value| self.0.decode(value))?.0
        })
    }

    /// Gives a key's session a value. A value that its serde turns into null deletes it.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// # use streams_state::Stores;
    /// # let store = Stores::session::<String, i64>("visits", Duration::from_secs(60));
    /// # let (_task, visits) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # let session = |start, end| Window::new(at(start), at(end));
    /// visits.put(&a, session(0, 10), &1)?;
    /// visits.put(&a, session(0, 10), &2)?;
    /// assert_eq!(visits.get(&a, session(0, 10))?, Some(2));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When key or value cannot be encoded, or the changelog does not take the change.
    pub fn put(&self, key: &K, session: Window, value: &V) -> Result<(), StoreError> {
        let layers = &self.0.codec.layers;
        self.0.with_row_key(key, (session.end, session.start.millis()), |row| {
            self.0.codec.with_row(&[], value, |value| layers.put(row, value))
        })
    }

    /// Deletes a key's session.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// # use streams_state::Stores;
    /// # let store = Stores::session::<String, i64>("visits", Duration::from_secs(60));
    /// # let (_task, visits) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # let session = |start, end| Window::new(at(start), at(end));
    /// visits.put(&a, session(0, 10), &1)?;
    /// visits.remove(&a, session(0, 10))?;
    /// assert_eq!(visits.get(&a, session(0, 10))?, None);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn remove(&self, key: &K, session: Window) -> Result<(), StoreError> {
        let layers = &self.0.codec.layers;
        self.0.with_row_key(key, (session.end, session.start.millis()), |row| layers.put(row, None))
    }

    fn of_key(
        &self,
        key: &K,
        (earliest_end, latest_start): (Timestamp, Timestamp),
        direction: Direction,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        let times = (earliest_end.millis(), i64::MAX);
        let rows = self.0.of_key(key, (times, latest_start.millis()), direction)?;
        Ok(WindowedEntries::new(Rc::clone(&self.0), rows))
    }

    fn scan(
        &self,
        keys: KeySpan,
        (earliest_end, latest_start): (Timestamp, Timestamp),
        direction: Direction,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        let times = (earliest_end.millis(), i64::MAX);
        let selection = selection(keys, times, latest_start.millis());
        Ok(WindowedEntries::new(Rc::clone(&self.0), self.0.scan(selection, direction)?))
    }

    /// The sessions of a key that end at `earliest_end` or later and start at `latest_start` or
    /// earlier, by their ends. Answers to Kafka's `findSessions`.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// # use streams_state::Stores;
    /// # let store = Stores::session::<String, i64>("visits", Duration::from_secs(60));
    /// # let (_task, visits) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # let session = |start, end| Window::new(at(start), at(end));
    /// # for (key, start, end, count) in [(&a, 0, 10, 1), (&b, 5, 20, 2), (&a, 30, 40, 3)] {
    /// #     visits.put(key, session(start, end), &count)?;
    /// # }
    /// let found = visits.find(&a, at(10), at(20))?.map(|entry| Ok(entry?.1));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [1]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the key cannot be encoded, or the store not be read.
    pub fn find(
        &self,
        key: &K,
        earliest_end: Timestamp,
        latest_start: Timestamp,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        self.of_key(key, (earliest_end, latest_start), Direction::Forward)
    }

    /// As [`find`](Self::find), the other way round.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// # use streams_state::Stores;
    /// # let store = Stores::session::<String, i64>("visits", Duration::from_secs(60));
    /// # let (_task, visits) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # let session = |start, end| Window::new(at(start), at(end));
    /// # for (key, start, end, count) in [(&a, 0, 10, 1), (&b, 5, 20, 2), (&a, 30, 40, 3)] {
    /// #     visits.put(key, session(start, end), &count)?;
    /// # }
    /// let found = visits.reverse_find(&a, at(10), at(30))?.map(|entry| Ok(entry?.1));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [3, 1]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the key cannot be encoded, or the store not be read.
    pub fn reverse_find(
        &self,
        key: &K,
        earliest_end: Timestamp,
        latest_start: Timestamp,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        self.of_key(key, (earliest_end, latest_start), Direction::Backward)
    }

    /// As [`find`](Self::find), for a range of keys by their bytes.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// # use streams_state::Stores;
    /// # let store = Stores::session::<String, i64>("visits", Duration::from_secs(60));
    /// # let (_task, visits) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # let session = |start, end| Window::new(at(start), at(end));
    /// # for (key, start, end, count) in [(&a, 0, 10, 1), (&b, 5, 20, 2), (&a, 30, 40, 3)] {
    /// #     visits.put(key, session(start, end), &count)?;
    /// # }
    /// let found = visits.find_keys(&a..=&b, at(10), at(20))?.map(|entry| Ok(entry?.1));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [1, 2]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When an end of the range cannot be encoded, or the store not be read.
    pub fn find_keys(
        &self,
        keys: impl RangeBounds<K>,
        earliest_end: Timestamp,
        latest_start: Timestamp,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        self.scan(self.0.keys(&keys)?, (earliest_end, latest_start), Direction::Forward)
    }

    /// As [`find_keys`](Self::find_keys), the other way round.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// # use streams_state::Stores;
    /// # let store = Stores::session::<String, i64>("visits", Duration::from_secs(60));
    /// # let (_task, visits) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # let session = |start, end| Window::new(at(start), at(end));
    /// # for (key, start, end, count) in [(&a, 0, 10, 1), (&b, 5, 20, 2), (&a, 30, 40, 3)] {
    /// #     visits.put(key, session(start, end), &count)?;
    /// # }
    /// let found = visits.reverse_find_keys(&a..=&b, at(10), at(20))?.map(|entry| Ok(entry?.1));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [2, 1]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When an end of the range cannot be encoded, or the store not be read.
    pub fn reverse_find_keys(
        &self,
        keys: impl RangeBounds<K>,
        earliest_end: Timestamp,
        latest_start: Timestamp,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        self.scan(self.0.keys(&keys)?, (earliest_end, latest_start), Direction::Backward)
    }

    /// All sessions of a key.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// # use streams_state::Stores;
    /// # let store = Stores::session::<String, i64>("visits", Duration::from_secs(60));
    /// # let (_task, visits) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # let session = |start, end| Window::new(at(start), at(end));
    /// # for (key, start, end, count) in [(&a, 0, 10, 1), (&b, 5, 20, 2), (&a, 30, 40, 3)] {
    /// #     visits.put(key, session(start, end), &count)?;
    /// # }
    /// let found = visits.fetch(&a)?.map(|entry| Ok(entry?.1));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [1, 3]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the key cannot be encoded, or the store not be read.
    pub fn fetch(&self, key: &K) -> Result<WindowedEntries<K, V>, StoreError> {
        self.find(key, Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX))
    }

    /// As [`fetch`](Self::fetch), the other way round.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// # use streams_state::Stores;
    /// # let store = Stores::session::<String, i64>("visits", Duration::from_secs(60));
    /// # let (_task, visits) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # let session = |start, end| Window::new(at(start), at(end));
    /// # for (key, start, end, count) in [(&a, 0, 10, 1), (&b, 5, 20, 2), (&a, 30, 40, 3)] {
    /// #     visits.put(key, session(start, end), &count)?;
    /// # }
    /// let found = visits.reverse_fetch(&a)?.map(|entry| Ok(entry?.1));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [3, 1]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the key cannot be encoded, or the store not be read.
    pub fn reverse_fetch(&self, key: &K) -> Result<WindowedEntries<K, V>, StoreError> {
        self.reverse_find(key, Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX))
    }

    /// All sessions of a range of keys by their bytes; `..` for all.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// # use streams_state::Stores;
    /// # let store = Stores::session::<String, i64>("visits", Duration::from_secs(60));
    /// # let (_task, visits) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # let session = |start, end| Window::new(at(start), at(end));
    /// # for (key, start, end, count) in [(&a, 0, 10, 1), (&b, 5, 20, 2), (&a, 30, 40, 3)] {
    /// #     visits.put(key, session(start, end), &count)?;
    /// # }
    /// let first = visits.fetch_keys(..)?.next().transpose()?;
    /// let (key, count) = first.expect("there are three");
    /// assert_eq!((key.to_string(), count), ("[a@0/10]".to_owned(), 1));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When an end of the range cannot be encoded, or the store not be read.
    pub fn fetch_keys(
        &self,
        keys: impl RangeBounds<K>,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        self.find_keys(keys, Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX))
    }

    /// As [`fetch_keys`](Self::fetch_keys), the other way round.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// # use streams_state::Stores;
    /// # let store = Stores::session::<String, i64>("visits", Duration::from_secs(60));
    /// # let (_task, visits) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # let session = |start, end| Window::new(at(start), at(end));
    /// # for (key, start, end, count) in [(&a, 0, 10, 1), (&b, 5, 20, 2), (&a, 30, 40, 3)] {
    /// #     visits.put(key, session(start, end), &count)?;
    /// # }
    /// let found = visits.reverse_fetch_keys(&a..&b)?.map(|entry| Ok(entry?.1));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [3, 1]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When an end of the range cannot be encoded, or the store not be read.
    pub fn reverse_fetch_keys(
        &self,
        keys: impl RangeBounds<K>,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        self.reverse_find_keys(keys, Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX))
    }

    /// The sessions of all keys that end within a range, also such that are past their retention
    /// and not yet dropped.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// # use streams_state::Stores;
    /// # let store = Stores::session::<String, i64>("visits", Duration::from_secs(60));
    /// # let (_task, visits) = alone::open(store);
    /// # let [a, b] = ["a", "b"].map(str::to_owned);
    /// # let at = Timestamp::from_millis;
    /// # let session = |start, end| Window::new(at(start), at(end));
    /// # for (key, start, end, count) in [(&a, 0, 10, 1), (&b, 5, 20, 2), (&a, 30, 40, 3)] {
    /// #     visits.put(key, session(start, end), &count)?;
    /// # }
    /// let found = visits.find_by_end(at(20)..)?.map(|entry| Ok(entry?.1));
    /// let found: Vec<_> = found.collect::<Result<_, streams_core::error::StoreError>>()?;
    /// assert_eq!(found, [3, 2]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn find_by_end(
        &self,
        ends: impl RangeBounds<Timestamp>,
    ) -> Result<WindowedEntries<K, V>, StoreError> {
        let mut selection = selection(KeySpan::All, millis(&ends), i64::MAX);
        selection.floor = Floor::Segment;
        Ok(WindowedEntries::new(Rc::clone(&self.0), self.0.scan(selection, Direction::Forward)?))
    }
}

/// For the node that owns a store: the operators of the DSL.
impl<K: 'static, V: 'static> SessionStore<K, V> {
    /// From now on a node forwards what the cache writes out; see
    /// [`TimestampedKeyValueStore::own_flushes`](crate::TimestampedKeyValueStore::own_flushes).
    /// Says whether there is a cache.
    pub fn own_flushes(&self, old_values: OldValues) -> bool {
        let cache = self.0.codec.layers.cache();
        cache.inspect(|cache| cache.set_owner(Owner::of(old_values))).is_some()
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
