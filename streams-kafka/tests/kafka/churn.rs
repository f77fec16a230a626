//! Processes of one application that are killed, closed and started at random while records flow.

use std::fmt;
use std::time::Duration;

use crate::support::Place;
use crate::support::app::SOON;
use crate::support::fleet::{Change, Fleet, HEARTBEAT, SESSION};
use crate::support::flow::{self, Dice, await_drained, while_records_flow};
use crate::support::fold::{self, Numbering};
use crate::support::owners::Vacancy;
use crate::support::shape::{Shape, TOTALS};
use crate::support::wait::let_live;

const PARTITIONS: i32 = 8;
const SLOTS: usize = 3;
/// Each task has an owner again so soon after a member has come or gone; one that was killed has
/// gone when its session is over.
const OWNED_AGAIN: Duration = Duration::from_secs(3);
/// The same in the short form.
const OWNED_AGAIN_SHORT: Duration = Duration::from_secs(10);
/// All input must be committed so soon after the last disturbance.
const DRAIN_MAX: Duration = Duration::from_secs(60);

/// How long tasks had no owner.
#[derive(Debug, Default)]
struct Waits {
    count: usize,
    /// After a kill.
    killed_max: Duration,
    /// After a member came or went by itself.
    other_max: Duration,
    /// Beyond the end of a session, and the last change.
    beyond_max: Duration,
    /// Those that were longer than they are to be.
    late: Vec<Vacancy>,
}

impl Waits {
    fn of(fleet: &Fleet<'_>, vacancies: &[Vacancy]) -> Self {
        let all = [Change::Started, Change::Killed, Change::Closed];
        let (changes, kills) = (fleet.changes(&all), fleet.changes(&[Change::Killed]));
        let expiries: Vec<Duration> = kills.iter().map(|at| *at + SESSION).collect();
        let mut waits = Self { count: vacancies.len(), ..Self::default() };
        for vacancy in vacancies {
            // A session begins with the last heartbeat, which is older than the kill.
            let over = expiries.iter().filter(|end| **end <= vacancy.to + HEARTBEAT);
            let over = over.map(|end| vacancy.to.min(*end));
            let beyond = vacancy.beyond(changes.iter().copied().chain(over));
            let was_killed = kills.contains(&vacancy.from);
            let longest = if was_killed { &mut waits.killed_max } else { &mut waits.other_max };
            *longest = vacancy.length().max(*longest);
            waits.beyond_max = waits.beyond_max.max(beyond);
            waits.late.extend((beyond > OWNED_AGAIN).then_some(*vacancy));
        }
        waits
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, killed_max, other_max, beyond_max, late } = self;
        let late = late.len();
        write!(
            f,
            "{count} times a task had no owner, at most {killed_max:?} after a kill and \
             {other_max:?} otherwise; {beyond_max:?} beyond the session of the dead, {late} times \
             more than {OWNED_AGAIN:?}"
        )
    }
}

/// A process is killed, another may go as well, and after a while they are there again.
fn disturb(fleet: &mut Fleet<'_>, dice: &mut Dice) {
    let first = dice.one_of(SLOTS);
    fleet.kill(first);
    let_live(dice.between(Duration::ZERO, SESSION / 2));
    let second = (first + 1) % SLOTS;
    match dice.one_of(6) {
        0 => fleet.kill(second),
        1 | 2 => fleet.close(second),
        _ => {}
    }
    let_live(dice.between(Duration::ZERO, SESSION / 2));
    for slot in fleet.slots() {
        if !fleet.is_running(slot) {
            fleet.start(slot);
            let_live(dice.between(Duration::ZERO, SESSION / 4));
        }
    }
}

#[test]
fn each_task_has_one_owner_while_processes_are_killed_and_join() {
    let (rounds, mut dice) = (flow::rounds(5), flow::dice());
    let place = Place::new("churn", PARTITIONS);
    let mut numbering = Numbering::new(200, PARTITIONS);
    let mut fleet = Fleet::new(&place, Shape::Chain, SLOTS);
    let partitions = PARTITIONS.unsigned_abs() as usize;
    while_records_flow(&place, &mut numbering, 500, || {
        fleet.start_all();
        fleet.await_shared(partitions, SOON);
        for _ in 0..rounds {
            disturb(&mut fleet, &mut dice);
        }
        // They need not be even: where a process has no recent copy of a state, it is made first.
        fleet.await_owned(partitions);
    });
    let [kills, closes, starts] = [Change::Killed, Change::Closed, Change::Started]
        .map(|change| fleet.changes(&[change]).len());
    await_drained(&place, Shape::Chain, DRAIN_MAX);
    fleet.close_all();

    let owners = fleet.owners();
    let waits = Waits::of(&fleet, &owners.vacancies());
    let found = flow::compare(&place, &numbering);
    let totals = fold::counts(&place.cluster.read(&place.changelog(TOTALS)));
    let truth = numbering.truth();
    let low = truth.iter().filter(|(key, count)| totals.get(*key).is_none_or(|t| t < *count));
    let low = low.count();
    let (replayed, whole) = fleet.replayed();
    println!(
        "{kills} kills, {closes} clean stops, {starts} starts, {} records: {found:?}, {low} totals \
         too low; {replayed} of {whole} changelog offsets replayed; {waits}; longest pause of a \
         task {:?}",
        numbering.given(),
        owners.pause_max(),
    );
    assert!(owners.doubled().is_empty(), "{:?}", owners.doubled());
    assert_eq!((found.lost, found.disordered, found.low, low), (0, 0, 0, 0), "{found:?}");
    assert_eq!((found.foreign, found.split), (0, 0), "{found:?}");
    let bar = flow::bar(OWNED_AGAIN, OWNED_AGAIN_SHORT);
    let around = |late: &Vacancy| (*late, fleet.changes_within(late.from - SESSION..late.to));
    let late: Vec<_> = waits.late.iter().map(around).collect();
    assert!(waits.beyond_max < bar, "{waits}: {late:#?}");
}
