//! Tasks come to a worker and leave it.

use std::rc::Rc;

use super::active::{ActiveTask, Phase};
use super::message::{Action, TaskToStart, WorkerError};
use super::restore::{Restoration, Until};
use super::{Life, Worker};
use crate::names::TaskId;
use crate::plane::StartAt;
use crate::processor::{ContextParts, TaskContext};
use crate::task::{Task, TaskParts};

impl Worker {
    pub(super) fn start_tasks(&mut self, tasks: Vec<TaskToStart>) -> Result<(), WorkerError> {
        self.take_deliveries()?;
        for to_start in tasks {
            if self.order.contains_key(&to_start.task) {
                continue;
            }
            let number = self.free_number();
            let task = self.make_task(&to_start, number)?;
            self.order.insert(task.id(), number);
            let mut active = ActiveTask::new(task, Vec::new());
            self.begin_restorations(&mut active, &to_start);
            active.open_inputs(to_start.inputs, &mut *self.plane);
            if let Some(slot) = self.tasks.get_mut(number as usize) {
                *slot = Some(active);
            }
        }
        Ok(())
    }

    /// A number is used again only when no delivery can name its last task any more.
    fn free_number(&mut self) -> u32 {
        let unused = self.tasks.iter().position(Option::is_none);
        let free = unused.filter(|_| self.undelivered == 0).unwrap_or_else(|| {
            self.tasks.push(None);
            self.tasks.len() - 1
        });
        u32::try_from(free).unwrap_or(u32::MAX)
    }

    fn make_task(&self, to_start: &TaskToStart, number: u32) -> Result<Task, WorkerError> {
        let settings = &self.settings;
        let partitions = to_start.inputs.iter().map(|input| input.partition.clone()).collect();
        let context = Rc::new(TaskContext::new(ContextParts {
            application_id: settings.application_id.clone(),
            task: to_start.task,
            partitions,
            handlers: settings.handlers.clone(),
            timestamps: settings.timestamps,
        }));
        let task = Task::new(TaskParts {
            topology: settings.topology.clone(),
            subtopologies: vec![to_start.task.subtopology],
            names: settings.names.clone(),
            context,
            backend: &*settings.backend,
            outbox: self.plane.outbox(),
            cache: Rc::clone(&self.cache),
            task_number: number,
            idle: settings.idle,
        });
        task.map_err(WorkerError::Start)
    }

    fn begin_restorations(&mut self, active: &mut ActiveTask, to_start: &TaskToStart) {
        let stores = 0..active.task.store_names().len();
        let limit = |store: usize| {
            let from = active.task.restored_from().get(store)?.as_ref()?;
            let input = to_start.inputs.iter().find(|input| input.partition == *from)?;
            Some(match input.start {
                StartAt::Offset(offset) => offset,
                StartAt::Reset(_) => 0,
            })
        };
        let end = |store: usize| {
            let from = active.task.restored_from().get(store)?.as_ref()?;
            to_start.changelog_ends.get(from).copied()
        };
        let restorations: Vec<Restoration> = stores
            .filter_map(|store| {
                let until = Until { limit: limit(store), end: end(store) };
                Restoration::begin(&active.task, store, until, &mut *self.plane)
            })
            .collect();
        for restoration in &restorations {
            self.actions.push_back(Action::Restored(restoration.progress().clone()));
        }
        active.phase = Phase::Restoring(restorations);
    }

    /// Closes tasks after their commit. Those that have nothing to commit close at once.
    pub(super) fn release(&mut self, tasks: &[TaskId]) {
        for number in tasks.iter().filter_map(|task| self.order.get(task)) {
            if let Some(Some(active)) = self.tasks.get_mut(*number as usize) {
                active.is_leaving = true;
            }
        }
        self.commits.is_requested = true;
    }

    /// Closes tasks without a commit.
    pub(super) fn lose(&mut self, tasks: &[TaskId]) {
        for task in tasks {
            let Some(number) = self.order.remove(task) else { continue };
            let Some(mut active) = self.tasks.get_mut(number as usize).and_then(Option::take)
            else {
                continue;
            };
            active.stop_reading(&mut *self.plane);
            active.task.stores_mut().discard();
            self.dropped.merge(&active.task.dropped());
            self.actions.push_back(Action::Closed(*task));
        }
        self.end_if_done();
    }

    /// Closes the tasks that wait for it.
    pub(super) fn close_leaving(&mut self) {
        let leaving = self.tasks.iter_mut().flatten().filter(|active| active.is_leaving);
        let leaving: Vec<TaskId> = leaving
            .map(|active| {
                // A failure is logged; the task goes all the same.
                let _ = active.task.close();
                active.id()
            })
            .collect();
        self.lose(&leaving);
    }

    pub(super) fn end_if_done(&mut self) {
        if self.life == Life::ShuttingDown && self.order.is_empty() {
            self.life = Life::Ended;
            self.actions.push_back(Action::Done);
        }
    }
}
