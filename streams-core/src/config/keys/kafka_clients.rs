//! What each setting of Kafka 4.3.1's consumer, producer and admin client means here.

use super::Treatment::{Becomes, CodecLevel, Fixed, Ignored, Ours, Pass, Refused};
use super::{
    A, ACKS, ALL, BOOL, C, CA, CP, ClientKey, INT_MAX, LONG_MAX, NAME, OFFSET_RESET, P, PA, TEXT,
    Unit, int, one_of, row,
};

/// Sorted by name; security is in its own table.
pub(crate) const KAFKA_CLIENT_KEYS: &[ClientKey] = &[
    row("acks", P, Pass(ACKS)),
    row(
        "allow.auto.create.topics",
        C,
        Fixed {
            value: "false",
            reason: "an absent source topic is an error, not a reason to create it; remove it",
        },
    ),
    row("auto.commit.interval.ms", C, Ignored("offsets are committed every 'commit.interval.ms'")),
    row("auto.offset.reset", C, Ours(OFFSET_RESET)),
    row("batch.size", P, Pass(int(1, 2_147_483_647))),
    row(
        "bootstrap.controllers",
        A,
        Refused("brokers are asked, not controllers; set 'bootstrap.servers' without a prefix"),
    ),
    row(
        "bootstrap.servers",
        ALL,
        Refused(
            "an application reads and writes one cluster; set 'bootstrap.servers' without a prefix",
        ),
    ),
    row("buffer.memory", P, Ours(int(65_536, 2_199_023_254_528))),
    row("check.crcs", C, Pass(BOOL)),
    row(
        "client.dns.lookup",
        ALL,
        Pass(one_of(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"])),
    ),
    row(
        "client.id",
        ALL,
        Refused("the ids of clients are derived from 'client.id' without a prefix; set that"),
    ),
    row("client.rack", C, Pass(TEXT)),
    row("compression.gzip.level", P, CodecLevel { codec: "gzip", check: int(-1, 9) }),
    row("compression.lz4.level", P, CodecLevel { codec: "lz4", check: int(1, 12) }),
    row("compression.type", P, Pass(one_of(&["none", "gzip", "snappy", "lz4", "zstd"]))),
    row("compression.zstd.level", P, CodecLevel { codec: "zstd", check: int(-1, 12) }),
    row(
        "config.providers",
        ALL,
        Refused("values are not looked up by config providers; pass them by the environment"),
    ),
    row(
        "connections.max.idle.ms",
        ALL,
        Becomes {
            to: "connections.max.idle.ms",
            unit: Unit::MinusOneIsZero,
            check: int(-1, 2_147_483_647),
        },
    ),
    row("default.api.timeout.ms", CA, Ours(int(1, 3_600_000))),
    row(
        "delivery.timeout.ms",
        P,
        Becomes { to: "message.timeout.ms", unit: Unit::Same, check: int(0, 2_147_483_647) },
    ),
    row(
        "enable.auto.commit",
        C,
        Fixed {
            value: "false",
            reason: "offsets are committed together with the state; remove it",
        },
    ),
    row("enable.idempotence", P, Pass(BOOL)),
    row("enable.metrics.push", ALL, Pass(BOOL)),
    row(
        "exclude.internal.topics",
        C,
        Fixed {
            value: "true",
            reason: "a pattern never matches Kafka's internal topics; name them one by one",
        },
    ),
    row("fetch.max.bytes", C, Pass(int(1000, 2_147_483_135))),
    row(
        "fetch.max.wait.ms",
        C,
        Becomes { to: "fetch.wait.max.ms", unit: Unit::Same, check: int(0, 300_000) },
    ),
    row("fetch.min.bytes", C, Pass(int(1, 100_000_000))),
    row("group.id", C, Refused("the group is named by 'application.id'; remove it")),
    row("group.instance.id", C, Ours(NAME)),
    row(
        "group.protocol",
        C,
        Fixed {
            value: "classic",
            reason: "the protocol is set by 'group.protocol' without a prefix",
        },
    ),
    row(
        "group.remote.assignor",
        C,
        Ignored("group membership is Millstream's own; it has no such setting"),
    ),
    row("heartbeat.interval.ms", C, Ours(int(1, INT_MAX))),
    row(
        "interceptor.classes",
        CP,
        Refused(
            "an interceptor could change records and Java classes cannot run here; do its work in a processor and remove it",
        ),
    ),
    row(
        "internal.throw.on.fetch.stable.offset.unsupported",
        C,
        Ignored("it is internal to the Java consumer"),
    ),
    row("isolation.level", C, Pass(one_of(&["read_uncommitted", "read_committed"]))),
    row(
        "key.deserializer",
        C,
        Ignored("a Java class name has no meaning here; types choose their serdes"),
    ),
    row(
        "key.serializer",
        P,
        Ignored("a Java class name has no meaning here; types choose their serdes"),
    ),
    row("linger.ms", P, Pass(int(0, 900_000))),
    row("max.block.ms", P, Ours(int(0, LONG_MAX))),
    row("max.in.flight.requests.per.connection", P, Pass(int(1, 1_000_000))),
    row("max.partition.fetch.bytes", C, Pass(int(1, 1_000_000_000))),
    row("max.poll.interval.ms", C, Ours(int(1, INT_MAX))),
    row("max.poll.records", C, Ours(int(1, INT_MAX))),
    row(
        "max.request.size",
        P,
        Becomes { to: "message.max.bytes", unit: Unit::Same, check: int(1000, 1_000_000_000) },
    ),
    row(
        "metadata.max.age.ms",
        ALL,
        Becomes {
            to: "topic.metadata.refresh.interval.ms",
            unit: Unit::Same,
            check: int(1, 3_600_000),
        },
    ),
    row("metadata.max.idle.ms", P, Ignored("metadata of idle topics is not dropped")),
    row("metadata.recovery.rebootstrap.trigger.ms", ALL, Pass(int(0, 2_147_483_647))),
    row("metadata.recovery.strategy", ALL, Pass(one_of(&["none", "rebootstrap"]))),
    row("metric.reporters", ALL, Ignored("metrics are not reported by JMX")),
    row("metrics.num.samples", ALL, Ignored("metrics of clients are not sampled in windows")),
    row("metrics.recording.level", ALL, Ignored("it is set without a prefix, for the application")),
    row("metrics.sample.window.ms", ALL, Ignored("metrics of clients are not sampled in windows")),
    row(
        "partition.assignment.strategy",
        C,
        Refused("tasks are assigned by Millstream's own assignor; remove it"),
    ),
    row(
        "partitioner.adaptive.partitioning.enable",
        P,
        Ignored("partitions are chosen by key, or in turn"),
    ),
    row(
        "partitioner.availability.timeout.ms",
        P,
        Ignored("partitions are chosen by key, or in turn"),
    ),
    row(
        "partitioner.class",
        P,
        Refused("Java classes cannot run here; give a stream partitioner to 'Produced' in code"),
    ),
    row(
        "partitioner.ignore.keys",
        P,
        Fixed {
            value: "false",
            reason: "a record's key chooses its partition; use a stream partitioner in code",
        },
    ),
    row(
        "receive.buffer.bytes",
        ALL,
        Becomes {
            to: "socket.receive.buffer.bytes",
            unit: Unit::MinusOneIsZero,
            check: int(-1, 100_000_000),
        },
    ),
    row("reconnect.backoff.max.ms", ALL, Pass(int(0, 3_600_000))),
    row("reconnect.backoff.ms", ALL, Pass(int(0, 3_600_000))),
    row(
        "request.timeout.ms",
        ALL,
        Becomes { to: "socket.timeout.ms", unit: Unit::Same, check: int(10, 300_000) },
    ),
    row("retries", PA, Pass(int(0, 2_147_483_647))),
    row("retry.backoff.max.ms", ALL, Pass(int(1, 300_000))),
    row("retry.backoff.ms", ALL, Pass(int(1, 300_000))),
    row(
        "send.buffer.bytes",
        ALL,
        Becomes {
            to: "socket.send.buffer.bytes",
            unit: Unit::MinusOneIsZero,
            check: int(-1, 100_000_000),
        },
    ),
    row("session.timeout.ms", C, Ours(int(1, INT_MAX))),
    row("share.acknowledgement.mode", C, Ignored("share groups are not used")),
    row("share.acquire.mode", C, Ignored("share groups are not used")),
    row(
        "socket.connection.setup.timeout.max.ms",
        ALL,
        Ignored("connection attempts do not back off in their timeout"),
    ),
    row("socket.connection.setup.timeout.ms", ALL, Pass(int(1000, 2_147_483_647))),
    row("transaction.timeout.ms", P, Ours(int(1_000, INT_MAX))),
    row(
        "transaction.two.phase.commit.enable",
        P,
        Fixed {
            value: "false",
            reason: "transactions are not prepared by another coordinator; remove it",
        },
    ),
    row(
        "transactional.id",
        P,
        Refused("transactional ids are derived from 'application.id'; remove it"),
    ),
    row(
        "value.deserializer",
        C,
        Ignored("a Java class name has no meaning here; types choose their serdes"),
    ),
    row(
        "value.serializer",
        P,
        Ignored("a Java class name has no meaning here; types choose their serdes"),
    ),
];
