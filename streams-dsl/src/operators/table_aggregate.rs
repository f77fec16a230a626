//! Keeps an aggregate of the rows of each group of a table: the value that a row had is subtracted,
//! then the one that it has is added. The result's time is the latest of the aggregate's and the
//! change's. A result of nothing deletes the row. Kafka's `KTableAggregate` and `KTableReduce`.

use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::names::StoreName;
use streams_core::processor::{Edge, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;
use streams_core::time::Timestamp;
use streams_state::{OldValues, Timestamped};

use super::Place;
use super::table_output::{Row, Stored, TableOutput, stored_node};
use crate::change::Change;
use crate::null::OrNull;

pub(crate) const AGGREGATE_PREFIX: &str = "KTABLE-AGGREGATE-";
pub(crate) const REDUCE_PREFIX: &str = "KTABLE-REDUCE-";

/// The new aggregate and its time, or what the user's function failed with.
type Adjusted<A> = Result<(Option<A>, Timestamp), ProcessorError>;

/// How an aggregate takes a change in.
pub(crate) trait Adjust<K, V, A>: Send + Sync + 'static {
    /// The aggregate with the change.
    fn adjust(
        &self,
        key: &K,
        change: Change<V>,
        stored: Option<Timestamped<A>>,
        timestamp: Timestamp,
    ) -> Adjusted<A>;
}

/// Starts from `initial`. `I` is the aggregate as the functions see it: `A`, or `Option<A>`.
pub(crate) struct Aggregation<G, F, H, I> {
    initial: G,
    add: F,
    subtract: H,
    seen_as: PhantomData<fn() -> I>,
}

impl<G, F, H, I> Aggregation<G, F, H, I> {
    pub(crate) const fn new(initial: G, add: F, subtract: H) -> Self {
        Self { initial, add, subtract, seen_as: PhantomData }
    }
}

impl<K, V, A, I, G, F, H> Adjust<K, V, A> for Aggregation<G, F, H, I>
where
    A: 'static,
    I: OrNull<A>,
    G: Fn() -> I + Send + Sync + 'static,
    F: Fn(&K, V, I) -> Result<I, ProcessorError> + Send + Sync + 'static,
    H: Fn(&K, V, I) -> Result<I, ProcessorError> + Send + Sync + 'static,
{
    fn adjust(
        &self,
        key: &K,
        change: Change<V>,
        stored: Option<Timestamped<A>>,
        timestamp: Timestamp,
    ) -> Adjusted<A> {
        let stored_at = stored.as_ref().map(|row| row.timestamp.max(timestamp));
        let mut at = timestamp;
        let mut aggregate = stored.map(|row| row.value);
        if let Some(old) = change.old
            && let Some(before) = aggregate.take()
        {
            at = stored_at.unwrap_or(timestamp);
            aggregate = (self.subtract)(key, old, I::from_plain(before))?.into_plain();
        }
        if let Some(new) = change.new {
            at = stored_at.unwrap_or(timestamp);
            let before = aggregate.map_or_else(&self.initial, I::from_plain);
            aggregate = (self.add)(key, new, before)?.into_plain();
        }
        Ok((aggregate, at))
    }
}

/// Starts from the first value.
pub(crate) struct Reduction<F, H, R, S> {
    add: F,
    subtract: H,
    gives: PhantomData<fn() -> (R, S)>,
}

impl<F, H, R, S> Reduction<F, H, R, S> {
    pub(crate) const fn new(add: F, subtract: H) -> Self {
        Self { add, subtract, gives: PhantomData }
    }
}

impl<K, V, F, H, R, S> Adjust<K, V, V> for Reduction<F, H, R, S>
where
    V: 'static,
    R: OrNull<V>,
    S: OrNull<V>,
    F: Fn(V, V) -> Result<R, ProcessorError> + Send + Sync + 'static,
    H: Fn(V, V) -> Result<S, ProcessorError> + Send + Sync + 'static,
{
    fn adjust(
        &self,
        _: &K,
        change: Change<V>,
        stored: Option<Timestamped<V>>,
        timestamp: Timestamp,
    ) -> Adjusted<V> {
        let stored_at = stored.as_ref().map_or(timestamp, |row| row.timestamp.max(timestamp));
        let mut at = timestamp;
        let mut aggregate = stored.map(|row| row.value);
        if let Some(old) = change.old
            && let Some(before) = aggregate.take()
        {
            at = stored_at;
            aggregate = (self.subtract)(before, old)?.into_plain();
        }
        if let Some(new) = change.new {
            aggregate = match aggregate {
                None => Some(new),
                Some(before) => {
                    at = stored_at;
                    (self.add)(before, new)?.into_plain()
                }
            };
        }
        Ok((aggregate, at))
    }
}

struct TableAggregate<K, V, A, F> {
    adjust: Arc<F>,
    output: TableOutput<K, A>,
    place: Place,
    value: PhantomData<fn(V)>,
}

impl<K, V, A, F> Push<K, Change<V>> for TableAggregate<K, V, A, F>
where
    K: Clone + 'static,
    V: 'static,
    A: Clone + 'static,
    F: Adjust<K, V, A>,
{
    fn push(&mut self, record: Record<K, Change<V>>) -> Pushed {
        let Self { adjust, output, place, .. } = self;
        place.with_record(record, |record, task| {
            let Record { key, value: change, timestamp, headers } = record;
            let sends_old = output.sends_old();
            let mut failed = None;
            let row = output.update(&key, |stored| {
                let old = stored.as_ref().filter(|_| sends_old).map(|row| row.value.clone());
                let adjusted = adjust.adjust(&key, change, stored, timestamp);
                let (new, timestamp) = adjusted.map_err(|error| failed = Some(error)).ok()?;
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

impl<K, V, A, F> Stored for TableAggregate<K, V, A, F>
where
    K: Clone + 'static,
    V: 'static,
    A: Clone + 'static,
    F: 'static,
{
    type Key = K;
    type Value = A;

    fn output(&mut self) -> &mut TableOutput<K, A> {
        &mut self.output
    }
}

/// Aggregates the changes of a grouped table.
pub(crate) fn template<K, V, A, F>(
    adjust: Arc<F>,
    store: &StoreName,
    old_values: OldValues,
) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
    A: Clone + 'static,
    F: Adjust<K, V, A>,
{
    let store = store.clone();
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, Change<A>>| {
        let output = TableOutput::of(links, &store, old_values, out)?;
        let (adjust, place, value) = (Arc::clone(&adjust), Place::of(links), PhantomData::<fn(V)>);
        let node = TableAggregate { adjust, output, place, value };
        Ok(stored_node::<K, Change<V>, _>(links, node))
    })
}
