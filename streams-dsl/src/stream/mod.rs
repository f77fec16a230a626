//! Streams.

mod effects;
mod filters;
mod global_joins;
mod joins;
mod keys;
mod maps;
mod processors;
mod sinks;
mod window_join_nodes;
mod window_joins;

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::names::NodeName;
use streams_core::processor::ProcessorTemplate;
use streams_core::topology::TopologyError;

use crate::args::{Named, Serdes};
use crate::branched::BranchedKStream;
use crate::builder::StreamsBuilder;
use crate::null::plain_serde;
use crate::operators::{pass_through, repartition};
use crate::plan::{
    Channel, Effect, LogicalNode, NodeKind, Partitioning, PlanId, Processing, Widening,
};

/// A stream of records, each of which stands for itself. Answers to Kafka's `KStream`.
///
/// A handle: copy it to use a stream twice. Unless an operator says otherwise, it keeps the time
/// and the headers of a record, shows nulls, where the types have them, to its function, and makes
/// no topic and no store.
///
/// Each operator has a second form, `.._with`, that takes its name or other arguments last.
///
/// ```
/// # use streams_dsl::{KStream, StreamsBuilder};
/// # use streams_test::TopologyTestDriver;
/// let builder = StreamsBuilder::new();
/// let numbers: KStream<'_, String, i64> = builder.stream("numbers");
/// numbers.filter(|_, number| *number > 9).to("large");
/// numbers.map_values(|number| -number).to("negative");
///
/// let driver = TopologyTestDriver::new(&builder.build()?)?;
/// driver.input::<String, i64>("numbers").pipe_all([("a", 7), ("b", 12)])?;
/// assert_eq!(driver.output::<String, i64>("large").read_values()?, [12]);
/// assert_eq!(driver.output::<String, i64>("negative").read_values()?, [-7, -12]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a stream does nothing by itself; end it with `to`, `for_each` or another operator"]
pub struct KStream<'b, K, V> {
    pub(crate) builder: &'b StreamsBuilder,
    pub(crate) node: PlanId,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for KStream<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for KStream<'_, K, V> {}

impl<K, V> fmt::Debug for KStream<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KStream({})", self.builder.plan().name_of(self.node))
    }
}

impl<'b, K, V> KStream<'b, K, V> {
    pub(crate) const fn new(builder: &'b StreamsBuilder, node: PlanId) -> Self {
        Self { builder, node, types: PhantomData }
    }
}

/// A processor to be put below a stream.
struct Step {
    name: Option<NodeName>,
    prefix: &'static str,
    effect: Effect,
    template: ProcessorTemplate,
}

impl<'b, K: Clone + 'static, V: Clone + 'static> KStream<'b, K, V> {
    /// The stream that a processor makes of this one.
    fn then<K2: 'static, V2: 'static>(self, step: Step) -> KStream<'b, K2, V2> {
        let Step { name, prefix, effect, template } = step;
        let name = self.builder.plan().names.node_or(name, prefix);
        let partitioning = match effect {
            Effect::ChangesKey => Partitioning::Stale,
            _ => self.partitioning(),
        };
        self.processed(name, effect, partitioning, Processing { template, stores: Vec::new() })
    }

    fn processed<K2: 'static, V2: 'static>(
        self,
        name: NodeName,
        effect: Effect,
        partitioning: Partitioning,
        processing: Processing,
    ) -> KStream<'b, K2, V2> {
        let kind = NodeKind::Processor(processing);
        let node = LogicalNode::new(name, kind, TypeId::of::<(K2, V2)>());
        let node = node.effect(effect).partitioning(partitioning);
        KStream::new(self.builder, self.builder.plan().add(self.node, node))
    }

    pub(crate) fn partitioning(self) -> Partitioning {
        self.builder.plan().node(self.node).partitioning
    }

    /// The same stream, seen as one whose keys may be null: what it takes to merge it with such a
    /// stream. Adds no node, and changes no record.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let named: KStream<'_, String, String> = builder.stream("named");
    /// let all: KStream<'_, Option<String>, String> = builder.stream("all");
    /// named.with_nullable_keys().merge(all).to("out");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("named").pipe("a", "x")?;
    /// driver.input::<String, String>("all").pipe_value("y")?;
    /// let out = driver.output::<Option<String>, String>("out").read_key_values()?;
    /// assert_eq!(out, [(Some("a".to_owned()), "x".to_owned()), (None, "y".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_nullable_keys(self) -> KStream<'b, Option<K>, V> {
        self.widened(|channel| {
            repartition::narrowed(channel, |serdes: &Serdes<Option<K>, V>| Serdes {
                key: plain_serde(&serdes.key),
                value: Arc::clone(&serdes.value),
            })
        })
    }

    /// The same stream, seen as one whose values may be null, as those of a table's changes are.
    /// Adds no node, and changes no record.
    ///
    /// ```
    /// # use streams_dsl::{KStream, KTable, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let offers: KStream<'_, String, i64> = builder.stream("offers");
    /// prices.to_stream().merge(offers.with_nullable_values()).to("all");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("prices").pipe("pear", 5)?;
    /// driver.input::<String, i64>("prices").pipe_tombstone("pear")?;
    /// driver.input::<String, i64>("offers").pipe("pear", 3)?;
    /// let all = driver.output::<String, Option<i64>>("all").read_values()?;
    /// assert_eq!(all, [Some(5), None, Some(3)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_nullable_values(self) -> KStream<'b, K, Option<V>> {
        self.widened(|channel| {
            repartition::narrowed(channel, |serdes: &Serdes<K, Option<V>>| Serdes {
                key: Arc::clone(&serdes.key),
                value: plain_serde(&serdes.value),
            })
        })
    }

    fn widened<K2: 'static, V2: 'static>(
        self,
        narrow: fn(&Channel) -> Option<Channel>,
    ) -> KStream<'b, K2, V2> {
        let (wider, narrower) = (TypeId::of::<(K2, V2)>(), TypeId::of::<(K, V)>());
        self.builder.plan().widen(Widening { wider, narrower, narrow });
        KStream::new(self.builder, self.node)
    }

    /// The records of both streams, those of each in their order, with their keys, values, nulls
    /// too, times and headers. Records that lie in the same task come in the order of their times;
    /// nothing orders those of different partitions. Makes no topic and no store; a stream whose
    /// key was changed is not repartitioned here, but by a keyed operator behind.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let left: KStream<'_, String, String> = builder.stream("left");
    /// left.merge(builder.stream("right")).to("both");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("right").pipe("a", "x")?;
    /// driver.input::<String, String>("left").pipe("a", "y")?;
    /// assert_eq!(driver.output::<String, String>("both").read_values()?, ["x", "y"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn merge(self, other: Self) -> Self {
        self.merged(None, other)
    }

    /// As [`merge`](Self::merge), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let left: KStream<'_, String, String> = builder.stream("left");
    /// # let right: KStream<'_, String, String> = builder.stream("right");
    /// left.merge_with(right, Named::new("both")).to("out");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("right").pipe("a", "x")?;
    /// driver.input::<String, String>("left").pipe("a", "y")?;
    /// assert_eq!(driver.output::<String, String>("out").read_values()?, ["x", "y"]);
    /// assert!(driver.describe().to_string().contains("Processor: both (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn merge_with(self, other: Self, named: Named) -> Self {
        self.merged(named.0, other)
    }

    fn merged(self, name: Option<NodeName>, other: Self) -> Self {
        let mut plan = self.builder.plan();
        let name = plan.names.node_or(name, pass_through::MERGE_PREFIX);
        let is_ours = std::ptr::eq(self.builder, other.builder);
        let of_other = if is_ours { other.node } else { self.node };
        if !is_ours {
            plan.fault(TopologyError::ForeignNode(name.clone()));
        }
        let stale = |node| plan.node(node).partitioning == Partitioning::Stale;
        let partitioning = if stale(self.node) || stale(of_other) {
            Partitioning::Stale
        } else {
            Partitioning::ByKey
        };
        let template = pass_through::template::<K, V>();
        let kind = NodeKind::Processor(Processing { template, stores: Vec::new() });
        let node = LogicalNode::new(name, kind, TypeId::of::<(K, V)>());
        let node = node.effect(Effect::Merges).partitioning(partitioning);
        let node = plan.add(self.node, node);
        plan.attach(of_other, node);
        KStream::new(self.builder, node)
    }

    /// Divides the stream by predicates; see [`BranchedKStream::branch`]. A record goes to one
    /// branch at most, with its key, value, time and headers; nulls, where the types have them, are
    /// shown to the predicates. Makes no topic and no store.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split().branch(|_, n| *n > 9).branch(|_, n| *n > 4);
    /// let [large, medium] = branches.no_default_branch().into_array().expect("two branches");
    /// large.to("large");
    /// medium.to("medium");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 12), ("b", 7), ("c", 1)])?;
    /// assert_eq!(driver.output::<String, i64>("large").read_values()?, [12]);
    /// assert_eq!(driver.output::<String, i64>("medium").read_values()?, [7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn split(self) -> BranchedKStream<'b, K, V> {
        BranchedKStream::new(self, None)
    }

    /// As [`split`](Self::split), with a name, which the names of the branches begin with.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split_with(Named::new("sizes-"));
    /// let branches = branches.branch(|_, n| *n > 9).default_branch();
    /// let names: Vec<&str> = branches.iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["sizes-1", "sizes-0"]);
    /// branches.get("sizes-0").expect("the default branch").to("small");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 12), ("b", 7)])?;
    /// assert_eq!(driver.output::<String, i64>("small").read_values()?, [7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn split_with(self, named: Named) -> BranchedKStream<'b, K, V> {
        BranchedKStream::new(self, named.0)
    }
}
