//! Commits that the coordinator cannot take for a while, and tasks that do not wait for that.

use std::time::Duration;

use streams_core::worker::{Command, CommitFailure};

use super::bench::{Bench, FIRST, SECOND};
use super::leaving::asked;

/// A record of the first task is processed, and its commit is to be tried again.
fn refused() -> Bench {
    let mut bench = Bench::new();
    bench.refuses = Some(CommitFailure::Retriable("no coordinator".to_owned()));
    bench.send(0, "a", "x");
    bench.settle();
    bench.tell(Command::CommitNow);
    assert!(next_turn(&bench).is_some_and(|wait| wait < Duration::from_secs(1)));
    bench
}

/// When the worker wants a turn though nothing happens.
fn next_turn(bench: &Bench) -> Option<Duration> {
    Some(bench.worker.deadline(bench.now)?.since(bench.now.moment))
}

/// The worker rests until the next commit is due, which is seconds away.
#[track_caller]
fn check_rest(bench: &Bench) {
    let wait = next_turn(bench);
    assert!(wait.is_some_and(|wait| wait > Duration::from_secs(1)), "{wait:?}");
}

/// The next commit is asked for, and not answered yet.
fn try_again(bench: &mut Bench) -> streams_core::worker::Action {
    bench.now = bench.now.after(Duration::from_millis(200));
    asked(bench)
}

#[test]
fn a_worker_rests_once_the_tasks_are_lost_whose_commit_was_to_be_tried_again() {
    let mut bench = refused();
    bench.tell(Command::Lose(vec![FIRST]));
    bench.wait(200);
    check_rest(&bench);
}

#[test]
fn a_worker_rests_once_the_tasks_are_lost_whose_commit_is_tried_again() {
    let mut bench = refused();
    let _unanswered = try_again(&mut bench);
    bench.tell(Command::Lose(vec![FIRST]));
    check_rest(&bench);
}

#[test]
fn a_worker_rests_when_the_commit_that_was_tried_again_is_refused_for_good() {
    for why in [CommitFailure::Fenced, CommitFailure::Fatal("not allowed".to_owned())] {
        let mut bench = refused();
        let again = try_again(&mut bench);
        bench.refuses = Some(why);
        bench.hear(again);
        bench.settle();
        check_rest(&bench);
    }
}

#[test]
fn a_commit_that_was_given_up_makes_no_later_one_late() {
    let mut bench = refused();
    bench.tell(Command::Lose(vec![FIRST]));
    bench.wait(400_000);
    bench.send(1, "b", "x");
    bench.settle();
    bench.tell(Command::CommitNow);
    bench.wait(1_000);
    assert!(bench.failed.is_empty(), "{:?}", bench.failed);
    bench.refuses = None;
    bench.wait(200);
    assert!(bench.runs(SECOND));
    assert_eq!(bench.committed(1), Some(1));
}

/// A join may last as long as the slowest member takes to commit.
#[test]
fn a_rebalance_that_lasts_longer_than_task_timeout_is_no_failure() {
    let mut bench = Bench::with(|settings| settings.retries.task_timeout = Duration::from_secs(1));
    bench.refuses = Some(CommitFailure::Rebalancing);
    bench.send(0, "a", "x");
    bench.settle();
    bench.tell(Command::CommitNow);
    bench.wait(60_000);
    assert!(bench.failed.is_empty(), "{:?}", bench.failed);
    bench.refuses = Some(CommitFailure::Retriable("no coordinator".to_owned()));
    bench.wait(900);
    assert!(bench.failed.is_empty(), "{:?}", bench.failed);
    bench.refuses = None;
    bench.wait(200);
    assert_eq!(bench.committed(0), Some(1));
}
