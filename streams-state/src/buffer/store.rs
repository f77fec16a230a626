//! One buffer of a task, as bytes: its rows, its changelog, and its part of the process's memory.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use streams_core::error::StoreError;
use streams_core::metrics::{BufferCounts, BufferMetrics};
use streams_core::names::{NodeName, StoreName, TopicPartition};
use streams_core::processor::TaskContext;
use streams_core::record::{Headers, RawRecord};
use streams_core::time::Timestamp;

use super::dirty::DirtyKeys;
use super::record::{self, Context, Logged, Source, VERSION, VERSION_HEADER};
use super::row::{Row, RowContext, RowValues, key_of, read, read_without_headers};
use super::rows::{BufferRows, TimedRow};
use crate::layer::changelog::{Changelog, LogFormat, LoggedHeaders, LoggedTimes, RowFormat};
use crate::staging::{BudgetSpent, BufferShare, OverlayBudget};
use crate::view::Base;

/// What the records of a buffer's changelog are made of.
pub(crate) const BUFFER_LOG: LogFormat = LogFormat {
    rows: RowFormat::Plain,
    headers: LoggedHeaders::None,
    times: LoggedTimes::OfProducer,
};

/// The memory of the buffer is told to the process's budget when it changed by this much.
const REPORT_BYTES: usize = 16 << 10;

/// What a buffer is opened with.
pub(crate) struct BufferParts {
    pub(crate) name: StoreName,
    pub(crate) context: Rc<TaskContext>,
    pub(crate) changelog: Option<Changelog>,
    pub(crate) restored_from: Option<TopicPartition>,
}

/// See the module.
pub(crate) struct BufferStore {
    parts: BufferParts,
    rows: RefCell<BufferRows>,
    dirty: RefCell<DirtyKeys>,
    share: BufferShare,
    reported: Cell<usize>,
    /// UTF-16 units of the topics that rows come from, by the number of the partition.
    topic_units: RefCell<Vec<Option<usize>>>,
    bytes: Cell<Vec<u8>>,
    is_open: Cell<bool>,
    version: Headers,
    /// The operator whose updates wait.
    node: OnceCell<NodeName>,
    counts: Cell<BufferCounts>,
}

impl std::fmt::Debug for BufferStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BufferStore").field("name", &self.parts.name).finish_non_exhaustive()
    }
}

impl Base for Rc<BufferStore> {
    fn name(&self) -> &StoreName {
        &self.parts.name
    }
}

impl BufferStore {
    pub(crate) const fn name(&self) -> &StoreName {
        &self.parts.name
    }

    pub(crate) fn new(parts: BufferParts, budget: &Arc<OverlayBudget>) -> Self {
        let mut version = Headers::new();
        version.add(VERSION_HEADER, Some(Bytes::from_static(&[VERSION])));
        Self {
            parts,
            rows: RefCell::default(),
            dirty: RefCell::default(),
            share: OverlayBudget::buffer_share(budget),
            reported: Cell::new(0),
            topic_units: RefCell::default(),
            bytes: Cell::default(),
            is_open: Cell::new(true),
            version,
            node: OnceCell::new(),
            counts: Cell::default(),
        }
    }

    pub(super) fn check_open(&self) -> Result<(), StoreError> {
        if self.is_open.get() { Ok(()) } else { Err(StoreError::Closed(self.parts.name.clone())) }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.borrow().len()
    }

    pub(super) fn counted_bytes(&self) -> usize {
        self.rows.borrow().counted_bytes()
    }

    /// Bytes allowed to all buffers of the process, once they are taken.
    pub(super) fn spent_budget(&self) -> Option<usize> {
        self.share.check_room(0).err().map(|BudgetSpent { bytes_max }| bytes_max)
    }

    /// Bytes kept for changes since the last commit, times four: as they are beside the rows
    /// themselves, they shall take less than what other stores may stage, before a commit is due.
    pub(crate) fn staged_bytes(&self) -> usize {
        4 * self.change_bytes()
    }

    fn change_bytes(&self) -> usize {
        self.rows.borrow().undo_bytes() + self.dirty.borrow().bytes()
    }

    /// Adds an update with the context of the record being processed, or puts it in the place of the
    /// one that waits under its key.
    pub(super) fn put(
        &self,
        time: i64,
        key: &[u8],
        (old, new): (Option<&[u8]>, Option<&[u8]>),
    ) -> Result<(), StoreError> {
        self.check_open()?;
        let task = &self.parts.context;
        let context = RowContext {
            timestamp: task.timestamp().millis(),
            origin: task.place(),
            headers: task.headers(),
        };
        let mut bytes = self.bytes.take();
        bytes.clear();
        let mut rows = self.rows.borrow_mut();
        let waiting = rows.get(key).map(|(time, row)| read_without_headers(time, row));
        let (time, prior) = match &waiting {
            Some(waiting) => (waiting.time, waiting.values.prior),
            None => (time, old),
        };
        let row = Row { time, key, values: RowValues { prior, old, new }, context };
        row.write(row.counted(self.topic_units(&row.context)), &mut bytes);
        rows.put(time, &bytes);
        drop(rows);
        self.bytes.set(bytes);
        self.changed(key);
        Ok(())
    }

    /// Shows `with` the first row.
    pub(super) fn first<R>(
        &self,
        with: impl FnOnce(Option<TimedRow<'_>>) -> R,
    ) -> Result<R, StoreError> {
        self.check_open()?;
        Ok(with(self.rows.borrow_mut().first()))
    }

    /// Shows `with` the row of a key.
    pub(super) fn get<R>(
        &self,
        key: &[u8],
        with: impl FnOnce(Option<TimedRow<'_>>) -> R,
    ) -> Result<R, StoreError> {
        self.check_open()?;
        Ok(with(self.rows.borrow().get(key)))
    }

    pub(super) fn remove_first(&self) -> Result<(), StoreError> {
        self.check_open()?;
        let mut rows = self.rows.borrow_mut();
        let mut key = self.bytes.take();
        key.clear();
        key.extend_from_slice(rows.first().map(|(_, row)| key_of(row)).unwrap_or_default());
        rows.remove_first();
        drop(rows);
        self.changed(&key);
        self.bytes.set(key);
        Ok(())
    }

    /// The context of the record being processed.
    pub(super) fn task(&self) -> &TaskContext {
        &self.parts.context
    }

    /// Whose updates wait. An operator that is made anew has the name that it had.
    pub(super) fn counts_for(&self, node: &NodeName) {
        self.node.get_or_init(|| node.clone());
    }

    /// An update went on.
    pub(super) fn count_emitted(&self) {
        let mut counts = self.counts.get();
        counts.emitted_total += 1;
        self.counts.set(counts);
    }

    fn look(&self) {
        let mut counts = self.counts.get();
        counts.look(self.len(), self.counted_bytes());
        self.counts.set(counts);
    }

    /// What the buffer has done; `None` while no operator uses it.
    pub(crate) fn metrics(&self) -> Option<BufferMetrics> {
        let node = self.node.get()?.clone();
        Some(BufferMetrics { store: self.parts.name.clone(), node, counts: self.counts.get() })
    }

    fn changed(&self, key: &[u8]) {
        self.look();
        self.log_again(key);
        self.report(REPORT_BYTES);
    }

    /// What the buffer holds of a key is sent with the next changes.
    pub(crate) fn log_again(&self, key: &[u8]) {
        if self.parts.changelog.is_some() {
            self.dirty.borrow_mut().add(key);
        }
    }

    /// Tells the budget what the buffer takes, if that changed by so much.
    fn report(&self, step: usize) {
        let bytes = self.rows.borrow().memory_bytes() + self.change_bytes();
        if bytes.abs_diff(self.reported.get()) >= step {
            self.reported.set(bytes);
            self.share.report(bytes);
        }
    }

    fn topic_units(&self, context: &RowContext) -> usize {
        let Some((number, _)) = context.origin else { return 0 };
        let (mut known, at) = (self.topic_units.borrow_mut(), number as usize);
        if let Some(Some(units)) = known.get(at) {
            return *units;
        }
        let topic = self.parts.context.numbered(number).map(|partition| partition.topic);
        let units = topic.map_or(0, |topic| topic.as_str().encode_utf16().count());
        if known.len() <= at {
            known.resize(at + 1, None);
        }
        known[at] = Some(units);
        units
    }

    /// Sends the rows that changed since the last time, and deletes those that are gone.
    pub(super) fn log_changes(&self) -> Result<(), StoreError> {
        let Some(changelog) = &self.parts.changelog else { return Ok(()) };
        let (mut value, none) = (self.bytes.take(), Headers::new());
        let sent = self.dirty.borrow_mut().drain(|key| {
            value.clear();
            let rows = self.rows.borrow();
            let row = rows.get(key).map(|(time, row)| self.write(&read(time, row), &mut value));
            let (value, headers) = match row {
                Some(()) => (Some(&*value), &self.version),
                None => (None, &none),
            };
            let activity = self.parts.context.activity();
            changelog.send_record((key, value), Timestamp::UNKNOWN, headers, activity)
        });
        let store = || self.parts.name.clone();
        sent.map_err(|source| StoreError::Changelog { store: store(), source })?;
        self.bytes.set(value);
        self.report(REPORT_BYTES);
        Ok(())
    }

    fn write(&self, row: &Row<'_>, out: &mut Vec<u8>) {
        let partition =
            row.context.origin.and_then(|(number, _)| self.parts.context.numbered(number));
        let source = partition.as_ref().map(|partition| Source {
            topic: partition.topic.as_str(),
            partition: partition.partition,
        });
        record::write(row, source, out);
    }

    /// Takes over a record of the changelog.
    pub(crate) fn restore(&self, key: &[u8], record: &RawRecord<'_>) -> Result<(), StoreError> {
        let mut rows = self.rows.borrow_mut();
        let Some(value) = record.value else {
            rows.restore_deleted(key);
            return Ok(());
        };
        let from = self.parts.restored_from.as_ref();
        let source = Source {
            topic: from.map_or("", |from| from.topic.as_str()),
            partition: from.map_or(-1, |from| from.partition),
        };
        let version = record.headers.last(VERSION_HEADER);
        let logged = Logged {
            key,
            value,
            version: version.map(|header| header.value.as_deref().unwrap_or_default()),
            context: Context {
                source,
                offset: record.offset,
                timestamp: record.timestamp.millis(),
                headers: record.headers.clone(),
            },
        };
        let waiting = rows.get(key).map(|(time, row)| read_without_headers(time, row));
        let prior = waiting.as_ref().and_then(|waiting| waiting.values.prior);
        let task = &self.parts.context;
        let number = |source: Source<'_>| task.number_of(source.topic, source.partition);
        let row = record::read(logged, prior, number).map_err(|problem| {
            let (store, offset) = (self.parts.name.clone(), record.offset);
            StoreError::ChangelogRecord { store, offset, problem }
        })?;
        let time = waiting.as_ref().map_or(row.time, |waiting| waiting.time);
        let row = Row { time, ..row };
        let mut bytes = Vec::new();
        row.write(row.counted(self.topic_units(&row.context)), &mut bytes);
        rows.restore(time, &bytes);
        drop(rows);
        self.look();
        self.report(REPORT_BYTES);
        Ok(())
    }

    /// What was done up to now is committed.
    pub(crate) fn committed(&self) {
        self.rows.borrow_mut().committed();
        self.dirty.borrow_mut().committed();
        self.report(0);
    }

    /// Goes back to the last commit.
    pub(crate) fn discard(&self) {
        self.rows.borrow_mut().discard();
        self.dirty.borrow_mut().discard();
        self.report(0);
    }

    /// Empties the buffer, to be rebuilt.
    pub(crate) fn clear(&self) {
        self.rows.borrow_mut().clear();
        *self.dirty.borrow_mut() = DirtyKeys::default();
        self.report(0);
    }

    /// Ends the buffer with its task.
    pub(crate) fn close(&self) {
        self.is_open.set(false);
        self.clear();
    }
}
