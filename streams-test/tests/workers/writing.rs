//! Stores of committed tasks that are written in several turns.

use std::sync::atomic::Ordering;
use std::time::Duration;

use streams_core::error::ProduceError;
use streams_core::worker::{Action, Command};

use super::bench::{Bench, FIRST, SECOND};
use super::leaving::asked;

/// The commit of both tasks, whose stores are written in a turn each.
fn both_are_committed() -> (Bench, Action) {
    let mut bench = Bench::with(|settings| settings.commit.turn_written_bytes = 1);
    bench.send(0, "a", "x");
    bench.send(1, "b", "x");
    bench.settle();
    bench.worker.handle(Command::CommitNow, bench.now);
    let commit = asked(&mut bench);
    (bench, commit)
}

/// How much of each task is not written yet.
fn staged(bench: &Bench) -> [usize; 2] {
    [FIRST, SECOND].map(|task| bench.worker.task(task).map_or(0, |it| it.stores().staged_bytes()))
}

#[test]
fn a_task_whose_stores_are_written_goes_on_while_others_wait_for_that() {
    let (mut bench, commit) = both_are_committed();
    bench.hear(commit);
    let [first, second] = staged(&bench);
    assert!(first == 0 && second > 0, "{first} {second}");
    bench.send(0, "a", "x");
    bench.send(1, "b", "x");
    assert!(bench.worker.turn(bench.now).is_busy);
    let [first, second] = staged(&bench);
    assert!(first > 0 && second == 0, "{first} {second}");
    assert_eq!((bench.count(FIRST, "a"), bench.count(SECOND, "b")), (Some(2), Some(1)));
    bench.settle();
    assert_eq!(bench.count(SECOND, "b"), Some(2));
    assert_eq!((bench.committed(0), bench.committed(1)), (Some(1), Some(1)));
    bench.tell(Command::CommitNow);
    assert_eq!((bench.committed(0), bench.committed(1)), (Some(2), Some(2)));
}

#[test]
fn stores_of_tasks_that_stay_are_written_before_those_of_one_that_leaves() {
    let (mut bench, commit) = both_are_committed();
    bench.worker.handle(Command::Release(vec![FIRST]), bench.now);
    bench.hear(commit);
    let [first, second] = staged(&bench);
    assert!(first > 0 && second == 0, "{first} {second}");
    bench.settle();
    assert_eq!((bench.closed.as_slice(), staged(&bench)), ([FIRST].as_slice(), [0, 0]));
    assert!(bench.failed.is_empty(), "{:?}", bench.failed);
}

/// Both are committed, the stores of the first are written, and each has another record to process.
fn the_second_waits() -> Bench {
    let (mut bench, commit) = both_are_committed();
    bench.hear(commit);
    assert_eq!(written(&bench), 1);
    bench.send(0, "a", "x");
    bench.send(1, "b", "x");
    bench
}

/// Times that stores of a task were written.
fn written(bench: &Bench) -> u32 {
    bench.fuses.written.load(Ordering::Relaxed)
}

#[test]
fn a_task_that_is_told_to_leave_once_it_is_committed_leaves_without_another_commit() {
    for command in [Command::Release(vec![SECOND]), Command::Demote(vec![SECOND])] {
        let mut bench = the_second_waits();
        bench.worker.handle(command, bench.now);
        bench.worker.turn(bench.now);
        assert!(!bench.runs(SECOND));
        assert_eq!((written(&bench), bench.committed(1)), (2, Some(1)));
        bench.settle();
        assert_eq!((bench.count(FIRST, "a"), bench.committed(1)), (Some(2), Some(1)));
    }
}

#[test]
fn a_worker_that_shuts_down_processes_nothing_more_once_all_are_committed() {
    let mut bench = the_second_waits();
    bench.tell(Command::Shutdown);
    assert_eq!(bench.closed, [FIRST, SECOND]);
    assert_eq!((written(&bench), bench.committed(0), bench.committed(1)), (2, Some(1), Some(1)));
}

#[test]
fn a_commit_that_is_wanted_while_stores_are_written_follows() {
    let mut bench = the_second_waits();
    bench.tell(Command::CommitNow);
    assert_eq!((written(&bench), bench.committed(0), bench.committed(1)), (4, Some(2), Some(2)));
}

#[test]
fn turns_that_take_long_keep_no_task_from_being_written() {
    let mut bench = Bench::with(|settings| settings.commit.turn_written_bytes = 1);
    (0..2).for_each(|task| bench.send(task, "a", "x"));
    bench.settle();
    bench.worker.handle(Command::CommitNow, bench.now);
    let commit = asked(&mut bench);
    bench.hear(commit);
    bench.now = bench.now.after(Duration::from_secs(60));
    assert!(bench.worker.turn(bench.now).is_busy);
    assert!(!bench.worker.turn(bench.now).is_busy);
}

#[test]
fn a_task_whose_stores_cannot_be_written_goes_on_from_what_was_committed() {
    let mut bench = the_second_waits();
    bench.fuses.full.store(1, Ordering::Relaxed);
    bench.wait(10_000);
    assert_eq!((bench.count(FIRST, "a"), bench.count(SECOND, "b")), (Some(2), Some(2)));
    bench.tell(Command::CommitNow);
    assert_eq!((bench.committed(0), bench.committed(1)), (Some(2), Some(2)));
}

#[test]
fn a_task_that_is_stopped_before_its_stores_are_written_goes_on_from_what_was_committed() {
    let mut bench = the_second_waits();
    let (code, message) = ("_FATAL".to_owned(), "fatal".to_owned());
    *bench.brokers.failure.borrow_mut() = Some(ProduceError::Refused { code, message });
    bench.settle();
    assert_eq!(bench.failed.len(), 1);
    bench.tell(Command::Replace(vec![FIRST, SECOND]));
    bench.wait(10_000);
    assert_eq!((bench.count(FIRST, "a"), bench.count(SECOND, "b")), (Some(2), Some(2)));
    bench.tell(Command::CommitNow);
    assert_eq!((bench.committed(0), bench.committed(1)), (Some(2), Some(2)));
}

#[test]
fn a_task_that_is_lost_before_its_stores_are_written_finds_their_rows_in_the_changelog() {
    let (mut bench, commit) = both_are_committed();
    bench.hear(commit);
    bench.tell(Command::Lose(vec![SECOND]));
    bench.send(0, "a", "x");
    bench.settle();
    assert_eq!(bench.count(FIRST, "a"), Some(2));
    bench.tell(Command::Start(vec![bench.to_start(SECOND)]));
    bench.send(1, "b", "x");
    bench.settle();
    assert_eq!(bench.count(SECOND, "b"), Some(2));
    bench.tell(Command::CommitNow);
    assert_eq!((bench.committed(0), bench.committed(1)), (Some(2), Some(2)));
}
