//! What operators that end in a store of windows share: writing a window and forwarding its change,
//! at once, when the record cache writes it out, or when the window closes.

use streams_core::error::{Pushed, StoreError};
use streams_core::names::StoreName;
use streams_core::processor::{Edge, LinkError, NodeLinks, Push};
use streams_core::record::{Headers, Record};
use streams_core::time::Timestamp;
use streams_core::window::{Window, Windowed};
use streams_state::{Flushed, OldValues, Timestamped, TimestampedWindowStore};

use super::table_output::Row;
use crate::change::Change;
use crate::window::EmitStrategy;

/// When changes leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forwards {
    AtOnce,
    FromCache,
    AtClose,
}

impl Forwards {
    /// `own` takes over what the store's cache writes out, and says whether there is one.
    pub(super) fn of(emit: EmitStrategy, own: impl FnOnce() -> bool) -> Self {
        match emit {
            EmitStrategy::OnWindowClose => Self::AtClose,
            EmitStrategy::OnWindowUpdate if own() => Self::FromCache,
            EmitStrategy::OnWindowUpdate => Self::AtOnce,
        }
    }
}

/// A windowed table's store and the way to the children of its node.
pub(super) struct WindowOutput<K, V> {
    pub(super) store: TimestampedWindowStore<K, V>,
    out: Edge<Windowed<K>, Change<V>>,
    pub(super) old_values: OldValues,
    pub(super) forwards: Forwards,
}

impl<K: Clone + 'static, V: Clone + 'static> WindowOutput<K, V> {
    pub(super) fn of(
        links: &NodeLinks<'_>,
        store: &StoreName,
        (old_values, emit): (OldValues, EmitStrategy),
        out: Edge<Windowed<K>, Change<V>>,
    ) -> Result<Self, LinkError> {
        let store: TimestampedWindowStore<K, V> = links.store(store)?;
        let forwards = Forwards::of(emit, || store.own_flushes(old_values));
        Ok(Self { store, out, old_values, forwards })
    }

    /// Reads the window of a key and writes what `with` makes of it. Says what is to be forwarded
    /// at once.
    #[inline]
    pub(super) fn update(
        &self,
        key: &K,
        start: Timestamp,
        with: impl FnOnce(Option<Timestamped<V>>) -> Row<V>,
    ) -> Result<Option<Row<V>>, StoreError> {
        let at_once = self.forwards == Forwards::AtOnce && !self.out.is_empty();
        self.store.update(key, start, |stored| {
            let Row { new, old, timestamp } = with(stored);
            let row = at_once.then(|| Row { new: new.clone(), old, timestamp });
            (new.map(|value| Timestamped { value, timestamp }), row)
        })
    }

    /// Writes a window without a look at what was there. Says what is to be forwarded at once.
    pub(super) fn put(
        &self,
        key: &K,
        start: Timestamp,
        row: Row<V>,
    ) -> Result<Option<Row<V>>, StoreError> {
        let Row { new, old, timestamp } = row;
        let at_once = self.forwards == Forwards::AtOnce && !self.out.is_empty();
        let row = at_once.then(|| Row { new: new.clone(), old, timestamp });
        match new {
            Some(value) => self.store.put(key, &Timestamped { value, timestamp }, start)?,
            None => self.store.delete(key, start)?,
        }
        Ok(row)
    }

    /// Forwards what [`update`](Self::update) or [`put`](Self::put) gave, then what the cache
    /// evicted.
    #[inline]
    pub(super) fn forward(
        &mut self,
        key: Windowed<K>,
        row: Option<Row<V>>,
        headers: Headers,
    ) -> Pushed {
        if let Some(Row { new, old, timestamp }) = row {
            let old = old.filter(|_| self.old_values == OldValues::Send);
            self.out.push(Record { key, value: Change::latest(new, old), timestamp, headers })?;
        }
        let out = &mut self.out;
        self.store.forward_evicted(&mut |flushed| out.push(written_out(flushed)))
    }

    /// Forwards the windows that start between these times, with the headers of the record that
    /// closed them.
    pub(super) fn forward_closed(
        &mut self,
        (first, last): (i64, i64),
        headers: &Headers,
        failed: impl Fn(StoreError) -> Box<streams_core::error::TaskError>,
    ) -> Pushed {
        let starts = Timestamp::from_millis(first)..=Timestamp::from_millis(last);
        for entry in self.store.fetch_all(starts).map_err(&failed)? {
            let (key, Timestamped { value, timestamp }) = entry.map_err(&failed)?;
            let (value, headers) = (Change::latest(Some(value), None), headers.clone());
            self.out.push(Record { key, value, timestamp, headers })?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Pushed {
        let out = &mut self.out;
        self.store.flush_cache(&mut |flushed| out.push(written_out(flushed)))
    }
}

fn written_out<K, V>(
    flushed: Flushed<Windowed<K>, Timestamped<V>>,
) -> Record<Windowed<K>, Change<V>> {
    let Flushed { key, new, old, timestamp, headers } = flushed;
    let timestamp = new.as_ref().map_or(timestamp, |new| new.timestamp);
    let value = Change::latest(new.map(|new| new.value), old.map(|old| old.value));
    Record { key, value, timestamp, headers }
}

/// A window from and to these times.
pub(super) const fn window(start: i64, end: i64) -> Window {
    Window::new(Timestamp::from_millis(start), Timestamp::from_millis(end))
}
