//! Global tables on real Kafka.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use streams_core::topology::Topology;
use streams_dsl::{GlobalKTable, KStream, StreamsBuilder};
use streams_kafka::{KafkaStreams, State, StreamThreadError, StreamsError, UncaughtErrorResponse};

use crate::support::app::SOON;
use crate::support::broker::{self, Broker};
use crate::support::fold::EPOCH;
use crate::support::{App, Given, Place, holds_within};

const CITY_PARTITIONS: i32 = 3;

fn cities(place: &Place) -> String {
    format!("{}-cities", place.input)
}

/// Each visit with the country of its city.
fn visits(place: &Place) -> Topology {
    let builder = StreamsBuilder::new();
    let cities: GlobalKTable<'_, String, String> = builder.global_table(&*cities(place));
    let visits: KStream<'_, String, String> = builder.stream(&*place.input);
    let by_city = |_: &String, city: &String| city.clone();
    let country = |city: &String, country: &String| format!("{city} in {country}");
    visits.join_global(cities, by_city, country).to(&*place.output);
    builder.build().unwrap()
}

/// A city is in any partition, whatever its key.
fn city(number: i32, country: &str) -> Given {
    Given::text(number % CITY_PARTITIONS, &format!("city {number}"), country, EPOCH)
}

/// Visits in both partitions, and what comes of them.
struct Visits<'a> {
    place: &'a Place,
    seen: BTreeMap<String, String>,
}

impl Visits<'_> {
    fn visit(&mut self, numbers: &[i32], country: &str) {
        let rows = numbers.iter().map(|number| {
            let visitor = format!("visitor {}", self.seen.len());
            let city = format!("city {number}");
            self.seen.insert(visitor.clone(), format!("{city} in {country}"));
            Given::text(number % 2, &visitor, &city, EPOCH)
        });
        let rows: Vec<Given> = rows.collect();
        self.place.cluster.write(&self.place.input, &rows);
        self.place.await_output(self.seen.len());
        let found = self.place.cluster.read(&self.place.output).into_iter();
        let found: BTreeMap<String, String> =
            found.map(|seen| (seen.key_text(), seen.value_text())).collect();
        assert_eq!(found, self.seen);
    }
}

/// A table that is there to be asked, and nothing that reads it.
fn cities_alone(place: &Place) -> Topology {
    let builder = StreamsBuilder::new();
    let _: GlobalKTable<'_, String, String> = builder.global_table(&*cities(place));
    builder.build().unwrap()
}

#[test]
fn a_global_table_alone_is_filled_and_kept_up_to_date_without_a_group() {
    let place = Place::without_topics(broker::shared(), "alone");
    place.cluster.create(&cities(&place), CITY_PARTITIONS);
    place.cluster.write(&cities(&place), &[city(1, "Norway"), city(2, "Norway")]);
    let app: App = place.start(cities_alone(&place));
    app.await_running();
    assert_eq!(app.restored_records(), 2);
    place.cluster.write(&cities(&place), &[city(3, "Denmark")]);
    await_updates(&app, 1);
    assert_eq!(place.cluster.members(&place.application), 0);
    let remove = || app.streams.remove_stream_thread_within(SOON);
    assert_eq!(remove(), Err(StreamThreadError::NoneLeft));
    let added = app.streams.add_stream_thread();
    assert_eq!(remove(), added);
    app.close();
}

#[track_caller]
fn await_updates(app: &App, updates: u64) {
    let arrived = || app.streams.metrics().global.is_some_and(|it| it.process_total == updates);
    holds_within("the updates are in the table", SOON, arrived);
}

#[test]
fn a_global_table_is_there_before_records_flow_follows_its_topic_and_survives_a_restart() {
    let place = Place::new("global", 2);
    place.cluster.create(&cities(&place), CITY_PARTITIONS);
    let all: Vec<Given> = (0..300).map(|number| city(number, "Norway")).collect();
    place.cluster.write(&cities(&place), &all);
    let app: App = place.start(visits(&place));
    let mut visits_so_far = Visits { place: &place, seen: BTreeMap::new() };
    visits_so_far.visit(&[0, 1, 2, 151, 299], "Norway");
    assert_eq!(app.restored_records(), 300);
    place.cluster.write(&cities(&place), &[city(151, "Denmark"), city(300, "Denmark")]);
    await_updates(&app, 2);
    visits_so_far.visit(&[151, 300], "Denmark");
    visits_so_far.visit(&[0], "Norway");
    app.close();

    place.cluster.write(&cities(&place), &[city(7, "Sweden")]);
    let app: App = place.start(visits(&place));
    visits_so_far.visit(&[7], "Sweden");
    visits_so_far.visit(&[300], "Denmark");
    visits_so_far.visit(&[8], "Norway");
    assert_eq!(app.restored_records(), 1, "the rest was kept");
    app.close();
    let committed = place.cluster.committed(&place.application, &cities(&place));
    assert!(committed.iter().all(Option::is_none), "{committed:?}");
    assert_eq!(place.cluster.partitions(&place.changelog("cities")), 0);
}

#[test]
fn a_global_topic_that_is_missing_is_waited_for() {
    let place = Place::new("global-missing", 2);
    let app: App = place.start(visits(&place));
    assert!(app.streams.wait_for(State::Running, Duration::from_secs(2)).is_err());
    assert_eq!(app.streams.state(), State::Rebalancing);
    assert_eq!(place.cluster.members(&place.application), 0, "the group is joined later");
    place.cluster.create(&cities(&place), CITY_PARTITIONS);
    app.await_running();
    app.close();
    place.cluster.delete(&cities(&place));
    let app: App = place.start(visits(&place));
    let closing = Instant::now();
    app.close();
    assert!(closing.elapsed() < Duration::from_secs(10), "{:?}", closing.elapsed());
}

#[test]
fn global_tables_wait_for_a_broker_that_is_gone_and_can_be_closed_meanwhile() {
    let broker = Broker::start();
    let place = Place::on(broker.cluster(), "global-outage", 2);
    place.cluster.create(&cities(&place), CITY_PARTITIONS);
    place.cluster.write(&cities(&place), &[city(0, "Norway")]);
    broker.kill();
    let app: App = place.start(visits(&place));
    assert!(app.streams.wait_for(State::Running, Duration::from_secs(2)).is_err());
    let closing = Instant::now();
    app.close();
    assert!(closing.elapsed() < Duration::from_secs(10), "{:?}", closing.elapsed());
    let app: App = place.start(visits(&place));
    broker.start_again();
    app.await_running();
    let mut visits_so_far = Visits { place: &place, seen: BTreeMap::new() };
    visits_so_far.visit(&[0], "Norway");
    broker.kill();
    broker.start_again();
    place.cluster.write(&cities(&place), &[city(1, "Norway")]);
    await_updates(&app, 1);
    visits_so_far.visit(&[1], "Norway");
    app.close();
}

#[test]
fn a_record_that_cannot_be_read_stops_the_application_and_names_its_place() {
    let place = Place::new("global-bad", 2);
    place.cluster.create(&cities(&place), CITY_PARTITIONS);
    let bad = Given { value: Some(vec![0xff]), ..city(1, "") };
    place.cluster.write(&cities(&place), &[city(0, "Norway"), bad]);
    let app: App = place.start(visits(&place));
    let text = app.await_error();
    for part in ["global", &cities(&place), "partition 1", "offset 0"] {
        assert!(text.contains(part), "\"{part}\" is not in: {text}");
    }
    drop(app);
    let config = place.config(&place.state("state"));
    let app =
        App::start(visits(&place), config.set("deserialization.exception.handler", "continue"));
    app.await_running();
    assert_eq!(app.streams.metrics().dropped_records_total(), 1);
    app.close();
}

#[test]
fn a_global_table_that_fails_later_ends_the_process_after_the_handler_was_asked() {
    let place = Place::new("global-fails", 2);
    place.cluster.create(&cities(&place), CITY_PARTITIONS);
    place.cluster.write(&cities(&place), &[city(0, "Norway")]);
    let (tell, asked) = channel();
    let config = place.config(&place.state("state")).build().unwrap();
    let streams = KafkaStreams::builder(visits(&place), config)
        .uncaught_error_handler(move |error: &StreamsError| {
            tell.send(error.chain()).unwrap();
            UncaughtErrorResponse::Replace
        })
        .build();
    streams.start().unwrap();
    streams.wait_for(State::Running, SOON).unwrap();
    let bad = Given { value: Some(vec![0xff]), ..city(1, "") };
    place.cluster.write(&cities(&place), &[bad]);
    assert!(asked.recv_timeout(SOON).unwrap().contains("global"));
    streams.wait_for(State::Error, SOON).unwrap();
    assert!(matches!(&*streams.error().unwrap(), StreamsError::Global(_)));
}
