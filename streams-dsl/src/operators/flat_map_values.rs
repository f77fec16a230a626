//! Makes any number of values of each one; key, time and headers stay. Nulls are shown to the
//! function. Kafka's `KStreamFlatMapValues`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

use super::Place;

pub(crate) const PREFIX: &str = "KSTREAM-FLATMAPVALUES-";

struct FlatMapValues<K, V2, F> {
    f: Arc<F>,
    out: Edge<K, V2>,
    place: Place,
}

impl<K, V, V2, I, F> Push<K, V> for FlatMapValues<K, V2, F>
where
    K: Clone,
    V2: Clone,
    I: IntoIterator<Item = V2>,
    F: Fn(&K, V) -> Result<I, ProcessorError>,
{
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        let Record { key, value, timestamp, headers } = record;
        let values = match (self.f)(&key, value) {
            Ok(values) => values,
            Err(error) => return self.place.fail(error),
        };
        let mut values = values.into_iter();
        let Some(mut value) = values.next() else { return Ok(()) };
        // The last one takes the key itself.
        for next in values {
            let value = std::mem::replace(&mut value, next);
            self.out.push(Record {
                key: key.clone(),
                value,
                timestamp,
                headers: headers.clone(),
            })?;
        }
        self.out.push(Record { key, value, timestamp, headers })
    }
}

/// Makes of each value what `f` does.
pub(crate) fn template<K, V, V2, I>(
    f: impl Fn(&K, V) -> Result<I, ProcessorError> + Send + Sync + 'static,
) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: 'static,
    V2: Clone + 'static,
    I: IntoIterator<Item = V2> + 'static,
{
    let f = Arc::new(f);
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, V2>| {
        let node = FlatMapValues { f: Arc::clone(&f), out, place: Place::of(links) };
        Ok(NodeCell::<K, V>::owned(node))
    })
}
