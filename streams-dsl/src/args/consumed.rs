//! How a source reads.

use streams_core::names::NodeName;
use streams_core::processor::{Nulls, Source, TimestampExtractor};
use streams_core::serde::SharedSerde;
use streams_core::topology::OffsetReset;

use super::Named;

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
    ///
    /// ```
    /// # use streams_dsl::{Consumed, KStream, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> = builder.stream_with("words", Consumed::new());
    /// words.to("out");
    ///
    /// let topology = builder.build()?;
    /// assert_eq!(topology.offset_reset(&"words".into()), None);
    /// assert!(topology.describe().to_string().contains("Source: KSTREAM-SOURCE-0000000000 "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        let timestamps = TimestampExtractor::Configured;
        Self { name: None, reset: None, timestamps, nulls: Nulls::Fail }
    }

    /// The source's node has this name; that of a table or global table is called `<name>-source`,
    /// and the name is its processor's.
    ///
    /// ```
    /// # use streams_dsl::{Consumed, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let consumed = Consumed::named("cities");
    /// let stored = Materialized::<String, String>::new();
    /// let _ = builder.table_with("city-of-person", consumed, stored);
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Source: cities-source (topics: [city-of-person])"));
    /// assert!(text.contains("Processor: cities "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn named(name: impl Into<NodeName>) -> Self {
        Self::new().with_name(name)
    }

    /// As [`named`](Self::named).
    ///
    /// ```
    /// # use streams_dsl::{Consumed, KStream, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let consumed = Consumed::new().skip_nulls().with_name("read-words");
    /// let _: KStream<'_, String, String> = builder.stream_with("words", consumed);
    ///
    /// let text = builder.build()?.describe().to_string();
    /// assert!(text.contains("Source: read-words (topics: [words])"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_name(self, name: impl Into<Named>) -> Self {
        Self { name: name.into().0, ..self }
    }

    /// Where the time of a record comes from; by default as `default.timestamp.extractor` says,
    /// which is its timestamp in Kafka.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use streams_core::metrics::DropReason;
    /// # use streams_core::processor::{Extraction, TimestampExtractor};
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{Consumed, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let of_value = |record: &Extraction<'_, String, i64>| Timestamp::from_millis(*record.value);
    /// let of_value = TimestampExtractor::By(Arc::new(of_value));
    /// let consumed = Consumed::new().with_timestamp_extractor(of_value);
    /// builder.stream_with("times", consumed).to("out");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut times = driver.input::<String, i64>("times");
    /// times.pipe_at("a", 70, Timestamp::from_millis(1))?;
    /// times.pipe_at("a", -1, Timestamp::from_millis(2))?;
    /// let out = driver.output::<String, i64>("out").read_records()?;
    /// assert_eq!((out.len(), out[0].timestamp.millis()), (1, 70));
    /// assert_eq!(driver.dropped().of(DropReason::InvalidTimestamp), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_timestamp_extractor(self, timestamps: TimestampExtractor<K, V>) -> Self {
        Self { timestamps, ..self }
    }

    /// Where to begin without a committed offset; by default as `auto.offset.reset` says. Without
    /// effect on a global table, which is read from its beginning. Kafka's `withOffsetResetPolicy`.
    ///
    /// ```
    /// # use streams_core::topology::OffsetReset;
    /// # use streams_dsl::{Consumed, KStream, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let consumed = Consumed::new().with_offset_reset(OffsetReset::Latest);
    /// let _: KStream<'_, String, String> = builder.stream_with("words", consumed);
    ///
    /// let topology = builder.build()?;
    /// assert_eq!(topology.offset_reset(&"words".into()), Some(OffsetReset::Latest));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_offset_reset(self, reset: OffsetReset) -> Self {
        Self { reset: Some(reset), ..self }
    }

    /// A null that the types do not have leaves its record out, counted as dropped, where it would
    /// be a deserialization error.
    ///
    /// ```
    /// # use streams_core::metrics::DropReason;
    /// # use streams_dsl::{Consumed, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let words: KStream<'_, String, String> =
    ///     builder.stream_with("words", Consumed::new().skip_nulls());
    /// words.to("out");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut words = driver.input::<String, String>("words");
    /// words.pipe_tombstone("a")?;
    /// words.pipe("a", "x")?;
    /// assert_eq!(driver.output::<String, String>("out").read_values()?, ["x"]);
    /// assert_eq!(driver.dropped().of(DropReason::UnexpectedNull), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
