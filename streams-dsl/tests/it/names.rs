//! Names, numbering and optimisation, as Kafka has them.

use expect_test::{Expect, expect};
use streams_core::config::Optimization;
use streams_dsl::{Derived, Grouped, KStream, KTable, Materialized, Named, StreamsBuilder};

use crate::Texts;

#[track_caller]
fn described(
    optimizations: &[Optimization],
    describe: impl FnOnce(&StreamsBuilder),
    expected: Expect,
) {
    let builder = StreamsBuilder::new();
    describe(&builder);
    let topology = builder.build_with(optimizations.iter().copied()).unwrap();
    expected.assert_eq(&topology.describe().to_string());
}

#[test]
fn a_name_alone_takes_one_index_and_a_store_without_name_two() {
    described(
        &[],
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
        &[],
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
        &[],
        |builder| {
            let texts: KStream<'_, String, String> = builder.stream("in");
            let grouped = texts.group_by_with(|_, value| value.clone(), Grouped::named("words"));
            let _ = grouped.count().to_stream().to("counts");
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
    let program = |builder: &StreamsBuilder| {
        let texts: Texts<'_> = builder.stream("in");
        let rekeyed = texts.select_key(|_, value| value.clone());
        rekeyed.group_by_key::<String>().count::<String>().to_stream().to("counts");
        let shorter = rekeyed.filter(|_, value| value.is_some());
        shorter.group_by_key::<String>().reduce(|a: String, _: String| a).to_stream().to("firsts");
        let table: KTable<'_, String, String> = builder.table("rows");
        table.group_by(|_, row| (row.clone(), row)).count().to_stream().to("groups");
    };
    described(
        &all,
        program,
        expect![[r#"
        Topologies:
           Sub-topology: 0
            Source: KSTREAM-SOURCE-0000000000 (topics: [in])
              --> KSTREAM-KEY-SELECT-0000000001
            Processor: KSTREAM-KEY-SELECT-0000000001 (stores: [])
              --> KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition-filter
              <-- KSTREAM-SOURCE-0000000000
            Processor: KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition-filter (stores: [])
              --> KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition-sink
              <-- KSTREAM-KEY-SELECT-0000000001
            Sink: KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition-sink (topic: KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition)
              <-- KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition-filter

          Sub-topology: 1
            Source: KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition-source (topics: [KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition])
              --> KSTREAM-FILTER-0000000009, KSTREAM-AGGREGATE-0000000003
            Processor: KSTREAM-FILTER-0000000009 (stores: [])
              --> KSTREAM-REDUCE-0000000011
              <-- KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition-source
            Processor: KSTREAM-AGGREGATE-0000000003 (stores: [KSTREAM-AGGREGATE-STATE-STORE-0000000002])
              --> KTABLE-TOSTREAM-0000000007
              <-- KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition-source
            Processor: KSTREAM-REDUCE-0000000011 (stores: [KSTREAM-REDUCE-STATE-STORE-0000000010])
              --> KTABLE-TOSTREAM-0000000015
              <-- KSTREAM-FILTER-0000000009
            Processor: KTABLE-TOSTREAM-0000000007 (stores: [])
              --> KSTREAM-SINK-0000000008
              <-- KSTREAM-AGGREGATE-0000000003
            Processor: KTABLE-TOSTREAM-0000000015 (stores: [])
              --> KSTREAM-SINK-0000000016
              <-- KSTREAM-REDUCE-0000000011
            Sink: KSTREAM-SINK-0000000008 (topic: counts)
              <-- KTABLE-TOSTREAM-0000000007
            Sink: KSTREAM-SINK-0000000016 (topic: firsts)
              <-- KTABLE-TOSTREAM-0000000015

          Sub-topology: 2
            Source: KSTREAM-SOURCE-0000000018 (topics: [rows])
              --> KTABLE-SOURCE-0000000019
            Processor: KTABLE-SOURCE-0000000019 (stores: [rows-STATE-STORE-0000000017])
              --> KTABLE-SELECT-0000000020
              <-- KSTREAM-SOURCE-0000000018
            Processor: KTABLE-SELECT-0000000020 (stores: [])
              --> KSTREAM-SINK-0000000022
              <-- KTABLE-SOURCE-0000000019
            Sink: KSTREAM-SINK-0000000022 (topic: KTABLE-AGGREGATE-STATE-STORE-0000000021-repartition)
              <-- KTABLE-SELECT-0000000020

          Sub-topology: 3
            Source: KSTREAM-SOURCE-0000000023 (topics: [KTABLE-AGGREGATE-STATE-STORE-0000000021-repartition])
              --> KTABLE-AGGREGATE-0000000024
            Processor: KTABLE-AGGREGATE-0000000024 (stores: [KTABLE-AGGREGATE-STATE-STORE-0000000021])
              --> KTABLE-TOSTREAM-0000000025
              <-- KSTREAM-SOURCE-0000000023
            Processor: KTABLE-TOSTREAM-0000000025 (stores: [])
              --> KSTREAM-SINK-0000000026
              <-- KTABLE-AGGREGATE-0000000024
            Sink: KSTREAM-SINK-0000000026 (topic: groups)
              <-- KTABLE-TOSTREAM-0000000025

    "#]],
    );

    let builder = StreamsBuilder::new();
    program(&builder);
    let topology = builder.build_with(all).unwrap();
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
