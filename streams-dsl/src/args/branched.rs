//! The name of a branch, and what goes on with it in place.

use std::fmt;

use streams_core::names::NodeName;

use crate::stream::KStream;

/// Names a branch of a split: its node is called as the split with this behind. Without one, its
/// number is behind, from 1; the default branch has 0. Also says what goes on with the branch in
/// place, rather than with the stream that comes out of the split. Answers to Kafka's `Branched`.
pub struct Branched<'b, K, V> {
    pub(crate) suffix: Option<NodeName>,
    pub(crate) chain: Option<Chain<'b, K, V>>,
}

/// What becomes of a branch: the stream that comes out of the split in its place, or none.
pub(crate) type Chain<'b, K, V> =
    Box<dyn FnOnce(KStream<'b, K, V>) -> Option<KStream<'b, K, V>> + 'b>;

impl<K, V> Default for Branched<'_, K, V> {
    fn default() -> Self {
        Self { suffix: None, chain: None }
    }
}

impl<K, V> fmt::Debug for Branched<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Branched").field("suffix", &self.suffix).finish_non_exhaustive()
    }
}

impl<'b, K, V> Branched<'b, K, V> {
    /// A branch of this name. Kafka's `Branched.as`.
    ///
    /// ```
    /// # use streams_dsl::{Branched, KStream, Named, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let branches = numbers.split_with(Named::new("sizes"));
    /// let branches = branches.branch_with(|_, n| *n > 9, Branched::named("-large"));
    /// let branches = branches.default_branch_with(Branched::named("-small"));
    /// let names: Vec<&str> = branches.iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["sizes-large", "sizes-small"]);
    /// ```
    pub fn named(suffix: impl Into<NodeName>) -> Self {
        Self { suffix: Some(suffix.into()), chain: None }
    }

    /// What the function makes of the branch comes out of the split in its place, under its name.
    /// It is called once, when the branch is made: nodes that it adds are numbered as in Kafka.
    /// Kafka's `Branched.withFunction`.
    ///
    /// ```
    /// # use streams_dsl::{Branched, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let halved = Branched::named("-large").with_function(|large| large.map_values(|n| n / 2));
    /// let branches = numbers.split().branch_with(|_, n| *n > 9, halved).no_default_branch();
    /// branches.at(0).expect("one branch").to("halves");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 12), ("b", 7)])?;
    /// assert_eq!(driver.output::<String, i64>("halves").read_values()?, [6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_function(
        self,
        function: impl FnOnce(KStream<'b, K, V>) -> KStream<'b, K, V> + 'b,
    ) -> Self {
        self.chained(|branch| Some(function(branch)))
    }

    /// The branch is used up by the consumer, and does not come out of the split. It is called once,
    /// when the branch is made: nodes that it adds are numbered as in Kafka. Kafka's
    /// `Branched.withConsumer`.
    ///
    /// ```
    /// # use streams_dsl::{Branched, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let numbers: KStream<'_, String, i64> = builder.stream("numbers");
    /// let written = Branched::default().with_consumer(|large: KStream<'_, _, _>| large.to("large"));
    /// let branches = numbers.split().branch_with(|_, n| *n > 9, written).default_branch();
    /// let [small] = branches.into_array().expect("the default branch alone");
    /// small.to("small");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 12), ("b", 7)])?;
    /// assert_eq!(driver.output::<String, i64>("large").read_values()?, [12]);
    /// assert_eq!(driver.output::<String, i64>("small").read_values()?, [7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_consumer(self, consumer: impl FnOnce(KStream<'b, K, V>) + 'b) -> Self {
        self.chained(|branch| {
            consumer(branch);
            None
        })
    }

    fn chained(
        self,
        chain: impl FnOnce(KStream<'b, K, V>) -> Option<KStream<'b, K, V>> + 'b,
    ) -> Self {
        Self { chain: Some(Box::new(chain)), ..self }
    }
}
