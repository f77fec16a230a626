//! Puts the results of both sides of a join of tables together, and stores them if asked to. Kafka's
//! `KTableKTableJoinMerger`.

use streams_core::error::Pushed;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;
use streams_state::OldValues;

use super::Place;
use super::table_output::{Row, Stored, TableOutput, stored_node};
use crate::change::Change;
use crate::plan::TableSettings;

pub(crate) const PREFIX: &str = "KTABLE-MERGE-";

struct StoredMerge<K, V> {
    output: TableOutput<K, V>,
    place: Place,
}

impl<K: Clone + 'static, V: Clone + 'static> Push<K, Change<V>> for StoredMerge<K, V> {
    fn push(&mut self, record: Record<K, Change<V>>) -> Pushed {
        let Self { output, place } = self;
        place.with_record(record, |record, task| {
            let Record { key, value: Change { new, old, .. }, timestamp, headers } = record;
            // The value before is the joined one, not the stored one, as in Kafka.
            let row = output.put(&key, Row { new, old, timestamp });
            let row = row.map_err(|error| task.store_failure(error))?;
            output.forward(key, row, headers)
        })
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Stored for StoredMerge<K, V> {
    type Key = K;
    type Value = V;

    fn output(&mut self) -> &mut TableOutput<K, V> {
        &mut self.output
    }
}

struct PassingMerge<K, V> {
    old_values: OldValues,
    out: Edge<K, Change<V>>,
}

impl<K: Clone, V: Clone> Push<K, Change<V>> for PassingMerge<K, V> {
    #[inline]
    fn push(&mut self, mut record: Record<K, Change<V>>) -> Pushed {
        if self.old_values == OldValues::Omit {
            record.value.old = None;
        }
        self.out.push(record)
    }
}

/// Forwards what both sides give.
pub(crate) fn template<K, V>(settings: &TableSettings) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
{
    let TableSettings { store, old_values } = settings.clone();
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, Change<V>>| {
        let Some(store) = &store else {
            return Ok(NodeCell::owned(PassingMerge { old_values, out }));
        };
        let output = TableOutput::of(links, store, old_values, out)?;
        let place = Place::of(links);
        Ok(stored_node(links, StoredMerge { output, place }))
    })
}
