//! A process asks all others to close, and another one may stand still for a moment, but nothing else
//! happens: all close, and who starts the application again finds nothing lost.

use super::{KEYS, Verdict, World};

/// A member hears of a rebalance within its heartbeat interval, then commits, closes and leaves.
const GONE_MAX_MS: u64 = 8_000;
/// Within its session, so that the group does not give it up.
const STILL_MAX_MS: u64 = 3_000;

impl World {
    pub(super) fn end_together(&mut self) -> Verdict {
        self.await_rest()?;
        let at = self.dice.index(self.processes.len());
        let threads = &self.processes[at].threads;
        let worker = threads.keys().nth(self.dice.index(threads.len())).copied().unwrap();
        let number = self.processes[at].number;
        self.note(format!("the thread of worker {worker} of process {number} ends for good"));
        self.processes[at].end_thread(worker, self.now);
        (0..KEYS).for_each(|number| self.send(number));
        let end = self.now + GONE_MAX_MS + STILL_MAX_MS;
        if self.dice.one_in(2) {
            self.stand_still()?;
        }
        while let Some(process) = self.processes.first() {
            if self.now > end {
                return Err(format!(
                    "process {} runs on though all were asked to close",
                    process.number
                ));
            }
            self.pass(20)?;
        }
        self.note("the application is started again".to_owned());
        self.start_process();
        self.settle()
    }

    /// While the word goes round, between any two messages.
    fn stand_still(&mut self) -> Verdict {
        let wait = self.dice.below(1_500);
        self.pass(wait)?;
        if !self.processes.is_empty() {
            let at = self.dice.index(self.processes.len());
            let millis = self.dice.below(STILL_MAX_MS);
            let number = self.processes[at].number;
            self.note(format!("process {number} stands still for {millis} ms"));
            self.processes[at].paused_until = self.now + millis;
        }
        Ok(())
    }
}
