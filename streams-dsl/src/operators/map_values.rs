//! Makes another value of each record; key, time and headers stay. Nulls are shown to the function.
//! Kafka's `KStreamMapValues`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

use super::Place;

pub(crate) const PREFIX: &str = "KSTREAM-MAPVALUES-";

struct MapValues<K, V2, F> {
    f: Arc<F>,
    out: Edge<K, V2>,
    place: Place,
}

impl<K, V, V2, F> Push<K, V> for MapValues<K, V2, F>
where
    K: Clone,
    V2: Clone,
    F: Fn(&K, V) -> Result<V2, ProcessorError>,
{
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        let Record { key, value, timestamp, headers } = record;
        match (self.f)(&key, value) {
            Ok(value) => self.out.push(Record { key, value, timestamp, headers }),
            Err(error) => self.place.fail(error),
        }
    }
}

/// Makes of each value what `f` does.
pub(crate) fn template<K, V, V2>(
    f: impl Fn(&K, V) -> Result<V2, ProcessorError> + Send + Sync + 'static,
) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: 'static,
    V2: Clone + 'static,
{
    let f = Arc::new(f);
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, V2>| {
        Ok(NodeCell::<K, V>::owned(MapValues { f: Arc::clone(&f), out, place: Place::of(links) }))
    })
}
