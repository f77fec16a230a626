//! Key to value.

use std::ops::RangeBounds;
use std::rc::Rc;

use streams_core::error::StoreError;
use streams_core::names::StoreName;

use super::Codec;
use crate::bytes::{Direction, KeyRange};
use crate::layer::Rows;

/// A store of keys and values, for processors. Answers to Kafka's `KeyValueStore`.
///
/// A handle: clones are the same store. It stays on its task's thread. Keys are ordered by their
/// bytes. Whatever a method does, it holds nothing of the store when it returns; so a store may be
/// changed while one of its iterators is used, and the iterator does not see it.
pub struct KeyValueStore<K, V>(Rc<Codec<K, V>>);

impl<K, V> Clone for KeyValueStore<K, V> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<K, V> std::fmt::Debug for KeyValueStore<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeyValueStore").field(&self.0).finish()
    }
}

impl<K: 'static, V: 'static> KeyValueStore<K, V> {
    pub(crate) fn new(codec: Codec<K, V>) -> Self {
        Self(Rc::new(codec))
    }

    /// The store's name.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_state::Stores;
    /// # let (_task, counts) = alone::open(Stores::key_value::<String, i64>("counts"));
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// assert_eq!(counts.name(), "counts");
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &StoreName {
        self.0.layers.name()
    }

    fn decode(&self, row: Option<&[u8]>) -> Result<Option<V>, StoreError> {
        row.map(|row| self.0.decode_value(row)).transpose()
    }

    /// The value of a key.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_state::Stores;
    /// # let (_task, counts) = alone::open(Stores::key_value::<String, i64>("counts"));
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// counts.put(&a, &1)?;
    /// assert_eq!((counts.get(&a)?, counts.get(&b)?), (Some(1), None));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the key cannot be encoded, the value not be decoded, or the store not be read.
    pub fn get(&self, key: &K) -> Result<Option<V>, StoreError> {
        self.0.with_key(key, |key| self.0.layers.read_with(key, |row| self.decode(row))?.0)
    }

    /// Gives a key a value. A value that its serde turns into null deletes the key.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_state::Stores;
    /// # let (_task, counts) = alone::open(Stores::key_value::<String, i64>("counts"));
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// counts.put(&a, &1)?;
    /// counts.put(&a, &2)?;
    /// assert_eq!(counts.get(&a)?, Some(2));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When key or value cannot be encoded, or the changelog does not take the change.
    pub fn put(&self, key: &K, value: &V) -> Result<(), StoreError> {
        self.0.with_key(key, |key| self.0.with_row(&[], value, |row| self.0.layers.put(key, row)))
    }

    /// Deletes a key, and gives the value that it had.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_state::Stores;
    /// # let (_task, counts) = alone::open(Stores::key_value::<String, i64>("counts"));
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// counts.put(&a, &1)?;
    /// assert_eq!((counts.delete(&a)?, counts.delete(&a)?), (Some(1), None));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`get`](Self::get) and [`put`](Self::put).
    pub fn delete(&self, key: &K) -> Result<Option<V>, StoreError> {
        self.0.with_key(key, |key| {
            let (old, hint) = self.0.layers.read_with(key, |row| self.decode(row))?;
            self.0.layers.put_at(key, None, hint)?;
            old
        })
    }

    /// Gives a key a value if it has none; else gives the value that it has.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_state::Stores;
    /// # let (_task, counts) = alone::open(Stores::key_value::<String, i64>("counts"));
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// assert_eq!(counts.put_if_absent(&a, &1)?, None);
    /// assert_eq!(counts.put_if_absent(&a, &2)?, Some(1));
    /// assert_eq!(counts.get(&a)?, Some(1));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`get`](Self::get) and [`put`](Self::put).
    pub fn put_if_absent(&self, key: &K, value: &V) -> Result<Option<V>, StoreError> {
        self.0.with_key(key, |key| {
            let (old, hint) = self.0.layers.read_with(key, |row| self.decode(row))?;
            let old = old?;
            if old.is_none() {
                self.0.with_row(&[], value, |row| self.0.layers.put_at(key, row, hint))?;
            }
            Ok(old)
        })
    }

    /// Puts all entries, in their order.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_state::Stores;
    /// # let (_task, counts) = alone::open(Stores::key_value::<String, i64>("counts"));
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// counts.put_all([(&a, &1), (&b, &2)])?;
    /// assert_eq!((counts.get(&a)?, counts.get(&b)?), (Some(1), Some(2)));
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`put`](Self::put); the entries before the one that failed are in the store.
    pub fn put_all<'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a K, &'a V)>,
    ) -> Result<(), StoreError> {
        entries.into_iter().try_for_each(|(key, value)| self.put(key, value))
    }

    fn entries(&self, rows: Rows) -> Entries<K, V> {
        Entries { codec: Rc::clone(&self.0), rows }
    }

    /// The entries of a range of keys, in the order of their bytes: `&from..=&to` for both ends
    /// included, as in Kafka. Nothing, and a warning, when the ends are in the wrong order.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_state::Stores;
    /// # let (_task, counts) = alone::open(Stores::key_value::<String, i64>("counts"));
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # for (key, count) in [(&a, 1), (&b, 2), (&c, 3)] {
    /// #     counts.put(key, &count)?;
    /// # }
    /// let found: Vec<_> = counts.range(&a..=&b)?.collect::<Result<_, _>>()?;
    /// assert_eq!(found, [(a, 1), (b, 2)]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When an end of the range cannot be encoded.
    pub fn range(&self, range: impl RangeBounds<K>) -> Result<Entries<K, V>, StoreError> {
        Ok(self.entries(self.0.range(&range, Direction::Forward)?))
    }

    /// As [`range`](Self::range), from the greatest key down.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_state::Stores;
    /// # let (_task, counts) = alone::open(Stores::key_value::<String, i64>("counts"));
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # for (key, count) in [(&a, 1), (&b, 2), (&c, 3)] {
    /// #     counts.put(key, &count)?;
    /// # }
    /// let found: Vec<_> = counts.reverse_range(&b..)?.collect::<Result<_, _>>()?;
    /// assert_eq!(found, [(c, 3), (b, 2)]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When an end of the range cannot be encoded.
    pub fn reverse_range(&self, range: impl RangeBounds<K>) -> Result<Entries<K, V>, StoreError> {
        Ok(self.entries(self.0.range(&range, Direction::Backward)?))
    }

    /// All entries, in the order of their keys' bytes.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_state::Stores;
    /// # let (_task, counts) = alone::open(Stores::key_value::<String, i64>("counts"));
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # for (key, count) in [(&a, 1), (&b, 2), (&c, 3)] {
    /// #     counts.put(key, &count)?;
    /// # }
    /// let found: Vec<_> = counts.all()?.collect::<Result<_, _>>()?;
    /// assert_eq!(found, [(a, 1), (b, 2), (c, 3)]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// None before the first entry.
    pub fn all(&self) -> Result<Entries<K, V>, StoreError> {
        self.range(..)
    }

    /// All entries, from the greatest key down.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_state::Stores;
    /// # let (_task, counts) = alone::open(Stores::key_value::<String, i64>("counts"));
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # for (key, count) in [(&a, 1), (&b, 2), (&c, 3)] {
    /// #     counts.put(key, &count)?;
    /// # }
    /// let found: Vec<_> = counts.reverse_all()?.collect::<Result<_, _>>()?;
    /// assert_eq!(found, [(c, 3), (b, 2), (a, 1)]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// None before the first entry.
    pub fn reverse_all(&self) -> Result<Entries<K, V>, StoreError> {
        self.reverse_range(..)
    }

    /// The entries whose keys' bytes start with `prefix`, in their order.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_state::Stores;
    /// # let (_task, counts) = alone::open(Stores::key_value::<String, i64>("counts"));
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// counts.put(&"apple".to_owned(), &1)?;
    /// counts.put(&"pear".to_owned(), &2)?;
    /// let found: Vec<_> = counts.prefix_scan("app")?.collect::<Result<_, _>>()?;
    /// assert_eq!(found, [("apple".to_owned(), 1)]);
    /// # Ok::<(), streams_core::error::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// None before the first entry.
    pub fn prefix_scan(&self, prefix: impl AsRef<[u8]>) -> Result<Entries<K, V>, StoreError> {
        let range = KeyRange::prefix(prefix.as_ref());
        Ok(self.entries(self.0.layers.rows(range, Direction::Forward)))
    }

    /// About how many keys there are. Keys written again since the last commit may count twice.
    ///
    /// ```
    /// # mod alone { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/alone.in")); }
    /// # use streams_state::Stores;
    /// # let (_task, counts) = alone::open(Stores::key_value::<String, i64>("counts"));
    /// # let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    /// # for (key, count) in [(&a, 1), (&b, 2), (&c, 3)] {
    /// #     counts.put(key, &count)?;
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

/// The entries of a scan, as they were when it started. To be finished before the task commits:
/// afterwards it gives [`StoreError::StaleIterator`].
#[derive(Debug)]
pub struct Entries<K, V> {
    codec: Rc<Codec<K, V>>,
    rows: Rows,
}

impl<K: 'static, V: 'static> Iterator for Entries<K, V> {
    type Item = Result<(K, V), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let codec = &self.codec;
        let row = self.rows.next_row().transpose()?;
        Some(row.and_then(|(key, row)| Ok((codec.decode_key(key)?, codec.decode_value(row)?))))
    }
}
