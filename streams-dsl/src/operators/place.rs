//! Where a node stands, for its failures and its drops.

use std::rc::Rc;

use streams_core::error::{ProcessorError, Pushed, StoreError, TaskError};
use streams_core::metrics::DropReason;
use streams_core::names::NodeName;
use streams_core::processor::{NodeLinks, TaskContext};
use streams_core::record::{Headers, Record};
use streams_core::time::Timestamp;

/// A node's name and task.
pub(super) struct Place {
    name: NodeName,
    task: Rc<TaskContext>,
}

impl Place {
    pub(super) fn of(links: &NodeLinks<'_>) -> Self {
        Self { name: links.name().clone(), task: Rc::clone(links.context()) }
    }

    /// The user's function failed: the processing handler says what becomes of the record.
    #[cold]
    pub(super) fn fail(&self, error: ProcessorError) -> Pushed {
        self.task.settle(&self.name, Err(error))
    }

    /// A store could not be read.
    #[cold]
    pub(super) fn store_failure(&self, error: StoreError) -> Box<TaskError> {
        self.task.store_failure(error)
    }

    /// The partition whose records the task takes.
    pub(super) fn partition(&self) -> i32 {
        self.task.task().partition
    }

    /// A record without the key or value that the operator needs is left out.
    pub(super) fn drop_record(&self, reason: DropReason) -> Pushed {
        self.count_dropped(reason);
        Ok(())
    }

    /// The same, where work is left to do for the record.
    pub(super) fn count_dropped(&self, reason: DropReason) {
        self.task.drop_record(reason);
    }

    /// The node's name.
    pub(super) const fn name(&self) -> &NodeName {
        &self.name
    }

    /// The task.
    pub(super) fn task(&self) -> Rc<TaskContext> {
        Rc::clone(&self.task)
    }

    /// Runs what writes stores for a record of this time and these headers.
    pub(super) fn seen_as<R>(
        &self,
        timestamp: Timestamp,
        headers: &Headers,
        work: impl FnOnce() -> R,
    ) -> R {
        let saved = self.task.turn_to(timestamp, headers);
        let result = work();
        self.task.restore(saved);
        result
    }

    /// Runs what reads and writes stores: they see the time and headers of this record.
    #[inline]
    pub(super) fn with_record<K, V>(
        &self,
        record: Record<K, V>,
        work: impl FnOnce(Record<K, V>, &TaskContext) -> Pushed,
    ) -> Pushed {
        let saved = self.task.turn_to(record.timestamp, &record.headers);
        let result = work(record, &self.task);
        self.task.restore(saved);
        result
    }
}
