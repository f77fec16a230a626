//! Joins of streams and tables with tables.

use std::time::Duration;

use millstream::serde::DefaultSerde;
use millstream::{GlobalKTable, JoinWindows, Joined, KTable, StreamJoined, TableJoined};

use crate::build::{Handle, Stream};
use crate::functions::{join, key};
use crate::node::{CaseValue, Node};
use crate::table::derived;
use crate::value::{Kind, Value};
use crate::{Failure, text};

type Nullable = Option<Value>;

/// A stream with a stream or a table.
pub(crate) fn of_stream<'b>(
    node: Node<'_>,
    on: Stream<'b>,
    kind: Kind,
    other: Handle<'b>,
) -> Result<Handle<'b>, Failure> {
    match other {
        Handle::Stream(other, of_other) => Ok(with_stream(node, (on, kind), (other, of_other))),
        Handle::Global(table) => Ok(with_global(node, on, table)),
        Handle::Table(table, _) => Ok(with_table(node, on, kind, table)),
        Handle::Count(table) => Ok(with_table(node, on, kind, table)),
        _ => node.unsupported(),
    }
}

fn windows(node: Node<'_>) -> JoinWindows {
    let millis = |field| node.millis(field).unwrap_or_default();
    let windows = JoinWindows::of_time_difference(millis("difference")).with_grace(millis("grace"));
    let less = |field| node.0[field].as_i64().filter(|ms| *ms < 0).map(i64::unsigned_abs);
    let windows = match (node.millis("before"), less("before").map(Duration::from_millis)) {
        (Some(before), _) => windows.before(before),
        (None, Some(later)) => windows.starting_after(later),
        (None, None) => windows,
    };
    match (node.millis("after"), less("after").map(Duration::from_millis)) {
        (Some(after), _) => windows.after(after),
        (None, Some(earlier)) => windows.ending_before(earlier),
        (None, None) => windows,
    }
}

fn with_stream<'b>(
    node: Node<'_>,
    (on, kind): (Stream<'b>, Kind),
    (other, of_other): (Stream<'b>, Kind),
) -> Handle<'b> {
    let (windows, joiner) = (windows(node), node.text("fn"));
    let both = move |one: Option<&Value>, other: Option<&Value>| join(&joiner, one, other);
    let key = String::serde();
    let joined = StreamJoined::with_shared_serdes(key, kind.nullable(), of_other.nullable());
    let joined = node.with("named", joined, |joined, name| joined.with_name(name));
    let joined = node.with("store", joined, |joined, name| joined.with_store_name(name));
    let stream: Stream<'b> = match node.text("op").as_str() {
        "join" => {
            let both = move |one: &Value, other: &Value| both(Some(one), Some(other));
            on.join_with(other, both, windows, joined).with_nullable_keys()
        }
        "left_join" => {
            let both = move |one: &Value, other: Option<&Value>| both(Some(one), other);
            on.left_join_with(other, both, windows, joined)
        }
        _ => on.outer_join_with(other, both, windows, joined),
    };
    Handle::Stream(stream, Kind::Text)
}

fn with_table<'b, W: CaseValue>(
    node: Node<'_>,
    on: Stream<'b>,
    kind: Kind,
    table: KTable<'b, String, W>,
) -> Handle<'b> {
    let joiner = node.text("fn");
    let joined = Joined::with_shared_serdes(text::serde(), kind.nullable());
    let mut joined = node.with("named", joined, |joined, name| joined.with_name(name));
    if let Some(grace) = node.millis("grace") {
        joined = joined.with_grace_period(grace);
    }
    let stream: Stream<'b> = if node.text("op") == "join" {
        let joiner = move |value: &Value, row: &W| -> Nullable {
            join(&joiner, Some(value), Some(&row.clone().into()))
        };
        on.join_table_with(table, joiner, joined).with_nullable_keys()
    } else {
        let joiner = move |value: &Value, row: Option<&W>| -> Nullable {
            join(&joiner, Some(value), row.cloned().map(Into::into).as_ref())
        };
        on.left_join_table_with(table, joiner, joined)
    };
    Handle::Stream(stream, Kind::Text)
}

fn with_global<'b>(
    node: Node<'_>,
    on: Stream<'b>,
    table: GlobalKTable<'b, String, Value>,
) -> Handle<'b> {
    let (joiner, selector) = (node.text("fn"), node.text("key_fn"));
    let select = move |k: &Option<String>, v: &Nullable| key(&selector, k.as_deref(), v.as_ref());
    let both = move |value: &Value, row: Option<&Value>| join(&joiner, Some(value), row);
    let stream: Stream<'b> = if node.text("op") == "join" {
        let both = move |value: &Value, row: &Value| both(value, Some(row));
        match node.named() {
            Some(named) => on.join_global_with(table, select, both, named),
            None => on.join_global(table, select, both),
        }
    } else {
        match node.named() {
            Some(named) => on.left_join_global_with(table, select, both, named),
            None => on.left_join_global(table, select, both),
        }
    };
    Handle::Stream(stream, Kind::Text)
}

/// A table with a table.
pub(crate) fn of_table<'b, V: CaseValue>(
    node: Node<'_>,
    on: KTable<'b, String, V>,
    other: Handle<'b>,
) -> Result<Handle<'b>, Failure> {
    match other {
        Handle::Table(table, _) => Ok(tables(node, on, table)),
        Handle::Count(table) => Ok(tables(node, on, table)),
        _ => node.unsupported(),
    }
}

/// A table with a table whose keys its values refer to.
pub(crate) fn by_foreign_key<'b, V: CaseValue>(
    node: Node<'_>,
    on: KTable<'b, String, V>,
    kind: Kind,
    other: Handle<'b>,
) -> Result<Handle<'b>, Failure> {
    match other {
        Handle::Table(table, other) => Ok(foreign(node, (on, kind), (table, other))),
        Handle::Count(table) => Ok(foreign(node, (on, kind), (table, Kind::Long))),
        _ => node.unsupported(),
    }
}

fn foreign<'b, V: CaseValue, W: CaseValue>(
    node: Node<'_>,
    (on, kind): (KTable<'b, String, V>, Kind),
    (other, other_kind): (KTable<'b, String, W>, Kind),
) -> Handle<'b> {
    let joiner = node.text("fn");
    let join = move |value: &V, row: Option<&W>| {
        let row: Nullable = row.cloned().map(Into::into);
        join(&joiner, Some(&value.clone().into()), row.as_ref())
    };
    let before_colon = |value: &V| key("before_colon", None, Some(&value.clone().into()));
    let serdes = ((String::serde(), V::serde(kind)), (String::serde(), W::serde(other_kind)));
    let joined = TableJoined::with_shared_serdes(serdes.0, serdes.1);
    let joined = node.with("named", joined, |joined, name| joined.with_name(name));
    let stored = node.materialized::<Value>(Kind::Text);
    let table = if node.text("op") == "fk_join" {
        let join = move |value: &V, row: &W| join(value, Some(row));
        on.foreign_key_join_with(other, before_colon, join, joined, stored)
    } else {
        on.foreign_key_left_join_with(other, before_colon, join, joined, stored)
    };
    Handle::Table(table, Kind::Text)
}

fn tables<'b, V: CaseValue, W: CaseValue>(
    node: Node<'_>,
    on: KTable<'b, String, V>,
    other: KTable<'b, String, W>,
) -> Handle<'b> {
    let joiner = node.text("fn");
    let both = move |one: Option<&V>, other: Option<&W>| {
        let (one, other) = (one.cloned().map(Into::into), other.cloned().map(Into::into));
        join(&joiner, one.as_ref(), other.as_ref())
    };
    let derived = derived::<Value>(node, Kind::Text);
    let table = match node.text("op").as_str() {
        "join" => on.join_with(other, move |one, other| both(Some(one), Some(other)), derived),
        "left_join" => on.left_join_with(other, move |one, other| both(Some(one), other), derived),
        _ => on.outer_join_with(other, both, derived),
    };
    Handle::Table(table, Kind::Text)
}
