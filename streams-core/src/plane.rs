//! The data plane: how a worker reads partitions and learns what became of its records.
//!
//! `streams-kafka` implements it over librdkafka, `streams-test` over a model in memory. Sending
//! goes by the [`Outbox`](crate::outbox::Outbox) that a plane gives out.

use crate::error::ProduceError;
use crate::names::TopicPartition;
use crate::outbox::{Purpose, SharedOutbox, TopicId};
use crate::processor::Activity;
use crate::record::RecordBatch;
use crate::topology::OffsetReset;

/// A partition that is being read, as its plane knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InputId(pub u32);

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At this offset.
    Offset(i64),
    /// Where the reset policy says, there being no committed offset.
    Reset(OffsetReset),
}

/// What a partition is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFor {
    /// To be processed.
    Input,
    /// To rebuild a store.
    Restore,
    /// To fill a global store, and to keep it up to date.
    Global,
}

/// What a partition had to give.
pub enum Fetched {
    /// Nothing now.
    Nothing,
    /// Records, in order.
    Records(Box<dyn RecordBatch>),
    /// The end of the partition, which is this offset, has been reached.
    End(i64),
    /// It cannot be read.
    Failed(FetchError),
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Records(batch) => write!(f, "Records({})", batch.len()),
            Self::End(offset) => write!(f, "End({offset})"),
            Self::Failed(error) => write!(f, "Failed({error})"),
        }
    }
}

/// Why a partition cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The topic is gone.
    #[error("{0} does not exist any more; create the topic again, or stop the application")]
    Missing(TopicPartition),
    /// The offset lies outside the log.
    #[error(
        "offset {offset} of {partition} is outside its log and auto.offset.reset is none; set it to earliest or latest, or reset the group's offsets"
    )]
    OutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The offset asked for.
        offset: i64,
    },
    /// Where the log begins or ends could not be found out.
    #[error(
        "the first or last offset of {partition} cannot be looked up: {message}; grant DESCRIBE on its topic, or see the broker's log"
    )]
    NoStart {
        /// The partition.
        partition: TopicPartition,
        /// What was said.
        message: String,
    },
    /// The principal may not read the topic.
    #[error("reading {0} is not allowed; grant READ on its topic")]
    Denied(TopicPartition),
    /// The client does not begin to read it.
    #[error("reading {partition} cannot begin: {message}")]
    Refused {
        /// The partition.
        partition: TopicPartition,
        /// What was said.
        message: String,
    },
    /// What the broker or client said.
    #[error("{partition} cannot be read: {message}")]
    Other {
        /// The partition.
        partition: TopicPartition,
        /// What was said.
        message: String,
    },
}

impl FetchError {
    /// Whether waiting can help; the partition then goes on by itself.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Other { .. })
    }
}

/// What became of a record that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Who sent it.
    pub purpose: Purpose,
    /// What the task was doing when it was sent.
    pub activity: Activity,
    /// Its topic.
    pub topic: TopicId,
    /// Its offset, once it was acknowledged, or why it was not.
    pub outcome: Result<i64, ProduceError>,
}

/// The way of one worker to Kafka's records. Nothing in it blocks but the outbox of a full queue.
pub trait DataPlane {
    /// Where the worker's records go.
    fn outbox(&self) -> SharedOutbox;

    /// Begins to read a partition.
    fn open(&mut self, partition: &TopicPartition, start: StartAt, purpose: ReadFor) -> InputId;

    /// Stops reading a partition, and forgets what was fetched of it.
    fn close(&mut self, input: InputId);

    /// What the partition has, at most `max` records. Not asking is the way to hold it back.
    fn fetch(&mut self, input: InputId, max: usize) -> Fetched;

    /// Records on the broker that were not given out yet; `None` before the broker has told.
    fn lag(&mut self, input: InputId) -> Option<i64>;

    /// Sends what waits for more to come, as a commit waits for it.
    fn hurry(&mut self) {}

    /// Why nothing can be sent any more, until [`renew`](Self::renew); `None` while it can.
    fn failure(&mut self) -> Option<ProduceError> {
        None
    }

    /// Makes anew what cannot send any more, if that is so. The numbers of topics stay. Called when
    /// nothing is on its way.
    fn renew(&mut self) {}

    /// Keeps what is on its way from being sent, as far as that is possible still, and tells nothing
    /// of it any more: others write now where it was to go.
    fn abandon(&mut self) {}

    /// Tells what became of sent records. How many have not been told about yet.
    fn deliveries(&mut self, each: &mut dyn FnMut(Delivery)) -> usize;

    /// How many records of the task of this number have not been told about yet.
    fn undelivered_of(&self, task: u32) -> usize;
}
