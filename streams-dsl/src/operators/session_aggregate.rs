//! Folds the values of each key and session into a table: count, reduce, aggregate. Sessions within
//! the gap of a record become one with it: each of them is deleted, then their union is written,
//! unless that has the record's time alone. The time of each change is the end of its session; a
//! change that leaves at once has no headers. A null key is dropped and counted, a null value is
//! folded; a record whose session is closed already is dropped and counted; a fold that gives
//! nothing deletes the session. Kafka's `KStreamSessionWindowAggregate`.

use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::error::{Pushed, StoreError};
use streams_core::metrics::DropReason;
use streams_core::names::StoreName;
use streams_core::processor::{
    Edge, FlushCache, LinkError, NodeLinks, ProcessorTemplate, Push, TaskContext,
};
use streams_core::record::{Headers, Record};
use streams_core::time::Timestamp;
use streams_core::window::{Window, Windowed};
use streams_state::{Flushed, OldValues, SessionStore};

use super::Place;
use super::window_aggregate::{Windowing, windowed_node};
use super::window_close::Closing;
use super::window_output::Forwards;
use crate::change::Change;
use crate::null::OrNull;
use crate::window::{EmitStrategy, SessionWindows};

/// How the values of a session, and several sessions, become one aggregate.
pub(crate) trait SessionFold<K, V, A>: Send + Sync + 'static {
    /// The aggregate while sessions are merged.
    type Acc;

    /// The aggregate of no session.
    fn start(&self) -> Self::Acc;

    /// One more session.
    fn merge(&self, key: &K, acc: Self::Acc, session: A) -> Self::Acc;

    /// The record's own value.
    fn add(&self, key: &K, value: V, acc: Self::Acc) -> Option<A>;
}

/// Starts from `initial`.
pub(crate) struct SessionAggregation<G, F, M, I> {
    initial: G,
    add: F,
    merge: M,
    seen_as: PhantomData<fn() -> I>,
}

impl<G, F, M, I> SessionAggregation<G, F, M, I> {
    pub(crate) const fn new(initial: G, add: F, merge: M) -> Self {
        Self { initial, add, merge, seen_as: PhantomData }
    }
}

impl<K, V, A, I, G, F, M> SessionFold<K, V, A> for SessionAggregation<G, F, M, I>
where
    I: OrNull<A>,
    A: 'static,
    G: Fn() -> I + Send + Sync + 'static,
    F: Fn(&K, V, I) -> I + Send + Sync + 'static,
    M: Fn(&K, I, I) -> I + Send + Sync + 'static,
{
    type Acc = I;

    fn start(&self) -> I {
        (self.initial)()
    }

    fn merge(&self, key: &K, acc: I, session: A) -> I {
        (self.merge)(key, acc, I::from_plain(session))
    }

    fn add(&self, key: &K, value: V, acc: I) -> Option<A> {
        (self.add)(key, value, acc).into_plain()
    }
}

/// Starts from the first value.
pub(crate) struct SessionReduction<F, R> {
    reduce: F,
    gives: PhantomData<fn() -> R>,
}

impl<F, R> SessionReduction<F, R> {
    pub(crate) const fn new(reduce: F) -> Self {
        Self { reduce, gives: PhantomData }
    }
}

impl<K, V, N, R, F> SessionFold<K, V, N> for SessionReduction<F, R>
where
    N: 'static,
    V: OrNull<N>,
    R: OrNull<N>,
    F: Fn(N, V) -> R + Send + Sync + 'static,
{
    type Acc = Option<N>;

    fn start(&self) -> Option<N> {
        None
    }

    fn merge(&self, _: &K, acc: Option<N>, session: N) -> Option<N> {
        match acc {
            None => Some(session),
            Some(acc) => (self.reduce)(acc, V::from_plain(session)).into_plain(),
        }
    }

    fn add(&self, _: &K, value: V, acc: Option<N>) -> Option<N> {
        match acc {
            None => value.into_plain(),
            Some(acc) => (self.reduce)(acc, value).into_plain(),
        }
    }
}

/// A table's store of sessions and the way to the children of its node.
struct SessionOutput<K, A> {
    store: SessionStore<K, A>,
    out: Edge<Windowed<K>, Change<A>>,
    old_values: OldValues,
    forwards: Forwards,
}

impl<K: Clone + 'static, A: Clone + 'static> SessionOutput<K, A> {
    fn of(
        links: &NodeLinks<'_>,
        store: &StoreName,
        (old_values, emit): (OldValues, EmitStrategy),
        out: Edge<Windowed<K>, Change<A>>,
    ) -> Result<Self, LinkError> {
        let store: SessionStore<K, A> = links.store(store)?;
        let forwards = Forwards::of(emit, || store.own_flushes(old_values));
        Ok(Self { store, out, old_values, forwards })
    }

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
        let out = &mut self.out;
        self.store.forward_evicted(&mut |flushed| out.push(written_out(flushed)))
    }
}

fn written_out<K, A>(flushed: Flushed<Windowed<K>, A>) -> Record<Windowed<K>, Change<A>> {
    let Flushed { key, new, old, headers, .. } = flushed;
    let timestamp = key.window.end;
    Record { key, value: Change::latest(new, old), timestamp, headers }
}

struct SessionAggregate<K, V, A, F> {
    state: State<K, V, A, F>,
    place: Place,
}

struct State<K, V, A, F> {
    windows: SessionWindows,
    fold: Arc<F>,
    output: SessionOutput<K, A>,
    closing: Closing,
    /// The greatest time of a record; not kept over restarts, as in Kafka.
    stream_time: i64,
    value: PhantomData<fn(V)>,
}

impl<K, V, A, F> State<K, V, A, F>
where
    K: Clone + 'static,
    A: Clone + 'static,
    F: SessionFold<K, V, A>,
{
    fn add(&mut self, record: Record<K, V>, task: &TaskContext) -> Pushed {
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
            acc = self.fold.merge(&key, acc, aggregate.clone());
            let Window { start, end } = session.window;
            union = Window::new(union.start.min(start), union.end.max(end));
            merged.push((session, aggregate));
        }
        if union.end.millis() < close {
            task.drop_record(DropReason::Late);
        } else {
            if union != alone {
                for (session, aggregate) in merged {
                    self.output.remove(session, aggregate, task)?;
                }
            }
            let new = self.fold.add(&key, value, acc);
            self.output.put(Windowed::new(key, union), new, task)?;
        }
        if self.output.forwards == Forwards::AtClose {
            self.give_out(close, &headers, task)?;
        }
        Ok(())
    }

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

impl<S, K, V, A, F> Push<S, V> for SessionAggregate<K, V, A, F>
where
    S: OrNull<K>,
    K: Clone + 'static,
    V: 'static,
    A: Clone + 'static,
    F: SessionFold<K, V, A>,
{
    #[inline]
    fn push(&mut self, record: Record<S, V>) -> Pushed {
        let Self { state, place } = self;
        let Record { key, value, timestamp, headers } = record;
        let Some(key) = key.into_plain() else { return place.drop_record(DropReason::NullKey) };
        let record = Record { key, value, timestamp, headers };
        place.with_record(record, |record, task| state.add(record, task))
    }
}

impl<K, V, A, F> FlushCache for SessionAggregate<K, V, A, F>
where
    K: Clone + 'static,
    A: Clone + 'static,
{
    fn flush_cache(&mut self) -> Pushed {
        let SessionOutput { store, out, .. } = &mut self.state.output;
        store.flush_cache(&mut |flushed| out.push(written_out(flushed)))
    }
}

/// Folds a stream of keys `S`, plain `K`, and values `V` into a table of sessions of `A`.
pub(crate) fn template<S, K, V, A, F>(
    fold: Arc<F>,
    windowing: &Windowing<SessionWindows>,
    old_values: OldValues,
) -> ProcessorTemplate
where
    S: OrNull<K>,
    K: Clone + 'static,
    V: 'static,
    A: Clone + 'static,
    F: SessionFold<K, V, A>,
{
    let Windowing { windows, emit, store } = windowing.clone();
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<Windowed<K>, Change<A>>| {
        let output = SessionOutput::of(links, &store, (old_values, emit), out)?;
        let forwards = output.forwards;
        let state = State {
            windows,
            fold: Arc::clone(&fold),
            output,
            closing: Closing::of(links, &store),
            stream_time: -1,
            value: PhantomData::<fn(V)>,
        };
        let node = SessionAggregate { state, place: Place::of(links) };
        Ok(windowed_node::<S, V, _>(links, (&store, forwards), node))
    })
}
