//! What the core asks of state stores; `streams-state` implements it.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::config::State;
use crate::error::StoreError;
use crate::metrics::BufferMetrics;
use crate::names::{StoreName, TaskId, TopicName, TopicPartition};
use crate::outbox::SharedOutbox;
use crate::processor::TaskContext;
use crate::record::RawRecord;
use crate::time::Timestamp;

mod identity;

pub use self::identity::{ChangelogTopic, Deletions, RebuildReason, StoreIdentity};

/// What kind of store this is; decides its changelog's settings and what may replace it on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreKind {
    /// Key to value.
    KeyValue,
    /// Key to value and timestamp.
    TimestampedKeyValue,
    /// Key and start of a window to value.
    Window(Segments),
    /// Key and start of a window to value and timestamp.
    TimestampedWindow(Segments),
    /// Key and session to value.
    Session(Segments),
    /// Key to value, timestamp and headers (KIP-1271).
    TimestampedKeyValueWithHeaders,
    /// Key and start of a window to value, timestamp and headers.
    TimestampedWindowWithHeaders(Segments),
    /// Key and session to value and headers.
    SessionWithHeaders(Segments),
    /// Key and time to value: the versions of a key (KIP-889).
    Versioned(Segments),
    /// Updates that wait, by time; in memory.
    TimeOrderedBuffer,
}

/// How the rows of a store that expires are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// Milliseconds of a segment, at least 1: rows expire by whole segments.
    pub interval_ms: i64,
    /// The order of the rows within a segment.
    pub order: RowOrder,
}

/// The order of the rows within a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOrder {
    /// By key, then time: what most operators ask for.
    KeyFirst,
    /// By time, then key: for windows that are given out when they close.
    TimeFirst,
    /// By time, then key, with an index by key.
    TimeFirstIndexed,
}

/// Whether a store is written to a changelog topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Logging {
    /// No changelog: what the store held is lost with its disk.
    Off,
    /// A changelog topic, with these settings over the defaults.
    On(BTreeMap<String, String>),
    /// The source topic itself is the changelog (`topology.optimization`).
    SourceTopic(TopicName),
}

/// A store as a topology declares it. Made by the builders of `streams-state`.
pub trait StoreSpec: fmt::Debug + Send + Sync + 'static {
    /// The store's name, unique in the topology.
    fn name(&self) -> &StoreName;

    /// What kind of store it is.
    fn kind(&self) -> StoreKind;

    /// Whether it survives on disk.
    fn is_persistent(&self) -> bool;

    /// Its changelog.
    fn logging(&self) -> &Logging;

    /// The same store with another changelog.
    fn with_logging(&self, logging: Logging) -> Arc<dyn StoreSpec>;

    /// The same store as the settings want it; `None` when they leave it as it is. Answers to
    /// Kafka's `StoreFactory#configure`.
    fn configured(&self, settings: &State) -> Option<Arc<dyn StoreSpec>> {
        let _ = settings;
        None
    }

    /// How long entries are kept, for stores that expire; for versioned ones, how long a version is
    /// kept after a later one took its place.
    fn retention(&self) -> Option<Duration> {
        None
    }

    /// For the state crate, which knows its own types. Used while a task is linked, never per
    /// record.
    fn as_any(&self) -> &dyn Any;
}

/// The bound of the record caches of one worker (`statestore.cache.max.bytes` divided by the
/// workers), and what is used of it. Entries count as in Kafka, so that evictions come when they
/// come there.
#[derive(Debug, Default)]
pub struct CacheBudget {
    max_bytes: Cell<usize>,
    used_bytes: Cell<usize>,
}

impl CacheBudget {
    /// A cache of this many bytes; 0 writes through.
    #[must_use]
    pub const fn new(max_bytes: usize) -> Self {
        Self { max_bytes: Cell::new(max_bytes), used_bytes: Cell::new(0) }
    }

    /// The bound in bytes.
    #[must_use]
    pub const fn max_bytes(&self) -> usize {
        self.max_bytes.get()
    }

    /// Another bound from now on. What is above it leaves the caches after the next commit, or when
    /// records are written before.
    pub fn set_max_bytes(&self, max_bytes: usize) {
        self.max_bytes.set(max_bytes);
    }

    /// Bytes in use, over all stores of the worker.
    #[must_use]
    pub const fn used_bytes(&self) -> usize {
        self.used_bytes.get()
    }

    /// A store's share changed from `before` to `after` bytes.
    pub fn adjust(&self, before: usize, after: usize) {
        let others = self.used_bytes.get().saturating_sub(before);
        self.used_bytes.set(others.saturating_add(after));
    }
}

/// A store that a task shall open.
#[derive(Debug, Clone)]
pub struct StoreToOpen {
    /// What to open.
    pub spec: Arc<dyn StoreSpec>,
    /// Where its changes are sent; `None` without a changelog of its own.
    pub changelog: Option<TopicPartition>,
    /// Where it is restored from: its changelog, or the source topic that serves as one.
    pub restored_from: Option<TopicPartition>,
}

/// Whose stores are opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoresOf {
    /// A task's. Positions are those of the stores' changelogs, by store.
    Task,
    /// The global stores of the process, which all of its tasks read. Positions are those of the
    /// input partitions that they are filled from, by input partition.
    Process {
        /// By input partition: the number of the store that it fills.
        filled_by_input: Vec<usize>,
    },
}

/// All that is needed to open the stores of a task.
#[expect(missing_debug_implementations, reason = "the outbox is a trait object without Debug")]
pub struct OpenStores {
    /// The task.
    pub task: TaskId,
    /// Whether they are its own.
    pub owner: StoresOf,
    /// The task's number in its worker, for [`Purpose`](crate::outbox::Purpose).
    pub task_number: u32,
    /// Its stores, in the order in which caches are flushed.
    pub stores: Vec<StoreToOpen>,
    /// Time and place of the record being processed.
    pub context: Rc<TaskContext>,
    /// Where changelog records go.
    pub outbox: SharedOutbox,
    /// The record caches of the worker.
    pub cache: Rc<CacheBudget>,
}

/// What the holder of a handle may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read and write.
    ReadWrite,
    /// Read; all changes fail with [`StoreError::ReadOnly`].
    Read,
}

/// Opens the stores of tasks. One for the process; shared by its workers.
pub trait StateBackend: Send + Sync {
    /// Opens, or creates, the stores of a task.
    ///
    /// # Errors
    /// When the directory or a database cannot be used. A corrupt store is no error: it is set
    /// aside, and starts empty.
    fn open(&self, request: OpenStores) -> Result<Box<dyn TaskStores>, StoreError>;
}

/// The global stores, as the tasks of one worker see them.
pub trait GlobalStores {
    /// The typed handle of a store, which only reads, to be downcast while a task is linked. `None`
    /// when there is no such global store.
    fn handle(&self, store: &StoreName) -> Option<Box<dyn Any>>;

    /// As [`TaskStores::handle_with_headers`], which only reads.
    fn handle_with_headers(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        let _ = store;
        None
    }
}

/// The global stores of a process, to be read from any of its threads.
pub trait SharedStores: Send + Sync {
    /// The stores as the tasks of one worker see them: each read finds what the last commit of who
    /// fills them left. `context` is that of any of the worker's tasks.
    fn of_worker(&self, context: &Rc<TaskContext>) -> Rc<dyn GlobalStores>;
}

/// The stores of one task, as the task and its worker see them.
pub trait TaskStores {
    /// The typed handle of a store, to be downcast while the task is linked.
    fn handle(&self, store: &StoreName) -> Option<Box<dyn Any>>;

    /// As [`handle`](Self::handle), but all that would write fails with
    /// [`StoreError::ReadOnly`].
    fn read_only_handle(&self, store: &StoreName) -> Option<Box<dyn Any>>;

    /// A second handle of a store whose rows have headers because the settings say so: it shows
    /// them, where that of [`handle`](Self::handle) has the type of a store without. `None` for any
    /// other store.
    fn handle_with_headers(&self, store: &StoreName, access: Access) -> Option<Box<dyn Any>> {
        let _ = (store, access);
        None
    }

    /// The changelog offset from which the store has to be restored: all before it is in the store.
    /// `None` means from the beginning. For [`StoresOf::Process`], that of an input partition.
    fn position(&self, store: usize) -> Option<i64>;

    /// Puts one record of the changelog into the store, past cache and changelog.
    ///
    /// # Errors
    /// When the store cannot take it.
    fn restore(&mut self, store: usize, record: &RawRecord<'_>) -> Result<(), StoreError>;

    /// Makes what was restored durable, with `next_offset` as the new [`position`](Self::position).
    ///
    /// # Errors
    /// When the store cannot be written.
    fn restored_up_to(&mut self, store: usize, next_offset: i64) -> Result<(), StoreError>;

    /// Empties the store and forgets its position, so that it is rebuilt from its changelog.
    ///
    /// # Errors
    /// When the store cannot be emptied.
    fn wipe(&mut self, store: usize) -> Result<(), StoreError>;

    /// Sends what the store holds of the key of a changelog record to the changelog once more, a
    /// deletion where it holds nothing: the record is another writer's, and lies behind the store's
    /// own. What a cache holds back is sent later anyway. A store without a changelog does nothing.
    ///
    /// # Errors
    /// When the store cannot be read, or its changelog cannot take the record.
    fn write_again(&mut self, store: usize, record: &RawRecord<'_>) -> Result<(), StoreError> {
        let _ = (store, record);
        Ok(())
    }

    /// Bytes staged since the last commit.
    fn staged_bytes(&self) -> usize;

    /// Writes what is staged, together with the changelog positions (store, next offset), in one
    /// batch; a store in a place of the program's own in one of its own. Stores not named keep their
    /// position.
    ///
    /// # Errors
    /// When the database, or such a place, cannot be written. What it holds is then not changed.
    fn commit(&mut self, positions: &[(usize, i64)]) -> Result<(), StoreError>;

    /// Writes what is staged in stores without a changelog, before the offsets are committed, so
    /// that a crash repeats and never loses.
    ///
    /// # Errors
    /// When the database cannot be written.
    fn commit_unlogged(&mut self) -> Result<(), StoreError>;

    /// Writes out the caches of stores that no node flushes, below them and to their changelogs.
    /// Part of a commit, after the nodes' flushes.
    ///
    /// # Errors
    /// When a store or its changelog cannot take what was cached.
    fn flush_caches(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Evicts what was written out already while the worker's caches are over their budget.
    fn trim_caches(&mut self) {}

    /// Whose position the store's position is, and of when.
    fn identity(&self, store: usize) -> StoreIdentity {
        let _ = store;
        StoreIdentity::default()
    }

    /// The store is of this topic from now on; written with what is written next. Emptying it does
    /// not change that.
    fn belongs_to(&mut self, store: usize, topic: &ChangelogTopic) {
        let _ = (store, topic);
    }

    /// What is durable of the store holds all that had been written to its changelog at this time,
    /// or the store holds nothing yet. Makes that durable.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn set_current_at(&mut self, store: usize, time: Timestamp) -> Result<(), StoreError> {
        let _ = (store, time);
        Ok(())
    }

    /// Where the stores are on disk, to be told to people; `None` when they are in memory only.
    fn directory(&self) -> Option<String> {
        None
    }

    /// What the buffers among the stores have done.
    fn buffers(&self) -> Vec<BufferMetrics> {
        Vec::new()
    }

    /// Drops what is staged and cached: the stores are again what the last commit left.
    fn discard(&mut self);

    /// For other threads to read, where the stores are those of the process.
    fn shared(&self) -> Option<Arc<dyn SharedStores>> {
        None
    }
}
