//! Keeps the records of a stream for the other side of a join: first it passes a record on, then it
//! puts it into the store of its stream. A record without a key is passed on only. Kafka's
//! `KStreamJoinWindow`.

use streams_core::error::Pushed;
use streams_core::names::StoreName;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;
use streams_state::WindowStore;

use super::super::Place;
use crate::null::{OrNull, plain};

pub(crate) const PREFIX: &str = "KSTREAM-WINDOWED-";

struct JoinWindow<K, V, N> {
    records: WindowStore<N, V>,
    out: Edge<K, V>,
    place: Place,
}

impl<K, V, N> Push<K, V> for JoinWindow<K, V, N>
where
    K: OrNull<N> + Clone,
    V: Clone + 'static,
    N: 'static,
{
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        let Some(key) = plain::<N, K>(&record.key) else { return self.out.push(record) };
        let row = self.records.encode(key, &record.value, record.timestamp);
        let (timestamp, headers) = (record.timestamp, record.headers.clone());
        self.out.push(record)?;
        let put = || row.and_then(|row| self.records.put_encoded(row));
        let put = self.place.seen_as(timestamp, &headers, put);
        put.map_err(|error| self.place.store_failure(error))
    }
}

/// Keeps records of keys `K`, plain `N`, and values `V` in a store.
pub(crate) fn template<K, V, N>(store: &StoreName) -> ProcessorTemplate
where
    K: OrNull<N> + Clone,
    V: Clone + 'static,
    N: 'static,
{
    let store = store.clone();
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, V>| {
        let records = links.store::<WindowStore<N, V>>(&store)?;
        let place = Place::of(links);
        Ok(NodeCell::<K, V>::owned(JoinWindow { records, out, place }))
    })
}
