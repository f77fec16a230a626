//! The nodes of a join by a foreign key.

use std::any::TypeId;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::names::{NodeName, StoreName, TopicName};
use streams_core::processor::{Nulls, Partitions, SinkTemplate, SourceTemplate, StreamPartitioner};
use streams_core::serde::{OptionSerde, SharedSerde};
use streams_state::Stores;

use crate::args::{KeyPartitioner, Materialized, TableJoined};
use crate::change::Change;
use crate::operators::foreign_key::{
    self, CombinedKey, CombinedKeySerde, PseudoTopic, Response, ResponseSerde, Sending,
    Subscription, SubscriptionSerde,
};
use crate::operators::table_join::Need;
use crate::operators::{repartition, table_source};
use crate::plan::{
    Demand, InternalSink, Keeper, LogicalNode, NodeKind, Plan, PlanId, Presence, Processing,
    StreamSource, Table, TableId,
};

/// The functions of a join.
pub(super) struct Functions<F, J> {
    pub(super) extract: F,
    /// Whether there is a result without a foreign row.
    pub(super) foreign: Need,
    pub(super) joiner: J,
}

/// The names of a join's parts, which take their indices in Kafka's order.
struct Names {
    subscription_topic: TopicName,
    send: NodeName,
    subscription_sink: NodeName,
    subscription_source: NodeName,
    store: StoreName,
    receive: NodeName,
    subscription_join: NodeName,
    foreign_join: NodeName,
    response_topic: TopicName,
    response_sink: NodeName,
    response_source: NodeName,
    resolve: NodeName,
    result: NodeName,
}

const SINK_PREFIX: &str = "KTABLE-SINK-";

impl Names {
    fn new(plan: &mut Plan, given: Option<&NodeName>) -> Self {
        let mut next = |suffix: &str, prefix: &str| plan.names.suffixed(given, suffix, prefix);
        let registration = foreign_key::REGISTRATION_PREFIX;
        let (processor, source) = (foreign_key::PROCESSOR_PREFIX, table_source::PREFIX);
        let topic = |name: NodeName| TopicName::from(format!("{name}-topic"));
        let names = Self {
            subscription_topic: topic(next("-subscription-registration", registration)),
            send: next("-subscription-registration-processor", registration),
            subscription_sink: next("-subscription-registration-sink", SINK_PREFIX),
            subscription_source: next("-subscription-registration-source", source),
            store: next("-subscription-store", foreign_key::STORE_PREFIX).as_str().into(),
            receive: next("-subscription-receive", processor),
            subscription_join: next("-subscription-join-foreign", processor),
            foreign_join: next("-foreign-join-subscription", processor),
            response_topic: topic(next("-subscription-response", foreign_key::RESPONSE_PREFIX)),
            response_sink: next("-subscription-response-sink", SINK_PREFIX),
            response_source: next("-subscription-response-source", source),
            resolve: next("-subscription-response-resolver", foreign_key::RESOLVER_PREFIX),
            result: next("-result", foreign_key::OUTPUT_PREFIX),
        };
        if given.is_none() {
            let topics = [&names.subscription_topic, &names.response_topic];
            let made = topics.map(TopicName::as_str).into_iter().chain([names.store.as_str()]);
            made.for_each(|name| plan.names.note_generated(name));
        }
        names
    }
}

/// What all parts of a join are made from.
pub(super) struct Given<K, V, KO, VO> {
    this: (PlanId, TableId),
    other: (PlanId, TableId),
    joined: TableJoined<K, V, KO, VO>,
    names: Names,
    foreign_key_topic: Arc<PseudoTopic>,
    primary_key_topic: Arc<PseudoTopic>,
}

/// Partitions by the key alone.
fn by_key<K: 'static, V: 'static>(
    partitioner: Option<Arc<KeyPartitioner<K>>>,
) -> Option<Arc<StreamPartitioner<K, V>>> {
    let partitioner = partitioner?;
    Some(Arc::new(move |topic: &TopicName, key: &K, _: &V, count| {
        partitioner(topic, key, count).map_or(Partitions::Default, Partitions::One)
    }))
}

/// A topic between two parts of a join: its sink below what writes to it, and its source.
struct Exchange {
    topic: TopicName,
    sink: (NodeName, SinkTemplate),
    source: (NodeName, SourceTemplate),
    /// Of key and value, as a pair.
    types: TypeId,
}

impl Exchange {
    /// The source.
    fn add(self, plan: &mut Plan, writers: &[PlanId]) -> PlanId {
        let Self { topic, sink: (name, template), source, types } = self;
        let kind = NodeKind::InternalSink(InternalSink { topic: topic.clone(), template });
        let sink = plan.insert(LogicalNode::new(name, kind, TypeId::of::<()>()));
        writers.iter().for_each(|writer| plan.attach(*writer, sink));
        let (name, template) = source;
        let kind = NodeKind::StreamSource(StreamSource {
            topics: vec![topic],
            pattern: None,
            reset: None,
            nulls: Nulls::Fail,
            template,
        });
        plan.add(sink, LogicalNode::new(name, kind, types))
    }
}

impl<K, V, KO, VO> Given<K, V, KO, VO>
where
    K: Clone + 'static,
    V: Clone + 'static,
    KO: Clone + 'static,
    VO: Clone + 'static,
{
    pub(super) fn new(
        plan: &mut Plan,
        [this, other]: [(PlanId, TableId); 2],
        joined: TableJoined<K, V, KO, VO>,
    ) -> Self {
        plan.send_old_values(other.1, Demand::Needed);
        plan.send_old_values(this.1, Demand::Needed);
        let names = Names::new(plan, joined.name.as_ref());
        let part = |part| Arc::new(PseudoTopic::new(&names.subscription_topic, &names.store, part));
        let (foreign_key_topic, primary_key_topic) = (part("fk"), part("pk"));
        Self { this, other, joined, names, foreign_key_topic, primary_key_topic }
    }

    /// What the hash of a row is computed with.
    fn row(&self) -> (SharedSerde<V>, PseudoTopic) {
        let topic = PseudoTopic::new(&self.names.subscription_topic, &self.names.store, "vh");
        (Arc::clone(&self.joined.own.value), topic)
    }

    fn foreign_key(&self) -> (SharedSerde<KO>, Arc<PseudoTopic>) {
        (Arc::clone(&self.joined.foreign.key), Arc::clone(&self.foreign_key_topic))
    }

    fn primary_key(&self) -> (SharedSerde<K>, Arc<PseudoTopic>) {
        (Arc::clone(&self.joined.own.key), Arc::clone(&self.primary_key_topic))
    }

    pub(super) fn join<N, F, J>(
        self,
        plan: &mut Plan,
        functions: Functions<F, J>,
        materialized: Materialized<K, N>,
    ) -> (PlanId, TableId)
    where
        N: Clone + 'static,
        F: Fn(&K, &V) -> Result<Option<KO>, ProcessorError> + Send + Sync + 'static,
        J: Fn(&V, Option<&VO>) -> Result<Option<N>, ProcessorError> + Send + Sync + 'static,
    {
        let Functions { extract, foreign, joiner } = functions;
        let (foreign_key, value) = (self.foreign_key(), self.row());
        let input = plan.input_from(self.this.0);
        let sending = Sending { extract, foreign, foreign_key, value, input };
        let template = foreign_key::send::<K, V, KO, F>(sending);
        let kind = NodeKind::Processor(Processing { template, stores: Vec::new() });
        let types = TypeId::of::<(Option<KO>, Subscription<K>)>();
        let node = LogicalNode::new(self.names.send.clone(), kind, types);
        let send = plan.add(self.this.0, node);
        let answers = self.right_side(plan, send);
        let response_source = self.responses().add(plan, &answers);
        plan.copartition(vec![self.this.0, response_source]);
        let rows = plan.view::<K, V>(self.this.1);
        let stores = rows.stores.clone();
        let template = foreign_key::resolve::<K, V, VO, N, J>(rows, self.row(), joiner);
        let kind = NodeKind::Processor(Processing { template, stores });
        let types = TypeId::of::<(K, Option<N>)>();
        let node = LogicalNode::new(self.names.resolve.clone(), kind, types);
        let resolve = plan.add(response_source, node);
        result(plan, (resolve, self.this.0), self.names.result, materialized)
    }

    /// Keeps the subscriptions that `send` sends; the nodes that answer them.
    fn right_side(&self, plan: &mut Plan, send: PlanId) -> [PlanId; 2] {
        let names = &self.names;
        let source = self.subscriptions().add(plan, &[send]);
        plan.copartition(vec![self.other.0, source]);
        let key = CombinedKeySerde::new(self.foreign_key(), self.primary_key());
        let (primary_key, topic) = self.primary_key();
        let value = SubscriptionSerde::new(primary_key, topic);
        let (key, value) = (Arc::new(key), Arc::new(value));
        let store = Stores::timestamped_key_value_with(names.store.clone(), key, value);
        let store = store.with_logged_headers().placed_by_settings().laid_out_by_settings().build();
        let template = foreign_key::receive::<K, KO>(&names.store);
        let kind =
            NodeKind::Keeper(Keeper { template, store: Arc::clone(&store), others: Vec::new() });
        let types = TypeId::of::<(CombinedKey<KO, K>, Subscription<K>)>();
        let receive = plan.add(source, LogicalNode::new(names.receive.clone(), kind, types));
        let rows = plan.view::<KO, VO>(self.other.1);
        let (stores, template) =
            (rows.stores.clone(), foreign_key::subscription_join::<K, _, _>(rows));
        let kind = NodeKind::Processor(Processing { template, stores });
        let types = TypeId::of::<(K, Response<VO>)>();
        let node = LogicalNode::new(names.subscription_join.clone(), kind, types);
        let subscription_join = plan.add(receive, node);
        let input = plan.input_from(self.other.0);
        let foreign_key = self.foreign_key();
        let template = foreign_key::foreign_join::<K, KO, VO>(&names.store, foreign_key, input);
        let kind = NodeKind::Keeper(Keeper { template, store, others: Vec::new() });
        let node = LogicalNode::new(names.foreign_join.clone(), kind, types);
        [subscription_join, plan.add(self.other.0, node)]
    }

    fn subscriptions(&self) -> Exchange {
        let key: SharedSerde<Option<KO>> =
            Arc::new(OptionSerde::new(Arc::clone(&self.joined.foreign.key)));
        let (primary_key, topic) = self.primary_key();
        let value: SharedSerde<Subscription<K>> =
            Arc::new(SubscriptionSerde::new(primary_key, topic));
        let partitioner = self.joined.foreign_partitioner.clone().map(|partitioner| {
            let of_some = move |topic: &TopicName, key: &Option<KO>, count| {
                key.as_ref().and_then(|key| partitioner(topic, key, count))
            };
            Arc::new(of_some) as Arc<KeyPartitioner<Option<KO>>>
        });
        let topic = self.names.subscription_topic.clone();
        let sink = repartition::sink(&topic, &key, &value, by_key(partitioner));
        Exchange {
            topic,
            sink: (self.names.subscription_sink.clone(), sink),
            source: (self.names.subscription_source.clone(), repartition::source(&key, &value)),
            types: TypeId::of::<(Option<KO>, Subscription<K>)>(),
        }
    }

    fn responses(&self) -> Exchange {
        let key = Arc::clone(&self.joined.own.key);
        let value: SharedSerde<Response<VO>> =
            Arc::new(ResponseSerde::new(Arc::clone(&self.joined.foreign.value)));
        let back = |_: &TopicName, _: &K, response: &Response<VO>, _: i32| {
            response.primary_partition.map_or(Partitions::Default, Partitions::One)
        };
        let partitioner = by_key(self.joined.partitioner.clone());
        let partitioner = partitioner.unwrap_or_else(|| Arc::new(back));
        let topic = self.names.response_topic.clone();
        let sink = repartition::sink(&topic, &key, &value, Some(partitioner));
        Exchange {
            topic,
            sink: (self.names.response_sink.clone(), sink),
            source: (self.names.response_source.clone(), repartition::source(&key, &value)),
            types: TypeId::of::<(K, Response<VO>)>(),
        }
    }
}

/// The table of a join's results, below a node that gives them.
pub(super) fn result<K: Clone + 'static, N: Clone + 'static>(
    plan: &mut Plan,
    (parent, joined): (PlanId, PlanId),
    name: NodeName,
    materialized: Materialized<K, N>,
) -> (PlanId, TableId) {
    let presence =
        if materialized.store.is_some() { Presence::Queryable } else { Presence::OnDemand };
    let store = plan.names.store_or(materialized.store.clone(), foreign_key::OUTPUT_PREFIX);
    let store = materialized.key_value_store(store);
    let table = plan.add_table(Table::new(presence, Some(store), |settings| {
        table_source::template::<K, Option<N>, K, N>(settings)
    }));
    let forwards = TypeId::of::<(K, Change<N>)>();
    let node = LogicalNode::new(name, NodeKind::Table(table), forwards).joined_with(joined);
    (plan.add(parent, node), table)
}
