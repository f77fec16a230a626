//! Timestamps, nulls, partitions, serdes, printing, and functions that fail.

use std::io::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use streams_core::handler::{Handlers, LogAndSkip};
use streams_core::processor::{Partitions, TimestampExtractor};
use streams_core::serde::{Number, Utf8};
use streams_core::time::Timestamp;
use streams_core::topology::OffsetReset;
use streams_dsl::{
    Consumed, DynamicProduced, KStream, Named, Printed, Produced, Repartitioned, StreamsBuilder,
    Topic,
};
use streams_test::{Layout, TopologyTestDriver};

use crate::{Text, Texts, check, drive, pipe, written};

#[test]
fn a_timestamp_extractor_sees_the_record() {
    let from_value = TimestampExtractor::By(Arc::new(
        |record: &streams_core::processor::Extraction<'_, Text, Text>| {
            let time = record.value.as_deref().and_then(|value| value.parse().ok());
            Timestamp::from_millis(time.unwrap_or(-1))
        },
    ));
    let driver = check::<String>(
        |builder| {
            let consumed = Consumed::new().with_timestamp_extractor(from_value);
            let texts: Texts<'_> = builder.stream_with("in", consumed);
            texts.to("out");
        },
        &["a 70 1", "b x 2", "c 60 3"],
        "a=70@70<1 c=60@60<3",
    );
    assert_eq!(driver.dropped().total(), 1);
}

#[test]
fn a_source_skips_nulls_where_it_is_told_to() {
    let builder = StreamsBuilder::new();
    let consumed = Consumed::named("plain").skip_nulls().with_offset_reset(OffsetReset::Latest);
    let texts: KStream<'_, String, String> = builder.stream_with(["in", "other"], consumed);
    texts.to("out");
    let topology = builder.build().unwrap();
    assert_eq!(topology.offset_reset(&"other".into()), Some(OffsetReset::Latest));
    let driver = drive(&topology, &["a x 1", "a - 2", "other: - y 3", "other: b y 4"]);
    assert_eq!(written::<String>(&driver, "out"), "a=x@1 b=y@4");
    assert_eq!(driver.dropped().total(), 2);
}

#[test]
fn a_topic_is_defined_once_with_its_serdes() {
    let builder = StreamsBuilder::new();
    let lengths: Topic<String, i64> = Topic::with_serdes("lengths", Utf8, Number);
    let texts: KStream<'_, String, String> = builder.stream("in");
    texts.map_values(|value| value.len() as i64).to(&lengths);
    builder.stream(&lengths).filter(|_, length| *length > 2).to(Topic::new("long"));
    let driver = drive(&builder.build().unwrap(), &["a ab 1", "a abc 2"]);
    assert_eq!(written::<i64>(&driver, "long"), "a=3@2");
}

#[test]
fn partitioners_choose_and_topics_are_computed() {
    let builder = StreamsBuilder::new();
    let texts: Texts<'_> = builder.stream("in");
    let last = |_: &_, _: &Text, _: &Text, partitions| Partitions::One(partitions - 1);
    texts.to_with("out", Produced::named("sink").with_partitioner(last));
    let all = |_: &_, _: &Text, _: &Text, _| Partitions::Many(vec![0, 1]);
    let produced = DynamicProduced::new().with_name("dynamic").with_partitioner(all);
    texts.to_dynamic_with(
        |key, _, context| {
            format!("to-{}-{}", key.as_deref().unwrap_or("none"), context.timestamp).into()
        },
        produced,
    );
    let again = Repartitioned::named("again").with_partitions(3).with_partitioner(last);
    texts.repartition_with::<String>(again).to("last");

    let layout = Layout::TaskPerPartition { partitions: 2 };
    let topology = builder.build().unwrap();
    let driver = TopologyTestDriver::builder(&topology).layout(layout).build().unwrap();
    pipe(&driver, &["a x 1"]);
    let partitions = |topic: &str| -> Vec<i32> {
        driver.produced(topic).iter().map(|record| record.partition).collect()
    };
    assert_eq!(partitions("out"), [1]);
    assert_eq!(partitions("to-a-1"), [0, 1]);
    assert_eq!(partitions("topology-test-driver-again-repartition"), [2]);
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn records_are_printed_behind_a_label() {
    let builder = StreamsBuilder::new();
    let texts: Texts<'_> = builder.stream_with("in", Consumed::named("texts"));
    let (plain, mapped) = (Buffer::default(), Buffer::default());
    texts.print(Printed::to_writer(plain.clone()));
    let values = Printed::to_writer(mapped.clone()).with_name("printer").with_label("values");
    texts.print(values.with_mapper(|_: &Text, value: &Text| value.clone().unwrap_or_default()));
    drive(&builder.build().unwrap(), &["a x 1", "- y 2"]);
    let printed = |buffer: Buffer| String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    assert_eq!(printed(plain), "[texts]: Some(\"a\"), Some(\"x\")\n[texts]: None, Some(\"y\")\n");
    assert_eq!(printed(mapped), "[values]: x\n[values]: y\n");
}

#[test]
fn for_each_takes_each_record() {
    let (builder, sum) = (StreamsBuilder::new(), Arc::new(AtomicI64::new(0)));
    let numbers: KStream<'_, String, String> = builder.stream("in");
    let total = Arc::clone(&sum);
    numbers.for_each_with(
        move |_, value| {
            total.fetch_add(value.len() as i64, Ordering::Relaxed);
        },
        Named::new("sum"),
    );
    drive(&builder.build().unwrap(), &["a x 1", "a xx 2"]);
    assert_eq!(sum.load(Ordering::Relaxed), 3);
}

#[test]
fn what_fails_goes_to_the_processing_handler() {
    let builder = StreamsBuilder::new();
    let texts: KStream<'_, String, String> = builder.stream("in");
    let digit = |value: &str| value.parse::<i64>();
    texts.try_map_values(move |value| digit(&value)).to("values");
    texts.try_map(move |key, value| digit(&value).map(|value| (key, value))).to("pairs");
    texts.try_flat_map(move |key, value| digit(&value).map(|value| [(key, value)])).to("flat");
    texts.try_flat_map_values(move |value| digit(&value).map(|value| [value, value])).to("twice");
    texts.try_for_each(move |_, value| digit(&value).map(|_| ()));
    let topology = builder.build().unwrap();

    let failed = TopologyTestDriver::new(&topology).unwrap();
    let error = failed.input::<String, String>("in").pipe("a", "x").unwrap_err().to_string();
    assert!(error.contains("KSTREAM-MAPVALUES-0000000001"), "{error}");
    assert!(error.contains("topic \"in\" partition 0 offset 0"), "{error}");

    let skip = Handlers { processing: Arc::new(LogAndSkip), ..Handlers::default() };
    let driver = TopologyTestDriver::builder(&topology).handlers(skip).build().unwrap();
    pipe(&driver, &["a x 1", "a 7 2"]);
    for topic in ["values", "pairs", "flat"] {
        assert_eq!(written::<i64>(&driver, topic), "a=7@2", "{topic}");
    }
    assert_eq!(written::<i64>(&driver, "twice"), "a=7@2 a=7@2");
    assert_eq!(driver.dropped().total(), 5);
}

#[test]
fn streams_of_plain_and_of_nullable_keys_are_merged() {
    check::<String>(
        |builder| {
            let texts: Texts<'_> = builder.stream("in");
            let table = builder.table::<String, String>("rows").to_stream();
            texts.merge(table.with_nullable_keys()).to("out");
            let plain: KStream<'_, String, String> = builder.stream("plain");
            plain.with_nullable_keys().with_nullable_values().merge(texts).to("all");
        },
        &["a x 1", "rows: b - 2", "- y 3", "plain: c z 4"],
        "a=x@1 b=-@2 -=y@3",
    );
}

#[test]
fn a_stream_may_be_merged_with_what_it_was_repartitioned_to() {
    let driver = check::<String>(
        |builder| {
            let texts: Texts<'_> = builder.stream("in");
            texts.merge(texts.repartition_with::<String>(Repartitioned::named("again"))).to("out");
        },
        &["a x 1"],
        "a=x@1 a=x@1",
    );
    assert_eq!(driver.produced("topology-test-driver-again-repartition").len(), 1);
}
