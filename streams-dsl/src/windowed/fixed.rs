//! Aggregations in windows that follow from time alone.

use streams_core::serde::DefaultSerde;
use streams_core::window::Windowed;

use super::{Counted, Parts, WindowedKStream};
use crate::args::Materialized;
use crate::null::OrNull;
use crate::operators::stream_aggregate::{
    AGGREGATE_PREFIX, Aggregation, Fold, REDUCE_PREFIX, Reduction,
};
use crate::operators::window_aggregate;
use crate::table::KTable;
use crate::window::FixedWindows;

impl<'b, K, V, W, S> WindowedKStream<'b, K, V, W, S>
where
    K: Clone + 'static,
    V: Clone + 'static,
    S: OrNull<K> + Clone,
    W: FixedWindows,
{
    /// The values of each key and window, put together two by two: the aggregate so far and the next
    /// value, which may be null where the stream's type has null. The first value is the first
    /// aggregate. A function that gives `None` deletes it.
    pub fn reduce<N, R>(
        self,
        reducer: impl Fn(N, V) -> R + Send + Sync + 'static,
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
        reducer: impl Fn(N, V) -> R + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, N>>,
    ) -> KTable<'b, Windowed<K>, N>
    where
        V: OrNull<N>,
        R: OrNull<N>,
        N: Clone + 'static,
    {
        let parts = Parts { prefix: REDUCE_PREFIX, materialized: materialized.into() };
        self.folded(parts, Reduction::new(reducer))
    }

    /// The values of each key and window, taken into an aggregate one by one. It starts from what
    /// `initial` gives. An aggregate `Option<A>` may be null, which deletes it.
    pub fn aggregate<A, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        aggregator: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
    ) -> KTable<'b, Windowed<K>, A>
    where
        I: OrNull<A>,
        K: DefaultSerde,
        A: DefaultSerde + Clone,
    {
        self.aggregate_with(initial, aggregator, Materialized::new())
    }

    /// As [`aggregate`](Self::aggregate), with a store or a name.
    pub fn aggregate_with<A, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        aggregator: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, Windowed<K>, A>
    where
        I: OrNull<A>,
        A: Clone + 'static,
    {
        let parts = Parts { prefix: AGGREGATE_PREFIX, materialized: materialized.into() };
        self.folded(parts, Aggregation::new(initial, aggregator))
    }

    fn folded<A, F>(self, parts: Parts<K, A>, fold: F) -> KTable<'b, Windowed<K>, A>
    where
        A: Clone + 'static,
        F: Fold<K, V, A>,
    {
        let template = window_aggregate::template::<S, K, V, A, W, F>;
        self.aggregated(parts, Materialized::window_store, (fold, template))
    }
}

impl<W: FixedWindows> Counted for W {
    fn counted<'b, K, V, S>(
        stream: WindowedKStream<'b, K, V, Self, S>,
        materialized: Materialized<K, i64>,
    ) -> KTable<'b, Windowed<K>, i64>
    where
        K: Clone + 'static,
        V: Clone + 'static,
        S: OrNull<K> + Clone,
    {
        let count = |_: &K, _: V, count: i64| count + 1;
        let parts = Parts { prefix: AGGREGATE_PREFIX, materialized };
        stream.folded(parts, Aggregation::new(|| 0_i64, count))
    }
}
