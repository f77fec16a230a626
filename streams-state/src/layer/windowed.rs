//! Scans of stores that expire: which rows of which segments, and in which order.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::Bound;
use std::rc::Rc;
use std::vec;

use streams_core::error::StoreError;
use streams_core::store::RowOrder;

use super::retention::{Floor, Retention};
use super::{Layers, Rows};
use crate::builder::Medium;
use crate::bytes::{Chunk, Direction, KeyRange, OwnedRow};
use crate::row_key::{RowKey, RowKeys, WindowForm};
use crate::staging::{OfKey, Version};

/// The keys of a scan.
#[derive(Debug, Clone)]
pub(crate) enum KeySpan {
    /// This one.
    One(Box<[u8]>),
    /// Those between, in the order of their bytes.
    Between(Bound<Box<[u8]>>, Bound<Box<[u8]>>),
    /// All; what is ordered by time is then given by time.
    All,
}

impl KeySpan {
    fn contains(&self, key: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => **one == *key,
            Self::Between(lower, upper) => {
                let above = match lower {
                    Bound::Unbounded => true,
                    Bound::Included(bound) => *key >= **bound,
                    Bound::Excluded(bound) => *key > **bound,
                };
                above
                    && match upper {
                        Bound::Unbounded => true,
                        Bound::Included(bound) => *key <= **bound,
                        Bound::Excluded(bound) => *key < **bound,
                    }
            }
        }
    }
}

/// The rows of a scan.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) keys: KeySpan,
    /// The times by which rows expire: the first and the last.
    pub(crate) times: (i64, i64),
    /// The greatest start of a session.
    pub(crate) detail_max: i64,
    pub(crate) floor: Floor,
}

impl Selection {
    /// The one key that is asked for.
    fn one_key(&self) -> Option<&[u8]> {
        if let KeySpan::One(key) = &self.keys { Some(key) } else { None }
    }

    fn takes(&self, row: RowKey<'_>, floor: i64) -> bool {
        let (from, to) = self.times;
        row.time >= from.max(floor)
            && row.time <= to
            && row.detail <= self.detail_max
            && self.keys.contains(row.key)
    }
}

/// Where the rows come from.
#[derive(Debug)]
enum Source {
    /// The segments, in the order of the scan.
    Segments(VecDeque<Rows>),
    /// The index of the segments; each row is then looked up.
    Index(VecDeque<Rows>),
    /// Rows in an order of their own.
    Sorted(vec::IntoIter<OwnedRow>),
}

/// Which rows of a source are given.
#[derive(Debug)]
struct Filter {
    selection: Selection,
    floor: i64,
    /// A scan in the order of time ends with the first row after this one.
    last_time: Option<i64>,
}

impl Filter {
    fn ends_with(&self, row: RowKey<'_>) -> bool {
        self.last_time.is_some_and(|last| row.time > last)
    }
}

/// The rows of a selection as they were when the scan started. Owns its snapshot.
#[derive(Debug)]
pub(crate) struct WindowedRows {
    layers: Rc<Layers>,
    keys: RowKeys,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// All rows, which were in memory.
    Known(Chunk, Version),
    Scan(Box<Scan>),
}

#[derive(Debug)]
struct Scan {
    filter: Filter,
    source: Source,
    /// The segment in which the next cached row is looked for; those before it have none to come.
    cached_at: usize,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Layers {
    /// A copy of the rows of a key below the cache, if all of them are in memory.
    fn rows_of_key(&self, of: &OfKey<'_>, direction: Direction) -> Option<Vec<OwnedRow>> {
        let mut rows = Vec::new();
        let are_known = self.rows_in_memory(of, direction, |key, value| {
            rows.push(OwnedRow { key: key.into(), value: Some(value.into()) });
        });
        are_known.then_some(rows)
    }

    /// The rows of a key, if none of them is on disk only or cached.
    pub(crate) fn known_rows(
        self: &Rc<Self>,
        of: OfKey<'_>,
        direction: Direction,
    ) -> Option<WindowedRows> {
        let retention = self.retention().filter(|_| self.cache().is_none())?;
        let keys = retention.keys;
        if retention.medium() == Medium::Memory && keys.form == WindowForm::Session {
            // They have an order of their own.
            return None;
        }
        let from = of.times.0.max(0).max(retention.floor(Floor::Retention));
        let (of, mut chunk) = (OfKey { times: (from, of.times.1), ..of }, Chunk::default());
        if !self.rows_in_memory(&of, direction, |key, value| chunk.push(key, value)) {
            return None;
        }
        let content = Content::Known(chunk, self.staged().version());
        Some(WindowedRows { layers: Rc::clone(self), keys, content })
    }

    /// The rows of a selection. Nothing for a store that does not expire.
    pub(crate) fn windowed_rows(
        self: &Rc<Self>,
        selection: Selection,
        direction: Direction,
    ) -> Result<Option<WindowedRows>, StoreError> {
        let Some(retention) = self.retention() else { return Ok(None) };
        self.follow()?;
        let (keys, floor) = (retention.keys, retention.floor(selection.floor));
        let source = source(self, retention, (&selection, floor), direction)?;
        let layers = Rc::clone(self);
        let of_one = matches!(selection.keys, KeySpan::One(_));
        let is_by_time = direction == Direction::Forward
            && keys.order != RowOrder::KeyFirst
            && matches!(source, Source::Segments(_));
        let last_time = is_by_time.then_some(selection.times.1);
        let filter = Filter { selection, floor, last_time };
        let (key, value, cached_at) = (Vec::new(), Vec::new(), 0);
        let mut scan = Scan { filter, source, cached_at, key, value };
        if of_one && retention.medium() == Medium::Memory && keys.form == WindowForm::Session {
            scan.sort(&layers, keys, direction)?;
        }
        Ok(Some(WindowedRows { layers, keys, content: Content::Scan(Box::new(scan)) }))
    }
}

fn source(
    layers: &Rc<Layers>,
    retention: &Retention,
    (selection, floor): (&Selection, i64),
    direction: Direction,
) -> Result<Source, StoreError> {
    let keys = retention.keys;
    let (from, to) = (selection.times.0.max(0), selection.times.1);
    let one = matches!(selection.keys, KeySpan::One(_));
    // DIFFERENCE(cache-in-memory): in Kafka a scan of one key uses cached rows of other keys too.
    if retention.medium() == Medium::Memory && !one {
        return Ok(Source::Sorted(
            sorted(layers, retention, (selection, floor), direction)?.into_iter(),
        ));
    }
    let by_index =
        keys.order == RowOrder::TimeFirstIndexed && !matches!(selection.keys, KeySpan::All);
    let mut segments = retention.between(from.max(floor), to);
    let from = match layers.cache() {
        None => from.max(floor),
        // A cached row is shown however old it is, as in Kafka.
        Some(cache) => {
            segments.extend(cache.segments(keys.segment_of(from), keys.segment_of(to)));
            if one && direction == Direction::Backward && keys.form == WindowForm::Window {
                segments.push(retention.latest_segment(to));
            }
            segments.sort_unstable();
            segments.dedup();
            from
        }
    };
    let ranges = segments.into_iter().map(|segment| {
        if !by_index && keys.order != RowOrder::KeyFirst {
            let range = range_by_time(keys, segment, (from, to));
            // Kafka uses the first cached row behind a scan too.
            let last = keys.end_of(segment).unwrap_or(i64::MAX);
            let cached = range_by_time(keys, segment, (from, last));
            let cached = (direction == Direction::Forward).then_some(&cached);
            return Rows::with_known(Rc::clone(layers), (range, direction), cached, None);
        }
        let range = range_by_key(keys, segment, selection, (from, to));
        let Some(key) = selection.one_key().filter(|_| !by_index) else {
            return layers.rows(range, direction);
        };
        let cached = match direction {
            Direction::Forward => None,
            // Kafka's backward scans use the cached windows of a key from the start of a segment on.
            Direction::Backward => {
                Some(range_by_key(keys, segment, selection, (keys.start_of(segment), to)))
            }
        };
        // Of one before the first, the cached rows are used, and none is given.
        let is_before = segment < keys.segment_of(from);
        let last = keys.end_of(segment).map_or(to, |end| end.min(to));
        let times = (from.max(floor).max(keys.start_of(segment)), last);
        let of = OfKey { key, times, detail_max: i64::MAX };
        let known = if is_before { Some(Vec::new()) } else { layers.rows_of_key(&of, direction) };
        Rows::with_known(Rc::clone(layers), (range, direction), cached.as_ref(), known)
    });
    let mut rows: VecDeque<Rows> = ranges.collect();
    if direction == Direction::Backward {
        rows.make_contiguous().reverse();
    }
    Ok(if by_index { Source::Index(rows) } else { Source::Segments(rows) })
}

/// The rows of a segment by key.
fn range_by_key(
    keys: RowKeys,
    segment: i64,
    selection: &Selection,
    (from, to): (i64, i64),
) -> KeyRange {
    let base = || keys.by_key_of(segment);
    let with = |key: &[u8], time: i64, detail: &[u8]| {
        let time = time.to_be_bytes();
        let bytes = [&base(), key, &time, detail].concat();
        bytes.into_boxed_slice()
    };
    match &selection.keys {
        KeySpan::One(key) => {
            // The rows of a longer key would lie before a later time than the segment's last. No row
            // has a longer detail than this.
            let last = keys.end_of(segment).map_or(to, |end| end.min(to));
            let upper = Bound::Included(with(key, last.max(0), &[u8::MAX; 8]));
            KeyRange::new(Bound::Included(with(key, from, &[])), upper)
        }
        // A key is a prefix of its row's, so this says nothing about the upper end.
        KeySpan::Between(Bound::Included(key) | Bound::Excluded(key), _) => {
            KeyRange::prefix(&base()).starting_at([&base(), &**key].concat())
        }
        KeySpan::Between(Bound::Unbounded, _) | KeySpan::All => KeyRange::prefix(&base()),
    }
}

/// The rows of a segment by time.
fn range_by_time(keys: RowKeys, segment: i64, (from, to): (i64, i64)) -> KeyRange {
    let base = keys.base_of(segment);
    let at = |time: i64| [&base[..], &time.to_be_bytes()].concat();
    let range = KeyRange::prefix(&base).starting_at(at(from));
    match to.checked_add(1) {
        Some(behind) if behind >= 0 => range.ending_before(at(behind)),
        _ => range,
    }
}

/// The rows of a store in memory, by time and then key, as Kafka keeps them.
fn sorted(
    layers: &Rc<Layers>,
    retention: &Retention,
    (selection, floor): (&Selection, i64),
    direction: Direction,
) -> Result<Vec<OwnedRow>, StoreError> {
    let keys = retention.keys;
    let (from, to) = (selection.times.0.max(0), selection.times.1);
    let whole = || {
        let (first, last) = (keys.segment_of(from), keys.segment_of(to));
        let lower = Bound::Included(RowKeys::segment_start(first).into());
        let upper = match last.checked_add(1) {
            Some(behind) if behind >= 0 => Bound::Excluded(RowKeys::segment_start(behind).into()),
            _ => Bound::Unbounded,
        };
        KeyRange::new(lower, upper)
    };
    let takes = |row: &[u8], floor| {
        keys.is_row(row) && keys.read_row(row).is_some_and(|row| selection.takes(row, floor))
    };
    let ranges = match keys.order {
        RowOrder::KeyFirst => vec![whole()],
        RowOrder::TimeFirst | RowOrder::TimeFirstIndexed => {
            let segments = retention.between(from, to).into_iter();
            segments.map(|segment| range_by_time(keys, segment, (from, to))).collect()
        }
    };
    let mut below = Vec::new();
    for range in ranges {
        let mut rows = layers.rows_below(range, Direction::Forward);
        while let Some((key, value)) = rows.next_row()? {
            if takes(key, floor) {
                below.push(OwnedRow { key: key.into(), value: Some(value.into()) });
            }
        }
    }
    if let Some(cache) = layers.cache() {
        let mut cached = cache.range(&whole(), Direction::Forward);
        cache.touch_all(layers, &cached, |a, b| by_time(keys, a, b));
        // A cached row is shown however old it is, as in Kafka.
        cached.retain(|row| takes(&row.key, i64::MIN));
        let hides = |row: &OwnedRow| cached.binary_search_by(|above| above.key.cmp(&row.key));
        below.retain(|row| hides(row).is_err());
        below.extend(cached.into_iter().filter(|row| row.value.is_some()));
    }
    below.sort_by(|a, b| by_time(keys, &a.key, &b.key));
    if direction == Direction::Backward {
        below.reverse();
    }
    Ok(below)
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

impl WindowedRows {
    /// The next key and value; `None` at the end.
    pub(crate) fn next_row(&mut self) -> Result<Option<(RowKey<'_>, &[u8])>, StoreError> {
        let Self { layers, keys, content } = self;
        let (key, value): (&[u8], &[u8]) = match content {
            Content::Known(chunk, version) => {
                layers.check(*version)?;
                if chunk.peek().is_none() {
                    return Ok(None);
                }
                chunk.advance();
                chunk.passed().unwrap_or_default()
            }
            Content::Scan(scan) => {
                if !scan.advance(layers, *keys)? {
                    return Ok(None);
                }
                (&scan.key, &scan.value)
            }
        };
        Ok(keys.read_row(key).map(|row| (row, value)))
    }
}

impl Scan {
    /// Reads all rows, and gives them in the order in which Kafka keeps them in memory.
    fn sort(
        &mut self,
        layers: &Rc<Layers>,
        keys: RowKeys,
        direction: Direction,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        while self.advance(layers, keys)? {
            rows.push(OwnedRow {
                key: self.key.as_slice().into(),
                value: Some(self.value.as_slice().into()),
            });
        }
        rows.sort_by(|a, b| by_time(keys, &a.key, &b.key));
        if direction == Direction::Backward {
            rows.reverse();
        }
        self.source = Source::Sorted(rows.into_iter());
        Ok(())
    }

    /// Kafka's iterators look for the next cached row of the selection, in later segments too, before
    /// they give rows of the byte store.
    fn use_next_cached(&mut self, keys: RowKeys) {
        let Source::Segments(segments) = &mut self.source else { return };
        let filter = &self.filter;
        let is_wanted = |key: &[u8]| {
            let row = keys.read_row(key);
            row.is_some_and(|row| filter.selection.takes(row, i64::MIN) || filter.ends_with(row))
        };
        while let Some(rows) = segments.get_mut(self.cached_at)
            && !rows.use_next_cached(is_wanted)
        {
            self.cached_at += 1;
        }
    }

    /// Copies the next row to `key` and `value`; `false` at the end.
    fn advance(&mut self, layers: &Rc<Layers>, keys: RowKeys) -> Result<bool, StoreError> {
        loop {
            self.use_next_cached(keys);
            self.key.clear();
            self.value.clear();
            let (rows, indexed) = match &mut self.source {
                Source::Sorted(rows) => {
                    let Some(row) = rows.next() else { return Ok(false) };
                    self.key.extend_from_slice(&row.key);
                    self.value.extend_from_slice(row.value.as_deref().unwrap_or_default());
                    return Ok(true);
                }
                Source::Segments(rows) => (rows, false),
                Source::Index(rows) => (rows, true),
            };
            let Some(first) = rows.front_mut() else { return Ok(false) };
            let Some((key, value)) = first.next_row()? else {
                rows.pop_front();
                self.cached_at = self.cached_at.saturating_sub(1);
                continue;
            };
            self.key.extend_from_slice(key);
            self.value.extend_from_slice(value);
            let filter = &self.filter;
            // A cached row is shown however old it is, as in Kafka.
            let floor = if first.is_cached() { i64::MIN } else { filter.floor };
            let row = keys.read_row(&self.key);
            if row.is_some_and(|row| filter.ends_with(row)) {
                rows.clear();
                return Ok(false);
            }
            let Some(row) = row.filter(|row| filter.selection.takes(*row, floor)) else { continue };
            if !indexed {
                return Ok(true);
            }
            let mut base = Vec::with_capacity(self.key.len());
            keys.write_row(row, &mut base);
            let value = &mut self.value;
            let (found, _) = layers.read_with(&base, |bytes| {
                value.extend_from_slice(bytes.unwrap_or_default());
                bytes.is_some()
            })?;
            if found {
                return Ok(true);
            }
        }
    }
}
