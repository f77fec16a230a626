//! How a source reads.

use streams_core::names::NodeName;
use streams_core::processor::{Nulls, Source, TimestampExtractor};
use streams_core::serde::SharedSerde;
use streams_core::topology::OffsetReset;

/// How a source reads its topics. Answers to Kafka's `Consumed`; the serdes belong to the topic.
pub struct Consumed<K, V> {
    pub(crate) name: Option<NodeName>,
    pub(crate) reset: Option<OffsetReset>,
    timestamps: TimestampExtractor<K, V>,
    pub(crate) nulls: Nulls,
}

impl<K, V> Consumed<K, V> {
    /// A generated name, the configuration's `default.timestamp.extractor` and
    /// `auto.offset.reset`; a null that the types do not have is a deserialization error.
    #[must_use]
    pub const fn new() -> Self {
        let timestamps = TimestampExtractor::Configured;
        Self { name: None, reset: None, timestamps, nulls: Nulls::Fail }
    }

    /// The source's node has this name.
    pub fn named(name: impl Into<NodeName>) -> Self {
        Self::new().with_name(name)
    }

    /// The source's node has this name.
    #[must_use]
    pub fn with_name(self, name: impl Into<NodeName>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Where the time of a record comes from; by default as `default.timestamp.extractor` says,
    /// which is its timestamp in Kafka.
    #[must_use]
    pub fn with_timestamp_extractor(self, timestamps: TimestampExtractor<K, V>) -> Self {
        Self { timestamps, ..self }
    }

    /// Where to begin without a committed offset; by default as `auto.offset.reset` says.
    #[must_use]
    pub fn with_offset_reset(self, reset: OffsetReset) -> Self {
        Self { reset: Some(reset), ..self }
    }

    /// A null that the types do not have leaves its record out, counted as dropped.
    #[must_use]
    pub fn skip_nulls(self) -> Self {
        Self { nulls: Nulls::Skip, ..self }
    }

    pub(crate) fn source(self, key: SharedSerde<K>, value: SharedSerde<V>) -> Source<K, V> {
        Source { key, value, timestamps: self.timestamps, nulls: self.nulls }
    }
}

impl<K, V> Default for Consumed<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Clone for Consumed<K, V> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            reset: self.reset,
            timestamps: self.timestamps.clone(),
            nulls: self.nulls,
        }
    }
}

impl<K, V> std::fmt::Debug for Consumed<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumed")
            .field("name", &self.name)
            .field("reset", &self.reset)
            .field("timestamps", &self.timestamps)
            .field("nulls", &self.nulls)
            .finish()
    }
}
