//! Makes any number of records of each one, with other keys and values; time and headers stay.
//! Nulls are shown to the function. Kafka's `KStreamFlatMap`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

use super::Place;

pub(crate) const PREFIX: &str = "KSTREAM-FLATMAP-";

struct FlatMap<K2, V2, F> {
    f: Arc<F>,
    out: Edge<K2, V2>,
    place: Place,
}

impl<K, V, K2, V2, I, F> Push<K, V> for FlatMap<K2, V2, F>
where
    K2: Clone,
    V2: Clone,
    I: IntoIterator<Item = (K2, V2)>,
    F: Fn(K, V) -> Result<I, ProcessorError>,
{
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        let Record { key, value, timestamp, headers } = record;
        let pairs = match (self.f)(key, value) {
            Ok(pairs) => pairs,
            Err(error) => return self.place.fail(error),
        };
        pairs.into_iter().try_for_each(|(key, value)| {
            self.out.push(Record { key, value, timestamp, headers: headers.clone() })
        })
    }
}

/// Makes of each record what `f` does.
pub(crate) fn template<K, V, K2, V2, I>(
    f: impl Fn(K, V) -> Result<I, ProcessorError> + Send + Sync + 'static,
) -> ProcessorTemplate
where
    K: 'static,
    V: 'static,
    K2: Clone + 'static,
    V2: Clone + 'static,
    I: IntoIterator<Item = (K2, V2)> + 'static,
{
    let f = Arc::new(f);
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K2, V2>| {
        Ok(NodeCell::<K, V>::owned(FlatMap { f: Arc::clone(&f), out, place: Place::of(links) }))
    })
}
