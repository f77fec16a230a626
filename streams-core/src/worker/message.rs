//! What a worker is told, and what it tells: read this file first.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{ProduceError, TaskError};
use crate::metrics::DropCounts;
use crate::names::{StoreName, TaskId, TopicName, TopicPartition};
use crate::plane::{FetchError, StartAt};
use crate::store::ChangelogTopic;
use crate::task::commit_metadata::CommitMetadata;
use crate::task::{OffsetToCommit, TaskStartError};
use crate::time::Timestamp;
use crate::topology::{OffsetReset, Topology};

/// An input of a task, and where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskInput {
    /// The partition.
    pub partition: TopicPartition,
    /// Where to begin.
    pub start: StartAt,
    /// What was committed beside the offset.
    pub committed: CommitMetadata,
    /// Where to go on when the offset lies outside the log: the source's policy, or
    /// `auto.offset.reset`.
    pub reset: OffsetReset,
}

/// A task to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskToStart {
    /// The task.
    pub task: TaskId,
    /// Its inputs, sorted by partition.
    pub inputs: Vec<TaskInput>,
    /// Where its changelogs end, as far as that was asked for after the task's last owner let go.
    /// A store that is there already needs no restoration.
    pub changelog_ends: BTreeMap<TopicPartition, i64>,
    /// What is known of the topics that its stores are restored from. A store that another topic
    /// was written to, or one that is too old, is rebuilt.
    pub changelogs: BTreeMap<TopicName, ChangelogTopic>,
}

/// The number of a commit, to find its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(pub u64);

/// Why offsets were not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitFailure {
    /// The tasks belong to another member now; what was staged is dropped.
    #[error("the group has given the tasks to another member")]
    Fenced,
    /// The coordinator could not be reached; the same offsets may be tried again, for
    /// `task.timeout.ms`.
    #[error("the offsets could not be committed yet: {0}")]
    Retriable(String),
    /// The group is rebalancing, which may take as long as its slowest member; the same offsets may
    /// be tried again until it is done.
    #[error("the group is rebalancing, and takes no offsets meanwhile")]
    Rebalancing,
    /// Trying again is of no use.
    #[error("the offsets cannot be committed: {0}")]
    Fatal(String),
}

/// A worker's share of the memory that the workers of a process divide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryShare {
    /// Record caches, in bytes.
    pub cache_bytes: usize,
    /// A task with more staged bytes than this is committed at once.
    pub staged_bytes_max: usize,
    /// So is the worker, when its tasks have more than this together.
    pub worker_staged_bytes_max: usize,
}

/// What a worker is told.
#[derive(Debug)]
pub enum Command {
    /// These tasks are the worker's from now on.
    Start(Vec<TaskToStart>),
    /// Keep the state of these tasks warm: follow their changelogs, process nothing. A later
    /// `Start` runs them without a restoration of what is there.
    StandBy(Vec<TaskToStart>),
    /// Commit these tasks, run them no longer but keep their state warm, then say so.
    Demote(Vec<TaskId>),
    /// Commit and close these tasks, standbys too, then say so.
    Release(Vec<TaskId>),
    /// These tasks are another member's: drop what is staged, and close.
    Lose(Vec<TaskId>),
    /// What became of a commit.
    Committed(CommitId, Result<(), CommitFailure>),
    /// The answer to [`Action::FindEnds`].
    Ends {
        /// The time before the brokers were asked.
        at: Timestamp,
        /// Where changelogs end, as far as the brokers told.
        ends: BTreeMap<TopicPartition, i64>,
    },
    /// The answer to [`Action::FindCommitted`]: up to where the group has processed these inputs, as
    /// far as that is known.
    Processed(BTreeMap<TopicPartition, i64>),
    /// Make these failed tasks anew, and go on from their last commit: the answer to
    /// [`Action::Failed`]. Processors are made by their suppliers again; stores stay open.
    Replace(Vec<TaskId>),
    /// Commit now, do not wait for the interval.
    CommitNow,
    /// The process has more workers now, or fewer.
    Share(MemoryShare),
    /// The patterns of the topology stand for other topics. Tasks that are started later read
    /// these.
    Matching(Topology),
    /// Commit and close all tasks.
    Shutdown,
}

/// What a worker wants, or has to tell.
#[derive(Debug)]
pub enum Action {
    /// Commit these offsets; answer with [`Command::Committed`].
    Commit {
        /// Its number.
        id: CommitId,
        /// The tasks whose offsets they are.
        tasks: Vec<TaskId>,
        /// The offsets; none where nothing was read since the last commit. Whose the tasks are is to
        /// be asked all the same.
        offsets: Vec<OffsetToCommit>,
    },
    /// Ask where these changelogs end, and answer with [`Command::Ends`], in any case.
    FindEnds(Vec<TopicPartition>),
    /// Ask up to where the group has processed these inputs, which serve standbys as changelogs, and
    /// answer with [`Command::Processed`], in any case.
    FindCommitted(Vec<TopicPartition>),
    /// The task's stores are restored, and it runs.
    Running(TaskId),
    /// The task is closed. Whether its last offsets were committed, the coordinator knows.
    Closed(TaskId),
    /// The task runs no longer, and is a standby. Whether its last offsets were committed, the
    /// coordinator knows.
    Demoted(TaskId),
    /// How far a task's state is has changed.
    Holds(HeldState),
    /// All tasks are closed after a [`Command::Shutdown`].
    Done,
    /// These tasks cannot go on. They are stopped, and what they staged is dropped; all others go on.
    /// [`Command::Replace`] makes them anew.
    Failed {
        /// The tasks.
        tasks: Vec<TaskId>,
        /// What happened.
        error: WorkerError,
    },
    /// A store is being restored, or has been.
    Restored(RestoreProgress),
}

/// What a task with local state does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldPhase {
    /// It runs; nothing is ahead of its state.
    Running,
    /// It will run, once its state is rebuilt.
    Restoring,
    /// It follows the task that runs elsewhere.
    Standby,
}

/// How far a task's state is, to guide the assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldState {
    /// The task.
    pub task: TaskId,
    /// What it does.
    pub phase: HeldPhase,
    /// The sum of the offsets of its changelogs, be they inputs, up to which the state is there.
    pub position: i64,
    /// The same of what a restart finds on disk.
    pub on_disk: i64,
}

/// How far the restoration of a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreProgress {
    /// The task.
    pub task: TaskId,
    /// The store.
    pub store: StoreName,
    /// The partition that it is read from.
    pub partition: TopicPartition,
    /// The offset at which it began.
    pub start: i64,
    /// The next offset to read.
    pub next: i64,
    /// The end, once the broker has told.
    pub end: Option<i64>,
    /// Records put into the store so far.
    pub records: u64,
    /// Whether that was all.
    pub phase: RestorePhase,
}

/// The phases of a restoration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestorePhase {
    /// Reading begins.
    Began,
    /// Records arrive.
    Reading,
    /// The end was reached.
    Ended,
}

/// Why a task cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// A task could not be made.
    #[error("a task could not be started")]
    Start(#[source] TaskStartError),
    /// A task failed on a record.
    #[error("task {task} failed")]
    Task {
        /// The task.
        task: TaskId,
        /// Where and why.
        #[source]
        source: Box<TaskError>,
    },
    /// An input or changelog cannot be read.
    #[error("task {task} cannot read its input")]
    Fetch {
        /// The task.
        task: TaskId,
        /// Why not.
        #[source]
        source: FetchError,
    },
    /// Offsets cannot be committed.
    #[error("a commit failed")]
    Commit(#[source] CommitFailure),
    /// The worker's producer sends nothing any more.
    #[error("the tasks of a worker cannot send")]
    Producer(#[source] ProduceError),
    /// A trouble that should have passed by itself has lasted too long.
    #[error(
        "task {task} made no progress for {} ms; look at the brokers, or raise task.timeout.ms",
        waited.as_millis()
    )]
    TimedOut {
        /// The task.
        task: TaskId,
        /// How long it was tried.
        waited: Duration,
        /// The trouble.
        #[source]
        source: Box<Self>,
    },
}

impl WorkerError {
    /// The task that failed; `None` when it was a commit or the producer of several.
    #[must_use]
    pub fn task(&self) -> Option<TaskId> {
        match self {
            Self::Start(error) => Some(error.task()),
            Self::Task { task, .. } | Self::Fetch { task, .. } | Self::TimedOut { task, .. } => {
                Some(*task)
            }
            Self::Commit(_) | Self::Producer(_) => None,
        }
    }

    /// Whether it may pass by itself: see [`TaskError::is_passing`].
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Start(TaskStartError::Stores { source, .. }) => source.is_passing(),
            Self::Task { source, .. } => source.is_passing(),
            _ => false,
        }
    }
}

/// What a turn did. Recording it is the shell's business.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TurnReport {
    /// Records processed.
    pub processed: u64,
    /// Punctuations called.
    pub punctuations: u64,
    /// Records put into stores by restoration.
    pub restored: u64,
    /// Those of them that were put into stores of standbys.
    pub copied: u64,
    /// Stores that were emptied, to be rebuilt, because they did not belong to their changelogs.
    pub stores_rebuilt: u64,
    /// Records dropped since the last report, by reason.
    pub dropped: DropCounts,
    /// Commits that succeeded since the last report.
    pub commits: u64,
    /// How long they took together, each from its beginning until its offsets were committed.
    pub commit_latency_sum: Duration,
    /// How long the longest of them took.
    pub commit_latency_max: Duration,
    /// Whether another turn would find work at once.
    pub is_busy: bool,
}
