//! Applications that are closed while they are busy with something else.

use std::time::{Duration, Instant};

use streams_core::worker::RestorePhase;
use streams_kafka::{KafkaStreams, State};

use crate::support::app::SOON;
use crate::support::child::start as start_child;
use crate::support::fleet::SHORT_SESSION;
use crate::support::fold::{Numbering, numbered};
use crate::support::{Given, Place, holds_within};

/// What closing may take, whatever else is going on.
const CLOSE_MAX: Duration = Duration::from_secs(5);

fn build(place: &Place, state: &str) -> KafkaStreams {
    KafkaStreams::new(place.tally(), place.config(&place.state(state)).build().unwrap())
}

/// Closes it, and says how long that took.
#[track_caller]
fn close(place: &Place, streams: &KafkaStreams, members_left: usize) -> Duration {
    let since = Instant::now();
    streams.close(CLOSE_MAX).unwrap();
    let took = since.elapsed();
    assert_eq!(streams.state(), State::NotRunning, "{:?}", streams.error());
    assert_eq!(place.cluster.members(&place.application), members_left);
    took
}

#[test]
fn an_application_closes_while_it_restores_and_restores_later() {
    const RECORDS: usize = 300_000;
    let place = Place::new("close-restoring", 2);
    let mut numbering = Numbering::new(RECORDS, 2);
    let records: Vec<Given> = (0..RECORDS).map(|_| numbering.next()).collect();
    place.cluster.write(&place.input, &records);
    let app = place.start(place.tally());
    place.await_output(RECORDS);
    app.close();
    let committed = || place.cluster.committed(&place.application, &place.input);
    let before = committed();
    std::fs::remove_dir_all(place.state("state")).unwrap();

    let (told, reading) = std::sync::mpsc::channel();
    let config = place.config(&place.state("state")).build().unwrap();
    let streams = KafkaStreams::builder(place.tally(), config)
        .on_restore(move |progress| {
            let _ = told.send((progress.phase, progress.records));
        })
        .build();
    streams.start().unwrap();
    let (phase, _) = reading.recv_timeout(SOON).unwrap();
    assert_eq!(phase, RestorePhase::Began);
    let took = close(&place, &streams, 0);
    let ended = reading.try_iter().filter(|(phase, _)| *phase == RestorePhase::Ended).count();
    println!("closed while restoring in {took:?}; {ended} of 2 stores had been restored");
    assert_eq!(committed(), before);

    let app = place.start(place.tally());
    app.await_running();
    let last: Vec<Given> = (0..RECORDS).map(|_| numbering.next()).collect();
    place.cluster.write(&place.input, &last);
    place.await_output(2 * RECORDS);
    app.close();
    let found = crate::support::flow::compare_many(&place, &numbering);
    assert_eq!(found, crate::support::fold::Difference::default());
}

/// The coordinator waits for a member that does not answer, and with it all others.
#[test]
fn an_application_closes_during_a_rebalance_that_does_not_end() {
    let place = Place::new("close-rebalancing", 2);
    place.cluster.write(&place.input, &numbered(10, 100, 2));
    let silent = start_child(&place, &place.state("silent"), &SHORT_SESSION);
    silent.await_running();
    silent.signal("-STOP");
    let streams = build(&place, "state");
    streams.start().unwrap();
    holds_within("it has asked to join", SOON, || place.cluster.members(&place.application) == 2);
    assert_eq!(streams.state(), State::Rebalancing);
    let took = close(&place, &streams, 1);
    silent.signal("-CONT");
    println!("closed while joining in {took:?}");
    silent.close();
}

#[test]
fn an_application_may_be_closed_twice_and_by_several_threads_and_dropped_unclosed() {
    let place = Place::new("close-twice", 2);
    let committed = || {
        let committed = place.cluster.committed(&place.application, &place.input);
        committed.into_iter().flatten().map(|(offset, _)| offset).sum::<i64>()
    };
    let mut numbering = Numbering::new(10, 2);
    let mut write = |records: usize| {
        let records: Vec<Given> = (0..records).map(|_| numbering.next()).collect();
        place.cluster.write(&place.input, &records);
    };
    write(100);
    let streams = build(&place, "state");
    streams.start().unwrap();
    streams.wait_for(State::Running, SOON).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| streams.close(SOON).unwrap());
        }
    });
    streams.close(CLOSE_MAX).unwrap();
    assert_eq!(place.cluster.members(&place.application), 0);
    drop(streams);

    let streams = build(&place, "state");
    streams.start().unwrap();
    streams.wait_for(State::Running, SOON).unwrap();
    write(100);
    place.await_output(200);
    let since = Instant::now();
    drop(streams);
    println!("dropped in {:?}", since.elapsed());
    assert_eq!((place.cluster.members(&place.application), committed()), (0, 200));
}
