//! Rows of stores that expire, in memory and below, against an ordered map.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use streams_core::store::{RowOrder, Segments, StoreKind};

use super::*;
use crate::bytes::MemoryStore;
use crate::row_key::RowKey;

const KEEP_ALL: usize = 1 << 20;

fn keys(order: RowOrder) -> RowKeys {
    RowKeys::of(StoreKind::Window(Segments { interval_ms: 10, order })).unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, i64, Option<Vec<u8>>),
    /// A row comes to the byte store by another way, as in restoration.
    Restore(u8, i64, Option<u8>),
    Get(u8, i64),
    Fetch(u8, i64, i64),
    Commit,
    Discard,
    /// All before this time is over: dropped here at once, below with the next commit.
    Close(i64),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = || prop::option::weighted(0.8, prop::collection::vec(any::<u8>(), 0..60));
    let step = prop_oneof![
        12 => (0..4_u8, 0..60_i64, value()).prop_map(|(k, t, value)| Step::Put(k, t, value)),
        1 => (0..4_u8, 0..60_i64, any::<Option<u8>>()).prop_map(|(k, t, v)| Step::Restore(k, t, v)),
        6 => (0..4_u8, 0..60_i64).prop_map(|(key, time)| Step::Get(key, time)),
        6 => (0..4_u8, 0..60_i64, 0..60_i64).prop_map(|(key, from, to)| Step::Fetch(key, from, to)),
        3 => Just(Step::Commit),
        1 => Just(Step::Discard),
        1 => (0..6_i64).prop_map(|segment| Step::Close(segment * 10)),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 0..120)
}

type Rows = BTreeMap<(u8, i64), Vec<u8>>;

struct Checked {
    keys: RowKeys,
    budget: Arc<OverlayBudget>,
    staged: Staged,
    model: Rows,
    committed: Rows,
    closed: i64,
    /// Fetches that needed the byte store.
    asked_below: usize,
}

impl Checked {
    fn new(keys: RowKeys, bytes_max: usize) -> Self {
        let budget = Arc::new(OverlayBudget::new(bytes_max));
        let below = Bytes::Memory(MemoryStore::default());
        let staged = Staged::of_windows(below, &budget, keys);
        staged.starts_after(-1);
        let (model, committed) = (Rows::new(), Rows::new());
        Self { keys, budget, staged, model, committed, closed: 0, asked_below: 0 }
    }

    fn row(&self, key: u8, time: i64) -> Vec<u8> {
        let mut row = Vec::new();
        self.keys.write_row(RowKey { key: &[key], time, detail: 0 }, &mut row);
        row
    }

    fn write(&self, row: &[u8], value: Option<&[u8]>) {
        let written = self.staged.with_bytes(|bytes| match bytes {
            Bytes::Memory(memory) => memory.write(row, value),
            Bytes::Rocks(_) | Bytes::Foreign(_) | Bytes::Own(_) => {}
        });
        written.unwrap();
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Put(_, time, _) if time < self.closed => {}
            Step::Put(key, time, value) => {
                self.staged.put(1, &self.row(key, time), value.as_deref(), None).unwrap();
                match value {
                    Some(value) => drop(self.model.insert((key, time), value)),
                    None => drop(self.model.remove(&(key, time))),
                }
            }
            Step::Restore(key, time, value) => self.restore(key, time, value),
            Step::Get(key, time) => {
                let found =
                    self.staged.read_with(1, &self.row(key, time), |v| v.map(<[u8]>::to_vec));
                let expected = self.model.get(&(key, time)).filter(|_| time >= self.closed);
                if time >= self.closed {
                    assert_eq!(found.unwrap().0.as_ref(), expected);
                }
            }
            Step::Fetch(key, from, to) => self.fetch(key, from, to),
            Step::Commit => self.commit(),
            Step::Discard => {
                self.staged.discard();
                self.model.clone_from(&self.committed);
            }
            Step::Close(before) => {
                self.closed = self.closed.max(before);
                self.staged.drop_before(self.closed);
                self.model.retain(|(_, time), _| *time >= self.closed);
            }
            Step::Reopen => self.reopen(),
        }
    }

    fn restore(&mut self, key: u8, time: i64, value: Option<u8>) {
        // Nothing is staged when a store is restored.
        self.commit();
        if time < self.closed {
            return;
        }
        let (row, value) = (self.row(key, time), value.map(|value| vec![value]));
        self.staged.changed_below(1, &row);
        self.write(&row, value.as_deref());
        match value {
            Some(value) => drop(self.model.insert((key, time), value)),
            None => drop(self.model.remove(&(key, time))),
        }
        self.committed.clone_from(&self.model);
    }

    fn fetch(&mut self, key: u8, from: i64, to: i64) {
        let from = from.max(self.closed);
        for direction in [Direction::Forward, Direction::Backward] {
            let of = OfKey { key: &[key], times: (from, to), detail_max: i64::MAX };
            let mut found = Vec::new();
            let all = self.staged.rows_of(&of, direction, |row, value| {
                let row = self.keys.read_row(row).unwrap();
                assert_eq!(row.key, [key]);
                found.push((row.time, value.to_vec()));
            });
            if !all {
                self.asked_below += 1;
                assert!(found.is_empty());
                continue;
            }
            let rows = self
                .model
                .iter()
                .filter(|((other, time), _)| *other == key && (from..=to).contains(time));
            let mut expected: Vec<_> = rows.map(|((_, time), v)| (*time, v.clone())).collect();
            if direction == Direction::Backward {
                expected.reverse();
            }
            assert_eq!(found, expected);
        }
    }

    fn commit(&mut self) {
        self.staged.for_each_staged(|row, value| self.write(row, value));
        let removed = self.staged.with_bytes(|bytes| match bytes {
            Bytes::Memory(memory) => {
                memory.remove_before(&RowKeys::segment_start(self.closed / 10));
            }
            Bytes::Rocks(_) | Bytes::Foreign(_) | Bytes::Own(_) => {}
        });
        removed.unwrap();
        self.staged.committed(Some(self.closed));
        self.committed.clone_from(&self.model);
        assert_eq!(self.staged.staged_bytes(), 0);
    }

    /// The store is opened over what was committed.
    fn reopen(&mut self) {
        let below = MemoryStore::default();
        for ((key, time), value) in &self.committed {
            below.write(&self.row(*key, *time), Some(value));
        }
        let last = self.committed.keys().map(|(_, time)| self.keys.segment_of(*time)).max();
        self.staged = Staged::of_windows(Bytes::Memory(below), &self.budget, self.keys);
        self.staged.starts_after(last.map_or(-1, |last| self.keys.end_of(last).unwrap()));
        self.model.clone_from(&self.committed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn rows_in_memory_and_below_are_those_of_a_map(
        steps in steps(),
        bytes_max in prop_oneof![Just(0), Just(1000), Just(4000), Just(KEEP_ALL)],
        order in prop_oneof![Just(RowOrder::KeyFirst), Just(RowOrder::TimeFirst)],
    ) {
        let mut checked = Checked::new(keys(order), bytes_max);
        for step in steps {
            checked.apply(step);
        }
    }

    #[test]
    fn the_byte_store_is_not_asked_for_what_was_put(steps in steps()) {
        let mut checked = Checked::new(keys(RowOrder::KeyFirst), KEEP_ALL);
        for step in steps {
            match step {
                Step::Discard | Step::Reopen | Step::Restore(..) => {}
                step => checked.apply(step),
            }
        }
        prop_assert_eq!(checked.asked_below, 0);
    }
}

/// A thousand rows of one time each, committed.
fn filled(bytes_max: usize) -> Checked {
    let mut checked = Checked::new(keys(RowOrder::KeyFirst), bytes_max);
    for time in 0..1000 {
        checked.apply(Step::Put(1, time, Some(vec![7; 100])));
    }
    checked.apply(Step::Commit);
    checked
}

#[test]
fn the_newest_rows_stay_in_memory_where_it_is_short() {
    let mut checked = filled(KEEP_ALL);
    let whole = checked.staged.overlay.borrow().bytes();
    checked.fetch(1, 0, 999);
    assert_eq!(checked.asked_below, 0);
    let mut checked = filled(whole / 2);
    assert!(checked.staged.overlay.borrow().clean_bytes() <= whole / 2);
    checked.fetch(1, 800, 999);
    assert_eq!(checked.asked_below, 0);
    checked.fetch(1, 300, 999);
    assert_eq!(checked.asked_below, 2);
}

#[test]
fn rows_that_nobody_reads_any_more_give_their_memory_back() {
    let mut checked = filled(KEEP_ALL);
    let rows = |checked: &Checked| checked.staged.overlay.borrow().clean_bytes();
    let whole = rows(&checked);
    checked.apply(Step::Close(900));
    assert_eq!(rows(&checked), whole / 10);
    checked.apply(Step::Put(1, 999, None));
    checked.apply(Step::Put(1, 1000, None));
    checked.apply(Step::Commit);
    assert_eq!(rows(&checked), whole / 1000 * 99);
    checked.fetch(1, 900, 2000);
    assert_eq!(checked.asked_below, 0);
}

#[test]
fn rows_of_closed_segments_are_not_written() {
    let mut checked = Checked::new(keys(RowOrder::KeyFirst), KEEP_ALL);
    checked.apply(Step::Put(1, 5, Some(vec![1])));
    checked.apply(Step::Put(1, 15, Some(vec![2])));
    checked.staged.drop_before(10);
    let mut written = Vec::new();
    checked.staged.for_each_staged(|row, _| written.push(row.to_vec()));
    assert_eq!(written, [checked.row(1, 15)]);
}
