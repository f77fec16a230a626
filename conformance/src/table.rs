//! Operators on tables and grouped tables.

use millstream::{BufferConfig, Derived, KGroupedTable, KTable, Suppressed};

use crate::Failure;
use crate::build::{Building, Handle};
use crate::functions::{self, aggregate_kind, holds, key, value_kind};
use crate::joins;
use crate::node::{CaseValue, Node};
use crate::value::{Kind, Value};

/// The name and the store of an operator, where it has them.
pub(crate) fn derived<V: CaseValue>(node: Node<'_>, kind: Kind) -> Derived<String, V> {
    match (node.optional("store"), node.named()) {
        (Some(_), _) => node.materialized(kind).into(),
        (None, Some(named)) => named.into(),
        (None, None) => Derived::default(),
    }
}

/// The handle of one operator on a table.
pub(crate) fn node<'b, V: CaseValue>(
    building: &Building<'b>,
    node: Node<'_>,
    on: KTable<'b, String, V>,
    kind: Kind,
) -> Result<Handle<'b>, Failure> {
    let function = node.text("fn");
    let predicate = {
        let function = function.clone();
        move |k: &String, v: &V| holds(&function, Some(k), Some(&v.clone().into()))
    };
    Ok(match node.text("op").as_str() {
        "filter" => V::handle(on.filter_with(predicate, derived(node, kind)), kind),
        "filter_not" => V::handle(on.filter_not_with(predicate, derived(node, kind)), kind),
        "map_values" => {
            let result = value_kind(&function, kind);
            let map = move |v: V| functions::value(&function, Some(v.into()));
            Handle::Table(on.map_values_with::<Value, _>(map, derived(node, result)), result)
        }
        "to_stream" => Handle::Stream(call!(node: on.to_stream_as or to_stream_as_with()), kind),
        "group_by" => {
            let by = move |k: &String, v: V| {
                let value = v.into();
                (key(&function, Some(k), Some(&value)), value)
            };
            let grouped = on.group_by_with::<String, Value, _>(by, node.grouped(kind.serde()));
            Handle::GroupedTable(grouped, kind)
        }
        "join" | "left_join" | "outer_join" => {
            let other = building.handle(&node.text("other"))?;
            return joins::of_table(node, on, other);
        }
        "fk_join" | "fk_left_join" => {
            let other = building.handle(&node.text("other"))?;
            return joins::by_foreign_key(node, on, kind, other);
        }
        "suppress_until_time_limit" => {
            let limit = node.millis("limit").unwrap_or_default();
            let serdes = (crate::text::serde(), V::serde(kind));
            let records =
                node.0["max_records"].as_u64().and_then(|most| usize::try_from(most).ok());
            let waiting = match records {
                Some(most) => {
                    let buffer = BufferConfig::max_records(most);
                    Suppressed::until_time_limit_with(limit, buffer, serdes)
                }
                None => {
                    let buffer = BufferConfig::unbounded();
                    Suppressed::until_time_limit_with(limit, buffer, serdes)
                }
            };
            let waiting = node.with("name", waiting, |waiting, name| waiting.with_name(name));
            V::handle(on.suppress(waiting), kind)
        }
        _ => return node.unsupported(),
    })
}

/// Aggregations of a grouped table.
pub(crate) fn grouped<'b>(
    node: Node<'_>,
    on: KGroupedTable<'b, String, Value>,
    kind: Kind,
) -> Result<Handle<'b>, Failure> {
    let (adder, subtractor) = (node.text("fn"), node.text("fn"));
    let result = aggregate_kind(&adder);
    let add = move |acc: Option<Value>, v: Value| functions::add(&adder, acc.as_ref(), Some(&v));
    let subtract = move |acc: Option<Value>, v: Value| {
        functions::subtract(&subtractor, acc.as_ref(), Some(&v))
    };
    Ok(match node.text("op").as_str() {
        "count" => Handle::Count(on.count_with(node.materialized::<i64>(Kind::Long))),
        "reduce" => {
            let add = move |acc, v| add(Some(acc), v);
            let subtract = move |acc, v| subtract(Some(acc), v);
            Handle::Table(on.reduce_with(add, subtract, node.materialized(kind)), kind)
        }
        "aggregate" => {
            let start = move || match result {
                Kind::Long => Some(Value::Long(0)),
                Kind::Text => Some(Value::Text(String::new())),
            };
            let add = move |_: &String, v, acc| add(acc, v);
            let subtract = move |_: &String, v, acc| subtract(acc, v);
            let stored = node.materialized(result);
            Handle::Table(on.aggregate_with::<Value, _>(start, add, subtract, stored), result)
        }
        _ => return node.unsupported(),
    })
}
