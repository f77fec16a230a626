//! Processes, brokers and the network between them, in virtual time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::coordinator::{Group, ReplyTo};
use super::garbage::Spoilt;
use super::node::{Life, Node};
use crate::assign::TaskId;
use crate::membership::wire::api_versions::{ApiRange, ApiVersionsRequest, ApiVersionsResponse};
use crate::membership::wire::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use crate::membership::wire::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::membership::wire::join_group::{JoinGroupRequest, JoinGroupResponse};
use crate::membership::wire::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use crate::membership::wire::metadata::{
    Broker, MetadataRequest, MetadataResponse, PartitionMetadata, TopicMetadata,
};
use crate::membership::wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, PartitionCommitted,
};
use crate::membership::wire::offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};
use crate::membership::wire::sync_group::{SyncGroupRequest, SyncGroupResponse};
use crate::membership::wire::{
    Api, ByTopic, ErrorCode, Message, Reader, RequestHeader, decode_request_header,
};
use crate::membership::{
    Action, Address, ConnectionId, Generation, MembershipConfig, Moment, TopicName,
};

/// How long brokers take to see that one of them stands still.
const NOTICED_AFTER: Duration = Duration::from_secs(4);
/// Milliseconds that bytes travel.
const LATENCY_MS: u64 = 1;

struct Socket {
    node: usize,
    connection: ConnectionId,
    broker: u16,
    requests: VecDeque<Vec<u8>>,
    /// A request is being worked on: a broker takes the next one only when it is answered.
    busy: bool,
}

pub(super) struct World {
    pub(super) now: Moment,
    pub(super) nodes: Vec<Node>,
    pub(super) group: Group,
    /// The broker, by its port, that coordinates; the others say so.
    pub(super) coordinator: u16,
    pub(super) down: BTreeSet<u16>,
    /// Brokers that take bytes, and answer nothing any more.
    pub(super) silent: BTreeSet<u16>,
    /// The brokers that an answer about topics names.
    pub(super) named: Vec<u16>,
    /// The next answers of an API are these errors.
    pub(super) faults: VecDeque<(Api, ErrorCode)>,
    /// The next answers of an API are lost with their connection, after the effect.
    pub(super) lost_answers: VecDeque<Api>,
    /// APIs that no broker speaks.
    pub(super) unspoken: Option<Api>,
    /// What is garbage of what some processes write, or of what is written to them.
    pub(super) spoilt: BTreeMap<usize, Spoilt>,
    pub(super) partitions: BTreeMap<&'static str, usize>,
    /// Owners that do not know yet that they lost their tasks.
    pub(super) zombies: BTreeSet<usize>,
    pub(super) requests: Vec<Api>,
    sockets: BTreeMap<u64, Socket>,
    next_socket: u64,
    /// What arrives when: at a node's member, in order.
    arrivals: BTreeMap<(u64, u64), (u64, Arrival)>,
    sequence: u64,
}

enum Arrival {
    Connected,
    Refused,
    Answer(Vec<u8>),
    Request(Vec<u8>),
    Closed,
}

pub(super) fn config() -> MembershipConfig {
    MembershipConfig::new("app", vec![Address::new("b", 1), Address::new("b", 2)])
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now: Moment::from_millis(1000),
            nodes: Vec::new(),
            group: Group::new(),
            coordinator: 1,
            down: BTreeSet::new(),
            silent: BTreeSet::new(),
            named: vec![1, 2, 3],
            faults: VecDeque::new(),
            lost_answers: VecDeque::new(),
            unspoken: None,
            spoilt: BTreeMap::new(),
            partitions: [("clicks", 4), ("orders", 2)].into(),
            zombies: BTreeSet::new(),
            requests: Vec::new(),
            sockets: BTreeMap::new(),
            next_socket: 0,
            arrivals: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Starts a process.
    pub(super) fn start(&mut self, name: &str, process: u8, mut config: MembershipConfig) -> usize {
        config.seed = self.nodes.len() as u64;
        let mut node = Node::new(name, config, self.now);
        node.subscribe(process, self.now);
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Kills a process: its sockets close, nothing is said to the group.
    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node].life = Life::Killed;
        self.nodes[node].running.clear();
        self.zombies.remove(&node);
        let sockets = std::mem::take(&mut self.nodes[node].sockets);
        for socket in sockets.into_values() {
            self.drop_socket(socket);
        }
    }

    /// Closes every connection with a broker.
    pub(super) fn cut(&mut self, broker: u16) {
        let cut = self.sockets.iter().filter(|(_, socket)| socket.broker == broker);
        let cut: Vec<u64> = cut.map(|(id, _)| *id).collect();
        for socket in cut {
            self.arrive(socket, Arrival::Closed);
            self.group.hang_up(socket, self.now);
        }
    }

    /// The coordinator stands still, and another takes its place, with new sessions from then on.
    pub(super) fn freeze_coordinator(&mut self, next: u16) {
        let frozen = std::mem::replace(&mut self.coordinator, next);
        self.silent.insert(frozen);
        let sockets = self.sockets.iter().filter(|(_, socket)| socket.broker == frozen);
        let sockets: Vec<u64> = sockets.map(|(id, _)| *id).collect();
        sockets.iter().for_each(|socket| self.group.hang_up(*socket, self.now));
        self.group.reload(self.now.after(NOTICED_AFTER));
    }

    pub(super) fn move_coordinator(&mut self, broker: u16) {
        self.coordinator = broker;
        self.group.reload(self.now);
        let sockets: Vec<u64> = self.sockets.keys().copied().collect();
        for socket in sockets {
            let waited = self.sockets[&socket].busy;
            self.group.hang_up(socket, self.now);
            if waited {
                self.arrive(socket, Arrival::Closed);
            }
        }
    }

    pub(super) fn run_for(&mut self, millis: u64) {
        let end = Moment::from_millis(self.now.as_millis() + millis);
        self.run(end, |_| false);
    }

    #[track_caller]
    pub(super) fn run_until(&mut self, millis: u64, done: impl Fn(&Self) -> bool) {
        let end = Moment::from_millis(self.now.as_millis() + millis);
        self.run(end, &done);
        assert!(done(self), "not within {millis} ms: {}", self.report());
    }

    pub(super) fn report(&self) -> String {
        let logs = self.nodes.iter().map(|node| format!("{}: {:#?}", node.name, node.log));
        logs.collect::<Vec<_>>().join("\n")
    }

    fn run(&mut self, end: Moment, done: impl Fn(&Self) -> bool) {
        loop {
            self.settle();
            if done(self) {
                return;
            }
            let alive = || {
                self.nodes.iter().filter(|node| !matches!(node.life, Life::Killed | Life::Paused))
            };
            let deadlines = alive().filter_map(|node| node.member.deadline());
            let closing = alive().filter_map(|node| node.closing.as_ref().map(|(at, _)| *at));
            let arrival = self.arrivals.keys().next().map(|(at, _)| Moment::from_millis(*at));
            let others = self.group.deadline().into_iter().chain(arrival);
            let next = deadlines.chain(closing).chain(others).min();
            match next {
                Some(next) if next <= end => {
                    assert!(next > self.now, "a deadline does not pass: {}", self.report());
                    self.now = next;
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
    }

    /// Lets everything happen that is due now.
    fn settle(&mut self) {
        loop {
            self.group.expire(self.now);
            self.flush_replies(None);
            for node in 0..self.nodes.len() {
                self.turn(node);
            }
            let due = self.arrivals.first_entry().filter(|e| e.key().0 <= self.now.as_millis());
            let Some(due) = due else { return };
            let (socket, arrival) = due.remove();
            self.deliver(socket, arrival);
        }
    }

    fn turn(&mut self, index: usize) {
        let now = self.now;
        if matches!(self.nodes[index].life, Life::Killed | Life::Paused) {
            return;
        }
        self.nodes[index].close_due(now);
        while let Some(action) = self.nodes[index].member.poll(now) {
            match action {
                Action::Connect { connection, address } => {
                    self.connect(index, connection, address.port);
                }
                Action::Send { connection, bytes } => {
                    if let Some(socket) = self.nodes[index].sockets.get(&connection) {
                        self.arrive(*socket, Arrival::Request(bytes[4..].to_vec()));
                    }
                }
                Action::Disconnect { connection } => {
                    if let Some(socket) = self.nodes[index].sockets.remove(&connection) {
                        self.drop_socket(socket);
                    }
                }
                Action::Authenticate { .. } => panic!("no SASL here"),
                Action::Event(event) => {
                    self.nodes[index].handle(event, now);
                    self.check_owners(index);
                }
            }
        }
    }

    /// No task runs in two processes, unless one has been thrown out and does not know it yet.
    fn check_owners(&self, changed: usize) {
        for (index, node) in self.nodes.iter().enumerate() {
            let known = [index, changed].iter().any(|node| self.zombies.contains(node));
            if index != changed && !known {
                let both: Vec<&TaskId> =
                    node.running.intersection(&self.nodes[changed].running).collect();
                assert!(both.is_empty(), "{both:?} run twice at {:?}: {}", self.now, self.report());
            }
        }
    }

    fn arrive(&mut self, socket: u64, arrival: Arrival) {
        self.sequence += 1;
        let at = self.now.as_millis() + LATENCY_MS;
        self.arrivals.insert((at, self.sequence), (socket, arrival));
    }

    fn connect(&mut self, node: usize, connection: ConnectionId, broker: u16) {
        self.next_socket += 1;
        let socket = self.next_socket;
        let requests = VecDeque::new();
        self.sockets.insert(socket, Socket { node, connection, broker, requests, busy: false });
        self.nodes[node].sockets.insert(connection, socket);
        let refused = self.down.contains(&broker);
        self.arrive(socket, if refused { Arrival::Refused } else { Arrival::Connected });
    }

    fn drop_socket(&mut self, socket: u64) {
        self.sockets.remove(&socket);
        self.group.hang_up(socket, self.now);
    }

    fn deliver(&mut self, id: u64, arrival: Arrival) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        let (node, connection, now) = (socket.node, socket.connection, self.now);
        let member = &mut self.nodes[node].member;
        match arrival {
            Arrival::Connected => member.on_connected(connection, now),
            Arrival::Refused | Arrival::Closed => {
                member.on_disconnected(connection, "closed", now);
                self.nodes[node].sockets.remove(&connection);
                self.drop_socket(id);
            }
            Arrival::Answer(bytes) => {
                // In pieces, as a socket may give them.
                for piece in bytes.chunks(9) {
                    member.on_bytes(connection, piece, now);
                }
            }
            Arrival::Request(frame) => {
                socket.requests.push_back(frame);
                self.serve(id);
            }
        }
    }

    fn serve(&mut self, id: u64) {
        let Some(socket) = self.sockets.get_mut(&id).filter(|socket| !socket.busy) else { return };
        if self.silent.contains(&socket.broker) {
            return;
        }
        let Some(frame) = socket.requests.pop_front() else { return };
        socket.busy = true;
        let broker = socket.broker;
        let (header, body) = decode_request_header(&frame).unwrap();
        self.requests.push(header.api);
        let reply =
            ReplyTo { socket: id, version: header.version, correlation: header.correlation };
        if let Some(place) = self.faults.iter().position(|(api, _)| *api == header.api) {
            let (_, code) = self.faults.remove(place).unwrap();
            return self.refuse(&header, body, reply, code);
        }
        self.answer(&header, body, reply, broker);
        if let Some(place) = self.lost_answers.iter().position(|api| *api == header.api) {
            self.lost_answers.remove(place);
            self.arrive(id, Arrival::Closed);
            // What the same request lets others hear is not lost.
            return self.flush_replies(Some(id));
        }
        self.flush_replies(None);
    }

    fn flush_replies(&mut self, lost: Option<u64>) {
        for (socket, bytes) in self.group.take_replies() {
            if lost != Some(socket) {
                self.reply(socket, bytes);
            }
        }
    }

    fn reply(&mut self, socket: u64, bytes: Vec<u8>) {
        if let Some(open) = self.sockets.get_mut(&socket) {
            open.busy = false;
            self.arrive(socket, Arrival::Answer(bytes));
            self.serve(socket);
        }
    }

    fn answer(&mut self, header: &RequestHeader, mut body: Reader<'_>, reply: ReplyTo, at: u16) {
        let now = self.now;
        let of_group =
            !matches!(header.api, Api::ApiVersions | Api::Metadata | Api::FindCoordinator);
        if of_group && at != self.coordinator {
            return self.refuse(header, body, reply, ErrorCode::NotCoordinator);
        }
        match header.api {
            Api::ApiVersions => {
                let spoken = Api::ALL.iter().filter(|api| Some(**api) != self.unspoken);
                let apis = spoken.map(|api| ApiRange { key: api.key(), min: 0, max: 9 });
                let mut apis: Vec<ApiRange> = apis.collect();
                apis.extend(self.unspoken.map(|api| ApiRange { key: api.key(), min: 0, max: 1 }));
                let response = ApiVersionsResponse { error: ErrorCode::None, apis };
                let (socket, bytes) = reply.encode::<ApiVersionsRequest>(&response);
                self.reply(socket, bytes);
            }
            Api::Metadata => {
                let request = MetadataRequest::decode(&mut body).unwrap();
                let topics = request.topics.iter().map(|topic| self.topic(topic)).collect();
                let broker =
                    |port: &u16| Broker { id: 0, host: "b".to_owned(), port: (*port).into() };
                let brokers = self.named.iter().map(broker).collect();
                let response = MetadataResponse { brokers, cluster_id: None, topics };
                let (socket, bytes) = reply.encode::<MetadataRequest>(&response);
                self.reply(socket, bytes);
            }
            Api::FindCoordinator => {
                let (error, message, host) = (ErrorCode::None, None, "b".to_owned());
                let (node, port) = (1, self.coordinator.into());
                let response = FindCoordinatorResponse { error, message, node, host, port };
                let (socket, bytes) = reply.encode::<FindCoordinatorRequest>(&response);
                self.reply(socket, bytes);
            }
            Api::JoinGroup => {
                let mut request: JoinGroupRequest = read(body);
                let node = self.sockets[&reply.socket].node;
                if let Some(spoilt) = self.spoilt.get(&node) {
                    spoilt.spoil_subscription(&mut request.protocols[0].metadata);
                }
                self.group.join(request, reply, now);
            }
            Api::SyncGroup => {
                let mut request: SyncGroupRequest = read(body);
                for one in &mut request.assignments {
                    let is_to = |node: &usize| self.nodes[*node].id.as_ref() == Some(&one.member);
                    if let Some((_, spoilt)) = self.spoilt.iter().find(|(node, _)| is_to(node)) {
                        spoilt.spoil_assignment(&mut one.assignment);
                    }
                }
                self.group.sync(request, reply, now);
            }
            Api::Heartbeat => self.group.heartbeat(&read(body), reply, now),
            Api::LeaveGroup => self.group.leave(read(body), reply, now),
            Api::OffsetCommit => self.group.commit(read(body), reply, now),
            Api::OffsetFetch => self.group.fetch(read(body), reply),
            Api::SaslHandshake | Api::SaslAuthenticate => panic!("no SASL here"),
        }
    }

    fn topic(&self, name: &TopicName) -> TopicMetadata {
        let count = self.partitions.get(name.as_str());
        let error = count.map_or(ErrorCode::UnknownTopicOrPartition, |_| ErrorCode::None);
        let partitions = 0..count.copied().unwrap_or_default() as i32;
        let one = |partition| PartitionMetadata { error: ErrorCode::None, partition, leader: 1 };
        let partitions = partitions.map(one).collect();
        TopicMetadata { error, name: Some(name.clone()), id: None, partitions }
    }

    /// Answers with an error and does nothing.
    fn refuse(&mut self, header: &RequestHeader, body: Reader<'_>, to: ReplyTo, error: ErrorCode) {
        self.group.promise("promised");
        let (socket, bytes) = match header.api {
            Api::JoinGroup => to.encode::<JoinGroupRequest>(&JoinGroupResponse {
                error,
                generation: Generation(-1),
                protocol: String::new(),
                leader: String::new(),
                member: "promised".to_owned(),
                members: Vec::new(),
            }),
            Api::SyncGroup => {
                to.encode::<SyncGroupRequest>(&SyncGroupResponse { error, assignment: Vec::new() })
            }
            Api::Heartbeat => to.encode::<HeartbeatRequest>(&HeartbeatResponse { error }),
            Api::LeaveGroup => {
                to.encode::<LeaveGroupRequest>(&LeaveGroupResponse { error, members: Vec::new() })
            }
            Api::OffsetCommit => {
                let request: OffsetCommitRequest = read(body);
                let topics = request.topics.into_iter().map(|topic| ByTopic {
                    topic: topic.topic,
                    partitions: topic
                        .partitions
                        .iter()
                        .map(|one| PartitionCommitted { partition: one.partition, error })
                        .collect(),
                });
                let topics = topics.collect();
                to.encode::<OffsetCommitRequest>(&OffsetCommitResponse { topics })
            }
            Api::OffsetFetch => {
                to.encode::<OffsetFetchRequest>(&OffsetFetchResponse { topics: Vec::new(), error })
            }
            Api::FindCoordinator => {
                let (message, host) = (None, String::new());
                let response = FindCoordinatorResponse { error, message, node: -1, host, port: -1 };
                to.encode::<FindCoordinatorRequest>(&response)
            }
            other => panic!("no refusal of {other}"),
        };
        self.reply(socket, bytes);
    }
}

fn read<M: Message>(mut body: Reader<'_>) -> M {
    M::decode(&mut body).unwrap()
}
