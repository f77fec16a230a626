//! Joins of two tables by their keys.

use std::any::TypeId;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::topology::TopologyError;

use super::KTable;
use crate::args::Derived;
use crate::change::Change;
use crate::null::{OrNull, try_into_plain};
use crate::operators::table_join::{self, JoinValues, Need, Needs};
use crate::operators::table_join_merge;
use crate::plan::{
    Demand, Input, JoinSide, LogicalNode, MakeTable, NodeKind, Plan, Presence, Table, TableJoin,
};
use crate::view::TableView;

const INNER: Needs = Needs { own: Need::Required, other: Need::Required };
const LEFT: Needs = Needs { own: Need::Required, other: Need::Optional };
const OUTER: Needs = Needs { own: Need::Optional, other: Need::Optional };

impl<'b, K: Clone + 'static, V: Clone + 'static> KTable<'b, K, V> {
    /// The table of the keys that both tables have, each with what `joiner` makes of the two
    /// values. A change of either table changes the result; its time is the later one of the two
    /// rows, its headers are those of the change. A row that leaves one of the tables leaves the
    /// result. A joiner that gives `None` deletes the row; then name the plain type, as in
    /// `join::<_, String, _>(..)`.
    ///
    /// Both tables must have equally many partitions; if they have not, the application does not
    /// start, and the error says what to do. Tables that come from topics get stores, with
    /// changelogs. The result has a store, with the changelog `<application id>-<store>-changelog`,
    /// only if it is given one, `KTABLE-MERGE-STATE-STORE-<number>` if without a name; the join
    /// makes no other topic. A deletion may go on also for a row that never was.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let first: KTable<'_, String, String> = builder.table("first-names");
    /// let last: KTable<'_, String, String> = builder.table("last-names");
    /// first.join(last, |first, last| format!("{first} {last}")).to_stream().to("names");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("first-names").pipe("1", "Ada")?;
    /// driver.input::<String, String>("last-names").pipe("1", "Lovelace")?;
    /// let names = driver.output::<String, Option<String>>("names").read_map()?;
    /// assert_eq!(names["1"].as_deref(), Some("Ada Lovelace"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join<W, N, R>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(&V, &W) -> R + Send + Sync + 'static,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
    {
        self.join_with(other, joiner, Derived::default())
    }

    /// As [`join`](Self::join), with a name or a store.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let stock: KTable<'_, String, i64> = builder.table("stock");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let worth = |stock: &i64, price: &i64| stock * price;
    /// let _ = stock.join_with(prices, worth, Materialized::<String, i64>::named("worth"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("stock").pipe("pear", 3)?;
    /// driver.input::<String, i64>("prices").pipe("pear", 5)?;
    /// assert_eq!(driver.key_values::<String, i64>("worth")?.get(&"pear".to_owned())?, Some(15));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_with<W, N, R>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(&V, &W) -> R + Send + Sync + 'static,
        derived: impl Into<Derived<K, N>>,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
    {
        self.join_with_key_with(other, move |_, one, other| joiner(one, other), derived)
    }

    /// As [`join`](Self::join), by a function that sees the key too.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let stock: KTable<'_, String, i64> = builder.table("stock");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let line = |kind: &String, stock: &i64, price: &i64| format!("{stock} {kind}: {price}");
    /// stock.join_with_key(prices, line).to_stream().to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe("pear", 5)?;
    /// driver.input::<String, i64>("stock").pipe("pear", 3)?;
    /// let lines = driver.output::<String, Option<String>>("lines").read_map()?;
    /// assert_eq!(lines["pear"].as_deref(), Some("3 pear: 5"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_with_key<W, N, R>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(&K, &V, &W) -> R + Send + Sync + 'static,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
    {
        self.join_with_key_with(other, joiner, Derived::default())
    }

    /// As [`join_with_key`](Self::join_with_key), with a name or a store.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let stock: KTable<'_, String, i64> = builder.table("stock");
    /// # let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let line = |kind: &String, stock: &i64, price: &i64| format!("{stock} {kind}: {price}");
    /// stock.join_with_key_with(prices, line, Named::new("line")).to_stream().to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe("pear", 5)?;
    /// driver.input::<String, i64>("stock").pipe("pear", 3)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_values()?, ["3 pear: 5"]);
    /// let text = driver.describe().to_string();
    /// assert!(text.contains("Processor: line-join-this "));
    /// assert!(text.contains("Processor: line (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_with_key_with<W, N, R>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(&K, &V, &W) -> R + Send + Sync + 'static,
        derived: impl Into<Derived<K, N>>,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
    {
        let joiner =
            move |key: &K, one: &V, other: &W| Ok::<_, ProcessorError>(joiner(key, one, other));
        self.try_join(other, joiner, derived)
    }

    /// As [`join_with_key_with`](Self::join_with_key_with), by a function that may fail; the
    /// processing handler says what becomes of the change. One that is left out changes nothing: a
    /// row that is stored stays as it was.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let shares: KTable<'_, String, i64> = builder.table("shares");
    /// let counts: KTable<'_, String, i64> = builder.table("counts");
    /// let each = |key: &String, all: &i64, count: &i64| {
    ///     all.checked_div(*count).ok_or_else(|| format!("nobody shares {key}"))
    /// };
    /// let each: KTable<'_, String, i64> = shares.try_join(counts, each, Named::new("share"));
    /// each.to_stream().to("each");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("shares").pipe("cake", 12)?;
    /// let mut counts = driver.input::<String, i64>("counts");
    /// counts.pipe("cake", 3)?;
    /// assert_eq!(driver.output::<String, i64>("each").read_values()?, [4]);
    /// assert!(counts.pipe("cake", 0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_join<W, N, R, E>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(&K, &V, &W) -> Result<R, E> + Send + Sync + 'static,
        derived: impl Into<Derived<K, N>>,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
        E: Into<ProcessorError>,
    {
        let joiner = move |key: &K, one: Option<&V>, other: Option<&W>| {
            let (Some(one), Some(other)) = (one, other) else { return Ok(None) };
            try_into_plain(joiner(key, one, other))
        };
        self.joined(other, INNER, joiner, derived.into())
    }

    /// The table of this table's keys, each with what `joiner` makes of its value and that of the
    /// other table, `None` where that has none. A change of either table changes the result, except
    /// one of the other table without a row here; its time is the later one of the two rows, or
    /// this one's alone, and its headers are those of the change. A row that leaves this table
    /// leaves the result. A joiner that gives `None` deletes the row; then name the plain type, as
    /// in `left_join::<_, String, _>(..)`.
    ///
    /// Both tables must have equally many partitions; if they have not, the application does not
    /// start, and the error says what to do. Tables that come from topics get stores, with
    /// changelogs. The result has a store, with the changelog `<application id>-<store>-changelog`,
    /// only if it is given one, `KTABLE-MERGE-STATE-STORE-<number>` if without a name; the join
    /// makes no other topic. A deletion may go on also for a row that never was.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let stock: KTable<'_, String, i64> = builder.table("stock");
    /// let sold: KTable<'_, String, i64> = builder.table("sold");
    /// let rest = |stock: &i64, sold: Option<&i64>| stock - sold.unwrap_or(&0);
    /// stock.left_join(sold, rest).to_stream().to("rest");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("stock").pipe("pear", 9)?;
    /// driver.input::<String, i64>("sold").pipe("pear", 2)?;
    /// let rest = driver.output::<String, Option<i64>>("rest").read_values()?;
    /// assert_eq!(rest, [Some(9), Some(7)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join<W, N, R>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(&V, Option<&W>) -> R + Send + Sync + 'static,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
    {
        self.left_join_with(other, joiner, Derived::default())
    }

    /// As [`left_join`](Self::left_join), with a name or a store.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let stock: KTable<'_, String, i64> = builder.table("stock");
    /// # let sold: KTable<'_, String, i64> = builder.table("sold");
    /// let rest = |stock: &i64, sold: Option<&i64>| stock - sold.unwrap_or(&0);
    /// let _ = stock.left_join_with(sold, rest, Materialized::<String, i64>::named("rest"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("stock").pipe("pear", 3)?;
    /// assert_eq!(driver.key_values::<String, i64>("rest")?.get(&"pear".to_owned())?, Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_with<W, N, R>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(&V, Option<&W>) -> R + Send + Sync + 'static,
        derived: impl Into<Derived<K, N>>,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
    {
        self.left_join_with_key_with(other, move |_, one, other| joiner(one, other), derived)
    }

    /// As [`left_join`](Self::left_join), by a function that sees the key too.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let stock: KTable<'_, String, i64> = builder.table("stock");
    /// # let sold: KTable<'_, String, i64> = builder.table("sold");
    /// let line = |kind: &String, all: &i64, sold: Option<&i64>| format!("{kind}: {all} {sold:?}");
    /// stock.left_join_with_key(sold, line).to_stream().to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("stock").pipe("pear", 3)?;
    /// let lines = driver.output::<String, Option<String>>("lines").read_map()?;
    /// assert_eq!(lines["pear"].as_deref(), Some("pear: 3 None"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_with_key<W, N, R>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(&K, &V, Option<&W>) -> R + Send + Sync + 'static,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
    {
        self.left_join_with_key_with(other, joiner, Derived::default())
    }

    /// As [`left_join_with_key`](Self::left_join_with_key), with a name or a store.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let stock: KTable<'_, String, i64> = builder.table("stock");
    /// # let sold: KTable<'_, String, i64> = builder.table("sold");
    /// let line = |kind: &String, all: &i64, sold: Option<&i64>| format!("{kind}: {all} {sold:?}");
    /// stock.left_join_with_key_with(sold, line, Named::new("line")).to_stream().to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("stock").pipe("pear", 3)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_values()?, ["pear: 3 None"]);
    /// assert!(driver.describe().to_string().contains("Processor: line-join-this "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_with_key_with<W, N, R>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(&K, &V, Option<&W>) -> R + Send + Sync + 'static,
        derived: impl Into<Derived<K, N>>,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
    {
        let joiner = move |key: &K, one: &V, other: Option<&W>| {
            Ok::<_, ProcessorError>(joiner(key, one, other))
        };
        self.try_left_join(other, joiner, derived)
    }

    /// As [`left_join_with_key_with`](Self::left_join_with_key_with), by a function that may fail;
    /// see [`try_join`](Self::try_join).
    ///
    /// ```
    /// # use streams_dsl::{Derived, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let stock: KTable<'_, String, i64> = builder.table("stock");
    /// let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let value = |kind: &String, stock: &i64, price: Option<&i64>| {
    ///     price.map(|price| stock * price).ok_or_else(|| format!("{kind} has no price"))
    /// };
    /// let values = stock.try_left_join::<_, i64, _, _>(prices, value, Derived::default());
    /// values.to_stream().to("values");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe("pear", 5)?;
    /// let mut stock = driver.input::<String, i64>("stock");
    /// stock.pipe("pear", 2)?;
    /// assert_eq!(driver.output::<String, i64>("values").read_values()?, [10]);
    /// assert!(stock.pipe("plum", 2).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_left_join<W, N, R, E>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(&K, &V, Option<&W>) -> Result<R, E> + Send + Sync + 'static,
        derived: impl Into<Derived<K, N>>,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
        E: Into<ProcessorError>,
    {
        let joiner = move |key: &K, one: Option<&V>, other: Option<&W>| {
            let Some(one) = one else { return Ok(None) };
            try_into_plain(joiner(key, one, other))
        };
        self.joined(other, LEFT, joiner, derived.into())
    }

    /// The table of the keys that either table has, each with what `joiner` makes of the values, at
    /// least one of which is there. A change of either table changes the result; its time is the
    /// later one of the two rows, or that of the only one, and its headers are those of the change.
    /// A row leaves the result when neither table has it any more. A joiner that gives `None`
    /// deletes the row, also one that never was; then name the plain type, as in `outer_join::<_,
    /// String, _>(..)`.
    ///
    /// Both tables must have equally many partitions; if they have not, the application does not
    /// start, and the error says what to do. Tables that come from topics get stores, with
    /// changelogs. The result has a store, with the changelog `<application id>-<store>-changelog`,
    /// only if it is given one, `KTABLE-MERGE-STATE-STORE-<number>` if without a name; the join
    /// makes no other topic.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let cash: KTable<'_, String, i64> = builder.table("cash");
    /// let debts: KTable<'_, String, i64> = builder.table("debts");
    /// let owns = |cash: Option<&i64>, debts: Option<&i64>| {
    ///     cash.unwrap_or(&0) - debts.unwrap_or(&0)
    /// };
    /// cash.outer_join(debts, owns).to_stream().to("owns");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("debts").pipe("ann", 3)?;
    /// driver.input::<String, i64>("cash").pipe("ann", 4)?;
    /// let owns = driver.output::<String, Option<i64>>("owns").read_values()?;
    /// assert_eq!(owns, [Some(-3), Some(1)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outer_join<W, N, R>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(Option<&V>, Option<&W>) -> R + Send + Sync + 'static,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
    {
        self.outer_join_with(other, joiner, Derived::default())
    }

    /// As [`outer_join`](Self::outer_join), with a name or a store.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let cash: KTable<'_, String, i64> = builder.table("cash");
    /// # let debts: KTable<'_, String, i64> = builder.table("debts");
    /// let owns = |cash: Option<&i64>, debt: Option<&i64>| cash.unwrap_or(&0) - debt.unwrap_or(&0);
    /// let _ = cash.outer_join_with(debts, owns, Materialized::<String, i64>::named("owns"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("debts").pipe("ann", 3)?;
    /// assert_eq!(driver.key_values::<String, i64>("owns")?.get(&"ann".to_owned())?, Some(-3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outer_join_with<W, N, R>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(Option<&V>, Option<&W>) -> R + Send + Sync + 'static,
        derived: impl Into<Derived<K, N>>,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
    {
        self.outer_join_with_key_with(other, move |_, one, other| joiner(one, other), derived)
    }

    /// As [`outer_join`](Self::outer_join), by a function that sees the key too.
    ///
    /// ```
    /// # use streams_dsl::{KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let cash: KTable<'_, String, i64> = builder.table("cash");
    /// # let debts: KTable<'_, String, i64> = builder.table("debts");
    /// let line = |key: &String, cash: Option<&i64>, debts: Option<&i64>| {
    ///     format!("{key}: {cash:?} {debts:?}")
    /// };
    /// cash.outer_join_with_key(debts, line).to_stream().to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut debts = driver.input::<String, i64>("debts");
    /// debts.pipe("ann", 3)?;
    /// debts.pipe_tombstone("ann")?;
    /// let lines = driver.output::<String, Option<String>>("lines").read_values()?;
    /// assert_eq!(lines, [Some("ann: None Some(3)".to_owned()), None]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outer_join_with_key<W, N, R>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(&K, Option<&V>, Option<&W>) -> R + Send + Sync + 'static,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
    {
        self.outer_join_with_key_with(other, joiner, Derived::default())
    }

    /// As [`outer_join_with_key`](Self::outer_join_with_key), with a name or a store.
    ///
    /// ```
    /// # use streams_dsl::{KTable, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let cash: KTable<'_, String, i64> = builder.table("cash");
    /// # let debts: KTable<'_, String, i64> = builder.table("debts");
    /// let line = |key: &String, cash: Option<&i64>, debts: Option<&i64>| {
    ///     format!("{key}: {cash:?} {debts:?}")
    /// };
    /// cash.outer_join_with_key_with(debts, line, Named::new("line")).to_stream().to("lines");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("debts").pipe("ann", 3)?;
    /// assert_eq!(driver.output::<String, String>("lines").read_values()?, ["ann: None Some(3)"]);
    /// assert!(driver.describe().to_string().contains("Processor: line-join-this "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outer_join_with_key_with<W, N, R>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(&K, Option<&V>, Option<&W>) -> R + Send + Sync + 'static,
        derived: impl Into<Derived<K, N>>,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
    {
        let joiner = move |key: &K, one: Option<&V>, other: Option<&W>| {
            Ok::<_, ProcessorError>(joiner(key, one, other))
        };
        self.try_outer_join(other, joiner, derived)
    }

    /// As [`outer_join_with_key_with`](Self::outer_join_with_key_with), by a function that may fail;
    /// see [`try_join`](Self::try_join).
    ///
    /// ```
    /// # use streams_dsl::{Derived, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let cash: KTable<'_, String, i64> = builder.table("cash");
    /// let debts: KTable<'_, String, i64> = builder.table("debts");
    /// let owns = |key: &String, cash: Option<&i64>, debts: Option<&i64>| {
    ///     let owns = cash.unwrap_or(&0).checked_sub(*debts.unwrap_or(&0));
    ///     owns.ok_or_else(|| format!("{key} owes too much"))
    /// };
    /// let owns = cash.try_outer_join::<_, i64, _, _>(debts, owns, Derived::default());
    /// owns.to_stream().to("owns");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("cash").pipe("ann", -7)?;
    /// assert_eq!(driver.output::<String, i64>("owns").read_values()?, [-7]);
    /// assert!(driver.input::<String, i64>("debts").pipe("ann", i64::MAX).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_outer_join<W, N, R, E>(
        self,
        other: KTable<'b, K, W>,
        joiner: impl Fn(&K, Option<&V>, Option<&W>) -> Result<R, E> + Send + Sync + 'static,
        derived: impl Into<Derived<K, N>>,
    ) -> KTable<'b, K, N>
    where
        W: Clone + 'static,
        N: Clone + 'static,
        R: OrNull<N>,
        E: Into<ProcessorError>,
    {
        let joiner = move |key: &K, one: Option<&V>, other: Option<&W>| {
            try_into_plain(joiner(key, one, other))
        };
        self.joined(other, OUTER, joiner, derived.into())
    }

    fn joined<W: Clone + 'static, N: Clone + 'static>(
        self,
        other: KTable<'b, K, W>,
        needs: Needs,
        joiner: impl JoinValues<K, V, W, N>,
        derived: Derived<K, N>,
    ) -> KTable<'b, K, N> {
        let Derived { node: name, store } = derived;
        let mut plan = self.builder.plan();
        let kept = store.map(|store| {
            // Unlike a filter, a join makes a store that has no name.
            let name = plan.names.store_or(store.store.clone(), table_join_merge::PREFIX);
            store.key_value_store(name)
        });
        let merge = plan.names.node_or(name.clone(), table_join_merge::PREFIX);
        let sides = match other.in_plan_of(self.builder) {
            Some(other) => [(self.node, self.table), other],
            None => {
                plan.fault(TopologyError::ForeignNode(merge.clone()));
                [(self.node, self.table); 2]
            }
        };
        let [(_, this_table), (_, other_table)] = sides;
        if needs.other == Need::Optional {
            plan.send_old_values(this_table, Demand::Needed);
        }
        if needs.own == Need::Optional {
            plan.send_old_values(other_table, Demand::Needed);
        }
        let join = Join { needs, joiner: Arc::new(joiner) };
        let of_this = plan.view::<K, V>(this_table);
        let of_other = plan.view::<K, W>(other_table);
        let this_name = plan.names.suffixed(name.as_ref(), "-join-this", table_join::THIS_PREFIX);
        let other_name =
            plan.names.suffixed(name.as_ref(), "-join-other", table_join::OTHER_PREFIX);
        let presence = if kept.is_some() { Presence::Queryable } else { Presence::Joined };
        let rows = {
            let (join, of_this, of_other) = (join.clone(), of_this.clone(), of_other.clone());
            move |_: &mut Plan| join.rows(of_this.clone(), of_other.clone())
        };
        let table = Table::new(presence, kept, table_join_merge::template::<K, N>);
        let table = table.joining([this_table, other_table]).with_rows(rows);
        let table = plan.add_table(table);
        let [this_node, other_node] = sides.map(|(node, _)| node);
        let inputs = [this_node, other_node].map(|node| plan.input_from(node));
        let this = JoinSide {
            name: this_name,
            changes: this_node,
            stores: of_other.stores.clone(),
            make: join.this_side::<K, V, W, N>(of_other, inputs[0]),
        };
        let other = JoinSide {
            name: other_name,
            changes: other_node,
            stores: of_this.stores.clone(),
            make: join.other_side::<K, V, W, N>(of_this, inputs[1]),
        };
        let kind = NodeKind::TableJoin(TableJoin { this, other, table });
        let node = LogicalNode::new(merge, kind, TypeId::of::<(K, Change<N>)>());
        let node = plan.add(this_node, node);
        plan.attach(other_node, node);
        plan.copartition(vec![node]);
        KTable::new(self.builder, node, table)
    }
}

/// What both sides of a join share.
struct Join<F> {
    needs: Needs,
    joiner: Arc<F>,
}

impl<F> Clone for Join<F> {
    fn clone(&self) -> Self {
        Self { needs: self.needs, joiner: Arc::clone(&self.joiner) }
    }
}

impl<F> Join<F> {
    fn rows<K, V, W, N>(&self, this: TableView<K, V>, other: TableView<K, W>) -> TableView<K, N>
    where
        K: 'static,
        V: 'static,
        W: 'static,
        N: 'static,
        F: JoinValues<K, V, W, N>,
    {
        table_join::rows(self.needs, this, other, Arc::clone(&self.joiner))
    }

    /// The processor of this table's changes.
    fn this_side<K, V, W, N>(&self, others: TableView<K, W>, input: Input) -> Box<MakeTable>
    where
        K: Clone + 'static,
        V: 'static,
        W: 'static,
        N: Clone + 'static,
        F: JoinValues<K, V, W, N>,
    {
        let Self { needs, joiner } = self.clone();
        Box::new(move |settings| {
            let joiner = Arc::clone(&joiner);
            table_join::template::<K, V, W, N, _>((needs, input), &others, joiner, settings)
        })
    }

    /// The processor of the other table's changes.
    fn other_side<K, V, W, N>(&self, others: TableView<K, V>, input: Input) -> Box<MakeTable>
    where
        K: Clone + 'static,
        V: 'static,
        W: 'static,
        N: Clone + 'static,
        F: JoinValues<K, V, W, N>,
    {
        let Self { needs, joiner } = self.clone();
        let reversed =
            Arc::new(move |key: &K, other: Option<&W>, this: Option<&V>| joiner(key, this, other));
        Box::new(move |settings| {
            let (needs, joiner) = (needs.reversed(), Arc::clone(&reversed));
            table_join::template::<K, W, V, N, _>((needs, input), &others, joiner, settings)
        })
    }
}
