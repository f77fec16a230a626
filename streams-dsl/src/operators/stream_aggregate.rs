//! Folds the values of each key into a table: count, reduce, aggregate. The row's time is the
//! latest of its records'; a null key or value is dropped and counted; a fold that gives nothing
//! deletes the row. Kafka's `KStreamAggregate` and `KStreamReduce`.

use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::metrics::DropReason;
use streams_core::names::StoreName;
use streams_core::processor::{Edge, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;
use streams_state::OldValues;

use super::Place;
use super::table_output::{Row, Stored, TableOutput, stored_node};
use crate::change::Change;
use crate::null::OrNull;

pub(crate) const AGGREGATE_PREFIX: &str = "KSTREAM-AGGREGATE-";
pub(crate) const REDUCE_PREFIX: &str = "KSTREAM-REDUCE-";

/// How values become one.
pub(crate) trait Fold<K, N, A>: Send + Sync + 'static {
    /// The new aggregate, and with [`OldValues::Send`] what is taken for the one before.
    fn fold(
        &self,
        key: &K,
        value: N,
        stored: Option<A>,
        old_values: OldValues,
    ) -> (Option<A>, Option<A>);
}

/// How values become one by functions that may fail.
pub(crate) trait TryFold<K, N, A>: Send + Sync + 'static {
    /// As [`Fold::fold`].
    fn try_fold(
        &self,
        key: &K,
        value: N,
        stored: Option<A>,
        old_values: OldValues,
    ) -> Result<(Option<A>, Option<A>), ProcessorError>;
}

/// A fold that never fails.
pub(crate) struct Sure<F>(pub(crate) F);

impl<K, N, A, F: Fold<K, N, A>> TryFold<K, N, A> for Sure<F> {
    #[inline]
    fn try_fold(
        &self,
        key: &K,
        value: N,
        stored: Option<A>,
        old_values: OldValues,
    ) -> Result<(Option<A>, Option<A>), ProcessorError> {
        Ok(self.0.fold(key, value, stored, old_values))
    }
}

/// A fold of functions that may fail. `initial` gives what is before the first value, where that is
/// not the first aggregate itself.
pub(crate) struct Trying<G, F> {
    initial: G,
    add: F,
}

impl<G, F> Trying<G, F> {
    pub(crate) const fn new(initial: G, add: F) -> Self {
        Self { initial, add }
    }
}

impl<K, N, A, G, F> TryFold<K, N, A> for Trying<G, F>
where
    A: Clone + 'static,
    G: Fn() -> Option<A> + Send + Sync + 'static,
    F: Fn(&K, N, Option<A>) -> Result<Option<A>, ProcessorError> + Send + Sync + 'static,
{
    fn try_fold(
        &self,
        key: &K,
        value: N,
        stored: Option<A>,
        old_values: OldValues,
    ) -> Result<(Option<A>, Option<A>), ProcessorError> {
        let before = stored.or_else(&self.initial);
        let old = match old_values {
            OldValues::Send => before.clone(),
            OldValues::Omit => None,
        };
        Ok(((self.add)(key, value, before)?, old))
    }
}

/// Starts from `initial`. `I` is the aggregate as the functions see it: `A`, or `Option<A>`.
pub(crate) struct Aggregation<G, F, I> {
    initial: G,
    add: F,
    seen_as: PhantomData<fn() -> I>,
}

impl<G, F, I> Aggregation<G, F, I> {
    pub(crate) const fn new(initial: G, add: F) -> Self {
        Self { initial, add, seen_as: PhantomData }
    }
}

impl<K, N, A, I, G, F> Fold<K, N, A> for Aggregation<G, F, I>
where
    A: Clone + 'static,
    I: OrNull<A>,
    G: Fn() -> I + Send + Sync + 'static,
    F: Fn(&K, N, I) -> I + Send + Sync + 'static,
{
    #[inline]
    fn fold(
        &self,
        key: &K,
        value: N,
        stored: Option<A>,
        old_values: OldValues,
    ) -> (Option<A>, Option<A>) {
        let before = stored.map_or_else(&self.initial, I::from_plain);
        // As in Kafka, a row that was not there counts as one with the initial value.
        let old = match old_values {
            OldValues::Send => before.as_plain().cloned(),
            OldValues::Omit => None,
        };
        ((self.add)(key, value, before).into_plain(), old)
    }
}

/// Starts from the first value.
pub(crate) struct Reduction<F, R> {
    reduce: F,
    gives: PhantomData<fn() -> R>,
}

impl<F, R> Reduction<F, R> {
    pub(crate) const fn new(reduce: F) -> Self {
        Self { reduce, gives: PhantomData }
    }
}

impl<K, V, N, R, F> Fold<K, V, N> for Reduction<F, R>
where
    N: Clone + 'static,
    V: OrNull<N>,
    R: OrNull<N>,
    F: Fn(N, V) -> R + Send + Sync + 'static,
{
    #[inline]
    fn fold(
        &self,
        _: &K,
        value: V,
        stored: Option<N>,
        old_values: OldValues,
    ) -> (Option<N>, Option<N>) {
        let old = match old_values {
            OldValues::Send => stored.clone(),
            OldValues::Omit => None,
        };
        match stored {
            None => (value.into_plain(), old),
            Some(before) => ((self.reduce)(before, value).into_plain(), old),
        }
    }
}

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
    F: TryFold<K, N, A>,
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
                match fold.try_fold(&key, value, before, old_values) {
                    Ok((new, old)) => Some(Row { new, old, timestamp }),
                    Err(error) => {
                        failed = Some(error);
                        None
                    }
                }
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
    F: TryFold<K, N, A>,
{
    let store = store.clone();
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, Change<A>>| {
        let output = TableOutput::of(links, &store, old_values, out)?;
        let (fold, place, value) = (Arc::clone(&fold), Place::of(links), PhantomData::<fn(N)>);
        let node = StreamAggregate { fold, output, place, value };
        Ok(stored_node::<S, V, _>(links, node))
    })
}
