//! A task in its worker: what it reads, how far its changelogs are acknowledged, whether it runs.

use std::ops::Range;

use crate::names::{TaskId, TopicPartition};
use crate::outbox::Purpose;
use crate::plane::{DataPlane, Delivery, InputId, ReadFor, StartAt};
use crate::task::commit_metadata::CommitMetadata;
use crate::task::{Durability, OffsetToCommit, Task};
use crate::time::Timestamp;
use crate::topology::OffsetReset;

use super::commit::Commits;
use super::failing::Stopped;
use super::in_step::Marks;
use super::message::{HeldPhase, HeldState, TaskInput, TaskToStart};
use super::overwritten::Repairs;
use super::restore::Restoration;
use super::retry::Troubles;
use super::starting::Begin;

/// What a task is doing.
pub(super) enum Phase {
    /// Another process runs it; its stores follow their changelogs.
    Standby(Vec<Restoration>),
    /// Its stores are being rebuilt.
    Restoring(Vec<Restoration>),
    /// It processes records.
    Running,
    /// It could not go on.
    Stopped(Stopped),
}

impl Phase {
    /// What is read into stores.
    pub(super) fn reading(&self) -> &[Restoration] {
        match self {
            Self::Standby(restorations) | Self::Restoring(restorations) => restorations,
            Self::Running | Self::Stopped(_) => &[],
        }
    }
}

/// What becomes of a task once its commit is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// It stays.
    Stay,
    /// It is closed.
    Close,
    /// It is a standby.
    StandBy,
}

/// How far a store's changelog is acknowledged.
#[derive(Debug, Clone, Default)]
pub(super) struct Acknowledged {
    /// The offset after the last acknowledged change; unknown before the first.
    next: Option<i64>,
    /// Whether it moved since the last commit.
    moved: bool,
    /// What to do with the next commit about offsets that were not to be expected.
    surprise: Surprise,
}

/// What acknowledged offsets tell beside that the changes arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Surprise {
    /// Only this task wrote.
    #[default]
    None,
    /// Somebody else did, too: offsets were missing, all of which lie in this stretch.
    OthersWrote(Range<i64>),
    /// The log went back: it lost records.
    LogLost,
}

/// Stores whose changelogs hold what they should not, at a commit.
#[derive(Debug, Default)]
pub(super) struct Surprises {
    /// Stores over whose rows another writer's records lie, somewhere in this stretch.
    pub(super) overwritten: Vec<(usize, Range<i64>)>,
    /// Stores whose changelogs lost records.
    pub(super) lost: Vec<usize>,
}

impl Acknowledged {
    fn add(&mut self, offset: i64) {
        // Of a repetition that the broker had taken long before, it does not say where it is.
        let Ok(_) = u64::try_from(offset) else { return };
        let before = std::mem::take(&mut self.surprise);
        self.surprise = match (self.next, before) {
            (_, Surprise::LogLost) => Surprise::LogLost,
            (Some(next), _) if offset < next => Surprise::LogLost,
            (Some(next), Surprise::None) if offset > next => Surprise::OthersWrote(next..offset),
            (Some(next), Surprise::OthersWrote(known)) if offset > next => {
                Surprise::OthersWrote(known.start..offset)
            }
            (_, before) => before,
        };
        self.next = Some(offset + 1);
        self.moved = true;
    }
}

pub(super) struct ActiveTask {
    pub(super) task: Task,
    pub(super) inputs: Vec<(TaskInput, InputId)>,
    pub(super) phase: Phase,
    acknowledged: Vec<Acknowledged>,
    pub(super) failed_deliveries: Vec<Delivery>,
    pub(super) afterwards: Afterwards,
    /// What was told of its state last.
    told: Option<HeldState>,
    pub(super) marks: Marks,
    /// How it was begun, to be begun again.
    pub(super) begun: TaskToStart,
    /// Those since its last commit.
    pub(super) troubles: Troubles,
    pub(super) repairs: Repairs,
}

impl ActiveTask {
    pub(super) fn new(task: Task, begun: TaskToStart) -> Self {
        let acknowledged = vec![Acknowledged::default(); task.store_names().len()];
        Self {
            task,
            inputs: Vec::new(),
            phase: Phase::Restoring(Vec::new()),
            acknowledged,
            failed_deliveries: Vec::new(),
            afterwards: Afterwards::Stay,
            told: None,
            marks: Marks::default(),
            begun,
            troubles: Troubles::default(),
            repairs: Repairs::default(),
        }
    }

    /// Keeps where its inputs are to be read from, before reading stops.
    pub(super) fn keep_inputs(&mut self) {
        if !self.inputs.is_empty() {
            self.begun.inputs = self.inputs.iter().map(|(input, _)| input.clone()).collect();
        }
    }

    pub(super) fn id(&self) -> TaskId {
        self.task.id()
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// Whether it may work beside the commit on its way. One that leaves would need another one if it
    /// did once its stores are written.
    pub(super) fn may_work(&self, number: u32, commits: &Commits) -> bool {
        let waits = self.leaves() && commits.is_writing();
        self.is_running() && !waits && !commits.takes(number)
    }

    /// Whether it is to be closed, or a standby, after its commit.
    pub(super) const fn leaves(&self) -> bool {
        !matches!(self.afterwards, Afterwards::Stay)
    }

    /// Whether it has done what is not committed yet.
    pub(super) const fn needs_commit(&self) -> bool {
        self.is_running() && (self.task.needs_commit() || self.repairs.wait_for_commit())
    }

    /// Whether nothing is left that it has to do before another may have it.
    pub(super) const fn may_leave(&self) -> bool {
        !self.needs_commit() && self.repairs.are_done()
    }

    pub(super) const fn is_standby(&self) -> bool {
        matches!(self.phase, Phase::Standby(_))
    }

    /// Whether it is a standby, be it one that was stopped.
    pub(super) const fn sends_nothing(&self) -> bool {
        matches!(
            self.phase,
            Phase::Standby(_) | Phase::Stopped(Stopped { begin: Begin::Standby, .. })
        )
    }

    /// The stores that are being read, by a restoration or as a standby.
    pub(super) fn restorations_mut(&mut self) -> (&mut Task, &mut [Restoration]) {
        let restorations = match &mut self.phase {
            Phase::Standby(restorations) | Phase::Restoring(restorations) => restorations,
            Phase::Running | Phase::Stopped(_) => return (&mut self.task, &mut []),
        };
        (&mut self.task, restorations)
    }

    /// How far the state is, if that has changed since it was told last.
    pub(super) fn news(&mut self) -> Option<HeldState> {
        let reading = self.phase.reading();
        let mut held = HeldState {
            task: self.id(),
            phase: match &self.phase {
                Phase::Running => HeldPhase::Running,
                Phase::Standby(_) | Phase::Stopped(Stopped { begin: Begin::Standby, .. }) => {
                    HeldPhase::Standby
                }
                Phase::Restoring(_) | Phase::Stopped(_) => HeldPhase::Restoring,
            },
            position: 0,
            on_disk: 0,
        };
        // Only a state with changelogs can be had elsewhere.
        self.task.logged_stores().next()?;
        for (store, logged) in self.task.logged_stores() {
            let durable = self.task.stores().position(store).unwrap_or(0);
            let read = reading.iter().find(|one| one.store() == store);
            held.position += read.map_or(durable, |one| one.progress().next);
            held.on_disk += if logged == Durability::OnDisk { durable } else { 0 };
        }
        (self.told != Some(held)).then(|| *self.told.insert(held))
    }

    /// A store is in step with its changelog up to here.
    pub(super) fn set_restored(&mut self, store: usize, next: i64) {
        if let Some(acknowledged) = self.acknowledged.get_mut(store) {
            *acknowledged = Acknowledged { next: Some(next), ..Acknowledged::default() };
        }
    }

    pub(super) fn delivered(&mut self, delivery: Delivery) {
        match (&delivery.outcome, delivery.purpose) {
            (Ok(offset), Purpose::Changelog { store, .. }) => {
                if let Some(acknowledged) = self.acknowledged.get_mut(store as usize) {
                    acknowledged.add(*offset);
                }
            }
            (Ok(_), Purpose::Output { .. }) => {}
            // What a stopped task sent is made again.
            (Err(_), _) if self.is_stopped() => {}
            (Err(_), _) => self.failed_deliveries.push(delivery),
        }
    }

    /// The positions to write with the next batch: (store, next offset of its changelog).
    pub(super) fn positions(&self) -> Vec<(usize, i64)> {
        let moved = self.acknowledged.iter().enumerate().filter(|(_, store)| store.moved);
        let own = moved.filter_map(|(at, store)| Some((at, store.next?)));
        own.chain(self.source_positions()).collect()
    }

    /// Stores whose source topic is their changelog hold what was consumed of it.
    fn source_positions(&self) -> impl Iterator<Item = (usize, i64)> {
        let offsets = self.task.offsets();
        let inputs: Vec<TopicPartition> = self.task.partitions().to_vec();
        let sources = self.task.restored_from().iter().enumerate();
        let positions: Vec<(usize, i64)> = sources
            .filter_map(|(store, from)| {
                let from = from.as_ref().filter(|from| inputs.contains(from))?;
                let offset = offsets.iter().find(|offset| offset.partition == *from)?;
                Some((store, offset.offset))
            })
            .collect();
        positions.into_iter()
    }

    /// Reads an input from where its policy says, when its offset lies outside the log. `false`
    /// when the policy is to fail.
    pub(super) fn reset_input(&mut self, slot: usize, plane: &mut dyn DataPlane) -> bool {
        let Some((input, id)) = self.inputs.get_mut(slot) else { return false };
        if input.reset == OffsetReset::Fail {
            return false;
        }
        input.start = StartAt::Reset(input.reset);
        plane.close(*id);
        *id = plane.open(&input.partition, input.start, ReadFor::Input);
        true
    }

    /// A reset begins again where the last commit ended.
    pub(super) fn remember_committed(&mut self, committed: &OffsetToCommit) {
        let input = self.inputs.iter_mut().find(|(i, _)| i.partition == committed.partition);
        if let Some((input, _)) = input {
            input.start = StartAt::Offset(committed.offset);
            input.committed = CommitMetadata::decode(&committed.metadata);
        }
    }

    /// What was acknowledged is to be on disk. What the offsets told beside.
    pub(super) fn settle_positions(&mut self) -> Surprises {
        let mut surprises = Surprises::default();
        for (at, store) in self.acknowledged.iter_mut().enumerate() {
            store.moved = false;
            match std::mem::take(&mut store.surprise) {
                Surprise::None => {}
                Surprise::OthersWrote(stretch) => surprises.overwritten.push((at, stretch)),
                Surprise::LogLost => surprises.lost.push(at),
            }
        }
        surprises
    }

    /// Stops reading, inputs and changelogs.
    pub(super) fn stop_reading(&mut self, plane: &mut dyn DataPlane) {
        self.repairs.give_up(plane);
        for (_, input) in self.inputs.drain(..) {
            plane.close(input);
        }
        if let Phase::Standby(restorations) | Phase::Restoring(restorations) = &mut self.phase {
            restorations.drain(..).for_each(|mut restoration| restoration.close(plane));
        }
    }

    /// Begins to read the inputs, with the times that were committed.
    pub(super) fn open_inputs(&mut self, inputs: Vec<TaskInput>, plane: &mut dyn DataPlane) {
        for (slot, input) in inputs.into_iter().enumerate() {
            self.task.resume(slot, &input.committed);
            let id = plane.open(&input.partition, input.start, ReadFor::Input);
            self.inputs.push((input, id));
        }
    }

    pub(super) fn start(&mut self, now: Timestamp) -> Result<(), Box<crate::error::TaskError>> {
        self.task.start(now)?;
        self.phase = Phase::Running;
        Ok(())
    }
}
