//! Starting the threads of an application.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, UNIX_EPOCH};

use streams_core::assign::PlacementPolicy;
use streams_core::config::{ClientRole, ConfigErrors, StreamsConfig};
use streams_core::error::catch_panic;
use streams_core::handler::Handlers;
use streams_core::membership::{Address, InstanceId, MembershipConfig};
use streams_core::names::TopicName;
use streams_core::processor::EmitIntervals;
use streams_core::store::StateBackend;
use streams_core::topology::{GeneratedNames, TopicNames, Topology};
use streams_core::worker::{CommitPolicy, MemoryShare, RetryPolicy, SharedGlobals, WorkerSettings};
use streams_state::{MemoryBudget, RocksBackend, StateDirectory};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender};

use super::RunningApp;
use super::shared::{Shared, Thread};
use super::state::State;
use crate::clients::Clients;
use crate::clock;
use crate::error::StreamsError;
use crate::global_thread::{self, GlobalThread};
use crate::group::{self, GroupParts, Input};
use crate::secure::{Access, TokenProvider};
use crate::worker_thread::{self, WorkerParts};

/// What an application is made from.
pub(crate) struct Parts {
    pub(crate) topology: Topology,
    pub(crate) config: StreamsConfig,
    pub(crate) handlers: Handlers,
    pub(crate) token_provider: Option<Arc<dyn TokenProvider>>,
}

/// All threads but that of the group, and what that one is made from.
pub(crate) struct Assembled {
    pub(crate) group: GroupParts,
    pub(crate) channel: (Sender<Input>, Receiver<Input>),
    global: Option<GlobalThread>,
}

/// Records that a worker processes before it looks around.
const TURN_RECORDS: usize = 4096;

pub(super) fn start(parts: Parts, shared: &Arc<Shared>) -> Result<RunningApp, StreamsError> {
    let Assembled { group, channel, global } = assemble(&parts, shared)?;
    let closing = Arc::clone(&group.closing);
    shared.become_state(State::Rebalancing);
    let thread = start_group(&parts.config, group, channel, global)?;
    Ok(RunningApp { closing, thread })
}

pub(crate) fn assemble(parts: &Parts, shared: &Arc<Shared>) -> Result<Assembled, StreamsError> {
    let config = &parts.config;
    config.check_available(parts.topology.optimizations())?;
    check_generated(&parts.topology.generated_names(), config)?;
    config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    if !parts.topology.has_tasks() && parts.topology.global_stores().is_empty() {
        return Err(StreamsError::NothingToRead);
    }
    check_names(&parts.topology, &topic_names(config))?;
    let application = config.application_id().as_str().into();
    let directory = StateDirectory::open(&config.state().dir, &application)?;
    remove_old_state(&directory, config.state().cleanup_dir_age_max)?;
    let budget = config.state().memory_budget_bytes;
    let bytes = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    let budget = budget.map_or_else(MemoryBudget::of_machine, |b| MemoryBudget::of(bytes(b)));
    let backend = Arc::new(RocksBackend::new(directory, budget));
    let access = Access::new(config.security(), parts.token_provider.clone())?;
    let clients = Arc::new(Clients::new(config.clone(), access.tokens.clone())?);
    let memory = WorkerMemory::new(parts, budget);
    let [crew, _] = shared.crew();
    let settings = worker_settings(parts, &backend, memory.share(crew.len()));
    let channel = group::inputs();
    let worker_parts = WorkerParts {
        settings: settings.clone(),
        clients: Arc::clone(&clients),
        group: channel.0.clone(),
        shared: Arc::clone(shared),
        summary_interval: config.metrics().log_summary_interval,
    };
    let spawn = |number| Ok((number, worker_thread::spawn(number, worker_parts.clone())?));
    let workers = crew.into_iter().map(spawn).collect::<Result<_, StreamsError>>()?;
    let global = global_thread::start(worker_parts.clone(), config)?;
    let (global, globals_filled) = global.unzip();
    let group = GroupParts {
        closing: Arc::new(Notify::new()),
        globals_filled,
        config: membership_config(config),
        topology: parts.topology.clone(),
        names: settings.names.clone(),
        clients,
        access,
        workers,
        worker_parts,
        memory,
        shared: Arc::clone(shared),
        process: *backend.directory().process_id().as_bytes(),
        backend,
        offset_reset: config.membership().offset_reset,
        purge_interval: config.internal_topics().repartition_purge_interval,
        cleanup_delay: config.state().cleanup_delay,
    };
    Ok(Assembled { group, channel, global })
}

/// State stays behind when a generated name changes: refused or told, as configured.
fn check_generated(names: &GeneratedNames, config: &StreamsConfig) -> Result<(), ConfigErrors> {
    config.check_names(names)?;
    if !names.is_empty() {
        tracing::warn!(
            "names were generated that change with the program, and what lies under them is then \
             left behind; see ensure.explicit.internal.resource.naming: {names}"
        );
    }
    Ok(())
}

fn topic_names(config: &StreamsConfig) -> TopicNames {
    match &config.internal_topics().prefix {
        Some(prefix) => TopicNames::with_prefix(prefix.as_str()),
        None => TopicNames::new(&config.application_id().as_str().into()),
    }
}

/// A topic of a name that Kafka does not take can never be there.
fn check_names(topology: &Topology, names: &TopicNames) -> Result<(), StreamsError> {
    let global = topology.global_stores().iter().map(|global| &global.part);
    let parts = topology.subtopologies().iter().chain(global);
    let given = parts.flat_map(|part| part.source_topics.iter().chain(&part.sink_topics));
    let given = given.map(|topic| names.in_kafka(topology, topic));
    let internal = topology.internal_topic_names(names);
    let topics: BTreeSet<TopicName> = given.chain(internal).collect();
    let faults: Vec<_> = topics.iter().filter_map(|topic| topic.check().err()).collect();
    if faults.is_empty() { Ok(()) } else { Err(StreamsError::TopicNames(faults)) }
}

/// `state.cleanup.dir.max.age.ms`.
fn remove_old_state(
    directory: &StateDirectory,
    age_max: Option<Duration>,
) -> Result<(), StreamsError> {
    let Some(age_max) = age_max else { return Ok(()) };
    let now = Duration::from_millis(clock::now_millis().unsigned_abs());
    for task in directory.remove_older(UNIX_EPOCH + now.saturating_sub(age_max))? {
        tracing::info!(%task, "its state was removed: nothing of it was written for long");
    }
    Ok(())
}

/// The group thread; when it ends, so does the application.
fn start_group(
    config: &StreamsConfig,
    group: GroupParts,
    channel: (Sender<Input>, Receiver<Input>),
    global: Option<GlobalThread>,
) -> Result<JoinHandle<()>, StreamsError> {
    let name = format!("{}-group", config.application_id());
    let shared = Arc::clone(&group.shared);
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        shared.enter(Thread::Group);
        let ran = catch_panic(|| group::run(group, channel));
        let ran = ran.unwrap_or_else(|text| Err(StreamsError::Panicked(text)));
        if let Err(error) = ran {
            shared.fail(error);
        }
        // Tasks read the global stores to their end.
        if let Some(global) = global {
            global.end(&shared);
        }
        let end = if shared.error().is_some() { State::Error } else { State::NotRunning };
        shared.become_state(if end == State::Error {
            State::PendingError
        } else {
            State::PendingShutdown
        });
        shared.become_state(end);
        shared.over();
    });
    thread.map_err(|error| StreamsError::Thread(error.to_string()))
}

/// What the workers of a process divide among themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkerMemory {
    cache_bytes: usize,
    staged_bytes: usize,
    /// As in Kafka, the thread of the global stores has a share of the caches.
    global_threads: usize,
}

impl WorkerMemory {
    fn new(parts: &Parts, budget: MemoryBudget) -> Self {
        let cache_bytes = parts.config.state().cache_bytes_max;
        Self {
            cache_bytes: usize::try_from(cache_bytes).unwrap_or(usize::MAX),
            staged_bytes: budget.staged_bytes_max(),
            global_threads: usize::from(!parts.topology.global_stores().is_empty()),
        }
    }

    /// The share of one of so many: what all stage together stays within the budget, and one task
    /// within its 32 MiB.
    pub(crate) fn share(self, workers: usize) -> MemoryShare {
        let workers = workers.max(1);
        let worker_staged_bytes_max = self.staged_bytes / workers;
        let of_task = CommitPolicy::default().staged_bytes_max;
        MemoryShare {
            cache_bytes: self.cache_bytes / (workers + self.global_threads),
            staged_bytes_max: of_task.min(worker_staged_bytes_max),
            worker_staged_bytes_max,
        }
    }
}

fn worker_settings(
    parts: &Parts,
    backend: &Arc<RocksBackend>,
    share: MemoryShare,
) -> WorkerSettings {
    let config = &parts.config;
    let processing = config.processing();
    let backend: Arc<dyn StateBackend> = Arc::<RocksBackend>::clone(backend);
    let commit = CommitPolicy { interval: processing.commit_interval, ..CommitPolicy::default() };
    let settings = WorkerSettings {
        topology: parts.topology.clone(),
        application_id: config.application_id().as_str().into(),
        names: topic_names(config),
        handlers: parts.handlers.clone(),
        timestamps: processing.default_timestamp_extractor,
        backend,
        globals: SharedGlobals::default(),
        commit,
        retries: retry_policy(config),
        idle: processing.max_task_idle,
        emit_intervals: EmitIntervals {
            windows: config.topology().windowed_emit_interval,
            outer_joins: config.topology().outer_join_emit_interval,
        },
        own_settings: config.own_settings().clone(),
        cache_bytes: 0,
        buffered_records: processing.buffered_records_per_partition as usize,
        turn_records: TURN_RECORDS,
    };
    settings.with(share)
}

/// How long a task may take beside to restore, fetch and process until it fails again.
const OVERCOME_MARGIN: Duration = Duration::from_mins(5);

/// A commit fails after its interval, and a record is given up after `delivery.timeout.ms`: a task that
/// goes on again and again only to fail so has overcome nothing.
fn retry_policy(config: &StreamsConfig) -> RetryPolicy {
    let processing = config.processing();
    let delivery = millis_of(config, ClientRole::Producer, "message.timeout.ms");
    let fails_after = processing.commit_interval.saturating_add(delivery.unwrap_or_default());
    RetryPolicy {
        task_timeout: processing.task_timeout,
        overcome_after: fails_after.saturating_add(OVERCOME_MARGIN),
        ..RetryPolicy::default()
    }
}

fn membership_config(config: &StreamsConfig) -> MembershipConfig {
    let servers = config.bootstrap_servers().iter();
    let bootstrap = servers.map(|server| Address::new(server.host(), server.port())).collect();
    let member = config.membership();
    let client_id = config
        .client_id()
        .map_or_else(|| config.application_id().to_string(), |id| id.as_str().to_owned());
    let defaults = MembershipConfig::new(config.application_id().as_str(), bootstrap);
    MembershipConfig {
        instance: member.instance_id.as_ref().map(|id| InstanceId::from(id.as_str())),
        client_id,
        sasl_mechanism: config.security().sasl().map(|sasl| sasl.mechanism().to_owned()),
        session_timeout: member.session_timeout,
        heartbeat_interval: member.heartbeat_interval,
        rebalance_timeout: member.max_poll_interval,
        request_timeout: of_member(config, "socket.timeout.ms", defaults.request_timeout),
        connect_timeout: of_member(
            config,
            "socket.connection.setup.timeout.ms",
            defaults.connect_timeout,
        ),
        backoff: of_member(config, "retry.backoff.ms", defaults.backoff),
        backoff_max: of_member(config, "retry.backoff.max.ms", defaults.backoff_max),
        reconnect_backoff: of_member(config, "reconnect.backoff.ms", defaults.reconnect_backoff),
        reconnect_backoff_max: of_member(
            config,
            "reconnect.backoff.max.ms",
            defaults.reconnect_backoff_max,
        ),
        offsets_timeout: member.offsets_timeout,
        placement: placement(config),
        probing_interval: config.assignment().probing_rebalance_interval,
        metadata_max_age: of_member(
            config,
            "topic.metadata.refresh.interval.ms",
            defaults.metadata_max_age,
        ),
        seed: clock::now_millis().unsigned_abs(),
        ..defaults
    }
}

fn placement(config: &StreamsConfig) -> PlacementPolicy {
    let configured = config.assignment();
    PlacementPolicy {
        standby_replicas: configured.num_standby_replicas as usize,
        acceptable_recovery_lag: configured.acceptable_recovery_lag,
        warmup_replicas_max: configured.max_warmup_replicas as usize,
    }
}

/// A time of the main consumer, under librdkafka's name: it holds for the member's own connection
/// too, which is made without librdkafka.
fn of_member(config: &StreamsConfig, key: &str, default: Duration) -> Duration {
    millis_of(config, ClientRole::MainConsumer, key).unwrap_or(default)
}

/// A time of a client, under librdkafka's name.
fn millis_of(config: &StreamsConfig, role: ClientRole, key: &str) -> Option<Duration> {
    config.client(role).value(key)?.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use streams_core::config::StreamsConfigBuilder;
    use streams_dsl::StreamsBuilder;

    use super::*;

    #[test]
    fn a_task_has_not_overcome_a_failure_that_comes_as_late_as_it_can() {
        let config = StreamsConfig::builder().application_id("a").bootstrap_servers("b:1");
        let config = config.set("commit.interval.ms", 400_000).set("delivery.timeout.ms", 800_000);
        let policy = retry_policy(&config.build().unwrap());
        assert_eq!(policy.overcome_after, Duration::from_secs(400 + 800 + 300));
    }

    #[test]
    fn names_of_internal_topics_are_checked_with_the_prefix_that_they_get() {
        let builder = StreamsBuilder::new();
        builder.stream::<String, String>("in").group_by_key().count().to_stream().to("out");
        let topology = builder.build().unwrap();
        let config = StreamsConfig::builder().application_id("a").bootstrap_servers("b:1");
        let config = config.set("__internal.override.topic.prefix__", "p".repeat(240));
        let error = check_names(&topology, &topic_names(&config.build().unwrap())).unwrap_err();
        assert!(matches!(&error, StreamsError::TopicNames(faults) if faults.len() == 1), "{error}");
    }

    #[test]
    fn times_of_the_main_consumer_are_those_of_the_member_too() {
        let member = |settings: &[(&str, u32)]| {
            let config = StreamsConfig::builder().application_id("a").bootstrap_servers("b:1");
            let set = |config: StreamsConfigBuilder, (key, millis): &(&str, u32)| {
                config.set(*key, *millis)
            };
            membership_config(&settings.iter().fold(config, set).build().unwrap())
        };
        let millis = |member: &MembershipConfig| {
            [
                member.request_timeout,
                member.connect_timeout,
                member.backoff,
                member.backoff_max,
                member.reconnect_backoff,
                member.reconnect_backoff_max,
                member.offsets_timeout,
                member.metadata_max_age,
            ]
            .map(|time| time.as_millis())
        };
        assert_eq!(millis(&member(&[])), [30_000, 10_000, 100, 1_000, 50, 1_000, 60_000, 300_000]);
        let set = [
            ("request.timeout.ms", 20_000),
            ("consumer.request.timeout.ms", 7_000),
            ("socket.connection.setup.timeout.ms", 3_000),
            ("retry.backoff.ms", 1_500),
            ("reconnect.backoff.ms", 2_000),
            ("consumer.reconnect.backoff.max.ms", 4_000),
            ("main.consumer.default.api.timeout.ms", 9_000),
            ("metadata.max.age.ms", 60_000),
        ];
        assert_eq!(
            millis(&member(&set)),
            [7_000, 3_000, 1_500, 1_500, 2_000, 4_000, 9_000, 60_000]
        );
    }
}
