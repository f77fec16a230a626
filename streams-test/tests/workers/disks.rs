//! Stores on disk that come back: whether they still belong to their changelogs.

mod overwritten;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use streams_core::error::ProcessorError;
use streams_core::names::{ApplicationId, TaskId, TopicName, TopicPartition};
use streams_core::processor::{Context, Processor};
use streams_core::record::Record;
use streams_core::store::Logging;
use streams_core::time::{Now, Timestamp};
use streams_core::topology::{Topology, TopologyBuilder};
use streams_core::worker::{
    Action, Command, CommitFailure, HeldPhase, HeldState, TaskToStart, Worker,
};
use streams_state::{KeyValueStore, MemoryBudget, RocksBackend, StateDirectory, Stores};
use streams_test::model::{NewRecord, Tombstones};
use streams_test::{KafkaModel, ModelPlane};

use super::scratch::ScratchDirectory;
use super::{setup, support};

const TASK: TaskId = TaskId::new(0, 0);
const CHANGELOG: &str = "app-latest-changelog";
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Some time in 2026.
const BEGIN: i64 = 1_780_000_000_000;

/// Keeps the last value of each key; `-` deletes it.
struct Latest(KeyValueStore<String, String>);

impl Processor<String, String> for Latest {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        _: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        match record.value.as_str() {
            "-" => drop(self.0.delete(&record.key)?),
            value => self.0.put(&record.key, &value.to_owned())?,
        }
        Ok(())
    }
}

/// Where the store is restored from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changelog {
    Own,
    /// The input itself.
    Source,
}

fn latest(changelog: Changelog) -> Topology {
    let mut builder = TopologyBuilder::new();
    let source = builder.source("source", ["in"], support::source::<String, String>());
    let latest =
        builder.processor("latest", &[source], |stores| Ok(Latest(stores.store("latest")?)));
    let store = Stores::key_value::<String, String>("latest").build();
    let store = match changelog {
        Changelog::Own => store,
        Changelog::Source => store.with_logging(Logging::SourceTopic("in".into())),
    };
    builder.store(store, [latest.id()]);
    builder.build().unwrap()
}

fn compacted() -> BTreeMap<String, String> {
    [("cleanup.policy".to_owned(), "compact".to_owned())].into()
}

fn cluster(id: &str) -> KafkaModel {
    let kafka = KafkaModel::new().with_cluster_id(id);
    kafka.create_topic("in", 1, compacted()).unwrap();
    kafka.create_topic(CHANGELOG, 1, compacted()).unwrap();
    kafka
}

fn partition(topic: &str) -> TopicPartition {
    TopicPartition::new(topic, 0)
}

fn append(kafka: &KafkaModel, topic: &str, key: &str, value: &str) {
    let record = NewRecord {
        key: Some(Bytes::from(key.to_owned())),
        value: Some(Bytes::from(value.to_owned())),
        timestamp: Some(Timestamp::from_millis(BEGIN)),
        ..NewRecord::default()
    };
    kafka.append(&partition(topic), record).unwrap();
}

/// The clock that all machines share.
#[derive(Debug)]
struct Clock(Now);

impl Clock {
    fn new() -> Self {
        Self(Now::from_wall(Timestamp::from_millis(BEGIN)))
    }

    const fn read(&self) -> Now {
        self.0
    }

    fn pass(&mut self, millis: i64) {
        self.0 = self.0.after(Duration::from_millis(millis.cast_unsigned()));
    }

    /// The wall clock is set back.
    fn set_back(&mut self, millis: i64) {
        self.0.wall = Timestamp::from_millis(self.0.wall.millis() - millis);
    }
}

/// A machine with a disk, on which one worker may run.
struct Machine {
    kafka: KafkaModel,
    changelog: Changelog,
    worker: Option<Worker>,
    rebuilt: u64,
    /// What the group says to commits.
    commits: Result<(), CommitFailure>,
    /// What the worker told last of its task's state.
    held: Option<HeldState>,
    /// Goes after the worker.
    directory: ScratchDirectory,
}

impl Machine {
    fn new(kafka: &KafkaModel, changelog: Changelog) -> Self {
        let (kafka, directory) = (kafka.clone(), ScratchDirectory::new("disks"));
        Self { kafka, changelog, worker: None, rebuilt: 0, commits: Ok(()), held: None, directory }
    }

    fn application() -> ApplicationId {
        "app".into()
    }

    fn new_worker(&self) -> Worker {
        let application_id = Self::application();
        let directory = StateDirectory::open(self.directory.path(), &application_id).unwrap();
        let backend = Arc::new(RocksBackend::new(directory, MemoryBudget::of(16 << 20)));
        let settings = setup::settings(&application_id, latest(self.changelog), backend);
        Worker::new(settings, Box::new(ModelPlane::new(&self.kafka)))
    }

    fn to_start(&self) -> TaskToStart {
        let topics = ["in", CHANGELOG].map(TopicName::from).into_iter();
        let known = topics.filter_map(|topic| {
            let known = self.kafka.changelog_topic(&topic)?;
            Some((topic, known))
        });
        let to_start = setup::to_start(&self.kafka, &Self::application(), TASK);
        TaskToStart { changelogs: known.collect(), ..to_start }
    }

    /// The process starts, and is given the task.
    fn start(&mut self, now: &Clock) {
        self.begin(Command::Start(vec![self.to_start()]), now);
    }

    /// The process starts, and follows the task.
    fn stand_by(&mut self, now: &Clock) {
        self.begin(Command::StandBy(vec![self.to_start()]), now);
    }

    fn begin(&mut self, command: Command, now: &Clock) {
        let mut worker = self.new_worker();
        worker.handle(command, now.read());
        self.worker = Some(worker);
        self.settle(now);
    }

    fn tell(&mut self, command: Command, now: &Clock) {
        self.worker.as_mut().unwrap().handle(command, now.read());
        self.settle(now);
    }

    /// A turn, and what the worker asks for. Whether there was anything to do.
    fn turn(&mut self, now: &Clock) -> bool {
        let time = now.read();
        let Some(worker) = &mut self.worker else { return false };
        let report = worker.turn(time);
        self.rebuilt += report.stores_rebuilt;
        let mut is_busy = report.is_busy;
        while let Some(action) = self.worker.as_mut().and_then(Worker::poll) {
            is_busy = true;
            self.hear(action, now);
        }
        is_busy
    }

    fn hear(&mut self, action: Action, now: &Clock) {
        let (time, Some(worker)) = (now.read(), &mut self.worker) else { return };
        match action {
            Action::Commit { id, offsets, .. } => {
                let offsets = offsets.into_iter().map(setup::committed);
                if self.commits.is_ok() {
                    self.kafka.commit_offsets(&Self::application(), offsets).unwrap();
                }
                worker.handle(Command::Committed(id, self.commits.clone()), time);
            }
            Action::FindEnds(changelogs) => {
                let end = |at: TopicPartition| {
                    let (_, end) = self.kafka.offsets(&at)?;
                    Some((at, end))
                };
                let ends = changelogs.into_iter().filter_map(end).collect();
                worker.handle(Command::Ends { at: time.wall, ends }, time);
            }
            Action::Holds(held) => self.held = Some(held),
            Action::FindCommitted(inputs) => {
                let committed = |at: TopicPartition| {
                    let committed = self.kafka.committed_offset(&Self::application(), &at)?;
                    Some((at, committed.offset))
                };
                let known = inputs.into_iter().filter_map(committed).collect();
                worker.handle(Command::Processed(known), time);
            }
            Action::Failed { error, .. } => panic!("{error:?}"),
            _ => {}
        }
    }

    fn settle(&mut self, now: &Clock) {
        while self.turn(now) {}
    }

    /// Hours pass, in which the process is at work.
    fn work(&mut self, hours: i64, now: &mut Clock) {
        for _ in 0..hours {
            now.pass(HOUR);
            self.settle(now);
            // What was found out is kept at the next look.
            now.pass(1000);
            self.settle(now);
        }
    }

    /// Commits, and ends in good order.
    fn stop(&mut self, now: &Clock) {
        self.tell(Command::Shutdown, now);
        self.worker = None;
    }

    fn kill(&mut self) {
        self.worker = None;
    }

    fn process(&mut self, key: &str, value: &str, now: &Clock) {
        append(&self.kafka, "in", key, value);
        self.settle(now);
        self.tell(Command::CommitNow, now);
    }

    fn position(&self) -> Option<i64> {
        self.worker.as_ref().unwrap().task(TASK).unwrap().stores().position(0)
    }

    fn rows(&self) -> String {
        let task = self.worker.as_ref().unwrap().task(TASK).unwrap();
        let handle = task.stores().handle(&"latest".into()).unwrap();
        let store = handle.downcast::<KeyValueStore<String, String>>().unwrap();
        let rows = store.all().unwrap().map(Result::unwrap);
        let rows: Vec<_> = rows.map(|(key, value)| format!("{key}={value}")).collect();
        rows.join(" ")
    }
}

/// A first machine holds `a` and `b`; a second one deletes `a` and goes on. Then the log cleaner
/// works, and the first one is back.
fn moved_away_and_back(away: i64, tombstones: Tombstones) -> (String, u64) {
    let (kafka, mut now) = (cluster("c"), Clock::new());
    let mut first = Machine::new(&kafka, Changelog::Own);
    first.start(&now);
    first.process("a", "1", &now);
    first.process("b", "1", &now);
    assert_eq!(first.rows(), "a=1 b=1");
    first.work(1, &mut now);
    first.stop(&now);
    let mut second = Machine::new(&kafka, Changelog::Own);
    second.start(&now);
    second.process("a", "-", &now);
    second.process("c", "1", &now);
    assert_eq!(second.rows(), "b=1 c=1");
    second.stop(&now);
    now.pass(away);
    kafka.compact(&CHANGELOG.into(), tombstones).unwrap();
    first.start(&now);
    (first.rows(), first.rebuilt)
}

#[test]
fn a_task_that_comes_back_late_revives_no_deleted_key() {
    assert_eq!(moved_away_and_back(2 * DAY, Tombstones::Drop), ("b=1 c=1".to_owned(), 1));
}

#[test]
fn a_task_that_comes_back_in_time_reads_the_rest_only() {
    assert_eq!(moved_away_and_back(DAY / 2, Tombstones::Keep), ("b=1 c=1".to_owned(), 0));
}

/// What the task's last owner sent before it heard that it is not the owner any more.
#[test]
fn a_store_whose_changelog_was_cut_beyond_it_keeps_nothing_of_its_own() {
    let (kafka, mut now) = (cluster("c"), Clock::new());
    let mut first = Machine::new(&kafka, Changelog::Own);
    first.start(&now);
    first.process("a", "1", &now);
    first.work(1, &mut now);
    first.stop(&now);
    let mut second = Machine::new(&kafka, Changelog::Own);
    second.start(&now);
    for (key, value) in [("a", "-"), ("b", "1"), ("c", "1")] {
        second.process(key, value, &now);
    }
    second.stop(&now);
    // The next that the first would read is gone.
    kafka.delete_before(&partition(CHANGELOG), 2).unwrap();
    first.start(&now);
    assert_eq!((first.rows().as_str(), first.rebuilt), ("b=1 c=1", 1));
}

#[test]
fn an_idle_store_is_kept() {
    for changelog in [Changelog::Own, Changelog::Source] {
        let (kafka, mut now) = (cluster("c"), Clock::new());
        let mut machine = Machine::new(&kafka, changelog);
        machine.start(&now);
        machine.process("a", "1", &now);
        machine.work(100, &mut now);
        machine.kill();
        now.pass(HOUR);
        machine.start(&now);
        assert_eq!((machine.rows().as_str(), machine.rebuilt), ("a=1", 0), "{changelog:?}");
        machine.kill();
        now.pass(2 * DAY);
        machine.start(&now);
        assert_eq!((machine.rows().as_str(), machine.rebuilt), ("a=1", 1), "{changelog:?}");
    }
}

#[test]
fn an_idle_standby_is_kept() {
    let (kafka, mut now) = (cluster("c"), Clock::new());
    let mut active = Machine::new(&kafka, Changelog::Own);
    let mut standby = Machine::new(&kafka, Changelog::Own);
    active.start(&now);
    standby.stand_by(&now);
    active.process("a", "1", &now);
    standby.work(100, &mut now);
    standby.kill();
    now.pass(HOUR);
    standby.stand_by(&now);
    assert_eq!((standby.rows().as_str(), standby.rebuilt), ("a=1", 0));
    standby.tell(Command::Start(vec![standby.to_start()]), &now);
    assert_eq!((standby.rows().as_str(), standby.rebuilt), ("a=1", 0));
}

#[test]
fn a_process_that_was_frozen_for_days_proves_nothing_by_waking_up() {
    let (kafka, mut now) = (cluster("c"), Clock::new());
    let mut frozen = Machine::new(&kafka, Changelog::Own);
    frozen.start(&now);
    frozen.process("a", "1", &now);
    frozen.work(1, &mut now);
    let mut other = Machine::new(&kafka, Changelog::Own);
    other.start(&now);
    other.process("a", "-", &now);
    other.process("b", "1", &now);
    other.stop(&now);
    now.pass(2 * DAY);
    frozen.commits = Err(CommitFailure::Fenced);
    frozen.work(1, &mut now);
    assert!(frozen.worker.as_ref().unwrap().task(TASK).is_none(), "it lost the task");
    frozen.kill();
    frozen.commits = Ok(());
    kafka.compact(&CHANGELOG.into(), Tombstones::Drop).unwrap();
    frozen.start(&now);
    assert_eq!((frozen.rows().as_str(), frozen.rebuilt), ("b=1", 1));
}

#[test]
fn a_standby_that_saw_no_end_for_days_is_rebuilt_when_it_takes_over() {
    let (kafka, mut now) = (cluster("c"), Clock::new());
    let mut active = Machine::new(&kafka, Changelog::Own);
    let mut standby = Machine::new(&kafka, Changelog::Own);
    active.start(&now);
    active.process("a", "1", &now);
    standby.stand_by(&now);
    active.process("a", "-", &now);
    active.process("b", "1", &now);
    active.stop(&now);
    now.pass(2 * DAY);
    kafka.compact(&CHANGELOG.into(), Tombstones::Drop).unwrap();
    standby.tell(Command::Start(vec![standby.to_start()]), &now);
    assert_eq!((standby.rows().as_str(), standby.rebuilt), ("b=1", 1));
}

/// Another changelog of the same name, with as many records.
fn replaced_while_stopped(replace: impl FnOnce(&mut Machine)) -> (String, u64) {
    let (kafka, now) = (cluster("c"), Clock::new());
    let mut machine = Machine::new(&kafka, Changelog::Own);
    machine.start(&now);
    machine.process("a", "1", &now);
    machine.process("b", "1", &now);
    machine.stop(&now);
    replace(&mut machine);
    for key in ["c", "d"] {
        append(&machine.kafka, CHANGELOG, key, "1");
    }
    machine.start(&now);
    (machine.rows(), machine.rebuilt)
}

#[test]
fn a_changelog_that_was_made_again_is_read_from_its_beginning() {
    let (rows, rebuilt) = replaced_while_stopped(|machine| {
        machine.kafka.delete_topic(&CHANGELOG.into()).unwrap();
        machine.kafka.create_topic(CHANGELOG, 1, compacted()).unwrap();
    });
    assert_eq!((rows.as_str(), rebuilt), ("c=1 d=1", 1));
}

#[test]
fn the_changelog_of_another_cluster_is_read_from_its_beginning() {
    let (rows, rebuilt) = replaced_while_stopped(|machine| machine.kafka = cluster("d"));
    assert_eq!((rows.as_str(), rebuilt), ("c=1 d=1", 1));
}

#[test]
fn a_changelog_that_is_made_again_under_a_standby_is_read_from_its_beginning() {
    // Of the shorter one the standby reads nothing before it is emptied a first time.
    for (keys, rebuilt) in [(&["c"][..], 2), (&["c", "d", "e"], 1)] {
        let (kafka, mut now) = (cluster("c"), Clock::new());
        let mut standby = Machine::new(&kafka, Changelog::Own);
        append(&kafka, CHANGELOG, "a", "1");
        append(&kafka, CHANGELOG, "b", "1");
        standby.stand_by(&now);
        kafka.delete_topic(&CHANGELOG.into()).unwrap();
        kafka.create_topic(CHANGELOG, 1, compacted()).unwrap();
        keys.iter().for_each(|key| append(&kafka, CHANGELOG, key, "1"));
        standby.work(1, &mut now);
        standby.tell(Command::Start(vec![standby.to_start()]), &now);
        let expected: Vec<String> = keys.iter().map(|key| format!("{key}=1")).collect();
        assert_eq!((standby.rows(), standby.rebuilt), (expected.join(" "), rebuilt));
        // It is in step with the new one from then on.
        standby.work(100, &mut now);
        standby.kill();
        standby.start(&now);
        assert_eq!((standby.rows(), standby.rebuilt), (expected.join(" "), rebuilt));
    }
}

#[test]
fn what_a_standby_reads_is_durable_though_the_clock_was_set_back() {
    let (kafka, mut now) = (cluster("c"), Clock::new());
    let mut standby = Machine::new(&kafka, Changelog::Own);
    standby.stand_by(&now);
    now.set_back(HOUR);
    append(&kafka, CHANGELOG, "a", "1");
    standby.settle(&now);
    now.pass(1000);
    standby.settle(&now);
    assert_eq!(standby.position(), Some(1));
    standby.kill();
    standby.stand_by(&now);
    assert_eq!((standby.rows().as_str(), standby.rebuilt), ("a=1", 0));
}

/// What lies behind what the owner has committed is still input: the standby would process it again.
#[test]
fn a_standby_follows_a_source_topic_as_far_as_its_owner_has_processed_it() {
    let (kafka, mut now) = (cluster("c"), Clock::new());
    let mut owner = Machine::new(&kafka, Changelog::Source);
    let mut standby = Machine::new(&kafka, Changelog::Source);
    owner.start(&now);
    standby.stand_by(&now);
    for round in 1..=3 {
        owner.process("a", &format!("{round}"), &now);
        append(&kafka, "in", "a", "still input");
        now.pass(30_000);
        standby.settle(&now);
        now.pass(1_000);
        standby.settle(&now);
        assert_eq!(standby.rows(), format!("a={round}"));
        let held = standby.held.map(|held| (held.phase, held.position, held.on_disk));
        let processed = 3 * round - 2;
        assert_eq!(held, Some((HeldPhase::Standby, processed, processed)));
        owner.process("a", "later", &now);
    }
    now.pass(30_000);
    standby.settle(&now);
    owner.kill();
    standby.tell(Command::Start(vec![standby.to_start()]), &now);
    assert_eq!(standby.rows(), "a=later");
}
