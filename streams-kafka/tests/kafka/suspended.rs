//! Processes that are suspended for so long that others take their tasks, and then go on.

use crate::support::app::{COUNTS, SOON};
use crate::support::commits::steps_back;
use crate::support::fleet::{Fleet, SESSION};
use crate::support::flow::{self, await_all_committed, while_records_flow};
use crate::support::fold::{self, Numbering};
use crate::support::shape::Shape;
use crate::support::wait::let_live;
use crate::support::{Given, Place, holds_within};

const PARTITIONS: i32 = 4;
const KEYS: usize = 80;

/// Another takes all tasks, and commits beyond where the suspended one was: what that would commit
/// now goes back.
fn suspend_and_resume(fleet: &mut Fleet<'_>, place: &Place, slot: usize) {
    fleet.suspend(slot);
    let_live(SESSION * 2);
    let ends = place.cluster.ends(&place.input);
    holds_within("the other has all tasks", SOON, || {
        fleet.owners().shares(2)[1 - slot] == ends.len()
    });
    holds_within("the other has passed it", SOON, || {
        let committed = place.cluster.committed(&place.application, &place.input);
        let passed = |(at, end): (&Option<(i64, String)>, &i64)| {
            at.as_ref().is_some_and(|(offset, _)| offset >= end)
        };
        committed.iter().zip(&ends).all(passed)
    });
    fleet.resume(slot);
    fleet.await_shared(ends.len(), SOON);
}

/// Lets a process alone count one more record of each key. Keys whose state is not what their
/// changelog says.
fn astray(fleet: &mut Fleet<'_>, place: &Place, numbering: &mut Numbering, slot: usize) -> usize {
    let counts = || fold::counts(&place.cluster.read(&place.changelog(COUNTS)));
    let before = counts();
    fleet.start(slot);
    let more: Vec<Given> = (0..KEYS).map(|_| numbering.next()).collect();
    place.cluster.write(&place.input, &more);
    await_all_committed(place, SOON);
    fleet.close(slot);
    let after = counts();
    before.iter().filter(|(key, count)| after[*key] != *count + 1).count()
}

#[test]
fn a_process_that_was_suspended_commits_nothing_of_its_own_and_keeps_nothing_of_its_own() {
    let (rounds, mut dice) = (flow::rounds(2), flow::dice());
    let place = Place::new("suspended", PARTITIONS);
    let mut numbering = Numbering::new(KEYS, PARTITIONS);
    let mut fleet = Fleet::new(&place, Shape::Tally, 2);
    while_records_flow(&place, &mut numbering, 1000, || {
        fleet.start_all();
        fleet.await_shared(PARTITIONS.unsigned_abs() as usize, SOON);
        for _ in 0..rounds {
            suspend_and_resume(&mut fleet, &place, dice.one_of(2));
        }
    });
    await_all_committed(&place, SOON);
    fleet.close_all();

    let (commits, back) = steps_back(&place.cluster, &place.application);
    let owners = fleet.owners();
    let (replayed, whole) = fleet.replayed();
    let found = flow::compare(&place, &numbering);
    println!(
        "suspended {rounds} times, {} records: {found:?}; {back} of {commits} commits went back; \
         {replayed} of {whole} changelog offsets replayed; longest pause of a task {:?}",
        numbering.given(),
        owners.pause_max(),
    );
    assert_eq!((found.lost, found.foreign, back), (0, 0, 0), "{found:?}");
    assert!(owners.doubled().is_empty(), "{:?}", owners.doubled());
    let astray: Vec<usize> =
        fleet.slots().map(|slot| astray(&mut fleet, &place, &mut numbering, slot)).collect();
    assert_eq!(astray, [0, 0], "keys whose state is not that of the changelog");
}
