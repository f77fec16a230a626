//! Whole configurations: what goes in, and what comes out or is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use expect_test::{Expect, expect, expect_file};

use super::keys::{
    self, KAFKA_CLIENT_KEYS, LIBRDKAFKA_KEYS, SECURITY_KEYS, STREAMS_KEYS, StreamsMeaning,
    TOPIC_KEYS, Treatment,
};
use super::scope::Scope;
use super::*;

mod available;
mod together;

const KAFKA_NAMES: &str = include_str!("testdata/kafka-4.3.1-names.txt");
const LIBRDKAFKA_NAMES: &str = include_str!("testdata/librdkafka-2.12.1-names.txt");

fn minimal() -> StreamsConfigBuilder {
    StreamsConfig::builder().application_id("orders").bootstrap_servers("broker:9092")
}

fn text(origin: &str, text: &str) -> PropertiesText {
    PropertiesText { origin: origin.to_owned(), text: text.to_owned() }
}

fn from_lines(lines: &str) -> Result<StreamsConfig, ConfigErrors> {
    minimal().properties(&text("app.properties", lines)).build()
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[track_caller]
fn config(lines: &str) -> StreamsConfig {
    from_lines(lines).unwrap()
}

#[track_caller]
fn check_errors(lines: &str, expected: Expect) {
    let errors = from_lines(lines).unwrap_err();
    let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
    expected.assert_eq(&(all.join("\n") + "\n"));
}

#[test]
fn defaults_are_kafkas() {
    let config = minimal().build().unwrap();
    let Processing { num_stream_threads, commit_interval, task_timeout, .. } =
        config.processing().clone();
    assert_eq!((num_stream_threads, commit_interval.as_secs()), (1, 30));
    assert_eq!(task_timeout.as_secs(), 300);
    assert_eq!(config.processing().max_task_idle, TaskIdle::UpTo(Duration::ZERO));
    assert_eq!(config.membership().session_timeout, Duration::from_secs(45));
    assert_eq!(config.membership().offset_reset, OffsetReset::Earliest);
    assert_eq!(config.state().dir.to_str(), Some("/tmp/millstream"));
    assert_eq!(config.internal_topics().replication_factor, ReplicationFactor::BrokerDefault);
    assert_eq!(config.security(), &Security::Plaintext);
    assert!(config.warnings().is_empty());
    assert!(config.check_available(None).is_ok());
}

#[test]
fn every_default_passes_its_own_check() {
    for key in STREAMS_KEYS {
        if let StreamsMeaning::Value(check, Some(default)) = key.meaning {
            assert_eq!(check.normal(default).as_deref(), Ok(default), "{}", key.name);
        }
    }
    for key in keys::client_keys() {
        if let (Treatment::Ours(check), Some(default)) =
            (key.treatment, keys::defaults::of_ours(key.name))
        {
            assert_eq!(check.normal(default).as_deref(), Ok(default), "{}", key.name);
        }
    }
}

/// A value that a check takes; none where it takes one only, which changes nothing.
fn some_value(check: keys::Check) -> Option<String> {
    use keys::Check;
    match check {
        Check::OneOf([_]) | Check::Class { words: [_], .. } | Check::GroupProtocol => None,
        Check::OneOf([first, ..]) => Some((*first).to_owned()),
        Check::Class { words: [(_, word), ..], .. } => Some((*word).to_owned()),
        Check::Int { min, .. } => Some(min.to_string()),
        Check::HostPorts => Some("broker:9092".to_owned()),
        Check::Bool => Some("true".to_owned()),
        _ => Some("x".to_owned()),
    }
}

#[test]
fn every_setting_that_is_accepted_is_read() {
    let check = |set: &str, shown: &str, value: &str| {
        let config = minimal().set(set, value).build().unwrap();
        let is_read = |read: &ExplainedValue| read.key == shown && read.origin == Origin::Code;
        assert!(config.explain().iter().any(is_read), "'{set}' is read by nobody");
    };
    for key in STREAMS_KEYS {
        if let StreamsMeaning::Value(rule, default) = key.meaning
            && let Some(value) = some_value(rule)
        {
            check(key.name, key.name, default.unwrap_or(&value));
        }
    }
    for key in keys::client_keys() {
        if let Treatment::Ours(rule) = key.treatment {
            let value = some_value(rule).unwrap();
            let value = keys::defaults::of_ours(key.name).unwrap_or(&value);
            check(key.name, key.name, value);
            let scopes = [Scope::Consumer, Scope::MainConsumer, Scope::Producer];
            for scope in scopes.into_iter().filter(|scope| key.roles.meets(scope.roles())) {
                check(&format!("{}{}", scope.prefix(), key.name), key.name, value);
            }
        }
    }
    let admin = "admin.default.api.timeout.ms";
    check(admin, admin, "1000");
}

#[test]
fn explain_shows_every_value_with_its_origin() {
    let config = minimal()
        .properties(&text(
            "app.properties",
            "num.stream.threads=4\nconsumer.fetch.max.wait.ms=200\napp.shop=42\n",
        ))
        .environment(variables(&[("STREAMS_COMMIT_INTERVAL_MS", "500"), ("TMPDIR", "/scratch")]))
        .build()
        .unwrap();
    expect_file!["testdata/explain.txt"].assert_eq(&config.explain().to_string());
}

#[test]
fn later_layers_win() {
    let config = StreamsConfig::builder()
        .environment(variables(&[
            ("KAFKA_BOOTSTRAP_SERVERS", "ambient:9092"),
            ("STREAMS_CONSUMER_SESSION_TIMEOUT_MS", "20000"),
            ("STREAMS_MAX_WARMUP_REPLICAS", "7"),
            ("HOME", "/nowhere"),
        ]))
        .properties(&text("a.properties", "num.stream.threads=2\ntask.timeout.ms=5\nstate.dir=/a"))
        .properties(&text("b.properties", "num.stream.threads=3"))
        .application_id("orders")
        .bootstrap_servers("code:9092")
        .set("num.stream.threads", 1)
        .set("task.timeout.ms", Duration::from_millis(7))
        .build()
        .unwrap();
    assert_eq!(config.bootstrap_servers(), [HostPort::parse("code:9092").unwrap()]);
    assert_eq!(config.processing().num_stream_threads, 3);
    assert_eq!(config.processing().task_timeout, Duration::from_millis(5));
    assert_eq!(config.membership().session_timeout, Duration::from_secs(20));
    assert_eq!(config.assignment().max_warmup_replicas, 7);
    let servers = [("KAFKA_BOOTSTRAP_SERVERS", "a:1"), ("STREAMS_BOOTSTRAP_SERVERS", "b:2")];
    let config = minimal().environment(variables(&servers)).build().unwrap();
    assert_eq!(config.bootstrap_servers(), [HostPort::parse("b:2").unwrap()]);
}

#[test]
fn the_command_line_wins_over_all() {
    let config = minimal()
        .argument("state.dir", "/argument")
        .argument("bootstrap.servers", "argument:9092")
        .environment([("STREAMS_STATE_DIR", "/env"), ("STREAMS_BOOTSTRAP_SERVERS", "env:9092")])
        .properties(&text("a.properties", "state.dir=/file"))
        .set("state.dir", "/code")
        .build()
        .unwrap();
    assert_eq!(config.state().dir.to_str(), Some("/argument"));
    assert_eq!(config.bootstrap_servers(), [HostPort::parse("argument:9092").unwrap()]);
}

#[test]
fn the_ambient_servers_are_a_default() {
    let from = |servers: &str| {
        let builder = StreamsConfig::builder().application_id("orders");
        builder.environment([("KAFKA_BOOTSTRAP_SERVERS", servers)]).build()
    };
    let config = from("ambient:9092").unwrap();
    assert_eq!(config.bootstrap_servers(), [HostPort::parse("ambient:9092").unwrap()]);
    let builder = minimal().environment([("KAFKA_BOOTSTRAP_SERVERS", "not an address")]);
    assert!(builder.build().is_ok(), "it is not asked for");
    assert!(from("").unwrap_err().to_string().contains("'bootstrap.servers' is not set"));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_a_fault_only_where_it_is_read() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let with = |name: &str| {
        let bytes = OsString::from_vec(vec![b'a', 0xff]);
        minimal().environment([(OsString::from(name), bytes)]).build()
    };
    assert!(with("EDITOR").is_ok());
    let error = with("STREAMS_STATE_DIR").unwrap_err().to_string();
    assert!(error.contains("'STREAMS_STATE_DIR' is not UTF-8"), "{error}");
}

#[test]
fn all_faults_are_found_at_once() {
    let errors = StreamsConfig::builder()
        .set("application.id", "my app")
        .properties(&text(
            "app.properties",
            "num.stream.threads = many\n\nnum.standby.replica=1\nbad=\\u12\nprobing.rebalance.interval.ms=1",
        ))
        .environment(variables(&[("STREAMS_TASK_____MS", "1"), ("STREAMS_TASK_TIMEOUT_MSS", "1")]))
        .build()
        .unwrap_err();
    expect![[r#"
        configuration has 8 faults
          app.properties:4: '\u' must be followed by four hexadecimal digits; write a backslash as '\\'
          environment variable 'STREAMS_TASK_____MS' stands for no key: one underscore is a dot, two are an underscore, three a dash, four two underscores
          value 'my app' for 'application.id' (code) must be 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-', and not '.' or '..'
          value 'many' for 'num.stream.threads' (app.properties:1) must be an integer from 1 to 2147483647
          unknown key 'num.standby.replica' (app.properties:3); did you mean 'num.standby.replicas'? keys of your own start with 'app.'
          value '1' for 'probing.rebalance.interval.ms' (app.properties:5) must be an integer of at least 60000
          unknown key 'task.timeout.mss' (environment variable STREAMS_TASK_TIMEOUT_MSS); did you mean 'task.timeout.ms'? keys of your own start with 'app.'
          'bootstrap.servers' is not set; set it, or the environment variable KAFKA_BOOTSTRAP_SERVERS, to 'host:port'"#]].assert_eq(&errors.to_string());
}

#[test]
fn unknown_keys_name_the_nearest() {
    check_errors(
        "num.stream.thread=1\nconsumer.fetch.max.byte=1\nconsumr.fetch.min.bytes=1\ntopic.retention.mss=1\nfoo=1\nsasl.pasword=hunter2\nconsumer.linger.ms=1\nmin.insync.replicas=2",
        expect![[r#"
            unknown key 'num.stream.thread' (app.properties:1); did you mean 'num.stream.threads'? keys of your own start with 'app.'
            unknown key 'consumer.fetch.max.byte' (app.properties:2); did you mean 'consumer.fetch.max.bytes'? keys of your own start with 'app.'
            unknown key 'consumr.fetch.min.bytes' (app.properties:3); did you mean 'consumer.fetch.min.bytes'? keys of your own start with 'app.'
            unknown key 'topic.retention.mss' (app.properties:4); did you mean 'topic.retention.ms'? keys of your own start with 'app.'
            unknown key 'foo' (app.properties:5); keys of your own start with 'app.'
            unknown key 'sasl.pasword' (app.properties:6); did you mean 'sasl.password'? keys of your own start with 'app.'
            'consumer.linger.ms' (app.properties:7) has no meaning for that client; it is set as 'producer.linger.ms'
            unknown key 'min.insync.replicas' (app.properties:8); did you mean 'topic.min.insync.replicas'? keys of your own start with 'app.'
        "#]],
    );
}

#[test]
fn neglect_that_matters_is_refused_with_the_remedy() {
    check_errors(
        "rocksdb.config.setter=com.x.Setter\nconsumer.enable.auto.commit=true\nproducer.partitioner=random\nproducer.partitioner.class=com.x.P\nconsumer.partition.assignment.strategy=range\nconsumer.group.id=x\nproducer.transactional.id=x\ngroup.protocol=streams\ndefault.timestamp.extractor=com.x.MyExtractor\ndeserialization.exception.handler=com.x.Mine\nconsumer.interceptor.classes=x\nconsumer.security.protocol=SSL\ndebug=all\nqueued.max.messages.kbytes=1\nconfig.providers=file\nsasl.mechanism=GSSAPI\nclient.tag.zone=a\nrack.aware.assignment.tags=zone\nrack.aware.assignment.strategy=min_traffic\nallow.os.group.write.access=true",
        expect![[r#"
            'rocksdb.config.setter' (app.properties:1) cannot be set: a Java class cannot set RocksDB up here; bound its memory by 'state.memory.budget.bytes' and remove it
            'consumer.enable.auto.commit' (app.properties:2) cannot be set: offsets are committed together with the state; remove it
            'producer.partitioner' (app.properties:3) cannot be set: partitions must be those that Kafka's Java clients choose, or joins would miss records; give a stream partitioner to 'Produced' in code
            'producer.partitioner.class' (app.properties:4) cannot be set: Java classes cannot run here; give a stream partitioner to 'Produced' in code
            'consumer.partition.assignment.strategy' (app.properties:5) cannot be set: tasks are assigned by Millstream's own assignor; remove it
            'consumer.group.id' (app.properties:6) cannot be set: the group is named by 'application.id'; remove it
            'producer.transactional.id' (app.properties:7) cannot be set: transactional ids are derived from 'application.id'; remove it
            value 'streams' for 'group.protocol' (app.properties:8) must be 'classic'; the streams protocol is not available yet, and every broker speaks the classic one
            value 'com.x.MyExtractor' for 'default.timestamp.extractor' (app.properties:9) must be 'fail', 'log_and_skip', 'partition_time' or 'wall_clock'; give the timestamp extractor to 'Consumed' in code
            value 'com.x.Mine' for 'deserialization.exception.handler' (app.properties:10) must be 'fail' or 'continue'; write 'fail' or 'continue', or give a handler in code
            'consumer.interceptor.classes' (app.properties:11) cannot be set: an interceptor could change records and Java classes cannot run here; do its work in a processor and remove it
            'consumer.security.protocol' (app.properties:12) cannot be set: all connections share one security setting; set it without a prefix
            value 'all' for 'debug' (app.properties:13) must be without the contexts 'security', 'conf' and 'all', which print secrets
            'queued.max.messages.kbytes' (app.properties:14) cannot be set: prefetch is bounded for the whole process; set 'prefetch.max.bytes'
            'config.providers' (app.properties:15) cannot be set: values are not looked up by config providers; pass them by the environment
            value 'GSSAPI' for 'sasl.mechanism' (app.properties:16) must be other than GSSAPI, which is not supported; add a SCRAM user or a listener with OAUTHBEARER, or run in Java
            'client.tag.zone' (app.properties:17) cannot be set: tasks and standbys are assigned without regard to racks and tags; remove it
            'rack.aware.assignment.tags' (app.properties:18) cannot be set: tasks and standbys are assigned without regard to racks and tags; remove it
            value 'min_traffic' for 'rack.aware.assignment.strategy' (app.properties:19) must be 'none'; tasks and standbys are assigned without regard to racks and tags; remove it
            value 'true' for 'allow.os.group.write.access' (app.properties:20) must be 'false'; state is for its user alone, since it holds what the topics hold; remove it
        "#]],
    );
}

#[test]
fn values_are_held_to_kafkas_ranges() {
    check_errors(
        "max.warmup.replicas=0\nmax.task.idle.ms=-2\nreplication.factor=0\ntopology.optimization=all,none\nbootstrap.servers=a:1,a:1\nstate.memory.budget.bytes=1000\nprocessing.guarantee=exactly_once\ncommit.interval.ms=1s\nauto.offset.reset=by_duration:1h\nconsumer.isolation.level=dirty\nlinger.ms=900001\nacks=0\nclient.id=..\nensure.explicit.internal.resource.naming=yes\nupgrade.from=2.3\ncompression.type=brotli",
        expect![[r#"
            value '0' for 'max.warmup.replicas' (app.properties:1) must be an integer from 1 to 2147483647
            value '-2' for 'max.task.idle.ms' (app.properties:2) must be an integer of at least -1
            value '0' for 'replication.factor' (app.properties:3) must be at least 1, or -1 for the broker's default
            value 'all,none' for 'topology.optimization' (app.properties:4) must be 'none', 'all', or a list of 'reuse.ktable.source.topics', 'merge.repartition.topics' and 'single.store.self.join'
            value 'a:1,a:1' for 'bootstrap.servers' (app.properties:5) must be a list of distinct 'host:port', separated by commas
            value '1000' for 'state.memory.budget.bytes' (app.properties:6) must be an integer of at least 16777216
            value 'exactly_once' for 'processing.guarantee' (app.properties:7) must be 'at_least_once' or 'exactly_once_v2'
            value '1s' for 'commit.interval.ms' (app.properties:8) must be an integer of at least 0
            value 'by_duration:1h' for 'auto.offset.reset' (app.properties:9) must be 'earliest', 'latest', 'none' or 'by_duration:' and an ISO 8601 duration such as PT1H
            value 'dirty' for 'consumer.isolation.level' (app.properties:10) must be 'read_uncommitted' or 'read_committed'
            value '900001' for 'linger.ms' (app.properties:11) must be an integer from 0 to 900000
            value '0' for 'acks' (app.properties:12) must be 'all', '-1' or '1'; with 0 nobody tells how far a changelog was written
            value '..' for 'client.id' (app.properties:13) must be 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-', and not '.' or '..'
            value 'yes' for 'ensure.explicit.internal.resource.naming' (app.properties:14) must be 'true' or 'false'
            value '2.3' for 'upgrade.from' (app.properties:15) must be '2.4', '2.5', '2.6', '2.7', '2.8', '3.0', '3.1', '3.2', '3.3', '3.4', '3.5', '3.6', '3.7', '3.8', '3.9', '4.0', '4.1' or '4.2'
            value 'brotli' for 'compression.type' (app.properties:16) must be 'none', 'gzip', 'snappy', 'lz4' or 'zstd'
        "#]],
    );
}

#[test]
fn keys_without_meaning_are_one_warning() {
    let config = config(
        "default.key.serde=x.Serdes$StringSerde\nmetric.reporters=x\nconsumer.key.deserializer=x\nrestore.consumer.session.timeout.ms=1\nssl.protocol=TLSv1.3\ncache.max.bytes.buffering=5\nstatestore.cache.max.bytes=6\ntask.timeout.ms=1\ntask.timeout.ms=2\npoll.ms=5\napplication.server=a:1\nmetrics.recording.level=DEBUG\nmetrics.num.samples=3\n",
    );
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    expect![[r#"
        keys without meaning here: 'default.key.serde' (app.properties:1): types choose their serdes, or the line that reads or writes a topic does; 'metric.reporters' (app.properties:2): metrics are not reported by JMX; 'consumer.key.deserializer' (app.properties:3): a Java class name has no meaning here; types choose their serdes; 'restore.consumer.session.timeout.ms' (app.properties:4): only the main consumer's member reads it; 'ssl.protocol' (app.properties:5): TLS 1.2 and 1.3 are used; 'poll.ms' (app.properties:10): a worker is woken as soon as there is something to do; 'application.server' (app.properties:11): no process tells others where it answers queries; 'metrics.recording.level' (app.properties:12): there is one level of metrics, and it is always recorded; 'metrics.num.samples' (app.properties:13): metrics are counts since the start; nothing is sampled in windows
        'cache.max.bytes.buffering' is ignored, since 'statestore.cache.max.bytes' is set as well
        'task.timeout.ms' is set twice; the last (app.properties:9) counts
    "#]].assert_eq(&(warnings.join("\n") + "\n"));
    assert_eq!(config.state().cache_bytes_max, 6);
    assert_eq!(config.processing().task_timeout.as_millis(), 2);
}

#[test]
fn javas_names_become_librdkafkas() {
    let config = config(
        "fetch.max.wait.ms=200\nconsumer.fetch.max.wait.ms=300\nmain.consumer.fetch.max.wait.ms=400\nmax.request.size=2000000\nproducer.buffer.memory=4194304\nsend.buffer.bytes=-1\nproducer.connections.max.idle.ms=-1\nrequest.timeout.ms=20000\nmetadata.max.age.ms=60000\ncompression.type=ZSTD\ncompression.zstd.level=7\ncompression.gzip.level=9\nacks=all\nclient.rack=r1\nreconnect.backoff.ms=10\nadmin.retries=3\n",
    );
    let lines: Vec<String> = ClientRole::ALL
        .iter()
        .flat_map(|role| {
            let client = config.client(*role);
            let pairs = client.iter().map(|(name, value)| format!("{name}={value}"));
            let pairs: Vec<String> = pairs.collect();
            [format!("{role:?}: {}", pairs.join(" "))]
        })
        .collect();
    expect![[r#"
        MainConsumer: allow.auto.create.topics=false auto.offset.reset=error check.crcs=true client.rack=r1 enable.auto.commit=false enable.auto.offset.store=false fetch.wait.max.ms=400 isolation.level=read_uncommitted reconnect.backoff.max.ms=1000 reconnect.backoff.ms=10 socket.send.buffer.bytes=0 socket.timeout.ms=20000 topic.metadata.refresh.interval.ms=60000
        RestoreConsumer: allow.auto.create.topics=false auto.offset.reset=error check.crcs=true client.rack=r1 enable.auto.commit=false enable.auto.offset.store=false fetch.wait.max.ms=300 isolation.level=read_uncommitted reconnect.backoff.max.ms=1000 reconnect.backoff.ms=10 socket.send.buffer.bytes=0 socket.timeout.ms=20000 topic.metadata.refresh.interval.ms=60000
        GlobalConsumer: allow.auto.create.topics=false auto.offset.reset=error check.crcs=true client.rack=r1 enable.auto.commit=false enable.auto.offset.store=false fetch.wait.max.ms=300 isolation.level=read_uncommitted reconnect.backoff.max.ms=1000 reconnect.backoff.ms=10 socket.send.buffer.bytes=0 socket.timeout.ms=20000 topic.metadata.refresh.interval.ms=60000
        Producer: acks=-1 batch.size=131072 compression.level=7 compression.type=zstd connections.max.idle.ms=0 enable.idempotence=true linger.ms=100 max.in.flight.requests.per.connection=5 message.max.bytes=2000000 message.timeout.ms=120000 partitioner=murmur2_random reconnect.backoff.max.ms=1000 reconnect.backoff.ms=10 socket.send.buffer.bytes=0 socket.timeout.ms=20000 topic.metadata.refresh.interval.ms=60000
        Admin: reconnect.backoff.max.ms=1000 reconnect.backoff.ms=10 retries=3 socket.send.buffer.bytes=0 socket.timeout.ms=20000 topic.metadata.refresh.interval.ms=60000
    "#]].assert_eq(&(lines.join("\n") + "\n"));
    assert_eq!(config.processing().send_queue_bytes_max, 4_194_304);
}

#[test]
fn words_and_sentinels_are_typed() {
    let config = config(
        "max.task.idle.ms=-1\nlog.summary.interval.ms=-5\nstate.cleanup.dir.max.age.ms=86400000\ndeserialization.exception.handler=org.apache.kafka.streams.errors.LogAndContinueExceptionHandler\nprocessing.exception.handler=continue\ndefault.production.exception.handler=log_and_continue\ndefault.timestamp.extractor=org.apache.kafka.streams.processor.WallclockTimestampExtractor\ndsl.store.suppliers.class=org.apache.kafka.streams.state.BuiltInDslStoreSuppliers$InMemoryDslStoreSuppliers\ntopology.optimization=merge.repartition.topics, single.store.self.join\nauto.offset.reset=by_duration:P1DT2H30M1.5S\nbootstrap.servers=SSL://a:1, [::1]:2\nreplication.factor=3\nstate.memory.budget.bytes=20000000\ngroup.instance.id=pod-1\ntopic.min.insync.replicas=2\nupgrade.from=4.0\n__internal.override.topic.prefix__=legacy",
    );
    assert_eq!(config.processing().max_task_idle, TaskIdle::Disabled);
    assert_eq!(config.metrics().log_summary_interval, None);
    assert_eq!(config.state().cleanup_dir_age_max, Some(Duration::from_secs(86_400)));
    assert_eq!(config.processing().on_deserialization_error, FailurePolicy::Continue);
    assert_eq!(config.processing().on_processing_error, FailurePolicy::Continue);
    assert_eq!(config.processing().on_production_error, FailurePolicy::Continue);
    assert_eq!(
        config.processing().default_timestamp_extractor,
        DefaultTimestampExtractor::WallClock
    );
    assert_eq!(config.state().default_store, DefaultStore::InMemory);
    assert_eq!(
        config.topology().optimizations.iter().copied().collect::<Vec<_>>(),
        [Optimization::MergeRepartitionTopics, Optimization::SingleStoreSelfJoin]
    );
    let age = Duration::from_millis(86_400_000 + 2 * 3_600_000 + 30 * 60_000 + 1_500);
    assert_eq!(config.membership().offset_reset, OffsetReset::By(age));
    assert_eq!(config.membership().instance_id.as_ref().unwrap().as_str(), "pod-1");
    let servers: Vec<_> = config.bootstrap_servers().iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["a:1", "[::1]:2"]);
    assert_eq!(config.internal_topics().replication_factor, ReplicationFactor::Replicas(3));
    assert_eq!(config.internal_topics().settings["min.insync.replicas"], "2");
    assert_eq!(config.internal_topics().prefix.as_ref().unwrap().as_str(), "legacy");
}

#[test]
fn own_keys_are_kept_and_not_shown() {
    let config = config("app.db.password=hunter2");
    assert_eq!(config.own_settings().get("app.db.password").unwrap().expose(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
}

/// Every name of Kafka's four classes has a meaning, as the table of that class.
#[test]
fn every_name_of_kafka_is_classified() {
    let mut counts: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for line in KAFKA_NAMES.lines() {
        let (class, name) = line.split_once(' ').unwrap();
        let meaning = match (class, keys::streams_key(name)) {
            ("StreamsConfig", Some(key)) => match key.meaning {
                StreamsMeaning::Value(..)
                | StreamsMeaning::OldNameOf(_)
                | StreamsMeaning::SpellingOf(_) => "meaning",
                StreamsMeaning::Ignored(_) => "ignored with warning",
                StreamsMeaning::Refused(_) => "refused with remedy",
                StreamsMeaning::Client => {
                    assert!(keys::client_key(name).is_some(), "{name} is no client's key");
                    "handed to clients"
                }
            },
            ("StreamsConfig", None) => panic!("{name} of {class} is not classified"),
            _ => {
                let key = keys::client_key(name);
                let key = key.unwrap_or_else(|| panic!("{name} of {class} is not classified"));
                let scope = match class {
                    "ConsumerConfig" => Scope::Consumer,
                    "ProducerConfig" => Scope::Producer,
                    _ => Scope::Admin,
                };
                assert!(key.roles.meets(scope.roles()), "{name} is not known to {class}");
                client_meaning(key.treatment)
            }
        };
        *counts.entry((class, meaning)).or_default() += 1;
    }
    let lines: Vec<_> =
        counts.iter().map(|((class, meaning), n)| format!("{class}: {n} {meaning}\n")).collect();
    expect![[r#"
        AdminClientConfig: 10 handed on
        AdminClientConfig: 35 ignored with warning
        AdminClientConfig: 19 meaning
        AdminClientConfig: 22 refused with remedy
        AdminClientConfig: 5 translated
        ConsumerConfig: 4 accepted as it is
        ConsumerConfig: 15 handed on
        ConsumerConfig: 42 ignored with warning
        ConsumerConfig: 25 meaning
        ConsumerConfig: 24 refused with remedy
        ConsumerConfig: 6 translated
        ProducerConfig: 2 accepted as it is
        ProducerConfig: 16 handed on
        ProducerConfig: 40 ignored with warning
        ProducerConfig: 21 meaning
        ProducerConfig: 24 refused with remedy
        ProducerConfig: 10 translated
        StreamsConfig: 12 handed to clients
        StreamsConfig: 13 ignored with warning
        StreamsConfig: 42 meaning
        StreamsConfig: 7 refused with remedy
    "#]]
    .assert_eq(&lines.concat());
}

fn client_meaning(treatment: Treatment) -> &'static str {
    match treatment {
        Treatment::Pass(_) => "handed on",
        Treatment::Becomes { .. } | Treatment::CodecLevel { .. } => "translated",
        Treatment::Ours(_) | Treatment::Security { .. } => "meaning",
        Treatment::Fixed { .. } => "accepted as it is",
        Treatment::Ignored(_) => "ignored with warning",
        Treatment::Refused(_) => "refused with remedy",
    }
}

#[test]
fn every_name_of_librdkafka_is_classified() {
    for name in LIBRDKAFKA_NAMES.lines() {
        let known = keys::client_key(name).is_some() || keys::streams_key(name).is_some();
        assert!(known, "{name} is not classified");
    }
}

/// Tables have no name twice, and translations lead to names of librdkafka's or of ours.
#[test]
fn tables_are_consistent() {
    let mut names: Vec<_> = keys::client_keys().map(|key| key.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    for key in KAFKA_CLIENT_KEYS.iter().chain(LIBRDKAFKA_KEYS).chain(SECURITY_KEYS) {
        let is_librdkafkas = |name: &str| LIBRDKAFKA_NAMES.lines().any(|line| line == name);
        match key.treatment {
            Treatment::Becomes { to, .. } => {
                let row = keys::client_key(to).unwrap();
                let is_ours = matches!(row.treatment, Treatment::Ours(_));
                assert!(is_ours || is_librdkafkas(to), "{} leads nowhere", key.name);
            }
            Treatment::Pass(_) => assert!(is_librdkafkas(key.name), "{} is not known", key.name),
            _ => {}
        }
    }
    assert!(TOPIC_KEYS.is_sorted());
}
