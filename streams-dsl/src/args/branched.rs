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
    pub fn named(suffix: impl Into<NodeName>) -> Self {
        Self { suffix: Some(suffix.into()) }
    }
}
