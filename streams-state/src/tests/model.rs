//! Every view against an ordered map, with commits, discards and crashes between.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use proptest::prelude::*;
use streams_core::error::StoreError;
use streams_core::names::StoreName;
use streams_core::store::{StateBackend, StoreSpec, TaskStores};
use streams_core::time::Timestamp;

use super::own::Shelf;
use crate::testing::{Fixture, ScratchDirectory, Sent, handle};
use crate::{
    KeyValueStore, MemoryBackend, StoreBuilder, Stores, Timestamped, TimestampedKeyValueStore,
    Update,
};

type Key = Vec<u8>;
/// A value and its time; the time is 0 in a store that has none.
type Row = (Vec<u8>, i64);
type Rows = BTreeMap<Key, Row>;

#[derive(Debug, Clone)]
enum Op {
    Put(Key, Vec<u8>),
    Delete(Key),
    PutIfAbsent(Key, Vec<u8>),
    Update(Key, Option<Vec<u8>>),
    Get(Key),
    /// A scan during which the keys are written.
    Scan(Bound<Key>, Bound<Key>, Vec<Key>),
    Prefix(Key),
    Commit,
    Discard,
    /// The process is killed and started again.
    Crash,
}

/// What both views have.
trait View: Sized {
    fn get(&self, key: &Key) -> Result<Option<Row>, StoreError>;
    fn put(&self, key: &Key, row: &Row) -> Result<(), StoreError>;
    fn delete(&self, key: &Key) -> Result<Option<Row>, StoreError>;
    fn put_if_absent(&self, key: &Key, row: &Row) -> Result<Option<Row>, StoreError>;
    fn update(&self, key: &Key, row: Option<Row>) -> Result<Option<Row>, StoreError>;
    fn scan(&self, range: (Bound<Key>, Bound<Key>)) -> [Entries; 2];
    fn prefix(&self, prefix: &Key) -> Entries;
}

type Entries = Box<dyn Iterator<Item = Result<(Key, Row), StoreError>>>;

impl View for KeyValueStore<Key, Vec<u8>> {
    fn get(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        Ok(Self::get(self, key)?.map(|value| (value, 0)))
    }
    fn put(&self, key: &Key, row: &Row) -> Result<(), StoreError> {
        Self::put(self, key, &row.0)
    }
    fn delete(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        Ok(Self::delete(self, key)?.map(|value| (value, 0)))
    }
    fn put_if_absent(&self, key: &Key, row: &Row) -> Result<Option<Row>, StoreError> {
        Ok(Self::put_if_absent(self, key, &row.0)?.map(|value| (value, 0)))
    }
    fn update(&self, key: &Key, row: Option<Row>) -> Result<Option<Row>, StoreError> {
        let old = View::get(self, key)?;
        match row {
            Some(row) => View::put(self, key, &row)?,
            None => drop(Self::delete(self, key)?),
        }
        Ok(old)
    }
    fn scan(&self, range: (Bound<Key>, Bound<Key>)) -> [Entries; 2] {
        let forward = self.range(range.clone()).unwrap();
        let backward = self.reverse_range(range).unwrap();
        [forward, backward].map(|entries| -> Entries {
            Box::new(entries.map(|entry| entry.map(|(key, value)| (key, (value, 0)))))
        })
    }
    fn prefix(&self, prefix: &Key) -> Entries {
        let entries = self.prefix_scan(prefix).unwrap();
        Box::new(entries.map(|entry| entry.map(|(key, value)| (key, (value, 0)))))
    }
}

fn row(timestamped: Timestamped<Vec<u8>>) -> Row {
    (timestamped.value, timestamped.timestamp.millis())
}

impl View for TimestampedKeyValueStore<Key, Vec<u8>> {
    fn get(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        Ok(Self::get(self, key)?.map(row))
    }
    fn put(&self, key: &Key, row: &Row) -> Result<(), StoreError> {
        Self::put(self, key, &row.0, Timestamp::from_millis(row.1))
    }
    fn delete(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        Ok(Self::delete(self, key)?.map(row))
    }
    fn put_if_absent(&self, key: &Key, new: &Row) -> Result<Option<Row>, StoreError> {
        let time = Timestamp::from_millis(new.1);
        Ok(Self::put_if_absent(self, key, &new.0, time)?.map(row))
    }
    fn update(&self, key: &Key, new: Option<Row>) -> Result<Option<Row>, StoreError> {
        Self::update(self, key, |old| {
            // The store may be used in here, also for the same key.
            assert_eq!(Self::get(self, key).unwrap(), old);
            let update = match new {
                None => Update::Delete,
                Some((value, time)) => Update::Put(value, Timestamp::from_millis(time)),
            };
            (update, old.map(row))
        })
    }
    fn scan(&self, range: (Bound<Key>, Bound<Key>)) -> [Entries; 2] {
        let forward = self.range(range.clone()).unwrap();
        let backward = self.reverse_range(range).unwrap();
        [forward, backward].map(|entries| -> Entries {
            Box::new(entries.map(|entry| entry.map(|(key, value)| (key, row(value)))))
        })
    }
    fn prefix(&self, prefix: &Key) -> Entries {
        let entries = self.prefix_scan(prefix).unwrap();
        Box::new(entries.map(|entry| entry.map(|(key, value)| (key, row(value)))))
    }
}

fn key() -> impl Strategy<Value = Key> {
    prop::collection::vec(prop_oneof![Just(0), Just(7), Just(255)], 0..4)
}

fn bound() -> impl Strategy<Value = Bound<Key>> {
    prop_oneof![
        Just(Bound::Unbounded),
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded)
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let value = || prop::collection::vec(any::<u8>(), 0..5);
    prop_oneof![
        6 => (key(), value()).prop_map(|(key, value)| Op::Put(key, value)),
        3 => key().prop_map(Op::Delete),
        2 => (key(), value()).prop_map(|(key, value)| Op::PutIfAbsent(key, value)),
        3 => (key(), prop::option::of(value())).prop_map(|(key, value)| Op::Update(key, value)),
        4 => key().prop_map(Op::Get),
        3 => (bound(), bound(), prop::collection::vec(key(), 0..4))
            .prop_map(|(lower, upper, keys)| Op::Scan(lower, upper, keys)),
        1 => key().prop_map(Op::Prefix),
        2 => Just(Op::Commit),
        1 => Just(Op::Discard),
        1 => Just(Op::Crash),
    ]
}

/// Whether a store keeps times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    None,
    Kept,
}

/// What the changelog leads to.
fn fold(sent: &[Sent], times: Times) -> Rows {
    let mut rows = Rows::new();
    for sent in sent {
        let time = if times == Times::Kept { sent.timestamp } else { 0 };
        match &sent.value {
            Some(value) => drop(rows.insert(sent.key.clone(), (value.clone(), time))),
            None => drop(rows.remove(&sent.key)),
        }
    }
    rows
}

struct Model<'a, V> {
    fixture: &'a Fixture,
    backend: &'a dyn StateBackend,
    stores: Box<dyn TaskStores>,
    view: V,
    rows: Rows,
    committed: Rows,
    committed_end: i64,
    time: i64,
    times: Times,
}

impl<V: View + 'static> Model<'_, V> {
    fn row(&mut self, value: Vec<u8>) -> Row {
        self.time += 1;
        self.fixture.at(self.time, 1000 + self.time);
        (value, if self.times == Times::Kept { self.time } else { 0 })
    }

    fn scan(&mut self, lower: Bound<Key>, upper: Bound<Key>, written: Vec<Key>) {
        let inside = |key: &&Key| {
            let above = match &lower {
                Bound::Unbounded => true,
                Bound::Included(bound) => *key >= bound,
                Bound::Excluded(bound) => *key > bound,
            };
            above
                && match &upper {
                    Bound::Unbounded => true,
                    Bound::Included(bound) => *key <= bound,
                    Bound::Excluded(bound) => *key < bound,
                }
        };
        let expected: Vec<_> = self.rows.iter().filter(|(key, _)| inside(key)).collect();
        let expected: Vec<_> = expected.into_iter().map(|(k, r)| (k.clone(), r.clone())).collect();
        let [mut forward, mut backward] = self.view.scan((lower.clone(), upper.clone()));
        let mut written = written.into_iter();
        let (mut up, mut down) = (Vec::new(), Vec::new());
        loop {
            let next = (forward.next(), backward.next());
            if let Some(key) = written.next() {
                let row = self.row(vec![1]);
                self.view.put(&key, &row).unwrap();
                self.rows.insert(key, row);
            }
            let (Some(first), Some(last)) = next else { break };
            up.push(first.unwrap());
            down.push(last.unwrap());
        }
        down.reverse();
        assert_eq!(up, expected);
        assert_eq!(down, expected);
    }

    fn commit(&mut self) {
        self.stores.flush_caches().unwrap();
        let end = self.fixture.end();
        let mut iterator = self.view.prefix(&Vec::new());
        self.stores.commit(&[(0, end)]).unwrap();
        assert!(matches!(iterator.next(), Some(Err(StoreError::StaleIterator(_)))));
        assert_eq!(self.stores.staged_bytes(), 0);
        self.committed = self.rows.clone();
        self.committed_end = end;
        assert_eq!(fold(&self.fixture.outbox.borrow().sent, self.times), self.committed);
    }

    /// An aborted transaction: what was sent since the last commit does not count.
    fn abort(&mut self) {
        let end = usize::try_from(self.committed_end).unwrap();
        self.fixture.outbox.borrow_mut().sent.truncate(end);
        self.rows = self.committed.clone();
    }

    fn crash(&mut self, name: &str) {
        self.abort();
        self.stores = Box::new(Nothing);
        assert!(matches!(self.view.get(&Vec::new()), Err(StoreError::Closed(_))));
        self.stores = self.fixture.open(self.backend);
        let position = self.stores.position(0);
        assert!(position.is_none_or(|position| position == self.committed_end));
        self.fixture.restore(&mut *self.stores, 0, self.committed_end);
        assert_eq!(self.stores.position(0), Some(self.committed_end));
        self.view = handle(&*self.stores, name);
    }

    fn apply(&mut self, op: Op, name: &str) {
        match op {
            Op::Put(key, value) => {
                let row = self.row(value);
                self.view.put(&key, &row).unwrap();
                self.rows.insert(key, row);
            }
            Op::Delete(key) => {
                let _ = self.row(Vec::new());
                assert_eq!(self.view.delete(&key).unwrap(), self.rows.remove(&key));
            }
            Op::PutIfAbsent(key, value) => {
                let row = self.row(value);
                let old = self.view.put_if_absent(&key, &row).unwrap();
                assert_eq!(old.as_ref(), self.rows.get(&key));
                self.rows.entry(key).or_insert(row);
            }
            Op::Update(key, value) => {
                let row = value.map(|value| self.row(value));
                let old = self.view.update(&key, row.clone()).unwrap();
                assert_eq!(old.as_ref(), self.rows.get(&key));
                match row {
                    Some(row) => drop(self.rows.insert(key, row)),
                    None => drop(self.rows.remove(&key)),
                }
            }
            Op::Get(key) => {
                assert_eq!(self.view.get(&key).unwrap().as_ref(), self.rows.get(&key));
            }
            Op::Scan(lower, upper, keys) => self.scan(lower, upper, keys),
            Op::Prefix(prefix) => {
                let found: Result<Vec<_>, _> = self.view.prefix(&prefix).collect();
                let expected = self.rows.iter().filter(|(key, _)| key.starts_with(&prefix));
                let expected: Vec<_> = expected.map(|(k, r)| (k.clone(), r.clone())).collect();
                assert_eq!(found.unwrap(), expected);
            }
            Op::Commit => self.commit(),
            Op::Discard => {
                self.stores.discard();
                self.abort();
            }
            Op::Crash => self.crash(name),
        }
    }
}

/// No stores.
pub(super) struct Nothing;

impl TaskStores for Nothing {
    fn handle(&self, _: &StoreName) -> Option<Box<dyn std::any::Any>> {
        None
    }
    fn read_only_handle(&self, _: &StoreName) -> Option<Box<dyn std::any::Any>> {
        None
    }
    fn position(&self, _: usize) -> Option<i64> {
        None
    }
    fn restore(
        &mut self,
        _: usize,
        _: &streams_core::record::RawRecord<'_>,
    ) -> Result<(), StoreError> {
        Ok(())
    }
    fn restored_up_to(&mut self, _: usize, _: i64) -> Result<(), StoreError> {
        Ok(())
    }
    fn wipe(&mut self, _: usize) -> Result<(), StoreError> {
        Ok(())
    }
    fn staged_bytes(&self) -> usize {
        0
    }
    fn commit(&mut self, _: &[(usize, i64)]) -> Result<(), StoreError> {
        Ok(())
    }
    fn commit_unlogged(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
    fn discard(&mut self) {}
}

fn check<V: View + 'static>(
    backend: &dyn StateBackend,
    spec: Arc<dyn StoreSpec>,
    cache_bytes: usize,
    (ops, times): (Vec<Op>, Times),
) {
    let fixture = Fixture::new(vec![spec], cache_bytes);
    let stores = fixture.open(backend);
    let view = handle(&*stores, "s");
    let mut model = Model::<V> {
        fixture: &fixture,
        backend,
        stores,
        view,
        rows: Rows::new(),
        committed: Rows::new(),
        committed_end: 0,
        time: 0,
        times,
    };
    for op in ops {
        model.apply(op, "s");
    }
    model.apply(Op::Scan(Bound::Unbounded, Bound::Unbounded, Vec::new()), "s");
    model.commit();
    model.crash("s");
    model.apply(Op::Scan(Bound::Unbounded, Bound::Unbounded, Vec::new()), "s");
}

#[derive(Debug, Clone, Copy)]
enum Cached {
    No,
    Yes(usize),
}

fn check_both(backend: &dyn StateBackend, ops: &[Op], cached: Cached) {
    let plain = Stores::key_value::<Key, Vec<u8>>("s");
    let timestamped = Stores::timestamped_key_value::<Key, Vec<u8>>("s");
    check_these(backend, ops, cached, (plain, timestamped));
}

type Both = (
    StoreBuilder<KeyValueStore<Key, Vec<u8>>>,
    StoreBuilder<TimestampedKeyValueStore<Key, Vec<u8>>>,
);

fn check_these(backend: &dyn StateBackend, ops: &[Op], cached: Cached, (plain, timestamped): Both) {
    let (plain, timestamped, bytes) = match cached {
        Cached::No => (plain, timestamped, 0),
        Cached::Yes(bytes) => (plain.cached(), timestamped.cached(), bytes),
    };
    let ops = || ops.to_vec();
    check::<KeyValueStore<_, _>>(backend, plain.build(), bytes, (ops(), Times::None));
    check::<TimestampedKeyValueStore<_, _>>(
        backend,
        timestamped.build(),
        bytes,
        (ops(), Times::Kept),
    );
}

fn cached() -> impl Strategy<Value = Cached> {
    prop_oneof![
        Just(Cached::No),
        prop_oneof![Just(0), Just(150), Just(400), Just(100_000)].prop_map(Cached::Yes)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn in_memory_a_store_is_a_map(ops in prop::collection::vec(op(), 0..60), cached in cached()) {
        check_both(&MemoryBackend::new(), &ops, cached);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn in_a_place_of_its_own_a_store_is_a_map(
        ops in prop::collection::vec(op(), 0..60),
        cached in cached(),
    ) {
        let plain = Stores::key_value("s").kept_in(Shelf::default());
        let timestamped = Stores::timestamped_key_value("s").kept_in(Shelf::default());
        check_these(&MemoryBackend::new(), &ops, cached, (plain, timestamped));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn on_disk_a_store_is_a_map(ops in prop::collection::vec(op(), 0..60), cached in cached()) {
        let scratch = ScratchDirectory::new("model");
        check_both(&scratch.backend(), &ops, cached);
    }
}
