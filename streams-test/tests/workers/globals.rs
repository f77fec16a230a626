//! Global stores: filled before tasks run, kept up to date, found again after a restart.

mod age;
mod own;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use streams_core::config::{DefaultTimestampExtractor, OwnSettings};
use streams_core::error::ProcessorError;
use streams_core::handler::{Handlers, LogAndSkip};
use streams_core::metrics::DropCounts;
use streams_core::names::{TaskId, TopicName, TopicPartition};
use streams_core::plane::FetchError;
use streams_core::processor::{
    ConnectedStores, Context, ContextParts, EmitIntervals, LinkError, Processor, TaskContext,
};
use streams_core::record::Record;
use streams_core::store::{ChangelogTopic, StateBackend};
use streams_core::task::TaskIdle;
use streams_core::time::{Now, Timestamp};
use streams_core::topology::{Topology, TopologyBuilder};
use streams_core::worker::{
    Action, Command, GlobalAction, GlobalInput, GlobalWorker, RestorePhase, RestoreProgress,
    TaskToStart, Worker, WorkerError, WorkerSettings,
};
use streams_state::{
    KeyValueStore, MemoryBackend, MemoryBudget, RocksBackend, StateDirectory, StoreBuilder, Stores,
};
use streams_test::model::NewRecord;
use streams_test::{KafkaModel, ModelPlane};

use super::faulty::{Backend, Fuses};
use super::scratch::ScratchDirectory;
use super::setup;
use super::support::{sink, source};

const RATES: i32 = 3;
const NOW: Timestamp = Timestamp::from_millis(1000);

type Rates = KeyValueStore<String, i64>;

/// Fills the store; a rate of 0 deletes one.
struct Fill(Rates);

impl Processor<String, i64> for Fill {
    type OutKey = ();
    type OutValue = ();

    fn process(
        &mut self,
        record: Record<String, i64>,
        _: &mut Context<'_, (), ()>,
    ) -> Result<(), ProcessorError> {
        match record.value {
            0 => drop(self.0.delete(&record.key)?),
            rate => self.0.put(&record.key, &rate)?,
        }
        Ok(())
    }
}

/// Multiplies by the rate, or gives -1.
struct Convert(Rates);

impl Convert {
    fn new(stores: &ConnectedStores<'_, '_>) -> Result<Self, LinkError> {
        Ok(Self(stores.store("rates")?))
    }
}

impl Processor<String, i64> for Convert {
    type OutKey = String;
    type OutValue = i64;

    fn process(
        &mut self,
        record: Record<String, i64>,
        cx: &mut Context<'_, String, i64>,
    ) -> Result<(), ProcessorError> {
        let rate = self.0.get(&record.key)?;
        assert_eq!(self.0.all()?.flatten().find(|row| row.0 == record.key).map(|row| row.1), rate);
        let sum = rate.map_or(-1, |rate| rate * record.value);
        cx.forward(record.with_value(sum))
    }
}

/// `rates` as declared, on disk.
fn declared() -> StoreBuilder<Rates> {
    Stores::key_value("rates")
}

fn topology(rates: StoreBuilder<Rates>) -> Topology {
    let mut builder = TopologyBuilder::new();
    builder.global_store(
        rates.build(),
        ("rates-source", "rates", source::<String, i64>()),
        ("fill", |stores: &ConnectedStores<'_, '_>| Ok(Fill(stores.store("rates")?))),
    );
    let sums = builder.source("sums", ["in"], source::<String, i64>());
    let convert = builder.processor("convert", &[sums], Convert::new);
    builder.sink("sink", &[convert], sink::<String, i64>("out"));
    builder.build().unwrap()
}

impl ScratchDirectory {
    fn backend(&self) -> Arc<dyn StateBackend> {
        let directory = StateDirectory::open(self.path(), &"app".into()).unwrap();
        Arc::new(RocksBackend::new(directory, MemoryBudget::of(16 << 20)))
    }
}

fn cluster() -> KafkaModel {
    let kafka = KafkaModel::new();
    for (topic, partitions) in [("rates", RATES), ("in", 2), ("out", 2)] {
        kafka.create_topic(topic, partitions, BTreeMap::new()).unwrap();
    }
    kafka
}

fn send(kafka: &KafkaModel, (topic, partition): (&str, i32), key: &str, value: i64) {
    let record = NewRecord {
        key: Some(Bytes::from(key.to_owned())),
        value: Some(Bytes::copy_from_slice(&value.to_be_bytes())),
        timestamp: Some(NOW),
        ..NewRecord::default()
    };
    kafka.append(&TopicPartition::new(topic, partition), record).unwrap();
}

fn settings(backend: Arc<dyn StateBackend>) -> WorkerSettings {
    settings_of(declared(), backend)
}

fn settings_of(rates: StoreBuilder<Rates>, backend: Arc<dyn StateBackend>) -> WorkerSettings {
    WorkerSettings {
        idle: TaskIdle::Disabled,
        ..setup::settings(&"app".into(), topology(rates), backend)
    }
}

fn global(settings: &WorkerSettings, kafka: &KafkaModel) -> GlobalWorker {
    global_at(settings, kafka, NOW)
}

fn global_at(settings: &WorkerSettings, kafka: &KafkaModel, now: Timestamp) -> GlobalWorker {
    let topic = "rates".into();
    let known = kafka.changelog_topic(&topic).map(|known| (topic, known));
    global_of(settings, kafka, &known.into_iter().collect(), now)
}

fn global_of(
    settings: &WorkerSettings,
    kafka: &KafkaModel,
    topics: &BTreeMap<TopicName, ChangelogTopic>,
    now: Timestamp,
) -> GlobalWorker {
    let inputs = (0..RATES).map(|at| {
        let partition = TopicPartition::new("rates", at);
        let end = kafka.offsets(&partition).map(|(_, end)| end);
        // Without an end it is found by reading.
        GlobalInput { end: end.filter(|_| at != 1), partition }
    });
    let inputs: Vec<_> = inputs.collect();
    GlobalWorker::new(
        settings,
        &inputs,
        topics,
        Box::new(ModelPlane::new(kafka)),
        Now::from_wall(now),
    )
    .unwrap()
}

/// What a global worker told.
#[derive(Default)]
struct Told {
    is_filled: bool,
    restored: Vec<RestoreProgress>,
    failure: Option<WorkerError>,
    dropped: DropCounts,
    /// What the ends of are wanted.
    ends_of: Vec<TopicPartition>,
}

impl Told {
    /// Records that were read to fill the stores.
    fn records(&self) -> u64 {
        let ended = self.restored.iter().filter(|told| told.phase == RestorePhase::Ended);
        ended.map(|told| told.records).sum()
    }
}

/// Turns until there is nothing to do.
fn run(worker: &mut GlobalWorker, settings: &WorkerSettings) -> Told {
    run_at(worker, settings, NOW)
}

fn run_at(worker: &mut GlobalWorker, settings: &WorkerSettings, now: Timestamp) -> Told {
    let mut told = Told::default();
    loop {
        let report = worker.turn(Now::from_wall(now));
        told.dropped.merge(&report.dropped);
        while let Some(action) = worker.poll() {
            match action {
                GlobalAction::Restored(progress) => told.restored.push(progress),
                GlobalAction::Filled => {
                    told.is_filled = true;
                    settings.globals.publish(worker.shared_stores().unwrap());
                }
                GlobalAction::FindEnds(partitions) => told.ends_of = partitions,
                GlobalAction::Failed(error) => told.failure = Some(error),
            }
        }
        if !report.is_busy {
            return told;
        }
    }
}

fn tasks(settings: &WorkerSettings, kafka: &KafkaModel) -> Worker {
    let mut worker = Worker::new(settings.clone(), Box::new(ModelPlane::new(kafka)));
    let number = settings.topology.subtopologies()[0].id.0;
    let tasks = (0..2).map(|at| TaskToStart {
        task: TaskId::new(number, at),
        inputs: vec![setup::input(TopicPartition::new("in", at), None)],
        changelog_ends: BTreeMap::new(),
        changelogs: BTreeMap::new(),
    });
    worker.handle(Command::Start(tasks.collect()), Now::from_wall(NOW));
    work(&mut worker);
    worker
}

fn work(worker: &mut Worker) {
    loop {
        let report = worker.turn(Now::from_wall(NOW));
        let failed = std::iter::from_fn(|| worker.poll()).find_map(|action| {
            if let Action::Failed { error, .. } = action { Some(error) } else { None }
        });
        assert!(failed.is_none(), "{failed:?}");
        if !report.is_busy {
            return;
        }
    }
}

fn out(kafka: &KafkaModel) -> Vec<(String, i64)> {
    let records = kafka.records(&"out".into());
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let number = |bytes: &Bytes| i64::from_be_bytes(bytes.as_ref().try_into().unwrap());
    let rows = records
        .iter()
        .map(|record| (text(record.key.as_ref().unwrap()), number(record.value.as_ref().unwrap())));
    rows.collect()
}

fn row(key: &str, value: i64) -> (String, i64) {
    (key.to_owned(), value)
}

fn joins(settings: &WorkerSettings) {
    let kafka = cluster();
    for (at, key) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        let partition = i32::try_from(at).unwrap() % RATES;
        send(&kafka, ("rates", partition), key, 2);
    }
    send(&kafka, ("in", 0), "a", 10);
    send(&kafka, ("in", 1), "e", 11);
    let mut globals = global(settings, &kafka);
    let told = run(&mut globals, settings);
    assert!(told.is_filled);
    assert_eq!(told.records(), 5);
    let mut worker = tasks(settings, &kafka);
    assert_eq!(out(&kafka), [row("a", 20), row("e", 22)]);
    // What comes while tasks run is seen by the next record, in every task.
    send(&kafka, ("rates", 0), "a", 3);
    send(&kafka, ("rates", 1), "e", 0);
    send(&kafka, ("rates", 2), "f", 5);
    run(&mut globals, settings);
    for (partition, key) in [(0, "a"), (1, "a"), (1, "e"), (0, "f")] {
        send(&kafka, ("in", partition), key, 10);
        work(&mut worker);
    }
    assert_eq!(out(&kafka)[2..], [row("a", 30), row("a", 30), row("e", -1), row("f", 50)]);
}

#[test]
fn tasks_see_all_partitions_and_what_comes_later_in_memory() {
    joins(&settings(Arc::new(MemoryBackend::new())));
}

#[test]
fn tasks_see_all_partitions_and_what_comes_later_on_disk() {
    let scratch = ScratchDirectory::new("globals");
    joins(&settings(scratch.backend()));
}

/// Fills the stores from a backend that is opened anew.
fn restart(scratch: &ScratchDirectory, kafka: &KafkaModel) -> (Told, BTreeMap<String, i64>) {
    let settings = settings(scratch.backend());
    let mut globals = global(&settings, kafka);
    let told = run(&mut globals, &settings);
    let rows = rows(&globals);
    globals.close(Now::from_wall(NOW));
    (told, rows)
}

fn rows(globals: &GlobalWorker) -> BTreeMap<String, i64> {
    let handle = globals.task().stores().handle(&"rates".into()).unwrap();
    handle.downcast::<Rates>().unwrap().all().unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_restart_reads_only_what_is_new() {
    let (scratch, kafka) = (ScratchDirectory::new("globals"), cluster());
    (0..60).for_each(|at| send(&kafka, ("rates", at % RATES), &format!("k{at}"), at.into()));
    let (told, rows) = restart(&scratch, &kafka);
    // A rate of 0 is none.
    assert_eq!((told.records(), rows.len()), (60, 59));
    send(&kafka, ("rates", 2), "new", 7);
    let (told, rows) = restart(&scratch, &kafka);
    assert_eq!((told.records(), rows.len(), rows["new"]), (1, 60, 7));
    assert_eq!(restart(&scratch, &kafka).0.records(), 0);
}

#[test]
fn a_store_whose_position_left_the_log_is_filled_anew() {
    let (scratch, kafka) = (ScratchDirectory::new("globals"), cluster());
    (0..60).for_each(|at| send(&kafka, ("rates", at % RATES), &format!("k{at}"), 1));
    restart(&scratch, &kafka);
    (0..9).for_each(|at| send(&kafka, ("rates", at % RATES), &format!("n{at}"), 2));
    for partition in 0..RATES {
        kafka.delete_before(&TopicPartition::new("rates", partition), 22).unwrap();
    }
    let (told, rows) = restart(&scratch, &kafka);
    assert!(told.is_filled && told.failure.is_none());
    assert_eq!(rows.into_keys().collect::<Vec<_>>(), ["n6", "n7", "n8"]);
}

#[test]
fn a_topic_that_was_made_again_fills_the_store_anew() {
    let (scratch, kafka) = (ScratchDirectory::new("globals"), cluster());
    (0..60).for_each(|at| send(&kafka, ("rates", at % RATES), &format!("k{at}"), 1));
    restart(&scratch, &kafka);
    kafka.delete_topic(&"rates".into()).unwrap();
    kafka.create_topic("rates", RATES, BTreeMap::new()).unwrap();
    send(&kafka, ("rates", 0), "again", 4);
    let (told, rows) = restart(&scratch, &kafka);
    assert!(told.is_filled);
    assert_eq!(rows, BTreeMap::from([row("again", 4)]));
}

#[test]
fn a_topic_that_was_made_again_and_is_longer_fills_the_store_anew() {
    let (scratch, kafka) = (ScratchDirectory::new("globals"), cluster());
    (0..60).for_each(|at| send(&kafka, ("rates", at % RATES), &format!("k{at}"), 1));
    restart(&scratch, &kafka);
    kafka.delete_topic(&"rates".into()).unwrap();
    kafka.create_topic("rates", RATES, BTreeMap::new()).unwrap();
    (0..90).for_each(|at| send(&kafka, ("rates", at % RATES), &format!("n{at}"), 1));
    let (told, rows) = restart(&scratch, &kafka);
    assert_eq!((told.is_filled, told.records(), rows.len()), (true, 90, 90));
    assert!(rows.keys().all(|key| key.starts_with('n')));
    // From now on the store is of this topic.
    assert_eq!(restart(&scratch, &kafka).0.records(), 0);
}

#[test]
fn a_store_of_an_unknown_topic_is_filled_anew_and_is_of_the_topic_from_then_on() {
    let (scratch, kafka) = (ScratchDirectory::new("globals"), cluster());
    (0..60).for_each(|at| send(&kafka, ("rates", at % RATES), &format!("k{at}"), 1));
    let settings = settings(scratch.backend());
    let mut globals = global_of(&settings, &kafka, &BTreeMap::new(), NOW);
    assert_eq!(run(&mut globals, &settings).records(), 60);
    globals.close(Now::from_wall(NOW));
    drop((globals, settings));
    // What it was filled from may have been another topic of that name.
    assert_eq!(restart(&scratch, &kafka).0.records(), 60);
    assert_eq!(restart(&scratch, &kafka).0.records(), 0);
}

#[test]
fn a_damaged_database_is_set_aside_and_filled_anew() {
    let (scratch, kafka) = (ScratchDirectory::new("globals"), cluster());
    (0..60).for_each(|at| send(&kafka, ("rates", at % RATES), &format!("k{at}"), 1));
    restart(&scratch, &kafka);
    let database = scratch.path().join("app/global/rocksdb");
    std::fs::write(database.join("CURRENT"), "no manifest\n").unwrap();
    let (told, rows) = restart(&scratch, &kafka);
    assert_eq!((told.records(), rows.len()), (60, 60));
    assert!(scratch.path().join("app/global/rocksdb.corrupt-1").exists());
}

#[test]
fn a_position_that_leaves_the_log_while_tasks_run_ends_the_application() {
    let (kafka, settings) = (cluster(), settings(Arc::new(MemoryBackend::new())));
    send(&kafka, ("rates", 0), "a", 1);
    let mut globals = global(&settings, &kafka);
    assert!(run(&mut globals, &settings).is_filled);
    (0..5).for_each(|_| send(&kafka, ("rates", 0), "a", 2));
    kafka.delete_before(&TopicPartition::new("rates", 0), 4).unwrap();
    let failure = run(&mut globals, &settings).failure;
    let Some(WorkerError::Fetch { source: FetchError::OutOfRange { offset, .. }, .. }) = failure
    else {
        panic!("{failure:?}")
    };
    assert_eq!(offset, 1);
}

#[test]
fn a_topic_that_is_gone_ends_the_application() {
    let (kafka, settings) = (cluster(), settings(Arc::new(MemoryBackend::new())));
    let mut globals = global(&settings, &kafka);
    assert!(run(&mut globals, &settings).is_filled);
    kafka.delete_topic(&"rates".into()).unwrap();
    let failure = run(&mut globals, &settings).failure;
    assert!(
        matches!(failure, Some(WorkerError::Fetch { source: FetchError::Missing(_), .. })),
        "{failure:?}"
    );
}

#[test]
fn the_deserialization_handler_judges_records_of_global_topics() {
    let kafka = cluster();
    send(&kafka, ("rates", 0), "a", 1);
    let bad = NewRecord {
        key: Some(Bytes::from_static(b"b")),
        value: Some(Bytes::from_static(b"short")),
        timestamp: Some(NOW),
        ..NewRecord::default()
    };
    kafka.append(&TopicPartition::new("rates", 0), bad).unwrap();
    send(&kafka, ("rates", 0), "c", 3);
    let strict = settings(Arc::new(MemoryBackend::new()));
    let told = run(&mut global(&strict, &kafka), &strict);
    assert!(!told.is_filled);
    assert!(matches!(told.failure, Some(WorkerError::Task { .. })), "{:?}", told.failure);
    let handlers = Handlers { deserialization: Arc::new(LogAndSkip), ..Handlers::default() };
    let lenient = WorkerSettings { handlers, ..settings(Arc::new(MemoryBackend::new())) };
    let mut globals = global(&lenient, &kafka);
    let told = run(&mut globals, &lenient);
    assert!(told.is_filled);
    assert_eq!(told.dropped.total(), 1);
    assert_eq!(globals.turn(Now::from_wall(NOW)).dropped.total(), 0, "it is told once");
}

#[test]
fn other_threads_see_each_row_move_forward_to_its_last_value() {
    let scratch = ScratchDirectory::new("globals");
    see_rows_move_forward(&settings(scratch.backend()));
}

fn see_rows_move_forward(settings: &WorkerSettings) {
    let kafka = cluster();
    send(&kafka, ("rates", 0), "a", 1);
    let mut globals = global(settings, &kafka);
    run(&mut globals, settings);
    let last = 300;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let context = Rc::new(TaskContext::new(parts()));
                let stores = settings.globals.get().unwrap().of_worker(&context);
                let rates = stores.handle(&"rates".into()).unwrap().downcast::<Rates>().unwrap();
                let mut seen = 0;
                while seen < last {
                    let next = rates.get(&"a".to_owned()).unwrap().unwrap();
                    assert!(next >= seen, "{next} after {seen}");
                    seen = next;
                }
            });
        }
        for rate in 2..=last {
            send(&kafka, ("rates", 0), "a", rate);
            run(&mut globals, settings);
        }
    });
}

fn parts() -> ContextParts {
    ContextParts {
        application_id: "app".into(),
        task: TaskId::new(0, 0),
        partitions: Vec::new(),
        handlers: Handlers::default(),
        timestamps: DefaultTimestampExtractor::FailOnInvalid,
        emit_intervals: EmitIntervals::NONE,
        own_settings: OwnSettings::default(),
    }
}

#[test]
fn global_stores_wait_for_a_full_disk_and_read_nothing_meanwhile() {
    let (kafka, fuses) = (cluster(), Arc::<Fuses>::default());
    send(&kafka, ("rates", 0), "a", 2);
    let settings = settings(Arc::new(Backend(MemoryBackend::new(), Arc::clone(&fuses))));
    let mut globals = global(&settings, &kafka);
    fuses.full.store(10, Ordering::Relaxed);
    let told = run(&mut globals, &settings);
    assert!(!told.is_filled && told.failure.is_none(), "{:?}", told.failure);
    send(&kafka, ("rates", 0), "b", 3);
    let told = run(&mut globals, &settings);
    assert!(told.restored.is_empty() && told.failure.is_none(), "{:?}", told.failure);
    fuses.full.store(0, Ordering::Relaxed);
    let told = run(&mut globals, &settings);
    assert!(told.is_filled && told.failure.is_none(), "{:?}", told.failure);
    assert_eq!(rows(&globals), [("a".to_owned(), 2), ("b".to_owned(), 3)].into());
}
