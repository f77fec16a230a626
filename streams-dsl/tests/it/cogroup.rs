//! Several streams aggregated into one table.

use std::sync::Arc;
use std::time::Duration;

use streams_core::handler::{Handlers, LogAndSkip};
use streams_dsl::{KGroupedStream, KStream, Materialized, StreamsBuilder, TimeWindows};
use streams_test::TopologyTestDriver;

use crate::{Text, Texts, check, pipe, written};

type Grouped<'b> = KGroupedStream<'b, String, Text, Text>;

fn grouped<'b>(builder: &'b StreamsBuilder, topic: &str) -> Grouped<'b> {
    let texts: Texts<'b> = builder.stream(topic);
    texts.group_by_key::<String>()
}

fn joined(by: &'static str) -> impl Fn(&String, Text, String) -> String + Send + Sync {
    move |_, value, all| all + by + &value.unwrap_or_default()
}

#[test]
fn each_stream_has_its_aggregator_and_all_have_one_table() {
    let driver = check::<String>(
        |builder| {
            let rows = grouped(builder, "in")
                .cogroup::<String, String, _>(joined("+"))
                .cogroup::<Text, String, _>(grouped(builder, "more"), joined("-"))
                .aggregate_with(String::new, Materialized::named("rows").without_cache());
            assert_eq!(rows.store_name(), Some("rows".into()));
            rows.to_stream().to("out");
        },
        &["a 1 5", "more: a 2 3", "more: a - 4", "- 3 5", "b - 6", "a 4 9"],
        "a=+1@5 a=+1-2@5<3 a=+1-2+4@9",
    );
    assert_eq!(driver.dropped().total(), 3);
}

#[test]
fn a_stream_that_is_there_already_gets_another_aggregator() {
    check::<String>(
        |builder| {
            let (first, second) = (grouped(builder, "in"), grouped(builder, "more"));
            let streams = first.cogroup::<String, String, _>(joined("+"));
            let streams = streams.cogroup::<Text, String, _>(second, joined("-"));
            let streams = streams.cogroup::<Text, String, _>(first, joined("*"));
            let rows =
                streams.aggregate_with(String::new, Materialized::named("r").without_cache());
            rows.to_stream().to("out");
        },
        &["a 1 1", "more: a 2 2", "a 3 3"],
        "a=*1@1 a=*1-2@2 a=*1-2*3@3",
    );
}

#[test]
fn an_aggregate_may_be_null() {
    check::<String>(
        |builder| {
            let add = |_: &String, value: Text, all: Text| match value.as_deref() {
                Some("x") => None,
                _ => Some(all.unwrap_or_default() + &value.unwrap_or_default()),
            };
            let rows = grouped(builder, "in")
                .cogroup::<String, String, Option<String>>(add)
                .aggregate_with(|| None, Materialized::named("rows").without_cache());
            rows.to_stream().to("out");
        },
        &["a 1 1", "a 2 2", "a x 3", "a 4 4"],
        "a=1@1 a=12@2 a=-@3 a=4@4",
    );
}

#[test]
fn a_stream_of_another_builder_is_a_fault() {
    let (builder, other) = (StreamsBuilder::new(), StreamsBuilder::new());
    let foreign: KStream<'_, String, String> = other.stream("more");
    let texts: KStream<'_, String, String> = builder.stream("in");
    let streams = texts.group_by_key().cogroup(|_, value, all: String| all + &value);
    let streams = streams.cogroup(foreign.group_by_key(), |_, value, all| all + &value);
    let _ = streams.aggregate(String::new);
    let error = builder.build().unwrap_err().to_string();
    assert!(error.contains("another builder was given to cogroup"), "{error}");
}

#[test]
fn what_an_aggregator_fails_with_is_skipped_or_fails_the_task() {
    let builder = StreamsBuilder::new();
    let numbers: KStream<'_, String, String> = builder.stream("in");
    let add = |_: &String, number: String, sum: i64| number.parse::<i64>().map(|n| sum + n);
    let sums = numbers.group_by_key().try_cogroup(add);
    let windows = TimeWindows::of_size(Duration::from_millis(10));
    let stored = || Materialized::<String, i64>::new().without_cache();
    sums.clone().aggregate_with(|| 0, stored()).to_stream().to("out");
    let of_windows = sums.windowed_by(windows).aggregate_with(|| 0, stored());
    of_windows.to_stream().map(|window, sum| (window.key, sum)).to("windows");
    let handlers = Handlers { processing: Arc::new(LogAndSkip), ..Handlers::default() };
    let topology = builder.build().unwrap();
    let driver = TopologyTestDriver::builder(&topology).handlers(handlers).build().unwrap();
    pipe(&driver, &["a 1 1", "a x 2", "a 2 3"]);
    for topic in ["out", "windows"] {
        assert_eq!(written::<i64>(&driver, topic), "a=1@1 a=3@3", "{topic}");
    }
    assert_eq!(driver.dropped().total(), 2);
}
