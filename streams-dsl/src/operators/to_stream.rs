//! The changes of a table as a stream: the new value, or null for a deleted row. Kafka's
//! `KTableImpl#toStream`.

use streams_core::processor::ProcessorTemplate;

use super::map;
use crate::change::Change;

pub(crate) const PREFIX: &str = "KTABLE-TOSTREAM-";

/// Forwards the new values, as these functions make other types of keys and values.
pub(crate) fn template<K, V, K2, V2>(
    key: impl Fn(K) -> K2 + Send + Sync + 'static,
    value: impl Fn(V) -> V2 + Send + Sync + 'static,
) -> ProcessorTemplate
where
    K: 'static,
    V: 'static,
    K2: Clone + 'static,
    V2: Clone + 'static,
{
    map::template(move |k: K, change: Change<V>| Ok((key(k), change.new.map(&value))))
}
