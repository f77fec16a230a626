//! Rows over which another writer's records lie in the changelog.

use streams_core::worker::{Action, Command};
use streams_test::KafkaModel;

use super::{CHANGELOG, Changelog, Clock, Machine, append, cluster, partition};

fn append_late(kafka: &KafkaModel) {
    append(kafka, CHANGELOG, "a", "1");
    append(kafka, CHANGELOG, "never here", "1");
}

fn restored_elsewhere(kafka: &KafkaModel, now: &Clock) -> String {
    let mut elsewhere = Machine::new(kafka, Changelog::Own);
    elsewhere.start(now);
    elsewhere.rows()
}

#[test]
fn rows_that_another_writer_wrote_over_are_written_again() {
    let (kafka, now) = (cluster("c"), Clock::new());
    let mut machine = Machine::new(&kafka, Changelog::Own);
    machine.start(&now);
    machine.process("a", "2", &now);
    append_late(&kafka);
    assert_eq!(restored_elsewhere(&kafka, &now), "a=1 never here=1");
    machine.process("b", "1", &now);
    assert_eq!((machine.rows().as_str(), machine.rebuilt), ("a=2 b=1", 0));
    assert_eq!(restored_elsewhere(&kafka, &now), "a=2 b=1");
    machine.kill();
    machine.start(&now);
    assert_eq!((machine.rows().as_str(), machine.rebuilt), ("a=2 b=1", 0));
}

#[test]
fn of_a_stretch_that_was_cut_what_is_left_is_written_again() {
    let (kafka, now) = (cluster("c"), Clock::new());
    let mut machine = Machine::new(&kafka, Changelog::Own);
    machine.start(&now);
    machine.process("a", "2", &now);
    append(&kafka, CHANGELOG, "never here", "1");
    append(&kafka, CHANGELOG, "a", "1");
    // The first record that the machine has not written is gone, the second one is not.
    kafka.delete_before(&partition(CHANGELOG), 2).unwrap();
    assert_eq!(restored_elsewhere(&kafka, &now), "a=1");
    machine.process("b", "1", &now);
    assert_eq!(restored_elsewhere(&kafka, &now), "a=2 b=1");
}

#[test]
fn a_task_that_leaves_writes_again_what_another_writer_wrote_over() {
    let (kafka, now) = (cluster("c"), Clock::new());
    let mut machine = Machine::new(&kafka, Changelog::Own);
    machine.start(&now);
    machine.process("a", "2", &now);
    append_late(&kafka);
    append(&kafka, "in", "b", "1");
    machine.settle(&now);
    machine.stop(&now);
    assert_eq!(restored_elsewhere(&kafka, &now), "a=2 b=1");
}

#[test]
fn nothing_is_written_again_that_a_commit_on_its_way_does_not_wait_for() {
    let (kafka, now) = (cluster("c"), Clock::new());
    let mut machine = Machine::new(&kafka, Changelog::Own);
    machine.start(&now);
    machine.process("a", "2", &now);
    // More than a turn looks at.
    (0..300).for_each(|_| append_late(&kafka));
    append(&kafka, "in", "b", "1");
    machine.settle(&now);
    let worker = machine.worker.as_mut().unwrap();
    worker.handle(Command::CommitNow, now.read());
    machine.turn(&now);
    append(&kafka, "in", "c", "1");
    let worker = machine.worker.as_mut().unwrap();
    worker.handle(Command::Shutdown, now.read());
    worker.turn(now.read());
    let commits = std::iter::from_fn(|| worker.poll());
    let commits: Vec<Action> =
        commits.filter(|action| matches!(action, Action::Commit { .. })).collect();
    assert_eq!(commits.len(), 1);
    let written = kafka.offsets(&partition(CHANGELOG));
    for _ in 0..5 {
        worker.turn(now.read());
    }
    assert_eq!(kafka.offsets(&partition(CHANGELOG)), written);
    commits.into_iter().for_each(|commit| machine.hear(commit, &now));
    machine.settle(&now);
    assert_eq!(restored_elsewhere(&kafka, &now), "a=2 b=1 c=1");
}
