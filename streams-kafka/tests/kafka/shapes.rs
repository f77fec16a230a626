//! Workers, inputs and topics of several shapes.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use streams_core::config::{PropertiesText, StreamsConfig};
use streams_core::error::ProcessorError;
use streams_core::processor::{Context, Processor};
use streams_core::record::Record;
use streams_core::topology::{RepartitionCount, Topology, TopologyBuilder};
use streams_dsl::{Materialized, StreamsBuilder};

use crate::support::app::{COUNTS, SOON, sink, source, stateless};
use crate::support::fold::{self, Difference, EPOCH, Numbering};
use crate::support::shape::{Shape, add_tally};
use crate::support::watch::Watch;
use crate::support::{App, Given, Place, Seen, broker, holds_within};

#[test]
fn three_workers_share_six_tasks() {
    let place = Place::new("workers", 6);
    let mut numbering = Numbering::new(60, 6);
    let records: Vec<Given> = (0..12_000).map(|_| numbering.next()).collect();
    place.cluster.write(&place.input, &records);
    let config = place.config(&place.state("state")).set("num.stream.threads", 3);
    let app = App::start(place.tally(), config);
    place.await_output(12_000);
    let loads = || -> Vec<usize> {
        app.streams.metrics().workers.iter().map(|worker| worker.lags.len()).collect()
    };
    holds_within("each worker has two tasks", SOON, || loads() == [2, 2, 2]);
    app.close();
    let seen = place.cluster.read(&place.output);
    let changelog = place.cluster.read(&place.changelog(COUNTS));
    fold::assert_exact(&numbering.truth(), &seen, &changelog);
}

#[test]
fn a_task_waits_for_the_slower_of_its_inputs() {
    let place = Place::without_topics(broker::shared(), "idle");
    let (left, right) = (format!("{}-left", place.input), format!("{}-right", place.input));
    for topic in [&left, &right, &place.output] {
        place.cluster.create(topic, 1);
    }
    let at = |side: &str, time: i64| Given::text(0, side, &time.to_string(), EPOCH + time);
    let even: Vec<Given> = (0..500).map(|at_| at("left", at_ * 2)).collect();
    place.cluster.write(&left, &even);
    let mut builder = TopologyBuilder::new();
    let read = builder.source("source", [&*left, &*right], source::<String, String>());
    builder.sink("sink", &[read], sink::<String, String>(&place.output));
    let config = place.config(&place.state("state")).set("max.task.idle.ms", 6000);
    let app = App::start(builder.build().unwrap(), config);
    app.await_running();
    let odd: Vec<Given> = (0..500).map(|at_| at("right", at_ * 2 + 1)).collect();
    place.cluster.write(&right, &odd);
    let took = holds_within("the merged output is there", Duration::from_secs(60), || {
        place.cluster.ends(&place.output) == [1000]
    });
    app.close();
    let seen = place.cluster.read(&place.output);
    let times: Vec<i64> = seen.iter().map(|seen| seen.timestamp - EPOCH).collect();
    let first = times.iter().zip(0..).take_while(|(time, at)| *time == at).count();
    println!("merged in {took:?}; {first} of 1000 in the order of their times");
    assert_eq!(times, (0..1000).collect::<Vec<_>>());
}

/// Without waiting for a time, a task waits only for records that it may still read: none of those
/// that lie before where it begins.
#[test]
fn a_task_does_not_wait_for_what_it_never_reads() {
    let place = Place::without_topics(broker::shared(), "latest");
    let (left, right) = (format!("{}-left", place.input), format!("{}-right", place.input));
    for topic in [&left, &right, &place.output] {
        place.cluster.create(topic, 1);
    }
    let at = |time: i64| Given::text(0, "k", &time.to_string(), EPOCH + time);
    place.cluster.write(&left, &[at(0), at(1)]);
    let mut builder = TopologyBuilder::new();
    let read = builder.source("source", [&*left, &*right], source::<String, String>());
    builder.sink("sink", &[read], sink::<String, String>(&place.output));
    let config = place.config(&place.state("state")).set("auto.offset.reset", "latest");
    let app = App::start(builder.build().unwrap(), config);
    app.await_running();
    holds_within("records of the other input are processed", SOON, || {
        place.cluster.write(&right, &[at(2)]);
        place.cluster.ends(&place.output) != [0]
    });
    app.close();
}

/// The log was truncated while the application was down: it goes on where its policy says.
#[test]
fn an_offset_outside_the_log_is_reset() {
    let place = Place::new("truncated", 1);
    place.cluster.write(&place.input, &fold::numbered(10, 100, 1));
    let app = place.start(place.tally());
    place.await_output(100);
    app.close();
    place.cluster.write(&place.input, &fold::numbered(10, 50, 1));
    place.cluster.delete_before(&place.input, 0, 120);
    let app = place.start(place.tally());
    place.await_output(130);
    app.close();
    assert_eq!(place.cluster.ends(&place.output), [130]);

    place.cluster.write(&place.input, &fold::numbered(10, 50, 1));
    place.cluster.delete_before(&place.input, 0, 170);
    let config = place.config(&place.state("state")).set("auto.offset.reset", "none");
    let app = App::start(place.tally(), config);
    let error = app.await_error();
    assert!(error.contains("offset 150") && error.contains("auto.offset.reset"), "{error}");
}

#[test]
fn an_offset_outside_the_log_is_reset_by_time() {
    let place = Place::new("by-time", 1);
    place.cluster.write(&place.input, &fold::numbered(10, 10, 1));
    let app = place.start(place.tally());
    place.await_output(10);
    app.close();
    // 20 that are years old, and 5 of now.
    place.cluster.write(&place.input, &fold::numbered(10, 20, 1));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let now = i64::try_from(now).unwrap();
    let fresh: Vec<Given> = (0..5).map(|_| Given::text(0, "fresh", "v", now)).collect();
    place.cluster.write(&place.input, &fresh);
    place.cluster.delete_before(&place.input, 0, 15);
    let config = place.config(&place.state("state")).set("auto.offset.reset", "by_duration:PT1H");
    let app = App::start(place.tally(), config);
    place.await_output(15);
    app.close();
    let seen = place.cluster.read(&place.output);
    let keys: Vec<String> = seen[10..].iter().map(Seen::key_text).collect();
    assert_eq!(keys, ["fresh"; 5]);
}

/// Words of lines, counted by the DSL, as in the README.
fn word_count(place: &Place) -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, String>(&*place.input)
        .flat_map_values(|line| {
            line.split_whitespace().map(str::to_lowercase).collect::<Vec<String>>()
        })
        .group_by(|_, word| word.clone())
        .count_with(Materialized::named("words"))
        .to_stream()
        .to(&*place.output);
    builder.build().unwrap()
}

#[test]
fn words_are_counted_by_the_dsl_through_a_cache() {
    let place = Place::new("words", 3);
    let lines = ["The quick brown fox", "jumps over THE lazy dog", "the end"];
    let lines: Vec<Given> = (0..3000)
        .map(|at| {
            let partition = i32::try_from(at % 3).unwrap();
            let line = Given::text(partition, "", lines[at % 3], EPOCH + at as i64);
            Given { key: None, ..line }
        })
        .collect();
    place.cluster.write(&place.input, &lines);
    for start in 1..=2 {
        let app = place.start(word_count(&place));
        app.await_running();
        assert_eq!(app.restored_records(), 0, "state is kept at start {start}");
        crate::support::flow::await_all_committed(&place, SOON);
        let repartition = format!("{}-words-repartition", place.application);
        holds_within("all words are counted", SOON, || {
            let committed = place.cluster.committed(&place.application, &repartition);
            committed.iter().flatten().map(|(offset, _)| offset).sum::<i64>() == 11_000
        });
        app.close();
    }
    let last = |records: Vec<Seen>| -> BTreeMap<String, i64> {
        let count = |record: &Seen| {
            let bytes = record.value.as_deref().unwrap().last_chunk::<8>().unwrap();
            i64::from_be_bytes(*bytes)
        };
        records.iter().map(|record| (record.key_text(), count(record))).collect()
    };
    let expected = ["quick", "brown", "fox", "jumps", "over", "lazy", "dog", "end"];
    let expected = expected.into_iter().map(|word| (word.to_owned(), 1000));
    let expected: BTreeMap<String, i64> = expected.chain([("the".to_owned(), 3000)]).collect();
    let output = place.cluster.read(&place.output);
    println!("{} counts came out of 11000 words", output.len());
    assert_eq!(last(output), expected);
    assert_eq!(last(place.cluster.read(&place.changelog("words"))), expected);
}

/// Makes the first letter of the value the key.
struct ByInitial;

impl Processor<String, String> for ByInitial {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        let initial = record.value.chars().take(1).collect();
        cx.forward(record.with_key(initial))?;
        Ok(())
    }
}

/// Counts initials, behind a repartition topic.
fn initials(place: &Place) -> Topology {
    let mut builder = TopologyBuilder::new();
    let read = builder.source("source", [&*place.input], source::<String, String>());
    let keyed = builder.processor("initial", &[read], |_| Ok(ByInitial));
    builder.add_repartition_topic("initials-repartition".into(), RepartitionCount::Derived);
    builder.sink("to", &[keyed], sink::<String, String>("initials-repartition"));
    let back = builder.source("from", ["initials-repartition"], source::<String, String>());
    let counted = add_tally(&mut builder, back, (Shape::Tally, &Watch::default()));
    builder.sink("sink", &[counted], sink::<String, String>(&place.output));
    builder.build().unwrap()
}

#[test]
fn records_go_through_a_repartition_topic() {
    let place = Place::new("repartition", 3);
    let words = ["alpha", "beta", "gamma", "atom", "bit", "axis", "delta"];
    let records: Vec<Given> = (0..7000)
        .map(|at| {
            let partition = i32::try_from(at % 3).unwrap();
            Given::text(partition, "", words[at % 7], EPOCH + i64::try_from(at).unwrap())
        })
        .collect();
    place.cluster.write(&place.input, &records);
    let config = place.config(&place.state("state")).set("num.stream.threads", 2);
    let config = config.set("repartition.purge.interval.ms", 200);
    let app = App::start(initials(&place), config);
    place.await_output(7000);
    let topic = format!("{}-initials-repartition", place.application);
    let deleted = || place.cluster.offsets(&topic).iter().map(|(start, _)| start).sum::<i64>();
    holds_within("processed records are deleted", SOON, || deleted() == 7000);
    app.close();
    assert_eq!(place.cluster.partitions(&topic), 3);
    let counts = fold::counts(&place.cluster.read(&place.changelog(COUNTS)));
    let expected = [("a", 3000), ("b", 2000), ("d", 1000), ("g", 1000)];
    let expected: BTreeMap<String, i64> =
        expected.into_iter().map(|(key, count)| (key.to_owned(), count)).collect();
    assert_eq!(counts, expected);
    let seen = place.cluster.read(&place.output);
    for (key, count) in expected {
        let of_key = seen.iter().filter(|seen| seen.key_text() == key);
        let counts: Vec<i64> = of_key
            .map(|seen| seen.value_text().split_once('=').unwrap().1.parse().unwrap())
            .collect();
        assert_eq!(counts, (1..=count).collect::<Vec<_>>(), "{key}");
    }
    let committed = place.cluster.committed(&place.application, &topic);
    let all: i64 = committed.into_iter().flatten().map(|(offset, _)| offset).sum();
    assert_eq!(all, 7000, "offsets of the repartition topic are committed");
}

#[test]
fn settings_come_from_a_file_and_the_environment() {
    let place = Place::new("settings", 2);
    place.cluster.write(&place.input, &fold::numbered(10, 1000, 2));
    let text = format!(
        "# as for Kafka Streams\n\
         application.id = {}\n\
         bootstrap.servers: nowhere.invalid:9092\n\
         num.stream.threads=2\n\
         state.dir={}\n\
         commit.interval.ms=200\n\
         replication.factor = 1\n\
         producer.linger.ms = 5\n\
         main.consumer.fetch.min.bytes = 1\n",
        place.application,
        place.state("state").display(),
    );
    let file = PropertiesText { origin: "app.properties".to_owned(), text };
    let environment = [
        ("STREAMS_BOOTSTRAP_SERVERS", place.cluster.servers()),
        ("STREAMS_NUM_STREAM_THREADS", "1"),
    ];
    let config = StreamsConfig::builder().properties(&file).environment(environment);
    let app = App::start(stateless(&place.input, &place.output, |_| Ok(true)), config);
    place.await_output(1000);
    holds_within("it commits", SOON, || app.streams.metrics().commit_total() > 0);
    assert_eq!(app.streams.metrics().workers.len(), 1, "the environment wins");
    app.close();
}

#[test]
fn small_bounds_change_no_result() {
    let place = Place::new("slow", 2);
    let mut numbering = Numbering::new(1000, 2);
    let records: Vec<Given> = (0..200_000).map(|_| numbering.next()).collect();
    place.cluster.write(&place.input, &records);
    let config = place.config(&place.state("state"));
    let config = config.set("buffered.records.per.partition", 10);
    let app = App::start(place.tally(), config.set("prefetch.max.bytes", 65_536));
    place.await_output(200_000);
    app.close();
    let seen = place.cluster.read(&place.output);
    let changelog = place.cluster.read(&place.changelog(COUNTS));
    let difference = fold::difference(&numbering.truth(), &seen, &changelog);
    assert_eq!(difference, Difference::default());
}
