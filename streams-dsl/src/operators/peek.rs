//! Shows a record to a function and passes it on. Kafka's `KStreamPeek`.

use std::sync::Arc;

use streams_core::error::Pushed;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

pub(crate) const PREFIX: &str = "KSTREAM-PEEK-";

struct Peek<K, V, F> {
    see: Arc<F>,
    out: Edge<K, V>,
}

impl<K: Clone, V: Clone, F: Fn(&K, &V)> Push<K, V> for Peek<K, V, F> {
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        (self.see)(&record.key, &record.value);
        self.out.push(record)
    }
}

/// Shows each record to `see`.
pub(crate) fn template<K, V>(see: impl Fn(&K, &V) + Send + Sync + 'static) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
{
    let see = Arc::new(see);
    ProcessorTemplate::new(move |_: &mut NodeLinks<'_>, out: Edge<K, V>| {
        Ok(NodeCell::<K, V>::owned(Peek { see: Arc::clone(&see), out }))
    })
}
