//! Workers are added and removed while records flow (KIP-663).

use streams_core::assign::PlacementPolicy;

use super::Seed;
use super::group::{PARTITIONS, World};

fn sorted(mut loads: Vec<usize>) -> Vec<usize> {
    loads.sort_unstable();
    loads
}

fn alone() -> World {
    let mut world = World::new(PlacementPolicy::default());
    world.start();
    world.run_until(20_000, World::is_shared);
    (0..50).for_each(|key| world.send(key % 7));
    world
}

fn check_counts(world: &mut World) {
    world.run_until(60_000, World::is_drained);
    world.run_until(60_000, |world| world.counts() == world.sent);
}

#[test]
fn a_worker_that_is_added_takes_its_share_of_the_tasks() {
    let mut world = alone();
    assert_eq!(world.processes[0].loads(), [2, 2]);
    world.add_worker(0);
    let shares = |world: &World| sorted(world.processes[0].loads()) == [1, 1, 2];
    world.run_until(20_000, shares);
    world.add_worker(0);
    world.run_until(20_000, |world| world.processes[0].loads() == [1, 1, 1, 1]);
    check_counts(&mut world);
}

#[test]
fn a_worker_that_is_removed_hands_its_tasks_to_the_others() {
    let mut world = alone();
    world.run(500);
    world.remove_worker(0, 0);
    world.run_until(20_000, |world| world.processes[0].loads() == [0, 4]);
    (0..50).for_each(|key| world.send(key % 7));
    check_counts(&mut world);
}

#[test]
fn the_group_shares_tasks_by_the_number_of_workers() {
    let mut world = alone();
    world.start();
    world.run_until(60_000, World::is_shared);
    (0..4).for_each(|_| world.add_worker(0));
    let counts = |world: &World, wanted: [usize; 2]| {
        let running = world.running();
        [running[0].len(), running[1].len()] == wanted
    };
    world.run_until(60_000, |world| counts(world, [3, 1]));
    (0..4).for_each(|worker| world.remove_worker(0, worker));
    world.run_until(60_000, |world| counts(world, [2, 2]));
    check_counts(&mut world);
}

#[test]
fn a_process_whose_last_worker_is_removed_leaves_its_tasks_to_others() {
    let mut world = alone();
    world.start();
    world.run_until(60_000, World::is_shared);
    (0..50).for_each(|key| world.send(key % 7));
    (0..2).for_each(|worker| world.remove_worker(0, worker));
    world.run_until(60_000, |world| world.processes.len() == 1);
    world.run_until(60_000, |world| world.running()[0].len() == PARTITIONS as usize);
    (0..50).for_each(|key| world.send(key % 7));
    check_counts(&mut world);
}

#[test]
fn nothing_is_lost_or_doubled_while_workers_come_and_go() {
    for seed in 0..40 {
        let mut world = alone();
        world.start();
        let mut seed = Seed(seed);
        let mut workers = [vec![0, 1], vec![0, 1]];
        let mut started = [2, 2];
        for _ in 0..30 {
            let at = seed.below(2) as usize;
            match seed.below(4) {
                0 => {
                    world.add_worker(at);
                    workers[at].push(started[at]);
                    started[at] += 1;
                }
                1 if workers[at].len() > 1 => {
                    let leaving = seed.below(workers[at].len() as u64) as usize;
                    let leaving = workers[at].swap_remove(leaving);
                    world.remove_worker(at, leaving);
                }
                _ => (0..10).for_each(|_| world.send(seed.below(7))),
            }
            world.run(20 * seed.below(40));
        }
        check_counts(&mut world);
    }
}
