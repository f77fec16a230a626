//! Streams that are seen as wider than what their node forwards. That adds no node, so what is said
//! of the wider stream holds for the node.

use std::any::TypeId;

use super::{Channel, NodeKind, Plan, PlanId};

/// One way in which streams are seen as wider. Both types are of key and value, as a pair.
pub(crate) struct Widening {
    pub(crate) wider: TypeId,
    pub(crate) narrower: TypeId,
    /// The channel of the wider type, as one that gives the narrower type: what it takes is of that
    /// type and fits the wider one.
    pub(crate) narrow: fn(&Channel) -> Option<Channel>,
}

impl Plan {
    pub(crate) fn widen(&mut self, widening: Widening) {
        let same =
            |known: &Widening| (known.wider, known.narrower) == (widening.wider, widening.narrower);
        if !self.widenings.iter().any(same) {
            self.widenings.push(widening);
        }
    }

    /// The channel as one that gives these types, if its own types are those, or are what a stream
    /// of those types was seen as.
    pub(super) fn narrowed(&self, channel: &Channel, types: TypeId) -> Option<Channel> {
        if channel.types == types {
            return Some(channel.clone());
        }
        // Each step takes an `Option` away, so it ends.
        let steps = self.widenings.iter().filter(|widening| widening.wider == channel.types);
        steps.filter_map(|step| (step.narrow)(channel)).find_map(|next| self.narrowed(&next, types))
    }

    /// Whether a repartition node does for this channel too. If it is the wider one, it becomes as
    /// narrow: both are of one node's records.
    pub(super) fn carries(&mut self, node: PlanId, channel: &Channel) -> bool {
        if self.narrowed(channel, self.node(node).forwards).is_some() {
            return true;
        }
        let NodeKind::Repartition(known) = &self.node(node).kind else { return false };
        let Some(narrower) = self.narrowed(&known.channel, channel.types) else { return false };
        let node = self.node_mut(node);
        node.forwards = narrower.types;
        if let NodeKind::Repartition(known) = &mut node.kind {
            known.channel = narrower;
        }
        true
    }
}
