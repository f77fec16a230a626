//! Static members: those with a `group.instance.id`.

use super::node::Life;
use super::scenarios::{ALL, running, shared};
use super::world::{World, config};
use crate::membership::wire::Api;
use crate::membership::{Departure, MembershipConfig};

fn named(name: &str) -> MembershipConfig {
    MembershipConfig { instance: Some(name.into()), ..config() }
}

#[test]
fn a_static_member_takes_its_place_again_without_a_rebalance() {
    let mut world = World::new();
    world.start("a", 1, named("i-a"));
    world.start("b", 2, named("i-b"));
    world.run_until(8_000, |world| shared(world, &[0, 1]));
    let (generation, before) = (world.group.generation, running(&world, 0));
    world.kill(0);
    let dead = world.nodes[0].id.clone().unwrap();
    world.start("a again", 1, named("i-a"));
    world.nodes[2].member.leave_dead_member(dead);
    world.run_until(1_000, |world| running(world, 2) == before);
    world.run_for(30_000);
    assert_eq!(world.group.generation, generation);
    assert!(!world.requests.contains(&Api::LeaveGroup));
    // Though the broker did not tell it that it leads, new partitions are seen.
    world.partitions.insert("orders", 3);
    let count =
        |world: &World| [1, 2].map(|node| world.nodes[node].running.len()).iter().sum::<usize>();
    world.run_until(330_000, |world| count(world) == 7);
}

#[test]
fn a_static_member_that_never_joined_takes_nobody_out() {
    let mut world = World::new();
    world.start("a", 1, named("same"));
    world.run_until(1_000, |world| running(world, 0) == ALL);
    let early = world.start("b", 2, named("same"));
    let now = world.now;
    world.nodes[early].member.leave(Departure::ForGood, now);
    world.run_for(30_000);
    assert_eq!(world.nodes[early].life, Life::Left);
    assert_eq!(running(&world, 0), ALL);
    assert!(!world.requests.contains(&Api::LeaveGroup));
}

#[test]
fn a_static_member_that_falls_silent_finds_its_place_within_its_session() {
    let mut world = World::new();
    world.start("a", 1, named("i-a"));
    world.start("b", 2, named("i-b"));
    world.run_until(8_000, |world| shared(world, &[0, 1]));
    let (generation, before) = (world.group.generation, running(&world, 0));
    let now = world.now;
    world.nodes[0].member.leave(Departure::ToReturn, now);
    world.run_for(5_000);
    assert_eq!((world.nodes[0].life, running(&world, 0).as_str()), (Life::Left, ""));
    let again = world.start("a again", 1, named("i-a"));
    world.run_until(1_000, |world| running(world, again) == before);
    world.run_for(30_000);
    assert_eq!(world.group.generation, generation);
    let now = world.now;
    world.nodes[again].member.leave(Departure::ToReturn, now);
    // One that does not come back is missed.
    world.run_until(14_000, |world| running(world, 1) == ALL);
    assert!(!world.requests.contains(&Api::LeaveGroup));
}

#[test]
fn two_processes_with_one_instance_id_are_told() {
    let named = named("same");
    let mut world = World::new();
    world.start("a", 1, named.clone());
    world.run_until(1_000, |world| running(world, 0) == ALL);
    world.zombies.insert(0);
    world.start("b", 2, named);
    world.run_until(3_000, |world| world.nodes[0].fault.is_some());
    let text = world.nodes[0].fault.as_ref().unwrap().to_string();
    assert!(text.contains("'same'") && text.contains("group.instance.id"), "{text}");
}
