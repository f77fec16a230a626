//! Tables: sources, filters, maps, groups.

use streams_dsl::{Consumed, KGroupedTable, KStream, KTable, Materialized, StreamsBuilder};
use streams_state::{Timestamped, TimestampedKeyValueStore};
use streams_test::TopologyTestDriver;

use crate::{Texts, check, drive, written};

type Table<'b> = KTable<'b, String, String>;

fn uncached<V: crate::Printed>(store: &str) -> Materialized<String, V> {
    Materialized::named(store).without_cache()
}

const INPUT: &[&str] = &["a one 5", "- two 6", "b - 7", "a x 3", "b two 8", "b - 9"];

#[track_caller]
fn derived(derive: impl FnOnce(Table<'_>) -> KStream<'_, String, Option<String>>, expected: &str) {
    let driver = check::<String>(|builder| derive(builder.table("in")).to("out"), INPUT, expected);
    assert_eq!(driver.dropped().total(), 1, "a null key is dropped");
}

#[test]
fn a_stored_table_is_read_with_and_without_times() {
    let builder = StreamsBuilder::new();
    let counts = builder.stream::<String, String>("in").group_by_key();
    counts.count_with::<String>(Materialized::named("counts")).to_stream().to("out");
    let driver = drive(&builder.build().unwrap(), &["a x 1", "b y 2", "a z 3"]);
    let counts = driver.key_values::<String, i64>("counts").unwrap();
    assert_eq!(counts.all().unwrap(), [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    assert_eq!(counts.get(&"b".to_owned()).unwrap(), Some(1));
    assert!(driver.key_values::<i64, i64>("counts").is_err());
}

#[test]
fn the_last_record_of_a_key_is_its_row_also_when_it_is_older() {
    derived(|t| t.to_stream(), "a=one@5 b=-@7 a=x@3 b=two@8 b=-@9");
    let builder = StreamsBuilder::new();
    let table: Table<'_> = builder.table_with("in", Consumed::new(), uncached("rows"));
    assert_eq!(table.store_name(), Some("rows".into()));
    table.to_stream().to("out");
    let driver = drive(&builder.build().unwrap(), INPUT);
    assert_eq!(written::<String>(&driver, "out"), "a=one@5 b=-@7 a=x@3 b=two@8 b=-@9");
    let store: TimestampedKeyValueStore<String, String> = driver.store("rows").unwrap();
    let timestamp = streams_core::time::Timestamp::from_millis(3);
    let row = Timestamped { value: "x".to_owned(), timestamp };
    assert_eq!(store.get(&"a".to_owned()).unwrap(), Some(row));
    assert_eq!(store.get(&"b".to_owned()).unwrap(), None);
}

#[test]
fn a_filter_deletes_what_it_no_longer_keeps() {
    let short = |_: &String, value: &String| value.len() < 3;
    derived(|t| t.filter(short).to_stream(), "a=-@5 b=-@7 a=x@3 b=-@8 b=-@9");
    derived(|t| t.filter_not(short).to_stream(), "a=one@5 b=-@7 a=-@3 b=two@8 b=-@9");
    // Below a stored table, and stored itself: deletions of rows that never were are left out.
    let driver = check::<String>(
        |builder| {
            let table: Table<'_> = builder.table_with("in", Consumed::new(), uncached("rows"));
            table.filter_with(short, uncached("short")).to_stream().to("out");
        },
        INPUT,
        "a=x@3",
    );
    assert_eq!(driver.store_names().len(), 2);
}

#[test]
fn map_values_is_not_called_for_deletions() {
    derived(
        |t| t.map_values(|value| value + "!").to_stream(),
        "a=one!@5 b=-@7 a=x!@3 b=two!@8 b=-@9",
    );
    derived(
        |t| {
            let long = |value: String| (value.len() > 2).then_some(value);
            t.map_values_with::<String, _>(long, uncached("long")).to_stream()
        },
        "a=one@5 b=-@7 a=-@3 b=two@8 b=-@9",
    );
    derived(
        |t| t.map_values_with_key(|key, value| format!("{key}{value}")).to_stream(),
        "a=aone@5 b=-@7 a=ax@3 b=btwo@8 b=-@9",
    );
}

#[test]
fn a_stream_becomes_a_table() {
    check::<String>(
        |builder| {
            let texts: Texts<'_> = builder.stream("in");
            let table = texts.map_values(|value| value).to_table::<String, String>();
            table.to_stream().to("out");
        },
        INPUT,
        "a=one@5 b=-@7 a=x@3 b=two@8 b=-@9",
    );
    // With another key it is repartitioned.
    check::<String>(
        |builder| {
            let texts: Texts<'_> = builder.stream("in");
            let table = texts.select_key(|_, value| value.clone());
            let table = table.to_table_with::<String, String>(uncached("rows"));
            table.to_stream().to("out");
        },
        &["a x 1", "b - 2", "c x 3"],
        "x=x@1 x=x@3",
    );
}

const MOVES: &[&str] = &["ann x 5", "bob x 3", "ann y 4", "bob - 9", "cid - 10", "ann - 1"];

#[test]
fn groups_of_a_table_lose_the_old_value_before_they_gain_the_new_one() {
    let by_value = |person: &String, value: String| (value, person.clone());
    check::<i64>(
        |builder| {
            let table: Table<'_> = builder.table("in");
            table.group_by(by_value).count_with(uncached("count")).to_stream().to("out");
        },
        MOVES,
        "x=1@5 x=2@5<3 x=1@5<4 y=1@4 x=0@9 y=0@4<1",
    );
    check::<String>(
        |builder| {
            let table: Table<'_> = builder.table("in");
            let add = |_: &String, person: String, all: String| all + "+" + &person;
            let subtract = |_: &String, person: String, all: String| all + "-" + &person;
            let all = table.group_by(by_value);
            all.aggregate_with(String::new, add, subtract, uncached("all")).to_stream().to("out");
        },
        MOVES,
        "x=+ann@5 x=+ann+bob@5<3 x=+ann+bob-ann@5<4 y=+ann@4 x=+ann+bob-ann-bob@9 y=+ann-ann@4<1",
    );
    check::<String>(
        |builder| {
            let table: Table<'_> = builder.table("in");
            let less = |all: String, person: String| (all != person).then(|| all + "-" + &person);
            let all = table.group_by(by_value);
            all.reduce_with(|a, b| a + "+" + &b, less, uncached("all")).to_stream().to("out");
        },
        MOVES,
        "x=ann@5 x=ann+bob@5<3 x=ann+bob-ann@5<4 y=ann@4 x=ann+bob-ann-bob@9 y=-@4<1",
    );
}

#[test]
fn a_change_within_a_group_is_one_record_and_no_key_is_no_group() {
    let driver = check::<String>(
        |builder| {
            let table: Table<'_> = builder.table("in");
            let first = |_: &String, value: String| (value.chars().next().map(String::from), value);
            let add = |_: &String, value: String, all: Option<String>| {
                Some(all.unwrap_or_default() + "+" + &value)
            };
            let subtract = |_: &String, value: String, all: Option<String>| {
                Some(all.unwrap_or_default() + "-" + &value)
            };
            let grouped = table.group_by::<String, _, _>(first);
            grouped
                .aggregate_with(|| None, add, subtract, uncached::<String>("all"))
                .to_stream()
                .to("out");
        },
        &["a xy 1", "a xz 2", "a _ 3", "a y 4"],
        "x=+xy@1 x=+xy-xy+xz@2 x=+xy-xy+xz-xz@3 y=+y@4",
    );
    let topic = "topology-test-driver-all-repartition";
    let values: Vec<Vec<u8>> = driver
        .produced(topic)
        .iter()
        .map(|record| record.value.as_deref().unwrap_or_default().to_vec())
        .collect();
    assert_eq!(values, [&b"xy\x01"[..], b"\x04xzxy\x02", b"xz\x00", b"y\x01"]);
}

#[test]
fn the_row_before_of_a_new_aggregate_is_its_initial_value() {
    // As in Kafka, a key that had no count had the count 0, which is taken from its group.
    check::<i64>(
        |builder| {
            let texts: Texts<'_> = builder.stream("in");
            let counts = texts.group_by_key().count_with::<String>(uncached("counts"));
            let by_count = counts.group_by(|_, count| (count.to_string(), count));
            by_count.count_with(uncached("keys")).to_stream().to("out");
        },
        &["a x 1", "a x 2"],
        "0=-@1 1=1@1 1=0@2 2=1@2",
    );
}

#[test]
fn a_group_takes_no_null_value_and_leaves_out_rows_with_a_null_key() {
    let builder = StreamsBuilder::new();
    let texts: KTable<'_, String, String> = builder.table("in");
    let by_text = |_: &String, text: String| {
        let key = (text != "no key").then(|| text.clone());
        let value = (text != "no value").then_some(text);
        (key, value)
    };
    let grouped: KGroupedTable<'_, String, Option<String>> = texts.group_by(by_text);
    grouped.count().to_stream().to("counts");
    let driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
    let mut texts = driver.input::<String, String>("in");
    texts.pipe_all([("a", "x"), ("b", "no key")]).unwrap();
    let counts = driver.output::<String, Option<i64>>("counts").read_map().unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("x".to_owned(), Some(1))]);
    let error = texts.pipe("c", "no value").unwrap_err();
    let error = format!("{error:?}");
    assert!(error.contains("turns a value into null"), "{error}");
}
