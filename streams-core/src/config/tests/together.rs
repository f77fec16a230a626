//! Settings beside each other: those that contradict, that give way, and that have no effect.

use expect_test::expect;

use super::{check_errors, config, minimal, text, variables};
use crate::config::ClientRole;

#[test]
fn values_that_do_not_go_together_are_refused() {
    check_errors(
        "heartbeat.interval.ms=50000\ntopic.segment.bytes=1000\nproducer.batch.size=2000\ndelivery.timeout.ms=100\nenable.idempotence=true\nacks=1\nprocessing.guarantee=exactly_once_v2\nisolation.level=read_uncommitted\ncommit.interval.ms=20000",
        expect![[r#"
            'heartbeat.interval.ms' (app.properties:1) does not go with 'session.timeout.ms': heartbeats must be more frequent than the session's timeout; a third of it is usual
            'topic.segment.bytes' (app.properties:2) does not go with 'producer.batch.size': a batch of the producer would not fit into a segment of an internal topic
            'delivery.timeout.ms' (app.properties:4) does not go with 'request.timeout.ms': delivery must be given at least 'linger.ms' and 'request.timeout.ms' together
            'enable.idempotence' (app.properties:5) does not go with 'acks': idempotence needs acks=all, retries, and at most 5 requests in flight
            'commit.interval.ms' (app.properties:9) does not go with 'transaction.timeout.ms': transactions would time out before they are committed
            'isolation.level' (app.properties:8) does not go with 'processing.guarantee': exactly-once reads committed records only
        "#]],
    );
}

#[test]
fn two_names_of_one_setting_must_agree() {
    check_errors(
        "fetch.max.wait.ms=100\nfetch.wait.max.ms=200\nconsumer.fetch.max.wait.ms=1\nconsumer.fetch.wait.max.ms=1\nproducer.buffer.memory=2097152\nproducer.queue.buffering.max.kbytes=1024\nproducer.acks=all\nproducer.request.required.acks=1\ncompression.type=gzip\ncompression.gzip.level=1\ncompression.level=2\nsasl.mechanism=PLAIN\nsasl.mechanisms=SCRAM-SHA-256",
        expect![[r#"
            'fetch.max.wait.ms' (app.properties:1) and 'fetch.wait.max.ms' (app.properties:2) mean one setting and differ; remove one
            'producer.buffer.memory' (app.properties:5) and 'producer.queue.buffering.max.kbytes' (app.properties:6) mean one setting and differ; remove one
            'producer.acks' (app.properties:7) and 'producer.request.required.acks' (app.properties:8) mean one setting and differ; remove one
            'sasl.mechanism' (app.properties:12) and 'sasl.mechanisms' (app.properties:13) mean one setting and differ; remove one
            'compression.gzip.level' (app.properties:10) and 'compression.level' (app.properties:11) mean one setting and differ; remove one
            'sasl.mechanism' (app.properties:12) does not go with 'security.protocol': it is not set, and nothing would be secured; set it to SSL, SASL_SSL or SASL_PLAINTEXT
            'sasl.username' is not set; set it, or 'sasl.jaas.config' as in Java
            'sasl.password' is not set; set it, or 'sasl.jaas.config' as in Java
        "#]],
    );
    let agreed = config("acks=all\nrequest.required.acks=-1\nmax.in.flight=3");
    let producer = agreed.client(ClientRole::Producer);
    assert_eq!(producer.value("acks"), Some("-1"));
    assert_eq!(producer.value("max.in.flight.requests.per.connection"), Some("3"));
    let layered = minimal()
        .properties(&text("app.properties", "fetch.max.wait.ms=100"))
        .environment(variables(&[("STREAMS_FETCH_WAIT_MAX_MS", "200")]))
        .build()
        .unwrap();
    assert_eq!(layered.client(ClientRole::MainConsumer).value("fetch.wait.max.ms"), Some("200"));
}

#[test]
fn bounds_that_nobody_set_give_way() {
    let config = config("retry.backoff.ms=5000\nreconnect.backoff.ms=9000\nlinger.ms=100000");
    let producer = config.client(ClientRole::Producer);
    assert_eq!(producer.value("retry.backoff.max.ms"), Some("5000"));
    assert_eq!(producer.value("reconnect.backoff.max.ms"), Some("9000"));
    assert_eq!(producer.value("message.timeout.ms"), Some("130000"));
    check_errors(
        "retry.backoff.ms=5000\nretry.backoff.max.ms=1000\nmetadata.broker.list=other:1\nbootstrap.servers=one:1\nsecurity.protocol=TLS\nsasl.password=x\ndebug=fetsch\nreconnect.backoff.ms=7000\nreconnect.backoff.max.ms=10",
        expect![[r#"
            'metadata.broker.list' (app.properties:3) and 'bootstrap.servers' (app.properties:4) mean one setting and differ; remove one
            value 'TLS' for 'security.protocol' (app.properties:5) must be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'
            value 'fetsch' for 'debug' (app.properties:7) must be a list of librdkafka's contexts, such as 'broker' or 'fetch', separated by commas
            'reconnect.backoff.ms' (app.properties:8) does not go with 'reconnect.backoff.max.ms': the first wait cannot be longer than the longest
            'retry.backoff.ms' (app.properties:1) does not go with 'retry.backoff.max.ms': the first wait cannot be longer than the longest
            'sasl.mechanism' is not set; Kafka's default, GSSAPI, is not supported; set PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER
        "#]],
    );
}

#[test]
fn what_the_process_may_hold_bounds_what_a_client_may() {
    check_errors(
        "prefetch.max.bytes=1000000\nfetch.max.bytes=1000001\nmain.consumer.max.partition.fetch.bytes=2000000\nnum.stream.threads=8\nbuffer.memory=8000000",
        expect![[r#"
            'buffer.memory' (app.properties:5) does not go with 'num.stream.threads': each worker needs 1 MiB of it, or 'max.request.size' where that is more
            'fetch.max.bytes' (app.properties:2) does not go with 'prefetch.max.bytes': it is more than all consumers of the process may hold together; lower it, or raise 'prefetch.max.bytes'
            'max.partition.fetch.bytes' (app.properties:3) does not go with 'prefetch.max.bytes': it is more than all consumers of the process may hold together; lower it, or raise 'prefetch.max.bytes'
        "#]],
    );
    let processing = |lines| config(lines).processing().clone();
    let many = processing("num.stream.threads=64");
    assert_eq!((many.send_queue_bytes_max, many.send_share_bytes(64)), (64 << 20, 1 << 20));
    let large = processing("num.stream.threads=2\nmax.request.size=20000000");
    assert_eq!((large.send_queue_bytes_max, large.send_share_bytes(5)), (40_000_000, 20_000_000));
    let set = processing("num.stream.threads=2\nbuffer.memory=10000000");
    assert_eq!((set.send_queue_bytes_max, set.send_share_bytes(2)), (10_000_000, 5_000_000));
    assert_eq!(set.send_share_bytes(100), 1 << 20, "a worker needs that much");
}

#[test]
fn idempotence_gives_way_only_when_nobody_asked_for_it() {
    let producer = |lines| config(lines).client(ClientRole::Producer).clone();
    assert_eq!(producer("").value("enable.idempotence"), Some("true"));
    assert_eq!(producer("acks=1").value("enable.idempotence"), Some("false"));
    assert_eq!(producer("retries=0").value("enable.idempotence"), Some("false"));
}

#[test]
fn settings_without_effect_beside_others_are_told() {
    let config = config(
        "compression.type=zstd\ncompression.gzip.level=9\ncompression.zstd.level=3\nproducer.transaction.timeout.ms=20000\ndefault.dsl.store=rocksDB\ndsl.store.suppliers.class=RocksDBDslStoreSuppliers",
    );
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    expect![[r#"
        keys without meaning here: 'compression.gzip.level' (app.properties:2): 'compression.type' chooses another codec; 'producer.transaction.timeout.ms' (app.properties:4): there are transactions under exactly-once only
        'default.dsl.store' is ignored, since 'dsl.store.suppliers.class' is set as well
    "#]].assert_eq(&(warnings.join("\n") + "\n"));
}

#[test]
fn variables_that_stand_for_one_key_must_agree() {
    let with = |value: &str| {
        let pairs = [("STREAMS_STATE_DIR", "/a"), ("STREAMS_state_dir", value)];
        minimal().environment(variables(&pairs)).build()
    };
    assert_eq!(with("/a").unwrap().state().dir.to_str(), Some("/a"));
    expect!["configuration: 'state.dir' (environment variable STREAMS_STATE_DIR) and 'state.dir' (environment variable STREAMS_state_dir) mean one setting and differ; remove one"]
        .assert_eq(&with("/b").unwrap_err().to_string());
}
