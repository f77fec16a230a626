//! What the threads of an application share: its state, its counts, its listeners.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use streams_core::error::catch_panic;
use streams_core::membership::Departure;
use streams_core::names::{ApplicationId, TaskId, TopicPartition};
use streams_core::roster::Crew;
use streams_core::time::Moment;
use streams_core::worker::{Pace, RestorePhase, RestoreProgress, TurnReport, Worker};
use tokio::sync::Notify;

use super::closing::{CloseBy, HeldUp};
use super::metrics::{Metrics, WorkerMetrics};
use super::state::State;
use super::uncaught::{ShutDownOnError, UncaughtErrorHandler, UncaughtErrorResponse};
use crate::error::StreamsError;
use crate::{clock, global_thread, worker_thread};

/// Called with the new and the old state.
pub(crate) type StateListener = dyn Fn(State, State) + Send + Sync;
/// Called when a restoration begins, goes on and ends.
pub(crate) type RestoreListener = dyn Fn(&RestoreProgress) + Send + Sync;

/// The user's listeners.
#[derive(Clone)]
pub(crate) struct Listeners {
    pub(crate) state: Vec<Arc<StateListener>>,
    pub(crate) restore: Vec<Arc<RestoreListener>>,
    pub(crate) uncaught: Arc<dyn UncaughtErrorHandler>,
}

impl Default for Listeners {
    fn default() -> Self {
        let uncaught = Arc::new(ShutDownOnError);
        Self { state: Vec::new(), restore: Vec::new(), uncaught }
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) state: State,
    error: Option<Arc<StreamsError>>,
    pub(super) workers: BTreeMap<usize, WorkerMetrics>,
    global: Option<WorkerMetrics>,
    restoring: BTreeMap<(TopicPartition, String), RestoreProgress>,
    /// Until when those wait who close; of several, the first.
    close_by: Option<CloseBy>,
    ending: Ending,
    /// Whether the group thread has nothing more to do.
    is_over: bool,
    departure: Departure,
    pace: Pace,
    pub(super) crew: Crew,
    /// Of the workers, by number, and of the group.
    pub(super) threads: BTreeMap<Thread, ThreadId>,
}

/// A thread of the application that user code is called on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thread {
    Group,
    Worker(usize),
}

/// How the workers ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// They closed their tasks, or do so still.
    InOrder,
    /// These were dropped: what they did since their last commit is done again.
    Abandoned(Vec<HeldUp>),
}

/// Shared by all threads of an application.
#[derive(Debug)]
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    pub(super) changed: Condvar,
    /// Tells the group that workers were added or removed, or have ended.
    pub(super) crew_changed: Notify,
    listeners: Listeners,
}

impl Shared {
    pub(crate) fn new(listeners: Listeners, workers: usize) -> Self {
        let inner = Inner {
            state: State::Created,
            error: None,
            workers: BTreeMap::new(),
            global: None,
            restoring: BTreeMap::new(),
            close_by: None,
            ending: Ending::InOrder,
            is_over: false,
            departure: Departure::ToReturn,
            pace: Pace::Going,
            crew: Crew::new(workers),
            threads: BTreeMap::new(),
        };
        let (changed, crew_changed) = (Condvar::new(), Notify::new());
        Self { inner: Mutex::new(inner), changed, crew_changed, listeners }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state(&self) -> State {
        self.lock().state
    }

    pub(crate) fn error(&self) -> Option<Arc<StreamsError>> {
        self.lock().error.clone()
    }

    /// Goes to this state where the way leads there. Whether it did.
    pub(crate) fn become_state(&self, next: State) -> bool {
        let before = {
            let mut inner = self.lock();
            if !inner.state.may_become(next) {
                return false;
            }
            std::mem::replace(&mut inner.state, next)
        };
        tracing::info!("state {before} -> {next}");
        self.changed.notify_all();
        for listener in &self.listeners.state {
            guard("a state listener", || listener(next, before));
        }
        true
    }

    /// The group thread knows whether all tasks of this process run.
    pub(crate) fn tell_state(&self, is_running: Running) {
        let (from, to) = match is_running {
            Running::Yes => (State::Rebalancing, State::Running),
            Running::No => (State::Running, State::Rebalancing),
        };
        if self.state() == from {
            self.become_state(to);
        }
    }

    /// The first error is kept.
    pub(crate) fn fail(&self, error: StreamsError) {
        self.note(error);
        self.become_state(State::PendingError);
    }

    /// Tells an error, and keeps the first one.
    pub(crate) fn note(&self, error: StreamsError) {
        tracing::error!("{}", error.chain());
        self.lock().error.get_or_insert_with(|| Arc::new(error));
    }

    /// What the user wants to become of an error. A panic says nothing.
    pub(crate) fn respond(&self, error: &StreamsError) -> UncaughtErrorResponse {
        let handler = &self.listeners.uncaught;
        guard("the handler of uncaught errors", || handler.response(error))
            .unwrap_or(UncaughtErrorResponse::ShutDownClient)
    }

    /// Whoever closes waits so long for the workers; the earliest time counts.
    pub(crate) fn close_within(&self, timeout: Duration) {
        let by = CloseBy::within(timeout);
        let mut inner = self.lock();
        inner.close_by = inner.close_by.into_iter().chain(by).min();
    }

    pub(crate) fn close_by(&self) -> Option<CloseBy> {
        self.lock().close_by
    }

    pub(crate) fn set_pace(&self, pace: Pace) {
        self.lock().pace = pace;
    }

    pub(crate) fn pace(&self) -> Pace {
        self.lock().pace
    }

    /// The group is to be left whatever the process is called.
    pub(crate) fn leave_for_good(&self) {
        self.lock().departure = Departure::ForGood;
    }

    /// As in Kafka, who has failed goes for good.
    pub(crate) fn departure(&self) -> Departure {
        let inner = self.lock();
        if inner.error.is_some() { Departure::ForGood } else { inner.departure }
    }

    /// Threads were dropped.
    pub(crate) fn abandoned(&self, held_up_by: Vec<HeldUp>) {
        for held_up in &held_up_by {
            tracing::warn!("{held_up}; it is not waited for, and its commits are refused");
        }
        let mut inner = self.lock();
        match &mut inner.ending {
            Ending::InOrder => inner.ending = Ending::Abandoned(held_up_by),
            Ending::Abandoned(before) => before.extend(held_up_by),
        }
    }

    pub(crate) fn ending(&self) -> Ending {
        self.lock().ending.clone()
    }

    /// The group thread ends.
    pub(super) fn over(&self) {
        self.lock().is_over = true;
        self.changed.notify_all();
    }

    /// Waits until the group thread ends.
    pub(super) fn wait_over(&self, timeout: Duration) -> Option<State> {
        self.wait_until(|inner| inner.is_over, timeout)
    }

    /// Waits until the state is one that `wanted` takes.
    pub(crate) fn wait(&self, wanted: impl Fn(State) -> bool, timeout: Duration) -> Option<State> {
        self.wait_until(|inner| wanted(inner.state), timeout)
    }

    pub(super) fn wait_until(
        &self,
        wanted: impl Fn(&Inner) -> bool,
        timeout: Duration,
    ) -> Option<State> {
        let until = clock::monotonic().checked_add(timeout);
        let mut inner = self.lock();
        while !wanted(&inner) {
            // A time that the clock cannot show never comes.
            let left = until.map_or(Some(Duration::MAX), |until| {
                until.checked_duration_since(clock::monotonic())
            })?;
            let waited = self.changed.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(inner.state)
    }

    pub(crate) fn record(&self, number: usize, report: &TurnReport, worker: &Worker, now: Moment) {
        self.lock().workers.entry(number).or_default().add(report, worker, now);
    }

    /// A worker has not come back in time.
    pub(crate) fn record_late(&self, number: usize, late: HeldUp) {
        self.lock().workers.entry(number).or_default().late = Some(late);
    }

    /// What the thread of the global stores did.
    pub(crate) fn record_global(&self, report: &TurnReport) {
        if *report != TurnReport::default() {
            self.lock().global.get_or_insert_default().count(report);
        }
    }

    pub(crate) fn tell_restore(&self, progress: &RestoreProgress) {
        let key = (progress.partition.clone(), progress.store.to_string());
        self.lock().restoring.insert(key, progress.clone());
        for listener in &self.listeners.restore {
            guard("a restore listener", || listener(progress));
        }
    }

    /// The task is gone: what was not restored of it stays so.
    pub(crate) fn break_off_restorations(&self, task: TaskId) {
        let is_over = |progress: &RestoreProgress| matches!(progress.phase, RestorePhase::Ended);
        self.lock().restoring.retain(|_, progress| progress.task != task || is_over(progress));
    }

    pub(crate) fn metrics(&self, application: &ApplicationId) -> Metrics {
        let inner = self.lock();
        let workers = inner.workers.iter();
        let name = |number| worker_thread::thread_name(application, number);
        let workers = workers.map(|(number, counts)| counts.of_thread(name(*number)));
        let global = inner.global.as_ref();
        let global = global.map(|counts| counts.of_thread(global_thread::thread_name(application)));
        let restorations = inner.restoring.values().cloned().collect();
        let workers = workers.collect();
        let application_id = application.clone();
        Metrics { application_id, state: inner.state, workers, global, restorations }
    }
}

/// Runs code of the user's that has no say in what goes on: a panic of it is told, and no more.
fn guard<T>(what: &str, run: impl FnOnce() -> T) -> Option<T> {
    catch_panic(run).map_err(|message| tracing::error!(message, "{what} panicked")).ok()
}

/// Whether all tasks of the process run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Running {
    Yes,
    No,
}
