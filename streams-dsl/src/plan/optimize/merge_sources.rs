//! Streams of the same topics are read once. Always on. Kafka's `mergeDuplicateSourceNodes`.

use std::collections::BTreeMap;

use streams_core::names::TopicName;
use streams_core::topology::TopologyError;

use crate::plan::{NodeKind, Plan, PlanId, StreamSource};

/// Moves what is below a source to the first source of the same topics.
pub(crate) fn merge_sources(plan: &mut Plan) {
    let mut readers: BTreeMap<TopicName, PlanId> = BTreeMap::new();
    let sources: Vec<PlanId> = plan.node(Plan::ROOT).children.iter().copied().collect();
    for source in sources {
        let Some(stream) = stream_source(plan, source) else { continue };
        let mut merged_into = None;
        // As in Kafka, patterns are one if they are written alike. A topic of the same name would
        // match.
        let pattern = stream.pattern.iter().map(|pattern| TopicName::from(pattern.clone()));
        for topic in stream.topics.iter().cloned().chain(pattern).collect::<Vec<_>>() {
            let first = *readers.entry(topic.clone()).or_insert(source);
            if first != source && merged_into != Some(first) {
                merge(plan, &topic, first, source);
                merged_into = Some(first);
            }
        }
    }
}

fn stream_source(plan: &Plan, id: PlanId) -> Option<&StreamSource> {
    match &plan.node(id).kind {
        NodeKind::StreamSource(source) => Some(source),
        _ => None,
    }
}

/// Moves what is below the second source, also when the two do not fit: that is one fault, and
/// others below are found as well. Only what takes other types than the first gives is left out.
fn merge(plan: &mut Plan, topic: &TopicName, first: PlanId, second: PlanId) {
    if let Some(fault) = misfit(plan, topic, first, second) {
        plan.fault(fault);
    }
    if plan.node(first).forwards == plan.node(second).forwards {
        let children: Vec<PlanId> = plan.node(second).children.iter().copied().collect();
        for child in children {
            plan.unlink(second, child);
            plan.link(first, child);
        }
    }
    plan.unlink(Plan::ROOT, second);
}

/// Why one source cannot stand for both.
fn misfit(plan: &Plan, topic: &TopicName, first: PlanId, second: PlanId) -> Option<TopologyError> {
    let (one, other) = (stream_source(plan, first)?, stream_source(plan, second)?);
    let sorted = |source: &StreamSource| {
        let mut topics = source.topics.clone();
        topics.sort();
        topics
    };
    let topic = topic.clone();
    let named = |id| plan.name_of(id).clone();
    if sorted(one) != sorted(other) || one.pattern != other.pattern {
        let (first, second) = (named(first), named(second));
        return Some(TopologyError::TopicReadTwice { topic, first, second });
    }
    if one.reset != other.reset {
        return Some(TopologyError::OffsetReset(topic));
    }
    // DIFFERENCE(one-type-a-topic): in Kafka the serdes of the first count for all, and the first
    // record of another type fails.
    if plan.node(first).forwards != plan.node(second).forwards {
        return Some(TopologyError::TopicTypes(topic));
    }
    if one.nulls != other.nulls {
        let (first, second) = (named(first), named(second));
        return Some(TopologyError::TopicNulls { topic, first, second });
    }
    None
}
