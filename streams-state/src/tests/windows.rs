//! Stores that expire against a naive model, with commits, discards and crashes between.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use streams_core::error::StoreError;
use streams_core::metrics::DropReason;
use streams_core::store::{RowOrder, StateBackend, StoreSpec, TaskStores};
use streams_core::time::Timestamp;
use streams_core::window::{Window, Windowed};

use super::own::Shelf;
use crate::testing::{Fixture, ScratchDirectory, handle};
use crate::{MemoryBackend, OldValues, SessionStore, StoreBuilder, Stores, WindowStore};

type Key = Vec<u8>;
type Value = Vec<u8>;

const RETENTION: i64 = 130_000;
/// Half the retention, above Kafka's least length.
const SEGMENT: i64 = 65_000;

/// A window (detail 0) by its start, or a session by its end and start.
type Place = (Key, i64, i64);

#[derive(Debug, Clone)]
enum Op {
    Put(Place, Option<Value>),
    Get(Place),
    Find(Key, (i64, i64)),
    Scan((Bound<Key>, Bound<Key>), (i64, i64)),
    Commit,
    Discard,
    Crash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Window,
    Session,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    Disk,
    Memory,
}

/// How a scan names its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    ByKey,
    ForAll,
}

/// A row as all views give it: key, time, detail, value.
type Row = (Key, i64, i64, Value);

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// What both views have.
trait View: Sized + 'static {
    const FORM: Form;
    fn put(&self, place: &Place, value: Option<&Value>) -> Result<(), StoreError>;
    fn get(&self, place: &Place) -> Result<Option<Value>, StoreError>;
    /// Forward and backward.
    fn find(&self, key: &Key, times: (i64, i64)) -> [Vec<Row>; 2];
    fn scan(&self, keys: (Bound<Key>, Bound<Key>), times: (i64, i64)) -> [Vec<Row>; 2];
    fn asked(keys: &(Bound<Key>, Bound<Key>)) -> Asked;
}

fn window_row(entry: Result<(Windowed<Key>, Value), StoreError>) -> Row {
    let (Windowed { key, window }, value) = entry.unwrap();
    (key, window.start.millis(), 0, value)
}

fn session_row(entry: Result<(Windowed<Key>, Value), StoreError>) -> Row {
    let (Windowed { key, window }, value) = entry.unwrap();
    (key, window.end.millis(), window.start.millis(), value)
}

impl View for WindowStore<Key, Value> {
    const FORM: Form = Form::Window;

    fn put(&self, (key, start, _): &Place, value: Option<&Value>) -> Result<(), StoreError> {
        match value {
            Some(value) => Self::put(self, key, value, at(*start)),
            None => self.delete(key, at(*start)),
        }
    }
    fn get(&self, (key, start, _): &Place) -> Result<Option<Value>, StoreError> {
        Self::get(self, key, at(*start))
    }
    fn find(&self, key: &Key, (from, to): (i64, i64)) -> [Vec<Row>; 2] {
        let rows = [self.fetch(key, at(from)..=at(to)), self.reverse_fetch(key, at(from)..=at(to))];
        rows.map(|rows| {
            let row = |(start, value): (Timestamp, Value)| (key.clone(), start.millis(), 0, value);
            rows.unwrap().map(|entry| row(entry.unwrap())).collect()
        })
    }
    fn scan(&self, keys: (Bound<Key>, Bound<Key>), (from, to): (i64, i64)) -> [Vec<Row>; 2] {
        let starts = at(from)..=at(to);
        let rows = if Self::asked(&keys) == Asked::ForAll {
            [self.fetch_all(starts.clone()), self.reverse_fetch_all(starts)]
        } else {
            [self.fetch_keys(keys.clone(), starts.clone()), self.reverse_fetch_keys(keys, starts)]
        };
        rows.map(|rows| rows.unwrap().map(window_row).collect())
    }
    fn asked(keys: &(Bound<Key>, Bound<Key>)) -> Asked {
        match keys {
            (Bound::Unbounded, Bound::Unbounded) => Asked::ForAll,
            _ => Asked::ByKey,
        }
    }
}

impl View for SessionStore<Key, Value> {
    const FORM: Form = Form::Session;

    fn put(&self, (key, end, start): &Place, value: Option<&Value>) -> Result<(), StoreError> {
        let session = Window::new(at(*start), at(*end));
        match value {
            Some(value) => Self::put(self, key, session, value),
            None => self.remove(key, session),
        }
    }
    fn get(&self, (key, end, start): &Place) -> Result<Option<Value>, StoreError> {
        Self::get(self, key, Window::new(at(*start), at(*end)))
    }
    fn find(&self, key: &Key, (from, to): (i64, i64)) -> [Vec<Row>; 2] {
        let forward = Self::find(self, key, at(from), at(to));
        [forward, self.reverse_find(key, at(from), at(to))]
            .map(|rows| rows.unwrap().map(session_row).collect())
    }
    fn scan(&self, keys: (Bound<Key>, Bound<Key>), (from, to): (i64, i64)) -> [Vec<Row>; 2] {
        let forward = self.find_keys(keys.clone(), at(from), at(to));
        [forward, self.reverse_find_keys(keys, at(from), at(to))]
            .map(|rows| rows.unwrap().map(session_row).collect())
    }
    fn asked(_: &(Bound<Key>, Bound<Key>)) -> Asked {
        Asked::ByKey
    }
}

#[derive(Debug, Clone)]
struct Model {
    form: Form,
    medium: Medium,
    order: RowOrder,
    rows: BTreeMap<Place, Value>,
    observed: i64,
    expired: u64,
}

impl Model {
    fn put(&mut self, place: &Place, value: Option<&Value>) {
        self.observed = self.observed.max(place.1);
        let oldest = self.observed - RETENTION;
        let kept = match self.medium {
            Medium::Disk => place.1 / SEGMENT >= oldest / SEGMENT,
            Medium::Memory => place.1 > oldest,
        };
        match (kept, value) {
            (false, _) => self.expired += 1,
            (true, Some(value)) => drop(self.rows.insert(place.clone(), value.clone())),
            (true, None) => drop(self.rows.remove(place)),
        }
    }

    fn floor(&self) -> i64 {
        let at_close = self.order != RowOrder::KeyFirst && self.medium == Medium::Disk;
        let kept = i64::from(!(at_close && self.form == Form::Window));
        self.observed - RETENTION + kept
    }

    fn get(&self, place: &Place) -> Option<Value> {
        self.rows.get(place).filter(|_| place.1 >= self.floor()).cloned()
    }

    fn select(&self, of: impl Fn(&Key) -> bool, (from, to): (i64, i64), asked: Asked) -> Vec<Row> {
        let rows = self.rows.iter().filter(|((key, time, detail), _)| {
            let (last, start_max) = match self.form {
                Form::Window => (to, i64::MAX),
                Form::Session => (i64::MAX, to),
            };
            of(key) && *time >= from.max(self.floor()) && *time <= last && *detail <= start_max
        });
        let mut rows: Vec<Row> =
            rows.map(|((k, t, d), value)| (k.clone(), *t, *d, value.clone())).collect();
        if self.medium == Medium::Memory {
            rows.sort_by_key(|(key, time, detail, _)| (*time, key.clone(), Reverse(*detail)));
        } else if self.order == RowOrder::KeyFirst
            || (self.order == RowOrder::TimeFirstIndexed && asked == Asked::ByKey)
        {
            // As bytes: a key that is the beginning of another may come behind it.
            let bytes = |(key, time, detail, _): &Row| {
                [&key[..], &time.to_be_bytes(), &detail.to_be_bytes()].concat()
            };
            rows.sort_by_key(|row| (row.1 / SEGMENT, bytes(row)));
        } else {
            rows.sort_by_key(|(key, time, detail, _)| (*time, *detail, key.clone()));
        }
        rows
    }

    /// Closed segments are dropped for good.
    fn commit(&mut self) {
        let oldest = (self.observed - RETENTION) / SEGMENT;
        self.rows.retain(|(_, time, _), _| time / SEGMENT >= oldest);
    }
}

struct Checked<'a, V> {
    fixture: &'a Fixture,
    backend: &'a dyn StateBackend,
    stores: Box<dyn TaskStores>,
    view: V,
    model: Model,
    committed: Model,
    log: Vec<(Place, Option<Value>)>,
    committed_end: usize,
}

impl<V: View> Checked<'_, V> {
    fn apply(&mut self, op: Op) {
        match op {
            Op::Put(place, value) => {
                let dropped = self.fixture.context.dropped().of(DropReason::Expired);
                let before = self.model.expired;
                self.view.put(&place, value.as_ref()).unwrap();
                self.model.put(&place, value.as_ref());
                let counted = self.fixture.context.dropped().of(DropReason::Expired) - dropped;
                assert_eq!(counted, self.model.expired - before);
                self.log.push((place, value));
            }
            Op::Get(place) => assert_eq!(self.view.get(&place).unwrap(), self.model.get(&place)),
            Op::Find(key, times) => {
                let expected = self.model.select(|other| *other == key, times, Asked::ByKey);
                self.compare(self.view.find(&key, times), expected);
            }
            Op::Scan(keys, times) => self.scan(keys, times),
            Op::Commit => self.commit(),
            Op::Discard => {
                self.stores.discard();
                self.abort();
            }
            Op::Crash => self.crash(),
        }
    }

    fn compare(&self, [forward, mut backward]: [Vec<Row>; 2], expected: Vec<Row>) {
        backward.reverse();
        assert_eq!(forward, expected);
        assert_eq!(backward, expected);
    }

    fn scan(&self, keys: (Bound<Key>, Bound<Key>), times: (i64, i64)) {
        let contains = |key: &Key| {
            std::ops::RangeBounds::<Key>::contains(&(keys.0.as_ref(), keys.1.as_ref()), key)
        };
        let expected = self.model.select(contains, times, V::asked(&keys));
        self.compare(self.view.scan(keys.clone(), times), expected);
    }

    fn commit(&mut self) {
        let end = self.fixture.end();
        assert_eq!(usize::try_from(end).unwrap(), self.log.len(), "each change is logged");
        self.stores.commit(&[(0, end)]).unwrap();
        self.model.commit();
        self.committed = self.model.clone();
        self.committed_end = self.log.len();
    }

    fn abort(&mut self) {
        self.fixture.outbox.borrow_mut().sent.truncate(self.committed_end);
        self.log.truncate(self.committed_end);
        self.model = self.committed.clone();
    }

    fn crash(&mut self) {
        self.abort();
        self.stores = Box::new(super::model::Nothing);
        self.stores = self.fixture.open(self.backend);
        self.model.observed = -1;
        if self.model.medium == Medium::Memory || self.stores.position(0).is_none() {
            self.model.rows.clear();
            for (place, value) in &self.log {
                self.model.put(place, value.as_ref());
            }
        }
        self.fixture.restore(&mut *self.stores, 0, i64::try_from(self.committed_end).unwrap());
        self.model.commit();
        self.committed = self.model.clone();
        self.view = handle(&*self.stores, "s");
    }
}

fn check<V: View>(
    backend: &dyn StateBackend,
    spec: Arc<dyn StoreSpec>,
    (medium, order): (Medium, RowOrder),
    ops: &[Op],
) {
    let fixture = Fixture::new(vec![spec], 0);
    let stores = fixture.open(backend);
    let (rows, form) = (BTreeMap::new(), V::FORM);
    let model = Model { form, medium, order, rows, observed: -1, expired: 0 };
    let mut checked = Checked::<V> {
        fixture: &fixture,
        backend,
        view: handle(&*stores, "s"),
        stores,
        committed: model.clone(),
        model,
        log: Vec::new(),
        committed_end: 0,
    };
    for op in ops {
        checked.apply(op.clone());
    }
    let all = || Op::Scan((Bound::Unbounded, Bound::Unbounded), (0, i64::MAX));
    checked.apply(all());
    checked.apply(Op::Commit);
    checked.apply(Op::Crash);
    checked.apply(all());
}

#[derive(Debug, Clone)]
enum Kept {
    Disk,
    Memory,
    /// The program's own.
    Own(Shelf),
}

impl Kept {
    fn of<S>(&self, store: StoreBuilder<S>) -> Arc<dyn StoreSpec> {
        match self {
            Self::Disk => store.build(),
            Self::Memory => store.in_memory().build(),
            Self::Own(shelf) => store.kept_in(shelf.clone()).build(),
        }
    }
}

fn window(order: RowOrder, place: &Kept) -> Arc<dyn StoreSpec> {
    let retention = Duration::from_millis(RETENTION.unsigned_abs());
    let store = Stores::window::<Key, Value>("s", Duration::from_millis(10), retention);
    place.of(store.ordered(order))
}

fn session(order: RowOrder, place: &Kept) -> Arc<dyn StoreSpec> {
    let retention = Duration::from_millis(RETENTION.unsigned_abs());
    place.of(Stores::session::<Key, Value>("s", retention).ordered(order))
}

fn key() -> impl Strategy<Value = Key> {
    prop::collection::vec(prop_oneof![Just(0), Just(7), Just(255)], 0..3)
}

fn bound() -> impl Strategy<Value = Bound<Key>> {
    prop_oneof![
        2 => Just(Bound::Unbounded),
        1 => key().prop_map(Bound::Included),
        1 => key().prop_map(Bound::Excluded)
    ]
}

fn time() -> impl Strategy<Value = i64> {
    (0..40_i64).prop_map(|step| step * 13_000)
}

fn ops(form: Form) -> impl Strategy<Value = Vec<Op>> {
    let place = move || {
        (key(), time(), 0..3_i64).prop_map(move |(key, time, length)| match form {
            Form::Window => (key, time, 0),
            Form::Session => (key, time, (time - length * 500).max(0)),
        })
    };
    let value = || prop::collection::vec(any::<u8>(), 0..4);
    let op = prop_oneof![
        8 => (place(), prop::option::weighted(0.8, value()))
            .prop_map(|(place, value)| Op::Put(place, value)),
        3 => place().prop_map(Op::Get),
        2 => (key(), (time(), time())).prop_map(|(key, times)| Op::Find(key, times)),
        2 => ((bound(), bound()), (time(), time())).prop_map(|(keys, times)| Op::Scan(keys, times)),
        1 => Just(Op::Scan((Bound::Unbounded, Bound::Unbounded), (0, i64::MAX))),
        2 => Just(Op::Commit),
        1 => Just(Op::Discard),
        1 => Just(Op::Crash),
    ];
    prop::collection::vec(op, 0..60)
}

const ORDERS: [RowOrder; 3] = [RowOrder::KeyFirst, RowOrder::TimeFirst, RowOrder::TimeFirstIndexed];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn in_memory_windows_expire_by_time(ops in ops(Form::Window)) {
        for order in ORDERS {
            let how = (Medium::Memory, order);
            let spec = window(order, &Kept::Memory);
            check::<WindowStore<_, _>>(&MemoryBackend::new(), spec, how, &ops);
        }
    }

    #[test]
    fn in_memory_sessions_expire_by_time(ops in ops(Form::Session)) {
        for order in ORDERS {
            let how = (Medium::Memory, order);
            let spec = session(order, &Kept::Memory);
            check::<SessionStore<_, _>>(&MemoryBackend::new(), spec, how, &ops);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, ..ProptestConfig::default() })]

    #[test]
    fn on_disk_windows_expire_by_segment(ops in ops(Form::Window)) {
        for order in ORDERS {
            let scratch = ScratchDirectory::new("windows");
            let how = (Medium::Disk, order);
            let spec = window(order, &Kept::Disk);
            check::<WindowStore<_, _>>(&scratch.backend(), spec, how, &ops);
        }
    }

    #[test]
    fn on_disk_sessions_expire_by_segment(ops in ops(Form::Session)) {
        for order in ORDERS {
            let scratch = ScratchDirectory::new("sessions");
            let how = (Medium::Disk, order);
            let spec = session(order, &Kept::Disk);
            check::<SessionStore<_, _>>(&scratch.backend(), spec, how, &ops);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn in_a_place_of_their_own_windows_expire_by_segment(ops in ops(Form::Window)) {
        for order in ORDERS {
            let spec = window(order, &Kept::Own(Shelf::default()));
            check::<WindowStore<_, _>>(&MemoryBackend::new(), spec, (Medium::Disk, order), &ops);
        }
    }

    #[test]
    fn in_a_place_of_their_own_sessions_expire_by_segment(ops in ops(Form::Session)) {
        for order in ORDERS {
            let spec = session(order, &Kept::Own(Shelf::default()));
            check::<SessionStore<_, _>>(&MemoryBackend::new(), spec, (Medium::Disk, order), &ops);
        }
    }
}

/// What a row costs on disk must not depend on how many windows were closed before it.
#[test]
fn closed_segments_leave_no_rows_behind() {
    let scratch = ScratchDirectory::new("closed");
    let backend = scratch.backend();
    let fixture = Fixture::new(vec![window(RowOrder::KeyFirst, &Kept::Disk)], 0);
    let mut stores = backend.open_task(fixture.request()).unwrap();
    let view: WindowStore<Key, Value> = handle(&stores, "s");
    for step in 0..1000 {
        view.put(&b"key".to_vec(), &vec![1; 100], at(step * SEGMENT)).unwrap();
        stores.commit(&[(0, step + 1)]).unwrap();
    }
    assert_eq!(view.all().unwrap().count(), 2);
    let rows = stores.database().unwrap();
    rows.compact();
    drop(view);
    drop(stores);
    let stores = backend.open_task(fixture.request()).unwrap();
    let view: WindowStore<Key, Value> = handle(&stores, "s");
    // After a restart nothing is hidden; so this is all that the disk holds.
    let starts: Vec<i64> =
        view.all().unwrap().map(|entry| entry.unwrap().0.window.start.millis()).collect();
    assert_eq!(starts, [997, 998, 999].map(|step| step * SEGMENT));
}

#[test]
fn a_cached_window_is_shown_however_old_and_leaves_with_its_ends() {
    let retention = Duration::from_millis(RETENTION.unsigned_abs());
    let store = Stores::window::<Key, Value>("s", Duration::from_millis(10), retention).cached();
    let fixture = Fixture::new(vec![store.build()], 10_000);
    let stores = fixture.open(&MemoryBackend::new());
    let view: WindowStore<Key, Value> = handle(&*stores, "s");
    assert!(view.own_flushes(OldValues::Send));
    let key = b"key".to_vec();
    view.put(&key, &vec![1], at(1_000_000)).unwrap();
    view.put(&key, &vec![2], at(5)).unwrap();
    assert!(fixture.outbox.borrow().sent.is_empty());
    assert_eq!(fixture.context.dropped().of(DropReason::Expired), 0);
    let mut left = Vec::new();
    let flushed = view.flush_cache(&mut |flushed| {
        let Window { start, end } = flushed.key.window;
        left.push((start.millis(), end.millis(), flushed.new, flushed.old));
        Ok(())
    });
    flushed.unwrap();
    let expected = [(1_000_000, 1_000_010, Some(vec![1]), None), (5, 15, Some(vec![2]), None)];
    assert_eq!(left, expected);
    // The store did not take the second any more; the changelog did, as in Kafka.
    assert_eq!(fixture.context.dropped().of(DropReason::Expired), 1);
    assert_eq!(fixture.outbox.borrow().sent.len(), 2);
    assert_eq!(view.get(&key, at(5)).unwrap(), Some(vec![2]));
    let starts = view.reverse_fetch(&key, ..).unwrap().map(|entry| entry.unwrap().0.millis());
    assert_eq!(starts.collect::<Vec<_>>(), [1_000_000, 5]);
}
