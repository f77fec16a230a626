//! Joins an answer with the left row, if that is still the one that asked; else the answer is
//! dropped and counted. Nothing to join deletes the row of the result. Kafka's
//! `ResponseJoinProcessorSupplier`.

use std::sync::Arc;

use streams_core::error::{ProcessorError, Pushed};
use streams_core::metrics::DropReason;
use streams_core::names::TopicName;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;
use streams_core::serde::SharedSerde;

use super::send::hash;
use super::{PseudoTopic, Response};
use crate::operators::Place;
use crate::view::{TableView, View};

struct Resolve<K, V, R, F> {
    rows: View<K, V>,
    value: SharedSerde<V>,
    topic: TopicName,
    joiner: Arc<F>,
    out: Edge<K, Option<R>>,
    place: Place,
    buffer: Vec<u8>,
}

impl<K, V, VO, R, F> Push<K, Response<VO>> for Resolve<K, V, R, F>
where
    K: Clone,
    V: 'static,
    R: Clone,
    F: Fn(&V, Option<&VO>) -> Result<Option<R>, ProcessorError>,
{
    fn push(&mut self, record: Record<K, Response<VO>>) -> Pushed {
        let Record { key, value: response, timestamp, headers } = record;
        let row = match self.rows.look_up(&key) {
            Ok(row) => row.map(|row| row.value),
            Err(error) => return self.place.fail(error),
        };
        let now = row.as_ref().map(|row| hash(&self.value, &self.topic, row, &mut self.buffer));
        let now = match now.transpose() {
            Ok(now) => now,
            Err(error) => return self.place.fail(ProcessorError::from(error)),
        };
        if now != response.hash {
            return self.place.drop_record(DropReason::Stale);
        }
        let joined = row.map_or(Ok(None), |row| (self.joiner)(&row, response.foreign.as_ref()));
        match joined {
            Ok(value) => self.out.push(Record { key, value, timestamp, headers }),
            Err(error) => self.place.fail(error),
        }
    }
}

/// Joins answers with these rows. The joiner of an inner join gives nothing without a foreign value.
pub(crate) fn template<K, V, VO, R, F>(
    rows: TableView<K, V>,
    value: (SharedSerde<V>, PseudoTopic),
    joiner: F,
) -> ProcessorTemplate
where
    K: Clone + 'static,
    V: Clone + 'static,
    VO: 'static,
    R: Clone + 'static,
    F: Fn(&V, Option<&VO>) -> Result<Option<R>, ProcessorError> + Send + Sync + 'static,
{
    let ((value, topic), joiner) = (value, Arc::new(joiner));
    ProcessorTemplate::new(move |links: &mut NodeLinks<'_>, out: Edge<K, Option<R>>| {
        let node = Resolve {
            rows: rows.link(links)?,
            value: Arc::clone(&value),
            topic: topic.of_application(links.context().application_id()),
            joiner: Arc::clone(&joiner),
            out,
            place: Place::of(links),
            buffer: Vec::new(),
        };
        Ok(NodeCell::<K, Response<VO>>::owned(node))
    })
}
