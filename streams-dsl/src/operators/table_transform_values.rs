//! Makes another value of each row of a table with the help of stores. Unlike the function of
//! `map_values` it is also called for deletions, and again for the value before where that is sent
//! on from a table that is not stored. Time and headers stay. Kafka's `KTableTransformValues`.

use std::cell::RefCell;
use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::names::StoreName;
use streams_core::processor::{
    ConnectedStores, Edge, LinkError, NodeCell, NodeLinks, ProcessorTemplate, Push,
};
use streams_core::record::Record;
use streams_core::time::Timestamp;
use streams_state::{OldValues, Timestamped};

use super::Place;
use super::table_output::{Stored, TableOutput, stored_node};
use crate::change::Change;
use crate::plan::TableSettings;
use crate::view::{LookUp, LookedUp, TableView, View};

pub(crate) const PREFIX: &str = "KTABLE-TRANSFORMVALUES-";

/// Makes a transformer for a task. Kafka's `ValueTransformerWithKeySupplier`.
pub(crate) trait Supply<K, V, N, F>: Send + Sync + 'static
where
    F: FnMut(&K, Option<V>) -> Result<Option<N>, ProcessorError> + 'static,
{
    fn supply(&self, stores: &ConnectedStores<'_, '_>) -> Result<F, LinkError>;
}

impl<K, V, N, F, S> Supply<K, V, N, F> for S
where
    F: FnMut(&K, Option<V>) -> Result<Option<N>, ProcessorError> + 'static,
    S: Fn(&ConnectedStores<'_, '_>) -> Result<F, LinkError> + Send + Sync + 'static,
{
    fn supply(&self, stores: &ConnectedStores<'_, '_>) -> Result<F, LinkError> {
        self(stores)
    }
}

struct StoredTransform<K, N, F> {
    f: F,
    output: TableOutput<K, N>,
    place: Place,
}

impl<K, V, N, F> Push<K, Change<V>> for StoredTransform<K, N, F>
where
    K: Clone + 'static,
    V: 'static,
    N: Clone + 'static,
    F: FnMut(&K, Option<V>) -> Result<Option<N>, ProcessorError>,
{
    fn push(&mut self, record: Record<K, Change<V>>) -> Pushed {
        let Self { f, output, place } = self;
        place.with_record(record, |record, task| {
            let Record { key, value: change, timestamp, headers } = record;
            let new = match f(&key, change.new) {
                Ok(new) => new,
                Err(error) => return place.fail(error),
            };
            let row = output.replace(&key, new, timestamp);
            let row = row.map_err(|error| task.store_failure(error))?;
            output.forward(key, row, headers)
        })
    }
}

impl<K, N, F> Stored for StoredTransform<K, N, F>
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

struct PassingTransform<K, N, F> {
    f: F,
    old_values: OldValues,
    out: Edge<K, Change<N>>,
    place: Place,
}

impl<K, V, N, F> Push<K, Change<V>> for PassingTransform<K, N, F>
where
    K: Clone,
    N: Clone,
    F: FnMut(&K, Option<V>) -> Result<Option<N>, ProcessorError>,
{
    fn push(&mut self, record: Record<K, Change<V>>) -> Pushed {
        let Self { f, old_values, out, place } = self;
        place.with_record(record, |record, _| {
            let Record { key, value: Change { new, old, age }, timestamp, headers } = record;
            let made = f(&key, new).and_then(|new| {
                let old = match old_values {
                    OldValues::Send => f(&key, old)?,
                    OldValues::Omit => None,
                };
                Ok(Change { new, old, age })
            });
            match made {
                Ok(value) => out.push(Record { key, value, timestamp, headers }),
                Err(error) => place.fail(error),
            }
        })
    }
}

/// Makes of each row what the transformer does.
pub(crate) fn template<K, V, N, F>(
    supplier: Arc<impl Supply<K, V, N, F>>,
    settings: &TableSettings,
) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
    N: Clone + 'static,
    F: FnMut(&K, Option<V>) -> Result<Option<N>, ProcessorError> + 'static,
{
    let TableSettings { store, old_values } = settings.clone();
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, Change<N>>| {
        let f = supplier.supply(&ConnectedStores::of(links))?;
        let place = Place::of(links);
        let Some(store) = &store else {
            let node = PassingTransform { f, old_values, out, place };
            return Ok(NodeCell::<K, Change<V>>::owned(node));
        };
        let output = TableOutput::of(links, store, old_values, out)?;
        Ok(stored_node::<K, Change<V>, _>(links, StoredTransform { f, output, place }))
    })
}

/// The rows of a transformed table that is not stored.
struct TransformedRows<K, V, F> {
    f: RefCell<F>,
    rows: View<K, V>,
}

impl<K, V, F> TransformedRows<K, V, F> {
    fn transformed<N>(&self, key: &K, row: Option<Timestamped<V>>) -> LookedUp<N>
    where
        F: FnMut(&K, Option<V>) -> Result<Option<N>, ProcessorError>,
    {
        let (value, timestamp) = match row {
            Some(Timestamped { value, timestamp }) => (Some(value), timestamp),
            None => (None, Timestamp::UNKNOWN),
        };
        let value = (self.f.borrow_mut())(key, value)?;
        Ok(value.map(|value| Timestamped { value, timestamp }))
    }
}

impl<K, V, N, F> LookUp<K, N> for TransformedRows<K, V, F>
where
    F: FnMut(&K, Option<V>) -> Result<Option<N>, ProcessorError>,
{
    fn look_up(&self, key: &K) -> LookedUp<N> {
        self.transformed(key, self.rows.look_up(key)?)
    }

    fn look_up_as_of(&self, key: &K, timestamp: Timestamp) -> LookedUp<N> {
        self.transformed(key, self.rows.look_up_as_of(key, timestamp)?)
    }
}

/// What a transformer of its own makes of each row, for a node that reads the table from beside.
pub(crate) fn rows<K, V, N, F>(
    supplier: Arc<impl Supply<K, V, N, F>>,
    stores: Vec<StoreName>,
    rows: TableView<K, V>,
) -> TableView<K, N>
where
    K: 'static,
    V: 'static,
    N: 'static,
    F: FnMut(&K, Option<V>) -> Result<Option<N>, ProcessorError> + 'static,
{
    rows.transformed(stores, move |links, rows| {
        let f = RefCell::new(supplier.supply(&ConnectedStores::of(links))?);
        Ok(TransformedRows { f, rows })
    })
}
