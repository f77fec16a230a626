//! Updates that wait.

use std::time::Duration;

use streams_core::error::{BufferFull, TaskError};
use streams_core::processor::RecordContext;
use streams_core::serde::{DefaultSerde, TimeWindowedSerde};
use streams_core::time::Timestamp;
use streams_core::topology::{Topic, Topology};
use streams_core::window::Windowed;
use streams_dsl::{
    BufferConfig, Consumed, KTable, Materialized, StreamsBuilder, Suppressed, TimeWindows, WhenFull,
};
use streams_test::model::{AutoCreate, KafkaModel};
use streams_test::{TestError, TopologyTestDriver};

use crate::{Text, Texts, drive, pipe, written};

fn until<F: WhenFull>(limit: u64, buffer: BufferConfig<F>) -> Suppressed<String, String> {
    Suppressed::until_time_limit(Duration::from_millis(limit), buffer)
}

/// The table of the topic `in`, suppressed, whose updates go to `out` with the place that they come
/// from.
fn suppressed(by: Suppressed<String, String>) -> Topology {
    let builder = StreamsBuilder::new();
    let table: KTable<'_, String, String> = builder.table("in");
    let stream = table.suppress(by).to_stream();
    let topic = |_: &String, _: &Text, at: &RecordContext| {
        let offset = at.meta.as_ref().map_or(-1, |meta| meta.offset);
        format!("in-{offset}").into()
    };
    stream.to("out");
    stream.to_dynamic(topic);
    builder.build().unwrap()
}

fn failure(driver: &TopologyTestDriver, key: &str, value: &str, millis: i64) -> BufferFull {
    let mut input = driver.input::<String, String>("in");
    let error = input.pipe_at(key, value, Timestamp::from_millis(millis)).unwrap_err();
    let TestError::Task(error) = error else { panic!("{error}") };
    let TaskError::Processing { source, .. } = *error else { panic!("{error}") };
    *source.downcast::<BufferFull>().unwrap()
}

#[test]
fn an_update_goes_on_with_its_own_time_headers_and_place() {
    let topology = suppressed(until(10, BufferConfig::unbounded()));
    let driver = drive(&topology, &["a 1 0", "a 2 7", "b 3 12"]);
    assert_eq!(written::<String>(&driver, "out"), "a=2@7");
    assert_eq!(written::<String>(&driver, "in-1"), "a=2@7");
}

#[test]
fn what_waits_survives_a_crash() {
    let topology = suppressed(until(10, BufferConfig::unbounded()).with_name("wait"));
    let kafka = KafkaModel::new().auto_create(AutoCreate::Partitions(1));
    let start = || TopologyTestDriver::builder(&topology).kafka(kafka.clone()).build().unwrap();
    let first = start();
    pipe(&first, &["a 1 0", "b 2 1", "a - 3", "c 3 9"]);
    drop(first);
    let second = start();
    pipe(&second, &["d 4 40"]);
    assert_eq!(written::<String>(&second, "out"), "a=-@3 b=2@1 c=3@9");
    assert_eq!(written::<String>(&second, "in-3"), "c=3@9");
}

#[test]
fn a_reset_task_waits_for_what_was_committed() {
    let topology = suppressed(until(10, BufferConfig::unbounded()));
    let driver = drive(&topology, &["a 1 0", "b 2 5"]);
    driver.restart().unwrap();
    pipe(&driver, &["c 3 12"]);
    assert_eq!(written::<String>(&driver, "out"), "a=1@0");
}

#[test]
fn a_full_buffer_that_may_not_emit_fails_the_task() {
    let records = BufferConfig::max_records(1).shut_down_when_full();
    let driver = drive(&suppressed(until(10, records)), &["a 1 0", "a 2 1"]);
    let BufferFull::Bounds { buffer, records, records_max, .. } = failure(&driver, "b", "3", 2)
    else {
        panic!("it is memory");
    };
    assert_eq!(buffer, "KTABLE-SUPPRESS-STATE-STORE-0000000004");
    assert_eq!((records, records_max), (2, 1));
    // 8 + 1 of the place, 1 + 4 of the values, 20 + 2 of the context.
    let bytes = BufferConfig::unbounded().with_max_bytes(35);
    let driver = drive(&suppressed(until(10, bytes)), &["a 1 0"]);
    assert!(matches!(failure(&driver, "a", "1234", 2), BufferFull::Bounds { bytes: 36, .. }));
}

#[test]
fn a_full_buffer_that_may_emit_gives_out_the_first() {
    let bytes = BufferConfig::max_bytes(80);
    let driver = drive(&suppressed(until(1000, bytes)), &["a 1 0", "b 2 1", "c 3 2", "a 4 3"]);
    assert_eq!(written::<String>(&driver, "out"), "a=1@0 b=2@1");
}

#[test]
fn windows_are_waited_for_only_where_there_are_some() {
    let builder = StreamsBuilder::new();
    let texts: Texts<'_> = builder.stream("in");
    let windows = TimeWindows::of_size(Duration::from_millis(10));
    let counts = texts.group_by_key::<String>().windowed_by(windows).count();
    let keys = counts.map_values_with_key(|window, _| window.key.clone());
    let serde = TimeWindowedSerde::shared(String::serde(), Duration::from_millis(10));
    let topic = Topic::with_shared_serdes("windows", serde, String::serde());
    let closed = || Suppressed::until_window_closes(BufferConfig::unbounded());
    let _ = keys.suppress(closed().with_name("fine"));
    let table: KTable<'_, Windowed<String>, String> = builder.table(topic);
    let _ = table.suppress(closed().with_name("none"));
    let error = builder.build().unwrap_err().to_string();
    assert!(error.contains("\"none\" has no windows above it"), "{error}");
    assert!(!error.contains("fine"), "{error}");
}

#[test]
fn a_versioned_table_is_not_suppressed() {
    let builder = StreamsBuilder::new();
    let versioned = Materialized::named("rows").versioned(Duration::from_millis(100));
    let table = builder.table_with("in", Consumed::new(), versioned);
    let kept = table.filter(|_, _| true).suppress(until(10, BufferConfig::unbounded()));
    let _ = kept.to_stream();
    let error = builder.build().unwrap_err().to_string();
    assert!(error.contains("suppresses a versioned table"), "{error}");
}
