//! Setting up a driver.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use streams_core::config::{ConfigErrors, DefaultTimestampExtractor, OwnSettings, StreamsConfig};
use streams_core::handler::Handlers;
use streams_core::names::{ApplicationId, TaskId, TopicName, TopicPartition};
use streams_core::processor::{ContextParts, EmitIntervals, TaskContext};
use streams_core::store::StateBackend;
use streams_core::task::TaskIdle;
use streams_core::time::Timestamp;
use streams_core::topology::Topology;

use super::engine::Engine;
use super::{TestError, TopologyTestDriver};
use crate::model::KafkaModel;

/// Which tasks a driver runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// One task of all sub-topologies, every topic with one partition, as Kafka's driver. Internal
    /// topics have no settings, so that no record is refused. The default.
    #[default]
    OneTask,
    /// A task for each sub-topology and partition, as an application runs them. Repartition topics
    /// are routed by partition.
    TaskPerPartition {
        /// Partitions of the topics for which no other number is given.
        partitions: i32,
    },
}

/// When a driver commits, which flushes the record caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommitWhen {
    /// After each record and each advance of the clock, as Kafka's driver. The default.
    #[default]
    EachRecord,
    /// After this many records, over all tasks.
    Every(u32),
    /// Only when [`TopologyTestDriver::commit`] is called.
    WhenTold,
}

/// The settings of a driver. Every setting has Kafka's default.
#[derive(Clone)]
#[must_use]
pub struct DriverBuilder {
    pub(super) topology: Topology,
    pub(super) application_id: ApplicationId,
    pub(super) handlers: Handlers,
    pub(super) timestamps: DefaultTimestampExtractor,
    pub(super) idle: TaskIdle,
    pub(super) cache_bytes: usize,
    pub(super) emit_intervals: EmitIntervals,
    pub(super) own_settings: OwnSettings,
    pub(super) now: Timestamp,
    pub(super) layout: Layout,
    pub(super) commit: CommitWhen,
    pub(super) kafka: Option<KafkaModel>,
    pub(super) state: Arc<dyn StateBackend>,
    pub(super) topics: BTreeMap<TopicName, i32>,
    /// What the configuration finds wrong with the topology.
    faults: Option<ConfigErrors>,
}

impl fmt::Debug for DriverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriverBuilder")
            .field("application_id", &self.application_id)
            .field("layout", &self.layout)
            .field("commit", &self.commit)
            .finish_non_exhaustive()
    }
}

impl DriverBuilder {
    pub(super) fn new(topology: &Topology, state: Arc<dyn StateBackend>) -> Self {
        Self {
            topology: topology.clone(),
            application_id: "topology-test-driver".into(),
            handlers: Handlers::default(),
            timestamps: DefaultTimestampExtractor::default(),
            idle: TaskIdle::UpTo(std::time::Duration::ZERO),
            cache_bytes: 10 << 20,
            emit_intervals: EmitIntervals::default(),
            own_settings: OwnSettings::default(),
            now: Timestamp::from_millis(0),
            layout: Layout::default(),
            commit: CommitWhen::default(),
            kafka: None,
            state,
            topics: BTreeMap::new(),
            faults: None,
        }
    }

    /// The context of a task that reads these partitions.
    pub(super) fn context(&self, task: TaskId, partitions: Vec<TopicPartition>) -> TaskContext {
        TaskContext::new(ContextParts {
            application_id: self.application_id.clone(),
            task,
            partitions,
            handlers: self.handlers.clone(),
            timestamps: self.timestamps,
            emit_intervals: self.emit_intervals,
            own_settings: self.own_settings.clone(),
        })
    }

    /// Kafka's `application.id`, the prefix of internal topics. `topology-test-driver` by default.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let _ = words.group_by_key().count_with(Materialized::named("counts"));
    ///
    /// let topology = builder.build()?;
    /// let driver = TopologyTestDriver::builder(&topology).application_id("words-app").build()?;
    /// driver.input::<String, String>("words").pipe("be", "x")?;
    /// assert_eq!(driver.produced_topics(), ["words-app-counts-changelog"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn application_id(mut self, id: impl Into<ApplicationId>) -> Self {
        self.application_id = id.into();
        self
    }

    /// What a driver heeds of a configuration: `application.id`, the exception handlers,
    /// `default.timestamp.extractor`, `max.task.idle.ms`, `statestore.cache.max.bytes`,
    /// `dsl.store.format`, `dsl.store.suppliers.class`, `ensure.explicit.internal.resource.naming` and
    /// the two `__emit.interval.ms.kstreams` settings. What is set after it goes before.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_core::topology::TopologyBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// let config = StreamsConfig::builder()
    ///     .application_id("orders")
    ///     .bootstrap_servers("none:9092")
    ///     .set("default.timestamp.extractor", "log_and_skip")
    ///     .build()?;
    /// let topology = TopologyBuilder::new().build()?;
    ///
    /// let driver = TopologyTestDriver::builder(&topology).config(&config).build()?;
    /// assert!(driver.store_names().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn config(mut self, config: &StreamsConfig) -> Self {
        self.faults = config.check_names(&self.topology.generated_names()).err();
        self.topology = self.topology.configured(config.state());
        self.own_settings = config.own_settings().clone();
        let processing = config.processing();
        let (topology, cache_bytes) = (config.topology(), config.state().cache_bytes_max);
        self.application_id(config.application_id().as_str())
            .handlers(processing.into())
            .default_timestamps(processing.default_timestamp_extractor)
            .task_idle(processing.max_task_idle)
            .cache_bytes(usize::try_from(cache_bytes).unwrap_or(usize::MAX))
            .emit_intervals(EmitIntervals {
                windows: topology.windowed_emit_interval,
                outer_joins: topology.outer_join_emit_interval,
            })
    }

    /// What happens to records that fail. All fail the task by default.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use streams_core::handler::{Handlers, LogAndSkip};
    /// # use streams_core::metrics::DropReason;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// let skip = Handlers { deserialization: Arc::new(LogAndSkip), ..Handlers::default() };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).handlers(skip).build()?;
    /// driver.input::<String, String>("numbers").pipe("a", "no eight bytes")?;
    /// assert_eq!(driver.dropped().of(DropReason::Undecodable), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handlers(mut self, handlers: Handlers) -> Self {
        self.handlers = handlers;
        self
    }

    /// Kafka's `default.timestamp.extractor`: the time of records whose source has no extractor of
    /// its own. Their timestamps by default; a negative one fails the task.
    ///
    /// ```
    /// # use streams_core::metrics::DropReason;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # use streams_core::config::DefaultTimestampExtractor;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// let topology = builder.build()?;
    /// let skip = DefaultTimestampExtractor::SkipInvalid;
    /// let driver = TopologyTestDriver::builder(&topology).default_timestamps(skip).build()?;
    /// driver.input::<String, i64>("numbers").pipe_at("a", 7, Timestamp::from_millis(-1))?;
    /// assert_eq!(driver.dropped().of(DropReason::InvalidTimestamp), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn default_timestamps(mut self, timestamps: DefaultTimestampExtractor) -> Self {
        self.timestamps = timestamps;
        self
    }

    /// Kafka's `max.task.idle.ms`, which passes by the driver's clock. 0 by default.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::{TaskIdle, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # let left: KStream<'_, String, i64> = builder.stream("left");
    /// # left.merge(builder.stream("right")).to("out");
    /// let idle = TaskIdle::UpTo(Duration::from_millis(10));
    /// let driver = TopologyTestDriver::builder(&builder.build()?).task_idle(idle).build()?;
    /// driver.input::<String, i64>("left").pipe_at("a", 2, Timestamp::from_millis(2))?;
    /// // It waits for a record of the other topic, which may be earlier.
    /// driver.input::<String, i64>("right").pipe_at("a", 1, Timestamp::from_millis(1))?;
    /// driver.advance_wall_clock(Duration::from_millis(10))?;
    /// assert_eq!(driver.output::<String, i64>("out").read_values()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn task_idle(mut self, idle: TaskIdle) -> Self {
        self.idle = idle;
        self
    }

    /// Kafka's `statestore.cache.max.bytes`, shared by the tasks and, as in Kafka's driver, the global
    /// stores. 10 MiB by default; 0 writes through.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::{CommitWhen, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").group_by_key().count().to_stream().to("counts");
    /// let topology = builder.build()?;
    /// let driver = TopologyTestDriver::builder(&topology)
    ///     .cache_bytes(0)
    ///     .commit_when(CommitWhen::WhenTold)
    ///     .build()?;
    /// driver.input::<String, String>("words").pipe_all([("be", "x"), ("be", "y")])?;
    /// let counts = driver.output::<String, Option<i64>>("counts").read_values()?;
    /// assert_eq!(counts, [Some(1), Some(2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// How often windows that are given out when they close, and outer-join records without
    /// partner, are looked for by the driver's clock. Once a second by default; see
    /// [`advance_wall_clock`](TopologyTestDriver::advance_wall_clock).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{EmitStrategy, KStream, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// # use streams_core::processor::EmitIntervals;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let windows = TimeWindows::of_size(Duration::from_millis(10));
    /// let clicks = clicks.group_by_key().windowed_by(windows);
    /// let counts = clicks.with_emit_strategy(EmitStrategy::OnWindowClose).count();
    /// counts.to_stream().map(|window, count| (window.key, count)).to("counts");
    ///
    /// let intervals = EmitIntervals { windows: Duration::ZERO, ..EmitIntervals::default() };
    /// let topology = builder.build()?;
    /// let driver = TopologyTestDriver::builder(&topology).emit_intervals(intervals).build()?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// clicks.pipe_at("ann", "x", Timestamp::from_millis(1))?;
    /// clicks.pipe_at("bob", "x", Timestamp::from_millis(10))?;
    /// assert_eq!(driver.output::<String, Option<i64>>("counts").read_map()?["ann"], Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn emit_intervals(mut self, intervals: EmitIntervals) -> Self {
        self.emit_intervals = intervals;
        self
    }

    /// The time of the driver's clock at the start. 0 by default.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// let noon = Timestamp::from_millis(43_200_000);
    /// let driver = TopologyTestDriver::builder(&builder.build()?).wall_clock(noon).build()?;
    /// driver.input::<String, i64>("numbers").pipe("a", 7)?;
    /// assert_eq!(driver.output::<String, i64>("out").read_record()?.timestamp, noon);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn wall_clock(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// Which tasks run.
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
    /// assert_eq!(driver.kafka().partitions(&"words".into()), Some(2));
    /// assert!(driver.store_at::<TimestampedKeyValueStore<String, i64>>("counts", 1).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// When the driver commits.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::{CommitWhen, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").group_by_key().count().to_stream().to("counts");
    /// let topology = builder.build()?;
    /// let every_second = CommitWhen::Every(2);
    /// let driver = TopologyTestDriver::builder(&topology).commit_when(every_second).build()?;
    /// driver.input::<String, String>("words").pipe_all([("be", "x"), ("be", "y"), ("be", "z")])?;
    /// let counts = driver.output::<String, Option<i64>>("counts").read_values()?;
    /// assert_eq!(counts, [Some(2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn commit_when(mut self, commit: CommitWhen) -> Self {
        self.commit = commit;
        self
    }

    /// The Kafka to run on, which may hold records and committed offsets of an earlier run. A new,
    /// empty one by default.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let _ = words.group_by_key().count_with(Materialized::named("counts"));
    /// let topology = builder.build()?;
    ///
    /// let first = TopologyTestDriver::new(&topology)?;
    /// first.input::<String, String>("words").pipe("be", "x")?;
    /// let second = TopologyTestDriver::builder(&topology).kafka(first.kafka()).build()?;
    /// assert_eq!(second.key_values::<String, i64>("counts")?.get(&"be".to_owned())?, Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kafka(mut self, kafka: KafkaModel) -> Self {
        self.kafka = Some(kafka);
        self
    }

    /// What opens the stores. In memory by default.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// let _ = words.group_by_key().count_with(Materialized::named("counts"));
    /// let topology = builder.build()?;
    ///
    /// let memory = Arc::new(streams_state::MemoryBackend::new());
    /// let driver = TopologyTestDriver::builder(&topology).state(memory).build()?;
    /// driver.input::<String, String>("words").pipe("be", "x")?;
    /// assert_eq!(driver.key_values::<String, i64>("counts")?.get(&"be".to_owned())?, Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state(mut self, state: Arc<dyn StateBackend>) -> Self {
        self.state = state;
        self
    }

    /// How many partitions a source topic has, where [`Layout::TaskPerPartition`] should not
    /// decide. A source that reads the topics of a pattern reads those of this kind that match it, and
    /// those that exist already.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::{Layout, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// let layout = Layout::TaskPerPartition { partitions: 1 };
    /// let topology = builder.build()?;
    /// let driver = TopologyTestDriver::builder(&topology).layout(layout).topic("words", 4);
    /// let driver = driver.build()?;
    /// assert_eq!(driver.kafka().partitions(&"words".into()), Some(4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn topic(mut self, topic: impl Into<TopicName>, partitions: i32) -> Self {
        self.topics.insert(topic.into(), partitions);
        self
    }

    /// Makes the topics, the tasks and their stores, restores these from their changelogs, and
    /// works off what lies in the source topics.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// let topology = builder.build()?;
    /// let kafka = TopologyTestDriver::new(&topology)?.kafka();
    /// let driver = TopologyTestDriver::builder(&topology).kafka(kafka).build()?;
    /// assert!(driver.output::<String, String>("out").is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the topology does not fit the configuration or the topics, a task cannot be made, or it
    /// fails.
    pub fn build(mut self) -> Result<TopologyTestDriver, TestError> {
        if let Some(faults) = self.faults.take() {
            return Err(faults.into());
        }
        let mut engine = Engine::new(self)?;
        engine.run(|_| Ok(()))?;
        Ok(TopologyTestDriver { engine: Rc::new(RefCell::new(engine)) })
    }
}
