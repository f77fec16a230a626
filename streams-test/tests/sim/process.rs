//! One process: a group thread with a real member and a real roster, and workers, all of which hear
//! of each other later. It is what `streams-kafka` makes of them, without its threads and sockets.

mod boundary;
mod crew;
mod failing;
mod group;
mod network;
mod questions;
mod topics;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use streams_core::config::{DefaultTimestampExtractor, OwnSettings};
use streams_core::membership::{
    Address, CallId, CommitToken, ConnectionId, Departure, Generation, InstanceId, MemberData,
    Membership, MembershipConfig, Moment, Order, ProcessId,
};
use streams_core::names::{TaskId, TopicPartition};
use streams_core::processor::EmitIntervals;
use streams_core::roster::{Crew, Held, Role, Roster, Round};
use streams_core::task::TaskIdle;
use streams_core::time::{Now, Timestamp};
use streams_core::worker::{
    Action, Command, CommitId, CommitPolicy, Pace, RetryPolicy, SharedGlobals, Worker,
    WorkerSettings,
};
use streams_test::model::{Dice, MachineId, ModelConnection, WriterId};
use streams_test::{KafkaModel, ModelPlane};

use self::boundary::Failed;
use self::questions::{Asked, Question};
use self::topics::Unprepared;
use super::answers::Answers;
use super::app::App;
use super::defects::{Defect, FaultyPlane, Slips};
use super::disk::Disk;
use super::plan::{Disks, Fault, Names, Plan, Uncaught};

/// `max.poll.interval.ms`.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(10);
/// Of what workers say, how much a busy group thread hears late, and how many milliseconds at most.
const HEARD_LATE_ONE_IN: u64 = 20;
const HEARD_AFTER_MAX: u64 = 8_000;

/// Where partitions end.
type Ends = BTreeMap<TopicPartition, i64>;

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
    stall: Stall,
    /// Tasks that it was told to let go of.
    leaving: BTreeSet<TaskId>,
    slips: Slips,
}

/// A thread does nothing for a while.
#[derive(Debug, Clone, Copy, Default)]
struct Stall {
    since: u64,
    until: u64,
}

impl Thread {
    pub(crate) fn stall(&mut self, now: u64, until: u64) {
        let since = if self.stall.until > now { self.stall.since } else { now };
        self.stall = Stall { since, until };
    }

    fn busy_for(&self, now: Moment) -> Duration {
        let busy = self.stall.until > now.as_millis();
        if busy { now.since(Moment::from_millis(self.stall.since)) } else { Duration::ZERO }
    }
}

/// What the group thread hears, apart from connections.
enum Input {
    Worker(usize, u64, Action),
    /// A worker has stopped tasks, and the handler has said what shall become of it.
    TasksFailed(Vec<TaskId>, Uncaught),
    /// The thread of a worker has ended.
    WorkerEnded(usize),
    TopicsPrepared(Generation, Result<Ends, Unprepared>),
    LookedUp(LookUp, Ends),
    /// Nothing was learnt of these tasks.
    LookUpFailed(LookUp),
    EndsFound(usize, Command),
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
    /// A worker is late: the others commit, until this time at most.
    Parting(Moment),
    /// It is out of the group until the late worker is back.
    Outside,
    /// It commits and closes its tasks, and goes.
    Closing,
    Over,
}

/// Which process it is, where, and under which name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) number: u64,
    /// The machine that it runs on, which is that of its disk.
    pub(crate) slot: usize,
    /// Its `group.instance.id`, if it has one, is that of this machine: its own, unless somebody
    /// made a mistake.
    pub(crate) name: usize,
}

/// How a process went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It left the group; a static member that is expected back does so without a word.
    Left,
    /// Another one has its name.
    Fenced,
}

/// Whether its member is one of the group's, or has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Member,
    Out,
}

struct Commit {
    worker: usize,
    id: CommitId,
    processed: Vec<(TopicPartition, i64)>,
}

/// One process.
pub(crate) struct Process {
    pub(crate) number: u64,
    pub(crate) slot: usize,
    pub(crate) name: usize,
    pub(crate) paused_until: u64,
    /// What its machine's wall clock shows beyond the time that has passed.
    pub(crate) wall_ahead: i64,
    pub(crate) life: Life,
    pub(crate) member: Membership,
    /// By number; without those that ended and were not replaced.
    pub(crate) threads: BTreeMap<usize, Thread>,
    /// How it went, once it has gone.
    pub(crate) end: Option<End>,
    /// The tasks that the group wants it to run.
    pub(crate) adopted: BTreeSet<TaskId>,
    /// Which topic the changelog of each was when the group gave it the task, and where it ended; `None`
    /// of one that was not there.
    pub(crate) granted: BTreeMap<TaskId, Option<(u64, i64)>>,
    /// The tasks that it has had since the group gave it up last, and by generation which those were.
    had: BTreeSet<TaskId>,
    pub(crate) had_in: BTreeMap<i32, BTreeSet<TaskId>>,
    /// What happened, for the trace.
    pub(crate) said: Vec<String>,
    /// Whether the group said that all tasks are lost since this was last looked at.
    pub(crate) heard_of_loss: bool,
    /// What went wrong that must not.
    pub(crate) fault: Option<String>,
    setting: Setting,
    disk: Disk,
    dice: Dice,
    connections: BTreeMap<ConnectionId, ModelConnection>,
    roster: Roster,
    crew: Crew,
    pub(crate) pace: Pace,
    data: MemberData,
    held: Held,
    inputs: VecDeque<Input>,
    /// What workers say, and when the group thread hears it.
    on_its_way: VecDeque<(u64, Input)>,
    /// By worker: when what it said last is heard.
    heard_by: BTreeMap<usize, u64>,
    questions: Vec<Asked>,
    /// What is asked again, and when.
    retries: Vec<(u64, Question)>,
    token: Option<CommitToken>,
    losses: u64,
    commits: BTreeMap<CallId, Commit>,
    fetching: BTreeMap<CallId, (LookUp, Ends)>,
    workers_done: BTreeSet<usize>,
    place: Place,
    /// How often it left for a late worker.
    pub(crate) times_out: u64,
    departure: Departure,
    /// When it closes alone, having asked all to.
    closes_alone_by: Option<Moment>,
    /// For planted defects: up to where inputs were read, and which ends were seen.
    read: BTreeMap<TopicPartition, i64>,
    first_ends: Ends,
    purge: BTreeMap<TopicPartition, i64>,
}

/// What all processes of a run have in common.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) app: App,
    pub(crate) kafka: KafkaModel,
    pub(crate) plan: Plan,
    pub(crate) answers: Answers,
    pub(crate) defect: Option<Defect>,
    /// Nothing goes wrong any more.
    pub(crate) is_well: Arc<AtomicBool>,
    /// Changelogs, by sub-topology, that somebody has refused because of their partitions.
    pub(crate) refused: Arc<Mutex<BTreeSet<u32>>>,
}

impl Setting {
    pub(crate) fn new(
        app: App,
        kafka: KafkaModel,
        (plan, answers): (Plan, Answers),
        defect: Option<Defect>,
    ) -> Self {
        let (is_well, refused) = Default::default();
        Self { app, kafka, plan, answers, defect, is_well, refused }
    }

    /// As a process on this machine sees it.
    fn on_machine(&self, slot: usize) -> Self {
        let machine = MachineId(u16::try_from(slot).unwrap());
        Self { kafka: self.kafka.on_machine(machine), ..self.clone() }
    }
}

fn config(setting: &Setting, name: usize, seed: u64) -> MembershipConfig {
    let servers = (0..setting.plan.brokers).map(|broker| Address::new("model", 9092 + broker));
    let seconds = Duration::from_secs;
    let is_patient = setting.defect == Some(Defect::UnansweredWaitedFor);
    MembershipConfig {
        instance: (setting.plan.names == Names::Lasting)
            .then(|| InstanceId::from(format!("slot-{name}").as_str())),
        session_timeout: seconds(6),
        heartbeat_interval: seconds(1),
        rebalance_timeout: REBALANCE_TIMEOUT,
        request_timeout: if is_patient { seconds(1_000) } else { seconds(3) },
        connect_timeout: seconds(2),
        offsets_timeout: setting.plan.offsets_timeout,
        leave_timeout: seconds(2),
        follow_up_delay: seconds(3),
        probing_interval: seconds(5),
        placement: setting.plan.placement,
        user_data_version: setting.plan.version_of(seed, name),
        seed,
        ..MembershipConfig::new("app", servers.collect())
    }
}

impl Process {
    pub(crate) fn start(setting: &Setting, identity: Identity, disk: &Disk, now: u64) -> Self {
        let moment = Moment::from_millis(now);
        let Identity { number, slot, name } = identity;
        let setting = &setting.on_machine(slot);
        let mut member = Membership::new(config(setting, name, number), moment);
        if let Some(dead) = disk.last_member() {
            member.leave_dead_member(dead);
        }
        let threads: BTreeMap<usize, Thread> =
            (0..setting.plan.workers).map(|at| (at, thread(setting, disk))).collect();
        let mut id = [0; 16];
        id[0] = u8::try_from(slot).unwrap();
        let workers = u16::try_from(threads.len()).unwrap();
        let is_empty = setting.plan.disks == Disks::Unused;
        let on_disk = if is_empty { BTreeMap::new() } else { disk.positions() };
        let mut process = Self {
            number,
            slot,
            name,
            paused_until: 0,
            wall_ahead: 0,
            life: Life::Up,
            end: None,
            adopted: BTreeSet::new(),
            granted: BTreeMap::new(),
            had: BTreeSet::new(),
            had_in: BTreeMap::new(),
            member,
            roster: Roster::new(threads.len(), on_disk),
            crew: Crew::new(threads.len()),
            pace: Pace::Going,
            threads,
            said: Vec::new(),
            heard_of_loss: false,
            fault: None,
            setting: setting.clone(),
            disk: disk.clone(),
            dice: Dice::new(number),
            connections: BTreeMap::new(),
            data: MemberData { process: ProcessId(id), workers, ..MemberData::default() },
            held: Held::default(),
            inputs: VecDeque::new(),
            on_its_way: VecDeque::new(),
            heard_by: BTreeMap::new(),
            questions: Vec::new(),
            retries: Vec::new(),
            token: None,
            losses: 0,
            commits: BTreeMap::new(),
            fetching: BTreeMap::new(),
            workers_done: BTreeSet::new(),
            place: Place::Member,
            times_out: 0,
            departure: Departure::ToReturn,
            closes_alone_by: None,
            read: BTreeMap::new(),
            first_ends: Ends::new(),
            purge: BTreeMap::new(),
        };
        process.held = process.roster.news().unwrap_or_default();
        process.subscribe(moment);
        process
    }

    fn is(&self, defect: Defect) -> bool {
        self.setting.defect == Some(defect)
    }

    /// What it says to all others.
    pub(crate) const fn order(&self) -> Order {
        self.member.order()
    }

    /// The tasks that any worker has open to run.
    pub(crate) fn running(&self) -> BTreeSet<TaskId> {
        let tasks = self.threads.values().flat_map(|thread| thread.worker.running());
        tasks.map(|task| task.id()).collect()
    }

    /// No two of its workers run the same task.
    pub(crate) fn no_task_runs_twice(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let tasks = self.threads.values().flat_map(|thread| thread.worker.running());
        let again = tasks.map(|task| task.id()).find(|task| !seen.insert(*task));
        let number = self.number;
        again.map_or(Ok(()), |task| Err(format!("process {number} runs {task} in two workers")))
    }

    /// The generation of the group in which it has its tasks.
    pub(crate) fn generation(&self) -> Option<Generation> {
        self.token.as_ref().map(CommitToken::generation)
    }

    /// The thread that runs a task.
    pub(crate) fn runner(&self, task: TaskId) -> Option<&Thread> {
        let runs = |thread: &&Thread| thread.worker.running().any(|one| one.id() == task);
        self.threads.values().find(runs)
    }

    /// Whether it, or one of its workers, could do nothing in part of the last `millis`.
    pub(crate) fn was_idle_since(&self, now: u64, millis: u64) -> bool {
        let stalled = self.threads.values().map(|thread| thread.stall.until).max().unwrap_or(0);
        self.paused_until.max(stalled) + millis > now
    }

    /// Everything that the process can do now, in an order that the seed determines.
    pub(crate) fn work(&mut self, now: u64) {
        let group_first = self.dice.one_in(2);
        if group_first {
            self.work_group(now);
        }
        let workers: Vec<usize> = self.threads.keys().copied().collect();
        for worker in workers {
            if self.life != Life::Over && !self.dice.one_in(4) {
                self.work_thread(worker, now);
            }
        }
        if !group_first {
            self.work_group(now);
        }
    }

    /// What its machine takes the time for.
    pub(crate) fn wall(&self, now: u64) -> Timestamp {
        Timestamp::from_millis(now.cast_signed() + self.wall_ahead)
    }

    /// What the thread of a worker does between two looks around.
    fn work_thread(&mut self, worker: usize, now: u64) {
        let time = Now { moment: Moment::from_millis(now), wall: self.wall(now) };
        let Some(thread) = self.threads.get_mut(&worker) else { return };
        if thread.stall.until > now {
            return;
        }
        while let Some(told) = thread.inbox.pop_front() {
            thread.losses = told.losses;
            thread.follow(&told.command);
            thread.worker.handle(told.command, time);
        }
        thread.worker.set_pace(self.pace);
        let stay = thread.staying();
        let report = thread.worker.turn(time);
        if self.setting.defect != Some(Defect::PoisonUncounted) {
            self.setting.app.poison.report(report.dropped.total());
        }
        let (mut told, mut failed) = (Vec::new(), Failed::default());
        while let Some(action) = thread.worker.poll() {
            told.push(match action {
                Action::Failed { tasks, error } => {
                    failed.add(&tasks, &error);
                    self.said.push(format!(
                        "fails in {tasks:?}: {}",
                        streams_core::error::chain(&error)
                    ));
                    let response = self.setting.plan.uncaught;
                    if response == Uncaught::Replace {
                        thread.worker.handle(Command::Replace(tasks.clone()), time);
                    }
                    Input::TasksFailed(tasks, response)
                }
                action => Input::Worker(worker, thread.losses, action),
            });
        }
        told.into_iter().for_each(|input| self.say(worker, input, now));
        // Tasks whose stores are made anew, or find no space, rest for that.
        let may_rest = report.stores_rebuilt > 0 || self.disk.is_full();
        let stay = if may_rest { BTreeSet::new() } else { stay };
        self.hold_boundary((worker, &stay), &failed, now);
    }

    /// A worker says something. The group thread, which may be busy, hears it soon or some seconds
    /// later, and in order.
    fn say(&mut self, worker: usize, input: Input, now: u64) {
        let is_busy = self.setting.plan.has(Fault::LateNews);
        let is_well = self.setting.is_well.load(Ordering::Relaxed);
        let is_late = is_busy && !is_well && self.dice.one_in(HEARD_LATE_ONE_IN);
        let wait = if is_late { self.dice.below(HEARD_AFTER_MAX) } else { 0 };
        let heard = self.heard_by.entry(worker).or_default();
        *heard = (now + wait).max(*heard);
        self.on_its_way.push_back((*heard, input));
    }

    /// What has come to the group thread by now.
    fn hear_workers(&mut self, now: u64) {
        let on_its_way = std::mem::take(&mut self.on_its_way);
        let (come, later) = on_its_way.into_iter().partition(|(heard, _)| *heard <= now);
        self.on_its_way = later;
        let come: VecDeque<(u64, Input)> = come;
        self.inputs.extend(come.into_iter().map(|(_, input)| input));
    }
}

fn thread(setting: &Setting, disk: &Disk) -> Thread {
    let plan = &setting.plan;
    let plane = ModelPlane::new(&setting.kafka);
    let writer = plane.writer();
    let settings = WorkerSettings {
        topology: setting.app.topology.clone(),
        application_id: setting.app.id.clone(),
        names: setting.app.names.clone(),
        handlers: setting.app.poison.handlers(&setting.app.flaws),
        timestamps: DefaultTimestampExtractor::FailOnInvalid,
        emit_intervals: EmitIntervals::NONE,
        own_settings: OwnSettings::default(),
        backend: Arc::new(disk.of_writer(setting, writer)),
        retries: RetryPolicy::default(),
        globals: SharedGlobals::default(),
        commit: CommitPolicy {
            interval: plan.commit_interval,
            // Of one to several tasks.
            turn_written_bytes: plan.turn_records << 6,
            ..CommitPolicy::default()
        },
        idle: TaskIdle::UpTo(Duration::ZERO),
        cache_bytes: plan.cache_bytes,
        buffered_records: 8,
        turn_records: plan.turn_records,
    };
    let slips = Slips::default();
    let worker = match setting.defect {
        Some(defect) => {
            let plane = FaultyPlane::new(plane, &setting.kafka, defect, &slips);
            Worker::new(settings, Box::new(plane))
        }
        None => Worker::new(settings, Box::new(plane)),
    };
    let (inbox, leaving) = Default::default();
    Thread { worker, writer, inbox, losses: 0, stall: Stall::default(), leaving, slips }
}
