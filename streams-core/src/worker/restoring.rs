//! The restoration of a worker's tasks beside those that run.

use std::time::Duration;

use super::Worker;
use super::active::{ActiveTask, Phase};
use super::in_step::store_failed;
use super::message::{Action, RestoreProgress, TurnReport, WorkerError};
use super::restore::{Restoration, RestoreFailure, Until};
use crate::error::StoreError;
use crate::names::TaskId;
use crate::plane::{DataPlane, FetchError};
use crate::time::Now;

/// Records restored for each millisecond that passes while other tasks run: about a tenth of the
/// time, whatever a record costs to process.
const BESIDE_RUNNING: u128 = 100;
/// Records restored in a turn at least.
const BESIDE_RUNNING_MIN: usize = 16;
/// Records restored in a turn when nothing else is to be done.
const ALONE: usize = 16_384;

impl Worker {
    pub(super) fn step_restorations(
        &mut self,
        now: Now,
        report: &mut TurnReport,
    ) -> Result<(), WorkerError> {
        if !self.is_restoring() {
            return Ok(());
        }
        // Their queues are empty after each turn that was long enough for all.
        let others_run = self.has_worked || self.running().any(|task| task.has_records());
        let passed = self.restored_last.map_or(Duration::ZERO, |last| now.moment.since(last));
        self.restored_last = Some(now.moment);
        let mut left = if others_run { beside_running(passed) } else { ALONE };
        for active in self.tasks.iter_mut().flatten() {
            let (task, Phase::Restoring(restorations)) = (active.id(), &mut active.phase) else {
                continue;
            };
            let mut told = Vec::new();
            for restoration in restorations.iter_mut() {
                let stores = active.task.stores_mut();
                let step = restoration.step(stores, &mut *self.plane, (left.max(1), now));
                let step = match step {
                    Ok(step) => step,
                    Err(failure) => {
                        let remedied = remedy(restoration, &mut active.task, &mut *self.plane, now);
                        explain(task, failure, remedied)?;
                        self.stores_rebuilt += 1;
                        continue;
                    }
                };
                report.restored += step.records;
                report.is_busy |= step.records > 0;
                left = left.saturating_sub(usize::try_from(step.records).unwrap_or(left));
                told.extend(step.progress);
            }
            self.actions.extend(told.into_iter().map(Action::Restored));
            if start_if_restored(active, &mut *self.plane, now)? {
                report.is_busy = true;
                self.actions.push_back(Action::Running(task));
            }
        }
        Ok(())
    }

    /// The changelogs of these stores lost records: they are rebuilt from what is left.
    pub(super) fn rebuild(
        &mut self,
        number: u32,
        stores: &[usize],
        now: Now,
    ) -> Result<(), WorkerError> {
        let Some(Some(active)) = self.tasks.get_mut(number as usize) else { return Ok(()) };
        let task = active.id();
        let fail = |source: StoreError| store_failed(task, source);
        for store in stores {
            tracing::warn!(%task, store = *store, "the changelog has lost records; the store is rebuilt from what is left");
            active.task.stores_mut().wipe(*store).map_err(fail)?;
            self.stores_rebuilt += 1;
        }
        active.task.reset().map_err(WorkerError::Start)?;
        let inputs = active.inputs.iter().map(|(input, _)| input.clone()).collect();
        active.stop_reading(&mut *self.plane);
        let stores = stores.iter().map(|store| (*store, Until::default()));
        let begun = Restoration::begin_all(&mut active.task, stores, &mut *self.plane, now);
        active.phase = Phase::Restoring(begun.map_err(fail)?);
        active.open_inputs(inputs, &mut *self.plane);
        Ok(())
    }
}

/// How many records may be restored after so long.
fn beside_running(passed: Duration) -> usize {
    let records = usize::try_from(passed.as_millis() * BESIDE_RUNNING).unwrap_or(ALONE);
    records.clamp(BESIDE_RUNNING_MIN, ALONE)
}

/// Starts a task all of whose stores are restored. Whether it did.
fn start_if_restored(
    active: &mut ActiveTask,
    plane: &mut dyn DataPlane,
    now: Now,
) -> Result<bool, WorkerError> {
    let Phase::Restoring(restorations) = &mut active.phase else { return Ok(false) };
    if !restorations.iter().all(Restoration::is_done) {
        return Ok(false);
    }
    let ended: Vec<(usize, RestoreProgress)> = restorations
        .drain(..)
        .map(|mut restoration| {
            restoration.close(plane);
            (restoration.store(), restoration.progress().clone())
        })
        .collect();
    for (store, progress) in ended {
        active.set_restored(store, progress.next);
    }
    let task = active.id();
    active.start(now.wall).map_err(|source| WorkerError::Task { task, source })?;
    Ok(true)
}

/// A position outside the log and a damaged store are remedied by beginning anew.
pub(super) fn remedy(
    restoration: &mut Restoration,
    task: &mut crate::task::Task,
    plane: &mut dyn DataPlane,
    now: Now,
) -> Result<(), StoreError> {
    restoration.close(plane);
    let store = restoration.store();
    task.stores_mut().wipe(store)?;
    let until = Until { limit: restoration.limit(), end: None };
    restoration.begin_again(task, until, plane, now)
}

pub(super) fn explain(
    task: TaskId,
    failure: RestoreFailure,
    remedied: Result<(), StoreError>,
) -> Result<(), WorkerError> {
    let store_error = |source| store_failed(task, source);
    match failure {
        RestoreFailure::Fetch(error @ FetchError::OutOfRange { .. }) => {
            tracing::warn!(%task, %error, "the store is rebuilt from the whole changelog");
            remedied.map_err(store_error)
        }
        RestoreFailure::Store(error @ StoreError::Corrupted { .. }) => {
            tracing::warn!(%task, %error, "the store is rebuilt from the whole changelog");
            remedied.map_err(store_error)
        }
        RestoreFailure::Fetch(source) => Err(WorkerError::Fetch { task, source }),
        RestoreFailure::Store(source) => Err(store_error(source)),
    }
}
