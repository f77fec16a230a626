//! A case whose outcome is the same in whatever order partitions are read.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use streams_core::murmur2::partition_for_key;
use streams_test::{CommitWhen, Layout};

use super::outcome::{Kind, Outcome};
use crate::support::flow::Dice;

pub(super) const PARTITIONS: i32 = 3;
/// Before the names of internal topics in the results of the reference.
pub(super) const APPLICATION: &str = "conformance-";

/// Random orders of the input that are tried, beside some that are likely.
const ORDERS: usize = 5;

/// A case and its reference result, a line each.
pub(super) type Lines = (String, String);

/// The cases of two files, or those that are kept: some of each 500 that `generate.py` draws from the
/// seeds 1 to 20, with 6 and with 12 operators, whose outcome does not depend on the order.
pub(super) fn cases() -> Vec<Lines> {
    let given = |name| std::env::var(name).ok().filter(|path| !path.is_empty());
    let read = |path: String| {
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let (cases, expected) = match (given("MILLSTREAM_CASE_FILE"), given("MILLSTREAM_EXPECTED_FILE"))
    {
        (Some(cases), Some(expected)) => (read(cases), read(expected)),
        (None, None) => {
            let kept = (
                include_str!("../../conformance/tests/cases/drawn.cases.jsonl"),
                include_str!("../../conformance/tests/cases/drawn.expected.jsonl"),
            );
            (kept.0.to_owned(), kept.1.to_owned())
        }
        _ => panic!("MILLSTREAM_CASE_FILE and MILLSTREAM_EXPECTED_FILE are given together"),
    };
    assert_eq!(cases.lines().count(), expected.lines().count(), "a result for each case");
    cases.lines().zip(expected.lines()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// See the module.
pub(super) struct Case {
    pub(super) json: Json,
    /// How the contents of a topic are compared, by its name in the case.
    pub(super) kinds: BTreeMap<String, Kind>,
    pub(super) outcome: Outcome,
    /// The internal topics that the reference writes to.
    pub(super) internal: Vec<String>,
}

impl Case {
    /// `None` when the outcome depends on the order, or on things that a broker does not allow.
    pub(super) fn with_one_outcome((case, expected): &Lines, dice: &mut Dice) -> Option<Self> {
        let mut json: Json = serde_json::from_str(case).unwrap();
        let expected: Json = serde_json::from_str(expected).unwrap();
        let is_bound = depends_on_clock(&json)
            || forgets(&json)
            || refuses(&json, &expected)
            || strings_together(&json);
        if !expected["error"].is_null() || is_bound {
            return None;
        }
        let input = json["input"].as_array().unwrap();
        let records: Vec<Json> =
            input.iter().filter(|step| !step["topic"].is_null()).cloned().collect();
        // A broker takes no time below 0, and librdkafka none of 0.
        if records.is_empty() || records.iter().any(|record| record["ts"].as_i64() < Some(1)) {
            return None;
        }
        // Without caches each record shows its results, as in Kafka's driver.
        json["properties"]["statestore.cache.max.bytes"] = "0".into();
        let mut kinds = Kind::by_topic(&json, &expected);
        // Of a topic that is written to from outside, too, the reference shows a part.
        kinds.retain(|topic, _| records.iter().all(|record| record["topic"] != **topic));
        let outcome = Outcome::of_result(&kinds, &expected);
        if !outcome.0.keys().all(|topic| is_name(topic)) {
            return None;
        }
        let is_same = |order: Vec<Json>| {
            json["input"] = order.into();
            let result = conformance::run_case(&json.to_string(), |driver| {
                let layout = Layout::TaskPerPartition { partitions: PARTITIONS };
                driver.cache_bytes(0).layout(layout).commit_when(CommitWhen::EachRecord)
            });
            Outcome::of_result(&kinds, &result) == outcome
        };
        if !orders(&records, dice).into_iter().all(is_same) {
            return None;
        }
        json["input"] = records.into();
        let topics = expected["topics"].as_object().unwrap().keys();
        let internal = topics.filter(|topic| topic.starts_with(APPLICATION)).cloned().collect();
        Some(Self { json, kinds, outcome, internal })
    }

    pub(super) fn name(&self) -> &str {
        self.json["name"].as_str().unwrap()
    }

    pub(super) fn nodes(&self) -> &[Json] {
        self.json["nodes"].as_array().unwrap()
    }

    pub(super) fn input(&self) -> &[Json] {
        self.json["input"].as_array().unwrap()
    }

    /// The topics of a kind of node.
    pub(super) fn topics_of(&self, is_one: impl Fn(&str) -> bool) -> Vec<&str> {
        let nodes = self.nodes().iter().filter(|node| is_one(node["op"].as_str().unwrap()));
        let topics = nodes.flat_map(|node| {
            let list = node["topics"].as_array().into_iter().flatten();
            list.chain([&node["topic"]]).filter_map(Json::as_str)
        });
        let mut topics: Vec<&str> = topics.collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }
}

/// Punctuations by the clock, and results that wait for it; punctuations by stream time, too, begin
/// anew when a task starts again.
fn depends_on_clock(case: &Json) -> bool {
    let nodes = case["nodes"].as_array().unwrap();
    let mut functions = nodes.iter().filter_map(|node| node["fn"].as_str());
    let properties = case["properties"].as_object();
    functions.any(|function| function.starts_with("flush_"))
        || properties.is_some_and(|set| set.keys().any(|key| key.starts_with("__emit")))
}

/// A store without a changelog is empty when its task has moved.
fn forgets(case: &Json) -> bool {
    case["nodes"].as_array().unwrap().iter().any(|node| node["logging"] == false)
}

/// Operators with windows forget the time that they have seen when their task starts again, as in
/// Kafka: what was too late before is taken then.
fn refuses(case: &Json, expected: &Json) -> bool {
    const WINDOWED: [&str; 6] = ["window", "sliding", "session", "join", "left_join", "outer_join"];
    let mut operators = case["nodes"].as_array().unwrap().iter().map(|node| &node["op"]);
    let has_windows = operators.any(|op| WINDOWED.iter().any(|windowed| *op == *windowed));
    has_windows && expected["metrics"]["dropped-records-total"].as_f64() > Some(0.0)
}

/// Streams that are grouped together come by topics of their own, of which either may be first.
fn strings_together(case: &Json) -> bool {
    let mut nodes = case["nodes"].as_array().unwrap().iter();
    nodes.any(|node| node["op"] == "cogroup" && node["fn"] == "concat" && !node["other"].is_null())
}

/// Whether a broker takes this name of a topic, which may be made of the key of a record.
fn is_name(topic: &str) -> bool {
    topic.chars().all(|part| part.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&part))
}

/// The partition that a record of a case is written to.
pub(super) fn partition(record: &Json) -> i32 {
    let key = conformance::record(record).key;
    key.map_or(0, |key| partition_for_key(&key, PARTITIONS))
}

/// The input in several orders; each keeps that within a partition.
fn orders(records: &[Json], dice: &mut Dice) -> Vec<Vec<Json>> {
    let mut partitions: BTreeMap<(String, i32), Vec<Json>> = BTreeMap::new();
    for record in records {
        let of = (record["topic"].as_str().unwrap().to_owned(), partition(record));
        partitions.entry(of).or_default().push(record.clone());
    }
    let partitions: Vec<Vec<Json>> = partitions.into_values().collect();
    let one_by_one = partitions.concat();
    let from_last = partitions.iter().rev().flatten().cloned().collect();
    let by_time = merged(&partitions, |heads| {
        let times = heads.iter().map(|head| head["ts"].as_i64().unwrap_or(0));
        times.enumerate().min_by_key(|(_, time)| *time).map_or(0, |(at, _)| at)
    });
    let mut orders = vec![records.to_vec(), one_by_one, from_last, by_time];
    for _ in 0..ORDERS {
        let random = |heads: &[&Json]| usize::try_from(dice.next()).unwrap() % heads.len();
        orders.push(merged(&partitions, random));
    }
    orders
}

/// One order of several; `next` chooses among the first records of those that are left.
fn merged(partitions: &[Vec<Json>], mut next: impl FnMut(&[&Json]) -> usize) -> Vec<Json> {
    let mut left: Vec<&[Json]> = partitions.iter().map(Vec::as_slice).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let heads: Vec<&Json> = left.iter().map(|partition| &partition[0]).collect();
        let at = next(&heads);
        order.push(left[at][0].clone());
        left[at] = &left[at][1..];
        left.retain(|partition| !partition.is_empty());
    }
    order
}
