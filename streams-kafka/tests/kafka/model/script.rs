//! Random requests of a few clients, sent to both sides.

use std::collections::BTreeMap;

use streams_core::membership::wire::heartbeat::HeartbeatRequest;
use streams_core::membership::wire::join_group::{JoinGroupRequest, JoinProtocol};
use streams_core::membership::wire::leave_group::{LeaveGroupRequest, LeavingMember};
use streams_core::membership::wire::offset_commit::{OffsetCommitRequest, PartitionCommit};
use streams_core::membership::wire::offset_fetch::OffsetFetchRequest;
use streams_core::membership::wire::sync_group::{MemberAssignment, SyncGroupRequest};
use streams_core::membership::wire::{ByTopic, ErrorCode, Request};
use streams_core::membership::{Generation, GroupId, InstanceId, MemberId};

use super::side::{InModel, Line, OnBroker, Side, Wait, decode, encode};
use crate::support::flow::Dice;

const CLIENTS: usize = 4;
/// The last clients have lasting names.
const LASTING: [&str; 2] = ["lasting", "standing"];

/// In milliseconds: the session of every other client ends between two rounds of requests, and so do
/// rebalances, at another time between them.
const SHORT_SESSION: i32 = 7_000;
const SHORT_REBALANCE: i32 = 13_000;
const LONG: i32 = 60_000;

/// Requests of a round.
const ROUND_REQUESTS: usize = 6;

/// What a side said to a request, with its own ids replaced by those that both know.
type Said = String;

/// A join or a sync that was not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    Join(i32),
    Sync(i32),
}

/// The clients, as one side knows them.
struct Ends<S: Side> {
    side: S,
    lines: Vec<S::Line>,
    /// For joins and syncs, which may wait: by client.
    waiting: Vec<(S::Line, Option<Waits>)>,
    /// The id of each client, and ids that were given out before.
    ids: Vec<Option<MemberId>>,
    names: BTreeMap<String, String>,
    generation: i32,
    leader: String,
}

pub(super) struct Script {
    dice: Dice,
    group: GroupId,
    topic: String,
    broker: Ends<OnBroker>,
    model: Ends<InModel>,
    correlation: i32,
    rebalance_ms: i32,
    seed: u64,
    log: Vec<String>,
    compared: usize,
}

/// Whose id a request bears, and of which generation.
#[derive(Debug, Clone, Copy)]
struct Guise {
    client: usize,
    id: Id,
    instance: Option<&'static str>,
    /// Added to the present generation.
    off_by: i32,
}

/// Whose id a request bears.
#[derive(Debug, Clone, Copy)]
enum Id {
    /// That of this client.
    Of(usize),
    /// One that nobody has.
    Nobodys,
    /// None: who asks begins anew.
    New,
}

/// One request, before each side puts its own ids in.
struct Call<'a> {
    group: &'a GroupId,
    topic: &'a str,
    guise: Guise,
    asked: Asked,
    correlation: i32,
    rebalance_ms: i32,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Join { kind: &'static str, protocols: &'static [&'static str], says: u8 },
    Sync,
    Heartbeat,
    Leave(By),
    Commit { partition: i32, offset: i64, kind: Committed },
    Fetch,
}

/// How a member that leaves is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// By all that is known of it.
    Both,
    /// By its id alone, as Kafka's consumer does.
    Id,
    /// By its lasting name alone, as Kafka's tools do.
    Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Committed {
    AsMember,
    ByNobody,
    ToNowhere,
    WithLongText,
}

impl<S: Side> Ends<S> {
    fn new(side: S) -> Self {
        Self {
            lines: (0..CLIENTS).map(|_| side.line()).collect(),
            waiting: (0..CLIENTS).map(|_| (side.line(), None)).collect(),
            side,
            ids: vec![None; CLIENTS],
            names: BTreeMap::new(),
            generation: 0,
            leader: String::new(),
        }
    }

    fn id(&self, guise: Guise) -> MemberId {
        match guise.id {
            Id::Of(client) => self.ids[client].clone().unwrap_or_else(|| "".into()),
            Id::Nobodys => "nobody".into(),
            Id::New => "".into(),
        }
    }

    fn name(&mut self, id: &str) -> String {
        if id.is_empty() || id == "nobody" {
            return id.to_owned();
        }
        let next = format!("member {}", self.names.len());
        self.names.entry(id.to_owned()).or_insert(next).clone()
    }

    fn joined(&mut self, client: usize, frame: &[u8], correlation: i32) -> Said {
        let answer = decode::<JoinGroupRequest>(frame, correlation);
        if matches!(answer.error, ErrorCode::None | ErrorCode::MemberIdRequired) {
            self.ids[client] = Some(answer.member.as_str().into());
        }
        let member = self.name(&answer.member);
        if answer.error != ErrorCode::None {
            return format!("{} {member}", answer.error);
        }
        self.generation = answer.generation.0;
        // One that was not heard of before is another one for each side.
        self.leader = self.names.get(&answer.leader).cloned().unwrap_or(answer.leader);
        // Those without a lasting name have been heard of before.
        let mut members: Vec<_> = answer.members.iter().collect();
        members.sort_by_key(|one| one.instance.clone());
        let mut members: Vec<_> = members
            .into_iter()
            .map(|one| (self.name(one.member.as_str()), one.instance.clone(), &one.metadata))
            .collect();
        members.sort();
        let (protocol, generation) = (answer.protocol, self.generation);
        format!("{member} in {generation} with {protocol} led by {}: {members:?}", self.leader)
    }

    /// What has been answered of what waits.
    fn hear(&mut self, client: usize, wait: Wait) -> Option<Said> {
        let waits = self.waiting[client].1?;
        let frame = self.waiting[client].0.answer(wait)?;
        self.waiting[client].1 = None;
        Some(match waits {
            Waits::Join(correlation) => self.joined(client, &frame, correlation),
            Waits::Sync(correlation) => {
                let answer = decode::<SyncGroupRequest>(&frame, correlation);
                format!("{} {:?}", answer.error, answer.assignment)
            }
        })
    }

    /// Sends a request. What it is answered, unless that may take a while.
    fn ask(&mut self, call: &Call<'_>) -> Option<Said> {
        let (at, client) = (call.correlation, call.guise.client);
        let member = self.id(call.guise);
        let group = call.group.clone();
        let generation = Generation(self.generation + call.guise.off_by);
        let instance = call.guise.instance.map(InstanceId::from);
        match call.asked {
            Asked::Join { .. } => {
                self.wait_for(client, Waits::Join(at), &encode(&call.join(member), at));
                None
            }
            Asked::Sync => {
                let everyone = self.ids.iter().flatten().cloned().zip(1..);
                let given =
                    |(member, number)| MemberAssignment { member, assignment: vec![number] };
                let assignments = everyone.map(given).collect();
                let request = SyncGroupRequest { group, generation, member, instance, assignments };
                self.wait_for(client, Waits::Sync(at), &encode(&request, at));
                None
            }
            Asked::Heartbeat => {
                let request = HeartbeatRequest { group, generation, member, instance };
                Some(self.answered(client, &request, at).error.to_string())
            }
            Asked::Leave(by) => {
                let member = Some(member).filter(|_| by != By::Name);
                let instance = instance.filter(|_| by != By::Id);
                let members = vec![LeavingMember { member, instance }];
                let answer = self.answered(client, &LeaveGroupRequest { group, members }, at);
                self.side.settle();
                let codes: Vec<_> = answer.members.iter().map(|one| one.error).collect();
                Some(format!("{} {codes:?}", answer.error))
            }
            Asked::Commit { .. } => {
                let answer = self.answered(client, &call.commit(member, generation), at);
                let codes = answer.topics.iter().flat_map(|topic| &topic.partitions);
                Some(format!("{:?}", codes.map(|one| one.error).collect::<Vec<_>>()))
            }
            Asked::Fetch => {
                let topics = vec![ByTopic { topic: call.topic.into(), partitions: vec![0, 1] }];
                let answer = self.answered(client, &OffsetFetchRequest { group, topics }, at);
                let all = answer.topics.iter().flat_map(|topic| &topic.partitions);
                let mut all: Vec<_> = all.map(|one| (one.partition, one.offset)).collect();
                all.sort_unstable();
                Some(format!("{} {all:?}", answer.error))
            }
        }
    }

    fn wait_for(&mut self, client: usize, waits: Waits, frame: &[u8]) {
        let (line, waiting) = &mut self.waiting[client];
        line.send(frame);
        *waiting = Some(waits);
    }

    fn answered<R: Request>(&mut self, client: usize, request: &R, at: i32) -> R::Response {
        self.lines[client].send(&encode(request, at));
        decode::<R>(&self.lines[client].answer(Wait::ForIt).unwrap(), at)
    }
}

impl Call<'_> {
    fn join(&self, member: MemberId) -> JoinGroupRequest {
        let Asked::Join { kind, protocols, says } = self.asked else { unreachable!() };
        let protocol =
            |name: &&str| JoinProtocol { name: (*name).to_owned(), metadata: subscription(says) };
        JoinGroupRequest {
            group: self.group.clone(),
            session_timeout_ms: self.session_ms(),
            rebalance_timeout_ms: self.rebalance_ms,
            member: Some(member).filter(|id| !id.as_str().is_empty()),
            instance: self.guise.instance.map(InstanceId::from),
            protocol_type: kind.to_owned(),
            protocols: protocols.iter().map(protocol).collect(),
        }
    }

    fn session_ms(&self) -> i32 {
        let is_short = self.rebalance_ms < LONG && self.guise.client.is_multiple_of(2);
        if is_short { SHORT_SESSION } else { LONG }
    }

    fn commit(&self, member: MemberId, generation: Generation) -> OffsetCommitRequest {
        let Asked::Commit { partition, offset, kind } = self.asked else { unreachable!() };
        let is_nobody = kind == Committed::ByNobody;
        let text = if kind == Committed::WithLongText { 5_000 } else { 3 };
        let metadata = Some("m".repeat(text));
        let commit = PartitionCommit { partition, offset, leader_epoch: None, metadata };
        let topic = if kind == Committed::ToNowhere { "nowhere" } else { self.topic };
        let instance = self.guise.instance.filter(|_| !is_nobody);
        OffsetCommitRequest {
            group: self.group.clone(),
            generation: if is_nobody { Generation(-1) } else { generation },
            member: if is_nobody { "".into() } else { member },
            instance: instance.map(InstanceId::from),
            topics: vec![ByTopic { topic: topic.into(), partitions: vec![commit] }],
        }
    }
}

/// A consumer's subscription: version 0, no topics, and one byte of user data.
fn subscription(says: u8) -> Vec<u8> {
    vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 1, says]
}

impl Script {
    pub(super) fn new(
        seed: u64,
        group: &str,
        topic: &str,
        (broker, model): (OnBroker, InModel),
    ) -> Self {
        Self {
            dice: Dice::new(seed),
            group: group.into(),
            topic: topic.to_owned(),
            broker: Ends::new(broker),
            model: Ends::new(model),
            correlation: 0,
            rebalance_ms: LONG,
            seed,
            log: Vec::new(),
            compared: 0,
        }
    }

    /// Sends so many requests, or until the sides choose different leaders: whom a broker chooses
    /// when one has gone depends on its hash table. How many answers were compared.
    pub(super) fn run(mut self, requests: usize) -> usize {
        let mut left = requests;
        while left > 0 && self.step() {
            left -= 1;
        }
        self.compared
    }

    /// As [`run`](Self::run), in rounds between which sessions and rebalances come to their ends.
    /// Says also how many answers came because of that.
    pub(super) fn run_in_rounds(mut self, rounds: u32) -> (usize, usize) {
        self.rebalance_ms = SHORT_REBALANCE;
        let mut ended = 0;
        for round in 0..rounds {
            self.broker.side.begin(round);
            self.model.side.begin(round);
            self.log.push(format!("round {round}"));
            ended += self.hear_everyone();
            let mut left = ROUND_REQUESTS;
            while left > 0 && self.has_one_leader() && self.step() {
                left -= 1;
            }
            if left > 0 || self.broker.side.is_late(round) {
                break;
            }
        }
        (self.compared, ended)
    }

    fn has_one_leader(&self) -> bool {
        self.model.leader == self.broker.leader
    }

    /// Sends one request. Says whether the sides have the same leader.
    fn step(&mut self) -> bool {
        let (guise, asked) = self.request();
        let waits = matches!(asked, Asked::Join { .. } | Asked::Sync);
        if waits && self.model.waiting[guise.client].1.is_some() {
            // A client that gives up waiting makes a new connection.
            self.model.waiting[guise.client] = (self.model.side.line(), None);
            self.broker.waiting[guise.client] = (self.broker.side.line(), None);
        }
        self.correlation += 1;
        self.log.push(format!("{guise:?} {asked:?}"));
        let call = Call {
            group: &self.group,
            topic: &self.topic,
            guise,
            asked,
            correlation: self.correlation,
            rebalance_ms: self.rebalance_ms,
        };
        let in_model = self.model.ask(&call);
        let on_broker = self.broker.ask(&call);
        if !waits {
            self.compare(on_broker, in_model);
        }
        self.hear_all(guise.client);
        self.has_one_leader()
    }

    /// Answers that came because of the time: the broker must give those of the model, and no others.
    /// How many there were.
    fn hear_everyone(&mut self) -> usize {
        let mut heard = 0;
        for client in 0..CLIENTS {
            if self.model.waiting[client].1.is_some() {
                let in_model = self.model.hear(client, Wait::ForIt);
                let wait = if in_model.is_some() { Wait::ForIt } else { Wait::ForNone };
                let on_broker = self.broker.hear(client, wait);
                heard += usize::from(in_model.is_some());
                self.compare_joined(on_broker, in_model);
            }
        }
        heard
    }

    /// Answers to what waits: the broker must give those that the model gives, and none to the
    /// client that has just asked if the model gives none.
    fn hear_all(&mut self, asked: usize) {
        for client in 0..CLIENTS {
            let was_waiting = self.model.waiting[client].1.is_some();
            let in_model = self.model.hear(client, Wait::ForIt);
            let on_broker = match &in_model {
                None if client != asked => continue,
                Some(_) => self.broker.hear(client, Wait::ForIt),
                None => self.broker.hear(client, Wait::ForNone),
            };
            if was_waiting {
                self.compare_joined(on_broker, in_model);
            }
        }
    }

    /// Answers that name the leader are not compared once the sides have chosen different ones.
    fn compare_joined(&mut self, on_broker: Option<Said>, in_model: Option<Said>) {
        if self.has_one_leader() || on_broker.is_some() != in_model.is_some() {
            self.compare(on_broker, in_model);
        }
    }

    fn compare(&mut self, on_broker: Option<Said>, in_model: Option<Said>) {
        self.compared += usize::from(in_model.is_some());
        self.log.push(format!("    {in_model:?}"));
        let (seed, log) = (self.seed, || self.log.join("\n"));
        assert_eq!(on_broker, in_model, "broker and model, script {seed}:\n{}", log());
    }

    fn request(&mut self) -> (Guise, Asked) {
        let client = (self.dice.next() % CLIENTS as u64) as usize;
        let one_in = |dice: &mut Dice, sides: u64| dice.next().is_multiple_of(sides);
        let own = client.checked_sub(CLIENTS - LASTING.len()).map(|at| LASTING[at]);
        // Sometimes another pretends to a name.
        let pretended = LASTING[(self.dice.next() % 2) as usize];
        let instance = if one_in(&mut self.dice, 12) { Some(pretended) } else { own };
        // A process that starts again knows nothing but its name; one without would be missed for
        // long.
        let is_back = instance.is_some() && one_in(&mut self.dice, 4);
        let id = match self.dice.next() % 16 {
            _ if is_back => Id::New,
            0 => Id::Nobodys,
            1 => Id::Of((self.dice.next() % CLIENTS as u64) as usize),
            _ => Id::Of(client),
        };
        let off_by = if one_in(&mut self.dice, 10) { -1 } else { 0 };
        let guise = Guise { client, id, instance, off_by };
        let asked = match self.dice.next() % 16 {
            0..6 => Asked::Join {
                kind: if one_in(&mut self.dice, 16) { "connect" } else { "consumer" },
                protocols: [&["a"][..], &["a", "b"], &["a", "c"], &["b"]]
                    [if one_in(&mut self.dice, 4) { (self.dice.next() % 4) as usize } else { 0 }],
                says: (self.dice.next() % 2) as u8,
            },
            6..10 => Asked::Sync,
            10 | 11 => Asked::Heartbeat,
            12 if one_in(&mut self.dice, 2) => {
                Asked::Leave([By::Both, By::Id, By::Name][(self.dice.next() % 3) as usize])
            }
            13 | 14 => Asked::Commit {
                partition: (self.dice.next() % 2) as i32,
                offset: (self.dice.next() % 100) as i64,
                kind: match self.dice.next() % 8 {
                    0 => Committed::ByNobody,
                    1 => Committed::ToNowhere,
                    2 => Committed::WithLongText,
                    _ => Committed::AsMember,
                },
            },
            _ => Asked::Fetch,
        };
        (guise, asked)
    }
}
