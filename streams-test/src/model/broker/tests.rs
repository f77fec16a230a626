//! Real members of a group, with the model as their broker.

use std::collections::{BTreeMap, BTreeSet};

use streams_core::assign::{TaskId, TaskInputs};
use streams_core::membership::{
    Action, Address, CommitToken, CommittedOffset, ConnectionId, Departure, MemberData,
    MemberEvent, Membership, MembershipConfig, Moment, ProcessId, TopicPartition,
};

use super::*;
use crate::model::KafkaModel;

/// One process: the real client of the protocol, and what it learned.
struct Process {
    member: Membership,
    connections: BTreeMap<ConnectionId, ModelConnection>,
    running: BTreeSet<TaskId>,
    token: Option<CommitToken>,
    heard: Vec<String>,
}

/// Processes and the model, in virtual time.
struct World {
    kafka: KafkaModel,
    processes: Vec<Process>,
    now: Moment,
}

impl World {
    fn new() -> Self {
        let kafka = KafkaModel::new();
        kafka.create_topic("orders", 4, BTreeMap::new()).unwrap();
        Self { kafka, processes: Vec::new(), now: Moment::from_millis(1000) }
    }

    fn start(&mut self) {
        let number = u8::try_from(self.processes.len()).unwrap() + 1;
        let mut config = MembershipConfig::new("app", vec![Address::new("model", 9092)]);
        config.seed = number.into();
        let mut member = Membership::new(config, self.now);
        let process = ProcessId([number; 16]);
        let data = MemberData { process, workers: 1, ..MemberData::default() };
        member.subscribe(["orders".into()].into(), data, self.now);
        self.processes.push(Process {
            member,
            connections: BTreeMap::new(),
            running: BTreeSet::new(),
            token: None,
            heard: Vec::new(),
        });
    }

    /// Lets `millis` pass, from one deadline to the next.
    fn run(&mut self, millis: u64) {
        let end = Moment::from_millis(self.now.as_millis() + millis);
        loop {
            while (0..self.processes.len()).any(|at| self.step(at)) {}
            let members = self.processes.iter().filter_map(|process| process.member.deadline());
            let next = members.chain(self.kafka.group_deadline()).min();
            match next.filter(|next| *next < end) {
                Some(next) => self.now = next.max(Moment::from_millis(self.now.as_millis() + 1)),
                None => break,
            }
            self.kafka.advance_groups(self.now);
        }
        self.now = end;
    }

    /// Whether there was anything to do.
    fn step(&mut self, at: usize) -> bool {
        let (now, process) = (self.now, &mut self.processes[at]);
        if let Some(action) = process.member.poll(now) {
            process.act(action, &self.kafka, now);
            return true;
        }
        let outputs = process.connections.iter_mut().map(|(id, c)| (*id, c.take_output()));
        let outputs: Vec<_> = outputs.filter(|(_, bytes)| !bytes.is_empty()).collect();
        for (id, bytes) in &outputs {
            process.member.on_bytes(*id, bytes, now);
        }
        !outputs.is_empty()
    }

    fn running(&self) -> Vec<usize> {
        self.processes.iter().map(|process| process.running.len()).collect()
    }
}

impl Process {
    fn act(&mut self, action: Action, kafka: &KafkaModel, now: Moment) {
        match action {
            Action::Connect { connection, .. } => {
                self.connections.insert(connection, kafka.connect());
                self.member.on_connected(connection, now);
            }
            Action::Send { connection, bytes } => {
                self.connections.get_mut(&connection).unwrap().receive(&bytes, now).unwrap();
            }
            Action::Disconnect { connection } => {
                self.connections.remove(&connection);
            }
            Action::Authenticate { .. } => panic!("no SASL"),
            Action::Event(event) => self.hear(event, now),
        }
    }

    fn hear(&mut self, event: MemberEvent, now: Moment) {
        match event {
            MemberEvent::TasksWanted(wanted) => {
                let tasks = (0..4).map(|partition| {
                    let partitions = vec![TopicPartition::new("orders", partition)];
                    (TaskId::new(0, partition), TaskInputs { partitions, ..TaskInputs::default() })
                });
                let tasks = tasks.collect();
                self.member.provide_tasks(wanted.generation, &tasks, now).unwrap();
            }
            MemberEvent::Assigned(assigned) => {
                self.running.clone_from(&assigned.active);
                self.token = Some(assigned.token);
                self.member.release(&assigned.revoked, now);
            }
            MemberEvent::Lost { reason } => {
                self.running.clear();
                self.heard.push(format!("lost: {reason}"));
            }
            MemberEvent::Committed { result, .. } => self.heard.push(format!("{result:?}")),
            MemberEvent::OffsetsFetched { result, .. } => {
                let offsets = result.unwrap().into_values().flatten().map(|at| at.offset);
                self.heard.push(format!("{:?}", offsets.collect::<Vec<_>>()));
            }
            MemberEvent::Left => self.heard.push("left".to_owned()),
            MemberEvent::Failed(fault) => panic!("{fault}"),
            MemberEvent::MemberIdGiven(_)
            | MemberEvent::TopicsGone(_)
            | MemberEvent::Troubled(_) => {}
        }
    }
}

fn one() -> BTreeMap<TopicPartition, CommittedOffset> {
    let position = CommittedOffset { offset: 7, leader_epoch: None, metadata: "m".to_owned() };
    [(TopicPartition::new("orders", 1), position)].into()
}

#[test]
fn members_share_the_tasks_and_pass_them_on() {
    let mut world = World::new();
    world.start();
    world.run(5_000);
    assert_eq!(world.running(), [4]);
    world.start();
    world.run(60_000);
    assert_eq!(world.running(), [2, 2]);
    let now = world.now;
    world.processes[0].member.leave(Departure::ForGood, now);
    world.run(60_000);
    assert_eq!(world.processes[0].heard, ["left"]);
    assert_eq!(world.running()[1], 4);
    assert_eq!(world.kafka.group_members(&"app".into()).len(), 1);
}

#[test]
fn a_silent_members_session_ends() {
    let mut world = World::new();
    world.start();
    world.start();
    world.run(60_000);
    assert_eq!(world.running(), [2, 2]);
    world.processes.remove(0);
    world.run(5_000);
    assert_eq!(world.running(), [2], "its session is not over");
    world.run(60_000);
    assert_eq!(world.running(), [4]);
}

#[test]
fn offsets_are_committed_by_members_and_read_by_all() {
    let mut world = World::new();
    world.start();
    world.run(5_000);
    let now = world.now;
    let Process { member, token, .. } = &mut world.processes[0];
    member.commit(token.as_ref().unwrap(), one(), now).unwrap();
    member.fetch_offsets(one().into_keys().collect(), now).unwrap();
    world.run(1_000);
    assert_eq!(world.processes[0].heard, ["Ok(())", "[7]"]);
    let at = TopicPartition::new("orders", 1);
    let stored = world.kafka.committed_offset(&"app".into(), &at).unwrap();
    assert_eq!((stored.offset, stored.metadata.as_str()), (7, "m"));
}

#[test]
fn a_paused_member_commits_nothing() {
    let mut world = World::new();
    world.start();
    world.start();
    world.run(60_000);
    let zombie = world.processes.remove(0);
    world.run(60_000);
    assert_eq!(world.running(), [4]);
    world.processes.push(zombie);
    let now = world.now;
    let Process { member, token, .. } = &mut world.processes[1];
    member.commit(token.as_ref().unwrap(), one(), now).unwrap();
    world.run(100);
    let at = TopicPartition::new("orders", 1);
    assert_eq!(world.kafka.committed_offset(&"app".into(), &at), None);
    world.run(60_000);
    assert_eq!(world.running(), [2, 2], "it came back");
}

#[test]
fn what_is_no_request_is_refused() {
    let mut connection = KafkaModel::new().connect();
    let now = Moment::from_millis(0);
    assert!(connection.receive(&[0, 0, 0, 2, 0x7f, 0x7f], now).is_err());
    assert!(connection.receive(&[0xff; 4], now).is_err());
}
