//! Workers: the tasks of one thread, as a state machine that is told the time and what happened,
//! and says what it wants. The shell's thread drives it; a simulation drives it as well.

mod active;
mod closing;
mod commit;
mod committing;
mod failing;
mod global;
mod in_step;
mod message;
mod overwritten;
mod restore;
mod restoring;
mod retry;
mod standby;
mod starting;
mod whereabouts;
mod writing;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::rc::Rc;
use std::sync::Arc;

use self::active::{ActiveTask, Afterwards, Phase};
pub use self::commit::CommitPolicy;
use self::commit::{Commits, Wanted};
use self::failing::Unopened;
pub use self::global::{GlobalAction, GlobalInput, GlobalWorker, SharedGlobals};
use self::in_step::Asked;
pub use self::message::{
    Action, Command, CommitFailure, CommitId, HeldPhase, HeldState, MemoryShare, RestorePhase,
    RestoreProgress, TaskInput, TaskToStart, TurnReport, WorkerError,
};
pub use self::retry::RetryPolicy;
pub use self::whereabouts::{Place, Whereabouts};
use crate::config::{DefaultTimestampExtractor, OwnSettings};
use crate::error::{Origin, ProduceError, TaskError, catch_panic};
use crate::handler::{ErrorHandler, Handlers, Verdict};
use crate::metrics::{DropCounts, DropReason};
use crate::names::{ApplicationId, TaskId, TopicPartition};
use crate::outbox::Purpose;
use crate::plane::{DataPlane, FetchError, Fetched};
use crate::processor::{ContextParts, EmitIntervals, TaskContext};
use crate::store::{CacheBudget, GlobalStores, StateBackend};
use crate::task::{Task, TaskIdle};
use crate::time::{Moment, Now};
use crate::topology::{TopicNames, Topology};

/// What all workers of an application have in common.
#[derive(Clone)]
pub struct WorkerSettings {
    /// The topology.
    pub topology: Topology,
    /// The application.
    pub application_id: ApplicationId,
    /// Names of internal topics.
    pub names: TopicNames,
    /// What to do with records that fail.
    pub handlers: Handlers,
    /// The time of records whose source has no extractor of its own.
    pub timestamps: DefaultTimestampExtractor,
    /// Opens stores.
    pub backend: Arc<dyn StateBackend>,
    /// Where the global stores are found once they are filled.
    pub globals: SharedGlobals,
    /// When to commit.
    pub commit: CommitPolicy,
    /// When a task that was stopped is tried again.
    pub retries: RetryPolicy,
    /// Waiting for partitions without data (`max.task.idle.ms`).
    pub idle: TaskIdle,
    /// How often results that wait for the clock are looked for.
    pub emit_intervals: EmitIntervals,
    /// Settings of the program's own.
    pub own_settings: OwnSettings,
    /// Record caches of this worker, in bytes.
    pub cache_bytes: usize,
    /// Records of one partition that wait in a task (`buffered.records.per.partition`).
    pub buffered_records: usize,
    /// Records processed in one turn, over all tasks, before the worker looks around.
    pub turn_records: usize,
}

impl WorkerSettings {
    /// The context of a task that reads these partitions.
    pub(super) fn context(&self, task: TaskId, partitions: Vec<TopicPartition>) -> TaskContext {
        TaskContext::new(ContextParts {
            application_id: self.application_id.clone(),
            task,
            partitions,
            handlers: self.handlers.clone(),
            timestamps: self.timestamps,
            emit_intervals: self.emit_intervals,
            own_settings: self.own_settings.clone(),
        })
    }

    /// The same with another share of the memory.
    #[must_use]
    pub fn with(mut self, share: MemoryShare) -> Self {
        self.cache_bytes = share.cache_bytes;
        self.commit = self.commit.with(share);
        self
    }
}

impl std::fmt::Debug for WorkerSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("WorkerSettings");
        debug.field("application_id", &self.application_id).finish_non_exhaustive()
    }
}

/// Records that one task processes before the next has its turn.
const SLICE_RECORDS: usize = 256;
/// Bytes of one partition that a task takes in while it waits for another: records may be large, and
/// what a task holds is beside the client's own bound.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// The tasks of one thread.
pub struct Worker {
    settings: WorkerSettings,
    plane: Box<dyn DataPlane>,
    cache: Rc<CacheBudget>,
    /// The global stores, as the tasks here read them.
    globals: Option<Rc<dyn GlobalStores>>,
    /// By number; numbers are used again, deliveries name them.
    tasks: Vec<Option<ActiveTask>>,
    /// Numbers in the order of the tasks' names.
    order: BTreeMap<TaskId, u32>,
    /// The task whose slice was the last of a turn: the next turn begins behind it.
    last_served: Option<TaskId>,
    unopened: BTreeMap<TaskId, Unopened>,
    /// Tasks that do nothing any more, whose stores are still open.
    ended: VecDeque<ActiveTask>,
    commits: Commits,
    actions: VecDeque<Action>,
    undelivered: usize,
    /// When states were settled and told last.
    settled: Option<Moment>,
    /// When the ends of changelogs were asked for.
    ends: Asked,
    /// When it was asked how far the inputs are processed that standbys follow.
    processed: Asked,
    /// Whether the last turn processed records.
    has_worked: bool,
    /// When records were restored last.
    restored_last: Option<Moment>,
    /// Stores emptied since the last turn.
    stores_rebuilt: u64,
    /// Since the last turn, beside what the tasks count.
    dropped: DropCounts,
    place: Arc<Whereabouts>,
    pace: Pace,
    life: Life,
}

/// Whether records are processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// They are.
    #[default]
    Going,
    /// Nothing is processed, punctuated or restored: Kafka's pause (KIP-834). What was done before is
    /// still committed.
    Paused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Working,
    ShuttingDown,
    /// After a complete shutdown: nothing is done any more.
    Ended,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("tasks", &self.order).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker without tasks.
    #[must_use]
    pub fn new(settings: WorkerSettings, plane: Box<dyn DataPlane>) -> Self {
        Self {
            cache: Rc::new(CacheBudget::new(settings.cache_bytes)),
            commits: Commits::new(settings.commit),
            settings,
            plane,
            globals: None,
            tasks: Vec::new(),
            order: BTreeMap::new(),
            last_served: None,
            unopened: BTreeMap::new(),
            ended: VecDeque::new(),
            actions: VecDeque::new(),
            undelivered: 0,
            settled: None,
            ends: Asked::default(),
            processed: Asked::default(),
            has_worked: false,
            restored_last: None,
            stores_rebuilt: 0,
            dropped: DropCounts::default(),
            place: Arc::default(),
            pace: Pace::Going,
            life: Life::Working,
        }
    }

    /// Says from now on where the worker is. Call it before the worker has tasks.
    pub fn watch(&mut self, place: &Arc<Whereabouts>) {
        self.place = Arc::clone(place);
    }

    /// Lets the worker pause, or go on.
    pub const fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Tells the worker something.
    pub fn handle(&mut self, command: Command, now: Now) {
        if self.life == Life::Ended {
            return;
        }
        match command {
            Command::Start(tasks) => self.start_tasks(tasks, now),
            Command::StandBy(tasks) => self.stand_by(tasks, now),
            Command::Demote(tasks) => self.after_commit(&tasks, Afterwards::StandBy),
            Command::Release(tasks) => self.release(&tasks),
            Command::Lose(tasks) => {
                self.lose(&tasks);
                // What they sent would lie behind the records of their new owners.
                if !tasks.is_empty() && self.active().all(ActiveTask::sends_nothing) {
                    self.plane.abandon();
                    self.undelivered = 0;
                }
            }
            Command::Committed(id, result) => {
                let result = self.commit_answered(id, result, now);
                self.settle(result, now);
            }
            Command::Ends { at, ends } => self.ends_found(at, &ends),
            Command::Processed(inputs) => self.owners_processed(&inputs),
            Command::Replace(tasks) => self.replace(&tasks, now),
            Command::CommitNow => self.commits.request(Wanted::OfAll),
            Command::Share(share) => self.set_share(share),
            Command::Matching(topology) => self.settings.topology = topology,
            Command::Shutdown => {
                self.life = Life::ShuttingDown;
                let all = self.order.keys().chain(self.unopened.keys());
                let all: Vec<TaskId> = all.copied().collect();
                self.release(&all);
                self.end_if_done();
            }
        }
    }

    fn set_share(&mut self, share: MemoryShare) {
        self.commits.policy = self.commits.policy.with(share);
        self.cache.set_max_bytes(share.cache_bytes);
        // What is clean after it can leave the caches.
        if self.cache.used_bytes() > share.cache_bytes {
            self.commits.request(Wanted::OfAll);
        }
    }

    /// What the worker wants next.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The task of this name, when the worker has it.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        let number = *self.order.get(&id)?;
        Some(&self.active_of(number)?.task)
    }

    /// The worker's tasks that run.
    pub fn running(&self) -> impl Iterator<Item = &Task> {
        self.active().filter(|active| active.is_running()).map(|active| &active.task)
    }

    /// Does what can be done now, up to a bound: deliveries, restoration, records, punctuations,
    /// and the next step of a commit.
    pub fn turn(&mut self, now: Now) -> TurnReport {
        let mut report = TurnReport::default();
        if self.life == Life::Ended {
            return report;
        }
        self.take_deliveries(now);
        let waits = self.restart_due(now);
        report.is_busy |= self.has_tasks_to_open(now);
        self.close_next();
        let is_going = self.pace == Pace::Going;
        if is_going {
            let result = self.step_restorations(now, &mut report);
            self.settle(result, now);
        }
        if is_going && !waits && self.commits.lets_others_work() {
            let worked = self.work(now, &mut report);
            // The tasks behind the one that failed have not had their turn.
            report.is_busy |= worked.is_err();
            self.settle(worked, now);
        }
        self.has_worked = report.processed > 0;
        let result = self.step_repairs(now, &mut report);
        self.settle(result, now);
        let result = self.step_commit(now, &mut report);
        self.settle(result, now);
        if is_going {
            let result = self.step_standbys(now, &mut report);
            self.settle(result, now);
        }
        self.settle_states(now);
        report.is_busy |= !self.ended.is_empty();
        report.stores_rebuilt = std::mem::take(&mut self.stores_rebuilt);
        report.dropped = self.take_dropped();
        self.commits.made.report(&mut report);
        report
    }

    /// When a turn is needed though nothing happened.
    #[must_use]
    pub fn deadline(&self, now: Now) -> Option<Moment> {
        let commit = self.commits.deadline();
        if !self.commits.lets_others_work() {
            // Until it is over, punctuations wait too.
            return commit;
        }
        let is_going = self.pace == Pace::Going;
        let active = self.order.values().filter_map(|at| Some((*at, self.active_of(*at)?)));
        let going = active.filter(|(at, active)| is_going && active.may_work(*at, &self.commits));
        let due = going.filter_map(|(_, active)| active.task.next_wall_clock_punctuation());
        let punctuations = due.map(|due| now.moment.after(due.since(now.wall)));
        punctuations.chain(commit).chain(self.next_restart()).min()
    }

    /// Fetches, processes and punctuates.
    fn work(&mut self, now: Now, report: &mut TurnReport) -> Result<(), WorkerError> {
        if self.commits.is_held_up() && self.is_full() {
            return Ok(());
        }
        self.fill_queues(now)?;
        self.process(now, report)?;
        self.punctuate(now, report)?;
        if self.is_full() {
            self.commits.request(Wanted::OfAll);
        }
        Ok(())
    }

    /// Whether so much is staged that a commit has to come first.
    fn is_full(&self) -> bool {
        let staged: usize = self.running().map(|task| task.stores().staged_bytes()).sum();
        staged > self.commits.policy.worker_staged_bytes_max
    }

    fn active(&self) -> impl Iterator<Item = &ActiveTask> {
        self.order.values().filter_map(|number| self.active_of(*number))
    }

    fn active_of(&self, number: u32) -> Option<&ActiveTask> {
        self.tasks.get(number as usize)?.as_ref()
    }

    /// All deliveries that arrived; those that failed are shown to the production handler.
    fn take_deliveries(&mut self, now: Now) {
        let tasks = &mut self.tasks;
        let mut any_failed = false;
        self.undelivered = self.plane.deliveries(&mut |delivery| {
            let task = delivery.purpose.task();
            any_failed |= delivery.outcome.is_err();
            if let Some(active) = tasks.get_mut(task as usize).and_then(Option::as_mut) {
                active.delivered(delivery);
            }
        });
        match self.plane.failure() {
            // Why single records were not taken says nothing then.
            Some(error) => self.producer_failed(error, now),
            None if any_failed => self.judge_failed_deliveries(now),
            None => {}
        }
    }

    fn judge_failed_deliveries(&mut self, now: Now) {
        let (production, mut failed) = (&self.settings.handlers.production, Vec::new());
        for active in self.tasks.iter_mut().flatten() {
            for delivery in std::mem::take(&mut active.failed_deliveries) {
                let Err(source) = &delivery.outcome else { continue };
                // DIFFERENCE(large-batch): Kafka splits such a batch until the record that is too
                // large stands alone. Here the handler is not asked: leaving out the others would
                // lose them.
                let is_certain = !matches!(source, ProduceError::BatchTooLarge);
                let is_output = matches!(delivery.purpose, Purpose::Output { .. });
                let may_skip = is_output && is_certain && source.concerns_record();
                let error = active.task.production_failure(&delivery, source.clone());
                match may_skip.then(|| judge(&**production, &error)) {
                    Some(Ok(Verdict::Skip)) => self.dropped.add(DropReason::ProductionFailed),
                    Some(Err(panic)) => {
                        failed.push(WorkerError::Task { task: active.id(), source: panic });
                        break;
                    }
                    Some(Ok(Verdict::Fail)) | None => {
                        let source = Box::new(error);
                        failed.push(WorkerError::Task { task: active.id(), source });
                        break;
                    }
                }
            }
        }
        for error in failed {
            self.settle(Err(error), now);
        }
    }

    /// Fetches for every input that has room.
    fn fill_queues(&mut self, now: Now) -> Result<(), WorkerError> {
        let room = self.settings.buffered_records;
        for active in working(&mut self.tasks, &self.commits) {
            for slot in 0..active.inputs.len() {
                fill(active, slot, &mut *self.plane, (room, now))?;
            }
        }
        Ok(())
    }

    /// Processes records, a slice of each task in turn. A turn that ends before all had theirs is
    /// taken up where it ended, or full queues of some would keep the others from ever being served.
    fn process(&mut self, now: Now, report: &mut TurnReport) -> Result<(), WorkerError> {
        let mut left = self.settings.turn_records;
        loop {
            let mut any = 0;
            for (id, number) in in_turn(&self.order, self.last_served.take()) {
                let Some(Some(active)) = self.tasks.get_mut(*number as usize) else { continue };
                let staged = active.task.stores().staged_bytes();
                let is_full = staged > self.commits.policy.staged_bytes_max;
                let is_held_up = is_full && self.commits.is_held_up();
                if is_held_up || !active.may_work(*number, &self.commits) {
                    continue;
                }
                self.place.enter(*id);
                let done = active.task.process_up_to(left.min(SLICE_RECORDS), now);
                self.place.leave();
                let done = done.map_err(|source| WorkerError::Task { task: *id, source })?;
                report.processed += done.records as u64;
                report.punctuations += done.punctuations as u64;
                any += done.records;
                left -= done.records.min(left);
                let staged = active.task.stores().staged_bytes();
                // DIFFERENCE(commit-of-all): Kafka commits the tasks alone whose processors asked for
                // it. One commit of all costs one request too, and none of the others waits longer for
                // its own.
                if staged > self.commits.policy.staged_bytes_max
                    || active.task.is_commit_requested()
                {
                    self.commits.request(Wanted::OfAll);
                }
                if left == 0 {
                    self.last_served = Some(*id);
                    break;
                }
            }
            if any == 0 {
                return Ok(());
            }
            report.is_busy = true;
            if left == 0 || (self.commits.is_requested() && !self.commits.is_put_off(now.moment)) {
                return Ok(());
            }
        }
    }

    fn punctuate(&mut self, now: Now, report: &mut TurnReport) -> Result<(), WorkerError> {
        let mut is_requested = false;
        for active in working(&mut self.tasks, &self.commits) {
            self.place.enter(active.id());
            let calls = active.task.punctuate_wall_clock(now.wall);
            self.place.leave();
            let calls =
                calls.map_err(|source| WorkerError::Task { task: active.task.id(), source })?;
            report.punctuations += calls as u64;
            is_requested |= active.task.is_commit_requested();
        }
        if is_requested {
            self.commits.request(Wanted::OfAll);
        }
        Ok(())
    }

    /// What was dropped since the last call.
    fn take_dropped(&mut self) -> DropCounts {
        let mut dropped = std::mem::take(&mut self.dropped);
        self.active().for_each(|active| dropped.merge(&active.task.take_dropped()));
        dropped
    }

    fn is_restoring(&self) -> bool {
        self.active().any(|active| matches!(active.phase, Phase::Restoring(_)))
    }
}

/// Those that may work beside the commit on its way.
fn working<'a>(
    tasks: &'a mut [Option<ActiveTask>],
    commits: &'a Commits,
) -> impl Iterator<Item = &'a mut ActiveTask> {
    let tasks = (0..).zip(tasks).filter_map(|(number, task)| Some((number, task.as_mut()?)));
    let working = tasks.filter(|(number, task)| task.may_work(*number, commits));
    working.map(|(_, task)| task)
}

/// All tasks in their order, those behind the one that was served last first.
fn in_turn(
    order: &BTreeMap<TaskId, u32>,
    last: Option<TaskId>,
) -> impl Iterator<Item = (&TaskId, &u32)> {
    let behind = order.range((last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
    behind.chain(last.into_iter().flat_map(|last| order.range(..=last)))
}

/// Asks the production handler, which is user code. Its panic is one on the record that it was asked
/// about.
fn judge(handler: &dyn ErrorHandler, error: &TaskError) -> Result<Verdict, Box<TaskError>> {
    catch_panic(|| handler.verdict(error)).map_err(|message| {
        let (node, origin) = match error {
            TaskError::Production { from: Some((node, origin)), .. } => {
                (Some(node.clone()), origin.clone())
            }
            _ => (None, Origin::Commit),
        };
        Box::new(TaskError::Panic { node, origin, message })
    })
}

/// Fetches for an input of a task until it gives records or has nothing more: it wakes the worker
/// only once it was seen empty.
fn fill(
    active: &mut ActiveTask,
    slot: usize,
    plane: &mut dyn DataPlane,
    (room, now): (usize, Now),
) -> Result<(), WorkerError> {
    let (task, buffered) = (active.id(), active.task.buffered(slot));
    let Some((_, input)) = active.inputs.get(slot).filter(|_| buffered * 2 <= room) else {
        return Ok(());
    };
    let input = *input;
    if buffered > 0 && active.task.waiting_bytes(slot) > WAITING_BYTES_MAX {
        return Ok(());
    }
    loop {
        match plane.fetch(input, room - buffered) {
            Fetched::Nothing => break,
            Fetched::Records(batch) => {
                let added = active.task.add(slot, batch, now.wall);
                added.map_err(|source| WorkerError::Task { task, source })?;
                break;
            }
            Fetched::End(offset) => {
                active.task.reached_end(slot, offset);
                active.marks.saw_end(slot, offset);
            }
            Fetched::Failed(error) if error.is_passing() => {
                tracing::warn!(%task, %error, "an input waits");
                break;
            }
            Fetched::Failed(error @ FetchError::OutOfRange { .. })
                if active.reset_input(slot, plane) =>
            {
                tracing::warn!(%task, %error, "the input is read from where its reset policy says");
                return Ok(());
            }
            Fetched::Failed(source) => return Err(WorkerError::Fetch { task, source }),
        }
    }
    active.task.set_lag(slot, plane.lag(input));
    Ok(())
}
