//! Aggregations in sessions.

use streams_core::error::ProcessorError;
use streams_core::serde::DefaultSerde;
use streams_core::window::Windowed;

use super::{Takes, WindowedKStream};
use crate::args::Materialized;
use crate::null::OrNull;
use crate::operators::fold::Aggregation;
use crate::operators::stream_aggregate::AGGREGATE_PREFIX;
use crate::table::KTable;
use crate::window::SessionWindows;

impl<'b, K, V, S> WindowedKStream<'b, K, V, SessionWindows, S>
where
    K: Clone + 'static,
    V: Clone + 'static,
    S: OrNull<K> + Clone,
{
    /// The values of each key and session, taken into an aggregate one by one. It starts from what
    /// `initial` gives; `merger` makes one aggregate of two when sessions become one. An aggregate
    /// `Option<A>` may be null, which deletes it. The aggregator sees null values where the
    /// stream's type has null.
    ///
    /// A row has the key and its session, and the session's end as its time. Sessions that a record
    /// joins leave the table by a null, each at its own end, before the one that they become comes;
    /// without a record cache that is so also where the bounds stay. A change has the headers of
    /// the record that made it, and none without a record cache or with `dsl.store.format=headers`.
    /// Records with a null key, and those whose session is closed, are dropped and counted.
    ///
    /// The store is `KSTREAM-AGGREGATE-STATE-STORE-<number>` unless it is given a name, with the
    /// changelog `<application id>-<store>-changelog`. [`WindowedKStream`] says for how long it
    /// keeps a session, when a session closes, and through which topic records pass where the key
    /// was changed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, SessionWindows, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let clicks: KStream<'_, String, i64> = builder.stream("clicks");
    /// let ms = Duration::from_millis;
    /// let gap = SessionWindows::of_inactivity_gap(ms(5)).with_grace(ms(5));
    /// let both = |_: &String, one: i64, other| one + other;
    /// let sums = clicks.group_by_key().windowed_by(gap).aggregate(|| 0, |_, n, sum| sum + n, both);
    /// sums.to_stream().map(|session, sum| (session.to_string(), sum)).to("sums");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, i64>("clicks");
    /// for (value, millis) in [(1, 10), (2, 18), (4, 14)] {
    ///     clicks.pipe_at("ann", value, Timestamp::from_millis(millis))?;
    /// }
    /// let sums = driver.output::<String, Option<i64>>("sums").read_records()?;
    /// let sums = sums.into_iter().map(|sum| (sum.key, sum.value, sum.timestamp.millis()));
    /// let merged = [("[ann@10/10]", None, 10), ("[ann@18/18]", None, 18), ("[ann@10/18]", Some(7), 18)];
    /// assert!(sums.skip(2).eq(merged.map(|(key, sum, at)| (key.to_owned(), sum, at))));
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
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, Materialized, SessionWindows, StreamsBuilder};
    /// # use streams_state::SessionStore;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, i64> = builder.stream("clicks");
    /// let gap = SessionWindows::of_inactivity_gap(Duration::from_millis(5));
    /// let clicks = clicks.group_by_key().windowed_by(gap);
    /// let add = |_: &String, n, sum: i64| sum + n;
    /// let both = |_: &String, one: i64, other| one + other;
    /// let _ = clicks.aggregate_with(|| 0, add, both, Materialized::named("sums"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
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
        let aggregator = move |key: &K, value, before| -> Result<I, ProcessorError> {
            Ok(aggregator(key, value, before))
        };
        let merger = move |key: &K, one, other| Ok(merger(key, one, other));
        self.try_aggregate(initial, aggregator, merger, materialized)
    }

    /// As [`aggregate_with`](Self::aggregate_with), by functions that may fail; the processing
    /// handler says what becomes of the record, and the sessions stay as they were.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, Materialized, SessionWindows, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let gap = SessionWindows::of_inactivity_gap(Duration::from_millis(5));
    /// let add = |_: &String, n: i64, sum: i64| sum.checked_add(n).ok_or("the sum is too large");
    /// let both = |_: &String, one: i64, other| one.checked_add(other).ok_or("too large a sum");
    /// let sums = numbers.group_by_key().windowed_by(gap);
    /// let sums = sums.try_aggregate(|| 0, add, both, Materialized::new());
    /// sums.to_stream().map(|session, sum| (session.to_string(), sum)).to("sums");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut numbers = driver.input::<String, i64>("numbers");
    /// numbers.pipe_at("a", i64::MAX, Timestamp::from_millis(10))?;
    /// assert!(numbers.pipe_at("a", 1, Timestamp::from_millis(14)).is_err());
    /// let sums = driver.output::<String, Option<i64>>("sums").read_map()?;
    /// assert_eq!((sums.len(), sums["[a@10/10]"]), (1, Some(i64::MAX)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_aggregate<A, I, E>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        aggregator: impl Fn(&K, V, I) -> Result<I, E> + Send + Sync + 'static,
        merger: impl Fn(&K, I, I) -> Result<I, E> + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, Windowed<K>, A>
    where
        I: OrNull<A>,
        A: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let add = move |key: &K, value, before| aggregator(key, value, before).map_err(Into::into);
        let merge = move |key: &K, one, other| merger(key, one, other).map_err(Into::into);
        let stored = (AGGREGATE_PREFIX, materialized.into());
        let fold = Aggregation::new(initial, add).merging(merge);
        <SessionWindows as Takes<V, V>>::folded(self, stored, fold)
    }
}
