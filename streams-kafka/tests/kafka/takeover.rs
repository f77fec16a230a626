//! Tasks of processes that go: who has them next, and how soon.

use std::time::Duration;

use crate::support::app::SOON;
use crate::support::fleet::{Change, Fleet, Names, SESSION};
use crate::support::flow::{self, await_all_committed, compare, while_records_flow};
use crate::support::fold::Numbering;
use crate::support::shape::Shape;
use crate::support::wait::let_live;
use crate::support::watch::clock;
use crate::support::{Place, commits, holds_within};

const PARTITIONS: i32 = 6;
/// Tasks run again so soon after the session of the dead is over, and their state is restored.
const AGAIN: Duration = Duration::from_secs(2);
/// The same in the short form.
const AGAIN_SHORT: Duration = Duration::from_secs(10);
/// Long enough for others to hear of a member that has left.
const AWAY: Duration = Duration::from_secs(3);
/// What the group does not take for a restart without it.
const LONG_SESSION: (&str, &str) = ("session.timeout.ms", "45000");

/// A process was killed.
#[derive(Debug)]
struct Death {
    /// How long it was until the last of its tasks processed a record again.
    took: Duration,
    /// How much of that another restored its state.
    restoring: Duration,
}

/// Kills one of two processes again and again.
fn kill_one_of_two(standbys: &str) -> Vec<Death> {
    let (rounds, mut dice) = (flow::rounds(1), flow::dice());
    let place = Place::new("dead", PARTITIONS);
    let mut numbering = Numbering::new(300, PARTITIONS);
    let settings = [("num.standby.replicas", standbys)];
    let mut fleet = Fleet::new(&place, Shape::Tally, 2).with(&settings);
    let partitions = PARTITIONS.unsigned_abs() as usize;
    let mut restoring = Vec::new();
    while_records_flow(&place, &mut numbering, 1000, || {
        for _ in 0..rounds {
            fleet.start_all();
            fleet.await_shared(partitions, SOON);
            let work = |slot: usize| fleet.process(slot).progress().1;
            let before = [work(0), work(1)];
            holds_within("both work", SOON, || work(0) > before[0] + 5 && work(1) > before[1] + 5);
            let dead = dice.one_of(2);
            let known = fleet.process(1 - dead).restored().len();
            let heard = fleet.process(1 - dead).told().len();
            fleet.kill(dead);
            fleet.await_owned(partitions);
            restoring.push(fleet.process(1 - dead).restoring(heard));
            for (start, next, records) in &fleet.process(1 - dead).restored()[known..] {
                let is_warm = *start > 0 && *records < 1000;
                assert!(standbys == "0" || is_warm, "{records} up to {next} were restored");
            }
        }
    });
    await_all_committed(&place, SOON);
    fleet.close_all();
    let (owners, kills) = (fleet.owners(), fleet.changes(&[Change::Killed]));
    let deaths: Vec<Death> = std::iter::zip(&kills, restoring)
        .map(|(at, restoring)| Death { took: owners.taken_up_after(*at).unwrap(), restoring })
        .collect();
    let longest = deaths.iter().max_by_key(|death| death.took).unwrap();
    let found = compare(&place, &numbering);
    println!(
        "{} kills with {standbys} standbys, {} records: tasks ran again within {:?}, with a session \
         of {SESSION:?} and a restoration of {:?}; {found:?}",
        kills.len(),
        numbering.given(),
        longest.took,
        longest.restoring,
    );
    assert!(owners.doubled().is_empty(), "{:?}", owners.doubled());
    assert_eq!((found.lost, found.disordered, found.low), (0, 0, 0), "{found:?}");
    assert_eq!((found.foreign, found.split), (0, 0), "{found:?}");
    deaths
}

#[test]
fn the_tasks_of_a_dead_process_go_to_another() {
    let bar = SESSION + flow::bar(AGAIN, AGAIN_SHORT);
    let deaths = kill_one_of_two("0");
    assert!(deaths.iter().all(|death| death.took < bar + death.restoring), "{deaths:?}");
}

#[test]
fn a_standby_takes_over_from_a_dead_process_without_a_restoration() {
    let bar = SESSION + flow::bar(AGAIN, AGAIN_SHORT);
    let deaths = kill_one_of_two("1");
    assert!(deaths.iter().all(|death| death.took < bar), "{deaths:?}");
}

#[test]
fn a_rolling_restart_of_static_members_moves_no_task() {
    let (rounds, mut dice) = (flow::rounds(1), flow::dice());
    let place = Place::new("rolling", PARTITIONS);
    let mut numbering = Numbering::new(300, PARTITIONS);
    let fleet = Fleet::new(&place, Shape::Tally, 3).named(Names::Kept);
    let mut fleet = fleet.with(&[LONG_SESSION]);
    let partitions = PARTITIONS.unsigned_abs() as usize;
    let generation = || commits::generation(&place.cluster, &place.application);
    let (mut since, mut before) = (Duration::ZERO, 0);
    while_records_flow(&place, &mut numbering, 1000, || {
        fleet.start_all();
        fleet.await_shared(partitions, SOON);
        (since, before) = (clock(), generation());
        for _ in 0..rounds {
            for slot in fleet.slots() {
                if dice.one_in(3) {
                    fleet.kill(slot);
                } else {
                    fleet.close(slot);
                }
                let_live(AWAY);
                fleet.start(slot);
                fleet.await_owned(partitions);
            }
        }
    });
    let [kills, closes] =
        [Change::Killed, Change::Closed].map(|change| fleet.changes(&[change]).len());
    await_all_committed(&place, SOON);
    let rebalances = generation() - before;
    fleet.close_all();
    let (owners, found) = (fleet.owners(), compare(&place, &numbering));
    let ((replayed, whole), after_closes) = (fleet.replayed(), fleet.replayed_after_closes());
    println!(
        "{kills} kills and {closes} clean stops of static members, {} records: {rebalances} \
         rebalances, {} tasks moved, {replayed} of {whole} changelog offsets replayed, {after_closes} \
         of them after clean stops, longest pause of a task {:?}; {found:?}",
        numbering.given(),
        owners.moved(since).len(),
        owners.pauses(since..Duration::MAX).into_values().max().unwrap(),
    );
    assert_eq!((rebalances, after_closes), (0, 0), "rebalances, and replayed after clean stops");
    assert!(owners.moved(since).is_empty(), "{:?}", owners.moved(since));
    assert_eq!((found.lost, found.disordered, found.low), (0, 0, 0), "{found:?}");
    assert_eq!((found.foreign, found.split), (0, 0), "{found:?}");
}
