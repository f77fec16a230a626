//! Standbys, warm-ups and members of older versions.

use super::node::{STATE_END, show};
use super::world::{World, config};
use crate::assign::{PlacementPolicy, TaskState};
use crate::membership::{Departure, MembershipConfig};

const ALL: &str = "0_0 0_1 0_2 0_3 1_0 1_1";

fn with_standbys(replicas: usize) -> MembershipConfig {
    let placement = PlacementPolicy { standby_replicas: replicas, ..PlacementPolicy::default() };
    MembershipConfig { placement, ..config() }
}

fn start(world: &mut World, name: &str, process: u8, config: MembershipConfig) -> usize {
    let node = world.start(name, process, config);
    world.nodes[node].state = TaskState::Logged { end: Some(STATE_END) };
    node
}

fn running(world: &World, node: usize) -> String {
    show(&world.nodes[node].running)
}

#[test]
fn a_newcomer_warms_up_and_gets_its_tasks_by_probing() {
    let mut world = World::new();
    start(&mut world, "a", 1, with_standbys(0));
    world.run_until(500, |world| running(world, 0) == ALL);
    start(&mut world, "b", 2, with_standbys(0));
    world.run_until(3_000, |world| world.nodes[1].standby.len() == 2);
    // The owner goes on, however often somebody looks.
    world.run_for(1_300_000);
    assert_eq!(running(&world, 0), ALL);
    assert!(world.nodes[0].logged("+[0_0 0_1 0_2 0_3 1_0 1_1] -[]") >= 3);
    let now = world.now;
    world.nodes[1].warm_up(now);
    world.run_until(602_000, |world| world.nodes[1].running.len() == 2);
    assert_eq!(world.nodes[1].standby.len(), 1);
    let now = world.now;
    world.nodes[1].warm_up(now);
    world.run_until(602_000, |world| world.nodes[1].running.len() == 3);
    let generation = world.group.generation;
    world.run_for(1_300_000);
    assert_eq!(world.group.generation, generation, "nobody probes any more");
}

#[test]
fn a_standby_takes_over_from_a_killed_member() {
    let mut world = World::new();
    start(&mut world, "a", 1, with_standbys(1));
    start(&mut world, "b", 2, with_standbys(1));
    world.run_until(8_000, |world| {
        world.nodes.iter().all(|node| node.running.len() == 3 && node.standby.len() == 3)
    });
    let standby = show(&world.nodes[0].standby);
    assert_eq!(standby, running(&world, 1));
    let now = world.now;
    world.nodes[0].warm_up(now);
    world.kill(1);
    world.run_until(14_000, |world| running(world, 0) == ALL);
}

#[test]
fn with_an_older_member_there_are_no_standbys_and_no_waiting() {
    for (first, second) in [(1, 2), (2, 1)] {
        let mut world = World::new();
        let version = |version| MembershipConfig { user_data_version: version, ..with_standbys(1) };
        start(&mut world, "a", 1, version(first));
        world.run_until(500, |world| running(world, 0) == ALL);
        start(&mut world, "b", 2, version(second));
        world.run_until(3_000, |world| world.nodes.iter().all(|node| node.running.len() == 3));
        assert!(world.nodes.iter().all(|node| node.standby.is_empty()));
        // Once the older one is replaced, they come.
        let older = usize::from(first == 2);
        let now = world.now;
        world.nodes[older].member.leave(Departure::ForGood, now);
        start(&mut world, "c", 3, version(2));
        world.run_until(14_000, |world| {
            [1 - older, 2].iter().all(|node| !world.nodes[*node].standby.is_empty())
        });
    }
}
