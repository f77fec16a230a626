//! Writing to topics.

use std::any::TypeId;
use std::sync::Arc;

use streams_core::names::{NodeName, TopicName};
use streams_core::processor::{
    Partitions, RecordContext, Sink, SinkDestination, SinkTemplate, StreamPartitioner,
};
use streams_core::serde::DefaultSerde;
use streams_core::topology::Topic;

use super::KStream;
use crate::args::{DynamicProduced, Produced, Serdes};
use crate::plan::{LogicalNode, NodeKind, Sinking};

impl<'b, K: Clone + 'static, V: Clone + 'static> KStream<'b, K, V> {
    /// Writes the records to a topic, each with its key, value, time and headers; a null value is a
    /// tombstone. The topic must exist. Kafka's default partitioner chooses the partition, by the
    /// bytes of the key, any for a null one; all windows of a key go to the key's.
    ///
    /// ```
    /// # use streams_core::record::Record;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.to("out");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut word = Record::new("a".to_owned(), "x".to_owned(), Timestamp::from_millis(7));
    /// word.headers.add("from", None);
    /// driver.input::<String, String>("words").pipe_record(word.clone())?;
    /// assert_eq!(driver.output::<String, String>("out").read_record()?, word);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to(self, topic: impl Into<Topic<K, V>>) {
        self.to_with(topic, Produced::new());
    }

    /// As [`to`](Self::to), with a name or a partitioner.
    ///
    /// ```
    /// # use streams_core::processor::Partitions;
    /// # use streams_dsl::{KStream, Produced, StreamsBuilder};
    /// # use streams_test::{Layout, TopologyTestDriver};
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// let last = |_: &_, _: &String, _: &String, partitions| Partitions::One(partitions - 1);
    /// words.to_with("out", Produced::named("out-sink").with_partitioner(last));
    ///
    /// let layout = Layout::TaskPerPartition { partitions: 3 };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).layout(layout).build()?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// assert_eq!(driver.produced("out")[0].partition, 2);
    /// assert!(driver.describe().to_string().contains("Sink: out-sink (topic: out)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_with(self, topic: impl Into<Topic<K, V>>, produced: Produced<K, V>) {
        let topic = topic.into();
        let Serdes { key, value } = Serdes::from(&topic);
        let destination = SinkDestination::Topic(topic.name().clone());
        let Produced { name, partitioner } = produced;
        self.sent(name, Sink { destination, key, value, partitioner });
    }

    /// Writes each record to a topic that is computed from its key, value, time, headers and
    /// origin, and must exist; none is made. Otherwise as [`to`](Self::to): key, value, time and
    /// headers stay, and a null value is a tombstone.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let orders: KStream<'_, String, String> = builder.stream("orders");
    /// orders.to_dynamic(|country, _, _| format!("orders-{country}").into());
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("orders").pipe("fr", "cheese")?;
    /// assert_eq!(driver.output::<String, String>("orders-fr").read_values()?, ["cheese"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_dynamic(
        self,
        topic: impl Fn(&K, &V, &RecordContext) -> TopicName + Send + Sync + 'static,
    ) where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        self.to_dynamic_with(topic, DynamicProduced::new());
    }

    /// As [`to_dynamic`](Self::to_dynamic), with serdes, a name or a partitioner.
    ///
    /// ```
    /// # use streams_core::processor::RecordContext;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{DynamicProduced, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let orders: KStream<'_, String, String> = builder.stream("orders");
    /// let by_day = |_: &_, _: &_, context: &RecordContext| {
    ///     format!("orders-{}", context.timestamp.millis() / 86_400_000).into()
    /// };
    /// orders.to_dynamic_with(by_day, DynamicProduced::new().with_name("by-day"));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let noon = Timestamp::from_millis(43_200_000);
    /// driver.input::<String, String>("orders").pipe_at("fr", "cheese", noon)?;
    /// assert_eq!(driver.output::<String, String>("orders-0").read_values()?, ["cheese"]);
    /// assert!(driver.describe().to_string().contains("Sink: by-day (extractor class: "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_dynamic_with(
        self,
        topic: impl Fn(&K, &V, &RecordContext) -> TopicName + Send + Sync + 'static,
        produced: DynamicProduced<K, V>,
    ) {
        let DynamicProduced { produced, serdes: Serdes { key, value } } = produced;
        let Produced { name, partitioner } = produced;
        let destination = SinkDestination::Dynamic(Arc::new(topic));
        self.sent(name, Sink { destination, key, value, partitioner });
    }

    fn sent(self, name: Option<NodeName>, sink: Sink<K, V>) {
        let mut plan = self.builder.plan();
        let name = plan.names.node_or(name, "KSTREAM-SINK-");
        let topic = match &sink.destination {
            SinkDestination::Topic(topic) => Some(topic.clone()),
            SinkDestination::Dynamic(_) => None,
        };
        // All windows of a key go to the partition of the key.
        let window_bytes = sink.key.window_bytes();
        let partitioner = sink.partitioner.or_else(|| {
            (window_bytes > 0).then(|| -> Arc<StreamPartitioner<K, V>> {
                Arc::new(move |_, _, _, _| Partitions::ByKeyWithout(window_bytes))
            })
        });
        let template = SinkTemplate::new(Sink { partitioner, ..sink });
        let kind = NodeKind::Sink(Sinking { topic, template });
        plan.add(self.node, LogicalNode::new(name, kind, TypeId::of::<()>()));
    }
}
