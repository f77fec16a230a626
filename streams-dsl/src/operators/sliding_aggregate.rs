//! Folds the values of each key and sliding window into a table: count, reduce, aggregate. A record
//! changes the windows that hold it, the latest first, then makes those that its coming asks for:
//! the one behind the record before it, the one that ends with it, and the one behind itself. A
//! window's time is the latest of its records'; a null key or value is dropped and counted; a
//! window that is closed already is left out, and counted for each record; a fold that gives
//! nothing deletes the window's row. Kafka's `KStreamSlidingWindowAggregate`.

use streams_core::error::Pushed;
use streams_core::metrics::DropReason;
use streams_core::processor::TaskContext;
use streams_core::record::{Headers, Record};
use streams_core::time::Timestamp;
use streams_core::window::Windowed;
use streams_state::Timestamped;

use super::fold::Fold;
use super::table_output::Row;
use super::window_node::{State, TakeIn, TakenIn};
use super::window_output::{Forwards, Rows, window};
use crate::window::SlidingWindows;

/// What the windows around a record tell of its neighbours.
struct Around<A> {
    /// When they start.
    starts: Vec<i64>,
    /// What the window before the one that ends with the record holds.
    left: Option<A>,
    /// What the latest window with the record holds, without it.
    right: Option<Timestamped<A>>,
    /// The time of the record before.
    previous: Option<i64>,
}

impl<A> Default for Around<A> {
    fn default() -> Self {
        Self { starts: Vec::new(), left: None, right: None, previous: None }
    }
}

impl<A> Around<A> {
    fn has(&self, start: i64) -> bool {
        self.starts.contains(&start)
    }

    /// What the window behind the record holds, when it has to be made.
    fn behind(&mut self, time: i64) -> Option<Timestamped<A>> {
        let is_missing = !self.has(time.saturating_add(1));
        let right = self.right.take().filter(|_| is_missing);
        right.filter(|right| right.timestamp.millis() > time)
    }
}

impl<K, N, A, F> TakeIn<K, N> for State<SlidingWindows, F, Rows<K, A>, N>
where
    K: Clone + 'static,
    N: Clone + 'static,
    A: Clone + 'static,
    F: Fold<K, N, A>,
{
    fn take_in(&mut self, record: Record<K, N>, task: &TaskContext) -> TakenIn {
        let SlidingWindows { difference_ms, grace_ms } = self.windows;
        let time = record.timestamp.millis();
        self.stream_time = self.stream_time.max(time);
        let close = self.stream_time.saturating_sub(grace_ms);
        if time.saturating_add(difference_ms) < close {
            task.drop_record(DropReason::Late);
            return Ok(());
        }
        if time < difference_ms {
            // As in Kafka, no window is given out here.
            return self.add_early(&record, close, task);
        }
        self.add_usual(&record, close, task)?;
        if self.output.forwards == Forwards::AtClose {
            self.give_out(close, &record.headers, task)?;
        }
        Ok(())
    }
}

impl<K, N, A, F> State<SlidingWindows, F, Rows<K, A>, N>
where
    K: Clone + 'static,
    N: Clone + 'static,
    A: Clone + 'static,
    F: Fold<K, N, A>,
{
    fn add_usual(&mut self, record: &Record<K, N>, close: i64, task: &TaskContext) -> TakenIn {
        let failed = |error| task.store_failure(error);
        let (difference, time) = (self.windows.difference_ms, record.timestamp.millis());
        let from = time.saturating_sub(difference.saturating_mul(2)).max(0);
        let starts = Timestamp::from_millis(from)..=Timestamp::from_millis(time.saturating_add(1));
        let entries = self.output.store.reverse_fetch(&record.key, starts).map_err(failed)?;
        let mut around = Around::default();
        for entry in entries {
            let (start, row) = entry.map_err(failed)?;
            let (start, latest) = (start.millis(), row.timestamp.millis());
            around.starts.push(start);
            let end = start.saturating_add(difference);
            if start > time {
                // The window behind the record, which does not hold it.
                continue;
            }
            if end > time {
                around.right.get_or_insert_with(|| row.clone());
                self.update(record, start, Some(row), (close, task))?;
            } else if end == time {
                self.update(record, start, Some(row), (close, task))?;
                if latest >= time {
                    return Ok(());
                }
                around.previous = Some(latest);
            } else {
                around.left = Some(row.value);
                around.previous = Some(latest);
                break;
            }
        }
        self.create(record, around, (close, task))
    }

    /// Makes the windows that are missing.
    fn create(
        &mut self,
        record: &Record<K, N>,
        mut around: Around<A>,
        (close, task): (i64, &TaskContext),
    ) -> TakenIn {
        let (difference, time) = (self.windows.difference_ms, record.timestamp.millis());
        if let Some(previous) = around.previous {
            let start = previous.saturating_add(1);
            let holds_record = start.saturating_add(difference) >= time;
            if holds_record && !around.has(start) {
                self.update(record, start, None, (close, task))?;
            }
        }
        let start = time - difference;
        if !around.has(start) {
            let holds_previous = around.previous.is_some_and(|previous| previous >= start);
            let left = around.left.take().filter(|_| holds_previous);
            let left = left.map(|value| Timestamped { value, timestamp: record.timestamp });
            self.update(record, start, left, (close, task))?;
        }
        match around.behind(time) {
            Some(right) => Ok(self.put_behind(record, right, task)?),
            None => Ok(()),
        }
    }

    /// Adds a record that is nearer to time 0 than the time difference: all such records are in one
    /// window that starts at 0.
    fn add_early(&mut self, record: &Record<K, N>, close: i64, task: &TaskContext) -> TakenIn {
        let failed = |error| task.store_failure(error);
        let time = record.timestamp.millis();
        let starts = ..=Timestamp::from_millis(time.saturating_add(1));
        let entries = self.output.store.fetch(&record.key, starts).map_err(failed)?;
        let (mut around, mut combined) = (Around::default(), None);
        for entry in entries {
            let (start, row) = entry.map_err(failed)?;
            let (start, latest) = (start.millis(), row.timestamp.millis());
            around.starts.push(start);
            if start == 0 {
                around.previous = (latest < time).then_some(latest);
                combined = Some(row);
            } else if start <= time {
                around.right = Some(row.clone());
                self.update(record, start, Some(row), (close, task))?;
            }
        }
        if around.right.is_none() {
            around.right.clone_from(&combined);
        }
        if let Some(right) = around.behind(time) {
            self.put_behind(record, right, task)?;
        }
        if let Some(previous) = around.previous
            && !around.has(previous + 1)
        {
            self.update(record, previous + 1, None, (close, task))?;
        }
        self.update(record, 0, combined, (close, task))
    }

    /// Folds the record into a window, unless that is closed.
    fn update(
        &mut self,
        record: &Record<K, N>,
        start: i64,
        stored: Option<Timestamped<A>>,
        (close, task): (i64, &TaskContext),
    ) -> TakenIn {
        let end = start.saturating_add(self.windows.difference_ms);
        if end < close {
            task.drop_record(DropReason::Late);
            return Ok(());
        }
        let (before, timestamp) = match stored {
            Some(row) => (Some(row.value), row.timestamp.max(record.timestamp)),
            None => (None, record.timestamp),
        };
        let value = record.value.clone();
        let (new, old) = self.fold.fold(&record.key, value, before, self.output.old_values)?;
        Ok(self.put(record, (start, end), Row { new, old, timestamp }, task)?)
    }

    /// Makes the window behind the record, which does not hold it.
    fn put_behind(
        &mut self,
        record: &Record<K, N>,
        right: Timestamped<A>,
        task: &TaskContext,
    ) -> Pushed {
        let start = record.timestamp.millis().saturating_add(1);
        let end = start.saturating_add(self.windows.difference_ms);
        let row = Row { new: Some(right.value), old: None, timestamp: right.timestamp };
        self.put(record, (start, end), row, task)
    }

    fn put(
        &mut self,
        record: &Record<K, N>,
        (start, end): (i64, i64),
        row: Row<A>,
        task: &TaskContext,
    ) -> Pushed {
        let row = self.output.put(&record.key, Timestamp::from_millis(start), row);
        let row = row.map_err(|error| task.store_failure(error))?;
        let key = Windowed::new(record.key.clone(), window(start, end));
        self.output.forward(key, row, record.headers.clone())
    }

    /// Forwards the windows that are closed by now.
    fn give_out(&mut self, close: i64, headers: &Headers, task: &TaskContext) -> Pushed {
        let difference = self.windows.difference_ms;
        let last = close.saturating_sub(difference).saturating_sub(1);
        if !self.closing.is_due(close) || last < 0 {
            return Ok(());
        }
        let first = self.closing.last().map_or(0, |before| (before - difference).max(0));
        self.output.forward_closed((first, last), headers, |error| task.store_failure(error))?;
        self.closing.given_out(close);
        Ok(())
    }
}
