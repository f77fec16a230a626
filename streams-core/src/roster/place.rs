//! Where a task is, and the way from there to where it is wanted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Role, Roster, RosterAction, Round};
use crate::names::TaskId;
use crate::worker::Command;

/// What a worker does with a task that it shall run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Running,
}

/// Where a task of the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is being looked up.
    Preparing { round: Round, role: Role },
    /// A worker has it; it may still restore.
    Active { worker: usize, phase: Phase },
    /// A worker keeps its state warm.
    Standby { worker: usize },
    /// A worker keeps its state warm while it is looked up, to run there.
    Promoting { worker: usize, round: Round },
    /// A worker commits it, to keep its state warm.
    Demoting { worker: usize },
    /// A worker closes it.
    Closing { worker: usize },
}

impl Place {
    /// The worker that has the task.
    pub(super) const fn worker(self) -> Option<usize> {
        match self {
            Self::Preparing { .. } => None,
            Self::Active { worker, .. }
            | Self::Standby { worker }
            | Self::Promoting { worker, .. }
            | Self::Demoting { worker }
            | Self::Closing { worker } => Some(worker),
        }
    }

    /// A worker has just been told.
    pub(super) const fn begun(role: Role, worker: usize) -> Self {
        match role {
            Role::Active => Self::Active { worker, phase: Phase::Starting },
            Role::Standby => Self::Standby { worker },
        }
    }
}

/// What workers are to be told together.
#[derive(Debug, Default)]
struct Orders {
    close: BTreeMap<usize, Vec<TaskId>>,
    demote: BTreeMap<usize, Vec<TaskId>>,
    prepare: BTreeMap<TaskId, Role>,
}

impl Roster {
    /// Takes the next step with each of these tasks towards where it is wanted.
    pub(super) fn bring(&mut self, tasks: BTreeSet<TaskId>) {
        if self.is_shut {
            return;
        }
        let mut orders = Orders::default();
        for task in tasks {
            let (place, wanted) =
                (self.places.get(&task).copied(), self.wanted.get(&task).copied());
            match self.step(task, (place, wanted), &mut orders) {
                Some(place) => self.places.insert(task, place),
                None => self.places.remove(&task),
            };
        }
        for (worker, tasks) in orders.demote {
            self.actions.push_back(RosterAction::Tell { worker, command: Command::Demote(tasks) });
        }
        for (worker, tasks) in orders.close {
            self.actions.push_back(RosterAction::Tell { worker, command: Command::Release(tasks) });
        }
        if !orders.prepare.is_empty() {
            let (round, tasks) = (self.round, orders.prepare);
            self.actions.push_back(RosterAction::Prepare { round, tasks });
        }
    }

    /// Where the task is after the step; steps that a worker takes end with its word.
    fn step(
        &mut self,
        task: TaskId,
        (place, wanted): (Option<Place>, Option<Role>),
        orders: &mut Orders,
    ) -> Option<Place> {
        let round = self.round;
        let prepare = |orders: &mut Orders, role| {
            orders.prepare.insert(task, role);
            Some(Place::Preparing { round, role })
        };
        let close = |orders: &mut Orders, worker: usize| {
            orders.close.entry(worker).or_default().push(task);
            Some(Place::Closing { worker })
        };
        match (place, wanted) {
            (None, None) => None,
            (None, Some(_)) if self.workers.is_empty() => None,
            (None, Some(role)) => prepare(orders, role),
            (Some(Place::Preparing { role, .. }), Some(wanted)) if role == wanted => place,
            (Some(Place::Preparing { role, .. }), wanted) => {
                if role == Role::Active {
                    self.actions.push_back(RosterAction::Release(task));
                }
                wanted.and_then(|wanted| prepare(orders, wanted))
            }
            (Some(Place::Active { worker, .. }), Some(Role::Standby)) => {
                orders.demote.entry(worker).or_default().push(task);
                Some(Place::Demoting { worker })
            }
            (Some(Place::Standby { worker }), Some(Role::Active)) => {
                orders.prepare.insert(task, Role::Active);
                Some(Place::Promoting { worker, round })
            }
            (Some(Place::Promoting { worker, .. }), Some(Role::Standby)) => {
                self.actions.push_back(RosterAction::Release(task));
                Some(Place::Standby { worker })
            }
            (
                Some(
                    Place::Active { worker, .. }
                    | Place::Standby { worker }
                    | Place::Promoting { worker, .. }
                    | Place::Demoting { worker },
                ),
                None,
            ) => close(orders, worker),
            (Some(_), _) => place,
        }
    }

    /// Workers that have more than their share of a role's tasks close some. Those are opened by
    /// others once they are closed.
    pub(super) fn even_out(&mut self) {
        let mut close = BTreeMap::<usize, Vec<TaskId>>::new();
        for role in [Role::Active, Role::Standby] {
            for (worker, tasks) in self.beyond_share(role) {
                close.entry(worker).or_default().extend(tasks);
            }
        }
        for (worker, tasks) in close {
            for task in &tasks {
                self.places.insert(*task, Place::Closing { worker });
            }
            self.actions.push_back(RosterAction::Tell { worker, command: Command::Release(tasks) });
        }
    }

    /// By worker: the tasks of a role that it has beyond its share, the last ones of the
    /// sub-topology that it has most of.
    fn beyond_share(&self, role: Role) -> Vec<(usize, Vec<TaskId>)> {
        let mut held: BTreeMap<usize, Vec<TaskId>> =
            self.workers.iter().map(|worker| (*worker, Vec::new())).collect();
        let mut promoting = BTreeMap::<usize, usize>::new();
        for (task, place) in &self.places {
            match (role, place) {
                (Role::Active, Place::Active { worker, .. })
                | (Role::Standby, Place::Standby { worker }) => {
                    held.entry(*worker).and_modify(|tasks| tasks.push(*task));
                }
                // One that is on its way stays on it, but counts.
                (Role::Active, Place::Promoting { worker, .. }) => {
                    *promoting.entry(*worker).or_default() += 1;
                }
                _ => {}
            }
        }
        let wanted = self.wanted.values().filter(|wanted| **wanted == role).count();
        let (whole, extra) = (wanted / held.len().max(1), wanted % held.len().max(1));
        let on_their_way = |worker: &usize| promoting.get(worker).copied().unwrap_or(0);
        let mut held: Vec<_> = held.into_iter().collect();
        held.sort_by_key(|(worker, tasks)| (Reverse(tasks.len() + on_their_way(worker)), *worker));
        let shares = held.into_iter().enumerate().map(|(at, (worker, tasks))| {
            let share = whole + usize::from(at < extra);
            let share = share.saturating_sub(on_their_way(&worker));
            (worker, beyond(tasks, share))
        });
        shares.filter(|(_, tasks)| !tasks.is_empty()).collect()
    }

    /// The worker with the fewest tasks of a role, then the fewest others; `None` without workers.
    pub(super) fn least_loaded(&self, role: Role) -> Option<usize> {
        let mut loads: BTreeMap<usize, (usize, usize)> =
            self.workers.iter().map(|worker| (*worker, (0, 0))).collect();
        for place in self.places.values() {
            let (worker, of) = match place {
                Place::Preparing { .. } => continue,
                Place::Active { worker, .. }
                | Place::Promoting { worker, .. }
                | Place::Closing { worker } => (worker, Role::Active),
                Place::Standby { worker } | Place::Demoting { worker } => (worker, Role::Standby),
            };
            if let Some((same, other)) = loads.get_mut(worker) {
                *(if of == role { same } else { other }) += 1;
            }
        }
        let least = loads.into_iter().min_by_key(|(worker, load)| (*load, *worker));
        least.map(|(worker, _)| worker)
    }
}

/// What is to go so that `share` tasks stay.
fn beyond(mut tasks: Vec<TaskId>, share: usize) -> Vec<TaskId> {
    let mut going = Vec::new();
    while tasks.len() > share {
        let like = |one: &TaskId| tasks.iter().filter(|t| t.subtopology == one.subtopology).count();
        let Some(next) = tasks.iter().copied().max_by_key(|task| (like(task), *task)) else {
            break;
        };
        tasks.retain(|task| *task != next);
        going.push(next);
    }
    going
}
