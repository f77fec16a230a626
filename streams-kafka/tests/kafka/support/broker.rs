//! A broker: one for all tests, or one of a test's own that may be stopped.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use testcontainers::core::IntoContainerPort;
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, GenericImage, ImageExt};

use super::cluster::Cluster;
use super::wait::holds_within;

const IMAGE: (&str, &str) = ("apache/kafka", "4.3.1");
const START_MAX: Duration = Duration::from_secs(60);
const HELP: &str = "these tests need Kafka: install a container engine that runs apache/kafka:4.3.1 \
(scripts/test does it on Debian and Ubuntu), or name a broker in KAFKA_BOOTSTRAP_SERVERS for those \
that stop none";

/// The broker that all tests share.
pub(crate) fn shared() -> Cluster {
    static SERVERS: OnceLock<String> = OnceLock::new();
    static CONTAINER: OnceLock<Broker> = OnceLock::new();
    let servers = SERVERS.get_or_init(|| match std::env::var("KAFKA_BOOTSTRAP_SERVERS") {
        Ok(servers) if !servers.is_empty() => servers,
        _ => CONTAINER.get_or_init(Broker::start).servers.clone(),
    });
    let cluster = Cluster::at(servers);
    assert!(cluster.is_there(), "no broker answers at {servers}; {HELP}");
    cluster
}

/// A port of a broker beside its own.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) name: &'static str,
    pub(crate) protocol: &'static str,
    /// The port inside the container, and outside.
    pub(crate) inside: u16,
    pub(crate) port: u16,
}

/// What a broker has beside its own port.
#[derive(Debug, Default)]
pub(crate) struct Secured {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) settings: Vec<(&'static str, String)>,
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
}

/// A broker in a container. It is removed when this process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Broker {
    servers: String,
    container: Container<GenericImage>,
    _remover: Child,
}

impl Broker {
    pub(crate) fn start() -> Self {
        let port = free_port();
        Self::start_with(port, &format!("PLAINTEXT://127.0.0.1:{port}"), Secured::default())
    }

    /// A broker that never deletes records for their age.
    pub(crate) fn start_keeping_old_records() -> Self {
        let never = ("LOG_RETENTION_CHECK_INTERVAL_MS", i64::MAX.to_string());
        let settings = vec![never, ("LOG_CLEANER_ENABLE", "false".to_owned())];
        Self::start_secured(Secured { settings, ..Secured::default() })
    }

    /// A broker that also listens on ports of other protocols.
    pub(crate) fn start_secured(secured: Secured) -> Self {
        let port = free_port();
        let own = format!("PLAINTEXT://127.0.0.1:{port}");
        let others = secured
            .listeners
            .iter()
            .map(|listener| format!(",{}://127.0.0.1:{}", listener.name, listener.port));
        let advertised = std::iter::once(own).chain(others).collect::<String>();
        Self::start_with(port, &advertised, secured)
    }

    fn start_with(port: u16, advertised: &str, secured: Secured) -> Self {
        let (mut listeners, mut protocols) = (
            "PLAINTEXT://0.0.0.0:9092,CONTROLLER://localhost:9093".to_owned(),
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_owned(),
        );
        for Listener { name, protocol, inside, .. } in &secured.listeners {
            listeners.push_str(&format!(",{name}://0.0.0.0:{inside}"));
            protocols.push_str(&format!(",{name}:{protocol}"));
        }
        let settings = [
            ("NODE_ID", "1"),
            ("PROCESS_ROLES", "broker,controller"),
            ("LISTENERS", listeners.as_str()),
            ("ADVERTISED_LISTENERS", advertised),
            ("CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
            ("LISTENER_SECURITY_PROTOCOL_MAP", protocols.as_str()),
            ("CONTROLLER_QUORUM_VOTERS", "1@localhost:9093"),
            ("OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
            ("OFFSETS_TOPIC_NUM_PARTITIONS", "5"),
            ("TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1"),
            ("TRANSACTION_STATE_LOG_MIN_ISR", "1"),
            ("GROUP_INITIAL_REBALANCE_DELAY_MS", "0"),
            ("AUTO_CREATE_TOPICS_ENABLE", "false"),
        ];
        let image = GenericImage::new(IMAGE.0, IMAGE.1);
        let request = image.with_mapped_port(port, 9092.tcp());
        let request = settings.iter().fold(request, |request, (name, value)| {
            request.with_env_var(format!("KAFKA_{name}"), *value)
        });
        let request = secured.listeners.iter().fold(request, |request, listener| {
            request.with_mapped_port(listener.port, listener.inside.tcp())
        });
        let request = secured.settings.into_iter().fold(request, |request, (name, value)| {
            request.with_env_var(format!("KAFKA_{name}"), value)
        });
        let request = secured
            .files
            .into_iter()
            .fold(request, |request, (path, bytes)| request.with_copy_to(path, bytes));
        let started = request.with_startup_timeout(START_MAX).start();
        let container = started
            .unwrap_or_else(|error| panic!("no container could be started: {error}; {HELP}"));
        let remover = remove_at_the_end(container.id());
        let broker = Self { servers: format!("127.0.0.1:{port}"), container, _remover: remover };
        broker.wait_until_there();
        broker
    }

    pub(crate) fn cluster(&self) -> Cluster {
        Cluster::at(&self.servers)
    }

    /// Runs a command inside, which must succeed.
    pub(crate) fn run(&self, command: &[&str]) {
        let mut inside = Command::new("docker");
        inside.args(["exec", self.container.id()]).args(command);
        let output = inside.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Stops it at once, as a power cut does.
    pub(crate) fn kill(&self) {
        self.container.stop_with_timeout(Some(0)).unwrap();
    }

    /// Starts it again, with its data; returns when it answers.
    pub(crate) fn start_again(&self) {
        self.container.start().unwrap();
        self.wait_until_there();
    }

    fn wait_until_there(&self) {
        let cluster = self.cluster();
        holds_within("the broker answers", START_MAX, || cluster.is_there());
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A process that outlives this one by the moment that it takes to remove the container.
fn remove_at_the_end(container: &str) -> Child {
    let wait_and_remove = "cat >/dev/null; docker rm -f -v \"$1\" >/dev/null 2>&1";
    let mut command = Command::new("sh");
    command.args(["-c", wait_and_remove, "remover", container]).stdin(Stdio::piped());
    command.process_group(0).spawn().unwrap()
}
