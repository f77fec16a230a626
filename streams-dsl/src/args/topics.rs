//! Several topics with records of the same types.

use std::fmt;
use std::sync::Arc;

use streams_core::names::TopicName;
use streams_core::serde::{DefaultSerde, Serde, SharedSerde};
use streams_core::topology::Topic;

use super::Serdes;

/// The topics of a stream: one or several, whose keys and values are written alike.
///
/// A name, a list of names, or a [`Topic`] can be given in its place. [`matching`](Self::matching)
/// takes a pattern.
pub struct Topics<K, V> {
    pub(crate) names: Vec<TopicName>,
    /// In place of names.
    pub(crate) pattern: Option<String>,
    pub(crate) serdes: Serdes<K, V>,
}

impl<K, V> Topics<K, V> {
    /// Topics of these names, with the default serdes of their types.
    ///
    /// ```
    /// # use streams_dsl::{StreamsBuilder, Topics};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let topics = Topics::<String, i64>::new(["old-prices", "new-prices"]);
    /// builder.stream(topics).to("prices");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("new-prices").pipe("pear", 7)?;
    /// driver.input::<String, i64>("old-prices").pipe("pear", 5)?;
    /// assert_eq!(driver.output::<String, i64>("prices").read_values()?, [7, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(names: impl IntoIterator<Item = impl Into<TopicName>>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::with_shared_serdes(names, K::serde(), V::serde())
    }

    /// Topics of these names, with these serdes.
    ///
    /// ```
    /// # use streams_core::serde::{Json, Utf8};
    /// # use streams_dsl::{StreamsBuilder, Topics};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let topics = Topics::with_serdes(["lists"], Utf8, Json::<Vec<String>>::new());
    /// builder.stream(topics).flat_map_values(|list| list).to("words");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("lists").pipe("a", r#"["to", "be"]"#)?;
    /// assert_eq!(driver.output::<String, String>("words").read_values()?, ["to", "be"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_serdes(
        names: impl IntoIterator<Item = impl Into<TopicName>>,
        key: impl Serde<K>,
        value: impl Serde<V>,
    ) -> Self {
        Self::with_shared_serdes(names, Arc::new(key), Arc::new(value))
    }

    /// The same, with serdes that are shared already.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use streams_core::serde::{DefaultSerde, Json, SharedSerde};
    /// # use streams_dsl::{StreamsBuilder, Topics};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let lists: SharedSerde<Vec<String>> = Arc::new(Json::new());
    /// let topics = Topics::with_shared_serdes(["lists"], String::serde(), lists);
    /// builder.stream(topics).flat_map_values(|list| list).to("words");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("lists").pipe("a", r#"["to", "be"]"#)?;
    /// assert_eq!(driver.output::<String, String>("words").read_values()?, ["to", "be"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_shared_serdes(
        names: impl IntoIterator<Item = impl Into<TopicName>>,
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> Self {
        let serdes = Serdes { key, value };
        Self { names: names.into_iter().map(Into::into).collect(), pattern: None, serdes }
    }

    /// All topics whose whole names match a regular expression, with the default serdes of their
    /// types: Kafka's `stream(Pattern)`. Topics that are made while the application runs, and
    /// match, are read as well, within `metadata.max.age.ms` (5 minutes by default). See
    /// [`TopicPattern`](streams_core::topology::TopicPattern) for what an expression can be; one
    /// that is none is a fault of [`build`](crate::StreamsBuilder::build).
    ///
    /// Topics that match are read together: a task has the same partition of each. No topic may
    /// match two patterns, or one that the topology also names.
    ///
    /// ```
    /// # use streams_dsl::{StreamsBuilder, Topics};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// builder.stream(Topics::<String, String>::matching("orders-.*")).to("all");
    ///
    /// let topology = builder.build()?;
    /// let driver = TopologyTestDriver::builder(&topology).topic("orders-eu", 1).build()?;
    /// driver.input::<String, String>("orders-eu").pipe("1", "tea")?;
    /// assert_eq!(driver.output::<String, String>("all").read_map()?["1"], "tea");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn matching(pattern: impl Into<String>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::matching_with_shared_serdes(pattern, K::serde(), V::serde())
    }

    /// As [`matching`](Self::matching), with these serdes.
    pub fn matching_with_shared_serdes(
        pattern: impl Into<String>,
        key: SharedSerde<K>,
        value: SharedSerde<V>,
    ) -> Self {
        let serdes = Serdes { key, value };
        Self { names: Vec::new(), pattern: Some(pattern.into()), serdes }
    }
}

impl<K, V> Clone for Topics<K, V> {
    fn clone(&self) -> Self {
        let (names, pattern) = (self.names.clone(), self.pattern.clone());
        Self { names, pattern, serdes: self.serdes.clone() }
    }
}

impl<K, V> fmt::Debug for Topics<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Some(pattern) => f.debug_tuple("Topics").field(pattern).finish(),
            None => f.debug_tuple("Topics").field(&self.names).finish(),
        }
    }
}

impl<K, V> From<&Topic<K, V>> for Topics<K, V> {
    fn from(topic: &Topic<K, V>) -> Self {
        Self { names: vec![topic.name().clone()], pattern: None, serdes: topic.into() }
    }
}

impl<K, V> From<Topic<K, V>> for Topics<K, V> {
    fn from(topic: Topic<K, V>) -> Self {
        Self::from(&topic)
    }
}

impl<K: DefaultSerde, V: DefaultSerde> From<&str> for Topics<K, V> {
    fn from(name: &str) -> Self {
        Self::new([name])
    }
}

impl<K: DefaultSerde, V: DefaultSerde> From<String> for Topics<K, V> {
    fn from(name: String) -> Self {
        Self::new([name])
    }
}

impl<K: DefaultSerde, V: DefaultSerde, const N: usize> From<[&str; N]> for Topics<K, V> {
    fn from(names: [&str; N]) -> Self {
        Self::new(names)
    }
}

impl<K: DefaultSerde, V: DefaultSerde> From<&[&str]> for Topics<K, V> {
    fn from(names: &[&str]) -> Self {
        Self::new(names.iter().copied())
    }
}

impl<K: DefaultSerde, V: DefaultSerde> From<Vec<String>> for Topics<K, V> {
    fn from(names: Vec<String>) -> Self {
        Self::new(names)
    }
}
