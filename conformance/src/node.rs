//! The nodes of a case, each of which is one call of the DSL.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream::serde::{Serde, SessionWindowedSerde, SharedSerde, TimeWindowedSerde};
use millstream::{
    BufferConfig, CogroupedKStream, Consumed, GlobalKTable, Grouped, KGroupedStream, KGroupedTable,
    KStream, KTable, Materialized, Named, StreamsBuilder, Suppressed, Topic, Topics, Windowed,
};
use serde_json::Value as Json;

use crate::text::{KEY, Kind, Row, Text, nullable};
use crate::windows::Windows::{self, Sliding, Time};
use crate::{Failure, items};

pub(crate) type Texts<'b, K> = KStream<'b, Option<K>, Text>;
pub(crate) type Rows<'b, K, V> = KTable<'b, K, V>;
pub(crate) type GroupedStream<'b> = KGroupedStream<'b, String, Text, Text>;
pub(crate) type Cogrouped<'b> = CogroupedKStream<'b, String, String, Text>;

/// What has keys of one type.
#[derive(Clone)]
pub(crate) enum Keyed<'b, K> {
    Stream(Texts<'b, K>),
    Table(Rows<'b, K, String>),
    Count(Rows<'b, K, i64>),
}

/// What a node gives to those built on it.
#[derive(Clone)]
pub(crate) enum Handle<'b> {
    Plain(Keyed<'b, String>),
    Windowed(Keyed<'b, Windowed<String>>),
    Global(GlobalKTable<'b, String, String>),
    Grouped(GroupedStream<'b>),
    GroupedTable(KGroupedTable<'b, String, String>),
    Cogrouped(Cogrouped<'b>),
}

/// A key that is not null: text, or text in a window.
pub(crate) trait Key: Clone + std::fmt::Display + 'static {
    const HANDLE: for<'b> fn(Keyed<'b, Self>) -> Handle<'b>;
    /// What a handle has, if its keys are of this type.
    const KEYED: for<'b> fn(Handle<'b>) -> Option<Keyed<'b, Self>>;
    const SERDE: fn(Option<Windows>) -> SharedSerde<Self>;

    /// To wait until windows close.
    fn closed<V: Row>(_: Node<'_, '_>) -> Option<Suppressed<Self, V>> {
        None
    }
}

impl Key for String {
    const HANDLE: for<'b> fn(Keyed<'b, Self>) -> Handle<'b> = |on| Handle::Plain(on);
    const KEYED: for<'b> fn(Handle<'b>) -> Option<Keyed<'b, Self>> =
        |on| if let Handle::Plain(on) = on { Some(on) } else { None };
    const SERDE: fn(Option<Windows>) -> SharedSerde<Self> = |_| Arc::new(KEY);
}

impl Key for Windowed<String> {
    const HANDLE: for<'b> fn(Keyed<'b, Self>) -> Handle<'b> = |on| Handle::Windowed(on);
    const KEYED: for<'b> fn(Handle<'b>) -> Option<Keyed<'b, Self>> =
        |on| if let Handle::Windowed(on) = on { Some(on) } else { None };
    const SERDE: fn(Option<Windows>) -> SharedSerde<Self> = |windows| match windows {
        Some(Time(_, size) | Sliding(_, size)) => TimeWindowedSerde::shared(Arc::new(KEY), size),
        _ => SessionWindowedSerde::shared(Arc::new(KEY)),
    };

    fn closed<V: Row>(node: Node<'_, '_>) -> Option<Suppressed<Self, V>> {
        let serdes = (Arc::new(KEY) as _, Arc::new(node.kind) as _);
        Some(Suppressed::until_window_closes_with(BufferConfig::unbounded(), serdes))
    }
}

/// How values are written, and the windows that keys are in, if they are.
type Form = (Kind, Option<Windows>);

/// By the id of the node: what it gives, and its form.
type Built<'b> = RefCell<BTreeMap<String, (Handle<'b>, Form)>>;

/// One operator with its arguments.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a, 'b> {
    pub(crate) json: &'a Json,
    pub(crate) builder: &'b StreamsBuilder,
    pub(crate) built: &'a Built<'b>,
    /// The form of what it gets.
    pub(crate) kind: Kind,
    pub(crate) windows: Option<Windows>,
}

/// What an operator gives; nothing when the language does not know it.
pub(crate) type Given<'b> = Option<Handle<'b>>;

/// Builds every node on its parents.
pub(crate) fn build(builder: &StreamsBuilder, nodes: &Json) -> Result<(), Failure> {
    let built = Built::default();
    for json in nodes.as_array().ok_or("this line has no nodes")? {
        let mut node = Node { json, builder, built: &built, kind: Kind::Text, windows: None };
        let (on, form) = node.at("from").unzip();
        (node.kind, node.windows) = form.unwrap_or((Kind::Text, None));
        let handle = on.map_or_else(|| node.source(), |on| node.on(on));
        let handle = handle.ok_or_else(|| format!("unsupported: {}", node.op()))?;
        built.borrow_mut().insert(node.text("id"), (handle, (node.result(), node.windowed())));
    }
    Ok(())
}

/// Passes an argument on, where there is one.
pub(crate) fn with<T, A>(argument: Option<A>, to: T, set: impl FnOnce(T, A) -> T) -> T {
    if let Some(argument) = argument { set(to, argument) } else { to }
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
    pub(crate) fn at(self, field: &str) -> Option<(Handle<'b>, Form)> {
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
            "process" => Kind::Text,
            op if op.starts_with("flat_map") || op.ends_with("join") => Kind::Text,
            _ => self.kind,
        }
    }

    pub(crate) fn grouped<V>(self, value: impl Serde<V>) -> Grouped<String, V> {
        Grouped::with_serdes(KEY, value).with_name(self.name("name"))
    }

    /// The store that the node asks for, or the serdes alone; with the operator's name.
    pub(crate) fn materialized<K: Key, V: Row>(self) -> Materialized<K, V> {
        let (keys, values) = (K::SERDE(self.windows), Arc::new(self.result()));
        let kept = Materialized::with_shared_serdes(keys, values).with_node_name(self.named());
        let kept = with(self.optional("store"), kept, Materialized::with_store_name);
        // A table of a topic is told nothing of a store that it does not name, or of versions.
        let is_told = self.optional("from").or(self.optional("store")).is_some();
        let history = self.millis("versioned_history_ms");
        let says = |switch: &str, is: bool| is_told && history.is_none() && self.json[switch] == is;
        let kept = with(history, kept, Materialized::versioned);
        let kept = with(self.millis("retention"), kept, Materialized::with_retention);
        let kept = if says("caching", false) { kept.without_cache() } else { kept };
        let kept = if says("logging", false) { kept.without_changelog() } else { kept };
        if says("in_memory", true) { kept.in_memory() } else { kept }
    }

    /// The name and the store of a table that is derived from another, where they are given.
    pub(crate) fn derived<K: Key, V: Row>(self) -> (Named, Option<Materialized<K, V>>) {
        (self.named(), self.optional("store").map(|_| self.materialized()))
    }

    fn source(self) -> Given<'b> {
        let (builder, kind) = (self.builder, self.result());
        let topic = || Topic::with_serdes(self.text("topic"), KEY, kind);
        let (consumed, stored) = (Consumed::new().with_name(self.named()), self.materialized());
        Some(match self.op() {
            "stream" => {
                let read = Topics::with_serdes(self.texts("topics"), nullable(KEY), nullable(kind));
                Handle::Plain(Keyed::Stream(builder.stream_with(read, consumed)))
            }
            "table" => Handle::Plain(Keyed::Table(builder.table_with(topic(), consumed, stored))),
            "global_table" => Handle::Global(builder.global_table_with(topic(), consumed, stored)),
            _ => return None,
        })
    }
}
