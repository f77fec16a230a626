//! The order to close, and who hears of it.

use super::node::Life;
use super::scenarios::{ALL, alone, pair, running, shared};
use super::world::{World, config};
use crate::membership::wire::Api;
use crate::membership::{Departure, MembershipConfig};

fn trio() -> World {
    let mut world = pair();
    world.start("c", 3, config());
    world.run_until(10_000, |world| shared(world, &[0, 1, 2]));
    world
}

fn order(world: &mut World, node: usize) {
    let now = world.now;
    world.nodes[node].member.order_shutdown(now);
}

fn leave(world: &mut World, node: usize) {
    let now = world.now;
    world.nodes[node].member.leave(Departure::ForGood, now);
}

fn count(world: &World, wanted: Api) -> usize {
    world.requests.iter().filter(|api| **api == wanted).count()
}

fn all_are(world: &World, life: Life) -> bool {
    world.nodes.iter().all(|node| node.life == life)
}

/// One joins for the order, and stands still before it asks for its assignment. The others have
/// theirs, and close.
fn late_for_its_sync() -> World {
    let mut world = trio();
    let before = count(&world, Api::JoinGroup);
    order(&mut world, 0);
    world.run_until(5_000, |world| count(world, Api::JoinGroup) == before + 3);
    world.nodes[2].life = Life::Paused;
    world.run_until(1_000, |world| [0, 1].iter().all(|node| world.nodes[*node].is_told()));
    world
}

#[test]
fn an_order_of_one_member_reaches_all_and_they_go() {
    let mut world = trio();
    order(&mut world, 1);
    world.run_until(5_000, |world| all_are(world, Life::Left));
    assert!(world.nodes.iter().all(super::node::Node::is_told));
}

#[test]
fn one_that_asks_for_its_assignment_late_hears_of_the_order_too() {
    let mut world = late_for_its_sync();
    world.run_for(4_000);
    assert!([0, 1].iter().all(|node| running(&world, *node).is_empty()));
    world.nodes[2].life = Life::Up;
    world.run_until(2_000, |world| all_are(world, Life::Left));
    assert!(world.nodes[2].is_told());
}

#[test]
fn one_that_is_gone_is_not_waited_for_longer_than_its_session() {
    let mut world = late_for_its_sync();
    world.kill(2);
    world.run_until(11_000, |world| world.nodes[..2].iter().all(|node| node.life == Life::Left));
    assert_eq!(world.nodes[0].logged("not known whether"), 0);
}

#[test]
fn who_gives_the_order_and_leaves_before_it_is_heard_stays_until_it_is() {
    let mut world = pair();
    order(&mut world, 0);
    leave(&mut world, 0);
    world.run_until(5_000, |world| all_are(world, Life::Left));
    assert!(world.nodes[1].is_told());
}

#[test]
fn who_is_alone_goes_at_once() {
    let mut world = alone();
    order(&mut world, 0);
    world.run_until(200, |world| all_are(world, Life::Left));
}

#[test]
fn an_order_needs_no_topics() {
    let mut world = pair();
    world.nodes.iter_mut().for_each(|node| node.provides = false);
    order(&mut world, 0);
    world.run_until(5_000, |world| all_are(world, Life::Left));
}

#[test]
fn without_a_coordinator_the_wait_has_an_end() {
    let mut world = pair();
    order(&mut world, 0);
    world.down = [1, 2].into();
    world.cut(1);
    world.cut(2);
    leave(&mut world, 0);
    let MembershipConfig { session_timeout, heartbeat_interval, leave_timeout, .. } = config();
    let end = session_timeout + heartbeat_interval + leave_timeout;
    world.run_until(u64::try_from(end.as_millis()).unwrap(), |world| {
        world.nodes[0].life == Life::Left
    });
    assert_eq!(world.nodes[0].logged("not known whether"), 1);
}

#[test]
fn one_that_is_hastened_goes_though_others_have_not_heard() {
    let mut world = late_for_its_sync();
    world.run_for(1_000);
    assert_eq!(world.nodes[1].life, Life::Up);
    let now = world.now;
    world.nodes[1].member.hasten(now);
    world.run_until(100, |world| world.nodes[1].life == Life::Left);
    // The other is there still, and tells.
    world.nodes[2].life = Life::Up;
    world.run_until(5_000, |world| all_are(world, Life::Left));
    assert!(world.nodes[2].is_told());
}

#[test]
fn with_an_older_member_nobody_is_waited_for_as_nobody_can_hear() {
    let mut world = alone();
    world.start("old", 2, MembershipConfig { user_data_version: 2, ..config() });
    world.run_until(5_000, |world| shared(world, &[0, 1]));
    order(&mut world, 0);
    world.run_for(5_000);
    assert!(!world.nodes.iter().any(super::node::Node::is_told));
    leave(&mut world, 0);
    world.run_until(5_000, |world| world.nodes[0].life == Life::Left);
    assert_eq!(world.nodes[0].logged("not known whether"), 1);
    world.run_until(5_000, |world| running(world, 1) == ALL);
}

#[test]
fn one_that_comes_back_gives_again_the_order_that_nobody_has_heard() {
    let mut world = pair();
    order(&mut world, 0);
    let now = world.now;
    let next = world.nodes[0].member.successor(now);
    world.kill(0);
    world.start("a again", 1, config());
    world.nodes[2].member = next;
    world.nodes[2].subscribe(1, now);
    world.run_until(30_000, |world| world.nodes[1].is_told());
}
