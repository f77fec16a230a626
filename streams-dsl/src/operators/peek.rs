//! Shows a record to a function and passes it on. Kafka's `KStreamPeek`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

use super::Place;

pub(crate) const PREFIX: &str = "KSTREAM-PEEK-";

struct Peek<K, V, F> {
    see: Arc<F>,
    out: Edge<K, V>,
    place: Place,
}

impl<K, V, F> Push<K, V> for Peek<K, V, F>
where
    K: Clone,
    V: Clone,
    F: Fn(&K, &V) -> Result<(), ProcessorError>,
{
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        match (self.see)(&record.key, &record.value) {
            Ok(()) => self.out.push(record),
            Err(error) => self.place.fail(error),
        }
    }
}

/// Shows each record to `see`.
pub(crate) fn template<K, V>(
    see: impl Fn(&K, &V) -> Result<(), ProcessorError> + Send + Sync + 'static,
) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
{
    let see = Arc::new(see);
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, V>| {
        let (see, place) = (Arc::clone(&see), Place::of(links));
        Ok(NodeCell::<K, V>::owned(Peek { see, out, place }))
    })
}
