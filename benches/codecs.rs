//! What it costs to write and read keys and values as bytes, by serde.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run must say so")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use millstream::serde::{Payload, SessionWindowedSerde, TimeWindowedSerde};
use millstream::{DefaultSerde, Json, SharedSerde, Timestamp, TopicName, Window, Windowed};
use streams_core::task::commit_metadata::CommitMetadata;

/// Writes a value into a buffer that is used again, as sinks and stores do, and reads it back.
fn serde<T: 'static>(criterion: &mut Criterion, name: &str, serde: &SharedSerde<T>, value: &T) {
    let (topic, mut bytes) = (TopicName::from("topic"), Vec::new());
    let mut group = criterion.benchmark_group("codec");
    group.bench_function(format!("{name}/encode"), |bencher| {
        bencher.iter(|| {
            bytes.clear();
            let payload = serde.encode(&topic, black_box(value), &mut bytes);
            assert_eq!(payload.expect("encodes"), Payload::Bytes);
            black_box(&bytes);
        });
    });
    group.bench_function(format!("{name}/decode"), |bencher| {
        bencher.iter(|| {
            let value = serde.decode(&topic, Some(black_box(&bytes)));
            black_box(value.expect("decodes"));
        });
    });
    group.finish();
}

fn serdes(criterion: &mut Criterion) {
    let text = || "a word or two".to_owned();
    serde(criterion, "i64", &i64::serde(), &7);
    serde(criterion, "String", &String::serde(), &text());
    serde(criterion, "Option<String>", &<Option<String>>::serde(), &Some(text()));
    serde(criterion, "Vec<u8>", &<Vec<u8>>::serde(), &vec![7; 100]);
    let prices: BTreeMap<String, i64> =
        [("apple", 120), ("pear", 95), ("quince", 310)].map(|(k, v)| (k.to_owned(), v)).into();
    let json: SharedSerde<BTreeMap<String, i64>> = Arc::new(Json::new());
    serde(criterion, "Json", &json, &prices);
    let window = Window::of_size(Timestamp::from_millis(60_000), 10_000);
    let key = Windowed::new(text(), window);
    let windowed = TimeWindowedSerde::shared(String::serde(), Duration::from_secs(10));
    serde(criterion, "TimeWindowed<String>", &windowed, &key);
    serde(
        criterion,
        "SessionWindowed<String>",
        &SessionWindowedSerde::shared(String::serde()),
        &key,
    );
}

/// What is committed beside the offset of each partition.
fn commit_metadata(criterion: &mut Criterion) {
    let closed = [("counts".into(), Timestamp::from_millis(60_000))].into();
    let metadata = CommitMetadata { partition_time: Timestamp::from_millis(70_000), closed };
    let text = metadata.encode();
    let mut group = criterion.benchmark_group("codec");
    group.bench_function("CommitMetadata/encode", |bencher| {
        bencher.iter(|| black_box(black_box(&metadata).encode()));
    });
    group.bench_function("CommitMetadata/decode", |bencher| {
        bencher.iter(|| black_box(CommitMetadata::decode(black_box(&text))));
    });
    group.finish();
}

criterion_group!(benches, serdes, commit_metadata);
criterion_main!(benches);
