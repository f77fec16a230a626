//! Windows, and operators on grouped streams.

use std::time::Duration;

use millstream::{EmitStrategy, SessionWindows, SlidingWindows, TimeWindows};

use self::Windows::{Session, Sliding, Time};
use crate::functions::{adder, merge, reducer};
use crate::node::Keyed::{Count, Table};
use crate::node::{Cogrouped, Given, GroupedStream, Handle, Node, with};
use crate::text::Text;

#[derive(Clone, Copy)]
pub(crate) enum Windows {
    Time(TimeWindows, Duration),
    Sliding(SlidingWindows, Duration),
    Session(SessionWindows),
}

impl<'b> Node<'_, 'b> {
    /// The windows of what the node gives.
    pub(crate) fn windowed(self) -> Option<Windows> {
        let grace = self.millis("grace").unwrap_or_default();
        // A node has one of them.
        let span = ["size", "difference", "gap"].iter().filter_map(|name| self.millis(name)).sum();
        Some(match self.op() {
            "window" => {
                let windows = TimeWindows::of_size(span).with_grace(grace);
                Time(with(self.millis("advance"), windows, TimeWindows::advance_by), span)
            }
            "sliding" => Sliding(SlidingWindows::of_time_difference(span).with_grace(grace), span),
            "session" => Session(SessionWindows::of_inactivity_gap(span).with_grace(grace)),
            "group_by" | "group_by_key" => return None,
            _ => return self.windows,
        })
    }

    /// An aggregation of a grouped stream, or what leads to one.
    pub(crate) fn on_grouped(self, on: GroupedStream<'b>) -> Given<'b> {
        let (f, kind) = (self.text("fn"), self.result());
        let emit = (self.json["emit"] == "window_close").then_some(EmitStrategy::OnWindowClose);
        // Windows of each kind are a type of their own, and some pass nulls on.
        macro_rules! aggregated {
            ($on:expr => $handle:path, $value:ty $(, $merge:expr)?) => {
                $handle(match self.op() {
                    "count" => Count($on.count_with::<$value>(self.materialized())),
                    "reduce" => Table($on.reduce_with(reducer::<$value>(f), self.materialized())),
                    "aggregate" => {
                        let stored = self.materialized();
                        Table($on.aggregate_with(|| None, adder::<$value>(f), $($merge,)? stored))
                    }
                    _ => return None,
                })
            };
            ($windows:expr, $value:ty $(, $merge:expr)?) => {{
                let on = on.windowed_by($windows).with_emit_strategy(emit.unwrap_or_default());
                aggregated!(on => Handle::Windowed, $value $(, $merge)?)
            }};
        }
        let merge = move |_: &String, one, other| merge(kind, one, other);
        Some(match self.windows {
            _ if self.op() == "cogroup" => Handle::Cogrouped(on.cogroup::<_, String, _>(adder(f))),
            _ if self.json["fn"].is_null() && self.op() != "count" => Handle::Grouped(on),
            None => aggregated!(on => Handle::Plain, String),
            Some(Time(windows, _)) => aggregated!(windows, Text),
            Some(Sliding(windows, _)) => aggregated!(windows, String),
            Some(Session(windows)) => aggregated!(windows, Text, merge),
        })
    }

    /// One more of grouped streams that are aggregated together, their aggregate, or their windows.
    pub(crate) fn on_cogrouped(self, on: Cogrouped<'b>) -> Given<'b> {
        let (f, kind, stored) = (self.text("fn"), self.kind, self.materialized());
        let (none, merge) = (|| None, move |_: &String, one, other| merge(kind, one, other));
        Some(match self.op() {
            "cogroup" => {
                let (Handle::Grouped(other), _) = self.at("other")? else { return None };
                Handle::Cogrouped(on.cogroup::<_, String, _>(other, adder(f)))
            }
            "aggregate" => Handle::Windowed(Table(match self.windows {
                None => return Some(Handle::Plain(Table(on.aggregate_with(none, stored)))),
                Some(Time(by, _)) => on.windowed_by(by).aggregate_with(none, stored),
                Some(Sliding(by, _)) => on.windowed_by(by).aggregate_with(none, stored),
                Some(Session(by)) => on.windowed_by(by).aggregate_with(none, merge, stored),
            })),
            _ => Handle::Cogrouped(on),
        })
    }
}
