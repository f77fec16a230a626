//! What was ever written to the changelogs, and what of it cannot be had any more.
//!
//! A changelog may be cut, deleted, and made again under its name. All that a store may lack then is
//! what it cannot have: rows all of whose records are gone. Of the keys in such a row, nothing up to
//! the highest number that was written is asked for; all that comes later is.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use streams_core::names::{StoreName, TaskId, TopicPartition};
use streams_core::store::StoreIdentity;
use streams_test::KafkaModel;
use streams_test::model::ModelRecord;

use super::app::{App, PARTITIONS, STORES, tallies};
use super::image::{Began, Image, Rows, fold};

/// Key and value of a change.
type Change = (Option<Bytes>, Option<Bytes>);

/// The changelogs of a run.
#[derive(Debug)]
pub(crate) struct Changelogs {
    app: App,
    kafka: KafkaModel,
    /// By task, and by which of the topics that its changelog has been: all changes, by offset.
    written: BTreeMap<(TaskId, u64), Vec<Change>>,
    /// By store: up to which number the records of a key may be missing.
    lost: [BTreeMap<String, u64>; 2],
    spoilt: BTreeSet<TaskId>,
}

fn text(bytes: &Option<Bytes>) -> String {
    String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
}

impl Changelogs {
    pub(crate) fn new(app: &App, kafka: &KafkaModel) -> Self {
        let (app, kafka) = (app.clone(), kafka.clone());
        let (written, lost, spoilt) = Default::default();
        Self { app, kafka, written, lost, spoilt }
    }

    /// Something was written.
    pub(crate) fn add(&mut self, task: TaskId, record: &ModelRecord) {
        let Some(topic) = self.topic(task) else { return };
        let changes = self.written.entry((task, topic)).or_default();
        changes.push((record.key.clone(), record.value.clone()));
    }

    /// Which of the topics of its name a task's changelog is now.
    pub(crate) fn topic(&self, task: TaskId) -> Option<u64> {
        self.kafka.topic_identity(&self.app.changelog(task).topic)
    }

    fn partitions(part: u32) -> impl Iterator<Item = TaskId> {
        (0..PARTITIONS).map(move |partition| TaskId::new(part, partition))
    }

    /// Deletes the first records of a task's changelog.
    pub(crate) fn cut(&mut self, task: TaskId, before: i64) {
        self.lose(task, before);
        let changelog = self.app.changelog(task);
        self.kafka.delete_before(&changelog, before).unwrap();
    }

    /// Deletes the changelog of a store.
    pub(crate) fn delete(&mut self, part: u32) {
        Self::partitions(part).for_each(|task| self.lose(task, i64::MAX));
        let topic = self.app.changelog_topic(STORES[part as usize]);
        self.kafka.delete_topic(&topic).unwrap();
    }

    /// Makes the changelog of a store, with so many partitions.
    pub(crate) fn create(&self, part: u32, partitions: i32) {
        let topic = self.app.changelog_topic(STORES[part as usize]);
        self.kafka.create_topic(topic, partitions, BTreeMap::new()).unwrap();
    }

    /// How many partitions the changelog of a store has, if it exists.
    pub(crate) fn count(&self, part: u32) -> Option<i32> {
        self.kafka.partitions(&self.app.changelog_topic(STORES[part as usize]))
    }

    /// What was written before this offset is gone, and rows with it of which nothing came later.
    fn lose(&mut self, task: TaskId, before: i64) {
        self.spoilt.insert(task);
        let Some(topic) = self.topic(task) else { return };
        let changes = self.written.get(&(task, topic)).map_or(&[][..], Vec::as_slice);
        let gone = usize::try_from(before).unwrap_or(usize::MAX).min(changes.len());
        let (gone, left) = changes.split_at(gone);
        let left: BTreeSet<&Option<Bytes>> = left.iter().map(|(key, _)| key).collect();
        let lost = &mut self.lost[task.subtopology.0 as usize];
        for (_, value) in gone.iter().filter(|(key, _)| !left.contains(key)) {
            for (key, tally) in tallies(&text(value)) {
                let lost = lost.entry(key).or_default();
                *lost = tally.last.max(*lost);
            }
        }
    }

    /// Up to which number the records of a key may be missing in a store.
    pub(crate) fn lost(&self, part: u32, key: &str) -> u64 {
        self.lost[part as usize].get(key).copied().unwrap_or(0)
    }

    /// Whether anything was ever done to a task's changelog.
    pub(crate) fn is_spoilt(&self, task: TaskId) -> bool {
        self.spoilt.contains(&task)
    }

    /// Whether a row is in the changelog of a task still.
    pub(crate) fn has_row(&self, task: TaskId, row: &str) -> bool {
        self.left(task).0.contains_key(row)
    }

    /// What the changelog of a task gives now, and where it ends.
    pub(crate) fn left(&self, task: TaskId) -> (Rows, i64) {
        let changelog: TopicPartition = self.app.changelog(task);
        let Some((_, end)) = self.kafka.offsets(&changelog) else { return (Rows::new(), 0) };
        let records = self.kafka.read(&changelog, 0, usize::MAX).unwrap_or_default();
        (fold(records.iter().map(|record| (&record.key, &record.value))), end)
    }

    /// Whether a store says that it was filled from the changelog that is there now; `None` if it does
    /// not say from which.
    fn is_claimed(&self, task: TaskId, identity: &StoreIdentity) -> Option<bool> {
        let known = self.kafka.changelog_topic(&self.app.changelog(task).topic);
        let id = known.and_then(|known| known.topic_id);
        identity.topic_id.map(|own| id == Some(own))
    }

    /// What a store on disk must hold; `None` of one that will be emptied when it is opened: it is
    /// damaged, or says that it was filled from a topic that is gone.
    pub(crate) fn wanted(
        &self,
        (task, store): (TaskId, &StoreName),
        image: &Image,
    ) -> Result<Option<Rows>, String> {
        let Some(position) = image.position.filter(|_| !image.is_damaged()) else {
            return Ok(None);
        };
        let Began { topic, offset } = image.began;
        let current = self.topic(task);
        if topic != current || current.is_none() {
            return match self.is_claimed(task, &image.identity) {
                Some(true) => Err(format!("{task} {store} holds what its changelog held before")),
                Some(false) | None => Ok(None),
            };
        }
        // What was read of a topic may come to the store when another has taken the topic's place.
        if self.is_claimed(task, &image.identity) == Some(false) {
            return Ok(None);
        }
        let none = Vec::new();
        let changes = topic.and_then(|topic| self.written.get(&(task, topic))).unwrap_or(&none);
        let from = usize::try_from(offset.unwrap_or(0)).unwrap();
        let Some(read) = changes.get(from..usize::try_from(position).unwrap()) else {
            let end = changes.len();
            return Err(format!("{task} {store} is at {position} of {end}, read from {from} on"));
        };
        Ok(Some(fold(read.iter().map(|(key, value)| (key, value)))))
    }
}
