//! Brokers that are asked what any of them knows.

use super::scenarios::{ALL, running, shared};
use super::world::{World, config};
use crate::membership::{Address, Departure, MembershipConfig};

/// Of three brokers the first alone is configured, and another coordinates.
fn pair_of_one_server() -> World {
    let config = MembershipConfig { bootstrap: vec![Address::new("b", 1)], ..config() };
    let mut world = World::new();
    world.coordinator = 2;
    world.start("a", 1, config.clone());
    world.start("b", 2, config);
    world.run_until(8_000, |world| shared(world, &[0, 1]));
    world
}

fn stop(world: &mut World, broker: u16) {
    world.down.insert(broker);
    world.cut(broker);
}

#[test]
fn a_leader_asks_another_broker_about_topics_when_the_only_server_is_away() {
    for killed in [0, 1] {
        let mut world = pair_of_one_server();
        stop(&mut world, 1);
        world.kill(killed);
        world.run_until(15_000, |world| running(world, 1 - killed) == ALL);
    }
}

#[test]
fn the_coordinator_is_found_by_another_broker_when_the_only_server_is_away() {
    let mut world = pair_of_one_server();
    let generation = world.group.generation;
    stop(&mut world, 1);
    stop(&mut world, 2);
    world.coordinator = 3;
    world.group.reload(world.now);
    world.run_for(5_000);
    let now = world.now;
    world.nodes[0].member.leave(Departure::ForGood, now);
    world.run_until(5_000, |world| running(world, 1) == ALL);
    assert_eq!(world.group.generation, generation + 1);
}

#[test]
fn brokers_that_came_later_are_heard_of_by_all_members() {
    let mut world = World::new();
    world.named = vec![1, 2];
    for process in [1, 2] {
        world.start(
            "n",
            process,
            MembershipConfig { bootstrap: vec![Address::new("b", 1)], ..config() },
        );
    }
    world.run_until(8_000, |world| shared(world, &[0, 1]));
    world.named = vec![3];
    world.run_for(301_000);
    stop(&mut world, 1);
    stop(&mut world, 2);
    world.coordinator = 3;
    world.group.reload(world.now);
    world.kill(0);
    world.run_until(15_000, |world| running(world, 1) == ALL);
}

#[test]
fn a_member_that_comes_back_knows_the_brokers_still() {
    let mut world = pair_of_one_server();
    stop(&mut world, 1);
    let now = world.now;
    world.nodes[1].member.leave(Departure::ForGood, now);
    world.run_until(5_000, |world| running(world, 0) == ALL);
    let (node, now) = (&mut world.nodes[1], world.now);
    node.member = node.member.successor(now);
    node.life = super::node::Life::Up;
    node.subscribe(2, now);
    world.run_until(8_000, |world| shared(world, &[0, 1]));
}
