//! Window stores that keep duplicates, and stores of lists: what they give, send and rebuild.

use std::sync::Arc;
use std::time::Duration;

use streams_core::metrics::DropReason;
use streams_core::serde::DefaultSerde;
use streams_core::store::{StateBackend, StoreSpec};
use streams_core::time::Timestamp;

use super::own::Shelf;
use crate::testing::{Fixture, ScratchDirectory, handle};
use crate::{ListStore, MemoryBackend, StoreBuilder, Stores, WindowStore};

type Windows = WindowStore<String, Option<String>>;
type Lists = ListStore<String, String>;

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn text(text: &str) -> String {
    text.to_owned()
}

const SECOND: Duration = Duration::from_secs(1);

fn windows() -> StoreBuilder<Windows> {
    let serdes = (String::serde(), Option::<String>::serde());
    let store = Stores::window_with("s", (SECOND, SECOND), serdes.0, serdes.1);
    store.retaining_duplicates().cached()
}

fn lists() -> StoreBuilder<Lists> {
    ListStore::declare("s", String::serde(), String::serde())
}

/// The values of a key, with their times.
fn of_key(store: &Windows, key: &str) -> Vec<(i64, String)> {
    let entries = store.fetch(&text(key), ..).unwrap().map(Result::unwrap);
    entries.map(|(time, value)| (time.millis(), value.unwrap())).collect()
}

fn keep_duplicates(spec: Arc<dyn StoreSpec>, backend: &dyn StateBackend, again: &dyn StateBackend) {
    let fixture = Fixture::new(vec![spec], 1 << 20);
    let mut stores = fixture.open(backend);
    let store: Windows = handle(&*stores, "s");
    let put = |key: &str, value: Option<&str>, time: i64| {
        fixture.at(0, time);
        store.put(&text(key), &value.map(text), at(time)).unwrap();
    };
    put("a", Some("1"), 70);
    put("a", Some("2"), 50);
    put("a", Some("3"), 70);
    put("ab", Some("4"), 70);
    stores.commit(&[(0, fixture.end())]).unwrap();
    let row = store.encode(&text("a"), &Some(text("5")), at(70)).unwrap();
    store.put_encoded(row).unwrap();
    // Deletes nothing, and is logged under a number of its own.
    put("a", None, 70);
    let expected = [(50, "2"), (70, "1"), (70, "3"), (70, "5")];
    let expected = expected.map(|(time, value)| (time, text(value)));
    assert_eq!(of_key(&store, "a"), expected);
    let logged: Vec<(Vec<u8>, bool)> = {
        let outbox = fixture.outbox.borrow();
        outbox.sent.iter().map(|sent| (sent.key.clone(), sent.value.is_some())).collect()
    };
    let key = |key: &str, time: i64, number: i32| {
        [key.as_bytes(), &time.to_be_bytes(), &number.to_be_bytes()].concat()
    };
    let keys = [
        (key("a", 70, 1), true),
        (key("a", 50, 2), true),
        (key("a", 70, 3), true),
        (key("ab", 70, 4), true),
        (key("a", 70, 5), true),
        (key("a", 70, 6), false),
    ];
    assert_eq!(logged, keys);

    let mut restored = fixture.open(again);
    fixture.restore(&mut *restored, 0, fixture.end());
    assert_eq!(of_key(&handle(&*restored, "s"), "a"), expected);
}

#[test]
fn all_rows_of_a_key_and_window_are_kept() {
    let (one, other) = (ScratchDirectory::new("one"), ScratchDirectory::new("other"));
    keep_duplicates(windows().build(), &one.backend(), &other.backend());
    let (memory, own) = (MemoryBackend::new(), windows().kept_in(Shelf::default()));
    keep_duplicates(windows().build(), &memory, &memory);
    keep_duplicates(own.build(), &memory, &memory);
}

#[test]
fn a_deletion_among_duplicates_moves_time_in_memory_only() {
    let in_memory = || {
        let store = Stores::window::<String, Option<String>>("s", SECOND, SECOND);
        store.retaining_duplicates().in_memory().build()
    };
    let own = windows().kept_in(Shelf::default()).build();
    for (spec, dropped) in [(windows().build(), 0), (in_memory(), 1), (own, 0)] {
        let fixture = Fixture::new(vec![spec], 0);
        let stores = fixture.open(&MemoryBackend::new());
        let store: Windows = handle(&*stores, "s");
        store.put(&text("a"), &None, at(500_000)).unwrap();
        store.put(&text("a"), &Some(text("1")), at(70)).unwrap();
        assert_eq!(fixture.context.dropped().of(DropReason::Expired), dropped);
        assert_eq!(fixture.outbox.borrow().sent.len(), 2);
    }
}

fn keep_lists(spec: Arc<dyn StoreSpec>, backend: &dyn StateBackend, again: &dyn StateBackend) {
    let fixture = Fixture::new(vec![spec], 0);
    let mut stores = fixture.open(backend);
    let store: Lists = handle(&*stores, "s");
    let all = |store: &Lists| store.all().map(Result::unwrap).collect::<Vec<_>>();
    store.push(&text("b"), &text("1")).unwrap();
    store.push(&text("a"), &text("2")).unwrap();
    stores.commit(&[(0, fixture.end())]).unwrap();
    store.push(&text("b"), &text("33")).unwrap();
    let expected = [(text("a"), vec![text("2")]), (text("b"), vec![text("1"), text("33")])];
    assert_eq!(all(&store), expected);
    let last = fixture.outbox.borrow().sent.last().unwrap().value.clone();
    assert_eq!(last.unwrap(), b"\x01\0\0\0\x02\0\0\0\x011\0\0\0\x0233");
    store.delete_present(&text("none")).unwrap();
    assert_eq!(fixture.end(), 3);
    store.delete_present(&text("a")).unwrap();
    store.delete(&text("none")).unwrap();
    assert_eq!(fixture.end(), 5);
    let mut restored = fixture.open(again);
    fixture.restore(&mut *restored, 0, fixture.end());
    assert_eq!(all(&handle(&*restored, "s")), expected[1..]);
    assert_eq!(all(&store), expected[1..]);
}

#[test]
fn values_are_added_to_the_list_of_their_key() {
    let (one, other) = (ScratchDirectory::new("one"), ScratchDirectory::new("other"));
    keep_lists(lists().build(), &one.backend(), &other.backend());
    let (memory, own) = (MemoryBackend::new(), lists().kept_in(Shelf::default()));
    keep_lists(lists().build(), &memory, &memory);
    keep_lists(own.build(), &memory, &memory);
}
