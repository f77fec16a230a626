//! What a program does to its own process: it adds and removes workers (KIP-663), pauses and resumes.

use streams_core::membership::Moment;
use streams_core::roster::Standing;
use streams_core::worker::Pace;

use super::{Life, Process, thread};
use crate::plan::Uncaught;

impl Process {
    /// Another worker, under the lowest free number. Whether there is one.
    pub(crate) fn add_worker(&mut self, now: u64) -> bool {
        let may_add = self.life == Life::Up;
        if may_add {
            let number = self.crew.add();
            self.said.push(format!("has a worker {number} now"));
            self.threads.insert(number, thread(&self.setting, &self.disk));
            self.roster.add_worker(number);
            self.tell_crew(Moment::from_millis(now));
        }
        may_add
    }

    /// The eldest worker is to leave, unless it is the last: without any, the process would be out of
    /// the group. Whether one is.
    pub(crate) fn remove_worker(&mut self, now: u64) -> bool {
        let may_remove = self.life == Life::Up && self.roster.worker_count() > 1;
        let dismissed = if may_remove { self.crew.dismiss(None) } else { None };
        if let Some(number) = dismissed {
            self.said.push(format!("removes worker {number}"));
            self.roster.remove_worker(number);
            self.follow_roster(Moment::from_millis(now));
        }
        dismissed.is_some()
    }

    /// A worker has closed all of its tasks.
    pub(super) fn worker_done(&mut self, worker: usize, now: Moment) {
        if self.is_leaving(worker) {
            self.let_go(worker, now);
        } else {
            self.workers_done.insert(worker);
        }
        self.leave_if_done(now);
    }

    pub(super) fn is_leaving(&self, worker: usize) -> bool {
        self.crew.standing(worker) == Some(Standing::Leaving)
    }

    /// A worker that was to leave has ended instead.
    pub(super) fn failed_to_leave(&mut self, worker: usize, now: Moment) {
        self.roster.worker_gone(worker);
        self.let_go(worker, now);
        if self.setting.plan.uncaught == Uncaught::Replace {
            self.leave_if_done(now);
        } else {
            self.fail(now);
        }
    }

    fn let_go(&mut self, worker: usize, now: Moment) {
        self.said.push(format!("is without worker {worker}"));
        self.threads.remove(&worker);
        self.commits.retain(|_, commit| commit.worker != worker);
        self.crew.gone(worker);
        self.tell_crew(now);
    }

    /// The group hears how many workers there are, in a rebalance.
    fn tell_crew(&mut self, now: Moment) {
        self.data.workers = u16::try_from(self.roster.worker_count()).unwrap();
        if self.life == Life::Up {
            self.subscribe(now);
            self.member.rejoin(now);
        }
    }

    /// Pauses it if it goes on, and the other way round. What it is then.
    pub(crate) fn change_pace(&mut self) -> Pace {
        self.pace = if self.pace == Pace::Going { Pace::Paused } else { Pace::Going };
        self.pace
    }
}
