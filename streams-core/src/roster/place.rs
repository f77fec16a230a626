//! Where a task is, and the way from there to where it is wanted.

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

    /// The worker with the fewest tasks of a role, then the fewest others.
    pub(super) fn least_loaded(&self, role: Role) -> usize {
        let mut loads = vec![(0_usize, 0_usize); self.workers];
        for place in self.places.values() {
            let (worker, of) = match place {
                Place::Preparing { .. } => continue,
                Place::Active { worker, .. }
                | Place::Promoting { worker, .. }
                | Place::Closing { worker } => (*worker, Role::Active),
                Place::Standby { worker } | Place::Demoting { worker } => (*worker, Role::Standby),
            };
            if let Some((same, other)) = loads.get_mut(worker) {
                *(if of == role { same } else { other }) += 1;
            }
        }
        let least = loads.iter().enumerate().min_by_key(|(worker, load)| (**load, *worker));
        least.map_or(0, |(worker, _)| worker)
    }
}
