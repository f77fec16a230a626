//! Tasks that have other inputs by the time they are to run than when they became standbys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use streams_core::names::{TaskId, TopicPartition};
use streams_core::worker::{Command, TaskToStart};
use streams_test::KafkaModel;
use streams_test::model::NewRecord;

use super::bench::{Bench, FIRST, SECOND, with_inputs};
use super::setup;

/// Its tasks are begun with partitions of "in" alone, though they read those of "more", too.
fn bench() -> Bench {
    let kafka = KafkaModel::new();
    kafka.create_topic("more", 2, BTreeMap::new()).unwrap();
    Bench::of(kafka, Arc::default(), |settings, fuses| {
        settings.topology = with_inputs(fuses, &["in", "more"]);
    })
}

fn more(task: TaskId) -> TopicPartition {
    TopicPartition::new("more", task.partition)
}

/// The task with all its inputs.
fn to_start(bench: &Bench, task: TaskId) -> TaskToStart {
    let mut to_start = bench.to_start(task);
    to_start.inputs.push(setup::input(more(task), None));
    to_start
}

/// The first task runs with all its inputs, and nobody was told that it closed, who would look for
/// another worker for it.
fn check(bench: &mut Bench, counted: i64) {
    assert!(bench.runs(FIRST) && !bench.closed.contains(&FIRST), "{:?}", bench.closed);
    let (key, value) = (Some(Bytes::from_static(b"a")), Some(Bytes::from_static(b"x")));
    let record = NewRecord { key, value, timestamp: Some(bench.now.wall), ..NewRecord::default() };
    bench.kafka.append(&more(FIRST), record).unwrap();
    bench.settle();
    assert_eq!(bench.count(FIRST, "a"), Some(counted));
}

#[test]
fn a_standby_that_is_to_run_with_other_inputs_stays_in_its_worker() {
    for others in [&[][..], &[SECOND]] {
        let mut bench = bench();
        bench.send(0, "a", "x");
        bench.settle();
        bench.tell(Command::Release(others.to_vec()));
        bench.tell(Command::Demote(vec![FIRST]));
        bench.tell(Command::Start(vec![to_start(&bench, FIRST)]));
        check(&mut bench, 2);
    }
}

#[test]
fn a_standby_that_was_stopped_and_is_to_run_with_other_inputs_stays_in_its_worker() {
    for others in [&[][..], &[SECOND]] {
        let mut bench = bench();
        bench.fuses.panics.store(1, Ordering::Relaxed);
        bench.send(0, "b", "panic");
        bench.settle();
        assert!(!bench.runs(FIRST));
        bench.tell(Command::Release(others.to_vec()));
        bench.tell(Command::Demote(vec![FIRST]));
        bench.tell(Command::Start(vec![to_start(&bench, FIRST)]));
        check(&mut bench, 1);
    }
}
