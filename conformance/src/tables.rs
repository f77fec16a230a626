//! Operators on tables.

use std::sync::Arc;

use millstream::{BufferConfig, KGroupedTable, Suppressed, TableJoined};

use crate::functions::{adder, holds, inner, key, left, outer, reducer, some, subtract, value};
use crate::node::{Given, Handle, Node, Same, Table, WindowTable};
use crate::text::{KEY, Kind, Row, Text, in_window};

impl<'b> Node<'_, 'b> {
    /// An operator on a table; `same` is of what has the same rows.
    pub(crate) fn on_table<V: Row>(self, on: Table<'b, V>, same: Same<'b, V>) -> Given<'b> {
        let (f, g) = (self.text("fn"), self.text("fn"));
        let holds = move |k: &String, v: &V| holds(&g, &some(k), &some(v));
        Some(match self.op() {
            "filter" => same(on.filter_with(holds, self.derived())),
            "filter_not" => same(on.filter_not_with(holds, self.derived())),
            "map_values" => {
                Handle::Table(on.map_values_with(move |v: V| value(&f, some(&v)), self.derived()))
            }
            "to_stream" => Handle::Stream(on.to_stream_by(Some, |v| v.to_string(), self.named())),
            "group_by" => {
                let by = move |k: &String, v: V| (key(&f, &some(k), &some(&v)), v.to_string());
                Handle::GroupedTable(on.group_by_with(by, self.grouped(self.kind)))
            }
            "suppress_until_time_limit" => {
                let limit = self.millis("limit").unwrap_or_default();
                let buffer =
                    BufferConfig::max_records(self.number("max_records").unwrap_or(usize::MAX));
                let serdes = (Arc::new(KEY) as _, Arc::new(self.kind) as _);
                let waiting = Suppressed::until_time_limit_with(limit, buffer, serdes);
                same(on.suppress(waiting.with_name(self.name("name"))))
            }
            _ => match self.at("other")? {
                (Handle::Table(other), kind) => self.join(on, other, kind),
                (Handle::Count(other), kind) => self.join(on, other, kind),
                _ => return None,
            },
        })
    }

    fn join<V: Row, W: Row>(self, on: Table<'b, V>, to: Table<'b, W>, kind: Kind) -> Handle<'b> {
        let f = self.text("fn");
        let referred = |value: &V| key("before_colon", &None, &some(value));
        let joined = TableJoined::with_serdes((KEY, self.kind), (KEY, kind));
        let (joined, stored) = (joined.with_name(self.named()), self.materialized());
        Handle::Table(match self.op() {
            "join" => on.join_with(to, inner(f), self.derived()),
            "left_join" => on.left_join_with(to, left(f), self.derived()),
            "outer_join" => on.outer_join_with(to, outer(f), self.derived()),
            "fk_join" => on.foreign_key_join_with(to, referred, inner(f), joined, stored),
            _ => on.foreign_key_left_join_with(to, referred, left(f), joined, stored),
        })
    }

    pub(crate) fn on_grouped_table(self, on: KGroupedTable<'b, String, String>) -> Given<'b> {
        let (f, g, stored) = (self.text("fn"), self.text("fn"), self.materialized());
        Some(Handle::Table(match self.op() {
            "count" => return Some(Handle::Count(on.count_with(self.materialized()))),
            "reduce" => on.reduce_with(reducer(f), move |acc, v| subtract(&g, acc, v), stored),
            "aggregate" => {
                let subtract = move |_: &String, v, acc: Text| subtract(&g, acc, v);
                on.aggregate_with(|| Some(String::new()), adder(f), subtract, stored)
            }
            _ => return None,
        }))
    }

    /// The changes of a table of windows, whose keys become text.
    pub(crate) fn window_stream<V: Row>(self, on: WindowTable<'b, V>) -> Handle<'b> {
        let (key, named) = (|k| Some(in_window(k)), self.named());
        Handle::Stream(on.to_stream_by(key, |v| v.to_string(), named))
    }

    /// A table of windows that are closed.
    pub(crate) fn closed<V: Row>(self, on: WindowTable<'b, V>) -> Option<WindowTable<'b, V>> {
        let serdes = (Arc::new(KEY) as _, Arc::new(self.kind) as _);
        let closed = Suppressed::until_window_closes_with(BufferConfig::unbounded(), serdes);
        let closed = closed.with_name(self.name("name"));
        (self.op() == "suppress_until_window_closes").then(|| on.suppress(closed))
    }
}
