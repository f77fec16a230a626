//! Planted defects: mistakes that implementations of this design make. Each is planted at a seam,
//! in what stands for a component here (the disk, the data plane, the group thread), so that no
//! build of the product knows of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use streams_core::error::ProduceError;
use streams_core::names::{TopicName, TopicPartition};
use streams_core::outbox::{OutRecord, Outbox, Purpose, SharedOutbox, TopicId};
use streams_core::plane::{DataPlane, Delivery, FetchError, Fetched, InputId, ReadFor, StartAt};
use streams_core::record::RecordBatch;
use streams_test::model::ModelBatch;
use streams_test::{KafkaModel, ModelPlane};

use super::app::number;
use super::plan::Fault;

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
    /// A request whose answer gets lost on a connection that stays open is waited for.
    UnansweredWaitedFor,
    /// A commit of which nothing is heard is taken for done.
    DoubtTakenForCommit,
    /// A damaged store is opened as it is.
    DamageTakenAsItIs,
    /// A damaged store is emptied, and not its position.
    DamagedPositionKept,
    /// A store is taken for the beginning of a changelog that was made anew.
    RemadeChangelogTrusted,
    /// A store behind which records were deleted from its changelog is taken for restored.
    CutTakenForEnd,
    /// A changelog of other partitions is used as it is.
    OtherPartitionsAccepted,
    /// A record that cannot be read is left out, and the next one with it.
    PoisonTakesNext,
    /// A record that cannot be read is left out, and not counted.
    PoisonUncounted,
    /// A task that panicked goes on behind what it had read.
    PanicLosesNext,
    /// A panic ends the worker's thread, with all of its tasks.
    PanicIsTheThreads,
    /// The group is not asked about a commit without offsets.
    CommitUnasked,
    /// What caches hold is not written when offsets are committed.
    CacheKeptAtCommit,
    /// Tasks are not looked up again of which brokers told nothing.
    LookUpForgotten,
}

/// What a run is made with, beside its seed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trial {
    pub(crate) defect: Option<Defect>,
    /// What does not happen in it.
    pub(crate) without: Option<Fault>,
}

impl Trial {
    pub(crate) fn of(defect: Defect) -> Self {
        Self { defect: Some(defect), without: None }
    }

    pub(crate) fn has(self, fault: Fault) -> bool {
        self.without != Some(fault)
    }
}

impl Defect {
    /// What alone shows it, where one of these does.
    pub(crate) fn shown_by(self) -> Option<Fault> {
        match self {
            Self::UnansweredWaitedFor | Self::DoubtTakenForCommit => Some(Fault::Networks),
            Self::DamageTakenAsItIs | Self::DamagedPositionKept => Some(Fault::Damages),
            Self::RemadeChangelogTrusted | Self::CutTakenForEnd | Self::OtherPartitionsAccepted => {
                Some(Fault::Changelogs)
            }
            Self::PoisonTakesNext | Self::PoisonUncounted => Some(Fault::Poison),
            Self::PanicLosesNext | Self::PanicIsTheThreads => Some(Fault::Panics),
            Self::LookUpForgotten => Some(Fault::Questions),
            _ => None,
        }
    }

    pub(crate) const ALL: [Self; 32] = [
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
        Self::UnansweredWaitedFor,
        Self::DoubtTakenForCommit,
        Self::DamageTakenAsItIs,
        Self::DamagedPositionKept,
        Self::RemadeChangelogTrusted,
        Self::CutTakenForEnd,
        Self::OtherPartitionsAccepted,
        Self::PoisonTakesNext,
        Self::PoisonUncounted,
        Self::PanicLosesNext,
        Self::PanicIsTheThreads,
        Self::CommitUnasked,
        Self::CacheKeptAtCommit,
        Self::LookUpForgotten,
    ];
}

/// Inputs of tasks that panicked, until they are read again.
pub(crate) type Slips = Rc<RefCell<BTreeSet<TopicPartition>>>;

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
    slips: Slips,
}

/// Acknowledges changes when they are sent.
struct Early {
    outbox: SharedOutbox,
    kafka: KafkaModel,
    partitions: BTreeMap<TopicPartition, i64>,
    deliveries: Vec<Delivery>,
}

impl FaultyPlane {
    pub(crate) fn new(
        plane: ModelPlane,
        kafka: &KafkaModel,
        defect: Defect,
        slips: &Slips,
    ) -> Self {
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
            slips: Rc::clone(slips),
        }
    }

    /// Up to where a partition is taken to be read when it is opened again.
    fn skipped_to(&self, partition: &TopicPartition, purpose: ReadFor) -> Option<i64> {
        let is_forgotten = match self.defect {
            Defect::NoRewindOfReplaced => true,
            Defect::PanicLosesNext => self.slips.borrow_mut().remove(partition),
            _ => false,
        };
        self.read.get(partition).copied().filter(|_| is_forgotten && purpose == ReadFor::Input)
    }

    /// What was fetched of an input, without the records that follow those that cannot be read.
    fn without_next(&self, partition: &TopicPartition, batch: &dyn RecordBatch) -> Fetched {
        let (first, last) = (batch.record(0).offset, batch.record(batch.len() - 1).offset);
        let records = self.kafka.read(partition, first, batch.len()).unwrap_or_default();
        let mut is_behind = false;
        let left = records.into_iter().filter(|record| {
            let value = record.value.as_deref().map(String::from_utf8_lossy);
            let is_poison = value.is_none_or(|value| number(&value).is_none());
            let is_taken = std::mem::replace(&mut is_behind, is_poison);
            record.offset == last || !is_taken
        });
        Fetched::Records(Box::new(ModelBatch::new(left.collect())))
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
        let start = match (start, self.skipped_to(partition, purpose)) {
            (StartAt::Offset(at), Some(read)) => StartAt::Offset(at.max(read)),
            _ => start,
        };
        let input = self.plane.open(partition, start, purpose);
        if purpose == ReadFor::Input {
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
        let fetched = match (self.defect, self.reading.get(&input), fetched) {
            (Defect::PoisonTakesNext, Some(partition), Fetched::Records(batch)) => {
                self.without_next(partition, &*batch)
            }
            (
                Defect::CutTakenForEnd,
                None,
                Fetched::Failed(FetchError::OutOfRange { offset, .. }),
            ) => Fetched::End(offset),
            (_, _, fetched) => fetched,
        };
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
