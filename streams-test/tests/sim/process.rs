//! One process: a group thread with a real member and a real roster, and workers, all of which hear
//! of each other later. It is what `streams-kafka` makes of them, without its threads and sockets.

mod group;
mod network;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use streams_core::config::DefaultTimestampExtractor;
use streams_core::handler::Handlers;
use streams_core::membership::{
    Address, CallId, CommitToken, ConnectionId, Generation, InstanceId, MemberData, Membership,
    MembershipConfig, Moment, ProcessId,
};
use streams_core::names::{TaskId, TopicPartition};
use streams_core::processor::EmitIntervals;
use streams_core::roster::{Held, Role, Roster, Round};
use streams_core::task::TaskIdle;
use streams_core::time::Timestamp;
use streams_core::worker::{
    Action, Command, CommitId, CommitPolicy, RetryPolicy, SharedGlobals, Worker, WorkerSettings,
};
use streams_test::model::{Dice, ModelConnection, WriterId};
use streams_test::{KafkaModel, ModelPlane};

use super::app::App;
use super::defects::{Defect, FaultyPlane};
use super::disk::Disk;
use super::plan::{Names, Plan};

/// A command, with the number of losses that the group has seen before it.
struct Told {
    losses: u64,
    command: Command,
}

/// A worker and its thread.
pub(crate) struct Thread {
    pub(crate) worker: Worker,
    pub(crate) writer: WriterId,
    inbox: VecDeque<Told>,
    losses: u64,
    /// It does nothing until then.
    pub(crate) stalled_until: u64,
}

/// What the group thread hears, apart from connections.
enum Input {
    Worker(usize, u64, Action),
    TopicsPrepared(Generation),
    LookedUp(LookUp, BTreeMap<TopicPartition, i64>),
    EndsFound(usize, Command),
}

/// What is asked of brokers, and answered later.
enum Question {
    Topics(Generation),
    LookUp(LookUp),
    /// Of changelogs, for a worker.
    Ends(usize, Vec<TopicPartition>),
}

#[derive(Clone)]
struct LookUp {
    round: Round,
    tasks: BTreeMap<TaskId, Role>,
}

/// What has become of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Up,
    /// It failed, and only leaves the group.
    Failed,
    Over,
}

struct Commit {
    worker: usize,
    id: CommitId,
    processed: Vec<(TopicPartition, i64)>,
}

/// One process.
pub(crate) struct Process {
    pub(crate) number: u64,
    /// The machine that it runs on, which is that of its disk.
    pub(crate) slot: usize,
    pub(crate) paused_until: u64,
    pub(crate) life: Life,
    pub(crate) member: Membership,
    pub(crate) threads: Vec<Thread>,
    /// What happened, for the trace.
    pub(crate) said: Vec<String>,
    /// Whether the group said that all tasks are lost since this was last looked at.
    pub(crate) heard_of_loss: bool,
    /// What went wrong that must not.
    pub(crate) fault: Option<String>,
    app: App,
    kafka: KafkaModel,
    disk: Disk,
    defect: Option<Defect>,
    dice: Dice,
    connections: BTreeMap<ConnectionId, ModelConnection>,
    roster: Roster,
    data: MemberData,
    held: Held,
    inputs: VecDeque<Input>,
    questions: Vec<(u64, Question)>,
    token: Option<CommitToken>,
    losses: u64,
    commits: BTreeMap<CallId, Commit>,
    fetching: BTreeMap<CallId, (LookUp, BTreeMap<TopicPartition, i64>)>,
    workers_done: usize,
    /// For planted defects: up to where inputs were read, and which ends were seen.
    read: BTreeMap<TopicPartition, i64>,
    first_ends: BTreeMap<TopicPartition, i64>,
    purge: BTreeMap<TopicPartition, i64>,
}

/// What all processes of a run have in common.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) app: App,
    pub(crate) kafka: KafkaModel,
    pub(crate) plan: Plan,
    pub(crate) defect: Option<Defect>,
}

fn config(setting: &Setting, slot: usize, seed: u64) -> MembershipConfig {
    let servers = (0..setting.plan.brokers).map(|broker| Address::new("model", 9092 + broker));
    let seconds = Duration::from_secs;
    MembershipConfig {
        instance: (setting.plan.names == Names::Lasting)
            .then(|| InstanceId::from(format!("slot-{slot}").as_str())),
        session_timeout: seconds(6),
        heartbeat_interval: seconds(1),
        rebalance_timeout: seconds(10),
        request_timeout: seconds(3),
        connect_timeout: seconds(2),
        offsets_timeout: seconds(8),
        leave_timeout: seconds(2),
        follow_up_delay: seconds(3),
        probing_interval: seconds(5),
        placement: setting.plan.placement,
        seed,
        ..MembershipConfig::new("app", servers.collect())
    }
}

impl Process {
    pub(crate) fn start(
        setting: &Setting,
        (number, slot): (u64, usize),
        disk: &Disk,
        now: u64,
    ) -> Self {
        let moment = Moment::from_millis(now);
        let mut member = Membership::new(config(setting, slot, number), moment);
        if let Some(dead) = disk.last_member() {
            member.leave_dead_member(dead);
        }
        let threads: Vec<Thread> =
            (0..setting.plan.workers).map(|_| thread(setting, disk)).collect();
        let mut id = [0; 16];
        id[0] = u8::try_from(slot).unwrap();
        let workers = u16::try_from(threads.len()).unwrap();
        let mut process = Self {
            number,
            slot,
            paused_until: 0,
            life: Life::Up,
            member,
            roster: Roster::new(threads.len(), disk.positions()),
            threads,
            said: Vec::new(),
            heard_of_loss: false,
            fault: None,
            app: setting.app.clone(),
            kafka: setting.kafka.clone(),
            disk: disk.clone(),
            defect: setting.defect,
            dice: Dice::new(number),
            connections: BTreeMap::new(),
            data: MemberData { process: ProcessId(id), workers, ..MemberData::default() },
            held: Held::default(),
            inputs: VecDeque::new(),
            questions: Vec::new(),
            token: None,
            losses: 0,
            commits: BTreeMap::new(),
            fetching: BTreeMap::new(),
            workers_done: 0,
            read: BTreeMap::new(),
            first_ends: BTreeMap::new(),
            purge: BTreeMap::new(),
        };
        process.held = process.roster.news().unwrap_or_default();
        process.subscribe(moment);
        process
    }

    fn is(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    /// The tasks that any worker has open to run.
    pub(crate) fn running(&self) -> BTreeSet<TaskId> {
        let tasks = self.threads.iter().flat_map(|thread| thread.worker.running());
        tasks.map(|task| task.id()).collect()
    }

    /// The thread that runs a task.
    pub(crate) fn runner(&self, task: TaskId) -> Option<&Thread> {
        let runs = |thread: &&Thread| thread.worker.running().any(|one| one.id() == task);
        self.threads.iter().find(runs)
    }

    /// Whether it, or one of its workers, could do nothing in part of the last `millis`.
    pub(crate) fn was_idle_since(&self, now: u64, millis: u64) -> bool {
        let stalled = self.threads.iter().map(|thread| thread.stalled_until).max().unwrap_or(0);
        self.paused_until.max(stalled) + millis > now
    }

    pub(crate) fn close(&mut self) {
        self.roster.shut_down();
        self.said.push("closes".to_owned());
    }

    /// Everything that the process can do now, in an order that the seed determines.
    pub(crate) fn work(&mut self, now: u64) {
        let group_first = self.dice.one_in(2);
        if group_first {
            self.work_group(now);
        }
        for worker in 0..self.threads.len() {
            if self.life == Life::Up
                && self.threads[worker].stalled_until <= now
                && !self.dice.one_in(4)
            {
                self.work_thread(worker, now);
            }
        }
        if !group_first {
            self.work_group(now);
        }
    }

    /// What the thread of a worker does between two looks around.
    fn work_thread(&mut self, worker: usize, now: u64) {
        let time = Timestamp::from_millis(now.cast_signed());
        let thread = &mut self.threads[worker];
        while let Some(told) = thread.inbox.pop_front() {
            thread.losses = told.losses;
            thread.worker.handle(told.command, time);
        }
        thread.worker.turn(time);
        while let Some(action) = thread.worker.poll() {
            self.inputs.push_back(Input::Worker(worker, thread.losses, action));
        }
    }
}

fn thread(setting: &Setting, disk: &Disk) -> Thread {
    let plan = &setting.plan;
    let settings = WorkerSettings {
        topology: setting.app.topology.clone(),
        application_id: setting.app.id.clone(),
        names: setting.app.names.clone(),
        handlers: Handlers::default(),
        timestamps: DefaultTimestampExtractor::FailOnInvalid,
        emit_intervals: EmitIntervals::NONE,
        backend: Arc::new(disk.clone()),
        retries: RetryPolicy::default(),
        globals: SharedGlobals::default(),
        commit: CommitPolicy { interval: plan.commit_interval, ..CommitPolicy::default() },
        idle: TaskIdle::UpTo(Duration::ZERO),
        cache_bytes: 0,
        buffered_records: 8,
        turn_records: plan.turn_records,
    };
    let plane = ModelPlane::new(&setting.kafka);
    let writer = plane.writer();
    let worker = match setting.defect {
        Some(defect) => {
            Worker::new(settings, Box::new(FaultyPlane::new(plane, &setting.kafka, defect)))
        }
        None => Worker::new(settings, Box::new(plane)),
    };
    Thread { worker, writer, inbox: VecDeque::new(), losses: 0, stalled_until: 0 }
}
