//! A node of a case, as JSON.

use std::time::Duration;

use millstream::serde::{DefaultSerde, SharedSerde};
use millstream::{Grouped, KTable, Materialized, Named, Windowed};
use serde_json::Value as Json;

use crate::build::Handle;
use crate::value::{Kind, Value};
use crate::{Failure, text};

/// One operator with its arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'j>(pub(crate) &'j Json);

impl<'j> Node<'j> {
    pub(crate) fn optional(self, field: &str) -> Option<&'j str> {
        self.0[field].as_str()
    }

    /// A text, empty when it is absent.
    pub(crate) fn text(self, field: &str) -> String {
        self.optional(field).unwrap_or_default().to_owned()
    }

    pub(crate) fn list(self, field: &str) -> Vec<String> {
        let items = self.0[field].as_array().into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    }

    pub(crate) fn millis(self, field: &str) -> Option<Duration> {
        self.0[field].as_u64().map(Duration::from_millis)
    }

    pub(crate) fn named(self) -> Option<Named> {
        self.optional("named").map(Named::new)
    }

    /// Passes a text on, where there is one.
    pub(crate) fn with<T>(self, field: &str, to: T, set: impl FnOnce(T, &'j str) -> T) -> T {
        match self.optional(field) {
            Some(text) => set(to, text),
            None => to,
        }
    }

    pub(crate) fn grouped<V: 'static>(self, value: SharedSerde<V>) -> Grouped<String, V> {
        let grouped = Grouped::with_shared_serdes(text::serde(), value);
        self.with("name", grouped, |grouped, name| grouped.with_name(name))
    }

    /// The store that the node asks for, or the serdes alone; with the operator's name.
    pub(crate) fn materialized<V: CaseValue>(self, kind: Kind) -> Materialized<String, V> {
        let stored = Materialized::with_shared_serdes(text::serde(), V::serde(kind));
        let stored = self.with("store", stored, |stored, name| stored.with_store_name(name));
        let mut stored = self.with("named", stored, |stored, name| stored.with_node_name(name));
        if let Some(history) = self.millis("versioned_history_ms") {
            return stored.versioned(history);
        }
        if self.0["caching"] == false {
            stored = stored.without_cache();
        }
        if self.0["logging"] == false {
            stored = stored.without_changelog();
        }
        if let Some(retention) = self.millis("retention") {
            stored = stored.with_retention(retention);
        }
        if self.0["in_memory"] == true { stored.in_memory() } else { stored }
    }

    pub(crate) fn unsupported<T>(self) -> Result<T, Failure> {
        Err(format!("unsupported: {}", self.text("op")).into())
    }
}

/// The values that tables of a case have.
pub(crate) trait CaseValue: Clone + Into<Value> + 'static {
    fn serde(kind: Kind) -> SharedSerde<Self>;
    fn handle(table: KTable<'_, String, Self>, kind: Kind) -> Handle<'_>;
    fn windowed(table: KTable<'_, Windowed<String>, Self>, kind: Kind) -> Handle<'_>;
}

impl CaseValue for Value {
    fn serde(kind: Kind) -> SharedSerde<Self> {
        kind.serde()
    }

    fn handle(table: KTable<'_, String, Self>, kind: Kind) -> Handle<'_> {
        Handle::Table(table, kind)
    }

    fn windowed(table: KTable<'_, Windowed<String>, Self>, kind: Kind) -> Handle<'_> {
        Handle::WindowedTable(table, kind)
    }
}

/// What `count` gives.
impl CaseValue for i64 {
    fn serde(_: Kind) -> SharedSerde<Self> {
        <Self as DefaultSerde>::serde()
    }

    fn handle(table: KTable<'_, String, Self>, _: Kind) -> Handle<'_> {
        Handle::Count(table)
    }

    fn windowed(table: KTable<'_, Windowed<String>, Self>, _: Kind) -> Handle<'_> {
        Handle::WindowedCount(table)
    }
}
