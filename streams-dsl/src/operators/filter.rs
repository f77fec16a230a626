//! Lets a record through, or not. Key, value, time and headers stay; nulls are shown to the
//! predicate. Kafka's `KStreamFilter`.

use std::sync::Arc;

use streams_core::error::Pushed;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

pub(crate) const PREFIX: &str = "KSTREAM-FILTER-";

struct Filter<K, V, F> {
    holds: Arc<F>,
    out: Edge<K, V>,
}

impl<K: Clone, V: Clone, F: Fn(&K, &V) -> bool> Push<K, V> for Filter<K, V, F> {
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        if (self.holds)(&record.key, &record.value) { self.out.push(record) } else { Ok(()) }
    }
}

/// Lets the records through for which `holds` does.
pub(crate) fn template<K, V>(
    holds: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
{
    let holds = Arc::new(holds);
    ProcessorTemplate::new(move |_: &mut NodeLinks<'_>, out: Edge<K, V>| {
        Ok(NodeCell::<K, V>::owned(Filter { holds: Arc::clone(&holds), out }))
    })
}
