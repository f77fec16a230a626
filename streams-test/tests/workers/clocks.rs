//! The wall clock is set forwards and back: waits and time-outs go by the time that passes.

use std::time::Duration;

use streams_core::time::Timestamp;
use streams_core::worker::{Command, CommitFailure};

use crate::bench::{Bench, FIRST};

const HOUR: i64 = 3_600_000;

/// Sets the wall clock.
fn set(bench: &mut Bench, by: i64) {
    bench.now.wall = Timestamp::from_millis(bench.now.wall.millis() + by);
}

#[test]
fn a_commit_that_waits_does_not_fail_when_the_clock_is_set_forwards() {
    let mut bench = Bench::new();
    bench.refuses = Some(CommitFailure::Retriable("no coordinator".to_owned()));
    bench.send(0, "a", "x");
    bench.settle();
    bench.tell(Command::CommitNow);
    set(&mut bench, HOUR);
    bench.wait(1_000);
    assert!(bench.failed.is_empty(), "{:?}", bench.failed);
    bench.refuses = None;
    bench.wait(200);
    assert_eq!(bench.committed(0), Some(1));
}

#[test]
fn a_clock_that_is_set_back_delays_no_commit_and_no_task() {
    let mut bench = Bench::with(|settings| settings.commit.interval = Duration::from_millis(100));
    bench.send(0, "a", "x");
    bench.wait(200);
    assert_eq!(bench.committed(0), Some(1));

    bench.time_out(1);
    bench.send(0, "a", "x");
    bench.settle();
    bench.tell(Command::CommitNow);
    assert!(!bench.runs(FIRST), "it waits to go on from its last commit");
    set(&mut bench, -HOUR);
    bench.wait(1_000);
    assert!(bench.runs(FIRST));
    assert_eq!(bench.committed(0), Some(2));
    assert!(bench.failed.is_empty(), "{:?}", bench.failed);
}

#[test]
fn troubles_do_not_last_longer_because_the_clock_is_set_forwards() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.time_out(1);
        bench.send(0, "a", "x");
        bench.settle();
        bench.tell(Command::CommitNow);
        set(&mut bench, HOUR);
        bench.wait(1_000);
    }
    bench.tell(Command::CommitNow);
    assert!(bench.failed.is_empty(), "{:?}", bench.failed);
    assert_eq!(bench.committed(0), Some(3));
}
