//! Where a worker is, to be read by others while user code has it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::names::{TaskId, TopicPartition};

/// The task and the record that a worker is busy with. Written for every record without a lock;
/// what is read may be the record beside it.
#[derive(Debug)]
pub struct Whereabouts {
    task: AtomicU64,
    slot: AtomicU32,
    offset: AtomicI64,
    /// The inputs of the worker's tasks.
    inputs: Mutex<BTreeMap<TaskId, Vec<TopicPartition>>>,
}

/// No task is being worked on.
const NOWHERE: u64 = u64::MAX;
/// No record is being processed.
const NO_RECORD: i64 = -1;

impl Default for Whereabouts {
    fn default() -> Self {
        Self {
            task: NOWHERE.into(),
            slot: 0.into(),
            offset: NO_RECORD.into(),
            inputs: Mutex::default(),
        }
    }
}

/// What was read of [`Whereabouts`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The task.
    pub task: TaskId,
    /// The record and its offset; none in a punctuation.
    pub record: Option<(TopicPartition, i64)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.record {
            Some((partition, offset)) => {
                let TopicPartition { topic, partition } = partition;
                write!(
                    f,
                    "task {} on topic \"{topic}\", partition {partition}, offset {offset}",
                    self.task
                )
            }
            None => write!(f, "task {} on a punctuation", self.task),
        }
    }
}

impl Whereabouts {
    /// Where the worker is; `None` when it is with no task.
    #[must_use]
    pub fn read(&self) -> Option<Place> {
        let packed = self.task.load(Ordering::Relaxed);
        if packed == NOWHERE {
            return None;
        }
        let [subtopology, partition] = [packed >> 32, packed & u64::from(u32::MAX)]
            .map(|half| u32::try_from(half).unwrap_or(u32::MAX));
        let task = TaskId::new(subtopology, partition.cast_signed());
        let offset = self.offset.load(Ordering::Relaxed);
        let slot = self.slot.load(Ordering::Relaxed) as usize;
        let inputs = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        let partition = inputs.get(&task).and_then(|inputs| inputs.get(slot)).cloned();
        let record = partition.filter(|_| offset != NO_RECORD).map(|one| (one, offset));
        Some(Place { task, record })
    }

    /// The worker has this task.
    pub(crate) fn know(&self, task: TaskId, inputs: &[TopicPartition]) {
        let mut known = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(task, inputs.to_vec());
    }

    /// The worker has it no longer.
    pub(crate) fn forget(&self, task: TaskId) {
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner).remove(&task);
    }

    /// The worker turns to a task.
    pub(crate) fn enter(&self, task: TaskId) {
        let packed = u64::from(task.subtopology.0) << 32;
        let packed = packed | u64::from(task.partition.cast_unsigned());
        self.offset.store(NO_RECORD, Ordering::Relaxed);
        self.task.store(packed, Ordering::Relaxed);
    }

    /// The task turns to a record of this input.
    pub(crate) fn at(&self, slot: usize, offset: i64) {
        self.slot.store(u32::try_from(slot).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.offset.store(offset, Ordering::Relaxed);
    }

    /// The worker leaves the task.
    pub(crate) fn leave(&self) {
        self.task.store(NOWHERE, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_task_and_record() {
        let (place, task) = (Whereabouts::default(), TaskId::new(2, 7));
        assert_eq!(place.read(), None);
        place.know(task, &[TopicPartition::new("clicks", 7), TopicPartition::new("users", 7)]);
        place.enter(task);
        assert_eq!(
            place.read().map(|place| place.to_string()).unwrap(),
            "task 2_7 on a punctuation"
        );
        place.at(1, 42);
        let text = place.read().unwrap().to_string();
        assert_eq!(text, "task 2_7 on topic \"users\", partition 7, offset 42");
        place.leave();
        assert_eq!(place.read(), None);
    }
}
