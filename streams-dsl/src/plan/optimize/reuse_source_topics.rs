//! The store of a table that is read from a topic is rebuilt from that topic, without a changelog
//! of its own. Kafka's `reuse.ktable.source.topics`.

use crate::plan::{NodeKind, Plan};

/// Lets the topics of all tables serve as changelogs.
pub(crate) fn reuse_source_topics(plan: &mut Plan) {
    for id in plan.ids() {
        if let NodeKind::TableSource(source) = &plan.node(id).kind {
            let (table, topic) = (source.table, source.topic.clone());
            plan.table_mut(table).reuse_topic(&topic);
        }
    }
}
