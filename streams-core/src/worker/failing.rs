//! A task that cannot go on is stopped alone. What it staged is dropped; the disk is as the last
//! commit left it, and the stores stay open. Then it is made anew at once, if the trouble is one
//! that passes or a damaged store, and otherwise when the shell says so.

use super::Worker;
use super::active::{ActiveTask, Afterwards, Phase};
use super::commit::Wanted;
use super::in_step::store_failed;
use super::message::{Action, TaskToStart, WorkerError};
use super::retry::Troubles;
use super::starting::Begin;
use crate::error::{ProduceError, StoreError, TaskError};
use crate::names::TaskId;
use crate::time::{Moment, Now};

/// Damaged stores that are rebuilt without a commit in between before the shell is asked.
const REBUILDS_MAX: u32 = 3;

/// When a stopped task goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resume {
    /// When the shell says so.
    OnDemand,
    /// From this time on.
    At(Moment),
}

/// A task that was stopped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopped {
    /// As what it goes on.
    pub(super) begin: Begin,
    pub(super) resume: Resume,
}

impl Stopped {
    fn is_due(self, now: Now) -> bool {
        matches!(self.resume, Resume::At(at) if at <= now.moment)
    }
}

/// A task that could not be opened, or was not yet.
#[derive(Debug)]
pub(super) struct Unopened {
    pub(super) to_start: TaskToStart,
    pub(super) stopped: Stopped,
    troubles: Troubles,
}

/// What is done about a failure.
enum Remedy {
    /// It passes by itself: the task goes on from its last commit.
    Again,
    /// This store is damaged, and rebuilt from its changelog.
    Rebuild(usize),
    /// The shell decides.
    Ask,
}

impl Remedy {
    fn of(active: &ActiveTask, error: &WorkerError) -> Self {
        if error.is_passing() {
            return Self::Again;
        }
        let WorkerError::Task { source, .. } = error else { return Self::Ask };
        let TaskError::Store { source: StoreError::Corrupted { store, .. }, .. } = &**source else {
            return Self::Ask;
        };
        let at = active.task.store_names().iter().position(|name| name == store);
        let can_be_rebuilt = |at: &usize| {
            active.task.restored_from().get(*at).is_some_and(Option::is_some)
                && active.troubles.count() <= REBUILDS_MAX
        };
        at.filter(can_be_rebuilt).map_or(Self::Ask, Self::Rebuild)
    }
}

impl Worker {
    /// Stops the task that an error names; the others go on.
    pub(super) fn settle(&mut self, result: Result<(), WorkerError>, now: Now) {
        let Err(error) = result else { return };
        let Some(task) = error.task() else { return };
        let error = match self.order.get(&task).copied() {
            Some(number) => self.stop(number, error, now),
            None => Some(error),
        };
        self.actions.extend(error.map(|error| Action::Failed { tasks: vec![task], error }));
    }

    /// Stops tasks that failed together.
    pub(super) fn fail_together(&mut self, numbers: &[u32], error: WorkerError, now: Now) {
        let tasks = self.names_of(numbers);
        for number in numbers {
            self.put_away(*number);
            if let Some(Some(active)) = self.tasks.get_mut(*number as usize) {
                active.troubles.add(&self.settings.retries, now.moment);
            }
        }
        if !tasks.is_empty() {
            self.actions.push_back(Action::Failed { tasks, error });
        }
    }

    /// The worker can send nothing any more: as a thread dies in Kafka, none of its tasks goes on.
    pub(super) fn producer_failed(&mut self, error: ProduceError, now: Now) {
        let numbers = self.order.values().copied();
        let is_running = |number: &u32| self.active_of(*number).is_some_and(ActiveTask::is_running);
        let running: Vec<u32> = numbers.filter(is_running).collect();
        self.fail_together(&running, WorkerError::Producer(error), now);
    }

    /// Stops a task. What the shell is to be asked about, if it is.
    fn stop(&mut self, number: u32, error: WorkerError, now: Now) -> Option<WorkerError> {
        let Some(Some(active)) = self.tasks.get_mut(number as usize) else { return Some(error) };
        let policy = self.settings.retries;
        let lasted = active.troubles.add(&policy, now.moment);
        let (id, until) = (active.id(), now.moment.after(active.troubles.wait(&policy)));
        let remedy = Remedy::of(active, &error);
        self.put_away(number);
        let Some(Some(active)) = self.tasks.get_mut(number as usize) else { return Some(error) };
        match remedy {
            Remedy::Again if policy.is_over(lasted) => {
                return Some(WorkerError::TimedOut {
                    task: id,
                    waited: lasted,
                    source: error.into(),
                });
            }
            Remedy::Again => {
                let error = crate::error::chain(&error);
                tracing::warn!(task = %id, error, "the task goes on from its last commit");
            }
            Remedy::Rebuild(store) => {
                if let Err(failed) = active.task.stores_mut().wipe(store) {
                    tracing::warn!(task = %id, error = %failed, "a damaged store stays");
                    return Some(error);
                }
                self.stores_rebuilt += 1;
                let error = crate::error::chain(&error);
                tracing::warn!(task = %id, error, "the store is rebuilt from its whole changelog");
            }
            Remedy::Ask => return Some(error),
        }
        active.resume(Resume::At(until));
        None
    }

    /// Ends what a task does, without a commit.
    fn put_away(&mut self, number: u32) {
        let Some(Some(active)) = self.tasks.get_mut(number as usize) else { return };
        if active.is_stopped() {
            return;
        }
        self.commits.forget(number);
        active.put_away(&mut *self.plane);
        // One that was to leave does so without it.
        if active.leaves() {
            self.commits.request(Wanted::OfLeaving);
        }
        self.actions.extend(active.news().map(Action::Holds));
    }

    /// A task could not be opened. It is tried again if that may pass by itself.
    pub(super) fn not_opened(
        &mut self,
        (to_start, begin): (TaskToStart, Begin),
        error: WorkerError,
        now: Now,
    ) {
        let (task, policy) = (to_start.task, self.settings.retries);
        self.put_off_opening(to_start, Stopped { begin, resume: Resume::OnDemand });
        let Some(one) = self.unopened.get_mut(&task) else { return };
        if !error.is_passing() {
            return self.actions.push_back(Action::Failed { tasks: vec![task], error });
        }
        let waited = one.troubles.add(&policy, now.moment);
        if policy.is_over(waited) {
            let error = WorkerError::TimedOut { task, waited, source: error.into() };
            return self.actions.push_back(Action::Failed { tasks: vec![task], error });
        }
        one.stopped.resume = Resume::At(now.moment.after(one.troubles.wait(&policy)));
        let error = crate::error::chain(&error);
        tracing::warn!(%task, error, "the task cannot be opened yet");
    }

    pub(super) fn put_off_opening(&mut self, to_start: TaskToStart, stopped: Stopped) {
        let task = to_start.task;
        let troubles = self.unopened.remove(&task).map(|one| one.troubles).unwrap_or_default();
        self.unopened.insert(task, Unopened { to_start, stopped, troubles });
    }

    /// A task that could not be opened needs no commit to leave.
    pub(super) fn leave_unopened(&mut self, task: TaskId, afterwards: Afterwards) {
        let Some(one) = self.unopened.get_mut(&task) else { return };
        match afterwards {
            Afterwards::Stay => {}
            Afterwards::StandBy => {
                one.stopped.begin = Begin::Standby;
                self.actions.push_back(Action::Demoted(task));
            }
            Afterwards::Close => {
                self.unopened.remove(&task);
                self.actions.push_back(Action::Closed(task));
            }
        }
    }

    /// A stopped standby is to run: it does so once it is made anew.
    pub(super) fn restart_as(&mut self, number: u32, to_start: TaskToStart, now: Now) {
        let Some(Some(active)) = self.tasks.get_mut(number as usize) else { return };
        let Phase::Stopped(stopped) = &mut active.phase else { return };
        let wanted = to_start.inputs.iter().map(|input| &input.partition);
        if wanted.eq(active.task.partitions()) {
            stopped.begin = Begin::Active;
            active.afterwards = Afterwards::Stay;
            (active.begun.inputs, active.begun.changelogs) = (to_start.inputs, to_start.changelogs);
        } else {
            self.open_anew(to_start, now);
        }
    }

    /// The shell says that these tasks shall go on.
    pub(super) fn replace(&mut self, tasks: &[TaskId], now: Now) {
        let policy = self.settings.retries;
        for task in tasks {
            if let Some(one) = self.unopened.get_mut(task) {
                one.troubles.add(&policy, now.moment);
                one.stopped.resume = Resume::At(now.moment.after(one.troubles.wait(&policy)));
            }
            let number = self.order.get(task).copied();
            let active = number.and_then(|at| self.tasks.get_mut(at as usize)?.as_mut());
            if let Some(active) = active.filter(|active| active.is_stopped()) {
                active.resume(Resume::At(now.moment.after(active.troubles.wait(&policy))));
            }
        }
    }

    /// Makes anew what was stopped and may go on. Whether the others have to wait for it: as long as
    /// records are on their way, some of a stopped task may be among them, and would be missed.
    pub(super) fn restart_due(&mut self, now: Now) -> bool {
        self.open_due(now);
        let due = |active: &&ActiveTask| active.stopped().is_some_and(|one| one.is_due(now));
        let due: Vec<u32> = self.active().filter(due).filter_map(|a| self.number_of(a)).collect();
        if due.is_empty() {
            return false;
        }
        if self.undelivered > 0 || self.commits.in_flight.is_some() {
            self.plane.hurry();
            return true;
        }
        self.plane.renew();
        for number in due {
            let result = self.restart(number, now);
            self.settle(result, now);
        }
        false
    }

    /// Opens what waits for it; while others run, one task a turn.
    fn open_due(&mut self, now: Now) {
        let due = self.unopened.values().filter(|one| one.stopped.is_due(now));
        let due: Vec<TaskId> = due.map(|one| one.to_start.task).collect();
        let max = if self.running().next().is_some() { 1 } else { due.len() };
        for task in due.into_iter().take(max) {
            let Some(one) = self.unopened.get(&task) else { continue };
            let (to_start, begin) = (one.to_start.clone(), one.stopped.begin);
            self.open_or_fail((to_start, begin), now);
        }
    }

    pub(super) fn has_tasks_to_open(&self, now: Now) -> bool {
        self.unopened.values().any(|one| one.stopped.is_due(now))
    }

    fn number_of(&self, active: &ActiveTask) -> Option<u32> {
        self.order.get(&active.id()).copied()
    }

    /// Reads what its changelogs hold beyond its stores, and then the inputs from the last commit.
    fn restart(&mut self, number: u32, now: Now) -> Result<(), WorkerError> {
        let Some(slot) = self.tasks.get_mut(number as usize) else { return Ok(()) };
        let Some(mut active) = slot.take() else { return Ok(()) };
        let began = self.begin_again(&mut active, now);
        if let Some(slot) = self.tasks.get_mut(number as usize) {
            *slot = Some(active);
        }
        began
    }

    fn begin_again(&mut self, active: &mut ActiveTask, now: Now) -> Result<(), WorkerError> {
        let Some(Stopped { begin, .. }) = active.stopped() else { return Ok(()) };
        active.task.set_now(now.wall);
        active.task.reset().map_err(WorkerError::Start)?;
        active.troubles.resume(now.moment);
        let to_start = active.begun.clone();
        let admitted = active.drop_unfinished().and_then(|()| active.admit(&to_start, now));
        let emptied = admitted.map_err(|source| store_failed(active.id(), source))?;
        self.stores_rebuilt += emptied.len() as u64;
        match begin {
            Begin::Active => {
                self.begin_restorations(active, &to_start, now)?;
                active.open_inputs(to_start.inputs, &mut *self.plane);
            }
            Begin::Standby => active.stand_by(&to_start.inputs, &mut *self.plane, now)?,
        }
        tracing::info!(task = %active.id(), "the task was made anew");
        Ok(())
    }

    /// When something that was stopped goes on.
    pub(super) fn next_restart(&self) -> Option<Moment> {
        let stopped = self.active().filter_map(ActiveTask::stopped);
        let all = stopped.chain(self.unopened.values().map(|one| one.stopped));
        let times = all.filter_map(|one| match one.resume {
            Resume::At(at) => Some(at),
            Resume::OnDemand => None,
        });
        times.min()
    }
}

impl ActiveTask {
    pub(super) const fn stopped(&self) -> Option<Stopped> {
        match self.phase {
            Phase::Stopped(stopped) => Some(stopped),
            _ => None,
        }
    }

    pub(super) const fn is_stopped(&self) -> bool {
        matches!(self.phase, Phase::Stopped(_))
    }

    fn resume(&mut self, at: Resume) {
        if let Phase::Stopped(stopped) = &mut self.phase {
            stopped.resume = at;
        }
    }

    fn put_away(&mut self, plane: &mut dyn crate::plane::DataPlane) {
        let begin = if self.is_standby() { Begin::Standby } else { Begin::Active };
        if self.is_running() {
            // A failure is logged; what it wrote is dropped.
            let _ = self.task.close();
        } else {
            self.settle_standby();
        }
        self.keep_inputs();
        self.stop_reading(plane);
        self.task.rewind();
        self.marks.forget_inputs();
        self.failed_deliveries.clear();
        self.phase = Phase::Stopped(Stopped { begin, resume: Resume::OnDemand });
    }
}
