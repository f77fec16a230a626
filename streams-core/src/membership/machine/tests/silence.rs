//! Coordinators that fall silent during a rebalance.

use super::node::{Life, tasks_of};
use super::scenarios::{ALL, running, shared};
use super::world::{World, config};
use crate::assign::TaskState;
use crate::membership::wire::Api;
use crate::membership::{Generation, TopicName};

/// Two members, whose coordinator is not the broker that they ask first.
fn pair() -> World {
    let mut world = World::new();
    world.coordinator = 2;
    world.start("a", 1, config());
    world.start("b", 2, config());
    world.run_until(8_000, |world| shared(world, &[0, 1]));
    world
}

fn count(world: &World, wanted: Api) -> usize {
    world.requests.iter().filter(|api| **api == wanted).count()
}

/// Another member has joined, and all wait for the leader, whose owner does not answer.
fn waiting_for_the_leader() -> World {
    let mut world = pair();
    world.nodes.iter_mut().for_each(|node| node.provides = false);
    let syncs = count(&world, Api::SyncGroup);
    let third = world.start("c", 3, config());
    world.nodes[third].provides = false;
    world.run_until(5_000, |world| count(world, Api::SyncGroup) == syncs + 2);
    world
}

#[test]
fn members_that_wait_for_their_assignment_find_the_next_coordinator_within_a_session() {
    let mut world = waiting_for_the_leader();
    world.freeze_coordinator(1);
    world.nodes.iter_mut().for_each(|node| node.provides = true);
    // That of the leader is missed by its heartbeats.
    world.run_until(14_000, |world| shared(world, &[0, 1, 2]));
}

#[test]
fn a_member_that_waits_for_others_to_join_finds_the_next_coordinator_within_a_session() {
    let mut world = pair();
    world.nodes[1].life = Life::Paused;
    let (joins, now) = (count(&world, Api::JoinGroup), world.now);
    world.nodes[0].member.rejoin(now);
    world.run_until(100, |world| count(world, Api::JoinGroup) > joins);
    world.freeze_coordinator(1);
    world.kill(1);
    // The session of the other is waited for.
    world.run_until(16_000, |world| running(world, 0) == ALL);
}

#[test]
fn a_slow_leader_costs_the_others_no_rebalance() {
    let mut world = waiting_for_the_leader();
    let generation = Generation(world.group.generation);
    world.run_for(100_000);
    assert_eq!(Generation(world.group.generation), generation);
    let leader = (0..2).find(|node| world.nodes[*node].logged("leads") > 0).unwrap();
    let topics: [TopicName; 2] = ["clicks".into(), "orders".into()];
    let tasks = tasks_of(topics.iter().zip([4, 2]), TaskState::Stateless);
    let now = world.now;
    world.nodes[leader].member.provide_tasks(generation, &tasks, now).unwrap();
    world.nodes.iter_mut().for_each(|node| node.provides = true);
    world.run_until(8_000, |world| shared(world, &[0, 1, 2]));
}
