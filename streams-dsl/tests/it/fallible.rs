//! Functions of aggregations that fail: the processing handler says what becomes of the record.

use std::num::ParseIntError;
use std::sync::Arc;
use std::time::Duration;

use streams_core::handler::{Handlers, LogAndSkip};
use streams_core::metrics::DropReason;
use streams_core::window::Windowed;
use streams_dsl::{
    Branched, GlobalKTable, Joined, KStream, KTable, Materialized, Named, SessionWindows,
    SlidingWindows, StreamsBuilder, TimeWindows, WindowedKStream, Windowing,
};
use streams_test::TopologyTestDriver;

use crate::{Printed, pipe, record, written};

type Sum = Result<i64, ParseIntError>;

fn add(_: &String, text: String, sum: i64) -> Sum {
    text.parse::<i64>().map(|number| sum + number)
}

fn subtract(_: &String, text: String, sum: i64) -> Sum {
    text.parse::<i64>().map(|number| sum - number)
}

fn longer(a: String, b: String) -> Result<Option<String>, &'static str> {
    if b == "x" { Err("no x") } else { Ok(Some(a.max(b))) }
}

/// Takes the lines, of which the last but one fails in `operator`, which read it at `place`.
#[track_caller]
pub(crate) fn fails<V: Printed>(
    describe: impl FnOnce(&StreamsBuilder),
    lines: &[&str],
    (operator, place): (&str, &str),
    expected: &str,
) {
    let builder = StreamsBuilder::new();
    describe(&builder);
    let topology = builder.build().unwrap();
    let (before, bad) = (&lines[..lines.len() - 2], lines[lines.len() - 2]);
    let stopped = TopologyTestDriver::new(&topology).unwrap();
    pipe(&stopped, before);
    let error = stopped.input("in").pipe_record(record(bad)).unwrap_err().to_string();
    assert!(error.contains(operator) && error.contains(place), "{error}");

    let skip = Handlers { processing: Arc::new(LogAndSkip), ..Handlers::default() };
    let driver = TopologyTestDriver::builder(&topology).handlers(skip).build().unwrap();
    pipe(&driver, lines);
    assert_eq!(written::<V>(&driver, "out"), expected);
    assert_eq!(driver.dropped().of(DropReason::ProcessingFailed), 1);
}

#[test]
fn a_change_of_a_group_that_fails_leaves_its_aggregate() {
    let sums = |builder: &StreamsBuilder| {
        let table: KTable<'_, String, String> = builder.table("in");
        let groups = table.group_by(|_, text| ("all".to_owned(), text));
        let sums = groups.try_aggregate(|| 0, add, subtract, Materialized::new());
        sums.to_stream().to("out");
    };
    let operator = "KTABLE-AGGREGATE-0000000007";
    let topic = "KTABLE-AGGREGATE-STATE-STORE-0000000004-repartition\" partition 0 offset";
    let place = (operator, &*format!("{topic} 1"));
    // The adder.
    fails::<i64>(sums, &["a 1 1", "b x 2", "c 4 3"], place, "all=1@1 all=5@3");
    // The subtractor fails for what the adder of a group that takes everything took.
    let lenient = |_: &String, text: String, sum: i64| -> Sum { Ok(sum + text.len() as i64) };
    let lengths = |builder: &StreamsBuilder| {
        let table: KTable<'_, String, String> = builder.table("in");
        let groups = table.group_by(|_, text| ("all".to_owned(), text));
        let sums = groups.try_aggregate(|| 0, lenient, subtract, Materialized::new());
        sums.to_stream().to("out");
    };
    fails::<i64>(lengths, &["a x 1", "a 1 2", "b 4 3"], place, "all=1@1 all=2@3");
}

#[test]
fn a_reduction_of_a_group_fails_by_either_function() {
    let reduced = |builder: &StreamsBuilder| {
        let table: KTable<'_, String, String> = builder.table("in");
        let groups = table.group_by(|_, text| ("all".to_owned(), text));
        let named = Named::new("longest");
        groups.try_reduce(longer, longer, named).to_stream().to("out");
    };
    let place = ("longest", "-repartition\" partition 0 offset 1");
    fails::<String>(reduced, &["a k 1", "b x 2", "c m 3"], place, "all=k@1 all=m@3");
    fails::<String>(reduced, &["a x 1", "a m 2", "b y 3"], place, "all=x@1 all=y@3");
}

type Digits<'b, W> = WindowedKStream<'b, String, String, W>;

/// Aggregates `in` in windows to `out`.
fn windowed<W: Windowing, V: Printed + Clone>(
    windows: W,
    aggregate: impl FnOnce(Digits<'_, W>) -> KTable<'_, Windowed<String>, V>,
) -> impl FnOnce(&StreamsBuilder) {
    move |builder| {
        let texts: KStream<'_, String, String> = builder.stream("in");
        let table = aggregate(texts.group_by_key().windowed_by(windows));
        let print = |windowed: Windowed<String>| windowed.window.start.to_string();
        table.to_stream().map(move |key, value| (Some(print(key)), value)).to("out");
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn windows_stay_as_they_were_before_a_record_that_fails() {
    let hopping = || TimeWindows::of_size(ms(10)).advance_by(ms(5)).with_grace(ms(50));
    let lines = &["a 1 7", "a x 8", "a 3 9"];
    let sum = ("KSTREAM-AGGREGATE-0000000002", "topic \"in\" partition 0 offset 1");
    let sums = windowed(hopping(), |w| w.try_aggregate(|| 0, add, Materialized::new()));
    fails::<i64>(sums, lines, sum, "0=1@7 5=1@7 0=4@9 5=4@9");
    let longest = ("KSTREAM-REDUCE-0000000002", "topic \"in\" partition 0 offset 1");
    let reduced = windowed(hopping(), |w| w.try_reduce(longer, Materialized::new()));
    fails::<String>(reduced, lines, longest, "0=1@7 5=1@7 0=3@9 5=3@9");

    let sliding = || SlidingWindows::of_time_difference(ms(5)).with_grace(ms(50));
    let sums = windowed(sliding(), |w| w.try_aggregate(|| 0, add, Materialized::new()));
    fails::<i64>(sums, lines, sum, "2=1@7 8=3@9 4=4@9");
    let reduced = windowed(sliding(), |w| w.try_reduce(longer, Materialized::new()));
    // A first value is no matter for the reducer.
    let lines = &["a 1 7", "a x 7", "a 3 9"];
    fails::<String>(reduced, lines, longest, "2=1@7 8=3@9 4=3@9");
}

#[test]
fn a_later_window_that_fails_leaves_what_earlier_ones_took() {
    // The second window of a record is the one that is full.
    let full = |_: &String, text: String, sum: i64| {
        let sum = sum + text.parse::<i64>().unwrap_or(0);
        if sum > 3 { Err("full") } else { Ok(sum) }
    };
    let hopping = TimeWindows::of_size(ms(10)).advance_by(ms(5)).with_grace(ms(50));
    let sums = windowed(hopping, |w| w.try_aggregate(|| 0, full, Materialized::new()));
    let place = ("KSTREAM-AGGREGATE-0000000002", "topic \"in\" partition 0 offset 1");
    let expected = "5=2@12 10=2@12 0=3@7 10=3@13 15=1@16";
    let lines = &["a 2 12", "a 3 7", "a 1 16"];
    let expected = expected.replace("10=3@13 ", "10=3@16 ");
    fails::<i64>(sums, lines, place, &expected);
}

#[test]
fn sessions_stay_as_they_were_before_a_record_that_fails() {
    let gap = || SessionWindows::of_inactivity_gap(ms(5)).with_grace(ms(50));
    let lines = &["a 1 1", "a 2 9", "a x 5", "a 4 10"];
    let merge = |_: &String, one: i64, other: i64| Sum::Ok(one + other);
    let stored = || Materialized::<String, i64>::new().without_cache();
    let sums = windowed(gap(), move |w| w.try_aggregate(|| 0, add, merge, stored()));
    let place = ("KSTREAM-AGGREGATE-0000000002", "topic \"in\" partition 0 offset 2");
    fails::<i64>(sums, lines, place, "1=1@1 9=2@9 9=-@9 9=6@10");
    // The merger, when a record joins two sessions.
    let unmerged = |_: &String, one: i64, other: i64| match (one, other) {
        (3, _) => Err("no merge".parse::<i64>().unwrap_err()),
        _ => Ok(one + other),
    };
    let sums = windowed(gap(), move |w| w.try_aggregate(|| 2, add, unmerged, stored()));
    let lines = &["a -1 1", "a 2 9", "a 3 5", "a 4 30"];
    fails::<i64>(sums, lines, place, "1=1@1 9=4@9 30=6@30");
    let longest = ("KSTREAM-REDUCE-0000000002", "topic \"in\" partition 0 offset 2");
    let kept = || Materialized::<String, String>::new().without_cache();
    let reduced = windowed(gap(), move |w| w.try_reduce(longer, kept()));
    fails::<String>(
        reduced,
        &["a k 1", "a m 9", "a x 5", "a z 30"],
        longest,
        "1=k@1 9=m@9 30=z@30",
    );
}

#[test]
fn fallible_operators_take_names() {
    let builder = StreamsBuilder::new();
    let texts: KStream<'_, String, String> = builder.stream("in");
    let number = |text: &str| text.parse::<i64>();
    let named = Named::new;
    texts.try_map_with(move |k, v| number(&v).map(|v| (k, v)), named("map")).to("out");
    texts.try_map_values_with(move |v| number(&v), named("map-values")).to("out");
    texts.try_flat_map_with(move |k, v| number(&v).map(|v| [(k, v)]), named("flat-map")).to("out");
    let flat = move |v: String| number(&v).map(|v| [v]);
    texts.try_flat_map_values_with(flat, named("flat-map-values")).to("out");
    texts.try_select_key_with(move |_, v| number(v), named("select-key")).to("by-number");
    texts.try_filter_with(move |_, v| number(v).map(|v| v > 1), named("filter")).to("texts");
    texts.try_filter_not_with(move |_, v| number(v).map(|v| v > 1), named("not")).to("others");
    texts.try_for_each_with(move |_, v| number(&v).map(|_| ()), named("each"));
    let topology = builder.build().unwrap();
    let described = topology.describe().to_string();
    let names =
        ["map", "map-values", "flat-map", "flat-map-values", "select-key", "filter", "not", "each"];
    for name in names {
        assert!(described.contains(&format!("Processor: {name} ")), "{name}: {described}");
    }
    let skip = Handlers { processing: Arc::new(LogAndSkip), ..Handlers::default() };
    let driver = TopologyTestDriver::builder(&topology).handlers(skip).build().unwrap();
    pipe(&driver, &["a 1 1", "a x 2", "a 3 3"]);
    assert_eq!(driver.dropped().of(DropReason::ProcessingFailed), 8);
    assert_eq!(written::<String>(&driver, "texts"), "a=3@3");
    assert_eq!(written::<String>(&driver, "others"), "a=1@1");
    assert_eq!(
        written::<i64>(&driver, "out"),
        ["a=1@1"; 4].join(" ") + " " + &["a=3@3"; 4].join(" ")
    );
}

fn number(text: &str) -> Result<i64, ParseIntError> {
    text.parse()
}

#[test]
fn what_looks_at_a_record_may_fail() {
    let place = "topic \"in\" partition 0 offset 1";
    let lines = &["a 1 1", "a x 2", "a 3 3"];
    let peeked = |builder: &StreamsBuilder| {
        texts(builder).try_peek(|_, text| number(text).map(|_| ())).to("out");
    };
    fails::<String>(peeked, lines, ("KSTREAM-PEEK-0000000001", place), "a=1@1 a=3@3");
    // No later branch has it.
    let divided = |builder: &StreamsBuilder| {
        let is_large = |_: &String, text: &String| number(text).map(|number| number > 2);
        let branches =
            texts(builder).split().try_branch(is_large, Branched::default()).default_branch();
        let [large, rest] = branches.into_array().unwrap();
        large.merge(rest).to("out");
    };
    fails::<String>(divided, lines, ("KSTREAM-BRANCH-0000000001", place), "a=1@1 a=3@3");
}

fn texts(builder: &StreamsBuilder) -> KStream<'_, String, String> {
    builder.stream("in")
}

#[test]
fn a_join_with_a_table_may_fail() {
    let place = "topic \"in\" partition 0 offset 1";
    let lines = &["rows: a 5 0", "a 1 1", "a x 2", "a 3 3"];
    let sum = |_: &String, text: &String, row: &String| -> Sum { Ok(number(text)? + number(row)?) };
    let left = move |key: &String, text: &String, row: Option<&String>| {
        sum(key, text, row.unwrap_or(&"0".to_owned()))
    };
    let of_key = |key: &String, _: &String| key.clone();
    let inner = |builder: &StreamsBuilder| {
        let rows: KTable<'_, String, String> = builder.table("rows");
        texts(builder).try_join_table(rows, sum, Joined::named("sum")).to("out");
    };
    fails::<i64>(inner, lines, ("sum", place), "a=6@1 a=8@3");
    let outer = |builder: &StreamsBuilder| {
        let rows: KTable<'_, String, String> = builder.table("rows");
        texts(builder).try_left_join_table(rows, left, Joined::named("sum")).to("out");
    };
    fails::<i64>(outer, lines, ("sum", place), "a=6@1 a=8@3");
    let global = |builder: &StreamsBuilder| {
        let rows: GlobalKTable<'_, String, String> = builder.global_table("rows");
        texts(builder).try_join_global(rows, of_key, sum, Named::new("sum")).to("out");
    };
    fails::<i64>(global, lines, ("sum", place), "a=6@1 a=8@3");
    let global = |builder: &StreamsBuilder| {
        let rows: GlobalKTable<'_, String, String> = builder.global_table("rows");
        texts(builder).try_left_join_global(rows, of_key, left, Named::new("sum")).to("out");
    };
    fails::<i64>(global, lines, ("sum", place), "a=6@1 a=8@3");
}
