//! When to commit, and the steps of a commit.
//!
//! Caches are flushed, every delivery is awaited, offsets are committed, and only then the stores
//! are written. So the disk never holds what was not committed. Much is written in several turns, and
//! tasks whose stores are written process again while others wait for that.

use std::time::Duration;

use super::message::{CommitId, MemoryShare, TurnReport};
use crate::time::Moment;

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
    /// A turn writes stores of committed tasks until it has written this many staged bytes, those of
    /// each task at once; more where turns take long.
    pub turn_written_bytes: usize,
}

impl Default for CommitPolicy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            staged_bytes_max: 32 << 20,
            worker_staged_bytes_max: 256 << 20,
            retry_backoff: Duration::from_millis(100),
            turn_written_bytes: 256 << 10,
        }
    }
}

impl CommitPolicy {
    /// The same with another share of what may be staged.
    #[must_use]
    pub const fn with(self, share: MemoryShare) -> Self {
        let MemoryShare { staged_bytes_max, worker_staged_bytes_max, .. } = share;
        Self { staged_bytes_max, worker_staged_bytes_max, ..self }
    }
}

/// So long may a turn take that writes as much as one may: a fraction of the time goes into writing,
/// whatever turns take.
const WRITING_TURN: Duration = Duration::from_millis(20);

/// Whose commit is wanted before the interval is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wanted {
    Nothing,
    /// That of the tasks that leave or change roles, so that the others need not wait for it.
    OfLeaving,
    OfAll,
}

/// A commit on its way.
#[derive(Debug)]
pub(super) enum InFlight {
    /// Caches are flushed; deliveries are awaited.
    Flushing { tasks: Vec<u32>, began: Moment },
    /// The offsets were handed out.
    Sent { id: CommitId, tasks: Vec<u32>, began: Moment },
    /// The offsets are committed. The stores of these tasks are still to be written.
    Writing { tasks: Vec<u32>, last: Moment },
}

impl InFlight {
    fn tasks(&self) -> &[u32] {
        match self {
            Self::Flushing { tasks, .. }
            | Self::Sent { tasks, .. }
            | Self::Writing { tasks, .. } => tasks,
        }
    }

    const fn tasks_mut(&mut self) -> &mut Vec<u32> {
        match self {
            Self::Flushing { tasks, .. }
            | Self::Sent { tasks, .. }
            | Self::Writing { tasks, .. } => tasks,
        }
    }
}

/// The commits of a worker, one at a time.
#[derive(Debug)]
pub(super) struct Commits {
    pub(super) policy: CommitPolicy,
    pub(super) in_flight: Option<InFlight>,
    next_id: u64,
    last: Option<Moment>,
    wanted: Wanted,
    /// Whose the one is that began last.
    scope: Wanted,
    /// The coordinator could take none; the tasks go on meanwhile.
    put_off: Option<PutOff>,
    /// Since the last report.
    pub(super) made: Made,
}

/// Commits that succeeded, and how long they took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    count: u64,
    latency_sum: Duration,
    latency_max: Duration,
}

impl Made {
    const NONE: Self = Self { count: 0, latency_sum: Duration::ZERO, latency_max: Duration::ZERO };

    pub(super) fn add(&mut self, latency: Duration) {
        self.count += 1;
        self.latency_sum += latency;
        self.latency_max = self.latency_max.max(latency);
    }

    pub(super) const fn report(&mut self, report: &mut TurnReport) {
        report.commits = self.count;
        report.commit_latency_sum = self.latency_sum;
        report.commit_latency_max = self.latency_max;
        *self = Self::NONE;
    }
}

/// A commit that could not be made yet.
#[derive(Debug, Clone, Copy)]
struct PutOff {
    /// Since when the coordinator could not be reached; `None` while it is the group that is busy.
    since: Option<Moment>,
    until: Moment,
}

impl Commits {
    pub(super) const fn new(policy: CommitPolicy) -> Self {
        Self {
            policy,
            in_flight: None,
            next_id: 0,
            last: None,
            wanted: Wanted::Nothing,
            scope: Wanted::Nothing,
            put_off: None,
            made: Made::NONE,
        }
    }

    pub(super) const fn next_id(&mut self) -> CommitId {
        self.next_id += 1;
        CommitId(self.next_id)
    }

    pub(super) fn request(&mut self, wanted: Wanted) {
        self.wanted = self.wanted.max(wanted);
    }

    pub(super) fn is_requested(&self) -> bool {
        self.wanted != Wanted::Nothing
    }

    /// Whether a commit is to begin now, requested or because the interval is over; the first one
    /// begins with the first question.
    pub(super) fn is_due(&mut self, now: Moment) -> bool {
        self.last.get_or_insert(now);
        !self.is_put_off(now) && (self.is_requested() || self.is_interval_over(now))
    }

    fn is_interval_over(&self, now: Moment) -> bool {
        self.next().is_some_and(|next| next <= now)
    }

    fn next(&self) -> Option<Moment> {
        self.last.map(|last| last.after(self.policy.interval))
    }

    /// The coordinator could not be reached. How long that has been so.
    pub(super) fn put_off(&mut self, now: Moment) -> Duration {
        let since = self.put_off.and_then(|before| before.since).unwrap_or(now);
        self.try_again(Some(since), now);
        now.since(since)
    }

    /// The group takes no commit now. That has limits of its own, and is no trouble.
    pub(super) fn await_rebalance(&mut self, now: Moment) {
        self.try_again(None, now);
    }

    fn try_again(&mut self, since: Option<Moment>, now: Moment) {
        self.put_off = Some(PutOff { since, until: now.after(self.policy.retry_backoff) });
        self.request(self.scope);
    }

    /// Whether no commit is tried now, because the last one could not be made.
    pub(super) fn is_put_off(&self, now: Moment) -> bool {
        self.put_off.is_some_and(|put_off| now < put_off.until)
    }

    /// Whether no commit can begin now, be it that none has been possible since the last one was
    /// tried.
    pub(super) const fn is_held_up(&self) -> bool {
        self.put_off.is_some() || self.in_flight.is_some()
    }

    /// Whether tasks may process that have no part in the commit on its way.
    pub(super) fn lets_others_work(&self) -> bool {
        self.awaits_nobody() || self.scope == Wanted::OfLeaving
    }

    /// Whether what is still to be done of a commit, if anything is, can be done at once.
    pub(super) const fn awaits_nobody(&self) -> bool {
        matches!(self.in_flight, None | Some(InFlight::Writing { .. }))
    }

    pub(super) const fn is_writing(&self) -> bool {
        matches!(self.in_flight, Some(InFlight::Writing { .. }))
    }

    /// How many bytes may be written now, by the time since the last ones.
    pub(super) fn bytes_to_write(&mut self, now: Moment) -> usize {
        let Some(InFlight::Writing { last, .. }) = &mut self.in_flight else { return 0 };
        let passed = now.since(std::mem::replace(last, now));
        let turns = passed.as_millis() / WRITING_TURN.as_millis();
        let turns = usize::try_from(turns.max(1)).unwrap_or(usize::MAX);
        self.policy.turn_written_bytes.saturating_mul(turns)
    }

    /// Whether the task has a part in the commit on its way.
    pub(super) fn takes(&self, task: u32) -> bool {
        self.in_flight.as_ref().is_some_and(|in_flight| in_flight.tasks().contains(&task))
    }

    /// Nobody waits any more for the commit that could not be made, or it was made.
    pub(super) const fn resume(&mut self) {
        self.put_off = None;
    }

    /// A commit begins. Whose.
    pub(super) fn begin(&mut self, now: Moment) -> Wanted {
        let is_over = self.is_interval_over(now);
        self.scope = if is_over { Wanted::OfAll } else { self.wanted };
        self.wanted = Wanted::Nothing;
        if self.scope == Wanted::OfAll {
            self.last = Some(now);
        }
        self.scope
    }

    /// This task has no part in the commit any more: it is written, or it is no longer the worker's, or
    /// has failed, and nothing of it is written.
    pub(super) fn forget(&mut self, lost: u32) {
        let Some(in_flight) = &mut self.in_flight else { return };
        let tasks = in_flight.tasks_mut();
        tasks.retain(|task| *task != lost);
        if tasks.is_empty() {
            self.in_flight = None;
            self.resume();
        }
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        match (&self.in_flight, self.put_off) {
            (Some(_), _) => None,
            (None, Some(put_off)) => Some(put_off.until),
            (None, None) => self.next(),
        }
    }
}
