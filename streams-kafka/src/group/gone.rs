//! Topics that are missing, and how long they may be. Those that are deleted while they are read may
//! come back for as long; meanwhile all others are read and committed.
//!
//! DIFFERENCE(deleted-inputs): in Kafka the application fails with the next rebalance.

use std::collections::{BTreeMap, BTreeSet};

use streams_core::membership::Moment;
use streams_core::names::{TopicName, TopicPartition};
use streams_core::task::OffsetToCommit;
use streams_core::topology::PartitionCountError;

use super::{Group, TOPICS_MISSING_MAX, TOPICS_RETRY};
use crate::error::StreamsError;
use crate::topics::{Found, TopicsError};

/// What is known of topics that brokers do not know.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// Since when each is missing.
    since: BTreeMap<TopicName, Moment>,
    /// Those of them that were read, and are looked for.
    missed: BTreeSet<TopicName>,
    /// Those of them that brokers were asked about.
    asked: BTreeSet<TopicName>,
    /// Those that all brokers deny, which was told.
    confirmed: BTreeSet<TopicName>,
    /// Partitions of which only the old topic was read: a position in it means nothing in a new one.
    stale: BTreeSet<TopicPartition>,
    /// When those that are missed are looked for.
    look_at: Moment,
}

impl Gone {
    /// When to look for those that are missed.
    pub(super) fn due(&self) -> Option<Moment> {
        (!self.missed.is_empty()).then_some(self.look_at)
    }

    /// These topics are missing. One that has been for too long, if there is one.
    pub(super) fn too_long(
        &mut self,
        missing: &BTreeSet<TopicName>,
        now: Moment,
    ) -> Option<TopicName> {
        let mut since = |topic: &TopicName| *self.since.entry(topic.clone()).or_insert(now);
        let (since, topic) = missing.iter().map(|topic| (since(topic), topic)).min()?;
        (now.since(since) >= TOPICS_MISSING_MAX).then(|| topic.clone())
    }

    /// All topics are there, but for those that are missed.
    pub(super) fn none_missing(&mut self) {
        self.since.retain(|topic, _| self.missed.contains(topic));
    }

    /// Brokers are asked about topics. What they say of one that is missed only later, may be of
    /// before.
    pub(super) fn asked(&mut self) {
        self.asked = self.missed.clone();
    }

    /// A task begins anew with these inputs.
    pub(super) fn begun(&mut self, inputs: &[TopicPartition]) {
        for input in inputs {
            self.stale.remove(input);
        }
    }

    /// The offsets that may be committed.
    pub(super) fn without_stale(&self, mut offsets: Vec<OffsetToCommit>) -> Vec<OffsetToCommit> {
        offsets.retain(|offset| !self.stale.contains(&offset.partition));
        offsets
    }

    fn forget(&mut self, topic: &TopicName) {
        self.since.remove(topic);
        self.missed.remove(topic);
        self.confirmed.remove(topic);
    }
}

impl Group {
    /// Consumers or the coordinator do not know these topics any more: they are looked for at once.
    pub(super) fn miss(&mut self, topics: BTreeSet<TopicName>) {
        let now = self.now();
        for topic in topics {
            if self.gone.missed.insert(topic.clone()) {
                self.gone.stale.extend(self.inputs_seen.partitions_of(&topic).cloned());
                self.gone.since.entry(topic).or_insert(now);
                self.gone.look_at = now;
            }
        }
    }

    /// What brokers say of topics that are missed: those that are back are read anew, and those that
    /// stay away end the application after a while.
    pub(super) fn follow_missed(
        &mut self,
        found: Result<Found, TopicsError>,
    ) -> Result<Result<Found, TopicsError>, StreamsError> {
        let asked = std::mem::take(&mut self.gone.asked);
        if self.gone.missed.is_empty() {
            return Ok(found);
        }
        let now = self.now();
        self.gone.look_at = now.after(TOPICS_RETRY);
        let missing = match &found {
            Ok(found) => self.still_missing(found, asked),
            Err(TopicsError::Partitions(errors)) => missing_of(errors),
            Err(_) => return Ok(found),
        };
        self.miss(missing.clone());
        for topic in &missing {
            if self.gone.confirmed.insert(topic.clone()) {
                let seconds = TOPICS_MISSING_MAX.as_secs();
                tracing::warn!(%topic, "a topic that is read does not exist any more; create it again within {seconds} s, or the application ends");
            }
        }
        let Some(topic) = self.gone.too_long(&missing, now) else { return Ok(found) };
        self.gone.since.clear();
        self.gone.missed.clear();
        Err(StreamsError::Topics(found.err().unwrap_or(TopicsError::InternalGone { topic })))
    }

    /// Forgets those that are back, or not wanted any more, and says which are not.
    fn still_missing(&mut self, found: &Found, asked: BTreeSet<TopicName>) -> BTreeSet<TopicName> {
        let internal = self.parts.topology.internal_topic_names(&self.parts.names);
        let (back, away): (BTreeSet<_>, BTreeSet<_>) =
            asked.into_iter().partition(|topic| found.exists(topic));
        let (missing, unwanted): (BTreeSet<_>, BTreeSet<_>) =
            away.into_iter().partition(|topic| internal.contains(topic));
        let was_denied = back.iter().any(|topic| self.gone.confirmed.contains(topic));
        back.iter().chain(&unwanted).for_each(|topic| self.gone.forget(topic));
        if !back.is_empty() {
            let now = self.now();
            let told = format!("topics that were missed exist, and are read anew: {back:?}");
            if self.complaints.is_due(&told, now) {
                tracing::warn!("{told}");
            }
            // What was missed of them by now, was so before.
            let missed = self.parts.clients.take_missed();
            self.miss(missed.difference(&back).cloned().collect());
            self.roster.reopen(&self.inputs_seen.tasks_of(&back));
            if was_denied {
                // They may have other partitions than before, which the leader is to see.
                self.membership.rejoin(now);
            }
        }
        missing
    }
}

pub(super) fn missing_of(errors: &[PartitionCountError]) -> BTreeSet<TopicName> {
    let missing = errors.iter().filter_map(|error| match error {
        PartitionCountError::MissingTopic(topic) => Some(topic.clone()),
        _ => None,
    });
    missing.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use streams_core::membership::Generation;

    use super::*;
    use crate::group::testing::Idle;
    use crate::topics::found;

    fn missing<T>() -> Result<T, TopicsError> {
        Err(TopicsError::Partitions(vec![PartitionCountError::MissingTopic("in".into())]))
    }

    fn begin(group: &mut Group) {
        let task = streams_core::names::TaskId::new(0, 0);
        group.inputs_seen.begun(task, &[TopicPartition::new("in", 0)]);
    }

    fn offsets() -> Vec<OffsetToCommit> {
        let one = |topic| OffsetToCommit {
            partition: TopicPartition::new(topic, 0),
            offset: 7,
            leader_epoch: None,
            metadata: String::new(),
        };
        ["in", "other"].map(one).into()
    }

    /// Of the topics whose offsets are committed.
    fn committed(group: &Group) -> Vec<String> {
        let offsets = group.gone.without_stale(offsets()).into_iter();
        offsets.map(|offset| offset.partition.topic.to_string()).collect()
    }

    /// So much later.
    fn wait(group: &mut Group, time: Duration) {
        group.started -= time;
    }

    #[test]
    fn a_topic_that_is_missed_is_looked_for_at_once_and_its_offsets_are_not_committed() {
        let mut idle = Idle::new("missed");
        let group = &mut idle.group;
        begin(group);
        assert_eq!((group.look_due(), committed(group)), (None, vec!["in".into(), "other".into()]));
        group.miss(["in".into()].into());
        assert!(group.look_due().is_some_and(|due| due <= group.now()));
        assert_eq!(committed(group), ["other"]);
    }

    #[test]
    fn a_topic_that_stays_away_is_an_error_after_a_minute() {
        let mut idle = Idle::new("away");
        let group = &mut idle.group;
        group.miss(["in".into()].into());
        group.gone.asked();
        group.topics_seen(missing()).unwrap();
        assert!(group.look_due().is_some_and(|due| due > group.now()), "it is looked for again");
        wait(group, TOPICS_MISSING_MAX);
        let error = group.topics_seen(missing()).unwrap_err();
        let text = error.chain();
        assert!(text.contains("\"in\" does not exist; create it"), "{text}");
    }

    #[test]
    fn a_topic_that_is_missed_while_it_is_waited_for_has_its_minute_once() {
        let mut idle = Idle::new("waited");
        let group = &mut idle.group;
        let generation = Generation(1);
        group.topics_prepared(generation, Err(TopicsError::Ask("away".to_owned()))).unwrap();
        wait(group, TOPICS_MISSING_MAX);
        // Nothing was known of it while the brokers were away.
        group.topics_prepared(generation, missing()).unwrap();
        assert_eq!(group.look_due(), None, "it was not read");
        wait(group, TOPICS_MISSING_MAX / 2);
        group.miss(["in".into()].into());
        group.gone.asked();
        group.topics_seen(missing()).unwrap();
        wait(group, TOPICS_MISSING_MAX / 2);
        assert!(group.topics_prepared(generation, missing()).is_err());
        assert!(group.topics_seen(missing()).is_err());
    }

    #[test]
    fn an_internal_topic_that_stays_away_is_an_error_that_says_what_is_lost() {
        let mut idle = Idle::counting("away-internal");
        let group = &mut idle.group;
        let topic = group.parts.topology.internal_topics(&group.parts.names)[0].name.clone();
        group.miss([topic.clone()].into());
        group.gone.asked();
        let seen = |group: &Group| Ok(found(&group.parts.topology, &group.parts.names, &["in"]));
        group.topics_seen(seen(group)).unwrap();
        wait(group, TOPICS_MISSING_MAX);
        group.gone.asked();
        let text = group.topics_seen(seen(group)).unwrap_err().chain();
        for said in [topic.as_str(), "is lost", "restart the application"] {
            assert!(text.contains(said), "{said} is not in: {text}");
        }
    }

    #[test]
    fn offsets_are_not_committed_of_a_topic_that_is_found_missing_beside_another() {
        let mut idle = Idle::new("beside");
        let group = &mut idle.group;
        begin(group);
        group.miss(["other".into()].into());
        group.gone.asked();
        group.topics_seen(missing()).unwrap();
        assert_eq!(committed(group), ["other"]);
    }

    #[test]
    fn a_topic_that_is_back_is_committed_once_its_tasks_begin_anew() {
        let mut idle = Idle::new("back");
        let group = &mut idle.group;
        begin(group);
        group.miss(["in".into()].into());
        let seen = |group: &Group| Ok(found(&group.parts.topology, &group.parts.names, &["in"]));
        // Of before it was missed.
        group.topics_seen(seen(group)).unwrap();
        assert!(group.look_due().is_some(), "it is looked for");
        group.gone.asked();
        group.topics_seen(seen(group)).unwrap();
        assert_eq!((group.look_due(), committed(group)), (None, vec!["other".into()]));
        group.gone.begun(&[TopicPartition::new("in", 0)]);
        assert_eq!(committed(group), ["in", "other"]);
    }
}
