//! One of several streams that are aggregated together.

use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::names::StoreName;
use streams_state::{SessionStore, TimestampedWindowStore as Windows};

use crate::null::OrNull;
use crate::operators::fold::Aggregation;
use crate::operators::stream_aggregate;
use crate::operators::window_node::{self, Windowing};
use crate::plan::{MakeTable, StreamGrouping};
use crate::window::{SessionWindows, SlidingWindows, StartsOf, TimeWindows, UnlimitedWindows};

/// What an aggregate starts from, for all streams.
pub(super) type Start<I> = Arc<dyn Fn() -> I + Send + Sync>;

/// Makes one aggregate of two when sessions become one.
pub(super) type Merger<K, I> = Arc<dyn Fn(&K, I, I) -> Result<I, ProcessorError> + Send + Sync>;

/// A stream whose types but the key are hidden: how it takes part in an aggregation.
pub(crate) trait Member<K, A, I> {
    fn grouping(&self) -> StreamGrouping;

    fn unwindowed(&self, start: &Start<I>, store: &StoreName) -> Box<MakeTable>;

    fn in_time_windows(&self, start: &Start<I>, by: &Windowing<TimeWindows>) -> Box<MakeTable>;

    fn in_one_window(&self, start: &Start<I>, by: &Windowing<UnlimitedWindows>) -> Box<MakeTable>;

    fn in_sliding_windows(
        &self,
        start: &Start<I>,
        by: &Windowing<SlidingWindows>,
    ) -> Box<MakeTable>;

    fn in_sessions(
        &self,
        functions: (&Start<I>, &Merger<K, I>),
        by: &Windowing<SessionWindows>,
    ) -> Box<MakeTable>;
}

/// A stream of keys `S` and values `V`, plain `N`, with the aggregator `F`.
pub(super) struct Of<S, V, N, F> {
    grouping: StreamGrouping,
    add: Arc<F>,
    types: Types<S, V, N>,
}

type Types<S, V, N> = PhantomData<fn() -> (S, V, N)>;

impl<S, V, N, F> Of<S, V, N, F> {
    pub(super) fn new(grouping: StreamGrouping, add: F) -> Self {
        Self { grouping, add: Arc::new(add), types: PhantomData }
    }
}

impl<K, A, I, S, V, N, F> Member<K, A, I> for Of<S, V, N, F>
where
    K: Clone + 'static,
    A: Clone + 'static,
    I: OrNull<A>,
    S: OrNull<K> + Clone,
    V: OrNull<N> + Clone,
    N: Clone + 'static,
    F: Fn(&K, V, I) -> Result<I, ProcessorError> + Send + Sync + 'static,
{
    fn grouping(&self) -> StreamGrouping {
        self.grouping
    }

    fn unwindowed(&self, start: &Start<I>, store: &StoreName) -> Box<MakeTable> {
        let (start, add, store) = (Arc::clone(start), Arc::clone(&self.add), store.clone());
        let add = move |key: &K, value: N, acc: I| add(key, V::from_plain(value), acc);
        let fold = Arc::new(Aggregation::new(move || start(), add));
        Box::new(move |settings| {
            let fold = Arc::clone(&fold);
            stream_aggregate::template::<S, V, K, N, A, _>(fold, &store, settings.old_values)
        })
    }

    fn in_time_windows(&self, start: &Start<I>, by: &Windowing<TimeWindows>) -> Box<MakeTable> {
        self.in_fixed_windows::<K, A, I, _>(start, by)
    }

    fn in_one_window(&self, start: &Start<I>, by: &Windowing<UnlimitedWindows>) -> Box<MakeTable> {
        self.in_fixed_windows::<K, A, I, _>(start, by)
    }

    fn in_sliding_windows(
        &self,
        start: &Start<I>,
        by: &Windowing<SlidingWindows>,
    ) -> Box<MakeTable> {
        let (start, add, by) = (Arc::clone(start), Arc::clone(&self.add), by.clone());
        let add = move |key: &K, value: N, acc: I| add(key, V::from_plain(value), acc);
        let fold = Arc::new(Aggregation::new(move || start(), add));
        Box::new(move |settings| {
            let fold = Arc::clone(&fold);
            window_node::template::<S, V, K, N, A, _, _, Windows<K, A>>(
                fold,
                &by,
                settings.old_values,
            )
        })
    }

    fn in_sessions(
        &self,
        (start, merge): (&Start<I>, &Merger<K, I>),
        by: &Windowing<SessionWindows>,
    ) -> Box<MakeTable> {
        let (start, merge) = (Arc::clone(start), Arc::clone(merge));
        let (add, by) = (Arc::clone(&self.add), by.clone());
        let add = move |key: &K, value: V, acc: I| add(key, value, acc);
        let merge = move |key: &K, one: I, other: I| merge(key, one, other);
        let fold = Arc::new(Aggregation::new(move || start(), add).merging(merge));
        Box::new(move |settings| {
            let fold = Arc::clone(&fold);
            window_node::template::<S, V, K, V, A, _, _, SessionStore<K, A>>(
                fold,
                &by,
                settings.old_values,
            )
        })
    }
}

impl<S, V: 'static, N, F> Of<S, V, N, F> {
    fn in_fixed_windows<K, A, I, W>(&self, start: &Start<I>, by: &Windowing<W>) -> Box<MakeTable>
    where
        K: Clone + 'static,
        A: Clone + 'static,
        I: OrNull<A>,
        S: OrNull<K>,
        V: Clone,
        W: StartsOf,
        F: Fn(&K, V, I) -> Result<I, ProcessorError> + Send + Sync + 'static,
    {
        let (start, add, by) = (Arc::clone(start), Arc::clone(&self.add), by.clone());
        let add = move |key: &K, value: V, acc: I| add(key, value, acc);
        let fold = Arc::new(Aggregation::new(move || start(), add));
        Box::new(move |settings| {
            let fold = Arc::clone(&fold);
            window_node::template::<S, V, K, V, A, W, _, Windows<K, A>>(
                fold,
                &by,
                settings.old_values,
            )
        })
    }
}
