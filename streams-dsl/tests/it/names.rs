//! Names, numbering and optimisation, as Kafka has them.

use expect_test::{Expect, expect, expect_file};
use streams_core::config::Optimization;
use streams_dsl::{Derived, Grouped, KStream, KTable, Materialized, Named, StreamsBuilder, Topics};

use crate::{Text, Texts};

#[track_caller]
fn described(describe: impl FnOnce(&StreamsBuilder), expected: Expect) {
    let builder = StreamsBuilder::new();
    describe(&builder);
    let topology = builder.build().unwrap();
    expected.assert_eq(&topology.describe().to_string());
}

#[test]
fn topics_are_printed_as_javas_set_gives_them() {
    let builder = StreamsBuilder::new();
    let topics = ["topic-0", "topic-7", "topic-14", "topic-21", "topic-28"];
    builder.stream::<Text, Text>(topics).to("out");
    let text = builder.build().unwrap().describe().to_string();
    let set = "(topics: [topic-7, topic-14, topic-28, topic-0, topic-21])";
    assert!(text.contains(set), "{text}");
}

#[test]
fn equal_patterns_are_read_by_one_source() {
    described(
        |builder| {
            let texts = |pattern: &str| builder.stream(Topics::<Text, Text>::matching(pattern));
            texts("in-.*").to("one");
            texts("in-.*").to("two");
            texts("other").to("three");
        },
        expect![[r#"
            Topologies:
               Sub-topology: 0
                Source: KSTREAM-SOURCE-0000000000 (topics: in-.*)
                  --> KSTREAM-SINK-0000000001, KSTREAM-SINK-0000000003
                Sink: KSTREAM-SINK-0000000001 (topic: one)
                  <-- KSTREAM-SOURCE-0000000000
                Sink: KSTREAM-SINK-0000000003 (topic: two)
                  <-- KSTREAM-SOURCE-0000000000

              Sub-topology: 1
                Source: KSTREAM-SOURCE-0000000004 (topics: other)
                  --> KSTREAM-SINK-0000000005
                Sink: KSTREAM-SINK-0000000005 (topic: three)
                  <-- KSTREAM-SOURCE-0000000004

        "#]],
    );
}

#[test]
fn a_name_alone_takes_one_index_and_a_store_without_name_two() {
    described(
        |builder| {
            let texts: KStream<'_, String, String> = builder.stream("in");
            let grouped = texts.group_by_key();
            let _ = grouped.count_with(Named::new("named")).to_stream_with(Named::new("out"));
            let _ = grouped.count_with(Materialized::new()).to_stream();
            let _ = grouped.count().to_stream();
        },
        expect![[r#"
            Topologies:
               Sub-topology: 0
                Source: KSTREAM-SOURCE-0000000000 (topics: [in])
                  --> KSTREAM-AGGREGATE-0000000006, KSTREAM-AGGREGATE-0000000009, named
                Processor: KSTREAM-AGGREGATE-0000000006 (stores: [KSTREAM-AGGREGATE-STATE-STORE-0000000005])
                  --> KTABLE-TOSTREAM-0000000007
                  <-- KSTREAM-SOURCE-0000000000
                Processor: KSTREAM-AGGREGATE-0000000009 (stores: [KSTREAM-AGGREGATE-STATE-STORE-0000000008])
                  --> KTABLE-TOSTREAM-0000000010
                  <-- KSTREAM-SOURCE-0000000000
                Processor: named (stores: [KSTREAM-AGGREGATE-STATE-STORE-0000000001])
                  --> out
                  <-- KSTREAM-SOURCE-0000000000
                Processor: KTABLE-TOSTREAM-0000000007 (stores: [])
                  --> none
                  <-- KSTREAM-AGGREGATE-0000000006
                Processor: KTABLE-TOSTREAM-0000000010 (stores: [])
                  --> none
                  <-- KSTREAM-AGGREGATE-0000000009
                Processor: out (stores: [])
                  --> none
                  <-- named

        "#]],
    );
}

#[test]
fn tables_take_indices_for_stores_that_they_do_not_make() {
    described(
        |builder| {
            let table: KTable<'_, String, String> = builder.table("in");
            let all = |_: &String, _: &String| true;
            let filtered = table.filter_with(all, Materialized::new());
            let named = (Named::new("named"), Materialized::named("store"));
            let mapped = filtered.map_values_with(|value| value, named);
            mapped.filter_with(all, Derived::from(Named::new("last"))).to_stream().to("out");
        },
        expect![[r#"
            Topologies:
               Sub-topology: 0
                Source: KSTREAM-SOURCE-0000000001 (topics: [in])
                  --> KTABLE-SOURCE-0000000002
                Processor: KTABLE-SOURCE-0000000002 (stores: [])
                  --> KTABLE-FILTER-0000000004
                  <-- KSTREAM-SOURCE-0000000001
                Processor: KTABLE-FILTER-0000000004 (stores: [])
                  --> named
                  <-- KTABLE-SOURCE-0000000002
                Processor: named (stores: [store])
                  --> last
                  <-- KTABLE-FILTER-0000000004
                Processor: last (stores: [])
                  --> KTABLE-TOSTREAM-0000000007
                  <-- named
                Processor: KTABLE-TOSTREAM-0000000007 (stores: [])
                  --> KSTREAM-SINK-0000000008
                  <-- last
                Sink: KSTREAM-SINK-0000000008 (topic: out)
                  <-- KTABLE-TOSTREAM-0000000007

        "#]],
    );
}

#[test]
fn aggregations_of_a_named_grouping_share_its_topic() {
    described(
        |builder| {
            let texts: KStream<'_, String, String> = builder.stream("in");
            let grouped = texts.group_by_with(|_, value| value.clone(), Grouped::named("words"));
            grouped.count().to_stream().to("counts");
            grouped.reduce(|a, _| a).to_stream().to("firsts");
        },
        expect![[r#"
            Topologies:
               Sub-topology: 0
                Source: KSTREAM-SOURCE-0000000000 (topics: [in])
                  --> words
                Processor: words (stores: [])
                  --> words-repartition-filter
                  <-- KSTREAM-SOURCE-0000000000
                Processor: words-repartition-filter (stores: [])
                  --> words-repartition-sink
                  <-- words
                Sink: words-repartition-sink (topic: words-repartition)
                  <-- words-repartition-filter

              Sub-topology: 1
                Source: words-repartition-source (topics: [words-repartition])
                  --> KSTREAM-AGGREGATE-0000000003, KSTREAM-REDUCE-0000000010
                Processor: KSTREAM-AGGREGATE-0000000003 (stores: [KSTREAM-AGGREGATE-STATE-STORE-0000000002])
                  --> KTABLE-TOSTREAM-0000000007
                  <-- words-repartition-source
                Processor: KSTREAM-REDUCE-0000000010 (stores: [KSTREAM-REDUCE-STATE-STORE-0000000009])
                  --> KTABLE-TOSTREAM-0000000014
                  <-- words-repartition-source
                Processor: KTABLE-TOSTREAM-0000000007 (stores: [])
                  --> KSTREAM-SINK-0000000008
                  <-- KSTREAM-AGGREGATE-0000000003
                Processor: KTABLE-TOSTREAM-0000000014 (stores: [])
                  --> KSTREAM-SINK-0000000015
                  <-- KSTREAM-REDUCE-0000000010
                Sink: KSTREAM-SINK-0000000008 (topic: counts)
                  <-- KTABLE-TOSTREAM-0000000007
                Sink: KSTREAM-SINK-0000000015 (topic: firsts)
                  <-- KTABLE-TOSTREAM-0000000014

        "#]],
    );
}

#[test]
fn optimised_topologies_share_topics() {
    let all = [
        Optimization::ReuseKTableSourceTopics,
        Optimization::MergeRepartitionTopics,
        Optimization::SingleStoreSelfJoin,
    ];
    let builder = StreamsBuilder::new();
    {
        let texts: Texts<'_> = builder.stream("in");
        let rekeyed = texts.select_key(|_, value| value.clone());
        rekeyed.group_by_key::<String>().count::<String>().to_stream().to("counts");
        let shorter = rekeyed.filter(|_, value| value.is_some());
        shorter.group_by_key::<String>().reduce(|a: String, _: String| a).to_stream().to("firsts");
        let table: KTable<'_, String, String> = builder.table("rows");
        table.group_by(|_, row| (row.clone(), row)).count().to_stream().to("groups");
    }
    let topology = builder.build_with(all).unwrap();
    expect_file!["./optimised.txt"].assert_eq(&topology.describe().to_string());
    let names = streams_core::topology::TopicNames::with_prefix("app");
    let topics: Vec<String> =
        topology.internal_topics(&names).iter().map(|topic| topic.name.to_string()).collect();
    expect![[r#"
        app-KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition
        app-KTABLE-AGGREGATE-STATE-STORE-0000000021-repartition
        app-KSTREAM-AGGREGATE-STATE-STORE-0000000002-changelog
        app-KSTREAM-REDUCE-STATE-STORE-0000000010-changelog
        app-KTABLE-AGGREGATE-STATE-STORE-0000000021-changelog"#]]
    .assert_eq(&topics.join("\n"));
}

/// What `each` puts below one change of the key, three times, when repartitions are merged.
fn merged(each: impl Fn(KStream<'_, String, String>, u8)) -> String {
    let builder = StreamsBuilder::new();
    {
        let texts: KStream<'_, String, String> = builder.stream("in");
        let rekeyed = texts.select_key(|_, value| value.clone());
        for place in 0..3 {
            each(rekeyed.filter(|_, value| !value.is_empty()), place);
        }
    }
    let topology = builder.build_with([Optimization::MergeRepartitionTopics]).unwrap();
    drop(streams_test::TopologyTestDriver::new(&topology).unwrap());
    topology.describe().to_string()
}

#[test]
fn what_a_stream_is_seen_as_is_nothing_to_the_optimiser() {
    let plain = merged(|texts, _| {
        texts.group_by_key().count().to_stream().to("counts");
    });
    assert_eq!(plain.matches("-repartition)").count(), 1, "{plain}");
    let one_wider = merged(|texts, place| match place {
        0 => texts.group_by_key().count().to_stream().to("counts"),
        1 => {
            let wider = texts.with_nullable_values();
            wider.group_by_key().count::<String>().to_stream().to("counts");
        }
        _ => {
            let wider = texts.with_nullable_keys().with_nullable_values();
            wider.group_by_key::<String>().count::<String>().to_stream().to("counts");
        }
    });
    assert_eq!(one_wider, plain);
    let all_wider = merged(|texts, place| {
        let wider = texts.with_nullable_values().with_nullable_keys();
        let wider = wider.filter(move |_, _| place < 9);
        wider.group_by_key::<String>().count::<String>().to_stream().to("counts");
    });
    let with_filter = merged(|texts, place| {
        let texts = texts.filter(move |_, _| place < 9);
        texts.group_by_key().count().to_stream().to("counts");
    });
    assert_eq!(all_wider, with_filter);
}

#[test]
fn a_merged_repartition_carries_what_is_seen_as_nullable_below() {
    let builder = StreamsBuilder::new();
    let texts: KStream<'_, String, String> = builder.stream("in");
    let wider = texts.select_key(|_, value| value.clone()).with_nullable_values();
    let wider = wider.with_nullable_keys();
    wider.group_by_key::<String>().count::<String>().to_stream().to("out");
    wider.group_by_key::<String>().count::<String>().to_stream().to("again");
    let topology = builder.build_with([Optimization::MergeRepartitionTopics]).unwrap();
    let driver = crate::drive(&topology, &["a x 1", "b x 2", "c y 3"]);
    for topic in ["out", "again"] {
        assert_eq!(crate::written::<i64>(&driver, topic), "x=1@1 x=2@2 y=1@3");
    }
}

#[test]
fn joins_share_a_topic_whatever_the_stream_is_seen_as() {
    let described = |wider_first: bool| {
        let builder = StreamsBuilder::new();
        {
            let texts: KStream<'_, String, String> = builder.stream("in");
            let rekeyed = texts.select_key(|_, value| value.clone());
            let table: KTable<'_, String, String> = builder.table("rows");
            let plain = || rekeyed.join_table(table, |_: &String, row| row.clone()).to("plain");
            let wider = || {
                let joiner = |_: &String, row: &String| row.clone();
                rekeyed.with_nullable_values().join_table(table, joiner).to("wider");
            };
            if wider_first {
                wider();
                plain();
            } else {
                plain();
                wider();
            }
        }
        let topology = builder.build().unwrap();
        let driver = crate::drive(&topology, &["rows: x row 1", "a x 2"]);
        for topic in ["plain", "wider"] {
            assert_eq!(crate::written::<String>(&driver, topic), "x=row@2");
        }
        topology.describe().to_string()
    };
    for wider_first in [false, true] {
        let text = described(wider_first);
        assert_eq!(text.matches("-repartition)").count(), 1, "{text}");
    }
}
