//! Grouped streams that are aggregated together.

use millstream::CogroupedKStream;

use crate::Failure;
use crate::build::{Building, GroupedStream, Handle};
use crate::functions::{self, aggregate_kind};
use crate::node::Node;
use crate::value::{Kind, Value};
use crate::windows::Windows;

type Nullable = Option<Value>;

pub(crate) type Cogrouped<'b> = CogroupedKStream<'b, String, Value, Nullable>;

fn adder(function: String) -> impl Fn(&String, Nullable, Nullable) -> Nullable + Send + Sync {
    move |_, value, acc| functions::add(&function, acc.as_ref(), value.as_ref())
}

/// The first of them.
pub(crate) fn of<'b>(node: Node<'_>, on: GroupedStream<'b>) -> Handle<'b> {
    let kind = aggregate_kind(&node.text("fn"));
    Handle::Cogrouped(on.cogroup::<Value, Value, _>(adder(node.text("fn"))), kind)
}

/// One more of them, their windows, or their aggregate.
pub(crate) fn node<'b>(
    building: &Building<'b>,
    node: Node<'_>,
    on: Cogrouped<'b>,
    kind: Kind,
) -> Result<Handle<'b>, Failure> {
    Ok(match node.text("op").as_str() {
        "cogroup" => match building.handle(&node.text("other"))? {
            Handle::Grouped(other, _) => {
                let with = on.cogroup::<Nullable, Value, _>(other, adder(node.text("fn")));
                Handle::Cogrouped(with, kind)
            }
            _ => return node.unsupported(),
        },
        "aggregate" => Handle::Table(on.aggregate_with(|| None, node.materialized(kind)), kind),
        "window" | "sliding" | "session" => Handle::CogroupedInWindows(on, Windows::of(node), kind),
        _ => return node.unsupported(),
    })
}

/// Their aggregate in windows.
pub(crate) fn in_windows<'b>(
    node: Node<'_>,
    on: Cogrouped<'b>,
    windows: Windows,
    kind: Kind,
) -> Handle<'b> {
    let (none, stored) = (|| None, node.materialized(kind));
    let merge = |_: &String, one, other| functions::merge(one, other);
    let table = match windows {
        Windows::Time(windows) => on.windowed_by(windows).aggregate_with(none, stored),
        Windows::Sliding(windows) => on.windowed_by(windows).aggregate_with(none, stored),
        Windows::Session(windows) => on.windowed_by(windows).aggregate_with(none, merge, stored),
    };
    Handle::WindowedTable(table, kind)
}
