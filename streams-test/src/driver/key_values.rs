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
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let _ = words.group_by_key().count_with(Materialized::named("counts"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("be", "x")?;
    /// let counts = driver.key_values::<String, i64>("counts")?;
    /// assert_eq!((counts.get(&"be".to_owned())?, counts.get(&"to".to_owned())?), (Some(1), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let _ = words.group_by_key().count_with(Materialized::named("counts"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("to", "x"), ("be", "y")])?;
    /// let counts = driver.key_values::<String, i64>("counts")?.all()?;
    /// assert_eq!(counts, [("be".to_owned(), 1), ("to".to_owned(), 1)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
