//! Whole groups under a seed: kills, restarts, leaves, lost answers, errors, moves.

use super::node::Life;
use super::world::{World, config};
use crate::membership::Departure;
use crate::membership::backoff::Jitter;
use crate::membership::wire::{Api, ErrorCode};

const SEEDS: u64 = 300;
const STEPS: u64 = 40;

const APIS: [Api; 5] =
    [Api::JoinGroup, Api::SyncGroup, Api::Heartbeat, Api::OffsetCommit, Api::FindCoordinator];
const CODES: [ErrorCode; 5] = [
    ErrorCode::CoordinatorLoadInProgress,
    ErrorCode::CoordinatorNotAvailable,
    ErrorCode::NotCoordinator,
    ErrorCode::RebalanceInProgress,
    ErrorCode::UnknownServerError,
];

fn step(world: &mut World, dice: &mut Jitter) {
    let alive: Vec<usize> = (0..world.nodes.len()).filter(|node| is_up(world, *node)).collect();
    let pick = alive.get(dice.next() as usize % alive.len().max(1)).copied();
    let now = world.now;
    match (dice.next() % 10, pick) {
        (0 | 1, _) if alive.len() < 5 => {
            start(world, dice);
        }
        (2, Some(node)) => {
            let dead = world.nodes[node].id.clone();
            world.kill(node);
            let again = start(world, dice);
            if let Some(dead) = dead {
                world.nodes[again].member.leave_dead_member(dead);
            }
        }
        (3, Some(node)) => world.kill(node),
        (4, Some(node)) => world.nodes[node].member.leave(Departure::ForGood, now),
        (5, _) => {
            let broker = 1 + (dice.next() % 2) as u16;
            world.move_coordinator(broker);
        }
        (6, _) => world.cut(world.coordinator),
        (7, _) => world.lost_answers.push_back(APIS[dice.next() as usize % 5]),
        (8, _) => {
            let api = APIS[dice.next() as usize % 5];
            let code = CODES[dice.next() as usize % 5];
            let nonsense = api == Api::FindCoordinator && code == ErrorCode::RebalanceInProgress;
            if !nonsense {
                world.faults.push_back((api, code));
            }
        }
        (9, Some(node)) => world.nodes[node].member.rejoin(now),
        _ => {}
    }
    world.run_for(dice.next() % 3_000);
}

fn is_up(world: &World, node: usize) -> bool {
    world.nodes[node].life == Life::Up
}

fn start(world: &mut World, dice: &mut Jitter) -> usize {
    world.start("n", dice.next() as u8, config())
}

/// After the storm every task runs once and the shares are even; no task ever ran twice.
#[test]
fn a_group_settles_after_any_storm() {
    for seed in 0..SEEDS {
        let mut world = World::new();
        let mut dice = Jitter::new(seed);
        start(&mut world, &mut dice);
        for _ in 0..STEPS {
            step(&mut world, &mut dice);
        }
        world.faults.clear();
        world.lost_answers.clear();
        start(&mut world, &mut dice);
        world.run_for(120_000);
        let up: Vec<usize> = (0..world.nodes.len()).filter(|node| is_up(&world, *node)).collect();
        let counts = up.iter().map(|node| world.nodes[*node].running.len());
        let (least, most) = (counts.clone().min().unwrap(), counts.clone().max().unwrap());
        let sum: usize = counts.sum();
        let faults: Vec<_> = world.nodes.iter().filter_map(|node| node.fault.as_ref()).collect();
        assert!(faults.is_empty(), "seed {seed}: {faults:?}");
        assert!(
            sum == 6 && most - least <= 1,
            "seed {seed}: {sum}, {least} to {most}\n{}",
            world.report()
        );
    }
}
