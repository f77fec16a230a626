//! Records without a key are dropped before a repartition topic, unless a left join below takes
//! them. Always on. Kafka's `rewriteRepartitionNodes`.

use std::collections::BTreeSet;

use crate::plan::{KeyFilter, NodeKind, NullKeys, Plan, PlanId};

/// Lets only records with a key through to repartition topics.
pub(crate) fn drop_null_keys(plan: &mut Plan) {
    let mut open: BTreeSet<PlanId> = BTreeSet::new();
    for id in plan.ids() {
        if plan.node(id).null_keys == NullKeys::Joined {
            open_above(plan, id, &mut open);
        }
    }
    for id in plan.ids() {
        if let NodeKind::Repartition(repartition) = &mut plan.node_mut(id).kind
            && !open.contains(&id)
        {
            repartition.filter = KeyFilter::Keyed;
        }
    }
}

fn open_above(plan: &Plan, id: PlanId, open: &mut BTreeSet<PlanId>) {
    for parent in &plan.node(id).parents {
        if open.insert(*parent) {
            open_above(plan, *parent, open);
        }
    }
}
