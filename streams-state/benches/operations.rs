//! The cost of single operations of a store on disk and in memory.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run ends")]

mod common;

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use streams_core::store::{StateBackend, TaskStores};
use streams_core::time::Timestamp;
use streams_state::{
    MemoryBackend, MemoryBudget, OldValues, RocksBackend, StateDirectory, Stores,
    TimestampedKeyValueStore, Update,
};

use crate::common::scratch::ScratchDirectory;
use crate::common::{handle, open};

type Counts = TimestampedKeyValueStore<String, i64>;

const KEYS: usize = 100_000;

fn keys() -> Vec<String> {
    (0..KEYS).map(|number| format!("key-{number}")).collect()
}

fn next(at: &mut usize) -> usize {
    *at = (*at * 1_664_525 + 1_013_904_223) % (1 << 32);
    *at % KEYS
}

fn counts(backend: &dyn StateBackend, cache: Option<usize>) -> (Box<dyn TaskStores>, Counts) {
    let builder = Stores::timestamped_key_value::<String, i64>("counts");
    let spec = if cache.is_some() { builder.cached() } else { builder };
    let stores = open(backend, 0, &[spec.build()], cache.unwrap_or(0));
    let counts = handle(&*stores, "counts");
    (stores, counts)
}

fn fill(counts: &Counts, keys: &[String]) {
    for key in keys {
        counts.put(key, &1, Timestamp::from_millis(1)).expect("the store takes it");
    }
}

fn measure(criterion: &mut Criterion, name: &str, counts: &Counts, keys: &[String]) {
    let mut at = 0;
    let mut group = criterion.benchmark_group(name);
    group.bench_function("get", |bencher| {
        bencher.iter(|| black_box(counts.get(&keys[next(&mut at)])));
    });
    group.bench_function("put", |bencher| {
        let time = Timestamp::from_millis(2);
        bencher.iter(|| black_box(counts.put(&keys[next(&mut at)], &2, time)));
    });
    group.bench_function("update", |bencher| {
        bencher.iter(|| {
            let key = &keys[next(&mut at)];
            black_box(counts.update(key, |old| {
                let count = old.map_or(0, |old| old.value) + 1;
                (Update::Put(count, Timestamp::from_millis(3)), ())
            }))
        });
    });
    group.finish();
}

fn operations(criterion: &mut Criterion) {
    let keys = keys();
    let memory = MemoryBackend::new();
    let (_stores, staged) = counts(&memory, None);
    fill(&staged, &keys);
    measure(criterion, "staged", &staged, &keys);

    let (_stores, cached) = counts(&memory, Some(64 << 20));
    cached.own_flushes(OldValues::Omit);
    fill(&cached, &keys);
    measure(criterion, "cached", &cached, &keys);

    // Rows that the overlay has no room for are read from RocksDB.
    let scratch = ScratchDirectory::new("operations");
    let directory = StateDirectory::open(scratch.path(), &"bench".into()).expect("it is free");
    let backend = RocksBackend::new(directory, MemoryBudget::of(16 << 20));
    let (mut stores, committed) = counts(&backend, None);
    for (number, keys) in (1..).zip(keys.chunks(10_000)) {
        fill(&committed, keys);
        stores.commit(&[(0, number)]).expect("the store commits");
    }
    let mut at = 0;
    let mut group = criterion.benchmark_group("committed");
    group.bench_function("get", |bencher| {
        bencher.iter(|| black_box(committed.get(&keys[next(&mut at)])));
    });
    group.bench_function("get of an absent key", |bencher| {
        bencher.iter(|| black_box(committed.get(&format!("no-{}", next(&mut at)))));
    });
    group.bench_function("scan of 100 rows", |bencher| {
        bencher.iter(|| {
            let rows = committed.range(&keys[next(&mut at)]..).expect("the key is encoded");
            black_box(rows.take(100).count())
        });
    });
    group.finish();
}

criterion_group!(benches, operations);
criterion_main!(benches);
