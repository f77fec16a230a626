//! Operators on streams and tables.

use std::sync::Arc;

use millstream::processor::RecordContext;
use millstream::serde::OptionSerde;
use millstream::{
    BufferConfig, ConnectedStores, DynamicProduced, JoinWindows, Joined, KGroupedTable, Produced,
    Repartitioned, Stores, StreamJoined, Suppressed, TableJoined, Topic,
};

use crate::functions::{
    adder, holds, inner, key, left, outer, reducer, some, split, subtract, text, value,
};
use crate::node::Keyed::{self, Count, Stream, Table};
use crate::node::{Given, Handle, Key, Node, Rows, Texts, with};
use crate::processors::Custom;
use crate::text::{KEY, Kind, Row, Text, in_window, nullable};

type Same<'b, K, V> = fn(Rows<'b, K, V>) -> Keyed<'b, K>;

impl<'b> Node<'_, 'b> {
    /// The operator on what it is built on.
    pub(crate) fn on(self, on: Handle<'b>) -> Given<'b> {
        match on {
            Handle::Plain(Stream(on)) if self.op() == "group_by_key" => {
                Some(Handle::Grouped(on.group_by_key_with(self.grouped(nullable(self.kind)))))
            }
            Handle::Plain(on) => self.on_keyed(on),
            Handle::Windowed(Stream(on)) if self.op() == "window_key" => {
                Some(Handle::Plain(Stream(on.map_with(|k, v| (k.map(in_window), v), self.named()))))
            }
            Handle::Windowed(on) => self.on_keyed(on),
            Handle::Global(_) => None,
            Handle::Grouped(on) => self.on_grouped(on),
            Handle::GroupedTable(on) => self.on_grouped_table(on),
            Handle::Cogrouped(on) => self.on_cogrouped(on),
        }
    }

    fn on_keyed<K: Key>(self, on: Keyed<'b, K>) -> Given<'b> {
        match on {
            Stream(on) => self.on_stream(on),
            Table(on) => self.on_table(on, Table),
            Count(on) => self.on_table(on, Count),
        }
    }

    /// An operator on a stream.
    fn on_stream<K: Key>(self, on: Texts<'b, K>) -> Given<'b> {
        let (f, by, named) = (self.text("fn"), self.text("key_fn"), self.named());
        Some(Handle::Plain(Stream(match self.op() {
            "select_key" => on.select_key_with(move |k, v| key(&f, k, v), named),
            "map" => on.map_with(move |k, v| (key(&by, &k, &v), value(&f, v)), named),
            "flat_map" => {
                let with_key = |k: Option<K>| move |part| (part, Some(text(k.as_ref())));
                on.flat_map_with(move |k, v| split(&f, v).into_iter().map(with_key(k)), named)
            }
            "group_by" => {
                let by = self.grouped(nullable(self.kind));
                return Some(Handle::Grouped(on.group_by_with(move |k, v| key(&f, k, v), by)));
            }
            "to_table" => return Some(K::HANDLE(Table(on.to_table_with(self.materialized())))),
            _ => return Some(K::HANDLE(Stream(self.with_keys(on)?))),
        })))
    }

    /// A stream with the same keys; sinks and splits give theirs back.
    fn with_keys<K: Key>(self, on: Texts<'b, K>) -> Option<Texts<'b, K>> {
        let (f, named) = (self.text("fn"), self.named());
        let keys = Arc::new(OptionSerde::new(K::SERDE(self.windows)));
        let value_serde = Arc::new(nullable(self.kind));
        Some(match self.op() {
            "filter" => on.filter_with(move |k, v| holds(&f, k, v), named),
            "filter_not" => on.filter_not_with(move |k, v| holds(&f, k, v), named),
            "peek" => on.peek_with(|_, _| (), named),
            "map_values" => on.map_values_with(move |v| value(&f, v), named),
            "flat_map_values" => on.flat_map_values_with(move |v| split(&f, v), named),
            "process" => {
                let (function, store, keys) = (f, self.text("store"), K::SERDE(self.windows));
                let spec = Stores::key_value_with::<K, String>(&*store, keys, Arc::new(KEY));
                self.builder.add_state_store(spec);
                let supplier = move |stores: &ConnectedStores<'_, '_>| {
                    Ok(Custom { function: function.clone(), store: stores.store(&*store)? })
                };
                on.process_with(supplier, &[self.optional("store").unwrap_or_default()], named)
            }
            "repartition" => {
                let how = Repartitioned::with_shared_serdes(keys, value_serde);
                let how = with(self.number("partitions"), how, Repartitioned::with_partitions);
                on.repartition_with::<K>(how.with_name(self.name("name")))
            }
            "branch" => {
                let split = self.texts("predicates").fold(on.split_with(named), |split, f| {
                    let f = f.to_owned();
                    split.branch(move |k, v| holds(&f, k, v))
                });
                let others = self.json["default"] == true;
                let ends = if others { split.default_branch() } else { split.no_default_branch() };
                let ids = self.texts("predicates").enumerate().map(|(at, _)| at.to_string());
                for (id, (_, end)) in ids.chain(["default".to_owned()]).zip(ends.iter()) {
                    let end = (K::HANDLE(Stream(end)), (self.kind, self.windows));
                    self.built.borrow_mut().insert(format!("{}.{id}", self.text("id")), end);
                }
                on
            }
            "to" => {
                let topic = Topic::with_shared_serdes(self.text("topic"), keys, value_serde);
                on.to_with(topic, Produced::new().with_name(named));
                on
            }
            "to_dynamic" => {
                let prefix = self.text("prefix");
                let topic = move |key: &Option<K>, _: &Text, _: &RecordContext| match key {
                    Some(key) => format!("{prefix}{key}").into(),
                    None => format!("{prefix}none").into(),
                };
                let how = DynamicProduced::with_shared_serdes(keys, value_serde);
                on.to_dynamic_with(topic, how.with_name(named));
                on
            }
            _ => match self.at("other")? {
                (Handle::Global(to), _) => {
                    let by = self.text("key_fn");
                    let by = move |k: &Option<K>, v: &Text| key(&by, k, v);
                    match self.op() {
                        "join" => on.join_global_with(to, by, inner::<String, String>(f), named),
                        _ => on.left_join_global_with(to, by, left::<String, String>(f), named),
                    }
                }
                (other, (kind, _)) => match K::KEYED(other)? {
                    Stream(to) if self.op() == "merge" => on.merge_with(to, named),
                    Stream(to) => self.with_stream(on, to, kind),
                    Table(to) => self.with_table(on, to),
                    Count(to) => self.with_table(on, to),
                },
            },
        })
    }

    fn with_stream<K: Key>(self, on: Texts<'b, K>, to: Texts<'b, K>, of: Kind) -> Texts<'b, K> {
        let bound = |field| self.number(field).or_else(|| self.number("difference")).unwrap_or(0);
        let by = JoinWindows::of_bounds(bound("before"), bound("after"));
        let by = with(self.millis("grace"), by, JoinWindows::with_grace);
        let (keys, values) = (K::SERDE(self.windows), Arc::new(nullable(self.kind)));
        let how = StreamJoined::with_shared_serdes(keys, values, Arc::new(nullable(of)));
        let how = with(self.optional("store"), how, StreamJoined::with_store_name);
        let (f, how) = (self.text("fn"), how.with_name(self.named()));
        match self.op() {
            "join" => on.join_with(to, inner::<String, String>(f), by, how).with_nullable_keys(),
            "left_join" => on.left_join_with(to, left::<String, String>(f), by, how),
            _ => on.outer_join_with(to, outer::<String, String>(f), by, how),
        }
    }

    fn with_table<K: Key, W: Row>(self, on: Texts<'b, K>, to: Rows<'b, K, W>) -> Texts<'b, K> {
        let how = Joined::with_shared_serdes(K::SERDE(self.windows), Arc::new(nullable(self.kind)));
        let how = with(self.millis("grace"), how, Joined::with_grace_period);
        let (f, how) = (self.text("fn"), how.with_name(self.named()));
        match self.op() {
            "join" => on.join_table_with(to, inner::<String, W>(f), how).with_nullable_keys(),
            _ => on.left_join_table_with(to, left::<String, W>(f), how),
        }
    }

    /// An operator on a table; `same` is of what has the same rows.
    fn on_table<K: Key, V: Row>(self, on: Rows<'b, K, V>, same: Same<'b, K, V>) -> Given<'b> {
        let (f, g, name) = (self.text("fn"), self.text("fn"), self.name("name"));
        let holds = move |k: &K, v: &V| holds(&g, &Some(k), &some(v));
        Some(K::HANDLE(match self.op() {
            "filter" => same(on.filter_with(holds, self.derived())),
            "filter_not" => same(on.filter_not_with(holds, self.derived())),
            "map_values" => Table(on.map_values_with(move |v| value(&f, some(&v)), self.derived())),
            "to_stream" => Stream(on.to_stream_by(Some, |v| v.to_string(), self.named())),
            "group_by" => {
                let by = move |k: &K, v: V| (key(&f, &Some(k), &some(&v)), v.to_string());
                return Some(Handle::GroupedTable(on.group_by_with(by, self.grouped(self.kind))));
            }
            "suppress_until_window_closes" => same(on.suppress(K::closed(self)?.with_name(name))),
            "suppress_until_time_limit" => {
                let limit = self.millis("limit").unwrap_or_default();
                let most = self.number("max_records").unwrap_or(usize::MAX);
                let (buffer, keys) = (BufferConfig::max_records(most), K::SERDE(self.windows));
                let serdes = (keys, Arc::new(self.kind) as _);
                let how = Suppressed::until_time_limit_with(limit, buffer, serdes);
                same(on.suppress(how.with_name(name)))
            }
            "fk_join" | "fk_left_join" => match self.at("other")? {
                (Handle::Plain(Table(to)), (kind, _)) => self.foreign_join(on, to, kind),
                (Handle::Plain(Count(to)), (kind, _)) => self.foreign_join(on, to, kind),
                _ => return None,
            },
            _ => match K::KEYED(self.at("other")?.0)? {
                Table(to) => self.join(on, to),
                Count(to) => self.join(on, to),
                Stream(_) => return None,
            },
        }))
    }

    fn join<K: Key, V: Row>(self, on: Rows<'b, K, V>, to: Rows<'b, K, impl Row>) -> Keyed<'b, K> {
        let f = self.text("fn");
        Table(match self.op() {
            "join" => on.join_with(to, inner(f), self.derived()),
            "left_join" => on.left_join_with(to, left(f), self.derived()),
            _ => on.outer_join_with(to, outer(f), self.derived()),
        })
    }

    fn foreign_join<K: Key, V: Row, W: Row>(
        self,
        on: Rows<'b, K, V>,
        to: Rows<'b, String, W>,
        kind: Kind,
    ) -> Keyed<'b, K> {
        let own = (K::SERDE(self.windows), Arc::new(self.kind) as _);
        let joined = TableJoined::with_shared_serdes(own, (Arc::new(KEY), Arc::new(kind)));
        let (joined, stored) = (joined.with_name(self.named()), self.materialized());
        let (f, by) = (self.text("fn"), |v: &V| key("before_colon", &None::<String>, &some(v)));
        Table(match self.op() {
            "fk_join" => on.foreign_key_join_with(to, by, inner(f), joined, stored),
            _ => on.foreign_key_left_join_with(to, by, left(f), joined, stored),
        })
    }

    pub(crate) fn on_grouped_table(self, on: KGroupedTable<'b, String, String>) -> Given<'b> {
        let (f, g, stored) = (self.text("fn"), self.text("fn"), self.materialized());
        Some(Handle::Plain(Table(match self.op() {
            "count" => return Some(Handle::Plain(Count(on.count_with(self.materialized())))),
            "reduce" => on.reduce_with(reducer(f), move |acc, v| subtract(&g, acc, v), stored),
            "aggregate" => {
                let subtract = move |_: &String, v, acc: Text| subtract(&g, acc, v);
                on.aggregate_with(|| Some(String::new()), adder(f), subtract, stored)
            }
            _ => return None,
        })))
    }
}
