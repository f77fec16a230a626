//! What the overlays of all stores of the process may hold together.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bound in bytes of all overlays, staged rows and recent ones together.
#[derive(Debug)]
pub(crate) struct OverlayBudget {
    bytes_max: usize,
    bytes_used: AtomicUsize,
    stores: AtomicUsize,
}

impl OverlayBudget {
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes_used: AtomicUsize::new(0), stores: AtomicUsize::new(0) }
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

impl Drop for OverlayShare {
    fn drop(&mut self) {
        self.report(0);
        self.budget.stores.fetch_sub(1, Ordering::Relaxed);
    }
}
