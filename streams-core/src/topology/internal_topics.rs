//! Names and settings of the topics that Millstream makes: repartition topics and changelogs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{RepartitionCount, Topology};
use crate::names::{ApplicationId, StoreName, TopicName};
use crate::store::Logging;

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
    /// How long its store keeps a row, for one that expires.
    retention: Option<Duration>,
}

impl InternalTopic {
    /// Its settings, under Kafka's names: `general` ones (`topic.*`) go over the defaults, those of
    /// the operator over both. The changelog of a store that expires keeps records for
    /// `additional_retention` longer than the store, unless the operator sets `retention.ms`.
    #[must_use]
    pub fn settings(
        &self,
        general: &BTreeMap<String, String>,
        additional_retention: Duration,
    ) -> BTreeMap<String, String> {
        let mut settings = self.defaults.clone();
        settings.extend(general.clone());
        settings.extend(self.given.clone());
        if let Some(retention) = self.retention
            && !self.given.contains_key(RETENTION)
        {
            let kept = retention.saturating_add(additional_retention).as_millis();
            let kept = i64::try_from(kept).unwrap_or(i64::MAX);
            settings.insert(RETENTION.to_owned(), kept.to_string());
        }
        settings
    }
}

const RETENTION: &str = "retention.ms";

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
                retention: None,
            });
        let changelogs = self.stores().filter_map(|spec| {
            let Logging::On(given) = spec.logging() else { return None };
            let retention = spec.retention();
            let policy = if retention.is_some() { "compact,delete" } else { "compact" };
            let defaults =
                settings(&[("cleanup.policy", policy), ("message.timestamp.type", "CreateTime")]);
            let (name, given) = (names.changelog(spec.name()), given.clone());
            let kind = InternalTopicKind::Changelog(spec.name().clone());
            Some(InternalTopic { name, kind, defaults, given, retention })
        });
        repartition.chain(changelogs).collect()
    }
}
