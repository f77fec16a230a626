//! Workers on the model under seeds: tasks move between them, and they crash, while records flow.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../../streams-state/src/testing/scratch.rs"]
mod scratch;

#[path = "../driver/support.rs"]
#[expect(dead_code, reason = "few of its parts are used here")]
mod support;

#[path = "../driver/shelf.rs"]
#[expect(dead_code, reason = "few of its parts are used here")]
mod shelf;

mod bench;
mod clocks;
mod crew;
mod deliveries;
mod disks;
mod faults;
mod faulty;
mod globals;
mod group;
mod inputs;
mod leaving;
mod put_off;
mod setup;
mod standbys;
mod turns;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use streams_core::murmur2::partition_for_key;
use streams_core::names::{ApplicationId, TaskId, TopicPartition};
use streams_core::processor::EmitIntervals;
use streams_core::time::{Now, Timestamp};
use streams_core::worker::{Action, Command, Worker, WorkerSettings};
use streams_state::{KeyValueStore, MemoryBackend};
use streams_test::model::NewRecord;
use streams_test::{KafkaModel, ModelPlane};

const PARTITIONS: i32 = 3;
const KEYS: u64 = 5;

/// A small generator, so that a seed tells the whole run.
struct Seed(u64);

impl Seed {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// An application of several workers, and what it should count.
struct World {
    kafka: KafkaModel,
    application: ApplicationId,
    workers: Vec<Worker>,
    /// Tasks that no worker has.
    free: BTreeSet<TaskId>,
    /// By task: its worker.
    owner: BTreeMap<TaskId, usize>,
    now: Now,
    sent: BTreeMap<String, i64>,
}

impl World {
    fn new() -> Self {
        let kafka = KafkaModel::new();
        for topic in ["in", "out", "app-counts-changelog"] {
            kafka.create_topic(topic, PARTITIONS, BTreeMap::new()).unwrap();
        }
        Self {
            kafka,
            application: "app".into(),
            workers: Vec::new(),
            free: (0..PARTITIONS).map(|partition| TaskId::new(0, partition)).collect(),
            owner: BTreeMap::new(),
            now: Now::from_wall(Timestamp::from_millis(1000)),
            sent: BTreeMap::new(),
        }
    }

    fn worker(&self) -> Worker {
        let backend = Arc::new(MemoryBackend::new());
        let settings = WorkerSettings {
            emit_intervals: EmitIntervals::default(),
            buffered_records: 4,
            turn_records: 3,
            ..setup::settings(&self.application, support::count(), backend)
        };
        Worker::new(settings, Box::new(ModelPlane::new(&self.kafka)))
    }

    fn send(&mut self, key: u64) {
        let key = format!("key-{key}");
        let partition = partition_for_key(key.as_bytes(), PARTITIONS);
        let record = NewRecord {
            key: Some(Bytes::from(key.clone())),
            value: Some(Bytes::from_static(b"x")),
            timestamp: Some(self.now.wall),
            ..NewRecord::default()
        };
        self.kafka.append(&TopicPartition::new("in", partition), record).unwrap();
        *self.sent.entry(key).or_default() += 1;
    }

    /// Gives free tasks to a worker.
    fn assign(&mut self, worker: usize) {
        let tasks = std::mem::take(&mut self.free).into_iter().map(|task| {
            self.owner.insert(task, worker);
            setup::to_start(&self.kafka, &self.application, task)
        });
        let tasks = tasks.collect();
        self.workers[worker].handle(Command::Start(tasks), self.now);
    }

    fn of(&self, worker: usize) -> Vec<TaskId> {
        let owned = self.owner.iter().filter(|(_, owner)| **owner == worker);
        owned.map(|(task, _)| *task).collect()
    }

    /// The process is gone, with its disk; nothing of it is committed.
    fn crash(&mut self, worker: usize) {
        self.workers[worker] = self.worker();
        for task in self.of(worker) {
            self.owner.remove(&task);
            self.free.insert(task);
        }
    }

    /// A turn of one worker, and what it asks for. Whether there was anything to do.
    fn turn(&mut self, worker: usize) -> bool {
        let mut busy = self.workers[worker].turn(self.now).is_busy;
        while let Some(action) = self.workers[worker].poll() {
            busy = true;
            match action {
                Action::Commit { id, offsets, .. } => {
                    let offsets = offsets.into_iter().map(setup::committed);
                    self.kafka.commit_offsets(&self.application, offsets).unwrap();
                    self.workers[worker].handle(Command::Committed(id, Ok(())), self.now);
                }
                Action::Closed(task) => {
                    self.owner.remove(&task);
                    self.free.insert(task);
                }
                Action::Failed { error, .. } => panic!("{error:?}"),
                _ => {}
            }
        }
        busy
    }

    fn settle(&mut self) {
        for worker in 0..self.workers.len() {
            while self.turn(worker) {}
        }
    }

    /// One random event.
    fn step(&mut self, seed: &mut Seed, crashes: u64) {
        let worker = usize::try_from(seed.below(self.workers.len() as u64)).unwrap();
        match seed.below(20) {
            0..8 => self.send(seed.below(KEYS)),
            8..14 => {
                self.turn(worker);
            }
            14 | 15 => self.assign(worker),
            16 => self.workers[worker].handle(Command::CommitNow, self.now),
            17 => {
                let tasks = self.of(worker).into_iter().take(1).collect();
                self.workers[worker].handle(Command::Release(tasks), self.now);
            }
            18 if seed.below(4) < crashes => self.crash(worker),
            _ => self.now = self.now.after(Duration::from_millis(10)),
        }
    }

    /// The counts in the stores of one worker that has all tasks.
    fn counts(&mut self) -> BTreeMap<String, i64> {
        self.settle();
        for worker in 0..self.workers.len() {
            self.workers[worker].handle(Command::Shutdown, self.now);
        }
        self.settle();
        assert_eq!(self.free.len(), PARTITIONS as usize, "all tasks were closed");
        self.workers = vec![self.worker()];
        self.assign(0);
        self.settle();
        let mut counts = BTreeMap::new();
        for task in self.workers[0].running() {
            let handle = task.stores().handle(&"counts".into()).unwrap();
            let store = handle.downcast::<KeyValueStore<String, i64>>().unwrap();
            counts.extend(store.all().unwrap().map(Result::unwrap));
        }
        counts
    }
}

fn run(seed: u64, crashes: u64) -> (BTreeMap<String, i64>, BTreeMap<String, i64>) {
    let mut world = World::new();
    world.workers = vec![world.worker(), world.worker()];
    let mut seed = Seed(seed);
    world.assign(0);
    (0..400).for_each(|_| world.step(&mut seed, crashes));
    (world.counts(), world.sent)
}

#[test]
fn tasks_that_move_in_good_order_count_exactly() {
    for seed in 0..60 {
        let (counted, sent) = run(seed, 0);
        assert_eq!(counted, sent, "seed {seed}");
    }
}

#[test]
fn after_crashes_nothing_is_lost() {
    let mut repeated = 0;
    for seed in 0..120 {
        let (counted, sent) = run(seed, 4);
        for (key, sent) in sent {
            let counted = counted.get(&key).copied().unwrap_or(0);
            assert!(counted >= sent, "seed {seed}: {key} counted {counted} of {sent}");
            repeated += counted - sent;
        }
    }
    assert!(repeated > 0, "no crash had an effect");
}
