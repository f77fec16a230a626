//! Operators on streams.

use std::sync::Arc;

use millstream::processor::RecordContext;
use millstream::{
    ConnectedStores, DynamicProduced, GlobalKTable, JoinWindows, Joined, Produced, Repartitioned,
    Stores, StreamJoined, Topic,
};

use crate::functions::{holds, inner, key, left, outer, split, text, value};
use crate::node::{Given, Handle, Node, Stream, Table, with};
use crate::processors::Custom;
use crate::text::{KEY, Kind, Row, Text, nullable};

impl<'b> Node<'_, 'b> {
    /// An operator on a stream.
    pub(crate) fn on_stream(self, on: Stream<'b>) -> Given<'b> {
        let (f, named) = (self.text("fn"), self.named());
        Some(Handle::Stream(match self.op() {
            "filter" => on.filter_with(move |k, v| holds(&f, k, v), named),
            "filter_not" => on.filter_not_with(move |k, v| holds(&f, k, v), named),
            "peek" => on.peek_with(|_, _| (), named),
            "select_key" => on.select_key_with(move |k, v| key(&f, k, v), named),
            "map_values" => on.map_values_with(move |v| value(&f, v), named),
            "map" => {
                let by = self.text("key_fn");
                on.map_with(move |k, v| (key(&by, &k, &v), value(&f, v)), named)
            }
            "flat_map_values" => on.flat_map_values_with(move |v| split(&f, v), named),
            "flat_map" => {
                let with_key = |k: Text| move |part| (part, Some(text(k.as_ref())));
                on.flat_map_with(move |k, v| split(&f, v).into_iter().map(with_key(k)), named)
            }
            // Keys in windows are text already.
            "window_key" => on.map_with(|k, v| (k, v), named),
            "merge" => match self.at("other")? {
                (Handle::Stream(other), _) => on.merge_with(other, named),
                _ => return None,
            },
            "join" | "left_join" | "outer_join" => match self.at("other")? {
                (Handle::Stream(other), kind) => self.with_stream(on, other, kind),
                (Handle::Table(other), _) => self.with_table(on, other),
                (Handle::Count(other), _) => self.with_table(on, other),
                (Handle::Global(other), _) => self.with_global(on, other),
                _ => return None,
            },
            "process" => self.process(on),
            _ => return self.leading_on(on),
        }))
    }

    fn process(self, on: Stream<'b>) -> Stream<'b> {
        let (function, store) = (self.text("fn"), self.text("store"));
        let spec = Stores::key_value_with::<String, String>(&*store, Arc::new(KEY), Arc::new(KEY));
        self.builder.add_state_store(spec);
        let supplier = move |stores: &ConnectedStores<'_, '_>| {
            Ok(Custom { function: function.clone(), store: stores.store(&*store)? })
        };
        on.process_with(supplier, &[self.optional("store").unwrap_or_default()], self.named())
    }

    /// What makes something else of a stream, or ends it; sinks and splits give it back.
    fn leading_on(self, on: Stream<'b>) -> Given<'b> {
        let (f, named) = (self.text("fn"), self.named());
        let (key_serde, value) = (nullable(KEY), nullable(self.kind));
        let by = self.grouped(nullable(self.kind));
        Some(match self.op() {
            "to_table" => Handle::Table(on.to_table_with(self.materialized())),
            "group_by_key" => Handle::Grouped(on.group_by_key_with(by), None),
            "group_by" => Handle::Grouped(on.group_by_with(move |k, v| key(&f, k, v), by), None),
            "repartition" => {
                let how = Repartitioned::with_serdes(key_serde, value).with_name(self.name("name"));
                let how = with(self.number("partitions"), how, Repartitioned::with_partitions);
                Handle::Stream(on.repartition_with::<String>(how))
            }
            "branch" => {
                let split = self.texts("predicates").fold(on.split_with(named), |split, f| {
                    let f = f.to_owned();
                    split.branch(move |k, v| holds(&f, k, v))
                });
                let others = self.json["default"] == true;
                let ends = if others { split.default_branch() } else { split.no_default_branch() };
                let ids = self.texts("predicates").enumerate().map(|(at, _)| at.to_string());
                for (id, (_, stream)) in ids.chain(["default".to_owned()]).zip(ends.iter()) {
                    let id = format!("{}.{id}", self.text("id"));
                    self.built.borrow_mut().insert(id, (Handle::Stream(stream), self.kind));
                }
                Handle::Stream(on)
            }
            "to" => {
                let topic = Topic::with_serdes(self.text("topic"), key_serde, value);
                on.to_with(topic, Produced::new().with_name(named));
                Handle::Stream(on)
            }
            "to_dynamic" => {
                let prefix = self.text("prefix");
                let topic = move |key: &Text, _: &Text, _: &RecordContext| {
                    format!("{prefix}{}", key.as_deref().unwrap_or("none")).into()
                };
                let how = DynamicProduced::with_serdes(key_serde, value).with_name(named);
                on.to_dynamic_with(topic, how);
                Handle::Stream(on)
            }
            _ => return None,
        })
    }

    fn with_stream(self, on: Stream<'b>, other: Stream<'b>, kind: Kind) -> Stream<'b> {
        let bound = |field| self.number(field).or_else(|| self.number("difference")).unwrap_or(0);
        let by = JoinWindows::of_bounds(bound("before"), bound("after"));
        let by = with(self.millis("grace"), by, JoinWindows::with_grace);
        let how = StreamJoined::with_serdes(KEY, nullable(self.kind), nullable(kind));
        let how = with(self.optional("store"), how, StreamJoined::with_store_name);
        let how = how.with_name(self.named());
        let f = self.text("fn");
        match self.op() {
            "join" => on.join_with(other, inner::<String, String>(f), by, how).with_nullable_keys(),
            "left_join" => on.left_join_with(other, left::<String, String>(f), by, how),
            _ => on.outer_join_with(other, outer::<String, String>(f), by, how),
        }
    }

    fn with_table<W: Row>(self, on: Stream<'b>, other: Table<'b, W>) -> Stream<'b> {
        let joined = Joined::with_serdes(KEY, nullable(self.kind)).with_name(self.named());
        let joined = with(self.millis("grace"), joined, Joined::with_grace_period);
        let f = self.text("fn");
        match self.op() {
            "join" => on.join_table_with(other, inner::<String, W>(f), joined).with_nullable_keys(),
            _ => on.left_join_table_with(other, left::<String, W>(f), joined),
        }
    }

    fn with_global(self, on: Stream<'b>, other: GlobalKTable<'b, String, String>) -> Stream<'b> {
        let (f, by, named) = (self.text("fn"), self.text("key_fn"), self.named());
        let by = move |k: &Text, v: &Text| key(&by, k, v);
        match self.op() {
            "join" => on.join_global_with(other, by, inner::<String, String>(f), named),
            _ => on.left_join_global_with(other, by, left::<String, String>(f), named),
        }
    }
}
