//! Streams grouped by key that are aggregated together.

mod member;
mod windowed;

use std::any::TypeId;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::names::{NodeName, StoreName};
use streams_core::serde::DefaultSerde;
use streams_core::topology::TopologyError;

use self::member::{Member, Of, Start};
pub use self::windowed::WindowedCogroupedKStream;
use crate::args::Materialized;
use crate::builder::StreamsBuilder;
use crate::change::Change;
use crate::grouped_stream::KGroupedStream;
use crate::null::OrNull;
use crate::operators::pass_through;
use crate::plan::{
    CogroupId, LogicalNode, MakeTable, NodeKind, Presence, Processing, Table, TableWriter,
};
use crate::table::KTable;
use crate::view::Kept;
use crate::window::{KeyWindows, Windowing};

const AGGREGATE_PREFIX: &str = "COGROUPKSTREAM-AGGREGATE-";
const MERGE_PREFIX: &str = "COGROUPKSTREAM-MERGE-";

/// Streams grouped by the same key, each with an aggregator of its own, to be aggregated into one
/// table. Answers to Kafka's `CogroupedKStream`.
///
/// `K` is the plain key, `A` the aggregate, which the aggregators see as `I`: that is `A`, or
/// `Option<A>` where it may be null, which deletes the row. An aggregation drops and counts records
/// without key or value; windows that follow from time alone, and sessions, hand a null value to the
/// aggregator, as Kafka does.
///
/// A row's time is the latest of its records' times; a change has the headers of the record that
/// made it. All streams write one store, with one changelog. Where the key of a stream was changed,
/// its records pass through `<application id>-<name>-repartition`, called after its grouping or else
/// the store; more than one such stream needs a name each.
#[must_use = "cogrouped streams do nothing until they are aggregated"]
pub struct CogroupedKStream<'b, K, A, I = A> {
    builder: &'b StreamsBuilder,
    id: CogroupId,
    members: Vec<Arc<dyn Member<K, A, I>>>,
}

impl<K, A, I> Clone for CogroupedKStream<'_, K, A, I> {
    fn clone(&self) -> Self {
        Self { builder: self.builder, id: self.id, members: self.members.clone() }
    }
}

impl<K, A, I> std::fmt::Debug for CogroupedKStream<'_, K, A, I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let groupings = self.members.iter().map(|member| member.grouping());
        f.debug_tuple("CogroupedKStream").field(&groupings.collect::<Vec<_>>()).finish()
    }
}

/// What an aggregation of cogrouped streams is made of, besides their aggregators.
struct Parts<K, A> {
    presence: Presence,
    node: Option<NodeName>,
    kept: Kept<K, A>,
    windows: Option<KeyWindows>,
    /// What is wrong with the windows.
    problem: Option<String>,
}

impl<'b, K, A, I> CogroupedKStream<'b, K, A, I>
where
    K: Clone + 'static,
    A: Clone + 'static,
    I: OrNull<A>,
{
    /// None so far.
    pub(crate) fn of(builder: &'b StreamsBuilder) -> Self {
        let id = builder.plan().cogroup();
        Self { builder, id, members: Vec::new() }
    }

    /// Aggregates one more stream. A stream that is there already gets this aggregator in the place
    /// of its own. No topic or store is made before the aggregation; see
    /// [`aggregate`](Self::aggregate) for times, headers and nulls.
    ///
    /// For a stream whose value is an `Option<N>`, name the types:
    /// `cogroup::<Option<String>, String, _>(..)`.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let deposits: KStream<'_, String, i64> = builder.stream("deposits");
    /// let notes: KStream<'_, String, String> = builder.stream("notes");
    /// deposits
    ///     .group_by_key()
    ///     .cogroup(|_, amount, total: i64| total + amount)
    ///     .cogroup(notes.group_by_key(), |_, note, total| if note == "closed" { 0 } else { total })
    ///     .aggregate(|| 0)
    ///     .to_stream()
    ///     .to("balances");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("deposits").pipe_all([("ann", 3), ("ann", 4), ("bob", 1)])?;
    /// driver.input::<String, String>("notes").pipe("bob", "closed")?;
    /// let balances = driver.output::<String, Option<i64>>("balances").read_map()?;
    /// assert_eq!((balances["ann"], balances["bob"]), (Some(7), Some(0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cogroup<V, N, S>(
        self,
        grouped: KGroupedStream<'b, K, V, S>,
        aggregator: impl Fn(&K, V, I) -> I + Send + Sync + 'static,
    ) -> Self
    where
        V: OrNull<N> + Clone,
        N: Clone + 'static,
        S: OrNull<K> + Clone,
    {
        let aggregator = move |key: &K, value, before| -> Result<I, ProcessorError> {
            Ok(aggregator(key, value, before))
        };
        self.try_cogroup::<V, N, S, _>(grouped, aggregator)
    }

    /// As [`cogroup`](Self::cogroup), by an aggregator that may fail; the processing handler says
    /// what becomes of the record, and the aggregate stays as it was.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let whole: KStream<'_, String, i64> = builder.stream("whole");
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let add = |_: &String, n, sum: i64| sum + n;
    /// let parse = |_: &String, text: String, sum: i64| text.parse::<i64>().map(|n| sum + n);
    /// let both = whole.group_by_key().cogroup(add).try_cogroup(texts.group_by_key(), parse);
    /// both.aggregate(|| 0).to_stream().to("sums");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("whole").pipe("a", 3)?;
    /// driver.input::<String, String>("texts").pipe("a", "4")?;
    /// assert_eq!(driver.output::<String, Option<i64>>("sums").read_map()?["a"], Some(7));
    /// assert!(driver.input::<String, String>("texts").pipe("a", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_cogroup<V, N, S, E>(
        mut self,
        grouped: KGroupedStream<'b, K, V, S>,
        aggregator: impl Fn(&K, V, I) -> Result<I, E> + Send + Sync + 'static,
    ) -> Self
    where
        V: OrNull<N> + Clone,
        N: Clone + 'static,
        S: OrNull<K> + Clone,
        E: Into<ProcessorError>,
    {
        let add = move |key: &K, value, before| aggregator(key, value, before).map_err(Into::into);
        if !std::ptr::eq(self.builder, grouped.builder()) {
            let fault = TopologyError::ForeignHandle("cogroup".to_owned());
            self.builder.plan().fault(fault);
            return self;
        }
        let member = Of::<S, V, N, _>::new(grouped.grouping(), add);
        let member: Arc<dyn Member<K, A, I>> = Arc::new(member);
        let known = self.members.iter_mut().find(|known| known.grouping() == member.grouping());
        match known {
            Some(known) => *known = member,
            None => self.members.push(member),
        }
        self
    }

    /// The aggregate of each key over all streams. It starts from what `initial` gives. A record
    /// with a null key or a null value is dropped and counted; an aggregator that gives `None`
    /// deletes the row. A row's time is the latest of its records', and a change has the headers of
    /// the record that made it.
    ///
    /// All streams write one store, `COGROUPKSTREAM-AGGREGATE-STATE-STORE-<number>` unless it is
    /// given a name, with the changelog `<application id>-<store>-changelog`. Where the key of a
    /// stream was changed, its records pass through `<application id>-<name>-repartition` first,
    /// called after its grouping or else the store.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let views: KStream<'_, String, String> = builder.stream("views");
    /// let buys: KStream<'_, String, i64> = builder.stream("buys");
    /// let views = views.group_by_key().cogroup(|_, _, points: i64| points + 1);
    /// let both = views.cogroup(buys.group_by_key(), |_, price, points| points + 10 * price);
    /// both.aggregate(|| 100).to_stream().to("points");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("views").pipe("ann", "shoes")?;
    /// driver.input::<String, i64>("buys").pipe("ann", 4)?;
    /// let points = driver.output::<String, Option<i64>>("points").read_values()?;
    /// assert_eq!(points, [Some(101), Some(141)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate(self, initial: impl Fn() -> I + Send + Sync + 'static) -> KTable<'b, K, A>
    where
        K: DefaultSerde,
        A: DefaultSerde,
    {
        self.aggregate_with(initial, Materialized::new())
    }

    /// As [`aggregate`](Self::aggregate), with a store or a name. The nodes are called
    /// `<name>-cogroup-agg-0`, one for each stream, and `<name>-cogroup-merge`.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Materialized, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let views: KStream<'_, String, String> = builder.stream("views");
    /// let views = views.group_by_key().cogroup(|_, _, points: i64| points + 1);
    /// let stored = Materialized::named("points").with_node_name("add-points");
    /// let points = views.aggregate_with(|| 0, stored);
    /// assert_eq!(points.store_name(), Some("points".into()));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("views").pipe("ann", "shoes")?;
    /// assert_eq!(driver.key_values::<String, i64>("points")?.get(&"ann".to_owned())?, Some(1));
    /// let text = driver.describe().to_string();
    /// assert!(text.contains("Processor: add-points-cogroup-agg-0 (stores: [points])"));
    /// assert!(text.contains("Processor: add-points-cogroup-merge "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate_with(
        self,
        initial: impl Fn() -> I + Send + Sync + 'static,
        materialized: impl Into<Materialized<K, A>>,
    ) -> KTable<'b, K, A> {
        let materialized = materialized.into();
        let store = self.store_name(&materialized);
        let parts = Parts {
            presence: presence(&materialized),
            kept: materialized.key_value_store(store.clone()),
            node: materialized.node,
            windows: None,
            problem: None,
        };
        let start: Start<I> = Arc::new(initial);
        self.built(parts, |member| member.unwindowed(&start, &store))
    }

    /// Aggregations are by key and window: [`TimeWindows`](crate::TimeWindows),
    /// [`SlidingWindows`](crate::SlidingWindows), [`SessionWindows`](crate::SessionWindows) or
    /// [`UnlimitedWindows`](crate::UnlimitedWindows). Results leave at each update of a window, as
    /// in Kafka; to have each window once, [`suppress`](KTable::suppress) the table. Records stay
    /// as they are, and no topic or store is made before the aggregation.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let views: KStream<'_, String, String> = builder.stream("views");
    /// let views = views.group_by_key().cogroup(|_, _, points: i64| points + 1);
    /// let minutes = TimeWindows::of_size(Duration::from_secs(60));
    /// let points = views.windowed_by(minutes).aggregate(|| 0);
    /// points.to_stream().map(|window, points| (window.to_string(), points)).to("points");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let at = Timestamp::from_millis(61_000);
    /// driver.input::<String, String>("views").pipe_at("ann", "shoes", at)?;
    /// let points = driver.output::<String, Option<i64>>("points").read_map()?;
    /// assert_eq!(points["[ann@60000/120000]"], Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn windowed_by<W: Windowing>(self, windows: W) -> WindowedCogroupedKStream<'b, K, A, W, I> {
        WindowedCogroupedKStream::new(self, windows)
    }

    fn store_name(&self, materialized: &Materialized<K, A>) -> StoreName {
        self.builder.plan().names.store_or(materialized.store.clone(), AGGREGATE_PREFIX)
    }

    /// The table of keys `KT` that the members write.
    fn built<KT: Clone + 'static>(
        self,
        parts: Parts<KT, A>,
        make: impl Fn(&dyn Member<K, A, I>) -> Box<MakeTable>,
    ) -> KTable<'b, KT, A> {
        let Parts { presence, node, kept, windows, problem } = parts;
        let mut plan = self.builder.plan();
        let name = kept.spec.name().clone();
        let groupings = self.members.iter().map(|member| member.grouping());
        let parents: Vec<_> =
            groupings.map(|grouping| plan.cogrouped_stream(self.id, grouping, &name)).collect();
        let merge = pass_through::template::<KT, Change<A>>();
        let of_table = merge.clone();
        let table = Table::new(presence, Some(kept), move |_| of_table.clone());
        let table = plan.add_table(table);
        let forwards = TypeId::of::<(KT, Change<A>)>();
        let mut writers = Vec::with_capacity(parents.len());
        for (at, (parent, member)) in parents.iter().zip(&self.members).enumerate() {
            let suffix = format!("-cogroup-agg-{at}");
            let name = plan.names.suffixed(node.as_ref(), &suffix, AGGREGATE_PREFIX);
            let kind = NodeKind::TableWriter(TableWriter { table, make: make(&**member) });
            let mut writer = LogicalNode::new(name, kind, forwards);
            writer.windows = windows;
            writers.push(plan.add(*parent, writer));
        }
        let name = plan.names.suffixed(node.as_ref(), "-cogroup-merge", MERGE_PREFIX);
        if let Some(problem) = problem {
            plan.fault(TopologyError::Windows { node: name.clone(), problem });
        }
        let kind = NodeKind::Processor(Processing { template: merge, stores: Vec::new() });
        let node = plan.insert(LogicalNode::new(name, kind, forwards));
        writers.into_iter().for_each(|writer| plan.attach(writer, node));
        // DIFFERENCE(cogroup-partitions): in Kafka the topics that the streams were read from must
        // match, also where their records are repartitioned.
        plan.copartition(parents);
        KTable::new(self.builder, node, table)
    }
}

fn presence<K, A>(materialized: &Materialized<K, A>) -> Presence {
    if materialized.store.is_some() { Presence::Queryable } else { Presence::Stored }
}
