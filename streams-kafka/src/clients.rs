//! The clients of a process, configured once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use streams_core::config::{ClientRole, ReplicationFactor, StreamsConfig};
use streams_core::names::TopicName;
use streams_core::plane::ReadFor;

use crate::error::StreamsError;
use crate::ffi::admin::Admin;
use crate::ffi::bounds::{AskedBounds, FetchBounds};
use crate::ffi::config::{Config, Role};
use crate::ffi::consumer::Consumer;
use crate::ffi::event::ClientProblem;
use crate::ffi::producer::Producer;
use crate::outbox::SendBounds;
use crate::secure::Tokens;
use crate::topics::{MakeAdmin, Topics};

/// The consumers of a process, shared by its workers.
#[derive(Debug, Clone)]
pub(crate) struct Consumers {
    /// Reads inputs.
    pub(crate) inputs: Arc<Consumer>,
    /// Reads changelogs, and says where they end.
    pub(crate) restores: Arc<Consumer>,
}

/// Makes the clients, and keeps those that are shared.
#[derive(Debug)]
pub(crate) struct Clients {
    config: StreamsConfig,
    tokens: Option<Arc<Tokens>>,
    topics: Arc<Topics>,
    consumers: Mutex<Option<Consumers>>,
    /// Reads the topics of global stores, where there are any.
    globals: OnceLock<Arc<Consumer>>,
    /// Topics that brokers do not know and that are read.
    missed: Mutex<BTreeSet<TopicName>>,
    /// Bytes of records that may wait to be sent, for each worker.
    send_share: Arc<AtomicUsize>,
}

const PARTITIONS_GUESS: usize = 8;
/// Bytes of an answer with changelogs, unless a program says otherwise. DIFFERENCE(restore-fetch): Kafka
/// asks for 50 MB. A broker's thread sends an answer whole, while others that it serves wait.
const RESTORE_FETCH_BYTES: u64 = 256 << 10;

impl Clients {
    pub(crate) fn new(
        config: StreamsConfig,
        tokens: Option<Arc<Tokens>>,
    ) -> Result<Self, StreamsError> {
        let replication = match config.internal_topics().replication_factor {
            ReplicationFactor::BrokerDefault => -1,
            ReplicationFactor::Replicas(replicas) => i32::from(replicas),
        };
        let (of, from) = (config.clone(), tokens.clone());
        let make_admin = MakeAdmin(Box::new(move || {
            let admin = settings(&of, ClientRole::Admin, Role::Admin, "admin", &[])?;
            Admin::new(with_tokens(admin, from.as_ref())).map_err(StreamsError::client)
        }));
        let topics = Arc::new(Topics::new(make_admin, replication, &config)?);
        let (consumers, globals) = (Mutex::new(None), OnceLock::new());
        let (missed, send_share) = (Mutex::default(), Arc::default());
        let clients = Self { config, tokens, topics, consumers, globals, missed, send_share };
        clients.divide(clients.config.processing().num_stream_threads as usize);
        Ok(clients)
    }

    /// Brokers do not know a topic that is read.
    pub(crate) fn miss(&self, topic: &TopicName) {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.clone());
    }

    /// The topics that were missed since the last call.
    pub(crate) fn take_missed(&self) -> BTreeSet<TopicName> {
        std::mem::take(&mut *self.missed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a process may hold of records to be sent is divided among so many workers.
    pub(crate) fn divide(&self, workers: usize) {
        let share = self.config.processing().send_share_bytes(workers);
        self.send_share.store(usize::try_from(share).unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    pub(crate) const fn topics(&self) -> &Arc<Topics> {
        &self.topics
    }

    /// `max.poll.records`: most records of an input taken from its client at once.
    pub(crate) fn poll_records_max(&self) -> usize {
        self.config.processing().max_poll_records as usize
    }

    /// The consumers, made for this many input partitions at the first call.
    pub(crate) fn consumers(&self, partitions: usize) -> Result<Consumers, StreamsError> {
        let mut consumers = self.consumers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(consumers) = &*consumers {
            return Ok(consumers.clone());
        }
        let budget = self.config.processing().prefetch_bytes_max;
        // Most of the time nothing is restored; then nothing of its share is used.
        let share = (budget / 4 * 3, partitions);
        let inputs = self.consumer(ClientRole::MainConsumer, "consumer", share)?;
        // Global stores take half of it.
        let share = if self.globals.get().is_some() { budget / 8 } else { budget / 4 };
        let share = (share, partitions);
        let restores = self.consumer(ClientRole::RestoreConsumer, "restore-consumer", share)?;
        let made = Consumers { inputs: Arc::new(inputs), restores: Arc::new(restores) };
        *consumers = Some(made.clone());
        Ok(made)
    }

    /// Makes the consumer of global stores, for this many partitions. To be called before the other
    /// consumers are made.
    pub(crate) fn make_global_consumer(&self, partitions: usize) -> Result<(), StreamsError> {
        let share = (self.config.processing().prefetch_bytes_max / 8, partitions);
        let consumer = self.consumer(ClientRole::GlobalConsumer, "global-consumer", share)?;
        // One thread calls this, once.
        let _ = self.globals.set(Arc::new(consumer));
        Ok(())
    }

    /// The consumer of this purpose as it was made, or for few partitions.
    pub(crate) fn consumer_for(&self, purpose: ReadFor) -> Result<Arc<Consumer>, StreamsError> {
        let made = match purpose {
            ReadFor::Input => self.consumers(PARTITIONS_GUESS)?.inputs,
            ReadFor::Restore => self.consumers(PARTITIONS_GUESS)?.restores,
            ReadFor::Global => match self.globals.get() {
                Some(globals) => Arc::clone(globals),
                None => self.consumers(PARTITIONS_GUESS)?.restores,
            },
        };
        Ok(made)
    }

    /// A consumer that may fetch so many bytes ahead, of so many partitions together.
    fn consumer(
        &self,
        role: ClientRole,
        name: &str,
        (bytes, partitions): (u64, usize),
    ) -> Result<Consumer, StreamsError> {
        let bounds = FetchBounds::new(bytes, partitions);
        let settings_of = self.config.client(role);
        let asked = AskedBounds::of(|key| settings_of.value(key));
        let asked = match role {
            ClientRole::RestoreConsumer => asked.or_fetch(RESTORE_FETCH_BYTES),
            _ => asked,
        };
        for (key, asked, left) in bounds.exceeded_by(asked) {
            tracing::warn!(
                client = name,
                "'{key}' is {asked}, of which 'prefetch.max.bytes' leaves {left} with {partitions} partitions; raise that to fetch more at once"
            );
        }
        let bounds = bounds.at_most(asked).settings();
        let mut own: Vec<(&str, &str)> = bounds.iter().map(|(k, v)| (*k, v.as_str())).collect();
        own.push(("enable.partition.eof", "true"));
        own.push(("group.id", self.config.application_id().as_str()));
        let config = settings(&self.config, role, Role::Consumer, name, &own)?;
        let config = with_tokens(config, self.tokens.as_ref());
        Consumer::new(config).map_err(StreamsError::client)
    }

    /// What a worker's producer may hold, and how long sending may wait for room while brokers are
    /// away: `max.block.ms`. Then the task goes on from its last commit, for up to
    /// `task.timeout.ms`.
    pub(crate) fn send_bounds(&self) -> SendBounds {
        let wait_max = self.config.processing().max_block;
        SendBounds { wait_max, bytes_max: Arc::clone(&self.send_share) }
    }

    /// A producer for one worker, with its share of the bytes that may wait.
    pub(crate) fn producer(&self) -> Result<Producer, StreamsError> {
        let kbytes = (self.send_share.load(Ordering::Relaxed) >> 10).to_string();
        let own = [("queue.buffering.max.kbytes", kbytes.as_str())];
        let config =
            settings(&self.config, ClientRole::Producer, Role::Producer, "producer", &own)?;
        let config = with_tokens(config, self.tokens.as_ref());
        Producer::new(config).map_err(StreamsError::client)
    }

    /// Serves logs and problems of the shared clients; to be called about once a second.
    pub(crate) fn poll(&self) {
        let told = |problem: ClientProblem| {
            tracing::warn!(code = %problem.code, "{}", problem.message);
        };
        let consumers = self.consumers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(consumers) = &*consumers {
            std::iter::from_fn(|| consumers.inputs.poll()).for_each(told);
            std::iter::from_fn(|| consumers.restores.poll()).for_each(told);
        }
        if let Some(globals) = self.globals.get() {
            std::iter::from_fn(|| globals.poll()).for_each(told);
        }
    }
}

fn with_tokens(config: Config, tokens: Option<&Arc<Tokens>>) -> Config {
    match tokens {
        Some(tokens) => config.tokens(Arc::<Tokens>::clone(tokens)),
        None => config,
    }
}

/// The settings of one client: addresses, security, what the user says, what we decide.
fn settings(
    config: &StreamsConfig,
    role: ClientRole,
    kind: Role,
    name: &str,
    own: &[(&str, &str)],
) -> Result<Config, StreamsError> {
    let servers: Vec<String> = config.bootstrap_servers().iter().map(ToString::to_string).collect();
    let servers = servers.join(",");
    let application = config.application_id().as_str();
    let client = config.client_id().map_or(application, |id| id.as_str());
    let client = format!("{client}-{name}");
    let security = config.security().librdkafka_settings();
    let common = [("bootstrap.servers", servers.as_str()), ("client.id", client.as_str())];
    let security = security.iter().map(|(key, value)| (*key, value.expose()));
    let user = config.client(role).iter();
    let pairs = common.into_iter().chain(security).chain(user).chain(own.iter().copied());
    Config::new(kind, pairs).map_err(StreamsError::client)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::mocking::MockCluster;

    use super::*;
    use crate::clock;
    use crate::ffi::consumer::{PartitionQueue, Start};
    use crate::ffi::message::Fetched;
    use crate::ffi::queue::Waker;

    fn builder() -> streams_core::config::StreamsConfigBuilder {
        StreamsConfig::builder().application_id("a").bootstrap_servers("127.0.0.1:1")
    }

    /// What is set last of all is nothing that a user sets in vain.
    #[test]
    fn what_the_clients_rely_on_cannot_be_set() {
        let roles = [
            (ClientRole::MainConsumer, Role::Consumer),
            (ClientRole::Producer, Role::Producer),
            (ClientRole::Admin, Role::Admin),
        ];
        let own = ["enable.partition.eof", "group.id", "queued.min.messages"];
        let own =
            own.into_iter().chain(["queued.max.messages.kbytes", "queue.buffering.max.kbytes"]);
        for (role, kind) in roles {
            let forced = kind.forced().iter().map(|(key, _)| *key);
            for key in forced.chain(own.clone()) {
                let reaches = |config: &StreamsConfig| {
                    config.client(role).iter().any(|(name, value)| name == key && value == "77")
                };
                let built = builder().set(key, "77").build();
                assert!(!built.is_ok_and(|config| reaches(&config)), "'{key}' is set in vain");
            }
        }
    }

    #[test]
    fn every_client_is_made_with_settings_as_users_have_them() {
        let config = builder()
            .set("fetch.max.bytes", 50_000)
            .set("max.partition.fetch.bytes", 1)
            .set("message.max.bytes", 12_000_000)
            .set("prefetch.max.bytes", 65_536)
            .set("reconnect.backoff.ms", 5_000)
            .set("retry.backoff.ms", 5_000)
            .set("num.stream.threads", 40);
        let clients = Clients::new(config.build().unwrap(), None).unwrap();
        clients.make_global_consumer(3).unwrap();
        clients.consumers(100).unwrap();
        clients.producer().unwrap();
        let workers = |number| {
            clients.divide(number);
            clients.send_share.load(Ordering::Relaxed)
        };
        assert_eq!((workers(40), workers(20), workers(80)), (12_000_000, 24_000_000, 12_000_000));
    }

    /// Found when librdkafka looks through its topics, each would be read a second after the last.
    #[test]
    fn partitions_of_topics_that_are_new_are_read_at_once() {
        let brokers = MockCluster::new(1).unwrap();
        let config = StreamsConfig::builder().application_id("a");
        let config = config.bootstrap_servers(brokers.bootstrap_servers()).build().unwrap();
        let clients = Clients::new(config, None).unwrap();
        let consumer = clients.consumers(1).unwrap().inputs;
        let (began, waker) = (clock::monotonic(), Waker::current());
        for number in 0..8 {
            let topic = format!("topic-{number}");
            brokers.create_topic(&topic, 1, 1).unwrap();
            let start = Start { topic: &topic, partition: 0, offset: 0 };
            let mut queue = consumer.assign(&[start], &waker).unwrap().remove(0);
            let is_read = |queue: &mut PartitionQueue| {
                let read = queue.fetch(1);
                read.is_some_and(|read| matches!(read.get(0), Some(Fetched::End { .. })))
            };
            while !is_read(&mut queue) {
                assert!(began.elapsed() < Duration::from_secs(4), "{topic} is not read");
                std::thread::yield_now();
            }
        }
    }
}
