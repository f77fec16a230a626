//! Tables of windows, read from beside: joined, and joined to streams and to what they refer to.

use std::time::Duration;

use streams_core::error::ProcessorError;
use streams_core::processor::ConnectedStores;
use streams_core::serde::{DefaultSerde, SharedSerde, TimeWindowedSerde};
use streams_core::time::Timestamp;
use streams_core::window::{Window, Windowed};
use streams_dsl::{
    BufferConfig, Joined, KGroupedStream, KStream, KTable, Materialized, SessionWindows,
    SlidingWindows, StreamsBuilder, Suppressed, TableJoined, TimeWindows,
};

use crate::{Text, Texts, check};

type Windows<'b, V> = KTable<'b, Windowed<String>, V>;
type Grouped<'b> = KGroupedStream<'b, String, Text, Text>;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn keys() -> SharedSerde<Windowed<String>> {
    TimeWindowedSerde::shared(String::serde(), ms(10))
}

fn grouped<'b>(builder: &'b StreamsBuilder, topic: &str) -> Grouped<'b> {
    let texts: Texts<'b> = builder.stream(topic);
    texts.group_by_key()
}

fn tumbling() -> TimeWindows {
    TimeWindows::of_size(ms(10)).with_grace(ms(50))
}

/// Whether tables have a record cache.
#[derive(Clone, Copy)]
enum Cache {
    On,
    Off,
}

impl Cache {
    const BOTH: [Self; 2] = [Self::On, Self::Off];

    fn store(self) -> Materialized<String, i64> {
        match self {
            Self::On => Materialized::new(),
            Self::Off => Materialized::new().without_cache(),
        }
    }
}

fn text(Windowed { key, window }: Windowed<String>) -> Text {
    Some(format!("{key}@{}/{}", window.start, window.end))
}

/// Writes a table of windows to `out`, the windows as part of the keys.
fn write(table: Windows<'_, String>) {
    table.to_stream().map(|key, value| (text(key), value)).to("out");
}

fn inner(one: &i64, other: &i64) -> String {
    format!("{one}+{other}")
}

fn outer(one: Option<&i64>, other: Option<&i64>) -> String {
    let shown = |count: Option<&i64>| count.map_or_else(|| "-".to_owned(), i64::to_string);
    format!("{}+{}", shown(one), shown(other))
}

type Counts = for<'b> fn(Grouped<'b>, Cache) -> Windows<'b, i64>;
type Join = for<'b> fn(Windows<'b, i64>, Windows<'b, i64>) -> Windows<'b, String>;

/// Joins the counts of `in` with those of `right`.
#[track_caller]
fn joined(caches: &[Cache], counts: Counts, join: Join, lines: &[&str], expected: &str) {
    for cache in caches {
        let describe = |builder: &StreamsBuilder| {
            let [one, other] = ["in", "right"].map(|topic| counts(grouped(builder, topic), *cache));
            write(join(one, other));
        };
        check::<String>(describe, lines, expected);
    }
}

type Derive = for<'b> fn(Windows<'b, i64>) -> Windows<'b, i64>;

/// Joins what is derived of the counts of `in` with those of `right`.
#[track_caller]
fn joined_after(caches: &[Cache], derive: Derive, expected: &str) {
    for cache in caches {
        let describe = |builder: &StreamsBuilder| {
            let [one, other] =
                ["in", "right"].map(|topic| TUMBLING(grouped(builder, topic), *cache));
            write(derive(one).join(other, inner));
        };
        check::<String>(describe, LINES, expected);
    }
}

const TUMBLING: Counts = |grouped, cache| grouped.windowed_by(tumbling()).count_with(cache.store());

const LINES: &[&str] =
    &["a x 1", "right: a x 3", "a y 2", "right: a z 12", "b x 14", "right: b x 11"];

#[test]
fn counts_of_two_streams_are_joined_by_key_and_window() {
    let expected = "a@0/10=1+1@3 a@0/10=2+1@3<2 b@10/20=1+1@14<11";
    joined(&Cache::BOTH, TUMBLING, |one, other| one.join(other, inner), LINES, expected);
    let left: Join = |one, other| one.left_join(other, |one, other| outer(Some(one), other));
    let expected = "a@0/10=1+-@1 a@0/10=1+1@3 a@0/10=2+1@3<2 b@10/20=1+-@14 b@10/20=1+1@14<11";
    joined(&Cache::BOTH, TUMBLING, left, LINES, expected);
    let expected =
        "a@0/10=1+-@1 a@0/10=1+1@3 a@0/10=2+1@3<2 a@10/20=-+1@12 b@10/20=1+-@14 b@10/20=1+1@14<11";
    joined(&Cache::BOTH, TUMBLING, |one, other| one.outer_join(other, outer), LINES, expected);
}

#[test]
fn windows_that_slide_are_read_by_their_start() {
    let counts: Counts = |grouped, cache| {
        let windows = SlidingWindows::of_time_difference(ms(10)).with_grace(ms(50));
        grouped.windowed_by(windows).count_with::<String>(cache.store())
    };
    let lines = &["a x 20", "right: a x 20", "a y 22", "right: a x 25"];
    let expected = "a@10/20=1+1@20 a@21/31=1+1@25";
    joined(&Cache::BOTH, counts, |one, other| one.join(other, inner), lines, expected);
}

#[test]
fn a_session_that_became_part_of_another_is_no_longer_read() {
    let counts: Counts = |grouped, cache| {
        let windows = SessionWindows::of_inactivity_gap(ms(5)).with_grace(ms(50));
        grouped.windowed_by(windows).count_with(cache.store())
    };
    let join: Join = |one, other| one.join(other, inner);
    let lines = &["a x 1", "right: a x 1", "a y 4", "right: a y 4"];
    // A change of sessions that leaves at once has no headers.
    let at_once = "a@1/1=1+1@1 a@1/1=-@1 a@1/4=2+2@4";
    joined(&[Cache::Off], counts, join, lines, at_once);
    let cached = "a@1/1=1+1@1 a@1/1=-@1<4 a@1/4=2+2@4";
    joined(&[Cache::On], counts, join, lines, cached);
}

#[test]
fn what_is_derived_without_a_store_is_read_through_it() {
    let derived = |derive: Derive, expected| joined_after(&Cache::BOTH, derive, expected);
    // A row that is left out is none.
    derived(|counts| counts.filter(|_, count| *count > 1), "a@0/10=2+1@3<2");
    let tenfold = "a@0/10=10+1@3 a@0/10=20+1@3<2 b@10/20=10+1@14<11";
    derived(|counts| counts.map_values(|count| 10 * count), tenfold);
    let transformed: Derive = |counts| {
        let tenfold = |_: &ConnectedStores<'_, '_>| {
            Ok(|_: &Windowed<String>, count: Option<i64>| -> Result<_, ProcessorError> {
                Ok(count.map(|count| 10 * count))
            })
        };
        counts.transform_values(tenfold, &[])
    };
    derived(transformed, tenfold);
    // Each change of the counts is one of either side.
    derived(
        |counts| counts.join(counts, |one, other| 5 * (one + other)),
        "a@0/10=10+1@3 a@0/10=20+1@3<2 a@0/10=20+1@3<2 b@10/20=10+1@14<11",
    );
    // What waits is not seen yet.
    let waiting: Derive = |counts| {
        let (unbounded, serdes) = (BufferConfig::unbounded(), (keys(), i64::serde()));
        counts.suppress(Suppressed::until_time_limit_with(ms(12), unbounded, serdes))
    };
    joined_after(&[Cache::On], waiting, "a@0/10=2+1@3<2");
}

#[test]
fn a_stream_of_windows_sees_the_rows_of_a_table_of_windows() {
    for cache in Cache::BOTH {
        let describe = |builder: &StreamsBuilder| {
            let [one, other] =
                ["in", "right"].map(|topic| TUMBLING(grouped(builder, topic), cache));
            let serdes = Joined::with_shared_serdes(keys(), Option::<i64>::serde());
            let joiner = |one: &i64, other: Option<&i64>| outer(Some(one), other);
            let seen = one
                .to_stream()
                .left_join_table_with::<Windowed<String>, i64, _, _>(other, joiner, serdes);
            seen.map(|key, value| (text(key), Some(value))).to("out");
        };
        let expected = "a@0/10=1+-@1 a@0/10=2+1@2 b@10/20=1+-@14";
        check::<String>(describe, LINES, expected);
    }
}

#[test]
fn a_window_that_is_no_longer_kept_has_no_row() {
    let counts: Counts = |grouped, cache| {
        let windows = TimeWindows::of_size(ms(10));
        grouped.windowed_by(windows).count_with(cache.store())
    };
    let lines = &["a x 1", "a x 12", "right: a x 3", "right: a x 14"];
    let expected = "a@10/20=1+1@14";
    joined(&[Cache::Off], counts, |one, other| one.join(other, inner), lines, expected);
}

/// The last text of each key and window.
fn lasts<'b>(builder: &'b StreamsBuilder, topic: &str) -> Windows<'b, String> {
    let texts: KStream<'b, String, String> = builder.stream(topic);
    texts.group_by_key().windowed_by(tumbling()).reduce(|_, last: String| last)
}

fn both(one: &String, other: &String) -> String {
    format!("{one}+{other}")
}

#[test]
fn a_table_of_windows_refers_to_another_table() {
    let describe = |builder: &StreamsBuilder| {
        let names: KTable<'_, String, String> = builder.table("right");
        let texts = (String::serde(), String::serde());
        let joined = TableJoined::with_shared_serdes((keys(), String::serde()), texts);
        let stored = Materialized::<_, String>::with_shared_serdes(keys(), String::serde());
        let lasts = lasts(builder, "in");
        write(lasts.foreign_key_join_with(names, String::clone, both, joined, stored));
    };
    check::<String>(
        describe,
        &["a n 1", "right: n see 2", "a m 3", "b n 12", "right: n sea 13"],
        "a@0/10=n+see@2 a@0/10=-@3 b@10/20=n+see@12 b@10/20=n+sea@13",
    );
}

#[test]
fn a_table_refers_to_windows() {
    let describe = |builder: &StreamsBuilder| {
        let table: KTable<'_, String, String> = builder.table("in");
        let first = |key: &String| {
            Windowed::new(key.clone(), Window::of_size(Timestamp::from_millis(0), 10))
        };
        let texts = (String::serde(), String::serde());
        let joined = TableJoined::with_shared_serdes(texts, (keys(), String::serde()));
        let stored = Materialized::<_, String>::new();
        let lasts = lasts(builder, "right");
        let seen = table.foreign_key_join_with(lasts, first, both, joined, stored);
        seen.to_stream().to("out");
    };
    let lines = &["right: n see 2", "a n 3", "right: n sea 4", "right: n later 14"];
    check::<String>(describe, lines, "a=n+see@3 a=n+sea@4");
}

#[test]
fn windows_of_cogrouped_streams_are_read_too() {
    let cogrouped: Counts = |grouped, cache| {
        let streams = grouped.cogroup::<_, String, _>(|_, _, count: i64| count + 1);
        streams.windowed_by(tumbling()).aggregate_with(|| 0, cache.store())
    };
    let expected = "a@0/10=1+1@3 a@0/10=2+1@3<2 b@10/20=1+1@14<11";
    joined(&Cache::BOTH, cogrouped, |one, other| one.join(other, inner), LINES, expected);
    let sessions: Counts = |grouped, cache| {
        let streams = grouped.cogroup::<_, String, _>(|_, _, count: i64| count + 1);
        let sessions = streams.windowed_by(SessionWindows::of_inactivity_gap(ms(5)));
        sessions.aggregate_with(|| 0, |_, one, other| one + other, cache.store())
    };
    let lines = &["a x 1", "right: a x 1"];
    joined(&Cache::BOTH, sessions, |one, other| one.join(other, inner), lines, "a@1/1=1+1@1");
}
