//! What becomes of an application when a part of it fails, or does not come back.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use streams_core::error::ProcessorError;
use streams_core::names::{TaskId, TopicPartition};
use streams_core::processor::{Context, Processor};
use streams_core::record::Record;
use streams_core::topology::{Topology, TopologyBuilder};
use streams_kafka::{HeldUp, KafkaStreams, State, StreamsError, UncaughtErrorResponse, WaitError};

use crate::support::app::{SOON, sink, source, stateless};
use crate::support::wait::let_live;
use crate::support::{Given, Place, fold, holds_within};

const BAD: &str = "bad";
/// Longer than a process with a late worker takes to go out of the group.
const AWAY: Duration = Duration::from_secs(5);
/// `max.poll.interval.ms`, and what a process may take to see that a worker is late and to leave; it
/// waits longer only for workers that can still commit.
const GONE_BY: Duration = Duration::from_secs(8);

fn text(partition: i32, value: &str, at: i64) -> Given {
    Given::text(partition, "key", value, fold::EPOCH + at)
}

/// Copies records; each that is bad panics, as often as `panics` says.
fn copy(place: &Place, panics: u32) -> Topology {
    let panics = AtomicU32::new(panics);
    stateless(&place.input, &place.output, move |record| {
        let blows = |left: u32| left.checked_sub(1);
        let is_bad = record.value == BAD;
        let panics = || panics.fetch_update(Ordering::Relaxed, Ordering::Relaxed, blows).is_ok();
        assert!(!is_bad || !panics(), "a bad record");
        Ok(true)
    })
}

fn start(
    place: &Place,
    state: &str,
    topology: Topology,
    response: UncaughtErrorResponse,
) -> KafkaStreams {
    let config = place.config(&place.state(state)).set("num.stream.threads", 2);
    let config = config.set("commit.interval.ms", 600_000);
    let streams = KafkaStreams::builder(topology, config.build().unwrap())
        .uncaught_error_handler(move |_: &StreamsError| response)
        .build();
    streams.start().unwrap();
    streams
}

#[track_caller]
fn await_state(streams: &KafkaStreams, state: State) {
    let reached = streams.wait_for(state, SOON);
    assert!(reached.is_ok(), "{reached:?} {:?}", streams.error().map(|error| error.chain()));
}

#[test]
fn a_task_is_replaced_and_the_application_runs_on() {
    let place = Place::new("replaced", 2);
    let records = [text(0, "x", 0), text(1, "x", 1), text(1, BAD, 2), text(1, "x", 3)];
    place.cluster.write(&place.input, &records);
    let streams = start(&place, "state", copy(&place, 2), UncaughtErrorResponse::Replace);
    // Each time it panics, the record before is done again.
    place.await_output(6);
    await_state(&streams, State::Running);
    assert!(streams.error().is_none());
    streams.close(SOON).unwrap();
    assert_eq!(place.committed(), [1, 3]);
}

/// Passes records on. A bad one is an error, and the panic of the destructor ends the thread, for the
/// first of them all.
struct Trap(Arc<AtomicBool>);

impl Processor<String, String> for Trap {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        if record.value == BAD && self.0.load(Ordering::Relaxed) {
            return Err("a bad record".into());
        }
        cx.forward(record)
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        let is_first = self.0.swap(false, Ordering::Relaxed);
        assert!(!is_first, "a destructor");
    }
}

#[test]
fn the_tasks_of_a_thread_that_dies_are_run_by_another() {
    let place = Place::new("thread-dies", 2);
    let trap = Arc::new(AtomicBool::new(true));
    let mut builder = TopologyBuilder::new();
    let read = builder.source("source", [&*place.input], source::<String, String>());
    let set = Arc::clone(&trap);
    let passed = builder.processor("trap", &[read], move |_| Ok(Trap(Arc::clone(&set))));
    builder.sink("sink", &[passed], sink::<String, String>(&place.output));
    place.cluster.write(&place.input, &[text(0, "x", 0), text(1, "x", 1)]);
    let config = place.config(&place.state("state")).set("num.stream.threads", 1);
    let streams = KafkaStreams::builder(builder.build().unwrap(), config.build().unwrap())
        .uncaught_error_handler(|_: &StreamsError| UncaughtErrorResponse::Replace)
        .build();
    streams.start().unwrap();
    place.await_output(2);
    place.cluster.write(&place.input, &[text(0, BAD, 2), text(1, "x", 3)]);
    holds_within("the thread dies", SOON, || !trap.load(Ordering::Relaxed));
    let is_there = |value| {
        let seen = place.cluster.read(&place.output);
        seen.iter().any(|seen| seen.value_text() == value)
    };
    holds_within("the task that failed goes on", SOON, || is_there(BAD));
    place.cluster.write(&place.input, &[text(0, "y", 4), text(1, "z", 5)]);
    holds_within("both tasks go on", SOON, || is_there("y") && is_there("z"));
    await_state(&streams, State::Running);
    streams.close(SOON).unwrap();
    assert_eq!(place.committed(), [3, 3]);
}

#[test]
fn without_a_replacement_the_others_commit_before_they_close() {
    let place = Place::new("client-down", 2);
    let records = [text(0, "x", 0), text(0, "x", 1), text(1, "x", 2)];
    place.cluster.write(&place.input, &records);
    let down = UncaughtErrorResponse::ShutDownClient;
    let streams = start(&place, "state", copy(&place, u32::MAX), down);
    place.await_output(3);
    place.cluster.write(&place.input, &[text(1, BAD, 3)]);
    await_state(&streams, State::Error);
    let error = streams.error().unwrap().chain();
    assert!(error.contains("panicked") && error.contains("offset 1"), "{error}");
    assert_eq!(place.committed(), [2, 0], "the task that failed does not commit");
    holds_within("it has left", SOON, || place.cluster.members(&place.application) == 0);
}

#[test]
fn all_processes_close_when_one_asks_them_to() {
    let place = Place::new("all-down", 4);
    let down = UncaughtErrorResponse::ShutDownApplication;
    let [one, other] =
        ["one", "other"].map(|state| start(&place, state, copy(&place, u32::MAX), down));
    await_state(&one, State::Running);
    await_state(&other, State::Running);
    holds_within("both are in", SOON, || place.cluster.members(&place.application) == 2);
    place.cluster.write(&place.input, &[text(1, BAD, 0)]);
    await_state(&one, State::Error);
    await_state(&other, State::Error);
    let errors = [&one, &other].map(|streams| streams.error().unwrap().chain());
    assert!(errors.iter().any(|error| error.contains("panicked")), "{errors:?}");
    assert!(errors.iter().any(|error| error.contains("asked all of them")), "{errors:?}");
}

/// Copies records, and does not come back from a bad one before it is told to.
fn stall(place: &Place) -> (Topology, Sender<()>) {
    let (go, gate) = channel();
    let gate: Mutex<Receiver<()>> = Mutex::new(gate);
    let topology = stateless(&place.input, &place.output, move |record| {
        if record.value == BAD {
            let _ = gate.lock().unwrap().recv();
        }
        Ok(true)
    });
    (topology, go)
}

#[test]
fn a_worker_that_is_late_costs_the_membership_until_it_is_back() {
    let place = Place::new("late", 2);
    let (topology, go) = stall(&place);
    let config = |state: &str| place.config(&place.state(state)).set("max.poll.interval.ms", 3_000);
    let late = KafkaStreams::new(topology, config("late").build().unwrap());
    late.start().unwrap();
    await_state(&late, State::Running);
    place.cluster.write(&place.input, &[text(0, BAD, 0), text(1, "x", 1)]);
    holds_within("it has left", GONE_BY, || place.cluster.members(&place.application) == 0);
    assert_eq!(late.state(), State::Rebalancing);
    let told = late.metrics().workers[0].late.clone().unwrap();
    println!("{told}");
    let at = told.place.unwrap();
    let record = (TopicPartition::new(place.input.as_str(), 0), 0);
    assert_eq!((at.task, at.record), (TaskId::new(0, 0), Some(record)));
    assert!(told.busy_for > Duration::from_secs(3), "{:?}", told.busy_for);
    let other = KafkaStreams::new(copy(&place, 0), config("other").build().unwrap());
    other.start().unwrap();
    holds_within("the other does the work", SOON, || place.committed() == [1, 1]);
    go.send(()).unwrap();
    holds_within("it is back", SOON, || place.cluster.members(&place.application) == 2);
    await_state(&late, State::Running);
    drop(go);
    assert_eq!(place.committed(), [1, 1]);
    late.close(SOON).unwrap();
    other.close(SOON).unwrap();
}

#[test]
fn a_static_member_that_is_late_keeps_its_tasks_for_its_session() {
    let place = Place::new("late-static", 2);
    let (topology, go) = stall(&place);
    let config = |name: &str| {
        let config = place.config(&place.state(name)).set("max.poll.interval.ms", 3_000);
        config.set("group.instance.id", name).build().unwrap()
    };
    let late = KafkaStreams::new(topology, config("late"));
    let other = KafkaStreams::new(copy(&place, 0), config("other"));
    late.start().unwrap();
    other.start().unwrap();
    let tasks = |streams: &KafkaStreams| -> usize {
        streams.metrics().workers.iter().map(|worker| worker.lags.len()).sum()
    };
    holds_within("each has a task", SOON, || [&late, &other].map(tasks) == [1, 1]);
    await_state(&late, State::Running);
    await_state(&other, State::Running);
    place.cluster.write(&place.input, &[text(0, BAD, 0), text(1, BAD, 1)]);
    await_state(&late, State::Rebalancing);
    let_live(AWAY);
    assert_eq!(place.cluster.members(&place.application), 2);
    assert_eq!(place.committed().iter().sum::<i64>(), 1, "nobody else reads what it has");
    drop(go);
    await_state(&late, State::Running);
    holds_within("it reads on", SOON, || place.committed() == [1, 1]);
    holds_within("each has its task still", SOON, || [&late, &other].map(tasks) == [1, 1]);
    other.close(SOON).unwrap();
    assert_eq!(place.cluster.members(&place.application), 2, "it may come back");
    late.close_and_leave(SOON).unwrap();
    assert_eq!(place.cluster.members(&place.application), 1);
}

#[test]
fn a_static_member_that_fails_is_not_waited_for() {
    let place = Place::new("static-down", 2);
    let config = place.config(&place.state("state")).set("group.instance.id", "failing");
    let streams = KafkaStreams::new(copy(&place, u32::MAX), config.build().unwrap());
    streams.start().unwrap();
    await_state(&streams, State::Running);
    place.cluster.write(&place.input, &[text(0, BAD, 0)]);
    await_state(&streams, State::Error);
    holds_within("it has left", SOON, || place.cluster.members(&place.application) == 0);
}

#[test]
fn of_two_processes_with_one_instance_id_the_first_is_told_and_the_second_goes_on() {
    let place = Place::new("same-name", 2);
    let [first, second] = ["first", "second"].map(|state| {
        let config = place.config(&place.state(state)).set("group.instance.id", "same");
        KafkaStreams::new(copy(&place, 0), config.build().unwrap())
    });
    first.start().unwrap();
    await_state(&first, State::Running);
    place.cluster.write(&place.input, &[text(0, "x", 0), text(1, "x", 1)]);
    holds_within("the first works", SOON, || place.committed() == [1, 1]);
    second.start().unwrap();
    await_state(&first, State::Error);
    let error = first.error().unwrap().chain();
    assert!(error.contains("'same'") && error.contains("`group.instance.id`"), "{error}");
    place.cluster.write(&place.input, &[text(0, "y", 2), text(1, "y", 3)]);
    holds_within("the second works", SOON, || place.committed() == [2, 2]);
    await_state(&second, State::Running);
    assert_eq!(place.cluster.members(&place.application), 1);
    second.close_and_leave(SOON).unwrap();
    assert_eq!(place.cluster.members(&place.application), 0);
}

#[test]
fn closing_ends_in_time_though_a_worker_does_not_come_back() {
    let place = Place::new("stuck", 2);
    let (topology, go) = stall(&place);
    let streams = KafkaStreams::new(topology, place.config(&place.state("state")).build().unwrap());
    streams.start().unwrap();
    await_state(&streams, State::Running);
    place.cluster.write(&place.input, &[text(0, BAD, 0)]);
    holds_within("it is being read", SOON, || {
        streams.metrics().workers.iter().any(|worker| worker.process_total == 0)
            && place.cluster.ends(&place.input)[0] == 1
    });
    let (since, timeout) = (Instant::now(), Duration::from_secs(2));
    let closed = streams.close(timeout);
    let took = since.elapsed();
    println!("closed in {took:?}: {closed:?}");
    let Err(WaitError::Abandoned { held_up_by }) = closed else { panic!("{closed:?}") };
    assert!(took < timeout + Duration::from_millis(200), "{took:?}");
    let [HeldUp { thread, place: Some(at), .. }] = &held_up_by[..] else {
        panic!("{held_up_by:?}")
    };
    assert_eq!(*thread, format!("{}-worker-1", place.application));
    let record = (TopicPartition::new(place.input.as_str(), 0), 0);
    assert_eq!((at.task, &at.record), (TaskId::new(0, 0), &Some(record)));
    assert_eq!(streams.state(), State::NotRunning);
    assert_eq!(place.cluster.members(&place.application), 0);
    drop(go);
}

#[test]
fn a_listener_that_panics_is_heard_no_more_than_that() {
    let place = Place::new("listener", 2);
    let config = place.config(&place.state("state")).build().unwrap();
    let called = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&called);
    let streams = KafkaStreams::builder(place.tally(), config)
        .on_state_change(|_, _| panic!("in a state listener"))
        .on_restore(move |_| {
            told.store(true, Ordering::Relaxed);
            panic!("in a restore listener");
        })
        .build();
    streams.start().unwrap();
    await_state(&streams, State::Running);
    place.cluster.write(&place.input, &[text(0, "x", 0)]);
    place.await_output(1);
    assert!(called.load(Ordering::Relaxed));
    streams.close(SOON).unwrap();
}

#[test]
fn the_state_of_tasks_that_have_gone_is_removed_and_no_other() {
    let place = Place::new("cleanup", 4);
    let config = |state: &str| place.config(&place.state(state)).set("state.cleanup.delay.ms", 500);
    let [one, other] = ["one", "other"]
        .map(|state| KafkaStreams::new(place.tally(), config(state).build().unwrap()));
    one.start().unwrap();
    place.cluster.write(&place.input, &fold::numbered(8, 40, 4));
    place.await_output(40);
    let tasks = || {
        let entries = std::fs::read_dir(place.state("one").join(&place.application)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("0_")).count()
    };
    assert_eq!(tasks(), 4);
    other.start().unwrap();
    await_state(&other, State::Running);
    holds_within("those that moved are gone", SOON, || tasks() == 2);
    place.cluster.write(&place.input, &fold::numbered(8, 40, 4));
    place.await_output(80);
    one.close(SOON).unwrap();
    other.close(SOON).unwrap();
}
