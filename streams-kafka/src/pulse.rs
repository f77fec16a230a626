//! What a worker is doing, to be seen from outside while it does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use streams_core::worker::Whereabouts;

use crate::clock;

/// Since when a worker has been busy with one turn, and with which record.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Milliseconds of the monotonic clock at the beginning of the turn; 0 between turns.
    busy_since: AtomicU64,
    place: Arc<Whereabouts>,
}

impl Pulse {
    /// A turn begins.
    pub(crate) fn beat(&self) {
        self.busy_since.store(clock::monotonic_millis().max(1), Ordering::Relaxed);
    }

    /// A turn is over.
    pub(crate) fn rest(&self) {
        self.busy_since.store(0, Ordering::Relaxed);
    }

    /// How long the turn has lasted; zero between turns.
    pub(crate) fn busy_for(&self) -> Duration {
        match self.busy_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(clock::monotonic_millis().saturating_sub(since)),
        }
    }

    /// Where the worker is.
    pub(crate) const fn place(&self) -> &Arc<Whereabouts> {
        &self.place
    }
}
