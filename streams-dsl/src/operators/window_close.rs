//! When windows that are given out once, at their close, are looked for. Kafka's emission with
//! `EmitStrategy.onWindowClose`.

use std::rc::Rc;

use streams_core::names::StoreName;
use streams_core::processor::{NodeLinks, TaskContext};
use streams_core::time::Timestamp;

/// Up to which time the windows of a store were given out.
pub(super) struct Closing {
    store: StoreName,
    task: Rc<TaskContext>,
    /// Wall-clock time of the next look.
    next_look: i64,
    last: Option<i64>,
}

impl Closing {
    pub(super) fn of(links: &NodeLinks<'_>, store: &StoreName) -> Self {
        Self { store: store.clone(), task: Rc::clone(links.context()), next_look: 0, last: None }
    }

    /// Up to which close time windows were given out.
    pub(super) fn last(&self) -> Option<i64> {
        self.last
    }

    /// Whether it is time to look, and the close time has moved.
    pub(super) fn is_due(&mut self, close: i64) -> bool {
        let now = self.task.now().millis();
        if now < self.next_look {
            return false;
        }
        let interval = self.task.emit_intervals().windows.as_millis();
        self.next_look = now.saturating_add(i64::try_from(interval).unwrap_or(i64::MAX));
        if self.last.is_none() {
            // What an earlier run gave out, which is known once the task has started.
            self.last = self.task.closed_up_to(&self.store).map(Timestamp::millis);
        }
        self.last.is_none_or(|last| last < close)
    }

    /// All windows up to this close time were given out.
    pub(super) fn given_out(&mut self, close: i64) {
        self.last = Some(close);
        self.task.close_up_to(&self.store, Timestamp::from_millis(close));
    }
}
