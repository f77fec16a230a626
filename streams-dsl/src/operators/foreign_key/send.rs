//! Tells the right side about each change of a left row: which foreign key it left, and which it
//! subscribes to. Without a foreign key, a row of an inner join is dropped and counted, and one of a
//! left join asks without a key. Kafka's `SubscriptionSendProcessorSupplier`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::metrics::DropReason;
use streams_core::names::TopicName;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;
use streams_core::serde::{Payload, SerdeError, SharedSerde};

use super::murmur3::hash128;
use super::subscription::{Instruction, Subscription, invalid};
use super::{PseudoTopic, RowHash};
use crate::change::Change;
use crate::operators::Place;
use crate::operators::table_join::Need;
use crate::plan::Input;

/// What sending is made of.
pub(crate) struct Sending<V, KO, F> {
    /// Gives the foreign key of a left row.
    pub(crate) extract: F,
    /// Whether a left row has a result without a foreign one.
    pub(crate) foreign: Need,
    pub(crate) foreign_key: (SharedSerde<KO>, Arc<PseudoTopic>),
    /// For the hash of a left row.
    pub(crate) value: (SharedSerde<V>, PseudoTopic),
    pub(crate) input: Input,
}

struct Send<K, V, KO, F> {
    given: Arc<Sending<V, KO, F>>,
    foreign_key_topic: TopicName,
    value_topic: TopicName,
    out: Edge<Option<KO>, Subscription<K>>,
    place: Place,
    buffers: [Vec<u8>; 2],
}

/// Subscriptions to send, by foreign key, in order.
type Plan<KO> = [Option<(Option<KO>, Instruction)>; 2];

/// The hash of a row.
pub(super) fn hash<V: 'static>(
    serde: &SharedSerde<V>,
    topic: &TopicName,
    value: &V,
    buffer: &mut Vec<u8>,
) -> Result<RowHash, SerdeError> {
    buffer.clear();
    match serde.encode(topic, value, buffer)? {
        Payload::Bytes => Ok(hash128(buffer)),
        Payload::Null => Err(invalid("row", "the serde turns a value into null")),
    }
}

impl<K, V, KO, F> Send<K, V, KO, F>
where
    V: 'static,
    KO: 'static,
    F: Fn(&K, &V) -> Result<Option<KO>, ProcessorError>,
{
    fn is_changed(&mut self, old: &KO, new: Option<&KO>) -> Result<bool, SerdeError> {
        let Some(new) = new else { return Ok(true) };
        let (serde, topic) = (&self.given.foreign_key.0, &self.foreign_key_topic);
        let [one, other] = &mut self.buffers;
        one.clear();
        other.clear();
        let payloads = (serde.encode(topic, old, one)?, serde.encode(topic, new, other)?);
        Ok(payloads.0 != payloads.1 || one != other)
    }

    /// What a change means for the right side.
    fn plan(&mut self, key: &K, change: &Change<V>) -> Result<Plan<KO>, ProcessorError> {
        let extract = |value: &Option<V>| {
            value.as_ref().map_or(Ok(None), |value| (self.given.extract)(key, value))
        };
        let (old, new) = (extract(&change.old)?, extract(&change.new)?);
        let is_gone = change.new.is_none();
        if self.given.foreign == Need::Optional {
            if is_gone && change.old.is_none() {
                return Ok([None, None]);
            }
            // Asked in any case, so that an answer comes and there is a result.
            let ask = (Instruction::PropagateNullIfNoForeignRow, new);
            let leave = match old {
                Some(old) if self.is_changed(&old, ask.1.as_ref())? => Some(old),
                _ => None,
            };
            let leave = leave.map(|old| (Some(old), Instruction::DeleteKeyNoPropagate));
            return Ok([leave, Some((ask.1, ask.0))]);
        }
        let Some(new) = new else {
            if !is_gone {
                // Counted; what the row subscribed to before is still to be left.
                self.place.count_dropped(DropReason::NullKey);
            }
            let leave = old.map(|old| (Some(old), Instruction::DeleteKeyAndPropagate));
            return Ok([leave, None]);
        };
        let Some(old) = old else {
            return Ok([None, Some((Some(new), Instruction::PropagateOnlyIfForeignRow))]);
        };
        if self.is_changed(&old, Some(&new))? {
            let leave = (Some(old), Instruction::DeleteKeyNoPropagate);
            let ask = (Some(new), Instruction::PropagateNullIfNoForeignRow);
            return Ok([Some(leave), Some(ask)]);
        }
        // Without a row there was no result before, so that nothing has to be taken back.
        Ok([None, Some((Some(new), Instruction::PropagateOnlyIfForeignRow))])
    }

    fn hash(&mut self, value: Option<&V>) -> Result<Option<RowHash>, SerdeError> {
        let (serde, topic) = (&self.given.value.0, &self.value_topic);
        let [buffer, _] = &mut self.buffers;
        value.map(|value| hash(serde, topic, value, buffer)).transpose()
    }
}

impl<K, V, KO, F> Push<K, Change<V>> for Send<K, V, KO, F>
where
    K: Clone + 'static,
    V: 'static,
    KO: Clone + 'static,
    F: Fn(&K, &V) -> Result<Option<KO>, ProcessorError>,
{
    fn push(&mut self, record: Record<K, Change<V>>) -> Pushed {
        let Record { key: primary_key, value: change, timestamp, headers } = record;
        if self.given.input.leaves_out(change.age) {
            return self.place.drop_record(DropReason::OutOfOrder);
        }
        let plan = match self.plan(&primary_key, &change) {
            Ok(plan) => plan,
            Err(error) => return self.place.fail(error),
        };
        if plan.iter().all(Option::is_none) {
            return Ok(());
        }
        let hash = match self.hash(change.new.as_ref()) {
            Ok(hash) => hash,
            Err(error) => return self.place.fail(ProcessorError::from(error)),
        };
        let primary_partition = Some(self.place.partition());
        for (key, instruction) in plan.into_iter().flatten() {
            let (primary_key, headers) = (primary_key.clone(), headers.clone());
            let value = Subscription { hash, instruction, primary_key, primary_partition };
            self.out.push(Record { key, value, timestamp, headers })?;
        }
        Ok(())
    }
}

/// Sends the subscriptions of a table's rows.
pub(crate) fn template<K, V, KO, F>(sending: Sending<V, KO, F>) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: 'static,
    KO: Clone + 'static,
    F: Fn(&K, &V) -> Result<Option<KO>, ProcessorError> + std::marker::Send + Sync + 'static,
{
    let sending = Arc::new(sending);
    ProcessorTemplate::new(
        move |links: &mut NodeLinks<'_>, out: Edge<Option<KO>, Subscription<K>>| {
            let application = links.context().application_id();
            let node = Send {
                foreign_key_topic: sending.foreign_key.1.of_application(application),
                value_topic: sending.value.1.of_application(application),
                given: Arc::clone(&sending),
                out,
                place: Place::of(links),
                buffers: [Vec::new(), Vec::new()],
            };
            Ok(NodeCell::<K, Change<V>>::owned(node))
        },
    )
}
