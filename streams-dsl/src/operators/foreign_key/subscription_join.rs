//! Answers a subscription with the foreign row as it is. The answer's time is the later of the two
//! rows'. Kafka's `SubscriptionJoinProcessorSupplier`.

use streams_core::error::Pushed;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

use super::subscription::{Instruction, Subscription};
use super::{CombinedKey, Response};
use crate::operators::Place;
use crate::view::{TableView, View};

struct SubscriptionJoin<K, KO, VO> {
    foreign_rows: View<KO, VO>,
    out: Edge<K, Response<VO>>,
    place: Place,
}

impl<K, KO, VO> Push<CombinedKey<KO, K>, Subscription<K>> for SubscriptionJoin<K, KO, VO>
where
    K: Clone,
    VO: Clone,
{
    fn push(&mut self, record: Record<CombinedKey<KO, K>, Subscription<K>>) -> Pushed {
        let Record { key: CombinedKey { foreign, primary }, value, timestamp, headers } = record;
        let row = match foreign.as_ref().map_or(Ok(None), |key| self.foreign_rows.look_up(key)) {
            Ok(row) => row,
            Err(error) => return self.place.fail(error),
        };
        let timestamp = row.as_ref().map_or(timestamp, |row| row.timestamp.max(timestamp));
        let row = row.map(|row| row.value);
        let foreign = match value.instruction {
            Instruction::DeleteKeyNoPropagate => return Ok(()),
            Instruction::DeleteKeyAndPropagate => None,
            Instruction::PropagateNullIfNoForeignRow => row,
            Instruction::PropagateOnlyIfForeignRow if row.is_none() => return Ok(()),
            Instruction::PropagateOnlyIfForeignRow => row,
        };
        let Subscription { hash, primary_partition, .. } = value;
        let value = Response { hash, foreign, primary_partition };
        self.out.push(Record { key: primary, value, timestamp, headers })
    }
}

/// Answers from these rows.
pub(crate) fn template<K, KO, VO>(foreign_rows: TableView<KO, VO>) -> ProcessorTemplate
where
    K: Clone + 'static,
    KO: Clone + 'static,
    VO: Clone + 'static,
{
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, Response<VO>>| {
        let (foreign_rows, place) = (foreign_rows.link(links)?, Place::of(links));
        let node = SubscriptionJoin { foreign_rows, out, place };
        Ok(NodeCell::<CombinedKey<KO, K>, Subscription<K>>::owned(node))
    })
}
