//! Makes a table of the records of a topic or stream: the last value of a key is its row, null
//! deletes it. A null key is dropped and counted. A record older than the row replaces it all the
//! same, with a warning: the order of the topic counts. Kafka's `KTableSource`.

use streams_core::error::Pushed;
use streams_core::metrics::DropReason;
use streams_core::names::StoreName;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

use super::Place;
use super::table_output::{Row, Stored, TableOutput, stored_node};
use crate::change::Change;
use crate::null::OrNull;
use crate::plan::TableSettings;

pub(crate) const PREFIX: &str = "KTABLE-SOURCE-";
pub(crate) const STREAM_PREFIX: &str = "KSTREAM-SOURCE-";
pub(crate) const TO_TABLE_PREFIX: &str = "KSTREAM-TOTABLE-";

struct StoredSource<K, N> {
    output: TableOutput<K, N>,
    store: StoreName,
    place: Place,
}

impl<S, V, K, N> Push<S, V> for StoredSource<K, N>
where
    S: OrNull<K>,
    V: OrNull<N>,
    K: Clone + 'static,
    N: Clone + 'static,
{
    fn push(&mut self, record: Record<S, V>) -> Pushed {
        let Self { output, store, place } = self;
        let Record { key, value, timestamp, headers } = record;
        let Some(key) = key.into_plain() else { return place.drop_record(DropReason::NullKey) };
        let new = value.into_plain();
        place.with_record(Record { key, value: new, timestamp, headers }, |record, task| {
            let Record { key, value: new, timestamp, headers } = record;
            let sends_old = output.sends_old();
            let row = output.update(&key, |stored| {
                if let Some(row) = &stored
                    && timestamp < row.timestamp
                {
                    let (old, new, origin) = (row.timestamp, timestamp, task.origin());
                    tracing::warn!(%store, %old, %new, %origin, "a table got an update older than its row");
                }
                let old = stored.filter(|_| sends_old).map(|row| row.value);
                Some(Row { new, old, timestamp })
            });
            let row = row.map_err(|error| task.store_failure(error))?;
            output.forward(key, row, headers)
        })
    }
}

impl<K: Clone + 'static, N: Clone + 'static> Stored for StoredSource<K, N> {
    type Key = K;
    type Value = N;

    fn output(&mut self) -> &mut TableOutput<K, N> {
        &mut self.output
    }
}

/// A table without a store: each record is a change.
struct PassingSource<K, N> {
    out: Edge<K, Change<N>>,
    place: Place,
}

impl<S, V, K, N> Push<S, V> for PassingSource<K, N>
where
    S: OrNull<K>,
    V: OrNull<N>,
    K: Clone + 'static,
    N: Clone + 'static,
{
    #[inline]
    fn push(&mut self, record: Record<S, V>) -> Pushed {
        let Record { key, value, timestamp, headers } = record;
        let Some(key) = key.into_plain() else {
            return self.place.drop_record(DropReason::NullKey);
        };
        let value = Change::latest(value.into_plain(), None);
        self.out.push(Record { key, value, timestamp, headers })
    }
}

/// Makes a table of keys `K` and values `N` of a stream of `S` and `V`.
pub(crate) fn template<S, V, K, N>(settings: &TableSettings) -> ProcessorTemplate
where
    S: OrNull<K>,
    V: OrNull<N>,
    K: Clone + 'static,
    N: Clone + 'static,
{
    let TableSettings { store, old_values } = settings.clone();
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, Change<N>>| {
        let place = Place::of(links);
        let Some(store) = store.clone() else {
            return Ok(NodeCell::<S, V>::owned(PassingSource { out, place }));
        };
        let output = TableOutput::of(links, &store, old_values, out)?;
        Ok(stored_node::<S, V, _>(links, StoredSource { output, store, place }))
    })
}
