//! What stores send, forward, keep and refuse.

use std::cell::RefCell;
use std::rc::Rc;

use streams_core::error::StoreError;
use streams_core::names::TaskId;
use streams_core::record::Headers;
use streams_core::store::TaskStores;
use streams_core::time::Timestamp;

use crate::testing::{Fixture, ScratchDirectory, Sent, handle};
use crate::{
    Flushed, KeyValueStore, MemoryBackend, OldValues, StateDirectory, Stores,
    TimestampedKeyValueStore, Update,
};

type Counts = TimestampedKeyValueStore<String, i64>;

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn sent(key: &str, value: Option<i64>, timestamp: i64) -> Sent {
    let value = value.map(|value| value.to_be_bytes().to_vec());
    let (topic, key) = ("app-s-changelog".into(), key.as_bytes().to_vec());
    Sent { topic, key, value, timestamp, headers: Headers::new() }
}

struct Opened {
    fixture: Fixture,
    stores: Box<dyn TaskStores>,
    counts: Counts,
}

fn counts(cache_bytes: Option<usize>) -> Opened {
    let builder = Stores::timestamped_key_value::<String, i64>("s");
    let spec = if cache_bytes.is_some() { builder.cached() } else { builder };
    let fixture = Fixture::new(vec![spec.build()], cache_bytes.unwrap_or(0));
    let stores = fixture.open(&MemoryBackend::new());
    let counts = handle(&*stores, "s");
    Opened { fixture, stores, counts }
}

#[test]
fn the_changelog_of_a_timestamped_store_has_the_rows_time_and_the_plain_value() {
    let opened = counts(None);
    let Opened { fixture, counts, .. } = &opened;
    fixture.at(1, 500);
    counts.put(&text("a"), &1, at(100)).unwrap();
    counts.delete(&text("a")).unwrap();
    counts.delete(&text("a")).unwrap();
    counts.put_row(&text("b"), None, at(7)).unwrap();
    counts.put_if_absent(&text("a"), &2, at(101)).unwrap();
    counts.put_if_absent(&text("a"), &3, at(102)).unwrap();
    let expected = [
        sent("a", Some(1), 100),
        sent("a", None, 500),
        sent("a", None, 500),
        sent("b", None, 500),
        sent("a", Some(2), 101),
    ];
    assert_eq!(fixture.outbox.borrow().sent, expected);
}

#[test]
fn the_changelog_of_a_plain_store_has_the_contexts_time() {
    let spec = Stores::key_value::<String, i64>("s").build();
    let fixture = Fixture::new(vec![spec], 0);
    let stores = fixture.open(&MemoryBackend::new());
    let store: KeyValueStore<String, i64> = handle(&*stores, "s");
    fixture.at(1, 42);
    store.put_all([(&text("a"), &1), (&text("b"), &2)]).unwrap();
    store.delete(&text("a")).unwrap();
    let expected = [sent("a", Some(1), 42), sent("b", Some(2), 42), sent("a", None, 42)];
    assert_eq!(fixture.outbox.borrow().sent, expected);
    assert!(stores.handle(&"s".into()).unwrap().downcast::<Counts>().is_err());
}

type Forwarded = Rc<RefCell<Vec<(Flushed<String, i64>, i64, usize)>>>;

/// Keeps what is forwarded, the context's time, and how many records had been sent by then.
fn collect<'a>(
    opened: &'a Opened,
    into: &'a Forwarded,
) -> impl FnMut(Flushed<String, i64>) -> streams_core::error::Pushed + 'a {
    |flushed| {
        let time = opened.fixture.context.timestamp().millis();
        let sent = opened.fixture.outbox.borrow().sent.len();
        into.borrow_mut().push((flushed, time, sent));
        Ok(())
    }
}

fn flushed(key: &str, new: Option<i64>, old: Option<i64>, time: i64) -> Flushed<String, i64> {
    Flushed { key: text(key), new, old, timestamp: at(time), headers: Headers::new() }
}

#[test]
fn a_flush_forwards_the_last_value_of_each_key_in_the_order_of_the_last_writes() {
    let opened = counts(Some(10_000));
    let Opened { fixture, counts, .. } = &opened;
    assert!(counts.own_flushes(OldValues::Send));
    let forwarded = Forwarded::default();
    for (offset, (key, value)) in [("a", 1), ("b", 1), ("a", 2), ("c", 1)].into_iter().enumerate() {
        let offset = i64::try_from(offset).unwrap();
        fixture.at(offset, 100 + offset);
        counts.put(&text(key), &value, at(10 + offset)).unwrap();
    }
    // Never there, and deleted again: neither logged nor forwarded.
    counts.delete(&text("c")).unwrap();
    assert!(fixture.outbox.borrow().sent.is_empty());
    counts.flush_cache(&mut collect(&opened, &forwarded)).unwrap();
    let first =
        [(flushed("b", Some(1), None, 11), 101, 1), (flushed("a", Some(2), None, 12), 102, 2)];
    assert_eq!(forwarded.take(), first);
    assert_eq!(fixture.outbox.borrow().sent, [sent("b", Some(1), 11), sent("a", Some(2), 12)]);
    // The task's own context is back.
    assert_eq!(fixture.context.timestamp(), at(103));

    fixture.at(9, 200);
    counts.put_row(&text("a"), None, at(0)).unwrap();
    counts.update(&text("b"), |old| (Update::Put(old.unwrap().value + 1, at(13)), ())).unwrap();
    counts.flush_cache(&mut collect(&opened, &forwarded)).unwrap();
    let second =
        [(flushed("a", None, Some(2), 200), 200, 3), (flushed("b", Some(2), Some(1), 13), 200, 4)];
    assert_eq!(forwarded.take(), second);
    counts.flush_cache(&mut collect(&opened, &forwarded)).unwrap();
    assert!(forwarded.borrow().is_empty());
}

#[test]
fn an_eviction_forwards_the_eldest_and_then_all_dirty_entries() {
    // A node of a one-character key and 16 bytes of row counts 1 + 24 + 21 + 16 + 5.
    let opened = counts(Some(3 * 67));
    let Opened { fixture, counts, .. } = &opened;
    counts.own_flushes(OldValues::Omit);
    let forwarded = Forwarded::default();
    let put = |key: &str, value: i64| {
        fixture.at(value, value);
        counts.put(&text(key), &value, at(value)).unwrap();
    };
    for (key, value) in [("a", 1), ("b", 2), ("c", 3), ("b", 4)] {
        put(key, value);
        counts.forward_evicted(&mut collect(&opened, &forwarded)).unwrap();
    }
    assert!(forwarded.borrow().is_empty());
    assert_eq!(fixture.cache.used_bytes(), 3 * 67);
    put("d", 5);
    // Written below at once, forwarded when the owner asks.
    assert_eq!(fixture.outbox.borrow().sent.len(), 4);
    assert!(opened.stores.staged_bytes() > 0);
    counts.forward_evicted(&mut collect(&opened, &forwarded)).unwrap();
    let expected = [("a", 1), ("c", 3), ("b", 4), ("d", 5)]
        .map(|(key, value)| (flushed(key, Some(value), None, value), value, 4));
    assert_eq!(forwarded.take(), expected);
    // All are clean now: the next eviction forwards nothing.
    put("e", 6);
    counts.forward_evicted(&mut collect(&opened, &forwarded)).unwrap();
    assert!(forwarded.borrow().is_empty());
    assert_eq!(fixture.cache.used_bytes(), 3 * 67);
}

#[test]
fn what_is_evicted_counts_until_it_is_forwarded() {
    let opened = counts(Some(67));
    let Opened { fixture, counts, .. } = &opened;
    counts.own_flushes(OldValues::Omit);
    let mut counted = Vec::new();
    for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
        fixture.at(value, value);
        counts.put(&text(key), &value, at(value)).unwrap();
        let evicted = counts.forward_evicted(&mut |flushed| {
            counted.push((flushed.key, fixture.cache.used_bytes()));
            Ok(())
        });
        evicted.unwrap();
        assert_eq!(fixture.cache.used_bytes(), 67);
    }
    // By the third, the second is clean and goes at once.
    let expected = [("a", 134), ("b", 134)];
    assert_eq!(counted, expected.map(|(key, bytes)| (text(key), bytes)));
}

#[test]
fn what_is_read_while_it_is_forwarded_counts_once() {
    let mut opened = counts(Some(3 * 67));
    opened.counts.own_flushes(OldValues::Omit);
    for (key, value) in (0..20).map(|value| (value.to_string(), value)) {
        opened.counts.put(&key, &value, at(value)).unwrap();
        let evicted = opened.counts.forward_evicted(&mut |flushed| {
            assert!(opened.counts.get(&flushed.key).unwrap().is_some());
            Ok(())
        });
        evicted.unwrap();
        assert!(opened.fixture.cache.used_bytes() <= 3 * 67);
    }
    opened.stores.discard();
    assert_eq!(opened.fixture.cache.used_bytes(), 0);
}

#[test]
fn reading_a_store_whose_owner_does_not_come_keeps_to_the_budget() {
    let opened = counts(Some(2 * 67));
    let Opened { fixture, counts, .. } = &opened;
    counts.own_flushes(OldValues::Omit);
    for value in 0..9 {
        counts.put(&value.to_string(), &value, at(value)).unwrap();
    }
    let forwarded = Forwarded::default();
    counts.flush_cache(&mut collect(&opened, &forwarded)).unwrap();
    counts.put(&text("x"), &10, at(10)).unwrap();
    for value in (0..9).chain(0..9) {
        assert_eq!(counts.get(&value.to_string()).unwrap().map(|row| row.value), Some(value));
        // Beyond it is what waits for the owner.
        assert!(fixture.cache.used_bytes() <= 3 * 67);
    }
    forwarded.borrow_mut().clear();
    counts.forward_evicted(&mut collect(&opened, &forwarded)).unwrap();
    assert_eq!(forwarded.take().len(), 1);
    assert!(fixture.cache.used_bytes() <= 2 * 67);
}

#[test]
fn a_cache_that_is_made_smaller_gives_up_what_was_written_out() {
    let mut opened = counts(Some(3 * 67));
    for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
        opened.fixture.at(value, value);
        opened.counts.put(&text(key), &value, at(value)).unwrap();
    }
    opened.fixture.cache.set_max_bytes(67);
    opened.stores.trim_caches();
    assert_eq!(opened.fixture.cache.used_bytes(), 3 * 67, "nothing of it was written out");
    opened.stores.flush_caches().unwrap();
    opened.stores.trim_caches();
    assert_eq!(opened.fixture.cache.used_bytes(), 67);
    assert_eq!(opened.fixture.outbox.borrow().sent.len(), 3);
}

#[test]
fn a_read_that_finds_nothing_evicts_nothing() {
    let opened = counts(Some(2 * 67));
    for (key, value) in [("a", 1), ("b", 2)] {
        opened.fixture.at(value, value);
        opened.counts.put(&text(key), &value, at(value)).unwrap();
    }
    // Another store of the worker has taken all the room.
    opened.fixture.cache.set_max_bytes(0);
    assert_eq!(opened.counts.get(&text("c")).unwrap(), None);
    assert_eq!(opened.fixture.cache.used_bytes(), 2 * 67);
    assert!(opened.fixture.outbox.borrow().sent.is_empty());
}

#[test]
fn a_cache_of_no_bytes_is_no_cache() {
    let opened = counts(Some(0));
    let Opened { fixture, counts, .. } = &opened;
    assert!(!counts.is_cached());
    assert!(!counts.own_flushes(OldValues::Send));
    let forwarded = Forwarded::default();
    fixture.at(0, 5);
    for value in 1..3 {
        counts.put(&text("a"), &value, at(value)).unwrap();
        counts.forward_evicted(&mut collect(&opened, &forwarded)).unwrap();
    }
    assert_eq!(forwarded.take(), []);
    assert_eq!(counts.get(&text("a")).unwrap().map(|row| row.value), Some(2));
    assert_eq!(fixture.cache.used_bytes(), 0);
}

#[test]
fn what_a_forward_writes_into_the_same_store_waits_for_the_next_flush() {
    let opened = counts(Some(10_000));
    let Opened { fixture, counts, .. } = &opened;
    counts.own_flushes(OldValues::Omit);
    fixture.at(0, 5);
    counts.put(&text("a"), &1, at(1)).unwrap();
    counts.put(&text("b"), &1, at(1)).unwrap();
    let mut seen = Vec::new();
    counts
        .flush_cache(&mut |flushed| {
            seen.push((flushed.key, flushed.new));
            counts.put(&text("b"), &2, at(2)).map_err(|e| fixture.context.store_failure(e))
        })
        .unwrap();
    assert_eq!(seen, [(text("a"), Some(1)), (text("b"), Some(1))]);
    let forwarded = Forwarded::default();
    counts.flush_cache(&mut collect(&opened, &forwarded)).unwrap();
    assert_eq!(forwarded.take(), [(flushed("b", Some(2), None, 2), 5, 3)]);
}

#[test]
fn a_cache_that_nobody_owns_is_written_out_at_the_commit() {
    let mut opened = counts(Some(10_000));
    opened.fixture.at(0, 5);
    for value in 1..=3 {
        opened.counts.put(&text("a"), &value, at(value)).unwrap();
    }
    opened.counts.delete(&text("b")).unwrap();
    opened.stores.flush_caches().unwrap();
    // Without a node that forwards, a delete of what was never there is logged too, as in Kafka.
    let expected = [sent("a", Some(3), 3), sent("b", None, 5)];
    assert_eq!(opened.fixture.outbox.borrow().sent, expected);
}

#[test]
fn a_discard_gives_the_cache_back_to_the_budget() {
    let mut opened = counts(Some(10_000));
    opened.counts.put(&text("a"), &1, at(1)).unwrap();
    assert!(opened.fixture.cache.used_bytes() > 0);
    opened.stores.discard();
    assert_eq!(opened.fixture.cache.used_bytes(), 0);
    assert_eq!(opened.counts.get(&text("a")).unwrap(), None);
    opened.counts.put(&text("a"), &1, at(1)).unwrap();
    drop(opened.stores);
    assert_eq!(opened.fixture.cache.used_bytes(), 0);
    assert!(matches!(opened.counts.put(&text("a"), &1, at(1)), Err(StoreError::Closed(_))));
}

#[test]
fn a_store_without_changelog_is_written_before_the_offsets() {
    let scratch = ScratchDirectory::new("unlogged");
    let specs = || {
        let unlogged = Stores::key_value::<String, i64>("u").without_changelog();
        vec![Stores::key_value::<String, i64>("s").build(), unlogged.build()]
    };
    let backend = scratch.backend();
    let fixture = Fixture::new(specs(), 0);
    let mut stores = fixture.open(&backend);
    let logged: KeyValueStore<String, i64> = handle(&*stores, "s");
    let unlogged: KeyValueStore<String, i64> = handle(&*stores, "u");
    logged.put(&text("a"), &1).unwrap();
    unlogged.put(&text("a"), &1).unwrap();
    stores.commit_unlogged().unwrap();
    drop(stores);
    let stores = fixture.open(&backend);
    let logged: KeyValueStore<String, i64> = handle(&*stores, "s");
    let unlogged: KeyValueStore<String, i64> = handle(&*stores, "u");
    assert_eq!(logged.get(&text("a")).unwrap(), None);
    assert_eq!(unlogged.get(&text("a")).unwrap(), Some(1));
    assert_eq!(stores.position(0), None);
}

#[test]
fn a_wiped_store_is_empty_and_others_are_not() {
    let scratch = ScratchDirectory::new("wipe");
    let spec = |name: &str| Stores::key_value::<String, i64>(name).build();
    let backend = scratch.backend();
    let fixture = Fixture::new(vec![spec("s"), spec("t")], 0);
    let mut stores = fixture.open(&backend);
    let [s, t] = ["s", "t"].map(|name| handle::<KeyValueStore<String, i64>>(&*stores, name));
    s.put(&text("a"), &1).unwrap();
    t.put(&text("a"), &1).unwrap();
    stores.commit(&[(0, 1), (1, 1)]).unwrap();
    s.put(&text("b"), &1).unwrap();
    stores.wipe(0).unwrap();
    assert_eq!(stores.position(0), None);
    assert_eq!(stores.position(1), Some(1));
    assert_eq!(s.all().unwrap().count(), 0);
    assert_eq!(t.get(&text("a")).unwrap(), Some(1));
    drop(stores);
    let stores = fixture.open(&backend);
    assert_eq!((stores.position(0), stores.position(1)), (None, Some(1)));
    assert_eq!(handle::<KeyValueStore<String, i64>>(&*stores, "s").all().unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn directories_and_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = ScratchDirectory::new("permissions");
    let backend = scratch.backend();
    backend.directory().keep_member_id("member-1").unwrap();
    let fixture = Fixture::new(vec![Stores::key_value::<String, i64>("s").build()], 0);
    let stores = fixture.open(&backend);
    let mode = |path: &str| {
        let path = scratch.path().join("app").join(path);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    for directory in ["", "0_0", "0_0/rocksdb"] {
        assert_eq!(mode(directory), 0o700, "{directory}");
    }
    for file in [".lock", "kafka-streams-process-metadata", ".member"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    drop(stores);
}

#[test]
fn a_directory_is_used_by_one_process_and_keeps_its_id() {
    let scratch = ScratchDirectory::new("lock");
    let open = || StateDirectory::open(scratch.path(), &"app".into());
    let directory = open().unwrap();
    let message = open().unwrap_err().to_string();
    assert!(message.contains("this process uses it already"), "{message}");
    // As if another process held the lock.
    std::fs::write(scratch.path().join("app/.lock"), "4242\n").unwrap();
    let message = open().unwrap_err().to_string();
    assert!(message.contains("another process (4242) uses it"), "{message}");
    std::fs::write(scratch.path().join("app/.lock"), "").unwrap();
    let message = open().unwrap_err().to_string();
    assert!(message.contains("another process uses it"), "{message}");
    assert!(message.contains("app"), "{message}");
    let id = directory.process_id();
    assert_eq!(directory.last_member_id().unwrap(), None);
    directory.keep_member_id("m-1").unwrap();
    drop(directory);
    let directory = open().unwrap();
    assert_eq!(directory.process_id(), id);
    assert_eq!(directory.last_member_id().unwrap().as_deref(), Some("m-1"));
    directory.forget_member_id().unwrap();
    directory.forget_member_id().unwrap();
    assert_eq!(directory.last_member_id().unwrap(), None);
    drop(directory);
    let file = scratch.path().join("app/kafka-streams-process-metadata");
    let java = "{\"processId\" : \"0f14d0ab-9605-4a62-a9e4-5ed26688389b\"}";
    std::fs::write(&file, java).unwrap();
    let java = "0f14d0ab-9605-4a62-a9e4-5ed26688389b";
    assert_eq!(open().unwrap().process_id().to_string(), java);
    std::fs::write(&file, "{").unwrap();
    let new = open().unwrap().process_id();
    assert_eq!(open().unwrap().process_id(), new);
}

#[test]
fn how_far_states_were_is_kept_for_tasks_that_are_there() {
    let scratch = ScratchDirectory::new("positions");
    let directory = StateDirectory::open(scratch.path(), &"app".into()).unwrap();
    assert_eq!(directory.state_positions().unwrap(), [].into());
    directory.task_directory(TaskId::new(0, 1)).unwrap();
    let kept = [(TaskId::new(0, 1), 1_700), (TaskId::new(3, 0), 5)].into();
    directory.keep_state_positions(&kept).unwrap();
    assert_eq!(directory.state_positions().unwrap(), [(TaskId::new(0, 1), 1_700)].into());
    let file = directory.path().join(".positions");
    std::fs::write(&file, "0_1 77\n0_1\n00_1 4\n0_1 x\n").unwrap();
    assert_eq!(directory.state_positions().unwrap(), [(TaskId::new(0, 1), 77)].into());
}

#[test]
fn names_links_and_places_that_cannot_be_used_are_refused() {
    let scratch = ScratchDirectory::new("refused");
    let refused = |path: &std::path::Path, application: &str| {
        let error = StateDirectory::open(path, &application.into()).unwrap_err();
        assert!(matches!(error, StoreError::Directory { .. }), "{error}");
    };
    refused(scratch.path(), "../elsewhere");
    let file = scratch.path().join("file");
    std::fs::write(&file, "").unwrap();
    refused(&file, "app");
    #[cfg(unix)]
    {
        let target = scratch.path().join("target");
        std::fs::create_dir(&target).unwrap();
        std::os::unix::fs::symlink(&target, scratch.path().join("linked")).unwrap();
        refused(scratch.path(), "linked");
        let directory = StateDirectory::open(scratch.path(), &"app".into()).unwrap();
        std::os::unix::fs::symlink(&target, directory.path().join("0_1")).unwrap();
        assert!(directory.task_directory(TaskId::new(0, 1)).is_err());
        directory.task_directory(TaskId::new(1, 12)).unwrap();
        std::fs::create_dir(directory.path().join("01_2")).unwrap();
        assert_eq!(directory.tasks().unwrap(), [TaskId::new(1, 12)]);
    }
}
