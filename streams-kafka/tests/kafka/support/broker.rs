//! A broker: one for all tests, or some of a test's own that may be stopped.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use testcontainers::core::IntoContainerPort;
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, GenericImage, ImageExt};

use super::cluster::Cluster;
use super::flow;
use super::wait::holds_within;

const IMAGE: (&str, &str) = ("apache/kafka", "4.3.1");
const START_MAX: Duration = Duration::from_secs(60);
const HELP: &str = "these tests need Kafka: install a container engine that runs apache/kafka:4.3.1 \
(scripts/test does it on Debian and Ubuntu), or name a broker in KAFKA_BOOTSTRAP_SERVERS for those \
that stop none";

/// The name of the image.
pub(crate) fn image() -> String {
    format!("{}:{}", IMAGE.0, IMAGE.1)
}

/// The broker that all tests share.
pub(crate) fn shared() -> Cluster {
    static SERVERS: OnceLock<String> = OnceLock::new();
    static CONTAINER: OnceLock<Broker> = OnceLock::new();
    let servers = SERVERS.get_or_init(|| match std::env::var("KAFKA_BOOTSTRAP_SERVERS") {
        Ok(servers) if !servers.is_empty() => servers,
        _ => CONTAINER.get_or_init(Broker::start_shared).servers.clone(),
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
    /// The port that clients are told.
    advertised: u16,
}

impl Listener {
    pub(crate) const fn new(
        (name, protocol): (&'static str, &'static str),
        inside: u16,
        port: u16,
    ) -> Self {
        Self { name, protocol, inside, port, advertised: port }
    }

    /// Clients are told another port, which leads there.
    pub(crate) const fn behind(mut self, port: u16) -> Self {
        self.advertised = port;
        self
    }
}

/// What a broker has beside its own port.
#[derive(Debug, Default)]
pub(crate) struct Secured {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
}

/// A broker in a container. It is removed when this process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Broker {
    servers: String,
    container: Container<GenericImage>,
    _remover: Child,
}

/// How a broker is reached.
#[derive(Debug, Clone)]
enum Network {
    /// By a port that the engine carries bytes to and from.
    Mapped,
    /// So by clients, and by other brokers in a network of this name.
    Shared(String),
    /// As any process of the machine.
    Host,
}

/// What makes a broker one of a cluster, or the only one.
struct Node {
    id: usize,
    /// The port outside, and inside.
    port: (u16, u16),
    /// The port of its controller.
    controller: u16,
    /// Host names of all controllers, in the order of their ids.
    controllers: Vec<String>,
    network: Network,
}

impl Node {
    fn alone() -> Self {
        let (port, controllers) = ((free_port(), 9092), vec!["localhost".to_owned()]);
        Self { id: 1, port, controller: 9093, controllers, network: Network::Mapped }
    }

    fn on_host() -> Self {
        let (port, controller) = (free_port(), free_port());
        Self { port: (port, port), controller, network: Network::Host, ..Self::alone() }
    }

    fn settings(&self, secured: &Secured) -> Vec<(String, String)> {
        let name = &self.controllers[self.id - 1];
        let is_shared = matches!(self.network, Network::Shared(_));
        let bound = if is_shared { "0.0.0.0" } else { "localhost" };
        let open = if matches!(self.network, Network::Host) { "127.0.0.1" } else { "0.0.0.0" };
        let ((outside, inside), controller) = (self.port, self.controller);
        let mut listeners =
            format!("PLAINTEXT://{open}:{inside},CONTROLLER://{bound}:{controller}");
        let mut advertised = format!("PLAINTEXT://127.0.0.1:{outside}");
        let mut protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_owned();
        for listener in &secured.listeners {
            let name = listener.name;
            listeners.push_str(&format!(",{name}://0.0.0.0:{}", listener.inside));
            advertised.push_str(&format!(",{name}://127.0.0.1:{}", listener.advertised));
            protocols.push_str(&format!(",{name}:{}", listener.protocol));
        }
        if is_shared {
            listeners.push_str(",INSIDE://0.0.0.0:9094");
            advertised.push_str(&format!(",INSIDE://{name}:9094"));
            protocols.push_str(",INSIDE:PLAINTEXT");
        }
        let between = if is_shared { "INSIDE" } else { "PLAINTEXT" };
        let voters = self.controllers.iter().enumerate();
        let voters: Vec<String> =
            voters.map(|(at, name)| format!("{}@{name}:{controller}", at + 1)).collect();
        let copies = self.controllers.len().to_string();
        let in_sync = self.controllers.len().div_ceil(2).to_string();
        let settings = [
            ("KAFKA_NODE_ID", self.id.to_string()),
            ("KAFKA_PROCESS_ROLES", "broker,controller".to_owned()),
            ("KAFKA_LISTENERS", listeners),
            ("KAFKA_ADVERTISED_LISTENERS", advertised),
            ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER".to_owned()),
            ("KAFKA_INTER_BROKER_LISTENER_NAME", between.to_owned()),
            ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", protocols),
            ("KAFKA_CONTROLLER_QUORUM_VOTERS", voters.join(",")),
            ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", copies.clone()),
            ("KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS", "5".to_owned()),
            ("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", copies),
            ("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", in_sync.clone()),
            ("KAFKA_MIN_INSYNC_REPLICAS", in_sync),
            ("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0".to_owned()),
            ("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false".to_owned()),
            // A copy that is there and does not fetch holds up all acknowledgements for so long.
            ("KAFKA_REPLICA_LAG_TIME_MAX_MS", "10000".to_owned()),
            // The name of a broker that is down is not known; else that holds for ten seconds.
            ("JAVA_TOOL_OPTIONS", "-Dsun.net.inetaddr.negative.ttl=1".to_owned()),
            // How long the others take to see that one was killed, 9 s by default: until then nobody
            // leads its partitions, whatever a client does.
            ("KAFKA_BROKER_SESSION_TIMEOUT_MS", "4000".to_owned()),
            ("KAFKA_BROKER_HEARTBEAT_INTERVAL_MS", "1000".to_owned()),
            ("KAFKA_HEAP_OPTS", "-Xmx768m -Xms256m".to_owned()),
            ("CLUSTER_ID", "5L6g3nShT-eMCtK--X86sw".to_owned()),
        ];
        let more = secured.settings.iter();
        let more = more.map(|(name, value)| (format!("KAFKA_{name}"), value.clone()));
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value));
        settings.chain(more).collect()
    }
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::start_secured(Secured::default())
    }

    /// Where times are measured, the engine's way with bytes takes none of them.
    fn start_shared() -> Self {
        if !flow::is_long() {
            return Self::start();
        }
        Self::begin_and_wait(&Node::on_host(), Secured::default())
    }

    /// A broker that also listens on ports of other protocols.
    pub(crate) fn start_secured(secured: Secured) -> Self {
        Self::begin_and_wait(&Node::alone(), secured)
    }

    fn begin_and_wait(node: &Node, secured: Secured) -> Self {
        let broker = Self::begin(node, secured);
        broker.wait_until_there();
        broker
    }

    fn begin(node: &Node, secured: Secured) -> Self {
        let (port, inside) = node.port;
        let image = GenericImage::new(IMAGE.0, IMAGE.1);
        let request = match &node.network {
            Network::Mapped => image.with_mapped_port(port, inside.tcp()),
            Network::Shared(network) => {
                let name = node.controllers[node.id - 1].clone();
                let request = image.with_mapped_port(port, inside.tcp());
                request.with_network(network).with_container_name(name)
            }
            Network::Host => image.with_network("host"),
        };
        let settings = node.settings(&secured).into_iter();
        let request =
            settings.fold(request, |request, (name, value)| request.with_env_var(name, value));
        let request = secured.listeners.iter().fold(request, |request, listener| {
            request.with_mapped_port(listener.port, listener.inside.tcp())
        });
        let request = secured
            .files
            .into_iter()
            .fold(request, |request, (path, bytes)| request.with_copy_to(path, bytes));
        let started = request.with_startup_timeout(START_MAX).start();
        let container = started
            .unwrap_or_else(|error| panic!("no container could be started: {error}; {HELP}"));
        let remover = remove_at_the_end(container.id());
        Self { servers: format!("127.0.0.1:{port}"), container, _remover: remover }
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

    /// Stops it as its operator does: its partitions go to others first.
    pub(crate) fn stop(&self) {
        self.container.stop_with_timeout(Some(30)).unwrap();
    }

    /// Starts it again, with its data.
    pub(crate) fn begin_again(&self) {
        self.container.start().unwrap();
    }

    /// Starts it again, with its data; returns when it answers.
    pub(crate) fn start_again(&self) {
        self.begin_again();
        self.wait_until_there();
    }

    pub(crate) fn wait_until_there(&self) {
        let cluster = self.cluster();
        holds_within("the broker answers", START_MAX, || cluster.is_there());
    }
}

/// Brokers of one cluster, where every topic has a copy on each.
#[derive(Debug)]
pub(crate) struct Brokers(Vec<Broker>);

impl Brokers {
    pub(crate) fn start(count: usize) -> Self {
        let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let network = format!("millstream-{}-{}", std::process::id(), ports[0]);
        let controllers: Vec<String> = (1..=count).map(|id| format!("{network}-{id}")).collect();
        let nodes = ports.iter().enumerate().map(|(at, port)| Node {
            id: at + 1,
            port: (*port, 9092),
            controller: 9093,
            controllers: controllers.clone(),
            network: Network::Shared(network.clone()),
        });
        let brokers: Vec<Broker> =
            nodes.map(|node| Broker::begin(&node, Secured::default())).collect();
        brokers.iter().for_each(Broker::wait_until_there);
        Self(brokers)
    }

    pub(crate) fn each(&self) -> &[Broker] {
        &self.0
    }

    /// Waits until any one of them may go.
    pub(crate) fn await_in_sync(&self) {
        let cluster = self.cluster();
        holds_within("all copies are in sync", START_MAX, || cluster.is_in_sync());
    }

    pub(crate) fn cluster(&self) -> Cluster {
        let servers: Vec<&str> = self.0.iter().map(|broker| &*broker.servers).collect();
        Cluster::replicated(&servers.join(","), i32::try_from(self.0.len()).unwrap())
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A process that outlives this one by the moment that it takes to remove the container.
fn remove_at_the_end(container: &str) -> Child {
    let wait_and_remove = "cat >/dev/null
networks=$(docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' \"$1\")
docker rm -f -v \"$1\"
for network in $networks; do
    case $network in millstream-*) docker network rm \"$network\" ;; esac
done";
    let mut command = Command::new("sh");
    command.args(["-c", wait_and_remove, "remover", container]).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0).spawn().unwrap()
}
