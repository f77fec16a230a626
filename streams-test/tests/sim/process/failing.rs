//! What the group thread does when something fails, and the way out of the group.

use streams_core::membership::{Departure, Moment, Order};
use streams_core::names::TaskId;

use super::{End, Input, Life, Place, Process, REBALANCE_TIMEOUT, thread};
use crate::defects::Defect;
use crate::plan::Uncaught;

impl Process {
    /// A worker has stopped these tasks.
    pub(super) fn tasks_failed(&mut self, tasks: &[TaskId], response: Uncaught, now: Moment) {
        tasks.iter().for_each(|task| self.roster.stopped(*task));
        if response != Uncaught::Replace {
            self.fail(now);
        }
    }

    /// It closes, or all do. It does not wait for others when it fails again.
    pub(super) fn fail(&mut self, now: Moment) {
        self.departure = Departure::ForGood;
        let wants_all = self.setting.plan.uncaught == Uncaught::ShutDownAll;
        if wants_all && self.life == Life::Up && self.order() == Order::GoOn {
            self.said.push("asks all to close".to_owned());
            self.closes_alone_by = Some(now.after(REBALANCE_TIMEOUT));
            return self.member.order_shutdown(now);
        }
        self.begin_close(now);
        self.leave_if_done(now);
    }

    /// The assignment says that all shall close, or none came.
    pub(super) fn ordered_down(&mut self, now: Moment) {
        self.closes_alone_by = None;
        if let Life::Up | Life::Parting(_) | Life::Outside = self.life {
            self.departure = Departure::ForGood;
            self.begin_close(now);
        }
    }

    pub(super) fn follow_deadlines(&mut self, now: Moment) {
        if self.closes_alone_by.is_some_and(|by| by <= now) {
            self.ordered_down(now);
        }
    }

    /// The thread of a worker ends at once, with all that it has open.
    pub(crate) fn end_thread(&mut self, worker: usize, now: u64) {
        if self.threads.remove(&worker).is_some() {
            self.say(worker, Input::WorkerEnded(worker), now);
        }
    }

    /// Another worker takes the place of one whose thread has ended, if the handler wants that.
    pub(super) fn worker_ended(&mut self, worker: usize, now: Moment) {
        if self.crew.standing(worker).is_none() {
            return;
        }
        if self.is_leaving(worker) {
            return self.failed_to_leave(worker, now);
        }
        let goes_on = matches!(self.life, Life::Up | Life::Parting(_) | Life::Outside);
        if self.setting.plan.uncaught == Uncaught::Replace && goes_on {
            self.commits.retain(|_, commit| commit.worker != worker);
            self.threads.insert(worker, thread(&self.setting, &self.disk));
            self.roster.worker_gone(worker);
            return;
        }
        self.workers_done.insert(worker);
        self.fail(now);
    }

    pub(crate) fn close(&mut self, now: u64) {
        self.begin_close(Moment::from_millis(now));
    }

    fn begin_close(&mut self, now: Moment) {
        if let Life::Up | Life::Parting(_) | Life::Outside = self.life {
            self.said.push("closes".to_owned());
            self.life = Life::Closing;
            self.roster.shut_down();
            self.follow_roster(now);
            self.leave_if_done(now);
        }
    }

    pub(super) fn leave_if_done(&mut self, now: Moment) {
        let mut workers = self.threads.keys();
        if self.life == Life::Closing && workers.all(|worker| self.workers_done.contains(worker)) {
            self.leave(now);
        }
    }

    fn leave(&mut self, now: Moment) {
        if self.place == Place::Out {
            return self.end(End::Left);
        }
        let departure = match self.setting.defect {
            Some(Defect::StaticMemberLeaves) => Departure::ForGood,
            _ => self.departure,
        };
        self.member.leave(departure, now);
        if self.is(Defect::OrderNotPassedOn) {
            self.member.hasten(now);
        }
    }

    /// The member has gone; with it the process, unless it only waits for a late worker.
    pub(super) fn left(&mut self) {
        self.disk.remember(self.member.id_in_group().cloned());
        self.place = Place::Out;
        if self.life != Life::Outside {
            self.end(End::Left);
        }
    }

    /// The group goes on without this member.
    pub(super) fn lose_all(&mut self) {
        self.heard_of_loss = true;
        self.read.extend(self.ends_of_inputs());
        self.losses += 1;
        self.token = None;
        self.granted.clear();
        self.had.clear();
        self.roster.lose_all();
    }

    pub(super) fn end(&mut self, how: End) {
        self.said.push(format!("is gone: {how:?}"));
        self.end = Some(how);
        self.life = Life::Over;
    }

    /// Another process has its name: it must not go on.
    pub(super) fn fenced(&mut self) {
        if self.is(Defect::FencedRunsOn) {
            self.heard_of_loss = true;
            return;
        }
        self.end(End::Fenced);
    }
}
