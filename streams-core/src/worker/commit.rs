//! When to commit, and the steps of a commit.
//!
//! Caches are flushed, every delivery is awaited, offsets are committed, and only then the stores
//! are written. So the disk never holds what was not committed.

use std::time::Duration;

use super::message::CommitId;
use crate::names::TopicPartition;
use crate::task::OffsetToCommit;
use crate::time::Timestamp;

/// When a commit is due.
#[derive(Debug, Clone, Copy)]
pub struct CommitPolicy {
    /// Kafka's `commit.interval.ms`.
    pub interval: Duration,
    /// A task with more staged bytes than this is committed at once.
    pub staged_bytes_max: usize,
    /// So is a worker whose tasks have more than this together.
    pub worker_staged_bytes_max: usize,
    /// How long a refused commit waits before it is tried again.
    pub retry_backoff: Duration,
}

impl Default for CommitPolicy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            staged_bytes_max: 32 << 20,
            worker_staged_bytes_max: 256 << 20,
            retry_backoff: Duration::from_millis(100),
        }
    }
}

/// A commit on its way.
#[derive(Debug)]
pub(super) enum InFlight {
    /// Caches are flushed; deliveries are awaited.
    Flushing { tasks: Vec<u32>, began: Timestamp },
    /// The offsets were handed out.
    Sent { id: CommitId, tasks: Vec<u32>, began: Timestamp, offsets: Vec<OffsetToCommit> },
    /// The coordinator could not take them; they are sent again.
    Waiting { until: Timestamp, tasks: Vec<u32>, began: Timestamp, offsets: Vec<OffsetToCommit> },
}

/// The commits of a worker, one at a time.
#[derive(Debug)]
pub(super) struct Commits {
    pub(super) policy: CommitPolicy,
    pub(super) in_flight: Option<InFlight>,
    next_id: u64,
    last: Timestamp,
    pub(super) is_requested: bool,
}

impl Commits {
    pub(super) const fn new(policy: CommitPolicy) -> Self {
        Self { policy, in_flight: None, next_id: 0, last: Timestamp::UNKNOWN, is_requested: false }
    }

    pub(super) const fn next_id(&mut self) -> CommitId {
        self.next_id += 1;
        CommitId(self.next_id)
    }

    /// Whether the interval is over; the first one begins with the first question, and another
    /// one when the clock was set back.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        if !self.last.is_known() || now < self.last {
            self.last = now;
        }
        self.is_requested || now >= self.last.plus(self.policy.interval)
    }

    pub(super) const fn began(&mut self, now: Timestamp) {
        self.last = now;
        self.is_requested = false;
    }

    /// These tasks are no longer the worker's: their offsets must not be sent again, under whatever
    /// right the process has by then.
    pub(super) fn forget(&mut self, lost: u32, partitions: &[TopicPartition]) {
        let Some(in_flight) = &mut self.in_flight else { return };
        let (InFlight::Flushing { tasks, .. }
        | InFlight::Sent { tasks, .. }
        | InFlight::Waiting { tasks, .. }) = in_flight;
        tasks.retain(|task| *task != lost);
        let is_empty = tasks.is_empty();
        if let InFlight::Waiting { offsets, .. } = in_flight {
            offsets.retain(|offset| !partitions.contains(&offset.partition));
        }
        if is_empty {
            self.in_flight = None;
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        match &self.in_flight {
            Some(InFlight::Waiting { until, .. }) => Some(*until),
            Some(_) => None,
            None => self.last.is_known().then(|| self.last.plus(self.policy.interval)),
        }
    }
}
