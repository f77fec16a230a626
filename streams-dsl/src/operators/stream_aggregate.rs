//! Folds the values of each key into a table: count, reduce, aggregate. The row's time is the
//! latest of its records'; a null key or value is dropped and counted; a fold that gives nothing
//! deletes the row. Kafka's `KStreamAggregate` and `KStreamReduce`.

use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::error::Pushed;
use streams_core::metrics::DropReason;
use streams_core::names::StoreName;
use streams_core::processor::{Edge, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;
use streams_state::OldValues;

use super::Place;
use super::fold::Fold;
use super::table_output::{Row, Stored, TableOutput, stored_node};
use crate::change::Change;
use crate::null::OrNull;

pub(crate) const AGGREGATE_PREFIX: &str = "KSTREAM-AGGREGATE-";
pub(crate) const REDUCE_PREFIX: &str = "KSTREAM-REDUCE-";

struct StreamAggregate<K, N, A, F> {
    fold: Arc<F>,
    output: TableOutput<K, A>,
    place: Place,
    value: PhantomData<fn(N)>,
}

impl<S, V, K, N, A, F> Push<S, V> for StreamAggregate<K, N, A, F>
where
    S: OrNull<K>,
    V: OrNull<N>,
    K: Clone + 'static,
    A: Clone + 'static,
    F: Fold<K, N, A>,
{
    #[inline]
    fn push(&mut self, record: Record<S, V>) -> Pushed {
        let Self { fold, output, place, .. } = self;
        let Record { key, value, timestamp, headers } = record;
        let Some(key) = key.into_plain() else { return place.drop_record(DropReason::NullKey) };
        let Some(value) = value.into_plain() else {
            return place.drop_record(DropReason::NullValue);
        };
        let old_values = if output.sends_old() { OldValues::Send } else { OldValues::Omit };
        place.with_record(Record { key, value, timestamp, headers }, |record, task| {
            let Record { key, value, timestamp, headers } = record;
            let mut failed = None;
            let row = output.update(&key, |stored| {
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
                return place.fail(error);
            }
            output.forward(key, row, headers)
        })
    }
}

impl<K, N, A, F> Stored for StreamAggregate<K, N, A, F>
where
    K: Clone + 'static,
    N: 'static,
    A: Clone + 'static,
    F: 'static,
{
    type Key = K;
    type Value = A;

    fn output(&mut self) -> &mut TableOutput<K, A> {
        &mut self.output
    }
}

/// Folds a stream of keys `S` and values `V`, plain `K` and `N`, into a table of `A`.
pub(crate) fn template<S, V, K, N, A, F>(
    fold: Arc<F>,
    store: &StoreName,
    old_values: OldValues,
) -> ProcessorTemplate
where
    S: OrNull<K>,
    V: OrNull<N>,
    K: Clone + 'static,
    N: 'static,
    A: Clone + 'static,
    F: Fold<K, N, A>,
{
    let store = store.clone();
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, Change<A>>| {
        let output = TableOutput::of(links, &store, old_values, out)?;
        let (fold, place, value) = (Arc::clone(&fold), Place::of(links), PhantomData::<fn(N)>);
        let node = StreamAggregate { fold, output, place, value };
        Ok(stored_node::<S, V, _>(links, node))
    })
}
