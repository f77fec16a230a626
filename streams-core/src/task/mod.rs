//! Tasks: the processors of a sub-topology at work on one partition of its inputs.

pub mod commit_metadata;
mod queues;

use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use self::commit_metadata::CommitMetadata;
use self::queues::PartitionQueues;
pub use self::queues::TaskIdle;
use crate::error::{ProduceError, Pushed, StoreError, TaskError, catch_panic};
use crate::metrics::DropCounts;
use crate::names::{StoreName, SubtopologyId, TaskId, TopicPartition};
use crate::outbox::{Purpose, SharedOutbox};
use crate::plane::Delivery;
use crate::processor::{
    Activity, Flush, LinkError, Punctuation, PunctuationType, TaskContext, at_work,
};
use crate::record::{Headers, RecordBatch};
use crate::store::{
    CacheBudget, GlobalStores, Logging, OpenStores, StateBackend, StoreSpec, StoreToOpen, StoresOf,
    TaskStores,
};
use crate::time::{Moment, Now, Timestamp};
use crate::topology::{LinkTask, LinkedGraph, TopicNames, Topology};
use crate::worker::Whereabouts;

/// What a task is made from.
#[expect(missing_debug_implementations, reason = "backend and outbox are trait objects")]
pub struct TaskParts<'a> {
    /// The topology.
    pub topology: Topology,
    /// Which parts of it the task runs: one, or all in a test driver.
    pub subtopologies: Vec<SubtopologyId>,
    /// Names of internal topics.
    pub names: TopicNames,
    /// Time, place, counts and handlers.
    pub context: Rc<TaskContext>,
    /// The global stores, where there are any.
    pub globals: Option<Rc<dyn GlobalStores>>,
    /// Opens the stores.
    pub backend: &'a dyn StateBackend,
    /// Where records go.
    pub outbox: SharedOutbox,
    /// The record caches of the worker.
    pub cache: Rc<CacheBudget>,
    /// The task's number in its worker.
    pub task_number: u32,
    /// How long it waits for partitions without data.
    pub idle: TaskIdle,
}

/// Whether a store survives its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk.
    OnDisk,
    /// It is lost with the process.
    InMemory,
}

impl Durability {
    fn of(spec: &dyn StoreSpec) -> Self {
        if spec.is_persistent() { Self::OnDisk } else { Self::InMemory }
    }
}

/// Why a task could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskStartError {
    /// Its stores could not be opened.
    #[error("task {task} cannot open its stores")]
    Stores {
        /// The task.
        task: TaskId,
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// Its processors could not be linked.
    #[error("task {task} cannot be linked")]
    Link {
        /// The task.
        task: TaskId,
        /// What does not fit.
        #[source]
        source: LinkError,
    },
    /// The supplier of a processor panicked.
    #[error("user code panicked while the processors of task {task} were made: {message}")]
    Panic {
        /// The task.
        task: TaskId,
        /// The panic's message.
        message: String,
    },
}

impl TaskStartError {
    /// The task.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        match self {
            Self::Stores { task, .. } | Self::Link { task, .. } | Self::Panic { task, .. } => *task,
        }
    }
}

/// What was done of a task's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Records processed.
    pub records: usize,
    /// Punctuations called.
    pub punctuations: usize,
}

/// An offset to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetToCommit {
    /// Of this partition.
    pub partition: TopicPartition,
    /// The next record to read.
    pub offset: i64,
    /// The leader epoch of the last record read, where known.
    pub leader_epoch: Option<i32>,
    /// The partition's time and the windows given out, as Kafka writes them.
    pub metadata: String,
}

/// One task: its processors, stores and input queues. It never leaves its thread, does no I/O but
/// to its stores, and takes the time as an argument.
pub struct Task {
    topology: Topology,
    subtopologies: Vec<SubtopologyId>,
    names: TopicNames,
    context: Rc<TaskContext>,
    globals: Option<Rc<dyn GlobalStores>>,
    outbox: SharedOutbox,
    task_number: u32,
    graph: LinkedGraph,
    queues: PartitionQueues,
    stores: Box<dyn TaskStores>,
    store_names: Vec<StoreName>,
    restored_from: Vec<Option<TopicPartition>>,
    /// Those that are restored from a topic.
    logged_stores: Vec<(usize, Durability)>,
    /// By input partition: whether records were consumed since the task started.
    consumed: Vec<bool>,
    commit_needed: bool,
    place: Option<Arc<Whereabouts>>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Task {
    /// Opens the stores and links the processors.
    ///
    /// # Errors
    /// When a store cannot be opened, or a processor asks for what is not there.
    pub fn new(parts: TaskParts<'_>) -> Result<Self, TaskStartError> {
        let task = parts.context.task();
        let store_names = parts.topology.stores_of(&parts.subtopologies);
        let to_open = stores_to_open(&parts.topology, &store_names, &parts.names, task);
        let restored_from = to_open.iter().map(|store| store.restored_from.clone()).collect();
        let logged = to_open.iter().enumerate().filter(|(_, store)| store.restored_from.is_some());
        let logged_stores = logged.map(|(at, store)| (at, Durability::of(&*store.spec))).collect();
        let owner = owner_of_stores(&parts, &store_names);
        if owner != StoresOf::Task {
            parts.context.schedules().borrow_mut().ignore_clocks();
        }
        let stores = parts.backend.open(OpenStores {
            task,
            owner,
            task_number: parts.task_number,
            stores: to_open,
            context: Rc::clone(&parts.context),
            outbox: Rc::clone(&parts.outbox),
            cache: parts.cache,
        });
        let stores = stores.map_err(|source| TaskStartError::Stores { task, source })?;
        let graph = link(LinkTask {
            topology: &parts.topology,
            subtopologies: &parts.subtopologies,
            names: &parts.names,
            context: Rc::clone(&parts.context),
            stores: &*stores,
            globals: parts.globals.as_deref(),
            outbox: Rc::clone(&parts.outbox),
            task_number: parts.task_number,
        })?;
        let mut task = Self {
            queues: PartitionQueues::new(&graph.source_of, parts.context.partitions(), parts.idle),
            consumed: vec![false; parts.context.partitions().len()],
            topology: parts.topology,
            subtopologies: parts.subtopologies,
            names: parts.names,
            context: parts.context,
            globals: parts.globals,
            outbox: parts.outbox,
            task_number: parts.task_number,
            graph,
            stores,
            store_names,
            restored_from,
            logged_stores,
            commit_needed: false,
            place: None,
        };
        task.order_flushes();
        Ok(task)
    }

    /// Caches are flushed in the order of the stores.
    fn order_flushes(&mut self) {
        let at = |store: &StoreName| self.store_names.iter().position(|name| name == store);
        self.graph.registry.flushes.sort_by_key(|flush| at(&flush.store));
    }

    /// Says from now on which record is being processed.
    pub fn watch(&mut self, place: Arc<Whereabouts>) {
        place.know(self.id(), self.partitions());
        self.place = Some(place);
    }

    /// The task's name.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.context.task()
    }

    /// The partitions that it reads, in the order of their slots.
    #[must_use]
    pub fn partitions(&self) -> &[TopicPartition] {
        self.context.partitions()
    }

    /// Its stores, in the order of their numbers.
    #[must_use]
    pub fn store_names(&self) -> &[StoreName] {
        &self.store_names
    }

    /// By store: the partition that it is restored from.
    #[must_use]
    pub fn restored_from(&self) -> &[Option<TopicPartition>] {
        &self.restored_from
    }

    /// The stores that are restored from a topic, by number: a changelog of their own, or an input.
    pub fn logged_stores(&self) -> impl Iterator<Item = (usize, Durability)> + '_ {
        self.logged_stores.iter().copied()
    }

    /// The time, for what is written outside of a record's processing.
    pub fn set_now(&mut self, now: Timestamp) {
        self.context.set_now(now);
    }

    /// The task's stores.
    #[must_use]
    pub fn stores(&self) -> &dyn TaskStores {
        &*self.stores
    }

    /// The task's stores, to restore or commit them.
    pub fn stores_mut(&mut self) -> &mut dyn TaskStores {
        &mut *self.stores
    }

    /// Why a record that this task sent was not written. A change of a store is the store's error.
    #[must_use]
    pub fn production_failure(&self, delivery: &Delivery, source: ProduceError) -> TaskError {
        let origin = self.context.origin_of(delivery.activity);
        match delivery.purpose {
            Purpose::Output { sink, .. } => {
                let topic = self.outbox.borrow().topic_name(delivery.topic);
                let sink = self.graph.registry.sinks.get(sink as usize).cloned();
                let from = sink.map(|sink| (sink, origin));
                TaskError::Production { topic, from, source }
            }
            Purpose::Changelog { store, .. } => {
                let store = self.store_names.get(store as usize).cloned();
                let store = store.unwrap_or_else(|| "?".into());
                let source = StoreError::Changelog { store, source };
                TaskError::Store { node: None, origin, source }
            }
        }
    }

    /// How many records were dropped since the last call, by reason.
    #[must_use]
    pub fn take_dropped(&self) -> DropCounts {
        self.context.take_dropped()
    }

    /// How many records were dropped, by reason, since they were [taken](Self::take_dropped) last.
    #[must_use]
    pub fn dropped(&self) -> DropCounts {
        self.context.dropped()
    }

    /// The greatest time of a record that was taken.
    #[must_use]
    pub const fn stream_time(&self) -> Timestamp {
        self.queues.stream_time()
    }

    /// What an earlier run committed beside the offset of an input partition. Call it before
    /// [`start`](Self::start).
    pub fn resume(&mut self, slot: usize, committed: &CommitMetadata) {
        self.queues.set_partition_time(slot, committed.partition_time);
        self.context.set_stream_time(self.queues.stream_time());
        self.context.resume_closed(&committed.closed);
    }

    /// Starts the processors, in topological order. Call it once the stores are restored.
    ///
    /// # Errors
    /// When a processor fails to start.
    pub fn start(&mut self, now: Timestamp) -> Result<(), Box<TaskError>> {
        self.context.set_now(now);
        self.context.enter(Activity::Start, self.queues.stream_time(), Headers::new());
        let nodes = &self.graph.registry.lifecycles;
        guard(&self.context, || nodes.iter().try_for_each(|node| node.borrow_mut().init()))
    }

    /// Queues records of an input partition.
    ///
    /// # Errors
    /// When the first one cannot be read and its handler says to fail.
    pub fn add(
        &mut self,
        slot: usize,
        batch: Box<dyn RecordBatch>,
        now: Timestamp,
    ) -> Result<(), Box<TaskError>> {
        self.context.set_now(now);
        let (queues, sources) = (&mut self.queues, &mut self.graph.sources);
        guard(&self.context, || queues.add(slot, batch, sources))
    }

    /// How many records of an input partition are queued.
    #[must_use]
    pub fn buffered(&self, slot: usize) -> usize {
        self.queues.buffered(slot)
    }

    /// Bytes of an input partition that are queued while another has nothing; 0 while none waits.
    #[must_use]
    pub fn waiting_bytes(&self, slot: usize) -> usize {
        self.queues.waiting_bytes(slot)
    }

    /// All of an input partition up to this offset was given out; the last of it may have been no
    /// record.
    pub fn reached_end(&mut self, slot: usize, offset: i64) {
        self.queues.reached_end(slot, offset);
    }

    /// How many records of an input partition lie on the broker, not fetched yet.
    pub fn set_lag(&mut self, slot: usize, lag: Option<i64>) {
        self.queues.set_lag(slot, lag);
    }

    /// The lag that was set last, and what is queued.
    #[must_use]
    pub fn lag(&self, slot: usize) -> Option<i64> {
        let queued = i64::try_from(self.queues.buffered(slot)).unwrap_or(i64::MAX);
        self.queues.lag(slot).map(|lag| lag.saturating_add(queued))
    }

    /// Whether any record is queued.
    #[must_use]
    pub fn has_records(&self) -> bool {
        !self.queues.is_empty()
    }

    /// Whether a record may be processed now: there is one, and no partition is worth waiting for.
    pub fn is_processable(&mut self, now: Moment) -> bool {
        self.queues.is_ready(now)
    }

    /// Processes the next record, if there is one. Whether there was.
    ///
    /// # Errors
    /// When a failure was judged to fail the task; it has to be [`reset`](Self::reset).
    pub fn process(&mut self, now: Timestamp) -> Result<bool, Box<TaskError>> {
        let Some(chosen) = self.queues.take() else { return Ok(false) };
        if let Some(place) = &self.place {
            place.at(chosen.slot, chosen.offset);
        }
        self.context.set_now(now);
        self.context.set_stream_time(self.queues.stream_time());
        let (queues, sources) = (&mut self.queues, &mut self.graph.sources);
        guard(&self.context, || {
            if !chosen.skipped
                && let Some(source) = sources.get_mut(chosen.source)
            {
                source.process(chosen.slot)?;
            }
            queues.taken(chosen.slot, sources)
        })?;
        if let Some(consumed) = self.consumed.get_mut(chosen.slot) {
            *consumed = true;
        }
        self.commit_needed = true;
        Ok(true)
    }

    /// Processes up to `max` records, each followed by the punctuations that its time makes due,
    /// until none may be processed.
    ///
    /// # Errors
    /// As for [`process`](Self::process).
    pub fn process_up_to(&mut self, max: usize, now: Now) -> Result<Done, Box<TaskError>> {
        let mut done = Done { records: 0, punctuations: 0 };
        while done.records < max && self.is_processable(now.moment) && self.process(now.wall)? {
            done.records += 1;
            done.punctuations += self.punctuate_stream_time()?;
        }
        Ok(done)
    }

    /// Calls the punctuations that are due by stream time. How many there were.
    ///
    /// # Errors
    /// As for [`process`](Self::process).
    pub fn punctuate_stream_time(&mut self) -> Result<usize, Box<TaskError>> {
        let stream_time = self.queues.stream_time();
        if !stream_time.is_known() {
            return Ok(0);
        }
        self.punctuate(PunctuationType::StreamTime, stream_time)
    }

    /// Calls the punctuations that are due by wall-clock time. How many there were.
    ///
    /// # Errors
    /// As for [`process`](Self::process).
    pub fn punctuate_wall_clock(&mut self, now: Timestamp) -> Result<usize, Box<TaskError>> {
        self.context.set_now(now);
        self.punctuate(PunctuationType::WallClock, now)
    }

    fn punctuate(
        &mut self,
        kind: PunctuationType,
        now: Timestamp,
    ) -> Result<usize, Box<TaskError>> {
        let schedules = self.context.schedules();
        if schedules.borrow().next_due(kind).is_none_or(|due| due > now) {
            return Ok(0);
        }
        let mut calls = 0;
        loop {
            let Some(due) = schedules.borrow_mut().take_due(kind, now) else { break };
            self.context.enter(Activity::Punctuation, now, Headers::new());
            let punctuation = Punctuation { id: due.id(), timestamp: now, kind };
            if let Some(node) = self.graph.registry.punctuated.get(due.node()) {
                guard(&self.context, || node.borrow_mut().punctuate(punctuation))?;
            }
            schedules.borrow_mut().rearm(kind, due, now);
            calls += 1;
        }
        self.commit_needed |= calls > 0;
        Ok(calls)
    }

    /// When the next wall-clock punctuation is due.
    #[must_use]
    pub fn next_wall_clock_punctuation(&self) -> Option<Timestamp> {
        self.context.schedules().borrow().next_due(PunctuationType::WallClock)
    }

    /// Whether anything was done since the last commit.
    #[must_use]
    pub const fn needs_commit(&self) -> bool {
        self.commit_needed
    }

    /// Whether a processor asked for a commit, and there is something to commit.
    #[must_use]
    pub fn is_commit_requested(&self) -> bool {
        self.commit_needed && self.context.is_commit_requested()
    }

    /// First step of a commit: writes out the record caches, which may forward and send records.
    ///
    /// # Errors
    /// As for [`process`](Self::process).
    pub fn flush_caches(&mut self, now: Timestamp) -> Result<(), Box<TaskError>> {
        self.context.set_now(now);
        self.context.enter_commit();
        let (context, flushes) = (&*self.context, &self.graph.registry.flushes);
        guard(context, || {
            flushes.iter().try_for_each(|Flush { node, name, .. }| {
                let flushed = at_work(context, name, || node.borrow_mut().flush_cache());
                flushed.map_err(|error| error.in_node(name))
            })
        })?;
        // Caches of stores that no node owns.
        let flushed = self.stores.flush_caches();
        flushed.map_err(|error| self.context.store_failure(error))
    }

    /// Step of a commit before the offsets: writes what is staged in stores without a changelog.
    ///
    /// # Errors
    /// When the stores cannot be written; the task has to be reset.
    pub fn commit_unlogged(&mut self) -> Result<(), Box<TaskError>> {
        self.context.enter_commit();
        let written = self.stores.commit_unlogged();
        written.map_err(|error| self.context.store_failure(error))
    }

    /// The offsets to commit: of every partition that records were consumed from.
    #[must_use]
    pub fn offsets(&self) -> Vec<OffsetToCommit> {
        let consumed = self.partitions().iter().zip(&self.consumed).enumerate();
        let closed = self.context.closed();
        // As in Kafka, what windows were given out is committed with every partition.
        let all = closed.changed;
        consumed
            .filter(|(_, (_, consumed))| all || **consumed)
            .filter_map(|(slot, (partition, _))| {
                let next = self.queues.next_offset(slot)?;
                Some(OffsetToCommit {
                    partition: partition.clone(),
                    offset: next.offset,
                    leader_epoch: next.leader_epoch,
                    metadata: CommitMetadata {
                        partition_time: next.partition_time,
                        closed: closed.windows.clone(),
                    }
                    .encode(),
                })
            })
            .collect()
    }

    /// Last step of a commit, once the offsets are committed: writes what is staged, with the
    /// changelog positions (store, next offset).
    ///
    /// # Errors
    /// When the stores cannot be written; the task has to be reset.
    pub fn committed(&mut self, positions: &[(usize, i64)]) -> Result<(), Box<TaskError>> {
        self.context.enter_commit();
        let written = self.stores.commit(positions);
        written.map_err(|error| self.context.store_failure(error))?;
        self.commit_needed = false;
        self.context.forget_commit_request();
        self.consumed.fill(false);
        self.context.closed_committed();
        self.queues.committed();
        Ok(())
    }

    /// Goes back to the last commit: drops what is queued, staged and cached, and makes the
    /// processors anew. The inputs have to be read again from the committed offsets, and
    /// [`start`](Self::start) called.
    ///
    /// # Errors
    /// When a processor cannot be made again.
    pub fn reset(&mut self) -> Result<(), TaskStartError> {
        self.rewind();
        self.graph = link(LinkTask {
            topology: &self.topology,
            subtopologies: &self.subtopologies,
            names: &self.names,
            context: Rc::clone(&self.context),
            stores: &*self.stores,
            globals: self.globals.as_deref(),
            outbox: Rc::clone(&self.outbox),
            task_number: self.task_number,
        })?;
        self.order_flushes();
        Ok(())
    }

    /// Goes back to the last commit as [`reset`](Self::reset) does, but leaves the processors, which
    /// must not be used any more.
    pub fn rewind(&mut self) {
        self.stores.discard();
        self.context.discard_closed();
        self.queues.clear();
        self.context.set_stream_time(self.queues.stream_time());
        self.consumed.fill(false);
        self.commit_needed = false;
        self.context.forget_commit_request();
        self.context.schedules().borrow_mut().clear();
    }

    /// Ends the processors, all of them; failures are logged.
    ///
    /// # Errors
    /// The first failure.
    pub fn close(&mut self) -> Result<(), Box<TaskError>> {
        self.context.enter(Activity::Close, self.queues.stream_time(), Headers::new());
        let mut first = Ok(());
        for node in &self.graph.registry.lifecycles {
            if let Err(error) = guard(&self.context, || node.borrow_mut().close()) {
                tracing::warn!(task = %self.id(), %error, "a processor failed to close");
                first = first.and(Err(error));
            }
        }
        first
    }
}

/// Global stores belong to the process; the task that has them fills them from its inputs.
// DIFFERENCE(global-stream-time): in Kafka a processor of theirs that asks for stream time fails.
fn owner_of_stores(parts: &TaskParts<'_>, store_names: &[StoreName]) -> StoresOf {
    let globals = parts.topology.global_stores();
    if !globals.iter().any(|global| parts.subtopologies.contains(&global.part.id)) {
        return StoresOf::Task;
    }
    let filled = |input: &TopicPartition| {
        let global = globals.iter().find(|global| global.topic == input.topic)?;
        store_names.iter().position(|name| *name == global.store)
    };
    let inputs = parts.context.partitions().iter();
    StoresOf::Process { filled_by_input: inputs.filter_map(filled).collect() }
}

fn stores_to_open(
    topology: &Topology,
    store_names: &[StoreName],
    names: &TopicNames,
    task: TaskId,
) -> Vec<StoreToOpen> {
    let specs: IndexMap<&StoreName, _> =
        topology.stores().map(|spec| (spec.name(), spec)).collect();
    let found = store_names.iter().filter_map(|name| specs.get(name));
    found
        .map(|spec| {
            let on = |topic| Some(TopicPartition { topic, partition: task.partition });
            let (changelog, restored_from) = match spec.logging() {
                Logging::Off => (None, None),
                Logging::On(_) => {
                    let topic = names.changelog(spec.name());
                    (on(topic.clone()), on(topic))
                }
                Logging::SourceTopic(topic) => (None, on(topic.clone())),
            };
            StoreToOpen { spec: Arc::clone(spec), changelog, restored_from }
        })
        .collect()
}

/// Links the processors; their suppliers are user code.
fn link(task: LinkTask<'_>) -> Result<LinkedGraph, TaskStartError> {
    let id = task.context.task();
    let linked = catch_panic(|| task.topology.link(task));
    let linked = linked.map_err(|message| TaskStartError::Panic { task: id, message })?;
    linked.map_err(|source| TaskStartError::Link { task: id, source })
}

/// Runs user code: a panic becomes an error with its place.
fn guard(context: &TaskContext, run: impl FnOnce() -> Pushed) -> Pushed {
    catch_panic(run).unwrap_or_else(|message| {
        let (node, origin) = context.take_panicked();
        Err(Box::new(TaskError::Panic { node, origin, message }))
    })
}
