//! Keeps the rows of a table for which a predicate holds; a row for which it no longer does is
//! deleted, and one of a versioned table at each change, as there may be older versions to be
//! deleted. Time and headers stay. Kafka's `KTableFilter`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;
use streams_core::time::Timestamp;
use streams_state::{OldValues, Timestamped};

use super::Place;
use super::table_output::{Row, Stored, TableOutput, stored_node};
use crate::change::Change;
use crate::plan::{Input, TableSettings};
use crate::view::{LookUp, LookedUp, TableView, View};

pub(crate) const PREFIX: &str = "KTABLE-FILTER-";

/// A value for which the predicate holds.
#[inline]
fn kept<K, V>(
    holds: &impl Fn(&K, &V) -> Result<bool, ProcessorError>,
    key: &K,
    value: Option<V>,
) -> Result<Option<V>, ProcessorError> {
    let Some(value) = value else { return Ok(None) };
    Ok(holds(key, &value)?.then_some(value))
}

struct StoredFilter<K, V, F> {
    holds: Arc<F>,
    input: Input,
    output: TableOutput<K, V>,
    place: Place,
}

impl<K, V, F> Push<K, Change<V>> for StoredFilter<K, V, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    F: Fn(&K, &V) -> Result<bool, ProcessorError>,
{
    fn push(&mut self, record: Record<K, Change<V>>) -> Pushed {
        let Self { holds, input, output, place } = self;
        place.with_record(record, |record, task| {
            let Record { key, value: change, timestamp, headers } = record;
            let new = match kept(&**holds, &key, change.new) {
                Ok(new) => new,
                Err(error) => return place.fail(error),
            };
            let row = if output.sends_old() {
                output.update(&key, |stored| {
                    let old = stored.map(|row| row.value);
                    let is_news = *input == Input::Versioned || new.is_some() || old.is_some();
                    is_news.then_some(Row { new, old, timestamp })
                })
            } else {
                output.put(&key, Row { new, old: None, timestamp })
            };
            let row = row.map_err(|error| task.store_failure(error))?;
            output.forward(key, row, headers)
        })
    }
}

impl<K, V, F> Stored for StoredFilter<K, V, F>
where
    K: Clone + 'static,
    V: Clone + 'static,
    F: 'static,
{
    type Key = K;
    type Value = V;

    fn output(&mut self) -> &mut TableOutput<K, V> {
        &mut self.output
    }
}

/// Without a store, both values of a change are looked at. Where old ones are not sent, a deletion
/// goes on even for a row that never was.
struct PassingFilter<K, V, F> {
    holds: Arc<F>,
    input: Input,
    old_values: OldValues,
    out: Edge<K, Change<V>>,
    place: Place,
}

impl<K, V, F: Fn(&K, &V) -> Result<bool, ProcessorError>> PassingFilter<K, V, F> {
    #[inline]
    fn filtered(&self, key: &K, change: Change<V>) -> Result<Change<V>, ProcessorError> {
        let Change { new, old, age } = change;
        let new = kept(&*self.holds, key, new)?;
        let old = match self.old_values {
            OldValues::Send => kept(&*self.holds, key, old)?,
            OldValues::Omit => None,
        };
        Ok(Change { new, old, age })
    }
}

impl<K, V, F> Push<K, Change<V>> for PassingFilter<K, V, F>
where
    K: Clone,
    V: Clone,
    F: Fn(&K, &V) -> Result<bool, ProcessorError>,
{
    #[inline]
    fn push(&mut self, record: Record<K, Change<V>>) -> Pushed {
        let Record { key, value, timestamp, headers } = record;
        let value = match self.filtered(&key, value) {
            Ok(value) => value,
            Err(error) => return self.place.fail(error),
        };
        if self.old_values == OldValues::Send
            && self.input == Input::Plain
            && value.new.is_none()
            && value.old.is_none()
        {
            return Ok(());
        }
        self.out.push(Record { key, value, timestamp, headers })
    }
}

/// Keeps the rows for which `holds` does.
pub(crate) fn template<K, V, F>(
    holds: Arc<F>,
    input: Input,
    settings: &TableSettings,
) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
    F: Fn(&K, &V) -> Result<bool, ProcessorError> + Send + Sync + 'static,
{
    let TableSettings { store, old_values } = settings.clone();
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, Change<V>>| {
        let (holds, place) = (Arc::clone(&holds), Place::of(links));
        let Some(store) = &store else {
            return Ok(NodeCell::owned(PassingFilter { holds, input, old_values, out, place }));
        };
        let output = TableOutput::of(links, store, old_values, out)?;
        Ok(stored_node(links, StoredFilter { holds, input, output, place }))
    })
}

/// The rows of a filtered table that is not stored.
struct FilteredRows<K, V, F> {
    holds: Arc<F>,
    rows: View<K, V>,
}

impl<K, V, F> FilteredRows<K, V, F>
where
    F: Fn(&K, &V) -> Result<bool, ProcessorError>,
{
    fn filtered(&self, key: &K, row: Option<Timestamped<V>>) -> LookedUp<V> {
        kept(&|key: &K, row: &Timestamped<V>| (self.holds)(key, &row.value), key, row)
    }
}

impl<K, V, F> LookUp<K, V> for FilteredRows<K, V, F>
where
    F: Fn(&K, &V) -> Result<bool, ProcessorError>,
{
    fn look_up(&self, key: &K) -> LookedUp<V> {
        self.filtered(key, self.rows.look_up(key)?)
    }

    fn look_up_as_of(&self, key: &K, timestamp: Timestamp) -> LookedUp<V> {
        self.filtered(key, self.rows.look_up_as_of(key, timestamp)?)
    }
}

/// The rows for which `holds` does.
pub(crate) fn rows<K, V, F>(holds: Arc<F>, rows: TableView<K, V>) -> TableView<K, V>
where
    K: 'static,
    V: 'static,
    F: Fn(&K, &V) -> Result<bool, ProcessorError> + Send + Sync + 'static,
{
    rows.computed(move |rows| FilteredRows { holds: Arc::clone(&holds), rows })
}
