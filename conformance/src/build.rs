//! The topology of a case: each node is one call of the DSL.

use std::collections::BTreeMap;

use millstream::{
    Consumed, GlobalKTable, KGroupedStream, KGroupedTable, KStream, KTable, StreamsBuilder, Topic,
    Topics, Windowed,
};
use serde_json::Value as Json;

use crate::cogroups::{self, Cogrouped};
use crate::node::Node;
use crate::value::{Kind, Value};
use crate::windows::{self, WindowedStream, Windows};
use crate::{Failure, stream, table, text};

pub(crate) type Stream<'b> = KStream<'b, Option<String>, Option<Value>>;
pub(crate) type GroupedStream<'b> = KGroupedStream<'b, String, Option<Value>, Option<String>>;

/// What a node gives to those built on it, with the type of its values.
#[derive(Clone)]
pub(crate) enum Handle<'b> {
    Stream(Stream<'b>, Kind),
    Table(KTable<'b, String, Value>, Kind),
    Global(GlobalKTable<'b, String, Value>),
    Count(KTable<'b, String, i64>),
    Grouped(GroupedStream<'b>, Kind),
    GroupedTable(KGroupedTable<'b, String, Value>, Kind),
    InWindows(WindowedStream<'b>, Kind),
    Cogrouped(Cogrouped<'b>, Kind),
    CogroupedInWindows(Cogrouped<'b>, Windows, Kind),
    WindowedTable(KTable<'b, Windowed<String>, Value>, Kind),
    WindowedCount(KTable<'b, Windowed<String>, i64>),
    WithWindows(KStream<'b, Windowed<String>, Option<Value>>, Kind),
}

/// The topology as far as it is built.
pub(crate) struct Building<'b> {
    pub(crate) builder: &'b StreamsBuilder,
    /// By the id of the node.
    pub(crate) handles: BTreeMap<String, Handle<'b>>,
}

impl<'b> Building<'b> {
    pub(crate) fn handle(&self, id: &str) -> Result<Handle<'b>, Failure> {
        let handle = self.handles.get(id).cloned();
        handle.ok_or_else(|| format!("there is no node {id}").into())
    }

    fn node(&mut self, node: Node<'_>) -> Result<Option<Handle<'b>>, Failure> {
        let kind = if node.optional("value") == Some("long") { Kind::Long } else { Kind::Text };
        let consumed = || node.with("named", Consumed::new(), |c, name| c.with_name(name));
        let handle = match node.text("op").as_str() {
            "stream" => {
                let (names, key) = (node.list("topics"), text::nullable());
                let topics = Topics::with_shared_serdes(names, key, kind.nullable());
                Handle::Stream(self.builder.stream_with(topics, consumed()), kind)
            }
            "table" => {
                let (topic, value) = (node.text("topic"), kind.serde());
                let topic = Topic::with_shared_serdes(topic, text::serde(), value);
                let stored = node.materialized(kind);
                Handle::Table(self.builder.table_with(topic, consumed(), stored), kind)
            }
            "global_table" => {
                let (topic, value) = (node.text("topic"), kind.serde());
                let topic = Topic::with_shared_serdes(topic, text::serde(), value);
                let stored = node.materialized(kind);
                Handle::Global(self.builder.global_table_with(topic, consumed(), stored))
            }
            _ => match self.handle(&node.text("from"))? {
                Handle::Stream(on, kind) => return stream::node(self, node, on, kind),
                Handle::Grouped(on, kind) => stream::grouped(node, on, kind)?,
                Handle::Table(on, kind) => table::node(self, node, on, kind)?,
                Handle::Count(on) => table::node(self, node, on, Kind::Long)?,
                Handle::GroupedTable(on, kind) => table::grouped(node, on, kind)?,
                Handle::Cogrouped(on, kind) => cogroups::node(self, node, on, kind)?,
                Handle::CogroupedInWindows(on, windows, kind) => {
                    cogroups::in_windows(node, on, windows, kind)
                }
                Handle::InWindows(on, kind) => windows::aggregated(node, on, kind)?,
                Handle::WindowedTable(on, kind) => windows::table(node, on, kind)?,
                Handle::WindowedCount(on) => windows::table(node, on, Kind::Long)?,
                Handle::WithWindows(on, kind) => windows::keyed(node, on, kind)?,
                Handle::Global(_) => return node.unsupported(),
            },
        };
        Ok(Some(handle))
    }
}

/// Builds every node on its parents.
pub(crate) fn all(builder: &StreamsBuilder, nodes: &Json) -> Result<(), Failure> {
    let mut building = Building { builder, handles: BTreeMap::new() };
    for node in nodes.as_array().into_iter().flatten().map(Node) {
        if let Some(handle) = building.node(node)? {
            building.handles.insert(node.text("id"), handle);
        }
    }
    Ok(())
}
