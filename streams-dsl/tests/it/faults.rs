//! Faults of a topology, found when it is built.

use std::time::Duration;

use streams_core::processor::ConnectedStores;
use streams_core::topology::{OffsetReset, PartitionCounts, TopologyErrors};
use streams_dsl::{
    Consumed, Grouped, KStream, KTable, Materialized, Named, Repartitioned, StreamsBuilder,
    TableJoined, TimeWindows, Topics,
};
use streams_state::Stores;

use crate::{Text, Texts};

#[track_caller]
fn faults(describe: impl FnOnce(&StreamsBuilder), expected: &[&str]) {
    let builder = StreamsBuilder::new();
    describe(&builder);
    let TopologyErrors(faults) = builder.build().unwrap_err();
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.contains(expected), "{fault}");
    }
}

#[test]
fn all_faults_are_named_at_once() {
    faults(
        |builder| {
            let texts: Texts<'_> = builder.stream("in");
            texts.filter_with(|_, _| true, Named::new("same")).to("a");
            texts.filter_with(|_, _| true, Named::new("same")).to("a topic");
            texts.for_each_with(|_, _| (), Named::new("no name"));
            let store = Materialized::<String, String>::named("no store");
            texts.to_table_with(store).to_stream_with(Named::new("no name")).to("rows");
        },
        &[
            "\"no name\" holds other characters",
            "\"no store\" holds other characters",
            "two nodes \"same\"",
            "two nodes \"no name\"",
        ],
    );
}

#[test]
fn the_names_of_all_stores_are_checked() {
    let stored = |name: &str| Materialized::<String, String>::named(name);
    let windows = TimeWindows::of_size(Duration::from_millis(5));
    let first = |left: &String, _: &String| left.clone();
    faults(
        |builder| {
            let texts: KStream<'_, String, String> = builder.stream("texts");
            let table: KTable<'_, String, String> = builder.table("table");
            let windowed = texts.group_by_key().windowed_by(windows);
            let _ = windowed.reduce_with(|one: String, _| one, stored(".."));
            let _ = builder.global_table_with("global", Consumed::new(), stored("a global"));
            let _ = table.join_with(table, first, stored("a join"));
            let text = |text: &String| text.clone();
            let _ = table.foreign_key_join_with(
                table,
                text,
                first,
                TableJoined::new(),
                stored("a key"),
            );
            let supplier =
                |_: &ConnectedStores<'_, '_>| Ok(|_: &String, text: Option<String>| Ok(text));
            let _ = table.transform_values_with(supplier, &[], stored("a value"));
        },
        &[
            "\"..\" is reserved",
            "\"a global\" holds other characters",
            "\"a join\" holds other characters",
            "\"a key\" holds other characters",
            "\"a value\" holds other characters",
        ],
    );
}

#[test]
fn only_names_that_a_program_gives_are_checked() {
    let builder = StreamsBuilder::new();
    let long = "x".repeat(249);
    let texts: Texts<'_> = builder.stream(["in put"]);
    let branches = texts.split_with(Named::new(long.clone())).default_branch();
    assert_eq!(branches.iter().count(), 1);
    texts.repartition_with::<String>(Repartitioned::named("re partition")).to("out put");
    let grouped = texts.select_key(|_, value| value.clone());
    let grouped = grouped.group_by_key_with::<String>(Grouped::named("grou ped"));
    grouped.count_with::<String>(Materialized::named(long)).to_stream().to("counts");
    let topology = builder.build().unwrap().describe().to_string();
    assert!(topology.contains("grou ped-repartition-filter"), "{topology}");
    faults(
        |builder| {
            let suffixed = Consumed::named("x".repeat(245));
            let store = Materialized::<String, String>::new();
            builder.table_with("in", suffixed, store).to_stream().to("out");
        },
        &["-source\" has more than 249 characters"],
    );
}

#[test]
fn a_pattern_is_an_expression_and_no_topic_is_read_beside_it() {
    let matching = |pattern: &str| Topics::<Text, Text>::matching(pattern);
    faults(
        |builder| {
            builder.stream(matching("in(")).to("one");
            builder.stream(matching("topic.*")).to("two");
            builder.stream::<Text, Text>("topic-1").to("three");
        },
        &["\"in(\", which is no regular expression", "topic \"topic-1\" is read by"],
    );
}

#[test]
fn a_topic_is_read_by_one_source() {
    faults(
        |builder| {
            let one: Texts<'_> = builder.stream(["a", "b"]);
            let other: Texts<'_> = builder.stream("b");
            one.merge(other).to("out");
        },
        &["topic \"b\" is read by"],
    );
    faults(
        |builder| {
            let early = Consumed::new().with_offset_reset(OffsetReset::Earliest);
            let one: Texts<'_> = builder.stream_with(["a", "b"], early);
            let merged = one.merge(builder.stream(["b", "a"]));
            merged.peek_with(|_, _| (), Named::new("no name")).to("out");
        },
        &["\"no name\" holds", "topic \"b\" has two different offset resets"],
    );
    faults(
        |builder| {
            let texts: Texts<'_> = builder.stream("a");
            let numbers: KStream<'_, Text, i64> = builder.stream("a");
            texts.to("texts");
            numbers.to("numbers");
        },
        &["topic \"a\" is read as two different types"],
    );
}

#[test]
fn streams_of_one_topic_agree_on_nulls() {
    faults(
        |builder| {
            let strict: KStream<'_, String, String> = builder.stream("a");
            let skipping = Consumed::named("skipping").skip_nulls();
            strict.merge(builder.stream_with("a", skipping)).to("out");
        },
        &["is read by \"KSTREAM-SOURCE-0000000000\" and by \"skipping\", one of which skips"],
    );
}

#[test]
fn streams_of_another_builder_are_refused() {
    let (one, other) = (StreamsBuilder::new(), StreamsBuilder::new());
    let (here, there): (Texts<'_>, Texts<'_>) = (one.stream("a"), other.stream("b"));
    here.merge(there).to("out");
    let error = one.build().unwrap_err().to_string();
    assert!(error.contains("a parent from another builder"), "{error}");
}

#[test]
fn what_does_no_harm_is_no_fault() {
    let empty = StreamsBuilder::new().build().unwrap();
    assert_eq!(empty.describe().to_string(), "Topologies:\n ");
    assert!(streams_test::TopologyTestDriver::new(&empty).is_ok());

    let builder = StreamsBuilder::new();
    builder.add_state_store(Stores::key_value::<String, String>("alone"));
    let texts: Texts<'_> = builder.stream("in");
    let again = Repartitioned::named("again").with_partitions(0);
    texts.repartition_with::<String>(again).to("out");
    let topology = builder.build().unwrap();
    let driver = streams_test::TopologyTestDriver::new(&topology).unwrap();
    assert!(driver.store_names().is_empty());
    let counts = PartitionCounts::derive(&topology, |_| Some(3)).unwrap_err();
    let faults: Vec<String> = counts.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        ["repartition topic \"again-repartition\" is to have 0 partitions; give it at least 1"]
    );
}

#[test]
fn a_store_has_one_name() {
    faults(
        |builder| {
            let table: KTable<'_, String, String> = builder.table("in");
            let grouped = table.to_stream().group_by_key();
            grouped.count_with::<String>(Materialized::named("counts")).to_stream().to("a");
            grouped.count_with::<String>(Materialized::named("counts")).to_stream().to("b");
        },
        &["two stores \"counts\""],
    );
    faults(
        |builder| {
            let table: KTable<'_, String, String> = builder.table("in");
            for topic in ["a", "b"] {
                let supplier =
                    |_: &ConnectedStores<'_, '_>| Ok(|_: &String, text: Option<String>| Ok(text));
                let declared = [Stores::key_value::<String, i64>("seen")];
                table.transform_values(supplier, declared).to_stream().to(topic);
            }
        },
        &["two stores \"seen\""],
    );
}
