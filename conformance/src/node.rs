//! The nodes of a case, each of which is one call of the DSL.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use millstream::serde::Serde;
use millstream::{
    CogroupedKStream, Consumed, GlobalKTable, Grouped, KGroupedStream, KGroupedTable, KStream,
    KTable, Materialized, Named, StreamsBuilder, Topic, Topics, Windowed,
};
use serde_json::Value as Json;

use crate::text::{KEY, Kind, Row, Text, nullable};
use crate::windows::Windows;
use crate::{Failure, items};

pub(crate) type Stream<'b> = KStream<'b, Text, Text>;
pub(crate) type Table<'b, V> = KTable<'b, String, V>;
pub(crate) type WindowTable<'b, V> = KTable<'b, Windowed<String>, V>;
pub(crate) type GroupedStream<'b> = KGroupedStream<'b, String, Text, Text>;
pub(crate) type Cogrouped<'b> = CogroupedKStream<'b, String, String, Text>;

/// What a node gives to those built on it.
#[derive(Clone)]
pub(crate) enum Handle<'b> {
    Stream(Stream<'b>),
    Table(Table<'b, String>),
    Count(Table<'b, i64>),
    Global(GlobalKTable<'b, String, String>),
    Grouped(GroupedStream<'b>, Option<Windows>),
    GroupedTable(KGroupedTable<'b, String, String>),
    Cogrouped(Cogrouped<'b>, Option<Windows>),
    WindowedTable(WindowTable<'b, String>),
    WindowedCount(WindowTable<'b, i64>),
}

/// By the id of the node: what it gives, and how the values are written.
type Built<'b> = RefCell<BTreeMap<String, (Handle<'b>, Kind)>>;

/// One operator with its arguments.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a, 'b> {
    pub(crate) json: &'a Json,
    pub(crate) builder: &'b StreamsBuilder,
    pub(crate) built: &'a Built<'b>,
    /// How the values that it gets are written.
    pub(crate) kind: Kind,
}

/// What an operator gives; nothing when the language does not know it.
pub(crate) type Given<'b> = Option<Handle<'b>>;

/// The handle of a table with the rows of another.
pub(crate) type Same<'b, V> = fn(Table<'b, V>) -> Handle<'b>;

/// Builds every node on its parents.
pub(crate) fn build(builder: &StreamsBuilder, nodes: &Json) -> Result<(), Failure> {
    let built = Built::default();
    for json in items(nodes) {
        let mut node = Node { json, builder, built: &built, kind: Kind::Text };
        let from = node.at("from");
        node.kind = from.as_ref().map_or(Kind::Text, |(_, kind)| *kind);
        let handle = from.map_or_else(|| node.source(), |(handle, _)| node.on(handle));
        let handle = handle.ok_or_else(|| format!("unsupported: {json}"))?;
        built.borrow_mut().insert(node.text("id"), (handle, node.result()));
    }
    Ok(())
}

/// Passes an argument on, where there is one.
pub(crate) fn with<T, A>(argument: Option<A>, to: T, set: impl FnOnce(T, A) -> T) -> T {
    match argument {
        Some(argument) => set(to, argument),
        None => to,
    }
}

impl<'a, 'b> Node<'a, 'b> {
    pub(crate) fn op(self) -> &'a str {
        self.optional("op").unwrap_or_default()
    }

    pub(crate) fn optional(self, field: &str) -> Option<&'a str> {
        self.json[field].as_str()
    }

    /// A text, empty when it is absent.
    pub(crate) fn text(self, field: &str) -> String {
        self.optional(field).unwrap_or_default().to_owned()
    }

    pub(crate) fn texts(self, field: &str) -> impl Iterator<Item = &'a str> {
        items(&self.json[field]).filter_map(Json::as_str)
    }

    pub(crate) fn number<N: TryFrom<i64>>(self, field: &str) -> Option<N> {
        N::try_from(self.json[field].as_i64()?).ok()
    }

    pub(crate) fn millis(self, field: &str) -> Option<Duration> {
        self.number(field).map(Duration::from_millis)
    }

    pub(crate) fn name(self, field: &str) -> Named {
        self.optional(field).map(Named::new).unwrap_or_default()
    }

    pub(crate) fn named(self) -> Named {
        self.name("named")
    }

    /// What the node that a field names gives.
    pub(crate) fn at(self, field: &str) -> Option<(Handle<'b>, Kind)> {
        self.built.borrow().get(self.optional(field)?).cloned()
    }

    /// How the values that it gives are written.
    pub(crate) fn result(self) -> Kind {
        match self.op() {
            "count" => Kind::Long,
            "stream" | "table" | "global_table" if self.json["value"] == "long" => Kind::Long,
            "cogroup" if self.optional("other").is_some() => self.kind,
            "map" | "map_values" | "aggregate" | "cogroup" => match self.optional("fn") {
                Some("length" | "plus_one" | "sum_length") => Kind::Long,
                Some("identity" | "null_if_short") | None => self.kind,
                Some(_) => Kind::Text,
            },
            "flat_map" | "flat_map_values" | "process" => Kind::Text,
            op if op.ends_with("join") => Kind::Text,
            _ => self.kind,
        }
    }

    pub(crate) fn grouped<V>(self, value: impl Serde<V>) -> Grouped<String, V> {
        Grouped::with_serdes(KEY, value).with_name(self.name("name"))
    }

    /// The store that the node asks for, or the serdes alone; with the operator's name.
    pub(crate) fn materialized<V: Row>(self) -> Materialized<String, V> {
        let kept = Materialized::with_serdes(KEY, self.result()).with_node_name(self.named());
        let kept = with(self.optional("store"), kept, Materialized::with_store_name);
        // A table of a topic is told nothing of a store that it does not name.
        let is_told = self.optional("from").or(self.optional("store")).is_some();
        let says = |switch: &str, value: bool| is_told && self.json[switch] == value;
        if let Some(history) = self.millis("versioned_history_ms") {
            return kept.versioned(history);
        }
        let kept = with(self.millis("retention"), kept, Materialized::with_retention);
        let kept = if says("caching", false) { kept.without_cache() } else { kept };
        let kept = if says("logging", false) { kept.without_changelog() } else { kept };
        if says("in_memory", true) { kept.in_memory() } else { kept }
    }

    /// The name and the store of a table that is derived from another, where they are given.
    pub(crate) fn derived<V: Row>(self) -> (Named, Option<Materialized<String, V>>) {
        (self.named(), self.optional("store").map(|_| self.materialized()))
    }

    fn source(self) -> Given<'b> {
        let (builder, kind) = (self.builder, self.result());
        let topic = || Topic::with_serdes(self.text("topic"), KEY, kind);
        let (consumed, stored) = (Consumed::new().with_name(self.named()), self.materialized());
        Some(match self.op() {
            "stream" => {
                let read = Topics::with_serdes(self.texts("topics"), nullable(KEY), nullable(kind));
                Handle::Stream(builder.stream_with(read, consumed))
            }
            "table" => Handle::Table(builder.table_with(topic(), consumed, stored)),
            "global_table" => Handle::Global(builder.global_table_with(topic(), consumed, stored)),
            _ => return None,
        })
    }

    fn on(self, on: Handle<'b>) -> Given<'b> {
        match on {
            Handle::Stream(on) => self.on_stream(on),
            Handle::Table(on) => self.on_table(on, Handle::Table),
            Handle::Count(on) => self.on_table(on, Handle::Count),
            Handle::Global(_) => None,
            Handle::Grouped(on, windows) => self.on_grouped(on, windows),
            Handle::GroupedTable(on) => self.on_grouped_table(on),
            Handle::Cogrouped(on, windows) => self.on_cogrouped(on, windows),
            Handle::WindowedTable(on) if self.op() == "to_stream" => Some(self.window_stream(on)),
            Handle::WindowedTable(on) => self.closed(on).map(Handle::WindowedTable),
            Handle::WindowedCount(on) if self.op() == "to_stream" => Some(self.window_stream(on)),
            Handle::WindowedCount(on) => self.closed(on).map(Handle::WindowedCount),
        }
    }
}
