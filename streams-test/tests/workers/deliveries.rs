//! What workers say of records that brokers refuse after others were processed, and of what they
//! leave out.

use std::sync::Arc;

use streams_core::error::TaskError;
use streams_core::handler::{Handlers, LogAndSkip, Verdict};
use streams_core::metrics::DropReason;
use streams_core::worker::Command;

use super::bench::Bench;
use super::support;

#[test]
fn an_output_that_is_refused_late_names_its_sink_and_its_record() {
    let mut bench = Bench::with(|settings| settings.topology = support::copy::<String, String>());
    ["a", "b", "c"].into_iter().for_each(|key| bench.send(0, key, "x"));
    bench.refuse(1);
    bench.settle();
    let place = "a record for topic \"out\", from node \"sink\" on topic \"in\" partition 0 \
                 offset 0, could not be written: not allowed";
    assert!(bench.failure().contains(place), "{}", bench.failure());
}

#[test]
fn a_change_that_is_refused_late_names_its_store_and_its_record() {
    let mut bench = Bench::new();
    ["a", "b", "c"].into_iter().for_each(|key| bench.send(0, key, "x"));
    bench.refuse(1);
    bench.settle();
    let place = "a state store failed on topic \"in\" partition 0 offset 0: \
                 store \"counts\" could not write to its changelog: not allowed";
    assert!(bench.failure().contains(place), "{}", bench.failure());
}

#[test]
fn a_production_handler_that_panics_about_a_late_failure_is_told_with_its_place() {
    let mut bench = Bench::with(|settings| {
        settings.topology = support::copy::<String, String>();
        let panics = |_: &TaskError| -> Verdict { panic!("no idea") };
        settings.handlers.production = Arc::new(panics);
    });
    bench.send(0, "a", "x");
    bench.refuse(1);
    bench.settle();
    let place = "user code of node \"sink\" panicked on topic \"in\" partition 0 offset 0: no idea";
    assert!(bench.failure().contains(place), "{}", bench.failure());
}

#[test]
fn each_report_tells_what_was_dropped_and_committed_since_the_last() {
    let mut bench = Bench::with(|settings| {
        settings.topology = support::copy::<String, i64>();
        let skip = || Arc::new(LogAndSkip);
        settings.handlers =
            Handlers { deserialization: skip(), processing: skip(), production: skip() };
    });
    for round in 1..=3 {
        bench.send(0, "a", "not 8");
        bench.send(1, "a", "8 bytes.");
        bench.refuse(1);
        bench.settle();
        bench.tell(Command::CommitNow);
        assert_eq!(bench.dropped.of(DropReason::Undecodable), round);
        assert_eq!(bench.dropped.of(DropReason::ProductionFailed), round);
        assert_eq!(bench.commits, round);
    }
    bench.send(0, "a", "not 8");
    bench.settle();
    bench.tell(Command::Shutdown);
    assert_eq!(bench.dropped.total(), 7, "a task that is gone has told all");
}
