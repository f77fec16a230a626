//! Sends records through a topic to the tasks of their keys; records without a key are dropped
//! before it. Kafka's repartition nodes.

use std::any::TypeId;
use std::sync::Arc;

use streams_core::names::TopicName;
use streams_core::processor::{
    Nulls, Sink, SinkDestination, SinkTemplate, Source, SourceTemplate, StreamPartitioner,
    TimestampExtractor,
};
use streams_core::serde::SharedSerde;

use super::{filter, pass_through};
use crate::args::Serdes;
use crate::null::OrNull;
use crate::plan::Channel;

pub(crate) const PREFIX: &str = "KSTREAM-REPARTITION-";

/// How records of these types travel.
pub(crate) fn channel<K, V, N>(
    key: SharedSerde<K>,
    value: SharedSerde<V>,
    partitioner: Option<Arc<StreamPartitioner<K, V>>>,
) -> Channel
where
    K: OrNull<N> + Clone,
    V: Clone + 'static,
{
    Channel {
        types: TypeId::of::<(K, V)>(),
        all: pass_through::template::<K, V>(),
        keyed: filter::template(|key: &K, _: &V| Ok(key.as_plain().is_some())),
        source: source(&key, &value),
        serdes: Arc::new(Serdes { key: Arc::clone(&key), value: Arc::clone(&value) }),
        sink: Arc::new(move |topic| sink(topic, &key, &value, partitioner.clone())),
    }
}

/// The same way for records of narrower types, which `narrow` makes serdes for: they fit into what
/// goes in, and come out as they are.
pub(crate) fn narrowed<WK, WV, K, V>(
    wider: &Channel,
    narrow: impl FnOnce(&Serdes<WK, WV>) -> Serdes<K, V>,
) -> Option<Channel>
where
    WK: 'static,
    WV: 'static,
    K: Clone + 'static,
    V: Clone + 'static,
{
    let serdes = narrow(wider.serdes.downcast_ref::<Serdes<WK, WV>>()?);
    Some(Channel {
        types: TypeId::of::<(K, V)>(),
        source: source(&serdes.key, &serdes.value),
        serdes: Arc::new(serdes),
        ..wider.clone()
    })
}

/// The source behind a repartition topic.
pub(crate) fn source<K, V>(key: &SharedSerde<K>, value: &SharedSerde<V>) -> SourceTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
{
    SourceTemplate::new(Source {
        key: Arc::clone(key),
        value: Arc::clone(value),
        timestamps: TimestampExtractor::FailOnInvalid,
        nulls: Nulls::Fail,
    })
}

/// The sink before a repartition topic.
pub(crate) fn sink<K, V>(
    topic: &TopicName,
    key: &SharedSerde<K>,
    value: &SharedSerde<V>,
    partitioner: Option<Arc<StreamPartitioner<K, V>>>,
) -> SinkTemplate
where
    K: 'static,
    V: 'static,
{
    SinkTemplate::new(Sink {
        destination: SinkDestination::Topic(topic.clone()),
        key: Arc::clone(key),
        value: Arc::clone(value),
        partitioner,
    })
}
