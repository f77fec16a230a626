//! Applications that are told to pause, and to go on.

use streams_kafka::State;

use crate::support::app::SOON;
use crate::support::flow::{await_all_committed, compare, while_records_flow};
use crate::support::fold::{Difference, Numbering};
use crate::support::{App, Place, holds_within};

/// Records that flow meanwhile, for as long as is looked at a process that pauses.
const MEANWHILE: i64 = 2_000;

fn processed(app: &App) -> u64 {
    app.streams.metrics().process_total()
}

/// Waits until so many more records are written.
fn await_more(place: &Place, records: i64) {
    let all = || place.cluster.ends(&place.input).iter().sum::<i64>();
    let before = all();
    holds_within("records flow", SOON, || all() >= before + records);
}

#[test]
fn a_process_that_is_paused_keeps_its_tasks_and_goes_on_where_it_was() {
    let place = Place::new("paused", 4);
    let mut numbering = Numbering::new(100, 4);
    let [paused, other] = ["paused", "other"].map(|state| place.start_in(state, place.tally()));
    let tasks = |app: &App| -> usize {
        app.streams.metrics().workers.iter().map(|worker| worker.lags.len()).sum()
    };
    while_records_flow(&place, &mut numbering, 2000, || {
        holds_within("each has two tasks", SOON, || [&paused, &other].map(tasks) == [2, 2]);
        let both_process = || [&paused, &other].into_iter().all(|app| processed(app) > 1000);
        holds_within("both process", SOON, both_process);
        paused.streams.pause();
        assert!(paused.streams.is_paused());
        // It may process for as long as a worker takes to see it.
        await_more(&place, MEANWHILE);
        let before = [&paused, &other].map(processed);
        await_more(&place, MEANWHILE);
        let after = [&paused, &other].map(processed);
        assert_eq!(after[0], before[0], "nothing is processed by the one");
        assert!(after[1] > before[1] + 500, "the other goes on: {before:?}, {after:?}");
        assert_eq!(paused.streams.state(), State::Running);
        assert_eq!(place.cluster.members(&place.application), 2);
        assert_eq!([&paused, &other].map(tasks), [2, 2]);
        paused.streams.resume();
        assert!(!paused.streams.is_paused());
        holds_within("it goes on", SOON, || processed(&paused) > after[0] + 1000);
    });
    await_all_committed(&place, SOON);
    println!(
        "{} records, processed by each: {:?}",
        numbering.given(),
        [&paused, &other].map(processed)
    );
    paused.close();
    other.close();
    assert_eq!(compare(&place, &numbering), Difference::default());
}
