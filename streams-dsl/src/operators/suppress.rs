//! Lets the updates of a table wait: for a time, for the end of their window, or until there is no
//! room. Of each key the last one goes on, with its time, headers and place, in the order of the time
//! at which the first began to wait, then of the keys' bytes. Stream time is the greatest time of an
//! update; it is not kept over restarts, as in Kafka. Kafka's `KTableSuppressProcessorSupplier`.

use std::cell::RefCell;
use std::rc::Rc;

use streams_core::error::{BufferFull, Pushed, TaskError};
use streams_core::names::StoreName;
use streams_core::processor::{
    Edge, FlushCache, NodeCell, NodeLinks, ProcessorTemplate, Push, TaskContext,
};
use streams_core::record::Record;
use streams_core::time::Timestamp;
use streams_state::{Buffered, SuppressionBuffer, Timestamped};

use super::Place;
use crate::args::{Bounds, Full, Until};
use crate::change::Change;
use crate::view::{LookUp, LookedUp, TableView, View};

pub(crate) const PREFIX: &str = "KTABLE-SUPPRESS-";

/// What waits for how long.
pub(crate) struct Suppression<K> {
    pub(crate) until: Until<K>,
    /// Milliseconds after its time for which an update waits.
    pub(crate) wait_ms: i64,
    pub(crate) bounds: Bounds,
    pub(crate) buffer: StoreName,
}

impl<K> Clone for Suppression<K> {
    fn clone(&self) -> Self {
        let (bounds, buffer) = (self.bounds.clone(), self.buffer.clone());
        Self { until: self.until, wait_ms: self.wait_ms, bounds, buffer }
    }
}

struct Suppress<K, V> {
    state: State<K, V>,
    place: Place,
}

struct State<K, V> {
    rule: Suppression<K>,
    buffer: SuppressionBuffer<K, V>,
    out: Edge<K, Change<V>>,
    stream_time: i64,
}

impl<K: Clone + 'static, V: Clone + 'static> State<K, V> {
    /// Lets an update wait, and gives out what has waited long enough. What is full, if that is a
    /// failure.
    fn add(
        &mut self,
        record: &Record<K, Change<V>>,
        task: &TaskContext,
    ) -> Result<Option<BufferFull>, Box<TaskError>> {
        let failed = |error| task.store_failure(error);
        let Record { key, value: Change { new, old, .. }, timestamp, .. } = record;
        let Suppression { until, wait_ms, ref bounds, .. } = self.rule;
        let (full, room) = (bounds.full, (bounds.records_max, bounds.bytes_max));
        self.stream_time = self.stream_time.max(timestamp.millis());
        // DIFFERENCE(suppress-budget): in Kafka a buffer without bound takes what it can get.
        if full == Full::Fail
            && let Some(bytes_max) = self.buffer.spent_budget()
        {
            let buffer = self.buffer.name().clone();
            return Ok(Some(BufferFull::Memory { buffer, bytes_max }));
        }
        let time = match until {
            Until::TimeLimit(_) => *timestamp,
            Until::WindowCloses(end) => end(key),
        };
        self.buffer.put(time, key, (old.as_ref(), new.as_ref())).map_err(failed)?;
        let due = self.stream_time.saturating_sub(wait_ms);
        while self.buffer.first_time().map_err(failed)?.is_some_and(|time| time.millis() <= due) {
            self.emit()?;
        }
        if full == Full::Emit {
            while !self.buffer.is_empty()
                && (self.exceeds(room) || self.buffer.spent_budget().is_some())
            {
                self.emit()?;
            }
            return Ok(None);
        }
        Ok(self.exceeds(room).then(|| BufferFull::Bounds {
            buffer: self.buffer.name().clone(),
            records: self.buffer.len(),
            records_max: room.0,
            bytes: self.buffer.counted_bytes(),
            bytes_max: room.1,
        }))
    }

    fn exceeds(&self, (records_max, bytes_max): (usize, usize)) -> bool {
        self.buffer.len() > records_max || self.buffer.counted_bytes() > bytes_max
    }

    fn emit(&mut self) -> Pushed {
        let Self { buffer, out, rule, .. } = self;
        buffer.emit_first(&mut |update| {
            let Buffered { key, old, new, timestamp, headers, .. } = update;
            // Of a window nothing was given out before that could be deleted.
            if new.is_none() && matches!(rule.until, Until::WindowCloses(_)) {
                return Ok(());
            }
            out.push(Record { key, value: Change::latest(new, old), timestamp, headers })?;
            buffer.count_emitted();
            Ok(())
        })
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Push<K, Change<V>> for Suppress<K, V> {
    fn push(&mut self, record: Record<K, Change<V>>) -> Pushed {
        let Self { state, place } = self;
        place.with_record(record, |record, task| match state.add(&record, task)? {
            Some(full) => place.fail(full.into()),
            None => Ok(()),
        })
    }
}

impl<K: 'static, V: 'static> FlushCache for Suppress<K, V> {
    fn flush_cache(&mut self) -> Pushed {
        let logged = self.state.buffer.log_changes();
        logged.map_err(|error| self.place.store_failure(error))
    }
}

/// Lets updates wait by this rule.
pub(crate) fn template<K, V>(rule: Suppression<K>) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
{
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, Change<V>>| {
        let buffer: SuppressionBuffer<K, V> = links.store(&rule.buffer)?;
        let (rule, place) = (rule.clone(), Place::of(links));
        buffer.counts_for(place.name());
        let name = rule.buffer.clone();
        let state = State { rule, buffer, out, stream_time: -1 };
        let node = Rc::new(RefCell::new(Suppress { state, place }));
        // The changelog is written when the task commits.
        links.on_flush(&name, &node);
        Ok(NodeCell::shared(&node))
    })
}

/// The rows of a suppressed table: what the table held before an update began to wait.
struct SuppressedRows<K, V> {
    buffer: SuppressionBuffer<K, V>,
    rows: View<K, V>,
}

impl<K: 'static, V: 'static> LookUp<K, V> for SuppressedRows<K, V> {
    fn look_up(&self, key: &K) -> LookedUp<V> {
        match self.buffer.prior(key)? {
            None => self.rows.look_up(key),
            // As in Kafka, the time of that row is not known.
            Some(prior) => {
                Ok(prior.map(|value| Timestamped { value, timestamp: Timestamp::UNKNOWN }))
            }
        }
    }
}

/// The rows of a table as they are behind the buffer.
pub(crate) fn rows<K: 'static, V: 'static>(
    buffer: &StoreName,
    rows: TableView<K, V>,
) -> TableView<K, V> {
    rows.behind(buffer, |buffer, rows| SuppressedRows { buffer, rows })
}
