//! Fills the global stores of a process and keeps them up to date, as a state machine: Kafka's
//! `GlobalStreamThread`.
//!
//! DIFFERENCE(global-restore): records pass the source, its handler and its timestamps also while a
//! global table is read for the first time; Kafka then copies their bytes into the store unread.
//!
//! DIFFERENCE(global-rebuild): a store whose position has left the log is filled anew at once; in
//! Kafka it is wiped, and the next start fills it.

mod in_step;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use self::in_step::InStep;
use super::WorkerSettings;
use super::in_step::store_failed;
use super::message::{RestorePhase, RestoreProgress, TurnReport, WorkerError};
use super::restore::TOLD_RECORDS;
use crate::error::{StoreError, TaskError};
use crate::names::{StoreName, TaskId, TopicName, TopicPartition};
use crate::plane::{DataPlane, FetchError, Fetched, InputId, ReadFor, StartAt};
use crate::record::RecordBatch;
use crate::store::{CacheBudget, ChangelogTopic, SharedStores};
use crate::task::{Task, TaskIdle, TaskParts};
use crate::time::Now;
use crate::topology::{GlobalStore, OffsetReset};

/// Records of a partition that are taken at once.
const FETCH_RECORDS: usize = 4096;
/// Bytes that are staged at most while the stores are filled; afterwards all is written at once.
const STAGED_BYTES_MAX: usize = 8 << 20;

/// The way from who fills the global stores to the workers that read them. Clones are the same.
#[derive(Clone, Default)]
pub struct SharedGlobals(Arc<OnceLock<Arc<dyn SharedStores>>>);

impl std::fmt::Debug for SharedGlobals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SharedGlobals").field(&self.0.get().is_some()).finish()
    }
}

impl SharedGlobals {
    /// The stores are filled; tasks may start. The first call counts.
    pub fn publish(&self, stores: Arc<dyn SharedStores>) {
        let _ = self.0.set(stores);
    }

    /// The stores, once they are filled.
    #[must_use]
    pub fn get(&self) -> Option<&Arc<dyn SharedStores>> {
        self.0.get()
    }
}

/// A partition of a global topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalInput {
    /// The partition.
    pub partition: TopicPartition,
    /// Its end as it was when the application started: the stores are filled once they hold all
    /// before it. `None` when that is not known; then the end is found by reading.
    pub end: Option<i64>,
}

/// What a [`GlobalWorker`] has to tell.
#[derive(Debug)]
pub enum GlobalAction {
    /// A store is being filled from a partition, or has been.
    Restored(RestoreProgress),
    /// All is read up to the ends of the start; tasks may run.
    Filled,
    /// Where these partitions end is to be found, and told by [`GlobalWorker::ends_found`].
    FindEnds(Vec<TopicPartition>),
    /// The stores cannot be kept up to date any more.
    Failed(WorkerError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No task runs yet.
    Filling,
    /// Tasks read the stores.
    Serving,
    Ended,
}

struct Input {
    id: InputId,
    /// By number in the task.
    store: usize,
    end: Option<i64>,
    /// All before this offset is in the store and on disk.
    committed: Option<i64>,
    progress: RestoreProgress,
    told_at: u64,
}

impl Input {
    const fn is_filled(&self) -> bool {
        matches!(self.progress.phase, RestorePhase::Ended)
    }
}

/// Fills the global stores of a process: one task of all of them, which reads all partitions of
/// their topics. It has no group and commits no offsets: positions are kept with the stores.
pub struct GlobalWorker {
    task: Task,
    plane: Box<dyn DataPlane>,
    inputs: Vec<Input>,
    stage: Stage,
    actions: VecDeque<GlobalAction>,
    /// Since the last turn began.
    stores_rebuilt: u64,
    in_step: InStep,
    /// Whether the last commit found no space.
    is_held_up: bool,
}

impl std::fmt::Debug for GlobalWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GlobalWorker").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl GlobalWorker {
    /// Opens the global stores of the settings' topology and begins to read. `inputs` are all
    /// partitions of their topics, `topics` what the cluster tells about these: a store that was
    /// filled from another cluster's, or from one that was deleted and made again, or may have
    /// forgotten deletions since, is emptied.
    ///
    /// # Errors
    /// When a store cannot be opened, or its processor cannot be made or started.
    pub fn new(
        settings: &WorkerSettings,
        inputs: &[GlobalInput],
        topics: &BTreeMap<TopicName, ChangelogTopic>,
        mut plane: Box<dyn DataPlane>,
        now: Now,
    ) -> Result<Self, WorkerError> {
        let globals = settings.topology.global_stores();
        let mut task = task(settings, inputs, &mut *plane)?;
        let admitted = admit(&mut task, (globals, inputs), topics, now)?;
        task.start(now.wall).map_err(|source| WorkerError::Task { task: task.id(), source })?;
        let mut this = Self {
            task,
            plane,
            inputs: Vec::new(),
            stage: Stage::Filling,
            actions: VecDeque::new(),
            stores_rebuilt: admitted.emptied,
            in_step: InStep::of(topics),
            is_held_up: false,
        };
        for (slot, input) in inputs.iter().enumerate() {
            let global = globals.iter().find(|global| global.topic == input.partition.topic);
            let Some(GlobalStore { store, .. }) = global else { continue };
            let mut input = this.open(slot, (input, store.clone()));
            if admitted.claimed.contains(&input.store) {
                // The next commit writes its position, and whose it is.
                input.committed = None;
            }
            this.inputs.push(input);
        }
        Ok(this)
    }

    /// For the tasks to read, once all is [`Filled`](GlobalAction::Filled).
    #[must_use]
    pub fn shared_stores(&self) -> Option<Arc<dyn SharedStores>> {
        self.task.stores().shared()
    }

    /// The task that fills the stores.
    #[must_use]
    pub const fn task(&self) -> &Task {
        &self.task
    }

    /// What there is to tell.
    pub fn poll(&mut self) -> Option<GlobalAction> {
        self.actions.pop_front()
    }

    /// Takes what the partitions have, up to a bound, and writes it.
    pub fn turn(&mut self, now: Now) -> TurnReport {
        let mut report = TurnReport::default();
        if self.stage == Stage::Ended {
            return report;
        }
        if let Err(error) = self.try_turn(now, &mut report) {
            self.end();
            self.actions.push_back(GlobalAction::Failed(error));
        }
        report.dropped = self.task.take_dropped();
        report.stores_rebuilt = std::mem::take(&mut self.stores_rebuilt);
        report
    }

    /// Writes what was read and closes the stores. Failures are logged.
    pub fn close(&mut self, now: Now) {
        if self.stage == Stage::Ended {
            return;
        }
        if let Err(error) = self.commit(now) {
            tracing::warn!(%error, "what was read last of global topics is read again at the next start");
        }
        // A failure is logged.
        let _ = self.task.close();
        self.end();
    }

    fn end(&mut self) {
        self.stage = Stage::Ended;
        self.inputs.drain(..).for_each(|input| self.plane.close(input.id));
        self.task.stores_mut().discard();
    }

    fn try_turn(&mut self, now: Now, report: &mut TurnReport) -> Result<(), WorkerError> {
        if self.is_held_up && !self.could_commit(now)? {
            return Ok(());
        }
        for slot in 0..self.inputs.len() {
            self.read(slot, now, report)?;
        }
        let is_filling = self.stage == Stage::Filling;
        let is_filled = is_filling && self.inputs.iter().all(Input::is_filled);
        let is_due = !is_filling || self.task.stores().staged_bytes() > STAGED_BYTES_MAX;
        if (is_filled || is_due) && !self.could_commit(now)? {
            return Ok(());
        }
        if is_filled {
            self.stage = Stage::Serving;
            self.actions.push_back(GlobalAction::Filled);
        }
        self.keep_in_step(now);
        Ok(())
    }

    /// Writes what was read, if the disk has space. Where it has none, nothing more is read, and what
    /// was read stays in memory.
    fn could_commit(&mut self, now: Now) -> Result<bool, WorkerError> {
        match self.commit(now) {
            Ok(()) => self.is_held_up = false,
            Err(error) if error.is_passing() => {
                if !std::mem::replace(&mut self.is_held_up, true) {
                    let error = crate::error::chain(&error);
                    tracing::warn!(error, "global stores wait");
                }
            }
            Err(error) => return Err(error),
        }
        Ok(!self.is_held_up)
    }

    fn read(&mut self, slot: usize, now: Now, report: &mut TurnReport) -> Result<(), WorkerError> {
        let Some(input) = self.inputs.get_mut(slot) else { return Ok(()) };
        match self.plane.fetch(input.id, FETCH_RECORDS) {
            Fetched::Nothing => {}
            Fetched::Records(batch) => {
                report.is_busy = true;
                let records = batch.len() as u64;
                let next = batch.record(batch.len().saturating_sub(1)).offset.saturating_add(1);
                if let Err(error) = self.process(slot, batch, now) {
                    return self.remedy(error, now);
                }
                match self.stage {
                    Stage::Filling => report.restored += records,
                    Stage::Serving | Stage::Ended => report.processed += records,
                }
                self.advance(slot, next, records);
            }
            Fetched::End(offset) => {
                report.is_busy = true;
                input.end.get_or_insert(offset);
                self.advance(slot, offset, 0);
            }
            Fetched::Failed(error) if error.is_passing() => {
                tracing::warn!(%error, store = %input.progress.store, "a global store waits");
            }
            Fetched::Failed(error @ FetchError::OutOfRange { .. })
                if self.stage == Stage::Filling =>
            {
                let store = input.store;
                return self.rebuild(store, &error, now);
            }
            Fetched::Failed(source) => {
                return Err(WorkerError::Fetch { task: self.task.id(), source });
            }
        }
        Ok(())
    }

    fn process(
        &mut self,
        slot: usize,
        batch: Box<dyn RecordBatch>,
        now: Now,
    ) -> Result<(), Box<TaskError>> {
        self.task.add(slot, batch, now.wall)?;
        while self.task.process(now.wall)? {}
        Ok(())
    }

    /// All before `next` was taken.
    fn advance(&mut self, slot: usize, next: i64, records: u64) {
        let Some(input) = self.inputs.get_mut(slot) else { return };
        let was_filled = input.is_filled();
        let progress = &mut input.progress;
        progress.next = progress.next.max(next);
        if was_filled {
            return;
        }
        progress.records += records;
        if input.end.is_some_and(|end| progress.next >= end) {
            progress.phase = RestorePhase::Ended;
        } else if progress.records >= input.told_at + TOLD_RECORDS {
            input.told_at = progress.records;
            progress.phase = RestorePhase::Reading;
        } else {
            return;
        }
        progress.end = input.end;
        self.actions.push_back(GlobalAction::Restored(progress.clone()));
    }

    /// Writes what was read, with the positions.
    fn commit(&mut self, now: Now) -> Result<(), WorkerError> {
        let inputs = self.inputs.iter().enumerate();
        let moved = inputs.filter(|(_, input)| input.committed != Some(input.progress.next));
        let positions: Vec<(usize, i64)> =
            moved.map(|(slot, input)| (slot, input.progress.next)).collect();
        if positions.is_empty() && !self.task.needs_commit() {
            return Ok(());
        }
        let flushed = self.task.flush_caches(now.wall);
        let written = flushed.and_then(|()| self.task.committed(&positions));
        written.map_err(|source| WorkerError::Task { task: self.task.id(), source })?;
        for (slot, next) in positions {
            if let Some(input) = self.inputs.get_mut(slot) {
                input.committed = Some(next);
            }
        }
        Ok(())
    }

    /// A store that is found damaged before any task runs is filled anew.
    fn remedy(&mut self, error: Box<TaskError>, now: Now) -> Result<(), WorkerError> {
        if self.stage == Stage::Filling
            && let TaskError::Store { source: error @ StoreError::Corrupted { store, .. }, .. } =
                &*error
            && let Some(store) = self.task.store_names().iter().position(|name| name == store)
        {
            return self.rebuild(store, error, now);
        }
        Err(WorkerError::Task { task: self.task.id(), source: error })
    }

    fn rebuild(
        &mut self,
        store: usize,
        why: &(dyn std::error::Error + 'static),
        now: Now,
    ) -> Result<(), WorkerError> {
        let task = self.task.id();
        let name = self.task.store_names().get(store).cloned();
        let name = name.unwrap_or_else(|| "?".into());
        tracing::warn!(store = %name, error = why, "the global store is filled from the beginning of its topic");
        let stores = self.task.stores_mut();
        let emptied = stores.wipe(store).and_then(|()| stores.set_current_at(store, now.wall));
        emptied.map_err(|source| store_failed(task, source))?;
        self.stores_rebuilt += 1;
        self.task.reset().map_err(WorkerError::Start)?;
        self.task.start(now.wall).map_err(|source| WorkerError::Task { task, source })?;
        // What was read of the others since the last commit is read again.
        for slot in 0..self.inputs.len() {
            let Some(Input { id, end, progress, .. }) = self.inputs.get(slot) else { continue };
            let again = GlobalInput { partition: progress.partition.clone(), end: *end };
            let name = progress.store.clone();
            self.plane.close(*id);
            let again = self.open(slot, (&again, name));
            if let Some(input) = self.inputs.get_mut(slot) {
                *input = again;
            }
        }
        Ok(())
    }

    fn open(&mut self, slot: usize, (input, store): (&GlobalInput, StoreName)) -> Input {
        let GlobalInput { partition, end } = input;
        let committed = self.task.stores().position(slot);
        let start = committed.map_or(StartAt::Reset(OffsetReset::Earliest), StartAt::Offset);
        let begin = committed.unwrap_or(0);
        let progress = RestoreProgress {
            task: self.task.id(),
            store: store.clone(),
            partition: partition.clone(),
            start: begin,
            next: begin,
            end: *end,
            records: 0,
            phase: RestorePhase::Began,
        };
        self.actions.push_back(GlobalAction::Restored(progress.clone()));
        let at = self.task.store_names().iter().position(|name| *name == store);
        let mut opened = Input {
            id: self.plane.open(partition, start, ReadFor::Global),
            store: at.unwrap_or(usize::MAX),
            end: *end,
            committed,
            progress,
            told_at: 0,
        };
        // A position behind the end lies outside the log, as reading will tell.
        if *end == Some(begin) {
            opened.progress.phase = RestorePhase::Ended;
            self.actions.push_back(GlobalAction::Restored(opened.progress.clone()));
        }
        opened
    }
}

/// Which stores are taken over.
#[derive(Default)]
struct Admitted {
    /// Those, by number in the task, of which it is to be kept whose their rows are.
    claimed: BTreeSet<usize>,
    emptied: u64,
}

/// Empties stores that are not the beginning of the topics that they follow now.
fn admit(
    task: &mut Task,
    (globals, inputs): (&[GlobalStore], &[GlobalInput]),
    topics: &BTreeMap<TopicName, ChangelogTopic>,
    now: Now,
) -> Result<Admitted, WorkerError> {
    let mut admitted = Admitted::default();
    let id = task.id();
    for (at, name) in task.store_names().to_vec().iter().enumerate() {
        let global = globals.iter().find(|global| global.store == *name);
        let Some((topic, known)) = global.and_then(|g| topics.get_key_value(&g.topic)) else {
            continue;
        };
        let slots = inputs.iter().enumerate().filter(|(_, input)| input.partition.topic == *topic);
        let holds_some = slots.into_iter().any(|(slot, _)| task.stores().position(slot).is_some());
        let kept = task.stores().identity(at);
        let reason = kept.reason_to_rebuild(known, now.wall).filter(|_| holds_some);
        task.stores_mut().belongs_to(at, known);
        if let Some(reason) = &reason {
            tracing::warn!(store = %name, %reason, "the global store is filled from the beginning of its topic");
            admitted.emptied += 1;
        }
        let failed = |source| store_failed(id, source);
        if reason.is_some() {
            task.stores_mut().wipe(at).map_err(failed)?;
        }
        if reason.is_some() || !holds_some {
            // What is read from now on is followed by all deletions that are written from now on.
            task.stores_mut().set_current_at(at, now.wall).map_err(failed)?;
        } else if task.stores().identity(at) != kept {
            admitted.claimed.insert(at);
        }
    }
    Ok(admitted)
}

/// The task of all global stores.
fn task(
    settings: &WorkerSettings,
    inputs: &[GlobalInput],
    plane: &mut dyn DataPlane,
) -> Result<Task, WorkerError> {
    let globals = settings.topology.global_stores();
    let subtopologies: Vec<_> = globals.iter().map(|global| global.part.id).collect();
    let number = subtopologies.first().map_or(0, |id| id.0);
    let partitions = inputs.iter().map(|input| input.partition.clone()).collect();
    let context = Rc::new(settings.context(TaskId::new(number, 0), partitions));
    let task = Task::new(TaskParts {
        topology: settings.topology.clone(),
        subtopologies,
        names: settings.names.clone(),
        context,
        globals: None,
        backend: &*settings.backend,
        outbox: plane.outbox(),
        cache: Rc::new(CacheBudget::new(settings.cache_bytes)),
        task_number: 0,
        idle: TaskIdle::Disabled,
    });
    task.map_err(WorkerError::Start)
}
