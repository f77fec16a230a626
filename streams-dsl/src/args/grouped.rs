//! How records travel to the task of their new key.

use std::fmt;

use streams_core::names::NodeName;
use streams_core::serde::DefaultSerde;

use super::serdes::by_serdes;
use super::{Named, Serdes};

/// How grouped records are written to a repartition topic, where one is needed, and its name.
/// Answers to Kafka's `Grouped`.
///
/// `K` is the plain key; `V` is the stream's value, which may be an `Option`.
pub struct Grouped<K, V> {
    pub(crate) name: Option<NodeName>,
    pub(crate) serdes: Serdes<K, V>,
}

impl<K, V> Grouped<K, V> {
    const fn of(serdes: Serdes<K, V>) -> Self {
        Self { name: None, serdes }
    }

    /// The default serdes, and this name.
    ///
    /// ```
    /// # use streams_dsl::{Grouped, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let by_word = words.group_by_with(|_, word| word.clone(), Grouped::named("words"));
    /// by_word.count().to_stream().to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("1", "be")?;
    /// assert_eq!(driver.produced("topology-test-driver-words-repartition").len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn named(name: impl Into<NodeName>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::new().with_name(name)
    }

    /// The repartition topic is `<application id>-<name>-repartition`, and the node that computes a
    /// new key has this name.
    ///
    /// ```
    /// # use streams_core::serde::Utf8;
    /// # use streams_dsl::{Grouped, KStream, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let grouped = Grouped::with_serdes(Utf8, Utf8).with_name("words");
    /// let _ = words.group_by_with(|_, word| word.clone(), grouped).count();
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: words (stores: [])"));
    /// assert!(text.contains("Sink: words-repartition-sink (topic: words-repartition)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_name(self, name: impl Into<Named>) -> Self {
        Self { name: name.into().0, ..self }
    }
}

by_serdes! {
    Grouped:
    /// The default serdes of the types, and a generated name.
    ///
    /// ```
    /// # use streams_dsl::{Grouped, KStream, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let by_word = words.group_by_with(|_, word| word.clone(), Grouped::new());
    /// by_word.count().to_stream().to("counts");
    ///
    /// // Called after the store.
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("(topic: KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    new,
    /// These serdes, and a generated name.
    ///
    /// ```
    /// # use streams_core::serde::{Json, Utf8};
    /// # use streams_dsl::{Grouped, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let lines: KStream<'_, String, String> = builder.stream("lines");
    /// let lists = lines.map_values(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    /// let grouped = Grouped::with_serdes(Utf8, Json::new()).with_name("lists");
    /// let _ = lists.group_by_with(|_, list| list[0].clone(), grouped).count();
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("lines").pipe("a", "to be")?;
    /// let sent = driver.produced("topology-test-driver-lists-repartition");
    /// assert_eq!(sent[0].value.as_deref(), Some(&br#"["to","be"]"#[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    with_serdes,
    /// These serdes, which others use too, and a generated name.
    ///
    /// ```
    /// # use streams_core::serde::{Json, Utf8};
    /// # use streams_core::topology::Topic;
    /// # use streams_dsl::{Grouped, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let lists: Topic<String, Vec<String>> = Topic::with_serdes("lists", Utf8, Json::new());
    /// let (key, value) = (lists.key_serde().clone(), lists.value_serde().clone());
    /// let grouped = Grouped::with_shared_serdes(key, value).with_name("first");
    /// let by_first = builder.stream(lists).group_by_with(|_, list| list[0].clone(), grouped);
    /// by_first.count().to_stream().to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("lists").pipe("a", r#"["to","be"]"#)?;
    /// assert_eq!(driver.output::<String, Option<i64>>("counts").read_map()?["to"], Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    with_shared_serdes,
}

impl<K, V> Clone for Grouped<K, V> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), serdes: self.serdes.clone() }
    }
}

impl<K, V> fmt::Debug for Grouped<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grouped").field("name", &self.name).finish_non_exhaustive()
    }
}
