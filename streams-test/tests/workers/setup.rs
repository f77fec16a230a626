//! What the workers of these tests are made with, and the tasks that they are given.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use streams_core::config::{DefaultTimestampExtractor, OwnSettings};
use streams_core::handler::Handlers;
use streams_core::names::{ApplicationId, TaskId, TopicPartition};
use streams_core::plane::StartAt;
use streams_core::processor::EmitIntervals;
use streams_core::store::StateBackend;
use streams_core::task::commit_metadata::CommitMetadata;
use streams_core::task::{OffsetToCommit, TaskIdle};
use streams_core::topology::{OffsetReset, TopicNames, Topology};
use streams_core::worker::{
    CommitPolicy, RetryPolicy, SharedGlobals, TaskInput, TaskToStart, WorkerSettings,
};
use streams_test::KafkaModel;
use streams_test::model::CommittedOffset;

/// Without a cache; nothing is waited for, and handlers skip nothing.
pub(crate) fn settings(
    application: &ApplicationId,
    topology: Topology,
    backend: Arc<dyn StateBackend>,
) -> WorkerSettings {
    WorkerSettings {
        topology,
        application_id: application.clone(),
        names: TopicNames::new(application),
        handlers: Handlers::default(),
        timestamps: DefaultTimestampExtractor::FailOnInvalid,
        backend,
        globals: SharedGlobals::default(),
        commit: CommitPolicy::default(),
        retries: RetryPolicy::default(),
        idle: TaskIdle::UpTo(Duration::ZERO),
        emit_intervals: EmitIntervals::NONE,
        own_settings: OwnSettings::default(),
        cache_bytes: 0,
        buffered_records: 100,
        turn_records: 100,
    }
}

/// A task that reads its partition of "in" from where the group has committed, and knows nothing of
/// its changelogs.
pub(crate) fn to_start(
    kafka: &KafkaModel,
    application: &ApplicationId,
    task: TaskId,
) -> TaskToStart {
    let partition = TopicPartition::new("in", task.partition);
    let committed = kafka.committed_offset(application, &partition);
    let committed = committed.as_ref().map(|at| (at.offset, at.metadata.as_str()));
    TaskToStart {
        task,
        inputs: vec![input(partition, committed)],
        changelog_ends: BTreeMap::new(),
        changelogs: BTreeMap::new(),
    }
}

/// An offset as the group keeps it.
pub(crate) fn committed(at: OffsetToCommit) -> (TopicPartition, CommittedOffset) {
    let OffsetToCommit { partition, offset, leader_epoch, metadata } = at;
    (partition, CommittedOffset { offset, leader_epoch, metadata })
}

/// An input that is read from a committed offset, which comes with its metadata, or from the
/// beginning.
pub(crate) fn input(partition: TopicPartition, committed: Option<(i64, &str)>) -> TaskInput {
    let start = committed.map(|(offset, _)| StartAt::Offset(offset));
    let metadata = committed.map(|(_, metadata)| CommitMetadata::decode(metadata));
    TaskInput {
        partition,
        start: start.unwrap_or(StartAt::Reset(OffsetReset::Earliest)),
        committed: metadata.unwrap_or_default(),
        reset: OffsetReset::Earliest,
    }
}
