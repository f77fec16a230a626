//! Where each task should run in the end: in balance, and where it runs or its state lies.
//!
//! DIFFERENCE(sticky-moves): Kafka deals the tasks with state out anew each time and lets warm-ups
//! bring them there. Here balance alone moves a task: a join moves state to the newcomer only, and
//! at most tasks without state between older members.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::quota::{Claimant, quotas};
use super::table::{Table, in_subtopology};
use super::task::{TaskId, TaskState};
use crate::names::SubtopologyId;

/// What a member shall get of the tasks that are being spread.
struct Share {
    quota: usize,
    tasks: BTreeSet<TaskId>,
}

impl Share {
    fn free(&self) -> usize {
        self.quota.saturating_sub(self.tasks.len())
    }
}

/// Spreads all tasks: those with state in balance among themselves, and all of them in total.
pub(super) fn spread_active(table: &mut Table<'_>) {
    let logged = table.tasks_that(TaskState::is_logged);
    let others = table.tasks_that(|state| !state.is_logged());
    let (kept_logged, kept_others) = (kept(table, &logged), kept(table, &others));
    let claimant = |at: usize, owned: usize, at_least: usize| {
        let workers = table.seats.get(at).map_or(1, |seat| seat.candidate.workers);
        Claimant { workers, owned, at_least }
    };
    let of_logged = kept_logged.iter().enumerate();
    let of_logged: Vec<_> = of_logged.map(|(at, kept)| claimant(at, kept.len(), 0)).collect();
    let for_logged = quotas(logged.len(), &of_logged);
    let of_all = kept_logged.iter().zip(&kept_others).zip(&for_logged).enumerate();
    let of_all = of_all.map(|(at, ((logged, others), quota))| {
        claimant(at, logged.len().min(*quota) + others.len(), *quota)
    });
    let in_all = quotas(logged.len() + others.len(), &of_all.collect::<Vec<_>>());
    let for_others = in_all.iter().zip(&for_logged).map(|(all, logged)| all - logged.min(all));
    let for_others = for_others.collect();
    let shares = [
        spread(table, &logged, shares(for_logged, kept_logged)),
        spread(table, &others, shares(for_others, kept_others)),
    ];
    for tasks in shares {
        for (seat, tasks) in table.seats.iter_mut().zip(tasks) {
            seat.active.extend(tasks);
        }
    }
}

/// By seat: the tasks that stay where they run, if there is room. One whose state its owner has
/// yet to rebuild goes rather to a member that has it.
fn kept(table: &Table<'_>, tasks: &BTreeSet<TaskId>) -> Vec<BTreeSet<TaskId>> {
    let mut kept = vec![BTreeSet::new(); table.seats.len()];
    for task in tasks {
        let Some(owner) = table.sole_owner(*task) else { continue };
        let mut seats = 0..table.seats.len();
        let stays =
            table.is_caught_up(owner, *task) || !seats.any(|seat| table.is_caught_up(seat, *task));
        if stays && let Some(kept) = kept.get_mut(owner) {
            kept.insert(*task);
        }
    }
    kept
}

fn shares(quotas: Vec<usize>, kept: Vec<BTreeSet<TaskId>>) -> Vec<Share> {
    quotas.into_iter().zip(kept).map(|(quota, tasks)| Share { quota, tasks }).collect()
}

fn spread(
    table: &Table<'_>,
    tasks: &BTreeSet<TaskId>,
    mut shares: Vec<Share>,
) -> Vec<BTreeSet<TaskId>> {
    let mut open = tasks.clone();
    for task in shares.iter().flat_map(|share| &share.tasks) {
        open.remove(task);
    }
    for index in 0..shares.len() {
        open.extend(give_up_excess(table, &mut shares, index));
    }
    place_by_local_state(table, &mut shares, &mut open);
    for task in open {
        place_anywhere(&mut shares, task);
    }
    shares.into_iter().map(|share| share.tasks).collect()
}

/// Takes from a member what is over its quota: first the tasks that another member with room needs
/// the least for, then those of the sub-topology that it has most of, then the last ones.
fn give_up_excess(table: &Table<'_>, shares: &mut [Share], index: usize) -> Vec<TaskId> {
    let mut given_up = Vec::new();
    loop {
        let Some(share) = shares.get(index).filter(|share| share.tasks.len() > share.quota) else {
            return given_up;
        };
        let with_room = shares.iter().enumerate().filter(|(at, s)| *at != index && s.free() > 0);
        let with_room: Vec<usize> = with_room.map(|(at, _)| at).collect();
        let mut per_subtopology = BTreeMap::<SubtopologyId, usize>::new();
        for task in &share.tasks {
            *per_subtopology.entry(task.subtopology).or_default() += 1;
        }
        let worst = share.tasks.iter().max_by_key(|task| {
            let elsewhere = with_room.iter().filter(|at| table.has_state(**at, **task));
            let lag = elsewhere.map(|at| table.lag(*at, **task)).min();
            (lag.map(Reverse), per_subtopology.get(&task.subtopology).copied(), **task)
        });
        let Some(worst) = worst.copied() else { return given_up };
        given_up.push(worst);
        if let Some(share) = shares.get_mut(index) {
            share.tasks.remove(&worst);
        }
    }
}

/// Gives open tasks to members with room that have state of them, the least lag first.
fn place_by_local_state(table: &Table<'_>, shares: &mut [Share], open: &mut BTreeSet<TaskId>) {
    let mut offers: Vec<(u64, TaskId, usize)> = Vec::new();
    for (index, seat) in table.seats.iter().enumerate() {
        let known = seat.candidate.lags.iter().filter(|(task, _)| open.contains(*task));
        offers.extend(known.map(|(task, lag)| (*lag, *task, index)));
    }
    offers.sort_unstable();
    for (_, task, index) in offers {
        let Some(share) = shares.get_mut(index).filter(|share| share.free() > 0) else { continue };
        if open.remove(&task) {
            share.tasks.insert(task);
        }
    }
}

/// Gives a task to the member with room that has the fewest of its sub-topology, then most room.
fn place_anywhere(shares: &mut [Share], task: TaskId) {
    let with_room = shares.iter_mut().filter(|share| share.free() > 0);
    let best = with_room.min_by_key(|share| {
        (in_subtopology(&share.tasks, task.subtopology), Reverse(share.free()))
    });
    if let Some(share) = best {
        share.tasks.insert(task);
    }
}
