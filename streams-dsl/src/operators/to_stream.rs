//! The changes of a table as a stream: the new value, or null for a deleted row. Kafka's
//! `KTableImpl#toStream`.

use streams_core::processor::ProcessorTemplate;

use super::map_values;
use crate::change::Change;

pub(crate) const PREFIX: &str = "KTABLE-TOSTREAM-";

/// Forwards the new values.
pub(crate) fn template<K, V>() -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
{
    map_values::template(|_: &K, change: Change<V>| Ok(change.new))
}
