//! Aggregations in sliding windows.

use streams_core::serde::DefaultSerde;
use streams_core::window::Windowed;

use super::{Parts, WindowedKStream};
use crate::args::Materialized;
use crate::null::OrNull;
use crate::operators::sliding_aggregate;
use crate::operators::stream_aggregate::{
    AGGREGATE_PREFIX, Aggregation, Fold, REDUCE_PREFIX, Reduction,
};
use crate::table::KTable;
use crate::window::SlidingWindows;

impl<'b, K, V, S> WindowedKStream<'b, K, V, SlidingWindows, S>
where
    K: Clone + 'static,
    V: Clone + 'static,
    S: OrNull<K> + Clone,
{
    /// How many records each key has had in each window.
    pub fn count<N: Clone + 'static>(self) -> KTable<'b, Windowed<K>, i64>
    where
        V: OrNull<N>,
        K: DefaultSerde,
    {
        self.count_with(Materialized::new())
    }

    /// As [`count`](Self::count), with a store or a name.
    pub fn count_with<N: Clone + 'static>(
        self,
        materialized: impl Into<Materialized<K, i64>>,
    ) -> KTable<'b, Windowed<K>, i64>
    where
        V: OrNull<N>,
    {
        let parts = Parts { prefix: AGGREGATE_PREFIX, materialized: materialized.into() };
        self.folded(parts, Aggregation::new(|| 0_i64, |_: &K, _: N, count| count + 1))
    }

    /// The values of each key and window, put together two by two: the aggregate so far and the next
    /// value. The first value is the first aggregate. A function that gives `None` deletes it.
    pub fn reduce<N, R>(
        self,
        reducer: impl Fn(N, N) -> R + Send + Sync + 'static,
    ) -> KTable<'b, Windowed<K>, N>
    where
        V: OrNull<N>,
        R: OrNull<N>,
        K: DefaultSerde,
        N: DefaultSerde + Clone,
    {
        self.reduce_with(reducer, Materialized::new())
    }

    /// As [`reduce`](Self::reduce), with a store or a name.
    pub fn reduce_with<N, R>(
        self,
        reducer: impl Fn(N, N) -> R + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, N>>,
    ) -> KTable<'b, Windowed<K>, N>
    where
        V: OrNull<N>,
        R: OrNull<N>,
        N: Clone + 'static,
    {
        let parts = Parts { prefix: REDUCE_PREFIX, materialized: materialized.into() };
        self.folded::<N, N, _>(parts, Reduction::new(reducer))
    }

    /// The values of each key and window, taken into an aggregate one by one. It starts from what
    /// `initial` gives. An aggregate `Option<A>` may be null, which deletes it.
    pub fn aggregate<A, N: Clone + 'static, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        aggregator: impl Fn(&K, N, I) -> I + Send + Sync + 'static,
    ) -> KTable<'b, Windowed<K>, A>
    where
        V: OrNull<N>,
        I: OrNull<A>,
        K: DefaultSerde,
        A: DefaultSerde + Clone,
    {
        self.aggregate_with(initial, aggregator, Materialized::new())
    }

    /// As [`aggregate`](Self::aggregate), with a store or a name.
    pub fn aggregate_with<A, N: Clone + 'static, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        aggregator: impl Fn(&K, N, I) -> I + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, Windowed<K>, A>
    where
        V: OrNull<N>,
        I: OrNull<A>,
        A: Clone + 'static,
    {
        let parts = Parts { prefix: AGGREGATE_PREFIX, materialized: materialized.into() };
        self.folded(parts, Aggregation::new(initial, aggregator))
    }

    fn folded<N, A, F>(self, parts: Parts<K, A>, fold: F) -> KTable<'b, Windowed<K>, A>
    where
        V: OrNull<N>,
        N: Clone + 'static,
        A: Clone + 'static,
        F: Fold<K, N, A>,
    {
        let template = sliding_aggregate::template::<S, V, K, N, A, F>;
        self.aggregated(parts, Materialized::sliding_store, (fold, template))
    }
}
