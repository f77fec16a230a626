//! Streams that are divided by predicates.

use std::any::TypeId;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::names::NodeName;

use crate::args::Branched;
use crate::operators::branch::{self, Case, Predicate};
use crate::operators::pass_through;
use crate::plan::{LogicalNode, NodeKind, PlanId, Processing};
use crate::stream::KStream;

/// A stream being divided. Each record goes to the first branch whose predicate holds, and to one
/// branch at most. Answers to Kafka's `BranchedKStream`.
///
/// ```
/// # use streams_dsl::{KStream, StreamsBuilder};
/// # use streams_test::TopologyTestDriver;
/// let builder = StreamsBuilder::new();
/// let numbers: KStream<'_, String, i64> = builder.stream("numbers");
/// let branches = numbers.split().branch(|_, n| *n < 0).branch(|_, n| *n == 0).default_branch();
/// let [negative, _zero, positive] = branches.into_array().expect("three branches");
/// negative.to("negative");
/// positive.to("positive");
///
/// let driver = TopologyTestDriver::new(&builder.build()?)?;
/// driver.input::<String, i64>("numbers").pipe("a", 7_i64)?;
/// assert_eq!(driver.output::<String, i64>("positive").read_value()?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "end a split with `default_branch` or `no_default_branch`"]
pub struct BranchedKStream<'b, K, V> {
    source: KStream<'b, K, V>,
    splitter: PlanId,
    name: NodeName,
    cases: Vec<Case<K, V>>,
    branches: Branches<'b, K, V>,
}

impl<K, V> std::fmt::Debug for BranchedKStream<'_, K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BranchedKStream({})", self.name)
    }
}

impl<'b, K: Clone + 'static, V: Clone + 'static> BranchedKStream<'b, K, V> {
    pub(crate) fn new(source: KStream<'b, K, V>, name: Option<NodeName>) -> Self {
        let partitioning = source.partitioning();
        let mut plan = source.builder.plan();
        let name = plan.names.node_or(name, branch::PREFIX);
        let template = branch::template::<K, V>(Vec::new());
        let kind = NodeKind::Processor(Processing { template, stores: Vec::new() });
        let node = LogicalNode::new(name.clone(), kind, TypeId::of::<(K, V)>());
        let splitter = plan.add(source.node, node.partitioning(partitioning));
        drop(plan);
        let branches = Branches { streams: Vec::new(), default: None };
        Self { source, splitter, name, cases: Vec::new(), branches }
    }

    /// A branch for the records that no branch before took and for which the predicate holds. They
    /// keep key, value, time and headers; the predicate sees nulls where the types have them. Its
    /// node is called as the split with the branch's number behind, from 1. Makes no topic and no
    /// store.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split().branch(|_, n| *n > 9).branch(|_, n| *n > 4);
    /// let branches = branches.no_default_branch();
    /// branches.at(0).expect("two branches").to("large");
    /// branches.at(1).expect("two branches").to("medium");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 12), ("b", 7), ("c", 1)])?;
    /// assert_eq!(driver.output::<String, i64>("large").read_values()?, [12]);
    /// assert_eq!(driver.output::<String, i64>("medium").read_values()?, [7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn branch(self, predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.branch_with(predicate, Branched::default())
    }

    /// As [`branch`](Self::branch), with a name, or with what goes on in place.
    ///
    /// ```
    /// # use streams_dsl::{Branched, KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split_with(Named::new("sizes"));
    /// let branches = branches.branch_with(|_, n| *n > 9, Branched::named("-large"));
    /// branches.no_default_branch().get("sizes-large").expect("a branch").to("large");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 12), ("b", 7)])?;
    /// assert_eq!(driver.output::<String, i64>("large").read_values()?, [12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn branch_with(
        self,
        predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
        branched: Branched<'b, K, V>,
    ) -> Self {
        let predicate = move |key: &K, value: &V| Ok::<_, ProcessorError>(predicate(key, value));
        self.try_branch(predicate, branched)
    }

    /// As [`branch_with`](Self::branch_with), by a predicate that may fail; the processing handler
    /// says whether to go on, and then no branch has the record.
    ///
    /// ```
    /// # use streams_dsl::{Branched, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let texts: KStream<'_, String, String> = builder.stream("texts");
    /// let is_large = |_: &String, text: &String| text.parse::<i64>().map(|number| number > 9);
    /// let branches = texts.split().try_branch(is_large, Branched::named("-large"));
    /// branches.default_branch().default_branch().expect("it is the last").to("small");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut texts = driver.input::<String, String>("texts");
    /// texts.pipe_all([("a", "12"), ("b", "7")])?;
    /// assert_eq!(driver.output::<String, String>("small").read_values()?, ["7"]);
    /// let error = texts.pipe("c", "many").expect_err("no number");
    /// assert!(error.to_string().contains("KSTREAM-BRANCH-0000000001"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_branch<E: Into<ProcessorError>>(
        mut self,
        predicate: impl Fn(&K, &V) -> Result<bool, E> + Send + Sync + 'static,
        branched: Branched<'b, K, V>,
    ) -> Self {
        let predicate = move |key: &K, value: &V| predicate(key, value).map_err(Into::into);
        let number = self.cases.len() + 1;
        self.add(number, Some(Arc::new(predicate)), branched);
        self
    }

    /// A branch for the records that no other took, nulls too, and the end of the split. They keep
    /// key, value, time and headers. Its node is called as the split with 0 behind. Makes no topic
    /// and no store.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split().branch(|_, n| *n > 9).default_branch();
    /// branches.default_branch().expect("it is the last").to("small");
    /// assert!(branches.get("KSTREAM-BRANCH-00000000010").is_some());
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 12), ("b", 7)])?;
    /// assert_eq!(driver.output::<String, i64>("small").read_values()?, [7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn default_branch(self) -> Branches<'b, K, V> {
        self.default_branch_with(Branched::default())
    }

    /// As [`default_branch`](Self::default_branch), with a name, or with what goes on in place.
    ///
    /// ```
    /// # use streams_dsl::{Branched, KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split_with(Named::new("sizes")).branch(|_, n| *n > 9);
    /// let branches = branches.default_branch_with(Branched::named("-small"));
    /// branches.get("sizes-small").expect("the default branch").to("small");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 12), ("b", 7)])?;
    /// assert_eq!(driver.output::<String, i64>("small").read_values()?, [7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn default_branch_with(mut self, branched: Branched<'b, K, V>) -> Branches<'b, K, V> {
        let before = self.branches.streams.len();
        self.add(0, None, branched);
        self.branches.default = Some(before).filter(|at| self.branches.at(*at).is_some());
        self.branches
    }

    /// The end of the split; records that no branch takes are left out.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split().branch(|_, n| *n > 9).no_default_branch();
    /// assert!(branches.default_branch().is_none());
    /// branches.at(0).expect("one branch").to("large");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 12), ("b", 7)])?;
    /// assert_eq!(driver.output::<String, i64>("large").read_values()?, [12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn no_default_branch(self) -> Branches<'b, K, V> {
        self.branches
    }

    fn add(
        &mut self,
        number: usize,
        holds: Option<Arc<Predicate<K, V>>>,
        branched: Branched<'b, K, V>,
    ) {
        let name = &self.name;
        let child: NodeName = match branched.suffix {
            Some(suffix) => format!("{name}{suffix}").into(),
            None => format!("{name}{number}").into(),
        };
        self.cases.push(Case { child: child.clone(), holds });
        let mut plan = self.source.builder.plan();
        // Kafka takes an index for each branch, though its name has none.
        plan.names.node("");
        let template = branch::template(self.cases.clone());
        plan.node_mut(self.splitter).kind =
            NodeKind::Processor(Processing { template, stores: Vec::new() });
        let template = pass_through::template::<K, V>();
        let kind = NodeKind::Processor(Processing { template, stores: Vec::new() });
        let partitioning = plan.node(self.splitter).partitioning;
        let node = LogicalNode::new(child.clone(), kind, TypeId::of::<(K, V)>());
        let node = plan.add(self.splitter, node.partitioning(partitioning));
        drop(plan);
        let branch = KStream::new(self.source.builder, node);
        let stream = branched.chain.map_or(Some(branch), |chain| chain(branch));
        self.branches.streams.extend(stream.map(|stream| (child, stream)));
    }
}

/// The branches of a split.
#[must_use = "the records of a branch that nobody uses are left out"]
pub struct Branches<'b, K, V> {
    streams: Vec<(NodeName, KStream<'b, K, V>)>,
    default: Option<usize>,
}

impl<K, V> std::fmt::Debug for Branches<'_, K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.streams.iter().map(|(name, _)| name)).finish()
    }
}

impl<'b, K, V> Branches<'b, K, V> {
    /// The branch of this node name: that of the split, with the branch's name or number behind.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split_with(Named::new("sizes-"));
    /// let branches = branches.branch(|_, n| *n > 9).default_branch();
    /// assert!(branches.get("sizes-1").is_some() && branches.get("sizes-0").is_some());
    /// assert!(branches.get("sizes-2").is_none());
    /// ```
    #[must_use]
    pub fn get(&self, name: &str) -> Option<KStream<'b, K, V>> {
        self.iter().find(|(branch, _)| *branch == name).map(|(_, stream)| stream)
    }

    /// The branch at this place, from 0, in the order of the program, without those that
    /// [`Branched::with_consumer`] used up.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split().branch(|_, n| *n > 9).default_branch();
    /// assert!(branches.at(1).is_some());
    /// assert!(branches.at(2).is_none());
    /// ```
    #[must_use]
    pub fn at(&self, index: usize) -> Option<KStream<'b, K, V>> {
        self.streams.get(index).map(|(_, stream)| *stream)
    }

    /// The default branch, where one comes out of the split.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split().branch(|_, n| *n > 9);
    /// assert!(branches.default_branch().default_branch().is_some());
    /// ```
    #[must_use]
    pub fn default_branch(&self) -> Option<KStream<'b, K, V>> {
        self.at(self.default?)
    }

    /// Names and branches, in the order of the program.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split_with(Named::new("sizes-"));
    /// let branches = branches.branch(|_, n| *n > 9).default_branch();
    /// for (name, branch) in branches.iter() {
    ///     branch.to(name);
    /// }
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 12), ("b", 7)])?;
    /// assert_eq!(driver.output::<String, i64>("sizes-1").read_values()?, [12]);
    /// assert_eq!(driver.output::<String, i64>("sizes-0").read_values()?, [7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, KStream<'b, K, V>)> {
        self.streams.iter().map(|(name, stream)| (name.as_str(), *stream))
    }

    /// All branches in the order of the program, the default branch last.
    ///
    /// ```
    /// # use streams_dsl::{KStream, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split().branch(|_, n| *n > 9).default_branch();
    /// let branches = branches.into_array::<3>().expect_err("there are two");
    /// let [large, small] = branches.into_array().expect("two branches");
    /// assert_ne!(format!("{large:?}"), format!("{small:?}"));
    /// ```
    ///
    /// # Errors
    /// Gives the branches back when there are not `N`.
    pub fn into_array<const N: usize>(self) -> Result<[KStream<'b, K, V>; N], Self> {
        let streams: Vec<_> = self.streams.iter().map(|(_, stream)| *stream).collect();
        streams.try_into().map_err(|_| self)
    }
}
