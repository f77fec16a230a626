//! Standbys and warm-ups: takeover without a restoration, moves without a pause, nothing lost.

use streams_core::assign::PlacementPolicy;

use super::Seed;
use super::group::{Life, PARTITIONS, World};

const KEYS: u64 = 40;

fn policy(standby_replicas: usize, acceptable_recovery_lag: u64) -> PlacementPolicy {
    PlacementPolicy { standby_replicas, acceptable_recovery_lag, warmup_replicas_max: 1 }
}

fn fill(world: &mut World, records: u64) {
    (0..records).for_each(|at| world.send(at % KEYS));
    world.run_until(60_000, World::is_drained);
}

#[test]
fn a_standby_takes_over_and_replays_only_its_tail() {
    let mut world = World::new(policy(1, 10));
    world.start();
    world.start();
    world.run_until(30_000, World::is_shared);
    fill(&mut world, 2_000);
    world.run_until(10_000, |world| world.processes.iter().all(|one| one.standby.len() == 2));
    world.run(3_000);
    // The other one falls behind by what is sent now.
    world.processes[1].life = Life::Stuck;
    (0..40).for_each(|key| world.send(key));
    world.run(2_000);
    let dead = world.running()[0].clone();
    world.processes[1].restored.clear();
    world.kill(0);
    world.processes[0].life = Life::Up;
    world.run_until(10_000, |world| world.running()[0].len() == PARTITIONS as usize);
    let taken = &world.processes[0].restored;
    assert_eq!(taken.len(), dead.len());
    for progress in taken {
        assert!(dead.contains(&progress.task));
        assert!(progress.start > 100 && progress.records <= 40, "{progress:?}");
    }
    world.run_until(10_000, World::is_drained);
    assert_eq!(world.counts(), world.sent);
}

#[test]
fn a_task_moves_only_when_its_copy_has_caught_up() {
    let mut world = World::new(policy(0, 10));
    world.start();
    world.run_until(30_000, World::is_shared);
    fill(&mut world, 2_000);
    world.start();
    world.processes[1].life = Life::Stuck;
    for _ in 0..30 {
        world.run(1_000);
        (0..4).for_each(|key| world.send(key));
        assert_eq!(world.running()[0].len(), PARTITIONS as usize, "the owner goes on");
    }
    world.processes[1].life = Life::Up;
    let mut warming = 0;
    for _ in 0..60 {
        world.run(500);
        let standby = world.processes[1].standby.len();
        assert!(standby <= 2, "one at a time, beside one that is about to move");
        warming += standby;
    }
    assert!(warming > 0 && world.is_shared());
    for progress in &world.processes[1].restored {
        assert!(progress.start > 100 && progress.records <= 40, "{progress:?}");
    }
    world.run_until(10_000, World::is_drained);
    assert_eq!(world.counts(), world.sent);
}

#[test]
fn a_task_that_comes_back_finds_its_state() {
    let mut world = World::new(policy(1, 10));
    world.start();
    world.start();
    world.run_until(30_000, World::is_shared);
    fill(&mut world, 2_000);
    world.run(3_000);
    let before = world.running();
    world.close(1);
    world.run_until(10_000, |world| world.running()[0].len() == PARTITIONS as usize);
    world.start();
    world.run_until(90_000, World::is_shared);
    world.run(30_000);
    // What the first kept as standbys of the second's tasks it has from before.
    world.processes[0].restored.clear();
    world.kill(1);
    world.run_until(20_000, |world| world.running()[0].len() == PARTITIONS as usize);
    let taken = &world.processes[0].restored;
    assert!(taken.iter().all(|progress| progress.records == 0), "{taken:?}");
    assert!(before[0].is_subset(&world.running()[0]));
    assert_eq!(world.counts(), world.sent);
}

fn step(world: &mut World, seed: &mut Seed, kills: u64) {
    let alive = world.processes.len() as u64;
    match seed.below(24) {
        0..12 => (0..seed.below(6)).for_each(|_| world.send(seed.below(KEYS))),
        12 if alive < 4 => world.start(),
        13 if alive > 1 && seed.below(4) < kills => {
            world.kill(usize::try_from(seed.below(alive)).unwrap());
        }
        14 if alive > 1 => world.close(usize::try_from(seed.below(alive)).unwrap()),
        _ => {}
    }
    world.run(20 * seed.below(40));
}

/// A storm, and the peace after it.
fn run(number: u64, kills: u64) -> World {
    let mut seed = Seed(number);
    let mut world = World::new(policy(usize::try_from(number % 3).unwrap(), 5));
    world.start();
    (0..150).for_each(|_| step(&mut world, &mut seed, kills));
    world.start();
    world.run_until(180_000, |world| world.is_shared() && world.is_drained());
    world
}

#[test]
fn a_storm_of_joins_and_leaves_counts_exactly() {
    for seed in 0..40 {
        let world = run(seed, 0);
        assert_eq!(world.counts(), world.sent, "seed {seed}");
    }
}

#[test]
fn a_storm_with_kills_loses_nothing() {
    let mut repeated = 0;
    for seed in 0..80 {
        let world = run(seed, 3);
        let counts = world.counts();
        for (key, sent) in &world.sent {
            let counted = counts.get(key).copied().unwrap_or(0);
            assert!(counted >= *sent, "seed {seed}: {key} counted {counted} of {sent}");
            repeated += counted - sent;
        }
    }
    assert!(repeated > 0, "no kill had an effect");
}
