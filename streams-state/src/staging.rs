//! Staging: writes stay in memory until the task commits; reads see them over the byte store.
//!
//! DIFFERENCE(staged-writes): in Kafka writes reach RocksDB as they happen, committed or not.

mod budget;
mod by_key;
mod commits;
mod overlay;
mod recent;
mod row_bytes;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use self::budget::OverlayShare;
pub(crate) use self::budget::{BudgetSpent, BufferShare, OverlayBudget};
pub(crate) use self::commits::{Commits, CommitsSeen};
pub(crate) use self::overlay::SlotHint;
use self::overlay::{Effort, Known, Overlay};
pub(crate) use self::recent::OfKey;
use crate::bytes::{ByteRows, Bytes, BytesError, Chunk, Direction, KeyRange, OwnedRow, Progress};
use crate::own::ChangedRow;
use crate::row_key::RowKeys;

/// Counts the changes of a byte store, which end the iterators made before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version(u64);

/// Why a staged store could not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StagedError {
    #[error("closed")]
    Closed,
    #[error(transparent)]
    Bytes(#[from] BytesError),
}

/// One store's rows: an overlay in memory over a byte store.
pub(crate) struct Staged {
    overlay: RefCell<Overlay>,
    /// `None` once the task is closed.
    bytes: RefCell<Option<Bytes>>,
    share: OverlayShare,
    version: Cell<u64>,
    buffer: Cell<Vec<u8>>,
    /// Where another thread writes the byte store.
    commits: Option<CommitsSeen>,
    /// Rows of before this time are no longer kept.
    dropped_before: Cell<i64>,
}

impl Staged {
    pub(crate) fn new(bytes: Bytes, budget: &Arc<OverlayBudget>) -> Self {
        Self::of(bytes, budget, None)
    }

    /// That of a store that expires, which nobody else writes.
    pub(crate) fn of_windows(bytes: Bytes, budget: &Arc<OverlayBudget>, keys: RowKeys) -> Self {
        let overlay = RefCell::new(Overlay::of_windows(keys));
        Self { overlay, ..Self::new(bytes, budget) }
    }

    /// A byte store that another thread writes, which counts its commits.
    pub(crate) fn of_other_thread(
        bytes: Bytes,
        budget: &Arc<OverlayBudget>,
        commits: &Commits,
    ) -> Self {
        Self::of(bytes, budget, Some(CommitsSeen::of(commits)))
    }

    fn of(bytes: Bytes, budget: &Arc<OverlayBudget>, commits: Option<CommitsSeen>) -> Self {
        Self {
            commits,
            overlay: RefCell::default(),
            bytes: RefCell::new(Some(bytes)),
            share: OverlayBudget::share(budget),
            version: Cell::new(0),
            buffer: Cell::default(),
            dropped_before: Cell::new(0),
        }
    }

    /// Shows `read` the value of a key. `read` must not come back to the store.
    pub(crate) fn read_with<R>(
        &self,
        hash: u64,
        key: &[u8],
        read: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Result<(R, Option<SlotHint>), StagedError> {
        let mut overlay = self.overlay.borrow_mut();
        // Any of the rows that are known may be another one by now.
        if self.commits.as_ref().is_some_and(CommitsSeen::has_more) {
            overlay.clear();
        }
        match overlay.get(hash, key) {
            (Known::Value(value), hint) => return Ok((read(Some(value)), hint)),
            (Known::Absent, hint) => return Ok((read(None), hint)),
            (Known::Nothing, _) => {}
        }
        if overlay.knows(key) {
            return Ok((read(None), None));
        }
        let mut buffer = self.buffer.take();
        buffer.clear();
        let found =
            self.bytes.borrow().as_ref().ok_or(StagedError::Closed)?.get(key, &mut buffer)?;
        let value = found.then_some(&*buffer);
        let hint = overlay.remember(hash, key, value);
        let result = read(value);
        self.buffer.set(buffer);
        self.settle(&mut overlay, Effort::Little);
        Ok((result, Some(hint)))
    }

    /// Writes a row; `None` deletes it.
    pub(crate) fn put(
        &self,
        hash: u64,
        key: &[u8],
        value: Option<&[u8]>,
        hint: Option<SlotHint>,
    ) -> Result<(), StagedError> {
        self.check_open()?;
        let mut overlay = self.overlay.borrow_mut();
        overlay.stage(hash, key, value, hint);
        self.share.report(overlay.bytes());
        Ok(())
    }

    /// An error once the task is closed.
    pub(crate) fn check_open(&self) -> Result<(), StagedError> {
        if self.bytes.borrow().is_some() { Ok(()) } else { Err(StagedError::Closed) }
    }

    /// Keeps the overlay within its share of the budget.
    fn settle(&self, overlay: &mut Overlay, effort: Effort) {
        let allowed = self.share.clean_bytes_max(overlay.staged_bytes());
        if overlay.clean_bytes() > allowed {
            overlay.trim(allowed, effort);
        }
        if effort == Effort::Full {
            overlay.shrink();
        }
        self.share.report(overlay.bytes());
    }

    /// The store as it is now; changes with each commit.
    pub(crate) const fn version(&self) -> Version {
        Version(self.version.get())
    }

    fn changed(&self) {
        self.version.set(self.version.get().wrapping_add(1));
    }

    /// A copy of the staged rows of a range.
    pub(crate) fn staged_range(&self, range: &KeyRange, direction: Direction) -> Vec<OwnedRow> {
        self.overlay.borrow_mut().staged_range(range, direction)
    }

    /// Adds rows of the byte store to the chunk.
    pub(crate) fn scan(
        &self,
        range: &KeyRange,
        direction: Direction,
        chunk: &mut Chunk,
    ) -> Result<Progress, StagedError> {
        let bytes = self.bytes.borrow();
        Ok(bytes.as_ref().ok_or(StagedError::Closed)?.scan(range, direction, chunk)?)
    }

    /// How many rows the byte store has, roughly, and those staged.
    pub(crate) fn approximate_len(&self) -> Result<u64, StagedError> {
        let below = self.bytes.borrow().as_ref().ok_or(StagedError::Closed)?.approximate_len()?;
        let overlay = self.overlay.borrow();
        let (staged, _) = overlay.staged_size();
        Ok(below.saturating_add(u64::try_from(staged).unwrap_or(u64::MAX)))
    }

    /// Bytes written since the last commit.
    pub(crate) fn staged_bytes(&self) -> usize {
        self.overlay.borrow().staged_bytes()
    }

    /// How many rows are staged, and the bytes of their keys and values.
    pub(crate) fn staged_size(&self) -> (usize, usize) {
        self.overlay.borrow().staged_size()
    }

    /// Shows each staged row to `write`, in the order of their keys.
    pub(crate) fn for_each_staged(&self, mut write: impl FnMut(&[u8], Option<&[u8]>)) {
        for (key, value) in self.overlay.borrow().staged() {
            write(key, value);
        }
    }

    /// Shows `with` the staged rows, in the order of their keys.
    pub(crate) fn with_staged<R>(
        &self,
        with: impl FnOnce(&mut dyn Iterator<Item = ChangedRow<'_>>) -> R,
    ) -> R {
        let overlay = self.overlay.borrow();
        with(&mut overlay.staged())
    }

    /// The byte store.
    pub(crate) fn with_bytes<R>(&self, with: impl FnOnce(&Bytes) -> R) -> Result<R, StagedError> {
        self.bytes.borrow().as_ref().map(with).ok_or(StagedError::Closed)
    }

    /// In a store that expires: the byte store has no rows behind this time.
    pub(crate) fn starts_after(&self, time: i64) {
        if let Some(recent) = self.overlay.borrow_mut().recent() {
            recent.starts_after(time);
        }
    }

    /// In a store that expires: rows of before this time are dropped from memory, written or not.
    #[inline]
    pub(crate) fn drop_before(&self, time: i64) {
        if time > self.dropped_before.get() {
            self.dropped_before.set(time);
            let mut overlay = self.overlay.borrow_mut();
            overlay.drop_before(time);
            self.share.report(overlay.bytes());
        }
    }

    /// Shows `each` the rows of a key, if all of them are in memory and not too many.
    pub(crate) fn rows_of(
        &self,
        of: &OfKey<'_>,
        direction: Direction,
        each: impl FnMut(&[u8], &[u8]),
    ) -> bool {
        self.overlay.borrow_mut().rows_of(of, direction, each)
    }

    /// The byte store has taken what was staged. In a store that expires, nobody reads what is
    /// before `oldest`.
    pub(crate) fn committed(&self, oldest: Option<i64>) {
        let mut overlay = self.overlay.borrow_mut();
        overlay.committed();
        if let Some(oldest) = oldest {
            overlay.forget_before(oldest);
        }
        self.settle(&mut overlay, Effort::Full);
        self.changed();
    }

    /// Drops what was staged.
    pub(crate) fn discard(&self) {
        let mut overlay = self.overlay.borrow_mut();
        overlay.discard();
        self.dropped_before.set(0);
        self.settle(&mut overlay, Effort::Full);
        self.changed();
    }

    /// A row changes below, past the staging.
    pub(crate) fn changed_below(&self, hash: u64, key: &[u8]) {
        let mut overlay = self.overlay.borrow_mut();
        overlay.forget(hash, key);
        if let Some(recent) = overlay.recent() {
            recent.written_below(key);
        }
        self.changed();
    }

    /// Forgets all rows in memory, for a byte store that was emptied.
    pub(crate) fn emptied(&self) {
        self.forget_all();
        self.starts_after(-1);
    }

    fn forget_all(&self) {
        let mut overlay = self.overlay.borrow_mut();
        overlay.clear();
        self.dropped_before.set(0);
        self.settle(&mut overlay, Effort::Full);
        self.changed();
    }

    /// Lets go of the byte store; the store answers no more.
    pub(crate) fn close(&self) {
        self.bytes.borrow_mut().take();
        self.forget_all();
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod window_tests;
