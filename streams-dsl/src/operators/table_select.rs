//! Gives the rows of a table another key and value, to be aggregated by that key. A change within
//! one new key goes on as one record; else the old value goes first, to be subtracted, then the new
//! one, to be added. A row that gets no key is left out, and so is a late one of a versioned table.
//! Kafka's `KTableRepartitionMap`.

use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;
use streams_core::serde::SharedSerde;

use super::{Place, repartition};
use crate::change::{Change, ChangeSerde};
use crate::null::OrNull;
use crate::plan::{Input, TableChannel};

pub(crate) const PREFIX: &str = "KTABLE-SELECT-";

struct Select<K2, V2, S, F> {
    select: Arc<F>,
    input: Input,
    out: Edge<K2, Change<V2>>,
    place: Place,
    selected: PhantomData<fn() -> S>,
}

impl<K, V, K2, V2, S, F> Push<K, Change<V>> for Select<K2, V2, S, F>
where
    K2: Clone + PartialEq + 'static,
    V2: Clone,
    S: OrNull<K2>,
    F: Fn(&K, V) -> Result<(S, V2), ProcessorError>,
{
    fn push(&mut self, record: Record<K, Change<V>>) -> Pushed {
        let Record { key, value: change, timestamp, headers } = record;
        // An aggregate is of the latest rows.
        if self.input.leaves_out(change.age) {
            return Ok(());
        }
        let select = |value: Option<V>| -> Result<Option<(K2, V2)>, ProcessorError> {
            let Some(value) = value else { return Ok(None) };
            let (key, value) = (self.select)(&key, value)?;
            // DIFFERENCE(grouped-null-value): Kafka looks for a null value too.
            Ok(key.into_plain().map(|key| (key, value)))
        };
        let selected = select(change.new).and_then(|new| Ok((new, select(change.old)?)));
        let (new, old) = match selected {
            Ok(selected) => selected,
            Err(error) => return self.place.fail(error),
        };
        let mut send = |key, new, old| {
            let (value, headers) = (Change::latest(new, old), headers.clone());
            self.out.push(Record { key, value, timestamp, headers })
        };
        match (new, old) {
            (Some((key, new)), Some((old_key, old))) if key == old_key => {
                send(key, Some(new), Some(old))
            }
            (new, old) => {
                if let Some((key, old)) = old {
                    send(key, None, Some(old))?;
                }
                new.map_or(Ok(()), |(key, new)| send(key, Some(new), None))
            }
        }
    }
}

/// Gives each row the key and value that `select` does.
pub(crate) fn template<K, V, K2, V2, S>(
    select: impl Fn(&K, V) -> Result<(S, V2), ProcessorError> + Send + Sync + 'static,
    input: Input,
) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
    K2: Clone + PartialEq + 'static,
    V2: Clone + 'static,
    S: OrNull<K2>,
{
    let select = Arc::new(select);
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K2, Change<V2>>| {
        let (select, selected) = (Arc::clone(&select), PhantomData::<fn() -> S>);
        let place = Place::of(links);
        Ok(NodeCell::<K, Change<V>>::owned(Select { select, input, out, place, selected }))
    })
}

/// How the changes travel.
pub(crate) fn channel<K, V>(key: SharedSerde<K>, value: SharedSerde<V>) -> TableChannel
where
    K: Clone + 'static,
    V: Clone + 'static,
{
    let value: SharedSerde<Change<V>> = Arc::new(ChangeSerde::new(value));
    TableChannel {
        types: TypeId::of::<(K, Change<V>)>(),
        source: repartition::source(&key, &value),
        sink: Arc::new(move |topic| repartition::sink(topic, &key, &value, None)),
    }
}
