//! Joins each record of a stream with the row that a table has for it at that moment, or a
//! versioned table at the time of the record; updates of the table give nothing. Time and headers
//! are the record's. A null value is dropped and counted; a key that is null, or for which there is
//! no row, too in an inner join, while a left join pairs it with nothing. With a grace period a
//! record is held before it is joined, unless it comes too late for that. Kafka's
//! `KStreamKTableJoinProcessor`, for tables and global tables.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::metrics::DropReason;
use streams_core::processor::{
    Edge, LinkError, NodeCell, NodeLinks, ProcessorTemplate, Push, TaskContext,
};
use streams_core::record::Record;

use super::Place;
use super::join_buffer::{Held, Holding, JoinBuffer};
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
    /// Gives nothing where a join has no result. What it fails with goes to the processing handler.
    pub(crate) joiner: F,
}

/// Joins a record at once.
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
    F: Fn(&K, &N, Option<&W>) -> Result<Option<O>, ProcessorError>,
{
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        let Self { rows, given, out, place, .. } = self;
        let Record { key, value, timestamp, headers } = record;
        let kept = given.unmatched == Unmatched::Kept;
        let Some(plain) = value.as_plain() else { return place.drop_record(DropReason::NullValue) };
        let row = given.row_key.with(&key, &value, |row_key| match row_key {
            Some(row_key) => rows.look_up_as_of(row_key, timestamp).map(|row| (true, row)),
            None => Ok((false, None)),
        });
        let (has_key, row) = match row {
            Ok(found) => found,
            Err(error) => return place.fail(error),
        };
        if !has_key && !kept {
            return place.drop_record(DropReason::NullKey);
        }
        let joined = match (given.joiner)(&key, plain, row.as_ref().map(|row| &row.value)) {
            Ok(Some(joined)) => joined,
            Ok(None) => return Ok(()),
            Err(error) => return place.fail(error),
        };
        let Some(key) = key.into_plain() else { return Ok(()) };
        out.push(Record { key, value: joined, timestamp, headers })
    }
}

impl<R: 'static, W: 'static, O, M, F, N, KO> StreamJoin<R, W, O, M, F, N, KO> {
    fn of(
        links: &NodeLinks<'_>,
        given: &Arc<Joining<R, W, M, F>>,
        out: Edge<KO, O>,
    ) -> Result<Self, LinkError> {
        let rows = given.rows.link(links)?;
        let (given, place, taken) = (Arc::clone(given), Place::of(links), PhantomData);
        Ok(Self { rows, given, out, place, taken })
    }

    /// Why a record is dropped, if it is.
    fn refusal<K, V>(&self, key: &K, value: &V) -> Option<DropReason>
    where
        V: OrNull<N>,
        M: RowKey<K, V, R>,
    {
        let has_key = || self.given.row_key.with(key, value, |row_key| row_key.is_some());
        match self.given.unmatched {
            _ if value.as_plain().is_none() => Some(DropReason::NullValue),
            Unmatched::Dropped if !has_key() => Some(DropReason::NullKey),
            Unmatched::Dropped | Unmatched::Kept => None,
        }
    }
}

/// Joins a record when its grace period is over.
struct HoldingJoin<R, W, O, F, T, KO, V> {
    join: StreamJoin<R, W, O, OwnKey, F, T, KO>,
    buffer: JoinBuffer<R, V>,
    task: Rc<TaskContext>,
}

impl<R, W, O, F, N, KO, V> HoldingJoin<R, W, O, F, N, KO, V>
where
    V: OrNull<N>,
    R: 'static,
    KO: Clone + 'static,
    O: Clone,
{
    /// Holds a record; gives it back when it is to be joined at once.
    fn hold<K: OrNull<R>>(
        &mut self,
        record: Record<K, V>,
    ) -> Result<Option<Record<K, V>>, ProcessorError> {
        // DIFFERENCE(grace-null-key): in Kafka a left join fails on a null key. There is no row to
        // wait for.
        let Some(key) = record.key.as_plain() else { return Ok(Some(record)) };
        let when = (record.timestamp, &record.headers);
        let is_held = self.buffer.hold((key, &record.value), when, &self.task)?;
        Ok((!is_held).then_some(record))
    }

    /// Joins the records whose grace period is over, each as if it had come now.
    fn join_due<K>(&mut self) -> Result<(), ProcessorError>
    where
        K: OrNull<KO> + OrNull<R>,
        F: Fn(&K, &N, Option<&W>) -> Result<Option<O>, ProcessorError>,
    {
        let Self { join, buffer, task } = self;
        for row in buffer.due()?.into_iter().flatten() {
            let Held { record, place, row } = buffer.read(row?, task)?;
            let Record { key, value, timestamp, headers } = record;
            let saved = task.turn_to_cached(place, timestamp, headers.clone());
            let record = Record { key: K::from_plain(key), value, timestamp, headers };
            let joined = join.push(record);
            task.restore(saved);
            joined?;
            buffer.remove(&row)?;
        }
        Ok(())
    }
}

impl<K, V, N, R, W, KO, O, F> Push<K, V> for HoldingJoin<R, W, O, F, N, KO, V>
where
    K: OrNull<KO> + OrNull<R>,
    V: OrNull<N>,
    R: 'static,
    W: 'static,
    KO: Clone + 'static,
    O: Clone,
    F: Fn(&K, &N, Option<&W>) -> Result<Option<O>, ProcessorError>,
{
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        if let Some(reason) = self.join.refusal(&record.key, &record.value) {
            return self.join.place.drop_record(reason);
        }
        match self.hold(record) {
            Ok(Some(record)) => self.join.push(record),
            Ok(None) => match self.join_due::<K>() {
                Ok(()) => Ok(()),
                Err(error) => self.join.place.fail(error),
            },
            Err(error) => self.join.place.fail(error),
        }
    }
}

/// As [`template`], but each record is held until its grace period is over.
pub(crate) fn template_with_grace<K, V, N, R, W, KO, O, F>(
    joining: Joining<R, W, OwnKey, F>,
    holding: Holding<R, V>,
) -> ProcessorTemplate
where
    K: OrNull<KO> + OrNull<R>,
    V: OrNull<N>,
    N: 'static,
    R: 'static,
    W: 'static,
    KO: Clone + 'static,
    O: Clone + 'static,
    F: Fn(&K, &N, Option<&W>) -> Result<Option<O>, ProcessorError> + Send + Sync + 'static,
{
    let (joining, holding) = (Arc::new(joining), Arc::new(holding));
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<KO, O>| {
        let join = StreamJoin::<_, _, _, _, _, N, KO>::of(links, &joining, out)?;
        let (buffer, task) = (JoinBuffer::of(links, &holding)?, Rc::clone(links.context()));
        Ok(NodeCell::<K, V>::owned(HoldingJoin { join, buffer, task }))
    })
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
    F: Fn(&K, &N, Option<&W>) -> Result<Option<O>, ProcessorError> + Send + Sync + 'static,
{
    let joining = Arc::new(joining);
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<KO, O>| {
        let node = StreamJoin::<R, W, O, M, F, N, KO>::of(links, &joining, out)?;
        Ok(NodeCell::<K, V>::owned(node))
    })
}
