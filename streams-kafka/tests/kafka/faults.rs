//! Records and topics that are not as they should be: a typed error, or the handler's way around
//! it.

use std::sync::Arc;
use std::time::Duration;

use streams_core::error::ProcessorError;
use streams_core::names::TopicName;
use streams_core::processor::{
    Context, Extraction, InitContext, LinkError, Nulls, Partitions, Processor, Sink, Source,
    TimestampExtractor,
};
use streams_core::record::Record;
use streams_core::time::Timestamp;
use streams_core::topology::{Topology, TopologyBuilder};
use streams_kafka::State;

use crate::support::app::{COUNTS, SOON, sink, source, stateless};
use crate::support::fold;
use crate::support::{App, Given, Place, broker, holds_within};

/// Copies texts, read as `from` says.
fn copy(place: &Place, from: Source<String, String>) -> Topology {
    let mut builder = TopologyBuilder::new();
    let read = builder.source("source", [&*place.input], from);
    builder.sink("sink", &[read], sink::<String, String>(&place.output));
    builder.build().unwrap()
}

fn same(place: &Place) -> Topology {
    stateless(&place.input, &place.output, |_| Ok(true))
}

/// Ten good records in partition 1, and a bad one as the sixth.
fn with_bad(bad: Given) -> Vec<Given> {
    let mut records: Vec<Given> =
        (0..10).map(|at| Given::text(1, "key", &at.to_string(), fold::EPOCH + at)).collect();
    records.insert(5, Given { partition: 1, ..bad });
    records
}

fn good() -> Given {
    Given::text(1, "key", "good", fold::EPOCH)
}

/// The good records came through, in order, and the bad one was counted.
#[track_caller]
fn assert_skipped(place: &Place, app: App) {
    place.await_output(10);
    holds_within("the record is counted", SOON, || {
        app.streams.metrics().dropped_records_total() == 1
    });
    app.close();
    let seen: Vec<String> =
        place.cluster.read(&place.output).iter().map(|seen| seen.value_text()).collect();
    assert_eq!(seen, (0..10).map(|at| at.to_string()).collect::<Vec<_>>());
}

#[track_caller]
fn assert_names(text: &str, parts: &[&str]) {
    println!("{text}");
    for part in parts {
        assert!(text.contains(part), "\"{part}\" is not in: {text}");
    }
}

#[test]
fn undecodable_input_stops_or_is_skipped() {
    let place = Place::new("undecodable", 2);
    place.cluster.write(&place.input, &with_bad(Given { value: Some(vec![0xff]), ..good() }));
    let app = place.start(same(&place));
    let text = app.await_error();
    assert_names(&text, &[&place.input, "partition 1", "offset 5", "source", "value", "UTF-8"]);
    assert!(app.streams.close(SOON).is_ok(), "closing a failed application is allowed");
    drop(app);
    holds_within("a failed member leaves", SOON, || place.cluster.members(&place.application) == 0);

    let place = Place::new("undecodable-skip", 2);
    place.cluster.write(&place.input, &with_bad(Given { key: Some(vec![0xff]), ..good() }));
    let config = place.config(&place.state("state"));
    let config = config.set("deserialization.exception.handler", "continue");
    assert_skipped(&place, App::start(same(&place), config));
}

#[test]
fn nulls_where_types_have_none_stop_or_are_skipped() {
    for bad in [Given { key: None, ..good() }, Given { value: None, ..good() }] {
        let place = Place::new("nulls", 2);
        place.cluster.write(&place.input, &with_bad(bad.clone()));
        let app = place.start(same(&place));
        assert_names(&app.await_error(), &[&place.input, "partition 1", "offset 5", "null"]);
        let place = Place::new("nulls-skip", 2);
        place.cluster.write(&place.input, &with_bad(bad));
        let from = Source { nulls: Nulls::Skip, ..source() };
        assert_skipped(&place, place.start(copy(&place, from)));
    }
}

#[test]
fn negative_timestamps_stop_or_are_skipped() {
    let place = Place::new("timeless", 2);
    place.cluster.write(&place.input, &with_bad(Given { timestamp: -1, ..good() }));
    let app = place.start(same(&place));
    let parts = [&*place.input, "partition 1", "offset 5", "timestamp", "extractor"];
    assert_names(&app.await_error(), &parts);
    let place = Place::new("timeless-skip", 2);
    place.cluster.write(&place.input, &with_bad(Given { timestamp: -1, ..good() }));
    let from = Source { timestamps: TimestampExtractor::SkipInvalid, ..source() };
    assert_skipped(&place, place.start(copy(&place, from)));
}

/// Makes the bad record large.
fn blow_up(place: &Place) -> Topology {
    stateless(&place.input, &place.output, |record| {
        if record.value == "good" {
            record.value = "x".repeat(50_000);
        }
        Ok(true)
    })
}

fn place_of_small_records(name: &str) -> Place {
    let place = Place::without_topics(broker::shared(), name);
    place.cluster.create(&place.input, 2);
    place.cluster.create_with(&place.output, 2, &[("max.message.bytes", "20000")]);
    place.cluster.write(&place.input, &with_bad(good()));
    place
}

#[test]
fn output_that_is_too_large_stops_or_is_skipped() {
    let place = place_of_small_records("large");
    let app = place.start(blow_up(&place));
    let parts = [&*place.output, "max.message.bytes", "producer.max.request.size"];
    assert_names(&app.await_error(), &parts);
    let committed = place.cluster.committed(&place.application, &place.input);
    let before = |(offset, _): &(i64, String)| *offset <= 5;
    assert!(committed[1].iter().all(before), "not committed beyond it: {committed:?}");

    let limited = |place: &Place| {
        place.config(&place.state("state")).set("producer.max.request.size", 20_000)
    };
    let place = place_of_small_records("large-known");
    let app = App::start(blow_up(&place), limited(&place));
    assert_names(&app.await_error(), &[&place.output, "max.message.bytes", "50003 bytes"]);

    let place = place_of_small_records("large-skip");
    let config = limited(&place).set("production.exception.handler", "continue");
    assert_skipped(&place, App::start(blow_up(&place), config));
}

#[test]
fn a_batch_that_is_refused_is_never_left_out() {
    let place = place_of_small_records("batch");
    let config = place.config(&place.state("state"));
    let config = config.set("production.exception.handler", "continue");
    let app = App::start(blow_up(&place), config);
    assert_names(&app.await_error(), &[&place.output, "a batch of records"]);
}

#[test]
fn input_larger_than_a_fetch_is_read() {
    let place = Place::without_topics(broker::shared(), "wide");
    place.cluster.create_with(&place.input, 2, &[("max.message.bytes", "8000000")]);
    place.cluster.create(&place.output, 2);
    let large = Given::text(1, "key", &"x".repeat(5_000_000), fold::EPOCH);
    place.cluster.write(&place.input, &with_bad(large));
    let app = place.start(stateless(&place.input, &place.output, |record| {
        record.value = record.value.len().to_string();
        Ok(true)
    }));
    place.await_output(11);
    app.close();
    let seen = place.cluster.read(&place.output);
    assert!(seen.iter().any(|seen| seen.value_text() == "5000000"));
}

#[test]
fn a_panic_in_user_code_is_an_error_with_its_place() {
    let place = Place::new("panic", 2);
    place.cluster.write(&place.input, &with_bad(good()));
    let app = place.start(stateless(&place.input, &place.output, |record| {
        assert!(record.value != "good", "nothing is good");
        Ok(true)
    }));
    let parts = [&*place.input, "partition 1", "offset 5", "panicked", "nothing is good"];
    assert_names(&app.await_error(), &parts);
}

#[test]
fn a_panic_anywhere_in_user_code_is_an_error() {
    let extractor = |place: &Place| {
        let panics =
            |_: &Extraction<'_, String, String>| -> Timestamp { panic!("in an extractor") };
        let timestamps = TimestampExtractor::By(Arc::new(panics));
        copy(place, Source { timestamps, ..source() })
    };
    let partitioner = |place: &Place| {
        let panics = |_: &TopicName, _: &String, _: &String, _: i32| -> Partitions {
            panic!("in a partitioner")
        };
        let to = Sink { partitioner: Some(Arc::new(panics)), ..sink(&place.output) };
        let mut builder = TopologyBuilder::new();
        let read = builder.source("source", [&*place.input], source::<String, String>());
        builder.sink("sink", &[read], to);
        builder.build().unwrap()
    };
    let supplier = |place: &Place| {
        let mut builder = TopologyBuilder::new();
        let read = builder.source("source", [&*place.input], source::<String, String>());
        builder.processor("step", &[read], |_| -> Result<Unlucky, LinkError> {
            panic!("in a supplier")
        });
        builder.build().unwrap()
    };
    let init = |place: &Place| {
        let mut builder = TopologyBuilder::new();
        let read = builder.source("source", [&*place.input], source::<String, String>());
        builder.processor("step", &[read], |_| Ok(Unlucky));
        builder.build().unwrap()
    };
    assert_panic_told("in an extractor", extractor);
    assert_panic_told("in a partitioner", partitioner);
    assert_panic_told("in a supplier", supplier);
    assert_panic_told("in init", init);
}

#[track_caller]
fn assert_panic_told(text: &str, topology: impl FnOnce(&Place) -> Topology) {
    let place = Place::new("panics", 2);
    place.cluster.write(&place.input, &with_bad(good()));
    let app = place.start(topology(&place));
    assert_names(&app.await_error(), &["panicked", text]);
}

/// Panics before its first record.
struct Unlucky;

impl Processor<String, String> for Unlucky {
    type OutKey = String;
    type OutValue = String;

    fn init(&mut self, _: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        panic!("in init")
    }

    fn process(
        &mut self,
        _: Record<String, String>,
        _: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        Ok(())
    }
}

#[test]
fn an_error_of_user_code_stops_or_is_skipped() {
    let failing = |place: &Place| {
        stateless(&place.input, &place.output, |record| match &*record.value {
            "good" => Err("it is too good".into()),
            _ => Ok(true),
        })
    };
    let place = Place::new("error", 2);
    place.cluster.write(&place.input, &with_bad(good()));
    let app = place.start(failing(&place));
    let parts = [&*place.input, "partition 1", "offset 5", "\"step\"", "it is too good"];
    assert_names(&app.await_error(), &parts);
    let place = Place::new("error-skip", 2);
    place.cluster.write(&place.input, &with_bad(good()));
    let config = place.config(&place.state("state"));
    let config = config.set("processing.exception.handler", "continue");
    assert_skipped(&place, App::start(failing(&place), config));
}

#[test]
fn a_missing_source_topic_is_waited_for() {
    let place = Place::without_topics(broker::shared(), "missing");
    place.cluster.create(&place.output, 2);
    let app = place.start(same(&place));
    let joined = || place.cluster.members(&place.application) == 1;
    holds_within("it has joined", SOON, joined);
    assert_eq!(app.streams.state(), State::Rebalancing);
    place.cluster.create(&place.input, 2);
    place.cluster.write(&place.input, &fold::numbered(5, 20, 2));
    let took = holds_within("the topic is found", SOON, || {
        place.cluster.ends(&place.output).iter().sum::<i64>() == 20
    });
    println!("went on {took:?} after the topic was there");
    app.close();
}

#[test]
fn a_missing_output_topic_is_an_error() {
    let place = Place::without_topics(broker::shared(), "no-output");
    place.cluster.create(&place.input, 2);
    place.cluster.write(&place.input, &fold::numbered(5, 20, 2));
    let app = place.start(same(&place));
    assert_names(&app.await_error(), &[&place.output, "does not exist", "create it"]);
}

#[test]
fn an_output_topic_that_appears_a_moment_later_is_waited_for() {
    let place = Place::without_topics(broker::shared(), "late-output");
    place.cluster.create(&place.input, 2);
    let app = place.start(same(&place));
    app.await_running();
    place.cluster.write(&place.input, &fold::numbered(5, 20, 2));
    place.cluster.create(&place.output, 2);
    place.await_output(20);
    app.close();
}

#[test]
fn an_internal_topic_with_other_partitions_is_refused() {
    let place = Place::new("changed", 2);
    place.cluster.create(&place.changelog(COUNTS), 5);
    let app = place.start(place.tally());
    let changelog = place.changelog(COUNTS);
    assert_names(&app.await_error(), &[&changelog, "5 partitions", "2 are needed", "reset"]);
}

/// How long topics are waited for, and time to notice.
const MISSING_MAX: Duration = Duration::from_secs(75);

#[test]
fn source_topics_that_stay_away_are_an_error() {
    let place = Place::new("deleted", 2);
    place.cluster.write(&place.input, &fold::numbered(5, 20, 2));
    let config = place.config(&place.state("state"));
    let deleted = App::start(same(&place), config.set("metadata.max.age.ms", 1000));
    deleted.await_running();
    place.await_output(20);
    place.cluster.delete(&place.input);
    let absent = Place::without_topics(place.cluster.clone(), "absent");
    let never_there = absent.start(same(&absent));
    for (app, topic) in [(&deleted, &place.input), (&never_there, &absent.input)] {
        let reached = app.streams.wait_for(State::Error, MISSING_MAX);
        assert!(reached.is_ok(), "{reached:?}");
        assert_names(&app.await_error(), &[topic, "does not exist", "create it"]);
    }
}
