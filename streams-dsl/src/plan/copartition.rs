//! Which sources must have equally many partitions, because their records meet in one task.

use indexmap::IndexSet;

use super::{NodeKind, Plan, PlanId};

impl Plan {
    /// What these nodes forward meets in one task; of a join, what comes in. The sources are looked
    /// for when the plan is complete, because the optimiser puts others in their place.
    pub(crate) fn copartition(&mut self, nodes: Vec<PlanId>) {
        self.copartitioned.push(nodes);
    }

    /// By join: the sources whose topics must match.
    pub(super) fn copartitioned_sources(&self) -> Vec<IndexSet<PlanId>> {
        let groups = self.copartitioned.iter().map(|nodes| {
            let mut sources = IndexSet::new();
            let mut seen = IndexSet::new();
            nodes.iter().for_each(|node| self.collect_sources(*node, &mut seen, &mut sources));
            sources
        });
        groups.collect()
    }

    /// The nearest sources from a node upwards, and those of what was joined on the way.
    fn collect_sources(
        &self,
        id: PlanId,
        seen: &mut IndexSet<PlanId>,
        sources: &mut IndexSet<PlanId>,
    ) {
        if !seen.insert(id) {
            return;
        }
        let node = self.node(id);
        match node.kind {
            NodeKind::StreamSource(_)
            | NodeKind::TableSource(_)
            | NodeKind::Repartition(_)
            | NodeKind::TableRepartition(_) => {
                sources.insert(id);
            }
            _ => {
                let above = node.parents.iter().chain(&node.joined_with);
                above.for_each(|above| self.collect_sources(*above, seen, sources));
            }
        }
    }
}
