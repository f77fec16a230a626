//! Keeps the subscriptions to each foreign key. One without a foreign key is not kept, and dropped
//! and counted unless it has to be answered. Kafka's `SubscriptionReceiveProcessorSupplier`.

use streams_core::error::Pushed;
use streams_core::metrics::DropReason;
use streams_core::names::StoreName;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;
use streams_state::TimestampedKeyValueStore;

use super::CombinedKey;
use super::subscription::{Instruction, Subscription};
use crate::operators::Place;

/// Where subscriptions are kept.
pub(super) type Subscriptions<KO, K> =
    TimestampedKeyValueStore<CombinedKey<KO, K>, Subscription<K>>;

struct Receive<K, KO> {
    store: Subscriptions<KO, K>,
    out: Edge<CombinedKey<KO, K>, Subscription<K>>,
    place: Place,
}

impl<K, KO> Push<Option<KO>, Subscription<K>> for Receive<K, KO>
where
    K: Clone + 'static,
    KO: Clone + 'static,
{
    fn push(&mut self, record: Record<Option<KO>, Subscription<K>>) -> Pushed {
        let Self { store, out, place } = self;
        let instruction = record.value.instruction;
        if record.key.is_none() && instruction != Instruction::PropagateNullIfNoForeignRow {
            return place.drop_record(DropReason::NullKey);
        }
        place.with_record(record, |record, task| {
            let Record { key: foreign, value, timestamp, headers } = record;
            let key = CombinedKey { foreign, primary: value.primary_key.clone() };
            if key.foreign.is_some() {
                let kept = match instruction {
                    Instruction::DeleteKeyNoPropagate | Instruction::DeleteKeyAndPropagate => None,
                    _ => Some(&value),
                };
                let stored = store.put_row(&key, kept, timestamp);
                stored.map_err(|error| task.store_failure(error))?;
            }
            out.push(Record { key, value, timestamp, headers })
        })
    }
}

/// Keeps subscriptions in this store.
pub(crate) fn template<K, KO>(store: &StoreName) -> ProcessorTemplate
where
    K: Clone + 'static,
    KO: Clone + 'static,
{
    let store = store.clone();
    ProcessorTemplate::new(
        move |links: &mut NodeLinks<'_>, out: Edge<CombinedKey<KO, K>, Subscription<K>>| {
            let (store, place) = (links.store::<Subscriptions<KO, K>>(&store)?, Place::of(links));
            Ok(NodeCell::<Option<KO>, Subscription<K>>::owned(Receive { store, out, place }))
        },
    )
}
