//! A static member goes and comes back while nothing else happens: no task moves.

use std::collections::BTreeSet;

use streams_core::membership::Generation;
use streams_core::names::TaskId;

use super::{SETTLE_MAX_MS, Verdict, World};
use crate::process::{Identity, Life, Process};

/// At rest, nobody has begun a rebalance for longer than members wait to probe or to follow up.
const REST_MS: u64 = 7_000;
/// A member must be back so soon, before its session is over.
const BACK_MAX_MS: u64 = 4_000;
/// Nor does anybody begin one for so long after it.
const AFTER_MS: u64 = 3_000;

impl World {
    pub(super) fn come_back(&mut self) -> Verdict {
        let generation = self.await_rest()?;
        let at = self.dice.index(self.processes.len());
        let Process { number, slot, name, .. } = self.processes[at];
        let tasks = self.processes[at].adopted.clone();
        let elsewhere = self.free_slot();
        let slot = match self.dice.below(3) {
            0 => {
                self.crash(at)?;
                slot
            }
            // It is still there, but another one has its name.
            1 if elsewhere.is_some() => elsewhere.unwrap_or(slot),
            _ => {
                self.processes[at].close(self.now);
                self.await_end(number)?;
                slot
            }
        };
        self.start_on(slot, name);
        let back = Identity { number: self.started, slot, name };
        self.await_return(back, generation, &tasks)?;
        self.pass(AFTER_MS)?;
        self.report.returns += 1;
        match self.rest() {
            Some(after) if after == generation => Ok(()),
            _ => Err(format!("the return of process {} to its place was not quiet", back.number)),
        }
    }

    /// All tasks run, in one generation.
    fn rest(&self) -> Option<Generation> {
        let mut generations = self.processes.iter().map(Process::generation);
        let first = generations.next().flatten()?;
        (self.is_settled() && generations.all(|one| one == Some(first))).then_some(first)
    }

    pub(super) fn await_rest(&mut self) -> Result<Generation, String> {
        let end = self.now + SETTLE_MAX_MS;
        let (mut rest, mut since) = (self.rest(), self.now);
        while self.now < end {
            self.pass(200)?;
            let now = self.rest();
            if now.is_none() || now != rest {
                (rest, since) = (now, self.now);
            } else if let Some(generation) = rest
                && self.now >= since + REST_MS
            {
                return Ok(generation);
            }
        }
        Err("the group does not come to rest".to_owned())
    }

    fn await_end(&mut self, number: u64) -> Verdict {
        let end = self.now + SETTLE_MAX_MS;
        while self.processes.iter().any(|process| process.number == number) {
            if self.now > end {
                return Err(format!("process {number} does not close"));
            }
            self.pass(20)?;
        }
        Ok(())
    }

    fn await_return(
        &mut self,
        back: Identity,
        before: Generation,
        tasks: &BTreeSet<TaskId>,
    ) -> Verdict {
        let number = back.number;
        let end = self.now + BACK_MAX_MS;
        loop {
            self.pass(20)?;
            let Some(process) = self.processes.iter().find(|one| one.number == number) else {
                return Err(format!("process {number}, which came back, is gone"));
            };
            match process.generation() {
                Some(generation) if generation != before => {
                    return Err(format!("the group rebalanced for process {number}"));
                }
                Some(_) if process.adopted != *tasks || process.life != Life::Up => {
                    return Err(format!("process {number} came back to other tasks"));
                }
                Some(_) => return Ok(()),
                None if self.now > end => {
                    return Err(format!("process {number} does not find its place"));
                }
                None => {}
            }
        }
    }
}
