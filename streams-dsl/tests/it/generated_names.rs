//! Which stores and internal topics have no name of the program's, and what a configuration makes
//! of it.

use std::time::Duration;

use expect_test::{Expect, expect};
use streams_core::config::{Optimization, StreamsConfig};
use streams_core::topology::Topology;
use streams_dsl::{
    BufferConfig, Consumed, GlobalKTable, Grouped, JoinWindows, KStream, KTable, Materialized,
    Repartitioned, StreamJoined, StreamsBuilder, Suppressed, TableJoined,
};
use streams_test::TopologyTestDriver;

type Texts<'b> = KStream<'b, String, String>;
type Table<'b> = KTable<'b, String, String>;

fn both() -> impl Fn(&String, &String) -> String + Send + Sync {
    |one, other| format!("{one}+{other}")
}

fn own() -> impl Fn(&String) -> String + Send + Sync {
    |value: &String| value.clone()
}

const SECOND: Duration = Duration::from_secs(1);

#[track_caller]
fn check(program: impl FnOnce(&StreamsBuilder), expected: Expect) {
    let builder = StreamsBuilder::new();
    program(&builder);
    expected.assert_eq(&builder.build().unwrap().generated_names().to_string());
}

#[test]
fn an_aggregation_without_name_has_a_store_and_may_have_a_topic() {
    let counted = |builder: &StreamsBuilder,
                   by: Grouped<String, String>,
                   stored: Materialized<String, i64>| {
        let words: Texts<'_> = builder.stream("in");
        let _ = words.group_by_with(|_, word| word.clone(), by).count_with(stored);
    };
    check(
        |builder| counted(builder, Grouped::new(), Materialized::new()),
        expect![
            "changelogs 'KSTREAM-AGGREGATE-STATE-STORE-0000000003-changelog'; stores 'KSTREAM-AGGREGATE-STATE-STORE-0000000003'; repartition topics 'KSTREAM-AGGREGATE-STATE-STORE-0000000003-repartition'"
        ],
    );
    check(
        |builder| counted(builder, Grouped::named("by-word"), Materialized::new()),
        expect![
            "changelogs 'KSTREAM-AGGREGATE-STATE-STORE-0000000003-changelog'; stores 'KSTREAM-AGGREGATE-STATE-STORE-0000000003'"
        ],
    );
    // A store that is named names the topic.
    check(|builder| counted(builder, Grouped::new(), Materialized::named("counts")), expect![""]);
    check(
        |builder| counted(builder, Grouped::named("by-word"), Materialized::named("counts")),
        expect![""],
    );
}

#[test]
fn joins_without_name_have_stores_and_topics() {
    check(
        |builder| {
            let (left, right): (Texts<'_>, Texts<'_>) = (builder.stream("l"), builder.stream("r"));
            let left = left.select_key(|_, value| value.clone());
            left.left_join(
                right,
                |one: &String, _: Option<&String>| one.clone(),
                JoinWindows::of_time_difference(SECOND),
            )
            .to("out");
        },
        expect![
            "changelogs 'KSTREAM-JOINTHIS-0000000008-store-changelog', 'KSTREAM-OUTEROTHER-0000000009-store-changelog', 'KSTREAM-OUTERSHARED-0000000008-store-changelog'; stores 'KSTREAM-JOINTHIS-0000000008-store', 'KSTREAM-OUTEROTHER-0000000009-store', 'KSTREAM-OUTERSHARED-0000000008-store'; repartition topics 'KSTREAM-KEY-SELECT-0000000002-repartition'"
        ],
    );
    check(
        |builder| {
            let (left, right): (Texts<'_>, Texts<'_>) = (builder.stream("l"), builder.stream("r"));
            let left = left.select_key(|_, value| value.clone());
            let joined = StreamJoined::named("both").with_store_name("both");
            left.join_with(right, both(), JoinWindows::of_time_difference(SECOND), joined)
                .to("out");
        },
        expect![""],
    );
    check(
        |builder| {
            let (books, authors): (Table<'_>, Table<'_>) = (
                builder.table_with("books", Consumed::new(), Materialized::named("books")),
                builder.table_with("authors", Consumed::new(), Materialized::named("authors")),
            );
            books.foreign_key_join(authors, own(), both()).to_stream().to("out");
            let joined = TableJoined::named("named");
            let named = books.foreign_key_join_with(
                authors,
                own(),
                both(),
                joined,
                Materialized::<String, String>::new(),
            );
            named.to_stream().to("out");
        },
        expect![
            "changelogs 'KTABLE-FK-JOIN-SUBSCRIPTION-STATE-STORE-0000000008-changelog'; stores 'KTABLE-FK-JOIN-SUBSCRIPTION-STATE-STORE-0000000008'; repartition topics 'KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000004-topic', 'KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000012-topic'"
        ],
    );
}

#[test]
fn tables_count_where_they_are_stored() {
    check(
        |builder| {
            let table: Table<'_> = builder.table("in");
            table.to_stream().to("out");
        },
        expect![""],
    );
    check(
        |builder| {
            let (table, other): (Table<'_>, Table<'_>) =
                (builder.table("in"), builder.table("other"));
            let table = table.join(other, both());
            let early = Suppressed::until_time_limit(SECOND, BufferConfig::max_records(9));
            table.suppress(early).to_stream().to("out");
            let _: GlobalKTable<'_, String, String> = builder.global_table("global");
        },
        expect![
            "changelogs 'in-STATE-STORE-0000000000-changelog', 'other-STATE-STORE-0000000003-changelog', 'KTABLE-SUPPRESS-STATE-STORE-0000000010-changelog'; stores 'in-STATE-STORE-0000000000', 'other-STATE-STORE-0000000003', 'KTABLE-SUPPRESS-STATE-STORE-0000000010', 'global-STATE-STORE-0000000013'"
        ],
    );
}

#[test]
fn a_repartition_is_named_or_not_and_optimised_away() {
    let program = |builder: &StreamsBuilder| {
        let words: Texts<'_> = builder.stream("in");
        words.repartition().to("out");
        words.repartition_with(Repartitioned::named("mine")).to("out");
        let by_word = words.select_key(|_, word| word.clone());
        let _ = by_word.group_by_key().count_with(Materialized::named("one"));
        let _ = by_word.to_table_with(Materialized::<String, String>::named("two"));
    };
    check(
        program,
        expect![
            "repartition topics 'KSTREAM-REPARTITION-0000000001-repartition', 'KSTREAM-TOTABLE-0000000015-repartition'"
        ],
    );
    let builder = StreamsBuilder::new();
    program(&builder);
    let topology = builder.build_with([Optimization::MergeRepartitionTopics]).unwrap();
    expect!["repartition topics 'KSTREAM-REPARTITION-0000000001-repartition'"]
        .assert_eq(&topology.generated_names().to_string());
}

fn config(explicit: &str) -> StreamsConfig {
    StreamsConfig::builder()
        .application_id("orders")
        .bootstrap_servers("none:9092")
        .set("ensure.explicit.internal.resource.naming", explicit)
        .build()
        .unwrap()
}

fn driven(topology: &Topology, explicit: &str) -> Result<(), String> {
    let driver = TopologyTestDriver::builder(topology).config(&config(explicit)).build();
    driver.map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_configuration_may_ask_for_all_names() {
    let topology = |stored: Materialized<String, i64>| {
        let builder = StreamsBuilder::new();
        let words: Texts<'_> = builder.stream("in");
        let _ = words.group_by(|_, word| word.clone()).count_with(stored);
        builder.build().unwrap()
    };
    let error = driven(&topology(Materialized::new()), "true").unwrap_err();
    expect![
"configuration: 'ensure.explicit.internal.resource.naming' (code) is 'true', but these names were generated: changelogs 'KSTREAM-AGGREGATE-STATE-STORE-0000000003-changelog'; stores 'KSTREAM-AGGREGATE-STATE-STORE-0000000003'; repartition topics 'KSTREAM-AGGREGATE-STATE-STORE-0000000003-repartition'; give names to the operators, by 'Materialized', 'Grouped', 'Joined', 'StreamJoined' and such, or remove the key"
].assert_eq(&error);
    assert_eq!(driven(&topology(Materialized::new()), "false"), Ok(()));
    assert_eq!(driven(&topology(Materialized::named("counts")), "true"), Ok(()));
}
