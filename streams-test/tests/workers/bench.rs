//! A worker with two tasks whose stores and brokers fail when a test says so.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use streams_core::error::{ProcessorError, ProduceError};
use streams_core::metrics::DropCounts;
use streams_core::names::{ApplicationId, TaskId, TopicPartition};
use streams_core::processor::{ConnectedStores, Context, LinkError, Processor};
use streams_core::record::Record;
use streams_core::time::{Now, Timestamp};
use streams_core::topology::{Topology, TopologyBuilder};
use streams_core::worker::{
    Action, Command, CommitFailure, TaskToStart, TurnReport, Worker, WorkerError, WorkerSettings,
};
use streams_state::{KeyValueStore, MemoryBackend, Stores};
use streams_test::model::NewRecord;
use streams_test::{KafkaModel, ModelPlane};

use super::faulty::{Backend, Brokers, Fuses, Plane, blows};
use super::{setup, support};

/// Counts keys; panics as its fuses say.
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
    with_stores(fuses, &["counts"])
}

/// Counts in the first of these stores.
pub(crate) fn with_stores(fuses: &Arc<Fuses>, stores: &[&str]) -> Topology {
    of(fuses, &["in"], stores)
}

/// Counts the records of these topics.
pub(crate) fn with_inputs(fuses: &Arc<Fuses>, topics: &[&str]) -> Topology {
    of(fuses, topics, &["counts"])
}

fn of(fuses: &Arc<Fuses>, topics: &[&str], stores: &[&str]) -> Topology {
    let mut builder = TopologyBuilder::new();
    let topics = topics.iter().copied();
    let source = builder.source("source", topics, support::source::<String, String>());
    let fuses = Arc::clone(fuses);
    let count = builder.processor("count", &[source], move |stores: &ConnectedStores<'_, '_>| {
        fuses.made.fetch_add(1, Ordering::Relaxed);
        let store = stores.store("counts")?;
        Ok::<_, LinkError>(Count { store, fuses: Arc::clone(&fuses) })
    });
    for store in stores {
        builder.store(Stores::key_value::<String, i64>(*store).build(), [count.id()]);
    }
    builder.sink("sink", &[count], support::sink("out"));
    builder.build().unwrap()
}

/// One worker with a task for each of two partitions.
pub(crate) struct Bench {
    pub(crate) kafka: KafkaModel,
    pub(crate) application: ApplicationId,
    pub(crate) fuses: Arc<Fuses>,
    pub(crate) brokers: Rc<Brokers>,
    pub(crate) worker: Worker,
    pub(crate) now: Now,
    /// What the coordinator says to commits.
    pub(crate) refuses: Option<CommitFailure>,
    pub(crate) failed: Vec<(Vec<TaskId>, WorkerError)>,
    pub(crate) closed: Vec<TaskId>,
    /// What the turns reported.
    pub(crate) dropped: DropCounts,
    pub(crate) commits: u64,
}

pub(crate) const FIRST: TaskId = TaskId::new(0, 0);
pub(crate) const SECOND: TaskId = TaskId::new(0, 1);

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(set: impl FnOnce(&mut WorkerSettings)) -> Self {
        Self::of(KafkaModel::new(), Arc::default(), |settings, _| set(settings))
    }

    pub(crate) fn of(
        kafka: KafkaModel,
        fuses: Arc<Fuses>,
        set: impl FnOnce(&mut WorkerSettings, &Arc<Fuses>),
    ) -> Self {
        for topic in ["in", "out", "app-counts-changelog"] {
            kafka.create_topic(topic, 2, BTreeMap::new()).unwrap();
        }
        let brokers = Rc::new(Brokers::default());
        let application: ApplicationId = "app".into();
        let backend = Backend(MemoryBackend::new(), Arc::clone(&fuses));
        let mut settings = setup::settings(&application, topology(&fuses), Arc::new(backend));
        set(&mut settings, &fuses);
        let plane = Plane(ModelPlane::new(&kafka), Rc::clone(&brokers));
        let mut bench = Self {
            worker: Worker::new(settings, Box::new(plane)),
            kafka,
            application,
            fuses,
            brokers,
            now: Now::from_wall(Timestamp::from_millis(1_000_000)),
            refuses: None,
            failed: Vec::new(),
            closed: Vec::new(),
            dropped: DropCounts::default(),
            commits: 0,
        };
        let tasks = [FIRST, SECOND].map(|task| bench.to_start(task)).into();
        bench.tell(Command::Start(tasks));
        bench
    }

    pub(crate) fn to_start(&self, task: TaskId) -> TaskToStart {
        setup::to_start(&self.kafka, &self.application, task)
    }

    pub(crate) fn tell(&mut self, command: Command) {
        self.worker.handle(command, self.now);
        self.settle();
    }

    /// Turns until nothing is to be done now.
    pub(crate) fn settle(&mut self) {
        loop {
            let TurnReport { is_busy, dropped, commits, .. } = self.worker.turn(self.now);
            self.dropped.merge(&dropped);
            self.commits += commits;
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

    pub(crate) fn hear(&mut self, action: Action) {
        match action {
            Action::Commit { id, offsets, .. } => {
                let answer = self.refuses.clone().map_or(Ok(()), Err);
                if answer.is_ok() {
                    let offsets = offsets.into_iter().map(setup::committed);
                    self.kafka.commit_offsets(&self.application, offsets).unwrap();
                }
                self.worker.handle(Command::Committed(id, answer), self.now);
            }
            Action::Failed { tasks, error } => self.failed.push((tasks, error)),
            Action::Closed(task) => self.closed.push(task),
            _ => {}
        }
    }

    pub(crate) fn send(&self, partition: i32, key: &str, value: &str) {
        let record = NewRecord {
            key: Some(Bytes::from(key.to_owned())),
            value: Some(Bytes::from(value.to_owned())),
            timestamp: Some(self.now.wall),
            ..NewRecord::default()
        };
        self.kafka.append(&TopicPartition::new("in", partition), record).unwrap();
    }

    /// Lets time pass, in steps.
    pub(crate) fn wait(&mut self, millis: i64) {
        for _ in 0..millis / 50 {
            self.now = self.now.after(Duration::from_millis(50));
            self.settle();
        }
    }

    pub(crate) fn committed(&self, partition: i32) -> Option<i64> {
        let partition = TopicPartition::new("in", partition);
        Some(self.kafka.committed_offset(&self.application, &partition)?.offset)
    }

    pub(crate) fn count(&self, task: TaskId, key: &str) -> Option<i64> {
        let handle = self.worker.task(task)?.stores().handle(&"counts".into())?;
        let store = handle.downcast::<KeyValueStore<String, i64>>().unwrap();
        store.get(&key.to_owned()).unwrap()
    }

    pub(crate) fn runs(&self, task: TaskId) -> bool {
        self.worker.running().any(|running| running.id() == task)
    }

    pub(crate) fn time_out(&self, times: u32) {
        let (code, message) = ("_MSG_TIMED_OUT".to_owned(), "timed out".to_owned());
        *self.brokers.error.borrow_mut() = Some(ProduceError::Unavailable { code, message });
        self.brokers.lost.set(times);
    }

    /// So many deliveries come back as not allowed.
    pub(crate) fn refuse(&self, times: u32) {
        let (code, message) = ("TOPIC_AUTHORIZATION_FAILED".to_owned(), "not allowed".to_owned());
        *self.brokers.error.borrow_mut() = Some(ProduceError::Refused { code, message });
        self.brokers.lost.set(times);
    }

    /// The text of the first failure.
    pub(crate) fn failure(&self) -> String {
        self.failed.first().map(|(_, error)| streams_core::error::chain(error)).unwrap()
    }

    /// One record of the first task is committed, and one that panics waits.
    pub(crate) fn with_a_panic() -> Self {
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
