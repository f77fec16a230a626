//! Standbys: tasks that another process runs, whose state is kept warm here.
//!
//! DIFFERENCE(standby-processors): in Kafka a standby has no processors. Here they are made with the
//! task and only initialised when it runs, so that a standby takes over as it is.

use super::Worker;
use super::active::{ActiveTask, Afterwards, Phase};
use super::in_step::store_failed;
use super::message::{Action, TaskInput, TaskToStart, TurnReport, WorkerError};
use super::restore::{Restoration, Until};
use super::restoring::{explain, remedy};
use super::starting::Begin;
use crate::names::TopicPartition;
use crate::plane::DataPlane;
use crate::time::Now;
use std::collections::BTreeMap;
use std::time::Duration;

/// Records that all standbys of a worker read in a turn while its own tasks have work.
const BESIDE_WORK: usize = 200;
/// Records that they read in a turn when nothing else is to be done.
const ALONE: usize = 16_384;
/// How often what standbys read is made durable, and how far states are is told.
const SETTLE_INTERVAL: Duration = Duration::from_secs(1);

impl Worker {
    pub(super) fn is_standby(&self, number: u32) -> bool {
        self.active_of(number).is_some_and(ActiveTask::is_standby)
    }

    /// Opens standbys. What the worker has already stays as it is.
    pub(super) fn stand_by(&mut self, tasks: Vec<TaskToStart>, now: Now) {
        self.take_deliveries(now);
        for to_start in tasks {
            if !self.order.contains_key(&to_start.task) {
                self.open_soon((to_start, Begin::Standby), now);
            }
        }
    }

    /// A standby becomes active: it reads what is left of its changelogs, then runs.
    pub(super) fn promote(
        &mut self,
        number: u32,
        to_start: TaskToStart,
        now: Now,
    ) -> Result<(), WorkerError> {
        let Some(Some(active)) = self.tasks.get_mut(number as usize) else { return Ok(()) };
        let wanted = to_start.inputs.iter().map(|input| &input.partition);
        if !wanted.eq(active.task.partitions()) {
            self.open_anew(to_start, now);
            return Ok(());
        }
        active.afterwards = Afterwards::Stay;
        active.settle_standby();
        active.begun.inputs.clone_from(&to_start.inputs);
        active.begun.changelogs.clone_from(&to_start.changelogs);
        let Phase::Standby(restorations) = &mut active.phase else { return Ok(()) };
        // What is read of them ends with the task, should one of its stores fail here.
        active.phase = Phase::Restoring(std::mem::take(restorations));
        let task = to_start.task;
        let fail = move |source| store_failed(task, source);
        let emptied = match active.admit(&to_start, now) {
            Ok(emptied) => emptied,
            // Whether its stores may stay is judged again when they are opened. Nobody is told that
            // it was closed: the worker has it still.
            Err(source) => {
                drop(self.end(task));
                self.not_opened((to_start, Begin::Active), fail(source), now);
                return Ok(());
            }
        };
        self.stores_rebuilt += emptied.len() as u64;
        let (task, restorations) = active.restorations_mut();
        for restoration in restorations {
            let (inputs, ends) = (to_start.inputs.iter(), &to_start.changelog_ends);
            let until = Until::of(task, restoration.store(), inputs, ends);
            if emptied.contains(&restoration.store()) {
                restoration.begin_again(task, until, &mut *self.plane, now).map_err(fail)?;
            } else {
                restoration.aim(until, &mut *self.plane, now);
            }
            self.actions.push_back(Action::Restored(restoration.progress().clone()));
        }
        active.open_inputs(to_start.inputs, &mut *self.plane);
        Ok(())
    }

    /// A task whose commit is done becomes a standby; its stores stay open.
    pub(super) fn demote(&mut self, number: u32, now: Now) -> Result<(), WorkerError> {
        let Some(Some(active)) = self.tasks.get_mut(number as usize) else { return Ok(()) };
        active.afterwards = Afterwards::Stay;
        if active.is_standby() {
            return Ok(());
        }
        if let Phase::Stopped(stopped) = &mut active.phase {
            stopped.begin = Begin::Standby;
            self.actions.extend(active.news().map(Action::Holds));
            self.actions.push_back(Action::Demoted(active.id()));
            return Ok(());
        }
        active.task.set_now(now.wall);
        if active.is_running() {
            // A failure is logged; the task goes all the same.
            let _ = active.task.close();
        } else {
            active.settle_standby();
        }
        active.keep_inputs();
        let inputs = active.begun.inputs.clone();
        active.stop_reading(&mut *self.plane);
        active.phase = Phase::Standby(Vec::new());
        active.task.rewind();
        self.actions.extend(active.news().map(Action::Holds));
        self.actions.push_back(Action::Demoted(active.id()));
        active.task.reset().map_err(WorkerError::Start)?;
        active.stand_by(&inputs, &mut *self.plane, now)
    }

    /// Each standby reads its share. They have turns of their own, so that no task that runs or is
    /// to run waits for one.
    pub(super) fn step_standbys(
        &mut self,
        now: Now,
        report: &mut TurnReport,
    ) -> Result<(), WorkerError> {
        let standbys = self.active().filter(|active| active.is_standby()).count();
        if standbys == 0 {
            return Ok(());
        }
        let others_work = self.is_restoring() || self.running().any(|task| task.has_records());
        let records = if others_work { BESIDE_WORK } else { ALONE };
        let share = (records / standbys).max(1);
        for active in self.tasks.iter_mut().flatten().filter(|active| active.is_standby()) {
            let id = active.id();
            let (task, restorations) = active.restorations_mut();
            for restoration in restorations {
                match restoration.follow(task.stores_mut(), &mut *self.plane, share) {
                    Ok(records) => {
                        report.restored += records;
                        report.copied += records;
                        report.is_busy |= records > 0;
                    }
                    Err(failure) => {
                        let remedied = remedy(restoration, task, &mut *self.plane, now);
                        explain(id, failure, remedied)?;
                        self.stores_rebuilt += 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// From time to time: makes durable what standbys read, and tells how far states are.
    pub(super) fn settle_states(&mut self, now: Now) {
        if self.settled.is_some_and(|last| now.moment.since(last) < SETTLE_INTERVAL) {
            return;
        }
        self.settled = Some(now.moment);
        for active in self.tasks.iter_mut().flatten() {
            active.task.set_now(now.wall);
            if active.is_standby() {
                active.settle_standby();
            }
            self.actions.extend(active.news().map(Action::Holds));
        }
        self.keep_in_step(now);
        self.follow_owners(now);
    }

    /// From time to time: asks how far the owners of tasks have processed the inputs that standbys
    /// follow as changelogs. What lies behind that is still input.
    fn follow_owners(&mut self, now: Now) {
        let standbys = self.active().filter(|active| active.is_standby());
        let mut inputs: Vec<TopicPartition> =
            standbys.flat_map(ActiveTask::inputs_as_changelogs).cloned().collect();
        inputs.sort();
        inputs.dedup();
        if !inputs.is_empty() && self.processed.is_due(self.commits.policy.interval, now.moment) {
            self.processed.asks(now.moment);
            self.actions.push_back(Action::FindCommitted(inputs));
        }
    }

    /// Inputs are processed up to here.
    pub(super) fn owners_processed(&mut self, inputs: &BTreeMap<TopicPartition, i64>) {
        self.processed.answered();
        for active in self.tasks.iter_mut().flatten().filter(|active| active.is_standby()) {
            for restoration in active.restorations_mut().1 {
                if let Some(limit) = inputs.get(&restoration.progress().partition) {
                    restoration.raise(*limit, &mut *self.plane);
                }
            }
        }
    }
}

impl ActiveTask {
    /// Begins to follow the changelogs; `inputs` say up to where a topic that serves as one is
    /// processed.
    pub(super) fn stand_by(
        &mut self,
        inputs: &[TaskInput],
        plane: &mut dyn DataPlane,
        now: Now,
    ) -> Result<(), WorkerError> {
        let stores = Until::of_all(&self.task, inputs, &BTreeMap::new());
        let begun = Restoration::begin_all(&mut self.task, stores, plane, now);
        self.phase = Phase::Standby(begun.map_err(|source| store_failed(self.id(), source))?);
        Ok(())
    }

    /// The inputs that the stores of a standby are restored from.
    fn inputs_as_changelogs(&self) -> impl Iterator<Item = &TopicPartition> {
        let restorations: &[Restoration] = match &self.phase {
            Phase::Standby(restorations) => restorations,
            _ => &[],
        };
        let limited = restorations.iter().filter(|restoration| restoration.limit().is_some());
        limited.map(|restoration| &restoration.progress().partition)
    }

    /// What was read and cannot be made durable is read again.
    pub(super) fn settle_standby(&mut self) {
        let id = self.id();
        let (task, restorations) = self.restorations_mut();
        for restoration in restorations {
            if let Err(error) = restoration.settle(task.stores_mut()) {
                let error = crate::error::chain(&error);
                tracing::warn!(task = %id, error, "what was restored is not durable yet");
            }
        }
    }
}
