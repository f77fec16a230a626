//! Streams.

mod global_joins;
mod joins;
mod keys;
mod maps;
mod window_join_nodes;
mod window_joins;

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::names::{NodeName, TopicName};
use streams_core::processor::{
    ConnectedStores, FixedKeyNode, FixedKeyProcessor, LinkError, Partitions, Processor,
    ProcessorNode, ProcessorTemplate, RecordContext, Sink, SinkDestination, SinkTemplate,
    StreamPartitioner,
};
use streams_core::serde::DefaultSerde;
use streams_core::topology::{Topic, TopologyError};

use crate::args::{DynamicProduced, Named, Printed, Produced, Serdes};
use crate::branched::BranchedKStream;
use crate::builder::StreamsBuilder;
use crate::null::plain_serde;
use crate::operators::{filter, for_each, pass_through, peek, print, repartition};
use crate::plan::{
    Channel, Effect, LogicalNode, NodeKind, Partitioning, PlanId, Processing, Sinking, Widening,
};

/// A stream of records, each of which stands for itself. Answers to Kafka's `KStream`.
///
/// A handle: copy it to use a stream twice. Unless an operator says otherwise, it keeps the time
/// and the headers of a record, and shows nulls, where the types have them, to its function.
///
/// Each operator has a second form, `.._with`, that takes its name or other arguments last.
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
    /// stream. Adds no node.
    pub fn with_nullable_keys(self) -> KStream<'b, Option<K>, V> {
        self.widened(|channel| {
            repartition::narrowed(channel, |serdes: &Serdes<Option<K>, V>| Serdes {
                key: plain_serde(&serdes.key),
                value: Arc::clone(&serdes.value),
            })
        })
    }

    /// The same stream, seen as one whose values may be null. Adds no node.
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

    /// The records for which the predicate holds.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// numbers.filter(|_, number| *number > 9).to("large");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 7_i64), ("b", 12_i64)])?;
    /// assert_eq!(driver.output::<String, i64>("large").read_values()?, [12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter(self, predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filtered(None, move |key, value| Ok(predicate(key, value)))
    }

    /// As [`filter`](Self::filter), with a name.
    pub fn filter_with(
        self,
        predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
        named: Named,
    ) -> Self {
        self.filtered(Some(named.0), move |key, value| Ok(predicate(key, value)))
    }

    /// The records for which the predicate does not hold.
    pub fn filter_not(self, predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filtered(None, move |key, value| Ok(!predicate(key, value)))
    }

    /// As [`filter_not`](Self::filter_not), with a name.
    pub fn filter_not_with(
        self,
        predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
        named: Named,
    ) -> Self {
        self.filtered(Some(named.0), move |key, value| Ok(!predicate(key, value)))
    }

    /// As [`filter`](Self::filter), by a predicate that may fail; the processing handler says what
    /// becomes of the record.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_filter(|_, text| text.parse::<i64>().map(|number| number > 9)).to("large");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe_all([("a", "7"), ("b", "12")])?;
    /// assert_eq!(driver.output::<String, String>("large").read_values()?, ["12"]);
    /// assert!(texts.pipe("c", "many").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_filter<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
    ) -> Self {
        self.filtered(None, move |key, value| predicate(key, value).map_err(Into::into))
    }

    /// As [`try_filter`](Self::try_filter), with a name.
    pub fn try_filter_with<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
        named: Named,
    ) -> Self {
        self.filtered(Some(named.0), move |key, value| predicate(key, value).map_err(Into::into))
    }

    /// As [`filter_not`](Self::filter_not), by a predicate that may fail; see
    /// [`try_filter`](Self::try_filter).
    pub fn try_filter_not<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
    ) -> Self {
        self.try_filter(move |key, value| predicate(key, value).map(|holds| !holds))
    }

    /// As [`try_filter_not`](Self::try_filter_not), with a name.
    pub fn try_filter_not_with<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
        named: Named,
    ) -> Self {
        self.try_filter_with(move |key, value| predicate(key, value).map(|holds| !holds), named)
    }

    fn filtered(
        self,
        name: Option<NodeName>,
        holds: impl Fn(&K, &V) -> Result<bool, ProcessorError> + Send + Sync + 'static,
    ) -> Self {
        let template = filter::template(holds);
        self.then(Step { name, prefix: filter::PREFIX, effect: Effect::None, template })
    }

    /// The same records, each shown to a function in passing.
    pub fn peek(self, f: impl Fn(&K, &V) + Send + Sync + 'static) -> Self {
        self.peeked(None, f)
    }

    /// As [`peek`](Self::peek), with a name.
    pub fn peek_with(self, f: impl Fn(&K, &V) + Send + Sync + 'static, named: Named) -> Self {
        self.peeked(Some(named.0), f)
    }

    fn peeked(self, name: Option<NodeName>, f: impl Fn(&K, &V) + Send + Sync + 'static) -> Self {
        let template = peek::template(f);
        self.then(Step { name, prefix: peek::PREFIX, effect: Effect::None, template })
    }

    /// Hands each record to a function; nothing comes after it.
    pub fn for_each(self, f: impl Fn(K, V) + Send + Sync + 'static) {
        self.each_handed(None, move |key, value| {
            f(key, value);
            Ok(())
        });
    }

    /// As [`for_each`](Self::for_each), with a name.
    pub fn for_each_with(self, f: impl Fn(K, V) + Send + Sync + 'static, named: Named) {
        self.each_handed(Some(named.0), move |key, value| {
            f(key, value);
            Ok(())
        });
    }

    /// As [`for_each`](Self::for_each), by a function that may fail; the processing handler says
    /// whether to go on.
    pub fn try_for_each<E: Into<ProcessorError>>(
        self,
        f: impl Fn(K, V) -> Result<(), E> + Send + Sync + 'static,
    ) {
        self.each_handed(None, move |key, value| f(key, value).map_err(Into::into));
    }

    /// As [`try_for_each`](Self::try_for_each), with a name.
    pub fn try_for_each_with<E: Into<ProcessorError>>(
        self,
        f: impl Fn(K, V) -> Result<(), E> + Send + Sync + 'static,
        named: Named,
    ) {
        self.each_handed(Some(named.0), move |key, value| f(key, value).map_err(Into::into));
    }

    fn each_handed(
        self,
        name: Option<NodeName>,
        f: impl Fn(K, V) -> Result<(), ProcessorError> + Send + Sync + 'static,
    ) {
        let (prefix, template) = (for_each::PREFIX, for_each::template(f));
        let _: KStream<'b, (), ()> =
            self.then(Step { name, prefix, effect: Effect::None, template });
    }

    /// Prints each record; nothing comes after it.
    pub fn print(self, printed: Printed<K, V>) {
        let Printed { name, label, line, printer } = printed;
        let label =
            label.unwrap_or_else(|| self.builder.plan().name_of(self.node).as_str().to_owned());
        let (prefix, template) = (print::PREFIX, print::template(&label, line, printer));
        let _: KStream<'b, (), ()> =
            self.then(Step { name, prefix, effect: Effect::None, template });
    }

    /// The records of both streams, those of each in their order.
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
    pub fn merge_with(self, other: Self, named: Named) -> Self {
        self.merged(Some(named.0), other)
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

    /// Divides the stream by predicates: see [`BranchedKStream::branch`].
    pub fn split(self) -> BranchedKStream<'b, K, V> {
        BranchedKStream::new(self, None)
    }

    /// As [`split`](Self::split), with a name, which the names of the branches begin with.
    pub fn split_with(self, named: Named) -> BranchedKStream<'b, K, V> {
        BranchedKStream::new(self, Some(named.0))
    }

    /// Puts a processor behind the stream. `supplier` is called once for each task and resolves the
    /// stores, which are named in `stores` and were added by
    /// [`add_state_store`](StreamsBuilder::add_state_store). A keyed operator behind it
    /// repartitions.
    pub fn process<P: Processor<K, V>>(
        self,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
        stores: &[&str],
    ) -> KStream<'b, P::OutKey, P::OutValue> {
        let name = self.builder.plan().names.node("KSTREAM-PROCESSOR-");
        self.process_with(supplier, stores, Named(name))
    }

    /// As [`process`](Self::process), with a name.
    pub fn process_with<P: Processor<K, V>>(
        self,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
        stores: &[&str],
        named: Named,
    ) -> KStream<'b, P::OutKey, P::OutValue> {
        let template = ProcessorTemplate::new(ProcessorNode::new(supplier));
        let stores = stores.iter().map(|store| (*store).into()).collect();
        // Kafka's optimiser does not know what a processor does to key and value.
        let processing = Processing { template, stores };
        let name = self.builder.plan().names.given(named.0);
        self.processed(name, Effect::None, Partitioning::Stale, processing)
    }

    /// As [`process`](Self::process), for a processor that cannot change the key, so that nothing
    /// is repartitioned because of it.
    pub fn process_values<P: FixedKeyProcessor<K, V>>(
        self,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
        stores: &[&str],
    ) -> KStream<'b, K, P::OutValue> {
        let name = self.builder.plan().names.node("KSTREAM-PROCESSVALUES-");
        self.process_values_with(supplier, stores, Named(name))
    }

    /// As [`process_values`](Self::process_values), with a name.
    pub fn process_values_with<P: FixedKeyProcessor<K, V>>(
        self,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
        stores: &[&str],
        named: Named,
    ) -> KStream<'b, K, P::OutValue> {
        let template = ProcessorTemplate::new(FixedKeyNode::new(supplier));
        let stores = stores.iter().map(|store| (*store).into()).collect();
        let processing = Processing { template, stores };
        let name = self.builder.plan().names.given(named.0);
        self.processed(name, Effect::None, self.partitioning(), processing)
    }

    /// Writes the records to a topic.
    pub fn to(self, topic: impl Into<Topic<K, V>>) {
        self.to_with(topic, Produced::new());
    }

    /// As [`to`](Self::to), with a name or a partitioner.
    pub fn to_with(self, topic: impl Into<Topic<K, V>>, produced: Produced<K, V>) {
        let topic = topic.into();
        let Serdes { key, value } = Serdes::from(&topic);
        let destination = SinkDestination::Topic(topic.name().clone());
        let Produced { name, partitioner } = produced;
        self.sent(name, Sink { destination, key, value, partitioner });
    }

    /// Writes each record to a topic that is computed from it, and must exist.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let orders: KStream<'_, String, String> = builder.stream("orders");
    /// orders.to_dynamic(|country, _, _| format!("orders-{country}").into());
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("orders").pipe("fr", "cheese")?;
    /// assert_eq!(driver.output::<String, String>("orders-fr").read_values()?, ["cheese"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_dynamic(
        self,
        topic: impl Fn(&K, &V, &RecordContext) -> TopicName + Send + Sync + 'static,
    ) where
        K: DefaultSerde,
        V: DefaultSerde,
    {
        self.to_dynamic_with(topic, DynamicProduced::new());
    }

    /// As [`to_dynamic`](Self::to_dynamic), with serdes, a name or a partitioner.
    pub fn to_dynamic_with(
        self,
        topic: impl Fn(&K, &V, &RecordContext) -> TopicName + Send + Sync + 'static,
        produced: DynamicProduced<K, V>,
    ) {
        let DynamicProduced { produced, serdes: Serdes { key, value } } = produced;
        let Produced { name, partitioner } = produced;
        let destination = SinkDestination::Dynamic(Arc::new(topic));
        self.sent(name, Sink { destination, key, value, partitioner });
    }

    fn sent(self, name: Option<NodeName>, sink: Sink<K, V>) {
        let mut plan = self.builder.plan();
        let name = plan.names.node_or(name, "KSTREAM-SINK-");
        let topic = match &sink.destination {
            SinkDestination::Topic(topic) => Some(topic.clone()),
            SinkDestination::Dynamic(_) => None,
        };
        // All windows of a key go to the partition of the key.
        let window_bytes = sink.key.window_bytes();
        let partitioner = sink.partitioner.or_else(|| {
            (window_bytes > 0).then(|| -> Arc<StreamPartitioner<K, V>> {
                Arc::new(move |_, _, _, _| Partitions::ByKeyWithout(window_bytes))
            })
        });
        let template = SinkTemplate::new(Sink { partitioner, ..sink });
        let kind = NodeKind::Sink(Sinking { topic, template });
        plan.add(self.node, LogicalNode::new(name, kind, TypeId::of::<()>()));
    }
}
