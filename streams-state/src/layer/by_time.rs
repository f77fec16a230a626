//! Scans of stores in memory that expire: by time and then key, as Kafka keeps them, and what they use
//! of the cache on their way.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::Bound;
use std::rc::Rc;
use std::vec;

use streams_core::error::StoreError;
use streams_core::store::RowOrder;

use super::Layers;
use super::retention::Retention;
use super::windowed::{KeySpan, Selection};
use crate::bytes::{Direction, KeyRange, OwnedRow};
use crate::row_key::{RowKeys, WindowForm};

/// Rows in an order of their own.
#[derive(Debug)]
pub(super) struct RowsByTime {
    rows: vec::IntoIter<OwnedRow>,
    /// Cached rows that the scan is still to pass, which counts as use.
    passed: VecDeque<Passed>,
    /// The cached row up to which it has looked, and which it gives when its turn comes.
    ahead: Option<Box<[u8]>>,
}

#[derive(Debug)]
struct Passed {
    key: Box<[u8]>,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Given,
    LeftOut,
}

impl RowsByTime {
    /// These rows, and no cached ones.
    pub(super) fn of(keys: RowKeys, mut rows: Vec<OwnedRow>, direction: Direction) -> Self {
        rows.sort_by(|a, b| by_time(keys, &a.key, &b.key));
        if direction == Direction::Backward {
            rows.reverse();
        }
        Self { rows: rows.into_iter(), passed: VecDeque::new(), ahead: None }
    }

    /// The rows of a selection.
    pub(super) fn read(
        layers: &Rc<Layers>,
        retention: &Retention,
        (selection, floor): (&Selection, i64),
        direction: Direction,
    ) -> Result<Self, StoreError> {
        let keys = retention.keys;
        let (from, to) = (selection.times.0.max(0), selection.times.1);
        let takes = |row: &[u8], floor| {
            keys.is_row(row) && keys.read_row(row).is_some_and(|row| selection.takes(row, floor))
        };
        let ranges = match keys.order {
            RowOrder::KeyFirst => vec![of_segments(keys, (from, to))],
            RowOrder::TimeFirst | RowOrder::TimeFirstIndexed => {
                let segments = retention.between(from, to).into_iter();
                segments.map(|segment| range_by_time(keys, segment, (from, to))).collect()
            }
        };
        let mut rows = Vec::new();
        for range in ranges {
            let mut below = layers.rows_below(range, Direction::Forward);
            while let Some((key, value)) = below.next_row()? {
                if takes(key, floor) {
                    rows.push(OwnedRow { key: key.into(), value: Some(value.into()) });
                }
            }
        }
        let Some(cache) = layers.cache() else { return Ok(Self::of(keys, rows, direction)) };
        let mut cached = cache.range(&of_segments(keys, (0, i64::MAX)), Direction::Forward);
        cached.sort_by(|a, b| by_time(keys, &a.key, &b.key));
        let passed = cached.iter().filter(|row| is_passed(keys, selection, &row.key));
        // A cached row is shown however old it is, as in Kafka.
        let fate = |row: &OwnedRow| match row.value {
            Some(_) if takes(&row.key, i64::MIN) => Fate::Given,
            _ => Fate::LeftOut,
        };
        let mut passed: VecDeque<Passed> =
            passed.map(|row| Passed { key: row.key.clone(), fate: fate(row) }).collect();
        if direction == Direction::Backward {
            passed.make_contiguous().reverse();
        }
        cached.retain(|row| takes(&row.key, i64::MIN));
        let hides = |row: &OwnedRow| {
            cached.binary_search_by(|above| by_time(keys, &above.key, &row.key)).is_ok()
        };
        rows.retain(|row| !hides(row));
        rows.extend(cached.into_iter().filter(|row| row.value.is_some()));
        Ok(Self { passed, ..Self::of(keys, rows, direction) })
    }

    /// The next row. The scan looks ahead to the next cached one that it gives.
    pub(super) fn next_row(&mut self, layers: &Layers) -> Option<OwnedRow> {
        if let Some(cache) = layers.cache() {
            while self.ahead.is_none()
                && let Some(Passed { key, fate }) = self.passed.pop_front()
            {
                cache.touch(layers.hash(&key), &key);
                self.ahead = (fate == Fate::Given).then_some(key);
            }
        }
        let row = self.rows.next()?;
        if self.ahead.as_ref() == Some(&row.key) {
            self.ahead = None;
        }
        Some(row)
    }
}

/// Whether a scan of what is cached comes past this row. In Kafka one of a key goes up to that key at
/// its last time, for sessions to the end; one of all keys takes all.
fn is_passed(keys: RowKeys, selection: &Selection, row: &[u8]) -> bool {
    let Some(row) = keys.read_row(row) else { return false };
    let (from, to) = (selection.times.0.max(0), selection.times.1);
    match (&selection.keys, keys.form) {
        (KeySpan::One(key), WindowForm::Window) => (row.time, row.key) <= (to, &**key),
        (KeySpan::One(key), WindowForm::Session) => (row.time, row.key) >= (from, &**key),
        (KeySpan::Between(..), _) => row.time >= from && row.time <= to,
        (KeySpan::All, _) => true,
    }
}

/// The rows of a segment by time.
pub(super) fn range_by_time(keys: RowKeys, segment: i64, (from, to): (i64, i64)) -> KeyRange {
    let base = keys.base_of(segment);
    let at = |time: i64| [&base[..], &time.to_be_bytes()].concat();
    let range = KeyRange::prefix(&base).starting_at(at(from));
    match to.checked_add(1) {
        Some(behind) if behind >= 0 => range.ending_before(at(behind)),
        _ => range,
    }
}

/// The rows of the segments of these times.
fn of_segments(keys: RowKeys, (from, to): (i64, i64)) -> KeyRange {
    let (first, last) = (keys.segment_of(from), keys.segment_of(to));
    let lower = Bound::Included(RowKeys::segment_start(first).into());
    let upper = match last.checked_add(1) {
        Some(behind) if behind >= 0 => Bound::Excluded(RowKeys::segment_start(behind).into()),
        _ => Bound::Unbounded,
    };
    KeyRange::new(lower, upper)
}

fn by_time(keys: RowKeys, a: &[u8], b: &[u8]) -> Ordering {
    let (Some(a), Some(b)) = (keys.read_row(a), keys.read_row(b)) else { return a.cmp(b) };
    let detail = match keys.form {
        WindowForm::Window => a.detail.cmp(&b.detail),
        // Kafka gives the sessions of a key that end together in this order.
        WindowForm::Session => b.detail.cmp(&a.detail),
    };
    a.time.cmp(&b.time).then_with(|| a.key.cmp(b.key)).then(detail)
}
