//! Joins a stream with itself by one store, where a program asks for that
//! (`single.store.self.join`). Results come as a join by two stores would give them: first those in
//! which the record is on the left, then those in which it is on the right, and among these the one
//! of the record with itself, in the order of time. A null key or value is dropped and counted, also
//! in a left or outer join. Kafka's `KStreamKStreamSelfJoin`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::metrics::DropReason;
use streams_core::names::StoreName;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::{Headers, Record};
use streams_core::time::Timestamp;
use streams_state::{WindowEntries, WindowStore};

use super::super::Place;
use crate::null::{OrNull, into_plain, plain};
use crate::window::JoinWindows;

/// Puts two values of one stream together.
type Joiner<K, A, R> =
    dyn Fn(&K, Option<&A>, Option<&A>) -> Result<Option<R>, ProcessorError> + Send + Sync;

/// What a join of a stream with itself is made of.
pub(crate) struct SelfJoining<K, A, R> {
    pub(crate) windows: JoinWindows,
    pub(crate) store: StoreName,
    pub(crate) joiner: Arc<Joiner<K, A, R>>,
}

struct SelfJoin<K, V, N, A, KO, R> {
    records: WindowStore<N, V>,
    windows: JoinWindows,
    joiner: Arc<Joiner<K, A, R>>,
    /// Not kept over restarts, as in Kafka.
    stream_time: i64,
    out: Edge<KO, R>,
    place: Place,
}

impl<K, V, N, A, KO, R> SelfJoin<K, V, N, A, KO, R>
where
    K: OrNull<N> + OrNull<KO> + Clone,
    V: OrNull<A>,
    N: 'static,
    A: 'static,
    KO: Clone + 'static,
    R: Clone,
{
    fn others(
        &self,
        key: &K,
        (from, to): (i64, i64),
    ) -> Result<Option<WindowEntries<N, V>>, ProcessorError> {
        let times = Timestamp::from_millis(from)..=Timestamp::from_millis(to);
        let Some(key) = plain::<N, K>(key) else { return Ok(None) };
        Ok(Some(self.records.fetch(key, times)?))
    }

    fn forward(
        &mut self,
        (key, time): (&K, i64),
        value: Option<R>,
        headers: &Headers,
    ) -> Result<(), ProcessorError> {
        let (Some(key), Some(value)) = (into_plain::<KO, K>(key.clone()), value) else {
            return Ok(());
        };
        let (timestamp, headers) = (Timestamp::from_millis(time), headers.clone());
        self.out.push(Record { key, value, timestamp, headers })?;
        Ok(())
    }

    fn join(&mut self, record: &Record<K, V>) -> Result<(), ProcessorError> {
        let Record { key, value, timestamp, headers } = record;
        let (time, own) = (timestamp.millis(), plain::<A, V>(value));
        let itself = (self.joiner)(key, own, own)?;
        self.stream_time = self.stream_time.max(time);
        let expired = self.stream_time.saturating_sub(self.windows.retention_ms());
        let mut itself = (time > expired.saturating_add(1)).then_some(itself);
        for entry in self.others(key, self.windows.around(time))?.into_iter().flatten() {
            let (other_time, other) = entry?;
            let joined = (self.joiner)(key, own, plain::<A, V>(&other))?;
            self.forward((key, time.max(other_time.millis())), joined, headers)?;
        }
        let as_other = self.windows.reversed().around(time);
        for entry in self.others(key, as_other)?.into_iter().flatten() {
            let (other_time, other) = entry?;
            if other_time.millis() > time
                && let Some(itself) = itself.take()
            {
                self.forward((key, time), itself, headers)?;
            }
            let joined = (self.joiner)(key, plain::<A, V>(&other), own)?;
            self.forward((key, time.max(other_time.millis())), joined, headers)?;
        }
        match itself {
            Some(itself) => self.forward((key, time), itself, headers),
            None => Ok(()),
        }
    }
}

impl<K, V, N, A, KO, R> Push<K, V> for SelfJoin<K, V, N, A, KO, R>
where
    K: OrNull<N> + OrNull<KO> + Clone,
    V: OrNull<A>,
    N: 'static,
    A: 'static,
    KO: Clone + 'static,
    R: Clone,
{
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        if plain::<N, K>(&record.key).is_none() {
            return self.place.drop_record(DropReason::NullKey);
        }
        if plain::<A, V>(&record.value).is_none() {
            return self.place.drop_record(DropReason::NullValue);
        }
        match self.join(&record) {
            Ok(()) => Ok(()),
            Err(error) => self.place.fail(error),
        }
    }
}

/// Joins a stream of keys `K`, plain `N`, and values `V`, plain `A`, with itself to records of `KO`
/// and `R`.
pub(crate) fn template<K, V, N, A, KO, R>(joining: SelfJoining<K, A, R>) -> ProcessorTemplate
where
    K: OrNull<N> + OrNull<KO> + Clone,
    V: OrNull<A>,
    N: 'static,
    A: 'static,
    KO: Clone + 'static,
    R: Clone + 'static,
{
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<KO, R>| {
        let records = links.store::<WindowStore<N, V>>(&joining.store)?;
        let (windows, joiner) = (joining.windows, Arc::clone(&joining.joiner));
        let place = Place::of(links);
        let node =
            SelfJoin::<K, V, N, A, KO, R> { records, windows, joiner, stream_time: -1, out, place };
        Ok(NodeCell::<K, V>::owned(node))
    })
}
