//! Joins: streams with tables and global tables, tables with tables.

use streams_core::config::Optimization;
use streams_core::topology::TopologyError;
use streams_dsl::{
    GlobalKTable, Joined, KStream, KTable, Materialized, Named, StreamsBuilder, TableJoined,
};
use streams_test::{Layout, TestError, TopologyTestDriver};

use crate::{Text, Texts, check, drive, pipe, written};

type Table<'b> = KTable<'b, String, String>;

fn both() -> impl Fn(&String, &String) -> String + Send + Sync {
    |one, other| format!("{one}+{other}")
}

fn text(value: Option<&String>) -> String {
    value.cloned().unwrap_or_else(|| "null".to_owned())
}

/// Joins `in` with the table `right` into `out`.
#[track_caller]
fn tables(
    join: impl for<'b> FnOnce(Table<'b>, Table<'b>) -> Table<'b>,
    lines: &[&str],
    expected: &str,
) -> TopologyTestDriver {
    check::<String>(
        |builder| join(builder.table("in"), builder.table("right")).to_stream().to("out"),
        lines,
        expected,
    )
}

const RECORDS: &[&str] =
    &["a x 1", "right: a 1 5", "a y 3", "a - 6", "- z 7", "b z 8", "right: a - 9"];

#[test]
fn a_stream_sees_the_row_of_its_key_at_that_moment() {
    let driver = check::<String>(
        |builder| {
            let (stream, table): (Texts<'_>, Table<'_>) =
                (builder.stream("in"), builder.table("right"));
            stream.join_table(table, both()).to_stream_of_text().to("out");
        },
        RECORDS,
        "a=y+1@3",
    );
    // The null value and the null key.
    assert_eq!(driver.dropped().total(), 2);
    let driver = check::<String>(
        |builder| {
            let (stream, table): (Texts<'_>, Table<'_>) =
                (builder.stream("in"), builder.table("right"));
            let joiner = |one: &String, other: Option<&String>| format!("{one}+{}", text(other));
            stream.left_join_table(table, joiner).with_nullable_values().to("out");
        },
        RECORDS,
        "a=x+null@1 a=y+1@3 -=z+null@7 b=z+null@8",
    );
    assert_eq!(driver.dropped().total(), 1);
}

trait ToText<'b> {
    fn to_stream_of_text(self) -> Texts<'b>;
}

impl<'b> ToText<'b> for KStream<'b, String, String> {
    fn to_stream_of_text(self) -> Texts<'b> {
        self.with_nullable_keys().with_nullable_values()
    }
}

#[test]
fn a_stream_of_another_key_is_repartitioned_before_it_is_joined() {
    check::<String>(
        |builder| {
            let (stream, table): (Texts<'_>, Table<'_>) =
                (builder.stream("in"), builder.table("right"));
            let by_value = stream.select_key(|_, value| value.clone());
            let joiner = |key: &String, one: &String, other: &String| format!("{key}{one}{other}");
            let joined = Joined::named("by-value");
            by_value.join_table_with_key_with(table, joiner, joined).to_stream_of_text().to("out");
        },
        &["right: x 1 5", "a x 3"],
        "x=xx1@3",
    );
}

#[test]
fn a_left_join_lets_null_keys_through_its_repartition_topic() {
    let joined = |builder: &StreamsBuilder| {
        let (stream, table): (Texts<'_>, Table<'_>) =
            (builder.stream("in"), builder.table("right"));
        let stream = stream.select_key(|_, value| value.clone().filter(|value| value != "none"));
        let joiner = |one: &String, other: Option<&String>| format!("{one}+{}", text(other));
        stream.left_join_table(table, joiner).with_nullable_values().to("out");
    };
    check::<String>(joined, &["a x 1", "a none 2"], "x=x+null@1 -=none+null@2");
}

#[test]
fn partitions_that_do_not_agree_are_an_error_that_says_what_to_do() {
    let builder = StreamsBuilder::new();
    {
        let (stream, table): (Texts<'_>, Table<'_>) =
            (builder.stream("in"), builder.table("right"));
        stream.join_table(table, both()).to_stream_of_text().to("out");
    }
    let driver = TopologyTestDriver::builder(&builder.build().unwrap())
        .layout(Layout::TaskPerPartition { partitions: 2 })
        .topic("right", 3)
        .build();
    let error = driver.err().unwrap();
    assert!(matches!(error, TestError::Partitions(_)));
    let text = error.to_string();
    assert!(text.contains("\"in\" 2, \"right\" 3"), "{text}");
    assert!(text.contains("put repartition() before the join"), "{text}");
}

#[test]
fn a_repartition_topic_gets_the_partitions_of_the_table_also_when_it_is_merged() {
    for optimizations in [vec![], vec![Optimization::MergeRepartitionTopics]] {
        let builder = StreamsBuilder::new();
        {
            let (stream, table): (Texts<'_>, Table<'_>) =
                (builder.stream("in"), builder.table("right"));
            let by_value = stream.select_key(|_, value| value.clone());
            by_value.join_table(table, both()).to_stream_of_text().to("out");
            by_value.group_by_key::<String>().count::<String>().to_stream().to("counts");
        }
        let driver = TopologyTestDriver::builder(&builder.build_with(optimizations).unwrap())
            .layout(Layout::TaskPerPartition { partitions: 2 })
            .topic("right", 3)
            .build()
            .unwrap();
        for key in 0..9 {
            pipe(&driver, &[&format!("right: k{key} 1 1"), &format!("a k{key} 2")]);
        }
        let rows = driver.output::<String, Option<String>>("out").read_map().unwrap();
        assert_eq!(rows.len(), 9);
    }
}

#[test]
fn tables_of_two_builders_are_a_fault() {
    let (builder, other) = (StreamsBuilder::new(), StreamsBuilder::new());
    {
        let (one, two): (Table<'_>, Table<'_>) = (builder.table("in"), other.table("right"));
        one.join(two, both()).to_stream().to("out");
    }
    let faults = builder.build().unwrap_err().0;
    assert!(faults.iter().any(|fault| matches!(fault, TopologyError::ForeignNode(_))));
}

const CHANGES: &[&str] = &[
    "right: a 1 5",
    "a x 3",
    "a y 7",
    "right: a 2 6",
    "b z 8",
    "a - 9",
    "right: a - 10",
    "right: b 3 11",
    "b - 2",
];

#[test]
fn an_inner_join_has_the_keys_of_both_tables() {
    tables(
        |one, two| one.join(two, both()),
        CHANGES,
        "a=x+1@5<3 a=y+1@7 a=y+2@7<6 a=-@9 b=z+3@11 b=-@11<2",
    );
}

#[test]
fn a_left_join_has_the_keys_of_the_left_table() {
    tables(
        |one, two| {
            one.left_join_with_key(two, |key, one, two: Option<&String>| {
                format!("{key}{one}+{}", text(two))
            })
        },
        CHANGES,
        "a=ax+1@5<3 a=ay+1@7 a=ay+2@7<6 b=bz+null@8 a=-@9 b=bz+3@11 b=-@11<2",
    );
}

#[test]
fn an_outer_join_has_the_keys_of_either_table() {
    tables(
        |one, two| {
            one.outer_join(two, |one: Option<&String>, two: Option<&String>| {
                format!("{}+{}", text(one), text(two))
            })
        },
        CHANGES,
        "a=null+1@5 a=x+1@5<3 a=y+1@7 a=y+2@7<6 b=z+null@8 a=null+2@9 a=-@10 b=z+3@11 b=null+3@11<2",
    );
}

#[test]
fn a_joiner_that_gives_nothing_deletes_the_row_of_a_stored_join() {
    let driver = tables(
        |one, two| {
            let longer = |one: &String, two: &String| (one.len() > two.len()).then(|| one.clone());
            let stored = Materialized::named("longer").without_cache();
            one.join_with::<_, String, _>(two, longer, (Named::new("join"), stored))
        },
        &["a xx 1", "right: a 1 2", "right: a 123 3"],
        "a=xx@2 a=-@3",
    );
    let described = driver.describe().to_string();
    for name in ["join-join-this", "join-join-other", "Processor: join (stores: [longer])"] {
        assert!(described.contains(name), "{described}");
    }
}

#[test]
fn the_rows_of_derived_tables_are_computed() {
    tables(
        |one, two| {
            let shouted = two.map_values(|value| value + "!");
            one.join(shouted.filter(|_, value| value != "2!"), both())
        },
        &["right: a 1 1", "a x 2", "right: a 2 3", "a y 4"],
        "a=x+1!@2 a=-@3",
    );
    tables(
        |one, two| one.join(two, both()).join(one, both()),
        &["right: a 1 1", "a x 2", "a y 3"],
        // The inner join and the table itself both tell of each change.
        "a=x+1+x@2 a=x+1+x@2 a=y+1+y@3 a=y+1+y@3",
    );
}

fn books(
    join: impl for<'b> FnOnce(
        Table<'b>,
        Table<'b>,
        TableJoined<String, String, String, String>,
    ) -> Table<'b>,
    lines: &[&str],
    expected: &str,
) -> TopologyTestDriver {
    let joined = TableJoined::named("authors");
    tables(|one, two| join(one, two, joined), lines, expected)
}

/// The reference: a text before a hyphen.
fn author() -> impl Fn(&String) -> Option<String> + Send + Sync {
    |book| book.split_once('-').map(|(author, _)| author.to_owned())
}

const BOOKS: &[&str] = &[
    "right: i Ibsen 5",
    "1 i-Brand 3",
    "2 h-Sult 6",
    "right: h Hamsun 7",
    "2 i-Sult 8",
    "1 Brand 9",
    "right: i Henrik 4",
    "2 - 10",
];

#[test]
fn rows_are_joined_with_what_they_refer_to() {
    let driver = books(
        |books, authors, joined| {
            let stored = Materialized::named("books").without_cache();
            books.foreign_key_join_with(authors, author(), both(), joined, stored)
        },
        BOOKS,
        "1=i-Brand+Ibsen@5<3 2=h-Sult+Hamsun@7 2=i-Sult+Ibsen@8 1=-@9 2=i-Sult+Henrik@4 2=-@10",
    );
    // The row without a reference.
    assert_eq!(driver.dropped().total(), 1);
    let topics = driver.produced_topics();
    for topic in ["authors-subscription-registration-topic", "authors-subscription-response-topic"]
    {
        let name = format!("topology-test-driver-{topic}");
        assert!(topics.iter().any(|topic| *topic == name.as_str()), "{topics:?}");
    }
}

#[test]
fn a_left_join_keeps_rows_that_refer_to_nothing() {
    books(
        |books, authors, joined| {
            let joiner =
                |book: &String, author: Option<&String>| format!("{book}+{}", text(author));
            let author = author();
            let by_key = move |_: &String, book: &String| author(book);
            let stored = Materialized::named("books").without_cache();
            books.foreign_key_left_join_with_key_with(authors, by_key, joiner, joined, stored)
        },
        BOOKS,
        "1=i-Brand+Ibsen@5<3 2=h-Sult+null@6 2=h-Sult+Hamsun@7 2=i-Sult+Ibsen@8 1=Brand+null@9 \
         2=i-Sult+Henrik@4 2=-@10",
    );
}

#[test]
fn foreign_keys_lead_to_other_partitions_and_answers_come_back() {
    let builder = StreamsBuilder::new();
    {
        let (books, authors): (Table<'_>, Table<'_>) =
            (builder.table("in"), builder.table("right"));
        books.foreign_key_join(authors, author(), both()).to_stream().to("out");
    }
    let driver = TopologyTestDriver::builder(&builder.build().unwrap())
        .layout(Layout::TaskPerPartition { partitions: 3 })
        .topic("right", 2)
        .build()
        .unwrap();
    for author in 0..5 {
        pipe(&driver, &[&format!("right: {author} name{author} 1")]);
    }
    for book in 0..20 {
        pipe(&driver, &[&format!("b{book} {}-title 2", book % 5)]);
    }
    pipe(&driver, &["right: 3 changed 3"]);
    let rows = driver.output::<String, Option<String>>("out").read_map().unwrap();
    assert_eq!(rows.len(), 20);
    for book in 0..20 {
        let author = book % 5;
        let name = if author == 3 { "changed".to_owned() } else { format!("name{author}") };
        assert_eq!(rows[&format!("b{book}")], Some(format!("{author}-title+{name}")));
    }
}

#[test]
fn a_global_table_is_complete_before_records_are_processed() {
    let builder = StreamsBuilder::new();
    {
        let stream: Texts<'_> = builder.stream("in");
        let global: GlobalKTable<'_, String, String> = builder.global_table("right");
        let first = |_: &Text, value: &Text| {
            value.as_ref().and_then(|value| value.get(..1)).map(str::to_owned)
        };
        let named = Named::new("lookup");
        let joined = stream.join_global_with(global, first, both(), named);
        joined.with_nullable_values().to("out");
        let joiner = |one: &String, other: Option<&String>| format!("{one}+{}", text(other));
        stream.left_join_global(global, first, joiner).with_nullable_values().to("left");
    }
    let topology = builder.build().unwrap();
    let driver = drive(
        &topology,
        &["in: a xyz 1", "right: x 1 9", "in: a xyz 2", "in: - xyz 3", "in: a - 4", "in: a _ 5"],
    );
    assert_eq!(written::<String>(&driver, "out"), "a=xyz+1@2 -=xyz+1@3");
    assert_eq!(written::<String>(&driver, "left"), "a=xyz+null@1 a=xyz+1@2 -=xyz+1@3 a=+null@5");
    // Twice the null value, once the null of the selector.
    assert_eq!(driver.dropped().total(), 3);

    // What lies in the topics when an application starts: the table first.
    let again =
        TopologyTestDriver::builder(&topology).kafka(driver.kafka()).application_id("again");
    let again = again.build().unwrap();
    assert_eq!(written::<String>(&again, "out").matches("xyz+1@1").count(), 1);
}

#[test]
fn every_task_reads_the_same_global_table() {
    let builder = StreamsBuilder::new();
    {
        let stream: Texts<'_> = builder.stream("in");
        let global: GlobalKTable<'_, String, String> = builder.global_table("right");
        let key = |_: &Text, _: &Text| "k".to_owned();
        stream.join_global(global, key, both()).with_nullable_values().to("out");
    }
    let driver = TopologyTestDriver::builder(&builder.build().unwrap())
        .layout(Layout::TaskPerPartition { partitions: 4 })
        .topic("right", 3)
        .build()
        .unwrap();
    pipe(&driver, &["right: k 1 1", "a x 2", "b x 2", "c x 2", "d x 2", "e x 2"]);
    let rows = driver.output::<String, Option<String>>("out").read_map().unwrap();
    assert_eq!(rows.len(), 5);
    assert!(rows.values().all(|value| value.as_deref() == Some("x+1")));
}
