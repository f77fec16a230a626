//! Whole processes on the model: a real member of the group, a roster and workers, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use streams_core::assign::{PlacementPolicy, TaskInputs, TaskState};
use streams_core::membership::{
    Action as MemberAction, Address, CallId, CommitToken, CommittedOffset, ConnectionId, Departure,
    MemberData, MemberEvent, Membership, MembershipConfig, Moment, OffsetsError, ProcessId,
};
use streams_core::murmur2::partition_for_key;
use streams_core::names::{ApplicationId, TaskId, TopicPartition};
use streams_core::roster::{Held, Role, Roster, RosterAction, Round};
use streams_core::time::{Now, Timestamp};
use streams_core::topology::{Topology, TopologyBuilder};
use streams_core::worker::{
    Action, Command, CommitFailure, CommitId, CommitPolicy, RestorePhase, RestoreProgress,
    TaskToStart, Worker, WorkerSettings,
};
use streams_state::{KeyValueStore, MemoryBackend};
use streams_test::model::{ModelConnection, NewRecord};
use streams_test::{KafkaModel, ModelPlane};

use super::{setup, support};

pub(crate) const PARTITIONS: i32 = 4;
const WORKERS: usize = 2;
/// Virtual milliseconds from one look to the next.
const TICK_MS: u64 = 20;
pub(crate) const PROBING: Duration = Duration::from_secs(5);

type Offsets = BTreeMap<TopicPartition, Option<CommittedOffset>>;

/// What has become of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Up,
    /// Its workers do nothing, though its member lives.
    Stuck,
    Left,
}

/// One process.
pub(crate) struct Process {
    member: Membership,
    connections: BTreeMap<ConnectionId, ModelConnection>,
    roster: Roster,
    data: MemberData,
    held: Held,
    workers: Vec<Worker>,
    token: Option<CommitToken>,
    commits: BTreeMap<CallId, (usize, CommitId)>,
    fetching: BTreeMap<CallId, (Round, BTreeMap<TaskId, Role>)>,
    /// Workers that wait for the ends of changelogs.
    asked: Vec<(usize, Vec<TopicPartition>)>,
    workers_done: usize,
    /// Those that were removed and are closing.
    removed: BTreeSet<usize>,
    pub(crate) life: Life,
    /// What came of restorations of tasks that were to run.
    pub(crate) restored: Vec<RestoreProgress>,
    pub(crate) standby: BTreeSet<TaskId>,
}

/// All processes of an application, and what they should count.
pub(crate) struct World {
    pub(crate) kafka: KafkaModel,
    application: ApplicationId,
    policy: PlacementPolicy,
    pub(crate) processes: Vec<Process>,
    started: u8,
    now_ms: u64,
    pub(crate) sent: BTreeMap<String, i64>,
}

/// The changelog of a task's store.
fn changelog(task: TaskId) -> TopicPartition {
    TopicPartition::new("app-counts-changelog", task.partition)
}

fn input(task: TaskId) -> TopicPartition {
    TopicPartition::new("in", task.partition)
}

/// Counts as [`support::count`] does, in a store that is lost with its process.
fn count_in_memory() -> Topology {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], support::source::<String, String>());
    let count = builder.processor("count", &[source], support::Count::new);
    let store = streams_state::Stores::key_value::<String, i64>("counts").in_memory();
    builder.store(store.build(), [count.id()]);
    builder.sink("sink", &[count], support::sink("out"));
    builder.build().unwrap()
}

impl World {
    pub(crate) fn new(policy: PlacementPolicy) -> Self {
        let kafka = KafkaModel::new();
        for topic in ["in", "out", "app-counts-changelog"] {
            kafka.create_topic(topic, PARTITIONS, BTreeMap::new()).unwrap();
        }
        Self {
            kafka,
            application: "app".into(),
            policy,
            processes: Vec::new(),
            started: 0,
            now_ms: 1_000,
            sent: BTreeMap::new(),
        }
    }

    fn moment(&self) -> Moment {
        Moment::from_millis(self.now_ms)
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.now_ms.cast_signed())
    }

    fn worker(&self) -> Worker {
        let backend = Arc::new(MemoryBackend::new());
        let settings = WorkerSettings {
            commit: CommitPolicy { interval: Duration::from_secs(1), ..CommitPolicy::default() },
            buffered_records: 8,
            turn_records: 16,
            ..setup::settings(&self.application, count_in_memory(), backend)
        };
        Worker::new(settings, Box::new(ModelPlane::new(&self.kafka)))
    }

    /// Starts a process, which joins the group.
    pub(crate) fn start(&mut self) {
        self.started += 1;
        let config = MembershipConfig {
            session_timeout: Duration::from_secs(6),
            heartbeat_interval: Duration::from_secs(1),
            placement: self.policy,
            probing_interval: PROBING,
            seed: self.started.into(),
            ..MembershipConfig::new("app", vec![Address::new("model", 9092)])
        };
        let process = ProcessId([self.started; 16]);
        let workers = u16::try_from(WORKERS).unwrap();
        let mut process = Process {
            member: Membership::new(config, self.moment()),
            connections: BTreeMap::new(),
            roster: Roster::new(WORKERS, BTreeMap::new()),
            data: MemberData { process, workers, ..MemberData::default() },
            held: Held::default(),
            workers: (0..WORKERS).map(|_| self.worker()).collect(),
            token: None,
            commits: BTreeMap::new(),
            fetching: BTreeMap::new(),
            asked: Vec::new(),
            workers_done: 0,
            removed: BTreeSet::new(),
            life: Life::Up,
            restored: Vec::new(),
            standby: BTreeSet::new(),
        };
        process.say(&Held::default(), self.moment());
        self.processes.push(process);
    }

    /// The process is gone, with all that it held in memory.
    pub(crate) fn kill(&mut self, at: usize) {
        self.processes.remove(at);
    }

    /// The process commits, closes and leaves.
    pub(crate) fn close(&mut self, at: usize) {
        self.processes[at].roster.shut_down();
    }

    /// A process gets another worker.
    pub(crate) fn add_worker(&mut self, at: usize) {
        let (worker, now) = (self.worker(), self.moment());
        let process = &mut self.processes[at];
        process.roster.add_worker(process.workers.len());
        process.workers.push(worker);
        process.tell_crew(now);
    }

    /// A worker of a process commits, closes its tasks and ends.
    pub(crate) fn remove_worker(&mut self, at: usize, worker: usize) {
        self.processes[at].removed.insert(worker);
        self.processes[at].roster.remove_worker(worker);
    }

    pub(crate) fn send(&mut self, key: u64) {
        let key = format!("key-{key}");
        let record = NewRecord {
            key: Some(Bytes::from(key.clone())),
            value: Some(Bytes::from_static(b"x")),
            timestamp: Some(self.timestamp()),
            ..NewRecord::default()
        };
        let partition = partition_for_key(key.as_bytes(), PARTITIONS);
        self.kafka.append(&TopicPartition::new("in", partition), record).unwrap();
        *self.sent.entry(key).or_default() += 1;
    }

    /// Lets `millis` pass.
    pub(crate) fn run(&mut self, millis: u64) {
        let end = self.now_ms + millis;
        while self.now_ms < end {
            self.now_ms += TICK_MS;
            self.kafka.advance_groups(self.moment());
            for at in 0..self.processes.len() {
                let (moment, now) = (self.moment(), Now::from_wall(self.timestamp()));
                self.processes[at].work(&self.kafka, moment, now);
                self.check_owners();
            }
            self.processes.retain(|process| process.life != Life::Left);
        }
    }

    #[track_caller]
    pub(crate) fn run_until(&mut self, millis: u64, done: impl Fn(&Self) -> bool) {
        let end = self.now_ms + millis;
        while !done(self) {
            assert!(self.now_ms < end, "not within {millis} ms: {:?}", self.running());
            self.run(TICK_MS);
        }
    }

    /// By process: the tasks that run there.
    pub(crate) fn running(&self) -> Vec<BTreeSet<TaskId>> {
        self.processes.iter().map(Process::running).collect()
    }

    pub(crate) fn is_shared(&self) -> bool {
        let counts = self.processes.iter().map(|process| process.running().len());
        let sum: usize = counts.clone().sum();
        sum == PARTITIONS as usize && counts.clone().max().unwrap() - counts.min().unwrap() <= 1
    }

    fn check_owners(&self) {
        let mut seen = BTreeSet::new();
        for task in self.running().into_iter().flatten() {
            assert!(seen.insert(task), "{task} runs twice at {}", self.now_ms);
        }
    }

    /// Whether all that was sent is processed and committed.
    pub(crate) fn is_drained(&self) -> bool {
        (0..PARTITIONS).all(|partition| {
            let partition = TopicPartition::new("in", partition);
            let end = self.kafka.offsets(&partition).map_or(0, |(_, end)| end);
            let committed = self.kafka.committed_offset(&self.application, &partition);
            end == committed.map_or(0, |committed| committed.offset)
        })
    }

    /// What the stores of all running tasks hold.
    pub(crate) fn counts(&self) -> BTreeMap<String, i64> {
        let tasks = self.processes.iter().flat_map(|process| &process.workers);
        let mut counts = BTreeMap::new();
        for task in tasks.flat_map(Worker::running) {
            let handle = task.stores().handle(&"counts".into()).unwrap();
            let store = handle.downcast::<KeyValueStore<String, i64>>().unwrap();
            counts.extend(store.all().unwrap().map(Result::unwrap));
        }
        counts
    }
}

impl Process {
    pub(crate) fn running(&self) -> BTreeSet<TaskId> {
        self.workers.iter().flat_map(Worker::running).map(|task| task.id()).collect()
    }

    /// How many tasks each of its workers runs.
    pub(crate) fn loads(&self) -> Vec<usize> {
        self.workers.iter().map(|worker| worker.running().count()).collect()
    }

    /// The group hears how many workers there are; without any, the process leaves.
    fn tell_crew(&mut self, now: Moment) {
        self.data.workers = u16::try_from(self.roster.worker_count()).unwrap();
        if self.data.workers == 0 {
            return self.member.leave(Departure::ForGood, now);
        }
        self.say(&self.held.clone(), now);
        self.member.rejoin(now);
    }

    /// Its member says anew what the process has.
    fn say(&mut self, held: &Held, now: Moment) {
        let data = held.with(self.data.clone());
        self.member.subscribe(["in".into()].into(), data, now);
    }

    /// Does what is to be done now.
    fn work(&mut self, kafka: &KafkaModel, now: Moment, time: Now) {
        for worker in 0..self.workers.len() {
            if self.life != Life::Stuck {
                self.workers[worker].turn(time);
                self.hear_worker(worker, now, time);
            }
        }
        while self.step(kafka, now, time) {}
        self.tell_states(now);
    }

    fn tell_states(&mut self, now: Moment) {
        if let Some(held) = self.roster.news() {
            self.standby.clone_from(&held.standby);
            self.held = held.clone();
            self.say(&held, now);
        }
    }

    /// Whether there was anything to do for the member or the roster.
    fn step(&mut self, kafka: &KafkaModel, now: Moment, time: Now) -> bool {
        if let Some(action) = self.roster.poll() {
            self.follow(action, now, time);
            return true;
        }
        if let Some(action) = self.member.poll(now) {
            self.act(action, kafka, now, time);
            return true;
        }
        if let Some((worker, changelogs)) = self.asked.pop() {
            let ends = changelogs.into_iter();
            let ends = ends.filter_map(|at| kafka.offsets(&at).map(|(_, end)| (at, end)));
            let command = Command::Ends { at: time.wall, ends: ends.collect() };
            self.workers[worker].handle(command, time);
            return true;
        }
        let outputs = self.connections.iter_mut().map(|(id, one)| (*id, one.take_output()));
        let outputs: Vec<_> = outputs.filter(|(_, bytes)| !bytes.is_empty()).collect();
        for (id, bytes) in &outputs {
            self.member.on_bytes(*id, bytes, now);
        }
        !outputs.is_empty()
    }

    fn follow(&mut self, action: RosterAction, now: Moment, time: Now) {
        match action {
            RosterAction::Prepare { round, tasks } => {
                let partitions = tasks.keys().map(|task| input(*task)).collect();
                let call = self.member.fetch_offsets(partitions, now).unwrap();
                self.fetching.insert(call, (round, tasks));
            }
            RosterAction::Tell { worker, command } => {
                self.workers[worker].handle(command, time);
                self.hear_worker(worker, now, time);
            }
            RosterAction::Release(task) => {
                self.tell_states(now);
                self.member.release(&[task].into(), now);
            }
        }
    }

    fn act(&mut self, action: MemberAction, kafka: &KafkaModel, now: Moment, time: Now) {
        match action {
            MemberAction::Connect { connection, .. } => {
                self.connections.insert(connection, kafka.connect());
                self.member.on_connected(connection, now);
            }
            MemberAction::Send { connection, bytes } => {
                self.connections.get_mut(&connection).unwrap().receive(&bytes, now).unwrap();
            }
            MemberAction::Disconnect { connection } => {
                self.connections.remove(&connection);
            }
            MemberAction::Authenticate { .. } => panic!("no SASL"),
            MemberAction::Event(event) => self.hear_member(event, kafka, now, time),
        }
    }

    fn hear_member(&mut self, event: MemberEvent, kafka: &KafkaModel, now: Moment, time: Now) {
        match event {
            MemberEvent::TasksWanted(wanted) => {
                let tasks = (0..PARTITIONS).map(|partition| {
                    let task = TaskId::new(0, partition);
                    let end = kafka.offsets(&changelog(task)).map(|(_, end)| end);
                    let state = TaskState::Logged { end };
                    (task, TaskInputs { partitions: vec![input(task)], state })
                });
                let tasks = tasks.collect();
                self.member.provide_tasks(wanted.generation, &tasks, now).unwrap();
            }
            MemberEvent::Assigned(assigned) => {
                self.token = Some(assigned.token);
                self.roster.adopt(&assigned.active, &assigned.standby);
            }
            MemberEvent::Lost { .. } => {
                self.token = None;
                self.roster.lose_all();
            }
            MemberEvent::Committed { call, result } => {
                let Some((worker, id)) = self.commits.remove(&call) else { return };
                let result = result.map_err(|error| match error {
                    OffsetsError::Fenced => CommitFailure::Fenced,
                    other => CommitFailure::Retriable(other.to_string()),
                });
                self.workers[worker].handle(Command::Committed(id, result), time);
                self.hear_worker(worker, now, time);
            }
            MemberEvent::OffsetsFetched { call, result } => {
                let Some((round, tasks)) = self.fetching.remove(&call) else { return };
                let Ok(offsets) = result else { return };
                let tasks = tasks.into_keys().map(|task| to_start(task, &offsets, kafka));
                self.roster.prepared(round, tasks.collect());
            }
            MemberEvent::Left => self.life = Life::Left,
            MemberEvent::Failed(fault) => panic!("{fault}"),
            MemberEvent::MemberIdGiven(_)
            | MemberEvent::TopicsGone(_)
            | MemberEvent::Troubled(_) => {}
        }
    }

    fn hear_worker(&mut self, worker: usize, now: Moment, time: Now) {
        while let Some(action) = self.workers[worker].poll() {
            match action {
                Action::Commit { id, offsets, .. } => {
                    let offsets = offsets.into_iter().map(|at| {
                        let (offset, leader_epoch) = (at.offset, at.leader_epoch);
                        let metadata = at.metadata;
                        (at.partition, CommittedOffset { offset, leader_epoch, metadata })
                    });
                    let call = match &self.token {
                        Some(token) => self.member.commit(token, offsets.collect(), now).ok(),
                        None => None,
                    };
                    match call {
                        Some(call) => {
                            self.commits.insert(call, (worker, id));
                        }
                        None => {
                            let why = CommitFailure::Retriable("refused".to_owned());
                            self.workers[worker].handle(Command::Committed(id, Err(why)), time);
                        }
                    }
                }
                Action::FindEnds(changelogs) => self.asked.push((worker, changelogs)),
                Action::Running(task) => self.roster.running(task),
                Action::Closed(task) => self.roster.closed(task),
                Action::Demoted(task) => self.roster.demoted(task),
                Action::Holds(held) => self.roster.holds(held),
                Action::Restored(progress) if progress.phase == RestorePhase::Ended => {
                    self.restored.push(progress);
                }
                Action::Restored(_) => {}
                Action::Done if self.removed.remove(&worker) => self.tell_crew(now),
                Action::Done => {
                    self.workers_done += 1;
                    if self.workers_done == self.roster.worker_count() {
                        self.member.leave(Departure::ForGood, now);
                    }
                }
                Action::Failed { error, .. } => panic!("{error:?}"),
                Action::FindCommitted(_) => panic!("no store is kept in its source topic"),
            }
        }
    }
}

fn to_start(task: TaskId, offsets: &Offsets, kafka: &KafkaModel) -> TaskToStart {
    let committed = offsets.get(&input(task)).and_then(Option::as_ref);
    let committed = committed.map(|at| (at.offset, at.metadata.as_str()));
    let input = setup::input(input(task), committed);
    let end = kafka.offsets(&changelog(task)).map(|(_, end)| (changelog(task), end));
    let topic = changelog(task).topic;
    let topic = kafka.changelog_topic(&topic).map(|known| (topic, known));
    TaskToStart {
        task,
        inputs: vec![input],
        changelog_ends: end.into_iter().collect(),
        changelogs: topic.into_iter().collect(),
    }
}
