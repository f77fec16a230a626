//! Writing a plan to a topology: parents first, else by priority.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use streams_core::names::{StoreName, TopicName};
use streams_core::processor::ProcessorTemplate;
use streams_core::topology::{GlobalStoreParts, NodeId, RepartitionCount, TopologyBuilder};

use super::{
    GlobalStore, InternalSink, Keeper, KeyFilter, NodeKind, Plan, PlanId, Repartition,
    RepartitionOrigin, SelfJoin, Sinking, StreamJoin, StreamSource, TableId, TableJoin,
    TableRepartition, TableSource, TableWriter,
};

/// What a plan says, as nodes of a topology.
pub(super) fn lower(mut plan: Plan) -> TopologyBuilder {
    let mut topology = TopologyBuilder::new();
    plan.names.faults().into_iter().for_each(|fault| topology.fault(fault.into()));
    topology.generated(plan.names.generated());
    std::mem::take(&mut plan.faults).into_iter().for_each(|fault| topology.fault(fault));
    let (written, sources) = (BTreeMap::new(), BTreeMap::new());
    let mut writer = Writer { plan: &plan, topology, written, sources };
    let mut ready = BTreeSet::from([(0, Plan::ROOT)]);
    while let Some((_, id)) = ready.pop_first() {
        if writer.written.contains_key(&id) {
            continue;
        }
        let forwards = writer.write(id);
        writer.written.insert(id, forwards);
        let is_written = |parent: &PlanId| writer.written.contains_key(parent);
        let children = plan.node(id).children.iter().map(|child| (*child, plan.node(*child)));
        let children = children.filter(|(_, child)| child.parents.iter().all(is_written));
        ready.extend(children.map(|(id, child)| (child.priority, id)));
    }
    for group in plan.copartitioned_sources() {
        let sources = group.iter().filter_map(|source| writer.sources.get(source).copied());
        writer.topology.copartition(sources.collect::<Vec<_>>());
    }
    writer.topology
}

struct Writer<'a> {
    plan: &'a Plan,
    topology: TopologyBuilder,
    /// The node that forwards what a node of the plan forwards; none for stores and the root.
    written: BTreeMap<PlanId, Option<NodeId>>,
    /// The source of each node of the plan that has one.
    sources: BTreeMap<PlanId, NodeId>,
}

impl Writer<'_> {
    fn write(&mut self, id: PlanId) -> Option<NodeId> {
        let node = self.plan.node(id);
        let name = || node.name.clone();
        let parents: Vec<NodeId> =
            node.parents.iter().filter_map(|parent| *self.written.get(parent)?).collect();
        match &node.kind {
            NodeKind::Root => None,
            NodeKind::Store(store) => {
                self.topology.add_store(store.clone());
                None
            }
            NodeKind::StreamSource(StreamSource { topics, pattern, reset, template, .. }) => {
                let (topics, template) = (topics.clone(), template.clone());
                let source = match pattern {
                    Some(pattern) => {
                        self.topology.add_pattern_source(name(), pattern, *reset, template)
                    }
                    None => self.topology.add_source(name(), topics, *reset, template),
                };
                self.sources.insert(id, source);
                Some(source)
            }
            NodeKind::TableSource(source) => Some(self.table_source(id, source)),
            NodeKind::Processor(processing) => {
                let template = processing.template.clone();
                Some(self.processor(id, parents, template, &processing.stores))
            }
            NodeKind::Table(table) => Some(self.table(id, parents, *table)),
            NodeKind::TableWriter(TableWriter { table, make }) => {
                let template = make(&self.plan.table(*table).settings());
                Some(self.storing(id, parents, *table, template))
            }
            NodeKind::TableJoin(join) => Some(self.table_join(id, join)),
            NodeKind::StreamJoin(join) => Some(self.stream_join(id, join)),
            NodeKind::SelfJoin(SelfJoin { window, store, template }) => {
                let window = self.written.get(window).copied().flatten();
                let (parents, stores) = (window.into_iter().collect(), [store.clone()]);
                Some(self.processor(id, parents, template.clone(), &stores))
            }
            NodeKind::Repartition(repartition) => Some(self.repartition(id, parents, repartition)),
            NodeKind::TableRepartition(repartition) => {
                Some(self.table_repartition(id, parents, repartition))
            }
            NodeKind::GlobalStore(GlobalStore { source, topic, template, processor, store }) => {
                self.topology.add_global_store(GlobalStoreParts {
                    store: Arc::clone(store),
                    source: (source.clone(), template.clone()),
                    topic: topic.clone(),
                    processor: (name(), processor.clone()),
                });
                None
            }
            NodeKind::Keeper(Keeper { template, store, others }) => {
                self.topology.add_store(Arc::clone(store));
                let mut stores = vec![store.name().clone()];
                stores.extend(others.iter().cloned());
                Some(self.processor(id, parents, template.clone(), &stores))
            }
            NodeKind::InternalSink(InternalSink { topic, template }) => {
                let (topic, template) = (topic.clone(), template.clone());
                self.topology.add_repartition_topic(topic.clone(), RepartitionCount::Derived);
                Some(self.topology.add_sink(name(), parents, Some(topic), template))
            }
            NodeKind::Sink(Sinking { topic, template }) => {
                Some(self.topology.add_sink(name(), parents, topic.clone(), template.clone()))
            }
        }
    }

    fn processor(
        &mut self,
        id: PlanId,
        parents: Vec<NodeId>,
        template: ProcessorTemplate,
        stores: &[StoreName],
    ) -> NodeId {
        let node = self.topology.add_processor(self.plan.name_of(id).clone(), parents, template);
        stores.iter().for_each(|store| self.topology.connect(node, store));
        node
    }

    fn table(&mut self, id: PlanId, parents: Vec<NodeId>, table: TableId) -> NodeId {
        self.storing(id, parents, table, self.plan.table(table).template())
    }

    /// A processor with the store of a table.
    fn storing(
        &mut self,
        id: PlanId,
        parents: Vec<NodeId>,
        table: TableId,
        template: ProcessorTemplate,
    ) -> NodeId {
        let name = self.plan.name_of(id).clone();
        let node = self.topology.add_processor(name, parents, template);
        if let Some(store) = self.plan.table(table).store() {
            self.topology.add_store(store.clone());
            self.topology.connect(node, store.name());
        }
        let others = self.plan.table(table).connected();
        others.iter().for_each(|store| self.topology.connect(node, store));
        node
    }

    fn table_source(&mut self, id: PlanId, source: &TableSource) -> NodeId {
        let topics = vec![source.topic.clone()];
        let (name, template) = (source.source.clone(), source.template.clone());
        let parent = self.topology.add_source(name, topics, source.reset, template);
        self.sources.insert(id, parent);
        self.table(id, vec![parent], source.table)
    }

    fn repartition(
        &mut self,
        id: PlanId,
        parents: Vec<NodeId>,
        repartition: &Repartition,
    ) -> NodeId {
        let (names, channel) = (&repartition.names, &repartition.channel);
        let topic = TopicName::from(names.topic.as_str());
        let partitions = match repartition.origin {
            RepartitionOrigin::Operator => RepartitionCount::Derived,
            RepartitionOrigin::Program(partitions) => partitions,
        };
        self.topology.add_repartition_topic(topic.clone(), partitions);
        let filter = match repartition.filter {
            KeyFilter::All => channel.all.clone(),
            KeyFilter::Keyed => channel.keyed.clone(),
        };
        let filter = self.topology.add_processor(names.filter.clone(), parents, filter);
        let (sink, template) = (names.sink.clone(), (channel.sink)(&topic));
        self.topology.add_sink(sink, vec![filter], Some(topic.clone()), template);
        let name = self.plan.name_of(id).clone();
        let source = self.topology.add_source(name, vec![topic], None, channel.source.clone());
        self.sources.insert(id, source);
        source
    }

    fn table_join(&mut self, id: PlanId, join: &TableJoin) -> NodeId {
        let settings = self.plan.table(join.table).settings();
        let sides = [&join.this, &join.other];
        let nodes = sides.map(|side| {
            let parent = self.written.get(&side.changes).copied().flatten();
            let (name, template) = (side.name.clone(), (side.make)(&settings));
            self.topology.add_processor(name, parent.into_iter().collect(), template)
        });
        let merge = self.table(id, nodes.to_vec(), join.table);
        for (node, side) in nodes.into_iter().zip(sides) {
            side.stores.iter().for_each(|store| self.topology.connect(node, store));
        }
        merge
    }

    fn stream_join(&mut self, id: PlanId, join: &StreamJoin) -> NodeId {
        let sides = [(&join.this, &join.other), (&join.other, &join.this)];
        let nodes = sides.map(|(own, other)| {
            let window = self.written.get(&own.window).copied().flatten();
            let (name, template) = (own.name.clone(), own.template.clone());
            let parents: Vec<NodeId> = window.into_iter().collect();
            let node = self.topology.add_processor(name, parents, template);
            self.topology.connect(node, &other.store);
            if let Some(unmatched) = &join.unmatched {
                self.topology.add_store(Arc::clone(unmatched));
                self.topology.connect(node, unmatched.name());
            }
            node
        });
        self.processor(id, nodes.to_vec(), join.merge.clone(), &[])
    }

    fn table_repartition(
        &mut self,
        id: PlanId,
        parents: Vec<NodeId>,
        repartition: &TableRepartition,
    ) -> NodeId {
        let TableRepartition { topic, sink, channel } = repartition;
        self.topology.add_repartition_topic(topic.clone(), RepartitionCount::Derived);
        let template = (channel.sink)(topic);
        self.topology.add_sink(sink.clone(), parents, Some(topic.clone()), template);
        let name = self.plan.name_of(id).clone();
        let topics = vec![topic.clone()];
        let source = self.topology.add_source(name, topics, None, channel.source.clone());
        self.sources.insert(id, source);
        source
    }
}
