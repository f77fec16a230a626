//! Whether what a store holds is still the beginning of the changelog that it is to follow.
//!
//! A position alone does not say so: the topic may have been deleted and made again, the address
//! may lead to another cluster, and a compacted topic forgets that a key was deleted. So a store
//! keeps beside its position whose position it is, and of when.
//!
//! DIFFERENCE(store-identity): Kafka Streams trusts the offsets beside a store, and bounds its age
//! only by `state.cleanup.delay.ms`, while its process runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::membership::TopicId;
use crate::time::Timestamp;

/// How long a topic keeps the records that delete a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deletions {
    /// Nobody could say. Stores are then trusted whatever their age, as Kafka Streams does.
    #[default]
    Unknown,
    /// As long as other records: the topic is not compacted.
    KeptAlways,
    /// At least so long: `delete.retention.ms` of a compacted topic.
    KeptFor(Duration),
}

impl Deletions {
    /// What the topic's settings `cleanup.policy` and `delete.retention.ms` mean.
    ///
    /// ```
    /// use std::time::Duration;
    /// use streams_core::store::Deletions;
    ///
    /// let read = |policy| Deletions::from_settings(Some(policy), Some("60000"));
    /// assert_eq!(read("compact,delete"), Deletions::KeptFor(Duration::from_secs(60)));
    /// assert_eq!(read("delete"), Deletions::KeptAlways);
    /// assert_eq!(Deletions::from_settings(None, Some("60000")), Deletions::Unknown);
    /// ```
    #[must_use]
    pub fn from_settings(cleanup_policy: Option<&str>, delete_retention_ms: Option<&str>) -> Self {
        let Some(policy) = cleanup_policy else { return Self::Unknown };
        if !policy.split(',').any(|part| part.trim() == "compact") {
            return Self::KeptAlways;
        }
        let millis = delete_retention_ms.and_then(|millis| millis.trim().parse().ok());
        millis.map_or(Self::Unknown, |millis| Self::KeptFor(Duration::from_millis(millis)))
    }
}

/// A topic that stores are restored from, as far as its cluster tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangelogTopic {
    /// The id of the Kafka cluster.
    pub cluster_id: Option<Arc<str>>,
    /// The id of the topic.
    pub topic_id: Option<TopicId>,
    /// How long it remembers that a key was deleted.
    pub deletions: Deletions,
}

/// Whose position a store's position is, and of when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreIdentity {
    /// The Kafka cluster that the changelog is in, where known.
    pub cluster_id: Option<Arc<str>>,
    /// The id of the changelog topic, where known.
    pub topic_id: Option<TopicId>,
    /// The store holds all that had been written to the changelog at this time, or nothing that was
    /// compacted away before it. So no record that deletes one of its rows can be missing from the
    /// rest of the changelog until `delete.retention.ms` later. `None` when never known.
    pub current_at: Option<Timestamp>,
}

/// Why a store is rebuilt from the beginning of its changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RebuildReason {
    /// It was written from another cluster.
    OtherCluster {
        /// Of the store.
        kept: Arc<str>,
        /// Of the topic.
        found: Arc<str>,
    },
    /// The topic was deleted, and made again.
    OtherTopic {
        /// Of the store.
        kept: TopicId,
        /// Of the topic.
        found: TopicId,
    },
    /// Nothing was known of the topic when the store was filled, so it may have been another one.
    UnknownTopic {
        /// Of the topic.
        found: TopicId,
    },
    /// The changelog may have forgotten deletions that the store has not seen.
    TooOld {
        /// When the store was current last.
        current_at: Timestamp,
        /// How long the changelog keeps deletions.
        kept_for: Duration,
    },
    /// It is not known since when deletions are missing from the store.
    NoTime {
        /// How long the changelog keeps deletions.
        kept_for: Duration,
    },
}

fn hex(id: TopicId) -> String {
    format!("{:032x}", u128::from_be_bytes(id.0))
}

impl fmt::Display for RebuildReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherCluster { kept, found } => write!(
                f,
                "it was written from the cluster \"{kept}\", and the changelog is in \"{found}\""
            ),
            Self::OtherTopic { kept, found } => write!(
                f,
                "its changelog was deleted and made again: the topic's id was {}, and is {}",
                hex(*kept),
                hex(*found)
            ),
            Self::UnknownTopic { found } => write!(
                f,
                "it does not say which topic it was filled from, and its changelog has the id {}",
                hex(*found)
            ),
            Self::TooOld { current_at, kept_for } => write!(
                f,
                "it was in step with its changelog at {current_at} last (milliseconds since 1970), and the changelog forgets deletions after {} ms (delete.retention.ms)",
                kept_for.as_millis()
            ),
            Self::NoTime { kept_for } => write!(
                f,
                "it does not say when it was in step with its changelog, which forgets deletions after {} ms (delete.retention.ms)",
                kept_for.as_millis()
            ),
        }
    }
}

impl StoreIdentity {
    /// Why a store of this identity, which holds a part of a changelog, cannot go on from there.
    /// `None` when it can. What is not known of a cluster differs from nothing, and so does a topic
    /// without an id; a store that does not know its topic may be of one that was deleted.
    ///
    /// A clock that was set back shows a time that is still to come. It is as far from now as one
    /// that has gone by, and is judged alike: a small correction costs nothing, and a clock that is
    /// wrong by more than `delete.retention.ms` proves nothing.
    #[must_use]
    pub fn reason_to_rebuild(
        &self,
        found: &ChangelogTopic,
        now: Timestamp,
    ) -> Option<RebuildReason> {
        if let (Some(kept), Some(found)) = (&self.cluster_id, &found.cluster_id)
            && kept != found
        {
            return Some(RebuildReason::OtherCluster { kept: kept.clone(), found: found.clone() });
        }
        match (self.topic_id, found.topic_id) {
            (None, Some(found)) => return Some(RebuildReason::UnknownTopic { found }),
            (Some(kept), Some(found)) if kept != found => {
                return Some(RebuildReason::OtherTopic { kept, found });
            }
            _ => {}
        }
        let Deletions::KeptFor(kept_for) = found.deletions else { return None };
        let Some(current_at) = self.current_at else {
            return Some(RebuildReason::NoTime { kept_for });
        };
        let distance = now.since(current_at).max(current_at.since(now));
        (distance > kept_for).then_some(RebuildReason::TooOld { current_at, kept_for })
    }

    /// The same store from now on, of this topic. What is not known of the topic stays.
    pub fn belongs_to(&mut self, topic: &ChangelogTopic) {
        if let Some(cluster) = &topic.cluster_id {
            self.cluster_id = Some(cluster.clone());
        }
        self.topic_id = topic.topic_id.or(self.topic_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;
    const NOW: i64 = 1_000 * DAY_MS;

    fn kept(cluster: Option<&str>, topic: Option<u8>, age_ms: Option<i64>) -> StoreIdentity {
        StoreIdentity {
            cluster_id: cluster.map(Into::into),
            topic_id: topic.map(|id| TopicId([id; 16])),
            current_at: age_ms.map(|age| Timestamp::from_millis(NOW - age)),
        }
    }

    fn found(cluster: Option<&str>, topic: Option<u8>, deletions: Deletions) -> ChangelogTopic {
        let topic_id = topic.map(|id| TopicId([id; 16]));
        ChangelogTopic { cluster_id: cluster.map(Into::into), topic_id, deletions }
    }

    fn verdict(kept: &StoreIdentity, found: &ChangelogTopic) -> &'static str {
        match kept.reason_to_rebuild(found, Timestamp::from_millis(NOW)) {
            None => "keep",
            Some(RebuildReason::OtherCluster { .. }) => "cluster",
            Some(RebuildReason::OtherTopic { .. }) => "topic",
            Some(RebuildReason::UnknownTopic { .. }) => "unknown",
            Some(RebuildReason::TooOld { .. }) => "age",
            Some(RebuildReason::NoTime { .. }) => "no time",
        }
    }

    #[test]
    fn another_id_is_another_changelog_and_a_store_without_one_may_be_of_another() {
        let day = Deletions::KeptFor(Duration::from_secs(86_400));
        let here = found(Some("c"), Some(1), day);
        let nobody = found(None, None, day);
        for (store, topic, expected) in [
            (kept(Some("c"), Some(1), Some(0)), &here, "keep"),
            (kept(Some("d"), Some(1), Some(0)), &here, "cluster"),
            (kept(Some("c"), Some(2), Some(0)), &here, "topic"),
            (kept(Some("d"), Some(2), Some(0)), &here, "cluster"),
            (kept(None, Some(1), Some(0)), &here, "keep"),
            (kept(None, None, Some(0)), &here, "unknown"),
            (kept(None, None, Some(0)), &nobody, "keep"),
            (kept(None, Some(2), Some(0)), &here, "topic"),
            (kept(Some("d"), Some(2), Some(0)), &nobody, "keep"),
        ] {
            assert_eq!(verdict(&store, topic), expected, "{store:?} {topic:?}");
        }
    }

    #[test]
    fn a_store_is_too_old_once_deletions_may_be_forgotten() {
        let day = Deletions::KeptFor(Duration::from_secs(86_400));
        for (age, deletions, expected) in [
            (Some(0), day, "keep"),
            (Some(DAY_MS), day, "keep"),
            (Some(DAY_MS + 1), day, "age"),
            (None, day, "no time"),
            (Some(-1), day, "keep"),
            (Some(-DAY_MS), day, "keep"),
            (Some(-DAY_MS - 1), day, "age"),
            (Some(100 * DAY_MS), Deletions::KeptAlways, "keep"),
            (None, Deletions::KeptAlways, "keep"),
            (Some(100 * DAY_MS), Deletions::Unknown, "keep"),
            (None, Deletions::Unknown, "keep"),
        ] {
            let store = kept(None, None, age);
            assert_eq!(verdict(&store, &found(None, None, deletions)), expected, "{age:?}");
        }
    }

    #[test]
    fn settings_of_a_topic_tell_how_long_deletions_are_kept() {
        let day = Deletions::KeptFor(Duration::from_secs(86_400));
        for (policy, retention, expected) in [
            (Some("compact"), Some("86400000"), day),
            (Some("delete, compact"), Some("86400000"), day),
            (Some("compact"), None, Deletions::Unknown),
            (Some("compact"), Some("?"), Deletions::Unknown),
            (Some("delete"), None, Deletions::KeptAlways),
            (None, Some("86400000"), Deletions::Unknown),
        ] {
            assert_eq!(Deletions::from_settings(policy, retention), expected, "{policy:?}");
        }
    }

    #[test]
    fn what_is_not_known_of_a_topic_stays_as_it_was() {
        let mut store = kept(Some("c"), Some(1), Some(0));
        store.belongs_to(&found(None, None, Deletions::Unknown));
        assert_eq!(store, kept(Some("c"), Some(1), Some(0)));
        store.belongs_to(&found(Some("d"), Some(2), Deletions::Unknown));
        assert_eq!(store, kept(Some("d"), Some(2), Some(0)));
    }

    #[test]
    fn reasons_say_what_differed() {
        let reason = RebuildReason::OtherTopic { kept: TopicId([1; 16]), found: TopicId([2; 16]) };
        let text = reason.to_string();
        assert!(text.contains(&"01".repeat(16)) && text.contains(&"02".repeat(16)), "{text}");
        let (current_at, kept_for) = (Timestamp::from_millis(5), Duration::from_millis(7));
        let text = RebuildReason::TooOld { current_at, kept_for }.to_string();
        assert!(text.contains("at 5 last") && text.contains("7 ms"), "{text}");
    }
}
