//! What is in the topics at the end: tables as their rows, streams as a multiset.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::support::Seen;

/// Parts of the names of stores whose rows are numbered, or tell partitions and offsets.
const OF_THEIR_OWN: [&str; 9] = [
    "JOINTHIS",
    "JOINOTHER",
    "OUTERTHIS",
    "OUTEROTHER",
    "OUTERSHARED",
    "SUBSCRIPTION",
    "-this-join-store",
    "-other-join-store",
    "-shared-join-store",
];
const CHANGELOG: &str = "-changelog";
/// Operators that keep the rows of a table apart, in the order of each key.
const KEEP_ROWS: [&str; 2] = ["map_values", "peek"];

/// How the contents of a topic are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// All records, in any order.
    Stream,
    /// The last value of each key.
    Table,
}

impl Kind {
    /// Those of the topics that a case writes to; internal topics that are no tables have none.
    pub(super) fn by_topic(case: &Json, expected: &Json) -> BTreeMap<String, Self> {
        let nodes = case["nodes"].as_array().unwrap();
        let node = |id: &Json| nodes.iter().find(|node| node["id"] == *id);
        let is_table = |sink: &Json| {
            let mut from = node(&sink["from"]);
            while let Some(kept) = from.filter(|node| KEEP_ROWS.iter().any(|op| node["op"] == *op))
            {
                from = node(&kept["from"]);
            }
            from.is_some_and(|node| node["op"] == "to_stream")
        };
        let mut kinds = BTreeMap::new();
        for sink in nodes.iter().filter(|node| node["op"] == "to") {
            let kind = if is_table(sink) { Self::Table } else { Self::Stream };
            let known = kinds.entry(sink["topic"].as_str().unwrap().to_owned()).or_insert(kind);
            if *known != kind {
                *known = Self::Stream;
            }
        }
        let prefixes: Vec<&str> = nodes.iter().filter_map(|node| node["prefix"].as_str()).collect();
        for (topic, records) in expected["topics"].as_object().unwrap() {
            let is_buffer = records[0]["ts"].is_null();
            let is_own = OF_THEIR_OWN.iter().any(|part| topic.contains(part));
            if prefixes.iter().any(|prefix| topic.starts_with(prefix)) {
                kinds.entry(topic.clone()).or_insert(Self::Stream);
            } else if topic.ends_with(CHANGELOG) && !is_buffer && !is_own {
                kinds.entry(topic.clone()).or_insert(Self::Table);
            }
        }
        kinds
    }
}

type Bytes = Option<Vec<u8>>;
type Row = (Bytes, Bytes, i64, Vec<(String, Bytes)>);

/// What is in one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Contents {
    Stream(Vec<Row>),
    Table(BTreeMap<Bytes, Vec<u8>>),
}

impl Contents {
    fn of(kind: Kind, rows: impl Iterator<Item = Row>) -> Self {
        match kind {
            Kind::Stream => {
                let mut rows: Vec<Row> = rows.collect();
                rows.sort_unstable();
                Self::Stream(rows)
            }
            Kind::Table => {
                let mut table = BTreeMap::new();
                for (key, value, ..) in rows {
                    match value {
                        Some(value) => table.insert(key, value),
                        None => table.remove(&key),
                    };
                }
                Self::Table(table)
            }
        }
    }

    /// Of the records of a topic, each partition in order.
    pub(super) fn of_topic(kind: Kind, records: Vec<Seen>) -> Self {
        Self::of(
            kind,
            records.into_iter().map(|seen| (seen.key, seen.value, seen.timestamp, seen.headers)),
        )
    }

    fn of_json(kind: Kind, records: &Json) -> Self {
        let rows = records.as_array().into_iter().flatten().map(|record| {
            let headers = record["headers"].as_array().into_iter().flatten();
            let headers = headers.map(|pair| (pair[0].as_str().unwrap().to_owned(), hex(&pair[1])));
            let time = record["ts"].as_i64().unwrap_or(-1);
            (hex(&record["key"]), hex(&record["value"]), time, headers.collect())
        });
        Self::of(kind, rows)
    }
}

fn hex(text: &Json) -> Bytes {
    let digits = text.as_str()?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    Some(digits.chunks(2).map(byte).collect())
}

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome(pub(super) BTreeMap<String, Contents>);

impl Outcome {
    /// That of a result as the conformance runner and the reference write it.
    pub(super) fn of_result(kinds: &BTreeMap<String, Kind>, result: &Json) -> Self {
        let contents = |(topic, kind): (&String, &Kind)| {
            (topic.clone(), Contents::of_json(*kind, &result["topics"][topic]))
        };
        Self(kinds.iter().map(contents).collect())
    }
}
