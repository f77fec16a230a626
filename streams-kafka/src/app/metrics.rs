//! Counts of an application, under Kafka's names.

use std::collections::BTreeMap;
use std::time::Duration;

use streams_core::metrics::{BufferMetrics, DropCounts};
use streams_core::names::{ApplicationId, TaskId, TopicPartition};
use streams_core::time::Moment;
use streams_core::worker::{RestoreProgress, TurnReport, Worker};

use super::closing::HeldUp;
use super::state::State;

/// What one worker has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerMetrics {
    /// The name of its thread.
    pub thread: String,
    /// `process-total`: records processed.
    pub process_total: u64,
    /// `punctuate-total`: punctuations called.
    pub punctuate_total: u64,
    /// `commit-total`: commits.
    pub commit_total: u64,
    /// `commit-latency-max`: the longest commit.
    pub commit_latency_max: Duration,
    /// All commits together, for `commit-latency-avg`.
    pub commit_latency_sum: Duration,
    /// `restore-total`: records put into stores by restoration.
    pub restore_total: u64,
    /// Stores emptied to be rebuilt, because what they held did not belong to their changelogs.
    pub stores_rebuilt_total: u64,
    /// `dropped-records-total`, by reason.
    pub dropped: DropCounts,
    /// `records-lag` of each input partition, by task, as far as it is known.
    pub lags: BTreeMap<TaskId, Vec<(TopicPartition, i64)>>,
    /// What the buffers of `suppress` have done, by task.
    pub buffers: BTreeMap<TaskId, Vec<BufferMetrics>>,
    /// Where the worker was when it last did not come back within `max.poll.interval.ms`, so that the
    /// process left the group. It stays when the worker is back.
    pub late: Option<HeldUp>,
    /// When lags and buffers were looked at.
    looked_at: Option<Moment>,
}

/// How old counts of tasks may be: they change with every record.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

impl WorkerMetrics {
    pub(crate) fn add(&mut self, report: &TurnReport, worker: &Worker, now: Moment) {
        self.count(report);
        // Tasks that were lost meanwhile are no longer among them. A clock that was set back is no
        // reason to wait.
        let is_fresh = |at: Moment| now.since(at) < LOOK_INTERVAL;
        if !self.looked_at.is_some_and(is_fresh) {
            self.looked_at = Some(now);
            let buffers = worker.running().map(|task| (task.id(), task.stores().buffers()));
            self.buffers = buffers.filter(|(_, buffers)| !buffers.is_empty()).collect();
            self.lags = worker.running().map(|task| (task.id(), lags(task))).collect();
        }
    }

    /// The same with the name of the thread.
    pub(crate) fn of_thread(&self, thread: String) -> Self {
        Self { thread, ..self.clone() }
    }

    /// The worker is gone; its counts stay.
    pub(crate) fn has_no_tasks(&mut self) {
        self.lags.clear();
        self.buffers.clear();
        self.looked_at = None;
    }

    pub(crate) fn count(&mut self, report: &TurnReport) {
        self.process_total += report.processed;
        self.punctuate_total += report.punctuations;
        self.commit_total += report.commits;
        self.restore_total += report.restored;
        self.stores_rebuilt_total += report.stores_rebuilt;
        self.dropped.merge(&report.dropped);
        self.commit_latency_sum += report.commit_latency_sum;
        self.commit_latency_max = self.commit_latency_max.max(report.commit_latency_max);
    }

    /// `commit-latency-avg`, over all commits; `None` before the first.
    #[must_use]
    pub fn commit_latency_avg(&self) -> Option<Duration> {
        let commits = u32::try_from(self.commit_total).unwrap_or(u32::MAX);
        self.commit_latency_sum.checked_div(commits)
    }
}

fn lags(task: &streams_core::task::Task) -> Vec<(TopicPartition, i64)> {
    let partitions = task.partitions().iter().enumerate();
    partitions.filter_map(|(slot, input)| Some((input.clone(), task.lag(slot)?))).collect()
}

/// A moment's counts of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// The application.
    pub application_id: ApplicationId,
    /// `client-state`.
    pub state: State,
    /// By number of the worker, those that were removed too: one that is added under the number of
    /// another goes on with its counts.
    pub workers: Vec<WorkerMetrics>,
    /// Of the thread that fills the global stores, where there are any. It commits no offsets.
    pub global: Option<WorkerMetrics>,
    /// The last word about each restoration; those that a task's leaving broke off are left out.
    pub restorations: Vec<RestoreProgress>,
}

impl Metrics {
    /// `process-total` over all workers; updates of global stores do not count.
    #[must_use]
    pub fn process_total(&self) -> u64 {
        self.workers.iter().map(|worker| worker.process_total).sum()
    }

    /// `dropped-records-total` over all workers, and of the global stores.
    #[must_use]
    pub fn dropped_records_total(&self) -> u64 {
        self.workers.iter().chain(&self.global).map(|worker| worker.dropped.total()).sum()
    }

    /// Stores emptied to be rebuilt, over all workers.
    #[must_use]
    pub fn stores_rebuilt_total(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stores_rebuilt_total).sum()
    }

    /// `commit-total` over all workers.
    #[must_use]
    pub fn commit_total(&self) -> u64 {
        self.workers.iter().map(|worker| worker.commit_total).sum()
    }
}
