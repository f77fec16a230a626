//! Keyed operators below one change of the key share one repartition topic, put right below that
//! change. Kafka's `merge.repartition.topics`.

use indexmap::{IndexMap, IndexSet};

use crate::plan::{KeyFilter, Naming, NodeKind, Plan, PlanId, Repartition, RepartitionOrigin};

/// Puts one repartition in the place of several.
pub(crate) fn merge_repartition_topics(plan: &mut Plan) {
    hand_on_to_merges(plan);
    for (above, repartitions) in std::mem::take(&mut plan.rekeyed) {
        let types = plan.node(above).forwards;
        let fits = |id: &PlanId| {
            repartition(plan, *id)
                .is_some_and(|below| plan.narrowed(&below.channel, types).is_some())
        };
        // DIFFERENCE(typed-merge): a `process` in between may have changed the types without the
        // optimiser's knowledge. Java moves the repartition above it all the same and fails on the
        // first record.
        let repartitions: IndexSet<PlanId> = repartitions.into_iter().filter(fits).collect();
        if let Some(first) = repartitions.first() {
            replace(plan, above, *first, &repartitions);
        }
    }
}

fn repartition(plan: &Plan, id: PlanId) -> Option<&Repartition> {
    match &plan.node(id).kind {
        NodeKind::Repartition(repartition) => Some(repartition),
        _ => None,
    }
}

/// The node from `start` upwards that is right below `above`.
fn child_on_the_way(plan: &Plan, start: PlanId, above: PlanId) -> Option<PlanId> {
    plan.find_above(start, &|id| plan.node(id).parents.contains(&above))
}

/// Where streams of changed keys are merged and only then repartitioned, the merge is what the
/// repartitions have in common.
fn hand_on_to_merges(plan: &mut Plan) {
    let mut of_merges: IndexMap<PlanId, IndexSet<PlanId>> = IndexMap::new();
    for merge in &plan.merges {
        let is_below = |id: &PlanId| child_on_the_way(plan, *id, *merge).is_some();
        let changers = plan.rekeyed.iter().filter(|(changer, repartitions)| {
            repartitions.iter().all(is_below) && child_on_the_way(plan, *merge, **changer).is_some()
        });
        of_merges.insert(*merge, changers.map(|(changer, _)| *changer).collect());
    }
    for (merge, changers) in &of_merges {
        let below = changers.iter().filter_map(|changer| plan.rekeyed.get(changer));
        let below: IndexSet<PlanId> = below.flatten().copied().collect();
        plan.rekeyed.insert(*merge, below);
    }
    for changer in of_merges.values().flatten() {
        plan.rekeyed.shift_remove(changer);
    }
}

fn replace(plan: &mut Plan, above: PlanId, first: PlanId, repartitions: &IndexSet<PlanId>) {
    let Some(pattern) = repartition(plan, first) else { return };
    // Records travel as what is above forwards them, as whatever they are seen below.
    let types = plan.node(above).forwards;
    let Some(channel) = plan.narrowed(&pattern.channel, types) else { return };
    let topic = pattern.names.topic.clone();
    // Whose the name is was noted before.
    let names = plan.names.repartition(&topic, Naming::Given);
    let origin = RepartitionOrigin::Operator;
    let filter = KeyFilter::All;
    let one = plan.insert_repartition(Repartition { names, channel, origin, filter });
    // Written right after what it is below, before all that is below itself.
    plan.node_mut(one).priority = plan.node(above).priority;
    for replaced in repartitions {
        if let Some(child) = child_on_the_way(plan, *replaced, above) {
            plan.link(one, child);
            plan.unlink(above, child);
        }
        let parents: Vec<PlanId> = plan.node(*replaced).parents.iter().copied().collect();
        let children: Vec<PlanId> = plan.node(*replaced).children.iter().copied().collect();
        for child in &children {
            parents.iter().for_each(|parent| plan.link(*parent, *child));
        }
        parents.iter().for_each(|parent| plan.unlink(*parent, *replaced));
        children.iter().for_each(|child| plan.unlink(*replaced, *child));
    }
    plan.link(above, one);
}
