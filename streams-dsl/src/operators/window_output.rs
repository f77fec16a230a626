//! What operators that end in a store of windows share: writing a window and forwarding its change,
//! at once, when the record cache writes it out, or when the window closes.

use streams_core::error::{Pushed, StoreError, TaskError};
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

/// A store of windows, as the node that owns it uses it.
pub(crate) trait OwnedWindows<K, A>: Clone + 'static {
    /// Takes over what the store's cache writes out, and says whether there is one.
    fn own(&self, old_values: OldValues) -> bool;

    /// Forwards what the cache evicted.
    fn evicted_to(&self, out: &mut Edge<Windowed<K>, Change<A>>) -> Pushed;

    /// Writes out the cache and forwards what it held.
    fn flush_to(&self, out: &mut Edge<Windowed<K>, Change<A>>) -> Pushed;
}

/// A windowed table's store and the way to the children of its node.
pub(crate) struct WindowOutput<St, K, A> {
    pub(super) store: St,
    pub(super) out: Edge<Windowed<K>, Change<A>>,
    pub(super) old_values: OldValues,
    pub(super) forwards: Forwards,
}

impl<St: OwnedWindows<K, A>, K, A> WindowOutput<St, K, A> {
    pub(super) fn of(
        links: &NodeLinks<'_>,
        store: &StoreName,
        (old_values, emit): (OldValues, EmitStrategy),
        out: Edge<Windowed<K>, Change<A>>,
    ) -> Result<Self, LinkError> {
        let store: St = links.store(store)?;
        let forwards = Forwards::of(emit, || store.own(old_values));
        Ok(Self { store, out, old_values, forwards })
    }

    pub(super) fn flush(&mut self) -> Pushed {
        self.store.flush_to(&mut self.out)
    }
}

impl<K: Clone + 'static, V: Clone + 'static> OwnedWindows<K, V> for TimestampedWindowStore<K, V> {
    fn own(&self, old_values: OldValues) -> bool {
        self.own_flushes(old_values)
    }

    #[inline]
    fn evicted_to(&self, out: &mut Edge<Windowed<K>, Change<V>>) -> Pushed {
        self.forward_evicted(&mut |flushed| out.push(written_out(flushed)))
    }

    fn flush_to(&self, out: &mut Edge<Windowed<K>, Change<V>>) -> Pushed {
        self.flush_cache(&mut |flushed| out.push(written_out(flushed)))
    }
}

/// The output of what is kept in windows of a fixed size.
pub(super) type Rows<K, V> = WindowOutput<TimestampedWindowStore<K, V>, K, V>;

impl<K: Clone + 'static, V: Clone + 'static> Rows<K, V> {
    /// Reads the window of a key and writes what `with` makes of it; `None` keeps it. Says what is
    /// to be forwarded at once.
    #[inline]
    pub(super) fn update(
        &self,
        key: &K,
        start: Timestamp,
        with: impl FnOnce(Option<Timestamped<V>>) -> Option<Row<V>>,
    ) -> Result<Option<Row<V>>, StoreError> {
        let at_once = self.forwards == Forwards::AtOnce && !self.out.is_empty();
        let row = self.store.update(key, start, |stored| {
            let Row { new, old, timestamp } = with(stored)?;
            let row = at_once.then(|| Row { new: new.clone(), old, timestamp });
            Some((new.map(|value| Timestamped { value, timestamp }), row))
        });
        row.map(Option::flatten)
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
        self.store.evicted_to(&mut self.out)
    }

    /// Forwards the windows that start between these times, with the headers of the record that
    /// closed them.
    pub(super) fn forward_closed(
        &mut self,
        (first, last): (i64, i64),
        headers: &Headers,
        failed: impl Fn(StoreError) -> Box<TaskError>,
    ) -> Pushed {
        let starts = Timestamp::from_millis(first)..=Timestamp::from_millis(last);
        for entry in self.store.fetch_all(starts).map_err(&failed)? {
            let (key, Timestamped { value, timestamp }) = entry.map_err(&failed)?;
            let (value, headers) = (Change::latest(Some(value), None), headers.clone());
            self.out.push(Record { key, value, timestamp, headers })?;
        }
        Ok(())
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
