//! Functions of tables that fail: the processing handler says what becomes of the change.

use std::num::ParseIntError;

use streams_core::error::ProcessorError;
use streams_core::processor::ConnectedStores;
use streams_core::serde::DefaultSerde;
use streams_dsl::{Derived, KTable, Materialized, Named, StreamsBuilder};

use crate::fallible::fails;

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

/// The name of the operator, and of a store of its own where there is one.
fn made<V: DefaultSerde>(store: Option<&str>) -> Derived<String, V> {
    (Named::new("made"), store.map(Materialized::named)).into()
}

#[test]
fn a_change_that_fails_leaves_the_row_as_it_was() {
    for store in [None, Some("rows-of-made")] {
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
