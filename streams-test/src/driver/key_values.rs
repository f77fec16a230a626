//! Keys and values of a store, whether it keeps times or not.

use streams_core::error::StoreError;
use streams_state::{KeyValueStore, TimestampedKeyValueStore};

/// Reads a key-value store without the times that the stores of tables keep. Kafka's
/// `getKeyValueStore`.
#[derive(Debug, Clone)]
pub struct KeyValues<K, V>(pub(super) Kind<K, V>);

#[derive(Debug, Clone)]
pub(super) enum Kind<K, V> {
    Plain(KeyValueStore<K, V>),
    Timestamped(TimestampedKeyValueStore<K, V>),
}

impl<K: 'static, V: 'static> KeyValues<K, V> {
    /// The value of a key.
    ///
    /// # Errors
    /// When the store cannot be read, or the key or value does not fit its serde.
    pub fn get(&self, key: &K) -> Result<Option<V>, StoreError> {
        match &self.0 {
            Kind::Plain(store) => store.get(key),
            Kind::Timestamped(store) => Ok(store.get(key)?.map(|row| row.value)),
        }
    }

    /// All keys and values, in the order of the keys' bytes.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn all(&self) -> Result<Vec<(K, V)>, StoreError> {
        match &self.0 {
            Kind::Plain(store) => store.all()?.collect(),
            Kind::Timestamped(store) => {
                let plain = store.all()?.map(|entry| entry.map(|(key, row)| (key, row.value)));
                plain.collect()
            }
        }
    }
}
