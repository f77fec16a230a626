//! The logical plan: what a program asked for, before it becomes a topology.
//!
//! Nodes are added in the order of the program and written to the topology in the order of their
//! priority, as Kafka does: generated names, sub-topologies and tasks follow from both.

mod copartition;
mod grouping;
mod lower;
mod names;
mod node;
mod optimize;
mod table;
mod widening;

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};

use indexmap::{IndexMap, IndexSet};
use streams_core::config::Optimization;
use streams_core::names::{NodeName, StoreName};
use streams_core::topology::{Topology, TopologyError, TopologyErrors};

use self::grouping::Grouping;
pub(crate) use self::grouping::{CogroupId, StreamGrouping, TableGrouping};
pub(crate) use self::names::{Names, Naming};
pub(crate) use self::node::{
    Channel, Effect, GlobalStore, InternalSink, JoinSide, Keeper, KeyFilter, LogicalNode, NodeKind,
    NullKeys, PlanId, Processing, Repartition, RepartitionOrigin, SelfJoin, Sinking, StreamJoin,
    StreamSide, StreamSource, TableChannel, TableJoin, TableRepartition, TableSource, TableWriter,
};
pub(crate) use self::table::{
    ComputeRows, Demand, Input, MakeTable, Presence, Table, TableId, TableSettings,
};
pub(crate) use self::widening::Widening;
use crate::global_table::GlobalTableId;
use crate::window::KeyWindows;

/// The plan of one builder.
pub(crate) struct Plan {
    pub(crate) names: Names,
    nodes: Vec<LogicalNode>,
    tables: Vec<Table>,
    grouped_streams: Vec<Grouping<Channel>>,
    grouped_tables: Vec<Grouping<TableChannel>>,
    /// The repartition nodes of streams that are aggregated together.
    cogroups: Vec<BTreeMap<StreamGrouping, PlanId>>,
    /// Nodes whose sources must have equally many partitions.
    copartitioned: Vec<Vec<PlanId>>,
    /// The stores of global tables.
    global_stores: Vec<StoreName>,
    /// The repartition node that the joins of a stream share, by the stream's node.
    repartitioned_for_joins: BTreeMap<PlanId, PlanId>,
    /// How many priorities were given.
    priorities: usize,
    /// Nodes that change the key, with the repartition nodes below that could become one.
    rekeyed: IndexMap<PlanId, IndexSet<PlanId>>,
    merges: IndexSet<PlanId>,
    /// As what streams are seen that are not of their nodes' types.
    widenings: Vec<Widening>,
    faults: Vec<TopologyError>,
}

/// Whether what a stream carries stands in other partitions than its keys ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Partitioning {
    /// Keys are where they belong.
    ByKey,
    /// The key was changed since the records were read: keyed operators repartition first.
    Stale,
}

impl Plan {
    pub(crate) fn new() -> Self {
        let root = LogicalNode::new("root".into(), NodeKind::Root, TypeId::of::<()>());
        Self {
            names: Names::default(),
            nodes: vec![root],
            tables: Vec::new(),
            grouped_streams: Vec::new(),
            grouped_tables: Vec::new(),
            cogroups: Vec::new(),
            copartitioned: Vec::new(),
            global_stores: Vec::new(),
            repartitioned_for_joins: BTreeMap::new(),
            priorities: 0,
            rekeyed: IndexMap::new(),
            merges: IndexSet::new(),
            widenings: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// The node that all sources and stores are below.
    pub(crate) const ROOT: PlanId = PlanId(0);

    pub(crate) fn node(&self, id: PlanId) -> &LogicalNode {
        // Ids come from this plan's own `insert`, and nodes are never taken out.
        &self.nodes[id.0]
    }

    pub(crate) fn node_mut(&mut self, id: PlanId) -> &mut LogicalNode {
        &mut self.nodes[id.0]
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = PlanId> + use<> {
        (0..self.nodes.len()).map(PlanId)
    }

    pub(crate) fn add_global_table(&mut self, store: StoreName) -> GlobalTableId {
        self.global_stores.push(store);
        GlobalTableId(self.global_stores.len() - 1)
    }

    pub(crate) fn global_store(&self, id: GlobalTableId) -> StoreName {
        // Ids come from `add_global_table`, and stores are never taken out.
        self.global_stores[id.0].clone()
    }

    pub(crate) fn fault(&mut self, fault: TopologyError) {
        self.faults.push(fault);
    }

    /// Adds a node that hangs nowhere yet.
    pub(crate) fn insert(&mut self, node: LogicalNode) -> PlanId {
        let id = PlanId(self.nodes.len());
        self.nodes.push(node);
        id
    }

    /// Adds a node below another.
    pub(crate) fn add(&mut self, parent: PlanId, node: LogicalNode) -> PlanId {
        let id = self.insert(node);
        self.attach(parent, id);
        id
    }

    /// Puts a node below another. Its priority becomes the last one, also when it was below
    /// something before.
    pub(crate) fn attach(&mut self, parent: PlanId, child: PlanId) {
        self.link(parent, child);
        self.node_mut(child).priority = self.priorities;
        self.priorities += 1;
        match (self.node(child).effect, &self.node(child).kind) {
            (Effect::ChangesKey, _) => {
                self.rekeyed.insert(child, IndexSet::new());
            }
            (_, NodeKind::Repartition(repartition)) if repartition.can_merge() => {
                if let Some(key_changer) = self.key_changer_above(child)
                    && let Some(below) = self.rekeyed.get_mut(&key_changer)
                {
                    below.insert(child);
                }
            }
            (Effect::Merges, _) => {
                self.merges.insert(child);
            }
            _ => {}
        }
    }

    fn link(&mut self, parent: PlanId, child: PlanId) {
        self.node_mut(parent).children.insert(child);
        self.node_mut(child).parents.insert(parent);
    }

    fn unlink(&mut self, parent: PlanId, child: PlanId) {
        if self.node_mut(parent).children.shift_remove(&child) {
            self.node_mut(child).parents.shift_remove(&parent);
        }
    }

    /// The node that changed the key of what a repartition node takes, unless a value was changed
    /// in between: then the topics of several repartitions hold different values.
    fn key_changer_above(&self, node: PlanId) -> Option<PlanId> {
        let effect = |id| self.node(id).effect;
        let changes_key = |id| effect(id) == Effect::ChangesKey;
        let changes = |id| changes_key(id) || effect(id) == Effect::ChangesValue;
        let nearest = self.find_above(node, &changes)?;
        (self.find_above(node, &changes_key) == Some(nearest)).then_some(nearest)
    }

    /// The first node that fits, from `start` upwards, one path after the other.
    fn find_above(&self, start: PlanId, fits: &dyn Fn(PlanId) -> bool) -> Option<PlanId> {
        if fits(start) {
            return Some(start);
        }
        self.node(start).parents.iter().find_map(|parent| self.find_above(*parent, fits))
    }

    /// The windows that the keys of a node lie in: those of the nearest nodes above that put them
    /// there, on every path. `None` where a path has none.
    pub(crate) fn key_windows(&self, id: PlanId) -> Option<KeyWindows> {
        let node = self.node(id);
        if node.windows.is_some() {
            return node.windows;
        }
        let above = node.parents.iter().map(|parent| self.key_windows(*parent));
        above.reduce(|one, other| Some(one?.and(other?))).flatten()
    }

    /// The topology, after the rules that were asked for and those that always hold.
    pub(crate) fn build(
        mut self,
        optimizations: &BTreeSet<Optimization>,
    ) -> Result<Topology, TopologyErrors> {
        optimize::merge_sources(&mut self);
        if optimizations.contains(&Optimization::ReuseKTableSourceTopics) {
            optimize::reuse_source_topics(&mut self);
        }
        if optimizations.contains(&Optimization::MergeRepartitionTopics) {
            optimize::merge_repartition_topics(&mut self);
        }
        if optimizations.contains(&Optimization::SingleStoreSelfJoin) {
            optimize::single_store_self_join(&mut self);
        }
        optimize::drop_null_keys(&mut self);
        let mut topology = lower::lower(self);
        topology.optimized(optimizations.clone());
        topology.build()
    }

    pub(crate) fn name_of(&self, id: PlanId) -> &NodeName {
        &self.node(id).name
    }
}
