//! What the overlays and buffers of all stores of the process may hold together.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bound in bytes of all overlays, staged rows and recent ones together, and of all buffers.
/// Recent rows give way to buffers.
#[derive(Debug)]
pub(crate) struct OverlayBudget {
    bytes_max: usize,
    bytes_used: AtomicUsize,
    stores: AtomicUsize,
    /// Of the bytes used, those of buffers.
    bytes_buffered: AtomicUsize,
    bytes_buffered_max: usize,
}

/// A buffer would take more than is left to all buffers of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BudgetSpent {
    pub(crate) bytes_max: usize,
}

impl OverlayBudget {
    pub(crate) const fn new(bytes_max: usize) -> Self {
        let (bytes_used, bytes_buffered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (stores, bytes_buffered_max) = (AtomicUsize::new(0), bytes_max);
        Self { bytes_max, bytes_used, stores, bytes_buffered, bytes_buffered_max }
    }

    /// The same, with another bound for buffers.
    pub(crate) fn buffers_up_to(self, bytes: usize) -> Self {
        Self { bytes_buffered_max: bytes, ..self }
    }

    /// The part of one more buffer.
    pub(crate) fn buffer_share(this: &Arc<Self>) -> BufferShare {
        BufferShare { budget: Arc::clone(this), reported: Cell::new(0) }
    }

    /// The part of one more store.
    pub(crate) fn share(this: &Arc<Self>) -> OverlayShare {
        this.stores.fetch_add(1, Ordering::Relaxed);
        OverlayShare { budget: Arc::clone(this), reported: Cell::new(0) }
    }
}

/// One store's part of the budget; given back when dropped.
#[derive(Debug)]
pub(crate) struct OverlayShare {
    budget: Arc<OverlayBudget>,
    reported: Cell<usize>,
}

impl OverlayShare {
    /// The store's overlay now takes this many bytes.
    pub(crate) fn report(&self, bytes: usize) {
        let before = self.reported.replace(bytes);
        if bytes > before {
            self.budget.bytes_used.fetch_add(bytes - before, Ordering::Relaxed);
        } else if bytes < before {
            self.budget.bytes_used.fetch_sub(before - bytes, Ordering::Relaxed);
        }
    }

    /// How many bytes of recent rows the store may keep beside what it has staged: what the others
    /// leave, and a fair share while the whole is exceeded by less than a quarter. A store that
    /// took more than its share gives it back with its own next reads and commits.
    pub(crate) fn clean_bytes_max(&self, staged: usize) -> usize {
        let used = self.budget.bytes_used.load(Ordering::Relaxed);
        let taken = used.saturating_sub(self.reported.get()).saturating_add(staged);
        let whole = self.budget.bytes_max;
        let fair = whole / self.budget.stores.load(Ordering::Relaxed).max(1);
        let exceeded = (whole + whole / 4).saturating_sub(taken);
        whole.saturating_sub(taken).max(fair.saturating_sub(staged).min(exceeded))
    }
}

/// One buffer's part of the budget; given back when dropped.
#[derive(Debug)]
pub(crate) struct BufferShare {
    budget: Arc<OverlayBudget>,
    reported: Cell<usize>,
}

impl BufferShare {
    /// The buffer now takes this many bytes.
    pub(crate) fn report(&self, bytes: usize) {
        let before = self.reported.replace(bytes);
        for counter in [&self.budget.bytes_used, &self.budget.bytes_buffered] {
            if bytes > before {
                counter.fetch_add(bytes - before, Ordering::Relaxed);
            } else {
                counter.fetch_sub(before - bytes, Ordering::Relaxed);
            }
        }
    }

    /// Whether the buffer may take so many bytes more.
    pub(crate) fn check_room(&self, more: usize) -> Result<(), BudgetSpent> {
        let used = self.budget.bytes_buffered.load(Ordering::Relaxed);
        let bytes_max = self.budget.bytes_buffered_max;
        if used.saturating_add(more) > bytes_max { Err(BudgetSpent { bytes_max }) } else { Ok(()) }
    }
}

impl Drop for BufferShare {
    fn drop(&mut self) {
        self.report(0);
    }
}

impl Drop for OverlayShare {
    fn drop(&mut self) {
        self.report(0);
        self.budget.stores.fetch_sub(1, Ordering::Relaxed);
    }
}
