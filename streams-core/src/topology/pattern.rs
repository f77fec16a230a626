//! Topics by a pattern of their names: Kafka's `stream(Pattern)`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use regex::Regex;

use super::{NodeKind, TopicNames, Topology, graph};
use crate::names::{NodeName, TopicName};

/// Kafka's own topics, which no pattern matches.
const KAFKAS_OWN: [&str; 3] = ["__consumer_offsets", "__share_group_state", "__transaction_state"];

/// A regular expression that the whole name of a topic has to match. Two are equal if they are
/// written alike.
///
/// DIFFERENCE(pattern-syntax): the expressions are those of the crate `regex`, not Java's: there is
/// no look-around and no back-reference, and every match takes time in proportion to the name.
///
/// ```
/// use streams_core::topology::TopicPattern;
///
/// let pattern = TopicPattern::new("orders-.*")?;
/// assert!(pattern.matches(&"orders-eu".into()));
/// assert!(!pattern.matches(&"old-orders-eu".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TopicPattern {
    text: Arc<str>,
    regex: Regex,
}

/// A pattern that is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl TopicPattern {
    /// The pattern of this text.
    ///
    /// # Errors
    /// [`PatternError`] if it is no regular expression, or one of a kind that is not available.
    pub fn new(text: impl Into<String>) -> Result<Self, PatternError> {
        let text = text.into();
        let wrong = |error: regex::Error| PatternError(error.to_string());
        // By itself first, so that the error shows what was written.
        Regex::new(&text).map_err(wrong)?;
        let regex = Regex::new(&format!(r"\A(?:{text})\z")).map_err(wrong)?;
        Ok(Self { text: text.into(), regex })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this topic is one of those. Kafka's own never are.
    #[must_use]
    pub fn matches(&self, topic: &TopicName) -> bool {
        !KAFKAS_OWN.contains(&topic.as_str()) && self.regex.is_match(topic.as_str())
    }
}

impl PartialEq for TopicPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TopicPattern {}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicPattern").field(&self.text).finish()
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A topic matches the patterns of two sources.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "topic \"{topic}\" matches the patterns of two sources, \"{first}\" and \"{second}\"; narrow one of them"
)]
pub struct PatternConflict {
    /// The topic.
    pub topic: TopicName,
    /// One source.
    pub first: NodeName,
    /// The other.
    pub second: NodeName,
}

impl Topology {
    /// Whether there is a source that reads the topics of a pattern.
    #[must_use]
    pub fn has_patterns(&self) -> bool {
        let is_pattern =
            |kind: &NodeKind| matches!(kind, NodeKind::Source { pattern: Some(_), .. });
        self.parts().nodes.iter().any(|node| is_pattern(&node.kind))
    }

    /// Whether tasks read anything: a topology may consist of global stores alone.
    #[must_use]
    pub fn has_tasks(&self) -> bool {
        self.has_patterns()
            || self.subtopologies().iter().any(|part| !part.source_topics.is_empty())
    }

    /// The topics that tasks read, by their names in Kafka: repartition topics, and of patterns those
    /// that [`matching`](Self::matching) found.
    #[must_use]
    pub fn source_topics(&self, names: &TopicNames) -> BTreeSet<TopicName> {
        let topics = self.subtopologies().iter().flat_map(|part| &part.source_topics);
        topics.map(|topic| names.in_kafka(self, topic)).collect()
    }

    /// The same topology, whose patterns stand for those of `existing` topics that match them.
    ///
    /// DIFFERENCE(pattern-internal): in Kafka a pattern matches the application's own changelogs and
    /// repartition topics as well, and so its own output. Here it does not.
    ///
    /// # Errors
    /// [`PatternConflict`] if two patterns match a topic.
    pub fn matching<'t>(
        &self,
        names: &TopicNames,
        existing: impl IntoIterator<Item = &'t TopicName>,
    ) -> Result<Self, PatternConflict> {
        if !self.has_patterns() {
            return Ok(self.clone());
        }
        let internal = self.internal_topic_names(names);
        let existing: BTreeSet<&TopicName> =
            existing.into_iter().filter(|topic| !internal.contains(*topic)).collect();
        let mut parts = self.parts().clone();
        let mut readers: BTreeMap<&TopicName, NodeName> = BTreeMap::new();
        for node in &mut parts.nodes {
            let NodeKind::Source { topics, pattern: Some(pattern), .. } = &mut node.kind else {
                continue;
            };
            topics.clear();
            for topic in existing.iter().copied().filter(|topic| pattern.matches(topic)) {
                if let Some(first) = readers.insert(topic, node.name.clone()) {
                    let (topic, second) = (topic.clone(), node.name.clone());
                    return Err(PatternConflict { topic, first, second });
                }
                topics.push(topic.clone());
            }
        }
        for part in &mut parts.subtopologies {
            part.source_topics = graph::source_topics(&parts.nodes, &part.nodes);
        }
        Ok(Self(Arc::new(parts)))
    }

    /// The topics of sources that must have equally many partitions.
    pub(super) fn copartitioned_topics(&self) -> impl Iterator<Item = Vec<TopicName>> {
        let nodes = &self.parts().nodes;
        let topics_of = |id: &super::NodeId| match nodes.get(id.at).map(|node| &node.kind) {
            Some(NodeKind::Source { topics, .. }) => topics.clone(),
            _ => Vec::new(),
        };
        let groups = self.parts().copartitioned.iter();
        let groups = groups.map(move |group| group.iter().flat_map(topics_of).collect());
        groups.filter(|topics: &Vec<TopicName>| topics.len() > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::{Nulls, Source, TimestampExtractor};
    use crate::serde::DefaultSerde;
    use crate::topology::{PartitionCounts, TopologyBuilder, TopologyError};

    fn source() -> Source<String, String> {
        Source {
            key: String::serde(),
            value: String::serde(),
            timestamps: TimestampExtractor::FailOnInvalid,
            nulls: Nulls::Fail,
        }
    }

    fn names() -> TopicNames {
        TopicNames::with_prefix("app")
    }

    fn topics(names: &[&str]) -> Vec<TopicName> {
        names.iter().map(|name| TopicName::from(*name)).collect()
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        let matches =
            |pattern: &str, topic: &str| TopicPattern::new(pattern).unwrap().matches(&topic.into());
        assert!(matches("a|b-.*", "a") && matches("a|b-.*", "b-1") && matches("a.", "ab"));
        assert!(!matches("a|b-.*", "a-1") && !matches("a|b-.*", "xb-1") && !matches("a", "ab"));
        assert!(matches("(?i)ORDERS", "orders"));
        assert!(matches(".*", "__mine") && !matches(".*", "__consumer_offsets"));
    }

    #[test]
    fn what_is_no_expression_is_shown_with_its_place() {
        let error = TopicPattern::new("a(b").unwrap_err().to_string();
        assert!(error.contains("a(b") && error.contains("unclosed group"), "{error}");
        let error = TopicPattern::new("(?=a)").unwrap_err().to_string();
        assert!(error.contains("look-around"), "{error}");
        let mut builder = TopologyBuilder::new();
        builder.source_matching("source", "a(b", source());
        let [TopologyError::Pattern { node, .. }] = &builder.build().unwrap_err().0[..] else {
            panic!()
        };
        assert_eq!(node.as_str(), "source");
    }

    #[test]
    fn a_pattern_stands_for_what_exists() {
        let mut builder = TopologyBuilder::new();
        builder.source_matching("orders", "orders-.*", source());
        builder.source("clicks", ["clicks"], source());
        let topology = builder.build().unwrap();
        assert!(topology.has_patterns());
        assert_eq!(topology.source_topics(&names()), ["clicks".into()].into());
        let existing = topics(&["orders-eu", "orders", "orders-us", "app-orders-x-changelog"]);
        let found = topology.matching(&names(), &existing).unwrap();
        assert_eq!(found.subtopologies()[0].source_topics, topics(&["orders-eu", "orders-us"]));
        assert_eq!(found.describe(), topology.describe(), "it is described by its pattern");
        assert!(found.describe().to_string().contains("Source: orders (topics: orders-.*)"));
        let counts = PartitionCounts::derive(&found, |topic| {
            Some(if topic.as_str() == "orders-us" { 3 } else { 2 })
        });
        let counts = counts.unwrap();
        assert_eq!(found.subtopologies().iter().map(|part| counts.tasks(part)).sum::<i32>(), 5);
        let fewer = found.matching(&names(), &topics(&["orders-us"])).unwrap();
        assert_eq!(fewer.subtopologies()[0].source_topics, topics(&["orders-us"]));
    }

    #[test]
    fn a_topic_has_one_source() {
        let mut builder = TopologyBuilder::new();
        builder.source_matching("by pattern", "click.*", source());
        builder.source("by name", ["clicks"], source());
        let faults = builder.build().unwrap_err().0;
        assert!(matches!(&faults[..], [TopologyError::TopicReadTwice { .. }]), "{faults:?}");
        let mut builder = TopologyBuilder::new();
        builder.source_matching("one", "a.*", source());
        builder.source_matching("other", ".*b", source());
        let topology = builder.build().unwrap();
        topology.matching(&names(), &topics(&["aa", "bb"])).unwrap();
        let error = topology.matching(&names(), &topics(&["ab"])).unwrap_err().to_string();
        assert!(error.contains("\"ab\"") && error.contains("\"one\""), "{error}");
    }
}
