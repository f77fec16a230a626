//! The tasks of a worker have their turns, however full the queues of some are.

use std::time::Duration;

use bytes::Bytes;
use streams_core::names::{TaskId, TopicPartition};
use streams_core::worker::Command;
use streams_test::model::NewRecord;

use super::{PARTITIONS, World};

const RECORDS: i64 = 200;

fn append(world: &World, partition: i32) {
    let record = NewRecord {
        key: Some(Bytes::from_static(b"key")),
        value: Some(Bytes::from_static(b"x")),
        timestamp: Some(world.now.wall),
        ..NewRecord::default()
    };
    world.kafka.append(&TopicPartition::new("in", partition), record).unwrap();
}

/// A worker with all tasks, and more in each partition than a few turns can process.
fn loaded() -> World {
    let mut world = World::new();
    for partition in 0..PARTITIONS {
        (0..RECORDS).for_each(|_| append(&world, partition));
    }
    world.workers = vec![world.worker()];
    world.assign(0);
    world
}

/// By task: how many records it has processed.
fn processed(world: &World) -> Vec<i64> {
    world.workers[0].running().map(|task| RECORDS - task.lag(0).unwrap()).collect()
}

#[test]
fn tasks_with_full_queues_share_the_turns_of_their_worker() {
    let mut world = loaded();
    while world.workers[0].running().count() < PARTITIONS as usize {
        world.turn(0);
    }
    (0..60).for_each(|_| assert!(world.turn(0)));
    let processed = processed(&world);
    let (least, most) = (processed.iter().min().unwrap(), processed.iter().max().unwrap());
    assert!(*least > 0 && most - least <= 4, "by task: {processed:?}");
}

#[test]
fn what_one_task_leaves_of_a_turn_the_others_use() {
    let mut world = loaded();
    world.settle();
    [0, 0, 1, 1].into_iter().for_each(|partition| append(&world, partition));
    let report = world.workers[0].turn(world.now);
    assert_eq!((report.processed, report.is_busy), (3, true), "a turn is three records");
}

#[test]
fn tasks_that_come_to_a_worker_are_opened_one_a_turn_beside_those_that_run() {
    let mut world = World::new();
    world.workers = vec![world.worker()];
    let later = world.free.split_off(&TaskId::new(0, 1));
    world.assign(0);
    world.settle();
    world.free = later;
    world.assign(0);
    let opened = |world: &World| {
        world.of(0).iter().filter(|task| world.workers[0].task(**task).is_some()).count()
    };
    let mut seen = vec![opened(&world)];
    for _ in 0..2 {
        assert!(world.turn(0));
        seen.push(opened(&world));
    }
    assert_eq!(seen, [1, 2, 3]);
    world.settle();
    assert_eq!(world.workers[0].running().count(), 3);
}

#[test]
fn a_task_is_restored_in_the_time_that_others_leave() {
    const CHANGES: u64 = 5000;
    let mut world = World::new();
    for number in 0..CHANGES {
        let record = NewRecord {
            key: Some(Bytes::from(number.to_string())),
            value: Some(Bytes::copy_from_slice(&1_i64.to_be_bytes())),
            timestamp: Some(world.now.wall),
            ..NewRecord::default()
        };
        world.kafka.append(&TopicPartition::new("app-counts-changelog", 1), record).unwrap();
    }
    world.workers = vec![world.worker()];
    let later = world.free.split_off(&TaskId::new(0, 1));
    world.assign(0);
    world.settle();
    world.free = later.into_iter().take(1).collect();
    append(&world, 0);
    assert!(world.turn(0));
    world.assign(0);
    let restored = |world: &mut World| {
        append(world, 0);
        let report = world.workers[0].turn(world.now);
        assert_eq!(report.processed, 1);
        report.restored
    };
    // The queues of the others are empty whenever a turn begins.
    let opened = restored(&mut world);
    assert_eq!([opened, restored(&mut world)], [16, 16], "the clock stands still");
    world.now = world.now.after(Duration::from_millis(3));
    assert_eq!(restored(&mut world), 300);
    let idle = [(); 2].map(|()| world.workers[0].turn(world.now).restored);
    assert_eq!(idle[0], 16, "the last turn had something to process");
    assert!(idle[1] > 1000, "{idle:?}");
}

#[test]
fn tasks_that_leave_are_closed_one_a_turn_beside_those_that_run() {
    let mut world = World::new();
    world.workers = vec![world.worker()];
    world.assign(0);
    world.settle();
    let leaving = world.of(0).split_off(1);
    world.workers[0].handle(Command::Release(leaving), world.now);
    let mut seen = Vec::new();
    for _ in 0..3 {
        assert!(world.turn(0));
        seen.push(world.free.len());
    }
    assert_eq!(seen, [0, 1, 2]);
    // None is held up by those that are the last.
    world.assign(0);
    world.settle();
    let all = world.of(0);
    world.workers[0].handle(Command::Release(all), world.now);
    assert!(world.turn(0));
    assert_eq!(world.free.len(), 3);
}
