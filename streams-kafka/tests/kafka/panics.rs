//! User code that panics where records are read and written, and by the clock: its task stops alone, and
//! what follows is up to the handler of uncaught errors.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use streams_core::error::ProcessorError;
use streams_core::names::TopicName;
use streams_core::processor::{
    Context, InitContext, Processor, Punctuation, PunctuationType, Sink, Source,
};
use streams_core::record::Record;
use streams_core::serde::{Payload, Serde, SerdeError, Utf8};
use streams_core::topology::{Topology, TopologyBuilder};
use streams_kafka::{KafkaStreams, State, StreamsError, UncaughtErrorResponse};

use crate::support::app::{SOON, sink, source};
use crate::support::{Given, Place, fold, holds_within};

const BAD: &str = "bad";
const TICK: Duration = Duration::from_millis(100);

/// Panics as long as it is set.
#[derive(Clone, Default)]
struct Trap(Arc<AtomicBool>);

impl Trap {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn step_on(&self, place: &str) {
        assert!(!self.0.load(Ordering::Relaxed), "in {place}");
    }
}

/// Text, of which one is a trap.
struct Trapped(Trap);

impl Serde<String> for Trapped {
    fn encode(
        &self,
        topic: &TopicName,
        value: &String,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        if value == BAD {
            self.0.step_on("a serializer");
        }
        Utf8.encode(topic, value, out)
    }

    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<String, SerdeError> {
        if bytes == Some(BAD.as_bytes()) {
            self.0.step_on("a deserializer");
        }
        Utf8.decode(topic, bytes)
    }
}

/// Passes records on; in one of the tasks the clock leads into the trap.
struct Ticking(Trap);

impl Processor<String, String> for Ticking {
    type OutKey = String;
    type OutValue = String;

    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        cx.schedule(TICK, PunctuationType::WallClock)?;
        Ok(())
    }

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        cx.forward(record)
    }

    fn punctuate(
        &mut self,
        _: Punctuation,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        if cx.task().partition == 1 {
            self.0.step_on("a punctuation");
        }
        Ok(())
    }
}

fn copy(place: &Place, from: Source<String, String>, to: Sink<String, String>) -> Topology {
    let mut builder = TopologyBuilder::new();
    let read = builder.source("source", [&*place.input], from);
    builder.sink("sink", &[read], to);
    builder.build().unwrap()
}

fn reading(place: &Place, trap: Trap) -> Topology {
    let from: Source<String, String> = Source { value: Arc::new(Trapped(trap)), ..source() };
    copy(place, from, sink(&place.output))
}

fn writing(place: &Place, trap: Trap) -> Topology {
    let to: Sink<String, String> = Sink { value: Arc::new(Trapped(trap)), ..sink(&place.output) };
    copy(place, source(), to)
}

fn ticking(place: &Place, trap: Trap) -> Topology {
    let mut builder = TopologyBuilder::new();
    let read = builder.source("source", [&*place.input], source::<String, String>());
    let passed = builder.processor("ticking", &[read], move |_| Ok(Ticking(trap.clone())));
    builder.sink("sink", &[passed], sink::<String, String>(&place.output));
    builder.build().unwrap()
}

/// Where it panics, and how that is told.
type Case = (fn(&Place, Trap) -> Topology, [&'static str; 2]);

const CASES: [Case; 3] = [
    (reading, ["node \"source\" panicked on", "partition 1 offset 1: in a deserializer"]),
    (writing, ["node \"sink\" panicked on", "partition 1 offset 1: in a serializer"]),
    (ticking, ["node \"ticking\" panicked on", "a punctuation: in a punctuation"]),
];

/// Two tasks of one worker, and what the handler was asked about.
struct World {
    streams: KafkaStreams,
    trap: Trap,
    asked: Arc<Mutex<Vec<String>>>,
    place: Place,
}

impl World {
    /// Both tasks have processed a record.
    fn start(
        topology: fn(&Place, Trap) -> Topology,
        commit_interval: Duration,
        response: UncaughtErrorResponse,
    ) -> Self {
        let (place, trap) = (Place::new("panics-in", 2), Trap::default());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&asked);
        let config = place.config(&place.state("state")).set("commit.interval.ms", commit_interval);
        // Nobody who could leave the record out is asked about a panic.
        let config = config
            .set("deserialization.exception.handler", "continue")
            .set("processing.exception.handler", "continue")
            .set("production.exception.handler", "continue");
        let topology = topology(&place, trap.clone());
        let streams = KafkaStreams::builder(topology, config.build().unwrap())
            .uncaught_error_handler(move |error: &StreamsError| {
                told.lock().unwrap().push(error.chain());
                response
            })
            .build();
        streams.start().unwrap();
        let world = Self { streams, trap, asked, place };
        world.write(0, "a");
        world.write(1, "b");
        world.place.await_output(2);
        world
    }

    fn write(&self, partition: i32, value: &str) {
        let given = Given::text(partition, "key", value, fold::EPOCH);
        self.place.cluster.write(&self.place.input, &[given]);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[track_caller]
fn assert_names(error: &str, parts: &[&str]) {
    println!("{error}");
    for part in parts {
        assert!(error.contains(part), "\"{part}\" is not in: {error}");
    }
}

#[test]
fn a_task_that_panics_goes_on_from_its_last_commit_and_the_other_runs_on() {
    for (topology, parts) in CASES {
        let often = Duration::from_millis(200);
        let world = World::start(topology, often, UncaughtErrorResponse::Replace);
        let World { place, trap, streams, .. } = &world;
        holds_within("both commit", SOON, || place.committed() == [1, 1]);
        trap.set();
        world.write(1, BAD);
        holds_within("it fails again and again", SOON, || world.asked().len() > 1);
        world.write(0, "c");
        holds_within("the other runs on", SOON, || place.committed()[0] == 2);
        trap.clear();
        world.write(1, "d");
        holds_within("it goes on", SOON, || place.committed() == [2, 3]);
        let reached = streams.wait_for(State::Running, SOON);
        assert!(reached.is_ok(), "{reached:?}");
        assert!(streams.error().is_none(), "{:?}", streams.error());
        streams.close(SOON).unwrap();
        world.asked().iter().for_each(|error| assert_names(error, &parts));
        let seen = place.cluster.read(&place.output);
        for value in ["a", "b", "c", BAD, "d"] {
            assert!(seen.iter().any(|seen| seen.value_text() == value), "{value} did not come out");
        }
    }
}

#[test]
fn without_a_replacement_the_other_task_commits_and_the_application_ends() {
    for (topology, parts) in CASES {
        let rarely = Duration::from_secs(600);
        let world = World::start(topology, rarely, UncaughtErrorResponse::ShutDownClient);
        let World { place, trap, streams, .. } = &world;
        trap.set();
        world.write(1, BAD);
        let reached = streams.wait_for(State::Error, SOON);
        assert!(reached.is_ok(), "{reached:?}");
        assert_names(&streams.error().unwrap().chain(), &parts);
        assert_eq!(world.asked().len(), 1);
        assert_eq!(place.committed(), [1, 0], "the task that panicked does not commit");
        holds_within("it has left", SOON, || place.cluster.members(&place.application) == 0);
    }
}
