//! Rows that are written to the changelog once more, each kind of store as it wrote them first.

use std::sync::Arc;
use std::time::Duration;

use streams_core::record::{Headers, RawRecord};
use streams_core::store::{RowOrder, StoreSpec, TaskStores};
use streams_core::time::Timestamp;
use streams_core::window::Window;

use crate::testing::{Fixture, ScratchDirectory, Sent, handle};
use crate::{
    KeyValueStore, MemoryBackend, SessionStore, Stores, Timestamped, TimestampedKeyValueStore,
    TimestampedKeyValueStoreWithHeaders, VersionedKeyValueStore, WindowStore, WithHeaders,
};

const HOUR: Duration = Duration::from_secs(3600);
/// The time of the record by which rows without a time are written, and of the other writer's.
const NOW: i64 = 9_000;

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn key() -> String {
    "a".to_owned()
}

/// A kind of store, and how it gets its rows.
type Kind = (&'static str, fn() -> Arc<dyn StoreSpec>, fn(&dyn TaskStores));

const KINDS: [Kind; 8] = [
    (
        "key-value",
        || Stores::key_value::<String, i64>("s").build(),
        |stores| {
            let rows: KeyValueStore<String, i64> = handle(stores, "s");
            rows.put(&key(), &1).unwrap();
            rows.put(&key(), &2).unwrap();
            rows.delete(&"b".to_owned()).unwrap();
        },
    ),
    (
        "timestamped",
        || Stores::timestamped_key_value::<String, i64>("s").build(),
        |stores| {
            let rows: TimestampedKeyValueStore<String, i64> = handle(stores, "s");
            rows.put(&key(), &2, at(70)).unwrap();
        },
    ),
    (
        "with headers",
        || Stores::timestamped_key_value_and_headers::<String, i64>("s").build(),
        |stores| {
            let rows: TimestampedKeyValueStoreWithHeaders<String, i64> = handle(stores, "s");
            let mut headers = Headers::new();
            headers.add("h", Some("x".into()));
            let value = Timestamped { value: 2, timestamp: at(70) };
            rows.put(&key(), &WithHeaders { value, headers }).unwrap();
        },
    ),
    ("window", || Stores::window::<String, i64>("s", HOUR, HOUR).build(), put_windows),
    (
        "window by time",
        || Stores::window::<String, i64>("s", HOUR, HOUR).ordered(RowOrder::TimeFirst).build(),
        put_windows,
    ),
    (
        "window by time with an index",
        || {
            let windows = Stores::window::<String, i64>("s", HOUR, HOUR);
            windows.ordered(RowOrder::TimeFirstIndexed).build()
        },
        put_windows,
    ),
    (
        "session",
        || Stores::session::<String, i64>("s", HOUR).build(),
        |stores| {
            let rows: SessionStore<String, i64> = handle(stores, "s");
            rows.put(&key(), Window { start: at(10), end: at(70) }, &2).unwrap();
        },
    ),
    (
        "versioned",
        || Stores::versioned_key_value::<String, i64>("s", HOUR).build(),
        |stores| {
            let rows: VersionedKeyValueStore<String, i64> = handle(stores, "s");
            rows.put(&key(), &1, at(NOW - 10)).unwrap();
            rows.put(&key(), &2, at(NOW)).unwrap();
        },
    ),
];

fn put_windows(stores: &dyn TaskStores) {
    let rows: WindowStore<String, i64> = handle(stores, "s");
    rows.put(&key(), &1, at(0)).unwrap();
    rows.put(&key(), &2, at(70)).unwrap();
}

/// Another writer's record of a key.
fn by_other<'a>(key: &'a [u8], time: i64) -> RawRecord<'a> {
    RawRecord {
        key: Some(key),
        value: Some(b"older"),
        timestamp: at(time),
        offset: 100,
        leader_epoch: None,
        headers: Headers::new(),
    }
}

/// What is sent for the last row that was sent, once the other's record lies behind it.
fn again(stores: &mut dyn TaskStores, fixture: &Fixture, first: &Sent) -> Vec<Sent> {
    let known = fixture.outbox.borrow().sent.len();
    stores.write_again(0, &by_other(&first.key, NOW)).unwrap();
    fixture.outbox.borrow().sent[known..].to_vec()
}

#[test]
fn every_kind_of_store_sends_its_row_as_it_did_first() {
    for (kind, spec, put) in KINDS {
        let directory = ScratchDirectory::new("again");
        let (disk, memory) = (directory.backend(), MemoryBackend::new());
        for backend in [&disk as &dyn streams_core::store::StateBackend, &memory] {
            let fixture = Fixture::new(vec![spec()], 0);
            let mut stores = fixture.open(backend);
            fixture.at(1, NOW);
            put(&*stores);
            let last = fixture.outbox.borrow().sent.last().unwrap().clone();
            assert_eq!(
                again(&mut *stores, &fixture, &last),
                std::slice::from_ref(&last),
                "{kind}, staged"
            );
            stores.commit(&[(0, fixture.end())]).unwrap();
            assert_eq!(again(&mut *stores, &fixture, &last), [last], "{kind}, committed");
        }
    }
}

#[test]
fn a_key_that_the_store_does_not_hold_is_deleted() {
    let fixture = Fixture::new(vec![Stores::key_value::<String, i64>("s").build()], 0);
    let mut stores = fixture.open(&MemoryBackend::new());
    stores.write_again(0, &by_other(b"theirs", 5)).unwrap();
    let sent = fixture.outbox.borrow().sent.clone();
    let found: Vec<_> = sent.iter().map(|sent| (&*sent.key, &sent.value, sent.timestamp)).collect();
    assert_eq!(found, [(&b"theirs"[..], &None, 5)]);
}

#[test]
fn a_version_that_is_still_to_come_is_left() {
    let spec = Stores::versioned_key_value::<String, i64>("s", HOUR).build();
    let fixture = Fixture::new(vec![spec], 0);
    let mut stores = fixture.open(&MemoryBackend::new());
    let rows: VersionedKeyValueStore<String, i64> = handle(&*stores, "s");
    rows.put(&key(), &1, at(10)).unwrap();
    let known = fixture.end();
    stores.write_again(0, &by_other(b"a", 20)).unwrap();
    assert_eq!(fixture.end(), known);
}
