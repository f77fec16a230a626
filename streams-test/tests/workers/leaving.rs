//! Tasks that leave a worker, and those that stay.

use std::time::Duration;

use streams_core::worker::{Action, Command};
use streams_test::model::FaultRates;

use super::bench::{Bench, FIRST, SECOND};

/// Turns until the worker wants a commit, and leaves that without an answer.
pub(crate) fn asked(bench: &mut Bench) -> Action {
    for _ in 0..100 {
        bench.worker.turn(bench.now);
        while let Some(action) = bench.worker.poll() {
            if let Action::Commit { .. } = action {
                return action;
            }
            bench.hear(action);
        }
    }
    panic!("it wants no commit");
}

/// Both tasks have a record each, and the first is being committed to leave.
fn one_leaves(mut bench: Bench) -> (Bench, Action) {
    bench.send(0, "a", "x");
    bench.send(1, "b", "x");
    bench.settle();
    bench.worker.handle(Command::Release(vec![FIRST]), bench.now);
    let commit = asked(&mut bench);
    (bench, commit)
}

#[test]
fn a_task_that_stays_runs_on_while_one_that_leaves_is_committed() {
    let (mut bench, commit) = one_leaves(Bench::new());
    bench.send(0, "a", "x");
    bench.send(1, "b", "x");
    bench.settle();
    assert_eq!((bench.count(FIRST, "a"), bench.count(SECOND, "b")), (Some(1), Some(2)));
    assert!(bench.closed.is_empty());
    bench.hear(commit);
    bench.settle();
    assert_eq!(bench.closed, [FIRST]);
    assert_eq!((bench.committed(0), bench.committed(1)), (Some(1), None));
    bench.tell(Command::CommitNow);
    assert_eq!(bench.committed(1), Some(2));
}

/// Records are on their way for seconds.
fn with_slow_brokers() -> Bench {
    let bench = Bench::new();
    let delay_max = Duration::from_secs(5);
    bench.kafka.advance_groups(bench.now.moment);
    bench.kafka.set_faults(1, FaultRates { delayed: 1_000, delay_max, ..FaultRates::NONE });
    bench
}

#[test]
fn a_task_that_stays_runs_on_while_what_a_leaving_one_sent_is_on_its_way() {
    let mut bench = with_slow_brokers();
    bench.send(0, "a", "x");
    bench.send(1, "b", "x");
    bench.settle();
    bench.tell(Command::Release(vec![FIRST]));
    bench.send(0, "a", "x");
    let mut sent = 1;
    while bench.closed.is_empty() {
        assert!(sent < 300, "it leaves though the other has always something on its way");
        bench.send(1, "b", "x");
        sent += 1;
        bench.now = bench.now.after(Duration::from_millis(50));
        bench.kafka.advance_groups(bench.now.moment);
        bench.settle();
        assert_eq!(bench.count(SECOND, "b"), Some(sent));
    }
    assert!(sent > 2, "nothing was on its way");
    assert_eq!((bench.committed(0), bench.committed(1)), (Some(1), None));
    assert!(bench.failed.is_empty(), "{:?}", bench.failed);
}

#[test]
fn a_task_that_leaves_while_another_is_committed_has_its_own_commit() {
    let (mut bench, commit) = one_leaves(Bench::new());
    bench.send(1, "b", "x");
    bench.settle();
    bench.tell(Command::Release(vec![SECOND]));
    assert!(bench.closed.is_empty());
    bench.hear(commit);
    bench.settle();
    assert_eq!(bench.closed, [FIRST, SECOND]);
    assert_eq!((bench.committed(0), bench.committed(1)), (Some(1), Some(2)));
}

#[test]
fn what_is_staged_while_another_task_is_committed_is_bounded() {
    let (mut bench, commit) = one_leaves(Bench::with(|settings| {
        settings.commit.staged_bytes_max = 2_000;
        settings.turn_records = 10;
    }));
    (0..1_000).for_each(|key| bench.send(1, &format!("key-{key}"), "x"));
    bench.wait(1_000);
    let staged = bench.worker.task(SECOND).unwrap().stores().staged_bytes();
    assert!((2_000..6_000).contains(&staged), "{staged}");
    bench.hear(commit);
    bench.wait(10_000);
    bench.tell(Command::CommitNow);
    assert_eq!(bench.committed(1), Some(1_001));
}

#[test]
fn what_a_worker_without_tasks_of_its_own_has_not_sent_is_dropped_when_they_are_lost() {
    let mut bench = Bench::new();
    bench.tell(Command::Lose(vec![FIRST]));
    assert_eq!(bench.brokers.abandoned.get(), 0, "the other's records are among it");
    bench.tell(Command::Start(vec![bench.to_start(FIRST)]));
    bench.tell(Command::Demote(vec![SECOND]));
    bench.tell(Command::Lose(vec![FIRST]));
    assert_eq!(bench.brokers.abandoned.get(), 1, "a standby sends nothing");
}

#[test]
fn a_standby_that_is_stopped_keeps_nothing_from_being_dropped() {
    let mut bench = Bench::with_a_panic();
    bench.tell(Command::Demote(vec![FIRST]));
    bench.tell(Command::Lose(vec![SECOND]));
    assert_eq!(bench.brokers.abandoned.get(), 1);
}
