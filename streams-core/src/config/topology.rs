//! Settings that shape the topology and its internal topics.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::names::TopicPrefix;
use super::reader::Reader;

/// An optimisation of `topology.optimization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Optimization {
    /// `reuse.ktable.source.topics`: a table's source topic serves as its changelog.
    ReuseKTableSourceTopics,
    /// `merge.repartition.topics`: operators on one re-keyed stream share a repartition topic.
    MergeRepartitionTopics,
    /// `single.store.self.join`: a stream joined with itself keeps one store.
    SingleStoreSelfJoin,
}

impl Optimization {
    pub(crate) const RULE: &str = "'none', 'all', or a list of 'reuse.ktable.source.topics', 'merge.repartition.topics' and 'single.store.self.join'";

    const ALL: [(&str, Self); 3] = [
        ("reuse.ktable.source.topics", Self::ReuseKTableSourceTopics),
        ("merge.repartition.topics", Self::MergeRepartitionTopics),
        ("single.store.self.join", Self::SingleStoreSelfJoin),
    ];

    pub(crate) fn parse_set(text: &str) -> Option<BTreeSet<Self>> {
        let named = |word: &str| Self::ALL.iter().find(|(name, _)| *name == word).map(|at| at.1);
        match text {
            "none" => Some(BTreeSet::new()),
            "all" => Some(Self::ALL.iter().map(|at| at.1).collect()),
            list => list.split(',').map(|word| named(word.trim())).collect(),
        }
    }

    pub(crate) fn write_set(set: &BTreeSet<Self>) -> String {
        if set.is_empty() {
            return "none".to_owned();
        }
        let chosen = Self::ALL.iter().filter(|(_, it)| set.contains(it));
        chosen.map(|(name, _)| *name).collect::<Vec<_>>().join(",")
    }
}

/// Settings that shape the topology.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopologySettings {
    /// `topology.optimization`, empty by default.
    pub optimizations: BTreeSet<Optimization>,
    /// `ensure.explicit.internal.resource.naming`: whether a generated name of an internal topic or
    /// store is an error; no by default.
    pub ensure_explicit_naming: bool,
    /// Least time between two looks for outer-join records without partner, 1 s by default.
    pub outer_join_emit_interval: Duration,
    /// Least time between two looks for closed windows, 1 s by default.
    pub windowed_emit_interval: Duration,
}

impl TopologySettings {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            optimizations: reader
                .text("topology.optimization")
                .and_then(|text| Optimization::parse_set(&text))
                .unwrap_or_default(),
            ensure_explicit_naming: reader.whole("ensure.explicit.internal.resource.naming"),
            outer_join_emit_interval: reader
                .millis("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__"),
            windowed_emit_interval: reader
                .millis("__emit.interval.ms.kstreams.windowed.aggregation__"),
        }
    }
}

/// Replicas of an internal topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicationFactor {
    /// -1, the default: what the broker gives.
    BrokerDefault,
    /// So many.
    Replicas(u16),
}

/// How internal topics are made and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InternalTopicSettings {
    /// `replication.factor`, the broker's by default.
    pub replication_factor: ReplicationFactor,
    /// `topic.*`: settings of internal topics, over the defaults and under those of an operator.
    pub settings: BTreeMap<&'static str, String>,
    /// `windowstore.changelog.additional.retention.ms`: added to a window's retention, a day by
    /// default.
    pub additional_retention: Duration,
    /// `repartition.purge.interval.ms`: how often processed records are deleted, 30 s by default.
    pub repartition_purge_interval: Duration,
    /// `__internal.override.topic.prefix__`: in place of the application id; none by default.
    pub prefix: Option<TopicPrefix>,
}

impl InternalTopicSettings {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let mut settings = BTreeMap::new();
        for (name, setting) in &reader.settings.topics {
            let value = setting.value.expose().to_owned();
            reader.explain(&setting.written, value.clone(), setting.origin.clone());
            settings.insert(*name, value);
        }
        Self {
            replication_factor: match u16::try_from(reader.whole::<i32>("replication.factor")) {
                Ok(replicas) => ReplicationFactor::Replicas(replicas),
                Err(_) => ReplicationFactor::BrokerDefault,
            },
            settings,
            additional_retention: reader.millis("windowstore.changelog.additional.retention.ms"),
            repartition_purge_interval: reader.millis("repartition.purge.interval.ms"),
            prefix: reader.parsed("__internal.override.topic.prefix__"),
        }
    }
}
