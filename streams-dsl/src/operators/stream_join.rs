//! Joins each record of a stream with the row that a table has for it at that moment; updates of
//! the table give nothing. Time and headers are the record's. A null value is dropped and counted; a
//! key that is null, or for which there is no row, too in an inner join, while a left join pairs it
//! with nothing. Kafka's `KStreamKTableJoinProcessor`, for tables and global tables.

use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::error::Pushed;
use streams_core::metrics::DropReason;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

use super::Place;
use crate::null::OrNull;
use crate::view::{TableView, View};

pub(crate) const PREFIX: &str = "KSTREAM-JOIN-";
/// Kafka gives it to both kinds of joins with global tables, too.
pub(crate) const LEFT_PREFIX: &str = "KSTREAM-LEFTJOIN-";

/// Which records go on without a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmatched {
    /// None: an inner join.
    Dropped,
    /// All: a left join.
    Kept,
}

/// Which row belongs to a record.
pub(crate) trait RowKey<K, V, R>: Send + Sync + 'static {
    /// Hands the key of the row on, if there is one.
    fn with<T>(&self, key: &K, value: &V, use_key: impl FnOnce(Option<&R>) -> T) -> T;
}

/// The row of the record's own key.
pub(crate) struct OwnKey;

impl<K: OrNull<R>, V, R> RowKey<K, V, R> for OwnKey {
    #[inline]
    fn with<T>(&self, key: &K, _: &V, use_key: impl FnOnce(Option<&R>) -> T) -> T {
        use_key(key.as_plain())
    }
}

/// The row of a key that is computed.
pub(crate) struct MappedKey<F, S> {
    map: F,
    gives: PhantomData<fn() -> S>,
}

impl<F, S> MappedKey<F, S> {
    pub(crate) const fn new(map: F) -> Self {
        Self { map, gives: PhantomData }
    }
}

impl<K, V, R, S, F> RowKey<K, V, R> for MappedKey<F, S>
where
    S: OrNull<R>,
    F: Fn(&K, &V) -> S + Send + Sync + 'static,
{
    #[inline]
    fn with<T>(&self, key: &K, value: &V, use_key: impl FnOnce(Option<&R>) -> T) -> T {
        use_key((self.map)(key, value).as_plain())
    }
}

/// What a join is made of.
pub(crate) struct Joining<R, W, M, F> {
    pub(crate) rows: TableView<R, W>,
    pub(crate) row_key: M,
    pub(crate) unmatched: Unmatched,
    /// Gives nothing where a join has no result.
    pub(crate) joiner: F,
}

struct StreamJoin<R, W, O, M, F, T, KO> {
    rows: View<R, W>,
    given: Arc<Joining<R, W, M, F>>,
    out: Edge<KO, O>,
    place: Place,
    taken: PhantomData<fn(T)>,
}

impl<K, V, N, R, W, KO, O, M, F> Push<K, V> for StreamJoin<R, W, O, M, F, N, KO>
where
    K: OrNull<KO>,
    V: OrNull<N>,
    M: RowKey<K, V, R>,
    KO: Clone + 'static,
    O: Clone,
    F: Fn(&K, &N, Option<&W>) -> Option<O>,
{
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        let Self { rows, given, out, place, .. } = self;
        let Record { key, value, timestamp, headers } = record;
        let kept = given.unmatched == Unmatched::Kept;
        let Some(plain) = value.as_plain() else { return place.drop_record(DropReason::NullValue) };
        let row = given.row_key.with(&key, &value, |row_key| match row_key {
            Some(row_key) => rows.look_up(row_key).map(|row| (true, row)),
            None => Ok((false, None)),
        });
        let (has_key, row) = row.map_err(|error| place.store_failure(error))?;
        if !has_key && !kept {
            return place.drop_record(DropReason::NullKey);
        }
        let Some(joined) = (given.joiner)(&key, plain, row.as_ref().map(|row| &row.value)) else {
            return Ok(());
        };
        let Some(key) = key.into_plain() else { return Ok(()) };
        out.push(Record { key, value: joined, timestamp, headers })
    }
}

/// Joins a stream of `K` and `V`, plain `N`, with rows of `R` and `W` to records of `KO` and `O`.
pub(crate) fn template<K, V, N, R, W, KO, O, M, F>(
    joining: Joining<R, W, M, F>,
) -> ProcessorTemplate
where
    K: OrNull<KO>,
    V: OrNull<N>,
    N: 'static,
    R: 'static,
    W: 'static,
    KO: Clone + 'static,
    O: Clone + 'static,
    M: RowKey<K, V, R>,
    F: Fn(&K, &N, Option<&W>) -> Option<O> + Send + Sync + 'static,
{
    let joining = Arc::new(joining);
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<KO, O>| {
        let rows = joining.rows.link(links)?;
        let (given, place) = (Arc::clone(&joining), Place::of(links));
        let taken = PhantomData::<fn(N)>;
        let node = StreamJoin::<R, W, O, M, F, N, KO> { rows, given, out, place, taken };
        Ok(NodeCell::<K, V>::owned(node))
    })
}
