//! The test driver: a topology at work on a model of Kafka, one step at a time.
//!
//! It runs the task that applications run. Nothing happens on its own: records are piped, the clock
//! is moved, and each call returns when all that follows has been done.

mod builder;
mod engine;
mod entries;
mod error;
mod global;
mod input;
mod key_values;
mod output;
mod tasks;

use std::any::type_name;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use streams_core::error::TaskError;
use streams_core::metrics::{BufferMetrics, DropCounts};
use streams_core::names::{StoreName, TopicName};
use streams_core::store::{Access, GlobalStores, StoreKind};
use streams_core::time::Timestamp;
use streams_core::topology::{Topic, Topology, TopologyDescription};

pub use self::builder::{CommitWhen, DriverBuilder, Layout};
use self::engine::Engine;
pub use self::entries::Entry;
pub use self::error::TestError;
pub use self::input::TestInputTopic;
pub use self::key_values::KeyValues;
use self::key_values::Kind;
pub use self::output::TestOutputTopic;
use crate::model::{KafkaModel, ModelRecord};

/// Runs a topology record by record. Answers to Kafka's `TopologyTestDriver`.
pub struct TopologyTestDriver {
    engine: Rc<RefCell<Engine>>,
}

impl fmt::Debug for TopologyTestDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = self.engine.borrow();
        let tasks = engine.tasks.iter().map(|running| &running.task);
        f.debug_struct("TopologyTestDriver").field("tasks", &tasks.collect::<Vec<_>>()).finish()
    }
}

impl TopologyTestDriver {
    /// A driver with Kafka's defaults.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// builder.stream::<String, String>("words").to("out");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "be")?;
    /// assert_eq!(driver.output::<String, String>("out").read_values()?, ["be"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When a task of the topology cannot be made, or a processor fails to start.
    pub fn new(topology: &Topology) -> Result<Self, TestError> {
        Self::builder(topology).build()
    }

    /// A driver to be set up.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// let topology = builder.build()?;
    /// let driver = TopologyTestDriver::builder(&topology)
    ///     .application_id("words-app")
    ///     .wall_clock(Timestamp::from_millis(7))
    ///     .build()?;
    /// assert_eq!(driver.wall_clock(), Timestamp::from_millis(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(topology: &Topology) -> DriverBuilder {
        DriverBuilder::new(topology, Arc::new(streams_state::MemoryBackend::new()))
    }

    /// A way into a source topic: a [`Topic`], or a name where both types have a default serde.
    ///
    /// ```
    /// # use streams_core::serde::{Json, Utf8};
    /// # use streams_core::topology::Topic;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let lists: Topic<String, Vec<String>> = Topic::with_serdes("lists", Utf8, Json::new());
    /// builder.stream(&lists).map_values(|list| list.len() as i64).to("lengths");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input(&lists).pipe("a", vec!["to".to_owned(), "be".to_owned()])?;
    /// assert_eq!(driver.output::<String, i64>("lengths").read_values()?, [2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn input<K: 'static, V: 'static>(
        &self,
        topic: impl Into<Topic<K, V>>,
    ) -> TestInputTopic<K, V> {
        TestInputTopic::new(&self.engine, topic.into())
    }

    /// What the topology writes to a topic: a [`Topic`], or a name where both types have a default
    /// serde. Internal topics have the names that they have in Kafka.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let grouped = words.group_by(|_, word| word.clone());
    /// let _ = grouped.count_with(Materialized::named("counts"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("1", "be")?;
    /// let mut sent = driver.output::<String, String>("topology-test-driver-counts-repartition");
    /// assert_eq!(sent.read_key_value()?, ("be".to_owned(), "be".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn output<K: 'static, V: 'static>(
        &self,
        topic: impl Into<Topic<K, V>>,
    ) -> TestOutputTopic<K, V> {
        TestOutputTopic::new(&self.engine, topic.into())
    }

    /// Moves the driver's clock on, calls the punctuations that are due, commits, and processes the
    /// records that waited for the time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{EmitStrategy, KStream, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let windows = TimeWindows::of_size(Duration::from_millis(10));
    /// let clicks = clicks.group_by_key().windowed_by(windows);
    /// let counts = clicks.with_emit_strategy(EmitStrategy::OnWindowClose).count();
    /// counts.to_stream().map(|window, count| (window.key, count)).to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// clicks.pipe_at("ann", "x", Timestamp::from_millis(1))?;
    /// // Closed windows are looked for once a second.
    /// driver.advance_wall_clock(Duration::from_secs(1))?;
    /// clicks.pipe_at("bob", "x", Timestamp::from_millis(10))?;
    /// assert_eq!(driver.output::<String, Option<i64>>("counts").read_map()?["ann"], Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When something failed the task.
    pub fn advance_wall_clock(&self, by: Duration) -> Result<(), TestError> {
        self.engine.borrow_mut().run(|engine| engine.advance(by))
    }

    /// The time of the driver's clock.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.advance_wall_clock(Duration::from_millis(7))?;
    /// assert_eq!(driver.wall_clock(), Timestamp::from_millis(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn wall_clock(&self) -> Timestamp {
        self.engine.borrow().now
    }

    /// Commits every task that did anything since its last commit, which flushes the record caches,
    /// and does the work that follows.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::{CommitWhen, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").group_by_key().count().to_stream().to("counts");
    /// let topology = builder.build()?;
    /// let when_told = CommitWhen::WhenTold;
    /// let driver = TopologyTestDriver::builder(&topology).commit_when(when_told).build()?;
    /// driver.input::<String, String>("words").pipe_all([("be", "x"), ("be", "y")])?;
    /// assert!(driver.output::<String, Option<i64>>("counts").is_empty());
    ///
    /// driver.commit()?;
    /// assert_eq!(driver.output::<String, Option<i64>>("counts").read_values()?, [Some(2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When something failed the task.
    pub fn commit(&self) -> Result<(), TestError> {
        self.engine.borrow_mut().run(Engine::commit)
    }

    /// Goes back to the last commit, as an application does after a failure: what was staged and
    /// queued is dropped, processors are made anew, and the records since then are processed again.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::{CommitWhen, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// let topology = builder.build()?;
    /// let when_told = CommitWhen::WhenTold;
    /// let driver = TopologyTestDriver::builder(&topology).commit_when(when_told).build()?;
    /// driver.input::<String, String>("words").pipe("a", "be")?;
    /// driver.restart()?;
    /// // Nothing was committed, so it is processed again.
    /// assert_eq!(driver.output::<String, String>("out").read_values()?, ["be", "be"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When a processor cannot be made again, or something fails the task again.
    pub fn restart(&self) -> Result<(), TestError> {
        self.engine.borrow_mut().restart()
    }

    /// The handle of a store, such as `KeyValueStore<String, i64>`.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_state::{KeyValueStore, TimestampedKeyValueStore};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let _ = words.group_by_key().count_with(Materialized::named("counts"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_at("be", "x", Timestamp::from_millis(7))?;
    /// let counts = driver.store::<TimestampedKeyValueStore<String, i64>>("counts")?;
    /// let count = counts.get(&"be".to_owned())?.expect("one record came");
    /// assert_eq!((count.value, count.timestamp.millis()), (1, 7));
    /// assert!(driver.store::<KeyValueStore<String, i64>>("counts").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When no task of partition 0 has the store, or it is of another type.
    pub fn store<S: Clone + 'static>(&self, name: impl Into<StoreName>) -> Result<S, TestError> {
        self.store_at(name, 0)
    }

    /// The handle of a store in the task of this partition.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_state::TimestampedKeyValueStore;
    /// # use streams_test::{Layout, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let _ = words.group_by_key().count_with(Materialized::named("counts"));
    ///
    /// let layout = Layout::TaskPerPartition { partitions: 2 };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).layout(layout).build()?;
    /// driver.input::<String, String>("words").with_partition(1).pipe("be", "x")?;
    /// let counts = |at| driver.store_at::<TimestampedKeyValueStore<String, i64>>("counts", at);
    /// assert!(counts(0)?.get(&"be".to_owned())?.is_none());
    /// assert!(counts(1)?.get(&"be".to_owned())?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When no task of that partition has the store, or it is of another type.
    pub fn store_at<S: Clone + 'static>(
        &self,
        name: impl Into<StoreName>,
        partition: i32,
    ) -> Result<S, TestError> {
        let store = name.into();
        let engine = self.engine.borrow();
        let tasks = engine.tasks.iter().map(|running| &running.task);
        let of_task = tasks.filter(|task| task.id().partition == partition).map(|task| {
            let stores = task.stores();
            (stores.handle(&store), stores.handle_with_headers(&store, Access::ReadWrite))
        });
        let globals = engine.globals.iter();
        let of_globals =
            globals.map(|globals| (globals.handle(&store), globals.handle_with_headers(&store)));
        let found = of_task.chain(of_globals).find(|(handle, _)| handle.is_some());
        let Some((handle, other)) = found else {
            return Err(TestError::NoStore { store, partition });
        };
        let mut handles = [handle, other].into_iter().flatten();
        let handle = handles.find_map(|handle| handle.downcast::<S>().ok());
        handle.map(|handle| *handle).ok_or(TestError::StoreType { store, wanted: type_name::<S>() })
    }

    /// Keys and values of a store of partition 0, with or without times. As for
    /// [`store`](Self::store) otherwise.
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
    /// assert_eq!(driver.key_values::<String, i64>("counts")?.get(&"be".to_owned())?, Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such store, or it is of other types.
    pub fn key_values<K: 'static, V: 'static>(
        &self,
        name: impl Into<StoreName>,
    ) -> Result<KeyValues<K, V>, TestError> {
        let name = name.into();
        match self.store(&name) {
            Ok(plain) => Ok(KeyValues(Kind::Plain(plain))),
            Err(_) => Ok(KeyValues(Kind::Timestamped(self.store(&name)?))),
        }
    }

    /// Ends the processors. A driver that is dropped does the same and hides what fails.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// assert!(driver.close().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first failure of a processor to close; all are closed.
    pub fn close(self) -> Result<(), TestError> {
        Ok(self.engine.borrow_mut().close()?)
    }

    /// The names of all stores, in order. The buffers of `suppress`, which cannot be read, are left
    /// out.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let _ = words.group_by_key().count_with(Materialized::named("counts"));
    /// let _ = words.group_by_key().reduce(|_, word| word);
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// assert_eq!(driver.store_names(), ["KSTREAM-REDUCE-STATE-STORE-0000000002", "counts"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn store_names(&self) -> Vec<StoreName> {
        let engine = self.engine.borrow();
        let stores = engine.setup.topology.stores();
        let read = stores.filter(|spec| spec.kind() != StoreKind::TimeOrderedBuffer);
        let names = read.map(|spec| spec.name().clone());
        names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    /// The names of the topics that the topology wrote to, in order, internal ones included.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let counts = words.group_by_key().count_with(Materialized::named("counts"));
    /// counts.to_stream().to("out");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("be", "x")?;
    /// assert_eq!(driver.produced_topics(), ["out", "topology-test-driver-counts-changelog"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn produced_topics(&self) -> Vec<TopicName> {
        let engine = self.engine.borrow();
        let mut topics = engine.kafka.topics();
        topics.retain(|topic| !engine.produced_after(topic, 0).is_empty());
        topics
    }

    /// The records that the topology wrote to a topic, as bytes, in the order of writing.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe("a", 7)?;
    /// let record = &driver.produced("out")[0];
    /// assert_eq!((record.partition, record.offset), (0, 0));
    /// assert_eq!(record.value.as_deref(), Some(&[0, 0, 0, 0, 0, 0, 0, 7][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn produced(&self, topic: impl Into<TopicName>) -> Vec<Arc<ModelRecord>> {
        self.engine.borrow().produced_after(&topic.into(), 0)
    }

    /// The Kafka that the driver runs on.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "be")?;
    /// assert_eq!(driver.kafka().records(&"out".into()).len(), 1);
    /// assert_eq!(driver.kafka().partitions(&"words".into()), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn kafka(&self) -> KafkaModel {
        self.engine.borrow().kafka.clone()
    }

    /// How many records were dropped, by reason, over all tasks.
    ///
    /// ```
    /// # use streams_core::metrics::DropReason;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, Option<String>, String> = builder.stream("words");
    /// let _ = words.group_by_key::<String>().count();
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<Option<String>, String>("words").pipe_value("be")?;
    /// assert_eq!(driver.dropped().of(DropReason::NullKey), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn dropped(&self) -> DropCounts {
        let mut dropped = DropCounts::default();
        for running in &self.engine.borrow().tasks {
            dropped.merge(&running.task.dropped());
        }
        if let Some(globals) = &self.engine.borrow().globals {
            dropped.merge(&globals.dropped());
        }
        dropped
    }

    /// What the buffers of `suppress` have done, by task.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{BufferConfig, KTable, StreamsBuilder, Suppressed};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let early = Suppressed::until_time_limit(Duration::from_secs(60), BufferConfig::max_records(1));
    /// prices.suppress(early.with_name("thin")).to_stream().to("thin-prices");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe_all([("a", 1), ("b", 2)])?;
    /// let buffers = driver.buffers();
    /// assert_eq!((buffers[0].node.as_str(), buffers[0].counts.emitted_total), ("thin", 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn buffers(&self) -> Vec<BufferMetrics> {
        let engine = self.engine.borrow();
        engine.tasks.iter().flat_map(|running| running.task.stores().buffers()).collect()
    }

    /// The text that Kafka's `Topology#describe` prints.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let text = driver.describe().to_string();
    /// assert!(text.contains("Sink: KSTREAM-SINK-0000000001 (topic: out)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn describe(&self) -> TopologyDescription {
        self.engine.borrow().setup.topology.describe()
    }
}

impl Engine {
    /// Ends the processors, once.
    fn close(&mut self) -> Result<(), Box<TaskError>> {
        let closed = self.tasks.drain(..).map(|mut running| running.task.close());
        // All are closed, whatever the first ones say.
        let closed: Vec<_> = closed.collect();
        closed.into_iter().collect()
    }

    /// What the tasks wrote to a topic after this place in the model.
    fn produced_after(&self, topic: &TopicName, sequence: u64) -> Vec<Arc<ModelRecord>> {
        let writer = self.plane.writer();
        let mut records = self.kafka.records_after(topic, sequence);
        records.retain(|record| record.writer == writer);
        records
    }
}

impl Drop for TopologyTestDriver {
    fn drop(&mut self) {
        if let Ok(mut engine) = self.engine.try_borrow_mut() {
            // Whoever wants to know calls `close`.
            let _ = engine.close();
        }
    }
}
