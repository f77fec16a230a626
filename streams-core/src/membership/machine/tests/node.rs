//! One process: a member and the owner of its tasks.

use std::collections::{BTreeMap, BTreeSet};

use crate::assign::{TaskId, TaskInputs, TaskState};
use crate::membership::{
    CommitToken, Departure, GroupFault, MemberData, MemberEvent, MemberId, Membership,
    MembershipConfig, Moment, OffsetsError, Order, ProcessId, StatePosition, TopicName,
    TopicPartition,
};

/// Milliseconds that a revoked task takes to close.
const CLOSING_MS: u64 = 40;
/// Where the changelogs of each task with state end.
pub(super) const STATE_END: i64 = 1_000_000;

/// What has become of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Up,
    Left,
    Failed,
    Killed,
    /// It stands still, and knows nothing of it.
    Paused,
}

pub(super) struct Node {
    pub(super) name: String,
    process: u8,
    pub(super) member: Membership,
    /// From the member's connection to the world's socket.
    pub(super) sockets: BTreeMap<crate::membership::ConnectionId, u64>,
    pub(super) life: Life,
    pub(super) token: Option<CommitToken>,
    pub(super) running: BTreeSet<TaskId>,
    pub(super) closing_ms: u64,
    pub(super) closing: Option<(Moment, BTreeSet<TaskId>)>,
    pub(super) id: Option<MemberId>,
    pub(super) log: Vec<String>,
    pub(super) commits: Vec<Result<(), OffsetsError>>,
    pub(super) fetched: Vec<String>,
    pub(super) fault: Option<GroupFault>,
    /// What the leader makes of the topics; changed by tests that want no answer.
    pub(super) provides: bool,
    /// What state the tasks have, as the leader says.
    pub(super) state: TaskState,
    pub(super) standby: BTreeSet<TaskId>,
    /// Which of its state has caught up; the rest has nothing yet.
    pub(super) warm: BTreeSet<TaskId>,
    /// What it was told to do.
    pub(super) orders: Vec<Order>,
}

impl Node {
    pub(super) fn new(name: &str, config: MembershipConfig, now: Moment) -> Self {
        Self {
            name: name.to_owned(),
            process: 0,
            member: Membership::new(config, now),
            sockets: BTreeMap::new(),
            life: Life::Up,
            token: None,
            running: BTreeSet::new(),
            closing_ms: CLOSING_MS,
            closing: None,
            id: None,
            log: Vec::new(),
            commits: Vec::new(),
            fetched: Vec::new(),
            fault: None,
            provides: true,
            state: TaskState::Stateless,
            standby: BTreeSet::new(),
            warm: BTreeSet::new(),
            orders: Vec::new(),
        }
    }

    pub(super) fn subscribe(&mut self, process: u8, now: Moment) {
        self.process = process;
        self.say(now);
    }

    /// Says what the process has by now.
    pub(super) fn say(&mut self, now: Moment) {
        let up_to = |task: &TaskId| (*task, StatePosition::UpTo(STATE_END));
        let running = |task: &TaskId| (*task, StatePosition::Running);
        let positions = self.warm.iter().map(up_to).chain(self.running.iter().map(running));
        let data = MemberData {
            process: ProcessId([self.process; 16]),
            workers: 1,
            positions: positions.collect(),
            standby: self.standby.clone(),
            ..MemberData::default()
        };
        let topics: BTreeSet<TopicName> = ["clicks".into(), "orders".into()].into();
        self.member.subscribe(topics, data, now);
    }

    /// Its copies catch up.
    pub(super) fn warm_up(&mut self, now: Moment) {
        self.warm = self.standby.clone();
        self.say(now);
    }

    pub(super) fn handle(&mut self, event: MemberEvent, now: Moment) {
        match event {
            MemberEvent::MemberIdGiven(id) => {
                self.log.push(format!("id {id}"));
                self.id = Some(id);
            }
            MemberEvent::TasksWanted(wanted) if self.provides => {
                let topics = wanted.topics.iter().map(|(topic, info)| (topic, info.partitions));
                let tasks = tasks_of(topics, self.state);
                self.member.provide_tasks(wanted.generation, &tasks, now).unwrap();
            }
            MemberEvent::TasksWanted(_) => self.log.push("leads".to_owned()),
            MemberEvent::Assigned(assigned) => {
                let generation = assigned.token.generation();
                let (active, revoked) = (show(&assigned.active), show(&assigned.revoked));
                self.log.push(format!("{generation}: +[{active}] -[{revoked}]"));
                self.token = Some(assigned.token);
                self.orders.push(assigned.order);
                self.running.extend(&assigned.active);
                self.standby = assigned.standby;
                self.closing = None;
                self.say(now);
                if assigned.revoked.is_empty() {
                    self.leave_if_told(now);
                } else {
                    let at = Moment::from_millis(now.as_millis() + self.closing_ms);
                    self.closing = Some((at, assigned.revoked));
                }
            }
            MemberEvent::Lost { reason } => {
                self.log.push(format!("lost: {reason}"));
                self.drop_tasks();
            }
            MemberEvent::Committed { result, .. } => self.commits.push(result),
            MemberEvent::OffsetsFetched { result, .. } => {
                let Ok(result) = result else { return self.fetched.push(format!("{result:?}")) };
                let shown = result.into_iter().map(|(place, position)| {
                    let position = position.map(|position| position.offset);
                    format!("{place}={position:?}")
                });
                self.fetched.push(shown.collect::<Vec<_>>().join(" "));
            }
            MemberEvent::TopicsGone(topics) => self.log.push(format!("gone: {topics:?}")),
            MemberEvent::Troubled(trouble) => self.log.push(format!("! {trouble}")),
            MemberEvent::Left => {
                self.life = Life::Left;
                self.drop_tasks();
            }
            MemberEvent::Failed(fault) => {
                self.fault = Some(fault);
                self.life = Life::Failed;
                self.drop_tasks();
            }
        }
    }

    fn drop_tasks(&mut self) {
        self.running.clear();
        self.closing = None;
        self.token = None;
    }

    /// Closes what was revoked, once that is done.
    pub(super) fn close_due(&mut self, now: Moment) {
        if let Some((_, tasks)) = self.closing.take_if(|(at, _)| *at <= now) {
            self.running.retain(|task| !tasks.contains(task));
            self.say(now);
            self.member.release(&tasks, now);
            self.leave_if_told(now);
        }
    }

    fn leave_if_told(&mut self, now: Moment) {
        if self.is_told() {
            self.member.leave(Departure::ForGood, now);
        }
    }

    /// Whether it was told to close.
    pub(super) fn is_told(&self) -> bool {
        self.orders.contains(&Order::ShutDown)
    }

    pub(super) fn logged(&self, part: &str) -> usize {
        self.log.iter().filter(|line| line.contains(part)).count()
    }
}

pub(super) fn show(tasks: &BTreeSet<TaskId>) -> String {
    tasks.iter().map(TaskId::to_string).collect::<Vec<_>>().join(" ")
}

/// One task for each partition of these topics, in their order.
pub(super) fn tasks_of<'t>(
    topics: impl Iterator<Item = (&'t TopicName, u32)>,
    state: TaskState,
) -> BTreeMap<TaskId, TaskInputs> {
    let mut tasks = BTreeMap::new();
    for (subtopology, (topic, partitions)) in (0..).zip(topics) {
        for partition in 0..partitions.cast_signed() {
            let partitions = vec![TopicPartition::new(topic.clone(), partition)];
            tasks.insert(TaskId::new(subtopology, partition), TaskInputs { partitions, state });
        }
    }
    tasks
}
