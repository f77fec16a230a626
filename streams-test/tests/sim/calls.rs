//! When the application's code is called by the wall clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use streams_core::names::TaskId;

/// A call of the application's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// A task begins to run, and asks to be called by the wall clock from then on.
    Start(TaskId),
    /// It is.
    Punctuation(TaskId),
}

/// The calls since they were taken last, in order. Clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    fn all(&self) -> MutexGuard<'_, Vec<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, call: Call) {
        self.all().push(call);
    }

    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.all())
    }
}
