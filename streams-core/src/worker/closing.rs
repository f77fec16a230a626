//! The stores of tasks that have ended are closed one a turn beside tasks that run: many that are
//! closed one after the other would hold those up, as when they are opened.

use super::Worker;
use super::active::ActiveTask;
use super::message::Action;
use crate::names::TaskId;

impl Worker {
    /// Closes what has ended, in turns of their own where others run.
    pub(super) fn close_ended(&mut self) {
        if self.running().next().is_none() {
            while self.close_next() {}
        }
        self.end_if_done();
    }

    /// Closes one that has ended. Whether there was one.
    pub(super) fn close_next(&mut self) -> bool {
        let Some(ended) = self.ended.pop_front() else { return false };
        self.close(ended);
        self.end_if_done();
        true
    }

    /// Closes one that has ended before it is opened again.
    pub(super) fn close_now(&mut self, task: TaskId) {
        let at = self.ended.iter().position(|ended| ended.id() == task);
        if let Some(ended) = at.and_then(|at| self.ended.remove(at)) {
            self.close(ended);
        }
    }

    fn close(&mut self, ended: ActiveTask) {
        let task = ended.id();
        drop(ended);
        self.actions.push_back(Action::Closed(task));
    }
}
