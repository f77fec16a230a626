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

const PROCESSOR_PREFIX: &str = "KSTREAM-PROCESSOR-";
const VALUES_PROCESSOR_PREFIX: &str = "KSTREAM-PROCESSVALUES-";

/// A stream of records, each of which stands for itself. Answers to Kafka's `KStream`.
///
/// A handle: copy it to use a stream twice. Unless an operator says otherwise, it keeps the time
/// and the headers of a record, and shows nulls, where the types have them, to its function.
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
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// numbers.filter_with(|_, number| *number > 9, Named::new("large-only")).to("large");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: large-only (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_with(
        self,
        predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
        named: Named,
    ) -> Self {
        self.filtered(named.0, move |key, value| Ok(predicate(key, value)))
    }

    /// The records for which the predicate does not hold.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, Option<String>> = builder.stream("texts");
    /// texts.filter_not(|_, text| text.is_none()).to("present");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe("a", "x")?;
    /// texts.pipe_tombstone("a")?;
    /// assert_eq!(driver.output::<String, String>("present").read_values()?, ["x"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_not(self, predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filtered(None, move |key, value| Ok(!predicate(key, value)))
    }

    /// As [`filter_not`](Self::filter_not), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// numbers.filter_not_with(|_, number| *number > 9, Named::new("small-only")).to("small");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: small-only (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_not_with(
        self,
        predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
        named: Named,
    ) -> Self {
        self.filtered(named.0, move |key, value| Ok(!predicate(key, value)))
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
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let is_large = |_: &String, text: &String| text.parse::<i64>().map(|number| number > 9);
    /// texts.try_filter_with(is_large, Named::new("large-only")).to("large");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: large-only (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_filter_with<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
        named: Named,
    ) -> Self {
        self.filtered(named.0, move |key, value| predicate(key, value).map_err(Into::into))
    }

    /// As [`filter_not`](Self::filter_not), by a predicate that may fail; see
    /// [`try_filter`](Self::try_filter).
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use streams_core::handler::{Handlers, LogAndSkip};
    /// # use streams_core::metrics::DropReason;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_filter_not(|_, text| text.parse::<i64>().map(|number| number > 9)).to("small");
    ///
    /// let skip = Handlers { processing: Arc::new(LogAndSkip), ..Handlers::default() };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).handlers(skip).build()?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe_all([("a", "7"), ("b", "many"), ("c", "12")])?;
    /// assert_eq!(driver.output::<String, String>("small").read_values()?, ["7"]);
    /// assert_eq!(driver.dropped().of(DropReason::ProcessingFailed), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_filter_not<E: Into<ProcessorError>>(
        self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
    ) -> Self {
        self.try_filter(move |key, value| predicate(key, value).map(|holds| !holds))
    }

    /// As [`try_filter_not`](Self::try_filter_not), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let is_large = |_: &String, text: &String| text.parse::<i64>().map(|number| number > 9);
    /// texts.try_filter_not_with(is_large, Named::new("small-only")).to("small");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: small-only (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// The same records, each shown to a function in passing, before it goes on. A record that is
    /// processed again after a failure is shown again.
    ///
    /// ```
    /// # use std::sync::mpsc::channel;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// let (sender, seen) = channel();
    /// words.peek(move |_, word| sender.send(word.clone()).expect("heard")).to("out");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("a", "to"), ("b", "be")])?;
    /// assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["to", "be"]);
    /// assert_eq!(driver.output::<String, String>("out").read_values()?, ["to", "be"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek(self, f: impl Fn(&K, &V) + Send + Sync + 'static) -> Self {
        self.peeked(None, f)
    }

    /// As [`peek`](Self::peek), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.peek_with(|_, word| assert!(!word.is_empty()), Named::new("check")).to("out");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: check (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek_with(self, f: impl Fn(&K, &V) + Send + Sync + 'static, named: Named) -> Self {
        self.peeked(named.0, f)
    }

    fn peeked(self, name: Option<NodeName>, f: impl Fn(&K, &V) + Send + Sync + 'static) -> Self {
        let template = peek::template(f);
        self.then(Step { name, prefix: peek::PREFIX, effect: Effect::None, template })
    }

    /// Hands each record to a function; nothing comes after it. What the function does is no part
    /// of a commit: a record that is processed again after a failure is handed to it again.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::sync::atomic::{AtomicI64, Ordering};
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let total = Arc::new(AtomicI64::new(0));
    /// let sum = Arc::clone(&total);
    /// numbers.for_each(move |_, number| {
    ///     sum.fetch_add(number, Ordering::Relaxed);
    /// });
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 7), ("b", 12)])?;
    /// assert_eq!(total.load(Ordering::Relaxed), 19);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_each(self, f: impl Fn(K, V) + Send + Sync + 'static) {
        self.each_handed(None, move |key, value| {
            f(key, value);
            Ok(())
        });
    }

    /// As [`for_each`](Self::for_each), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.for_each_with(|_, word| assert!(!word.is_empty()), Named::new("check"));
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: check (stores: [])\n      --> none"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_each_with(self, f: impl Fn(K, V) + Send + Sync + 'static, named: Named) {
        self.each_handed(named.0, move |key, value| {
            f(key, value);
            Ok(())
        });
    }

    /// As [`for_each`](Self::for_each), by a function that may fail; the processing handler says
    /// whether to go on.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_for_each(|_, text| text.parse::<i64>().map(|_| ()));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe("a", "7")?;
    /// let error = texts.pipe("b", "many").expect_err("no number");
    /// assert!(error.to_string().contains("KSTREAM-FOREACH-0000000001"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_for_each<E: Into<ProcessorError>>(
        self,
        f: impl Fn(K, V) -> Result<(), E> + Send + Sync + 'static,
    ) {
        self.each_handed(None, move |key, value| f(key, value).map_err(Into::into));
    }

    /// As [`try_for_each`](Self::try_for_each), with a name.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let texts: KStream<'_, String, String> = builder.stream("texts");
    /// texts.try_for_each_with(|_, text| text.parse::<i64>().map(|_| ()), Named::new("check"));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// let error = texts.pipe("b", "many").expect_err("no number");
    /// assert!(error.to_string().contains("check"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_for_each_with<E: Into<ProcessorError>>(
        self,
        f: impl Fn(K, V) -> Result<(), E> + Send + Sync + 'static,
        named: Named,
    ) {
        self.each_handed(named.0, move |key, value| f(key, value).map_err(Into::into));
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

    /// Prints each record; nothing comes after it. A line is `[label]: key, value`, where the label
    /// is the name of the node whose records are printed; see [`Printed`]. An output that fails is
    /// logged, and fails nothing else.
    ///
    /// ```
    /// # use std::io::{BufRead, BufReader};
    /// # use streams_dsl::{KStream, Printed, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// let (read, write) = std::io::pipe()?;
    /// words.print(Printed::to_writer(write));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "be")?;
    /// let mut line = String::new();
    /// BufReader::new(read).read_line(&mut line)?;
    /// assert_eq!(line, "[KSTREAM-SOURCE-0000000000]: \"a\", \"be\"\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn print(self, printed: Printed<K, V>) {
        let Printed { name, label, line, printer } = printed;
        let label =
            label.unwrap_or_else(|| self.builder.plan().name_of(self.node).as_str().to_owned());
        let (prefix, template) = (print::PREFIX, print::template(&label, line, printer));
        let _: KStream<'b, (), ()> =
            self.then(Step { name, prefix, effect: Effect::None, template });
    }

    /// The records of both streams, those of each in their order, as they are. Records that lie in
    /// the same task come in the order of their times; nothing orders those of different
    /// partitions.
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
    /// # let builder = StreamsBuilder::new();
    /// # let left: KStream<'_, String, String> = builder.stream("left");
    /// # let right: KStream<'_, String, String> = builder.stream("right");
    /// left.merge_with(right, Named::new("both")).to("out");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: both (stores: [])"));
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
    /// branch at most, as it is.
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
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split_with(Named::new("sizes-"));
    /// let branches = branches.branch(|_, n| *n > 9).default_branch();
    /// let names: Vec<&str> = branches.iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["sizes-1", "sizes-0"]);
    /// ```
    pub fn split_with(self, named: Named) -> BranchedKStream<'b, K, V> {
        BranchedKStream::new(self, named.0)
    }

    /// Puts a processor of the program's own behind the stream: it gets each record whole and
    /// forwards what it will, with the key, value, time and headers that it gives. Kafka's
    /// `process` (KIP-820).
    ///
    /// `supplier` is called once for each task and resolves the stores, which are named in `stores`
    /// and were added by [`add_state_store`](StreamsBuilder::add_state_store). A store that is not
    /// there is a fault when the topology is built. A keyed operator behind it repartitions;
    /// [`process_values`](Self::process_values) saves that.
    ///
    /// ```
    /// # use streams_core::error::ProcessorError;
    /// # use streams_core::processor::{Context, Processor};
    /// # use streams_core::record::Record;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// struct Twice;
    ///
    /// impl Processor<String, String> for Twice {
    ///     type OutKey = String;
    ///     type OutValue = String;
    ///
    ///     fn process(
    ///         &mut self,
    ///         word: Record<String, String>,
    ///         cx: &mut Context<'_, String, String>,
    ///     ) -> Result<(), ProcessorError> {
    ///         cx.forward(word.clone())?;
    ///         cx.forward(word.with_key("copy".to_owned()))
    ///     }
    /// }
    ///
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.process(|_| Ok(Twice), &[]).to("out");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// let keys: Vec<_> = driver.output::<String, String>("out").read_map()?.into_keys().collect();
    /// assert_eq!(keys, ["a", "copy"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn process<P: Processor<K, V>>(
        self,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
        stores: &[&str],
    ) -> KStream<'b, P::OutKey, P::OutValue> {
        self.process_with(supplier, stores, Named::default())
    }

    /// As [`process`](Self::process), with a name.
    ///
    /// ```
    /// # use streams_core::error::ProcessorError;
    /// # use streams_core::processor::{ConnectedStores, Context, Processor};
    /// # use streams_core::record::Record;
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_state::{KeyValueStore, Stores};
    /// # use streams_test::TopologyTestDriver;
    /// # struct Longest(KeyValueStore<String, String>);
    /// # impl Processor<String, String> for Longest {
    /// #     type OutKey = String;
    /// #     type OutValue = String;
    /// #     fn process(
    /// #         &mut self,
    /// #         word: Record<String, String>,
    /// #         cx: &mut Context<'_, String, String>,
    /// #     ) -> Result<(), ProcessorError> {
    /// #         let known = self.0.get(&word.key)?.unwrap_or_default();
    /// #         if word.value.len() > known.len() {
    /// #             self.0.put(&word.key, &word.value)?;
    /// #             cx.forward(word)?;
    /// #         }
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// builder.add_state_store(Stores::key_value::<String, String>("longest"));
    /// let supplier = |stores: &ConnectedStores<'_, '_>| Ok(Longest(stores.store("longest")?));
    /// words.process_with(supplier, &["longest"], Named::new("keep-longest")).to("out");
    ///
    /// let topology = builder.build()?;
    /// assert!(topology.describe().to_string().contains("keep-longest (stores: [longest])"));
    /// # let driver = TopologyTestDriver::new(&topology)?;
    /// # driver.input::<String, String>("words").pipe_all([("a", "three"), ("a", "two")])?;
    /// # assert_eq!(driver.output::<String, String>("out").read_values()?, ["three"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        let name = self.builder.plan().names.given_or(named.0, PROCESSOR_PREFIX);
        self.processed(name, Effect::None, Partitioning::Stale, processing)
    }

    /// As [`process`](Self::process), for a processor that cannot change the key, so that nothing
    /// is repartitioned because of it.
    ///
    /// ```
    /// # use streams_core::error::ProcessorError;
    /// # use streams_core::processor::{FixedKeyContext, FixedKeyProcessor};
    /// # use streams_core::record::FixedKeyRecord;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// struct Length;
    ///
    /// impl FixedKeyProcessor<String, String> for Length {
    ///     type OutValue = i64;
    ///
    ///     fn process(
    ///         &mut self,
    ///         word: FixedKeyRecord<String, String>,
    ///         cx: &mut FixedKeyContext<'_, String, i64>,
    ///     ) -> Result<(), ProcessorError> {
    ///         let length = word.value().len() as i64;
    ///         cx.forward(word.with_value(length))
    ///     }
    /// }
    ///
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// let lengths = words.process_values(|_| Ok(Length), &[]);
    /// lengths.group_by_key().reduce(i64::max).to_stream().to("longest");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_all([("a", "three"), ("a", "two")])?;
    /// assert_eq!(driver.output::<String, Option<i64>>("longest").read_map()?["a"], Some(5));
    /// assert!(!driver.describe().to_string().contains("repartition"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn process_values<P: FixedKeyProcessor<K, V>>(
        self,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
        stores: &[&str],
    ) -> KStream<'b, K, P::OutValue> {
        self.process_values_with(supplier, stores, Named::default())
    }

    /// As [`process_values`](Self::process_values), with a name.
    ///
    /// ```
    /// # use streams_core::error::ProcessorError;
    /// # use streams_core::processor::{FixedKeyContext, FixedKeyProcessor};
    /// # use streams_core::record::FixedKeyRecord;
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # struct Length;
    /// # impl FixedKeyProcessor<String, String> for Length {
    /// #     type OutValue = i64;
    /// #     fn process(
    /// #         &mut self,
    /// #         word: FixedKeyRecord<String, String>,
    /// #         cx: &mut FixedKeyContext<'_, String, i64>,
    /// #     ) -> Result<(), ProcessorError> {
    /// #         let length = word.value().len() as i64;
    /// #         cx.forward(word.with_value(length))
    /// #     }
    /// # }
    /// # let builder = StreamsBuilder::new();
    /// # let words: KStream<'_, String, String> = builder.stream("words");
    /// words.process_values_with(|_| Ok(Length), &[], Named::new("length")).to("lengths");
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Processor: length (stores: [])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn process_values_with<P: FixedKeyProcessor<K, V>>(
        self,
        supplier: impl Fn(&ConnectedStores<'_, '_>) -> Result<P, LinkError> + Send + Sync + 'static,
        stores: &[&str],
        named: Named,
    ) -> KStream<'b, K, P::OutValue> {
        let template = ProcessorTemplate::new(FixedKeyNode::new(supplier));
        let stores = stores.iter().map(|store| (*store).into()).collect();
        let processing = Processing { template, stores };
        let name = self.builder.plan().names.given_or(named.0, VALUES_PROCESSOR_PREFIX);
        self.processed(name, Effect::None, self.partitioning(), processing)
    }

    /// Writes the records to a topic, each with its key, value, time and headers; a null value is a
    /// tombstone. The topic must exist. Kafka's default partitioner chooses the partition, by the
    /// bytes of the key; all windows of a key go to the key's.
    ///
    /// ```
    /// # use streams_core::record::Record;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.to("out");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut word = Record::new("a".to_owned(), "x".to_owned(), Timestamp::from_millis(7));
    /// word.headers.add("from", None);
    /// driver.input::<String, String>("words").pipe_record(word.clone())?;
    /// assert_eq!(driver.output::<String, String>("out").read_record()?, word);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to(self, topic: impl Into<Topic<K, V>>) {
        self.to_with(topic, Produced::new());
    }

    /// As [`to`](Self::to), with a name or a partitioner.
    ///
    /// ```
    /// # use streams_core::processor::Partitions;
    /// # use streams_dsl::{KStream, Produced, StreamsBuilder};
    /// # use streams_test::{Layout, TopologyTestDriver};
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// let last = |_: &_, _: &String, _: &String, partitions| Partitions::One(partitions - 1);
    /// words.to_with("out", Produced::named("out-sink").with_partitioner(last));
    ///
    /// let layout = Layout::TaskPerPartition { partitions: 3 };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).layout(layout).build()?;
    /// driver.input::<String, String>("words").pipe("a", "x")?;
    /// assert_eq!(driver.produced("out")[0].partition, 2);
    /// assert!(driver.describe().to_string().contains("Sink: out-sink (topic: out)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// # use streams_core::processor::RecordContext;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{DynamicProduced, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let orders: KStream<'_, String, String> = builder.stream("orders");
    /// let by_day = |_: &_, _: &_, context: &RecordContext| {
    ///     format!("orders-{}", context.timestamp.millis() / 86_400_000).into()
    /// };
    /// orders.to_dynamic_with(by_day, DynamicProduced::new().with_name("by-day"));
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let noon = Timestamp::from_millis(43_200_000);
    /// driver.input::<String, String>("orders").pipe_at("fr", "cheese", noon)?;
    /// assert_eq!(driver.output::<String, String>("orders-0").read_values()?, ["cheese"]);
    /// assert!(driver.describe().to_string().contains("Sink: by-day (extractor class: "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
