//! Producers that are forgotten by their broker, and those whose records it does not take in time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use streams_core::names::TaskId;
use streams_kafka::{KafkaStreams, State, StreamsError, UncaughtErrorResponse};

use crate::support::app::{COUNTS, SOON};
use crate::support::broker::{Broker, Secured};
use crate::support::flow::{await_all_committed, compare, while_records_flow};
use crate::support::fold::{Difference, Numbering};
use crate::support::shape::Shape;
use crate::support::tool::{Row, printed};
use crate::support::watch::{TaskEvent, Watch, clock};
use crate::support::{Given, Place, holds_within};

/// Forgets producers a second after the time of their last record.
const FORGETFUL: [(&str, &str); 2] =
    [("PRODUCER_ID_EXPIRATION_MS", "1000"), ("PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS", "100")];
/// What `kafka-transactions` runs.
const TOOL: &str = "org.apache.kafka.tools.TransactionsCommand";

/// How many producers the broker knows of the only partition of a topic.
fn known(place: &Place, topic: &str) -> usize {
    let words = ["describe-producers", "--topic", topic, "--partition", "0"];
    let rows = printed(&place.cluster, TOOL, &words, "ProducerId");
    let is_producer =
        |row: &&Row| row.get("ProducerId").is_some_and(|id| id.parse::<i64>().is_ok());
    rows.iter().filter(is_producer).count()
}

#[test]
fn a_producer_that_the_broker_forgot_while_it_paused_sends_on() {
    const RECORDS: usize = 200;
    let settings = FORGETFUL.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let broker = Broker::start_secured(Secured { settings, ..Secured::default() });
    let place = Place::on(broker.cluster(), "forgotten", 1);
    let mut numbering = Numbering::new(20, 1);
    let app = place.start(place.tally());
    for round in 1..=3 {
        // The application's records have the times of its input.
        let timestamp = i64::try_from(clock().as_millis()).unwrap();
        let records = (0..RECORDS).map(|_| Given { timestamp, ..numbering.next() });
        let records: Vec<Given> = records.collect();
        place.cluster.write(&place.input, &records);
        place.await_output(round * RECORDS);
        for topic in [&place.output, &place.changelog(COUNTS)] {
            holds_within("its producer is forgotten", SOON, || known(&place, topic) == 0);
        }
    }
    await_all_committed(&place, SOON);
    assert_eq!(app.streams.state(), State::Running);
    app.close();
    assert_eq!(compare(&place, &numbering), Difference::default());
}

/// Records are given up sooner than an outage is over.
const IMPATIENT: [(&str, &str); 3] = [
    ("producer.request.timeout.ms", "4000"),
    ("producer.delivery.timeout.ms", "5000"),
    ("commit.interval.ms", "5000"),
];
const PARTITIONS: i32 = 2;

/// An application whose tasks are made anew, and how often they stopped.
struct World {
    streams: KafkaStreams,
    stops: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn start(place: &Place) -> Self {
        let (stops, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (counted, told) = (Arc::clone(&stops), Arc::clone(&asked));
        let watch = Watch(Some(Arc::new(move |_: TaskId, event: TaskEvent| {
            if matches!(event, TaskEvent::Gone { .. }) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        })));
        let topology = Shape::Tally.topology(&place.input, &place.output, &watch);
        let config = place.config_with(&place.state("state"), &IMPATIENT);
        let streams = KafkaStreams::builder(topology, config.build().unwrap())
            .uncaught_error_handler(move |error: &StreamsError| {
                told.lock().unwrap().push(error.chain());
                UncaughtErrorResponse::Replace
            })
            .build();
        streams.start().unwrap();
        Self { streams, stops, asked }
    }

    fn progress(&self) -> (u64, u64) {
        let metrics = self.streams.metrics();
        (metrics.process_total(), metrics.commit_total())
    }

    /// The broker is away until all tasks have stopped. How long it took after that until they
    /// processed and committed.
    fn outlast(&self, broker: &Broker) -> Duration {
        // After a commit no other is on its way: what tasks send from now on waits for the broker.
        let before = self.progress().1;
        holds_within("it commits", SOON, || self.progress().1 > before);
        let stops = || self.stops.load(Ordering::Relaxed);
        let tasks = PARTITIONS.unsigned_abs() as usize;
        let stopped = stops();
        broker.kill();
        holds_within("what they sent is given up", SOON, || stops() >= stopped + tasks);
        broker.start_again();
        let before = self.progress();
        holds_within("they go on", SOON * 2, || {
            let now = self.progress();
            now.0 > before.0 + 1000 && now.1 > before.1
        })
    }
}

#[test]
fn records_that_no_broker_takes_in_time_are_sent_again_from_the_last_commit() {
    let broker = Broker::start();
    let place = Place::on(broker.cluster(), "undelivered", PARTITIONS);
    let mut numbering = Numbering::new(100, PARTITIONS);
    let world = World::start(&place);
    let mut back = Duration::ZERO;
    while_records_flow(&place, &mut numbering, 1000, || {
        back = world.outlast(&broker);
    });
    await_all_committed(&place, SOON);
    world.streams.wait_for(State::Running, SOON).unwrap();
    world.streams.close(SOON).unwrap();
    let (asked, found) = (world.asked.lock().unwrap().clone(), compare(&place, &numbering));
    println!("{} records: {found:?}; went on {back:?} after the outage", numbering.given());
    assert!(asked.is_empty(), "nobody has to decide: {asked:?}");
    // What was sent after a record that was given up may be written, before both are again.
    assert_eq!((found.lost, found.low, found.foreign, found.split), (0, 0, 0, 0), "{found:?}");
}
