//! Tasks come to a worker and leave it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::active::{ActiveTask, Afterwards, Phase};
use super::commit::Wanted;
use super::failing::{Resume, Stopped};
use super::in_step::store_failed;
use super::message::{Action, TaskToStart, WorkerError};
use super::restore::{Restoration, Until};
use super::{Life, Worker};
use crate::names::TaskId;
use crate::task::{Task, TaskParts};
use crate::time::Now;

/// As what a task begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    Active,
    Standby,
}

impl Worker {
    pub(super) fn start_tasks(&mut self, tasks: Vec<TaskToStart>, now: Now) {
        self.take_deliveries(now);
        for to_start in tasks {
            match self.order.get(&to_start.task).copied() {
                Some(number) if self.is_standby(number) => {
                    let promoted = self.promote(number, to_start, now);
                    self.settle(promoted, now);
                }
                Some(number) => self.restart_as(number, to_start, now),
                None => self.open_soon((to_start, Begin::Active), now),
            }
        }
    }

    /// Opens a task, in a turn of its own where others run: many stores that are opened one after the
    /// other would hold them up.
    pub(super) fn open_soon(&mut self, (to_start, begin): (TaskToStart, Begin), now: Now) {
        if self.running().next().is_none() {
            return self.open_or_fail((to_start, begin), now);
        }
        let stopped = Stopped { begin, resume: Resume::At(now.moment) };
        self.put_off_opening(to_start, stopped);
    }

    /// Opens a task, or remembers that it could not be opened.
    pub(super) fn open_or_fail(&mut self, (to_start, begin): (TaskToStart, Begin), now: Now) {
        match self.open_task(to_start.clone(), begin, now) {
            Ok(()) => drop(self.unopened.remove(&to_start.task)),
            Err(error) => self.not_opened((to_start, begin), error, now),
        }
    }

    pub(super) fn open_task(
        &mut self,
        to_start: TaskToStart,
        begin: Begin,
        now: Now,
    ) -> Result<(), WorkerError> {
        self.close_now(to_start.task);
        let number = self.free_number();
        let mut task = self.make_task(&to_start, number)?;
        task.watch(Arc::clone(&self.place));
        let begun = TaskToStart { changelog_ends: BTreeMap::new(), ..to_start.clone() };
        let mut active = ActiveTask::new(task, begun);
        let emptied = active.admit(&to_start, now);
        let emptied = emptied.map_err(|source| store_failed(to_start.task, source))?;
        self.stores_rebuilt += emptied.len() as u64;
        self.ends.ask_soon();
        match begin {
            Begin::Active => {
                self.begin_restorations(&mut active, &to_start, now)?;
                active.open_inputs(to_start.inputs, &mut *self.plane);
            }
            Begin::Standby => active.stand_by(&to_start.inputs, &mut *self.plane, now)?,
        }
        self.order.insert(active.id(), number);
        if let Some(slot) = self.tasks.get_mut(number as usize) {
            *slot = Some(active);
        }
        Ok(())
    }

    /// A number is used again only when no delivery can name its last task any more.
    fn free_number(&mut self) -> u32 {
        let free = unused(&self.tasks, self.undelivered).unwrap_or_else(|| {
            self.tasks.push(None);
            self.tasks.len() - 1
        });
        u32::try_from(free).unwrap_or(u32::MAX)
    }

    fn make_task(&mut self, to_start: &TaskToStart, number: u32) -> Result<Task, WorkerError> {
        let settings = &self.settings;
        let shared = settings.globals.get();
        let partitions = to_start.inputs.iter().map(|input| input.partition.clone()).collect();
        let context = Rc::new(settings.context(to_start.task, partitions));
        // All tasks of the worker read through the same memory.
        let globals = match (&self.globals, shared) {
            (None, Some(shared)) => Some(shared.of_worker(&context)),
            (known, _) => known.clone(),
        };
        self.globals.clone_from(&globals);
        let task = Task::new(TaskParts {
            topology: settings.topology.clone(),
            subtopologies: vec![to_start.task.subtopology],
            names: settings.names.clone(),
            context,
            globals,
            backend: &*settings.backend,
            outbox: self.plane.outbox(),
            cache: Rc::clone(&self.cache),
            task_number: number,
            idle: settings.idle,
        });
        task.map_err(WorkerError::Start)
    }

    pub(super) fn begin_restorations(
        &mut self,
        active: &mut ActiveTask,
        to_start: &TaskToStart,
        now: Now,
    ) -> Result<(), WorkerError> {
        let stores = Until::of_all(&active.task, &to_start.inputs, &to_start.changelog_ends);
        let begun = Restoration::begin_all(&mut active.task, stores, &mut *self.plane, now);
        let restorations = begun.map_err(|source| store_failed(active.id(), source))?;
        for restoration in &restorations {
            self.actions.push_back(Action::Restored(restoration.progress().clone()));
        }
        active.phase = Phase::Restoring(restorations);
        Ok(())
    }

    /// Closes tasks after their commit. Those that have nothing to commit close at once.
    pub(super) fn release(&mut self, tasks: &[TaskId]) {
        self.after_commit(tasks, Afterwards::Close);
    }

    pub(super) fn after_commit(&mut self, tasks: &[TaskId], afterwards: Afterwards) {
        for task in tasks {
            self.leave_unopened(*task, afterwards);
        }
        for number in tasks.iter().filter_map(|task| self.order.get(task)) {
            if let Some(Some(active)) = self.tasks.get_mut(*number as usize) {
                active.afterwards = afterwards;
            }
        }
        self.commits.request(Wanted::OfLeaving);
    }

    /// Closes tasks without a commit.
    pub(super) fn lose(&mut self, tasks: &[TaskId]) {
        for task in tasks {
            self.leave_unopened(*task, Afterwards::Close);
            let ended = self.end(*task);
            self.ended.extend(ended);
        }
        self.close_ended();
    }

    /// Makes a standby that is to run another task: its topics have other partitions by now. Nobody
    /// is told that it was closed, since it is the worker's all the same.
    pub(super) fn open_anew(&mut self, to_start: TaskToStart, now: Now) {
        drop(self.end(to_start.task));
        self.open_or_fail((to_start, Begin::Active), now);
    }

    /// The task does nothing any more, and nothing of it is committed. Its stores are still open.
    pub(super) fn end(&mut self, task: TaskId) -> Option<ActiveTask> {
        let number = self.order.remove(&task)?;
        let mut active = self.tasks.get_mut(number as usize).and_then(Option::take)?;
        self.commits.forget(number);
        active.settle_standby();
        active.stop_reading(&mut *self.plane);
        active.task.stores_mut().discard();
        self.dropped.merge(&active.task.take_dropped());
        self.place.forget(task);
        self.actions.extend(active.news().map(Action::Holds));
        Some(active)
    }

    /// Does with the tasks that wait for it what shall become of them after their commit. Those that
    /// were told to leave while it was on its way have one of their own.
    pub(super) fn finish_leaving(&mut self, now: Now) -> Result<(), WorkerError> {
        if self.cache.used_bytes() > self.cache.max_bytes() {
            let tasks = self.tasks.iter_mut().flatten();
            tasks.for_each(|active| active.task.stores_mut().trim_caches());
        }
        let of = |this: &Self, wanted: Afterwards| -> Vec<(TaskId, u32)> {
            let all = this.order.iter().map(|(task, number)| (*task, *number));
            let waits = |number: u32| {
                let active = this.active_of(number);
                active.is_some_and(|active| active.afterwards == wanted && active.may_leave())
            };
            all.filter(|(_, number)| waits(*number)).collect()
        };
        for (_, number) in of(self, Afterwards::StandBy) {
            let demoted = self.demote(number, now);
            self.settle(demoted, now);
        }
        let mut closing = Vec::new();
        for (task, number) in of(self, Afterwards::Close) {
            if let Some(Some(active)) = self.tasks.get_mut(number as usize) {
                if !active.is_stopped() {
                    // A failure is logged; the task goes all the same.
                    let _ = active.task.close();
                }
                closing.push(task);
            }
        }
        self.lose(&closing);
        Ok(())
    }

    pub(super) fn end_if_done(&mut self) {
        let has_tasks = !self.order.is_empty() || !self.unopened.is_empty();
        if self.life == Life::ShuttingDown && !has_tasks && self.ended.is_empty() {
            self.life = Life::Ended;
            self.actions.push_back(Action::Done);
        }
    }
}

/// The number of a task that is gone, where nothing is on its way that could name it.
fn unused<T>(tasks: &[Option<T>], undelivered: usize) -> Option<usize> {
    tasks.iter().position(Option::is_none).filter(|_| undelivered == 0)
}

#[cfg(test)]
mod tests {
    use super::unused;

    #[test]
    fn a_number_is_used_again_only_when_nothing_is_on_its_way() {
        let tasks = [Some("0_0"), None, Some("0_1"), None];
        assert_eq!(unused(&tasks, 0), Some(1));
        assert_eq!(unused(&tasks, 1), None);
        assert_eq!(unused(&tasks[..1], 0), None);
    }
}
