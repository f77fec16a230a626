//! Processes join and leave all the time: a hundred times within a minute.

use super::node::Life;
use super::world::{World, config};
use crate::membership::Departure;
use crate::membership::backoff::Jitter;

const SEEDS: u64 = 40;
const CHANGES: u64 = 100;
const LASTS_MS: u64 = 60_000;
const MEMBERS_MAX: usize = 16;
const TASKS: usize = 60;
/// No task rests for longer once the last change is over.
const REST_MAX_MS: u64 = 10_000;

fn up(world: &World) -> Vec<usize> {
    (0..world.nodes.len()).filter(|node| world.nodes[*node].life == Life::Up).collect()
}

/// How many tasks each process runs.
fn shares(world: &World) -> Vec<usize> {
    up(world).iter().map(|node| world.nodes[*node].running.len()).collect()
}

fn change(world: &mut World, dice: &mut Jitter) {
    let (members, now) = (up(world), world.now);
    let joins = match members.len() {
        0..3 => true,
        MEMBERS_MAX.. => false,
        _ => dice.next().is_multiple_of(2),
    };
    if joins {
        world.start("n", dice.next() as u8, config());
    } else {
        let node = members[dice.next() as usize % members.len()];
        world.nodes[node].member.leave(Departure::ForGood, now);
    }
}

#[test]
fn no_task_rests_for_long_after_a_storm_of_joins_and_leaves() {
    let mut most = 0;
    for seed in 0..SEEDS {
        let mut world = World::new();
        world.partitions = [("clicks", TASKS / 3 * 2), ("orders", TASKS / 3)].into();
        let mut dice = Jitter::new(seed);
        for process in 0..8 {
            world.start("n", process, config());
        }
        world.run_for(10_000);
        for _ in 0..CHANGES {
            change(&mut world, &mut dice);
            world.run_for(dice.next() % (2 * LASTS_MS / CHANGES));
        }
        most = most.max(up(&world).len());
        world.run_until(REST_MAX_MS, |world| shares(world).iter().sum::<usize>() == TASKS);
        world.run_for(REST_MAX_MS);
        let shares = shares(&world);
        let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
        assert!(most - least <= 1, "seed {seed}: {shares:?}\n{}", world.report());
        assert_eq!(shares.iter().sum::<usize>(), TASKS, "seed {seed}\n{}", world.report());
    }
    assert!(most > 8, "{most}");
}
