//! Windows, and operators on grouped streams.

use millstream::{EmitStrategy, SessionWindows, SlidingWindows, TimeWindows};

use self::Windows::{Session, Sliding, Time};
use crate::functions::{adder, merge, reducer};
use crate::node::{Cogrouped, Given, GroupedStream, Handle, Node, with};
use crate::text::Text;

#[derive(Clone, Copy)]
pub(crate) enum Windows {
    Time(TimeWindows),
    Sliding(SlidingWindows),
    Session(SessionWindows),
}

impl<'b> Node<'_, 'b> {
    fn windows(self) -> Option<Windows> {
        let grace = self.millis("grace").unwrap_or_default();
        // A node has one of them.
        let span = ["size", "difference", "gap"].iter().filter_map(|name| self.millis(name)).sum();
        Some(match self.op() {
            "window" => {
                let windows = TimeWindows::of_size(span).with_grace(grace);
                Time(with(self.millis("advance"), windows, TimeWindows::advance_by))
            }
            "sliding" => Sliding(SlidingWindows::of_time_difference(span).with_grace(grace)),
            "session" => Session(SessionWindows::of_inactivity_gap(span).with_grace(grace)),
            _ => return None,
        })
    }

    /// An aggregation of a grouped stream, or what leads to one.
    pub(crate) fn on_grouped(self, on: GroupedStream<'b>, windows: Option<Windows>) -> Given<'b> {
        let (f, kind) = (self.text("fn"), self.result());
        let emit = self.optional("emit").map(|_| EmitStrategy::OnWindowClose).unwrap_or_default();
        // Windows of each kind are a type of their own, and some pass nulls on.
        macro_rules! aggregated {
            ($on:expr, $value:ty, $count:path, $table:path $(, $merge:expr)?) => {
                match self.op() {
                    "count" => $count($on.count_with::<$value>(self.materialized())),
                    "reduce" => $table($on.reduce_with(reducer::<$value>(f), self.materialized())),
                    "aggregate" => {
                        let stored = self.materialized();
                        $table($on.aggregate_with(|| None, adder::<$value>(f), $($merge,)? stored))
                    }
                    "cogroup" => Handle::Cogrouped(on.cogroup::<_, String, _>(adder(f)), None),
                    _ => Handle::Grouped(on, Some(self.windows()?)),
                }
            };
            ($windows:expr, $value:ty $(, $merge:expr)?) => {{
                let on = on.windowed_by($windows).with_emit_strategy(emit);
                aggregated!(on, $value, Handle::WindowedCount, Handle::WindowedTable $(, $merge)?)
            }};
        }
        let merge = move |_: &String, one, other| merge(kind, one, other);
        Some(match windows {
            None => aggregated!(on, String, Handle::Count, Handle::Table),
            Some(Time(windows)) => aggregated!(windows, Text),
            Some(Sliding(windows)) => aggregated!(windows, String),
            Some(Session(windows)) => aggregated!(windows, Text, merge),
        })
    }

    /// One more of grouped streams that are aggregated together, their aggregate, or their windows.
    pub(crate) fn on_cogrouped(self, on: Cogrouped<'b>, windows: Option<Windows>) -> Given<'b> {
        let (f, kind, stored) = (self.text("fn"), self.kind, self.materialized());
        let (none, merge) = (|| None, move |_: &String, one, other| merge(kind, one, other));
        Some(match self.op() {
            "cogroup" => {
                let (Handle::Grouped(other, _), _) = self.at("other")? else { return None };
                Handle::Cogrouped(on.cogroup::<_, String, _>(other, adder(f)), None)
            }
            "aggregate" => Handle::WindowedTable(match windows {
                None => return Some(Handle::Table(on.aggregate_with(none, stored))),
                Some(Time(by)) => on.windowed_by(by).aggregate_with(none, stored),
                Some(Sliding(by)) => on.windowed_by(by).aggregate_with(none, stored),
                Some(Session(by)) => on.windowed_by(by).aggregate_with(none, merge, stored),
            }),
            _ => Handle::Cogrouped(on, Some(self.windows()?)),
        })
    }
}
