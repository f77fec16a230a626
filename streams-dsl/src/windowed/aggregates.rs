//! Aggregations in windows that never become one.

use streams_core::error::ProcessorError;
use streams_core::serde::DefaultSerde;
use streams_core::window::Windowed;

use super::takes::Separate;
use super::{Takes, WindowedKStream};
use crate::args::Materialized;
use crate::null::OrNull;
use crate::operators::fold::Aggregation;
use crate::operators::stream_aggregate::AGGREGATE_PREFIX;
use crate::table::KTable;

impl<'b, K, V, W, S> WindowedKStream<'b, K, V, W, S>
where
    K: Clone + 'static,
    V: Clone + 'static,
    S: OrNull<K> + Clone,
    W: Separate,
{
    /// The values of each key and window, taken into an aggregate one by one. It starts from what
    /// `initial` gives. An aggregate `Option<A>` may be null, which deletes it. The aggregator sees
    /// null values where the stream's type has null; sliding windows drop and count them.
    ///
    /// A row has the key and its window, and the time of the window's latest record. A change has
    /// the headers of the record that made it. A null key is dropped and counted; a closed window
    /// stays as it is, and each record that comes too late for it is counted.
    ///
    /// The store is `KSTREAM-AGGREGATE-STATE-STORE-<number>` unless it is given a name, with the
    /// changelog `<application id>-<store>-changelog`. [`WindowedKStream`] says for how long it
    /// keeps a window, when a window closes, and through which topic records pass where the key was
    /// changed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// let ms = Duration::from_millis;
    /// let windows = TimeWindows::of_size(ms(10)).advance_by(ms(5));
    /// let add = |_: &String, word: String, sum| sum + word.len() as i64;
    /// let sums = words.group_by_key().windowed_by(windows).aggregate(|| 0, add);
    /// sums.to_stream().map(|window, sum| (window.to_string(), sum)).to("sums");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut words = driver.input::<String, String>("words");
    /// words.pipe_at("a", "three", Timestamp::from_millis(3))?;
    /// words.pipe_at("a", "four", Timestamp::from_millis(7))?;
    /// let sums = driver.output::<String, Option<i64>>("sums").read_map()?;
    /// assert_eq!((sums["[a@0/10]"], sums["[a@5/15]"]), (Some(9), Some(4)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate<A, T, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        aggregator: impl Fn(&K, T, I) -> I + Send + Sync + 'static,
    ) -> KTable<'b, Windowed<K>, A>
    where
        W: Takes<V, T, Taken = T>,
        I: OrNull<A>,
        K: DefaultSerde,
        A: DefaultSerde + Clone,
    {
        self.aggregate_with(initial, aggregator, Materialized::new())
    }

    /// As [`aggregate`](Self::aggregate), with a store or a name.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder, TimeWindows};
    /// # use streams_state::TimestampedWindowStore;
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// let add = |_: &String, word: String, sum| sum + word.len() as i64;
    /// let windows = TimeWindows::of_size(Duration::from_millis(10));
    /// let words = words.group_by_key().windowed_by(windows);
    /// let _ = words.aggregate_with(|| 0, add, Materialized::named("sums"));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_at("a", "four", Timestamp::from_millis(13))?;
    /// let sums = driver.store::<TimestampedWindowStore<String, i64>>("sums")?;
    /// let sum = sums.get(&"a".to_owned(), Timestamp::from_millis(10))?;
    /// assert_eq!(sum.map(|sum| sum.value), Some(4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate_with<A, T, I>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        aggregator: impl Fn(&K, T, I) -> I + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, Windowed<K>, A>
    where
        W: Takes<V, T, Taken = T>,
        I: OrNull<A>,
        A: Clone + 'static,
    {
        let aggregator = move |key: &K, value, before| -> Result<I, ProcessorError> {
            Ok(aggregator(key, value, before))
        };
        self.try_aggregate(initial, aggregator, materialized)
    }

    /// As [`aggregate_with`](Self::aggregate_with), by a function that may fail; the processing
    /// handler says what becomes of the record, and the aggregate of the window stays as it was.
    /// Windows that took the record before the failure keep it, as in Kafka.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let add = |_: &String, text: String, total: i64| text.parse::<i64>().map(|n| total + n);
    /// let minutes = TimeWindows::of_size(Duration::from_secs(60));
    /// let totals = texts.group_by_key().windowed_by(minutes);
    /// let totals = totals.try_aggregate(|| 0, add, Materialized::new());
    /// totals.to_stream().map(|window, total| (window.key, total)).to("totals");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe_all([("a", "3"), ("a", "4")])?;
    /// assert_eq!(driver.output::<String, Option<i64>>("totals").read_map()?["a"], Some(7));
    /// assert!(texts.pipe("a", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_aggregate<A, T, I, E>(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        aggregator: impl Fn(&K, T, I) -> Result<I, E> + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, Windowed<K>, A>
    where
        W: Takes<V, T, Taken = T>,
        I: OrNull<A>,
        A: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let add = move |key: &K, value, before| aggregator(key, value, before).map_err(Into::into);
        // Never called: such windows have nothing to merge.
        let first = |_: &K, one, _| Ok(one);
        let stored = (AGGREGATE_PREFIX, materialized.into());
        W::folded(self, stored, Aggregation::new(initial, add).merging(first))
    }
}
