//! Tasks that fail in a worker: each alone, while the others go on.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use streams_core::config::DefaultTimestampExtractor;
use streams_core::error::{ProcessorError, ProduceError, StoreError, TaskError};
use streams_core::handler::{Handlers, LogAndSkip};
use streams_core::names::{ApplicationId, StoreName, TaskId, TopicPartition};
use streams_core::outbox::SharedOutbox;
use streams_core::plane::{DataPlane, Delivery, Fetched, InputId, ReadFor, StartAt};
use streams_core::processor::{ConnectedStores, Context, EmitIntervals, LinkError, Processor};
use streams_core::record::{RawRecord, Record};
use streams_core::store::{OpenStores, StateBackend, TaskStores};
use streams_core::task::TaskIdle;
use streams_core::task::commit_metadata::CommitMetadata;
use streams_core::time::Timestamp;
use streams_core::topology::{OffsetReset, TopicNames, Topology, TopologyBuilder};
use streams_core::worker::{
    Action, Command, CommitFailure, CommitPolicy, RetryPolicy, TaskInput, TaskToStart, Worker,
    WorkerError, WorkerSettings,
};
use streams_state::{KeyValueStore, MemoryBackend};
use streams_test::model::{CommittedOffset, NewRecord};
use streams_test::{KafkaModel, ModelPlane};

use super::support;

/// What tests set, and user code obeys.
#[derive(Default)]
struct Fuses {
    /// How many more times the value `panic` panics.
    panics: AtomicU32,
    /// Processors made.
    made: AtomicU32,
    /// How many more commits of the stores find the store `counts` damaged.
    damaged: AtomicU32,
}

fn blows(fuse: &AtomicU32) -> bool {
    fuse.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// Counts keys, and in itself what it saw since it was made.
struct Count {
    store: KeyValueStore<String, i64>,
    fuses: Arc<Fuses>,
}

impl Processor<String, String> for Count {
    type OutKey = String;
    type OutValue = i64;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, i64>,
    ) -> Result<(), ProcessorError> {
        let count = self.store.get(&record.key)?.unwrap_or(0) + 1;
        self.store.put(&record.key, &count)?;
        assert!(record.value != "panic" || !blows(&self.fuses.panics), "a panic");
        cx.forward(record.with_value(count))
    }
}

fn topology(fuses: &Arc<Fuses>) -> Topology {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], support::source::<String, String>());
    let fuses = Arc::clone(fuses);
    let count = builder.processor("count", &[source], move |stores: &ConnectedStores<'_, '_>| {
        fuses.made.fetch_add(1, Ordering::Relaxed);
        let store = stores.store("counts")?;
        Ok::<_, LinkError>(Count { store, fuses: Arc::clone(&fuses) })
    });
    builder.store(streams_state::Stores::key_value::<String, i64>("counts").build(), [count.id()]);
    builder.sink("sink", &[count], support::sink("out"));
    builder.build().unwrap()
}

/// Stores that find themselves damaged when a test says so.
struct Damageable {
    stores: Box<dyn TaskStores>,
    fuses: Arc<Fuses>,
}

struct Backend(MemoryBackend, Arc<Fuses>);

impl StateBackend for Backend {
    fn open(&self, request: OpenStores) -> Result<Box<dyn TaskStores>, StoreError> {
        let (stores, fuses) = (self.0.open(request)?, Arc::clone(&self.1));
        Ok(Box::new(Damageable { stores, fuses }))
    }
}

impl TaskStores for Damageable {
    fn handle(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        self.stores.handle(store)
    }
    fn position(&self, store: usize) -> Option<i64> {
        self.stores.position(store)
    }
    fn restore(&mut self, store: usize, record: &RawRecord<'_>) -> Result<(), StoreError> {
        self.stores.restore(store, record)
    }
    fn restored_up_to(&mut self, store: usize, next_offset: i64) -> Result<(), StoreError> {
        self.stores.restored_up_to(store, next_offset)
    }
    fn wipe(&mut self, store: usize) -> Result<(), StoreError> {
        self.stores.wipe(store)
    }
    fn staged_bytes(&self) -> usize {
        self.stores.staged_bytes()
    }
    fn commit(&mut self, positions: &[(usize, i64)]) -> Result<(), StoreError> {
        if blows(&self.fuses.damaged) {
            let (store, detail) = ("counts".into(), "a bit has flipped".to_owned());
            return Err(StoreError::Corrupted { store, detail });
        }
        self.stores.commit(positions)
    }
    fn commit_unlogged(&mut self) -> Result<(), StoreError> {
        self.stores.commit_unlogged()
    }
    fn flush_caches(&mut self) -> Result<(), StoreError> {
        self.stores.flush_caches()
    }
    fn discard(&mut self) {
        self.stores.discard();
    }
}

/// What becomes of records on their way.
#[derive(Default)]
struct Brokers {
    /// How many more deliveries come back undelivered, with this error.
    lost: Cell<u32>,
    error: RefCell<Option<ProduceError>>,
}

/// The model, with brokers that may be away.
struct Plane(ModelPlane, Rc<Brokers>);

impl DataPlane for Plane {
    fn outbox(&self) -> SharedOutbox {
        self.0.outbox()
    }
    fn open(&mut self, partition: &TopicPartition, start: StartAt, purpose: ReadFor) -> InputId {
        self.0.open(partition, start, purpose)
    }
    fn close(&mut self, input: InputId) {
        self.0.close(input);
    }
    fn fetch(&mut self, input: InputId, max: usize) -> Fetched {
        self.0.fetch(input, max)
    }
    fn lag(&mut self, input: InputId) -> Option<i64> {
        self.0.lag(input)
    }
    fn deliveries(&mut self, each: &mut dyn FnMut(Delivery)) -> usize {
        let brokers = &self.1;
        self.0.deliveries(&mut |delivery| {
            let lost = brokers.lost.get();
            let error = brokers.error.borrow().clone().filter(|_| lost > 0);
            brokers.lost.set(lost.saturating_sub(1));
            let outcome = error.map_or_else(|| delivery.outcome.clone(), Err);
            each(Delivery { outcome, ..delivery });
        })
    }
}

/// One worker with a task for each of two partitions.
struct Bench {
    kafka: KafkaModel,
    application: ApplicationId,
    fuses: Arc<Fuses>,
    brokers: Rc<Brokers>,
    worker: Worker,
    now: Timestamp,
    /// What the coordinator says to commits.
    refuses: Option<CommitFailure>,
    failed: Vec<(Vec<TaskId>, WorkerError)>,
    closed: Vec<TaskId>,
}

const FIRST: TaskId = TaskId::new(0, 0);
const SECOND: TaskId = TaskId::new(0, 1);

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(set: impl FnOnce(&mut WorkerSettings)) -> Self {
        let kafka = KafkaModel::new();
        for topic in ["in", "out", "app-counts-changelog"] {
            kafka.create_topic(topic, 2, BTreeMap::new()).unwrap();
        }
        let (fuses, brokers) = (Arc::new(Fuses::default()), Rc::new(Brokers::default()));
        let application: ApplicationId = "app".into();
        let mut settings = WorkerSettings {
            topology: topology(&fuses),
            application_id: application.clone(),
            names: TopicNames::new(&application),
            handlers: Handlers::default(),
            timestamps: DefaultTimestampExtractor::FailOnInvalid,
            backend: Arc::new(Backend(MemoryBackend::new(), Arc::clone(&fuses))),
            commit: CommitPolicy::default(),
            retries: RetryPolicy::default(),
            idle: TaskIdle::UpTo(Duration::ZERO),
            emit_intervals: EmitIntervals::NONE,
            cache_bytes: 0,
            buffered_records: 100,
            turn_records: 100,
        };
        set(&mut settings);
        let plane = Plane(ModelPlane::new(&kafka), Rc::clone(&brokers));
        let mut bench = Self {
            worker: Worker::new(settings, Box::new(plane)),
            kafka,
            application,
            fuses,
            brokers,
            now: Timestamp::from_millis(1_000_000),
            refuses: None,
            failed: Vec::new(),
            closed: Vec::new(),
        };
        let tasks = [FIRST, SECOND].map(|task| bench.to_start(task)).into();
        bench.tell(Command::Start(tasks));
        bench
    }

    fn to_start(&self, task: TaskId) -> TaskToStart {
        let partition = TopicPartition::new("in", task.partition);
        let committed = self.kafka.committed_offset(&self.application, &partition);
        let input = TaskInput {
            partition,
            start: committed
                .as_ref()
                .map_or(StartAt::Reset(OffsetReset::Earliest), |at| StartAt::Offset(at.offset)),
            committed: committed.map(|at| CommitMetadata::decode(&at.metadata)).unwrap_or_default(),
            reset: OffsetReset::Earliest,
        };
        TaskToStart {
            task,
            inputs: vec![input],
            changelog_ends: BTreeMap::new(),
            changelogs: BTreeMap::new(),
        }
    }

    fn tell(&mut self, command: Command) {
        self.worker.handle(command, self.now);
        self.settle();
    }

    /// Turns until nothing is to be done now.
    fn settle(&mut self) {
        loop {
            let is_busy = self.worker.turn(self.now).is_busy;
            let mut any = false;
            while let Some(action) = self.worker.poll() {
                any = true;
                self.hear(action);
            }
            if !is_busy && !any {
                return;
            }
        }
    }

    fn hear(&mut self, action: Action) {
        match action {
            Action::Commit { id, offsets, .. } => {
                let answer = self.refuses.clone().map_or(Ok(()), Err);
                if answer.is_ok() {
                    let offsets = offsets.into_iter().map(|at| {
                        let (offset, leader_epoch) = (at.offset, at.leader_epoch);
                        let metadata = at.metadata;
                        (at.partition, CommittedOffset { offset, leader_epoch, metadata })
                    });
                    self.kafka.commit_offsets(&self.application, offsets).unwrap();
                }
                self.worker.handle(Command::Committed(id, answer), self.now);
            }
            Action::Failed { tasks, error } => self.failed.push((tasks, error)),
            Action::Closed(task) => self.closed.push(task),
            _ => {}
        }
    }

    fn send(&self, partition: i32, key: &str, value: &str) {
        let record = NewRecord {
            key: Some(Bytes::from(key.to_owned())),
            value: Some(Bytes::from(value.to_owned())),
            timestamp: Some(self.now),
            ..NewRecord::default()
        };
        self.kafka.append(&TopicPartition::new("in", partition), record).unwrap();
    }

    /// Lets time pass, in steps.
    fn wait(&mut self, millis: i64) {
        for _ in 0..millis / 50 {
            self.now = Timestamp::from_millis(self.now.millis() + 50);
            self.settle();
        }
    }

    fn committed(&self, partition: i32) -> Option<i64> {
        let partition = TopicPartition::new("in", partition);
        Some(self.kafka.committed_offset(&self.application, &partition)?.offset)
    }

    fn count(&self, task: TaskId, key: &str) -> Option<i64> {
        let handle = self.worker.task(task)?.stores().handle(&"counts".into())?;
        let store = handle.downcast::<KeyValueStore<String, i64>>().unwrap();
        store.get(&key.to_owned()).unwrap()
    }

    fn runs(&self, task: TaskId) -> bool {
        self.worker.running().any(|running| running.id() == task)
    }

    fn time_out(&self, times: u32) {
        let (code, message) = ("_MSG_TIMED_OUT".to_owned(), "timed out".to_owned());
        *self.brokers.error.borrow_mut() = Some(ProduceError::Unavailable { code, message });
        self.brokers.lost.set(times);
    }

    /// One record of the first task is committed, and one that panics waits.
    fn with_a_panic() -> Self {
        let mut bench = Self::new();
        bench.send(0, "a", "x");
        bench.settle();
        bench.tell(Command::CommitNow);
        assert_eq!(bench.committed(0), Some(1));
        bench.fuses.panics.store(1, Ordering::Relaxed);
        bench.send(0, "a", "panic");
        bench.settle();
        bench
    }
}

#[test]
fn a_task_that_fails_stops_alone_and_does_not_commit() {
    let mut bench = Bench::with_a_panic();
    let (tasks, error) = &bench.failed[0];
    assert_eq!(*tasks, [FIRST]);
    let text = streams_core::error::chain(error);
    assert!(text.contains("panicked") && text.contains("offset 1"), "{text}");
    assert!(!bench.runs(FIRST) && bench.runs(SECOND));
    bench.send(1, "b", "x");
    bench.settle();
    bench.tell(Command::CommitNow);
    assert_eq!(bench.count(SECOND, "b"), Some(1), "the other goes on");
    assert_eq!((bench.committed(0), bench.committed(1)), (Some(1), Some(1)));
    bench.send(1, "b", "x");
    bench.settle();
    bench.tell(Command::Shutdown);
    assert_eq!(bench.closed, [FIRST, SECOND]);
    assert_eq!((bench.committed(0), bench.committed(1)), (Some(1), Some(2)));
}

#[test]
fn a_task_that_is_replaced_goes_on_from_its_last_commit() {
    let mut bench = Bench::with_a_panic();
    let made = bench.fuses.made.load(Ordering::Relaxed);
    bench.tell(Command::Replace(vec![FIRST]));
    assert!(!bench.runs(FIRST), "it waits a little");
    bench.wait(200);
    assert!(bench.runs(FIRST));
    assert_eq!(bench.fuses.made.load(Ordering::Relaxed), made + 1, "its processors are new");
    // As after a crash, the change that reached the changelog before the panic counts.
    assert_eq!(bench.count(FIRST, "a"), Some(3));
    bench.tell(Command::CommitNow);
    assert_eq!(bench.committed(0), Some(2));
    assert_eq!(bench.failed.len(), 1);
}

#[test]
fn a_task_that_fails_again_and_again_waits_longer_each_time() {
    let mut bench = Bench::with_a_panic();
    bench.fuses.panics.store(1_000, Ordering::Relaxed);
    for _ in 0..400 {
        let failed = bench.failed.len();
        bench.wait(50);
        if bench.failed.len() > failed || failed == 1 {
            bench.tell(Command::Replace(vec![FIRST]));
        }
    }
    assert!(bench.failed.len() < 12, "{} times in 20 s", bench.failed.len());
}

#[test]
fn a_failed_task_that_is_taken_away_closes_without_a_commit() {
    let mut bench = Bench::with_a_panic();
    bench.tell(Command::Release(vec![FIRST]));
    assert_eq!(bench.closed, [FIRST]);
    assert_eq!(bench.committed(0), Some(1));
}

#[test]
fn a_failed_task_becomes_a_standby_and_runs_again() {
    let mut bench = Bench::with_a_panic();
    bench.tell(Command::Demote(vec![FIRST]));
    bench.tell(Command::Start(vec![bench.to_start(FIRST)]));
    bench.tell(Command::Replace(vec![FIRST]));
    bench.wait(200);
    assert!(bench.runs(FIRST));
    assert_eq!(bench.count(FIRST, "a"), Some(3));
}

#[test]
fn a_record_that_timed_out_is_not_shown_to_a_handler_that_leaves_it_out() {
    let mut bench = Bench::with(|settings| settings.handlers.production = Arc::new(LogAndSkip));
    bench.time_out(1);
    bench.send(0, "a", "x");
    bench.settle();
    assert_eq!(bench.worker.turn(bench.now).dropped.total(), 0);
    bench.tell(Command::CommitNow);
    assert_eq!(bench.committed(0), None, "it was not written");
    bench.wait(200);
    bench.tell(Command::CommitNow);
    assert_eq!(bench.committed(0), Some(1));
    assert!(bench.failed.is_empty());
}

#[test]
fn time_outs_that_last_become_a_failure() {
    let mut bench = Bench::new();
    bench.time_out(u32::MAX);
    bench.send(0, "a", "x");
    bench.settle();
    bench.wait(290_000);
    assert!(bench.failed.is_empty());
    bench.wait(30_000);
    let (tasks, error) = &bench.failed[0];
    assert_eq!(*tasks, [FIRST]);
    let text = streams_core::error::chain(error);
    assert!(text.contains("task.timeout.ms") && text.contains("_MSG_TIMED_OUT"), "{text}");
    assert_eq!(bench.committed(0), None);
}

#[test]
fn a_damaged_store_is_rebuilt_and_its_task_goes_on() {
    let mut bench = Bench::new();
    bench.send(0, "a", "x");
    bench.send(0, "a", "x");
    bench.settle();
    bench.fuses.damaged.store(1, Ordering::Relaxed);
    bench.tell(Command::CommitNow);
    bench.wait(200);
    assert!(bench.failed.is_empty(), "{:?}", bench.failed);
    assert!(bench.runs(FIRST));
    // The offsets were committed before the store was found damaged.
    assert_eq!(bench.count(FIRST, "a"), Some(2));
    bench.send(0, "a", "x");
    bench.settle();
    bench.tell(Command::CommitNow);
    assert_eq!((bench.count(FIRST, "a"), bench.committed(0)), (Some(3), Some(3)));
}

#[test]
fn a_store_that_is_damaged_each_time_is_a_failure() {
    let mut bench = Bench::new();
    bench.fuses.damaged.store(u32::MAX, Ordering::Relaxed);
    for _ in 0..20 {
        bench.send(0, "a", "x");
        bench.settle();
        bench.tell(Command::CommitNow);
        bench.wait(1_000);
    }
    let (_, error) = &bench.failed[0];
    let WorkerError::Task { source, .. } = error else { panic!("{error:?}") };
    assert!(matches!(**source, TaskError::Store { .. }), "{source}");
}

#[test]
fn records_flow_on_while_a_commit_has_to_wait() {
    let mut bench = Bench::new();
    bench.refuses = Some(CommitFailure::Retriable("the group is rebalancing".to_owned()));
    bench.send(0, "a", "x");
    bench.settle();
    bench.tell(Command::CommitNow);
    for _ in 0..20 {
        bench.send(0, "a", "x");
        bench.wait(50);
    }
    assert_eq!(bench.count(FIRST, "a"), Some(21));
    assert_eq!(bench.committed(0), None);
    bench.refuses = None;
    bench.wait(200);
    assert_eq!(bench.committed(0), Some(21));
    assert!(bench.failed.is_empty());
}

#[test]
fn what_is_staged_while_a_commit_has_to_wait_is_bounded() {
    let mut bench = Bench::with(|settings| {
        settings.commit.staged_bytes_max = 2_000;
        settings.turn_records = 10;
    });
    bench.refuses = Some(CommitFailure::Retriable("the group is rebalancing".to_owned()));
    (0..1_000).for_each(|key| bench.send(0, &format!("key-{key}"), "x"));
    bench.wait(10_000);
    let staged = bench.worker.task(FIRST).unwrap().stores().staged_bytes();
    assert!((2_000..6_000).contains(&staged), "{staged}");
    bench.refuses = None;
    bench.wait(10_000);
    bench.tell(Command::CommitNow);
    assert_eq!(bench.committed(0), Some(1_000));
}

#[test]
fn a_commit_that_is_impossible_for_too_long_is_a_failure() {
    let mut bench = Bench::new();
    bench.refuses = Some(CommitFailure::Retriable("no coordinator".to_owned()));
    bench.send(0, "a", "x");
    bench.settle();
    bench.tell(Command::CommitNow);
    bench.wait(301_000);
    let text = bench.failed.first().map(|(_, error)| streams_core::error::chain(error)).unwrap();
    assert!(text.contains("task.timeout.ms") && text.contains("no coordinator"), "{text}");
}

#[test]
fn a_commit_that_is_refused_for_good_fails_its_tasks_alone() {
    let mut bench = Bench::new();
    bench.refuses = Some(CommitFailure::Fatal("GROUP_AUTHORIZATION_FAILED".to_owned()));
    bench.send(0, "a", "x");
    bench.settle();
    bench.tell(Command::CommitNow);
    assert_eq!(bench.failed[0].0, [FIRST]);
    assert!(bench.runs(SECOND));
}
