//! How a sink writes.
//!
//! DIFFERENCE(serdes-not-inherited): where no serde is given, it is the type's default; in Kafka one
//! that was given upstream may be used.

use std::fmt;
use std::sync::Arc;

use streams_core::names::{NodeName, TopicName};
use streams_core::processor::{Partitions, StreamPartitioner};

use super::serdes::by_serdes;
use super::{Named, Serdes};

/// How a sink writes to its topic. Answers to Kafka's `Produced`; the serdes belong to the topic.
pub struct Produced<K, V> {
    pub(crate) name: Option<NodeName>,
    pub(crate) partitioner: Option<Arc<StreamPartitioner<K, V>>>,
}

impl<K, V> Produced<K, V> {
    /// A generated name, and Kafka's default partitioner.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Produced, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.to_with("out", Produced::new());
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Sink: KSTREAM-SINK-0000000001 (topic: out)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { name: None, partitioner: None }
    }

    /// The sink's node has this name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Produced, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.to_with("out", Produced::named("write-words"));
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Sink: write-words (topic: out)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn named(name: impl Into<NodeName>) -> Self {
        Self::new().with_name(name)
    }

    /// The sink's node has this name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Produced, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.to_with("out", Produced::new().with_name("write-words"));
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Sink: write-words (topic: out)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_name(self, name: impl Into<Named>) -> Self {
        Self { name: name.into().0, ..self }
    }

    /// Chooses the partitions of a record: topic, key, value, number of partitions. Several get a
    /// copy each, none drops the record (KIP-837). Kafka's `withStreamPartitioner`.
    ///
    /// ```
    /// # use streams_core::processor::Partitions;
    /// # use streams_dsl::{KStream, Produced, StreamsBuilder};
    /// # use streams_test::{Layout, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let to_all = |_: &_, _: &String, _: &String, count| Partitions::Many((0..count).collect());
    /// words.to_with("out", Produced::new().with_partitioner(to_all));
    ///
    /// let layout = Layout::TaskPerPartition { partitions: 3 };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).layout(layout).build()?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// let partitions: Vec<i32> = driver.produced("out").iter().map(|r| r.partition).collect();
    /// assert_eq!(partitions, [0, 1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_partitioner(
        self,
        partitioner: impl Fn(&TopicName, &K, &V, i32) -> Partitions + Send + Sync + 'static,
    ) -> Self {
        Self { partitioner: Some(Arc::new(partitioner)), ..self }
    }
}

impl<K, V> Default for Produced<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Clone for Produced<K, V> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), partitioner: self.partitioner.clone() }
    }
}

impl<K, V> fmt::Debug for Produced<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Produced").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a sink writes to topics that are computed from each record, all with the same serdes.
pub struct DynamicProduced<K, V> {
    pub(crate) produced: Produced<K, V>,
    pub(crate) serdes: Serdes<K, V>,
}

impl<K, V> DynamicProduced<K, V> {
    const fn of(serdes: Serdes<K, V>) -> Self {
        Self { produced: Produced::new(), serdes }
    }

    /// The sink's node has this name.
    ///
    /// ```
    /// # use streams_dsl::{DynamicProduced, KStream, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let named = DynamicProduced::new().with_name("write-words");
    /// words.to_dynamic_with(|key, _, _| key.as_str().into(), named);
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Sink: write-words (extractor class: "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_name(self, name: impl Into<Named>) -> Self {
        Self { produced: self.produced.with_name(name), ..self }
    }

    /// Chooses the partitions of a record, as [`Produced::with_partitioner`] does; the number is
    /// that of the partitions of the computed topic.
    ///
    /// ```
    /// # use streams_core::processor::Partitions;
    /// # use streams_dsl::{DynamicProduced, KStream, StreamsBuilder};
    /// # use streams_test::{Layout, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let last = |_: &_, _: &String, _: &String, count| Partitions::One(count - 1);
    /// let produced = DynamicProduced::new().with_partitioner(last);
    /// words.to_dynamic_with(|key, _, _| key.as_str().into(), produced);
    ///
    /// let layout = Layout::TaskPerPartition { partitions: 3 };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).layout(layout).build()?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// assert_eq!(driver.produced("a")[0].partition, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_partitioner(
        self,
        partitioner: impl Fn(&TopicName, &K, &V, i32) -> Partitions + Send + Sync + 'static,
    ) -> Self {
        Self { produced: self.produced.with_partitioner(partitioner), ..self }
    }
}

by_serdes! {
    DynamicProduced:
    /// The default serdes of the types, a generated name, and Kafka's default partitioner.
    ///
    /// ```
    /// # use streams_dsl::{DynamicProduced, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.to_dynamic_with(|key, _, _| key.as_str().into(), DynamicProduced::new());
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("a", "x"), ("b", "y")])?;
    /// assert_eq!(driver.output::<String, String>("b").read_values()?, ["y"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    new,
    /// These serdes; else as [`new`](Self::new).
    ///
    /// ```
    /// # use streams_core::serde::{Json, Utf8};
    /// # use streams_dsl::{DynamicProduced, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let lines: KStream<'_, String, String> = builder.stream("lines");
    /// let lists = lines.map_values(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    /// let produced = DynamicProduced::with_serdes(Utf8, Json::new());
    /// lists.to_dynamic_with(|key, _, _| key.as_str().into(), produced);
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("lines").pipe("a", "to be")?;
    /// assert_eq!(driver.output::<String, String>("a").read_values()?, [r#"["to","be"]"#]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    with_serdes,
    /// These serdes, which others use too; else as [`new`](Self::new).
    ///
    /// ```
    /// # use streams_core::serde::{Json, Utf8};
    /// # use streams_core::topology::Topic;
    /// # use streams_dsl::{DynamicProduced, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let lists: Topic<String, Vec<String>> = Topic::with_serdes("lists", Utf8, Json::new());
    /// let (key, value) = (lists.key_serde().clone(), lists.value_serde().clone());
    /// let produced = DynamicProduced::with_shared_serdes(key, value);
    /// builder.stream(lists).to_dynamic_with(|key, _, _| key.as_str().into(), produced);
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("lists").pipe("a", r#"["to","be"]"#)?;
    /// assert_eq!(driver.output::<String, String>("a").read_values()?, [r#"["to","be"]"#]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    with_shared_serdes,
}

impl<K, V> Clone for DynamicProduced<K, V> {
    fn clone(&self) -> Self {
        Self { produced: self.produced.clone(), serdes: self.serdes.clone() }
    }
}

impl<K, V> fmt::Debug for DynamicProduced<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DynamicProduced").field(&self.produced).finish()
    }
}
