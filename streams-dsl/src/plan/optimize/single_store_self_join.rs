//! A join of a stream with itself keeps its records once. Kafka's `single.store.self.join`.

use crate::plan::{NodeKind, Plan, PlanId, SelfJoin};

/// Leaves the other store and the other side out where both sides are below one node.
pub(crate) fn single_store_self_join(plan: &mut Plan) {
    for id in plan.ids() {
        let Some((join, others)) = self_join(plan, id) else { continue };
        let parents: Vec<PlanId> = plan.node(others).parents.iter().copied().collect();
        parents.into_iter().for_each(|parent| plan.unlink(parent, others));
        plan.node_mut(id).kind = NodeKind::SelfJoin(join);
    }
}

/// The join in its shorter form, and the node that it needs no more.
fn self_join(plan: &Plan, id: PlanId) -> Option<(SelfJoin, PlanId)> {
    let node = plan.node(id);
    let NodeKind::StreamJoin(join) = &node.kind else { return None };
    let template = join.with_itself.clone().filter(|_| node.parents.len() == 1)?;
    let (window, store) = (join.this.window, join.this.store.clone());
    Some((SelfJoin { window, store, template }, join.other.window))
}
