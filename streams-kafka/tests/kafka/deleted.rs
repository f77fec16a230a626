//! Topics that are deleted while an application reads and writes them, with settings by default.

use std::time::{Duration, Instant};

use streams_core::topology::{RepartitionCount, Topology, TopologyBuilder};
use streams_kafka::State;

use crate::support::app::{COUNTS, SOON, sink, source};
use crate::support::{App, Given, Place, fold, holds_within};

/// What closing may take.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// How long a client may take to give up records for a topic that is gone.
const GIVEN_UP_MAX: Duration = Duration::from_secs(60);

/// Copies two topics, each by tasks of its own.
fn copies(inputs: [&str; 2], output: &str) -> Topology {
    let mut builder = TopologyBuilder::new();
    for (number, input) in (0..).zip(inputs) {
        let from = builder.source(format!("from-{number}"), [input], source::<String, String>());
        builder.sink(format!("to-{number}"), &[from], sink::<String, String>(output));
    }
    builder.build().unwrap()
}

/// Copies a topic by way of a repartition topic.
fn by_way(input: &str, output: &str) -> Topology {
    let mut builder = TopologyBuilder::new();
    builder.add_repartition_topic("way-repartition".into(), RepartitionCount::Derived);
    let from = builder.source("from", [input], source::<String, String>());
    builder.sink("there", &[from], sink::<String, String>("way-repartition"));
    let back = builder.source("back", ["way-repartition"], source::<String, String>());
    builder.sink("to", &[back], sink::<String, String>(output));
    builder.build().unwrap()
}

fn records(count: usize) -> Vec<Given> {
    (0..count).map(|n| Given::text(0, "key", &n.to_string(), fold::EPOCH)).collect()
}

/// Whether all records of a topic are committed.
fn is_committed(place: &Place, topic: &str) -> bool {
    let committed = place.cluster.committed(&place.application, topic).into_iter();
    let committed: i64 = committed.flatten().map(|(offset, _)| offset).sum();
    committed == place.cluster.ends(topic).iter().sum::<i64>()
}

/// Two topics with some records, the second of which stays.
fn two_topics(name: &str) -> (Place, String) {
    let place = Place::new(name, 1);
    let stays = format!("{}-stays", place.application);
    place.cluster.create(&stays, 1);
    for topic in [&place.input, &stays] {
        place.cluster.write(topic, &records(100));
    }
    (place, stays)
}

#[test]
fn a_deleted_input_holds_up_no_other_and_is_read_anew_when_it_is_made_again() {
    let (place, stays) = two_topics("deleted-input");
    let app = place.start(copies([&place.input, &stays], &place.output));
    app.await_running();
    place.await_output(200);
    // Some of them are processed, and others not, when it is deleted.
    place.cluster.write(&place.input, &records(5_000));
    place.cluster.delete(&place.input);
    for _ in 0..5 {
        place.cluster.write(&stays, &records(100));
        holds_within("the other topic is committed", SOON, || is_committed(&place, &stays));
    }
    assert_eq!(app.streams.state(), State::Running);

    let before: i64 = place.cluster.ends(&place.output).iter().sum();
    place.cluster.create(&place.input, 1);
    place.cluster.write(&place.input, &records(10));
    place.await_output(usize::try_from(before).unwrap() + 10);
    holds_within("the new topic is committed", SOON, || is_committed(&place, &place.input));
    app.close();
}

#[test]
fn an_application_closes_and_commits_though_an_input_was_just_deleted() {
    let (place, stays) = two_topics("deleted-close");
    let config = place.config(&place.state("state")).set("commit.interval.ms", 600_000);
    let app = App::start(copies([&place.input, &stays], &place.output), config);
    app.await_running();
    place.await_output(200);
    place.cluster.delete(&place.input);
    let since = Instant::now();
    app.streams.close(CLOSE_MAX).unwrap();
    println!("closed in {:?}", since.elapsed());
    assert_eq!(app.streams.state(), State::NotRunning, "{:?}", app.streams.error());
    assert_eq!(place.cluster.members(&place.application), 0);
    assert!(is_committed(&place, &stays));
}

/// Deletes an internal topic, has the application write to it, and says what it ends with.
fn delete_under(place: &Place, app: &App, internal: &str) -> String {
    app.await_running();
    place.cluster.write(&place.input, &records(100));
    place.await_output(100);
    place.cluster.delete(internal);
    place.cluster.write(&place.input, &records(100));
    let reached = app.streams.wait_for(State::Error, GIVEN_UP_MAX);
    assert!(reached.is_ok(), "{reached:?}");
    app.streams.error().unwrap().chain()
}

fn assert_says_what_to_do(error: &str, topic: &str) {
    println!("{error}");
    for said in [topic, "does not exist any more", "is lost", "restart the application"] {
        assert!(error.contains(said), "\"{said}\" is not in: {error}");
    }
}

#[test]
fn a_deleted_changelog_is_an_error_that_says_what_to_do() {
    let place = Place::new("deleted-changelog", 1);
    let app = place.start(place.tally());
    let changelog = place.changelog(COUNTS);
    assert_says_what_to_do(&delete_under(&place, &app, &changelog), &changelog);
    drop(app);

    let before: i64 = place.cluster.ends(&place.output).iter().sum();
    let again = place.start(place.tally());
    again.await_running();
    place.cluster.write(&place.input, &records(1));
    place.await_output(usize::try_from(before).unwrap() + 1);
    again.close();
    let counted = fold::counts(&place.cluster.read(&changelog))["key"];
    assert!(counted < 200, "the store begins empty, and has {counted}");
}

#[test]
fn a_deleted_repartition_topic_is_an_error_whatever_the_production_handler_says() {
    let place = Place::new("deleted-repartition", 1);
    let topology = || by_way(&place.input, &place.output);
    let config = place.config(&place.state("state"));
    let config = config.set("production.exception.handler", "continue");
    let app = App::start(topology(), config);
    let topic = format!("{}-way-repartition", place.application);
    assert_says_what_to_do(&delete_under(&place, &app, &topic), &topic);
    assert_eq!(app.streams.metrics().dropped_records_total(), 0);
    drop(app);

    let again = place.start(topology());
    place.await_output(200);
    again.close();
}
