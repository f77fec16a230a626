//! Aggregations in windows.

use std::time::Duration;

use streams_core::names::{ApplicationId, TopicName};
use streams_core::processor::EmitIntervals;
use streams_core::serde::{DefaultSerde, OptionSerde, TimeWindowedSerde};
use streams_core::time::Timestamp;
use streams_core::topology::{Topic, TopicNames};
use streams_core::window::Windowed;
use streams_dsl::{
    EmitStrategy, KGroupedStream, KTable, Materialized, SessionWindows, SlidingWindows,
    StreamsBuilder, TimeWindows, UnlimitedWindows,
};
use streams_state::{SessionStore, TimestampedWindowStore};
use streams_test::TopologyTestDriver;
use streams_test::model::{AutoCreate, KafkaModel};

use crate::{Printed, Text, Texts, check, pipe, written};

type Grouped<'b> = KGroupedStream<'b, String, Text, Text>;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn uncached<V: DefaultSerde>() -> Materialized<String, V> {
    Materialized::named("rows").without_cache()
}

/// Writes a table of windows to `out`, the windows as part of the keys.
fn write<V: Printed + Clone>(table: KTable<'_, Windowed<String>, V>) {
    let key =
        |key: Windowed<String>| format!("{}@{}/{}", key.key, key.window.start, key.window.end);
    table.to_stream().map(move |windowed, value| (Some(key(windowed)), value)).to("out");
}

#[track_caller]
fn windowed<V: Printed + Clone>(
    aggregate: impl Fn(Grouped<'_>) -> KTable<'_, Windowed<String>, V>,
    lines: &[&str],
    (expected, dropped): (&str, u64),
) -> TopologyTestDriver {
    let driver = check::<V>(
        |builder| {
            let texts: Texts<'_> = builder.stream("in");
            write(aggregate(texts.group_by_key()));
        },
        lines,
        expected,
    );
    assert_eq!(driver.dropped().total(), dropped);
    driver
}

#[test]
fn tumbling_windows_count_nulls_and_leave_late_records_out() {
    let lines = &["a x 1", "a y 9", "a - 12", "b z 12", "- q 13", "a late 5"];
    let expected = "a@0/10=1@1 a@0/10=2@9 a@10/20=1@12 b@10/20=1@12";
    let windows = TimeWindows::of_size(ms(10));
    windowed(|grouped| grouped.windowed_by(windows).count(), lines, (expected, 2));
    let driver = windowed(
        |grouped| grouped.windowed_by(windows).count_with(uncached()),
        lines,
        (expected, 2),
    );
    let store = driver.store::<TimestampedWindowStore<String, i64>>("rows").unwrap();
    let rows = store.fetch(&"a".to_owned(), ..).unwrap();
    let rows: Vec<_> = rows.map(|row| row.map(|(at, row)| (at.millis(), row.value))).collect();
    let rows: Result<Vec<_>, _> = rows.into_iter().collect();
    // The retention is the size: the first window is over once the second starts.
    assert_eq!(rows.unwrap(), [(10, 1)]);
}

#[test]
fn hopping_windows_take_a_record_each_the_earliest_first() {
    let windows = TimeWindows::of_size(ms(10)).advance_by(ms(5)).with_grace(ms(10));
    let reduce = |acc: String, value: Text| Some(acc + &value?);
    windowed(
        |grouped| grouped.windowed_by(windows).reduce(reduce),
        &["a x 12", "a y 8", "a - 13"],
        ("a@5/15=x@12 a@10/20=x@12 a@0/10=y@8 a@5/15=xy@12<8 a@5/15=-@13 a@10/20=-@13", 0),
    );
}

#[test]
fn an_unlimited_window_begins_once() {
    let windows = UnlimitedWindows::new().start_on(Timestamp::from_millis(5));
    windowed(
        |grouped| grouped.windowed_by(windows).count(),
        &["a x 4", "a x 5", "a x 5000000000"],
        ("a@5/9223372036854775807=1@5 a@5/9223372036854775807=2@5000000000", 0),
    );
}

#[test]
fn sliding_windows_hold_records_within_their_difference() {
    let windows = SlidingWindows::of_time_difference(ms(10)).with_grace(ms(50));
    let join = |_: &String, value: String, acc: String| acc + &value;
    windowed(
        |grouped| grouped.windowed_by(windows).aggregate(String::new, join),
        &["a x 20", "a y 25", "a - 26", "a z 22", "a e 3"],
        (
            "a@10/20=x@20 a@21/31=y@25 a@15/25=xy@25 a@21/31=yz@25<22 a@15/25=xyz@25<22 a@12/22=xz@22 a@23/33=y@25<22 a@0/10=e@3",
            1,
        ),
    );
}

#[test]
fn sessions_merge_and_lose_the_records_headers_without_a_cache() {
    let windows = SessionWindows::of_inactivity_gap(ms(5)).with_grace(ms(20));
    let lines = &["a x 10", "a y 14", "a z 24", "a w 19", "a late 1", "b x 60", "a gone 25"];
    let expected = "a@10/10=1@10 a@10/10=-@10 a@10/14=2@14 a@24/24=1@24 a@10/14=-@14 a@24/24=-@24 a@10/24=4@24 a@1/1=1@1 b@60/60=1@60";
    let driver = windowed(
        |grouped| grouped.windowed_by(windows).count_with(uncached()),
        lines,
        (expected, 1),
    );
    let store = driver.store::<SessionStore<String, i64>>("rows").unwrap();
    let keys: Result<Vec<_>, _> =
        store.fetch_keys(..).unwrap().map(|row| row.map(|(key, _)| key.to_string())).collect();
    assert_eq!(keys.unwrap(), ["[b@60/60]"]);
    let cached = "a@10/10=1@10 a@10/10=-@10<14 a@10/14=2@14 a@24/24=1@24 a@10/14=-@14<19 a@24/24=-@24<19 a@10/24=4@24<19 a@1/1=1@1 b@60/60=1@60";
    windowed(|grouped| grouped.windowed_by(windows).count(), lines, (cached, 1));
}

fn closing(builder: &StreamsBuilder, windows: TimeWindows) {
    let texts: Texts<'_> = builder.stream("in");
    let windowed = texts.group_by_key::<String>().windowed_by(windows);
    write(windowed.with_emit_strategy(EmitStrategy::OnWindowClose).count());
}

#[test]
fn a_window_is_given_out_once_when_it_closes() {
    let builder = StreamsBuilder::new();
    closing(&builder, TimeWindows::of_size(ms(10)).with_grace(ms(5)));
    let topology = builder.build().unwrap();
    let driver = TopologyTestDriver::builder(&topology).emit_intervals(EmitIntervals::NONE);
    let driver = driver.build().unwrap();
    pipe(&driver, &["b x 1", "a x 2", "a x 14", "a y 3", "a x 15", "a late 4", "a x 40"]);
    assert_eq!(written::<i64>(&driver, "out"), "a@0/10=2@3<15 b@0/10=1@1<15 a@10/20=2@15<40");
    assert_eq!(driver.dropped().total(), 1);
}

#[test]
fn closed_windows_are_looked_for_once_a_second() {
    let builder = StreamsBuilder::new();
    closing(&builder, TimeWindows::of_size(ms(10)));
    let driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
    pipe(&driver, &["a x 1", "a x 11", "a x 21"]);
    assert_eq!(written::<i64>(&driver, "out"), "");
    driver.advance_wall_clock(ms(1000)).unwrap();
    pipe(&driver, &["a x 22"]);
    assert_eq!(written::<i64>(&driver, "out"), "a@0/10=1@1<22 a@10/20=1@11<22");
}

#[test]
fn what_was_given_out_is_known_after_a_restart() {
    let builder = StreamsBuilder::new();
    closing(&builder, TimeWindows::of_size(ms(10)).with_grace(ms(100)));
    let topology = builder.build().unwrap();
    let kafka = KafkaModel::new().auto_create(AutoCreate::Partitions(1));
    let start = || {
        let driver = TopologyTestDriver::builder(&topology).kafka(kafka.clone());
        driver.emit_intervals(EmitIntervals::NONE).build().unwrap()
    };
    let driver = start();
    pipe(&driver, &["a x 1", "a x 115"]);
    assert_eq!(written::<i64>(&driver, "out"), "a@0/10=1@1<115");
    drop(driver);
    let driver = start();
    let mut out = driver.output::<Text, Option<i64>>("out");
    drop(out.read_records().unwrap());
    pipe(&driver, &["a x 116"]);
    assert_eq!(out.read_records().unwrap(), []);
}

#[test]
fn the_windows_of_a_key_share_its_partition_and_have_kafkas_bytes() {
    let builder = StreamsBuilder::new();
    let texts: Texts<'_> = builder.stream("in");
    let counts = texts.group_by_key::<String>().windowed_by(TimeWindows::of_size(ms(10))).count();
    let keys = TimeWindowedSerde::new(String::serde(), ms(10));
    counts.to_stream().to(Topic::with_serdes("out", keys, OptionSerde::new(i64::serde())));
    let kafka = KafkaModel::new();
    kafka.create_topic("out", 7, [].into()).unwrap();
    let topology = builder.build().unwrap();
    let driver = TopologyTestDriver::builder(&topology).kafka(kafka).build().unwrap();
    pipe(&driver, &["a x 1", "a x 11", "a x 21"]);
    let records = driver.produced(TopicName::from("out"));
    assert_eq!(records[1].key.as_deref(), Some(&b"a\0\0\0\0\0\0\0\x0a"[..]));
    let expected = streams_core::murmur2::partition_for_key(b"a", 7);
    assert!(records.iter().all(|record| record.partition == expected));
}

#[test]
fn impossible_windows_are_faults_of_the_program() {
    let fault = |aggregate: &dyn Fn(Grouped<'_>)| {
        let builder = StreamsBuilder::new();
        let texts: Texts<'_> = builder.stream("in");
        aggregate(texts.group_by_key());
        builder.build().map(|_| ()).unwrap_err().to_string()
    };
    let nothing = fault(&|grouped| {
        let _ = grouped.windowed_by(TimeWindows::of_size(ms(0))).count();
    });
    assert!(nothing.contains("a size of at least 1 ms"), "{nothing}");
    let short = fault(&|grouped| {
        let kept = Materialized::<String, i64>::named("s").with_retention(ms(19));
        let windows = SlidingWindows::of_time_difference(ms(10));
        let _ = grouped.windowed_by(windows).count_with::<String>(kept);
    });
    assert!(short.contains("need 20 ms"), "{short}");
}

#[test]
fn the_changelog_keeps_windows_for_a_day_longer_than_the_store() {
    let builder = StreamsBuilder::new();
    let texts: Texts<'_> = builder.stream("in");
    let windows = SessionWindows::of_inactivity_gap(ms(5)).with_grace(ms(10));
    let _ = texts.group_by_key::<String>().windowed_by(windows).count();
    let topology = builder.build().unwrap();
    let names = TopicNames::new(&ApplicationId::from("app"));
    let [topic] = &topology.internal_topics(&names)[..] else { panic!("not one topic") };
    let settings = topic.settings(&[].into(), Duration::from_secs(86_400));
    assert_eq!(settings["cleanup.policy"], "compact,delete");
    assert_eq!(settings["retention.ms"], (15 + 86_400_000).to_string());
}
