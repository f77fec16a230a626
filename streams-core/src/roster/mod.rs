//! Which worker of a process has which task, from one assignment to the next.
//!
//! The group's assignment says which tasks the process runs and which it keeps warm. The roster
//! tells the workers, has inputs looked up before a task begins, and says when a task that the
//! group wants back is committed and closed. A task that becomes a standby, or runs after it was
//! one, keeps its worker and its open stores. Like the worker and the member it does nothing itself.

mod crew;
mod place;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use self::crew::{Crew, Standing};
use self::place::Place;
pub use self::state::Held;
use self::state::Holdings;
use crate::names::TaskId;
use crate::worker::{Command, HeldState, TaskToStart};

/// What a process does with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It runs it.
    Active,
    /// It keeps its state warm.
    Standby,
}

/// The assignment from which on a task is being prepared. What was looked up before says nothing
/// of a task that was another member's in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Round(u64);

/// What the roster wants.
#[derive(Debug)]
pub enum RosterAction {
    /// Look up the inputs and committed offsets of these tasks and, for those that shall run, the
    /// ends of their changelogs; then call [`Roster::prepared`].
    Prepare {
        /// To be given back.
        round: Round,
        /// The tasks.
        tasks: BTreeMap<TaskId, Role>,
    },
    /// Tell a worker something.
    Tell {
        /// Its number, from 0.
        worker: usize,
        /// What.
        command: Command,
    },
    /// The process has let go of the task: the group may give it to another. The member joins anew
    /// for it, so that it should say before what [`Roster::news`] tells.
    Release(TaskId),
}

/// Whether all tasks that the process shall run do so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// They do.
    AllRun,
    /// Some are being looked up, restored or closed.
    Underway,
}

/// The tasks of a process and its workers.
#[derive(Debug)]
pub struct Roster {
    /// Those that take tasks.
    workers: BTreeSet<usize>,
    round: Round,
    wanted: BTreeMap<TaskId, Role>,
    places: BTreeMap<TaskId, Place>,
    holdings: Holdings,
    actions: VecDeque<RosterAction>,
    is_shut: bool,
}

impl Roster {
    /// A roster of so many workers, numbered from 0. `on_disk` says how far the states are that lie
    /// on disk.
    #[must_use]
    pub fn new(workers: usize, on_disk: BTreeMap<TaskId, i64>) -> Self {
        Self {
            workers: (0..workers).collect(),
            round: Round(0),
            wanted: BTreeMap::new(),
            places: BTreeMap::new(),
            holdings: Holdings::new(on_disk),
            actions: VecDeque::new(),
            is_shut: false,
        }
    }

    /// What the roster wants next.
    pub fn poll(&mut self) -> Option<RosterAction> {
        self.actions.pop_front()
    }

    /// A new assignment: some tasks stay, some leave after a commit, some come, some change roles.
    /// Workers that have more than their share of what stays give some of it to the others.
    pub fn adopt(&mut self, active: &BTreeSet<TaskId>, standby: &BTreeSet<TaskId>) {
        if self.is_shut {
            return;
        }
        self.round.0 += 1;
        self.wanted = standby.iter().map(|task| (*task, Role::Standby)).collect();
        self.wanted.extend(active.iter().map(|task| (*task, Role::Active)));
        let all: BTreeSet<TaskId> = self.places.keys().chain(self.wanted.keys()).copied().collect();
        self.bring(all);
        self.even_out();
    }

    /// These tasks have other inputs by now: those that run are committed and closed, and those that
    /// are kept warm closed; then they are looked up and opened again.
    pub fn reopen(&mut self, tasks: &BTreeSet<TaskId>) {
        let mut close = BTreeMap::<usize, Vec<TaskId>>::new();
        for task in tasks.iter().filter(|_| !self.is_shut) {
            let place = self.places.get(task).copied();
            if let Some(Place::Active { worker, .. } | Place::Standby { worker }) = place {
                close.entry(worker).or_default().push(*task);
                self.places.insert(*task, Place::Closing { worker });
            }
        }
        for (worker, tasks) in close {
            self.tell(worker, Command::Release(tasks));
        }
    }

    /// Another worker takes tasks, from the next assignment on.
    pub fn add_worker(&mut self, worker: usize) {
        self.workers.insert(worker);
    }

    /// A worker commits and closes its tasks, and ends. The others open them again; without another,
    /// the process has no tasks any more, nor keeps any warm.
    pub fn remove_worker(&mut self, worker: usize) {
        if self.is_shut || !self.workers.remove(&worker) {
            return;
        }
        if self.workers.is_empty() {
            self.wanted.clear();
            self.places.retain(|_, place| !matches!(place, Place::Preparing { .. }));
        }
        for place in self.places.values_mut().filter(|place| place.worker() == Some(worker)) {
            *place = Place::Closing { worker };
        }
        self.tell(worker, Command::Shutdown);
    }

    /// How many workers take tasks.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        self.workers.len()
    }

    /// All tasks that run are lost at once. What is kept warm stays so.
    pub fn lose_all(&mut self) {
        self.wanted.retain(|_, role| *role == Role::Standby);
        let mut lost = BTreeMap::<usize, Vec<TaskId>>::new();
        for (task, place) in std::mem::take(&mut self.places) {
            let next = match place {
                Place::Preparing { role: Role::Active, .. } => None,
                Place::Promoting { worker, .. } => Some(Place::Standby { worker }),
                Place::Active { worker, .. }
                | Place::Demoting { worker }
                | Place::Closing { worker } => {
                    lost.entry(worker).or_default().push(task);
                    self.holdings.closed(task);
                    Some(Place::Closing { worker })
                }
                Place::Preparing { role: Role::Standby, .. } | Place::Standby { .. } => Some(place),
            };
            self.places.extend(next.map(|next| (task, next)));
        }
        for (worker, tasks) in lost {
            self.tell(worker, Command::Lose(tasks));
        }
        let kept = self.places.keys().copied().collect();
        self.bring(kept);
    }

    /// The process leaves the group for a while: all tasks that run are committed and closed. What is
    /// kept warm stays so.
    pub fn step_down(&mut self) {
        self.round.0 += 1;
        self.wanted.retain(|_, role| *role == Role::Standby);
        let all = self.places.keys().copied().collect();
        self.bring(all);
    }

    /// A worker is gone with its tasks. Another has its number, or it was removed.
    pub fn worker_gone(&mut self, gone: usize) {
        self.round.0 += 1;
        let theirs = |place: &Place| place.worker() == Some(gone);
        let tasks = self.places.iter().filter(|(_, place)| theirs(place));
        let tasks: BTreeSet<TaskId> = tasks.map(|(task, _)| *task).collect();
        for task in &tasks {
            self.holdings.closed(*task);
            if let Some(Place::Closing { .. } | Place::Demoting { .. }) = self.places.remove(task) {
                self.actions.push_back(RosterAction::Release(*task));
            }
        }
        self.bring(tasks);
    }

    /// Tasks were looked up. Those that the group has taken away meanwhile are passed over.
    pub fn prepared(&mut self, round: Round, tasks: Vec<TaskToStart>) {
        let mut given = BTreeMap::<usize, [Vec<TaskToStart>; 2]>::new();
        for to_start in tasks.into_iter().filter(|_| !self.is_shut) {
            let task = to_start.task;
            let (worker, role) = match self.places.get(&task) {
                Some(Place::Preparing { round: begun, role }) if *begun == round => {
                    let Some(worker) = self.least_loaded(*role) else { continue };
                    (worker, *role)
                }
                Some(Place::Promoting { worker, round: begun }) if *begun == round => {
                    (*worker, Role::Active)
                }
                _ => continue,
            };
            self.places.insert(task, Place::begun(role, worker));
            let [active, standby] = given.entry(worker).or_default();
            match role {
                Role::Active => active.push(to_start),
                Role::Standby => standby.push(to_start),
            }
        }
        for (worker, [active, standby]) in given {
            if !active.is_empty() {
                self.tell(worker, Command::Start(active));
            }
            if !standby.is_empty() {
                self.tell(worker, Command::StandBy(standby));
            }
        }
    }

    /// A worker says that a task runs.
    pub fn running(&mut self, task: TaskId) {
        if let Some(Place::Active { phase, .. }) = self.places.get_mut(&task) {
            *phase = place::Phase::Running;
        }
    }

    /// A worker says that a task was stopped; it runs again when the worker says so.
    pub fn stopped(&mut self, task: TaskId) {
        if let Some(Place::Active { phase, .. }) = self.places.get_mut(&task) {
            *phase = place::Phase::Starting;
        }
    }

    /// A worker says that a task is a standby now.
    pub fn demoted(&mut self, task: TaskId) {
        if let Some(Place::Demoting { worker }) = self.places.get(&task).copied() {
            self.places.insert(task, Place::Standby { worker });
            self.actions.push_back(RosterAction::Release(task));
            self.bring([task].into());
        }
    }

    /// A worker says that a task is closed.
    pub fn closed(&mut self, task: TaskId) {
        self.holdings.closed(task);
        // One that closed of its own accord, since its commit was refused, is another member's; the
        // group says so, too.
        if let Some(Place::Closing { .. }) = self.places.remove(&task) {
            self.actions.push_back(RosterAction::Release(task));
        }
        self.bring([task].into());
    }

    /// A worker says how far a state is.
    pub fn holds(&mut self, held: HeldState) {
        // Of a task that was lost, only what is on disk counts.
        match self.places.get(&held.task) {
            Some(Place::Closing { .. }) | None => self.holdings.lies(held.task, held.on_disk),
            Some(_) => self.holdings.holds(held),
        }
    }

    /// Whether the process has the task in any way, or is to have it.
    #[must_use]
    pub fn has(&self, task: TaskId) -> bool {
        self.places.contains_key(&task) || self.wanted.contains_key(&task)
    }

    /// What lay on disk of a task is removed.
    pub fn forget(&mut self, task: TaskId) {
        self.holdings.lies(task, 0);
    }

    /// What the process has of states, if that has changed since it was asked last.
    pub fn news(&mut self) -> Option<Held> {
        self.holdings.news()
    }

    /// The process closes: all workers commit and close, and nothing more begins.
    pub fn shut_down(&mut self) {
        self.is_shut = true;
        self.places.retain(|_, place| !matches!(place, Place::Preparing { .. }));
        for worker in self.workers.clone() {
            self.tell(worker, Command::Shutdown);
        }
    }

    /// Whether all tasks that the process shall run do so.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress_without(&BTreeSet::new())
    }

    /// As [`progress`](Self::progress), but for the tasks of these workers, which nobody waits for.
    #[must_use]
    pub fn progress_without(&self, workers: &BTreeSet<usize>) -> Progress {
        let runs = |place: &Place| {
            matches!(place, Place::Active { phase: place::Phase::Running, .. })
                || matches!(place, Place::Standby { .. })
                || matches!(place, Place::Preparing { role: Role::Standby, .. })
        };
        let counts = |place: &&Place| place.worker().is_none_or(|at| !workers.contains(&at));
        let mut places = self.places.values().filter(counts);
        if places.all(runs) { Progress::AllRun } else { Progress::Underway }
    }

    /// How many tasks the process shall run.
    #[must_use]
    pub fn active_count(&self) -> usize {
        self.wanted.values().filter(|role| **role == Role::Active).count()
    }

    fn tell(&mut self, worker: usize, command: Command) {
        self.actions.push_back(RosterAction::Tell { worker, command });
    }
}
