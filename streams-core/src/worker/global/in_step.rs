//! Whether global stores are in step with their topics, as `worker/in_step.rs` has it of the stores
//! of tasks: the end of a topic at a known time is proof once all before it is on disk.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{GlobalAction, GlobalWorker, Stage};
use crate::names::{TopicName, TopicPartition};
use crate::store::ChangelogTopic;
use crate::time::{Now, Timestamp};
use crate::worker::in_step::{Asked, ask_interval};

/// Where all inputs of a store ended, and when that was asked for.
#[derive(Debug)]
struct Mark {
    at: Timestamp,
    ends: Vec<(usize, i64)>,
}

/// What the stores have to reach.
#[derive(Debug, Default)]
pub(super) struct InStep {
    /// How often ends are asked for; `None` when nothing is known of the topics.
    interval: Option<Duration>,
    asked: Asked,
    /// By number of the store. A mark that is not reached yet stays: a store that lags would never
    /// reach a later one.
    marks: BTreeMap<usize, Mark>,
}

impl InStep {
    pub(super) fn of(topics: &BTreeMap<TopicName, ChangelogTopic>) -> Self {
        let intervals = topics.values().map(|topic| ask_interval(topic.deletions));
        Self { interval: intervals.min(), ..Self::default() }
    }
}

impl GlobalWorker {
    /// Keeps how far stores are in step, and asks for the ends of their topics from time to time.
    pub(super) fn keep_in_step(&mut self, now: Now) {
        if self.stage != Stage::Serving {
            return;
        }
        self.pass_marks();
        let interval = self.in_step.interval;
        if !interval.is_some_and(|interval| self.in_step.asked.is_due(interval, now.moment)) {
            return;
        }
        self.in_step.asked.asks(now.moment);
        let partitions = self.inputs.iter().map(|input| input.progress.partition.clone());
        self.actions.push_back(GlobalAction::FindEnds(partitions.collect()));
    }

    /// The partitions ended here at a time that is not before `at`: the answer to
    /// [`GlobalAction::FindEnds`], without those that nobody knows.
    pub fn ends_found(&mut self, at: Timestamp, ends: &BTreeMap<TopicPartition, i64>) {
        self.in_step.asked.answered();
        let mut marks: BTreeMap<usize, Option<Mark>> = BTreeMap::new();
        for (slot, input) in self.inputs.iter().enumerate() {
            let mark = marks.entry(input.store).or_insert(Some(Mark { at, ends: Vec::new() }));
            match (ends.get(&input.progress.partition), &mut *mark) {
                (Some(end), Some(mark)) => mark.ends.push((slot, *end)),
                _ => *mark = None,
            }
        }
        for (store, mark) in marks {
            if let Some(mark) = mark {
                self.in_step.marks.entry(store).or_insert(mark);
            }
        }
    }

    /// Notes with each store what it has reached since.
    fn pass_marks(&mut self) {
        let inputs = &self.inputs;
        let reaches = |(slot, end): &(usize, i64)| {
            let durable = inputs.get(*slot).and_then(|input| input.committed);
            durable.unwrap_or(0) >= *end
        };
        let passed = self.in_step.marks.extract_if(.., |_, mark| mark.ends.iter().all(reaches));
        for (store, Mark { at, .. }) in passed.collect::<Vec<_>>() {
            if let Err(error) = self.task.stores_mut().set_current_at(store, at) {
                tracing::warn!(%error, "it could not be kept that a global store is in step with its topic");
            }
        }
    }
}
