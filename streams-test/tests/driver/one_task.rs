//! The driver with one task, as Kafka's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use streams_core::config::StreamsConfig;
use streams_core::error::{ProcessorError, TaskError};
use streams_core::handler::{Handlers, LogAndSkip};
use streams_core::metrics::DropReason;
use streams_core::processor::{ConnectedStores, Context, Processor, PunctuationType};
use streams_core::record::{Headers, Record};
use streams_core::task::TaskIdle;
use streams_core::time::Timestamp;
use streams_dsl::{EmitStrategy, KStream, Materialized, StreamsBuilder, TimeWindows};
use streams_state::KeyValueStore;
use streams_test::{TestError, TopologyTestDriver};

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn records_of_any_size_pass() {
    let driver = TopologyTestDriver::new(&crate::support::copy::<String, String>()).unwrap();
    let large = "x".repeat(2 << 20);
    driver.input::<String, String>("in").pipe("a", large.clone()).unwrap();
    assert_eq!(driver.output::<String, String>("out").read_values().unwrap(), [large]);
}

#[test]
fn records_pass_with_time_headers_and_nulls() {
    let driver =
        TopologyTestDriver::new(&crate::support::copy::<Option<String>, Option<String>>()).unwrap();
    let mut input = driver.input::<Option<String>, Option<String>>("in");
    let mut output = driver.output::<Option<String>, Option<String>>("out");
    assert!(output.is_empty());
    let mut headers = Headers::new();
    headers.add("trace", Some(Bytes::from_static(b"1")));
    let record = Record { key: Some(text("a")), value: None, timestamp: at(7), headers };
    input.pipe_record(record.clone()).unwrap();
    input.pipe_value(text("b")).unwrap();
    input.pipe_tombstone(text("c")).unwrap();
    input.pipe_value_at(text("d"), at(8)).unwrap();
    assert_eq!(output.len(), 4);
    assert_eq!(output.read_record().unwrap(), record);
    assert_eq!(output.read_key_value().unwrap(), (None, Some(text("b"))));
    assert_eq!(output.read_key_value().unwrap(), (Some(text("c")), None));
    assert_eq!(output.read_record().unwrap().timestamp, at(8));
    assert!(matches!(output.read_value(), Err(TestError::NoRecord(topic)) if topic == "out"));
    assert_eq!(driver.output::<Option<String>, Option<String>>("out").len(), 4, "reads anew");
}

#[test]
fn lists_advance_the_topics_clock() {
    let topology = crate::support::copy::<String, i64>();
    let driver = TopologyTestDriver::builder(&topology).wall_clock(at(100)).build().unwrap();
    let mut input = driver.input::<String, i64>("in").with_clock(at(5), Duration::from_millis(2));
    input.pipe_all([("a", 1), ("b", 2), ("a", 3)]).unwrap();
    let mut output = driver.output::<String, i64>("out");
    let records = output.read_records().unwrap();
    let times: Vec<i64> = records.iter().map(|record| record.timestamp.millis()).collect();
    assert_eq!(times, [5, 7, 9]);
    let mut again = driver.output::<String, i64>("out");
    let last: Vec<(String, i64)> = again.read_map().unwrap().into_iter().collect();
    assert_eq!(last, [(text("a"), 3), (text("b"), 2)]);
    driver.input::<String, i64>("in").pipe("c", 4).unwrap();
    assert_eq!(output.read_record().unwrap().timestamp, at(100), "the driver's clock");
}

#[test]
fn stores_are_read_and_changes_are_logged() {
    let driver =
        TopologyTestDriver::builder(&crate::support::count()).application_id("app").build();
    let driver = driver.unwrap();
    let mut input = driver.input::<String, String>("in");
    input.pipe_all([("a", "x"), ("b", "x"), ("a", "x")]).unwrap();
    let counts: KeyValueStore<String, i64> = driver.store("counts").unwrap();
    assert_eq!(counts.get(&text("a")).unwrap(), Some(2));
    assert_eq!(driver.key_values::<String, i64>("counts").unwrap().all().unwrap().len(), 2);
    let mut changes = driver.output::<String, i64>("app-counts-changelog");
    let expected = [(text("a"), 1), (text("b"), 1), (text("a"), 2)];
    assert_eq!(changes.read_key_values().unwrap(), expected);
    let topics = driver.produced_topics();
    assert_eq!(topics, ["app-counts-changelog", "out"]);
    let wrong = driver.store::<KeyValueStore<i64, i64>>("counts");
    assert!(matches!(wrong, Err(TestError::StoreType { .. })));
    assert!(matches!(driver.store::<()>("none"), Err(TestError::NoStore { .. })));
}

#[test]
fn an_error_reaches_the_test_and_stops_the_driver() {
    let driver = TopologyTestDriver::new(&crate::support::count()).unwrap();
    let mut input = driver.input::<String, String>("in");
    input.pipe("a", "x").unwrap();
    let error = input.pipe("a", "bad").unwrap_err();
    assert_eq!(error.to_string(), "node \"count\" failed on topic \"in\" partition 0 offset 1");
    assert!(matches!(input.pipe("a", "x"), Err(TestError::Stopped)));
    let again = driver.restart().unwrap_err();
    assert_eq!(again.to_string(), error.to_string(), "the record is read again");
}

#[test]
fn a_panic_is_an_error_with_its_place() {
    let driver = TopologyTestDriver::new(&crate::support::count()).unwrap();
    let error = driver.input::<String, String>("in").pipe("a", "panic").unwrap_err();
    assert!(matches!(&error, TestError::Task(task) if matches!(**task, TaskError::Panic { .. })));
}

#[test]
fn handlers_skip_and_count() {
    let skip = || Arc::new(LogAndSkip);
    let handlers = Handlers { deserialization: skip(), processing: skip(), production: skip() };
    let driver = TopologyTestDriver::builder(&crate::support::count()).handlers(handlers).build();
    let driver = driver.unwrap();
    let mut input = driver.input::<String, String>("in");
    input.pipe("a", "bad").unwrap();
    let mut raw = driver.input::<String, Vec<u8>>("in");
    raw.pipe("a", vec![0xff]).unwrap();
    input.pipe("a", "x").unwrap();
    assert_eq!(driver.dropped().of(DropReason::ProcessingFailed), 1);
    assert_eq!(driver.dropped().of(DropReason::Undecodable), 1);
    assert_eq!(driver.output::<String, i64>("out").read_values().unwrap(), [1]);
}

#[test]
fn an_undecodable_record_fails_by_default() {
    let driver = TopologyTestDriver::new(&crate::support::count()).unwrap();
    let error = driver.input::<String, Vec<u8>>("in").pipe("a", vec![0xff]).unwrap_err();
    assert!(error.to_string().contains("topic \"in\" partition 0 offset 0"), "{error}");
}

#[test]
fn only_source_topics_take_records() {
    let driver = TopologyTestDriver::new(&crate::support::count()).unwrap();
    let error = driver.input::<String, String>("out").pipe("a", "x").unwrap_err();
    assert!(matches!(error, TestError::UnknownTopic(topic) if topic == "out"));
}

#[test]
fn wall_clock_punctuations_come_with_the_drivers_clock() {
    let driver =
        TopologyTestDriver::new(&crate::support::clock(PunctuationType::WallClock)).unwrap();
    let mut output = driver.output::<String, i64>("out");
    driver.advance_wall_clock(Duration::from_millis(9)).unwrap();
    assert!(output.is_empty());
    driver.advance_wall_clock(Duration::from_millis(1)).unwrap();
    driver.advance_wall_clock(Duration::from_millis(35)).unwrap();
    assert_eq!(output.read_values().unwrap(), [10, 45], "missed ones collapse");
    assert_eq!(driver.wall_clock(), at(45));
}

#[test]
fn stream_time_punctuations_come_with_records() {
    let driver =
        TopologyTestDriver::new(&crate::support::clock(PunctuationType::StreamTime)).unwrap();
    let mut input = driver.input::<String, String>("in");
    for time in [3, 8, 14, 12, 40] {
        input.pipe_at("a", "x", at(time)).unwrap();
    }
    driver.advance_wall_clock(Duration::from_secs(1)).unwrap();
    let ticks = driver.output::<String, i64>("out").read_values().unwrap();
    assert_eq!(ticks, [3, 14, 40]);
}

#[test]
fn a_record_for_an_internal_topic_comes_back() {
    let driver =
        TopologyTestDriver::builder(&crate::support::count_by_value()).application_id("app");
    let driver = driver.build().unwrap();
    let mut input = driver.input::<String, String>("in");
    input.pipe_all([("1", "x"), ("2", "y"), ("3", "x")]).unwrap();
    let counted = driver.output::<String, i64>("out").read_key_values().unwrap();
    assert_eq!(counted, [(text("x"), 1), (text("y"), 1), (text("x"), 2)]);
    let routed = driver.output::<String, String>("app-by-value-repartition").len();
    assert_eq!(routed, 3);
    let mut inside = driver.input::<String, String>("app-by-value-repartition");
    inside.pipe("x", "x").unwrap();
    assert_eq!(driver.output::<String, i64>("out").read_map().unwrap()["x"], 3);
}

#[test]
fn idling_waits_for_the_drivers_clock() {
    let idle = TaskIdle::UpTo(Duration::from_millis(50));
    let driver = TopologyTestDriver::builder(&crate::support::two_inputs()).task_idle(idle).build();
    let driver = driver.unwrap();
    let mut left = driver.input::<String, String>("left");
    left.pipe_at("a", "later", at(9)).unwrap();
    let mut output = driver.output::<String, String>("out");
    assert!(output.is_empty());
    driver.input::<String, String>("right").pipe_at("a", "earlier", at(5)).unwrap();
    assert_eq!(output.read_values().unwrap(), ["earlier"], "both partitions had a record");
    driver.advance_wall_clock(Duration::from_millis(50)).unwrap();
    assert_eq!(output.read_values().unwrap(), ["later"]);
}

#[test]
fn idling_begins_anew_once_there_was_data() {
    let idle = TaskIdle::UpTo(Duration::from_millis(50));
    let driver = TopologyTestDriver::builder(&crate::support::two_inputs()).task_idle(idle);
    let driver = driver.build().unwrap();
    let mut left = driver.input::<String, String>("left");
    let mut right = driver.input::<String, String>("right");
    left.pipe_at("a", "1", at(1)).unwrap();
    driver.advance_wall_clock(Duration::from_millis(30)).unwrap();
    right.pipe_at("a", "2", at(2)).unwrap();
    let mut output = driver.output::<String, String>("out");
    assert_eq!(output.read_values().unwrap(), ["1"]);
    driver.advance_wall_clock(Duration::from_millis(49)).unwrap();
    assert!(output.is_empty(), "the first wait does not count");
    driver.advance_wall_clock(Duration::from_millis(1)).unwrap();
    assert_eq!(output.read_values().unwrap(), ["2"]);
}

#[test]
fn a_changelog_takes_a_record_without_a_key() {
    let builder = StreamsBuilder::new();
    let words: KStream<'_, Option<String>, String> = builder.stream("words");
    let _ = words.group_by_key::<String>().count_with(Materialized::named("counts"));
    words.to("topology-test-driver-counts-changelog");
    let driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
    driver.input::<Option<String>, String>("words").pipe_value("be").unwrap();
    let changes = driver.produced("topology-test-driver-counts-changelog");
    let changes: Vec<_> =
        changes.iter().map(|change| (change.key.is_some(), change.value.as_deref())).collect();
    assert_eq!(changes, [(false, Some(&b"be"[..]))]);
}

#[test]
fn emit_intervals_come_from_the_configuration() {
    let builder = StreamsBuilder::new();
    let clicks: KStream<'_, String, String> = builder.stream("clicks");
    let windows = TimeWindows::of_size(Duration::from_millis(10));
    let clicks = clicks.group_by_key().windowed_by(windows);
    let counts = clicks.with_emit_strategy(EmitStrategy::OnWindowClose).count();
    counts.to_stream().map(|window, count| (window.key, count)).to("counts");
    let topology = builder.build().unwrap();
    for (interval, expected) in [(0, 1), (1000, 0)] {
        let config = StreamsConfig::builder().application_id("app").bootstrap_servers("none:9092");
        let config = config.set("__emit.interval.ms.kstreams.windowed.aggregation__", interval);
        let driver = TopologyTestDriver::builder(&topology).config(&config.build().unwrap());
        let driver = driver.build().unwrap();
        let mut clicks = driver.input::<String, String>("clicks");
        clicks.pipe_at("ann", "x", at(1)).unwrap();
        clicks.pipe_at("bob", "x", at(10)).unwrap();
        assert_eq!(driver.produced("counts").len(), expected, "{interval} ms");
    }
}

/// Forwards what the settings say in place of values.
struct Say(String);

impl Processor<String, String> for Say {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        let own = cx.own_settings().with_prefix("app.say.").map(|(name, _)| name.to_owned());
        let named = own.collect::<Vec<_>>().join(" and ");
        cx.forward(record.with_value(format!("{}, {named}", self.0)))
    }
}

#[test]
fn processors_read_the_settings_of_the_program() {
    let builder = StreamsBuilder::new();
    let words: KStream<'_, String, String> = builder.stream("words");
    let supplier = |stores: &ConnectedStores<'_, '_>| {
        let first = stores.own_settings().get("app.say.first");
        Ok(Say(first.map_or_else(String::new, |text| text.expose().to_owned())))
    };
    words.process(supplier, &[]).to("said");
    let config = StreamsConfig::builder().application_id("app").bootstrap_servers("none:9092");
    let config =
        config.set("app.say.first", "hello").set("app.say.last", "bye").set("app.other", 1);
    let topology = builder.build().unwrap();
    let driver = TopologyTestDriver::builder(&topology).config(&config.build().unwrap());
    let driver = driver.build().unwrap();
    driver.input::<String, String>("words").pipe("a", "x").unwrap();
    let said = driver.output::<String, String>("said").read_values().unwrap();
    assert_eq!(said, ["hello, first and last"]);
}

#[test]
fn the_description_is_kafkas() {
    let driver = TopologyTestDriver::new(&crate::support::copy::<String, String>()).unwrap();
    let text = driver.describe().to_string();
    assert!(text.starts_with("Topologies:\n   Sub-topology: 0\n"), "{text}");
}
