//! Stateless operators, grouping and aggregation of streams.

use streams_dsl::{Branched, KGroupedStream, KStream, Materialized, Named, StreamsBuilder};

use streams_core::handler::{Handlers, LogAndSkip};
use streams_core::metrics::DropReason;
use streams_test::TopologyTestDriver;

use crate::{Text, Texts, check, drive, pipe, written};

const INPUT: &[&str] = &["a one 1", "- two 2", "b - 3", "a one.two 4"];

#[track_caller]
fn stateless(operator: impl FnOnce(Texts<'_>) -> Texts<'_>, expected: &str) {
    check::<String>(|builder| operator(builder.stream("in")).to("out"), INPUT, expected);
}

fn upper(value: Text) -> Text {
    value.map(|value| value.to_uppercase())
}

fn words(value: Text) -> Vec<Text> {
    value.map_or(Vec::new(), |value| value.split(' ').map(|word| Some(word.to_owned())).collect())
}

#[test]
fn functions_that_fail_are_the_processing_handlers_affair() {
    let builder = StreamsBuilder::new();
    let texts: KStream<'_, String, String> = builder.stream("in");
    let number = |text: &str| text.parse::<i64>();
    texts.try_filter(move |_, v| number(v).map(|n| n > 1)).to("filtered");
    texts.try_filter_not(move |_, v| number(v).map(|n| n > 1)).to("others");
    texts.try_select_key(move |_, v| number(v).map(|n| (n % 2).to_string())).to("rekeyed");
    let longest = |a: String, b: String| match (a.as_str(), b.as_str()) {
        (_, "x") => Err("not a number"),
        _ => Ok(Some(a.max(b))),
    };
    let grouped = texts.group_by_key::<String>();
    let reduced = grouped.try_reduce::<String, _, _>(longest, Materialized::new());
    reduced.to_stream().to("reduced");
    let add = move |_: &String, v: String, sum: i64| number(&v).map(|n| sum + n);
    let sums = grouped.try_aggregate::<i64, String, _, _>(|| 0, add, Materialized::new());
    sums.to_stream().to("sums");

    let skip = || std::sync::Arc::new(LogAndSkip);
    let handlers = Handlers { deserialization: skip(), processing: skip(), production: skip() };
    let topology = builder.build().unwrap();
    let driver = TopologyTestDriver::builder(&topology).handlers(handlers).build().unwrap();
    pipe(&driver, &["a 1 1", "a x 2", "a 3 3"]);
    assert_eq!(written::<String>(&driver, "filtered"), "a=3@3");
    assert_eq!(written::<String>(&driver, "others"), "a=1@1");
    assert_eq!(written::<String>(&driver, "rekeyed"), "1=1@1 1=3@3");
    assert_eq!(written::<String>(&driver, "reduced"), "a=1@1 a=3@3");
    assert_eq!(written::<i64>(&driver, "sums"), "a=1@1 a=4@3");
    assert_eq!(driver.dropped().of(DropReason::ProcessingFailed), 5);
}

#[test]
fn a_topic_that_is_named_twice_is_read_once() {
    let twice = |builder: &StreamsBuilder| builder.stream::<Text, Text>(["in", "in"]).to("out");
    let driver = check::<String>(twice, &["a x 1"], "a=x@1");
    let text = driver.describe().to_string();
    assert!(text.contains("(topics: [in])"), "{text}");
}

#[test]
fn stateless_operators_show_nulls_and_keep_time_and_headers() {
    stateless(|s| s, "a=one@1 -=two@2 b=-@3 a=one two@4");
    stateless(|s| s.filter(|_, value| value.is_some()), "a=one@1 -=two@2 a=one two@4");
    stateless(|s| s.filter_not(|key, _| key.is_some()), "-=two@2");
    stateless(|s| s.map(|key, value| (value, key)), "one=a@1 two=-@2 -=b@3 one two=a@4");
    stateless(|s| s.map_values(upper), "a=ONE@1 -=TWO@2 b=-@3 a=ONE TWO@4");
    stateless(
        |s| s.map_values_with_key(|key, value| key.clone().or(value)),
        "a=a@1 -=two@2 b=b@3 a=a@4",
    );
    stateless(
        |s| {
            s.flat_map(|key, value| {
                words(value).into_iter().map(move |w| (w, key.clone())).collect::<Vec<_>>()
            })
        },
        "one=a@1 two=-@2 one=a@4 two=a@4",
    );
    stateless(|s| s.flat_map_values(words), "a=one@1 -=two@2 a=one@4 a=two@4");
    stateless(|s| s.flat_map_values_with_key(|key, _| key.clone().map(Some)), "a=a@1 b=b@3 a=a@4");
    stateless(
        |s| s.select_key(|_, value| value.clone()),
        "one=one@1 two=two@2 -=-@3 one two=one two@4",
    );
    stateless(|s| s.peek(|_, _| ()), "a=one@1 -=two@2 b=-@3 a=one two@4");
    stateless(
        |s| s.merge(s.filter(|key, _| key.is_none())),
        "a=one@1 -=two@2 -=two@2 b=-@3 a=one two@4",
    );
    stateless(|s| s.repartition::<String>(), "a=one@1 b=-@3 a=one two@4");
}

#[test]
fn a_record_goes_to_the_first_branch_that_takes_it() {
    let builder = StreamsBuilder::new();
    let texts: Texts<'_> = builder.stream("in");
    let branches = texts
        .split_with(Named::new("by-"))
        .branch(|key, _| key.as_deref() == Some("a"))
        .branch_with(|_, value| value.is_some(), Branched::named("valued"))
        .default_branch_with(Branched::named("rest"));
    let names: Vec<&str> = branches.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["by-1", "by-valued", "by-rest"]);
    branches.get("by-1").unwrap().to("one");
    branches.at(1).unwrap().to("valued");
    branches.default_branch().unwrap().to("rest");
    let lone = texts.split().branch(|_, _| false).no_default_branch();
    assert!(lone.default_branch().is_none());
    lone.into_array::<1>().unwrap()[0].to("none");

    let driver = drive(&builder.build().unwrap(), INPUT);
    assert_eq!(written::<String>(&driver, "one"), "a=one@1 a=one two@4");
    assert_eq!(written::<String>(&driver, "valued"), "-=two@2");
    assert_eq!(written::<String>(&driver, "rest"), "b=-@3");
    assert_eq!(written::<String>(&driver, "none"), "");
}

#[test]
fn a_branch_goes_on_in_place_and_its_nodes_are_numbered_there() {
    let builder = StreamsBuilder::new();
    let texts: Texts<'_> = builder.stream("in");
    let (mapped, ended) = (Branched::named("-mapped"), Branched::default());
    let branches = texts
        .split()
        .branch_with(
            |_, value| value.is_none(),
            mapped.with_function(|nulls| nulls.map_values(|_| Some("none".to_owned()))),
        )
        .branch_with(|key, _| key.is_none(), ended.with_consumer(|keyless| keyless.to("keyless")))
        .default_branch_with(Branched::named("-rest").with_function(|rest| rest.peek(|_, _| ())));
    let names: Vec<&str> = branches.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["KSTREAM-BRANCH-0000000001-mapped", "KSTREAM-BRANCH-0000000001-rest"]);
    branches.at(0).unwrap().to("mapped");
    branches.default_branch().unwrap().to("rest");

    let topology = builder.build().unwrap();
    let text = topology.describe().to_string();
    // Each branch takes a number, which only that of its processor shows.
    let nodes = [
        "Processor: KSTREAM-MAPVALUES-0000000003",
        "Sink: KSTREAM-SINK-0000000005 (topic: keyless)",
        "Processor: KSTREAM-PEEK-0000000007",
        "Sink: KSTREAM-SINK-0000000008 (topic: mapped)",
    ];
    nodes.iter().for_each(|node| assert!(text.contains(node), "{node}: {text}"));
    let driver = drive(&topology, INPUT);
    assert_eq!(written::<String>(&driver, "mapped"), "b=none@3");
    assert_eq!(written::<String>(&driver, "keyless"), "-=two@2");
    assert_eq!(written::<String>(&driver, "rest"), "a=one@1 a=one two@4");
}

#[test]
fn a_default_branch_that_is_used_up_does_not_come_out() {
    let builder = StreamsBuilder::new();
    let texts: Texts<'_> = builder.stream("in");
    let rest = Branched::default().with_consumer(|rest: Texts<'_>| rest.to("rest"));
    let branches = texts.split().branch(|key, _| key.is_none()).default_branch_with(rest);
    assert!(branches.default_branch().is_none() && branches.at(1).is_none());

    let driver = drive(&builder.build().unwrap(), INPUT);
    assert_eq!(written::<String>(&driver, "rest"), "a=one@1 b=-@3 a=one two@4");
}

type Grouped<'b> = KGroupedStream<'b, String, Text, Text>;

fn unlogged<V: crate::Printed>() -> Materialized<String, V> {
    Materialized::named("store").without_cache()
}

#[track_caller]
fn aggregated<V: crate::Printed + Clone>(
    aggregate: impl FnOnce(Grouped<'_>) -> KStream<'_, String, Option<V>>,
    expected: &str,
) {
    let input = ["a one 5", "- two 6", "b - 7", "a x 3", "b two 8", "a three 9"];
    let driver = check::<V>(
        |builder| {
            let texts: Texts<'_> = builder.stream("in");
            aggregate(texts.group_by_key::<String>()).to("out");
        },
        &input,
        expected,
    );
    assert_eq!(driver.dropped().total(), 2);
}

#[test]
fn aggregations_drop_nulls_and_take_the_latest_time() {
    aggregated(|g| g.count_with::<String>(unlogged()).to_stream(), "a=1@5 a=2@5<3 b=1@8 a=3@9");
    aggregated(
        |g| g.reduce_with(|a: String, b: String| a + &b, unlogged()).to_stream(),
        "a=one@5 a=onex@5<3 b=two@8 a=onexthree@9",
    );
    // What gives nothing deletes, and the next value begins anew.
    aggregated(
        |g| g.reduce_with(|_: String, b: String| (b != "x").then_some(b), unlogged()).to_stream(),
        "a=one@5 a=-@5<3 b=two@8 a=three@9",
    );
    aggregated(
        |g| {
            let add = |_: &String, value: String, sum: i64| sum + value.len() as i64;
            g.aggregate_with(|| 10_i64, add, unlogged()).to_stream()
        },
        "a=13@5 a=14@5<3 b=13@8 a=19@9",
    );
    aggregated(
        |g| {
            let last = |_: &String, value: String, _: Text| (value != "x").then_some(value);
            g.aggregate_with(|| None, last, unlogged::<String>()).to_stream()
        },
        "a=one@5 a=-@5<3 b=two@8 a=three@9",
    );
}

#[test]
fn grouping_by_a_new_key_repartitions() {
    let driver = check::<i64>(
        |builder| {
            let texts: Texts<'_> = builder.stream("in");
            texts
                .group_by::<String, _>(|_, value| value.clone())
                .count::<String>()
                .to_stream()
                .to("out");
        },
        &["a x 1", "b x 2", "- y 3", "a - 4"],
        "x=1@1 x=2@2 y=1@3",
    );
    let topics: Vec<String> =
        driver.produced_topics().iter().map(|topic| topic.as_str().to_owned()).collect();
    assert_eq!(
        topics,
        [
            "out",
            "topology-test-driver-KSTREAM-AGGREGATE-STATE-STORE-0000000002-changelog",
            "topology-test-driver-KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition",
        ]
    );
    // The filter before the topic drops what has no key, without counting, as in Kafka.
    assert_eq!(driver.dropped().total(), 0);
}

#[test]
fn plain_types_need_no_annotation() {
    let builder = StreamsBuilder::new();
    let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    numbers.group_by_key().count().to_stream().to("counts");
    numbers.group_by(|_, n| n % 2).reduce(|a, b| a + b).to_stream().to("sums");
    numbers.map_values(|n| n * 2).to_table().filter(|_, n| *n > 2).to_stream().to("doubled");
    numbers.repartition().to("again");
    assert!(builder.build().is_ok());
}

#[test]
fn a_cached_count_leaves_at_the_commit_with_the_last_record() {
    use streams_test::CommitWhen;

    let builder = StreamsBuilder::new();
    let texts: Texts<'_> = builder.stream("in");
    texts.group_by_key::<String>().count::<String>().to_stream().to("out");
    let topology = builder.build().unwrap();
    let driver = TopologyTestDriver::builder(&topology);
    let driver = driver.commit_when(CommitWhen::WhenTold).build().unwrap();
    pipe(&driver, &["a x 1", "b x 2", "a x 3"]);
    assert_eq!(written::<i64>(&driver, "out"), "");
    driver.commit().unwrap();
    assert_eq!(written::<i64>(&driver, "out"), "b=1@2 a=2@3");
}
