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
        for topic in stream.topics.clone() {
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

fn merge(plan: &mut Plan, topic: &TopicName, first: PlanId, second: PlanId) {
    let (Some(one), Some(other)) = (stream_source(plan, first), stream_source(plan, second)) else {
        return;
    };
    let sorted = |source: &StreamSource| {
        let mut topics = source.topics.clone();
        topics.sort();
        topics.dedup();
        topics
    };
    let names = (plan.name_of(first).clone(), plan.name_of(second).clone());
    if sorted(one) != sorted(other) {
        let (topic, (first, second)) = (topic.clone(), names);
        return plan.fault(TopologyError::TopicReadTwice { topic, first, second });
    }
    if one.reset != other.reset {
        return plan.fault(TopologyError::OffsetReset(topic.clone()));
    }
    // Java reads with the first source's serdes and fails on the first record.
    if plan.node(first).forwards != plan.node(second).forwards {
        return plan.fault(TopologyError::TopicTypes(topic.clone()));
    }
    if one.nulls != other.nulls {
        let (topic, (first, second)) = (topic.clone(), names);
        return plan.fault(TopologyError::TopicNulls { topic, first, second });
    }
    let children: Vec<PlanId> = plan.node(second).children.iter().copied().collect();
    for child in children {
        plan.unlink(second, child);
        plan.link(first, child);
    }
    plan.unlink(Plan::ROOT, second);
}
