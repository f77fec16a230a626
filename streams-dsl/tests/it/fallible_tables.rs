//! Functions of tables that fail: the processing handler says what becomes of the change.

use std::num::ParseIntError;
use std::sync::{Arc, Mutex};

use streams_core::error::{ProcessorError, TaskError};
use streams_core::handler::{Handlers, Verdict};
use streams_core::processor::ConnectedStores;
use streams_core::serde::DefaultSerde;
use streams_dsl::{Derived, Grouped, KTable, Materialized, Named, StreamsBuilder, TableJoined};
use streams_test::TopologyTestDriver;

use crate::fallible::fails;
use crate::{pipe, written};

const LINES: [&str; 3] = ["a 1 1", "a x 2", "a 3 3"];
const PLACE: &str = "topic \"in\" partition 0 offset 1";

fn texts(builder: &StreamsBuilder) -> KTable<'_, String, String> {
    builder.table("in")
}

fn rows(builder: &StreamsBuilder) -> KTable<'_, String, String> {
    builder.table("rows")
}

fn number(text: &str) -> Result<i64, ParseIntError> {
    text.parse()
}

fn parsed(
    table: KTable<'_, String, String>,
    derived: impl Into<Derived<String, i64>>,
) -> KTable<'_, String, i64> {
    table.try_map_values_with(|text| number(&text), derived)
}

/// The name of the operator, and of a store of its own where there is one.
fn made<V: DefaultSerde>(store: Option<&str>) -> Derived<String, V> {
    (Named::new("made"), store.map(Materialized::named)).into()
}

#[test]
fn a_change_that_fails_leaves_the_row_as_it_was() {
    for store in [None, Some("rows-of-made")] {
        let mapped = |builder: &StreamsBuilder| {
            parsed(texts(builder), made(store)).to_stream().to("out");
        };
        fails::<i64>(mapped, &LINES, ("made", PLACE), "a=1@1 a=3@3");
        let filtered = |builder: &StreamsBuilder| {
            let is_small = |_: &String, text: &String| number(text).map(|number| number < 3);
            texts(builder).try_filter_with(is_small, made(store)).to_stream().to("out");
        };
        fails::<String>(filtered, &LINES, ("made", PLACE), "a=1@1 a=-@3");
        let left_out = |builder: &StreamsBuilder| {
            let is_large = |_: &String, text: &String| number(text).map(|number| number > 2);
            texts(builder).try_filter_not_with(is_large, made(store)).to_stream().to("out");
        };
        fails::<String>(left_out, &LINES, ("made", PLACE), "a=1@1 a=-@3");
        let transformed = |builder: &StreamsBuilder| {
            let supplier = |_: &ConnectedStores<'_, '_>| {
                Ok(|_: &String, text: Option<String>| -> Result<_, ProcessorError> {
                    Ok(text.map(|text| number(&text)).transpose()?)
                })
            };
            let table = texts(builder).transform_values_with(supplier, &[], made::<i64>(store));
            table.to_stream().to("out");
        };
        fails::<i64>(transformed, &LINES, ("made", PLACE), "a=1@1 a=3@3");
    }
}

#[test]
fn a_change_without_group_changes_no_group() {
    let counted = |builder: &StreamsBuilder| {
        let by_sign = |_: &String, text: String| number(&text).map(|n| (n.signum(), text));
        let groups = texts(builder).try_group_by(by_sign, Grouped::named("made"));
        groups.count().to_stream().map(|sign, count| (sign.to_string(), count)).to("out");
    };
    let lines = ["a 1 1", "b x 2", "c 4 3"];
    fails::<i64>(counted, &lines, ("made", PLACE), "1=1@1 1=2@3");
}

#[test]
fn a_join_of_tables_may_fail() {
    type Sum = Result<i64, ParseIntError>;
    let sum =
        |_: &String, one: &String, other: &String| -> Sum { Ok(number(one)? + number(other)?) };
    let or_zero = |text: Option<&String>| text.map_or(Ok(0), |text| number(text));
    let lines = ["rows: a 5 0", "a 1 1", "a x 2", "a 3 3"];
    let place = ("made-join-this", PLACE);
    let inner = |builder: &StreamsBuilder| {
        let joined = texts(builder).try_join(rows(builder), sum, made::<i64>(None));
        joined.to_stream().to("out");
    };
    fails::<i64>(inner, &lines, place, "a=6@1 a=8@3");
    let left = |builder: &StreamsBuilder| {
        let sum = move |_: &String, one: &String, other: Option<&String>| -> Sum {
            Ok(number(one)? + or_zero(other)?)
        };
        let joined = texts(builder).try_left_join(rows(builder), sum, made::<i64>(None));
        joined.to_stream().to("out");
    };
    fails::<i64>(left, &lines, place, "a=6@1 a=8@3");
    let outer = |builder: &StreamsBuilder| {
        let sum = move |_: &String, one: Option<&String>, other: Option<&String>| -> Sum {
            Ok(or_zero(one)? + or_zero(other)?)
        };
        let joined = texts(builder).try_outer_join(rows(builder), sum, made::<i64>(None));
        joined.to_stream().to("out");
    };
    fails::<i64>(outer, &lines, place, "a=5@0 a=6@1 a=8@3");
}

#[test]
fn a_join_by_a_foreign_key_fails_by_either_function() {
    // `in` says by the first letter which row it is joined with.
    let letter = |_: &String, text: &String| match &text[..1] {
        "x" => Err("no letter"),
        letter => Ok(letter.to_owned()),
    };
    let join = |text: &String, row: &String| match text.as_str() {
        "ay" => Err("no text"),
        _ => Ok(format!("{text}{row}")),
    };
    let keys = || TableJoined::named("made");
    let stored = || Materialized::<String, String>::new().without_cache();
    let inner = |builder: &StreamsBuilder| {
        let (one, other) = (texts(builder), rows(builder));
        let joined = one.try_foreign_key_join(other, letter, join, keys(), stored());
        joined.to_stream().to("out");
    };
    let left = move |builder: &StreamsBuilder| {
        let (one, other) = (texts(builder), rows(builder));
        let join =
            move |text: &String, row: Option<&String>| row.map(|row| join(text, row)).transpose();
        let joined = one.try_foreign_key_left_join(other, letter, join, keys(), stored());
        joined.to_stream().to("out");
    };
    for (bad, place) in [("k xy 2", PLACE), ("k ay 2", "-topic\" partition 0 offset 1")] {
        let lines = ["rows: a 5 0", "j a 1", bad, "l ab 3"];
        fails::<String>(inner, &lines, ("made", place), "j=a5@1 l=ab5@3");
        fails::<String>(left, &lines, ("made", place), "j=a5@1 l=ab5@3");
    }
}

/// What comes out when all that fails is left out, and where it failed.
fn skipping(describe: impl FnOnce(&StreamsBuilder), lines: &[&str]) -> (String, Vec<String>) {
    let builder = StreamsBuilder::new();
    describe(&builder);
    let failed: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&failed);
    let skip = move |failure: &TaskError| {
        let TaskError::Processing { node, .. } = failure else { return Verdict::Fail };
        noted.lock().unwrap().push(node.to_string());
        Verdict::Skip
    };
    let handlers = Handlers { processing: Arc::new(skip), ..Handlers::default() };
    let topology = builder.build().unwrap();
    let driver = TopologyTestDriver::builder(&topology).handlers(handlers).build().unwrap();
    pipe(&driver, lines);
    let failed = failed.lock().unwrap().clone();
    (written::<i64>(&driver, "out"), failed)
}

/// As in Kafka, where the value before is computed from the row that failed.
#[test]
fn without_a_store_what_failed_fails_again_as_the_value_before() {
    let summed = |derived: Derived<String, i64>| {
        move |builder: &StreamsBuilder| {
            let groups = parsed(texts(builder), derived).group_by(|_, n| ("all".to_owned(), n));
            groups.reduce(|sum, n| sum + n, |sum, n| sum - n).to_stream().to("out");
        }
    };
    let (out, failed) = skipping(summed(made(None)), &LINES);
    assert_eq!((out.as_str(), failed), ("all=1@1", vec!["made".to_owned(); 2]));
    let (out, failed) = skipping(summed(made(Some("numbers"))), &LINES);
    assert_eq!((out.as_str(), failed), ("all=1@1 all=3@3", vec!["made".to_owned()]));
}

#[test]
fn a_row_that_fails_when_it_is_read_from_beside_is_a_failure_of_the_reader() {
    let joined = |builder: &StreamsBuilder| {
        let numbers = parsed(texts(builder), Named::new("made"));
        let add = |number: &i64, row: &String| number + row.len() as i64;
        numbers.join_with(rows(builder), add, Named::new("sum")).to_stream().to("out");
    };
    let lines = ["rows: a r 0", "a 1 1", "a x 2", "rows: a rr 3", "a 3 4"];
    let (out, failed) = skipping(joined, &lines);
    assert_eq!(out, "a=2@1 a=5@4");
    assert_eq!(failed, ["made", "sum-join-other"]);
}
