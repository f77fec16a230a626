//! Stores whose rows have headers.

use std::sync::Arc;
use std::time::Duration;

use streams_core::config::StreamsConfig;
use streams_core::record::Headers;
use streams_core::store::{Access, StoreSpec, TaskStores};
use streams_core::time::Timestamp;
use streams_core::window::Window;

use crate::testing::{Fixture, ScratchDirectory, handle};
use crate::{
    MemoryBackend, SessionStoreWithHeaders, Stores, Timestamped, TimestampedKeyValueStore,
    TimestampedKeyValueStoreWithHeaders, TimestampedWindowStoreWithHeaders, WindowStore,
    WithHeaders,
};

type Last = TimestampedKeyValueStoreWithHeaders<String, i64>;

fn headers(name: &str) -> Headers {
    let mut headers = Headers::new();
    headers.add(name, Some("x".into()));
    headers.add("none", None);
    headers
}

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn row(value: i64, timestamp: i64, name: &str) -> WithHeaders<Timestamped<i64>> {
    let value = Timestamped { value, timestamp: at(timestamp) };
    WithHeaders { value, headers: headers(name) }
}

/// What the changelog got: value, time and headers.
fn sent(fixture: &Fixture) -> Vec<(Option<Vec<u8>>, i64, Headers)> {
    let outbox = fixture.outbox.borrow();
    let sent = outbox.sent.iter().cloned();
    sent.map(|sent| (sent.value, sent.timestamp, sent.headers)).collect()
}

fn bytes(value: i64) -> Option<Vec<u8>> {
    Some(value.to_be_bytes().to_vec())
}

/// The task turns to a record of this time and these headers.
fn turn(fixture: &Fixture, time: i64, name: &str) {
    let _ = fixture.context.turn_to_cached(Some((0, 1)), at(time), headers(name));
}

#[test]
fn the_changelog_has_the_rows_time_and_headers_and_a_deletion_those_of_the_record() {
    for cache_bytes in [0, 10_000] {
        let builder = Stores::timestamped_key_value_and_headers::<String, i64>("s");
        let builder = if cache_bytes > 0 { builder.cached() } else { builder };
        let fixture = Fixture::new(vec![builder.build()], cache_bytes);
        let mut stores = fixture.open(&MemoryBackend::new());
        let last: Last = handle(&*stores, "s");
        turn(&fixture, 500, "record");
        last.put(&"a".to_owned(), &row(1, 100, "row")).unwrap();
        stores.flush_caches().unwrap();
        last.delete(&"a".to_owned()).unwrap();
        stores.flush_caches().unwrap();
        let expected = [(bytes(1), 100, headers("row")), (None, 500, headers("record"))];
        assert_eq!(sent(&fixture), expected, "{cache_bytes} bytes of cache");
    }
}

#[test]
fn rows_come_back_from_the_changelog_and_from_disk() {
    let spec = || Stores::timestamped_key_value_and_headers::<String, i64>("s").build();
    let (fixture, scratch) = (Fixture::new(vec![spec()], 0), ScratchDirectory::new("headers"));
    let expected = row(7, 70, "row");
    let opened = scratch.backend();
    let mut stores = fixture.open(&opened);
    let last: Last = handle(&*stores, "s");
    last.put(&"a".to_owned(), &expected).unwrap();
    stores.commit(&[(0, fixture.end())]).unwrap();
    drop((last, stores, opened));
    let opened = scratch.backend();
    let stores = fixture.open(&opened);
    let last: Last = handle(&*stores, "s");
    assert_eq!(last.get(&"a".to_owned()).unwrap(), Some(expected.clone()));
    let mut restored = fixture.open(&MemoryBackend::new());
    fixture.restore(&mut *restored, 0, fixture.end());
    let last: Last = handle(&*restored, "s");
    assert_eq!(last.get(&"a".to_owned()).unwrap(), Some(expected));
}

#[test]
fn windows_and_sessions_have_headers_too() {
    let (size, kept) = (Duration::from_millis(10), Duration::from_secs(60));
    let windows = Stores::timestamped_window_and_headers::<String, i64>("w", size, kept).build();
    let sessions = Stores::session_and_headers::<String, i64>("s", kept).build();
    let fixture = Fixture::new(vec![windows, sessions], 0);
    let stores = fixture.open(&MemoryBackend::new());
    turn(&fixture, 500, "record");
    let windows: TimestampedWindowStoreWithHeaders<String, i64> = handle(&*stores, "w");
    let sessions: SessionStoreWithHeaders<String, i64> = handle(&*stores, "s");
    let key = "a".to_owned();
    windows.put(&key, &row(1, 105, "window"), at(100)).unwrap();
    assert_eq!(windows.get(&key, at(100)).unwrap(), Some(row(1, 105, "window")));
    let session = WithHeaders { value: 2, headers: headers("session") };
    sessions.put(&key, Window::new(at(100), at(105)), &session).unwrap();
    assert_eq!(sessions.get(&key, Window::new(at(100), at(105))).unwrap(), Some(session));
    // A session has no time of its own: it is that of the record.
    let expected = [(bytes(1), 105, headers("window")), (bytes(2), 500, headers("session"))];
    assert_eq!(sent(&fixture), expected);
}

/// A store as `dsl.store.format=headers` makes it.
fn configured(spec: &Arc<dyn StoreSpec>) -> Arc<dyn StoreSpec> {
    let config = StreamsConfig::builder().application_id("app").bootstrap_servers("none:1");
    let config = config.set("dsl.store.format", "headers").build().unwrap();
    spec.configured(config.state()).unwrap()
}

/// The handle that shows the headers of a store that has them by the settings.
fn showing<S: 'static>(stores: &dyn TaskStores, name: &str) -> S {
    let handle = stores.handle_with_headers(&name.into(), Access::ReadWrite).unwrap();
    *handle.downcast::<S>().unwrap()
}

#[test]
fn what_operators_write_has_no_headers_or_those_of_the_record() {
    let table = Stores::timestamped_key_value::<String, i64>("t").laid_out_by_settings();
    let kept = Stores::timestamped_key_value::<String, i64>("k").laid_out_by_settings();
    let specs = [table.build(), kept.with_logged_headers().build()];
    let fixture = Fixture::new(specs.iter().map(configured).collect(), 0);
    let stores = fixture.open(&MemoryBackend::new());
    turn(&fixture, 500, "record");
    let key = "a".to_owned();
    let expected = [("t", Headers::new()), ("k", headers("record"))];
    for (name, headers) in &expected {
        let plain: TimestampedKeyValueStore<String, i64> = handle(&*stores, name);
        plain.put(&key, &1, at(100)).unwrap();
        assert_eq!(plain.get(&key).unwrap(), Some(Timestamped { value: 1, timestamp: at(100) }));
        let value = Timestamped { value: 1, timestamp: at(100) };
        let row = WithHeaders { value, headers: headers.clone() };
        assert_eq!(showing::<Last>(&*stores, name).get(&key).unwrap(), Some(row));
    }
    let sent: Vec<_> = sent(&fixture);
    assert_eq!(sent, expected.map(|(_, headers)| (bytes(1), 100, headers)));
}

#[test]
fn a_join_keeps_the_headers_and_the_time_of_each_record() {
    let (size, kept) = (Duration::from_millis(10), Duration::from_secs(60));
    let store = Stores::window::<String, i64>("j", size, kept).retaining_duplicates();
    let spec = configured(&store.with_logged_headers().laid_out_by_settings().build());
    let fixture = Fixture::new(vec![spec], 0);
    let stores = fixture.open(&MemoryBackend::new());
    let plain: WindowStore<String, i64> = handle(&*stores, "j");
    let key = "a".to_owned();
    for (value, name) in [(1, "one"), (2, "two")] {
        turn(&fixture, 100, name);
        plain.put_encoded(plain.encode(&key, &value, at(100)).unwrap()).unwrap();
    }
    turn(&fixture, 500, "later");
    let found = plain.fetch(&key, ..).unwrap().map(Result::unwrap);
    assert_eq!(found.collect::<Vec<_>>(), [(at(100), 1), (at(100), 2)]);
    let shown: TimestampedWindowStoreWithHeaders<String, i64> = showing(&*stores, "j");
    let found = shown.fetch(&key, ..).unwrap().map(|entry| entry.unwrap().1);
    assert_eq!(found.collect::<Vec<_>>(), [row(1, 100, "one"), row(2, 100, "two")]);
    assert_eq!(sent(&fixture), [(bytes(1), 100, headers("one")), (bytes(2), 100, headers("two"))]);
}

#[test]
fn a_store_of_another_format_on_disk_starts_empty() {
    let before = Stores::timestamped_key_value::<String, i64>("t").laid_out_by_settings().build();
    let after = configured(&before);
    let scratch = ScratchDirectory::new("format");
    let key = "a".to_owned();
    for (spec, other) in [(&before, &after), (&after, &before)] {
        let fixture = Fixture::new(vec![Arc::clone(spec)], 0);
        let backend = scratch.backend();
        let mut stores = fixture.open(&backend);
        let plain: TimestampedKeyValueStore<String, i64> = handle(&*stores, "t");
        assert_eq!((plain.get(&key).unwrap(), stores.position(0)), (None, None));
        plain.put(&key, &1, at(100)).unwrap();
        stores.commit(&[(0, fixture.end())]).unwrap();
        drop((plain, stores));
        let stores = fixture.open(&backend);
        assert_eq!(stores.position(0), Some(1), "the same format");
        drop(stores);
        let fixture = Fixture::new(vec![Arc::clone(other)], 0);
        assert_eq!(fixture.open(&backend).position(0), None, "another format");
    }
}
