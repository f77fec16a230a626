//! Topics that are deleted while members consume them.

use std::collections::BTreeMap;

use super::scenarios::alone;
use super::world::World;
use crate::membership::{CommittedOffset, Departure, TopicPartition};

const GONE: &str = "gone: {\"orders\"}";

/// Commits this offset of a partition of each topic.
fn commit(world: &mut World, offset: i64) {
    let one = CommittedOffset { offset, leader_epoch: None, metadata: String::new() };
    let places = ["clicks", "orders"].map(|topic| TopicPartition::new(topic, 1));
    let offsets: BTreeMap<_, _> = places.into_iter().map(|place| (place, one.clone())).collect();
    let (now, node) = (world.now, &mut world.nodes[0]);
    node.member.commit(node.token.as_ref().unwrap(), offsets, now).unwrap();
}

fn stored(world: &World) -> Vec<(String, i64)> {
    let stored = world.group.offsets.iter();
    stored.map(|(place, stored)| (place.to_string(), stored.offset)).collect()
}

#[test]
fn a_commit_counts_for_the_topics_that_are_there() {
    let mut world = alone();
    world.group.gone.insert("orders".into());
    commit(&mut world, 7);
    world.run_for(100);
    assert_eq!(stored(&world), [("clicks-1".to_owned(), 7)]);
    world.run_until(2_500, |world| world.nodes[0].commits == [Ok(())]);
    assert_eq!(world.nodes[0].logged(GONE), 1, "{}", world.report());
}

#[test]
fn a_coordinator_that_has_not_heard_of_a_topic_yet_is_asked_again() {
    let mut world = alone();
    world.group.gone.insert("orders".into());
    commit(&mut world, 7);
    world.run_for(100);
    world.group.gone.clear();
    world.run_until(1_000, |world| world.nodes[0].commits == [Ok(())]);
    assert_eq!(stored(&world), [("clicks-1".to_owned(), 7), ("orders-1".to_owned(), 7)]);
    assert_eq!(world.nodes[0].logged("gone:"), 0);
}

#[test]
fn a_member_leaves_though_a_topic_of_its_last_commit_is_gone() {
    let mut world = alone();
    world.group.gone.insert("orders".into());
    commit(&mut world, 7);
    let now = world.now;
    world.nodes[0].member.leave(Departure::ForGood, now);
    world.run_until(2_500, |world| world.group.member_ids().is_empty());
    assert_eq!(world.nodes[0].commits, [Ok(())]);
    assert_eq!(world.nodes[0].logged("!"), 0, "{}", world.report());
}

/// In a rebalance nothing could be committed until the topic is back.
#[test]
fn a_topic_that_vanishes_begins_no_rebalance_and_one_that_is_back_does() {
    let mut world = alone();
    let orders = world.partitions.remove("orders").unwrap();
    world.run_until(301_000, |world| world.nodes[0].logged(GONE) > 0);
    assert_eq!((world.group.generation, world.nodes[0].running.len()), (1, 6));
    commit(&mut world, 8);
    world.run_for(100);
    assert_eq!(world.nodes[0].commits, [Ok(())]);
    world.partitions.insert("orders", orders + 1);
    world.run_until(6_000, |world| world.nodes[0].running.len() == 7);
}
