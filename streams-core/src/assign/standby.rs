//! Where copies of state are kept warm: in balance, never beside the task itself, and where they
//! are already.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::quota::{Claimant, quotas};
use super::table::{Seat, Table, in_subtopology};
use super::task::{TaskId, TaskState};

/// Gives each task with state so many standbys, as far as there are members. What is there stays
/// as it is unless moves make the shares more even.
pub(super) fn place_standbys(table: &mut Table<'_>, replicas: usize) {
    let replicas = replicas.min(table.seats.len().saturating_sub(1));
    if replicas == 0 {
        return;
    }
    let tasks: Vec<TaskId> = table.tasks_that(TaskState::is_logged).into_iter().collect();
    let claimants = table.seats.iter().map(|seat| {
        let owned = seat.candidate.standby.len();
        Claimant { workers: seat.candidate.workers, owned, at_least: 0 }
    });
    let quotas = quotas(tasks.len() * replicas, &claimants.collect::<Vec<_>>());
    let all = vec![usize::MAX; quotas.len()];
    let offers = offers(table, &tasks);
    keep_standbys(table, offers.iter().filter(|offer| !offer.is_idle), (replicas, &all));
    fill_up(table, &tasks, (replicas, &quotas));
    let (as_it_is, its_unevenness) = (standbys(table), unevenness(table));
    for seat in &mut table.seats {
        seat.standby.clear();
    }
    keep_standbys(table, offers.iter(), (replicas, &quotas));
    fill_up(table, &tasks, (replicas, &quotas));
    even_out(table, &quotas);
    if unevenness(table) >= its_unevenness {
        for (seat, standby) in table.seats.iter_mut().zip(as_it_is) {
            seat.standby = standby;
        }
    }
}

fn standbys(table: &Table<'_>) -> Vec<BTreeSet<TaskId>> {
    table.seats.iter().map(|seat| seat.standby.clone()).collect()
}

/// How far the shares are from those that the workers ask for.
fn unevenness(table: &Table<'_>) -> u128 {
    let weight = |seat: &Seat<'_>| u128::from(seat.candidate.workers.max(1));
    let weights: u128 = table.seats.iter().map(weight).sum();
    let sum: u128 = table.seats.iter().map(|seat| seat.standby.len() as u128).sum();
    let far = |seat: &Seat<'_>| {
        let (has, wants) = (seat.standby.len() as u128 * weights, sum * weight(seat));
        // A worker more or less counts by what it has to do.
        has.abs_diff(wants).pow(2) / weight(seat)
    };
    table.seats.iter().map(far).sum()
}

fn copies(table: &Table<'_>, task: TaskId) -> usize {
    table.seats.iter().filter(|seat| seat.standby.contains(&task)).count()
}

/// A member that has the state of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Offer {
    /// The state only lies on disk.
    is_idle: bool,
    lag: u64,
    task: TaskId,
    seat: usize,
}

/// Copies in use come first, then those that lack least.
fn offers(table: &Table<'_>, tasks: &[TaskId]) -> Vec<Offer> {
    let mut offers = Vec::new();
    for task in tasks.iter().copied() {
        for seat in (0..table.seats.len()).filter(|seat| table.has_state(*seat, task)) {
            let caught_up = table.is_caught_up(seat, task);
            let lag = if caught_up { 0 } else { table.lag(seat, task) };
            offers.push(Offer { is_idle: !table.has_open(seat, task), lag, task, seat });
        }
    }
    offers.sort_unstable();
    offers
}

/// Copies stay where they are, while there is room.
fn keep_standbys<'o>(
    table: &mut Table<'_>,
    offers: impl Iterator<Item = &'o Offer>,
    (replicas, quotas): (usize, &[usize]),
) {
    for Offer { task, seat: at, .. } in offers.copied() {
        let has_room = table.has_room_for_copy(at, task) && copies(table, task) < replicas;
        let quota = quotas.get(at).copied().unwrap_or(0);
        if let Some(seat) = table.seats.get_mut(at)
            && has_room
            && seat.standby.len() < quota
        {
            seat.standby.insert(task);
        }
    }
}

fn fill_up(table: &mut Table<'_>, tasks: &[TaskId], (replicas, quotas): (usize, &[usize])) {
    for task in tasks {
        for _ in copies(table, *task)..replicas {
            fill(table, *task, quotas);
        }
    }
}

/// One more copy: with a member that has room, then one that has the state, then the one that has
/// the fewest of its sub-topology, then most room.
fn fill(table: &mut Table<'_>, task: TaskId, quotas: &[usize]) {
    let able = (0..table.seats.len()).filter(|seat| table.has_room_for_copy(*seat, task));
    let best = able.min_by_key(|at| {
        let count = table.seats.get(*at).map_or(0, |seat| seat.standby.len());
        let same = table.seats.get(*at);
        let same = same.map_or(0, |seat| in_subtopology(&seat.standby, task.subtopology));
        let room = quotas.get(*at).map_or(0, |quota| quota.saturating_sub(count));
        (room == 0, !table.has_state(*at, task), same, Reverse(room), count)
    });
    if let Some(seat) = best.and_then(|best| table.seats.get_mut(best)) {
        seat.standby.insert(task);
    }
}

/// A copy for which there was only a full member makes room there for others to move.
fn even_out(table: &mut Table<'_>, quotas: &[usize]) {
    while let Some((task, from, to)) = one_too_many(table, quotas) {
        if let Some(seat) = table.seats.get_mut(from) {
            seat.standby.remove(&task);
        }
        if let Some(seat) = table.seats.get_mut(to) {
            seat.standby.insert(task);
        }
    }
}

/// A copy of a member over its quota that one below its own can take. Each such move brings the
/// whole nearer to the quotas, so that they come to an end.
fn one_too_many(table: &Table<'_>, quotas: &[usize]) -> Option<(TaskId, usize, usize)> {
    let count = |at: usize| table.seats.get(at).map_or(0, |seat| seat.standby.len());
    let seats = || quotas.iter().copied().enumerate();
    let mut found = Vec::new();
    for (from, _) in seats().filter(|(at, quota)| count(*at) > *quota) {
        for (to, _) in seats().filter(|(at, quota)| count(*at) < *quota) {
            let standby = table.seats.get(from).into_iter().flat_map(|seat| &seat.standby);
            let able = standby.filter(|task| table.has_room_for_copy(to, **task));
            found.extend(able.map(|task| {
                let costs = (!table.has_state(to, *task), table.has_state(from, *task));
                (costs, *task, from, to)
            }));
        }
    }
    found.into_iter().min().map(|(_, task, from, to)| (task, from, to))
}
