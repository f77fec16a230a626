//! Stream processing on Apache Kafka: the semantics of Kafka Streams, in Rust.
//!
//! A [`StreamsBuilder`] describes what happens to records; the [`Topology`] that it builds runs on
//! a cluster by [`KafkaStreams`], or in a test by the driver of `streams-test`. State lives in
//! RocksDB, is written to changelog topics and rebuilt from them.
//!
//! ```
//! use millstream::{StreamsBuilder, TimestampedKeyValueStore, Materialized};
//!
//! let builder = StreamsBuilder::new();
//! builder
//!     .stream::<Option<String>, String>("lines")
//!     .flat_map_values(|line| line.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>())
//!     .group_by(|_, word| word.clone())
//!     .count_with(Materialized::named("counts"))
//!     .to_stream()
//!     .to("counts");
//! let topology = builder.build()?;
//!
//! let driver = streams_test::TopologyTestDriver::new(&topology)?;
//! driver.input::<Option<String>, String>("lines").pipe_value("to be or not to be")?;
//! let counts = driver.store::<TimestampedKeyValueStore<String, i64>>("counts")?;
//! assert_eq!(counts.get(&"be".to_owned())?.map(|count| count.value), Some(2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub use streams_core::config::{self, ConfigErrors, StreamsConfig};
pub use streams_core::error::{self, ProcessorError, ProduceError, StoreError, TaskError};
pub use streams_core::handler::{self, ErrorHandler, Handlers, LogAndFail, LogAndSkip, Verdict};
pub use streams_core::membership::{GroupFault, SaslFault, TlsFault};
pub use streams_core::metrics::{BufferCounts, BufferMetrics, DropCounts, DropReason};
pub use streams_core::names::{
    ApplicationId, NameError, NodeName, StoreName, SubtopologyId, TaskId, TopicName, TopicPartition,
};
pub use streams_core::processor::{
    self, AroundProcessor, ConnectedStores, Context, Extraction, FixedKeyContext,
    FixedKeyProcessor, InitContext, LinkError, Nulls, Partitions, Processor, ProcessorWrapper,
    Punctuation, PunctuationId, PunctuationType, RecordContext, RecordHead, Sink, SinkDestination,
    Source, TimestampExtractor,
};
pub use streams_core::record::{FixedKeyRecord, Header, Headers, Record, RecordMeta};
pub use streams_core::serde::{self, DefaultSerde, Json, Serde, SerdeError, SharedSerde};
pub use streams_core::store::StoreSpec;
pub use streams_core::task::TaskStartError;
pub use streams_core::time::Timestamp;
pub use streams_core::topology::{
    DescribedKind, DescribedNode, DescribedSubtopology, GeneratedNames, NodeHandle, NodeId,
    OffsetReset, PatternConflict, PatternError, RepartitionCount, SubtopologyRole, Topic,
    TopicPattern, Topology, TopologyBuilder, TopologyDescription, TopologyError, TopologyErrors,
};
pub use streams_core::worker::{CommitFailure, Place, RestorePhase, RestoreProgress, WorkerError};
pub use streams_dsl::{
    Branched, BranchedKStream, Branches, BufferConfig, ClosingWindows, CogroupedKStream, Consumed,
    Derived, DynamicProduced, EagerBufferConfig, EmitEarly, EmitStrategy, FixedWindows,
    GlobalKTable, Grouped, JoinWindows, Joined, KGroupedStream, KGroupedTable, KStream, KTable,
    Materialized, Named, OrNull, Printed, ProcessorStores, Produced, Repartitioned, SessionWindows,
    ShutDown, SlidingWindows, StreamJoined, StreamsBuilder, StrictBufferConfig, Suppressed,
    TableJoined, TimeWindows, Topics, UnlimitedWindows, WhenFull, Window, Windowed,
    WindowedCogroupedKStream, WindowedKStream, Windowing, foreign_key,
};
pub use streams_kafka::{
    HeldUp, KafkaStreams, KafkaStreamsBuilder, Metrics, NamedMetric, OauthToken, ShutDownOnError,
    State, StreamThreadError, StreamsError, TlsSetupError, TokenProvider, TopicsError,
    UncaughtErrorHandler, UncaughtErrorResponse, WaitError, WorkerMetrics,
};
pub use streams_state::{
    BytesStore, BytesStoreError, BytesStoreSupplier, ChangedRow, EachRow, Entries, KeyValueStore,
    PutVersion, ScanOrder, SessionStore, SessionStoreWithHeaders, StoreBuilder, StorePlace, Stores,
    Timestamped, TimestampedEntries, TimestampedKeyValueStore, TimestampedKeyValueStoreWithHeaders,
    TimestampedWindowStore, TimestampedWindowStoreWithHeaders, VersionedKeyValueStore,
    WindowEntries, WindowStore, WindowedEntries, WithHeaders,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/from-java.md")]
struct FromJava;
