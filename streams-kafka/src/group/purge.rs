//! Records of repartition topics are deleted from the brokers once they are processed: nothing else
//! bounds these topics. Answers to Kafka's `repartition.purge.interval.ms`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use streams_core::membership::Moment;
use streams_core::names::{TopicName, TopicPartition};
use streams_core::task::OffsetToCommit;

use super::{Group, Input};

/// When to delete what.
#[derive(Debug)]
pub(super) struct Purge {
    /// The repartition topics.
    topics: BTreeSet<TopicName>,
    interval: Duration,
    /// The next offsets of partitions that were committed, before which nothing was deleted yet.
    committed: BTreeMap<TopicPartition, i64>,
    /// When the next request is due; `None` while one is out.
    next: Option<Moment>,
}

impl Purge {
    /// The first request is due an interval after the start.
    pub(super) fn new(topics: BTreeSet<TopicName>, interval: Duration) -> Self {
        let next = Some(Moment::default().after(interval));
        Self { topics, interval, committed: BTreeMap::new(), next }
    }

    /// Those of the offsets that are of repartition topics.
    pub(super) fn of_these(&self, offsets: &[OffsetToCommit]) -> Vec<(TopicPartition, i64)> {
        let own = offsets.iter().filter(|offset| self.topics.contains(&offset.partition.topic));
        own.map(|offset| (offset.partition.clone(), offset.offset)).collect()
    }

    /// These offsets are committed.
    pub(super) fn committed(&mut self, offsets: Vec<(TopicPartition, i64)>) {
        self.committed.extend(offsets);
    }

    /// Everything before these offsets is to be deleted now, if a request is due.
    fn take_due(&mut self, now: Moment) -> Option<BTreeMap<TopicPartition, i64>> {
        if self.committed.is_empty() || self.next.is_none_or(|next| now < next) {
            return None;
        }
        self.next = None;
        Some(std::mem::take(&mut self.committed))
    }

    /// A request was answered, or given up: what could not be deleted is with the next, even if
    /// nothing is committed until then.
    pub(super) fn answered(&mut self, refused: BTreeMap<TopicPartition, i64>, now: Moment) {
        for (partition, offset) in refused {
            self.committed.entry(partition).or_insert(offset);
        }
        self.next = Some(now.after(self.interval));
    }
}

impl Group {
    pub(super) fn purge_if_due(&mut self) {
        let Some(before) = self.purge.take_due(self.now()) else { return };
        let topics = Arc::clone(self.parts.clients.topics());
        self.ask(move || Input::Purged(topics.delete_before(before)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_of_repartition_topics_is_deleted_each_interval() {
        let partition = |topic: &str| TopicPartition::new(topic, 0);
        let mut purge = Purge::new(["a-repartition".into()].into(), Duration::from_secs(30));
        let at = |seconds| Moment::default().after(Duration::from_secs(seconds));
        let offsets = [("input", 3), ("a-repartition", 5)].map(|(topic, offset)| {
            let (leader_epoch, metadata) = (None, String::new());
            OffsetToCommit { partition: partition(topic), offset, leader_epoch, metadata }
        });
        let own = purge.of_these(&offsets);
        assert_eq!(own, [(partition("a-repartition"), 5)]);
        purge.committed(own);
        assert_eq!(purge.take_due(at(29)), None);
        purge.committed(vec![(partition("a-repartition"), 7)]);
        let due = purge.take_due(at(30)).unwrap();
        assert_eq!(due, BTreeMap::from([(partition("a-repartition"), 7)]));
        purge.committed(vec![(partition("a-repartition"), 9)]);
        assert_eq!(purge.take_due(at(90)), None, "one request at a time");
        purge.answered(BTreeMap::new(), at(90));
        assert_eq!(purge.take_due(at(119)), None);
        assert!(purge.take_due(at(120)).is_some());
        purge.answered(BTreeMap::new(), at(121));
        assert_eq!(purge.take_due(at(200)), None, "nothing was committed since");
    }

    #[test]
    fn what_was_refused_is_deleted_with_what_comes_next() {
        let at = |seconds| Moment::default().after(Duration::from_secs(seconds));
        let partition = |number| TopicPartition::new("a-repartition", number);
        let refused = BTreeMap::from([(partition(0), 5), (partition(1), 6)]);
        let mut purge = Purge::new(["a-repartition".into()].into(), Duration::from_secs(30));
        purge.committed(refused.clone().into_iter().collect());
        assert_eq!(purge.take_due(at(30)), Some(refused.clone()));
        // One was committed again while the request was out.
        purge.committed(vec![(partition(1), 9)]);
        purge.answered(refused, at(40));
        let due = BTreeMap::from([(partition(0), 5), (partition(1), 9)]);
        assert_eq!(purge.take_due(at(70)), Some(due));
    }
}
