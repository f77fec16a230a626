//! Topics of unequal numbers of partitions in one sub-topology, read by several processes.

use std::collections::BTreeSet;

use streams_core::names::TopicPartition;

use crate::support::app::{COUNTS, SOON};
use crate::support::fleet::Fleet;
use crate::support::flow::{await_drained, while_records_flow};
use crate::support::fold::{self, Numbering};
use crate::support::shape::{Shape, second};
use crate::support::singles::Singles;
use crate::support::{Given, Place, holds_within};

/// Of the one topic, and of the other.
const PARTITIONS: [i32; 2] = [5, 3];
const TASKS: usize = 5;
/// Keys of the other topic, with a record in each phase.
const SINGLES: usize = 60;

/// Waits until each partition has one reader, and those of a task have the same.
fn await_whole_tasks(place: &Place) {
    let of_task = |partition: i32| {
        let topics = Shape::Merge.inputs(place).into_iter().zip(PARTITIONS);
        let there = topics.filter(move |(_, count)| partition < *count);
        there.map(move |(topic, _)| TopicPartition::new(topic, partition)).collect()
    };
    let tasks: Vec<BTreeSet<TopicPartition>> = (0..PARTITIONS[0]).map(of_task).collect();
    holds_within("each task is whole with one member", SOON, || {
        let assigned = place.cluster.assignments(&place.application);
        let all: usize = assigned.iter().map(BTreeSet::len).sum();
        let is_whole = |task: &BTreeSet<_>| assigned.iter().any(|member| task.is_subset(member));
        all == tasks.iter().map(BTreeSet::len).sum::<usize>() && tasks.iter().all(is_whole)
    });
}

#[test]
fn the_inputs_of_a_task_are_together_whatever_their_topics_partitions() {
    let place = Place::new("unequal", PARTITIONS[0]);
    let other = second(&place.input);
    place.cluster.create(&other, PARTITIONS[1]);
    let mut numbering = Numbering::new(100, PARTITIONS[0]);
    let mut singles = Singles::new(PARTITIONS[1]);
    let keys = singles.fresh(SINGLES);
    let mut fleet = Fleet::new(&place, Shape::Merge, 3);
    while_records_flow(&place, &mut numbering, 500, || {
        let mut settle = |fleet: &Fleet<'_>| {
            let more: Vec<Given> = keys.iter().map(|key| singles.next_of(key)).collect();
            place.cluster.write(&other, &more);
            fleet.await_shared(TASKS, SOON);
            await_whole_tasks(&place);
        };
        fleet.start(0);
        fleet.start(1);
        settle(&fleet);
        fleet.start(2);
        settle(&fleet);
        fleet.close(0);
        settle(&fleet);
        fleet.kill(1);
        settle(&fleet);
        fleet.start_all();
        settle(&fleet);
    });
    await_drained(&place, Shape::Merge, SOON);
    fleet.close_all();
    numbering.count_in(singles.given());
    let (output, changelog) =
        (place.cluster.read(&place.output), place.cluster.read(&place.changelog(COUNTS)));
    let found = fold::difference(&numbering.truth(), &output, &changelog);
    let owners = fleet.owners();
    println!(
        "{} records of {PARTITIONS:?} partitions: {found:?}; longest pause of a task {:?}",
        numbering.given() + 5 * SINGLES,
        owners.pause_max(),
    );
    assert!(owners.doubled().is_empty(), "{:?}", owners.doubled());
    assert_eq!(place.cluster.partitions(&place.changelog(COUNTS)), TASKS);
    assert_eq!((found.lost, found.disordered, found.low), (0, 0, 0), "{found:?}");
    assert_eq!((found.foreign, found.split), (0, 0), "{found:?}");
}
