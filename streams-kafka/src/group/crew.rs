//! Workers that are added and removed while the application runs (KIP-663).
//!
//! The group hears at once of one that was added, and of one that was removed when it is done: its
//! tasks are committed and opened by the other workers without waiting for a rebalance. A process
//! without workers leaves the group.

use streams_core::worker::Command;

use super::watch::PARTING_MAX;
use super::{Group, Life};
use crate::app::shared::Running;
use crate::app::uncaught::UncaughtErrorResponse;
use crate::error::StreamsError;
use crate::worker_thread;

/// Whether the group has heard how many workers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CrewNews {
    Told,
    /// It hears it in a rebalance that is ahead, or under way.
    Untold,
}

impl Group {
    /// Starts workers that were added, and lets those go that were removed.
    pub(super) fn follow_crew(&mut self) {
        self.forget_ended();
        if !matches!(self.life, Life::Member | Life::Parting(_) | Life::Outside) {
            return;
        }
        let [working, leaving] = self.parts.shared.crew();
        let before = self.roster.worker_count();
        for number in leaving {
            if self.parts.workers.contains_key(&number) {
                self.roster.remove_worker(number);
            } else if !self.ending.contains_key(&number) {
                self.parts.shared.worker_gone(number);
            }
        }
        let is_fewer = self.roster.worker_count() != before;
        let added = working.into_iter().filter(|number| !self.parts.workers.contains_key(number));
        let added: Vec<usize> = added.collect();
        let is_more = !added.is_empty();
        added.into_iter().for_each(|number| self.add_worker(number));
        if is_more || is_fewer {
            self.divide_memory();
            self.follow_roster();
        }
        if self.life != Life::Member {
            return;
        }
        if self.roster.worker_count() == 0 {
            self.life = Life::Parting(self.now().after(PARTING_MAX));
        } else if is_more {
            self.tell_crew();
        }
    }

    fn add_worker(&mut self, number: usize) {
        match worker_thread::spawn(number, self.parts.worker_parts.clone()) {
            Ok(handle) => {
                tracing::info!(worker = number + 1, "a worker was added");
                self.parts.workers.insert(number, handle);
                self.roster.add_worker(number);
            }
            Err(error) => {
                self.parts.shared.worker_gone(number);
                match self.parts.shared.respond(&error) {
                    UncaughtErrorResponse::Replace => {
                        tracing::error!("{}; the others go on without it", error.chain());
                    }
                    response => self.fail(error, response),
                }
            }
        }
    }

    fn divide_memory(&mut self) {
        let workers = self.roster.worker_count();
        let share = self.parts.memory.share(workers);
        self.parts.worker_parts.settings = self.parts.worker_parts.settings.clone().with(share);
        self.parts.clients.divide(workers);
        for number in self.parts.workers.keys() {
            self.tell(*number, Command::Share(share));
        }
    }

    /// The group hears how many workers there are, in a rebalance.
    fn tell_crew(&mut self) {
        self.crew_news = CrewNews::Untold;
        self.subscribe();
        let now = self.now();
        self.membership.rejoin(now);
    }

    /// A worker that was removed has closed its tasks.
    pub(super) fn let_go(&mut self, number: usize) {
        tracing::info!(worker = number + 1, "a worker was removed");
        self.workers_done.remove(&number);
        let gone = self.parts.workers.remove(&number);
        self.ending.extend(gone.map(|handle| (number, handle)));
        self.forget_ended();
        if self.life == Life::Member && self.roster.worker_count() > 0 {
            self.tell_crew();
        }
    }

    /// A worker that was to leave has failed instead; what it had is opened by the others.
    pub(super) fn failed_to_leave(&mut self, number: usize, error: StreamsError) {
        let response = self.parts.shared.respond(&error);
        self.roster.worker_gone(number);
        self.let_go(number);
        match response {
            UncaughtErrorResponse::Replace => {
                tracing::error!("{}; it was to end anyway", error.chain());
                // Nobody may be left to wait for.
                self.leave_if_done();
            }
            response => self.fail(error, response),
        }
    }

    /// The numbers of workers whose threads have ended are free.
    fn forget_ended(&mut self) {
        let shared = &self.parts.shared;
        self.ending.retain(|number, handle| {
            let has_ended = handle.has_ended();
            if has_ended {
                shared.worker_gone(*number);
            }
            !has_ended
        });
    }

    /// As in Kafka, the state stays what it was when the last worker is removed, and a new worker
    /// leads from REBALANCING to RUNNING.
    pub(super) fn tell_running(&self) {
        if self.roster.worker_count() > 0 {
            let running = match self.crew_news {
                CrewNews::Told => self.running(),
                CrewNews::Untold => Running::No,
            };
            self.parts.shared.tell_state(running);
        }
    }
}
