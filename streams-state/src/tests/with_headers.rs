//! Stores whose rows have headers.

use std::time::Duration;

use streams_core::record::Headers;
use streams_core::time::Timestamp;
use streams_core::window::Window;

use crate::testing::{Fixture, ScratchDirectory, handle};
use crate::{
    MemoryBackend, SessionStoreWithHeaders, Stores, Timestamped,
    TimestampedKeyValueStoreWithHeaders, TimestampedWindowStoreWithHeaders, WithHeaders,
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
