//! Brokers that go away and come back.

use std::time::{Duration, Instant};

use streams_kafka::State;

use crate::crashes::{await_all_committed, compare, while_records_flow};
use crate::support::app::SOON;
use crate::support::broker::Broker;
use crate::support::fold::Numbering;
use crate::support::{Place, holds_within};

/// Progress must come so soon after the broker is back.
const PROGRESS_MAX: Duration = Duration::from_secs(10);

#[test]
fn a_broker_that_is_gone_at_the_start_and_killed_under_load_is_waited_for() {
    let broker = Broker::start();
    let place = Place::on(broker.cluster(), "outage", 4);
    let mut numbering = Numbering::new(100, 4);
    broker.kill();
    let app = place.start(place.tally());
    let waiting = app.streams.wait_for(State::Running, Duration::from_secs(3));
    assert!(waiting.is_err(), "there is no broker");
    assert_eq!(app.streams.state(), State::Rebalancing);
    broker.start_again();
    let back = Instant::now();
    app.await_running();
    let at_start = back.elapsed();
    let mut pauses = Vec::new();
    while_records_flow(&place, &mut numbering, 1000, || {
        for _ in 0..2 {
            let before = app.streams.metrics().process_total();
            let flows = || app.streams.metrics().process_total() > before + 1000;
            holds_within("records flow", SOON, flows);
            broker.kill();
            broker.start_again();
            let before = app.streams.metrics().commit_total();
            let commits = || app.streams.metrics().commit_total() > before;
            pauses.push(holds_within("commits go on", SOON, commits));
        }
    });
    await_all_committed(&place, SOON);
    assert_eq!(app.streams.state(), State::Running);
    broker.kill();
    let closing = Instant::now();
    app.close();
    println!("closed without a broker in {:?}", closing.elapsed());
    broker.start_again();
    let found = compare(&place, &numbering);
    println!("RUNNING {at_start:?} after the broker was there, commits {pauses:?}; {found:?}");
    assert_eq!((found.lost, found.disordered, found.low), (0, 0, 0), "{found:?}");
    assert_eq!((found.foreign, found.split), (0, 0), "{found:?}");
    assert!(at_start < PROGRESS_MAX, "{at_start:?}");
    assert!(pauses.iter().all(|pause| *pause < PROGRESS_MAX), "{pauses:?}");
}
