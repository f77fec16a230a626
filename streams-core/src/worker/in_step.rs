//! Whether stores are in step with their changelogs: when a task comes, and from then on.
//!
//! The proof that a store is in step is the end of its changelog, asked for at a known time: once
//! the durable position reaches that end, the store holds all that had been written by then. It
//! holds for tasks that run, for standbys and for stores to which nothing has been written for
//! days, and a process that was stopped for long proves nothing by waking up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Worker;
use super::active::{ActiveTask, Phase};
use super::message::{Action, TaskToStart, WorkerError};
use crate::error::{Origin, StoreError, TaskError};
use crate::names::{TaskId, TopicName, TopicPartition};
use crate::store::{ChangelogTopic, Deletions};
use crate::task::Task;
use crate::time::{Moment, Now, Timestamp};

/// How often ends are asked for at most, and at least.
const ASK_INTERVAL_MIN: Duration = Duration::from_secs(1);
const ASK_INTERVAL_MAX: Duration = Duration::from_secs(600);
/// A topic's deletions are kept this many times longer than ends stay unasked.
const ASKS_IN_RETENTION: u32 = 8;

/// The end of a changelog, and when it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EndAt {
    end: i64,
    at: Timestamp,
}

/// What a task's stores have to reach, to be in step with their changelogs.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// By store. One that is not reached yet is replaced by an earlier end only, which another topic
    /// has: a store that lags would never reach a later one.
    next: Vec<Option<EndAt>>,
    /// How often ends are asked for; `None` when nothing is known of the changelogs.
    interval: Option<Duration>,
    /// By input: the last end that was seen. What lies before it was handed to the task.
    seen: Vec<i64>,
}

impl Marks {
    fn follow(&mut self, task: &Task, topics: &BTreeMap<TopicName, ChangelogTopic>) {
        self.next = vec![None; task.store_names().len()];
        let known = task.restored_from().iter().flatten();
        let known = known.filter_map(|from| topics.get(&from.topic));
        self.interval = known.map(|topic| ask_interval(topic.deletions)).min();
    }

    /// The inputs are read again from the last commit.
    pub(super) fn forget_inputs(&mut self) {
        self.seen.clear();
    }

    pub(super) fn saw_end(&mut self, slot: usize, offset: i64) {
        if self.seen.len() <= slot {
            self.seen.resize(slot + 1, 0);
        }
        if let Some(seen) = self.seen.get_mut(slot) {
            *seen = offset;
        }
    }
}

pub(super) fn ask_interval(deletions: Deletions) -> Duration {
    match deletions {
        Deletions::KeptFor(kept) => {
            (kept / ASKS_IN_RETENTION).clamp(ASK_INTERVAL_MIN, ASK_INTERVAL_MAX)
        }
        Deletions::KeptAlways | Deletions::Unknown => ASK_INTERVAL_MAX,
    }
}

/// When ends were asked for, and whether the answer is still to come.
#[derive(Debug, Default)]
pub(super) struct Asked {
    last: Option<Moment>,
    is_under_way: bool,
}

impl Asked {
    /// There are new stores, of which nothing is known.
    pub(super) const fn ask_soon(&mut self) {
        self.last = None;
    }

    pub(super) fn is_due(&self, interval: Duration, now: Moment) -> bool {
        let is_over = |last: Moment| now >= last.after(interval);
        !self.is_under_way && self.last.is_none_or(is_over)
    }

    /// They are asked for now.
    pub(super) const fn asks(&mut self, now: Moment) {
        self.last = Some(now);
        self.is_under_way = true;
    }

    pub(super) const fn answered(&mut self) {
        self.is_under_way = false;
    }
}

/// A store cannot be opened, checked or restored.
pub(super) fn store_failed(task: TaskId, source: StoreError) -> WorkerError {
    let source = Box::new(TaskError::Store { node: None, origin: Origin::Restoration, source });
    WorkerError::Task { task, source }
}

impl ActiveTask {
    /// Empties stores that do not say how far they are: what they hold may be of a reading that was
    /// given up, or of one that could not be undone.
    pub(super) fn drop_unfinished(&mut self) -> Result<(), StoreError> {
        for store in 0..self.task.store_names().len() {
            let is_restored = self.task.restored_from().get(store).is_some_and(Option::is_some);
            if is_restored && self.task.stores().position(store).is_none() {
                self.task.stores_mut().wipe(store)?;
            }
        }
        Ok(())
    }

    /// Empties stores that do not belong to the changelogs that the task is given. Which.
    pub(super) fn admit(
        &mut self,
        to_start: &TaskToStart,
        now: Now,
    ) -> Result<Vec<usize>, StoreError> {
        let topics = &to_start.changelogs;
        self.marks.follow(&self.task, topics);
        let mut emptied = Vec::new();
        for store in 0..self.task.store_names().len() {
            let from = self.task.restored_from().get(store).and_then(Option::as_ref);
            let Some(topic) = from.and_then(|from| topics.get(&from.topic)) else { continue };
            // What a standby has read lies in its store before the store's position says so.
            let has_read = self.phase.reading().iter().any(|read| read.has_read(store));
            let holds_some = has_read || self.task.stores().position(store).is_some();
            let kept = self.task.stores().identity(store);
            let reason = kept.reason_to_rebuild(topic, now.wall).filter(|_| holds_some);
            let stores = self.task.stores_mut();
            if let Some(reason) = reason {
                let directory = stores.directory().unwrap_or_else(|| "memory".to_owned());
                // Where there is no space for that, it stays what it was, and says so.
                stores.wipe(store)?;
                let name = self.task.store_names().get(store);
                let name = name.map(ToString::to_string).unwrap_or_default();
                tracing::warn!(task = %self.id(), store = name, directory, %reason, "the store is rebuilt from the whole changelog");
                emptied.push(store);
            }
            self.task.stores_mut().belongs_to(store, topic);
        }
        Ok(emptied)
    }

    /// The offset before which all of a store's changelog is in the store, on disk.
    fn reached(&self, store: usize, from: &TopicPartition) -> i64 {
        let durable = self.task.stores().position(store).unwrap_or(0);
        let slot = self.task.partitions().iter().position(|input| input == from);
        // Behind the last record of an input may lie markers of transactions, which no commit
        // passes.
        let is_drained = |slot: &usize| {
            matches!(self.phase, Phase::Running)
                && !self.task.needs_commit()
                && self.task.buffered(*slot) == 0
        };
        let seen = slot.filter(is_drained).and_then(|slot| self.marks.seen.get(slot));
        seen.map_or(durable, |seen| durable.max(*seen))
    }

    /// Notes with each store what it has reached since.
    fn pass_marks(&mut self) {
        for store in 0..self.marks.next.len() {
            let mark = self.marks.next.get(store).copied().flatten();
            let from = self.task.restored_from().get(store).and_then(Option::as_ref);
            let (Some(mark), Some(from)) = (mark, from) else { continue };
            if self.reached(store, from) < mark.end {
                continue;
            }
            match self.task.stores_mut().set_current_at(store, mark.at) {
                Ok(()) => {
                    if let Some(next) = self.marks.next.get_mut(store) {
                        *next = None;
                    }
                }
                Err(error) => {
                    tracing::warn!(task = %self.id(), %error, "it could not be kept that a store is in step with its changelog");
                }
            }
        }
    }
}

impl Worker {
    /// Keeps how far stores are in step, and asks for the ends of changelogs from time to time.
    pub(super) fn keep_in_step(&mut self, now: Now) {
        for active in self.tasks.iter_mut().flatten() {
            active.pass_marks();
        }
        let interval = self.active().filter_map(|active| active.marks.interval).min();
        if !interval.is_some_and(|interval| self.ends.is_due(interval, now.moment)) {
            return;
        }
        let known = self.active().filter(|active| active.marks.interval.is_some());
        let mut changelogs: Vec<TopicPartition> =
            known.flat_map(|active| active.task.restored_from()).flatten().cloned().collect();
        changelogs.sort();
        changelogs.dedup();
        if changelogs.is_empty() {
            self.ends.last = Some(now.moment);
        } else {
            self.ends.asks(now.moment);
            self.actions.push_back(Action::FindEnds(changelogs));
        }
    }

    /// Changelogs ended here at a time that is not before `at`.
    pub(super) fn ends_found(&mut self, at: Timestamp, ends: &BTreeMap<TopicPartition, i64>) {
        self.ends.answered();
        for active in self.tasks.iter_mut().flatten() {
            let marks = active.task.restored_from().iter().zip(&mut active.marks.next);
            for (from, mark) in marks {
                let found = from.as_ref().and_then(|from| ends.get(from)).copied();
                let found = found.filter(|end| mark.is_none_or(|mark| *end < mark.end));
                if let Some(end) = found {
                    *mark = Some(EndAt { end, at });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_asked_for_often_enough_to_be_of_use() {
        let of = |millis| ask_interval(Deletions::KeptFor(Duration::from_millis(millis)));
        assert_eq!(of(0), ASK_INTERVAL_MIN);
        assert_eq!(of(80_000), Duration::from_secs(10));
        assert_eq!(of(86_400_000), ASK_INTERVAL_MAX);
        assert_eq!(ask_interval(Deletions::Unknown), ASK_INTERVAL_MAX);
    }

    #[test]
    fn ends_are_asked_for_at_once_then_by_the_interval_and_one_at_a_time() {
        let at = |seconds: u64| Moment::from_millis(seconds * 1000);
        let minute = Duration::from_secs(60);
        let mut asked = Asked::default();
        assert!(asked.is_due(minute, at(1000)));
        asked.last = Some(at(1000));
        assert!(!asked.is_due(minute, at(1059)));
        assert!(asked.is_due(minute, at(1060)));
        asked.is_under_way = true;
        assert!(!asked.is_due(minute, at(2000)));
        asked.is_under_way = false;
        asked.ask_soon();
        assert!(asked.is_due(minute, at(1001)));
    }
}
