//! Which member runs which task: a pure function of what the members say of themselves.
//!
//! The leader of a group calls [`assign`] in every rebalance. The result is
//!
//! - balanced: each member gets its share by workers, of the tasks with state and of all;
//! - sticky: a task stays where it runs, else goes to where its state lies;
//! - available: a task with state moves only to a member that has caught up with its changelogs;
//!   until then it runs where its state is, and the member that shall have it warms up a copy;
//! - cooperative: a task that moves is withheld for as long as a member other than its new one still
//!   lists it as owned, and is handed out in the follow-up rebalance, so that no task ever runs
//!   twice;
//! - deterministic.

mod movement;
mod policy;
mod quota;
mod spread;
mod standby;
mod table;
mod task;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use policy::PlacementPolicy;
pub use task::{TaskId, TaskInputs, TaskState};

use crate::membership::{MemberId, ProcessId};
use table::Table;

/// A member as the assignor sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The process that the member is.
    pub process: ProcessId,
    /// Threads that run tasks; its share is in proportion. Zero counts as one.
    pub workers: u16,
    /// Tasks that the member runs or has not yet released.
    pub owned: BTreeSet<TaskId>,
    /// Tasks whose state the member keeps warm.
    pub standby: BTreeSet<TaskId>,
    /// How many changelog records the member's local state lacks, for each task that it has state
    /// of. A task that it owns and says nothing of lacks none.
    pub lags: BTreeMap<TaskId, u64>,
}

/// What one member is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// Tasks to run.
    pub active: BTreeSet<TaskId>,
    /// Tasks whose state to keep warm: as a standby, ahead of a move, or until their owner lets go.
    pub standby: BTreeSet<TaskId>,
}

impl Placement {
    /// Who waits for tasks keeps copies of their state until then.
    fn keep_copies(&mut self, withheld: &BTreeSet<TaskId>, tasks: &BTreeMap<TaskId, TaskState>) {
        self.active.retain(|task| !withheld.contains(task));
        let with_state = |task: &&TaskId| tasks.get(task).is_some_and(|state| state.is_logged());
        self.standby.extend(withheld.iter().filter(with_state));
    }
}

/// What all members are given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assignment {
    /// By member; each candidate has an entry.
    pub placements: BTreeMap<MemberId, Placement>,
    /// Tasks that nobody is given until their owners release them, with the member that waits.
    pub withheld: BTreeMap<TaskId, MemberId>,
    /// Tasks that shall move, themselves or a standby of them, once their state has caught up there.
    pub awaited: BTreeSet<TaskId>,
}

impl Assignment {
    /// Whether another rebalance must follow once the owners of the withheld tasks released them.
    #[must_use]
    pub fn follow_up_needed(&self) -> bool {
        !self.withheld.is_empty()
    }

    /// Leaves those of these tasks to nobody that the member they were given to does not own yet:
    /// somebody may run them who is no candidate.
    pub(crate) fn withhold(
        &mut self,
        unclear: &BTreeSet<TaskId>,
        (members, tasks): (&BTreeMap<MemberId, Candidate>, &BTreeMap<TaskId, TaskState>),
    ) {
        for (member, placement) in &mut self.placements {
            let owns = |task: &TaskId| members.get(member).is_some_and(|m| m.owned.contains(task));
            let given = placement.active.iter().copied();
            let withheld = given.filter(|task| unclear.contains(task) && !owns(task)).collect();
            placement.keep_copies(&withheld, tasks);
            self.withheld.extend(withheld.into_iter().map(|task| (task, member.clone())));
        }
    }

    /// Whether another rebalance must follow to see whether copies have caught up
    /// (`probing.rebalance.interval.ms`).
    #[must_use]
    pub fn probing_needed(&self) -> bool {
        !self.awaited.is_empty()
    }
}

/// Spreads `tasks` over `members`. Without members the result is empty.
///
/// ```
/// use std::collections::BTreeMap;
/// use streams_core::assign::{Candidate, PlacementPolicy, TaskId, TaskState, assign};
///
/// let fresh = |process| Candidate {
///     process: streams_core::membership::ProcessId([process; 16]),
///     workers: 1,
///     owned: [].into(),
///     standby: [].into(),
///     lags: [].into(),
/// };
/// let members = [("a".into(), fresh(1)), ("b".into(), fresh(2))].into();
/// let tasks: BTreeMap<_, _> =
///     (0..4).map(|partition| (TaskId::new(0, partition), TaskState::Stateless)).collect();
/// let assignment = assign(&members, &tasks, &PlacementPolicy::default());
/// assert!(assignment.placements.values().all(|placement| placement.active.len() == 2));
/// ```
#[must_use]
pub fn assign(
    members: &BTreeMap<MemberId, Candidate>,
    tasks: &BTreeMap<TaskId, TaskState>,
    policy: &PlacementPolicy,
) -> Assignment {
    let mut table = Table::new(members, tasks, *policy);
    spread::spread_active(&mut table);
    let mut movements = movement::hold_back_active(&mut table);
    standby::place_standbys(&mut table, policy.standby_replicas);
    movements.extend(movement::hold_back_standbys(&mut table));
    let awaited = movement::warm_up(&mut table, movements, policy.warmup_replicas_max);
    grant(table, (members, tasks), awaited)
}

/// Hands out what no other member owns.
fn grant(
    table: Table<'_>,
    (members, tasks): (&BTreeMap<MemberId, Candidate>, &BTreeMap<TaskId, TaskState>),
    awaited: BTreeSet<TaskId>,
) -> Assignment {
    let mut owners = BTreeMap::<TaskId, Vec<&MemberId>>::new();
    for (member, candidate) in members {
        for task in &candidate.owned {
            owners.entry(*task).or_default().push(member);
        }
    }
    let mut assignment = Assignment { awaited, ..Assignment::default() };
    for seat in table.seats {
        let owned_elsewhere = |task: &TaskId| {
            owners.get(task).is_some_and(|owners| owners.iter().any(|one| *one != seat.member))
        };
        let withheld = seat.active.iter().copied().filter(owned_elsewhere).collect();
        let mut placement = Placement { active: seat.active, standby: seat.standby };
        placement.keep_copies(&withheld, tasks);
        let waits = withheld.into_iter().map(|task| (task, seat.member.clone()));
        assignment.withheld.extend(waits);
        assignment.placements.insert(seat.member.clone(), placement);
    }
    assignment
}
