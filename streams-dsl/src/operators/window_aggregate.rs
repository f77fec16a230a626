//! Folds the values of each key and window into a table: count, reduce, aggregate over tumbling and
//! hopping windows, and over one without end. A record changes all windows that it falls into, the
//! earliest first. A window's time is the latest of its records'; a null key is dropped and
//! counted, a null value is folded; a window that is closed already is left out, and counted for
//! each record; a fold that gives nothing deletes the window's row. Kafka's
//! `KStreamWindowAggregate`.

use streams_core::error::Pushed;
use streams_core::metrics::DropReason;
use streams_core::processor::TaskContext;
use streams_core::record::{Headers, Record};
use streams_core::time::Timestamp;
use streams_core::window::Windowed;

use super::fold::Fold;
use super::table_output::Row;
use super::window_node::{State, TakeIn, TakenIn};
use super::window_output::{Forwards, Rows, window};
use crate::window::StartsOf;

impl<K, V, A, W, F> TakeIn<K, V> for State<W, F, Rows<K, A>, V>
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    W: StartsOf,
    F: Fold<K, V, A>,
{
    fn take_in(&mut self, record: Record<K, V>, task: &TaskContext) -> TakenIn {
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
            let mut failed = None;
            let row = self.output.update(&key, Timestamp::from_millis(start), |stored| {
                let (before, timestamp) = match stored {
                    Some(row) => (Some(row.value), row.timestamp.max(timestamp)),
                    None => (None, timestamp),
                };
                let folded = fold.fold(&key, value, before, old_values);
                let (new, old) = folded.map_err(|error| failed = Some(error)).ok()?;
                Some(Row { new, old, timestamp })
            });
            let row = row.map_err(|error| task.store_failure(error))?;
            if let Some(error) = failed {
                return Err(error.into());
            }
            let key = Windowed::new(key.clone(), window(start, end));
            self.output.forward(key, row, headers.clone())?;
        }
        if self.output.forwards == Forwards::AtClose {
            self.give_out(close, &headers, task)?;
        }
        Ok(())
    }
}

impl<K, V, A, W, F> State<W, F, Rows<K, A>, V>
where
    K: Clone + 'static,
    A: Clone + 'static,
    W: StartsOf,
{
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
