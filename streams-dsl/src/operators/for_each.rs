//! Hands each record to a function; nothing comes after it. Kafka's `ForeachProcessor`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

use super::Place;

pub(crate) const PREFIX: &str = "KSTREAM-FOREACH-";

struct ForEach<F> {
    f: Arc<F>,
    place: Place,
}

impl<K, V, F: Fn(K, V) -> Result<(), ProcessorError>> Push<K, V> for ForEach<F> {
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        (self.f)(record.key, record.value).or_else(|error| self.place.fail(error))
    }
}

/// Hands each record to `f`.
pub(crate) fn template<K, V>(
    f: impl Fn(K, V) -> Result<(), ProcessorError> + Send + Sync + 'static,
) -> ProcessorTemplate
where
    K: 'static,
    V: 'static,
{
    let f = Arc::new(f);
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, _: Edge<(), ()>| {
        Ok(NodeCell::<K, V>::owned(ForEach { f: Arc::clone(&f), place: Place::of(links) }))
    })
}
