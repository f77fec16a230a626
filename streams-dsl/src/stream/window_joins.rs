//! Joins of two streams within windows of time.

use streams_core::error::ProcessorError;
use streams_core::serde::DefaultSerde;

use super::KStream;
use super::window_join_nodes::JoinParts;
use crate::args::StreamJoined;
use crate::null::OrNull;
use crate::operators::window_join::JoinKind;
use crate::window::JoinWindows;

impl<'b, K: Clone + 'static, V: Clone + 'static> KStream<'b, K, V> {
    /// Joins each record with those of another stream that have its key and lie within its window
    /// of time: a result for each pair. A result has the later of the two times, and the headers of
    /// the record that came last. A record with a null key or a null value is dropped and counted.
    ///
    /// Each stream has a store, `KSTREAM-JOINTHIS-<number>-store` and
    /// `KSTREAM-JOINOTHER-<number>-store` unless they are given names, with the changelog topic
    /// `<application id>-<store>-changelog`. It keeps its stream's records for the size of the
    /// windows and their grace period, by the times of that stream alone. What comes later than
    /// that is no partner for what comes after it, and is counted as dropped where the store takes
    /// it no more; it still meets the records that the other store has, whose stream may be behind.
    ///
    /// If the key of a stream was changed, it passes through `<application id>-<name>-repartition`
    /// first, called after the join or else the node that changed it. Both must have equally many
    /// partitions; if they have not, the application does not start, and the error says what to do.
    /// A stream joined with itself has two stores, or one where `topology.optimization` asks for
    /// it. For keys that may be null name the plain key, as in `join::<String, _, _, _, _>(..)`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{JoinWindows, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// let payments: KStream<'_, String, i64> = builder.stream("payments");
    /// let minute = JoinWindows::of_time_difference(Duration::from_secs(60));
    /// orders.join(payments, |due: &i64, paid: &i64| due - paid, minute).to("open");
    ///
    /// let at = Timestamp::from_millis;
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("orders").pipe_at("7", 30, at(1_000))?;
    /// driver.input::<String, i64>("payments").pipe_at("7", 20, at(5_000))?;
    /// driver.input::<String, i64>("payments").pipe_at("7", 10, at(100_000))?;
    /// assert_eq!(driver.output::<String, i64>("open").read_values()?, [10]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join<NK, NV, W, NW, R>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(&NV, &NW) -> R + Send + Sync + 'static,
        windows: JoinWindows,
    ) -> KStream<'b, NK, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV> + DefaultSerde,
        W: OrNull<NW> + DefaultSerde + Clone,
        NK: DefaultSerde + Clone,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
    {
        self.join_with(other, joiner, windows, StreamJoined::new())
    }

    /// As [`join`](Self::join), with serdes, names or stores.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// # let payments: KStream<'_, String, i64> = builder.stream("payments");
    /// let minute = JoinWindows::of_time_difference(Duration::from_secs(60));
    /// let open = |due: &i64, paid: &i64| due - paid;
    /// let joined = StreamJoined::named("open").with_store_name("open");
    /// orders.join_with(payments, open, minute, joined).to("open");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("orders").pipe("7", 30)?;
    /// driver.input::<String, i64>("payments").pipe("7", 20)?;
    /// assert_eq!(driver.output::<String, i64>("open").read_values()?, [10]);
    /// assert_eq!(driver.produced("topology-test-driver-open-this-join-store-changelog").len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_with<NK, NV, W, NW, R>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(&NV, &NW) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: StreamJoined<NK, V, W>,
    ) -> KStream<'b, NK, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        W: OrNull<NW> + Clone,
        NK: Clone + 'static,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
    {
        let joiner = move |_: &NK, value: &NV, other: &NW| joiner(value, other);
        self.join_with_key_with(other, joiner, windows, joined)
    }

    /// As [`join`](Self::join), by a function that sees the key too.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// # let payments: KStream<'_, String, i64> = builder.stream("payments");
    /// let minute = JoinWindows::of_time_difference(Duration::from_secs(60));
    /// let line = |order: &String, due: &i64, paid: &i64| format!("{order}: {paid} of {due}");
    /// orders.join_with_key(payments, line, minute).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("payments").pipe("7", 20)?;
    /// driver.input::<String, i64>("orders").pipe("7", 30)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_value()?, "7: 20 of 30");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_with_key<NK, NV, W, NW, R>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(&NK, &NV, &NW) -> R + Send + Sync + 'static,
        windows: JoinWindows,
    ) -> KStream<'b, NK, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV> + DefaultSerde,
        W: OrNull<NW> + DefaultSerde + Clone,
        NK: DefaultSerde + Clone,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
    {
        self.join_with_key_with(other, joiner, windows, StreamJoined::new())
    }

    /// As [`join_with_key`](Self::join_with_key), with serdes, names or stores.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// # let payments: KStream<'_, String, i64> = builder.stream("payments");
    /// let minute = JoinWindows::of_time_difference(Duration::from_secs(60));
    /// let line = |order: &String, due: &i64, paid: &i64| format!("{order}: {paid} of {due}");
    /// let joined = StreamJoined::named("line");
    /// orders.join_with_key_with(payments, line, minute, joined).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("payments").pipe("7", 20)?;
    /// driver.input::<String, i64>("orders").pipe("7", 30)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_value()?, "7: 20 of 30");
    /// assert!(driver.describe().to_string().contains("Processor: line-this-join "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_with_key_with<NK, NV, W, NW, R>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(&NK, &NV, &NW) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: StreamJoined<NK, V, W>,
    ) -> KStream<'b, NK, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        W: OrNull<NW> + Clone,
        NK: Clone + 'static,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
    {
        let joiner = move |key: &NK, value: &NV, other: &NW| {
            Ok::<R, ProcessorError>(joiner(key, value, other))
        };
        self.try_join(other, joiner, windows, joined)
    }

    /// As [`join_with_key_with`](Self::join_with_key_with), by a function that may fail; the
    /// processing handler says what becomes of the record.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let shares: KStream<'_, String, i64> = builder.stream("shares");
    /// let counts: KStream<'_, String, i64> = builder.stream("counts");
    /// let second = JoinWindows::of_time_difference(Duration::from_secs(1));
    /// let each = |key: &String, all: &i64, count: &i64| {
    ///     all.checked_div(*count).ok_or_else(|| format!("nobody shares {key}"))
    /// };
    /// shares.try_join(counts, each, second, StreamJoined::new()).to("each");
    ///
    /// let at = Timestamp::from_millis;
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("shares").pipe_at("cake", 12, at(0))?;
    /// let mut counts = driver.input::<String, i64>("counts");
    /// counts.pipe_at("cake", 3, at(0))?;
    /// assert_eq!(driver.output::<String, i64>("each").read_values()?, [4]);
    /// assert!(counts.pipe_at("cake", 0, at(0)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_join<NK, NV, W, NW, R, E>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(&NK, &NV, &NW) -> Result<R, E> + Send + Sync + 'static,
        windows: JoinWindows,
        joined: StreamJoined<NK, V, W>,
    ) -> KStream<'b, NK, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        W: OrNull<NW> + Clone,
        NK: Clone + 'static,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let joiner = move |key: &K, value: Option<&NV>, other: Option<&NW>| {
            let (Some(key), Some(value), Some(other)) = (key.as_plain(), value, other) else {
                return Ok(None);
            };
            joiner(key, value, other).map(Some).map_err(Into::into)
        };
        let parts = JoinParts { kind: JoinKind::Inner, windows, joined, joiner };
        self.joined_with_stream(other, parts)
    }

    /// Joins each record of this stream with those of another that have its key and lie within its
    /// window of time, as [`join`](Self::join) does, and with `None` once if no partner has come
    /// when its window and the grace period are over. That is seen when a record of either stream
    /// comes that is not older than those before it, at most once a second of wall-clock time
    /// (`__emit.interval.ms.kstreams.outer.join.spurious.results.fix__`; with 0, whenever one
    /// comes).
    ///
    /// A result has the record's key, null or not. Its time is the later of the two, and its
    /// headers are those of the record that came last; without partner, the time is that of the
    /// record, and the headers are those of the record that came when it was seen. A record of this
    /// stream that has a null key is joined with `None` at once, and so is one that finds no
    /// partner and whose window is over when it comes. A null value, and a null key of the other
    /// stream, is dropped and counted.
    ///
    /// The stores are `KSTREAM-JOINTHIS-<number>-store`, `KSTREAM-OUTEROTHER-<number>-store` and,
    /// for what has no partner yet, `KSTREAM-OUTERSHARED-<number>-store` unless they are given
    /// names; each has the changelog `<application id>-<store>-changelog`. How long records are
    /// kept, repartition topics and numbers of partitions are as with [`join`](Self::join).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{JoinWindows, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// let payments: KStream<'_, String, i64> = builder.stream("payments");
    /// let minute = JoinWindows::of_time_difference(Duration::from_secs(60));
    /// let is_paid = |_: &i64, paid: Option<&i64>| paid.is_some();
    /// orders.left_join(payments, is_paid, minute).map_values(i64::from).to("paid");
    ///
    /// let at = Timestamp::from_millis;
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("orders").pipe_at("7", 30, at(1_000))?;
    /// driver.advance_wall_clock(Duration::from_secs(1))?;
    /// driver.input::<String, i64>("orders").pipe_at("8", 30, at(100_000))?;
    /// assert_eq!(driver.output::<String, i64>("paid").read_map()?["7"], 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join<NK, NV, W, NW, R>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(&NV, Option<&NW>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV> + DefaultSerde,
        W: OrNull<NW> + DefaultSerde + Clone,
        NK: DefaultSerde + Clone,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
    {
        self.left_join_with(other, joiner, windows, StreamJoined::new())
    }

    /// As [`left_join`](Self::left_join), with serdes, names or stores.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// # let payments: KStream<'_, String, i64> = builder.stream("payments");
    /// let minute = JoinWindows::of_time_difference(Duration::from_secs(60));
    /// let open = |due: &i64, paid: Option<&i64>| due - paid.unwrap_or(&0);
    /// let joined = StreamJoined::new().with_store_name("open");
    /// orders.left_join_with(payments, open, minute, joined).to("open");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("payments").pipe("a", 5)?;
    /// driver.input::<String, i64>("orders").pipe("a", 7)?;
    /// assert_eq!(driver.output::<String, i64>("open").read_values()?, [2]);
    /// assert!(driver.store_names().contains(&"open-left-shared-join-store".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_with<NK, NV, W, NW, R>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(&NV, Option<&NW>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: StreamJoined<NK, V, W>,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        W: OrNull<NW> + Clone,
        NK: Clone + 'static,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
    {
        let joiner = move |_: &K, value: &NV, other: Option<&NW>| joiner(value, other);
        self.left_join_with_key_with(other, joiner, windows, joined)
    }

    /// As [`left_join`](Self::left_join), by a function that sees the key too.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders: KStream<'_, Option<String>, i64> = builder.stream("orders");
    /// let payments: KStream<'_, Option<String>, i64> = builder.stream("payments");
    /// let minute = JoinWindows::of_time_difference(Duration::from_secs(60));
    /// let line = |order: &Option<String>, due: &i64, paid: Option<&i64>| {
    ///     format!("{order:?}: {paid:?} of {due}")
    /// };
    /// orders.left_join_with_key::<String, i64, _, i64, _>(payments, line, minute).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("orders").pipe_value(30)?;
    /// let lines = driver.output::<Option<String>, String>("lines").read_values()?;
    /// assert_eq!(lines, ["None: None of 30"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_with_key<NK, NV, W, NW, R>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(&K, &NV, Option<&NW>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV> + DefaultSerde,
        W: OrNull<NW> + DefaultSerde + Clone,
        NK: DefaultSerde + Clone,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
    {
        self.left_join_with_key_with(other, joiner, windows, StreamJoined::new())
    }

    /// As [`left_join_with_key`](Self::left_join_with_key), with serdes, names or stores.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// # let payments: KStream<'_, String, i64> = builder.stream("payments");
    /// let minute = JoinWindows::of_time_difference(Duration::from_secs(60));
    /// let line = |order: &String, due: &i64, paid: Option<&i64>| {
    ///     format!("{order}: {paid:?} of {due}")
    /// };
    /// let joined = StreamJoined::named("line");
    /// orders.left_join_with_key_with(payments, line, minute, joined).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("payments").pipe("7", 20)?;
    /// driver.input::<String, i64>("orders").pipe("7", 30)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_value()?, "7: Some(20) of 30");
    /// assert!(driver.describe().to_string().contains("Processor: line-this-join "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_with_key_with<NK, NV, W, NW, R>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(&K, &NV, Option<&NW>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: StreamJoined<NK, V, W>,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        W: OrNull<NW> + Clone,
        NK: Clone + 'static,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
    {
        let joiner = move |key: &K, value: &NV, other: Option<&NW>| {
            Ok::<R, ProcessorError>(joiner(key, value, other))
        };
        self.try_left_join(other, joiner, windows, joined)
    }

    /// As [`left_join_with_key_with`](Self::left_join_with_key_with), by a function that may fail;
    /// the processing handler says what becomes of the record.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let shares: KStream<'_, String, i64> = builder.stream("shares");
    /// # let counts: KStream<'_, String, i64> = builder.stream("counts");
    /// let second = JoinWindows::of_time_difference(Duration::from_secs(1));
    /// let each = |key: &String, all: &i64, count: Option<&i64>| {
    ///     all.checked_div(*count.unwrap_or(&1)).ok_or_else(|| format!("nobody shares {key}"))
    /// };
    /// shares.try_left_join(counts, each, second, StreamJoined::new()).to("each");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("shares").pipe("cake", 12)?;
    /// driver.input::<String, i64>("counts").pipe("cake", 3)?;
    /// assert_eq!(driver.output::<String, i64>("each").read_values()?, [4]);
    /// assert!(driver.input::<String, i64>("counts").pipe("cake", 0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_left_join<NK, NV, W, NW, R, E>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(&K, &NV, Option<&NW>) -> Result<R, E> + Send + Sync + 'static,
        windows: JoinWindows,
        joined: StreamJoined<NK, V, W>,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        W: OrNull<NW> + Clone,
        NK: Clone + 'static,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let joiner = move |key: &K, value: Option<&NV>, other: Option<&NW>| {
            let Some(value) = value else { return Ok(None) };
            joiner(key, value, other).map(Some).map_err(Into::into)
        };
        let parts = JoinParts { kind: JoinKind::Left, windows, joined, joiner };
        self.joined_with_stream::<NK, NV, W, NW, K, R, _>(other, parts)
    }

    /// Joins the records of both streams that have one key and lie within the window of time, as
    /// [`join`](Self::join) does, and each record of either with `None` once if no partner has come
    /// when its window and the grace period are over. The joiner gets a value of one stream at
    /// least. That a record has no partner is seen when a record of either stream comes that is not
    /// older than those before it, at most once a second of wall-clock time
    /// (`__emit.interval.ms.kstreams.outer.join.spurious.results.fix__`; with 0, whenever one
    /// comes).
    ///
    /// A result has the record's key, null or not. Its time is the later of the two, and its
    /// headers are those of the record that came last; without partner, the time is that of the
    /// record, and the headers are those of the record that came when it was seen. A record of
    /// either stream that has a null key is joined with `None` at once, and so is one that finds no
    /// partner and whose window is over when it comes. A null value is dropped and counted.
    ///
    /// The stores are `KSTREAM-OUTERTHIS-<number>-store`, `KSTREAM-OUTEROTHER-<number>-store` and,
    /// for what has no partner yet, `KSTREAM-OUTERSHARED-<number>-store` unless they are given
    /// names; each has the changelog `<application id>-<store>-changelog`. How long records are
    /// kept, repartition topics and numbers of partitions are as with [`join`](Self::join).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{JoinWindows, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let minute = JoinWindows::of_time_difference(Duration::from_secs(60));
    /// let difference = |ours: Option<&i64>, theirs: Option<&i64>| {
    ///     ours.unwrap_or(&0) - theirs.unwrap_or(&0)
    /// };
    /// ours.outer_join(theirs, difference, minute).to("differences");
    ///
    /// let at = Timestamp::from_millis;
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("theirs").pipe_at("7", 30, at(1_000))?;
    /// driver.advance_wall_clock(Duration::from_secs(1))?;
    /// driver.input::<String, i64>("ours").pipe_at("8", 20, at(100_000))?;
    /// driver.input::<String, i64>("theirs").pipe_at("8", 20, at(100_001))?;
    /// let differences = driver.output::<String, i64>("differences").read_values()?;
    /// assert_eq!(differences, [-30, 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outer_join<NK, NV, W, NW, R>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(Option<&NV>, Option<&NW>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV> + DefaultSerde,
        W: OrNull<NW> + DefaultSerde + Clone,
        NK: DefaultSerde + Clone,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
    {
        self.outer_join_with(other, joiner, windows, StreamJoined::new())
    }

    /// As [`outer_join`](Self::outer_join), with serdes, names or stores.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let minute = JoinWindows::of_time_difference(Duration::from_secs(60));
    /// let sum = |one: Option<&i64>, other: Option<&i64>| one.unwrap_or(&0) + other.unwrap_or(&0);
    /// let joined = StreamJoined::named("sum");
    /// ours.outer_join_with(theirs, sum, minute, joined).to("sums");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("ours").pipe("a", 3)?;
    /// driver.input::<String, i64>("theirs").pipe("a", 4)?;
    /// assert_eq!(driver.output::<String, i64>("sums").read_values()?, [7]);
    /// assert!(driver.describe().to_string().contains("Processor: sum-outer-this-join "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outer_join_with<NK, NV, W, NW, R>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(Option<&NV>, Option<&NW>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: StreamJoined<NK, V, W>,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        W: OrNull<NW> + Clone,
        NK: Clone + 'static,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
    {
        let joiner = move |_: &K, value: Option<&NV>, other: Option<&NW>| joiner(value, other);
        self.outer_join_with_key_with(other, joiner, windows, joined)
    }

    /// As [`outer_join`](Self::outer_join), by a function that sees the key too.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let ours: KStream<'_, Option<String>, i64> = builder.stream("ours");
    /// let theirs: KStream<'_, Option<String>, i64> = builder.stream("theirs");
    /// let minute = JoinWindows::of_time_difference(Duration::from_secs(60));
    /// let line = |key: &Option<String>, ours: Option<&i64>, theirs: Option<&i64>| {
    ///     format!("{key:?}: {ours:?} {theirs:?}")
    /// };
    /// ours.outer_join_with_key::<String, i64, _, i64, _>(theirs, line, minute).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("theirs").pipe_value(7)?;
    /// let lines = driver.output::<Option<String>, String>("lines").read_values()?;
    /// assert_eq!(lines, ["None: None Some(7)"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outer_join_with_key<NK, NV, W, NW, R>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(&K, Option<&NV>, Option<&NW>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV> + DefaultSerde,
        W: OrNull<NW> + DefaultSerde + Clone,
        NK: DefaultSerde + Clone,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
    {
        self.outer_join_with_key_with(other, joiner, windows, StreamJoined::new())
    }

    /// As [`outer_join_with_key`](Self::outer_join_with_key), with serdes, names or stores.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let minute = JoinWindows::of_time_difference(Duration::from_secs(60));
    /// let line = |key: &String, ours: Option<&i64>, theirs: Option<&i64>| {
    ///     format!("{key}: {ours:?} {theirs:?}")
    /// };
    /// let joined = StreamJoined::named("line");
    /// ours.outer_join_with_key_with(theirs, line, minute, joined).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("ours").pipe("a", 3)?;
    /// driver.input::<String, i64>("theirs").pipe("a", 7)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_value()?, "a: Some(3) Some(7)");
    /// assert!(driver.describe().to_string().contains("Processor: line-outer-this-join "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outer_join_with_key_with<NK, NV, W, NW, R>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(&K, Option<&NV>, Option<&NW>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: StreamJoined<NK, V, W>,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        W: OrNull<NW> + Clone,
        NK: Clone + 'static,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
    {
        let joiner = move |key: &K, value: Option<&NV>, other: Option<&NW>| {
            Ok::<R, ProcessorError>(joiner(key, value, other))
        };
        self.try_outer_join(other, joiner, windows, joined)
    }

    /// As [`outer_join_with_key_with`](Self::outer_join_with_key_with), by a function that may
    /// fail; the processing handler says what becomes of the record.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::{JoinWindows, KStream, StreamJoined, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let minute = JoinWindows::of_time_difference(Duration::from_secs(60));
    /// let sum = |_: &String, ours: Option<&i64>, theirs: Option<&i64>| {
    ///     ours.unwrap_or(&0).checked_add(*theirs.unwrap_or(&0)).ok_or("the sum is too large")
    /// };
    /// ours.try_outer_join(theirs, sum, minute, StreamJoined::new()).to("sums");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("ours").pipe("a", i64::MAX)?;
    /// assert!(driver.input::<String, i64>("theirs").pipe("a", 1).is_err());
    /// assert!(driver.output::<String, i64>("sums").is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_outer_join<NK, NV, W, NW, R, E>(
        self,
        other: KStream<'b, K, W>,
        joiner: impl Fn(&K, Option<&NV>, Option<&NW>) -> Result<R, E> + Send + Sync + 'static,
        windows: JoinWindows,
        joined: StreamJoined<NK, V, W>,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        W: OrNull<NW> + Clone,
        NK: Clone + 'static,
        NV: 'static,
        NW: 'static,
        R: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let joiner = move |key: &K, value: Option<&NV>, other: Option<&NW>| {
            joiner(key, value, other).map(Some).map_err(Into::into)
        };
        let parts = JoinParts { kind: JoinKind::Outer, windows, joined, joiner };
        self.joined_with_stream::<NK, NV, W, NW, K, R, _>(other, parts)
    }
}
