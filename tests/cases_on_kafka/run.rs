//! Runs a case on a broker, with two instances of which one starts again in the middle.

use std::time::Duration;

use serde_json::Value as Json;
use streams_core::config::StreamsConfigBuilder;

use super::case::{self, APPLICATION, Case, PARTITIONS};
use super::outcome::Contents;
use crate::support::cluster::Cluster;
use crate::support::{App, Given, Place, holds_within};

const DONE_MAX: Duration = Duration::from_secs(90);

/// In the names of stores that are called after their table's topic.
const OF_TOPIC: &str = "-STATE-STORE-";

/// The name on the broker of a topic of the case.
fn real(place: &Place, topic: &str) -> String {
    let application = &place.application;
    let given = |topic: &str| format!("{application}.{topic}");
    let Some(internal) = topic.strip_prefix(APPLICATION) else { return given(topic) };
    // A topic is named in lower case, an operator in upper case.
    if internal.contains(OF_TOPIC) && internal.starts_with(|first: char| first.is_lowercase()) {
        return format!("{application}-{}", given(internal));
    }
    format!("{application}-{internal}")
}

/// The case with the names of its topics on the broker.
fn renamed(case: &Case, place: &Place) -> Json {
    let mut json = case.json.clone();
    let rename = |name: &mut Json| {
        if let Some(topic) = name.as_str() {
            *name = real(place, topic).into();
        }
    };
    for node in json["nodes"].as_array_mut().unwrap() {
        let fields = node.as_object_mut().unwrap();
        ["topic", "prefix"].into_iter().filter_map(|name| fields.get_mut(name).map(rename)).count();
        let topics = fields.get_mut("topics").and_then(Json::as_array_mut);
        topics.into_iter().flatten().for_each(rename);
    }
    json
}

fn given(step: &Json) -> Given {
    let record = conformance::record(step);
    let headers = record.headers.iter();
    Given {
        partition: case::partition(step),
        key: record.key,
        value: record.value,
        timestamp: record.timestamp.millis(),
        headers: headers
            .map(|header| (header.name.to_string(), header.value.as_deref().map(<[u8]>::to_vec)))
            .collect(),
    }
}

struct Running<'c> {
    case: &'c Case,
    json: Json,
    place: Place,
}

impl Running<'_> {
    fn config(&self, instance: &str) -> StreamsConfigBuilder {
        conformance::configured(&self.json, self.place.config(&self.place.state(instance)))
    }

    fn start(&self, instance: &str) -> App {
        let config = self.config(instance).build().unwrap();
        let topology = conformance::topology(&self.json, &config).unwrap();
        App::start(topology, self.config(instance))
    }

    fn write(&self, steps: &[Json]) {
        let mut writer = self.place.cluster.writer();
        for step in steps {
            writer.write(&real(&self.place, step["topic"].as_str().unwrap()), &given(step));
        }
        writer.finish();
    }

    /// The topics that the application reads and commits positions of.
    fn read_topics(&self) -> Vec<String> {
        let sources = self.case.topics_of(|op| op == "stream" || op == "table");
        let internal = self.case.internal.iter().map(String::as_str);
        let between = internal.filter(|topic| !topic.ends_with("-changelog"));
        sources.into_iter().chain(between).map(|topic| real(&self.place, topic)).collect()
    }

    /// Whether everything is processed. Positions are asked for first: what a record that is
    /// committed led to was in its topic then.
    fn is_done(&self) -> bool {
        let (cluster, topics) = (&self.place.cluster, self.read_topics());
        let committed: Vec<_> =
            topics.iter().map(|topic| cluster.committed(&self.place.application, topic)).collect();
        topics.iter().zip(committed).all(|(topic, committed)| {
            let ends = cluster.ends(topic).into_iter().zip(committed);
            ends.into_iter().all(|(end, committed)| {
                end == 0 || committed.is_some_and(|(offset, _)| offset >= end)
            })
        })
    }

    fn run(&self) {
        let half = self.case.input().split_at(self.case.input().len() / 2);
        let (one, two) = (self.start("one"), self.start("two"));
        one.await_running();
        two.await_running();
        self.write(half.0);
        two.close();
        let two = self.start("two");
        self.write(half.1);
        holds_within("every record is processed", DONE_MAX, || {
            for app in [&one, &two] {
                let error = app.streams.error().map(|error| error.chain());
                assert!(error.is_none(), "{}: {error:?}", self.case.name());
            }
            self.is_done()
        });
        one.close();
        two.close();
    }

    fn differences(&self) -> Vec<String> {
        let topics = self.case.outcome.0.iter().filter_map(|(topic, expected)| {
            let seen = self.place.cluster.read(&real(&self.place, topic));
            let got = Contents::of_topic(self.case.kinds[topic], seen);
            (got != *expected).then(|| format!("{topic}\nexpected {expected:?}\n     got {got:?}"))
        });
        topics.collect()
    }
}

/// Where the topics at the end are not as the reference says.
pub(super) fn differences(case: &Case, cluster: &Cluster) -> Vec<String> {
    let place = Place::without_topics(cluster.clone(), "case");
    let mut topics = case.topics_of(|_| true);
    let dynamic = case.outcome.0.keys().filter(|topic| !topic.starts_with(APPLICATION));
    topics.extend(dynamic.map(String::as_str));
    topics.sort_unstable();
    topics.dedup();
    let given: Vec<String> = topics.into_iter().map(|topic| real(&place, topic)).collect();
    given.iter().for_each(|topic| cluster.create(topic, PARTITIONS));
    let running = Running { case, json: renamed(case, &place), place };
    running.run();
    let differences = running.differences();
    let internal = case.internal.iter().map(|topic| real(&running.place, topic));
    for topic in given.into_iter().chain(internal) {
        if cluster.partitions(&topic) > 0 {
            cluster.delete(&topic);
        }
    }
    differences
}
