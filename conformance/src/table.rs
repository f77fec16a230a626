//! Operators on tables and grouped tables.

use millstream::{Derived, KGroupedTable, KTable};

use crate::Failure;
use crate::build::Handle;
use crate::functions::{self, aggregate_kind, holds, key, value_kind};
use crate::node::{CaseValue, Node};
use crate::value::{Kind, Value};

/// The name and the store of an operator, where it has them.
fn derived<V: CaseValue>(node: Node<'_>, kind: Kind) -> Derived<String, V> {
    match (node.named(), node.wants_store()) {
        (None, false) => Derived::default(),
        (Some(named), false) => named.into(),
        (None, true) => node.materialized(kind).into(),
        (Some(named), true) => (named, node.materialized(kind)).into(),
    }
}

/// The handle of one operator on a table.
pub(crate) fn node<'b, V: CaseValue>(
    node: Node<'_>,
    on: KTable<'b, String, V>,
    kind: Kind,
) -> Result<Handle<'b>, Failure> {
    let function = node.owned("fn");
    let handle = match node.text("op") {
        op @ ("filter" | "filter_not") => {
            let predicate =
                move |k: &String, v: &V| holds(&function, Some(k), Some(&v.clone().into()));
            let derived = derived(node, kind);
            V::handle(
                if op == "filter" {
                    on.filter_with(predicate, derived)
                } else {
                    on.filter_not_with(predicate, derived)
                },
                kind,
            )
        }
        "map_values" => {
            let result = value_kind(&function, kind);
            let map = move |v: V| functions::value(&function, Some(v.into()));
            Handle::Table(on.map_values_with::<Value, _>(map, derived(node, result)), result)
        }
        "to_stream" => Handle::Stream(
            match node.named() {
                Some(named) => on.to_stream_as_with(named),
                None => on.to_stream_as(),
            },
            kind,
        ),
        "group_by" => {
            let by = move |k: &String, v: V| {
                let value = v.into();
                (key(&function, Some(k), Some(&value)), value)
            };
            Handle::GroupedTable(on.group_by_with::<String, Value, _>(by, node.grouped(kind)), kind)
        }
        _ => return node.unsupported(),
    };
    Ok(handle)
}

/// Aggregations of a grouped table.
pub(crate) fn grouped<'b>(
    node: Node<'_>,
    on: KGroupedTable<'b, String, Value>,
    kind: Kind,
) -> Result<Handle<'b>, Failure> {
    let (adder, subtractor) = (node.owned("fn"), node.owned("fn"));
    let handle = match node.text("op") {
        "count" => Handle::Count(on.count_with(node.materialized_as::<i64>(Kind::Long))),
        "reduce" => Handle::Table(
            on.reduce_with(
                move |acc, v| functions::add(&adder, Some(&acc), Some(&v)),
                move |acc, v| functions::subtract(&subtractor, Some(&acc), Some(&v)),
                node.materialized_as::<Value>(kind),
            ),
            kind,
        ),
        "aggregate" => {
            let result = aggregate_kind(&adder);
            let start = move || {
                Some(match result {
                    Kind::Long => Value::Long(0),
                    Kind::Text => Value::Text(String::new()),
                })
            };
            let add = move |_: &String, v: Value, acc: Option<Value>| {
                functions::add(&adder, acc.as_ref(), Some(&v))
            };
            let subtract = move |_: &String, v: Value, acc: Option<Value>| {
                functions::subtract(&subtractor, acc.as_ref(), Some(&v))
            };
            let stored = node.materialized_as::<Value>(result);
            Handle::Table(on.aggregate_with::<Value, _>(start, add, subtract, stored), result)
        }
        _ => return node.unsupported(),
    };
    Ok(handle)
}
