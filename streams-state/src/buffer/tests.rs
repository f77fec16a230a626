//! Buffers as a task and its operator see them.

use std::sync::Arc;

use streams_core::error::{Pushed, StoreError};
use streams_core::serde::DefaultSerde;
use streams_core::store::{Logging, StoreSpec, TaskStores};
use streams_core::time::Timestamp;

use super::{Buffered, SuppressionBuffer};
use crate::testing::{Fixture, handle};
use crate::{MemoryBackend, MemoryBudget};

type Buffer = SuppressionBuffer<String, i64>;

fn spec(logging: Logging) -> Arc<dyn StoreSpec> {
    Buffer::declared("b", (String::serde(), i64::serde()), logging)
}

struct Opened {
    fixture: Fixture,
    stores: Box<dyn TaskStores>,
    buffer: Buffer,
}

fn opened(logging: Logging) -> Opened {
    let fixture = Fixture::new(vec![spec(logging)], 0);
    let stores = fixture.open(&MemoryBackend::new());
    let buffer = handle(&*stores, "b");
    Opened { fixture, stores, buffer }
}

impl Opened {
    /// An update of a record at `time`.
    fn put(&self, key: &str, time: i64, old: Option<i64>, new: Option<i64>) {
        self.fixture.at(time, time);
        let values = (old.as_ref(), new.as_ref());
        self.buffer.put(Timestamp::from_millis(time), &key.to_owned(), values).unwrap();
    }

    fn emit(&self) -> Option<(String, Option<i64>, Option<i64>, i64)> {
        let mut emitted = None;
        let each = &mut |update: Buffered<String, i64>| -> Pushed {
            let Buffered { key, old, new, timestamp, .. } = update;
            assert_eq!(self.fixture.context.timestamp(), timestamp);
            let offset = self.fixture.context.meta().unwrap().offset;
            assert_eq!(offset, timestamp.millis());
            emitted = Some((key, old, new, offset));
            Ok(())
        };
        self.buffer.emit_first(each).unwrap();
        emitted
    }

    fn prior(&self, key: &str) -> Option<Option<i64>> {
        self.buffer.prior(&key.to_owned()).unwrap()
    }

    /// Keys sent to the changelog since the last look, and whether each is there.
    fn logged(&self) -> Vec<(String, bool)> {
        self.buffer.log_changes().unwrap();
        let sent = std::mem::take(&mut self.fixture.outbox.borrow_mut().sent);
        let key = |key| String::from_utf8(key).unwrap();
        sent.into_iter().map(|sent| (key(sent.key), sent.value.is_some())).collect()
    }
}

fn logged() -> Logging {
    Logging::On(std::collections::BTreeMap::new())
}

#[test]
fn an_update_keeps_the_place_and_the_prior_value_of_the_one_before_it() {
    let opened = opened(logged());
    opened.put("a", 5, Some(1), Some(2));
    opened.put("b", 6, None, Some(3));
    opened.put("a", 9, Some(2), None);
    assert_eq!((opened.prior("a"), opened.prior("b")), (Some(Some(1)), Some(None)));
    assert_eq!(opened.prior("c"), None);
    assert_eq!(opened.buffer.first_time().unwrap(), Some(Timestamp::from_millis(5)));
    assert_eq!(opened.emit(), Some(("a".to_owned(), Some(2), None, 9)));
    assert_eq!(opened.emit(), Some(("b".to_owned(), None, Some(3), 6)));
    assert_eq!((opened.emit(), opened.buffer.len()), (None, 0));
    assert_eq!(opened.buffer.counted_bytes(), 0);
}

#[test]
fn the_changelog_has_what_changed_since_the_last_commit() {
    let opened = opened(logged());
    opened.put("a", 5, None, Some(2));
    opened.put("b", 6, None, Some(3));
    opened.put("a", 7, Some(2), Some(3));
    opened.emit();
    let key = |key: &str| key.to_owned();
    assert_eq!(opened.logged(), [(key("a"), false), (key("b"), true)]);
    assert_eq!(opened.logged(), []);
    opened.put("b", 8, Some(3), Some(4));
    opened.buffer.log_changes().unwrap();
    let sent = &opened.fixture.outbox.borrow().sent[0];
    assert_eq!((sent.timestamp, sent.headers.len()), (-1, 1));
    assert_eq!(sent.value.as_ref().map(Vec::len), Some(16 + 9 + 4 + 4 + 4 + 12 + 12 + 8));
}

#[test]
fn a_buffer_comes_back_from_its_changelog() {
    let mut opened = opened(logged());
    opened.put("a", 5, Some(1), Some(2));
    opened.put("b", 4, None, Some(3));
    opened.put("c", 6, None, Some(3));
    opened.buffer.log_changes().unwrap();
    opened.emit();
    opened.put("a", 7, Some(2), Some(9));
    opened.buffer.log_changes().unwrap();
    opened.stores = opened.fixture.open(&MemoryBackend::new());
    opened.buffer = handle(&*opened.stores, "b");
    let end = opened.fixture.end();
    opened.fixture.restore(&mut *opened.stores, 0, end);
    assert_eq!(opened.stores.position(0), Some(end));
    assert_eq!(opened.prior("a"), Some(Some(1)));
    assert_eq!(opened.emit(), Some(("a".to_owned(), Some(2), Some(9), 7)));
    assert_eq!(opened.emit(), Some(("c".to_owned(), None, Some(3), 6)));
    assert_eq!(opened.emit(), None);
}

#[test]
fn a_reset_brings_back_what_the_last_commit_left() {
    let mut opened = opened(logged());
    opened.put("a", 5, None, Some(1));
    opened.put("b", 6, None, Some(1));
    opened.logged();
    // Flushed by a store behind this one: committed, and not logged yet.
    opened.put("c", 7, None, Some(1));
    opened.stores.commit(&[]).unwrap();
    opened.put("b", 8, Some(1), Some(2));
    opened.emit();
    opened.put("a", 9, None, Some(7));
    opened.put("d", 9, None, Some(7));
    assert!(opened.stores.staged_bytes() > 0);
    opened.stores.discard();
    assert_eq!(opened.logged(), [("c".to_owned(), true)]);
    let bytes = opened.buffer.counted_bytes();
    for (key, time) in [("a", 5), ("b", 6), ("c", 7)] {
        assert_eq!(opened.emit(), Some((key.to_owned(), None, Some(1), time)));
    }
    assert!(bytes > 0 && opened.buffer.is_empty());
    opened.stores.commit(&[]).unwrap();
    assert_eq!(opened.logged().len(), 3);
    assert_eq!(opened.stores.staged_bytes(), 0);
}

#[test]
fn a_buffer_without_changelog_sends_nothing_and_a_wiped_one_holds_nothing() {
    let mut opened = opened(Logging::Off);
    opened.put("a", 5, None, Some(1));
    assert_eq!(opened.logged(), []);
    opened.stores.wipe(0).unwrap();
    assert!(opened.buffer.is_empty());
    let buffer = opened.buffer.clone();
    drop(opened.stores);
    assert!(matches!(buffer.first_time(), Err(StoreError::Closed(_))));
}

#[test]
fn all_buffers_of_a_process_share_one_budget() {
    let fixture = Fixture::new(vec![spec(Logging::Off)], 0);
    let backend = MemoryBackend::within(MemoryBudget::of(0));
    let (stores, others) = (fixture.open(&backend), fixture.open(&backend));
    let buffers: [Buffer; 2] = [handle(&*stores, "b"), handle(&*others, "b")];
    let spent = MemoryBudget::of(0).rows_bytes();
    let mut puts = 0_i64;
    while buffers[0].spent_budget().is_none() {
        let buffer = &buffers[usize::from(puts % 2 == 0)];
        fixture.at(puts, puts);
        let key = format!("{puts:0>1000}");
        buffer.put(Timestamp::from_millis(puts), &key, (None, Some(&puts))).unwrap();
        puts += 1;
    }
    assert_eq!(buffers[1].spent_budget(), Some(spent));
    // A row takes little more than its key of a thousand bytes.
    assert!((3800..4100).contains(&puts), "{puts}");
    drop(others);
    assert_eq!(buffers[0].spent_budget(), None);
}
