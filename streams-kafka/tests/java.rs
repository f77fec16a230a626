//! Kafka Streams' state is taken over: what Java began, this library goes on with, and the other
//! way round, with results as if nothing had happened. `scripts/test --java` runs it; `cargo test`
//! leaves it out.

#![expect(clippy::disallowed_methods, reason = "tests on real Kafka live by the real clock")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "figures are part of the result")]

#[path = "kafka/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the rest of it belongs to the other tests")]
mod support;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use streams_core::murmur2::partition_for_key;
use streams_core::topology::{InternalTopicKind, TopicNames, Topology};
use streams_core::window::Windowed;
use streams_dsl::{
    Consumed, JoinWindows, KTable, Materialized, SessionWindows, StreamJoined, StreamsBuilder,
    TimeWindows,
};

use crate::support::{App, Given, Place, broker, holds_within};

const PARTITIONS: i32 = 3;
const INPUTS: [&str; 4] = ["events", "marks", "books", "authors"];
const OUTPUTS: [&str; 5] = ["counts", "windows", "sessions", "pairs", "titles"];
/// For a machine that does much else.
const DRAIN_MAX: Duration = Duration::from_secs(90);
const STOP_MAX: Duration = Duration::from_secs(40);

fn named(windowed: &Windowed<String>) -> String {
    let (key, window) = (&windowed.key, windowed.window);
    format!("{key}@{}/{}", window.start.millis(), window.end.millis())
}

/// That of `tests/java/TakeOver.java`.
fn topology(prefix: &str) -> Topology {
    let topic = |name: &str| format!("{prefix}-{name}");
    let seconds = Duration::from_secs;
    let builder = StreamsBuilder::new();
    let stream = builder.stream::<String, String>(&*topic("events"));
    let events = stream.clone().group_by_key();
    events.count_with(Materialized::named("counts")).to_stream().to(&*topic("counts"));
    events
        .windowed_by(TimeWindows::of_size(seconds(60)).with_grace(seconds(10)))
        .count_with(Materialized::named("windows"))
        .to_stream()
        .map(|windowed, count| (named(&windowed), count))
        .to(&*topic("windows"));
    events
        .windowed_by(SessionWindows::of_inactivity_gap(seconds(5)).with_grace(seconds(10)))
        .count_with(Materialized::named("sessions"))
        .to_stream()
        .map(|windowed, count| (named(&windowed), count))
        .to(&*topic("sessions"));
    let marks = builder.stream::<String, String>(&*topic("marks"));
    let near = JoinWindows::of_time_difference(seconds(20)).with_grace(seconds(600));
    let pair = |event: &String, mark: &String| format!("{event}/{mark}");
    let joined = StreamJoined::new().with_store_name("near");
    stream.join_with(marks, pair, near, joined).to(&*topic("pairs"));
    let table = |name: &str| -> KTable<'_, String, String> {
        builder.table_with(&*topic(name), Consumed::new(), Materialized::named(name))
    };
    let (books, authors) = (table("books"), table("authors"));
    let title = |author: &String, name: &String| format!("{author}: {name}");
    books.foreign_key_join(authors, String::clone, title).to_stream().to(&*topic("titles"));
    builder.build().unwrap()
}

/// Who runs the topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Java,
    Rust,
}

enum Running {
    Java(Child),
    Rust(Box<App>),
}

impl Running {
    fn start(side: Side, place: &Place) -> Self {
        match side {
            Side::Rust => {
                let config = place.config(&place.state("rust"));
                let config = config.set("statestore.cache.max.bytes", "0");
                let config = config.set("auto.offset.reset", "earliest");
                let topology = topology(&place.application);
                Self::Rust(Box::new(App::start(topology, config)))
            }
            Side::Java => {
                let classes = std::env::var("MILLSTREAM_JAVA_CLASSPATH").unwrap_or_else(|_| {
                    panic!("Kafka Streams is not there; run scripts/test --java, which fetches it")
                });
                let mut java = Command::new("java");
                java.args(["-Xmx512m", "-XX:TieredStopAtLevel=1"]);
                java.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error");
                java.args(["-cp", &classes, "TakeOver", place.cluster.servers()]);
                java.arg(&place.application).arg(place.state("java")).stdin(Stdio::piped());
                Self::Java(java.spawn().unwrap())
            }
        }
    }

    fn stop(self) {
        match self {
            Self::Rust(app) => app.close(),
            Self::Java(mut child) => {
                drop(child.stdin.take());
                holds_within("Kafka Streams has stopped", STOP_MAX, || {
                    child.try_wait().unwrap().is_some()
                });
                assert!(child.wait().unwrap().success(), "Kafka Streams did not close in time");
            }
        }
    }
}

/// The names of what the topology reads, internal topics included.
fn sources(place: &Place) -> Vec<String> {
    let application = &place.application;
    let internal =
        topology(application).internal_topics(&TopicNames::new(&(&**application).into()));
    let repartition = internal
        .into_iter()
        .filter(|topic| matches!(topic.kind, InternalTopicKind::Repartition(_)))
        .map(|topic| topic.name.to_string());
    let inputs = INPUTS.map(|name| format!("{application}-{name}"));
    inputs.into_iter().chain(repartition).collect()
}

/// Waits until all that is in the topics, and all that follows from it, is committed.
fn await_drained(place: &Place) {
    holds_within("all input is committed", DRAIN_MAX, || {
        sources(place).iter().all(|topic| {
            // What is committed before the ends are asked for has sent what follows from it.
            let committed = place.cluster.partitions(topic) > 0;
            let committed = committed.then(|| place.cluster.committed(&place.application, topic));
            let ends = place.cluster.ends(topic).into_iter();
            committed.is_some_and(|committed| {
                let offsets = committed.into_iter().map(|at| at.map_or(0, |(offset, _)| offset));
                offsets.eq(ends)
            })
        })
    });
}

/// A part of the input, by topic. Times begin at `base`.
fn input(part: i32, base: i64) -> [(&'static str, Vec<Given>); 4] {
    let row = |key: &str, value: &str, time: i64| {
        Given::text(partition_for_key(key.as_bytes(), PARTITIONS), key, value, time)
    };
    let numbers = part * 400..(part + 1) * 400;
    let event = |number: i32| {
        // Every seventh is out of order, every thirty-first too late for its windows. None of these
        // is the first of its partition in a part: an aggregation that has just started knows no
        // time yet, on either side, and takes it.
        let late = match number {
            number if number % 31 == 20 => 95_000,
            number if number % 7 == 6 => 9_000,
            _ => 0,
        };
        let time = base + i64::from(number) * 600 - late;
        row(&format!("key {}", number * number % 17), "x", time)
    };
    // Those around the end of a part have events near them in both.
    let marks = part * 60..(part + 1) * 60;
    let mark = |number: i32| {
        let time = base + i64::from(number) * 4_000;
        row(&format!("key {}", number % 17), &format!("mark {number}"), time)
    };
    let time = base + i64::from(part);
    let book =
        |number: i32| row(&format!("book {number}"), &format!("{}", number % 9 + part), time);
    let author = |number: i32| row(&format!("{number}"), &format!("name {part}"), time);
    [
        ("events", numbers.map(event).collect()),
        ("marks", marks.map(mark).collect()),
        // Some come, some move to another author, some stay.
        ("books", (part * 20..part * 20 + 40).map(book).collect()),
        ("authors", (part..part + 7).map(author).collect()),
    ]
}

fn write(place: &Place, part: i32, base: i64) {
    for (topic, rows) in input(part, base) {
        place.cluster.write(&format!("{}-{topic}", place.application), &rows);
    }
}

type Value = (Option<Vec<u8>>, i64);

/// What came out: by topic and key, all values with their times in order; of the join of streams in any
/// order, and of the join of tables the last, because which of two topics is ahead is left to chance.
type Results = BTreeMap<(&'static str, String), Vec<Value>>;

fn results(place: &Place) -> Results {
    let mut results = Results::new();
    for topic in OUTPUTS {
        for seen in place.cluster.read(&format!("{}-{topic}", place.application)) {
            let values = results.entry((topic, seen.key_text())).or_default();
            if topic == "titles" {
                values.clear();
            }
            values.push((seen.value, seen.timestamp));
        }
    }
    for ((topic, _), values) in &mut results {
        if *topic == "pairs" {
            values.sort();
        }
    }
    results
}

/// Runs the first part of the input on one side and the second on the other.
fn run(first: Side, second: Side, base: i64) -> Results {
    let name = format!("take-over-{first:?}-{second:?}").to_lowercase();
    let place = Place::without_topics(broker::shared(), &name);
    for topic in INPUTS.into_iter().chain(OUTPUTS) {
        place.cluster.create(&format!("{}-{topic}", place.application), PARTITIONS);
    }
    write(&place, 0, base);
    let mut running = Running::start(first, &place);
    await_drained(&place);
    if first != second {
        running.stop();
        write(&place, 1, base);
        running = Running::start(second, &place);
    } else {
        write(&place, 1, base);
    }
    await_drained(&place);
    running.stop();
    results(&place)
}

fn compare(expected: &Results, found: &Results, what: &str) {
    let more: Vec<_> = found.keys().filter(|key| !expected.contains_key(*key)).collect();
    assert!(more.is_empty(), "{what}: keys that must not be there: {more:?}");
    for (key, expected) in expected {
        assert_eq!(found.get(key), Some(expected), "{what}: {key:?}");
    }
    println!("{what}: {} keys agree", expected.len());
}

#[test]
fn each_side_goes_on_where_the_other_stopped() {
    // Not long ago, so that no broker finds a segment too old to keep.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let base = (i64::try_from(now).unwrap() - 3_600_000) / 60_000 * 60_000;
    let uninterrupted = run(Side::Java, Side::Java, base);
    for topic in OUTPUTS {
        assert!(uninterrupted.keys().any(|(of, _)| *of == topic), "{topic} is empty");
    }
    compare(&uninterrupted, &run(Side::Java, Side::Rust, base), "Java, then Rust");
    compare(&uninterrupted, &run(Side::Rust, Side::Java, base), "Rust, then Java");
}
