//! Reading the model as a worker does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use streams_core::error::ProduceError;
use streams_core::names::TopicPartition;
use streams_core::outbox::SharedOutbox;
use streams_core::plane::{DataPlane, Delivery, FetchError, Fetched, InputId, ReadFor, StartAt};
use streams_core::topology::OffsetReset;

use super::{KafkaModel, ModelBatch, ModelOutbox, WriterId};

#[derive(Debug)]
struct Input {
    partition: TopicPartition,
    purpose: ReadFor,
    position: Position,
    /// The end that was reported last.
    reported_end: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
enum Position {
    At(i64),
    /// Not known yet: the partition may come into being later.
    By(OffsetReset),
}

/// A worker's way to the model. Make one in each thread; it has one producer.
#[derive(Debug)]
pub struct ModelPlane {
    model: KafkaModel,
    outbox: Rc<RefCell<ModelOutbox>>,
    inputs: BTreeMap<InputId, Input>,
    next_input: u32,
}

impl ModelPlane {
    /// A way to this model.
    #[must_use]
    pub fn new(model: &KafkaModel) -> Self {
        let outbox = Rc::new(RefCell::new(ModelOutbox::new(model)));
        Self { model: model.clone(), outbox, inputs: BTreeMap::new(), next_input: 0 }
    }

    /// The number that the records of its producer bear.
    #[must_use]
    pub fn writer(&self) -> WriterId {
        self.outbox.borrow().writer()
    }
}

impl Input {
    /// The offset to read next.
    fn position(&mut self, model: &KafkaModel) -> Result<i64, FetchError> {
        let Some((start, end)) = model.offsets(&self.partition) else {
            return Err(FetchError::Missing(self.partition.clone()));
        };
        let out_of_range = |offset| {
            let partition = self.partition.clone();
            Err(FetchError::OutOfRange { partition, offset })
        };
        let at = match self.position {
            Position::At(at) => at,
            Position::By(OffsetReset::Earliest) => start,
            Position::By(OffsetReset::Latest) => end,
            Position::By(OffsetReset::By(back)) => {
                model.offset_by(&self.partition, back).unwrap_or(start)
            }
            Position::By(OffsetReset::Fail) => return out_of_range(-1),
        };
        self.position = Position::At(at);
        if (start..=end).contains(&at) { Ok(at) } else { out_of_range(at) }
    }

    fn fetch(&mut self, model: &KafkaModel, max: usize) -> Result<Fetched, FetchError> {
        if !model.reaches_leader(&self.partition) {
            return Ok(Fetched::Nothing);
        }
        if !model.may_fetch(&self.partition) {
            let (partition, message) =
                (self.partition.clone(), "no answer from its leader".to_owned());
            return Err(FetchError::Other { partition, message });
        }
        let position = self.position(model)?;
        let Some(records) = model.read(&self.partition, position, max) else {
            return Err(FetchError::Missing(self.partition.clone()));
        };
        if let Some(last) = records.last() {
            self.position = Position::At(last.offset + 1);
            return Ok(Fetched::Records(Box::new(ModelBatch::new(records))));
        }
        // What compaction removed at the end is passed over.
        let end = model.offsets(&self.partition).map_or(position, |(_, end)| end);
        if max == 0 || self.purpose == ReadFor::Input {
            return Ok(Fetched::Nothing);
        }
        self.position = Position::At(end);
        if self.reported_end == Some(end) {
            return Ok(Fetched::Nothing);
        }
        self.reported_end = Some(end);
        Ok(Fetched::End(end))
    }
}

impl DataPlane for ModelPlane {
    fn outbox(&self) -> SharedOutbox {
        let outbox: Rc<RefCell<ModelOutbox>> = Rc::clone(&self.outbox);
        outbox
    }

    fn open(&mut self, partition: &TopicPartition, start: StartAt, purpose: ReadFor) -> InputId {
        let id = InputId(self.next_input);
        self.next_input += 1;
        let position = match start {
            StartAt::Offset(offset) => Position::At(offset),
            StartAt::Reset(reset) => Position::By(reset),
        };
        let partition = partition.clone();
        let mut input = Input { partition, purpose, position, reported_end: None };
        // The end is that of now, if brokers tell; an error comes again with the first fetch.
        if !self.model.reaches_leader(&input.partition) || input.position(&self.model).is_err() {
            input.position = position;
        }
        self.inputs.insert(id, input);
        id
    }

    fn close(&mut self, input: InputId) {
        self.inputs.remove(&input);
    }

    fn fetch(&mut self, input: InputId, max: usize) -> Fetched {
        let Some(input) = self.inputs.get_mut(&input) else { return Fetched::Nothing };
        input.fetch(&self.model, max).unwrap_or_else(Fetched::Failed)
    }

    fn lag(&mut self, input: InputId) -> Option<i64> {
        let input = self.inputs.get_mut(&input)?;
        let position = input.position(&self.model).ok()?;
        let (_, end) = self.model.offsets(&input.partition)?;
        Some(end - position)
    }

    fn failure(&mut self) -> Option<ProduceError> {
        self.outbox.borrow().failure()
    }

    fn renew(&mut self) {
        self.outbox.borrow().renew();
    }

    fn deliveries(&mut self, each: &mut dyn FnMut(Delivery)) -> usize {
        let deliveries = self.outbox.borrow_mut().deliveries();
        deliveries.for_each(each);
        self.outbox.borrow().on_their_way()
    }

    fn undelivered_of(&self, task: u32) -> usize {
        self.outbox.borrow().undelivered_of(task)
    }
}
