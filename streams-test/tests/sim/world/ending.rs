//! A process asks all others to close while nothing else happens: all do, and who starts the
//! application again finds nothing lost.

use super::{KEYS, Verdict, World};

/// A member hears of a rebalance within its heartbeat interval, then commits, closes and leaves.
const GONE_MAX_MS: u64 = 8_000;

impl World {
    pub(super) fn end_together(&mut self) -> Verdict {
        self.await_rest()?;
        let at = self.dice.index(self.processes.len());
        let worker = self.dice.index(self.setting.plan.workers);
        let number = self.processes[at].number;
        self.note(format!("the thread of worker {worker} of process {number} ends for good"));
        self.processes[at].end_thread(worker);
        (0..KEYS).for_each(|number| self.send(number));
        let end = self.now + GONE_MAX_MS;
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
}
