//! Moves that wait for state: a task runs where its state is, and the member that shall have it
//! warms up a copy first, as Kafka's `HighAvailabilityTaskAssignor` has it.

use std::collections::BTreeSet;

use super::table::Table;
use super::task::{TaskId, TaskState};

/// A copy that has to be warmed up before its task, or standby, can move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Movement {
    pub(super) task: TaskId,
    /// The seat that shall have it.
    pub(super) to: usize,
}

/// Leaves tasks with members that have their state, where those that shall have them do not.
pub(super) fn hold_back_active(table: &mut Table<'_>) -> Vec<Movement> {
    let logged = table.tasks_that(TaskState::is_logged);
    let seats = table.seats.iter().enumerate();
    let placed = seats.flat_map(|(at, seat)| seat.active.iter().map(move |task| (*task, at)));
    let mut placed: Vec<(TaskId, usize)> =
        placed.filter(|(task, _)| logged.contains(task)).collect();
    placed.sort_unstable();
    let mut movements = Vec::new();
    for (task, to) in placed {
        let Some(stand_in) = stand_in(table, task, to) else { continue };
        if let Some(seat) = table.seats.get_mut(to) {
            seat.active.remove(&task);
        }
        if let Some(seat) = table.seats.get_mut(stand_in) {
            seat.active.insert(task);
        }
        movements.push(Movement { task, to });
    }
    movements
}

/// Who runs a task until its state is at the seat `to`; `None` if that is no better.
fn stand_in(table: &Table<'_>, task: TaskId, to: usize) -> Option<usize> {
    if table.is_caught_up(to, task) {
        return None;
    }
    let owner = table.sole_owner(task);
    let caught_up = (0..table.seats.len()).filter(|seat| table.is_caught_up(*seat, task));
    let best = caught_up.min_by_key(|seat| {
        (owner != Some(*seat), table.load(*seat), table.lag(*seat, task), *seat)
    });
    // Where nobody has caught up, whoever has the least to do.
    best.or_else(|| {
        let least = (0..table.seats.len())
            .min_by_key(|seat| (table.lag(*seat, task), owner != Some(*seat), *seat))?;
        (table.lag(least, task) < table.lag(to, task)).then_some(least)
    })
}

/// Leaves standbys with members that have the state, where those that shall have them do not.
pub(super) fn hold_back_standbys(table: &mut Table<'_>) -> Vec<Movement> {
    let mut movements = Vec::new();
    for task in table.tasks_that(TaskState::is_logged) {
        let all = 0..table.seats.len();
        let is_fresh = |seat: &usize| {
            let standby = table.seats.get(*seat).is_some_and(|seat| seat.standby.contains(&task));
            standby && !table.is_caught_up(*seat, task)
        };
        let fresh: Vec<usize> = all.clone().filter(is_fresh).collect();
        let is_spare = |seat: &usize| {
            table.has_open(*seat, task)
                && table.is_caught_up(*seat, task)
                && table.has_room_for_copy(*seat, task)
        };
        let mut spare: Vec<usize> = all.filter(is_spare).collect();
        spare.sort_by_key(|seat| (table.lag(*seat, task), *seat));
        for (to, from) in fresh.into_iter().zip(spare) {
            if let Some(seat) = table.seats.get_mut(to) {
                seat.standby.remove(&task);
            }
            if let Some(seat) = table.seats.get_mut(from) {
                seat.standby.insert(task);
            }
            movements.push(Movement { task, to });
        }
    }
    movements
}

/// Warms up the copies that movements wait for, at most `max` at a time, those first that have the
/// least to do. One that is a standby anyway costs nothing. All tasks that wait.
pub(super) fn warm_up(
    table: &mut Table<'_>,
    mut movements: Vec<Movement>,
    max: usize,
) -> BTreeSet<TaskId> {
    movements.sort_by_key(|movement| (table.lag(movement.to, movement.task), movement.task));
    let mut left = max;
    for Movement { task, to } in &movements {
        if !table.has_room_for_copy(*to, *task) || left == 0 {
            continue;
        }
        left -= 1;
        if let Some(seat) = table.seats.get_mut(*to) {
            seat.standby.insert(*task);
        }
    }
    movements.into_iter().map(|movement| movement.task).collect()
}
