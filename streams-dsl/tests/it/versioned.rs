//! Versioned tables, and joins of streams with them.

use std::collections::BTreeMap;
use std::time::Duration;

use streams_core::error::ProcessorError;
use streams_core::metrics::DropReason;
use streams_core::processor::{Context, Processor};
use streams_core::record::Record;
use streams_core::time::Timestamp;
use streams_core::topology::{TopicNames, TopologyError};
use streams_dsl::{Consumed, Derived, Joined, KTable, Materialized, StreamsBuilder};
use streams_state::VersionedKeyValueStore;
use streams_test::TopologyTestDriver;

use crate::{Text, Texts, check, drive, pipe, written};

type Table<'b> = KTable<'b, String, String>;

const BUFFER: &str = "topology-test-driver-wait-Buffer-changelog";

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn versioned<'b>(builder: &'b StreamsBuilder, topic: &str, history: u64) -> Table<'b> {
    let stored = Materialized::named(format!("{topic}-rows")).versioned(millis(history));
    builder.table_with(topic, Consumed::new(), stored)
}

fn both(one: &String, other: &String) -> String {
    format!("{one}+{other}")
}

#[test]
fn a_table_is_ordered_by_time_and_refuses_what_is_too_old() {
    let driver = check::<String>(
        |builder| versioned(builder, "in", 10).to_stream().to("out"),
        &["a one 5", "a two 20", "a late 12", "a old 9", "a - 15"],
        "a=one@5 a=two@20 a=late@12 a=-@15",
    );
    assert_eq!(driver.dropped().of(DropReason::Expired), 1);
    let store: VersionedKeyValueStore<String, String> = driver.store("in-rows").unwrap();
    let as_of = |time| {
        let row = store.as_of(&"a".to_owned(), Timestamp::from_millis(time)).unwrap();
        row.map(|row| row.value)
    };
    assert_eq!(
        [11, 12, 15, 20].map(as_of).map(Option::unwrap_or_default),
        ["one", "late", "", "two"]
    );
}

#[test]
fn joins_and_aggregations_leave_late_rows_out() {
    let lines = ["right: a x 1", "in: a one 10", "in: a late 5", "right: a y 20", "right: a z 15"];
    let builder = StreamsBuilder::new();
    let (left, right) = (versioned(&builder, "in", 100), versioned(&builder, "right", 100));
    left.join::<_, String, _>(right, both).to_stream().to("joined");
    left.group_by(|_, value| (value.len() as i64, value)).count().to_stream().to("counts");
    let driver = drive(&builder.build().unwrap(), &lines);
    assert_eq!(written::<String>(&driver, "joined"), "a=one+x@10 a=one+y@20");
    assert_eq!(driver.dropped().of(DropReason::OutOfOrder), 2);
    let counts = driver.output::<i64, Option<i64>>("counts").read_map().unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(3, Some(1))]);
}

#[test]
fn a_stream_is_joined_with_the_row_of_its_time() {
    let table = ["rows: a one 10", "rows: a two 20", "rows: a - 30"];
    let stream = ["in: a s 9", "in: a s 10", "in: a s 25", "in: a s 30"];
    for derive in [false, true] {
        let builder = StreamsBuilder::new();
        let mut rows = versioned(&builder, "rows", 100);
        if derive {
            rows = rows.filter(|_, _| true).map_values(|row| row);
        }
        let texts: Texts<'_> = builder.stream("in");
        texts.join_table::<String, String, _, _>(rows, both).to("out");
        let driver = drive(&builder.build().unwrap(), &[&table[..], &stream].concat());
        assert_eq!(written::<String>(&driver, "out"), "a=s+one@10 a=s+two@25");
    }
}

/// Forwards where each record was read.
struct Place;

impl Processor<String, String> for Place {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        let place = cx.meta().map_or(-1, |meta| meta.offset);
        let value = format!("{}#{place}", record.value);
        cx.forward(record.with_value(value))
    }
}

fn holding(grace: u64) -> TopologyTestDriver {
    let builder = StreamsBuilder::new();
    let rows = versioned(&builder, "rows", 100);
    let texts: Texts<'_> = builder.stream("in");
    let joined = Joined::named("wait").with_grace_period(millis(grace));
    let joined = texts.join_table_with::<String, String, _, _>(rows, both, joined);
    joined.process(|_| Ok(Place), &[]).to("out");
    let topology = builder.build().unwrap();
    let text = topology.describe().to_string();
    assert!(text.contains("Processor: wait (stores: [rows-rows, wait-Buffer])"), "{text}");
    drive(&topology, &[])
}

#[test]
fn a_record_waits_for_its_grace_period() {
    let driver = holding(10);
    pipe(&driver, &["in: b s 20", "in: a t 15", "rows: a one 12", "rows: b two 19", "in: c u 24"]);
    assert_eq!(written::<String>(&driver, "out"), "");
    pipe(&driver, &["in: c v 25"]);
    assert_eq!(written::<String>(&driver, "out"), "a=t+one#1@15");
    // Too late to wait.
    pipe(&driver, &["in: a w 14", "in: - x 14", "in: a - 14"]);
    assert_eq!(written::<String>(&driver, "out"), "a=t+one#1@15 a=w+one#4@14");
    assert_eq!(driver.dropped().total(), 2);
    pipe(&driver, &["in: c y 50"]);
    assert_eq!(written::<String>(&driver, "out"), "a=t+one#1@15 a=w+one#4@14 b=s+two#0@20");
}

#[test]
fn what_waits_is_restored_with_its_key_and_the_time_that_was_seen() {
    let driver = holding(10);
    pipe(
        &driver,
        &["rows: a zero 1", "rows: a one 12", "rows: b two 19", "in: b s 20", "in: a t 15"],
    );
    driver.restart().unwrap();
    assert_eq!(written::<String>(&driver, "out"), "");
    // Too late to wait, for what was seen before the restart.
    pipe(&driver, &["in: a w 9"]);
    assert_eq!(written::<String>(&driver, "out"), "a=w+zero#2@9");
    pipe(&driver, &["in: c u 25"]);
    assert_eq!(written::<String>(&driver, "out"), "a=w+zero#2@9 a=t+one#1@15");
    pipe(&driver, &["in: c v 50"]);
    assert_eq!(written::<String>(&driver, "out"), "a=w+zero#2@9 a=t+one#1@15 b=s+two#0@20");
}

#[test]
fn what_waits_is_logged_as_kafka_does() {
    let driver = holding(5);
    pipe(&driver, &["in: a xy 7"]);
    let logged = driver.produced(BUFFER);
    let (record, expected) = (logged.first().unwrap(), {
        let mut value = Vec::new();
        value.extend_from_slice(&7_i64.to_be_bytes());
        value.extend_from_slice(&0_i64.to_be_bytes());
        value.extend_from_slice(b"\0\0\0\x02in\0\0\0\0\0\0\0\x01");
        value.extend_from_slice(b"\0\0\0\x02at\0\0\0\x017");
        value.extend_from_slice(&[0xff; 8]);
        value.extend_from_slice(b"\0\0\0\x02xy");
        value.extend_from_slice(&[0; 8]);
        value
    });
    assert_eq!(record.key.as_deref(), Some(&b"\0\0\0\0\0\0\0\0\x07a\0\0\0\x01"[..]));
    assert_eq!(record.value.as_deref(), Some(&expected[..]));
    pipe(&driver, &["in: b z 12"]);
    let logged = driver.produced(BUFFER);
    assert_eq!(logged.last().unwrap().value, None, "what was joined is deleted");
}

#[test]
fn a_left_join_does_not_wait_without_a_key() {
    let builder = StreamsBuilder::new();
    let rows = versioned(&builder, "rows", 100);
    let texts: Texts<'_> = builder.stream("in");
    let join = |text: &String, row: Option<&String>| format!("{text}+{}", row.is_some());
    let joined = Joined::new().with_grace_period(millis(10));
    texts.left_join_table_with::<String, String, _, _>(rows, join, joined).to("out");
    let lines = ["rows: a x 1", "in: - s 5", "in: a t 6", "in: b u 16"];
    let driver = drive(&builder.build().unwrap(), &lines);
    assert_eq!(written::<String>(&driver, "out"), "-=s+false@5 a=t+true@6");
}

#[test]
fn tables_that_remember_too_little_are_refused() {
    let fault = |table: &dyn Fn(&StreamsBuilder) -> Table<'_>| {
        let builder = StreamsBuilder::new();
        let texts: Texts<'_> = builder.stream("in");
        let joined = Joined::named("wait").with_grace_period(millis(10));
        texts.join_table_with::<String, String, _, _>(table(&builder), both, joined).to("out");
        match builder.build().unwrap_err().0.pop() {
            Some(TopologyError::JoinGrace { problem, .. }) => problem,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fault(&|builder| builder.table("rows")), "is not versioned");
    assert_eq!(fault(&|builder| versioned(builder, "rows", 9)), "has a shorter history");
    let serdes_only: fn() -> Derived<String, String> = || Materialized::new().into();
    assert_eq!(
        fault(&|builder| versioned(builder, "rows", 20).filter_with(|_, _| true, serdes_only())),
        "is not versioned"
    );
}

#[test]
fn a_global_table_keeps_no_versions() {
    let builder = StreamsBuilder::new();
    let stored = Materialized::<String, String>::named("rows").versioned(millis(5));
    let global = builder.global_table_with("rows", Consumed::new(), stored);
    let texts: Texts<'_> = builder.stream("in");
    let key = |key: &Text, _: &Text| key.clone();
    texts.join_global(global, key, |text: &String, _: &String| text.clone()).to("out");
    let faults = builder.build().unwrap_err();
    assert_eq!(faults.0, [TopologyError::GlobalVersions("rows".into())]);
}

#[test]
fn a_changelog_is_compacted_a_day_after_the_history() {
    let topic_of = |stored: Materialized<String, String>| {
        let builder = StreamsBuilder::new();
        builder.table_with("rows", Consumed::new(), stored).to_stream().to("out");
        let names = TopicNames::new(&"app".into());
        let topics = builder.build().unwrap().internal_topics(&names);
        topics.first().unwrap().settings(&BTreeMap::new(), Duration::from_secs(5))
    };
    let stored = || Materialized::named("rows").versioned(millis(1000));
    let settings = topic_of(stored());
    assert_eq!(settings["cleanup.policy"], "compact");
    assert_eq!(settings["min.compaction.lag.ms"], "86401000");
    assert_eq!(settings.get("retention.ms"), None);
    let given = topic_of(stored().with_changelog_settings([("min.compaction.lag.ms", "7")]));
    assert_eq!(given["min.compaction.lag.ms"], "7");
}
