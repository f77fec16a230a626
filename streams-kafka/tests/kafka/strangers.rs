//! Members of the group that are none of the application's.

use std::path::Path;

use rdkafka::consumer::Consumer;
use streams_kafka::State;

use crate::support::app::SOON;
use crate::support::child::{Launch, Process, Told};
use crate::support::flow::{await_all_committed, compare};
use crate::support::fold::{Difference, Numbering};
use crate::support::{Given, Place, holds_within};

/// Runs a program, and keeps what it logs in the file that is named first.
const LOGGED: &str = r#"RUST_LOG=warn NO_COLOR=1 exec "$@" 2>"$0""#;

/// Runs the tally.
fn start(place: &Place, log: &Path) -> Process {
    let (state, within) = (place.state("state"), ["sh", "-c", LOGGED, log.to_str().unwrap()]);
    Launch { within: &within, ..Launch::of(place, &state) }.start()
}

#[test]
fn a_consumer_of_another_kind_is_waited_for_and_not_disturbed() {
    let place = Place::new("strangers", 2);
    let mut numbering = Numbering::new(10, 2);
    let records: Vec<Given> = (0..100).map(|_| numbering.next()).collect();
    place.cluster.write(&place.input, &records);
    let stranger = place.cluster.member_of(&place.application, &place.input);
    let log = place.state("log");
    let process = start(&place, &log);
    let words = format!("group '{}' holds members of another kind", place.application);
    holds_within("it says what it waits for", SOON, || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.contains(&words))
    });
    let told = process.told();
    assert!(told.iter().all(|(_, told)| *told != Told::State(State::Running)), "{told:?}");
    assert_eq!(place.cluster.members(&place.application), 1);
    assert_eq!(stranger.assignment().unwrap().count(), 2, "it keeps what it has");
    drop(stranger);
    let took = process.await_running();
    println!("it ran {took:?} after its start");
    await_all_committed(&place, SOON);
    process.close();
    assert_eq!(compare(&place, &numbering), Difference::default());
}
