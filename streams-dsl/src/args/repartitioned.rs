//! How a stream is repartitioned.

use std::fmt;
use std::sync::Arc;

use streams_core::names::{NodeName, TopicName};
use streams_core::processor::{Partitions, StreamPartitioner};
use streams_core::serde::DefaultSerde;
use streams_core::topology::RepartitionCount;

use super::serdes::by_serdes;
use super::{Named, Serdes};

/// The topic through which a stream is repartitioned. Answers to Kafka's `Repartitioned`.
pub struct Repartitioned<K, V> {
    pub(crate) name: Option<NodeName>,
    pub(crate) partitions: RepartitionCount,
    pub(crate) partitioner: Option<Arc<StreamPartitioner<K, V>>>,
    pub(crate) serdes: Serdes<K, V>,
}

impl<K, V> Repartitioned<K, V> {
    const fn of(serdes: Serdes<K, V>) -> Self {
        let partitions = RepartitionCount::Derived;
        Self { name: None, partitions, partitioner: None, serdes }
    }

    /// The default serdes, and this name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Repartitioned, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.repartition_with(Repartitioned::named("again")).to("out");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// assert_eq!(driver.produced("topology-test-driver-again-repartition").len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn named(name: impl Into<NodeName>) -> Self
    where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        Self::new().with_name(name)
    }

    /// The topic is `<application id>-<name>-repartition`.
    ///
    /// ```
    /// # use streams_core::serde::Utf8;
    /// # use streams_dsl::{KStream, Repartitioned, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.repartition_with(Repartitioned::with_serdes(Utf8, Utf8).with_name("again")).to("out");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Sink: again-repartition-sink (topic: again-repartition)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_name(self, name: impl Into<Named>) -> Self {
        Self { name: name.into().0, ..self }
    }

    /// The topic has this many partitions; with less than 1 the application does not start.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Repartitioned, StreamsBuilder};
    /// # use streams_test::{Layout, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.repartition_with(Repartitioned::named("again").with_partitions(3)).to("out");
    ///
    /// let layout = Layout::TaskPerPartition { partitions: 1 };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).layout(layout).build()?;
    /// let topic = "topology-test-driver-again-repartition".into();
    /// assert_eq!(driver.kafka().partitions(&topic), Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_partitions(self, partitions: i32) -> Self {
        Self { partitions: RepartitionCount::Fixed(partitions), ..self }
    }

    /// Chooses the partitions of a record: topic, key, value, number of partitions. Kafka's default
    /// partitioner by default.
    ///
    /// ```
    /// # use streams_core::processor::Partitions;
    /// # use streams_dsl::{KStream, Repartitioned, StreamsBuilder};
    /// # use streams_test::{Layout, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let last = |_: &_, _: &String, _: &String, count| Partitions::One(count - 1);
    /// let again = Repartitioned::named("again").with_partitions(3).with_partitioner(last);
    /// words.repartition_with(again).to("out");
    ///
    /// let layout = Layout::TaskPerPartition { partitions: 1 };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).layout(layout).build()?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// assert_eq!(driver.produced("topology-test-driver-again-repartition")[0].partition, 2);
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

by_serdes! {
    Repartitioned:
    /// The default serdes of the types, a generated name, as many partitions as the topics that
    /// feed it, and Kafka's default partitioner.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Repartitioned, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.repartition_with(Repartitioned::new()).to("out");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("(topic: KSTREAM-REPARTITION-0000000001-repartition)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    new,
    /// These serdes; else as [`new`](Self::new).
    ///
    /// ```
    /// # use streams_core::serde::{Json, Utf8};
    /// # use streams_dsl::{KStream, Repartitioned, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let lines: KStream<'_, String, String> = builder.stream("lines");
    /// let lists = lines.map_values(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    /// let again = Repartitioned::with_serdes(Utf8, Json::new()).with_name("again");
    /// lists.repartition_with(again).map_values(|list| list.len() as i64).to("lengths");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("lines").pipe("a", "to be")?;
    /// let sent = driver.produced("topology-test-driver-again-repartition");
    /// assert_eq!(sent[0].value.as_deref(), Some(&br#"["to","be"]"#[..]));
    /// assert_eq!(driver.output::<String, i64>("lengths").read_values()?, [2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    with_serdes,
    /// These serdes, which others use too; else as [`new`](Self::new).
    ///
    /// ```
    /// # use streams_core::serde::{Json, Utf8};
    /// # use streams_core::topology::Topic;
    /// # use streams_dsl::{Repartitioned, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let lists: Topic<String, Vec<String>> = Topic::with_serdes("lists", Utf8, Json::new());
    /// let (key, value) = (lists.key_serde().clone(), lists.value_serde().clone());
    /// let again = Repartitioned::with_shared_serdes(key, value);
    /// builder.stream(lists).repartition_with(again).flat_map_values(|list| list).to("words");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("lists").pipe("a", r#"["to","be"]"#)?;
    /// assert_eq!(driver.output::<String, String>("words").read_values()?, ["to", "be"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    with_shared_serdes,
}

impl<K, V> Clone for Repartitioned<K, V> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            partitions: self.partitions,
            partitioner: self.partitioner.clone(),
            serdes: self.serdes.clone(),
        }
    }
}

impl<K, V> fmt::Debug for Repartitioned<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repartitioned")
            .field("name", &self.name)
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}
