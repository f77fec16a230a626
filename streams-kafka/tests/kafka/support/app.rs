//! The applications that the tests run.

use std::path::Path;
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use streams_core::config::{StreamsConfig, StreamsConfigBuilder};
use streams_core::error::ProcessorError;
use streams_core::processor::{
    Context, Nulls, Processor, Sink, SinkDestination, Source, TimestampExtractor,
};
use streams_core::record::Record;
use streams_core::serde::DefaultSerde;
use streams_core::topology::{Topology, TopologyBuilder};
use streams_core::worker::{RestorePhase, RestoreProgress};
use streams_kafka::{KafkaStreams, State, StreamsError};

use super::place::Place;
use super::shape::Shape;
use super::watch::Watch;

/// The store of a tally.
pub(crate) const COUNTS: &str = "counts";
/// Long enough for a busy machine; nothing waits so long in a good run.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Logs of the applications, where `RUST_LOG` asks for them.
pub(crate) fn show_logs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let logs = tracing_subscriber::fmt().with_env_filter(filter);
        let _ = logs.with_writer(std::io::stderr).try_init();
    });
}

pub(crate) fn source<K: DefaultSerde, V: DefaultSerde>() -> Source<K, V> {
    Source {
        key: K::serde(),
        value: V::serde(),
        timestamps: TimestampExtractor::FailOnInvalid,
        nulls: Nulls::Fail,
    }
}

pub(crate) fn sink<K: DefaultSerde, V: DefaultSerde>(topic: &str) -> Sink<K, V> {
    Sink {
        destination: SinkDestination::Topic(topic.into()),
        key: K::serde(),
        value: V::serde(),
        partitioner: None,
    }
}

type Text = Record<String, String>;
type Step = dyn Fn(&mut Text) -> Result<bool, ProcessorError> + Send + Sync;

struct Stateless(Arc<Step>);

impl Processor<String, String> for Stateless {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        mut record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        if (self.0)(&mut record)? {
            cx.forward(record)?;
        }
        Ok(())
    }
}

/// Changes each record, or leaves it out.
pub(crate) fn stateless(
    input: &str,
    output: &str,
    step: impl Fn(&mut Text) -> Result<bool, ProcessorError> + Send + Sync + 'static,
) -> Topology {
    let step: Arc<Step> = Arc::new(step);
    let mut builder = TopologyBuilder::new();
    let from = builder.source("source", [input], source::<String, String>());
    let changed = builder.processor("step", &[from], move |_| Ok(Stateless(Arc::clone(&step))));
    builder.sink("sink", &[changed], sink::<String, String>(output));
    builder.build().unwrap()
}

/// A started application, and what it told.
pub(crate) struct App {
    pub(crate) streams: KafkaStreams,
    restored: Arc<Mutex<Vec<RestoreProgress>>>,
    began: Instant,
}

impl Place {
    /// The settings of every test: commits five times a second.
    pub(crate) fn config(&self, state: &Path) -> StreamsConfigBuilder {
        StreamsConfig::builder()
            .application_id(&self.application)
            .bootstrap_servers(self.cluster.servers())
            .set("state.dir", state.to_str().unwrap())
            .set("commit.interval.ms", "200")
            .set("replication.factor", self.cluster.replication())
    }

    /// The same with more settings.
    pub(crate) fn config_with(
        &self,
        state: &Path,
        settings: &[(&str, &str)],
    ) -> StreamsConfigBuilder {
        let config = self.config(state);
        settings.iter().fold(config, |config, (key, value)| config.set(*key, *value))
    }

    pub(crate) fn start(&self, topology: Topology) -> App {
        self.start_in("state", topology)
    }

    pub(crate) fn start_in(&self, state: &str, topology: Topology) -> App {
        App::start(topology, self.config(&self.state(state)))
    }

    pub(crate) fn tally(&self) -> Topology {
        Shape::Tally.topology(&self.input, &self.output, &Watch::default())
    }

    /// The committed offsets of the input, by partition; 0 where there is none.
    pub(crate) fn committed(&self) -> Vec<i64> {
        let committed = self.cluster.committed(&self.application, &self.input);
        committed.iter().map(|all| all.as_ref().map_or(0, |(offset, _)| *offset)).collect()
    }

    /// Waits until the output holds so many records.
    #[track_caller]
    pub(crate) fn await_output(&self, records: usize) {
        let wanted = i64::try_from(records).unwrap();
        let all = || self.cluster.ends(&self.output).iter().sum::<i64>() >= wanted;
        super::wait::holds_within("the output is complete", SOON, all);
    }
}

impl App {
    pub(crate) fn start(topology: Topology, config: StreamsConfigBuilder) -> Self {
        Self::try_start(topology, config).unwrap()
    }

    pub(crate) fn try_start(
        topology: Topology,
        config: StreamsConfigBuilder,
    ) -> Result<Self, StreamsError> {
        let restored = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&restored);
        let streams = KafkaStreams::builder(topology, config.build().unwrap())
            .on_restore(move |progress| told.lock().unwrap().push(progress.clone()))
            .build();
        let began = Instant::now();
        streams.start()?;
        Ok(Self { streams, restored, began })
    }

    /// Time from the start until it ran.
    #[track_caller]
    pub(crate) fn await_running(&self) -> Duration {
        let reached = self.streams.wait_for(State::Running, SOON);
        let told = || self.streams.error().map(|error| error.chain());
        assert!(reached.is_ok(), "{reached:?} {:?}", told());
        self.began.elapsed()
    }

    /// The text of the error that it stops with.
    #[track_caller]
    pub(crate) fn await_error(&self) -> String {
        let reached = self.streams.wait_for(State::Error, SOON);
        assert!(reached.is_ok(), "{reached:?}");
        self.streams.error().unwrap().chain()
    }

    /// Restorations that have ended.
    pub(crate) fn restored(&self) -> Vec<RestoreProgress> {
        let told = self.restored.lock().unwrap();
        told.iter().filter(|told| told.phase == RestorePhase::Ended).cloned().collect()
    }

    /// Records read by all restorations.
    pub(crate) fn restored_records(&self) -> u64 {
        self.restored().iter().map(|restored| restored.records).sum()
    }

    #[track_caller]
    pub(crate) fn close(self) {
        let closed = self.streams.close(SOON);
        assert!(closed.is_ok(), "{closed:?}");
        assert_eq!(self.streams.state(), State::NotRunning, "{:?}", self.streams.error());
    }
}
