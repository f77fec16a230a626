//! What the group thread does when something fails, and the way out of the group.

use std::time::Duration;

use streams_core::membership::{Moment, Order};
use streams_core::names::TaskId;

use super::{Group, Life};
use crate::app::uncaught::UncaughtErrorResponse;
use crate::error::StreamsError;
use crate::worker_thread::{self, WorkerHandle, thread_name};

/// How long the tasks that have not failed may take to commit and close.
const FAILED_CLOSE_MAX: Duration = Duration::from_secs(30);

impl Group {
    /// A worker has stopped these tasks, and the user has said what shall become of it.
    pub(super) fn tasks_failed(
        &mut self,
        tasks: &[TaskId],
        error: StreamsError,
        response: UncaughtErrorResponse,
    ) {
        tasks.iter().for_each(|task| self.roster.stopped(*task));
        if response != UncaughtErrorResponse::Replace {
            self.fail(error, response);
        }
    }

    /// A worker thread has ended. The others run on while another takes its place, if the user wants
    /// that.
    pub(super) fn worker_ended(&mut self, worker: usize, error: StreamsError) {
        if self.life == Life::Leaving {
            return;
        }
        if !self.parts.workers.contains_key(&worker) {
            tracing::error!("{}; the worker was removed, and had closed its tasks", error.chain());
            return;
        }
        if self.parts.shared.is_leaving(worker) {
            return self.failed_to_leave(worker, error);
        }
        let response = self.parts.shared.respond(&error);
        self.workers_done.insert(worker);
        let goes_on = matches!(self.life, Life::Member | Life::Parting(_) | Life::Outside);
        if response != UncaughtErrorResponse::Replace || !goes_on {
            return self.fail(error, response);
        }
        match worker_thread::spawn(worker, self.parts.worker_parts.clone()) {
            Ok(handle) => {
                tracing::error!("{}; another worker takes its place", error.chain());
                self.workers_done.remove(&worker);
                // The other counts its commits from the beginning too.
                self.commits.retain(|_, commit| commit.worker != worker);
                self.parts.workers.insert(worker, handle);
                self.roster.worker_gone(worker);
            }
            Err(error) => self.fail(error, UncaughtErrorResponse::ShutDownClient),
        }
    }

    /// Something failed, and the application, or this part of it, shall end.
    pub(super) fn fail(&mut self, error: StreamsError, response: UncaughtErrorResponse) {
        let may_speak = !matches!(error, StreamsError::Group(_));
        let wants_all = response == UncaughtErrorResponse::ShutDownApplication;
        let is_new = self.life == Life::Member && self.membership.order() == Order::GoOn;
        if wants_all && may_speak && is_new {
            return self.order_all_down(error);
        }
        self.parts.shared.fail(error);
        match self.life {
            Life::Member | Life::Parting(_) | Life::Outside if may_speak => {
                let by = self.now().after(FAILED_CLOSE_MAX);
                self.begin_close(Some(by));
            }
            Life::Closing if may_speak => self.leave_if_done(),
            Life::Leaving if may_speak => {}
            _ => self.abandon(),
        }
        if !may_speak {
            self.life = Life::Over;
        }
    }

    /// Tells all members with the next assignment to close; this one closes with them.
    fn order_all_down(&mut self, error: StreamsError) {
        self.parts.shared.note(error);
        tracing::error!("all processes of the application are asked to close");
        let now = self.now();
        // Without an assignment by then, it closes alone.
        self.ordered_down_by = Some(now.after(self.parts.config.rebalance_timeout));
        self.membership.order_shutdown(now);
    }

    /// The assignment says that all shall close.
    pub(super) fn ordered_down(&mut self) {
        self.ordered_down_by = None;
        if let Life::Member | Life::Parting(_) | Life::Outside = self.life {
            self.fail(StreamsError::ShutdownRequested, UncaughtErrorResponse::ShutDownClient);
        }
    }

    /// Commits and closes all tasks, then leaves; by this time at the latest.
    pub(super) fn begin_close(&mut self, by: Option<Moment>) {
        self.close_by = self.close_by.into_iter().chain(by).min();
        match self.life {
            Life::Member | Life::Parting(_) | Life::Outside => {
                self.life = Life::Closing;
                self.roster.shut_down();
                self.follow_roster();
                self.leave_if_done();
            }
            Life::Closing | Life::Leaving | Life::Over => {}
        }
    }

    pub(super) fn leave_if_done(&mut self) {
        if self.life == Life::Closing && self.workers_done.len() >= self.parts.workers.len() {
            self.leave();
        }
    }

    /// Does not wait for the workers any more: what they have not committed is done again by others.
    pub(super) fn abandon(&mut self) {
        if matches!(self.life, Life::Leaving | Life::Over) {
            self.life = Life::Over;
            return;
        }
        let application = &self.parts.worker_parts.settings.application_id;
        let late = self.parts.workers.iter().filter(|(at, _)| !self.workers_done.contains(at));
        let late = late.map(|(at, worker)| worker.held_up(thread_name(application, *at)));
        self.parts.shared.abandoned(late.collect());
        self.losses += 1;
        self.token = None;
        self.commits.clear();
        self.parts.workers.values_mut().for_each(WorkerHandle::dismiss);
        self.leave();
    }

    /// DIFFERENCE(leave-on-close): in Kafka no member leaves with `close`, static or not, unless that
    /// is asked for.
    fn leave(&mut self) {
        if self.is_out {
            self.life = Life::Over;
            return;
        }
        self.life = Life::Leaving;
        let (departure, now) = (self.parts.shared.departure(), self.now());
        self.membership.leave(departure, now);
    }

    /// What is due now on the way out.
    pub(super) fn follow_deadlines(&mut self) {
        let now = self.now();
        if self.close_by.take_if(|by| *by <= now).is_some() {
            if self.life == Life::Closing {
                self.abandon();
            }
            self.membership.hasten(now);
        }
        if self.ordered_down_by.is_some_and(|by| by <= now) {
            self.ordered_down();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::State;
    use crate::app::shared::Ending;
    use crate::group::testing::Idle;

    /// Of two workers, the first one is to leave.
    fn remove_the_first(group: &mut Group) {
        group.parts.shared.become_state(State::Rebalancing);
        let workers = [0, 1].map(|number| (number, WorkerHandle::to_listener().0));
        group.parts.workers = workers.into();
        assert_eq!(group.parts.shared.dismiss_worker().map(|(number, _)| number), Ok(0));
        group.follow_crew();
    }

    #[test]
    fn who_is_dropped_is_named() {
        let mut idle = Idle::new("dropped");
        let group = &mut idle.group;
        let (stuck, _commands) = WorkerHandle::to_listener();
        stuck.pulse().beat();
        group.parts.workers = [(0, stuck), (1, WorkerHandle::to_listener().0)].into();
        group.workers_done.insert(1);
        group.begin_close(Some(group.now()));
        group.follow_deadlines();
        let Ending::Abandoned(held_up_by) = group.parts.shared.ending() else { panic!("in order") };
        let names: Vec<&str> = held_up_by.iter().map(|one| one.thread.as_str()).collect();
        assert_eq!((names, group.life), (vec!["app-worker-1"], Life::Leaving));
    }

    #[test]
    fn a_process_with_a_late_worker_closes_too_when_all_are_asked_to() {
        let mut idle = Idle::new("ordered");
        let group = &mut idle.group;
        group.life = Life::Parting(group.now().after(FAILED_CLOSE_MAX));
        group.ordered_down();
        assert_eq!(group.life, Life::Closing);
    }

    #[test]
    fn a_worker_that_dies_is_replaced_too_while_another_is_late() {
        let parting = Life::Parting(Moment::default().after(FAILED_CLOSE_MAX));
        for life in [parting, Life::Outside] {
            let mut idle = Idle::new("dies-beside-late");
            let group = &mut idle.group;
            group.life = life;
            group.parts.workers = [(0, WorkerHandle::to_listener().0)].into();
            group.worker_ended(0, StreamsError::Panicked("it died".to_owned()));
            assert_eq!(group.life, life);
            assert!(group.workers_done.is_empty() && group.parts.workers.contains_key(&0));
        }
    }

    #[test]
    fn nobody_takes_the_place_of_a_worker_that_was_removed_and_dies_when_it_is_done() {
        let mut idle = Idle::new("dies-when-done");
        let group = &mut idle.group;
        remove_the_first(group);
        group.let_go(0);
        group.worker_ended(0, StreamsError::Panicked("it died".to_owned()));
        assert_eq!(group.parts.workers.keys().collect::<Vec<_>>(), [&1]);
    }

    #[test]
    fn a_process_leaves_when_the_last_worker_that_it_waits_for_was_removed_and_dies() {
        let mut idle = Idle::new("dies-while-closing");
        let group = &mut idle.group;
        remove_the_first(group);
        group.begin_close(None);
        group.workers_done.insert(1);
        group.leave_if_done();
        assert_eq!(group.life, Life::Closing);
        group.worker_ended(0, StreamsError::Panicked("it died".to_owned()));
        assert_eq!(group.life, Life::Leaving);
    }
}
