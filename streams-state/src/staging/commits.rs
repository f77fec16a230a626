//! Whether another thread has written.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often the rows of global stores were written. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Commits(Arc<AtomicU64>);

impl Commits {
    /// Rows were written; who reads them next sees it.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// The commits as one reader has seen them.
#[derive(Debug)]
pub(crate) struct CommitsSeen {
    commits: Commits,
    seen: Cell<u64>,
}

impl CommitsSeen {
    pub(crate) fn of(commits: &Commits) -> Self {
        Self { commits: commits.clone(), seen: Cell::new(0) }
    }

    /// Whether there are more than at the last call.
    pub(crate) fn has_more(&self) -> bool {
        let commits = self.commits.0.load(Ordering::Acquire);
        self.seen.replace(commits) != commits
    }
}
