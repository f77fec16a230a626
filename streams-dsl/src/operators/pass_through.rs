//! Passes records on: a merge of two streams, or a branch of a split. Kafka's `PassThrough`.

use streams_core::error::Pushed;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

pub(crate) const MERGE_PREFIX: &str = "KSTREAM-MERGE-";

struct PassThrough<K, V>(Edge<K, V>);

impl<K: Clone, V: Clone> Push<K, V> for PassThrough<K, V> {
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        self.0.push(record)
    }
}

/// Passes all records on.
pub(crate) fn template<K, V>() -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
{
    ProcessorTemplate::new(|_: &mut NodeLinks<'_>, out: Edge<K, V>| {
        Ok(NodeCell::<K, V>::owned(PassThrough(out)))
    })
}
