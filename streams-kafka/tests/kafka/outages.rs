//! Brokers that go away and come back.

use std::time::{Duration, Instant};

use streams_kafka::State;

use crate::support::app::SOON;
use crate::support::broker::{Broker, Brokers};
use crate::support::bystander::Bystander;
use crate::support::fleet::Fleet;
use crate::support::flow::{self, await_all_committed, compare, while_records_flow};
use crate::support::fold::Numbering;
use crate::support::shape::Shape;
use crate::support::wait::let_live;
use crate::support::watch::clock;
use crate::support::{Place, holds_within};

/// Progress must come so soon after the broker is back.
const PROGRESS_MAX: Duration = Duration::from_secs(10);
/// The same of three brokers in the short form.
const PROGRESS_SHORT: Duration = Duration::from_secs(30);

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

const NODES: usize = 3;
const SLOTS: usize = 2;
/// How long all are away; `scripts/soak` says.
const AWAY_SECONDS: u64 = 5;

/// Longer than any bar, so that a failure says how long it took.
const GO_ON_MAX: Duration = Duration::from_secs(120);

/// Waits until each process has processed and committed more.
fn await_progress(fleet: &Fleet<'_>) -> Duration {
    let now = || fleet.slots().map(|slot| fleet.process(slot).progress()).collect::<Vec<_>>();
    let before = now();
    holds_within("all go on", GO_ON_MAX, || {
        let pairs = now().into_iter().zip(&before);
        pairs.clone().all(|(now, before)| now.0 > before.0 && now.1 > before.1)
    })
}

#[test]
fn brokers_restart_one_at_a_time_and_go_away_together() {
    let (rounds, mut dice) = (flow::rounds(1), flow::dice());
    let away = Duration::from_secs(flow::setting("MILLSTREAM_AWAY_SECONDS", AWAY_SECONDS));
    let brokers = Brokers::start(NODES);
    let place = Place::on(brokers.cluster(), "brokers", 6);
    let mut numbering = Numbering::new(300, 6);
    // The processes are told of one broker only, which is the first to go.
    let server = brokers.each()[1 % NODES].cluster();
    let mut fleet = Fleet::new(&place, Shape::Tally, SLOTS).with(&[
        // A member is not to be expelled while there is no coordinator to hear it.
        ("session.timeout.ms", "45000"),
        ("bootstrap.servers", server.servers()),
    ]);
    let (mut pauses, mut together) = (Vec::new(), Vec::new());
    let (mut alone, mut back) = (Vec::new(), Vec::new());
    let mut outages = || {
        fleet.start_all();
        fleet.await_shared(6, SOON);
        for round in 1..=rounds {
            let broker = &brokers.each()[usize::try_from(round).unwrap() % NODES];
            let began = clock();
            if dice.one_in(2) {
                broker.kill();
            } else {
                broker.stop();
            }
            pauses.push(await_progress(&fleet));
            broker.start_again();
            brokers.await_in_sync();
            pauses.push(await_progress(&fleet));
            alone.push(began..clock());
            if !round.is_multiple_of(NODES as u64) && round < rounds {
                continue;
            }
            brokers.each().iter().for_each(Broker::kill);
            let_live(away);
            brokers.each().iter().for_each(Broker::begin_again);
            brokers.each().iter().for_each(Broker::wait_until_there);
            back.push(clock());
            together.push(await_progress(&fleet));
        }
    };
    let ((), bystander) = Bystander::beside(&place, || {
        while_records_flow(&place, &mut numbering, 500, &mut outages);
    });
    await_all_committed(&place, SOON * 2);
    fleet.close_all();
    let found = compare(&place, &numbering);
    let owners = fleet.owners();
    let whole = alone.iter().flat_map(|time| owners.pauses(time.clone()).into_values());
    let own = alone.iter();
    let own = own.flat_map(|time| owners.pauses_beside(time.clone(), &bystander).into_values());
    let [rest_max, own_max] = [whole.max().unwrap(), own.max().unwrap()];
    let resumed = back.iter().map(|at| owners.resumed_max(*at, &bystander)).max().unwrap();
    println!(
        "{} restarts of one of {NODES} brokers: each process went on within {:?}, each task within \
         {:?}, {:?} after a consumer beside it; {} times all away for {away:?}: once all answered, \
         each process went on within {:?}, each task within {resumed:?}; {} records: {found:?}",
        alone.len(),
        pauses.iter().max().unwrap(),
        rest_max,
        own_max,
        back.len(),
        together.iter().max().unwrap(),
        numbering.given(),
    );
    assert!(owners.doubled().is_empty());
    assert_eq!((found.lost, found.disordered, found.low), (0, 0, 0), "{found:?}");
    assert_eq!((found.foreign, found.split), (0, 0), "{found:?}");
    let bar = flow::bar(PROGRESS_MAX, PROGRESS_SHORT);
    let of_tasks = [own_max, resumed];
    let mut all = pauses.iter().chain(&together).chain(&of_tasks);
    assert!(all.all(|pause| *pause < bar), "{pauses:?} {together:?} {of_tasks:?}");
}
