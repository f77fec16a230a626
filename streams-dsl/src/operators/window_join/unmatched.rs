//! What has found no partner yet, and when it is given out without one. Kafka's `TimeTracker`, and
//! the emission of `KStreamKStreamJoin` (KIP-633).

use std::cell::Cell;
use std::rc::Rc;

use streams_core::error::StoreError;
use streams_core::processor::TaskContext;
use streams_state::{ListEntries, ListStore};

use super::key::{JoinKey, LeftOrRight, Which};
use crate::window::JoinWindows;

/// The times that both sides of a join see. Not kept over restarts, as in Kafka.
#[derive(Debug)]
pub(super) struct JoinTimes {
    /// The greatest time of a record of either side.
    stream: Cell<i64>,
    /// The least time of a record without partner, as far as it is known.
    least: Cell<i64>,
    /// Wall-clock time of the next look.
    next_look: Cell<i64>,
}

impl Default for JoinTimes {
    fn default() -> Self {
        Self { stream: Cell::new(-1), least: Cell::new(i64::MAX), next_look: Cell::new(0) }
    }
}

/// The records without partner, as one side of a join sees them.
pub(super) struct Unmatched<K, V, W> {
    pub(super) store: ListStore<JoinKey<K>, LeftOrRight<V, W>>,
    pub(super) times: Rc<JoinTimes>,
    /// Of the left stream.
    pub(super) windows: JoinWindows,
    pub(super) which: Which,
}

impl<K: 'static, V: 'static, W: 'static> Unmatched<K, V, W> {
    /// A record of this time has come.
    pub(super) fn advance(&self, time: i64) {
        self.times.stream.set(self.times.stream.get().max(time));
    }

    /// The greatest time of a record of either side.
    pub(super) fn stream_time(&self) -> i64 {
        self.times.stream.get()
    }

    /// Milliseconds after a record of a side at which a partner may still come.
    const fn after(&self, which: Which) -> i64 {
        match which {
            Which::Left => self.windows.after_ms,
            Which::Right => self.windows.before_ms,
        }
    }

    /// Whether a window of the least time is open. Wraps at the greatest time as Kafka does: without
    /// a known least time, there is a look.
    fn is_open(&self, after: i64) -> bool {
        let end = self.times.least.get().wrapping_add(after);
        end.wrapping_add(self.windows.grace_ms) >= self.times.stream.get()
    }

    /// Keeps a record until it finds a partner or its window closes.
    pub(super) fn keep(
        &self,
        key: &JoinKey<K>,
        value: &LeftOrRight<V, W>,
    ) -> Result<(), StoreError> {
        self.times.least.set(self.times.least.get().min(key.time));
        self.store.push(key, value)
    }

    /// The records whose windows may have closed; `None` when it is not time to look for them.
    pub(super) fn due(&self, task: &TaskContext) -> Option<Expired<K, V, W>> {
        if self.is_open(self.after(self.which)) {
            return None;
        }
        let now = task.now().millis();
        if now < self.times.next_look.get() {
            return None;
        }
        let interval = i64::try_from(task.emit_intervals().outer_joins.as_millis());
        self.times.next_look.set(now.saturating_add(interval.unwrap_or(i64::MAX)));
        self.times.least.set(i64::MAX);
        Some(Expired { entries: self.store.all(), open: [false; 2], given: None })
    }
}

/// A key and the values of its records.
type Entry<K, V, W> = (JoinKey<K>, Vec<LeftOrRight<V, W>>);

/// The records whose windows have closed, the earliest first.
pub(super) struct Expired<K, V, W> {
    entries: ListEntries<JoinKey<K>, LeftOrRight<V, W>>,
    /// Whether an open window of the right and of the left side was met.
    open: [bool; 2],
    /// The key whose records were given last, and are still in the store.
    given: Option<JoinKey<K>>,
}

impl<K: 'static, V: 'static, W: 'static> Expired<K, V, W> {
    /// The next records, which have one key. What was given before is deleted when the first of
    /// these has been forwarded, or there are no more; so that a failure repeats and never loses.
    pub(super) fn next(
        &mut self,
        unmatched: &Unmatched<K, V, W>,
    ) -> Result<Option<Entry<K, V, W>>, StoreError> {
        while let Some(entry) = self.entries.next().transpose()? {
            let (key, values) = entry;
            // Kafka looks at each value of a list.
            for _ in &values {
                unmatched.times.least.set(key.time);
                if self.open == [true; 2] {
                    self.delete_given(unmatched)?;
                    return Ok(None);
                }
                if !unmatched.is_open(unmatched.after(key.which)) {
                    return Ok(Some((key, values)));
                }
                let [right, left] = &mut self.open;
                match key.which {
                    Which::Left => *left = true,
                    Which::Right => *right = true,
                }
            }
        }
        self.delete_given(unmatched)?;
        Ok(None)
    }

    /// The first record of a key has been forwarded.
    pub(super) fn forwarded(&mut self, unmatched: &Unmatched<K, V, W>) -> Result<(), StoreError> {
        self.delete_given(unmatched)
    }

    /// All records of a key have been forwarded.
    pub(super) fn all_forwarded(&mut self, key: JoinKey<K>) {
        self.given = Some(key);
    }

    fn delete_given(&mut self, unmatched: &Unmatched<K, V, W>) -> Result<(), StoreError> {
        match self.given.take() {
            Some(given) => unmatched.store.delete(&given),
            None => Ok(()),
        }
    }
}
