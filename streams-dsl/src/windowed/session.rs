//! Aggregations in sessions.

use streams_core::serde::DefaultSerde;
use streams_core::window::Windowed;

use super::{Counted, Parts, WindowedKStream};
use crate::args::Materialized;
use crate::null::OrNull;
use crate::operators::session_aggregate::{
    self, SessionAggregation, SessionFold, SessionReduction,
};
use crate::operators::stream_aggregate::{AGGREGATE_PREFIX, REDUCE_PREFIX};
use crate::table::KTable;
use crate::window::SessionWindows;

impl<'b, K, V, S> WindowedKStream<'b, K, V, SessionWindows, S>
where
    K: Clone + 'static,
    V: Clone + 'static,
    S: OrNull<K> + Clone,
{
    /// The values of each key and session, put together two by two: the aggregate so far and the
    /// next value, which may be null where the stream's type has null. The first value is the first
    /// aggregate; the aggregates of sessions that become one are put together alike. A function that
    /// gives `None` deletes it.
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
        self.folded(parts, SessionReduction::new(reducer))
    }

    /// The values of each key and session, taken into an aggregate one by one. It starts from what
    /// `initial` gives; `merger` makes one aggregate of two when sessions become one. An aggregate
    /// `Option<A>` may be null, which deletes it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, Materialized, SessionWindows, StreamsBuilder};
    /// # use streams_state::SessionStore;
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let clicks: KStream<'_, String, i64> = builder.stream("clicks");
    /// let _ = clicks
    ///     .group_by_key()
    ///     .windowed_by(SessionWindows::of_inactivity_gap(Duration::from_millis(5)))
    ///     .aggregate_with(
    ///         || 0,
    ///         |_, value, sum| sum + value,
    ///         |_, one, other| one + other,
    ///         Materialized::<_, i64>::named("sums"),
    ///     );
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, i64>("clicks");
    /// for (value, millis) in [(1, 10), (2, 18), (4, 14)] {
    ///     clicks.pipe_at("ann", value, Timestamp::from_millis(millis))?;
    /// }
    /// let sums = driver.store::<SessionStore<String, i64>>("sums")?;
    /// let sums = sums.fetch(&"ann".to_owned())?.collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(sums.len(), 1);
    /// assert_eq!((sums[0].0.to_string().as_str(), sums[0].1), ("[ann@10/18]", 7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate<A, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        aggregator: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
        merger: impl Fn(&K, I, I) -> I + Send + Sync + 'static,
    ) -> KTable<'b, Windowed<K>, A>
    where
        I: OrNull<A>,
        K: DefaultSerde,
        A: DefaultSerde + Clone,
    {
        self.aggregate_with(initial, aggregator, merger, Materialized::new())
    }

    /// As [`aggregate`](Self::aggregate), with a store or a name.
    pub fn aggregate_with<A, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        aggregator: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
        merger: impl Fn(&K, I, I) -> I + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, Windowed<K>, A>
    where
        I: OrNull<A>,
        A: Clone + 'static,
    {
        let parts = Parts { prefix: AGGREGATE_PREFIX, materialized: materialized.into() };
        self.folded(parts, SessionAggregation::new(initial, aggregator, merger))
    }

    fn folded<A, F>(self, parts: Parts<K, A>, fold: F) -> KTable<'b, Windowed<K>, A>
    where
        A: Clone + 'static,
        F: SessionFold<K, V, A>,
    {
        let template = session_aggregate::template::<S, K, V, A, F>;
        self.aggregated(parts, Materialized::session_store, (fold, template))
    }
}

impl Counted for SessionWindows {
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
        let sum = |_: &K, one: i64, other: i64| one + other;
        let parts = Parts { prefix: AGGREGATE_PREFIX, materialized };
        stream.folded(parts, SessionAggregation::new(|| 0_i64, count, sum))
    }
}
