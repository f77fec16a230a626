//! The group thread: it drives the membership client, gives tasks to workers, and carries their
//! commits to the coordinator. Heartbeats do not depend on workers.
//!
//! DIFFERENCE(one-member): the process is one member; in Kafka each stream thread is one.

mod addresses;
mod assignment;
mod cleanup;
mod commits;
mod complaints;
mod connection;
mod crew;
mod dispatch;
mod failing;
mod globals;
mod gone;
mod inputs;
mod offsets;
mod purge;
#[cfg(test)]
mod testing;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use streams_core::membership::{
    Action, CallId, CommitToken, ConnectionId, Generation, MemberData, MemberEvent, MemberId,
    Membership, MembershipConfig, Moment, Order,
};
use streams_core::names::{TaskId, TopicName, TopicPartition};
use streams_core::roster::{Held, Progress, Role, Roster, Round};
use streams_core::store::ChangelogTopic;
use streams_core::topology::{InternalTopic, InternalTopicKind, OffsetReset, TopicNames, Topology};
use streams_core::worker::{Action as WorkerAction, Command};
use streams_state::RocksBackend;
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use self::cleanup::Cleanup;
use self::complaints::{Complaints, known_by};
use self::connection::{Connections, NetEvent};
use self::crew::CrewNews;
use self::gone::Gone;
use self::inputs::InputsSeen;
use self::purge::Purge;
use crate::app::WorkerMemory;
use crate::app::closing::HeldUp;
use crate::app::shared::{Ending, Running, Shared};
use crate::app::uncaught::UncaughtErrorResponse;
use crate::clients::Clients;
use crate::clock;
use crate::error::StreamsError;
use crate::global_thread::Filled;
use crate::secure::{Access, Logins, Step};
use crate::topics::{Found, TopicsError};
use crate::worker_thread::{WorkerHandle, WorkerParts, thread_name};

/// Messages that may wait for the group thread.
pub(crate) const INPUTS_MAX: usize = 4096;
/// How long missing topics and absent brokers are waited for before the application gives up.
pub(crate) const TOPICS_MISSING_MAX: Duration = Duration::from_secs(60);
pub(crate) const TOPICS_RETRY: Duration = Duration::from_secs(1);
/// How long workers may take to end that have closed their tasks.
const WORKERS_END_MAX: Duration = Duration::from_secs(30);
/// How long those may take that were dropped.
const DROPPED_WORKERS_END_MAX: Duration = Duration::from_secs(2);
/// How long questions may take that brokers have not answered.
const QUESTIONS_END_MAX: Duration = Duration::from_secs(1);
/// How often it is kept on disk, for the next start, how far states are.
const KEEP_STATES_INTERVAL: Duration = Duration::from_secs(10);

/// All that the group thread reacts to.
#[derive(Debug)]
pub(crate) enum Input {
    Net(ConnectionId, NetEvent),
    /// The first message of an authentication by token.
    Token(ConnectionId, Result<Vec<u8>, String>),
    Worker(usize, u64, WorkerAction),
    /// The leader's topics are ready.
    TopicsPrepared(Generation, Result<Counted, TopicsError>),
    /// The partitions of the topics are known, for tasks to be started.
    Counted(LookUp, Result<Counted, TopicsError>),
    /// Where changelogs ended, for a worker that asked.
    EndsFound(usize, Command),
    /// What topics there are, and how many partitions they have.
    TopicsSeen(Result<Found, TopicsError>),
    /// A request to delete processed records is over; what was not deleted.
    Purged(BTreeMap<TopicPartition, i64>),
    /// A worker has stopped tasks, and this is what shall become of it.
    TasksFailed {
        tasks: Vec<TaskId>,
        error: StreamsError,
        response: UncaughtErrorResponse,
    },
    /// A worker thread has ended.
    WorkerEnded(usize, StreamsError),
    /// The thread of the global stores has ended.
    GlobalEnded(StreamsError),
}

/// Tasks that are to be given to workers, and have to be looked up.
#[derive(Debug, Clone)]
pub(crate) struct LookUp {
    round: Round,
    tasks: BTreeMap<TaskId, Role>,
    /// How often their changelogs could not be described.
    failures: u32,
}

/// What has to be known of topics before tasks are spread, or start.
#[derive(Debug)]
pub(crate) struct Counted {
    found: Found,
    changelog_ends: BTreeMap<TopicPartition, i64>,
    changelogs: BTreeMap<TopicName, ChangelogTopic>,
}

/// What the group thread is made from.
pub(crate) struct GroupParts {
    pub(crate) config: MembershipConfig,
    pub(crate) topology: Topology,
    pub(crate) names: TopicNames,
    pub(crate) clients: Arc<Clients>,
    pub(crate) access: Access,
    /// By number.
    pub(crate) workers: BTreeMap<usize, WorkerHandle>,
    /// What a worker is made from that takes another's place.
    pub(crate) worker_parts: WorkerParts,
    /// What workers divide.
    pub(crate) memory: WorkerMemory,
    /// Told when the application shall close. Beside the inputs, so that none of them is in its way.
    pub(crate) closing: Arc<Notify>,
    /// Told when the global stores are filled; none without any.
    pub(crate) globals_filled: Option<Filled>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) backend: Arc<RocksBackend>,
    pub(crate) process: [u8; 16],
    pub(crate) offset_reset: OffsetReset,
    pub(crate) purge_interval: Duration,
    /// How long the state of a task that has gone is kept.
    pub(crate) cleanup_delay: Duration,
}

/// Whether the process is in the group to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Member,
    /// A worker is late: the member leaves once the others have committed, at this time at the latest.
    Parting(Moment),
    /// The member has left, or is leaving, until the late worker is back.
    Outside,
    /// All tasks are being committed and closed.
    Closing,
    /// Nothing counts any more but the way out of the group.
    Leaving,
    Over,
}

pub(crate) struct Group {
    parts: GroupParts,
    membership: Membership,
    connections: Connections,
    logins: Logins,
    inputs: Sender<Input>,
    started: Instant,
    /// The right to commit; replaced only when an assignment is adopted.
    token: Option<CommitToken>,
    /// How often all tasks were lost; commits from before are refused.
    losses: u64,
    roster: Roster,
    /// What the process has of states, as the group was told last.
    held: Held,
    /// When that is kept on disk.
    keep_states_at: Option<Moment>,
    commits: BTreeMap<CallId, commits::Commit>,
    purge: Purge,
    cleanup: Cleanup,
    fetching: BTreeMap<CallId, offsets::Fetching>,
    complaints: Complaints,
    inputs_seen: InputsSeen,
    gone: Gone,
    /// What is tried again, and when.
    retries: Vec<(Moment, Retry)>,
    life: Life,
    /// Whether the member that was has left.
    is_out: bool,
    workers_done: BTreeSet<usize>,
    /// Workers that were removed and whose threads have not ended yet.
    ending: BTreeMap<usize, WorkerHandle>,
    crew_news: CrewNews,
    /// When workers that are not done with closing are dropped.
    close_by: Option<Moment>,
    /// When the process closes alone that has asked all others to.
    ordered_down_by: Option<Moment>,
}

/// Whether the member wanted anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Followed {
    Actions,
    Nothing,
}

#[derive(Debug)]
enum Retry {
    /// The leader's topics, for this generation.
    Prepare(Generation),
    Look(LookUp),
}

/// The channel to a group thread that is to be made.
pub(crate) fn inputs() -> (Sender<Input>, Receiver<Input>) {
    channel(INPUTS_MAX)
}

/// Runs the group thread until it has left the group and the workers have ended, but for those that
/// were dropped; what fails is told as it happens.
pub(crate) fn run(
    parts: GroupParts,
    channel: (Sender<Input>, Receiver<Input>),
) -> Result<(), StreamsError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| StreamsError::Thread(error.to_string()))?;
    let (inputs, receiver) = channel;
    let shared = Arc::clone(&parts.shared);
    let workers = runtime.block_on(Group::new(parts, inputs).run(receiver));
    runtime.shutdown_timeout(within(&shared, QUESTIONS_END_MAX));
    end_all(workers, &shared);
    Ok(())
}

/// So long, but no longer than whoever closes waits for threads.
fn within(shared: &Shared, patience: Duration) -> Duration {
    let left = shared.close_by();
    let left = left.map(|by| by.threads.saturating_duration_since(clock::monotonic()));
    left.map_or(patience, |left| left.min(patience))
}

/// Waits for the threads of workers to end, for a while.
fn end_all(workers: Vec<(String, WorkerHandle)>, shared: &Shared) {
    let ending = shared.ending();
    let patience = match ending {
        Ending::InOrder => WORKERS_END_MAX,
        Ending::Abandoned(_) => DROPPED_WORKERS_END_MAX,
    };
    let until = clock::monotonic() + within(shared, patience);
    let late = workers
        .into_iter()
        .filter_map(|(thread, mut worker)| (!worker.join(until)).then(|| worker.held_up(thread)));
    let late: Vec<HeldUp> = late.collect();
    if ending == Ending::InOrder && !late.is_empty() {
        shared.abandoned(late);
    }
}

impl Group {
    fn new(parts: GroupParts, inputs: Sender<Input>) -> Self {
        let mut membership = Membership::new(parts.config.clone(), Moment::default());
        match parts.backend.directory().last_member_id() {
            Ok(Some(dead)) => membership.leave_dead_member(MemberId::from(dead)),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the last member id could not be read"),
        }
        Self {
            membership,
            connections: Connections::new(inputs.clone(), parts.access.tls.clone()),
            logins: Logins::new(parts.access.sasl.clone(), parts.access.tokens.clone()),
            inputs,
            started: clock::monotonic(),
            token: None,
            losses: 0,
            roster: Roster::new(parts.workers.len(), states_on_disk(&parts.backend)),
            held: Held::default(),
            keep_states_at: None,
            commits: BTreeMap::new(),
            purge: Purge::new(repartition_topics(&parts), parts.purge_interval),
            cleanup: Cleanup::new(parts.cleanup_delay),
            fetching: BTreeMap::new(),
            complaints: Complaints::default(),
            inputs_seen: InputsSeen::new(&parts.topology),
            gone: Gone::default(),
            retries: Vec::new(),
            life: Life::Member,
            is_out: false,
            workers_done: BTreeSet::new(),
            ending: BTreeMap::new(),
            crew_news: CrewNews::Told,
            close_by: None,
            ordered_down_by: None,
            parts,
        }
    }

    fn now(&self) -> Moment {
        self.moment_of(clock::monotonic())
    }

    fn moment_of(&self, instant: Instant) -> Moment {
        let since = instant.saturating_duration_since(self.started);
        Moment::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The workers that have ended, or do so now.
    async fn run(mut self, mut receiver: Receiver<Input>) -> Vec<(String, WorkerHandle)> {
        if !self.wait_for_globals(&mut receiver).await {
            return self.into_workers();
        }
        if !self.parts.topology.has_tasks() {
            self.stay_for_globals(&mut receiver).await;
            return self.into_workers();
        }
        self.held = self.roster.news().unwrap_or_default();
        self.subscribe();
        while let Err(error) = self.work(&mut receiver).await {
            let response = self.parts.shared.respond(&error);
            self.fail(error, response);
        }
        self.keep_states();
        self.into_workers()
    }

    /// By the names of their threads.
    fn into_workers(self) -> Vec<(String, WorkerHandle)> {
        let application = self.parts.worker_parts.settings.application_id;
        let workers = self.parts.workers.into_iter().chain(self.ending);
        workers.map(|(number, worker)| (thread_name(&application, number), worker)).collect()
    }

    async fn work(&mut self, receiver: &mut Receiver<Input>) -> Result<(), StreamsError> {
        let (closing, shared) = (Arc::clone(&self.parts.closing), Arc::clone(&self.parts.shared));
        while self.life != Life::Over {
            self.look_after()?;
            // What it has made the member want is not put off until something else happens.
            if self.follow_member()? == Followed::Actions {
                continue;
            }
            if self.life == Life::Over {
                break;
            }
            let until = self.next_deadline();
            tokio::select! {
                input = receiver.recv() => match input {
                    Some(input) => {
                        self.handle(input)?;
                        self.follow_roster();
                    }
                    None => break,
                },
                () = closing.notified() => {
                    let by = self.parts.shared.close_by().map(|by| self.moment_of(by.workers));
                    self.begin_close(by);
                }
                () = shared.crew_changed() => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
        Ok(())
    }

    /// Does what the member wants.
    fn follow_member(&mut self) -> Result<Followed, StreamsError> {
        let mut followed = Followed::Nothing;
        while let Some(action) = self.membership.poll(self.now()) {
            followed = Followed::Actions;
            self.act(action)?;
            self.follow_roster();
        }
        Ok(followed)
    }

    /// Does what is due.
    fn look_after(&mut self) -> Result<(), StreamsError> {
        self.follow_crew();
        self.miss(self.parts.clients.take_missed());
        self.look_for_topics_if_due();
        self.retry_if_due();
        self.purge_if_due();
        self.clean_up_if_due();
        self.tell_states();
        self.tell_running();
        self.parts.clients.poll();
        self.watch_workers()?;
        self.follow_deadlines();
        Ok(())
    }

    fn next_deadline(&self) -> Instant {
        let retries = self.retries.iter().map(|(at, _)| *at);
        let next = retries.chain(self.membership.deadline()).chain(self.keep_states_at);
        let next = next.chain(self.close_by).chain(self.ordered_down_by);
        let next = next.chain(self.look_due()).min();
        let wait = next.map_or(Duration::from_secs(1), |at| at.since(self.now()));
        clock::monotonic() + wait.min(Duration::from_secs(1))
    }

    /// Says what the process reads and has; with patterns, once it is known what they match.
    fn subscribe(&mut self) {
        if !self.inputs_seen.is_known() {
            return;
        }
        let topics = self.parts.topology.source_topics(&self.parts.names);
        let workers = u16::try_from(self.roster.worker_count()).unwrap_or(u16::MAX);
        let process = streams_core::membership::ProcessId(self.parts.process);
        let data = self.held.with(MemberData { process, workers, ..MemberData::default() });
        let now = self.now();
        self.membership.subscribe(topics, data, now);
    }

    fn act(&mut self, action: Action) -> Result<(), StreamsError> {
        match action {
            Action::Connect { connection, address } => {
                self.connections.connect(connection, address);
            }
            Action::Send { connection, bytes } => self.connections.send(connection, bytes),
            Action::Disconnect { connection } => {
                self.connections.disconnect(connection);
                self.logins.forget(connection);
            }
            Action::Authenticate { connection, challenge } => {
                match self.logins.step(connection, &challenge) {
                    Step::Now(step) => {
                        self.membership.on_sasl_step(connection, step, self.now());
                    }
                    Step::ByToken(tokens) => {
                        self.ask(move || Input::Token(connection, tokens.first_message()));
                    }
                }
            }
            Action::Event(event) => return self.on_member_event(event),
        }
        Ok(())
    }

    fn on_member_event(&mut self, event: MemberEvent) -> Result<(), StreamsError> {
        match event {
            MemberEvent::MemberIdGiven(member) => self.remember(Some(&member)),
            MemberEvent::TasksWanted(wanted) => self.prepare_topics(wanted.generation),
            MemberEvent::Assigned(assigned) => {
                if !self.membership.wants_to_rejoin() {
                    self.crew_news = CrewNews::Told;
                }
                let order = assigned.order;
                self.adopt(assigned);
                if order == Order::ShutDown {
                    self.ordered_down();
                }
            }
            MemberEvent::Lost { reason } => {
                tracing::warn!(%reason, "all tasks are lost; joining again");
                self.lose_all();
            }
            MemberEvent::Committed { call, result } => self.answer_commit(call, result),
            MemberEvent::OffsetsFetched { call, result } => self.on_offsets(call, result)?,
            MemberEvent::TopicsGone(topics) => self.miss(topics),
            MemberEvent::Troubled(trouble) => {
                if self.complaints.is_due(&known_by(&trouble), self.now()) {
                    tracing::warn!(%trouble, "group membership");
                }
            }
            MemberEvent::Left => {
                self.remember(self.membership.id_in_group());
                self.is_out = true;
                if self.life != Life::Outside {
                    self.life = Life::Over;
                }
            }
            MemberEvent::Failed(fault) => return Err(StreamsError::Group(fault)),
        }
        Ok(())
    }

    /// A process that is killed and started again leaves in the name of the one before.
    /// DIFFERENCE(leave-after-kill): in Kafka the group waits until the session of the dead ends.
    fn remember(&self, member: Option<&MemberId>) {
        let directory = self.parts.backend.directory();
        let kept = match member {
            Some(member) => directory.keep_member_id(member.as_str()),
            None => directory.forget_member_id(),
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "the member id could not be kept");
        }
    }

    fn handle(&mut self, input: Input) -> Result<(), StreamsError> {
        let now = self.now();
        match input {
            Input::Net(id, NetEvent::Connected) => self.membership.on_connected(id, now),
            Input::Net(id, NetEvent::Received(bytes)) => {
                self.membership.on_bytes(id, &bytes, now);
            }
            Input::Net(id, NetEvent::Closed(reason)) => {
                self.connections.closed(id);
                self.logins.forget(id);
                self.membership.on_disconnected(id, &reason, now);
            }
            Input::Net(id, NetEvent::Insecure(fault)) => {
                self.connections.closed(id);
                self.membership.on_insecure(id, fault);
            }
            Input::Token(id, Ok(message)) => {
                let step = self.logins.token_given(id, message);
                self.membership.on_sasl_step(id, step, now);
            }
            Input::Token(id, Err(reason)) => {
                self.connections.disconnect(id);
                let reason = format!("no token for SASL OAUTHBEARER: {reason}");
                self.membership.on_disconnected(id, &reason, now);
            }
            Input::Worker(worker, losses, action) => self.on_worker(worker, losses, action),
            Input::TopicsPrepared(generation, result) => {
                self.topics_prepared(generation, result)?
            }
            Input::Counted(look_up, result) => self.counted(look_up, result)?,
            Input::EndsFound(worker, ends) => self.tell(worker, ends),
            Input::TopicsSeen(found) => self.topics_seen(found)?,
            Input::Purged(refused) => self.purge.answered(refused, now),
            Input::TasksFailed { .. } if self.life == Life::Leaving => {}
            Input::TasksFailed { tasks, error, response } => {
                self.tasks_failed(&tasks, error, response);
            }
            Input::WorkerEnded(worker, error) => self.worker_ended(worker, error),
            Input::GlobalEnded(error) => self.global_ended(error),
        }
        Ok(())
    }

    /// Runs something that asks brokers and waits, off this thread.
    fn ask(&self, question: impl FnOnce() -> Input + Send + 'static) {
        let inputs = self.inputs.clone();
        tokio::task::spawn_blocking(move || {
            // Nobody listens any more once the application is closed.
            let _ = inputs.blocking_send(question());
        });
    }

    fn running(&self) -> Running {
        let is_member = self.token.is_some() && self.life == Life::Member;
        if is_member && self.roster.progress() == Progress::AllRun {
            Running::Yes
        } else {
            Running::No
        }
    }
}

/// What lies on disk guides the first assignment; a store whose position is unknown is as good as
/// none.
fn states_on_disk(backend: &RocksBackend) -> BTreeMap<TaskId, i64> {
    backend.directory().state_positions().unwrap_or_else(|error| {
        tracing::warn!(%error, "it is not known how far the states on disk are");
        BTreeMap::new()
    })
}

/// The repartition topics, by their names in Kafka.
fn repartition_topics(parts: &GroupParts) -> BTreeSet<TopicName> {
    let all = parts.topology.internal_topics(&parts.names).into_iter();
    let repartition =
        |topic: &InternalTopic| matches!(topic.kind, InternalTopicKind::Repartition(_));
    all.filter(repartition).map(|topic| topic.name).collect()
}

#[cfg(test)]
mod tests {
    use super::testing::Idle;
    use super::*;

    #[test]
    fn a_member_id_is_forgotten_only_when_the_group_has_no_such_member() {
        let mut idle = Idle::new("left");
        let backend = Arc::clone(&idle.group.parts.backend);
        let kept = || backend.directory().last_member_id().unwrap();
        idle.group.membership.leave_dead_member("dead".into());
        idle.group.remember(Some(&"dead".into()));
        idle.group.on_member_event(MemberEvent::Left).unwrap();
        assert_eq!(kept().as_deref(), Some("dead"));
        let (config, now) = (idle.group.parts.config.clone(), idle.group.now());
        idle.group.membership = Membership::new(config, now);
        idle.group.on_member_event(MemberEvent::Left).unwrap();
        assert_eq!(kept(), None);
    }
}
