//! `dsl.store.format=headers` (KIP-1271), and `dsl.store.suppliers.class`. What is expected is what
//! Kafka Streams 4.3.1 gave for the same programs and records.

use std::fmt::Write as _;
use std::time::Duration;

use expect_test::{Expect, expect};
use streams_core::config::{Optimization, StreamsConfig};
use streams_core::error::{ProcessorError, StoreError};
use streams_core::processor::{Context, Processor};
use streams_core::record::{Headers, Record};
use streams_core::store::StoreKind;
use streams_core::time::Timestamp;
use streams_core::topology::Topology;
use streams_dsl::{
    BufferConfig, Consumed, EmitStrategy, JoinWindows, KStream, KTable, Materialized,
    SessionWindows, SlidingWindows, StreamJoined, StreamsBuilder, Suppressed, TableJoined,
    TimeWindows,
};
use streams_state::{
    SessionStoreWithHeaders, Stores, Timestamped, TimestampedKeyValueStore,
    TimestampedKeyValueStoreWithHeaders, TimestampedWindowStoreWithHeaders, WithHeaders,
};
use streams_test::TopologyTestDriver;

use super::{Text, Texts};

/// How joins of texts are stored.
type Joined = StreamJoined<String, Text, Text>;
type Table<'b> = KTable<'b, String, String>;

fn config(settings: &[(&str, &str)]) -> StreamsConfig {
    let config = StreamsConfig::builder().application_id("app").bootstrap_servers("none:1");
    let at_once = [
        ("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", "0"),
        ("__emit.interval.ms.kstreams.windowed.aggregation__", "0"),
        ("dsl.store.format", "headers"),
    ];
    let settings = at_once.iter().chain(settings);
    settings.fold(config, |config, (key, value)| config.set(*key, *value)).build().unwrap()
}

fn driver(topology: &Topology, settings: &[(&str, &str)]) -> TopologyTestDriver {
    TopologyTestDriver::builder(topology).config(&config(settings)).build().unwrap()
}

/// Pipes `topic key value time header`; a value of `-` is null.
fn pipe(driver: &TopologyTestDriver, lines: &[&str]) {
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let [topic, key, value, time, header] = words[..] else { panic!("no record: {line}") };
        let record = Record {
            key: Some(key.to_owned()),
            value: Some(value.to_owned()).filter(|value| value != "-"),
            timestamp: Timestamp::from_millis(time.parse().unwrap()),
            headers: headers(header),
        };
        driver.input::<Text, Text>(topic).pipe_record(record).unwrap();
    }
}

fn headers(value: &str) -> Headers {
    let mut headers = Headers::new();
    headers.add("h", Some(value.to_owned().into()));
    headers
}

fn text(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".to_owned() };
    bytes.iter().fold(String::new(), |mut text, byte| {
        match byte {
            32..127 => text.push(char::from(*byte)),
            byte => write!(text, "\\{byte:02x}").unwrap(),
        }
        text
    })
}

fn shown(headers: &Headers) -> String {
    let headers = headers.iter().map(|h| format!("{}={}", h.name, text(h.value.as_deref())));
    format!("{{{}}}", headers.collect::<Vec<_>>().join(" "))
}

#[track_caller]
fn check(driver: &TopologyTestDriver, topics: &[&str], expected: &Expect) {
    let mut lines = String::new();
    for topic in topics {
        for record in driver.produced(*topic) {
            let (key, value) = (text(record.key.as_deref()), text(record.value.as_deref()));
            let (time, headers) = (record.timestamp.millis(), shown(&record.headers));
            writeln!(lines, "{topic}: {key} -> {value} @{time} {headers}").unwrap();
        }
    }
    expected.assert_eq(&lines);
}

fn row<V>(value: V, millis: i64, headers: Headers) -> WithHeaders<Timestamped<V>> {
    let value = Timestamped { value, timestamp: Timestamp::from_millis(millis) };
    WithHeaders { value, headers }
}

const TEN: Duration = Duration::from_millis(10);
const CACHES: [&[(&str, &str)]; 2] = [&[], &[("statestore.cache.max.bytes", "0")]];

#[test]
fn a_table_has_rows_without_headers_and_its_changelog_deletes_with_those_of_the_record() {
    let expected = expect![[r#"
        out: a -> xx @5 {h=1}
        out: a -> yy @3 {h=2}
        out: a -> null @7 {h=3}
        out: b -> zz @8 {h=4}
        app-t-changelog: a -> xx @5 {}
        app-t-changelog: a -> yy @3 {}
        app-t-changelog: a -> null @7 {h=3}
        app-t-changelog: b -> zz @8 {}
        app-f-changelog: a -> xx @5 {}
        app-f-changelog: a -> yy @3 {}
        app-f-changelog: a -> null @7 {h=3}
        app-f-changelog: b -> zz @8 {}
    "#]];
    for cache in CACHES {
        let builder = StreamsBuilder::new();
        let table: Table<'_> = builder.table_with("in", Consumed::new(), Materialized::named("t"));
        let long = |_: &String, value: &String| value.len() > 1;
        table.filter_with(long, Materialized::named("f")).to_stream().to("out");
        let driver = driver(&builder.build().unwrap(), cache);
        pipe(&driver, &["in a xx 5 1", "in a yy 3 2", "in a - 7 3", "in b zz 8 4"]);
        check(&driver, &["out", "app-t-changelog", "app-f-changelog"], &expected);
        for store in ["t", "f"] {
            let seen: TimestampedKeyValueStoreWithHeaders<String, String> =
                driver.store(store).unwrap();
            let b = "b".to_owned();
            assert_eq!(seen.get(&b).unwrap(), Some(row("zz".to_owned(), 8, Headers::new())));
            let plain: TimestampedKeyValueStore<String, String> = driver.store(store).unwrap();
            assert_eq!(plain.get(&b).unwrap().unwrap().value, "zz");
            assert_eq!(plain.all().unwrap().count(), 1);
        }
    }
}

#[test]
fn an_aggregation_that_deletes_gives_its_changelog_the_headers_of_the_record() {
    let expected = expect![[r#"
        out: a -> x @5 {h=1}
        out: a -> xy @5 {h=2}
        out: a -> null @7 {h=3}
        out: a -> z @8 {h=4}
        app-r-changelog: a -> x @5 {}
        app-r-changelog: a -> xy @5 {}
        app-r-changelog: a -> null @7 {h=3}
        app-r-changelog: a -> z @8 {}
    "#]];
    for cache in CACHES {
        let builder = StreamsBuilder::new();
        let texts: KStream<'_, String, String> = builder.stream("in");
        let join = |_: &String, value: String, old: Text| {
            (value != "del").then(|| old.unwrap_or_default() + &value)
        };
        let joined = texts.group_by_key().aggregate_with(
            || None,
            join,
            Materialized::<_, String>::named("r"),
        );
        joined.to_stream().to("out");
        let driver = driver(&builder.build().unwrap(), cache);
        pipe(&driver, &["in a x 5 1", "in a y 3 2", "in a del 7 3", "in a z 8 4"]);
        check(&driver, &["out", "app-r-changelog"], &expected);
    }
}

#[test]
fn sessions_go_on_without_headers_whether_there_is_a_cache_or_not() {
    let expected = expect![[r#"
        out: [a@5/5] -> 1 @5 {}
        out: [a@5/5] -> null @5 {}
        out: [a@5/7] -> 2 @7 {}
        out: [a@5/7] -> null @7 {}
        out: [a@5/16] -> 3 @16 {}
        out: [a@40/40] -> 1 @40 {}
        app-s-changelog: a\00\00\00\00\00\00\00\05\00\00\00\00\00\00\00\05 -> \00\00\00\00\00\00\00\01 @5 {}
        app-s-changelog: a\00\00\00\00\00\00\00\05\00\00\00\00\00\00\00\05 -> null @7 {h=2}
        app-s-changelog: a\00\00\00\00\00\00\00\07\00\00\00\00\00\00\00\05 -> \00\00\00\00\00\00\00\02 @7 {}
        app-s-changelog: a\00\00\00\00\00\00\00\07\00\00\00\00\00\00\00\05 -> null @16 {h=3}
        app-s-changelog: a\00\00\00\00\00\00\00\10\00\00\00\00\00\00\00\05 -> \00\00\00\00\00\00\00\03 @16 {}
        app-s-changelog: a\00\00\00\00\00\00\00(\00\00\00\00\00\00\00( -> \00\00\00\00\00\00\00\01 @40 {}
    "#]];
    for cache in CACHES {
        let builder = StreamsBuilder::new();
        let texts: KStream<'_, String, String> = builder.stream("in");
        let sessions = texts.group_by_key().windowed_by(SessionWindows::of_inactivity_gap(TEN));
        let counts = sessions.count_with(Materialized::named("s")).to_stream();
        counts.map(|key, count| (key.to_string(), count.map(|n| n.to_string()))).to("out");
        let driver = driver(&builder.build().unwrap(), cache);
        pipe(&driver, &["in a x 5 1", "in a y 7 2", "in a z 16 3", "in a z 40 4"]);
        check(&driver, &["out", "app-s-changelog"], &expected);
        let seen: SessionStoreWithHeaders<String, i64> = driver.store("s").unwrap();
        let rows = seen.fetch(&"a".to_owned()).unwrap();
        let last = rows.last().unwrap().unwrap();
        assert_eq!(last.1, WithHeaders { value: 1, headers: Headers::new() });
    }
}

#[test]
fn windows_that_are_given_out_at_their_close_have_the_headers_of_the_record_that_closed_them() {
    let builder = StreamsBuilder::new();
    let texts: KStream<'_, String, String> = builder.stream("in");
    let (grouped, close) = (texts.group_by_key(), EmitStrategy::OnWindowClose);
    let hopping = grouped.windowed_by(TimeWindows::of_size(TEN)).with_emit_strategy(close);
    let hopping = hopping.count_with(Materialized::named("w")).to_stream();
    hopping.map(|key, count| (key.to_string(), count.map(|n| n.to_string()))).to("out");
    let sessions =
        grouped.windowed_by(SessionWindows::of_inactivity_gap(TEN)).with_emit_strategy(close);
    let sessions = sessions.count_with(Materialized::named("s")).to_stream();
    sessions.map(|key, count| (key.to_string(), count.map(|n| n.to_string()))).to("out2");
    let sliding = grouped.windowed_by(SlidingWindows::of_time_difference(TEN));
    let sliding = sliding.with_emit_strategy(close).count_with(Materialized::named("sl"));
    let sliding = sliding.to_stream();
    sliding.map(|key, count| (key.to_string(), count.map(|n| n.to_string()))).to("out3");
    let driver = driver(&builder.build().unwrap(), &[]);
    pipe(&driver, &["in a x 5 1", "in a y 7 2", "in a z 26 3", "in a z 60 4"]);
    let expected = expect![[r#"
        out: [a@0/10] -> 2 @7 {h=3}
        out: [a@20/30] -> 1 @26 {h=4}
        out2: [a@5/7] -> 2 @7 {h=3}
        out2: [a@26/26] -> 1 @26 {h=4}
        out3: [a@0/10] -> 2 @7 {h=3}
        out3: [a@6/16] -> 1 @7 {h=3}
        app-w-changelog: a\00\00\00\00\00\00\00\00\00\00\00\00 -> \00\00\00\00\00\00\00\01 @5 {}
        app-w-changelog: a\00\00\00\00\00\00\00\00\00\00\00\00 -> \00\00\00\00\00\00\00\02 @7 {}
        app-w-changelog: a\00\00\00\00\00\00\00\14\00\00\00\00 -> \00\00\00\00\00\00\00\01 @26 {}
        app-w-changelog: a\00\00\00\00\00\00\00<\00\00\00\00 -> \00\00\00\00\00\00\00\01 @60 {}
        app-s-changelog: a\00\00\00\00\00\00\00\05\00\00\00\00\00\00\00\05 -> \00\00\00\00\00\00\00\01 @5 {}
        app-s-changelog: a\00\00\00\00\00\00\00\05\00\00\00\00\00\00\00\05 -> null @7 {h=2}
        app-s-changelog: a\00\00\00\00\00\00\00\07\00\00\00\00\00\00\00\05 -> \00\00\00\00\00\00\00\02 @7 {}
        app-s-changelog: a\00\00\00\00\00\00\00\1a\00\00\00\00\00\00\00\1a -> \00\00\00\00\00\00\00\01 @26 {}
        app-s-changelog: a\00\00\00\00\00\00\00<\00\00\00\00\00\00\00< -> \00\00\00\00\00\00\00\01 @60 {}
        app-sl-changelog: a\00\00\00\00\00\00\00\00\00\00\00\00 -> \00\00\00\00\00\00\00\01 @5 {}
        app-sl-changelog: a\00\00\00\00\00\00\00\06\00\00\00\00 -> \00\00\00\00\00\00\00\01 @7 {}
        app-sl-changelog: a\00\00\00\00\00\00\00\00\00\00\00\00 -> \00\00\00\00\00\00\00\02 @7 {}
        app-sl-changelog: a\00\00\00\00\00\00\00\10\00\00\00\00 -> \00\00\00\00\00\00\00\01 @26 {}
        app-sl-changelog: a\00\00\00\00\00\00\002\00\00\00\00 -> \00\00\00\00\00\00\00\01 @60 {}
    "#]];
    let changelogs = ["app-w-changelog", "app-s-changelog", "app-sl-changelog"];
    let topics: Vec<&str> = ["out", "out2", "out3"].into_iter().chain(changelogs).collect();
    check(&driver, &topics, &expected);
    let seen: TimestampedWindowStoreWithHeaders<String, i64> = driver.store("w").unwrap();
    let found = seen.get(&"a".to_owned(), Timestamp::from_millis(20)).unwrap();
    assert_eq!(found, Some(row(1, 26, Headers::new())));
}

#[test]
fn a_join_of_streams_keeps_records_with_their_headers() {
    let builder = StreamsBuilder::new();
    let (left, right): (Texts<'_>, Texts<'_>) = (builder.stream("l"), builder.stream("r"));
    let both = |x: &String, y: Option<&String>| {
        let y = y.map_or("null", String::as_str);
        Some(format!("{x}{y}"))
    };
    let windows = JoinWindows::of_time_difference(TEN);
    let joined = left.left_join_with(right, both, windows, Joined::named("j").with_store_name("j"));
    joined.to("out");
    let driver = driver(&builder.build().unwrap(), &[]);
    pipe(&driver, &["l a x 5 1", "r a y 7 2", "l a - 8 3", "l b q 9 4", "r a z 40 5"]);
    let expected = expect![[r#"
        out: a -> xy @7 {h=2}
        out: b -> qnull @9 {h=5}
        app-j-this-join-store-changelog: a\00\00\00\00\00\00\00\05\00\00\00\01 -> x @5 {h=1}
        app-j-this-join-store-changelog: a\00\00\00\00\00\00\00\08\00\00\00\02 -> null @8 {h=3}
        app-j-this-join-store-changelog: b\00\00\00\00\00\00\00\09\00\00\00\03 -> q @9 {h=4}
        app-j-left-shared-join-store-changelog: \00\00\00\00\00\00\00\05\01a -> \01\00\00\00\01\00\00\00\02\01x @5 {}
        app-j-left-shared-join-store-changelog: \00\00\00\00\00\00\00\05\01a -> null @7 {}
        app-j-left-shared-join-store-changelog: \00\00\00\00\00\00\00\09\01b -> \01\00\00\00\01\00\00\00\02\01q @9 {}
        app-j-left-shared-join-store-changelog: \00\00\00\00\00\00\00\09\01b -> null @40 {}
    "#]];
    let unmatched = "app-j-left-shared-join-store-changelog";
    check(&driver, &["out", "app-j-this-join-store-changelog", unmatched], &expected);
    let kept: TimestampedWindowStoreWithHeaders<String, Text> =
        driver.store("j-this-join-store").unwrap();
    let rows: Vec<_> = kept.all().unwrap().map(|entry| entry.unwrap().1).collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows, [row(text("x"), 5, headers("1")), row(text("q"), 9, headers("4"))]);
}

#[test]
fn a_join_by_a_foreign_key_keeps_subscriptions_with_their_headers() {
    let builder = StreamsBuilder::new();
    let left: Table<'_> = builder.table_with("l", Consumed::new(), Materialized::named("lt"));
    let right: Table<'_> = builder.table_with("r", Consumed::new(), Materialized::named("rt"));
    let joined = left.foreign_key_join_with(
        right,
        |value: &String| value[..1].to_owned(),
        |x: &String, y: &String| format!("{x}{y}"),
        TableJoined::named("fk"),
        Materialized::named("res"),
    );
    joined.to_stream().to("out");
    let topology = builder.build().unwrap();
    let driver = driver(&topology, &[]);
    pipe(&driver, &["r x R 4 0", "l a x1 5 1", "r x S 7 2", "l a - 8 3", "l b x2 9 4"]);
    let expected = expect![[r#"
        out: a -> x1R @5 {h=1}
        out: a -> x1S @7 {h=2}
        out: a -> null @8 {h=3}
        out: b -> x2S @9 {h=4}
        app-res-changelog: a -> x1R @5 {}
        app-res-changelog: a -> x1S @7 {}
        app-res-changelog: a -> null @8 {h=3}
        app-res-changelog: b -> x2S @9 {}
    "#]];
    check(&driver, &["out", "app-res-changelog"], &expected);
    let subscriptions = driver.produced("app-fk-subscription-store-changelog");
    let subscriptions = subscriptions.iter().map(|record| {
        let (key, headers) = (text(record.key.as_deref()), shown(&record.headers));
        format!("{key} {} {headers}", if record.value.is_some() { "kept" } else { "gone" })
    });
    let expected = ["xa kept {h=1}", "xa gone {h=3}", "xb kept {h=4}"];
    let expected = expected.map(|line| format!("\\00\\00\\00\\01{line}"));
    assert_eq!(subscriptions.collect::<Vec<_>>(), expected);
    let configured = topology.configured(config(&[]).state());
    let kinds: Vec<StoreKind> = configured.stores().map(|store| store.kind()).collect();
    assert_eq!(kinds, [StoreKind::TimestampedKeyValueWithHeaders; 4]);
}

#[test]
fn stores_in_memory_with_versions_or_of_the_program_stay_as_they_are() {
    let builder = StreamsBuilder::new();
    let hour = Duration::from_secs(3_600);
    let history = Materialized::<String, String>::named("versions").versioned(hour);
    let _ = builder.table_with("in", Consumed::new(), history);
    builder.add_state_store(Stores::timestamped_key_value::<String, String>("own"));
    let texts: KStream<'_, String, String> = builder.stream("in2");
    let count = |stored| texts.group_by_key().count_with(stored);
    let _ = count(Materialized::named("memory").in_memory());
    let _ = count(Materialized::named("few").lru_map(2));
    let _ = count(Materialized::named("disk"));
    let sessions = texts.group_by_key().windowed_by(SessionWindows::of_inactivity_gap(TEN));
    let _ = sessions.count_with(Materialized::named("sessions").in_memory());
    let waiting: Table<'_> = builder.table("in3");
    let suppressed = Suppressed::until_time_limit(TEN, BufferConfig::unbounded());
    waiting.suppress(suppressed.with_name("wait")).to_stream().to("out");
    let (left, right): (Texts<'_>, Texts<'_>) = (builder.stream("l"), builder.stream("r"));
    let both = |x: &String, y: Option<&String>| Some(format!("{x}{y:?}"));
    let windows = JoinWindows::of_time_difference(TEN);
    let stored = Joined::named("j").with_store_name("j").in_memory();
    left.left_join_with(right, both, windows, stored).to("joined");
    let topology = builder.build().unwrap();
    let configured = topology.configured(config(&[]).state());
    let changed: Vec<_> = topology
        .stores()
        .zip(configured.stores())
        .filter(|(store, configured)| store.kind() != configured.kind())
        .map(|(store, _)| store.name().as_str())
        .collect();
    assert_eq!(changed, ["disk", "in3-STATE-STORE-0000000007"]);
    assert_eq!(configured.describe().to_string(), topology.describe().to_string());
}

#[test]
fn what_is_restored_has_the_headers_of_the_changelog() {
    let builder = StreamsBuilder::new();
    let _ = builder.table_with("in", Consumed::new(), Materialized::<String, String>::named("t"));
    let topology = builder.build_with([Optimization::ReuseKTableSourceTopics]).unwrap();
    let first = driver(&topology, &[]);
    pipe(&first, &["in a xx 5 1"]);
    let seen = |driver: &TopologyTestDriver| {
        let store: TimestampedKeyValueStoreWithHeaders<String, String> = driver.store("t").unwrap();
        store.get(&"a".to_owned()).unwrap()
    };
    assert_eq!(seen(&first), Some(row("xx".to_owned(), 5, Headers::new())));
    let restored = TopologyTestDriver::builder(&topology).config(&config(&[]));
    let restored = restored.kafka(first.kafka()).build().unwrap();
    assert_eq!(seen(&restored), Some(row("xx".to_owned(), 5, headers("1"))));
}

type Rows = TimestampedKeyValueStoreWithHeaders<String, String>;

/// Forwards a row with its headers, and writes it back with those of the record.
struct Beside(Rows);

impl Processor<String, String> for Beside {
    type OutKey = String;
    type OutValue = String;

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        let Some(row) = self.0.get(&record.key)? else { return Ok(()) };
        let WithHeaders { value: Timestamped { value, timestamp }, headers } = row.clone();
        self.0.put(&record.key, &WithHeaders { headers: record.headers.clone(), ..row })?;
        cx.forward(Record { key: record.key, value, timestamp, headers })
    }
}

#[test]
fn a_processor_reads_and_writes_the_headers_of_a_table() {
    let builder = StreamsBuilder::new();
    let _ = builder.table_with("in", Consumed::new(), Materialized::<String, String>::named("t"));
    let texts: KStream<'_, String, String> = builder.stream("ask");
    texts.process(|stores| Ok(Beside(stores.store("t")?)), &["t"]).to("out");
    let driver = driver(&builder.build().unwrap(), &[]);
    pipe(&driver, &["in a xx 5 1", "ask a x 6 2", "ask a x 7 3", "in a yy 8 4", "ask a x 9 5"]);
    let expected = expect![[r#"
        out: a -> xx @5 {}
        out: a -> xx @5 {h=2}
        out: a -> yy @8 {}
        app-t-changelog: a -> xx @5 {}
        app-t-changelog: a -> xx @5 {h=2}
        app-t-changelog: a -> xx @5 {h=3}
        app-t-changelog: a -> yy @8 {}
        app-t-changelog: a -> yy @8 {h=5}
    "#]];
    check(&driver, &["out", "app-t-changelog"], &expected);
}

#[test]
fn a_global_table_has_rows_with_headers_too() {
    let builder = StreamsBuilder::new();
    let stored = Materialized::<String, String>::named("g");
    let _ = builder.global_table_with("in", Consumed::new(), stored);
    let driver = driver(&builder.build().unwrap(), &[]);
    pipe(&driver, &["in a xx 5 1"]);
    let rows: Rows = driver.store("g").unwrap();
    let a = "a".to_owned();
    assert_eq!(rows.get(&a).unwrap(), Some(row("xx".to_owned(), 5, Headers::new())));
    assert!(matches!(rows.delete(&a), Err(StoreError::ReadOnly(_))));
}

#[test]
fn stores_are_in_memory_where_the_settings_say_so_and_the_program_nothing() {
    let builder = StreamsBuilder::new();
    let texts: KStream<'_, String, String> = builder.stream("in");
    let grouped = || texts.group_by_key();
    let _ = grouped().count_with(Materialized::named("count"));
    let _ = grouped().count_with(Materialized::named("disk").on_disk());
    let _ = grouped().count_with(Materialized::named("few").lru_map(2));
    let close = EmitStrategy::OnWindowClose;
    let windows = || grouped().windowed_by(TimeWindows::of_size(TEN));
    let _ = windows().count_with(Materialized::named("windows"));
    let _ = windows().with_emit_strategy(close).count_with(Materialized::named("final"));
    let sliding = grouped().windowed_by(SlidingWindows::of_time_difference(TEN));
    let _ = sliding.count_with(Materialized::named("sliding"));
    let sessions = grouped().windowed_by(SessionWindows::of_inactivity_gap(TEN));
    let _ = sessions.with_emit_strategy(close).count_with(Materialized::named("sessions"));
    let join = |left: Texts<'_>, right: Texts<'_>, stored: Joined| {
        let both = |x: &String, y: Option<&String>| Some(format!("{x}{y:?}"));
        let windows = JoinWindows::of_time_difference(TEN);
        left.left_join_with(right, both, windows, stored).to("joined");
    };
    let (left, right): (Texts<'_>, Texts<'_>) = (builder.stream("l"), builder.stream("r"));
    join(left, right, Joined::named("j").with_store_name("j"));
    join(left, right, Joined::named("d").with_store_name("d").on_disk());
    let left: Table<'_> = builder.table_with("lt", Consumed::new(), Materialized::named("left"));
    let right: Table<'_> = builder.table_with("rt", Consumed::new(), Materialized::named("right"));
    let first = |value: &String| value[..1].to_owned();
    let both = |x: &String, y: &String| format!("{x}{y}");
    let (fk, result) = (TableJoined::named("fk"), Materialized::named("result"));
    let _ = left.foreign_key_join_with(right, first, both, fk, result);
    let history = Materialized::<String, String>::named("versions").versioned(10 * TEN);
    let _ = builder.table_with("v", Consumed::new(), history);
    let stored = Materialized::<String, String>::named("global");
    let _ = builder.global_table_with("g", Consumed::new(), stored);
    let config = config(&[("dsl.store.suppliers.class", "in_memory")]);
    let configured = builder.build().unwrap().configured(config.state());
    let on_disk = configured.stores().filter(|store| store.is_persistent());
    let mut on_disk: Vec<_> = on_disk.map(|store| (store.name().as_str(), store.kind())).collect();
    on_disk.sort_by_key(|(name, _)| *name);
    let names: Vec<_> = on_disk.iter().map(|(name, _)| *name).collect();
    let expected = [
        "d-left-shared-join-store",
        "d-outer-other-join-store",
        "d-this-join-store",
        "disk",
        "versions",
    ];
    assert_eq!(names, expected);
    // Those on disk alone have rows with headers.
    assert_eq!(on_disk[3].1, StoreKind::TimestampedKeyValueWithHeaders);
    let count = configured.stores().find(|store| store.name() == "count").unwrap();
    assert_eq!(count.kind(), StoreKind::TimestampedKeyValue);
}
