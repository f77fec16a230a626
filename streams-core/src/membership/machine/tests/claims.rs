//! Commits without offsets: of tasks that did something and read nothing. Whose the tasks are is asked
//! all the same.

use std::collections::BTreeMap;

use super::node::Life;
use super::scenarios::{ALL, alone, pair, running, shared};
use super::world::World;
use crate::membership::wire::{Api, ErrorCode};
use crate::membership::{CommittedOffset, OffsetsError, TopicPartition};

fn commit(world: &mut World, offsets: BTreeMap<TopicPartition, CommittedOffset>) {
    let (now, node) = (world.now, &mut world.nodes[0]);
    node.member.commit(node.token.as_ref().unwrap(), offsets, now).unwrap();
}

/// The first member is not in the group any more, and has not heard of it.
fn kick(world: &mut World) {
    let (id, now) = (world.nodes[0].id.clone().unwrap(), world.now);
    world.zombies.insert(0);
    world.group.kick(id.as_str(), now);
}

#[test]
fn a_member_may_commit_without_offsets_and_stores_none() {
    let mut world = pair();
    commit(&mut world, BTreeMap::new());
    world.run_for(100);
    assert_eq!((&world.nodes[0].commits[..], world.group.offsets.len()), (&[Ok(())][..], 0));
    assert!(shared(&world, &[0, 1]));
}

#[test]
fn one_that_was_thrown_out_may_not() {
    let mut world = pair();
    kick(&mut world);
    commit(&mut world, BTreeMap::new());
    world.run_until(3_000, |world| world.nodes[0].logged("lost:") == 1);
    assert_eq!(world.nodes[0].commits, [Err(OffsetsError::Fenced)]);
    world.zombies.clear();
    world.run_until(10_000, |world| shared(world, &[0, 1]));
}

#[test]
fn one_that_stood_still_may_not() {
    let mut world = pair();
    world.nodes[0].life = Life::Paused;
    world.zombies.insert(0);
    world.run_until(15_000, |world| running(world, 1) == ALL);
    commit(&mut world, BTreeMap::new());
    world.nodes[0].life = Life::Up;
    world.run_until(2_000, |world| world.nodes[0].logged("lost:") == 1);
    assert_eq!(world.nodes[0].commits, [Err(OffsetsError::Fenced)]);
}

/// A broker does not ask the group about topics that it does not know.
#[test]
fn one_that_was_thrown_out_may_not_commit_what_nobody_knows() {
    let mut world = alone();
    world.group.gone.insert("clicks".into());
    kick(&mut world);
    let one = CommittedOffset { offset: 7, leader_epoch: None, metadata: String::new() };
    commit(&mut world, [(TopicPartition::new("clicks", 1), one)].into());
    world.run_until(2_500, |world| !world.nodes[0].commits.is_empty());
    assert_eq!(world.nodes[0].commits, [Err(OffsetsError::Fenced)]);
}

#[test]
fn each_code_has_its_end() {
    use ErrorCode as E;
    let refused = |code| OffsetsError::Refused { partition: "app".to_owned(), code };
    let table = [
        (E::CoordinatorLoadInProgress, Ok(())),
        (E::NotCoordinator, Ok(())),
        (E::RebalanceInProgress, Ok(())),
        (E::IllegalGeneration, Err(OffsetsError::Fenced)),
        (E::UnknownMemberId, Err(OffsetsError::Fenced)),
        (E::FencedInstanceId, Err(OffsetsError::Fenced)),
        (E::GroupAuthorizationFailed, Err(refused(E::GroupAuthorizationFailed))),
    ];
    for (code, end) in table {
        let mut world = alone();
        world.faults.push_back((Api::Heartbeat, code));
        commit(&mut world, BTreeMap::new());
        world.run_until(3_000, |world| !world.nodes[0].commits.is_empty());
        assert_eq!(world.nodes[0].commits, [end], "{code}");
        assert_eq!(world.faults.len(), 0, "{code}");
    }
}
