//! What putting and fetching a window costs on disk, with 10 and with 1,000 windows closed before;
//! and the same of a record, in a store that keeps duplicates for a join.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run ends")]

mod common;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use streams_core::store::TaskStores;
use streams_core::time::Timestamp;
use streams_state::{
    MemoryBudget, RocksBackend, StateDirectory, Stores, Timestamped, TimestampedWindowStore,
    WindowStore,
};

use crate::common::scratch::ScratchDirectory;
use crate::common::{handle, open};

type Counts = TimestampedWindowStore<String, i64>;

const KEYS: usize = 1000;
const KEYS_I64: i64 = 1000;
const SIZE_MS: i64 = 60_000;

fn next(at: &mut usize) -> usize {
    *at = (*at * 1_664_525 + 1_013_904_223) % (1 << 32);
    *at % KEYS
}

fn row(value: i64, millis: i64) -> Timestamped<i64> {
    Timestamped { value, timestamp: Timestamp::from_millis(millis) }
}

/// A store in which so many windows were filled, committed and closed.
fn counts(backend: &RocksBackend, keys: &[String], closed: i64) -> (Box<dyn TaskStores>, Counts) {
    let size = Duration::from_millis(SIZE_MS.unsigned_abs());
    let spec = Stores::timestamped_window::<String, i64>("counts", size, size).build();
    let mut stores = open(backend, 0, &[spec], 0);
    let counts: Counts = handle(&*stores, "counts");
    for window in 0..=closed {
        let start = window * SIZE_MS;
        for key in keys {
            let start = Timestamp::from_millis(start);
            counts.put(key, &row(1, start.millis()), start).expect("the store takes it");
        }
        stores.commit(&[(0, window + 1)]).expect("the store commits");
    }
    (stores, counts)
}

fn windows(criterion: &mut Criterion) {
    let keys: Vec<String> = (0..KEYS).map(|number| format!("key-{number}")).collect();
    for closed in [10, 1000] {
        let scratch = ScratchDirectory::new(&format!("windows-{closed}"));
        let directory = StateDirectory::open(scratch.path(), &"bench".into()).expect("it is free");
        // The least budget, so that reads come to the disk.
        let backend = RocksBackend::new(directory, MemoryBudget::of(4 << 20));
        let (mut stores, counts) = counts(&backend, &keys, closed);
        let start = Timestamp::from_millis(closed * SIZE_MS);
        let mut at = 0;
        let mut commits = closed + 1;
        let mut group = criterion.benchmark_group(format!("{closed} closed windows"));
        group.bench_function("update", |bencher| {
            bencher.iter(|| {
                let key = &keys[next(&mut at)];
                let count = counts.update(key, start, |old| {
                    Some((Some(row(old.map_or(0, |old| old.value) + 1, start.millis())), ()))
                });
                black_box(count)
            });
        });
        group.bench_function("put and commit of 1,000 keys", |bencher| {
            bencher.iter(|| {
                for key in &keys {
                    counts.put(key, &row(2, start.millis()), start).expect("the store takes it");
                }
                commits += 1;
                stores.commit(&[(0, commits)]).expect("the store commits");
            });
        });
        group.bench_function("fetch of a key", |bencher| {
            bencher.iter(|| {
                let entries = counts.fetch(&keys[next(&mut at)], ..).expect("the store is read");
                black_box(entries.count())
            });
        });
        group.finish();
    }
}

type Records = WindowStore<String, Vec<u8>>;

/// As [`counts`], with rows such as joins of streams keep: of all times within a window.
fn records(backend: &RocksBackend, keys: &[String], closed: i64) -> (Box<dyn TaskStores>, Records) {
    let size = Duration::from_millis(SIZE_MS.unsigned_abs());
    let spec = Stores::window::<String, Vec<u8>>("records", size, size);
    let mut stores = open(backend, 0, &[spec.retaining_duplicates().build()], 0);
    let records: Records = handle(&*stores, "records");
    for window in 0..=closed {
        for (number, key) in (0..).zip(keys) {
            let time = Timestamp::from_millis(window * SIZE_MS + number * SIZE_MS / KEYS_I64);
            records.put(key, &vec![7; 100], time).expect("the store takes it");
        }
        stores.commit(&[(0, window + 1)]).expect("the store commits");
    }
    (stores, records)
}

fn joins(criterion: &mut Criterion) {
    let keys: Vec<String> = (0..KEYS).map(|number| format!("key-{number}")).collect();
    for closed in [10, 1000] {
        let scratch = ScratchDirectory::new(&format!("joins-{closed}"));
        let directory = StateDirectory::open(scratch.path(), &"bench".into()).expect("it is free");
        let backend = RocksBackend::new(directory, MemoryBudget::of(4 << 20));
        let (mut stores, records) = records(&backend, &keys, closed);
        let value = vec![7; 100];
        let (mut at, mut millis, mut commits) = (0, (closed + 1) * SIZE_MS, closed + 1);
        let mut group = criterion.benchmark_group(format!("{closed} closed windows"));
        group.bench_function("put and fetch of a record", |bencher| {
            bencher.iter(|| {
                // A record a millisecond, and a commit a second.
                millis += 1;
                if millis % 1000 == 0 {
                    commits += 1;
                    stores.commit(&[(0, commits)]).expect("the store commits");
                }
                let (key, time) = (&keys[next(&mut at)], Timestamp::from_millis(millis));
                records.put(key, &value, time).expect("the store takes it");
                let from = Timestamp::from_millis(millis - 5000);
                let entries = records.fetch(key, from..=time).expect("the store is read");
                black_box(entries.count())
            });
        });
        group.finish();
    }
}

criterion_group!(benches, windows, joins);
criterion_main!(benches);
