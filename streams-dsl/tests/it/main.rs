//! Operators through the test driver: input lines in, output lines out.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall fail")]

mod arguments;
mod cogroup;
mod fallible;
mod fallible_tables;
mod faults;
mod generated_names;
mod joins;
mod names;
mod own_stores;
mod processors;
#[path = "../../../streams-state/src/testing/scratch.rs"]
mod scratch;
#[path = "../../../streams-test/tests/driver/shelf.rs"]
#[expect(dead_code, reason = "few of its parts are used here")]
mod shelf;
mod store_format;
mod stream_joins;
mod streams;
mod suppress;
mod tables;
mod transforms;
mod versioned;
mod windowed_tables;
mod windows;
mod wrapper;

use streams_core::record::{Headers, Record};
use streams_core::serde::DefaultSerde;
use streams_core::time::Timestamp;
use streams_core::topology::Topology;
use streams_dsl::{KStream, StreamsBuilder};
use streams_test::TopologyTestDriver;

/// What may be null, as text.
pub(crate) type Text = Option<String>;

/// A stream of texts, any of which may be null.
pub(crate) type Texts<'b> = KStream<'b, Text, Text>;

/// How a record of `"key value time"` is piped; `-` is null, `_` an empty text.
pub(crate) fn record(line: &str) -> Record<Text, Text> {
    let text = |word: &str| match word {
        "-" => None,
        "_" => Some(String::new()),
        word => Some(word.replace('.', " ")),
    };
    let words: Vec<&str> = line.split(' ').collect();
    let [key, value, time] = words[..] else { panic!("not a record: {line}") };
    let mut headers = Headers::new();
    headers.add("at", Some(time.as_bytes().to_vec().into()));
    let timestamp = Timestamp::from_millis(time.parse().unwrap());
    Record { key: text(key), value: text(value), timestamp, headers }
}

/// A driver that has taken these records, `"topic: key value time"` or, into `in`, without topic.
pub(crate) fn drive(topology: &Topology, lines: &[&str]) -> TopologyTestDriver {
    let driver = TopologyTestDriver::new(topology).unwrap();
    pipe(&driver, lines);
    driver
}

pub(crate) fn pipe(driver: &TopologyTestDriver, lines: &[&str]) {
    for line in lines {
        let (topic, line) = line.split_once(": ").unwrap_or(("in", line));
        driver.input::<Text, Text>(topic).pipe_record(record(line)).unwrap();
    }
}

/// The values that tests print.
pub(crate) trait Printed: DefaultSerde {
    fn printed(&self) -> String;
}

impl Printed for String {
    fn printed(&self) -> String {
        self.clone()
    }
}

impl Printed for i64 {
    fn printed(&self) -> String {
        self.to_string()
    }
}

/// What was written to a topic: `key=value@time`, behind it the time in the headers if it differs.
pub(crate) fn written<V: Printed>(driver: &TopologyTestDriver, topic: &str) -> String {
    let records = driver.output::<Text, Option<V>>(topic).read_records().unwrap();
    let print = |record: Record<Text, Option<V>>| {
        let key = record.key.unwrap_or_else(|| "-".to_owned());
        let value = record.value.map_or_else(|| "-".to_owned(), |value| value.printed());
        let at = record.timestamp.to_string();
        let header = record.headers.last("at").and_then(|header| header.value.clone());
        let header = header.map(|value| String::from_utf8(value.to_vec()).unwrap());
        match header {
            Some(header) if header != at => format!("{key}={value}@{at}<{header}"),
            _ => format!("{key}={value}@{at}"),
        }
    };
    records.into_iter().map(print).collect::<Vec<_>>().join(" ")
}

/// Runs a topology of `in` to `out` and checks what comes out.
#[track_caller]
pub(crate) fn check<V: Printed>(
    describe: impl FnOnce(&StreamsBuilder),
    lines: &[&str],
    expected: &str,
) -> TopologyTestDriver {
    let builder = StreamsBuilder::new();
    describe(&builder);
    let driver = drive(&builder.build().unwrap(), lines);
    assert_eq!(written::<V>(&driver, "out"), expected);
    driver
}
