//! Joins of a stream with a global table.

use std::any::TypeId;

use streams_core::error::ProcessorError;
use streams_core::names::NodeName;
use streams_core::topology::TopologyError;

use super::KStream;
use crate::args::Named;
use crate::global_table::GlobalKTable;
use crate::null::OrNull;
use crate::operators::stream_join::{self, Joining, MappedKey, Unmatched};
use crate::plan::{LogicalNode, NodeKind, NullKeys, Processing};

impl<'b, K: Clone + 'static, V: Clone + 'static> KStream<'b, K, V> {
    /// Joins each record with a row of a global table, as that is when the record is processed:
    /// `selector` gives the row's key, of key and value. The result has the record's key, null or
    /// not, its time and its headers. Nothing is repartitioned, the numbers of partitions need not
    /// agree, and no topic or store is made but the table's own.
    ///
    /// A record without a row gives nothing; one with a null value, or for which the selector gives
    /// a null, is dropped and counted.
    ///
    /// ```
    /// # use streams_dsl::{GlobalKTable, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let rates: GlobalKTable<'_, String, i64> = builder.global_table("rates");
    /// let sums: KStream<'_, String, i64> = builder.stream("sums");
    /// let currency = |key: &String, _: &i64| key.clone();
    /// sums.join_global(rates, currency, |sum: &i64, rate: &i64| sum * rate).to("euros");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("rates").pipe("NOK", 3)?;
    /// driver.input::<String, i64>("sums").pipe("NOK", 5)?;
    /// assert_eq!(driver.output::<String, i64>("euros").read_map()?["NOK"], 15);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_global<NV, GK, S, W, R>(
        self,
        table: GlobalKTable<'b, GK, W>,
        selector: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&NV, &W) -> R + Send + Sync + 'static,
    ) -> KStream<'b, K, R>
    where
        V: OrNull<NV>,
        NV: 'static,
        GK: Clone + 'static,
        S: OrNull<GK>,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        self.join_global_with(table, selector, joiner, Named::default())
    }

    /// As [`join_global`](Self::join_global), with a name.
    ///
    /// ```
    /// # use streams_dsl::{GlobalKTable, KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let rates: GlobalKTable<'_, String, i64> = builder.global_table("rates");
    /// # let sums: KStream<'_, String, i64> = builder.stream("sums");
    /// let currency = |key: &String, _: &i64| key.clone();
    /// let convert = |sum: &i64, rate: &i64| sum * rate;
    /// sums.join_global_with(rates, currency, convert, Named::new("convert")).to("euros");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("rates").pipe("NOK", 3)?;
    /// driver.input::<String, i64>("sums").pipe("NOK", 5)?;
    /// assert_eq!(driver.output::<String, i64>("euros").read_values()?, [15]);
    /// assert!(driver.describe().to_string().contains("Processor: convert (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_global_with<NV, GK, S, W, R>(
        self,
        table: GlobalKTable<'b, GK, W>,
        selector: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&NV, &W) -> R + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K, R>
    where
        V: OrNull<NV>,
        NV: 'static,
        GK: Clone + 'static,
        S: OrNull<GK>,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        let joiner = move |_: &K, value: &NV, row: &W| joiner(value, row);
        self.join_global_with_key_with(table, selector, joiner, named)
    }

    /// As [`join_global`](Self::join_global), by a joiner that sees the record's key too.
    ///
    /// ```
    /// # use streams_dsl::{GlobalKTable, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let rates: GlobalKTable<'_, String, i64> = builder.global_table("rates");
    /// let sums: KStream<'_, Option<String>, i64> = builder.stream("sums");
    /// // Sums without currency are in euros.
    /// let currency = |key: &Option<String>, _: &i64| key.clone().or(Some("EUR".to_owned()));
    /// let line = |key: &Option<String>, sum: &i64, rate: &i64| format!("{key:?}: {}", sum * rate);
    /// sums.join_global_with_key::<i64, String, _, _, _>(rates, currency, line).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("rates").pipe("EUR", 1)?;
    /// driver.input::<String, i64>("sums").pipe_value(5)?;
    /// let lines = driver.output::<Option<String>, String>("lines").read_key_values()?;
    /// assert_eq!(lines, [(None, "None: 5".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_global_with_key<NV, GK, S, W, R>(
        self,
        table: GlobalKTable<'b, GK, W>,
        selector: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&K, &NV, &W) -> R + Send + Sync + 'static,
    ) -> KStream<'b, K, R>
    where
        V: OrNull<NV>,
        NV: 'static,
        GK: Clone + 'static,
        S: OrNull<GK>,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        self.join_global_with_key_with(table, selector, joiner, Named::default())
    }

    /// As [`join_global_with_key`](Self::join_global_with_key), with a name.
    ///
    /// ```
    /// # use streams_dsl::{GlobalKTable, KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let rates: GlobalKTable<'_, String, i64> = builder.global_table("rates");
    /// # let sums: KStream<'_, String, i64> = builder.stream("sums");
    /// let currency = |key: &String, _: &i64| key.clone();
    /// let line = |key: &String, sum: &i64, rate: &i64| format!("{key}: {}", sum * rate);
    /// sums.join_global_with_key_with(rates, currency, line, Named::new("line")).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("rates").pipe("NOK", 3)?;
    /// driver.input::<String, i64>("sums").pipe("NOK", 5)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_value()?, "NOK: 15");
    /// assert!(driver.describe().to_string().contains("Processor: line (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_global_with_key_with<NV, GK, S, W, R>(
        self,
        table: GlobalKTable<'b, GK, W>,
        selector: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&K, &NV, &W) -> R + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K, R>
    where
        V: OrNull<NV>,
        NV: 'static,
        GK: Clone + 'static,
        S: OrNull<GK>,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        let joiner =
            move |key: &K, value: &NV, row: &W| Ok::<_, ProcessorError>(joiner(key, value, row));
        self.try_join_global(table, selector, joiner, named)
    }

    /// As [`join_global_with_key_with`](Self::join_global_with_key_with), by a function that may
    /// fail; the processing handler says what becomes of the record.
    ///
    /// ```
    /// # use streams_dsl::{GlobalKTable, KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let counts: GlobalKTable<'_, String, i64> = builder.global_table("counts");
    /// let shares: KStream<'_, String, i64> = builder.stream("shares");
    /// let cake = |key: &String, _: &i64| key.clone();
    /// let each = |key: &String, all: &i64, count: &i64| {
    ///     all.checked_div(*count).ok_or_else(|| format!("nobody shares {key}"))
    /// };
    /// shares.try_join_global(counts, cake, each, Named::new("share")).to("each");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("counts").pipe_all([("cake", 3), ("pie", 0)])?;
    /// let mut shares = driver.input::<String, i64>("shares");
    /// shares.pipe("cake", 12)?;
    /// assert_eq!(driver.output::<String, i64>("each").read_values()?, [4]);
    /// assert!(shares.pipe("pie", 12).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_join_global<NV, GK, S, W, R, E>(
        self,
        table: GlobalKTable<'b, GK, W>,
        selector: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&K, &NV, &W) -> Result<R, E> + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K, R>
    where
        V: OrNull<NV>,
        NV: 'static,
        GK: Clone + 'static,
        S: OrNull<GK>,
        W: Clone + 'static,
        R: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let joiner = move |key: &K, value: &NV, row: Option<&W>| {
            let Some(row) = row else { return Ok(None) };
            joiner(key, value, row).map(Some).map_err(Into::into)
        };
        self.joined_with_global((table, selector), (Unmatched::Dropped, joiner), named.0)
    }

    /// Joins each record with a row of a global table, as that is when the record is processed, and
    /// with `None` where there is no row: `selector` gives the row's key, of key and value. The
    /// result has the record's key, null or not, its time and its headers. Nothing is
    /// repartitioned, the numbers of partitions need not agree, and no topic or store is made but
    /// the table's own.
    ///
    /// A record for which the selector gives a null is joined with `None`; one with a null value is
    /// dropped and counted.
    ///
    /// ```
    /// # use streams_dsl::{GlobalKTable, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let rates: GlobalKTable<'_, String, i64> = builder.global_table("rates");
    /// let sums: KStream<'_, String, i64> = builder.stream("sums");
    /// let currency = |key: &String, _: &i64| key.clone();
    /// let or_one = |sum: &i64, rate: Option<&i64>| sum * rate.unwrap_or(&1);
    /// sums.left_join_global(rates, currency, or_one).to("euros");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("sums").pipe("EUR", 5)?;
    /// assert_eq!(driver.output::<String, i64>("euros").read_map()?["EUR"], 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_global<NV, GK, S, W, R>(
        self,
        table: GlobalKTable<'b, GK, W>,
        selector: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&NV, Option<&W>) -> R + Send + Sync + 'static,
    ) -> KStream<'b, K, R>
    where
        V: OrNull<NV>,
        NV: 'static,
        GK: Clone + 'static,
        S: OrNull<GK>,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        self.left_join_global_with(table, selector, joiner, Named::default())
    }

    /// As [`left_join_global`](Self::left_join_global), with a name.
    ///
    /// ```
    /// # use streams_dsl::{GlobalKTable, KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let rates: GlobalKTable<'_, String, i64> = builder.global_table("rates");
    /// # let sums: KStream<'_, String, i64> = builder.stream("sums");
    /// let currency = |key: &String, _: &i64| key.clone();
    /// let or_one = |sum: &i64, rate: Option<&i64>| sum * rate.unwrap_or(&1);
    /// sums.left_join_global_with(rates, currency, or_one, Named::new("convert")).to("euros");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("sums").pipe("NOK", 5)?;
    /// assert_eq!(driver.output::<String, i64>("euros").read_values()?, [5]);
    /// assert!(driver.describe().to_string().contains("Processor: convert (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_global_with<NV, GK, S, W, R>(
        self,
        table: GlobalKTable<'b, GK, W>,
        selector: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&NV, Option<&W>) -> R + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K, R>
    where
        V: OrNull<NV>,
        NV: 'static,
        GK: Clone + 'static,
        S: OrNull<GK>,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        let joiner = move |_: &K, value: &NV, row: Option<&W>| joiner(value, row);
        self.left_join_global_with_key_with(table, selector, joiner, named)
    }

    /// As [`left_join_global`](Self::left_join_global), by a joiner that sees the record's key too.
    ///
    /// ```
    /// # use streams_dsl::{GlobalKTable, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let rates: GlobalKTable<'_, String, i64> = builder.global_table("rates");
    /// # let sums: KStream<'_, String, i64> = builder.stream("sums");
    /// let currency = |key: &String, _: &i64| key.clone();
    /// let line = |key: &String, sum: &i64, rate: Option<&i64>| format!("{sum} {key} at {rate:?}");
    /// sums.left_join_global_with_key(rates, currency, line).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("sums").pipe("NOK", 5)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_value()?, "5 NOK at None");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_global_with_key<NV, GK, S, W, R>(
        self,
        table: GlobalKTable<'b, GK, W>,
        selector: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&K, &NV, Option<&W>) -> R + Send + Sync + 'static,
    ) -> KStream<'b, K, R>
    where
        V: OrNull<NV>,
        NV: 'static,
        GK: Clone + 'static,
        S: OrNull<GK>,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        self.left_join_global_with_key_with(table, selector, joiner, Named::default())
    }

    /// As [`left_join_global_with_key`](Self::left_join_global_with_key), with a name.
    ///
    /// ```
    /// # use streams_dsl::{GlobalKTable, KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let rates: GlobalKTable<'_, String, i64> = builder.global_table("rates");
    /// # let sums: KStream<'_, String, i64> = builder.stream("sums");
    /// let currency = |key: &String, _: &i64| key.clone();
    /// let line = |key: &String, sum: &i64, rate: Option<&i64>| format!("{sum} {key} at {rate:?}");
    /// sums.left_join_global_with_key_with(rates, currency, line, Named::new("line")).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("sums").pipe("NOK", 5)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_value()?, "5 NOK at None");
    /// assert!(driver.describe().to_string().contains("Processor: line (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_global_with_key_with<NV, GK, S, W, R>(
        self,
        table: GlobalKTable<'b, GK, W>,
        selector: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&K, &NV, Option<&W>) -> R + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K, R>
    where
        V: OrNull<NV>,
        NV: 'static,
        GK: Clone + 'static,
        S: OrNull<GK>,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        let joiner = move |key: &K, value: &NV, row: Option<&W>| {
            Ok::<_, ProcessorError>(joiner(key, value, row))
        };
        self.try_left_join_global(table, selector, joiner, named)
    }

    /// As [`left_join_global_with_key_with`](Self::left_join_global_with_key_with), by a function that may
    /// fail; the processing handler says what becomes of the record.
    ///
    /// ```
    /// # use streams_dsl::{GlobalKTable, KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let rates: GlobalKTable<'_, String, i64> = builder.global_table("rates");
    /// let sums: KStream<'_, String, i64> = builder.stream("sums");
    /// let currency = |key: &String, _: &i64| key.clone();
    /// let euros = |key: &String, sum: &i64, rate: Option<&i64>| {
    ///     rate.map(|rate| sum * rate).ok_or_else(|| format!("no rate of {key}"))
    /// };
    /// sums.try_left_join_global(rates, currency, euros, Named::new("convert")).to("euros");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("rates").pipe("NOK", 3)?;
    /// let mut sums = driver.input::<String, i64>("sums");
    /// sums.pipe("NOK", 5)?;
    /// assert_eq!(driver.output::<String, i64>("euros").read_values()?, [15]);
    /// assert!(sums.pipe("SEK", 5).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_left_join_global<NV, GK, S, W, R, E>(
        self,
        table: GlobalKTable<'b, GK, W>,
        selector: impl Fn(&K, &V) -> S + Send + Sync + 'static,
        joiner: impl Fn(&K, &NV, Option<&W>) -> Result<R, E> + Send + Sync + 'static,
        named: Named,
    ) -> KStream<'b, K, R>
    where
        V: OrNull<NV>,
        NV: 'static,
        GK: Clone + 'static,
        S: OrNull<GK>,
        W: Clone + 'static,
        R: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let joiner = move |key: &K, value: &NV, row: Option<&W>| {
            joiner(key, value, row).map(Some).map_err(Into::into)
        };
        self.joined_with_global((table, selector), (Unmatched::Kept, joiner), named.0)
    }

    fn joined_with_global<NV, GK, W, R, F, S, J>(
        self,
        (table, selector): (GlobalKTable<'b, GK, W>, F),
        (unmatched, joiner): (Unmatched, J),
        name: Option<NodeName>,
    ) -> KStream<'b, K, R>
    where
        V: OrNull<NV>,
        NV: 'static,
        GK: Clone + 'static,
        S: OrNull<GK>,
        W: Clone + 'static,
        R: Clone + 'static,
        F: Fn(&K, &V) -> S + Send + Sync + 'static,
        J: Fn(&K, &NV, Option<&W>) -> Result<Option<R>, ProcessorError> + Send + Sync + 'static,
    {
        let row_key = MappedKey::new(selector);
        let joining = Joining { rows: table.view(), row_key, unmatched, joiner };
        let mut plan = self.builder.plan();
        let name = plan.names.node_or(name, stream_join::LEFT_PREFIX);
        if !table.is_of(self.builder) {
            plan.fault(TopologyError::ForeignNode(name.clone()));
        }
        let null_keys = match unmatched {
            Unmatched::Dropped => NullKeys::Dropped,
            Unmatched::Kept => NullKeys::Joined,
        };
        let template = stream_join::template::<K, V, NV, GK, W, K, R, _, _>(joining);
        let kind = NodeKind::Processor(Processing { template, stores: Vec::new() });
        let node = LogicalNode::new(name, kind, TypeId::of::<(K, R)>());
        let partitioning = plan.node(self.node).partitioning;
        let node = node.partitioning(partitioning).null_keys(null_keys);
        KStream::new(self.builder, plan.add(self.node, node))
    }
}
