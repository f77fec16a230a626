//! What the views of stores that expire share: keys with windows over a store's layers.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::rc::Rc;

use streams_core::error::{Part, Pushed, StoreError};
use streams_core::names::TopicName;
use streams_core::record::Headers;
use streams_core::serde::{SerdeError, SharedSerde};
use streams_core::time::Timestamp;
use streams_core::window::{Window, Windowed};

use super::{Codec, Flushed, owner};
use crate::bytes::Direction;
use crate::layer::cache::DirtyEntry;
use crate::layer::headers_row::{read_headers, split_headers};
use crate::layer::{Floor, KeySpan, Outgoing, Reach, Selection, Unseen, WindowedRows};
use crate::row_key::{RowKey, RowKeys, WindowForm};
use crate::staging::OfKey;

/// The layers of a store, its serdes, and the layout of its keys.
pub(crate) struct WindowedCodec<K, V> {
    pub(super) codec: Codec<K, V>,
    keys: RowKeys,
    /// Of a window; sessions have their ends in the key.
    size_ms: i64,
    buffer: Cell<Vec<u8>>,
}

impl<K, V> std::fmt::Debug for WindowedCodec<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.codec.fmt(f)
    }
}

impl<K: 'static, V: 'static> WindowedCodec<K, V> {
    /// `None` for the layers of a store that does not expire.
    pub(crate) fn new(
        layers: Reach,
        topic: TopicName,
        (key, value): (SharedSerde<K>, SharedSerde<V>),
        size_ms: i64,
    ) -> Option<Self> {
        let keys = layers.retention()?.keys;
        let codec = Codec::new(layers, topic, key, value);
        Some(Self { codec, keys, size_ms, buffer: Cell::default() })
    }

    /// Shows `with` the key of a row.
    pub(super) fn with_row_key<R>(
        &self,
        key: &K,
        (time, detail): (Timestamp, i64),
        with: impl FnOnce(&[u8]) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        self.codec.with_key(key, |key| {
            let mut bytes = self.buffer.take();
            bytes.clear();
            self.keys.write_row(RowKey { key, time: time.millis(), detail }, &mut bytes);
            let result = with(&bytes);
            self.buffer.set(bytes);
            result
        })
    }

    pub(super) fn decode(&self, row: Option<&[u8]>) -> Result<Option<V>, StoreError> {
        row.map(|row| self.codec.decode_value(row)).transpose()
    }

    /// The rows of a key with times between these, and of sessions those that start at `start_max` at
    /// the latest.
    pub(super) fn of_key(
        &self,
        key: &K,
        (times, start_max): ((i64, i64), i64),
        direction: Direction,
    ) -> Result<WindowedRows, StoreError> {
        self.codec.with_key(key, |bytes| {
            let of = OfKey { key: bytes, times, detail_max: start_max };
            if let Some(rows) = self.codec.layers.known_rows(of, direction) {
                return Ok(rows);
            }
            self.scan(selection(KeySpan::One(bytes.into()), times, start_max), direction)
        })
    }

    pub(super) fn keys(&self, keys: &impl RangeBounds<K>) -> Result<KeySpan, StoreError> {
        let (lower, upper) = self.codec.bounds(keys)?;
        Ok(KeySpan::Between(lower, upper))
    }

    pub(super) fn scan(
        &self,
        selection: Selection,
        direction: Direction,
    ) -> Result<WindowedRows, StoreError> {
        let layers = &self.codec.layers;
        let rows = layers.windowed_rows(selection, direction)?;
        rows.ok_or_else(|| StoreError::Unknown(layers.name().clone()))
    }

    fn window(&self, row: RowKey<'_>) -> Window {
        match self.keys.form {
            WindowForm::Window => Window::of_size(Timestamp::from_millis(row.time), self.size_ms),
            WindowForm::Session => {
                Window::new(Timestamp::from_millis(row.detail), Timestamp::from_millis(row.time))
            }
        }
    }

    fn windowed(&self, row: RowKey<'_>) -> Result<Windowed<K>, StoreError> {
        Ok(Windowed::new(self.codec.decode_key(row.key)?, self.window(row)))
    }

    pub(super) fn forward_evicted(
        &self,
        each: &mut dyn FnMut(Flushed<Windowed<K>, V>) -> Pushed,
    ) -> Pushed {
        match self.codec.layers.cache() {
            Some(cache) if !cache.is_settled() => {
                owner::forward(&self.codec.layers, cache, |out| self.flushed(out), each)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn flush_cache(
        &self,
        each: &mut dyn FnMut(Flushed<Windowed<K>, V>) -> Pushed,
    ) -> Pushed {
        owner::flush(&self.codec.layers, |out| self.flushed(out), each)
    }

    fn flushed(&self, out: Outgoing) -> Result<Flushed<Windowed<K>, V>, StoreError> {
        let row = self.keys.read_row(&out.entry.key).ok_or_else(|| {
            let (expected, actual) = ("key within a window", out.entry.key.len());
            let too_short = SerdeError::Width { expected, width: size_of::<i64>(), actual };
            self.codec.failed("read", Part::Key, too_short)
        })?;
        Ok(Flushed {
            key: self.windowed(row)?,
            new: self.decode(out.entry.value.as_deref())?,
            old: self.decode(out.old.as_deref())?,
            timestamp: out.entry.writer.timestamp,
            headers: self.headers_of(out.entry),
        })
    }

    /// Those of the record that wrote the entry. As in Kafka, a session in a row that has headers is
    /// given out with these.
    fn headers_of(&self, entry: DirtyEntry) -> Headers {
        let has_headers = self.codec.layers.unseen() != Unseen::Nothing;
        if self.keys.form != WindowForm::Session || !has_headers {
            return entry.writer.headers;
        }
        let headers = entry.value.as_deref().and_then(split_headers);
        headers.and_then(|(headers, _)| read_headers(headers)).unwrap_or_default()
    }
}

/// All rows with times between these, and sessions that start at `start_max` at the latest.
pub(super) const fn selection(keys: KeySpan, times: (i64, i64), start_max: i64) -> Selection {
    Selection { keys, times, detail_max: start_max, floor: Floor::Retention }
}

/// The first and the last millisecond of a range.
pub(super) fn millis(range: &impl RangeBounds<Timestamp>) -> (i64, i64) {
    let from = match range.start_bound() {
        Bound::Unbounded => 0,
        Bound::Included(time) => time.millis(),
        Bound::Excluded(time) => time.millis().saturating_add(1),
    };
    let to = match range.end_bound() {
        Bound::Unbounded => i64::MAX,
        Bound::Included(time) => time.millis(),
        Bound::Excluded(time) => time.millis().saturating_sub(1),
    };
    (from, to)
}

/// Keys with their windows, and values, as they were when the scan started. To be finished before
/// the task commits: afterwards it gives [`StoreError::StaleIterator`].
#[derive(Debug)]
pub struct WindowedEntries<K, V> {
    codec: Rc<WindowedCodec<K, V>>,
    rows: WindowedRows,
}

impl<K, V> WindowedEntries<K, V> {
    pub(super) const fn new(codec: Rc<WindowedCodec<K, V>>, rows: WindowedRows) -> Self {
        Self { codec, rows }
    }
}

impl<K: 'static, V: 'static> Iterator for WindowedEntries<K, V> {
    type Item = Result<(Windowed<K>, V), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let codec = &self.codec;
        let row = self.rows.next_row().transpose()?;
        Some(row.and_then(|(key, row)| Ok((codec.windowed(key)?, codec.codec.decode_value(row)?))))
    }
}

/// The windows of one key, by their starts, and values, as they were when the scan started. To be
/// finished before the task commits: afterwards it gives [`StoreError::StaleIterator`].
#[derive(Debug)]
pub struct WindowEntries<K, V> {
    codec: Rc<WindowedCodec<K, V>>,
    rows: WindowedRows,
    key: PhantomData<fn() -> K>,
}

impl<K, V> WindowEntries<K, V> {
    pub(super) const fn new(codec: Rc<WindowedCodec<K, V>>, rows: WindowedRows) -> Self {
        Self { codec, rows, key: PhantomData }
    }
}

impl<K: 'static, V: 'static> Iterator for WindowEntries<K, V> {
    type Item = Result<(Timestamp, V), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let codec = &self.codec;
        let row = self.rows.next_row().transpose()?;
        Some(row.and_then(|(key, row)| {
            Ok((Timestamp::from_millis(key.time), codec.codec.decode_value(row)?))
        }))
    }
}
