//! Joins of streams with streams.

use std::sync::Arc;
use std::time::Duration;

use streams_core::config::Optimization;
use streams_core::handler::{Handlers, LogAndSkip};
use streams_core::metrics::DropReason;
use streams_core::names::{ApplicationId, TopicName};
use streams_core::processor::EmitIntervals;
use streams_core::serde::DefaultSerde;
use streams_core::topology::{PartitionCounts, TopicNames, Topology, TopologyErrors};
use streams_dsl::{JoinWindows, StreamJoined, StreamsBuilder};
use streams_state::{StoreBuilder, Stores, WindowStore};
use streams_test::TopologyTestDriver;

use crate::{Text, Texts, drive, pipe, written};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn text(value: Option<&String>) -> String {
    value.cloned().unwrap_or_else(|| "null".to_owned())
}

fn pair(one: Option<&String>, other: Option<&String>) -> String {
    format!("{}+{}", text(one), text(other))
}

type Joined = StreamJoined<String, Text, Text>;

fn joined() -> Joined {
    StreamJoined::new()
}

#[derive(Clone, Copy)]
enum Kind {
    Inner,
    Left,
    Outer,
}

/// `in` joined with `right` into `out`.
fn build(kind: Kind, windows: JoinWindows, joined: Joined) -> Result<Topology, TopologyErrors> {
    let builder = StreamsBuilder::new();
    {
        let (one, other): (Texts<'_>, Texts<'_>) = (builder.stream("in"), builder.stream("right"));
        let both = |one: &String, other: &String| pair(Some(one), Some(other));
        let left = |one: &String, other: Option<&String>| pair(Some(one), other);
        match kind {
            Kind::Inner => {
                let pairs = one.join_with(other, both, windows, joined);
                pairs.with_nullable_keys().with_nullable_values().to("out");
            }
            Kind::Left => {
                one.left_join_with(other, left, windows, joined).with_nullable_values().to("out");
            }
            Kind::Outer => {
                one.outer_join_with(other, pair, windows, joined).with_nullable_values().to("out");
            }
        }
    }
    builder.build()
}

fn within(millis: u64) -> JoinWindows {
    JoinWindows::of_time_difference(ms(millis))
}

/// A driver that looks for records without partner whenever a record comes.
fn eager(topology: &Topology, lines: &[&str]) -> TopologyTestDriver {
    let driver = TopologyTestDriver::builder(topology).emit_intervals(EmitIntervals::NONE);
    let driver = driver.build().unwrap();
    pipe(&driver, lines);
    driver
}

const RECORDS: &[&str] =
    &["a x 1", "right: a 1 5", "a y 11", "- z 12", "right: b - 13", "b v 14", "right: c 2 40"];

#[test]
fn records_are_joined_that_are_near_enough() {
    let driver = drive(&build(Kind::Inner, within(6), joined()).unwrap(), RECORDS);
    assert_eq!(written::<String>(&driver, "out"), "a=x+1@5 a=y+1@11");
    assert_eq!(driver.dropped().of(DropReason::NullKey), 1);
    assert_eq!(driver.dropped().of(DropReason::NullValue), 1);
}

#[test]
fn what_finds_no_partner_has_a_result_when_its_window_is_over() {
    let driver = eager(&build(Kind::Left, within(6), joined()).unwrap(), RECORDS);
    assert_eq!(written::<String>(&driver, "out"), "a=x+1@5 a=y+1@11 -=z+null@12 b=v+null@14<40",);
    let driver = eager(&build(Kind::Outer, within(6), joined()).unwrap(), RECORDS);
    pipe(&driver, &["z end 99"]);
    assert_eq!(
        written::<String>(&driver, "out"),
        "a=x+1@5 a=y+1@11 -=z+null@12 b=v+null@14<40 c=null+2@40<99",
    );
}

#[test]
fn grace_lets_late_partners_come() {
    let topology = build(Kind::Left, within(5).with_grace(ms(20)), joined()).unwrap();
    let lines = ["a x 1", "k y 20", "right: a 1 3", "k y 26", "k y 27", "b late 2"];
    let driver = eager(&topology, &lines);
    // The last one's window was over before it came.
    assert_eq!(written::<String>(&driver, "out"), "a=x+1@3 b=late+null@2");
    let lines = ["a x 1", "k y 26", "k y 27"];
    assert_eq!(written::<String>(&eager(&topology, &lines), "out"), "a=x+null@1<27");
}

#[test]
fn a_look_for_what_has_no_partner_waits_for_the_clock() {
    let topology = build(Kind::Left, within(5), joined()).unwrap();
    let driver = drive(&topology, &["a x 1", "b x 20"]);
    assert_eq!(written::<String>(&driver, "out"), "");
    driver.advance_wall_clock(ms(999)).unwrap();
    pipe(&driver, &["c x 40"]);
    assert_eq!(written::<String>(&driver, "out"), "");
    driver.advance_wall_clock(ms(1)).unwrap();
    pipe(&driver, &["d x 60"]);
    let expected = "a=x+null@1<60 b=x+null@20<60 c=x+null@40<60";
    assert_eq!(written::<String>(&driver, "out"), expected);
}

#[test]
fn what_is_older_than_the_store_keeps_is_counted() {
    let topology = build(Kind::Inner, within(5), joined()).unwrap();
    let driver = drive(&topology, &["a x 200000", "a y 1", "right: a z 3"]);
    assert_eq!(driver.dropped().of(DropReason::Expired), 1);
    assert_eq!(written::<String>(&driver, "out"), "");
}

#[test]
fn a_joiner_that_fails_leaves_the_record_to_the_handler() {
    let builder = StreamsBuilder::new();
    {
        let (one, other): (Texts<'_>, Texts<'_>) = (builder.stream("in"), builder.stream("right"));
        let joiner = |_: &Text, one: Option<&String>, other: Option<&String>| match other {
            Some(bad) if bad == "bad" => Err("bad"),
            _ => Ok(pair(one, other)),
        };
        let pairs = one.try_outer_join(other, joiner, within(5), joined());
        pairs.with_nullable_values().to("out");
    }
    let driver = TopologyTestDriver::builder(&builder.build().unwrap())
        .handlers(Handlers { processing: Arc::new(LogAndSkip), ..Handlers::default() })
        .build()
        .unwrap();
    pipe(&driver, &["a x 1", "right: a bad 2", "right: a good 3"]);
    assert_eq!(written::<String>(&driver, "out"), "a=x+good@3");
    assert_eq!(driver.dropped().of(DropReason::ProcessingFailed), 1);
}

#[test]
fn changelogs_of_streams_are_deleted_and_that_of_what_has_no_partner_is_compacted() {
    let given = joined().with_changelog_settings([("cleanup.policy", "compact"), ("a.b", "c")]);
    let topology = build(Kind::Outer, within(10).with_grace(ms(7)), given).unwrap();
    let names = TopicNames::new(&ApplicationId::from("app"));
    let topics = topology.internal_topics(&names);
    let topics: Vec<_> = topics
        .iter()
        .map(|topic| (topic.name.as_str(), topic.settings(&[].into(), Duration::from_secs(1))))
        .collect();
    let [(this, of_this), (other, of_other), (shared, of_shared)] = &topics[..] else {
        panic!("{topics:?}")
    };
    assert_eq!(*this, "app-KSTREAM-OUTERTHIS-0000000004-store-changelog");
    assert_eq!(*other, "app-KSTREAM-OUTEROTHER-0000000005-store-changelog");
    assert_eq!(*shared, "app-KSTREAM-OUTERSHARED-0000000004-store-changelog");
    for settings in [of_this, of_other] {
        assert_eq!(settings["cleanup.policy"], "delete");
        assert_eq!(settings["retention.ms"], "1027");
    }
    assert_eq!(of_shared["cleanup.policy"], "compact");
    assert!(!of_shared.contains_key("retention.ms"));
    assert!(topics.iter().all(|(_, settings)| settings["a.b"] == "c"));

    let topology = build(Kind::Outer, within(10), joined().without_changelog()).unwrap();
    assert!(topology.internal_topics(&names).is_empty());
}

fn store(name: &str, size: u64, retention: u64) -> StoreBuilder<WindowStore<String, Text>> {
    Stores::window_with(name, (ms(size), ms(retention)), String::serde(), Text::serde())
}

#[test]
fn stores_that_are_given_are_used_if_they_fit() {
    let windows = within(10).with_grace(ms(5));
    let given = joined()
        .with_store_name("base")
        .with_this_store(store("mine", 20, 25).retaining_duplicates().in_memory());
    let topology = build(Kind::Left, windows, given).unwrap();
    let stores = topology.stores().map(|spec| (spec.name().to_string(), spec.is_persistent()));
    let expected = [
        ("mine", false),
        ("base-outer-other-join-store", true),
        ("mine-left-shared-join-store", false),
    ];
    let expected = expected.map(|(name, persistent)| (name.to_owned(), persistent));
    assert_eq!(stores.collect::<Vec<_>>(), expected);
    let driver = eager(&topology, &["a x 1", "right: a y 3", "b z 100", "b z 200"]);
    assert_eq!(written::<String>(&driver, "out"), "a=x+y@3 b=z+null@100<200");

    let problem = |joined: Joined| build(Kind::Left, windows, joined).unwrap_err().to_string();
    let one_row = problem(joined().with_this_store(store("mine", 20, 25)));
    assert!(one_row.contains("retaining_duplicates()"), "{one_row}");
    for (size, retention) in [(20, 26), (21, 25)] {
        let other = store("mine", size, retention).retaining_duplicates();
        let misfit = problem(joined().with_other_store(other));
        assert!(misfit.contains("of 20 ms and kept for 25 ms"), "{misfit}");
    }
    let fits = || store("mine", 20, 25).retaining_duplicates();
    let twice = problem(joined().with_this_store(fits()).with_other_store(fits()));
    assert!(twice.contains("two stores \"mine\""), "{twice}");
}

#[test]
fn a_window_that_ends_before_it_starts_is_found_when_the_topology_is_built() {
    let windows = within(10).starting_after(ms(11));
    let problem = build(Kind::Inner, windows, joined()).unwrap_err().to_string();
    assert!(problem.contains("from 11 ms to 10 ms"), "{problem}");
}

#[test]
fn topics_of_different_partitions_are_not_joined() {
    let topology = build(Kind::Left, within(1), joined()).unwrap();
    let partitions = |topic: &TopicName| Some(if topic.as_str() == "in" { 2 } else { 3 });
    let faults = PartitionCounts::derive(&topology, partitions).unwrap_err();
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    let text = fault.to_string();
    assert!(text.contains("\"in\" 2, \"right\" 3; make one of them anew"), "{text}");
}

#[test]
fn streams_of_two_builders_are_not_joined() {
    let (builder, another) = (StreamsBuilder::new(), StreamsBuilder::new());
    let one: Texts<'_> = builder.stream("in");
    let other: Texts<'_> = another.stream("right");
    let both = |one: &String, other: &String| pair(Some(one), Some(other));
    let _ = one.join_with(other, both, within(1), joined());
    let fault = builder.build().map(|_| ()).unwrap_err().to_string();
    assert!(fault.contains("another builder"), "{fault}");
}

#[test]
fn a_stream_joined_with_itself_has_one_store_where_that_is_asked_for() {
    let topology = |optimizations: &[Optimization]| {
        let builder = StreamsBuilder::new();
        {
            let texts: Texts<'_> = builder.stream("in");
            let both = |one: &String, other: &String| pair(Some(one), Some(other));
            let pairs = texts.join_with(texts, both, within(5), joined().with_name("n"));
            pairs.with_nullable_keys().with_nullable_values().to("out");
        }
        builder.build_with(optimizations.iter().copied()).unwrap()
    };
    let (two, one) = (topology(&[]), topology(&[Optimization::SingleStoreSelfJoin]));
    assert_eq!((two.stores().count(), one.stores().count()), (2, 1));
    let text = one.describe().to_string();
    assert!(text.contains("n-merge"), "{text}");
    assert!(!text.contains("n-other-windowed"), "{text}");
    let lines = ["a x 1", "a y 3", "- v 3", "a - 4", "a z 2"];
    let results = [two, one].map(|topology| {
        let driver = drive(&topology, &lines);
        let mut results: Vec<String> =
            written::<String>(&driver, "out").split(' ').map(str::to_owned).collect();
        results.sort();
        results
    });
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0].len(), 9);
}
