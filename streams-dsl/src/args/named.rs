//! The name of a node.

use streams_core::names::NodeName;

/// Gives an operator's node a name, which `describe()` prints. Without one it gets Kafka's
/// generated name. Names keep what is written in Kafka in place when operators are put in before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named(pub(crate) NodeName);

impl Named {
    /// This name: letters, digits, `.`, `_` and `-`, at most 249. Another is a fault of the
    /// topology.
    ///
    /// ```
    /// # use streams_dsl::{KStream, Named, StreamsBuilder};
    /// let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream("words");
    /// words.peek_with(|_, _| (), Named::new("show me")).to("out");
    ///
    /// let faults = builder.build().expect_err("a blank is no letter");
    /// assert!(faults.to_string().contains("\"show me\" holds other characters"));
    /// ```
    pub fn new(name: impl Into<NodeName>) -> Self {
        Self(name.into())
    }
}
