//! Stores of a bounded number of rows.

use std::collections::BTreeMap;

use streams_core::store::TaskStores;
use streams_core::time::Timestamp;

use crate::testing::{Fixture, handle};
use crate::{KeyValueStore, MemoryBackend, Stores, TimestampedKeyValueStore};

type Rows = KeyValueStore<String, i64>;

fn text(text: &str) -> String {
    text.to_owned()
}

fn opened(fixture: &Fixture) -> (Box<dyn TaskStores>, Rows) {
    let stores = fixture.open(&MemoryBackend::new());
    let rows = handle(&*stores, "s");
    (stores, rows)
}

fn fixture(rows_max: usize) -> Fixture {
    Fixture::new(vec![Stores::key_value::<String, i64>("s").lru_map(rows_max).build()], 0)
}

fn keys(rows: &Rows) -> Vec<String> {
    rows.all().unwrap().map(|row| row.unwrap().0).collect()
}

/// What the changelog got: `a` is written, `-a` deleted.
fn sent(fixture: &Fixture) -> Vec<String> {
    let outbox = fixture.outbox.borrow();
    let line = |key: &[u8], sign: &str| format!("{sign}{}", String::from_utf8_lossy(key));
    let sent = outbox.sent.iter();
    sent.map(|sent| line(&sent.key, if sent.value.is_some() { "" } else { "-" })).collect()
}

#[test]
fn the_row_that_was_not_used_for_longest_goes_and_leaves_the_changelog_first() {
    let fixture = fixture(3);
    let (_stores, rows) = opened(&fixture);
    for key in ["a", "b", "c"] {
        rows.put(&text(key), &1).unwrap();
    }
    assert_eq!(rows.get(&text("a")).unwrap(), Some(1));
    rows.put(&text("b"), &2).unwrap();
    // A scan uses nothing, and what is not there cannot be used.
    assert_eq!(keys(&rows), ["a", "b", "c"]);
    assert_eq!(rows.get(&text("x")).unwrap(), None);
    rows.put(&text("d"), &1).unwrap();
    assert_eq!(keys(&rows), ["a", "b", "d"]);
    rows.delete(&text("b")).unwrap();
    rows.put(&text("e"), &1).unwrap();
    assert_eq!(keys(&rows), ["a", "d", "e"]);
    rows.put(&text("f"), &1).unwrap();
    assert_eq!(keys(&rows), ["d", "e", "f"]);
    assert_eq!(sent(&fixture), ["a", "b", "c", "b", "-c", "d", "-b", "e", "-a", "f"]);
}

#[test]
fn rows_with_times_go_too() {
    let store = Stores::timestamped_key_value::<String, i64>("s").lru_map(1).build();
    let fixture = Fixture::new(vec![store], 0);
    let stores = fixture.open(&MemoryBackend::new());
    let rows: TimestampedKeyValueStore<String, i64> = handle(&*stores, "s");
    fixture.at(1, 50);
    for key in ["a", "b"] {
        rows.put(&text(key), &1, Timestamp::from_millis(7)).unwrap();
    }
    assert_eq!(sent(&fixture), ["a", "-a", "b"]);
    let times: Vec<i64> = fixture.outbox.borrow().sent.iter().map(|sent| sent.timestamp).collect();
    assert_eq!(times, [7, 50, 7]);
}

#[test]
fn a_store_is_restored_with_the_rows_it_had() {
    let fixture = fixture(2);
    let (_stores, rows) = opened(&fixture);
    for key in ["a", "b", "c", "a"] {
        rows.put(&text(key), &1).unwrap();
    }
    let (mut stores, restored) = opened(&fixture);
    fixture.restore(&mut *stores, 0, fixture.end());
    assert_eq!(keys(&restored), keys(&rows));
    restored.put(&text("d"), &1).unwrap();
    assert_eq!(keys(&restored), ["a", "d"]);
    assert_eq!(sent(&fixture), ["a", "b", "-a", "c", "-b", "a", "-c", "d"]);
}

#[test]
fn a_changelog_without_deletions_is_restored_within_the_bound() {
    let logged = Fixture::new(vec![Stores::key_value::<String, i64>("s").build()], 0);
    let (_stores, rows) = opened(&logged);
    for key in ["a", "b", "c", "a"] {
        rows.put(&text(key), &1).unwrap();
    }
    let bounded = fixture(2);
    let (mut stores, restored) = opened(&bounded);
    bounded.outbox.borrow_mut().sent.clone_from(&logged.outbox.borrow().sent);
    bounded.restore(&mut *stores, 0, logged.end());
    assert_eq!(keys(&restored), ["a", "c"]);
}

#[test]
fn what_goes_without_a_commit_comes_back() {
    let fixture = fixture(2);
    let (mut stores, rows) = opened(&fixture);
    for key in ["a", "b"] {
        rows.put(&text(key), &1).unwrap();
    }
    stores.commit(&[(0, fixture.end())]).unwrap();
    rows.put(&text("a"), &2).unwrap();
    rows.put(&text("c"), &1).unwrap();
    assert_eq!(keys(&rows), ["a", "c"]);
    stores.discard();
    assert_eq!(keys(&rows), ["a", "b"]);
    assert_eq!(rows.get(&text("b")).unwrap(), Some(1));
    rows.put(&text("d"), &1).unwrap();
    assert_eq!(keys(&rows), ["b", "d"]);
}

#[test]
fn rows_are_those_of_a_list_that_is_searched() {
    let fixture = fixture(5);
    let (_stores, rows) = opened(&fixture);
    // The keys, the eldest first.
    let mut list: Vec<(String, i64)> = Vec::new();
    let mut state = 7_u64;
    for at in 0..2_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let key = format!("k{}", (state >> 33) % 11);
        let place = list.iter().position(|(known, _)| *known == key);
        let known = place.map(|place| list.remove(place));
        match (state >> 60) % 4 {
            0 => {
                assert_eq!(rows.get(&key).unwrap(), known.as_ref().map(|row| row.1));
                list.extend(known);
            }
            1 => drop(rows.delete(&key).unwrap()),
            _ => {
                rows.put(&key, &at).unwrap();
                list.push((key, at));
                if list.len() > 5 {
                    list.remove(0);
                }
            }
        }
        let expected: BTreeMap<_, _> = list.iter().cloned().collect();
        let got: BTreeMap<_, _> = rows.all().unwrap().map(Result::unwrap).collect();
        assert_eq!(got, expected, "after step {at}");
    }
}
