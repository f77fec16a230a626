//! Setting up a driver.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use streams_core::config::{DefaultTimestampExtractor, StreamsConfig};
use streams_core::handler::Handlers;
use streams_core::names::{ApplicationId, TopicName};
use streams_core::processor::EmitIntervals;
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
    /// One task of all sub-topologies, every topic with one partition, as Kafka's driver. The
    /// default.
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
    pub(super) now: Timestamp,
    pub(super) layout: Layout,
    pub(super) commit: CommitWhen,
    pub(super) kafka: Option<KafkaModel>,
    pub(super) state: Arc<dyn StateBackend>,
    pub(super) topics: BTreeMap<TopicName, i32>,
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
            now: Timestamp::from_millis(0),
            layout: Layout::default(),
            commit: CommitWhen::default(),
            kafka: None,
            state,
            topics: BTreeMap::new(),
        }
    }

    /// Kafka's `application.id`, the prefix of internal topics. `topology-test-driver` by default.
    pub fn application_id(mut self, id: impl Into<ApplicationId>) -> Self {
        self.application_id = id.into();
        self
    }

    /// What a driver heeds of a configuration: `application.id`, the exception handlers,
    /// `default.timestamp.extractor`, `max.task.idle.ms` and `statestore.cache.max.bytes`. What is
    /// set after it goes before.
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
    pub fn config(self, config: &StreamsConfig) -> Self {
        let processing = config.processing();
        let cache_bytes = config.state().cache_bytes_max;
        self.application_id(config.application_id().as_str())
            .handlers(processing.into())
            .default_timestamps(processing.default_timestamp_extractor)
            .task_idle(processing.max_task_idle)
            .cache_bytes(usize::try_from(cache_bytes).unwrap_or(usize::MAX))
    }

    /// What happens to records that fail. All fail the task by default.
    pub fn handlers(mut self, handlers: Handlers) -> Self {
        self.handlers = handlers;
        self
    }

    /// Kafka's `default.timestamp.extractor`: the time of records whose source has no extractor of
    /// its own. Their timestamps by default; a negative one fails the task.
    pub const fn default_timestamps(mut self, timestamps: DefaultTimestampExtractor) -> Self {
        self.timestamps = timestamps;
        self
    }

    /// Kafka's `max.task.idle.ms`, which passes by the driver's clock. 0 by default.
    pub const fn task_idle(mut self, idle: TaskIdle) -> Self {
        self.idle = idle;
        self
    }

    /// Kafka's `statestore.cache.max.bytes`, shared by the tasks. 10 MiB by default; 0 writes
    /// through.
    pub const fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// How often windows that are given out when they close, and outer-join records without partner,
    /// are looked for by the driver's clock. Once a second by default; see
    /// [`advance_wall_clock`](TopologyTestDriver::advance_wall_clock).
    pub const fn emit_intervals(mut self, intervals: EmitIntervals) -> Self {
        self.emit_intervals = intervals;
        self
    }

    /// The time of the driver's clock at the start. 0 by default.
    pub const fn wall_clock(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// Which tasks run.
    pub const fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// When the driver commits.
    pub const fn commit_when(mut self, commit: CommitWhen) -> Self {
        self.commit = commit;
        self
    }

    /// The Kafka to run on, which may hold records and committed offsets of an earlier run. A new,
    /// empty one by default.
    pub fn kafka(mut self, kafka: KafkaModel) -> Self {
        self.kafka = Some(kafka);
        self
    }

    /// What opens the stores. In memory by default.
    pub fn state(mut self, state: Arc<dyn StateBackend>) -> Self {
        self.state = state;
        self
    }

    /// How many partitions a source topic has, where [`Layout::TaskPerPartition`] should not
    /// decide.
    pub fn topic(mut self, topic: impl Into<TopicName>, partitions: i32) -> Self {
        self.topics.insert(topic.into(), partitions);
        self
    }

    /// Makes the topics, the tasks and their stores, restores these from their changelogs, and
    /// works off what lies in the source topics.
    ///
    /// # Errors
    /// When the topology does not fit the topics, a task cannot be made, or it fails.
    pub fn build(self) -> Result<TopologyTestDriver, TestError> {
        let mut engine = Engine::new(self)?;
        engine.run(|_| Ok(()))?;
        Ok(TopologyTestDriver { engine: Rc::new(RefCell::new(engine)) })
    }
}
