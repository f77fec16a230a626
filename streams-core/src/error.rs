//! What can go wrong in a task, and where it happened.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::names::{NodeName, StoreName, TopicName};
use crate::record::RecordMeta;
use crate::serde::SerdeError;

/// Any error of user code or of what it calls; `?` turns every error into it.
pub struct ProcessorError(pub(crate) Box<dyn std::error::Error + Send + Sync>);

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for ProcessorError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for ProcessorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ProcessorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The key or the value of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Value => "value",
        })
    }
}

/// What a task was doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// It processed this record.
    Record(RecordMeta),
    /// It ran a punctuation.
    Punctuation,
    /// It opened, checked, followed or restored its stores.
    Restoration,
    /// It started its processors.
    Start,
    /// It committed: caches and stores were written out.
    Commit,
    /// It closed its processors.
    Close,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(meta) => meta.fmt(f),
            Self::Punctuation => f.write_str("a punctuation"),
            Self::Restoration => f.write_str("the restoration of the task's stores"),
            Self::Start => f.write_str("the start of the task"),
            Self::Commit => f.write_str("a commit of the task"),
            Self::Close => f.write_str("the close of the task"),
        }
    }
}

/// A failure inside a task, with its place: topic, partition, offset, node or store, and cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The bytes of an input record cannot be read. Asked of the deserialization handler.
    #[error(
        "node \"{node}\" cannot read the {part} of {record}; fix the serde of this topic, or set deserialization.exception.handler to continue"
    )]
    Deserialization {
        /// The source node.
        node: NodeName,
        /// The record.
        record: RecordMeta,
        /// Which part of it.
        part: Part,
        /// Why not.
        #[source]
        source: SerdeError,
    },
    /// The timestamp extractor gave no time and its policy is to fail.
    #[error(
        "node \"{node}\" found the timestamp {timestamp} in {record}; give the source a timestamp extractor that finds one, or that skips such records"
    )]
    InvalidTimestamp {
        /// The source node.
        node: NodeName,
        /// The record.
        record: RecordMeta,
        /// What was extracted.
        timestamp: i64,
    },
    /// User code returned an error. Asked of the processing handler.
    #[error("node \"{node}\" failed on {origin}")]
    Processing {
        /// The node whose code it was.
        node: NodeName,
        /// What the task was doing.
        origin: Origin,
        /// What the code said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An output record cannot be encoded. Asked of the production handler.
    #[error(
        "node \"{node}\" cannot write the {part} for topic \"{topic}\", made from {origin}; fix the serde given to the sink"
    )]
    Serialization {
        /// The sink.
        node: NodeName,
        /// Where the record was to go.
        topic: TopicName,
        /// Which part of it.
        part: Part,
        /// What the task was doing.
        origin: Origin,
        /// Why not.
        #[source]
        source: SerdeError,
    },
    /// An output record was not taken or not acknowledged. Asked of the production handler.
    #[error("a record for topic \"{topic}\"{} could not be written", from_where(.from.as_ref()))]
    Production {
        /// Where the record was to go.
        topic: TopicName,
        /// The sink, and what the task was doing when it sent the record, which others may have
        /// followed since. `None` when the record is no sink's.
        from: Option<(NodeName, Origin)>,
        /// Why not.
        #[source]
        source: ProduceError,
    },
    /// A store failed.
    #[error("a state store{} failed on {origin}", of_node(.node.as_ref()))]
    Store {
        /// The node that used it; `None` when no node did, as in a commit.
        node: Option<NodeName>,
        /// What the task was doing.
        origin: Origin,
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// User code panicked. The task is always reset.
    #[error("user code{} panicked on {origin}: {message}", of_node(.node.as_ref()))]
    Panic {
        /// The node whose code it was; `None` when it is no node's.
        node: Option<NodeName>,
        /// What the task was doing.
        origin: Origin,
        /// The panic's message.
        message: String,
    },
}

fn of_node(node: Option<&NodeName>) -> String {
    node.map_or_else(String::new, |node| format!(" of node \"{node}\""))
}

fn from_where(from: Option<&(NodeName, Origin)>) -> String {
    from.map_or_else(String::new, |(node, origin)| format!(", from node \"{node}\" on {origin},"))
}

impl TaskError {
    /// Whether it says nothing against the record, and may pass by itself: the brokers did not take
    /// what was sent, or a disk is full. Such an error is shown to no handler, because leaving the
    /// record out would lose it; the task goes on from its last commit.
    ///
    /// DIFFERENCE(passing-production-errors): in Kafka the production handler is asked about these
    /// too, and one that continues loses the record.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Production { source, .. } => source.is_passing(),
            Self::Store { source, .. } => source.is_passing(),
            _ => false,
        }
    }

    /// The same error, which happened in this node if it names none.
    #[cold]
    pub(crate) fn in_node(mut self: Box<Self>, at: &NodeName) -> Box<Self> {
        if let Self::Store { node: node @ None, .. } = &mut *self {
            *node = Some(at.clone());
        }
        self
    }
}

/// The result of pushing a record on: an error has already been shown to its handler.
pub type Pushed = Result<(), Box<TaskError>>;

/// Why an output record was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProduceError {
    /// The topic does not exist.
    #[error("topic \"{topic}\" does not exist; create it, Millstream creates internal topics only")]
    UnknownTopic {
        /// The topic.
        topic: TopicName,
    },
    /// An internal topic was deleted while the application ran. What was in it is lost, of a changelog
    /// the state of its store too: no record is at fault, so that no handler is asked.
    #[error(
        "internal topic \"{topic}\" does not exist any more, and what was in it is lost; restart the application, which creates it anew, and begins the store of a changelog empty"
    )]
    InternalTopicGone {
        /// The topic.
        topic: TopicName,
    },
    /// The record is larger than the client takes.
    #[error(
        "the record of {bytes} bytes is larger than producer.max.request.size; raise that here and max.message.bytes of the topic"
    )]
    TooLarge {
        /// Key and value.
        bytes: usize,
    },
    /// The broker took none of a batch; which of its records is too large, it does not say.
    #[error(
        "the broker refused a batch of records as larger than max.message.bytes of the topic; raise that, or set producer.max.request.size here to the same number, so that only a record that is too large is refused"
    )]
    BatchTooLarge,
    /// A partitioner named a partition that the topic does not have.
    #[error(
        "partition {partition} was chosen, but topic \"{topic}\" has {partitions}; correct the partitioner"
    )]
    NoSuchPartition {
        /// The topic.
        topic: TopicName,
        /// What was chosen.
        partition: i32,
        /// How many there are.
        partitions: i32,
    },
    /// The record has a negative timestamp.
    #[error("the timestamp {0} is negative; forward records with the time of an event")]
    NegativeTimestamp(i64),
    /// The client's queue stayed full for too long.
    #[error(
        "the producer's queue stayed full for {0} ms; the brokers do not take records fast enough"
    )]
    QueueFull(u64),
    /// The brokers could not be reached, or did not take the record in time.
    #[error("{message} ({code}); the brokers do not answer in time")]
    Unavailable {
        /// Kafka's name of the error.
        code: String,
        /// The text that came with it.
        message: String,
    },
    /// No broker has confirmed the record. Its client took it for written because a later one of the
    /// same partition was, and that does not follow: a broker that has forgotten the producer takes
    /// whatever comes first. It forgets one whose latest record of the partition is older, by its
    /// timestamp, than the broker's `producer.id.expiration.ms`, as soon as it starts again.
    #[error(
        "no broker has confirmed the record, and a later one of its partition was written; it may be missing, and is written again"
    )]
    Unconfirmed,
    /// The producer sends nothing any more, whatever the record: it lost count of what it had sent, or
    /// another took its id. The tasks of its worker go on with a new one when the uncaught error
    /// handler says `Replace`.
    #[error("the producer cannot go on and has to be made anew: {message} ({code})")]
    ProducerFailed {
        /// Kafka's name of the error.
        code: String,
        /// The text that came with it.
        message: String,
    },
    /// What the broker or client said.
    #[error("{message} ({code})")]
    Refused {
        /// Kafka's name of the error.
        code: String,
        /// The text that came with it.
        message: String,
    },
}

impl ProduceError {
    /// Whether it says nothing against the record, and may pass by itself.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::QueueFull(_) | Self::Unavailable { .. } | Self::Unconfirmed)
    }

    /// Whether the record may be at fault, so that leaving it out would help.
    #[must_use]
    pub const fn concerns_record(&self) -> bool {
        let concerns_all =
            matches!(self, Self::ProducerFailed { .. } | Self::InternalTopicGone { .. });
        !self.is_passing() && !concerns_all
    }
}

/// Runs user code: a panic of it becomes its text.
///
/// # Errors
/// The text, when it panics.
///
/// ```
/// use streams_core::error::catch_panic;
///
/// assert_eq!(catch_panic(|| 1), Ok(1));
/// assert_eq!(catch_panic(|| panic!("no way")), Err::<(), _>("no way".to_owned()));
/// ```
#[inline]
pub fn catch_panic<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "(no text)".to_owned())
    })
}

/// A buffer of `suppress` is full, and may not emit early. The source of a
/// [`TaskError::Processing`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BufferFull {
    /// It holds more than it was configured to.
    #[error(
        "buffer \"{buffer}\" holds {records} of at most {records_max} updates and {bytes} of at most {bytes_max} bytes; raise its bounds, or let it emit early when full"
    )]
    Bounds {
        /// The buffer.
        buffer: StoreName,
        /// How many updates wait.
        records: usize,
        /// How many may.
        records_max: usize,
        /// Their bytes, as Kafka counts them.
        bytes: usize,
        /// How many bytes may wait.
        bytes_max: usize,
    },
    /// There is no memory for more.
    #[error(
        "buffer \"{buffer}\" has no memory left: all buffers of the process may take {bytes_max} bytes; give the process more memory, bound the buffer, or let it emit early when full"
    )]
    Memory {
        /// The buffer.
        buffer: StoreName,
        /// What all buffers of the process may take.
        bytes_max: usize,
    },
}

/// A failure of a state store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store's files are damaged; it is set aside and rebuilt from its changelog.
    #[error("store \"{store}\" is corrupt: {detail}")]
    Corrupted {
        /// The store.
        store: StoreName,
        /// What was found.
        detail: String,
    },
    /// The file system refused.
    #[error("store \"{store}\" could not {action}")]
    Io {
        /// The store.
        store: StoreName,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The disk of the state directory has no space left, or the user's quota of it is used up.
    ///
    /// DIFFERENCE(full-disk): in Kafka the thread dies. Here the task goes on from its last commit
    /// once there is space, within `task.timeout.ms`.
    #[error(
        "store \"{store}\" could not {action}: its disk is full; make room, and the task goes on by itself"
    )]
    DiskFull {
        /// The store.
        store: StoreName,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A key or value could not be encoded or decoded.
    #[error("store \"{store}\" could not {action} a {part}")]
    Serde {
        /// The store.
        store: StoreName,
        /// `read` or `write`.
        action: &'static str,
        /// Which part.
        part: Part,
        /// Why not.
        #[source]
        source: SerdeError,
    },
    /// The change could not be sent to the changelog.
    #[error("store \"{store}\" could not write to its changelog")]
    Changelog {
        /// The store.
        store: StoreName,
        /// Why not.
        #[source]
        source: ProduceError,
    },
    /// A record of the changelog cannot be read, so that the store cannot be rebuilt.
    #[error(
        "store \"{store}\" cannot be rebuilt: the record at offset {offset} of its changelog {problem}; is it the changelog of this application?"
    )]
    ChangelogRecord {
        /// The store.
        store: StoreName,
        /// The record's offset.
        offset: i64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An iterator was used after the commit that followed its creation.
    #[error(
        "an iterator of store \"{0}\" was used after a commit; finish it within one call of process or punctuate"
    )]
    StaleIterator(StoreName),
    /// The store was closed with its task.
    #[error("store \"{0}\" is closed")]
    Closed(StoreName),
    /// A task changed a global store.
    #[error(
        "store \"{0}\" is global, and only its own processor changes it; write to its topic instead"
    )]
    ReadOnly(StoreName),
    /// The store is not known to the task.
    #[error("there is no store \"{0}\" here; add it to the topology")]
    Unknown(StoreName),
    /// The disk of the state directory has no space for the directory of a task. What holds for
    /// [`DiskFull`](Self::DiskFull) holds here.
    #[error(
        "the directory {path} could not be made: its disk is full; make room, and the task goes on by itself"
    )]
    DirectoryFull {
        /// The directory.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The state directory cannot be used.
    #[error("the state directory {path} cannot be used: {problem}")]
    Directory {
        /// The directory.
        path: std::path::PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
}

impl StoreError {
    /// Whether it may pass by itself: see [`TaskError::is_passing`].
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::DiskFull { .. } | Self::DirectoryFull { .. } => true,
            Self::Changelog { source, .. } => source.is_passing(),
            _ => false,
        }
    }
}

/// An error with all of its causes, in one line, as a program tells it to its user.
///
/// ```
/// use streams_core::error::chain;
///
/// let error: Box<dyn std::error::Error> = "the disk is full".into();
/// assert_eq!(chain(&*error), "the disk is full");
/// ```
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
