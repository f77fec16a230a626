//! A node of a case, as JSON.

use millstream::names::NodeName;
use millstream::{Grouped, Materialized, Named};
use millstream::serde::DefaultSerde;
use serde_json::Value as Json;

use crate::Failure;
use crate::build::Handle;
use crate::value::{Kind, Value};

/// One operator with its arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'j>(pub(crate) &'j Json);

impl<'j> Node<'j> {
    /// A text field, empty when it is absent.
    pub(crate) fn text(self, field: &str) -> &'j str {
        self.optional(field).unwrap_or_default()
    }

    pub(crate) fn optional(self, field: &str) -> Option<&'j str> {
        self.0.get(field)?.as_str()
    }

    /// A text field that a closure keeps.
    pub(crate) fn owned(self, field: &str) -> String {
        self.text(field).to_owned()
    }

    pub(crate) fn list(self, field: &str) -> Vec<String> {
        let items = self.0.get(field).and_then(Json::as_array).into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    }

    /// Whether a switch is on, where its absence means on.
    fn is_on(self, field: &str) -> bool {
        self.0.get(field).and_then(Json::as_bool).unwrap_or(true)
    }

    /// Whether a switch is on, where its absence means off.
    pub(crate) fn is_set(self, field: &str) -> bool {
        self.0.get(field).and_then(Json::as_bool).unwrap_or(false)
    }

    /// The value type that a source declares.
    pub(crate) fn kind(self) -> Kind {
        if self.text("value") == "long" { Kind::Long } else { Kind::Text }
    }

    pub(crate) fn name(self) -> Option<NodeName> {
        self.optional("named").map(NodeName::from)
    }

    pub(crate) fn named(self) -> Option<Named> {
        self.name().map(Named::new)
    }

    pub(crate) fn partitions(self) -> Option<i32> {
        self.0.get("partitions")?.as_i64()?.try_into().ok()
    }

    pub(crate) fn grouped<V: CaseValue>(self, kind: Kind) -> Grouped<String, V> {
        let grouped = Grouped::with_shared_serdes(String::serde(), V::serde(kind));
        match self.optional("name") {
            Some(name) => grouped.with_name(name),
            None => grouped,
        }
    }

    /// Whether the node asks for a store.
    pub(crate) fn wants_store(self) -> bool {
        self.optional("store").is_some()
    }

    /// The store that the node asks for, or the serdes alone.
    pub(crate) fn materialized<V: CaseValue>(self, kind: Kind) -> Materialized<String, V> {
        let mut stored = Materialized::with_shared_serdes(String::serde(), V::serde(kind));
        if let Some(store) = self.optional("store") {
            stored = stored.with_store_name(store);
        }
        if !self.is_on("caching") {
            stored = stored.without_cache();
        }
        if !self.is_on("logging") {
            stored = stored.without_changelog();
        }
        if self.is_set("in_memory") {
            stored = stored.in_memory();
        }
        stored
    }

    /// The same, with the operator's name.
    pub(crate) fn materialized_as<V: CaseValue>(self, kind: Kind) -> Materialized<String, V> {
        let stored = self.materialized(kind);
        match self.name() {
            Some(name) => stored.with_node_name(name),
            None => stored,
        }
    }

    pub(crate) fn unsupported<T>(self) -> Result<T, Failure> {
        Err(Failure(format!("unsupported: {}", self.text("op"))))
    }
}

/// The types of values that tables of a case have.
pub(crate) trait CaseValue: Clone + Into<Value> + 'static {
    fn serde(kind: Kind) -> millstream::serde::SharedSerde<Self>;
    fn handle(table: millstream::KTable<'_, String, Self>, kind: Kind) -> Handle<'_>;
}

impl CaseValue for Value {
    fn serde(kind: Kind) -> millstream::serde::SharedSerde<Self> {
        kind.serde()
    }

    fn handle(table: millstream::KTable<'_, String, Self>, kind: Kind) -> Handle<'_> {
        Handle::Table(table, kind)
    }
}

/// What `count` gives.
impl CaseValue for i64 {
    fn serde(_: Kind) -> millstream::serde::SharedSerde<Self> {
        <Self as DefaultSerde>::serde()
    }

    fn handle(table: millstream::KTable<'_, String, Self>, _: Kind) -> Handle<'_> {
        Handle::Count(table)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Long(number)
    }
}
