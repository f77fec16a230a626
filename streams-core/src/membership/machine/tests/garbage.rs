//! Members that write, or are written, what nobody can read.

use super::scenarios::{ALL, pair, running, shared};
use super::world::{World, config};
use crate::membership::consumer_protocol::ConsumerSubscription;

/// What of a member is garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoilt {
    /// The user data of its subscription.
    UserData,
    /// Its subscription.
    Subscription,
    /// What the leader writes to it.
    Assignment,
}

impl Spoilt {
    pub(super) fn spoil_subscription(self, metadata: &mut Vec<u8>) {
        match self {
            Self::UserData => {
                let mut subscription = ConsumerSubscription::decode(metadata).unwrap();
                subscription.user_data[..2].fill(0xFF);
                *metadata = subscription.encode().unwrap();
            }
            Self::Subscription => metadata.fill(0xFF),
            Self::Assignment => {}
        }
    }

    pub(super) fn spoil_assignment(self, assignment: &mut [u8]) {
        if self == Self::Assignment {
            assignment.fill(0xFF);
        }
    }
}

/// Spoils what one writes from its next join on, and lets everybody join.
fn spoil(world: &mut World, node: usize, spoilt: Spoilt) {
    world.spoilt.insert(node, spoilt);
    let now = world.now;
    world.nodes[node].member.rejoin(now);
}

#[test]
fn tasks_of_one_that_cannot_be_read_go_to_others_once_it_has_let_go() {
    let mut world = pair();
    world.nodes[1].closing_ms = 1_500;
    spoil(&mut world, 1, Spoilt::UserData);
    world.run_until(5_000, |world| world.nodes[1].closing.is_some());
    assert_eq!(running(&world, 0), "0_0 0_1 1_0");
    world.run_until(5_000, |world| running(world, 0) == ALL);
    assert_eq!(running(&world, 1), "");
    assert!(world.nodes[0].logged("of member 'member-2' cannot be read") > 0);
    world.spoilt.clear();
    let now = world.now;
    world.nodes[1].member.rejoin(now);
    world.run_until(5_000, |world| shared(world, &[0, 1]));
}

#[test]
fn one_that_cannot_be_read_and_does_not_let_go_keeps_its_tasks_from_others() {
    let mut world = pair();
    world.nodes[1].closing_ms = 1_000_000;
    spoil(&mut world, 1, Spoilt::UserData);
    world.run_until(5_000, |world| world.nodes[1].closing.is_some());
    world.start("c", 3, config());
    world.run_for(60_000);
    assert_eq!([0, 1, 2].map(|node| running(&world, node)), ["0_0 0_1 1_0", "0_2 0_3 1_1", ""]);
    world.kill(1);
    world.run_until(15_000, |world| shared(world, &[0, 2]));
}

#[test]
fn beside_one_of_which_nothing_can_be_read_only_tasks_that_stay_run() {
    let mut world = pair();
    world.nodes[1].closing_ms = 1_500;
    spoil(&mut world, 1, Spoilt::Subscription);
    world.start("c", 3, config());
    world.run_for(60_000);
    assert_eq!([0, 1, 2].map(|node| running(&world, node)), ["0_0 0_1 1_0", "", ""]);
    assert!(world.group.generation < 16, "{}", world.group.generation);
    world.kill(1);
    world.run_until(15_000, |world| shared(world, &[0, 2]));
}

#[test]
fn one_that_cannot_read_its_assignment_keeps_its_tasks_and_joins_again() {
    let mut world = pair();
    let before = running(&world, 1);
    world.start("c", 3, config());
    world.spoilt.insert(1, Spoilt::Assignment);
    world.run_until(5_000, |world| world.nodes[1].logged("assignment from the leader") > 0);
    world.run_for(2_000);
    assert_eq!(running(&world, 1), before);
    world.spoilt.clear();
    world.run_until(10_000, |world| shared(world, &[0, 1, 2]));
}
