//! Several topics with records of the same types.

use std::fmt;

use streams_core::names::TopicName;
use streams_core::serde::{DefaultSerde, SharedSerde};
use streams_core::topology::Topic;

use super::Serdes;

/// The topics of a stream: one or several, whose keys and values are written alike.
///
/// A name, a list of names, or a [`Topic`] can be given in its place.
pub struct Topics<K, V> {
    pub(crate) names: Vec<TopicName>,
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
        Self { names: names.into_iter().map(Into::into).collect(), serdes }
    }
}

impl<K, V> Clone for Topics<K, V> {
    fn clone(&self) -> Self {
        Self { names: self.names.clone(), serdes: self.serdes.clone() }
    }
}

impl<K, V> fmt::Debug for Topics<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topics").field(&self.names).finish()
    }
}

impl<K, V> From<&Topic<K, V>> for Topics<K, V> {
    fn from(topic: &Topic<K, V>) -> Self {
        Self { names: vec![topic.name().clone()], serdes: topic.into() }
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
