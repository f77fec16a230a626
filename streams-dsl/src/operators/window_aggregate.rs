//! Folds the values of each key and window into a table: count, reduce, aggregate over tumbling and
//! hopping windows, and over one without end. A record changes all windows that it falls into, the
//! earliest first. A window's time is the latest of its records'; a null key is dropped and
//! counted, a null value is folded; a window that is closed already is left out, and counted for
//! each record; a fold that gives nothing deletes the window's row. Kafka's
//! `KStreamWindowAggregate`.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use streams_core::error::Pushed;
use streams_core::metrics::DropReason;
use streams_core::names::StoreName;
use streams_core::processor::{
    Edge, FlushCache, NodeCell, NodeLinks, ProcessorTemplate, Push, TaskContext,
};
use streams_core::record::{Headers, Record};
use streams_core::time::Timestamp;
use streams_core::window::Windowed;
use streams_state::OldValues;

use super::Place;
use super::stream_aggregate::Fold;
use super::table_output::Row;
use super::window_close::Closing;
use super::window_output::{Forwards, WindowOutput, window};
use crate::change::Change;
use crate::null::OrNull;
use crate::window::{EmitStrategy, StartsOf};

struct WindowAggregate<K, V, A, W, F> {
    state: State<K, V, A, W, F>,
    place: Place,
}

struct State<K, V, A, W, F> {
    windows: W,
    fold: Arc<F>,
    output: WindowOutput<K, A>,
    closing: Closing,
    /// The greatest time of a record; not kept over restarts, as in Kafka.
    stream_time: i64,
    value: PhantomData<fn(V)>,
}

impl<K, V, A, W, F> State<K, V, A, W, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    W: StartsOf,
    F: Fold<K, V, A>,
{
    fn add(&mut self, record: Record<K, V>, task: &TaskContext) -> Pushed {
        let Record { key, value, timestamp, headers } = record;
        let time = timestamp.millis();
        self.stream_time = self.stream_time.max(time);
        let close = self.stream_time.saturating_sub(self.windows.grace_ms());
        let mut starts = self.windows.starts(time).peekable();
        let mut value = Some(value);
        while let Some(start) = starts.next() {
            let end = self.windows.end(start);
            if end <= close {
                task.drop_record(DropReason::Late);
                continue;
            }
            // The last window takes the value itself.
            let value = if starts.peek().is_some() { value.clone() } else { value.take() };
            let Some(value) = value else { break };
            let (fold, old_values) = (&self.fold, self.output.old_values);
            let row = self.output.update(&key, Timestamp::from_millis(start), |stored| {
                let (before, timestamp) = match stored {
                    Some(row) => (Some(row.value), row.timestamp.max(timestamp)),
                    None => (None, timestamp),
                };
                let (new, old) = fold.fold(&key, value, before, old_values);
                Row { new, old, timestamp }
            });
            let row = row.map_err(|error| task.store_failure(error))?;
            let key = Windowed::new(key.clone(), window(start, end));
            self.output.forward(key, row, headers.clone())?;
        }
        if self.output.forwards == Forwards::AtClose {
            self.give_out(close, &headers, task)?;
        }
        Ok(())
    }

    /// Forwards the windows that are closed by now.
    fn give_out(&mut self, close: i64, headers: &Headers, task: &TaskContext) -> Pushed {
        let size = self.windows.size_ms();
        let last = close.saturating_sub(size);
        if !self.closing.is_due(close) || last < 0 {
            return Ok(());
        }
        let first = match self.closing.last() {
            None => 0,
            Some(before) => before.saturating_sub(size).max(0).saturating_add(1),
        };
        let windows = &self.windows;
        // No window has closed since, when the time falls into the same ones.
        if self.closing.last().is_some() && windows.starts(last).eq(windows.starts(first - 1)) {
            return Ok(());
        }
        self.output.forward_closed((first, last), headers, |error| task.store_failure(error))?;
        self.closing.given_out(close);
        Ok(())
    }
}

impl<S, K, V, A, W, F> Push<S, V> for WindowAggregate<K, V, A, W, F>
where
    S: OrNull<K>,
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    W: StartsOf,
    F: Fold<K, V, A>,
{
    #[inline]
    fn push(&mut self, record: Record<S, V>) -> Pushed {
        let Record { key, value, timestamp, headers } = record;
        let Some(key) = key.into_plain() else {
            return self.place.drop_record(DropReason::NullKey);
        };
        let record = Record { key, value, timestamp, headers };
        let Self { state, place } = self;
        place.with_record(record, |record, task| state.add(record, task))
    }
}

impl<K, V, A, W, F> FlushCache for WindowAggregate<K, V, A, W, F>
where
    K: Clone + 'static,
    A: Clone + 'static,
{
    fn flush_cache(&mut self) -> Pushed {
        self.state.output.flush()
    }
}

/// What a windowed aggregation does: which windows, when its results leave, and its store.
#[derive(Debug, Clone)]
pub(crate) struct Windowing<W> {
    pub(crate) windows: W,
    pub(crate) emit: EmitStrategy,
    pub(crate) store: StoreName,
}

/// Folds a stream of keys `S`, plain `K`, and values `V` into a table of windows of `A`.
pub(crate) fn template<S, K, V, A, W, F>(
    fold: Arc<F>,
    windowing: &Windowing<W>,
    old_values: OldValues,
) -> ProcessorTemplate
where
    S: OrNull<K>,
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    W: StartsOf,
    F: Fold<K, V, A>,
{
    let Windowing { windows, emit, store } = windowing.clone();
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<Windowed<K>, Change<A>>| {
        let output = WindowOutput::of(links, &store, (old_values, emit), out)?;
        let forwards = output.forwards;
        let state = State {
            windows,
            fold: Arc::clone(&fold),
            output,
            closing: Closing::of(links, &store),
            stream_time: -1,
            value: PhantomData::<fn(V)>,
        };
        let node = WindowAggregate { state, place: Place::of(links) };
        Ok(windowed_node::<S, V, _>(links, (&store, forwards), node))
    })
}

/// The cell of a node that ends in a store of windows.
pub(super) fn windowed_node<S, V, N>(
    links: &mut NodeLinks<'_>,
    (store, forwards): (&StoreName, Forwards),
    node: N,
) -> NodeCell<S, V>
where
    S: 'static,
    V: 'static,
    N: Push<S, V> + FlushCache + 'static,
{
    if forwards != Forwards::FromCache {
        return NodeCell::owned(node);
    }
    let node = Rc::new(RefCell::new(node));
    links.on_flush(store, &node);
    NodeCell::shared(&node)
}
