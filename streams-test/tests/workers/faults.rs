//! Tasks that fail in a worker: each alone, while the others go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use streams_core::error::ProduceError;
use streams_core::handler::LogAndSkip;
use streams_core::names::{TaskId, TopicName, TopicPartition};
use streams_core::plane::StartAt;
use streams_core::task::TaskIdle;
use streams_core::task::commit_metadata::CommitMetadata;
use streams_core::topology::OffsetReset;
use streams_core::worker::{Command, CommitFailure, Pace, TaskInput, TaskToStart, WorkerError};
use streams_test::KafkaModel;
use streams_test::model::NewRecord;

use super::bench::{Bench, FIRST, SECOND, with_stores};
use super::faulty::Fuses;
use super::support;

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
    assert_eq!(bench.dropped.total(), 0);
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

/// As where brokers refuse a record for as long as `delivery.timeout.ms`.
#[test]
fn time_outs_that_are_further_apart_than_task_timeout_become_a_failure() {
    let mut bench = Bench::with(|settings| {
        settings.retries.task_timeout = Duration::from_secs(60);
        settings.commit.interval = Duration::from_hours(1);
    });
    for failed in [0, 1] {
        assert_eq!(bench.failed.len(), 0);
        bench.time_out(1);
        bench.send(0, "a", "x");
        bench.settle();
        assert_eq!(bench.failed.len(), failed);
        bench.wait(120_000);
    }
    assert!(bench.failure().contains("made no progress for 120000 ms"), "{}", bench.failure());
}

/// As Kafka documents it.
#[test]
fn without_a_task_timeout_the_first_trouble_is_a_failure() {
    let mut bench = Bench::with(|settings| settings.retries.task_timeout = Duration::ZERO);
    bench.time_out(1);
    bench.send(0, "a", "x");
    bench.settle();
    assert!(bench.failure().contains("task.timeout.ms"), "{}", bench.failure());
}

#[test]
fn nothing_is_read_for_a_task_whose_second_store_cannot_begin() {
    let kafka = KafkaModel::new();
    kafka.create_topic("app-more-changelog", 2, BTreeMap::new()).unwrap();
    let fuses = Arc::new(Fuses { unwritable: AtomicU32::new(2), ..Fuses::default() });
    let mut bench = Bench::of(kafka, fuses, |settings, fuses| {
        settings.topology = with_stores(fuses, &["counts", "more"]);
    });
    assert_eq!(bench.failed.len(), 2);
    let place = "a state store failed on the restoration of the task's stores: store \"more\"";
    assert!(bench.failure().contains(place), "{}", bench.failure());
    assert_eq!(bench.brokers.open.get(), 0);
    bench.tell(Command::Replace(vec![FIRST]));
    bench.wait(200);
    assert!(bench.runs(FIRST));
}

/// The broker says that a log is at its end once it has waited for more in vain.
#[test]
fn a_restored_task_runs_as_soon_as_it_has_read_to_the_end_that_was_asked_for() {
    let mut bench = Bench::new();
    (0..3).for_each(|_| bench.send(0, "a", "x"));
    bench.settle();
    bench.tell(Command::CommitNow);
    bench.tell(Command::Release(vec![FIRST]));
    bench.brokers.wait_at_ends.set(true);
    let changelog = TopicPartition::new("app-counts-changelog", 0);
    let to_start =
        TaskToStart { changelog_ends: BTreeMap::from([(changelog, 3)]), ..bench.to_start(FIRST) };
    bench.tell(Command::Start(vec![to_start]));
    assert!(bench.runs(FIRST));
    assert_eq!(bench.count(FIRST, "a"), Some(3));
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
fn a_full_disk_is_waited_for() {
    let mut bench = Bench::new();
    bench.send(0, "a", "x");
    bench.settle();
    bench.fuses.full.store(5, Ordering::Relaxed);
    bench.tell(Command::CommitNow);
    assert!(!bench.runs(FIRST) && bench.runs(SECOND), "it stops alone");
    bench.wait(10_000);
    assert!(bench.failed.is_empty(), "{:?}", bench.failed);
    assert_eq!(bench.fuses.full.load(Ordering::Relaxed), 0, "it was tried again and again");
    // The offsets were committed before; the change was read from the changelog.
    assert_eq!((bench.count(FIRST, "a"), bench.committed(0)), (Some(1), Some(1)));
    bench.send(0, "a", "x");
    bench.settle();
    bench.tell(Command::CommitNow);
    assert_eq!((bench.count(FIRST, "a"), bench.committed(0)), (Some(2), Some(2)));
}

#[test]
fn a_task_is_opened_once_its_disk_has_space() {
    let mut bench = Bench::new();
    bench.tell(Command::Release(vec![FIRST]));
    bench.fuses.full.store(3, Ordering::Relaxed);
    bench.tell(Command::Start(vec![bench.to_start(FIRST)]));
    assert!(!bench.runs(FIRST));
    bench.wait(2_000);
    assert!(bench.runs(FIRST) && bench.failed.is_empty(), "{:?}", bench.failed);
}

#[test]
fn a_standby_without_space_to_be_emptied_does_not_run_as_it_is() {
    let mut bench = Bench::new();
    bench.send(0, "a", "x");
    bench.settle();
    bench.tell(Command::Release(vec![FIRST]));
    let changelog = TopicName::from("app-counts-changelog");
    let known = |bench: &Bench| {
        let topic = bench.kafka.changelog_topic(&changelog).unwrap();
        let changelogs = [(changelog.clone(), topic)].into();
        vec![TaskToStart { changelogs, ..bench.to_start(FIRST) }]
    };
    bench.tell(Command::StandBy(known(&bench)));
    assert_eq!(bench.count(FIRST, "a"), Some(1));
    bench.kafka.delete_topic(&changelog).unwrap();
    bench.kafka.create_topic(changelog.clone(), 2, BTreeMap::new()).unwrap();
    bench.fuses.full.store(2, Ordering::Relaxed);
    let closed = bench.closed.clone();
    bench.tell(Command::Start(known(&bench)));
    assert!(!bench.runs(FIRST));
    assert_eq!(bench.closed, closed, "the worker has it still");
    bench.wait(10_000);
    assert!(bench.runs(FIRST) && bench.failed.is_empty(), "{:?}", bench.failed);
    assert_eq!(bench.count(FIRST, "a"), None, "that was in the topic of before");
}

#[test]
fn a_standby_whose_changelog_is_shorter_by_now_runs() {
    let mut bench = Bench::new();
    bench.send(0, "a", "x");
    bench.settle();
    bench.tell(Command::Release(vec![FIRST]));
    bench.tell(Command::StandBy(vec![bench.to_start(FIRST)]));
    let changelog = TopicPartition { topic: "app-counts-changelog".into(), partition: 0 };
    // What was asked of it before it was deleted and made again.
    let changelog_ends = [(changelog, 5)].into();
    bench.tell(Command::Start(vec![TaskToStart { changelog_ends, ..bench.to_start(FIRST) }]));
    bench.wait(10_000);
    assert!(bench.runs(FIRST) && bench.failed.is_empty(), "{:?}", bench.failed);
}

#[test]
fn a_disk_that_stays_full_is_a_failure() {
    let mut bench = Bench::new();
    bench.tell(Command::Release(vec![FIRST]));
    bench.fuses.full.store(u32::MAX, Ordering::Relaxed);
    bench.tell(Command::Start(vec![bench.to_start(FIRST)]));
    bench.send(1, "a", "x");
    bench.settle();
    bench.tell(Command::CommitNow);
    bench.wait(330_000);
    let mut failed: Vec<TaskId> =
        bench.failed.iter().flat_map(|(tasks, _)| tasks.clone()).collect();
    failed.sort();
    assert_eq!(failed, [FIRST, SECOND]);
    let text = bench.failure();
    assert!(text.contains("task.timeout.ms") && text.contains("its disk is full"), "{text}");
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
    assert_eq!(source.to_string(), "a state store failed on a commit of the task");
}

#[test]
fn records_flow_on_while_a_commit_has_to_wait() {
    let mut bench = Bench::new();
    bench.refuses = Some(CommitFailure::Rebalancing);
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
    bench.refuses = Some(CommitFailure::Rebalancing);
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
fn what_is_paused_does_nothing_and_commits_what_was_done() {
    let mut bench = Bench::new();
    bench.send(0, "a", "x");
    bench.settle();
    bench.worker.set_pace(Pace::Paused);
    bench.send(0, "a", "x");
    bench.wait(100);
    bench.tell(Command::CommitNow);
    assert_eq!((bench.count(FIRST, "a"), bench.committed(0)), (Some(1), Some(1)));
    bench.worker.set_pace(Pace::Going);
    bench.settle();
    assert_eq!(bench.count(FIRST, "a"), Some(2));
}

#[test]
fn what_waits_for_another_partition_is_bounded_in_bytes() {
    let mut bench = Bench::with(|settings| {
        settings.topology = support::two_inputs();
        settings.buffered_records = 1_000;
        settings.idle = TaskIdle::UpTo(Duration::from_hours(1));
    });
    let inputs = ["left", "right"].map(|topic| {
        bench.kafka.create_topic(topic, 3, BTreeMap::new()).unwrap();
        let partition = TopicPartition::new(topic, 2);
        let start = StartAt::Offset(0);
        let (committed, reset) = (CommitMetadata::default(), OffsetReset::Earliest);
        TaskInput { partition, start, committed, reset }
    });
    let task = TaskId::new(0, 2);
    let to_start = TaskToStart {
        task,
        inputs: inputs.into(),
        changelog_ends: BTreeMap::new(),
        changelogs: BTreeMap::new(),
    };
    bench.tell(Command::Start(vec![to_start]));
    for _ in 0..100 {
        let value = Some(Bytes::from(vec![b'x'; 1 << 20]));
        let record = NewRecord { value, timestamp: Some(bench.now.wall), ..NewRecord::default() };
        let record = NewRecord { key: Some(Bytes::from_static(b"k")), ..record };
        bench.kafka.append(&TopicPartition::new("left", 2), record).unwrap();
        bench.wait(50);
    }
    let waiting = bench.worker.task(task).unwrap().waiting_bytes(0);
    assert!((4 << 20..7 << 20).contains(&waiting), "{waiting}");
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

#[test]
fn a_producer_that_fails_is_replaced_with_the_tasks_of_its_worker() {
    let mut bench = Bench::with(|settings| settings.handlers.production = Arc::new(LogAndSkip));
    [0, 1].into_iter().for_each(|partition| bench.send(partition, "a", "x"));
    bench.settle();
    bench.tell(Command::CommitNow);
    [0, 1].into_iter().for_each(|partition| bench.send(partition, "a", "x"));
    bench.worker.turn(bench.now);
    let (code, message) = ("OUT_OF_ORDER_SEQUENCE_NUMBER".to_owned(), "a gap".to_owned());
    let failure = ProduceError::ProducerFailed { code, message };
    *bench.brokers.error.borrow_mut() = Some(failure.clone());
    *bench.brokers.failure.borrow_mut() = Some(failure);
    bench.brokers.lost.set(4);
    bench.tell(Command::CommitNow);
    assert_eq!(bench.brokers.lost.get(), 0, "what they had sent was not taken");
    let [(tasks, error)] = &bench.failed[..] else { panic!("{:?}", bench.failed) };
    assert_eq!(*tasks, [FIRST, SECOND], "they fail together");
    assert!(matches!(error, WorkerError::Producer(_)), "{error}");
    assert_eq!((bench.committed(0), bench.committed(1)), (Some(1), Some(1)));
    bench.wait(200);
    assert_eq!(bench.brokers.renewed.get(), 0, "nobody has said so");

    bench.tell(Command::Replace(vec![FIRST, SECOND]));
    bench.wait(200);
    assert_eq!(bench.brokers.renewed.get(), 1);
    bench.tell(Command::CommitNow);
    assert_eq!((bench.committed(0), bench.committed(1)), (Some(2), Some(2)));
    assert!(bench.count(FIRST, "a") >= Some(2) && bench.count(SECOND, "a") >= Some(2));
    assert_eq!(bench.failed.len(), 1);
}
