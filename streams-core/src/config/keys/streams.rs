//! What each setting of the application means: Kafka 4.3.1's, its internal ones, and Millstream's
//! own.

use super::StreamsMeaning::{Client, Ignored, OldNameOf, Refused, SpellingOf, Value};
use super::{BOOL, Check, INT_MAX, LONG_MAX, int, one_of};

/// What becomes of a key of the application.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StreamsMeaning {
    /// Read by Millstream, with Kafka's default unless marked.
    Value(Check, Option<&'static str>),
    /// A deprecated name, used when the new one is not set.
    OldNameOf(&'static str),
    /// librdkafka's name of another key.
    SpellingOf(&'static str),
    /// Belongs to every client that knows it.
    Client,
    /// Without meaning here; listed in a warning.
    Ignored(&'static str),
    /// An error, with its remedy.
    Refused(&'static str),
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamsKey {
    pub(crate) name: &'static str,
    pub(crate) meaning: StreamsMeaning,
}

const fn key(name: &'static str, meaning: StreamsMeaning) -> StreamsKey {
    StreamsKey { name, meaning }
}

/// A value with a default.
const fn val(name: &'static str, check: Check, default: &'static str) -> StreamsKey {
    key(name, Value(check, Some(default)))
}

/// A value that may be absent.
const fn opt(name: &'static str, check: Check) -> StreamsKey {
    key(name, Value(check, None))
}

const fn class(words: &'static [(&'static str, &'static str)], remedy: &'static str) -> Check {
    Check::Class { words, remedy }
}

const COUNTS: &str = "metrics are counts since the start; nothing is sampled in windows";
/// Of client tags too.
pub(crate) const RACKS: &str =
    "tasks and standbys are assigned without regard to racks and tags; remove it";
const SERDE: &str = "types choose their serdes, or the line that reads or writes a topic does";

const EXTRACTOR: Check = class(
    &[
        ("FailOnInvalidTimestamp", "fail"),
        ("LogAndSkipOnInvalidTimestamp", "log_and_skip"),
        ("UsePartitionTimeOnInvalidTimestamp", "partition_time"),
        ("WallclockTimestampExtractor", "wall_clock"),
    ],
    "give the timestamp extractor to 'Consumed' in code",
);
const HANDLER: Check = class(
    &[
        ("LogAndFailExceptionHandler", "fail"),
        ("LogAndContinueExceptionHandler", "continue"),
        ("log_and_fail", "fail"),
        ("log_and_continue", "continue"),
    ],
    "write 'fail' or 'continue', or give a handler in code",
);
const PROCESSING_HANDLER: Check = class(
    &[
        ("LogAndFailProcessingExceptionHandler", "fail"),
        ("LogAndContinueProcessingExceptionHandler", "continue"),
        ("log_and_fail", "fail"),
        ("log_and_continue", "continue"),
    ],
    "write 'fail' or 'continue', or give a handler in code",
);
const PRODUCTION_HANDLER: Check = class(
    &[
        ("DefaultProductionExceptionHandler", "fail"),
        ("log_and_fail", "fail"),
        ("log_and_continue", "continue"),
        ("continue", "continue"),
    ],
    "write 'fail' or 'continue', or give a handler in code",
);
const STORE_SUPPLIERS: Check = class(
    &[("RocksDBDslStoreSuppliers", "rocksDB"), ("InMemoryDslStoreSuppliers", "in_memory")],
    "give suppliers of your own to 'StreamsBuilder::keep_stores_in' in code",
);
const UPGRADE_FROM: Check = one_of(&[
    "2.4", "2.5", "2.6", "2.7", "2.8", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7",
    "3.8", "3.9", "4.0", "4.1", "4.2",
]);

/// Kafka's keys sorted by name, its internal keys, librdkafka's, and Millstream's own.
#[rustfmt::skip]
pub(crate) const STREAMS_KEYS: &[StreamsKey] = &[
    val("acceptable.recovery.lag", int(0, LONG_MAX), "10000"),
    key("allow.os.group.write.access", Value(class(&[("false", "false")], "state is for its user alone, since it holds what the topics hold; remove it"), None)),
    opt("application.id", Check::Name),
    key("application.server", Ignored("no process tells others where it answers queries")),
    opt("bootstrap.servers", Check::HostPorts),
    val("buffered.records.per.partition", int(1, INT_MAX), "1000"),
    val("built.in.metrics.version", one_of(&["latest"]), "latest"),
    key("cache.max.bytes.buffering", OldNameOf("statestore.cache.max.bytes")),
    opt("client.id", Check::Name),
    opt("commit.interval.ms", int(0, LONG_MAX)),
    key("config.providers", Refused("values are not looked up by config providers; pass them by the environment")),
    key("connections.max.idle.ms", Client),
    key("default.client.supplier", Value(class(&[("DefaultKafkaClientSupplier", "default")], "clients are Millstream's own; remove it"), None)),
    key("default.deserialization.exception.handler", OldNameOf("deserialization.exception.handler")),
    val("default.dsl.store", one_of(&["rocksDB", "in_memory"]), "rocksDB"),
    key("default.key.serde", Ignored(SERDE)),
    key("default.list.key.serde.inner", Ignored(SERDE)),
    key("default.list.key.serde.type", Ignored(SERDE)),
    key("default.list.value.serde.inner", Ignored(SERDE)),
    key("default.list.value.serde.type", Ignored(SERDE)),
    key("default.production.exception.handler", OldNameOf("production.exception.handler")),
    val("default.timestamp.extractor", EXTRACTOR, "fail"),
    key("default.value.serde", Ignored(SERDE)),
    val("deserialization.exception.handler", HANDLER, "fail"),
    val("dsl.store.format", one_of(&["DEFAULT", "HEADERS"]), "DEFAULT"),
    opt("dsl.store.suppliers.class", STORE_SUPPLIERS),
    key("enable.metrics.push", Client),
    val("ensure.explicit.internal.resource.naming", BOOL, "false"),
    opt("errors.dead.letter.queue.topic.name", Check::Name),
    val("group.protocol", Check::GroupProtocol, "classic"),
    val("log.summary.interval.ms", int(i64::MIN, LONG_MAX), "120000"),
    val("max.task.idle.ms", int(-1, LONG_MAX), "0"),
    val("max.warmup.replicas", int(1, INT_MAX), "2"),
    key("metadata.max.age.ms", Client),
    key("metadata.recovery.rebootstrap.trigger.ms", Client),
    key("metadata.recovery.strategy", Client),
    key("metric.reporters", Ignored("metrics are not reported by JMX")),
    key("metrics.num.samples", Ignored(COUNTS)),
    key("metrics.recording.level", Ignored("there is one level of metrics, and it is always recorded")),
    key("metrics.sample.window.ms", Ignored(COUNTS)),
    val("num.standby.replicas", int(0, INT_MAX), "0"),
    val("num.stream.threads", int(1, INT_MAX), "1"),
    key("poll.ms", Ignored("a worker is woken as soon as there is something to do")),
    val("probing.rebalance.interval.ms", int(60_000, LONG_MAX), "600000"),
    val("processing.exception.handler", PROCESSING_HANDLER, "fail"),
    val("processing.exception.handler.global.enabled", BOOL, "false"),
    val("processing.guarantee", one_of(&["at_least_once", "exactly_once_v2"]), "at_least_once"),
    key("processor.wrapper.class", Value(class(&[("NoOpProcessorWrapper", "none")], "give the wrapper to the topology in code, by 'Topology::wrapped_by', and remove it"), None)),
    val("production.exception.handler", PRODUCTION_HANDLER, "fail"),
    key("rack.aware.assignment.non_overlap_cost", Refused(RACKS)),
    key("rack.aware.assignment.strategy", Value(class(&[("none", "none")], RACKS), None)),
    key("rack.aware.assignment.tags", Refused(RACKS)),
    key("rack.aware.assignment.traffic_cost", Refused(RACKS)),
    key("receive.buffer.bytes", Client),
    key("reconnect.backoff.max.ms", Client),
    key("reconnect.backoff.ms", Client),
    val("repartition.purge.interval.ms", int(0, LONG_MAX), "30000"),
    val("replication.factor", Check::ReplicationFactor, "-1"),
    key("request.timeout.ms", Client),
    key("retry.backoff.ms", Client),
    key("rocksdb.config.setter", Refused("a Java class cannot set RocksDB up here; bound its memory by 'state.memory.budget.bytes' and remove it")),
    key("security.protocol", Client),
    key("send.buffer.bytes", Client),
    val("state.cleanup.delay.ms", int(0, LONG_MAX), "600000"),
    val("state.cleanup.dir.max.age.ms", int(-1, LONG_MAX), "-1"),
    opt("state.dir", Check::Path),
    val("statestore.cache.max.bytes", int(0, LONG_MAX), "10485760"),
    key("task.assignor.class", Ignored("tasks are assigned by Millstream's own assignor")),
    val("task.timeout.ms", int(0, LONG_MAX), "300000"),
    val("topology.optimization", Check::Optimizations, "none"),
    opt("upgrade.from", UPGRADE_FROM),
    key("window.size.ms", Refused("it is for plain consumers; give the window to the serde in code and remove it")),
    key("windowed.inner.class.serde", Refused("it is for plain consumers; give the serde in code and remove it")),
    val("windowstore.changelog.additional.retention.ms", int(0, LONG_MAX), "86400000"),

    val("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", int(0, LONG_MAX), "1000"),
    val("__emit.interval.ms.kstreams.windowed.aggregation__", int(0, LONG_MAX), "1000"),
    opt("__internal.override.topic.prefix__", Check::Name),
    key("__assignment.listener__", Ignored("it is internal to Java's tests")),
    key("__enable.process.processValue.fix__", Refused("it changes the numbering of nodes as no application here needs; remove it")),
    key("__internal.consumer.wrapper__", Ignored("it is internal to Java's tests")),
    key("__iq.consistency.offset.vector.enabled__", Refused("positions are not sent in the headers of changelog records; remove it")),
    key("__processing.threads.enabled__", Ignored("threads are Millstream's own")),
    key("__reference.container.instance__", Ignored("it is internal to Java's threads")),
    key("internal.task.assignor.class", Ignored("tasks are assigned by Millstream's own assignor")),

    key("metadata.broker.list", SpellingOf("bootstrap.servers")),

    val("prefetch.max.bytes", int(65_536, 2_199_022_206_976), "16777216"),
    opt("state.memory.budget.bytes", int(16_777_216, LONG_MAX)),
];
