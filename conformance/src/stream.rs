//! Operators on streams and grouped streams.

use millstream::{DynamicProduced, Produced, Repartitioned, Stores, Topic};

use crate::Failure;
use crate::build::{Building, GroupedStream, Handle, Stream};
use crate::cogroups;
use crate::functions::{self, aggregate_kind, holds, split, value_kind};
use crate::joins;
use crate::node::Node;
use crate::processors::Custom;
use crate::value::{Kind, Value, text};
use crate::windows;

type Key = Option<String>;
type Nullable = Option<Value>;

/// Calls an operator with the node's name, if it has one.
macro_rules! call {
    ($node:ident: $on:ident.$plain:ident or $with:ident($($argument:expr),*)) => {
        match $node.named() {
            Some(named) => $on.$with($($argument,)* named),
            None => $on.$plain($($argument),*),
        }
    };
}

fn predicate(function: String) -> impl Fn(&Key, &Nullable) -> bool + Send + Sync + 'static {
    move |key, value| holds(&function, key.as_deref(), value.as_ref())
}

fn key(function: String) -> impl Fn(&Key, &Nullable) -> Key + Send + Sync + 'static {
    move |key, value| functions::key(&function, key.as_deref(), value.as_ref())
}

/// The handle of one operator; sinks have none, and branches put their own.
pub(crate) fn node<'b>(
    building: &mut Building<'b>,
    node: Node<'_>,
    on: Stream<'b>,
    kind: Kind,
) -> Result<Option<Handle<'b>>, Failure> {
    let function = node.text("fn");
    let (stream, kind) = match node.text("op").as_str() {
        "filter" => (call!(node: on.filter or filter_with(predicate(function))), kind),
        "filter_not" => (call!(node: on.filter_not or filter_not_with(predicate(function))), kind),
        "peek" => (call!(node: on.peek or peek_with(|_, _| {})), kind),
        "merge" => match building.handle(&node.text("other"))? {
            Handle::Stream(other, _) => (call!(node: on.merge or merge_with(other)), kind),
            _ => return node.unsupported(),
        },
        "select_key" => (call!(node: on.select_key or select_key_with(key(function))), kind),
        "map" | "map_values" | "flat_map" | "flat_map_values" => other_records(node, on, kind),
        "repartition" => (repartition(node, on, kind), kind),
        "process" => (process(building, node, on), Kind::Text),
        "branch" | "to" | "to_dynamic" => {
            ends(building, node, on, kind);
            return Ok(None);
        }
        "join" | "left_join" | "outer_join" => {
            let other = building.handle(&node.text("other"))?;
            return joins::of_stream(node, on, kind, other).map(Some);
        }
        "to_table" => {
            let table = on.to_table_with::<String, Value>(node.materialized(kind));
            return Ok(Some(Handle::Table(table, kind)));
        }
        "group_by_key" | "group_by" => {
            let grouped = node.grouped(kind.nullable());
            let grouped = match node.text("op").as_str() {
                "group_by" => on.group_by_with::<String, _>(key(function), grouped),
                _ => on.group_by_key_with::<String>(grouped),
            };
            return Ok(Some(Handle::Grouped(grouped, kind)));
        }
        _ => return node.unsupported(),
    };
    Ok(Some(Handle::Stream(stream, kind)))
}

/// Operators that make other records.
fn other_records<'b>(node: Node<'_>, on: Stream<'b>, kind: Kind) -> (Stream<'b>, Kind) {
    let function = node.text("fn");
    let result = value_kind(&function, kind);
    match node.text("op").as_str() {
        "map_values" => {
            let map = move |value| functions::value(&function, value);
            (call!(node: on.map_values or map_values_with(map)), result)
        }
        "map" => {
            let key = key(node.text("key_fn"));
            let map = move |k, v| (key(&k, &v), functions::value(&function, v));
            (call!(node: on.map or map_with(map)), result)
        }
        "flat_map_values" => {
            let separator = if function == "split_comma" { ',' } else { ' ' };
            let parts = move |v: Nullable| {
                split(separator, v.as_ref()).into_iter().map(|part| Some(Value::Text(part)))
            };
            (call!(node: on.flat_map_values or flat_map_values_with(parts)), Kind::Text)
        }
        _ => {
            let parts = |k: Key, v: Nullable| {
                let old = Value::Text(text(k.map(Value::Text).as_ref()));
                let parts = split(' ', v.as_ref()).into_iter();
                parts.map(move |part| (Some(part), Some(old.clone())))
            };
            (call!(node: on.flat_map or flat_map_with(parts)), Kind::Text)
        }
    }
}

fn repartition<'b>(node: Node<'_>, on: Stream<'b>, kind: Kind) -> Stream<'b> {
    let with = Repartitioned::with_shared_serdes(crate::text::nullable(), kind.nullable());
    let with = node.with("name", with, |with, name| with.with_name(name));
    let partitions = node.0["partitions"].as_i64().and_then(|count| i32::try_from(count).ok());
    on.repartition_with::<String>(partitions.map_or(with.clone(), |n| with.with_partitions(n)))
}

fn process<'b>(building: &Building<'b>, node: Node<'_>, on: Stream<'b>) -> Stream<'b> {
    let (function, store) = (node.text("fn"), node.text("store"));
    let spec = Stores::key_value_with(store.as_str(), crate::text::serde(), crate::text::serde());
    building.builder.add_state_store(spec);
    let connected = store.clone();
    let supplier = move |stores: &millstream::ConnectedStores<'_, '_>| {
        Ok(Custom { function: function.clone(), store: stores.store(store.as_str())? })
    };
    call!(node: on.process or process_with(supplier, &[connected.as_str()]))
}

/// Branches, which put their own handles, and sinks.
fn ends<'b>(building: &mut Building<'b>, node: Node<'_>, on: Stream<'b>, kind: Kind) {
    let value = kind.nullable();
    match node.text("op").as_str() {
        "branch" => {
            let mut split = call!(node: on.split or split_with());
            let predicates = node.list("predicates");
            let names = (0..predicates.len()).map(|at| at.to_string());
            let names = names.chain(["default".to_owned()]).collect::<Vec<_>>();
            for one in predicates {
                split = split.branch(predicate(one));
            }
            let has_default = node.0["default"] == true;
            let ends = if has_default { split.default_branch() } else { split.no_default_branch() };
            for (name, (_, stream)) in names.iter().zip(ends.iter()) {
                let id = format!("{}.{name}", node.text("id"));
                building.handles.insert(id, Handle::Stream(stream, kind));
            }
        }
        "to" => {
            let topic =
                Topic::with_shared_serdes(node.text("topic"), crate::text::nullable(), value);
            let with = node.with("named", Produced::new(), |with, name| with.with_name(name));
            on.to_with(topic, with);
        }
        _ => {
            let with = DynamicProduced::with_shared_serdes(crate::text::nullable(), value);
            let with = node.with("named", with, |with, name| with.with_name(name));
            let prefix = node.text("prefix");
            let topic = move |key: &Key, _: &Nullable, _: &millstream::processor::RecordContext| {
                format!("{prefix}{}", key.as_deref().unwrap_or("none")).into()
            };
            on.to_dynamic_with(topic, with);
        }
    }
}

/// Aggregations of a grouped stream.
pub(crate) fn grouped<'b>(
    node: Node<'_>,
    on: GroupedStream<'b>,
    kind: Kind,
) -> Result<Handle<'b>, Failure> {
    let function = node.text("fn");
    Ok(match node.text("op").as_str() {
        "count" => Handle::Count(on.count_with::<Value>(node.materialized::<i64>(Kind::Long))),
        "reduce" => {
            let add = move |acc: Value, v: Value| functions::add(&function, Some(&acc), Some(&v));
            let stored = node.materialized::<Value>(kind);
            Handle::Table(on.reduce_with::<Value, _>(add, stored), kind)
        }
        "aggregate" => {
            let result = aggregate_kind(&function);
            let add = move |_: &String, v: Value, acc: Nullable| {
                functions::add(&function, acc.as_ref(), Some(&v))
            };
            let stored = node.materialized::<Value>(result);
            Handle::Table(on.aggregate_with::<Value, Value, _>(|| None, add, stored), result)
        }
        "window" | "sliding" | "session" => windows::of(node, on, kind),
        "cogroup" => cogroups::of(node, on),
        _ => return node.unsupported(),
    })
}
