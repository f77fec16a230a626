//! Records without a key are dropped before a repartition topic: no operator below takes them.
//! Always on. Kafka's `rewriteRepartitionNodes`.

use crate::plan::{KeyFilter, NodeKind, Plan};

/// Lets only records with a key through to repartition topics.
pub(crate) fn drop_null_keys(plan: &mut Plan) {
    for id in plan.ids() {
        if let NodeKind::Repartition(repartition) = &mut plan.node_mut(id).kind {
            repartition.filter = KeyFilter::Keyed;
        }
    }
}
