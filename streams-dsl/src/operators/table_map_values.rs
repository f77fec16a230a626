//! Makes another value of each row of a table; a function that gives nothing deletes the row. It is
//! not called for deletions. Time and headers stay. Kafka's `KTableMapValues`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;
use streams_core::time::Timestamp;
use streams_state::{OldValues, Timestamped};

use super::Place;
use super::table_output::{Stored, TableOutput, stored_node};
use crate::change::Change;
use crate::plan::TableSettings;
use crate::view::{LookUp, LookedUp, TableView, View};

pub(crate) const PREFIX: &str = "KTABLE-MAPVALUES-";

/// What the function gives.
type Mapped<N> = Result<Option<N>, ProcessorError>;

struct StoredMap<K, N, F> {
    f: Arc<F>,
    output: TableOutput<K, N>,
    place: Place,
}

impl<K, V, N, F> Push<K, Change<V>> for StoredMap<K, N, F>
where
    K: Clone + 'static,
    V: 'static,
    N: Clone + 'static,
    F: Fn(&K, V) -> Mapped<N>,
{
    fn push(&mut self, record: Record<K, Change<V>>) -> Pushed {
        let Self { f, output, place } = self;
        place.with_record(record, |record, task| {
            let Record { key, value: change, timestamp, headers } = record;
            let new = match change.new.map_or(Ok(None), |value| f(&key, value)) {
                Ok(new) => new,
                Err(error) => return place.fail(error),
            };
            let row = output.replace(&key, new, timestamp);
            let row = row.map_err(|error| task.store_failure(error))?;
            output.forward(key, row, headers)
        })
    }
}

impl<K, N, F> Stored for StoredMap<K, N, F>
where
    K: Clone + 'static,
    N: Clone + 'static,
    F: 'static,
{
    type Key = K;
    type Value = N;

    fn output(&mut self) -> &mut TableOutput<K, N> {
        &mut self.output
    }
}

struct PassingMap<K, N, F> {
    f: Arc<F>,
    old_values: OldValues,
    out: Edge<K, Change<N>>,
    place: Place,
}

impl<K, N, F> PassingMap<K, N, F> {
    #[inline]
    fn mapped<V>(&self, key: &K, change: Change<V>) -> Result<Change<N>, ProcessorError>
    where
        F: Fn(&K, V) -> Mapped<N>,
    {
        let Change { new, old, age } = change;
        let new = new.map_or(Ok(None), |value| (self.f)(key, value))?;
        let old = match self.old_values {
            OldValues::Send => old.map_or(Ok(None), |value| (self.f)(key, value))?,
            OldValues::Omit => None,
        };
        Ok(Change { new, old, age })
    }
}

impl<K, V, N, F> Push<K, Change<V>> for PassingMap<K, N, F>
where
    K: Clone,
    N: Clone,
    F: Fn(&K, V) -> Mapped<N>,
{
    #[inline]
    fn push(&mut self, record: Record<K, Change<V>>) -> Pushed {
        let Record { key, value: change, timestamp, headers } = record;
        match self.mapped(&key, change) {
            Ok(value) => self.out.push(Record { key, value, timestamp, headers }),
            Err(error) => self.place.fail(error),
        }
    }
}

/// Makes of each row what `f` does.
pub(crate) fn template<K, V, N, F>(f: Arc<F>, settings: &TableSettings) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
    N: Clone + 'static,
    F: Fn(&K, V) -> Mapped<N> + Send + Sync + 'static,
{
    let TableSettings { store, old_values } = settings.clone();
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, Change<N>>| {
        let (f, place) = (Arc::clone(&f), Place::of(links));
        let Some(store) = &store else {
            return Ok(NodeCell::<K, Change<V>>::owned(PassingMap { f, old_values, out, place }));
        };
        let output = TableOutput::of(links, store, old_values, out)?;
        Ok(stored_node::<K, Change<V>, _>(links, StoredMap { f, output, place }))
    })
}

/// The rows of a mapped table that is not stored.
struct MappedRows<K, V, F> {
    f: Arc<F>,
    rows: View<K, V>,
}

impl<K, V, F> MappedRows<K, V, F> {
    fn mapped<N>(&self, key: &K, row: Option<Timestamped<V>>) -> LookedUp<N>
    where
        F: Fn(&K, V) -> Mapped<N>,
    {
        let Some(Timestamped { value, timestamp }) = row else { return Ok(None) };
        let value = (self.f)(key, value)?;
        Ok(value.map(|value| Timestamped { value, timestamp }))
    }
}

impl<K, V, N, F: Fn(&K, V) -> Mapped<N>> LookUp<K, N> for MappedRows<K, V, F> {
    fn look_up(&self, key: &K) -> LookedUp<N> {
        self.mapped(key, self.rows.look_up(key)?)
    }

    fn look_up_as_of(&self, key: &K, timestamp: Timestamp) -> LookedUp<N> {
        self.mapped(key, self.rows.look_up_as_of(key, timestamp)?)
    }
}

/// What `f` makes of each row.
pub(crate) fn rows<K, V, N, F>(f: Arc<F>, rows: TableView<K, V>) -> TableView<K, N>
where
    K: 'static,
    V: 'static,
    N: 'static,
    F: Fn(&K, V) -> Mapped<N> + Send + Sync + 'static,
{
    rows.computed(move |rows| MappedRows { f: Arc::clone(&f), rows })
}
