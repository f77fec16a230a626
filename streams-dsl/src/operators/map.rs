//! Makes another key and value of each record; time and headers stay. Nulls are shown to the
//! function. Kafka's `KStreamMap`, also behind `select_key` and `group_by`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

use super::Place;

pub(crate) const PREFIX: &str = "KSTREAM-MAP-";
pub(crate) const SELECT_KEY_PREFIX: &str = "KSTREAM-KEY-SELECT-";

struct Map<K2, V2, F> {
    f: Arc<F>,
    out: Edge<K2, V2>,
    place: Place,
}

impl<K, V, K2, V2, F> Push<K, V> for Map<K2, V2, F>
where
    K2: Clone,
    V2: Clone,
    F: Fn(K, V) -> Result<(K2, V2), ProcessorError>,
{
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        let Record { key, value, timestamp, headers } = record;
        match (self.f)(key, value) {
            Ok((key, value)) => self.out.push(Record { key, value, timestamp, headers }),
            Err(error) => self.place.fail(error),
        }
    }
}

/// Makes of each record what `f` does.
pub(crate) fn template<K, V, K2, V2>(
    f: impl Fn(K, V) -> Result<(K2, V2), ProcessorError> + Send + Sync + 'static,
) -> ProcessorTemplate
where
    K: 'static,
    V: 'static,
    K2: Clone + 'static,
    V2: Clone + 'static,
{
    let f = Arc::new(f);
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K2, V2>| {
        Ok(NodeCell::<K, V>::owned(Map { f: Arc::clone(&f), out, place: Place::of(links) }))
    })
}
