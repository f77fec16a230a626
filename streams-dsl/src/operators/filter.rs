//! Lets a record through, or not. Key, value, time and headers stay; nulls are shown to the
//! predicate. Kafka's `KStreamFilter`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

use super::Place;

pub(crate) const PREFIX: &str = "KSTREAM-FILTER-";

struct Filter<K, V, F> {
    holds: Arc<F>,
    out: Edge<K, V>,
    place: Place,
}

impl<K, V, F> Push<K, V> for Filter<K, V, F>
where
    K: Clone,
    V: Clone,
    F: Fn(&K, &V) -> Result<bool, ProcessorError>,
{
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        match (self.holds)(&record.key, &record.value) {
            Ok(true) => self.out.push(record),
            Ok(false) => Ok(()),
            Err(error) => self.place.fail(error),
        }
    }
}

/// Lets the records through for which `holds` does.
pub(crate) fn template<K, V>(
    holds: impl Fn(&K, &V) -> Result<bool, ProcessorError> + Send + Sync + 'static,
) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
{
    let holds = Arc::new(holds);
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, V>| {
        let (holds, place) = (Arc::clone(&holds), Place::of(links));
        Ok(NodeCell::<K, V>::owned(Filter { holds, out, place }))
    })
}
