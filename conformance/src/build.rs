//! The topology of a case: each node is one call of the DSL.

use std::collections::BTreeMap;

use millstream::serde::DefaultSerde;
use millstream::{
    Consumed, KGroupedStream, KGroupedTable, KStream, KTable, StreamsBuilder, Topic, Topics,
};
use serde_json::Value as Json;

use crate::node::Node;
use crate::value::{Kind, Value};
use crate::{Failure, stream, table};

pub(crate) type Stream<'b> = KStream<'b, Option<String>, Option<Value>>;
pub(crate) type GroupedStream<'b> =
    KGroupedStream<'b, String, Option<Value>, Option<String>>;

/// What a node gives to those built on it, with the type of its values.
#[derive(Clone, Copy)]
pub(crate) enum Handle<'b> {
    Stream(Stream<'b>, Kind),
    Table(KTable<'b, String, Value>, Kind),
    Count(KTable<'b, String, i64>),
    Grouped(GroupedStream<'b>, Kind),
    GroupedTable(KGroupedTable<'b, String, Value>, Kind),
}

/// The handles by the ids of their nodes.
pub(crate) struct Handles<'b>(BTreeMap<String, Handle<'b>>);

impl<'b> Handles<'b> {
    pub(crate) fn get(&self, id: &str) -> Result<Handle<'b>, Failure> {
        self.0.get(id).copied().ok_or_else(|| Failure(format!("there is no node {id}")))
    }

    pub(crate) fn put(&mut self, id: String, handle: Handle<'b>) {
        self.0.insert(id, handle);
    }
}

/// Builds every node on its parents.
pub(crate) fn all(builder: &StreamsBuilder, nodes: &[Json]) -> Result<(), Failure> {
    let mut handles = Handles(BTreeMap::new());
    for node in nodes.iter().map(Node) {
        let built = match node.text("op") {
            "stream" => Some(source(builder, node)),
            "table" if node.0.get("versioned_history_ms").is_none() => {
                Some(source_table(builder, node))
            }
            "table" | "global_table" => return node.unsupported(),
            _ => match handles.get(node.text("from"))? {
                Handle::Stream(stream, kind) => {
                    stream::node(builder, node, (stream, kind), &mut handles)?
                }
                Handle::Grouped(grouped, kind) => Some(stream::grouped(node, grouped, kind)?),
                Handle::Table(on, kind) => Some(table::node(node, on, kind)?),
                Handle::Count(on) => Some(table::node(node, on, Kind::Long)?),
                Handle::GroupedTable(grouped, kind) => Some(table::grouped(node, grouped, kind)?),
            },
        };
        if let Some(handle) = built {
            handles.put(node.owned("id"), handle);
        }
    }
    Ok(())
}

fn consumed(node: Node<'_>) -> Consumed<Option<String>, Option<Value>> {
    match node.name() {
        Some(name) => Consumed::new().with_name(name),
        None => Consumed::new(),
    }
}

fn source<'b>(builder: &'b StreamsBuilder, node: Node<'_>) -> Handle<'b> {
    let kind = node.kind();
    let topics = node.list("topics");
    let topics = Topics::with_shared_serdes(topics, Option::<String>::serde(), kind.nullable());
    Handle::Stream(builder.stream_with(topics, consumed(node)), kind)
}

fn source_table<'b>(builder: &'b StreamsBuilder, node: Node<'_>) -> Handle<'b> {
    let kind = node.kind();
    let topic = Topic::with_shared_serdes(node.text("topic"), String::serde(), kind.serde());
    let table = if node.wants_store() {
        builder.table_with(topic, consumed(node), node.materialized(kind))
    } else {
        builder.table_with(topic, consumed(node), ())
    };
    Handle::Table(table, kind)
}
