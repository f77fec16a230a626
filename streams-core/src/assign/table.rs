//! The members at one table: who has what, and how far.

use std::collections::{BTreeMap, BTreeSet};

use super::task::{TaskId, TaskState};
use super::{Candidate, PlacementPolicy};
use crate::membership::MemberId;
use crate::names::SubtopologyId;

/// A member while tasks are being placed.
pub(super) struct Seat<'a> {
    pub(super) member: &'a MemberId,
    pub(super) candidate: &'a Candidate,
    pub(super) active: BTreeSet<TaskId>,
    pub(super) standby: BTreeSet<TaskId>,
}

/// All members, in a lasting order: a new member id of the same process changes nothing.
pub(super) struct Table<'a> {
    pub(super) seats: Vec<Seat<'a>>,
    tasks: &'a BTreeMap<TaskId, TaskState>,
    policy: PlacementPolicy,
    /// The member that alone says that it owns a task, by its seat.
    sole_owners: BTreeMap<TaskId, usize>,
}

impl<'a> Table<'a> {
    pub(super) fn new(
        members: &'a BTreeMap<MemberId, Candidate>,
        tasks: &'a BTreeMap<TaskId, TaskState>,
        policy: PlacementPolicy,
    ) -> Self {
        let seat = |(member, candidate)| {
            let (active, standby) = (BTreeSet::new(), BTreeSet::new());
            Seat { member, candidate, active, standby }
        };
        let mut seats: Vec<Seat<'a>> = members.iter().map(seat).collect();
        seats.sort_by_key(|seat| (seat.candidate.process, seat.member));
        let mut owners = BTreeMap::<TaskId, Vec<usize>>::new();
        for (at, seat) in seats.iter().enumerate() {
            for task in &seat.candidate.owned {
                owners.entry(*task).or_default().push(at);
            }
        }
        let sole = |(task, owners): (TaskId, Vec<usize>)| match owners.as_slice() {
            [owner] => Some((task, *owner)),
            _ => None,
        };
        let sole_owners = owners.into_iter().filter_map(sole).collect();
        Self { seats, tasks, policy, sole_owners }
    }

    pub(super) fn tasks_that(&self, fit: impl Fn(TaskState) -> bool) -> BTreeSet<TaskId> {
        let fitting = self.tasks.iter().filter(|(_, state)| fit(**state));
        fitting.map(|(task, _)| *task).collect()
    }

    pub(super) fn sole_owner(&self, task: TaskId) -> Option<usize> {
        self.sole_owners.get(&task).copied()
    }

    fn candidate(&self, seat: usize) -> Option<&Candidate> {
        self.seats.get(seat).map(|seat| seat.candidate)
    }

    /// Records of the task's changelogs that the member's state lacks. What an owner says nothing
    /// of is complete; a member without state lacks everything.
    pub(super) fn lag(&self, seat: usize, task: TaskId) -> u64 {
        let known = self.candidate(seat).and_then(|candidate| {
            let owns = candidate.owned.contains(&task);
            candidate.lags.get(&task).copied().or(owns.then_some(0))
        });
        let all = || match self.tasks.get(&task) {
            Some(TaskState::Logged { end: Some(end) }) => u64::try_from(*end).unwrap_or(0),
            Some(TaskState::Logged { end: None }) => u64::MAX,
            Some(TaskState::Stateless) | None => 0,
        };
        known.unwrap_or_else(all)
    }

    pub(super) fn has_state(&self, seat: usize, task: TaskId) -> bool {
        self.candidate(seat).is_some_and(|candidate| {
            candidate.lags.contains_key(&task) || candidate.owned.contains(&task)
        })
    }

    /// Whether the state is in use there, and not only on a disk.
    pub(super) fn has_open(&self, seat: usize, task: TaskId) -> bool {
        self.candidate(seat).is_some_and(|candidate| {
            candidate.standby.contains(&task) || candidate.owned.contains(&task)
        })
    }

    /// Whether the task would run there after a short restoration at most.
    pub(super) fn is_caught_up(&self, seat: usize, task: TaskId) -> bool {
        self.lag(seat, task) <= self.policy.acceptable_recovery_lag
    }

    pub(super) fn has_room_for_copy(&self, seat: usize, task: TaskId) -> bool {
        let taken = |seat: &Seat<'_>| seat.active.contains(&task) || seat.standby.contains(&task);
        self.seats.get(seat).is_some_and(|seat| !taken(seat))
    }

    /// Tasks for each worker, in units that compare across members.
    pub(super) fn load(&self, seat: usize) -> u64 {
        self.seats.get(seat).map_or(u64::MAX, |seat| {
            seat.active.len() as u64 * u64::from(u16::MAX)
                / u64::from(seat.candidate.workers.max(1))
        })
    }
}

/// How many of these tasks are of the sub-topology.
pub(super) fn in_subtopology(tasks: &BTreeSet<TaskId>, subtopology: SubtopologyId) -> usize {
    tasks.iter().filter(|task| task.subtopology == subtopology).count()
}
