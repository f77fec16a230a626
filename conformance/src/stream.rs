//! Operators on streams and grouped streams.

use millstream::serde::DefaultSerde;
use millstream::{DynamicProduced, Produced, Repartitioned, Stores, StreamsBuilder, Topic};

use crate::Failure;
use crate::build::{GroupedStream, Handle, Handles, Stream};
use crate::functions::{self, aggregate_kind, holds, key, split, value_kind};
use crate::node::Node;
use crate::processors::{Behaviour, Custom};
use crate::value::{Kind, Value, text};

/// Calls an operator with the node's name, if it has one.
macro_rules! call {
    ($node:ident: $on:ident.$plain:ident or $with:ident($($argument:expr),*)) => {
        match $node.named() {
            Some(named) => $on.$with($($argument,)* named),
            None => $on.$plain($($argument),*),
        }
    };
}

/// The handle of one operator; sinks have none, and branches put their own.
pub(crate) fn node<'b>(
    builder: &'b StreamsBuilder,
    node: Node<'_>,
    (on, kind): (Stream<'b>, Kind),
    handles: &mut Handles<'b>,
) -> Result<Option<Handle<'b>>, Failure> {
    let result = match node.text("op") {
        "filter" | "filter_not" | "peek" | "merge" => same_records(node, on, kind, handles)?,
        "map" | "map_values" | "flat_map" | "flat_map_values" | "select_key" => {
            other_records(node, on, kind)
        }
        "repartition" => Handle::Stream(on.repartition_with(repartitioned(node, kind)), kind),
        "process" => Handle::Stream(process(builder, node, on), Kind::Text),
        "to_table" => Handle::Table(on.to_table_with::<String, Value>(node.materialized_as(kind)), kind),
        "group_by_key" => Handle::Grouped(on.group_by_key_with::<String>(node.grouped(kind)), kind),
        "group_by" => {
            let function = node.owned("fn");
            let by = move |k: &Option<String>, v: &Option<Value>| {
                key(&function, k.as_deref(), v.as_ref())
            };
            Handle::Grouped(on.group_by_with::<String, _>(by, node.grouped(kind)), kind)
        }
        "branch" => return Ok(branch(node, on, kind, handles)),
        "to" | "to_dynamic" => return Ok(sink(node, on, kind)),
        _ => return node.unsupported(),
    };
    Ok(Some(result))
}

/// Operators that leave the records as they are.
fn same_records<'b>(
    node: Node<'_>,
    on: Stream<'b>,
    kind: Kind,
    handles: &Handles<'b>,
) -> Result<Handle<'b>, Failure> {
    let function = node.owned("fn");
    let predicate = move |k: &Option<String>, v: &Option<Value>| {
        holds(&function, k.as_deref(), v.as_ref())
    };
    let stream = match node.text("op") {
        "filter" => call!(node: on.filter or filter_with(predicate)),
        "filter_not" => call!(node: on.filter_not or filter_not_with(predicate)),
        "peek" => call!(node: on.peek or peek_with(|_, _| {})),
        _ => {
            let Handle::Stream(other, _) = handles.get(node.text("other"))? else {
                return node.unsupported();
            };
            call!(node: on.merge or merge_with(other))
        }
    };
    Ok(Handle::Stream(stream, kind))
}

/// Operators that make other records.
fn other_records<'b>(node: Node<'_>, on: Stream<'b>, kind: Kind) -> Handle<'b> {
    let function = node.owned("fn");
    match node.text("op") {
        "map_values" => {
            let result = value_kind(&function, kind);
            let map = move |v| functions::value(&function, v);
            Handle::Stream(call!(node: on.map_values or map_values_with(map)), result)
        }
        "map" => {
            let result = value_kind(&function, kind);
            let key_function = node.owned("key_fn");
            let map = move |k: Option<String>, v: Option<Value>| {
                let new_key = key(&key_function, k.as_deref(), v.as_ref());
                (new_key, functions::value(&function, v))
            };
            Handle::Stream(call!(node: on.map or map_with(map)), result)
        }
        "select_key" => {
            let select = move |k: &Option<String>, v: &Option<Value>| {
                key(&function, k.as_deref(), v.as_ref())
            };
            Handle::Stream(call!(node: on.select_key or select_key_with(select)), kind)
        }
        "flat_map_values" => {
            let separator = if function == "split_comma" { ',' } else { ' ' };
            let parts = move |v: Option<Value>| {
                let parts = split(separator, v.as_ref()).into_iter();
                parts.map(|part| Some(Value::Text(part))).collect::<Vec<_>>()
            };
            Handle::Stream(call!(node: on.flat_map_values or flat_map_values_with(parts)), Kind::Text)
        }
        _ => {
            let parts = |k: Option<String>, v: Option<Value>| {
                let old = Some(Value::Text(text(k.map(Value::Text).as_ref())));
                let parts = split(' ', v.as_ref()).into_iter();
                parts.map(|part| (Some(part), old.clone())).collect::<Vec<_>>()
            };
            Handle::Stream(call!(node: on.flat_map or flat_map_with(parts)), Kind::Text)
        }
    }
}

fn repartitioned(node: Node<'_>, kind: Kind) -> Repartitioned<Option<String>, Option<Value>> {
    let key = Option::<String>::serde();
    let mut repartitioned = Repartitioned::with_shared_serdes(key, kind.nullable());
    if let Some(name) = node.optional("name") {
        repartitioned = repartitioned.with_name(name);
    }
    if let Some(partitions) = node.partitions() {
        repartitioned = repartitioned.with_partitions(partitions);
    }
    repartitioned
}

fn process<'b>(builder: &'b StreamsBuilder, node: Node<'_>, on: Stream<'b>) -> Stream<'b> {
    let (behaviour, store) = (Behaviour::parse(node.text("fn")), node.owned("store"));
    builder.add_state_store(Stores::key_value::<String, String>(store.as_str()));
    let connected = [node.text("store")];
    let supplier = move |stores: &millstream::processor::Stores<'_, '_>| {
        Custom::new(behaviour.clone(), &store, stores)
    };
    call!(node: on.process or process_with(supplier, &connected))
}

/// Each branch becomes a handle of its own.
fn branch<'b>(
    node: Node<'_>,
    on: Stream<'b>,
    kind: Kind,
    handles: &mut Handles<'b>,
) -> Option<Handle<'b>> {
    let mut split = call!(node: on.split or split_with());
    let predicates = node.list("predicates");
    let count = predicates.len();
    for predicate in predicates {
        split = split.branch(move |k, v| holds(&predicate, k.as_deref(), v.as_ref()));
    }
    let branches =
        if node.is_set("default") { split.default_branch() } else { split.no_default_branch() };
    let id = node.text("id");
    for at in 0..count {
        if let Some(stream) = branches.at(at) {
            handles.put(format!("{id}.{at}"), Handle::Stream(stream, kind));
        }
    }
    if let Some(stream) = branches.default() {
        handles.put(format!("{id}.default"), Handle::Stream(stream, kind));
    }
    None
}

fn sink<'b>(node: Node<'_>, on: Stream<'b>, kind: Kind) -> Option<Handle<'b>> {
    let (key, value) = (Option::<String>::serde(), kind.nullable());
    if node.text("op") == "to" {
        let topic = Topic::with_shared_serdes(node.text("topic"), key, value);
        let produced = match node.name() {
            Some(name) => Produced::new().with_name(name),
            None => Produced::new(),
        };
        on.to_with(topic, produced);
        return None;
    }
    let prefix = node.owned("prefix");
    let mut produced = DynamicProduced::with_shared_serdes(key, value);
    if let Some(name) = node.name() {
        produced = produced.with_name(name);
    }
    let topic = move |k: &Option<String>, _: &Option<Value>, _: &_| {
        format!("{prefix}{}", k.as_deref().unwrap_or("none")).into()
    };
    on.to_dynamic_with(topic, produced);
    None
}

/// Aggregations of a grouped stream.
pub(crate) fn grouped<'b>(
    node: Node<'_>,
    on: GroupedStream<'b>,
    kind: Kind,
) -> Result<Handle<'b>, Failure> {
    let function = node.owned("fn");
    let handle = match node.text("op") {
        "count" => Handle::Count(on.count_with::<Value>(node.materialized_as::<i64>(Kind::Long))),
        "reduce" => {
            let add = move |acc: Value, v: Value| functions::add(&function, Some(&acc), Some(&v));
            let stored = node.materialized_as::<Value>(kind);
            Handle::Table(on.reduce_with::<Value, _>(add, stored), kind)
        }
        "aggregate" => {
            let result = aggregate_kind(&function);
            let add = move |_: &String, v: Value, acc: Option<Value>| {
                functions::add(&function, acc.as_ref(), Some(&v))
            };
            let stored = node.materialized_as::<Value>(result);
            Handle::Table(on.aggregate_with::<Value, Value, _>(|| None, add, stored), result)
        }
        _ => return node.unsupported(),
    };
    Ok(handle)
}
