//! Joins of a stream with a table.

use std::any::TypeId;
use std::sync::Arc;
use std::time::Duration;

use streams_core::error::ProcessorError;
use streams_core::names::{NodeName, StoreName};
use streams_core::serde::DefaultSerde;
use streams_core::topology::TopologyError;

use super::KStream;
use crate::args::{Joined, Serdes};
use crate::null::{OrNull, nullable_serde};
use crate::operators::join_buffer::Holding;
use crate::operators::repartition;
use crate::operators::stream_join::{self, Joining, OwnKey, Unmatched};
use crate::plan::{
    Effect, Input, Keeper, LogicalNode, Naming, NodeKind, NullKeys, Partitioning, Plan, PlanId,
    Processing,
};
use crate::table::KTable;

impl<'b, K: Clone + 'static, V: Clone + 'static> KStream<'b, K, V> {
    /// Joins each record with the table's row of its key, as it is when the record is processed;
    /// updates of the table give nothing. The result has the record's key, time and headers.
    ///
    /// A record without a row gives nothing; one with a null key or a null value is dropped and
    /// counted. If the key was changed, the stream passes through `<application
    /// id>-<name>-repartition` first, called after the join or else the node that changed it.
    /// Stream and table must have equally many partitions; if they have not, the application does
    /// not start, and the error says what to do. If the table comes from a topic, it gets a store.
    /// The join makes no other topic and no other store, but with a grace period
    /// ([`Joined::with_grace_period`]).
    ///
    /// ```
    /// # use streams_dsl::{KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// let prices: KTable<'_, String, i64> = builder.table("prices");
    /// orders.join_table(prices, |amount, price| amount * price).to("totals");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("orders").pipe("pear", 1)?;
    /// driver.input::<String, i64>("prices").pipe("pear", 5)?;
    /// driver.input::<String, i64>("orders").pipe("pear", 2)?;
    /// let totals = driver.output::<String, i64>("totals").read_values()?;
    /// assert_eq!(totals, [10]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_table<NK, NV, W, R>(
        self,
        table: KTable<'b, NK, W>,
        joiner: impl Fn(&NV, &W) -> R + Send + Sync + 'static,
    ) -> KStream<'b, NK, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV> + DefaultSerde,
        NK: DefaultSerde + Clone,
        NV: 'static,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        self.join_table_with(table, joiner, Joined::new())
    }

    /// As [`join_table`](Self::join_table), with serdes for the repartition topic, or a name.
    ///
    /// ```
    /// # use streams_dsl::{Joined, KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders: KStream<'_, Option<String>, Option<i64>> = builder.stream("orders");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let total = |amount: &i64, price: &i64| amount * price;
    /// let joined = Joined::named("totals");
    /// orders.join_table_with::<String, i64, _, _>(prices, total, joined).to("totals");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe("pear", 5)?;
    /// let mut orders = driver.input::<String, i64>("orders");
    /// orders.pipe("pear", 2)?;
    /// orders.pipe_tombstone("pear")?;
    /// orders.pipe_value(3)?;
    /// assert_eq!(driver.output::<String, i64>("totals").read_values()?, [10]);
    /// assert_eq!(driver.dropped().total(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_table_with<NK, NV, W, R>(
        self,
        table: KTable<'b, NK, W>,
        joiner: impl Fn(&NV, &W) -> R + Send + Sync + 'static,
        joined: Joined<NK, V>,
    ) -> KStream<'b, NK, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        NK: Clone + 'static,
        NV: 'static,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        self.join_table_with_key_with(table, move |_, value, row| joiner(value, row), joined)
    }

    /// As [`join_table`](Self::join_table), by a function that sees the key too.
    ///
    /// ```
    /// # use streams_dsl::{KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let line = |kind: &String, amount: &i64, price: &i64| format!("{amount} {kind}: {price}");
    /// orders.join_table_with_key(prices, line).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe("pear", 5)?;
    /// driver.input::<String, i64>("orders").pipe("pear", 2)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_value()?, "2 pear: 5");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_table_with_key<NK, NV, W, R>(
        self,
        table: KTable<'b, NK, W>,
        joiner: impl Fn(&NK, &NV, &W) -> R + Send + Sync + 'static,
    ) -> KStream<'b, NK, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV> + DefaultSerde,
        NK: DefaultSerde + Clone,
        NV: 'static,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        self.join_table_with_key_with(table, joiner, Joined::new())
    }

    /// As [`join_table_with_key`](Self::join_table_with_key), with serdes for the repartition
    /// topic, or a name.
    ///
    /// ```
    /// # use streams_dsl::{Joined, KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let line = |kind: &String, amount: &i64, price: &i64| format!("{amount} {kind}: {price}");
    /// orders.join_table_with_key_with(prices, line, Joined::named("line")).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe("pear", 5)?;
    /// driver.input::<String, i64>("orders").pipe("pear", 2)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_value()?, "2 pear: 5");
    /// assert!(driver.describe().to_string().contains("Processor: line "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_table_with_key_with<NK, NV, W, R>(
        self,
        table: KTable<'b, NK, W>,
        joiner: impl Fn(&NK, &NV, &W) -> R + Send + Sync + 'static,
        joined: Joined<NK, V>,
    ) -> KStream<'b, NK, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        NK: Clone + 'static,
        NV: 'static,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        let joiner =
            move |key: &NK, value: &NV, row: &W| Ok::<_, ProcessorError>(joiner(key, value, row));
        self.try_join_table(table, joiner, joined)
    }

    /// As [`join_table_with_key_with`](Self::join_table_with_key_with), by a function that may fail;
    /// the processing handler says what becomes of the record.
    ///
    /// ```
    /// # use streams_dsl::{Joined, KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let shares: KStream<'_, String, i64> = builder.stream("shares");
    /// let counts: KTable<'_, String, i64> = builder.table("counts");
    /// let each = |key: &String, all: &i64, count: &i64| {
    ///     all.checked_div(*count).ok_or_else(|| format!("nobody shares {key}"))
    /// };
    /// shares.try_join_table(counts, each, Joined::new()).to("each");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("counts").pipe_all([("cake", 3), ("pie", 0)])?;
    /// let mut shares = driver.input::<String, i64>("shares");
    /// shares.pipe("cake", 12)?;
    /// assert_eq!(driver.output::<String, i64>("each").read_values()?, [4]);
    /// assert!(shares.pipe("pie", 12).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_join_table<NK, NV, W, R, E>(
        self,
        table: KTable<'b, NK, W>,
        joiner: impl Fn(&NK, &NV, &W) -> Result<R, E> + Send + Sync + 'static,
        joined: Joined<NK, V>,
    ) -> KStream<'b, NK, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        NK: Clone + 'static,
        NV: 'static,
        W: Clone + 'static,
        R: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let joiner = move |key: &K, value: &NV, row: Option<&W>| {
            let (Some(key), Some(row)) = (key.as_plain(), row) else { return Ok(None) };
            joiner(key, value, row).map(Some).map_err(Into::into)
        };
        self.joined_with_table::<NK, NV, W, NK, R>(table, Unmatched::Dropped, joiner, joined)
    }

    /// Joins each record with the table's row of its key, as it is when the record is processed,
    /// and with `None` where there is no row; updates of the table give nothing. The result has the
    /// record's key, null or not, its time and headers.
    ///
    /// A record with a null key is joined with `None`; one with a null value is dropped and
    /// counted. If the key was changed, the stream passes through `<application
    /// id>-<name>-repartition` first, called after the join or else the node that changed it.
    /// Stream and table must have equally many partitions; if they have not, the application does
    /// not start, and the error says what to do. If the table comes from a topic, it gets a store.
    /// The join makes no other topic and no other store, but with a grace period
    /// ([`Joined::with_grace_period`]).
    ///
    /// ```
    /// # use streams_dsl::{KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let price_or_one = |amount: &i64, price: Option<&i64>| amount * price.unwrap_or(&1);
    /// orders.left_join_table(prices, price_or_one).to("totals");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("orders").pipe("pear", 3)?;
    /// let totals = driver.output::<String, i64>("totals").read_values()?;
    /// assert_eq!(totals, [3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_table<NK, NV, W, R>(
        self,
        table: KTable<'b, NK, W>,
        joiner: impl Fn(&NV, Option<&W>) -> R + Send + Sync + 'static,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV> + DefaultSerde,
        NK: DefaultSerde + Clone,
        NV: 'static,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        self.left_join_table_with(table, joiner, Joined::new())
    }

    /// As [`left_join_table`](Self::left_join_table), with serdes for the repartition topic, or a
    /// name.
    ///
    /// ```
    /// # use streams_dsl::{Joined, KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let orders: KStream<'_, Option<String>, i64> = builder.stream("orders");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let total = |amount: &i64, price: Option<&i64>| amount * price.unwrap_or(&1);
    /// let joined = Joined::named("totals");
    /// orders.left_join_table_with::<String, i64, _, _>(prices, total, joined).to("totals");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("orders").pipe_value(3)?;
    /// let totals = driver.output::<Option<String>, i64>("totals").read_key_values()?;
    /// assert_eq!(totals, [(None, 3)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_table_with<NK, NV, W, R>(
        self,
        table: KTable<'b, NK, W>,
        joiner: impl Fn(&NV, Option<&W>) -> R + Send + Sync + 'static,
        joined: Joined<NK, V>,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        NK: Clone + 'static,
        NV: 'static,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        self.left_join_table_with_key_with(table, move |_, value, row| joiner(value, row), joined)
    }

    /// As [`left_join_table`](Self::left_join_table), by a function that sees the key too.
    ///
    /// ```
    /// # use streams_dsl::{KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let line = |kind: &String, _: &i64, price: Option<&i64>| format!("{kind}: {price:?}");
    /// orders.left_join_table_with_key(prices, line).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("orders").pipe("pear", 2)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_value()?, "pear: None");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_table_with_key<NK, NV, W, R>(
        self,
        table: KTable<'b, NK, W>,
        joiner: impl Fn(&K, &NV, Option<&W>) -> R + Send + Sync + 'static,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV> + DefaultSerde,
        NK: DefaultSerde + Clone,
        NV: 'static,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        self.left_join_table_with_key_with(table, joiner, Joined::new())
    }

    /// As [`left_join_table_with_key`](Self::left_join_table_with_key), with serdes for the
    /// repartition topic, or a name.
    ///
    /// ```
    /// # use streams_dsl::{Joined, KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let line = |kind: &String, _: &i64, price: Option<&i64>| format!("{kind}: {price:?}");
    /// orders.left_join_table_with_key_with(prices, line, Joined::named("line")).to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("orders").pipe("pear", 2)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_value()?, "pear: None");
    /// assert!(driver.describe().to_string().contains("Processor: line "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_table_with_key_with<NK, NV, W, R>(
        self,
        table: KTable<'b, NK, W>,
        joiner: impl Fn(&K, &NV, Option<&W>) -> R + Send + Sync + 'static,
        joined: Joined<NK, V>,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        NK: Clone + 'static,
        NV: 'static,
        W: Clone + 'static,
        R: Clone + 'static,
    {
        let joiner = move |key: &K, value: &NV, row: Option<&W>| {
            Ok::<_, ProcessorError>(joiner(key, value, row))
        };
        self.try_left_join_table(table, joiner, joined)
    }

    /// As [`left_join_table_with_key_with`](Self::left_join_table_with_key_with), by a function that
    /// may fail; the processing handler says what becomes of the record.
    ///
    /// ```
    /// # use streams_dsl::{Joined, KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let orders: KStream<'_, String, i64> = builder.stream("orders");
    /// let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let total = |kind: &String, amount: &i64, price: Option<&i64>| {
    ///     price.map(|price| amount * price).ok_or_else(|| format!("{kind} has no price"))
    /// };
    /// orders.try_left_join_table(prices, total, Joined::new()).to("totals");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe("pear", 5)?;
    /// let mut orders = driver.input::<String, i64>("orders");
    /// orders.pipe("pear", 2)?;
    /// assert_eq!(driver.output::<String, i64>("totals").read_values()?, [10]);
    /// assert!(orders.pipe("plum", 2).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_left_join_table<NK, NV, W, R, E>(
        self,
        table: KTable<'b, NK, W>,
        joiner: impl Fn(&K, &NV, Option<&W>) -> Result<R, E> + Send + Sync + 'static,
        joined: Joined<NK, V>,
    ) -> KStream<'b, K, R>
    where
        K: OrNull<NK>,
        V: OrNull<NV>,
        NK: Clone + 'static,
        NV: 'static,
        W: Clone + 'static,
        R: Clone + 'static,
        E: Into<ProcessorError>,
    {
        let joiner = move |key: &K, value: &NV, row: Option<&W>| {
            joiner(key, value, row).map(Some).map_err(Into::into)
        };
        self.joined_with_table::<NK, NV, W, K, R>(table, Unmatched::Kept, joiner, joined)
    }

    fn joined_with_table<NK, NV, W, KO, R>(
        self,
        table: KTable<'b, NK, W>,
        unmatched: Unmatched,
        joiner: impl Fn(&K, &NV, Option<&W>) -> Result<Option<R>, ProcessorError>
        + Send
        + Sync
        + 'static,
        joined: Joined<NK, V>,
    ) -> KStream<'b, KO, R>
    where
        K: OrNull<NK> + OrNull<KO>,
        V: OrNull<NV>,
        NK: Clone + 'static,
        NV: 'static,
        W: Clone + 'static,
        KO: Clone + 'static,
        R: Clone + 'static,
    {
        let Joined { name, serdes: Serdes { key, value }, grace } = joined;
        let mut plan = self.builder.plan();
        let mut parent = self.node;
        if plan.node(parent).partitioning == Partitioning::Stale {
            let channel = repartition::channel::<K, V, NK>(
                nullable_serde(Arc::clone(&key)),
                Arc::clone(&value),
                None,
            );
            parent = plan.repartitioned_for_join(parent, name.as_ref(), channel);
        }
        let (prefix, null_keys) = match unmatched {
            Unmatched::Dropped => (stream_join::PREFIX, NullKeys::Dropped),
            Unmatched::Kept => (stream_join::LEFT_PREFIX, NullKeys::Joined),
        };
        let naming = Naming::of(name.as_ref());
        let name = plan.names.node_or(name, prefix);
        let Some((table_node, table)) = table.in_plan_of(self.builder) else {
            plan.fault(TopologyError::ForeignNode(name));
            return KStream::new(self.builder, self.node);
        };
        let rows = plan.view::<NK, W>(table);
        let stores = rows.stores.clone();
        let joining = Joining { rows, row_key: OwnKey, unmatched, joiner };
        let kind = if let Some(grace) = grace {
            check_grace(&mut plan, (&name, grace), &stores, table_node);
            let holding = Holding {
                store: format!("{name}-Buffer").into(),
                grace_ms: i64::try_from(grace.as_millis()).unwrap_or(i64::MAX),
                topic: name.as_str().into(),
                key,
                value,
            };
            if naming == Naming::Generated {
                plan.names.note_generated(holding.store.as_str());
            }
            let store = holding.store();
            let template =
                stream_join::template_with_grace::<K, V, NV, NK, W, KO, R, _>(joining, holding);
            NodeKind::Keeper(Keeper { template, store, others: stores })
        } else {
            let template = stream_join::template::<K, V, NV, NK, W, KO, R, _, _>(joining);
            NodeKind::Processor(Processing { template, stores })
        };
        let node = LogicalNode::new(name, kind, TypeId::of::<(KO, R)>());
        let node = node.effect(Effect::None).null_keys(null_keys).joined_with(table_node);
        let node = plan.add(parent, node);
        plan.copartition(vec![node]);
        KStream::new(self.builder, node)
    }
}

/// A join waits only for a table that still knows then what it was.
fn check_grace(
    plan: &mut Plan,
    (join, grace): (&NodeName, Duration),
    stores: &[StoreName],
    table: PlanId,
) {
    let is_versioned = plan.input_from(table) == Input::Versioned;
    for store in stores {
        let problem = match plan.history_of(store).filter(|_| is_versioned) {
            None => "is not versioned",
            Some(history) if history < grace => "has a shorter history",
            Some(_) => continue,
        };
        let (node, store) = (join.clone(), store.clone());
        plan.fault(TopologyError::JoinGrace { node, grace, store, problem });
    }
}
