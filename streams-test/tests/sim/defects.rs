//! Planted defects: mistakes that implementations of this design make. Each is planted at a seam,
//! in what stands for a component here (the disk, the data plane, the group thread), so that no
//! build of the product knows of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use streams_core::error::ProduceError;
use streams_core::names::{TopicName, TopicPartition};
use streams_core::outbox::{OutRecord, Outbox, Purpose, SharedOutbox, TopicId};
use streams_core::plane::{DataPlane, Delivery, Fetched, InputId, ReadFor, StartAt};
use streams_test::{KafkaModel, ModelPlane};

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// A record that was not delivered is taken for one that was.
    DeliveryErrorIgnored,
    /// Offsets are committed while records are still on their way.
    CommitBeforeAcknowledgement,
    /// A store's position is that of the records sent, not of those acknowledged.
    PositionOfSent,
    /// A store's rows are written without its position.
    BatchWithoutPosition,
    /// A task is given back before it is committed and closed.
    ReleasedBeforeCommit,
    /// Tasks that were lost run on.
    LostTasksRunOn,
    /// Where a changelog ends is asked once, not when its last writer has let go.
    EndsAskedOnce,
    /// A changelog that gives nothing at the moment is taken for restored.
    QuietTakenForEnd,
    /// A task that was lost and comes back goes on where its process had read to, not where the last
    /// commit was.
    NoRewind,
    /// A standby runs without what it had not read yet.
    PromotedAsItIs,
    /// Repartition records are deleted once they are read, not once their offsets are committed.
    PurgedWhenRead,
    /// A static member leaves the group when it closes, as if it was not to come back.
    StaticMemberLeaves,
    /// A process runs on though another one has taken its `group.instance.id`.
    FencedRunsOn,
    /// A task that failed and is made anew goes on behind the record that it failed on, not where the
    /// last commit was.
    NoRewindOfReplaced,
    /// A process runs on though the assignment says that all shall close.
    OrderUnheard,
    /// A process that is told to close goes at once, though others may not have heard of it.
    OrderNotPassedOn,
    /// Stores are written before the offsets are committed, which may be refused.
    StoreBeforeOffsets,
    /// What was processed before the tasks were lost is committed as the generation of now.
    NewestGenerationAtCommit,
}

impl Defect {
    pub(crate) const ALL: [Self; 18] = [
        Self::DeliveryErrorIgnored,
        Self::CommitBeforeAcknowledgement,
        Self::PositionOfSent,
        Self::BatchWithoutPosition,
        Self::ReleasedBeforeCommit,
        Self::LostTasksRunOn,
        Self::EndsAskedOnce,
        Self::QuietTakenForEnd,
        Self::NoRewind,
        Self::PromotedAsItIs,
        Self::PurgedWhenRead,
        Self::StaticMemberLeaves,
        Self::FencedRunsOn,
        Self::NoRewindOfReplaced,
        Self::OrderUnheard,
        Self::OrderNotPassedOn,
        Self::StoreBeforeOffsets,
        Self::NewestGenerationAtCommit,
    ];
}

/// A data plane with a defect.
pub(crate) struct FaultyPlane {
    plane: ModelPlane,
    defect: Defect,
    kafka: KafkaModel,
    restoring: BTreeMap<InputId, i64>,
    /// Inputs that are read, and up to where each partition was.
    reading: BTreeMap<InputId, TopicPartition>,
    read: BTreeMap<TopicPartition, i64>,
    outbox: Rc<RefCell<Early>>,
}

/// Acknowledges changes when they are sent.
struct Early {
    outbox: SharedOutbox,
    kafka: KafkaModel,
    partitions: BTreeMap<TopicPartition, i64>,
    deliveries: Vec<Delivery>,
}

impl FaultyPlane {
    pub(crate) fn new(plane: ModelPlane, kafka: &KafkaModel, defect: Defect) -> Self {
        let early = Early {
            outbox: plane.outbox(),
            kafka: kafka.clone(),
            partitions: BTreeMap::new(),
            deliveries: Vec::new(),
        };
        Self {
            plane,
            defect,
            kafka: kafka.clone(),
            restoring: BTreeMap::new(),
            reading: BTreeMap::new(),
            read: BTreeMap::new(),
            outbox: Rc::new(RefCell::new(early)),
        }
    }
}

impl DataPlane for FaultyPlane {
    fn outbox(&self) -> SharedOutbox {
        if self.defect == Defect::PositionOfSent {
            let outbox: Rc<RefCell<Early>> = Rc::clone(&self.outbox);
            return outbox;
        }
        self.plane.outbox()
    }

    fn open(&mut self, partition: &TopicPartition, start: StartAt, purpose: ReadFor) -> InputId {
        let read = self.read.get(partition).filter(|_| purpose == ReadFor::Input);
        let start = match (start, read) {
            (StartAt::Offset(at), Some(read)) => StartAt::Offset(at.max(*read)),
            _ => start,
        };
        let input = self.plane.open(partition, start, purpose);
        if purpose == ReadFor::Input && self.defect == Defect::NoRewindOfReplaced {
            self.reading.insert(input, partition.clone());
        }
        if purpose == ReadFor::Restore && self.defect == Defect::QuietTakenForEnd {
            let first = self.kafka.offsets(partition).map_or(0, |(first, _)| first);
            let at = if let StartAt::Offset(at) = start { at } else { first };
            self.restoring.insert(input, at);
        }
        input
    }

    fn close(&mut self, input: InputId) {
        self.restoring.remove(&input);
        self.reading.remove(&input);
        self.plane.close(input);
    }

    fn fetch(&mut self, input: InputId, max: usize) -> Fetched {
        let fetched = self.plane.fetch(input, max);
        if let (Some(partition), Fetched::Records(batch)) = (self.reading.get(&input), &fetched) {
            self.read.insert(partition.clone(), batch.record(batch.len() - 1).offset + 1);
        }
        match (self.restoring.get_mut(&input), fetched) {
            (Some(at), Fetched::Records(batch)) => {
                *at = batch.record(batch.len() - 1).offset + 1;
                Fetched::Records(batch)
            }
            (Some(at), Fetched::Nothing | Fetched::Failed(_)) => Fetched::End(*at),
            (_, fetched) => fetched,
        }
    }

    fn lag(&mut self, input: InputId) -> Option<i64> {
        self.plane.lag(input)
    }

    fn failure(&mut self) -> Option<ProduceError> {
        // Who ignores what became of a record hears nothing of its producer either.
        self.plane.failure().filter(|_| self.defect != Defect::DeliveryErrorIgnored)
    }

    fn renew(&mut self) {
        self.plane.renew();
    }

    fn deliveries(&mut self, each: &mut dyn FnMut(Delivery)) -> usize {
        let early = std::mem::take(&mut self.outbox.borrow_mut().deliveries);
        early.into_iter().for_each(&mut *each);
        let defect = self.defect;
        let left = self.plane.deliveries(&mut |delivery| {
            let is_change = matches!(delivery.purpose, Purpose::Changelog { .. });
            match defect {
                Defect::DeliveryErrorIgnored if delivery.outcome.is_err() => {}
                Defect::PositionOfSent if is_change => {}
                _ => each(delivery),
            }
        });
        match defect {
            Defect::CommitBeforeAcknowledgement | Defect::PositionOfSent => 0,
            _ => left,
        }
    }

    fn undelivered_of(&self, task: u32) -> usize {
        match self.defect {
            Defect::CommitBeforeAcknowledgement | Defect::PositionOfSent => 0,
            _ => self.plane.undelivered_of(task),
        }
    }
}

impl Outbox for Early {
    fn topic(&mut self, name: &TopicName) -> TopicId {
        self.outbox.borrow_mut().topic(name)
    }

    fn topic_name(&self, topic: TopicId) -> TopicName {
        self.outbox.borrow().topic_name(topic)
    }

    fn partitions(&mut self, topic: TopicId) -> Result<i32, ProduceError> {
        self.outbox.borrow_mut().partitions(topic)
    }

    fn send(&mut self, record: OutRecord<'_>) -> Result<(), ProduceError> {
        use streams_core::outbox::Destination::Partition;
        let OutRecord { purpose, activity, topic, .. } = record;
        if let (Purpose::Changelog { .. }, Partition(partition)) = (purpose, record.destination) {
            let at = TopicPartition { topic: self.topic_name(topic), partition };
            let end = self.kafka.offsets(&at).map_or(0, |(_, end)| end);
            let next = self.partitions.entry(at).or_insert(end);
            *next = end.max(*next) + 1;
            let outcome = Ok(*next - 1);
            self.deliveries.push(Delivery { purpose, activity, topic, outcome });
        }
        self.outbox.borrow_mut().send(record)
    }
}
