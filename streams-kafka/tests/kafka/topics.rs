//! Topics that are made, and that grow, while an application runs.

use streams_core::topology::{Topology, TopologyBuilder};

use crate::support::app::{App, COUNTS, SOON, sink, source};
use crate::support::shape::{Shape, add_tally};
use crate::support::watch::Watch;
use crate::support::{Given, Place, fold, holds_within};

/// Counts the records of all topics that match.
fn tally_matching(pattern: &str, output: &str) -> Topology {
    let mut builder = TopologyBuilder::new();
    let from = builder.source_matching("source", pattern, source::<String, String>());
    let count = add_tally(&mut builder, from, (Shape::Tally, &Watch::default()));
    builder.sink("sink", &[count], sink::<String, String>(output));
    builder.build().unwrap()
}

fn start(place: &Place, state: &str, topology: Topology) -> App {
    let config = place.config(&place.state(state));
    App::start(topology, config.set("metadata.max.age.ms", 1000))
}

fn records(key: &str, count: usize) -> Vec<Given> {
    (0..count).map(|n| Given::text(0, key, &n.to_string(), fold::EPOCH)).collect()
}

#[test]
fn topics_of_a_pattern_are_read_once_they_are_made() {
    let place = Place::new("pattern", 2);
    let pattern = format!("{}-(in|also-.*)", place.application);
    let topology = || tally_matching(&pattern, &place.output);
    place.cluster.write(&place.input, &records("a", 10));
    let [first, second] = ["first", "second"].map(|state| start(&place, state, topology()));
    for app in [&first, &second] {
        app.await_running();
    }
    place.await_output(10);
    // It has more partitions than the one before: there are new tasks, and the changelog is too
    // small for them, so it has as many here.
    let later = format!("{}-also-later", place.application);
    place.cluster.create(&later, 2);
    place.cluster.write(&later, &records("a", 10));
    place.await_output(20);
    place.cluster.write(&place.input, &records("a", 5));
    place.await_output(25);
    for app in [first, second] {
        app.close();
    }
    let counts = fold::counts(&place.cluster.read(&place.changelog(COUNTS)));
    assert_eq!(counts["a"], 25, "both topics are counted in one store");
}

#[test]
fn an_application_may_begin_before_its_topics() {
    let place = Place::new("early", 1);
    let pattern = format!("{}-later-.*", place.application);
    let app = start(&place, "state", tally_matching(&pattern, &place.output));
    app.await_running();
    let later = format!("{}-later-1", place.application);
    place.cluster.create(&later, 1);
    place.cluster.write(&later, &records("a", 10));
    place.await_output(10);
    app.close();
}

#[test]
fn partitions_that_are_added_are_read_where_nothing_depends_on_their_number() {
    let place = Place::new("grown", 1);
    let copy = crate::support::app::stateless(&place.input, &place.output, |_| Ok(true));
    let app = start(&place, "state", copy);
    app.await_running();
    place.cluster.add_partitions(&place.input, 3);
    holds_within("the topic has three partitions", SOON, || {
        place.cluster.partitions(&place.input) == 3
    });
    place.cluster.write(&place.input, &fold::numbered(3, 30, 3));
    place.await_output(30);
    app.close();
}

#[test]
fn partitions_that_do_not_fit_are_an_error_that_says_how_many_are_needed() {
    let place = Place::new("outgrown", 1);
    let app = start(&place, "state", place.tally());
    app.await_running();
    place.cluster.add_partitions(&place.input, 3);
    let error = app.await_error();
    let changelog = place.changelog(COUNTS);
    for said in [changelog.as_str(), "1 partitions", "3 are needed", "reset the application"] {
        assert!(error.contains(said), "{said} is not in: {error}");
    }
}
