//! Tells all subscribers of a foreign row that it changed, in the order of their keys' bytes. Kafka's
//! `ForeignTableJoinProcessorSupplier`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::metrics::DropReason;
use streams_core::names::{StoreName, TopicName};
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;
use streams_core::serde::SharedSerde;

use super::combined_key::write_prefix;
use super::receive::Subscriptions;
use super::{PseudoTopic, Response};
use crate::change::Change;
use crate::operators::Place;
use crate::plan::Input;

struct ForeignJoin<K, KO, VO> {
    input: Input,
    store: Subscriptions<KO, K>,
    foreign_key: SharedSerde<KO>,
    topic: TopicName,
    out: Edge<K, Response<VO>>,
    place: Place,
    prefix: Vec<u8>,
}

impl<K, KO, VO> Push<KO, Change<VO>> for ForeignJoin<K, KO, VO>
where
    K: Clone + 'static,
    KO: Clone + 'static,
    VO: Clone,
{
    fn push(&mut self, record: Record<KO, Change<VO>>) -> Pushed {
        let Record { key, value: change, timestamp, headers } = record;
        if self.input.leaves_out(change.age) {
            return self.place.drop_record(DropReason::OutOfOrder);
        }
        self.prefix.clear();
        let written = write_prefix(&self.foreign_key, &self.topic, &key, &mut self.prefix);
        if let Err(error) = written {
            return self.place.fail(ProcessorError::from(error));
        }
        let failed = |error| self.place.store_failure(error);
        for entry in self.store.prefix_scan(&self.prefix).map_err(failed)? {
            let (key, subscription) = entry.map_err(failed)?;
            let subscription = subscription.value;
            let value = Response {
                hash: subscription.hash,
                foreign: change.new.clone(),
                primary_partition: subscription.primary_partition,
            };
            let (key, headers) = (key.primary, headers.clone());
            self.out.push(Record { key, value, timestamp, headers })?;
        }
        Ok(())
    }
}

/// Finds the subscribers in this store.
pub(crate) fn template<K, KO, VO>(
    store: &StoreName,
    foreign_key: (SharedSerde<KO>, Arc<PseudoTopic>),
    input: Input,
) -> ProcessorTemplate
where
    K: Clone + 'static,
    KO: Clone + 'static,
    VO: Clone + 'static,
{
    let (store, (foreign_key, topic)) = (store.clone(), foreign_key);
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, Response<VO>>| {
        let node = ForeignJoin {
            input,
            store: links.store::<Subscriptions<KO, K>>(&store)?,
            foreign_key: Arc::clone(&foreign_key),
            topic: topic.of_application(links.context().application_id()),
            out,
            place: Place::of(links),
            prefix: Vec::new(),
        };
        Ok(NodeCell::<KO, Change<VO>>::owned(node))
    })
}
