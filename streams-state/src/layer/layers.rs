//! One store as the views see it: bytes through all layers.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::ops::Bound;
use std::rc::Rc;

use foldhash::fast::RandomState;
use streams_core::error::StoreError;
use streams_core::metrics::DropReason;
use streams_core::names::StoreName;
use streams_core::processor::TaskContext;
use streams_core::store::RowOrder;
use streams_core::time::Timestamp;

use super::cache::NodeHint;
use super::changelog::Changelog;
use super::{CacheLayer, Expiry, Recency, Retention, Rows, Versions};
use crate::builder::{Duplicates, Medium};
use crate::bytes::{Chunk, Direction, KeyRange, Progress};
use crate::row_key::RowKeys;
use crate::staging::{CommitsSeen, OfKey, SlotHint, Staged, StagedError, Version};

/// What a store's layers are made of.
pub(crate) struct LayerParts {
    pub(crate) name: StoreName,
    pub(crate) context: Rc<TaskContext>,
    pub(crate) cache: Option<CacheLayer>,
    pub(crate) changelog: Option<Changelog>,
    /// For a store of windows, which expires.
    pub(crate) retention: Option<Retention>,
    pub(crate) duplicates: Duplicates,
    /// For a versioned store, the history of which expires.
    pub(crate) versions: Option<Versions>,
    /// For a store of at most so many rows.
    pub(crate) recency: Option<Recency>,
    pub(crate) staged: Staged,
    /// For a store that expires and that another thread writes.
    pub(crate) commits: Option<CommitsSeen>,
}

/// Where a row was found; see [`Layers::put_at`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hint {
    hash: u64,
    at: At,
}

#[derive(Debug, Clone, Copy)]
enum At {
    Cache(NodeHint),
    Overlay(SlotHint),
    Unknown,
}

/// The layers of one store.
pub(crate) struct Layers {
    parts: LayerParts,
    hasher: RandomState,
    buffer: Cell<Vec<u8>>,
    /// The number of the row written last, in a store that keeps duplicates.
    sequence: Cell<i32>,
}

impl std::fmt::Debug for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layers").field("name", &self.parts.name).finish_non_exhaustive()
    }
}

impl Layers {
    pub(crate) fn new(parts: LayerParts) -> Self {
        Self {
            parts,
            hasher: RandomState::default(),
            buffer: Cell::default(),
            sequence: Cell::new(0),
        }
    }

    pub(crate) const fn name(&self) -> &StoreName {
        &self.parts.name
    }

    pub(crate) fn context(&self) -> &TaskContext {
        &self.parts.context
    }

    pub(crate) const fn cache(&self) -> Option<&CacheLayer> {
        self.parts.cache.as_ref()
    }

    pub(super) const fn changelog(&self) -> Option<&Changelog> {
        self.parts.changelog.as_ref()
    }

    pub(crate) const fn retention(&self) -> Option<&Retention> {
        self.parts.retention.as_ref()
    }

    pub(crate) const fn kept_versions(&self) -> Option<&Versions> {
        self.parts.versions.as_ref()
    }

    pub(crate) const fn recency(&self) -> Option<&Recency> {
        self.parts.recency.as_ref()
    }

    /// The segments of a store that expires.
    pub(crate) const fn expiry(&self) -> Option<&Expiry> {
        match (&self.parts.retention, &self.parts.versions) {
            (Some(retention), _) => Some(&retention.expiry),
            (None, Some(versions)) => Some(&versions.expiry),
            (None, None) => None,
        }
    }

    pub(crate) const fn staged(&self) -> &Staged {
        &self.parts.staged
    }

    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The store's failure, named.
    pub(crate) fn failed(&self, error: StagedError) -> StoreError {
        match error {
            StagedError::Closed => StoreError::Closed(self.parts.name.clone()),
            StagedError::Bytes(error) => error.of_store(&self.parts.name),
        }
    }

    /// The number of the row written last; 0 in a store without duplicates.
    pub(crate) fn last_sequence(&self) -> i64 {
        self.sequence.get().into()
    }

    /// The number of the row to be written next; 0 in a store without duplicates.
    pub(crate) fn next_sequence(&self) -> i64 {
        if self.parts.duplicates == Duplicates::Keep {
            self.sequence.set(self.sequence.get().wrapping_add(1) & i32::MAX);
        }
        self.last_sequence()
    }

    /// Shows `read` the value of a key. `read` must not come back to the store.
    pub(crate) fn read_with<R>(
        &self,
        key: &[u8],
        read: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Result<(R, Hint), StoreError> {
        let hash = self.hash(key);
        match &self.parts.cache {
            Some(cache) => {
                let (result, at) = cache.read_with(self, hash, key, read)?;
                Ok((result, Hint { hash, at: at.map_or(At::Unknown, At::Cache) }))
            }
            None => {
                let (result, at) = self.read_below(hash, key, read)?;
                Ok((result, Hint { hash, at: at.map_or(At::Unknown, At::Overlay) }))
            }
        }
    }

    /// Writes a row; `None` deletes it.
    pub(crate) fn put(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        self.put_at(key, value, Hint { hash: self.hash(key), at: At::Unknown })
    }

    /// Writes a row that was found at `hint`, which may be out of date.
    pub(crate) fn put_at(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        hint: Hint,
    ) -> Result<(), StoreError> {
        match (&self.parts.cache, hint.at) {
            (Some(cache), At::Cache(at)) => cache.put(self, hint.hash, key, value, Some(at)),
            (Some(cache), _) => cache.put(self, hint.hash, key, value, None),
            (None, At::Overlay(at)) => self.put_below(hint.hash, key, value, Some(at)),
            (None, _) => self.put_below(hint.hash, key, value, None),
        }
    }

    /// As [`read_with`](Self::read_with), below the cache.
    pub(super) fn read_below<R>(
        &self,
        hash: u64,
        key: &[u8],
        read: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Result<(R, Option<SlotHint>), StoreError> {
        if let Some(retention) = &self.parts.retention {
            self.follow()?;
            if !retention.shows(key) {
                return Ok((read(None), None));
            }
        }
        if let Some(recency) = &self.parts.recency {
            recency.read(key);
        }
        let read = self.parts.staged.read_with(hash, key, read);
        read.map_err(|error| self.failed(error))
    }

    /// Writes a row below the cache, and sends the change.
    pub(super) fn put_below(
        &self,
        hash: u64,
        key: &[u8],
        value: Option<&[u8]>,
        hint: Option<SlotHint>,
    ) -> Result<(), StoreError> {
        let context = &self.parts.context;
        let Some(retention) = &self.parts.retention else {
            self.stage(hash, key, value, hint)?;
            self.evict_for(key, value)?;
            return self.log(key, value);
        };
        let row = retention.keys.read_row(key);
        let mut buffer = self.buffer.take();
        // Among duplicates a deletion has nothing to delete. As in Kafka, a store in memory sees
        // its time all the same.
        let is_void = value.is_none() && self.parts.duplicates == Duplicates::Keep;
        let staged = match row
            .filter(|row| is_void && retention.medium() == Medium::Disk || retention.takes(*row))
        {
            Some(_) if is_void => Ok(()),
            None => {
                context.drop_record(DropReason::Expired);
                Ok(())
            }
            Some(row) if retention.keys.order == RowOrder::TimeFirstIndexed => {
                buffer.clear();
                retention.keys.write_index(row, &mut buffer);
                let indexed = self.stage(self.hash(&buffer), &buffer, value.map(|_| &[][..]), None);
                indexed.and_then(|()| self.stage(hash, key, value, hint))
            }
            Some(_) => self.stage(hash, key, value, hint),
        };
        self.drop_closed();
        // As in Kafka, also a change that is too old for the store is logged.
        let logged =
            staged.and_then(|()| self.log(retention.keys.changelog_key(key, &mut buffer), value));
        self.buffer.set(buffer);
        logged
    }

    /// Deletes the row that has to go for one that was written, in a store of so many rows.
    fn evict_for(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        let Some(recency) = &self.parts.recency else { return Ok(()) };
        let Some(eldest) = recency.written(key, value) else { return Ok(()) };
        self.stage(self.hash(&eldest), &eldest, None, None)?;
        // DIFFERENCE(lru-evictions): Kafka leaves the row in the changelog if it has a timestamp.
        self.log(&eldest, None)
    }

    /// Writes a row below cache and changelog.
    pub(super) fn stage(
        &self,
        hash: u64,
        key: &[u8],
        value: Option<&[u8]>,
        hint: Option<SlotHint>,
    ) -> Result<(), StoreError> {
        let written = self.parts.staged.put(hash, key, value, hint);
        written.map_err(|error| self.failed(error))
    }

    fn log(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        let Some(changelog) = &self.parts.changelog else { return Ok(()) };
        let sent = changelog.send(key, value, &self.parts.context);
        sent.map_err(|source| StoreError::Changelog { store: self.parts.name.clone(), source })
    }

    /// Sends a change of another time than the record's that is being processed.
    pub(super) fn log_at(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        timestamp: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(changelog) = &self.parts.changelog else { return Ok(()) };
        let sent = changelog.send_at(key, value, timestamp, &self.parts.context);
        sent.map_err(|source| StoreError::Changelog { store: self.parts.name.clone(), source })
    }

    /// The rows of a range as they are now.
    pub(crate) fn rows(self: &Rc<Self>, range: KeyRange, direction: Direction) -> Rows {
        Rows::new(Rc::clone(self), range, direction)
    }

    /// The rows of a range as they are now below the cache.
    pub(super) fn rows_below(self: &Rc<Self>, range: KeyRange, direction: Direction) -> Rows {
        Rows::below(Rc::clone(self), range, direction)
    }

    /// Drops the rows of closed segments from memory: they are shown no more, and need not be written.
    pub(crate) fn drop_closed(&self) {
        if let Some(retention) = &self.parts.retention {
            let oldest = retention.expiry.oldest_segment();
            self.parts.staged.drop_before(retention.keys.start_of(oldest));
        }
    }

    /// The byte store has taken what was staged.
    pub(crate) fn committed(&self) {
        let retention = self.parts.retention.as_ref();
        self.parts.staged.committed(retention.map(|retention| retention.expiry.oldest_kept()));
    }

    /// Shows `each` the rows of a key, if all of them are in memory and not too many.
    pub(super) fn rows_in_memory(
        &self,
        of: &OfKey<'_>,
        direction: Direction,
        each: impl FnMut(&[u8], &[u8]),
    ) -> bool {
        self.parts.staged.rows_of(of, direction, each)
    }

    /// Learns which segments the byte store has.
    pub(crate) fn find_segments(&self) -> Result<(), StoreError> {
        let Some(expiry) = self.expiry() else { return Ok(()) };
        let last = self.find_segments_of(expiry)?;
        if let Some(retention) = &self.parts.retention {
            let after = last.map_or(Some(-1), |last| retention.keys.end_of(last));
            self.parts.staged.starts_after(after.unwrap_or(i64::MAX));
        }
        Ok(())
    }

    /// Learns which segments another thread has written, and up to when.
    #[inline]
    pub(super) fn follow(&self) -> Result<(), StoreError> {
        match &self.parts.commits {
            Some(commits) if commits.has_more() => {
                self.expiry().into_iter().for_each(Expiry::follow);
                self.find_segments()
            }
            _ => Ok(()),
        }
    }

    /// The last segment, if there is one.
    fn find_segments_of(&self, expiry: &Expiry) -> Result<Option<i64>, StoreError> {
        let (mut from, mut last) = (Bound::Unbounded, None);
        loop {
            let (range, mut chunk) = (KeyRange::new(from, Bound::Unbounded), Chunk::default());
            let scanned = self.parts.staged.scan(&range, Direction::Forward, &mut chunk);
            scanned.map_err(|error| self.failed(error))?;
            let first = chunk.peek().and_then(|(key, _)| RowKeys::segment_in(key));
            // What never expires lies behind all segments, under a negative number.
            let Some(segment) = first.filter(|segment| *segment >= 0) else { return Ok(last) };
            expiry.found(segment);
            last = Some(segment);
            let Some(next) = segment.checked_add(1) else { return Ok(last) };
            from = Bound::Included(RowKeys::segment_start(next).into());
        }
    }

    /// Adds rows of the byte store to the chunk, if it is still the version of the iterator.
    pub(super) fn scan(
        &self,
        version: Version,
        range: &KeyRange,
        (direction, chunk): (Direction, &mut Chunk),
    ) -> Result<Progress, StoreError> {
        self.check(version)?;
        let progress = self.parts.staged.scan(range, direction, chunk);
        progress.map_err(|error| self.failed(error))
    }

    pub(super) fn check(&self, version: Version) -> Result<(), StoreError> {
        if self.parts.staged.version() == version {
            return Ok(());
        }
        Err(StoreError::StaleIterator(self.parts.name.clone()))
    }

    /// How many rows there are below the cache, roughly; as in Kafka, entries that only the cache
    /// has do not count.
    pub(crate) fn approximate_len(&self) -> Result<u64, StoreError> {
        self.parts.staged.approximate_len().map_err(|error| self.failed(error))
    }

    /// Drops what is staged and cached.
    pub(crate) fn discard(&self) {
        if let Some(cache) = &self.parts.cache {
            cache.clear();
        }
        self.parts.staged.discard();
        if let Some(expiry) = self.expiry() {
            expiry.discard();
        }
        if let Some(recency) = &self.parts.recency {
            recency.reset(self.keys_below());
        }
    }

    /// The byte store was emptied.
    pub(crate) fn emptied(&self) {
        if let Some(cache) = &self.parts.cache {
            cache.clear();
        }
        self.parts.staged.emptied();
        if let Some(expiry) = self.expiry() {
            expiry.emptied();
        }
        if let Some(recency) = &self.parts.recency {
            recency.clear();
        }
    }

    /// The keys of the byte store.
    fn keys_below(&self) -> BTreeSet<Box<[u8]>> {
        let (mut keys, mut from) = (BTreeSet::new(), Bound::Unbounded);
        loop {
            let (range, mut chunk) = (KeyRange::new(from, Bound::Unbounded), Chunk::default());
            let scanned = self.parts.staged.scan(&range, Direction::Forward, &mut chunk);
            while let Some((key, _)) = chunk.peek() {
                keys.insert(key.into());
                chunk.advance();
            }
            match (scanned, chunk.last_key()) {
                (Ok(Progress::More), Some(last)) => from = Bound::Excluded(last.into()),
                _ => return keys,
            }
        }
    }

    pub(super) fn check_open(&self) -> Result<(), StoreError> {
        self.parts.staged.check_open().map_err(|error| self.failed(error))
    }

    /// Bytes written since the last commit, and those that wait to be forwarded.
    pub(crate) fn staged_bytes(&self) -> usize {
        let waiting = self.parts.cache.as_ref().map_or(0, CacheLayer::outgoing_bytes);
        self.parts.staged.staged_bytes() + waiting
    }

    /// Writes out the cache of a store that no node owns.
    pub(crate) fn write_out(&self) -> Result<(), StoreError> {
        match &self.parts.cache {
            Some(cache) if !cache.has_owner() => cache.write_out(self),
            _ => Ok(()),
        }
    }

    /// Evicts what the cache has written out, while it is over its budget.
    pub(crate) fn trim_cache(&self) {
        if let Some(cache) = &self.parts.cache {
            cache.trim();
        }
    }

    /// Ends the store with its task.
    pub(crate) fn close(&self) {
        if let Some(cache) = &self.parts.cache {
            cache.clear();
        }
        self.parts.staged.close();
    }
}
