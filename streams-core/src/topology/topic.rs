//! Topics with the types of their records.

use std::fmt;
use std::sync::Arc;

use crate::names::TopicName;
use crate::serde::{DefaultSerde, Serde, SharedSerde};

/// A topic and how its keys and values are written: one definition for the source that reads it,
/// the sink that writes it, and the test that does either.
///
/// A name alone is enough, `"orders".into()`, where both types have a [`DefaultSerde`].
pub struct Topic<K, V> {
    name: TopicName,
    key: SharedSerde<K>,
    value: SharedSerde<V>,
}

impl<K, V> Topic<K, V> {
    /// The topic of this name, with the default serdes of its types.
    ///
    /// ```
    /// # use streams_core::topology::Topic;
    /// let prices: Topic<String, i64> = Topic::new("prices");
    /// assert_eq!(prices.name(), "prices");
    /// ```
    pub fn new(name: impl Into<TopicName>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::with_shared_serdes(name, K::serde(), V::serde())
    }

    /// The topic of this name, with these serdes.
    ///
    /// ```
    /// # use streams_core::serde::{Json, Utf8};
    /// # use streams_core::topology::Topic;
    /// # use streams_core::serde::Serde;
    /// let lists: Topic<String, Vec<i64>> = Topic::with_serdes("lists", Utf8, Json::new());
    /// let mut bytes = Vec::new();
    /// lists.value_serde().encode(lists.name(), &vec![1, 2], &mut bytes)?;
    /// assert_eq!(bytes, b"[1,2]");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_serdes(
        name: impl Into<TopicName>,
        key: impl Serde<K>,
        value: impl Serde<V>,
    ) -> Self {
        Self::with_shared_serdes(name, Arc::new(key), Arc::new(value))
    }

    /// The topic of this name, with serdes that others use too.
    ///
    /// ```
    /// # use streams_core::serde::{Json, Utf8};
    /// # use streams_core::topology::Topic;
    /// let old: Topic<String, Vec<i64>> = Topic::with_serdes("old", Utf8, Json::new());
    /// let (key, value) = (old.key_serde().clone(), old.value_serde().clone());
    /// let new = Topic::with_shared_serdes("new", key, value);
    /// assert_eq!(new.name(), "new");
    /// ```
    pub fn with_shared_serdes(
        name: impl Into<TopicName>,
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> Self {
        Self { name: name.into(), key, value }
    }

    /// The name.
    ///
    /// ```
    /// # use streams_core::topology::Topic;
    /// assert_eq!(Topic::<String, i64>::new("prices").name(), "prices");
    /// ```
    #[must_use]
    pub const fn name(&self) -> &TopicName {
        &self.name
    }

    /// Reads and writes keys.
    ///
    /// ```
    /// # use streams_core::topology::Topic;
    /// # use streams_core::serde::Serde;
    /// let prices: Topic<String, i64> = Topic::new("prices");
    /// assert_eq!(prices.key_serde().decode(prices.name(), Some(b"pear"))?, "pear");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn key_serde(&self) -> &SharedSerde<K> {
        &self.key
    }

    /// Reads and writes values.
    ///
    /// ```
    /// # use streams_core::topology::Topic;
    /// # use streams_core::serde::Serde;
    /// let prices: Topic<String, i64> = Topic::new("prices");
    /// let seven = [0, 0, 0, 0, 0, 0, 0, 7];
    /// assert_eq!(prices.value_serde().decode(prices.name(), Some(&seven))?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn value_serde(&self) -> &SharedSerde<V> {
        &self.value
    }
}

impl<K, V> Clone for Topic<K, V> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), key: Arc::clone(&self.key), value: Arc::clone(&self.value) }
    }
}

impl<K, V> fmt::Debug for Topic<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topic").field(&self.name).finish()
    }
}

impl<K: DefaultSerde, V: DefaultSerde> From<&str> for Topic<K, V> {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl<K: DefaultSerde, V: DefaultSerde> From<String> for Topic<K, V> {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl<K, V> From<&Self> for Topic<K, V> {
    fn from(topic: &Self) -> Self {
        topic.clone()
    }
}

impl<K, V> From<&Topic<K, V>> for TopicName {
    fn from(topic: &Topic<K, V>) -> Self {
        topic.name.clone()
    }
}
