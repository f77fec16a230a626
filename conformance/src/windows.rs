//! Windows, and aggregations in them.

use std::time::Duration;

use millstream::{
    BufferConfig, EmitStrategy, KStream, KTable, SessionWindows, SlidingWindows, Suppressed,
    TimeWindows, Windowed, WindowedKStream,
};

use crate::Failure;
use crate::build::{GroupedStream, Handle};
use crate::functions::{add, aggregate_kind, merge};
use crate::node::{CaseValue, Node};
use crate::value::{Kind, Value};

type Nullable = Option<Value>;
type InWindows<'b, W> = WindowedKStream<'b, String, Nullable, W, Option<String>>;

/// A grouped stream in windows of each kind.
#[derive(Clone, Copy)]
pub(crate) enum WindowedStream<'b> {
    Time(InWindows<'b, TimeWindows>),
    Sliding(InWindows<'b, SlidingWindows>),
    Session(InWindows<'b, SessionWindows>),
}

/// The windows of a node.
#[derive(Clone, Copy)]
pub(crate) enum Windows {
    Time(TimeWindows),
    Sliding(SlidingWindows),
    Session(SessionWindows),
}

impl Windows {
    pub(crate) fn of(node: Node<'_>) -> Self {
        let millis = |field| node.millis(field).unwrap_or(Duration::ZERO);
        let grace = millis("grace");
        match node.text("op").as_str() {
            "window" => {
                let windows = TimeWindows::of_size(millis("size")).with_grace(grace);
                let advance = node.millis("advance");
                Self::Time(advance.map_or(windows, |advance| windows.advance_by(advance)))
            }
            "sliding" => {
                let windows = SlidingWindows::of_time_difference(millis("difference"));
                Self::Sliding(windows.with_grace(grace))
            }
            _ => Self::Session(SessionWindows::of_inactivity_gap(millis("gap")).with_grace(grace)),
        }
    }
}

/// A grouped stream in the windows of a node.
pub(crate) fn of<'b>(node: Node<'_>, on: GroupedStream<'b>, kind: Kind) -> Handle<'b> {
    let stream = match Windows::of(node) {
        Windows::Time(windows) => WindowedStream::Time(on.windowed_by(windows)),
        Windows::Sliding(windows) => WindowedStream::Sliding(on.windowed_by(windows)),
        Windows::Session(windows) => WindowedStream::Session(on.windowed_by(windows)),
    };
    Handle::InWindows(stream, kind)
}

/// Aggregations in windows.
pub(crate) fn aggregated<'b>(
    node: Node<'_>,
    on: WindowedStream<'b>,
    kind: Kind,
) -> Result<Handle<'b>, Failure> {
    let emit = match node.optional("emit") {
        Some(_) => EmitStrategy::OnWindowClose,
        None => EmitStrategy::OnWindowUpdate,
    };
    let function = node.text("fn");
    Ok(match node.text("op").as_str() {
        "count" => {
            let stored = node.materialized::<i64>(Kind::Long);
            Handle::WindowedCount(match on {
                WindowedStream::Time(on) => on.with_emit_strategy(emit).count_with(stored),
                WindowedStream::Sliding(on) => {
                    on.with_emit_strategy(emit).count_with::<Value>(stored)
                }
                WindowedStream::Session(on) => on.with_emit_strategy(emit).count_with(stored),
            })
        }
        "reduce" => {
            let stored = node.materialized::<Value>(kind);
            let reduce = move |acc: Value, v: Nullable| add(&function, Some(&acc), v.as_ref());
            Handle::WindowedTable(
                match on {
                    WindowedStream::Time(on) => {
                        on.with_emit_strategy(emit).reduce_with::<Value, _>(reduce, stored)
                    }
                    WindowedStream::Sliding(on) => {
                        let reduce = move |acc: Value, v: Value| reduce(acc, Some(v));
                        on.with_emit_strategy(emit).reduce_with::<Value, _>(reduce, stored)
                    }
                    WindowedStream::Session(on) => {
                        on.with_emit_strategy(emit).reduce_with::<Value, _>(reduce, stored)
                    }
                },
                kind,
            )
        }
        "aggregate" => {
            let result = aggregate_kind(&function);
            let stored = node.materialized::<Value>(result);
            let fold = move |_: &String, v: Nullable, acc: Nullable| {
                add(&function, acc.as_ref(), v.as_ref())
            };
            let none = || None;
            Handle::WindowedTable(
                match on {
                    WindowedStream::Time(on) => {
                        on.with_emit_strategy(emit).aggregate_with(none, fold, stored)
                    }
                    WindowedStream::Sliding(on) => {
                        let fold = move |k: &String, v: Value, acc| fold(k, Some(v), acc);
                        on.with_emit_strategy(emit).aggregate_with(none, fold, stored)
                    }
                    WindowedStream::Session(on) => {
                        let merge = |_: &String, one, other| merge(one, other);
                        on.with_emit_strategy(emit).aggregate_with(none, fold, merge, stored)
                    }
                },
                result,
            )
        }
        _ => return node.unsupported(),
    })
}

/// Operators on tables of windows.
pub(crate) fn table<'b, V: CaseValue>(
    node: Node<'_>,
    on: KTable<'b, Windowed<String>, V>,
    kind: Kind,
) -> Result<Handle<'b>, Failure> {
    match node.text("op").as_str() {
        "to_stream" => {
            let stream = match node.named() {
                Some(named) => on.to_stream_as_with(named),
                None => on.to_stream_as(),
            };
            Ok(Handle::WithWindows(stream, kind))
        }
        "suppress_until_window_closes" => {
            let serdes = (crate::text::serde(), V::serde(kind));
            let closed = Suppressed::until_window_closes_with(BufferConfig::unbounded(), serdes);
            let closed = node.with("name", closed, |closed, name| closed.with_name(name));
            Ok(V::windowed(on.suppress(closed), kind))
        }
        _ => node.unsupported(),
    }
}

/// The windows become part of the text of the keys.
pub(crate) fn keyed<'b>(
    node: Node<'_>,
    on: KStream<'b, Windowed<String>, Nullable>,
    kind: Kind,
) -> Result<Handle<'b>, Failure> {
    if node.text("op") != "window_key" {
        return node.unsupported();
    }
    let map = |key: Windowed<String>, value: Nullable| {
        let Windowed { key, window } = key;
        (Some(format!("{key}@{}/{}", window.start, window.end)), value)
    };
    let stream = match node.named() {
        Some(named) => on.map_with(map, named),
        None => on.map(map),
    };
    Ok(Handle::Stream(stream, kind))
}
