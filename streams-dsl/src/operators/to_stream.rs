//! The changes of a table as a stream: the new value, or null for a deleted row. Kafka's
//! `KTableImpl#toStream`.

use streams_core::processor::ProcessorTemplate;

use super::map;
use crate::change::Change;

pub(crate) const PREFIX: &str = "KTABLE-TOSTREAM-";

/// Forwards the new values, in types that hold them.
pub(crate) fn template<K, V, K2, V2>() -> ProcessorTemplate
where
    K: Into<K2> + 'static,
    V: Into<V2> + 'static,
    K2: Clone + 'static,
    V2: Clone + 'static,
{
    map::template(|key: K, change: Change<V>| Ok((key.into(), change.new.map(V::into))))
}
