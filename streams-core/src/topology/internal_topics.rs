//! Names and settings of the topics that Millstream makes: repartition topics and changelogs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::{RepartitionCount, Topology};
use crate::names::{ApplicationId, StoreName, TopicName};
use crate::store::{Logging, StoreKind};

/// What an internal topic is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InternalTopicKind {
    /// Carries records to the task of their new key.
    Repartition(RepartitionCount),
    /// Keeps the changes of this store; as many partitions as its sub-topology has tasks.
    Changelog(StoreName),
}

/// A topic that Millstream makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalTopic {
    /// Its name in Kafka, with prefix.
    pub name: TopicName,
    /// What it is for.
    pub kind: InternalTopicKind,
    defaults: BTreeMap<String, String>,
    /// Those of the operator.
    given: BTreeMap<String, String>,
    kept: Kept,
}

/// How long records have to be kept at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// The last one of each key, for ever.
    Last,
    /// As long as a store keeps its windows.
    Windows(Duration),
    /// Also those before the last one of their key, as long as a store keeps its versions.
    Versions(Duration),
}

/// What clocks may differ by, added to how long versions are kept.
const VERSIONS_LAG_EXTRA: Duration = Duration::from_secs(24 * 60 * 60);

impl InternalTopic {
    /// Its settings, under Kafka's names: `general` ones (`topic.*`) go over the defaults, those of
    /// the operator over both. The changelog of a store that expires keeps records for
    /// `additional_retention` longer than the store, unless the operator sets `retention.ms`; that
    /// of a versioned store a day longer, unless it sets `min.compaction.lag.ms`.
    #[must_use]
    pub fn settings(
        &self,
        general: &BTreeMap<String, String>,
        additional_retention: Duration,
    ) -> BTreeMap<String, String> {
        let mut settings = self.defaults.clone();
        settings.extend(general.clone());
        settings.extend(self.given.clone());
        let least = match self.kept {
            Kept::Last => None,
            Kept::Windows(kept) => Some((RETENTION, kept.saturating_add(additional_retention))),
            Kept::Versions(kept) => Some((LAG, kept.saturating_add(VERSIONS_LAG_EXTRA))),
        };
        if let Some((setting, least)) = least
            && !self.given.contains_key(setting)
        {
            let least = i64::try_from(least.as_millis()).unwrap_or(i64::MAX);
            settings.insert(setting.to_owned(), least.to_string());
        }
        settings
    }
}

const RETENTION: &str = "retention.ms";
const LAG: &str = "min.compaction.lag.ms";

/// Gives internal topics their names in Kafka.
#[derive(Debug, Clone)]
pub struct TopicNames {
    prefix: String,
}

impl fmt::Display for TopicNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)
    }
}

impl TopicNames {
    /// Internal topics of this application.
    #[must_use]
    pub fn new(application: &ApplicationId) -> Self {
        Self { prefix: application.as_str().to_owned() }
    }

    /// Internal topics of this prefix (`__internal.override.topic.prefix__`).
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The changelog of a store.
    #[must_use]
    pub fn changelog(&self, store: &StoreName) -> TopicName {
        format!("{}-{store}-changelog", self.prefix).into()
    }

    /// A topic as Kafka knows it: internal ones get the prefix.
    #[must_use]
    pub fn in_kafka(&self, topology: &Topology, topic: &TopicName) -> TopicName {
        if topology.is_repartition_topic(topic) {
            format!("{}-{topic}", self.prefix).into()
        } else {
            topic.clone()
        }
    }
}

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Topology {
    /// All topics that Millstream makes for this topology.
    #[must_use]
    pub fn internal_topics(&self, names: &TopicNames) -> Vec<InternalTopic> {
        let repartition =
            self.parts().repartition_topics.iter().map(|(topic, count)| InternalTopic {
                name: names.in_kafka(self, topic),
                kind: InternalTopicKind::Repartition(*count),
                defaults: settings(&[
                    ("cleanup.policy", "delete"),
                    ("message.timestamp.type", "CreateTime"),
                    (RETENTION, "-1"),
                    ("segment.bytes", "52428800"),
                ]),
                given: BTreeMap::new(),
                kept: Kept::Last,
            });
        let changelogs = self.stores().filter_map(|spec| {
            let Logging::On(given) = spec.logging() else { return None };
            let kept = match (spec.kind(), spec.retention()) {
                (_, None) => Kept::Last,
                (StoreKind::Versioned(_), Some(kept)) => Kept::Versions(kept),
                (_, Some(kept)) => Kept::Windows(kept),
            };
            let policy = match kept {
                Kept::Windows(_) => "compact,delete",
                Kept::Last | Kept::Versions(_) => "compact",
            };
            let defaults =
                settings(&[("cleanup.policy", policy), ("message.timestamp.type", "CreateTime")]);
            let (name, given) = (names.changelog(spec.name()), given.clone());
            let kind = InternalTopicKind::Changelog(spec.name().clone());
            Some(InternalTopic { name, kind, defaults, given, kept })
        });
        repartition.chain(changelogs).collect()
    }

    /// What the topics that Millstream makes for this topology are called in Kafka. A topic of the
    /// program's own is none of them, whatever its name, and also where it serves a store as changelog.
    ///
    /// ```
    /// # mod declared { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/declared.in")); }
    /// # use declared::{forward, key_value, texts};
    /// # use streams_core::topology::{TopicNames, TopologyBuilder};
    /// # let mut builder = TopologyBuilder::new();
    /// let words = builder.source("words", ["words", "app-old-changelog"], texts());
    /// let count = builder.processor("count", &[words], forward);
    /// builder.store(key_value("counts"), [count.id()]);
    ///
    /// let names = TopicNames::new(&"app".into());
    /// let internal = builder.build()?.internal_topic_names(&names);
    /// assert_eq!(internal, ["app-counts-changelog".into()].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn internal_topic_names(&self, names: &TopicNames) -> BTreeSet<TopicName> {
        self.internal_topics(names).into_iter().map(|topic| topic.name).collect()
    }
}
