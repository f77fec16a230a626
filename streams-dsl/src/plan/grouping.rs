//! Grouped streams and tables of a plan: several aggregations of one grouping may share a topic.

use std::collections::BTreeMap;

use streams_core::names::{NodeName, StoreName, TopicName};

use super::node::RepartitionOrigin;
use super::{
    Channel, KeyFilter, LogicalNode, Names, Naming, NodeKind, Partitioning, Plan, PlanId,
    Repartition, TableChannel, TableRepartition,
};

/// A grouped stream, by its place in the order of addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamGrouping(usize);

/// Grouped streams that are aggregated together, by their place in the order of addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CogroupId(usize);

/// A grouped table, by its place in the order of addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableGrouping(usize);

/// A grouping whose records travel by `C` where they have to.
pub(super) struct Grouping<C> {
    /// The node whose records are grouped.
    node: PlanId,
    name: Option<NodeName>,
    channel: C,
    /// Shared by all aggregations when the grouping has a name.
    repartition: Option<PlanId>,
}

impl<C> Grouping<C> {
    const fn new(node: PlanId, name: Option<NodeName>, channel: C) -> Self {
        Self { node, name, channel, repartition: None }
    }

    /// What its repartition topic is called after, and whose name that is.
    fn base(&self, store: &StoreName, names: &Names) -> (String, Naming) {
        match &self.name {
            Some(name) => (name.as_str().to_owned(), Naming::Given),
            None => (store.as_str().to_owned(), names.naming_of(store)),
        }
    }

    /// The repartition node of an earlier aggregation, to be used again.
    fn shared(&self) -> Option<PlanId> {
        self.repartition.filter(|_| self.name.is_some())
    }
}

impl Plan {
    pub(crate) fn group_stream(
        &mut self,
        node: PlanId,
        name: Option<NodeName>,
        channel: Channel,
    ) -> StreamGrouping {
        self.grouped_streams.push(Grouping::new(node, name, channel));
        StreamGrouping(self.grouped_streams.len() - 1)
    }

    pub(crate) fn group_table(
        &mut self,
        node: PlanId,
        name: Option<NodeName>,
        channel: TableChannel,
    ) -> TableGrouping {
        self.grouped_tables.push(Grouping::new(node, name, channel));
        TableGrouping(self.grouped_tables.len() - 1)
    }

    /// The node to put an aggregation of a grouped stream below: repartitioned if the key was
    /// changed. `store` is the aggregation's.
    pub(crate) fn regrouped_stream(&mut self, id: StreamGrouping, store: &StoreName) -> PlanId {
        let grouping = &self.grouped_streams[id.0];
        let (parent, (base, naming)) = (grouping.node, grouping.base(store, &self.names));
        let (shared, channel) = (grouping.shared(), grouping.channel.clone());
        if self.node(parent).partitioning == Partitioning::ByKey {
            return parent;
        }
        let names = self.names.repartition(&base, naming);
        let node = shared.unwrap_or_else(|| {
            self.insert_repartition(Repartition {
                names,
                channel,
                origin: RepartitionOrigin::Operator,
                filter: KeyFilter::All,
            })
        });
        self.grouped_streams[id.0].repartition = Some(node);
        self.attach(parent, node);
        node
    }

    pub(crate) fn cogroup(&mut self) -> CogroupId {
        self.cogroups.push(BTreeMap::new());
        CogroupId(self.cogroups.len() - 1)
    }

    /// As [`regrouped_stream`](Self::regrouped_stream), for a stream that is aggregated with others.
    /// All aggregations of the cogroup share the node; each takes the indices of its own, as in Kafka.
    pub(crate) fn cogrouped_stream(
        &mut self,
        cogroup: CogroupId,
        id: StreamGrouping,
        store: &StoreName,
    ) -> PlanId {
        let grouping = &self.grouped_streams[id.0];
        let (parent, (base, naming)) = (grouping.node, grouping.base(store, &self.names));
        let channel = grouping.channel.clone();
        if self.node(parent).partitioning == Partitioning::ByKey {
            return parent;
        }
        let names = self.names.repartition(&base, naming);
        if let Some(node) = self.cogroups[cogroup.0].get(&id) {
            return *node;
        }
        let (origin, filter) = (RepartitionOrigin::Operator, KeyFilter::All);
        let node = self.insert_repartition(Repartition { names, channel, origin, filter });
        self.attach(parent, node);
        self.cogroups[cogroup.0].insert(id, node);
        node
    }

    /// The repartition node behind a stream that is to be joined. Joins without a name share it, but
    /// each takes the indices of its own, as in Kafka.
    pub(crate) fn repartitioned_for_join(
        &mut self,
        stream: PlanId,
        name: Option<&NodeName>,
        channel: Channel,
    ) -> PlanId {
        let base = name.unwrap_or_else(|| self.name_of(stream)).as_str().to_owned();
        let shares = base == self.name_of(stream).as_str();
        let names = self.names.repartition(&base, Naming::of(name));
        let shared = self.repartitioned_for_joins.get(&stream).copied();
        // DIFFERENCE(shared-join-topic): in Kafka the serdes of the first join count for all.
        if let Some(shared) = shared.filter(|_| shares)
            && self.carries(shared, &channel)
        {
            return shared;
        }
        let (origin, filter) = (RepartitionOrigin::Operator, KeyFilter::All);
        let node = self.insert_repartition(Repartition { names, channel, origin, filter });
        self.attach(stream, node);
        self.repartitioned_for_joins.insert(stream, node);
        node
    }

    pub(crate) fn insert_repartition(&mut self, repartition: Repartition) -> PlanId {
        let (name, types) = (repartition.names.source.clone(), repartition.channel.types);
        self.insert(LogicalNode::new(name, NodeKind::Repartition(repartition), types))
    }

    /// The node to put an aggregation of a grouped table below: always repartitioned. `node` is the
    /// name given to the aggregation.
    pub(crate) fn regrouped_table(
        &mut self,
        id: TableGrouping,
        store: &StoreName,
        node: Option<&NodeName>,
    ) -> PlanId {
        let sink = self.names.suffixed(node, "-sink", "KSTREAM-SINK-");
        let source = self.names.suffixed(node, "-source", "KSTREAM-SOURCE-");
        let grouping = &self.grouped_tables[id.0];
        let (parent, (base, naming)) = (grouping.node, grouping.base(store, &self.names));
        let (shared, channel) = (grouping.shared(), grouping.channel.clone());
        let node = shared.unwrap_or_else(|| {
            let topic = TopicName::from(format!("{base}-repartition"));
            if naming == Naming::Generated {
                self.names.note_generated(topic.as_str());
            }
            let types = channel.types;
            let kind = NodeKind::TableRepartition(TableRepartition { topic, sink, channel });
            self.insert(LogicalNode::new(source, kind, types))
        });
        self.grouped_tables[id.0].repartition = Some(node);
        self.attach(parent, node);
        node
    }
}
