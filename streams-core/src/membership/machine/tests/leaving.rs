//! Members that leave, and coordinators that do not take it at once.

use std::time::Duration;

use super::node::Life;
use super::scenarios::{ALL, pair, running, shared};
use super::world::{World, config};
use crate::membership::wire::{Api, ErrorCode};
use crate::membership::{Departure, MemberId, MembershipConfig};

fn leave(world: &mut World, node: usize) {
    let now = world.now;
    world.nodes[node].member.leave(Departure::ForGood, now);
}

/// The one that has not left is in the group alone.
fn is_out(world: &World, left: usize) -> bool {
    let stayed = world.nodes[1 - left].id.as_ref().map(MemberId::as_str);
    world.group.member_ids() == stayed.as_slice()
}

#[test]
fn a_coordinator_that_cannot_take_a_leave_now_is_asked_again() {
    for code in [
        ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotCoordinator,
        ErrorCode::UnknownServerError,
    ] {
        let mut world = pair();
        world.faults = [(Api::LeaveGroup, code); 3].into();
        leave(&mut world, 0);
        world.run_until(3_000, |world| world.nodes[0].life == Life::Left);
        assert!(is_out(&world, 0), "{code}: {:?}", world.group.member_ids());
        assert_eq!(world.nodes[0].member.id_in_group(), None, "{code}");
        world.run_until(3_000, |world| running(world, 1) == ALL);
    }
}

#[test]
fn a_leave_whose_answer_is_lost_is_asked_again_and_is_done() {
    let mut world = pair();
    world.lost_answers.push_back(Api::LeaveGroup);
    leave(&mut world, 0);
    world.run_until(3_000, |world| world.nodes[0].life == Life::Left);
    assert_eq!(world.requests.iter().filter(|api| **api == Api::LeaveGroup).count(), 2);
    assert_eq!(world.nodes[0].member.id_in_group(), None);
}

#[test]
fn one_that_was_thrown_out_has_left() {
    let mut world = pair();
    let (id, now) = (world.nodes[0].id.clone().unwrap(), world.now);
    world.zombies.insert(0);
    world.group.kick(id.as_str(), now);
    leave(&mut world, 0);
    world.run_until(100, |world| world.nodes[0].life == Life::Left);
    assert_eq!(world.nodes[0].member.id_in_group(), None);
}

#[test]
fn one_that_may_not_leave_goes_and_says_so() {
    let mut world = pair();
    world.faults = [(Api::LeaveGroup, ErrorCode::GroupAuthorizationFailed)].into();
    leave(&mut world, 0);
    world.run_until(100, |world| world.nodes[0].life == Life::Left);
    assert_eq!(world.nodes[0].logged("refused"), 1);
    assert_eq!(world.nodes[0].member.id_in_group(), world.nodes[0].id.as_ref());
}

/// With a session that nobody waits for here.
fn patient() -> MembershipConfig {
    MembershipConfig { session_timeout: Duration::from_secs(45), ..config() }
}

/// Node 0 has gone while no broker was there, and they are back.
fn left_unheard() -> World {
    let mut world = World::new();
    world.start("a", 1, patient());
    world.start("b", 2, patient());
    world.run_until(8_000, |world| shared(world, &[0, 1]));
    world.down = [1, 2, 3].into();
    (1..=3).for_each(|broker| world.cut(broker));
    leave(&mut world, 0);
    world.run_until(5_100, |world| world.nodes[0].life == Life::Left);
    world.down.clear();
    world
}

#[test]
fn one_that_went_unheard_is_taken_out_by_the_next_process() {
    let mut world = left_unheard();
    let id = world.nodes[0].member.id_in_group().cloned().unwrap();
    assert_eq!(Some(&id), world.nodes[0].id.as_ref());
    let again = world.start("a again", 1, patient());
    world.nodes[again].member.leave_dead_member(id);
    world.run_until(6_000, |world| shared(world, &[1, again]));
}

#[test]
fn one_that_went_unheard_takes_itself_out_when_it_comes_back() {
    let mut world = left_unheard();
    let (node, now) = (&mut world.nodes[0], world.now);
    node.member = node.member.successor(now);
    node.life = Life::Up;
    node.subscribe(1, now);
    world.run_until(6_000, |world| shared(world, &[0, 1]));
}

#[test]
fn one_that_goes_before_it_could_take_the_dead_out_leaves_that_to_the_next() {
    let mut world = pair();
    let dead = world.nodes[0].id.clone().unwrap();
    world.kill(0);
    world.down = [1, 2, 3].into();
    (1..=3).for_each(|broker| world.cut(broker));
    let again = world.start("a again", 1, config());
    world.nodes[again].member.leave_dead_member(dead.clone());
    world.run_for(1_000);
    leave(&mut world, again);
    world.run_until(100, |world| world.nodes[again].life == Life::Left);
    assert_eq!(world.nodes[again].member.id_in_group(), Some(&dead));
}
