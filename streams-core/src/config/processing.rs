//! How records are processed, and what happens to those that cannot be.

use std::time::Duration;

use super::keys::defaults;
use super::names::DeadLetterTopic;
use super::origin::Origin;
use super::reader::{MEMBER, PRODUCER, Reader};
pub use crate::task::TaskIdle;

/// `processing.guarantee`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessingGuarantee {
    /// `at_least_once`, the default: after a failure records may be processed again.
    #[default]
    AtLeastOnce,
    /// `exactly_once_v2`: input, state and output of a record are committed in one transaction.
    ExactlyOnce,
}

/// What happens to a record that cannot be read, processed or written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// `fail`, the default: log and stop.
    #[default]
    Fail,
    /// `continue`: log, count and go on with the next record.
    Continue,
}

/// `default.timestamp.extractor`: which time a record has whose source names no extractor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultTimestampExtractor {
    /// The record's; a negative one is an error. The default.
    #[default]
    FailOnInvalid,
    /// The record's; a record with a negative one is skipped.
    SkipInvalid,
    /// The record's; in place of a negative one, the highest of its partition so far.
    PartitionTimeOnInvalid,
    /// The time at which the record is processed.
    WallClock,
}

/// How records are processed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Processing {
    /// `processing.guarantee`, at least once by default.
    pub guarantee: ProcessingGuarantee,
    /// `num.stream.threads`: worker threads of this process, 1 by default.
    pub num_stream_threads: u32,
    /// `commit.interval.ms`: 30 s by default, 100 ms under exactly-once.
    pub commit_interval: Duration,
    /// `max.poll.records`: most records taken from the client at once, 1000 by default.
    pub max_poll_records: u32,
    /// `max.task.idle.ms`, 0 by default.
    pub max_task_idle: TaskIdle,
    /// `task.timeout.ms`: how long a task retries before an error, 5 minutes by default.
    pub task_timeout: Duration,
    /// `buffered.records.per.partition`, 1000 by default.
    pub buffered_records_per_partition: u32,
    /// `max.block.ms`: how long sending may wait for room or metadata, 60 s by default.
    pub max_block: Duration,
    /// `default.api.timeout.ms` of the admin client: how long one question about topics and offsets
    /// may take before it is asked again, 15 s by default. DIFFERENCE(admin-timeout): 60 s in Kafka,
    /// which asks within that time; here it is asked again for as long as what needs the answer has.
    pub admin_timeout: Duration,
    /// `transaction.timeout.ms` of the producer, 10 s by default; without meaning under
    /// at-least-once.
    pub transaction_timeout: Duration,
    /// `deserialization.exception.handler`, fail by default.
    pub on_deserialization_error: FailurePolicy,
    /// `processing.exception.handler`, fail by default.
    pub on_processing_error: FailurePolicy,
    /// `processing.exception.handler.global.enabled`: whether that also holds for global tables; no
    /// by default.
    pub global_processing_handler: bool,
    /// `production.exception.handler`, fail by default.
    pub on_production_error: FailurePolicy,
    /// `errors.dead.letter.queue.topic.name`, none by default.
    pub dead_letter_topic: Option<DeadLetterTopic>,
    /// `default.timestamp.extractor`, fail on a negative timestamp by default.
    pub default_timestamp_extractor: DefaultTimestampExtractor,
    /// `prefetch.max.bytes`: most bytes that all consumers of the process hold fetched, 16 MiB by
    /// default. DIFFERENCE(one-prefetch): Kafka bounds prefetch per consumer and partition, so that
    /// it grows with both.
    pub prefetch_bytes_max: u64,
    /// `buffer.memory` of the producer: most bytes that all producers of the process hold unsent,
    /// 32 MiB by default, and more where `num.stream.threads` workers need more.
    /// DIFFERENCE(one-prefetch): Kafka's bound is for each producer, and it has one a thread.
    pub send_queue_bytes_max: u64,
    send_share_bytes_min: u64,
}

/// Bytes that a worker needs at least to send in batches.
const SEND_SHARE_BYTES_MIN: u64 = 1 << 20;

const COMMIT_INTERVAL: Duration = Duration::from_secs(30);
const COMMIT_INTERVAL_EXACTLY_ONCE: Duration = Duration::from_millis(100);

impl Processing {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let guarantee = match reader.text("processing.guarantee").as_deref() {
            Some("exactly_once_v2") => ProcessingGuarantee::ExactlyOnce,
            _ => ProcessingGuarantee::AtLeastOnce,
        };
        let num_stream_threads = reader.whole("num.stream.threads");
        let send_share_bytes_min = send_share_min(reader);
        Self {
            guarantee,
            num_stream_threads,
            commit_interval: commit_interval(reader, guarantee),
            max_poll_records: reader.client_parsed("max.poll.records", &MEMBER).unwrap_or_default(),
            max_task_idle: reader
                .millis_unless_negative("max.task.idle.ms")
                .map_or(TaskIdle::Disabled, TaskIdle::UpTo),
            task_timeout: reader.millis("task.timeout.ms"),
            buffered_records_per_partition: reader.whole("buffered.records.per.partition"),
            max_block: reader.client_millis("max.block.ms", &PRODUCER),
            admin_timeout: reader.admin_timeout(),
            transaction_timeout: reader.client_millis("transaction.timeout.ms", &PRODUCER),
            on_deserialization_error: policy(reader, "deserialization.exception.handler"),
            on_processing_error: policy(reader, "processing.exception.handler"),
            global_processing_handler: reader.whole("processing.exception.handler.global.enabled"),
            on_production_error: policy(reader, "production.exception.handler"),
            dead_letter_topic: reader.parsed("errors.dead.letter.queue.topic.name"),
            default_timestamp_extractor: match reader.text("default.timestamp.extractor").as_deref()
            {
                Some("log_and_skip") => DefaultTimestampExtractor::SkipInvalid,
                Some("partition_time") => DefaultTimestampExtractor::PartitionTimeOnInvalid,
                Some("wall_clock") => DefaultTimestampExtractor::WallClock,
                _ => DefaultTimestampExtractor::FailOnInvalid,
            },
            prefetch_bytes_max: reader.whole("prefetch.max.bytes"),
            send_queue_bytes_max: send_queue(reader, num_stream_threads, send_share_bytes_min),
            send_share_bytes_min,
        }
    }

    /// The bytes that each of so many workers may hold unsent: its share of
    /// [`send_queue_bytes_max`](Self::send_queue_bytes_max), but at least 1 MiB, and room for the
    /// largest record (`max.request.size`), without which a worker could not go on.
    pub fn send_share_bytes(&self, workers: usize) -> u64 {
        let share = self.send_queue_bytes_max / u64::try_from(workers.max(1)).unwrap_or(u64::MAX);
        share.max(self.send_share_bytes_min)
    }
}

/// A bound that nobody set gives way to the number of workers.
fn send_queue(reader: &mut Reader<'_>, workers: u32, share_min: u64) -> u64 {
    let key = "buffer.memory";
    if reader.settings.client(&PRODUCER, key).is_some() {
        return reader.client_parsed(key, &PRODUCER).unwrap_or_default();
    }
    let default = defaults::of_ours(key).and_then(|text| text.parse().ok()).unwrap_or_default();
    let bytes = share_min.saturating_mul(u64::from(workers)).max(default);
    reader.explain(key, bytes.to_string(), Origin::Default);
    bytes
}

fn send_share_min(reader: &Reader<'_>) -> u64 {
    let record = reader.settings.client(&PRODUCER, "message.max.bytes");
    let record = record.and_then(|setting| setting.value.expose().parse().ok());
    record.unwrap_or(SEND_SHARE_BYTES_MIN).max(SEND_SHARE_BYTES_MIN)
}

fn commit_interval(reader: &mut Reader<'_>, guarantee: ProcessingGuarantee) -> Duration {
    if let Some(millis) = reader.parsed("commit.interval.ms") {
        return Duration::from_millis(millis);
    }
    let default = match guarantee {
        ProcessingGuarantee::AtLeastOnce => COMMIT_INTERVAL,
        ProcessingGuarantee::ExactlyOnce => COMMIT_INTERVAL_EXACTLY_ONCE,
    };
    let text = default.as_millis().to_string();
    reader.explain("commit.interval.ms", text, Origin::Default);
    default
}

fn policy(reader: &mut Reader<'_>, key: &'static str) -> FailurePolicy {
    match reader.text(key).as_deref() {
        Some("continue") => FailurePolicy::Continue,
        _ => FailurePolicy::Fail,
    }
}
