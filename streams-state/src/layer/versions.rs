//! The versions layer: the latest version of each key for ever, and those before it for as long as
//! the history is kept. Answers to Kafka's `RocksDBVersionedStore`.
//!
//! ```text
//! -1 (8), key        the latest version, unless it is a deletion: time (8), value
//! segment (8), key   versions that were replaced in this segment of time
//! ```
//!
//! So a whole segment is dropped when none of its versions held within the history any more.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use streams_core::error::StoreError;
use streams_core::metrics::DropReason;
use streams_core::time::Timestamp;

use super::changelog::split_timestamp;
use super::version_row::VersionRow;
use super::{Expiry, Layers};
use crate::bytes::BytesError;
use crate::staging::StagedError;
use crate::view::PutVersion;

/// Behind all segments, as the order of bytes is that of numbers without a sign.
const LATEST: i64 = -1;

/// What the versions of a store need beside its rows.
pub(crate) struct Versions {
    pub(crate) expiry: Expiry,
    buffers: Cell<Buffers>,
}

#[derive(Debug, Default)]
struct Buffers {
    key: Vec<u8>,
    /// As read.
    row: Vec<u8>,
    /// A second row, as read.
    other: Vec<u8>,
    /// To be written.
    out: Vec<u8>,
}

impl Versions {
    pub(crate) fn new(interval_ms: i64, history_ms: i64) -> Self {
        Self { expiry: Expiry::new(interval_ms, history_ms), buffers: Cell::default() }
    }

    /// Those of a thread that only reads; `time` is who writes's.
    pub(crate) fn reading(self, time: Arc<AtomicI64>) -> Self {
        Self { expiry: self.expiry.reading(time), ..self }
    }
}

impl Layers {
    fn versions(&self) -> Result<Shelf<'_>, StoreError> {
        match self.kept_versions() {
            Some(versions) => {
                self.follow()?;
                Ok(Shelf { layers: self, expiry: &versions.expiry })
            }
            None => Err(StoreError::Unknown(self.name().clone())),
        }
    }

    fn with_buffers<R>(&self, work: impl FnOnce(&mut Buffers) -> R) -> R {
        let cell = self.kept_versions().map(|versions| &versions.buffers);
        let mut buffers = cell.map(Cell::take).unwrap_or_default();
        let result = work(&mut buffers);
        if let Some(cell) = cell {
            cell.set(buffers);
        }
        result
    }

    /// Shows `read` the time and value of a key: as of a time, or the latest.
    pub(crate) fn read_version<R>(
        &self,
        key: &[u8],
        as_of: Option<i64>,
        read: impl FnOnce(Option<(Timestamp, &[u8])>) -> R,
    ) -> Result<R, StoreError> {
        let shelf = self.versions()?;
        self.with_buffers(|buffers| shelf.read(key, as_of, buffers, read))
    }

    /// Adds a version, or a deletion, and logs it, as Kafka does also where it is too old.
    pub(crate) fn put_version(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        time: i64,
    ) -> Result<PutVersion, StoreError> {
        let shelf = self.versions()?;
        let put = if shelf.is_kept(time) {
            self.with_buffers(|buffers| shelf.put(key, value, time, buffers))?
        } else {
            self.context().drop_record(DropReason::Expired);
            PutVersion::Expired
        };
        self.log_at(key, value, Timestamp::from_millis(time))?;
        Ok(put)
    }

    /// Shows `read` what a deletion at a time takes away: nothing, when that is too old.
    pub(crate) fn read_deleted<R>(
        &self,
        key: &[u8],
        time: i64,
        read: impl FnOnce(Option<(Timestamp, &[u8])>) -> R,
    ) -> Result<R, StoreError> {
        if self.versions()?.is_kept(time) {
            return self.read_version(key, Some(time), read);
        }
        Ok(read(None))
    }

    /// Takes a record of the changelog in, without logging it again.
    pub(crate) fn restore_version(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        time: i64,
    ) -> Result<(), StoreError> {
        let shelf = self.versions()?;
        if shelf.is_kept(time) {
            self.with_buffers(|buffers| shelf.put(key, value, time, buffers))?;
        }
        Ok(())
    }
}

/// The rows of a store of versions.
struct Shelf<'a> {
    layers: &'a Layers,
    expiry: &'a Expiry,
}

impl Shelf<'_> {
    /// Whether a version of this time is still taken.
    const fn is_kept(&self, time: i64) -> bool {
        time >= self.expiry.oldest_kept()
    }

    fn damaged(&self) -> StoreError {
        let damaged = BytesError::Damaged("a row of versions cannot be read".to_owned());
        self.layers.failed(StagedError::Bytes(damaged))
    }

    fn row_key(segment: i64, key: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&segment.to_be_bytes());
        out.extend_from_slice(key);
    }

    /// Copies a row, and says whether there is one.
    fn copy(
        &self,
        (segment, key): (i64, &[u8]),
        row_key: &mut Vec<u8>,
        row: &mut Vec<u8>,
    ) -> Result<bool, StoreError> {
        Self::row_key(segment, key, row_key);
        row.clear();
        let (layers, hash) = (self.layers, self.layers.hash(row_key));
        let read = layers.staged().read_with(hash, row_key, |bytes| {
            row.extend_from_slice(bytes.unwrap_or_default());
            bytes.is_some()
        });
        read.map(|(found, _)| found).map_err(|error| layers.failed(error))
    }

    fn write(
        &self,
        (segment, key): (i64, &[u8]),
        row_key: &mut Vec<u8>,
        row: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        Self::row_key(segment, key, row_key);
        if segment != LATEST {
            self.expiry.writes(segment);
        }
        self.layers.stage(self.layers.hash(row_key), row_key, row, None)
    }

    fn write_latest(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        time: i64,
        buffers: &mut Buffers,
    ) -> Result<(), StoreError> {
        let Buffers { key: row_key, out, .. } = buffers;
        out.clear();
        out.extend_from_slice(&time.to_be_bytes());
        out.extend_from_slice(value.unwrap_or_default());
        self.write((LATEST, key), row_key, value.map(|_| &**out))
    }

    fn read<R>(
        &self,
        key: &[u8],
        as_of: Option<i64>,
        buffers: &mut Buffers,
        read: impl FnOnce(Option<(Timestamp, &[u8])>) -> R,
    ) -> Result<R, StoreError> {
        let Buffers { key: row_key, row, .. } = buffers;
        if self.copy((LATEST, key), row_key, row)? {
            let (time, value) = split_timestamp(row).ok_or_else(|| self.damaged())?;
            if as_of.is_none_or(|as_of| time.millis() <= as_of) {
                return Ok(read(Some((time, value))));
            }
        }
        let Some(as_of) = as_of.filter(|as_of| self.is_kept(*as_of)) else {
            return Ok(read(None));
        };
        let (first, mut at) = (self.expiry.segment_of(as_of), i64::MAX);
        while let Some(segment) = self.expiry.before(at, first) {
            at = segment;
            if !self.copy((segment, key), row_key, row)? {
                continue;
            }
            let versions = VersionRow::read(row).ok_or_else(|| self.damaged())?;
            if versions.end() <= as_of {
                break;
            }
            if versions.start() <= as_of {
                let version = versions.find(as_of).ok_or_else(|| self.damaged())?;
                let time = Timestamp::from_millis(version.time);
                return Ok(read(version.value.map(|value| (time, value))));
            }
        }
        Ok(read(None))
    }

    fn put(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        time: i64,
        buffers: &mut Buffers,
    ) -> Result<PutVersion, StoreError> {
        self.expiry.observe(time);
        let mut next = None;
        if self.copy((LATEST, key), &mut buffers.key, &mut buffers.row)? {
            let latest = split_timestamp(&buffers.row).ok_or_else(|| self.damaged())?.0.millis();
            if time > latest {
                self.replace_latest(key, (latest, time), buffers)?;
            }
            if time >= latest {
                self.write_latest(key, value, time, buffers)?;
                return Ok(PutVersion::Latest);
            }
            next = Some(latest);
        }
        let (first, mut at) = (self.expiry.segment_of(time), i64::MAX);
        while let Some(segment) = self.expiry.before(at, first) {
            at = segment;
            if !self.copy((segment, key), &mut buffers.key, &mut buffers.row)? {
                continue;
            }
            let row = VersionRow::read(&buffers.row).ok_or_else(|| self.damaged())?;
            if row.end() <= time {
                break;
            }
            if row.start() <= time {
                let until = self.put_between(segment, (key, value), time, buffers)?;
                return Ok(PutVersion::Until(Timestamp::from_millis(until)));
            }
            next = Some(row.start());
        }
        match (next, value) {
            (None, Some(_)) => self.write_latest(key, value, time, buffers)?,
            (None, None) => self.put_deletion(key, time, buffers)?,
            (Some(next), _) => self.put_before(next, (key, value), time, buffers)?,
        }
        let until = |next| PutVersion::Until(Timestamp::from_millis(next));
        Ok(next.map_or(PutVersion::Latest, until))
    }

    /// Moves the latest version, which is in `buffers.row`, to those that were replaced.
    fn replace_latest(
        &self,
        key: &[u8],
        (from, until): (i64, i64),
        buffers: &mut Buffers,
    ) -> Result<(), StoreError> {
        let Buffers { key: row_key, row, other, out } = buffers;
        let value = split_timestamp(row).map(|(_, value)| value);
        let place = (self.expiry.segment_of(until), key);
        if self.copy(place, row_key, other)? {
            let versions = VersionRow::read(other).ok_or_else(|| self.damaged())?;
            versions.write_later((from, until), value, out);
        } else {
            VersionRow::write_one((from, until), value, out);
        }
        self.write(place, row_key, Some(out))
    }

    /// Puts a version among those of a row, which is in `buffers.row`. Says when the next begins.
    fn put_between(
        &self,
        segment: i64,
        (key, value): (&[u8], Option<&[u8]>),
        time: i64,
        buffers: &mut Buffers,
    ) -> Result<i64, StoreError> {
        let Buffers { key: row_key, row, other, out } = buffers;
        let versions = VersionRow::read(row).ok_or_else(|| self.damaged())?;
        let before = versions.find(time).ok_or_else(|| self.damaged())?;
        let own = self.expiry.segment_of(time);
        if before.time == time {
            versions.write_instead(&before, (time, value), out);
        } else if own == segment {
            versions.write_behind(&before, (time, value), out);
        } else {
            // The version before is now replaced earlier, in the segment of this time.
            let held = (before.time, time);
            if self.copy((own, key), row_key, other)? {
                let older = VersionRow::read(other).ok_or_else(|| self.damaged())?;
                older.write_later(held, before.value, out);
            } else {
                VersionRow::write_one(held, before.value, out);
            }
            self.write((own, key), row_key, Some(out))?;
            versions.write_instead(&before, (time, value), out);
        }
        self.write((segment, key), row_key, Some(out))?;
        Ok(before.until)
    }

    /// Puts a deletion that nothing follows.
    fn put_deletion(&self, key: &[u8], time: i64, buffers: &mut Buffers) -> Result<(), StoreError> {
        let Buffers { key: row_key, row, out, .. } = buffers;
        let place = (self.expiry.segment_of(time), key);
        if self.copy(place, row_key, row)? {
            let versions = VersionRow::read(row).ok_or_else(|| self.damaged())?;
            if versions.end() == time {
                return Ok(());
            }
            versions.write_later((versions.end(), time), None, out);
        } else {
            VersionRow::write_deletion(time, out);
        }
        self.write(place, row_key, Some(out))
    }

    /// Puts a version that holds until the next one, before which none is known or only older rows
    /// are.
    fn put_before(
        &self,
        next: i64,
        (key, value): (&[u8], Option<&[u8]>),
        time: i64,
        buffers: &mut Buffers,
    ) -> Result<(), StoreError> {
        let Buffers { key: row_key, row, out, .. } = buffers;
        let place = (self.expiry.segment_of(next), key);
        if self.copy(place, row_key, row)? {
            let versions = VersionRow::read(row).ok_or_else(|| self.damaged())?;
            if versions.end() <= time {
                versions.write_later((time, next), value, out);
            } else {
                versions.write_earlier(time, value, out);
            }
        } else {
            VersionRow::write_one((time, next), value, out);
        }
        self.write(place, row_key, Some(out))
    }
}
