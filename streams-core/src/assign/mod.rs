//! Which member runs which task: a pure function of what the members say of themselves.
//!
//! The leader of a group calls [`assign`] in every rebalance. The result is balanced (each member
//! gets its share by workers, to within one task), sticky (a task stays where it runs, else goes to
//! where its state lies), deterministic, and cooperative: a task that moves is withheld for as long
//! as a member other than its new one still lists it as owned, and is handed out in the follow-up
//! rebalance, so that no task ever runs twice.

mod quota;
mod task;
#[cfg(test)]
mod tests;

use crate::names::SubtopologyId;
use std::collections::{BTreeMap, BTreeSet};

pub use task::{TaskId, TaskInputs};

use crate::membership::{MemberId, ProcessId};
use quota::Quotas;

/// A member as the assignor sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The process that the member is.
    pub process: ProcessId,
    /// Threads that run tasks; its share is in proportion. Zero counts as one.
    pub workers: u16,
    /// Tasks that the member runs or has not yet released.
    pub owned: BTreeSet<TaskId>,
    /// How many changelog records the member's local state lacks, for each task that it has state
    /// of.
    pub lags: BTreeMap<TaskId, u64>,
}

/// What one member is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// Tasks to run.
    pub active: BTreeSet<TaskId>,
    /// Tasks whose state to keep warm; none yet.
    pub standby: BTreeSet<TaskId>,
}

/// What all members are given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assignment {
    /// By member; each candidate has an entry.
    pub placements: BTreeMap<MemberId, Placement>,
    /// Tasks that nobody is given until their owners release them, with the member that waits.
    pub withheld: BTreeMap<TaskId, MemberId>,
}

impl Assignment {
    /// Whether another rebalance must follow once the owners of the withheld tasks released them.
    #[must_use]
    pub fn follow_up_needed(&self) -> bool {
        !self.withheld.is_empty()
    }
}

/// Spreads `tasks` over `members`. Without members the result is empty.
#[must_use]
pub fn assign(members: &BTreeMap<MemberId, Candidate>, tasks: &BTreeSet<TaskId>) -> Assignment {
    let mut assignment = Assignment::default();
    for member in members.keys() {
        assignment.placements.insert(member.clone(), Placement::default());
    }
    let claims = claims(members);
    for (task, member) in target(members, tasks, &claims) {
        let others_own =
            claims.get(&task).is_some_and(|owners| owners.iter().any(|o| *o != member));
        if others_own {
            assignment.withheld.insert(task, member.clone());
        } else if let Some(placement) = assignment.placements.get_mut(member) {
            placement.active.insert(task);
        }
    }
    assignment
}

/// Who says that it owns a task. More than one only after a fault.
type Claims<'a> = BTreeMap<TaskId, Vec<&'a MemberId>>;

fn claims(members: &BTreeMap<MemberId, Candidate>) -> Claims<'_> {
    let mut claims = Claims::new();
    for (member, candidate) in members {
        for task in &candidate.owned {
            claims.entry(*task).or_default().push(member);
        }
    }
    claims
}

/// A member while tasks are being placed.
struct Seat<'a> {
    member: &'a MemberId,
    candidate: &'a Candidate,
    quota: usize,
    tasks: BTreeSet<TaskId>,
}

impl Seat<'_> {
    fn free(&self) -> usize {
        self.quota.saturating_sub(self.tasks.len())
    }

    fn in_subtopology(&self, subtopology: SubtopologyId) -> usize {
        self.tasks.iter().filter(|task| task.subtopology == subtopology).count()
    }
}

/// Where each task should be in the end.
fn target<'a>(
    members: &'a BTreeMap<MemberId, Candidate>,
    tasks: &BTreeSet<TaskId>,
    claims: &Claims<'_>,
) -> BTreeMap<TaskId, &'a MemberId> {
    let mut seats = seats(members, tasks, claims);
    let mut open = tasks.clone();
    for seat in &mut seats {
        for task in &seat.tasks {
            open.remove(task);
        }
    }
    for index in 0..seats.len() {
        open.extend(give_up_excess(&mut seats, index));
    }
    place_by_local_state(&mut seats, &mut open);
    for task in open {
        place_anywhere(&mut seats, task);
    }
    let pairs = seats.iter().flat_map(|seat| seat.tasks.iter().map(|task| (*task, seat.member)));
    pairs.collect()
}

/// The members in a lasting order (a new member id of the same process changes nothing), each
/// with the tasks that it alone owns.
fn seats<'a>(
    members: &'a BTreeMap<MemberId, Candidate>,
    tasks: &BTreeSet<TaskId>,
    claims: &Claims<'_>,
) -> Vec<Seat<'a>> {
    let sole = |task: &TaskId| claims.get(task).is_some_and(|owners| owners.len() == 1);
    let mut seats: Vec<Seat<'a>> = members
        .iter()
        .map(|(member, candidate)| {
            let kept = candidate.owned.iter().filter(|task| tasks.contains(*task) && sole(task));
            Seat { member, candidate, quota: 0, tasks: kept.copied().collect() }
        })
        .collect();
    seats.sort_by_key(|seat| (seat.candidate.process, seat.member));
    let weights = seats.iter().map(|seat| (seat.candidate.workers, seat.tasks.len()));
    let quotas = Quotas::new(tasks.len(), weights);
    for (seat, quota) in seats.iter_mut().zip(quotas) {
        seat.quota = quota;
    }
    seats
}

/// Takes from a member what is over its quota: first tasks whose state another member with room
/// has too, then those of the sub-topology that it has most of, then the last ones.
fn give_up_excess(seats: &mut [Seat<'_>], index: usize) -> Vec<TaskId> {
    let mut given_up = Vec::new();
    loop {
        let Some(seat) = seats.get(index).filter(|seat| seat.tasks.len() > seat.quota) else {
            return given_up;
        };
        let has_room = |other: &&Seat<'_>| other.free() > 0 && other.member != seat.member;
        let mut per_subtopology = BTreeMap::<SubtopologyId, usize>::new();
        for task in &seat.tasks {
            *per_subtopology.entry(task.subtopology).or_default() += 1;
        }
        let worst = seat.tasks.iter().max_by_key(|task| {
            let elsewhere =
                seats.iter().filter(has_room).any(|o| o.candidate.lags.contains_key(*task));
            (elsewhere, per_subtopology.get(&task.subtopology).copied(), **task)
        });
        let Some(worst) = worst.copied() else { return given_up };
        given_up.push(worst);
        if let Some(seat) = seats.get_mut(index) {
            seat.tasks.remove(&worst);
        }
    }
}

/// Gives open tasks to members with room that have state of them, the least lag first.
fn place_by_local_state(seats: &mut [Seat<'_>], open: &mut BTreeSet<TaskId>) {
    let mut offers: Vec<(u64, TaskId, usize)> = Vec::new();
    for (index, seat) in seats.iter().enumerate() {
        let known = seat.candidate.lags.iter().filter(|(task, _)| open.contains(*task));
        offers.extend(known.map(|(task, lag)| (*lag, *task, index)));
    }
    offers.sort_unstable();
    for (_, task, index) in offers {
        let Some(seat) = seats.get_mut(index).filter(|seat| seat.free() > 0) else { continue };
        if open.remove(&task) {
            seat.tasks.insert(task);
        }
    }
}

/// Gives a task to the member with room that has the fewest of its sub-topology, then most room.
fn place_anywhere(seats: &mut [Seat<'_>], task: TaskId) {
    let with_room = seats.iter_mut().filter(|seat| seat.free() > 0);
    let best = with_room
        .min_by_key(|seat| (seat.in_subtopology(task.subtopology), usize::MAX - seat.free()));
    if let Some(seat) = best {
        seat.tasks.insert(task);
    }
}
