//! Folds the values of each key and session into a table: count, reduce, aggregate. Sessions within
//! the gap of a record become one with it: each of them is deleted, then their union is written,
//! unless that has the record's time alone. The time of each change is the end of its session; a
//! change that leaves at once has no headers. A null key is dropped and counted, a null value is
//! folded; a record whose session is closed already is dropped and counted; a fold that gives
//! nothing deletes the session. Kafka's `KStreamSessionWindowAggregate`.

use streams_core::error::{Pushed, StoreError};
use streams_core::metrics::DropReason;
use streams_core::processor::{Edge, Push, TaskContext};
use streams_core::record::{Headers, Record};
use streams_core::time::Timestamp;
use streams_core::window::{Window, Windowed};
use streams_state::{Flushed, OldValues, SessionStore};

use super::fold::Merge;
use super::window_node::{State, TakeIn, TakenIn};
use super::window_output::{Forwards, OwnedWindows, WindowOutput};
use crate::change::Change;
use crate::window::SessionWindows;

impl<K: Clone + 'static, A: Clone + 'static> OwnedWindows<K, A> for SessionStore<K, A> {
    fn own(&self, old_values: OldValues) -> bool {
        self.own_flushes(old_values)
    }

    #[inline]
    fn evicted_to(&self, out: &mut Edge<Windowed<K>, Change<A>>) -> Pushed {
        self.forward_evicted(&mut |flushed| out.push(written_out(flushed)))
    }

    fn flush_to(&self, out: &mut Edge<Windowed<K>, Change<A>>) -> Pushed {
        self.flush_cache(&mut |flushed| out.push(written_out(flushed)))
    }
}

type Sessions<K, A> = WindowOutput<SessionStore<K, A>, K, A>;

impl<K: Clone + 'static, A: Clone + 'static> Sessions<K, A> {
    fn remove(&mut self, session: Windowed<K>, old: A, task: &TaskContext) -> Pushed {
        let removed = self.store.remove(&session.key, session.window);
        removed.map_err(|error| task.store_failure(error))?;
        let old = Some(old).filter(|_| self.old_values == OldValues::Send);
        self.forward(session, Change::latest(None, old))
    }

    fn put(&mut self, session: Windowed<K>, new: Option<A>, task: &TaskContext) -> Pushed {
        let Windowed { key, window } = &session;
        let written = match &new {
            Some(new) => self.store.put(key, *window, new),
            None => self.store.remove(key, *window),
        };
        written.map_err(|error| task.store_failure(error))?;
        self.forward(session, Change::latest(new, None))
    }

    fn forward(&mut self, key: Windowed<K>, value: Change<A>) -> Pushed {
        if self.forwards == Forwards::AtOnce {
            let timestamp = key.window.end;
            // As in Kafka, the record's headers do not go on.
            self.out.push(Record { key, value, timestamp, headers: Headers::new() })?;
        }
        self.store.evicted_to(&mut self.out)
    }
}

fn written_out<K, A>(flushed: Flushed<Windowed<K>, A>) -> Record<Windowed<K>, Change<A>> {
    let Flushed { key, new, old, headers, .. } = flushed;
    let timestamp = key.window.end;
    Record { key, value: Change::latest(new, old), timestamp, headers }
}

impl<K, V, A, F> TakeIn<K, V> for State<SessionWindows, F, Sessions<K, A>, V>
where
    K: Clone + 'static,
    V: 'static,
    A: Clone + 'static,
    F: Merge<K, V, A>,
{
    fn take_in(&mut self, record: Record<K, V>, task: &TaskContext) -> TakenIn {
        let failed = |error: StoreError| task.store_failure(error);
        let Record { key, value, timestamp, headers } = record;
        let SessionWindows { gap_ms, grace_ms } = self.windows;
        self.stream_time = self.stream_time.max(timestamp.millis());
        let close = self.stream_time.saturating_sub(grace_ms).saturating_sub(gap_ms);
        let earliest_end = Timestamp::from_millis(timestamp.millis().saturating_sub(gap_ms));
        let latest_start = Timestamp::from_millis(timestamp.millis().saturating_add(gap_ms));
        let alone = Window::new(timestamp, timestamp);
        let (mut union, mut merged, mut acc) = (alone, Vec::new(), self.fold.start());
        for session in self.output.store.find(&key, earliest_end, latest_start).map_err(failed)? {
            let (session, aggregate) = session.map_err(failed)?;
            acc = self.fold.merge(&key, acc, aggregate.clone())?;
            let Window { start, end } = session.window;
            union = Window::new(union.start.min(start), union.end.max(end));
            merged.push((session, aggregate));
        }
        if union.end.millis() < close {
            task.drop_record(DropReason::Late);
        } else {
            // DIFFERENCE(failed-session): Kafka deletes the sessions first, and has lost them when
            // the aggregator fails.
            let new = self.fold.add(&key, value, acc)?;
            if union != alone {
                for (session, aggregate) in merged {
                    self.output.remove(session, aggregate, task)?;
                }
            }
            self.output.put(Windowed::new(key, union), new, task)?;
        }
        if self.output.forwards == Forwards::AtClose {
            self.give_out(close, &headers, task)?;
        }
        Ok(())
    }
}

impl<K, V, A, F> State<SessionWindows, F, Sessions<K, A>, V>
where
    K: Clone + 'static,
    A: Clone + 'static,
{
    /// Forwards the sessions that are closed by now.
    fn give_out(&mut self, close: i64, headers: &Headers, task: &TaskContext) -> Pushed {
        let failed = |error: StoreError| task.store_failure(error);
        let last = close.saturating_sub(1);
        if !self.closing.is_due(close) || last < 0 {
            return Ok(());
        }
        let first = self.closing.last().unwrap_or(-1).max(0);
        if first > last {
            return Ok(());
        }
        let ends = Timestamp::from_millis(first)..=Timestamp::from_millis(last);
        for session in self.output.store.find_by_end(ends).map_err(failed)? {
            let (key, value) = session.map_err(failed)?;
            let (timestamp, value) = (key.window.end, Change::latest(Some(value), None));
            self.output.out.push(Record { key, value, timestamp, headers: headers.clone() })?;
        }
        self.closing.given_out(close);
        Ok(())
    }
}
