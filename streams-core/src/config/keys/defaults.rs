//! Defaults that differ from librdkafka's own, and those of client settings that Millstream reads
//! itself.

/// Kafka's defaults, as Kafka Streams overrides them; the memory of producers is bounded for the
/// process.
const OURS: &[(&str, &str)] = &[
    ("auto.offset.reset", "earliest"),
    ("buffer.memory", "33554432"),
    ("default.api.timeout.ms", "60000"),
    ("heartbeat.interval.ms", "3000"),
    ("max.block.ms", "60000"),
    ("max.poll.interval.ms", "300000"),
    ("max.poll.records", "1000"),
    ("session.timeout.ms", "45000"),
    ("transaction.timeout.ms", "10000"),
];

/// The default of a client setting that Millstream reads itself.
pub(crate) fn of_ours(name: &str) -> Option<&'static str> {
    OURS.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
}

/// Of every consumer: Millstream positions it, so that librdkafka never chooses an offset or
/// commits one. Under exactly-once `isolation.level` is read_committed; librdkafka's own default is
/// that always.
pub(crate) const CONSUMER: &[(&str, &str)] = &[
    ("allow.auto.create.topics", "false"),
    ("auto.offset.reset", "error"),
    ("check.crcs", "true"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("isolation.level", "read_uncommitted"),
    RECONNECT,
];

/// Of admin clients.
pub(crate) const ADMIN: &[(&str, &str)] = &[RECONNECT];

/// As in Java, so that a broker that is back is found within a second.
const RECONNECT: (&str, &str) = ("reconnect.backoff.max.ms", "1000");

/// Of producers, as Kafka Streams has them; librdkafka's own differ in each.
pub(crate) const PRODUCER: &[(&str, &str)] = &[
    ("acks", "-1"),
    // As in Kafka a full batch goes at once and only a part of one waits for linger.ms; with the 1
    // MB of librdkafka nearly all would wait. Each request wakes a thread: small batches are dear.
    // DIFFERENCE(batch-size): 16 KiB in Kafka.
    ("batch.size", "131072"),
    ("enable.idempotence", "true"),
    ("linger.ms", "100"),
    ("max.in.flight.requests.per.connection", "5"),
    ("message.max.bytes", "1048576"),
    ("message.timeout.ms", "120000"),
    ("partitioner", "murmur2_random"),
    RECONNECT,
];
