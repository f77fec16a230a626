//! Versioned stores: what Kafka's gives for the same calls, and the same after a commit, a restart
//! and a restoration.

use std::time::Duration;

use streams_core::store::{StateBackend, StoreKind, TaskStores};
use streams_core::time::Timestamp;

use super::own::Shelf;
use crate::testing::{Fixture, ScratchDirectory, handle};
use crate::{MemoryBackend, PutVersion, StoreBuilder, Stores, Timestamped, VersionedKeyValueStore};

type Store = VersionedKeyValueStore<String, String>;

/// Calls of Kafka's `RocksDBVersionedStore` and what they returned. `store` begins another one,
/// with its history and segments in milliseconds.
const CALLS: &str = include_str!("versions.txt");

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn shown(version: Option<Timestamped<String>>) -> String {
    version.map_or("-".to_owned(), |version| format!("{}@{}", version.value, version.timestamp))
}

fn put(result: PutVersion) -> String {
    match result {
        PutVersion::Latest => "-1".to_owned(),
        PutVersion::Until(time) => time.to_string(),
        PutVersion::Expired => "expired".to_owned(),
    }
}

/// Makes a call, and gives what it returned.
fn call(store: &Store, words: &[&str]) -> String {
    let key = words[1].to_owned();
    let time = || at(words[2].parse().unwrap());
    match words[0] {
        "put" => put(store.put(&key, &words[3].to_owned(), time()).unwrap()),
        "putnull" => put(store.put_row(&key, None, time()).unwrap()),
        "delete" => shown(store.delete(&key, time()).unwrap()),
        "get" => shown(store.get(&key).unwrap()),
        "asof" => shown(store.as_of(&key, time()).unwrap()),
        other => panic!("unknown call {other}"),
    }
}

/// What both keys have as of all times from `from` on.
fn history(store: &Store, from: i64, to: i64) -> Vec<String> {
    let keys = ["a", "b"].map(str::to_owned);
    let latest = keys.iter().map(|key| shown(store.get(key).unwrap()));
    let times = (from.max(0)..=to)
        .flat_map(|time| keys.iter().map(move |key| shown(store.as_of(key, at(time)).unwrap())));
    latest.chain(times).collect()
}

fn fixture(header: &str) -> (Fixture, i64) {
    fixture_in(header, |store| store)
}

fn fixture_in(
    header: &str,
    place: impl FnOnce(StoreBuilder<Store>) -> StoreBuilder<Store>,
) -> (Fixture, i64) {
    let sizes: Vec<u64> = header.split(' ').skip(1).map(|size| size.parse().unwrap()).collect();
    let (history, segment) = (Duration::from_millis(sizes[0]), Duration::from_millis(sizes[1]));
    let spec = Stores::versioned_key_value::<String, String>("v", history);
    let spec = place(spec.with_segment_interval(segment)).build();
    (Fixture::new(vec![spec], 0), i64::try_from(sizes[0]).unwrap())
}

/// Runs the calls on one store, with commits between. Gives the last time that was written.
fn run(calls: &[&str], fixture: &Fixture, stores: &mut dyn TaskStores) -> i64 {
    let store: Store = handle(&*stores, "v");
    let mut last = -1;
    for (number, line) in (0..).zip(calls) {
        let words: Vec<&str> = line.split(' ').collect();
        let (expected, words) = words.split_last().unwrap();
        assert_eq!(call(&store, words), *expected, "{line}, call {number}");
        let is_change = !matches!(words[0], "get" | "asof");
        if is_change && *expected != "expired" {
            last = last.max(words[2].parse().unwrap());
        }
        if number % 7 == 6 {
            stores.commit(&[(0, fixture.end())]).unwrap();
        }
    }
    last
}

fn each_store(mut with: impl FnMut(&str, &[&str])) {
    let lines: Vec<&str> = CALLS.lines().collect();
    let mut rest = &lines[..];
    let mut number = 0;
    while let [header, calls @ ..] = rest {
        let end = calls.iter().position(|line| line.starts_with("store ")).unwrap_or(calls.len());
        with(header, &calls[..end]);
        rest = &calls[end..];
        number += 1;
    }
    assert!(number > 10);
}

#[test]
fn calls_return_what_kafkas_store_does() {
    let scratch = ScratchDirectory::new("versions");
    each_store(|header, calls| {
        for backend in [&MemoryBackend::new() as &dyn StateBackend, &scratch.backend()] {
            let (fixture, _) = fixture(header);
            let mut stores = fixture.open(backend);
            stores.wipe(0).unwrap();
            run(calls, &fixture, &mut *stores);
        }
    });
}

/// After the calls and a commit, the first backend opens what was there, and all of them restore it.
fn check_kept(
    (header, calls): (&str, &[&str]),
    (fixture, history_ms): &(Fixture, i64),
    backends: &[&dyn StateBackend],
) {
    let mut stores = fixture.open(backends[0]);
    let last = run(calls, fixture, &mut *stores);
    let kept = |stores: &dyn TaskStores| history(&handle(stores, "v"), last - history_ms, last + 2);
    stores.commit(&[(0, fixture.end())]).unwrap();
    let before = kept(&*stores);
    drop(stores);
    let stores = fixture.open(backends[0]);
    assert_eq!(stores.position(0), Some(fixture.end()), "{header} opened again");
    assert_eq!(kept(&*stores), before, "{header} opened again");
    drop(stores);
    for backend in backends {
        let mut stores = fixture.open(*backend);
        stores.wipe(0).unwrap();
        fixture.restore(&mut *stores, 0, fixture.end() / 2);
        fixture.restore(&mut *stores, 0, fixture.end());
        assert_eq!(kept(&*stores), before, "{header} restored");
    }
}

#[test]
fn a_store_is_the_same_after_a_restart_and_a_restoration() {
    let mut number = 0;
    each_store(|header, calls| {
        number += 1;
        if number > 20 {
            return;
        }
        let scratch = ScratchDirectory::new("versions-again");
        let backends: [&dyn StateBackend; 2] = [&scratch.backend(), &MemoryBackend::new()];
        check_kept((header, calls), &fixture(header), &backends);
    });
}

#[test]
fn in_a_place_of_its_own_a_store_is_the_same() {
    each_store(|header, calls| {
        let shelf = Shelf::default();
        let fixture = fixture_in(header, |store| store.kept_in(shelf));
        check_kept((header, calls), &fixture, &[&MemoryBackend::new()]);
    });
}

#[test]
fn what_was_staged_goes_with_it() {
    let (fixture, _) = fixture("store 100 10");
    let mut stores = fixture.open(&MemoryBackend::new());
    let store: Store = handle(&*stores, "v");
    let a = "a".to_owned();
    store.put(&a, &"1".to_owned(), at(10)).unwrap();
    stores.commit(&[(0, 1)]).unwrap();
    store.put(&a, &"2".to_owned(), at(500)).unwrap();
    assert_eq!(put(store.put(&a, &"0".to_owned(), at(20)).unwrap()), "expired");
    stores.discard();
    assert_eq!(shown(store.get(&a).unwrap()), "1@10");
    assert_eq!(put(store.put(&a, &"0".to_owned(), at(5)).unwrap()), "10");
}

#[test]
fn the_changelog_has_plain_values_at_the_times_of_their_versions() {
    let (fixture, _) = fixture("store 100 10");
    let stores = fixture.open(&MemoryBackend::new());
    let store: Store = handle(&*stores, "v");
    let a = "a".to_owned();
    fixture.at(3, 777);
    store.put(&a, &"one".to_owned(), at(1000)).unwrap();
    store.delete(&a, at(950)).unwrap();
    store.put(&a, &"late".to_owned(), at(10)).unwrap();
    let outbox = fixture.outbox.borrow();
    let sent = outbox.sent.iter().map(|sent| {
        let value = sent.value.as_deref().map(|value| String::from_utf8_lossy(value));
        let key = String::from_utf8_lossy(&sent.key);
        format!("{key} {} {}", value.unwrap_or("-".into()), sent.timestamp)
    });
    assert_eq!(sent.collect::<Vec<_>>(), ["a one 1000", "a - 950", "a late 10"]);
}

#[test]
fn old_segments_are_dropped() {
    drop_old_segments(&fixture("store 100 10").0);
    let shelf = Shelf::default();
    drop_old_segments(&fixture_in("store 100 10", |store| store.kept_in(shelf)).0);
}

fn drop_old_segments(fixture: &Fixture) {
    let mut stores = fixture.open(&MemoryBackend::new());
    let store: Store = handle(&*stores, "v");
    for time in 0..1000 {
        store.put(&"a".to_owned(), &time.to_string(), at(time * 10)).unwrap();
        store.put(&"b".to_owned(), &time.to_string(), at(0)).unwrap();
        stores.commit(&[(0, fixture.end())]).unwrap();
    }
    assert!(store.rows() < 20, "{} rows", store.rows());
    assert_eq!(shown(store.get(&"b".to_owned()).unwrap()), "10@0");
}

#[test]
fn segments_are_as_long_as_in_kafka() {
    let of = |millis| {
        let spec = Stores::versioned_key_value::<String, i64>("v", Duration::from_millis(millis));
        match spec.build().kind() {
            StoreKind::Versioned(segments) => segments.interval_ms,
            _ => 0,
        }
    };
    let hour = 3_600_000;
    let lengths = [0, 30_000, 60_000, 200_000, 300_000, hour, 24 * hour].map(of);
    assert_eq!(lengths, [2000, 10_000, 20_000, 40_000, 60_000, 300_000, hour.cast_signed()]);
}
