//! Joins each record of a stream with those of another stream that have its key and lie within its
//! window. Each side keeps its records in a store, in which the other one looks. The result's time
//! is the later of the two; headers are those of the record that came last.
//!
//! A null key or value is dropped and counted. In a left join, and on both sides of an outer one, a
//! record with a null key is joined with nothing at once. One without partner waits in a third store
//! until its window and the grace period are over, by the times of both streams, and is then joined
//! with nothing when the next record comes, with its own time; at most once a second of wall-clock
//! time there is a look. One whose window is over when it comes does not wait. Kafka's
//! `KStreamKStreamJoin`.

mod key;
mod self_join;
mod unmatched;
pub(crate) mod window;

use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::metrics::DropReason;
use streams_core::names::{NodeName, StoreName};
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push, TaskContext};
use streams_core::record::{Headers, Record};
use streams_core::serde::SharedSerde;
use streams_core::time::Timestamp;
use streams_state::{ListStore, StoreBuilder, WindowStore};

pub(crate) use self::key::{JoinKey, LeftOrRight, Which};
use self::key::{JoinKeySerde, LeftOrRightSerde};
pub(crate) use self::self_join::{SelfJoining, template as self_template};
use self::unmatched::{JoinTimes, Unmatched};
use super::Place;
use crate::null::{OrNull, into_plain, plain};
use crate::window::JoinWindows;

pub(crate) const THIS_PREFIX: &str = "KSTREAM-JOINTHIS-";
pub(crate) const OTHER_PREFIX: &str = "KSTREAM-JOINOTHER-";
pub(crate) const OUTER_THIS_PREFIX: &str = "KSTREAM-OUTERTHIS-";
pub(crate) const OUTER_OTHER_PREFIX: &str = "KSTREAM-OUTEROTHER-";
pub(crate) const SHARED_PREFIX: &str = "KSTREAM-OUTERSHARED-";

/// Which streams' records have a result without partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Outer,
}

impl JoinKind {
    /// Whether records of this stream go on without partner.
    pub(crate) fn keeps(self, which: Which) -> bool {
        self == Self::Outer || self == Self::Left && which == Which::Left
    }
}

/// Puts two values together, the side's own first; nothing where a join has no result.
pub(crate) trait JoinRecords<K, A, B, R>:
    Fn(&K, Option<&A>, Option<&B>) -> Result<Option<R>, ProcessorError> + Send + Sync + 'static
{
}

impl<K, A, B, R, F> JoinRecords<K, A, B, R> for F where
    F: Fn(&K, Option<&A>, Option<&B>) -> Result<Option<R>, ProcessorError> + Send + Sync + 'static
{
}

/// One side of a join of streams of `V` and `W`.
pub(crate) trait Side<V, W>: 'static {
    const WHICH: Which;
    type Own: Clone + 'static;
    type Other: 'static;

    /// A value of this side.
    fn own(value: Self::Own) -> LeftOrRight<V, W>;

    /// A value, seen from this side.
    fn seen(value: &LeftOrRight<V, W>) -> (Option<&Self::Own>, Option<&Self::Other>);
}

pub(crate) struct LeftSide;
pub(crate) struct RightSide;

impl<V: Clone + 'static, W: 'static> Side<V, W> for LeftSide {
    const WHICH: Which = Which::Left;
    type Own = V;
    type Other = W;

    fn own(value: V) -> LeftOrRight<V, W> {
        LeftOrRight::Left(value)
    }

    fn seen(value: &LeftOrRight<V, W>) -> (Option<&V>, Option<&W>) {
        match value {
            LeftOrRight::Left(value) => (Some(value), None),
            LeftOrRight::Right(value) => (None, Some(value)),
        }
    }
}

impl<V: 'static, W: Clone + 'static> Side<V, W> for RightSide {
    const WHICH: Which = Which::Right;
    type Own = W;
    type Other = V;

    fn own(value: W) -> LeftOrRight<V, W> {
        LeftOrRight::Right(value)
    }

    fn seen(value: &LeftOrRight<V, W>) -> (Option<&W>, Option<&V>) {
        match value {
            LeftOrRight::Left(value) => (None, Some(value)),
            LeftOrRight::Right(value) => (Some(value), None),
        }
    }
}

/// What one side of a join is made of.
#[derive(Debug, Clone)]
pub(crate) struct Joining {
    pub(crate) kind: JoinKind,
    /// Of the left stream.
    pub(crate) windows: JoinWindows,
    /// The records of the other side.
    pub(crate) others: StoreName,
    /// The records without partner, in a left or outer join.
    pub(crate) unmatched: Option<StoreName>,
    /// What both sides call what they share.
    pub(crate) join: NodeName,
}

struct JoinSide<S: Side<V, W>, K, V, W, N, A, B, KO, R, F> {
    others: WindowStore<N, S::Other>,
    kind: JoinKind,
    /// As this side sees them.
    windows: JoinWindows,
    unmatched: Option<Unmatched<K, V, W>>,
    output: Output<K, A, B, KO, R, F>,
    place: Place,
}

/// The way of results.
struct Output<K, A, B, KO, R, F> {
    joiner: Arc<F>,
    out: Edge<KO, R>,
    types: PhantomData<fn(K, A, B)>,
}

impl<K, A, B, KO, R, F> Output<K, A, B, KO, R, F>
where
    K: OrNull<KO> + Clone,
    KO: Clone + 'static,
    R: Clone,
    F: JoinRecords<K, A, B, R>,
{
    fn forward(
        &mut self,
        (key, time): (&K, i64),
        (own, other): (Option<&A>, Option<&B>),
        headers: &Headers,
    ) -> Result<(), ProcessorError> {
        let Some(value) = (self.joiner)(key, own, other)? else { return Ok(()) };
        let Some(key) = into_plain::<KO, K>(key.clone()) else { return Ok(()) };
        let timestamp = Timestamp::from_millis(time);
        self.out.push(Record { key, value, timestamp, headers: headers.clone() })?;
        Ok(())
    }
}

impl<S, K, V, W, N, A, B, KO, R, F> JoinSide<S, K, V, W, N, A, B, KO, R, F>
where
    S: Side<V, W>,
    S::Own: OrNull<A>,
    S::Other: OrNull<B>,
    K: OrNull<N> + OrNull<KO> + Clone,
    V: 'static,
    W: 'static,
    N: 'static,
    A: 'static,
    B: 'static,
    KO: Clone + 'static,
    R: Clone,
    F: JoinRecords<K, A, B, R>,
{
    fn join(
        &mut self,
        record: Record<K, S::Own>,
        task: &TaskContext,
    ) -> Result<(), ProcessorError> {
        let Record { key, value, timestamp, headers } = record;
        let time = timestamp.millis();
        let keeps = self.kind.keeps(S::WHICH);
        if let Some(unmatched) = &self.unmatched {
            unmatched.advance(time);
        }
        let (plain_key, own) = (plain::<N, K>(&key), plain::<A, S::Own>(&value));
        match (plain_key, own) {
            (Some(_), Some(_)) => {}
            (None, Some(own)) if keeps => {
                return self.output.forward((&key, time), (Some(own), None), &headers);
            }
            (None, _) => return dropped(task, DropReason::NullKey),
            (Some(_), None) => return dropped(task, DropReason::NullValue),
        }
        self.give_out(time, &headers, task)?;
        let mut key = JoinKey { time, which: S::WHICH.other(), key };
        let found = self.join_others(&mut key, (own, time), &headers)?;
        if found || !keeps {
            return Ok(());
        }
        match &self.unmatched {
            Some(unmatched) if self.windows.around(time).1 >= unmatched.stream_time() => {
                unmatched.keep(&JoinKey { time, which: S::WHICH, ..key }, &S::own(value))?;
                Ok(())
            }
            _ => self.output.forward((&key.key, time), (own, None), &headers),
        }
    }

    /// Joins a record with those of the other side; says whether there was one. `key` is that of the
    /// other side's records without partner.
    fn join_others(
        &mut self,
        key: &mut JoinKey<K>,
        (own, time): (Option<&A>, i64),
        headers: &Headers,
    ) -> Result<bool, ProcessorError> {
        let Some(plain_key) = plain::<N, K>(&key.key) else { return Ok(false) };
        let (from, to) = self.windows.around(time);
        let times = Timestamp::from_millis(from)..=Timestamp::from_millis(to);
        let mut found = false;
        for entry in self.others.fetch(plain_key, times)? {
            let (other_time, other) = entry?;
            found = true;
            if self.kind.keeps(key.which)
                && let Some(unmatched) = &self.unmatched
            {
                key.time = other_time.millis();
                unmatched.store.delete_present(key)?;
            }
            let result_time = time.max(other_time.millis());
            let other = plain::<B, S::Other>(&other);
            self.output.forward((&key.key, result_time), (own, other), headers)?;
        }
        Ok(found)
    }

    /// Forwards what has found no partner by now.
    fn give_out(
        &mut self,
        time: i64,
        headers: &Headers,
        task: &TaskContext,
    ) -> Result<(), ProcessorError> {
        let Self { unmatched: Some(unmatched), output, .. } = self else { return Ok(()) };
        if time != unmatched.stream_time() {
            return Ok(());
        }
        let Some(mut expired) = unmatched.due(task) else { return Ok(()) };
        while let Some((key, values)) = expired.next(unmatched)? {
            for value in &values {
                let (own, other) = S::seen(value);
                let own = own.and_then(|own| plain::<A, S::Own>(own));
                let other = other.and_then(|other| plain::<B, S::Other>(other));
                output.forward((&key.key, key.time), (own, other), headers)?;
                expired.forwarded(unmatched)?;
            }
            expired.all_forwarded(key);
        }
        Ok(())
    }
}

/// A record is left out.
fn dropped(task: &TaskContext, reason: DropReason) -> Result<(), ProcessorError> {
    task.drop_record(reason);
    Ok(())
}

impl<S, K, V, W, N, A, B, KO, R, F> Push<K, S::Own> for JoinSide<S, K, V, W, N, A, B, KO, R, F>
where
    S: Side<V, W>,
    S::Own: OrNull<A>,
    S::Other: OrNull<B>,
    K: OrNull<N> + OrNull<KO> + Clone,
    V: 'static,
    W: 'static,
    N: 'static,
    A: 'static,
    B: 'static,
    KO: Clone + 'static,
    R: Clone,
    F: JoinRecords<K, A, B, R>,
{
    #[inline]
    fn push(&mut self, record: Record<K, S::Own>) -> Pushed {
        let task = self.place.task();
        let result = if self.unmatched.is_some() {
            let (timestamp, headers) = (record.timestamp, record.headers.clone());
            let saved = task.turn_to(timestamp, &headers);
            let result = self.join(record, &task);
            task.restore(saved);
            result
        } else {
            self.join(record, &task)
        };
        match result {
            Ok(()) => Ok(()),
            Err(error) => self.place.fail(error),
        }
    }
}

/// One side of a join: of keys `K`, plain `N`, and values whose plain types are `A` on this side and
/// `B` on the other, to records of `KO` and `R`.
pub(crate) fn template<S, K, V, W, N, A, B, KO, R, F>(
    joining: Joining,
    joiner: F,
) -> ProcessorTemplate
where
    S: Side<V, W>,
    S::Own: OrNull<A>,
    S::Other: OrNull<B>,
    K: OrNull<N> + OrNull<KO> + Clone,
    V: 'static,
    W: 'static,
    N: 'static,
    A: 'static,
    B: 'static,
    KO: Clone + 'static,
    R: Clone + 'static,
    F: JoinRecords<K, A, B, R>,
{
    let joiner = Arc::new(joiner);
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<KO, R>| {
        let Joining { kind, windows, others, unmatched, join } = &joining;
        let others = links.store::<WindowStore<N, S::Other>>(others)?;
        let unmatched = match unmatched {
            None => None,
            Some(store) => Some(Unmatched {
                store: links.store::<ListStore<JoinKey<K>, LeftOrRight<V, W>>>(store)?,
                times: links.shared::<JoinTimes>(join),
                windows: *windows,
                which: S::WHICH,
            }),
        };
        let windows = match S::WHICH {
            Which::Left => *windows,
            Which::Right => windows.reversed(),
        };
        let output = Output { joiner: Arc::clone(&joiner), out, types: PhantomData };
        let (kind, place) = (*kind, Place::of(links));
        let node = JoinSide::<S, K, V, W, N, A, B, KO, R, F> {
            others,
            kind,
            windows,
            unmatched,
            output,
            place,
        };
        Ok(NodeCell::<K, S::Own>::owned(node))
    })
}

/// The store of records without partner.
pub(crate) fn unmatched_store<K: 'static, V: 'static, W: 'static>(
    name: &str,
    key: SharedSerde<K>,
    (left, right): (SharedSerde<V>, SharedSerde<W>),
) -> StoreBuilder<ListStore<JoinKey<K>, LeftOrRight<V, W>>> {
    let values = Arc::new(LeftOrRightSerde { left, right });
    ListStore::declare(name, Arc::new(JoinKeySerde(key)), values)
}
