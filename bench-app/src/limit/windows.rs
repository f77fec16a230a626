//! Counts by tumbling window on RocksDB. Windows that records may still come to are in memory; those
//! behind the retention are dropped, there and on the disk.

use super::Error;
use super::store::{Count, OFFSET_KEY, Staging, decode, open};
use rocksdb::{DB, IteratorMode, WriteBatch};
use std::collections::VecDeque;

const SIZE_MS: i64 = 60_000;
const GRACE_MS: i64 = 60_000;
const RETENTION_MS: i64 = SIZE_MS + GRACE_MS;

struct Window {
    start: i64,
    counts: Staging,
}

/// The counts of one task. Rows on the disk have the window's start before the key.
pub(crate) struct WindowCounts {
    db: DB,
    /// In order.
    windows: VecDeque<Window>,
    stream_time: i64,
    /// The last window of which there are rows on the disk that are not in memory.
    stored_until: i64,
    dropped_before: i64,
    has_changes: bool,
}

impl WindowCounts {
    pub(crate) fn open(path: &str) -> Result<Self, Error> {
        let db = open(path)?;
        let last = db.iterator(IteratorMode::End).next().transpose()?;
        let stored_until = last.and_then(|(key, _)| Some(i64::from_be_bytes(*key.first_chunk()?)));
        Ok(Self {
            db,
            windows: VecDeque::new(),
            stream_time: 0,
            stored_until: stored_until.unwrap_or(-1),
            dropped_before: 0,
            has_changes: false,
        })
    }

    /// Adds one to the count of `key` in the window of `timestamp`, and gives the window's start;
    /// `None` for a late record.
    pub(crate) fn add(
        &mut self,
        key: &[u8],
        timestamp: i64,
    ) -> Result<Option<(i64, Count)>, Error> {
        self.stream_time = self.stream_time.max(timestamp);
        let start = timestamp - timestamp.rem_euclid(SIZE_MS);
        if start + SIZE_MS + GRACE_MS <= self.stream_time {
            return Ok(None);
        }
        let at = self.windows.partition_point(|window| window.start < start);
        if self.windows.get(at).is_none_or(|window| window.start != start) {
            self.windows.insert(at, Window { start, counts: Staging::default() });
        }
        let Self { db, windows, stored_until, .. } = self;
        let Some(window) = windows.get_mut(at) else { return Ok(None) };
        let stored = || match start <= *stored_until {
            true => db.get_pinned(row(start, key))?.map(|bytes| decode(&bytes)).transpose(),
            false => Ok(None),
        };
        let count = window.counts.add(key, timestamp, stored)?;
        self.has_changes = true;
        Ok(Some((start, count)))
    }

    /// Writes what has changed of windows that are still kept, and the changelog's offset.
    pub(crate) fn commit(&mut self, offset: i64) -> Result<(), Error> {
        if !std::mem::take(&mut self.has_changes) {
            return Ok(());
        }
        let kept_from = self.stream_time - RETENTION_MS + 1;
        while self.windows.front().is_some_and(|window| window.start < kept_from) {
            self.windows.pop_front();
        }
        let mut batch = WriteBatch::default();
        if kept_from / SIZE_MS > self.dropped_before / SIZE_MS {
            batch.delete_range(self.dropped_before.to_be_bytes(), kept_from.to_be_bytes());
            self.dropped_before = kept_from;
        }
        for Window { start, counts } in &mut self.windows {
            counts.drain(|key, value| batch.put(row(*start, key), value));
        }
        batch.put(OFFSET_KEY, offset.to_be_bytes());
        Ok(self.db.write(batch)?)
    }
}

fn row(start: i64, key: &[u8]) -> Vec<u8> {
    [&start.to_be_bytes(), key].concat()
}
