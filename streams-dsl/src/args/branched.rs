//! The name of a branch.

use streams_core::names::NodeName;

/// Names a branch of a split: its node is called as the split with this behind. Without one, its
/// number is behind, from 1; the default branch has 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Branched {
    pub(crate) suffix: Option<NodeName>,
}

impl Branched {
    /// A branch of this name.
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
        Self { suffix: Some(suffix.into()) }
    }
}
