//! The name of a node.

use streams_core::names::NodeName;

/// Gives an operator's node a name, which `describe()` prints. Without one, and by default, it gets
/// Kafka's generated name. Names keep what is written in Kafka in place when operators are put in
/// before.
///
/// ```
/// # use streams_dsl::{KStream, Named, StreamsBuilder};
/// # let builder = StreamsBuilder::new();
/// # let words: KStream<'_, String, String> = builder.stream("words");
/// let name: Option<&str> = None;
/// words.peek_with(|_, _| (), name.map(Named::new).unwrap_or_default()).to("out");
///
/// let text = builder.build()?.describe().to_string();
/// assert!(text.contains("Processor: KSTREAM-PEEK-0000000001 (stores: [])"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named(pub(crate) Option<NodeName>);

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
        Self(Some(name.into()))
    }
}

impl<N: Into<NodeName>> From<N> for Named {
    fn from(name: N) -> Self {
        Self::new(name)
    }
}
