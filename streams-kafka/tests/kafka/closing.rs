//! Applications that are closed while they are busy with something else.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use streams_core::names::TaskId;
use streams_kafka::{KafkaStreams, State, WaitError};

use crate::support::app::SOON;
use crate::support::child::{Process, start as start_child};
use crate::support::flow::{await_all_committed, compare, compare_many, while_records_flow};
use crate::support::fold::{Difference, Numbering, numbered};
use crate::support::wait::{eventually, let_live};
use crate::support::{App, Given, Place, holds_within};

/// What closing may take, whatever else is going on.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// The broker has less to give than it is to wait for, and answers when the time is over.
const RESTORES_SLOWLY: [(&str, &str); 3] = [
    ("restore.consumer.fetch.min.bytes", "1000000"),
    ("restore.consumer.fetch.max.wait.ms", "500"),
    ("restore.consumer.max.partition.fetch.bytes", "65536"),
];
/// Hears soon of a rebalance, and is long not missed when it stands still.
const QUICK: [(&str, &str); 1] = [("heartbeat.interval.ms", "1000")];
/// Commits nothing before it closes, and hears of a rebalance after a minute.
const UNAWARE: [(&str, &str); 3] = [
    ("commit.interval.ms", "600000"),
    ("heartbeat.interval.ms", "60000"),
    ("session.timeout.ms", "120000"),
];
/// Several commits would be made in this time.
const NO_COMMIT: Duration = Duration::from_secs(1);

fn build(place: &Place, state: &str) -> KafkaStreams {
    KafkaStreams::new(place.tally(), place.config(&place.state(state)).build().unwrap())
}

fn start_with(place: &Place, settings: &[(&str, &str)]) -> App {
    App::start(place.tally(), place.config_with(&place.state("state"), settings))
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

    let app = start_with(&place, &RESTORES_SLOWLY);
    let restored =
        || -> u64 { app.streams.metrics().workers.iter().map(|worker| worker.restore_total).sum() };
    holds_within("records are restored", SOON, || restored() > 0);
    let took = close(&place, &app.streams, 0);
    println!("closed while restoring in {took:?}, after {} records", restored());
    assert!(app.restored().is_empty(), "a store was done: {:?}", app.restored());
    assert_eq!(committed(), before);

    let app = place.start(place.tally());
    app.await_running();
    let last: Vec<Given> = (0..RECORDS).map(|_| numbering.next()).collect();
    place.cluster.write(&place.input, &last);
    place.await_output(2 * RECORDS);
    app.close();
    assert_eq!(compare_many(&place, &numbering), Difference::default());
}

/// A rebalance that does not end: a process that has just asked to join waits, and with it all others,
/// for one that does not answer.
struct Stuck {
    silent: Process,
    joining: KafkaStreams,
}

impl Stuck {
    fn begin(place: &Place, silent: Process) -> Self {
        let members = || place.cluster.members(&place.application);
        let before = members();
        silent.signal("-STOP");
        let joining = build(place, "joining");
        joining.start().unwrap();
        holds_within("it has asked to join", SOON, || members() == before + 1);
        Self { silent, joining }
    }

    /// The one that did not answer goes on, alone.
    #[track_caller]
    fn end(self, place: &Place) -> Process {
        assert_eq!(self.joining.state(), State::Rebalancing);
        let took = close(place, &self.joining, 1);
        println!("closed while joining in {took:?}");
        self.silent.signal("-CONT");
        self.silent
    }
}

#[test]
fn an_application_closes_during_a_rebalance_that_does_not_end() {
    let place = Place::new("close-rebalancing", 2);
    place.cluster.write(&place.input, &numbered(10, 100, 2));
    let silent = start_child(&place, &place.state("silent"), &QUICK);
    silent.await_running();
    Stuck::begin(&place, silent).end(&place).close();
}

fn tasks(app: &App) -> BTreeSet<TaskId> {
    let workers = app.streams.metrics().workers;
    workers.iter().flat_map(|worker| worker.lags.keys().copied()).collect()
}

/// A process, and an application beside it that has half of its four tasks by now.
fn share(place: &Place, settings: &[(&str, &str)]) -> (Process, App) {
    let process = start_child(place, &place.state("silent"), &QUICK);
    process.await_running();
    let app = start_with(place, settings);
    holds_within("the tasks are shared", SOON, || tasks(&app).len() == 2);
    (process, app)
}

/// Before it joins again, the coordinator takes its commits as if nothing were.
#[test]
fn an_application_with_tasks_commits_and_closes_during_a_rebalance_that_does_not_end() {
    const RECORDS: usize = 400;
    let place = Place::new("close-owning", 4);
    let mut numbering = Numbering::new(40, 4);
    let (silent, app) = share(&place, &UNAWARE);
    let owned = tasks(&app);
    let committed = || {
        let all = place.committed();
        let of_task = |task: &TaskId| all[task.partition.unsigned_abs() as usize];
        owned.iter().map(of_task).collect::<Vec<i64>>()
    };
    let records: Vec<Given> = (0..RECORDS).map(|_| numbering.next()).collect();
    place.cluster.write(&place.input, &records);
    place.await_output(RECORDS);
    let stuck = Stuck::begin(&place, silent);
    assert_eq!(committed(), [0; 2]);
    let took = close(&place, &app.streams, 2);
    println!("closed with tasks during a rebalance in {took:?}");
    assert_eq!(committed(), [100; 2]);
    stuck.end(&place).close();
    assert_eq!(compare(&place, &numbering), Difference::default());
}

/// From when it has joined again until it is told its tasks, nothing can be committed: what it did
/// meanwhile is done again.
#[test]
fn an_application_that_waits_for_its_assignment_closes_in_time_and_nothing_is_lost() {
    let place = Place::new("close-waiting", 4);
    let mut numbering = Numbering::new(40, 4);
    let (silent, app) = share(&place, &QUICK);
    let commits = || app.streams.metrics().commit_total();
    let mut left = None;
    while_records_flow(&place, &mut numbering, 500, || {
        holds_within("it commits", SOON, || commits() > 0);
        let stuck = Stuck::begin(&place, silent);
        eventually("it has joined, and commits no more", SOON, || {
            let before = commits();
            let_live(NO_COMMIT);
            (commits() == before).then_some(())
        });
        let since = Instant::now();
        let closed = app.streams.close(CLOSE_MAX);
        let took = since.elapsed();
        println!("closed while it waited for its assignment in {took:?}: {closed:?}");
        assert!(matches!(closed, Ok(()) | Err(WaitError::Abandoned { .. })), "{closed:?}");
        assert!(took <= CLOSE_MAX, "{took:?}");
        assert_eq!(place.cluster.members(&place.application), 2);
        left = Some(stuck.end(&place));
    });
    await_all_committed(&place, SOON);
    left.unwrap().close();
    let found = compare(&place, &numbering);
    println!("{} records: {found:?}", numbering.given());
    assert_eq!((found.lost, found.disordered, found.low), (0, 0, 0), "{found:?}");
    assert_eq!((found.foreign, found.split), (0, 0), "{found:?}");
}

#[test]
fn an_application_may_be_closed_twice_and_by_several_threads_and_dropped_unclosed() {
    let place = Place::new("close-twice", 2);
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
    let took = since.elapsed();
    println!("dropped in {took:?}");
    assert!(took <= CLOSE_MAX, "{took:?}");
    assert_eq!(place.cluster.members(&place.application), 0);
    assert_eq!(place.committed().iter().sum::<i64>(), 200);
}
