//! Workers that do not come back: `max.poll.interval.ms`.
//!
//! Heartbeats do not depend on workers, so that the group would never know. A process whose worker
//! is late commits what the others have, leaves the group, and joins again when the worker is back. A
//! static member falls silent instead, and finds its place if it is back within its session.
//!
//! DIFFERENCE(late-worker): in Kafka the late thread leaves alone, being a member of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use streams_core::membership::Departure;
use streams_core::roster::Progress;

use super::{Group, Life};
use crate::error::StreamsError;
use crate::worker_thread::{WorkerHandle, thread_name};

/// How long the other workers may take to commit and close, should brokers not answer.
pub(super) const PARTING_MAX: Duration = Duration::from_secs(10);

impl Group {
    /// Looks after the workers; to be called about once a second.
    pub(super) fn watch_workers(&mut self) -> Result<(), StreamsError> {
        match self.life {
            Life::Member => {
                let mut workers = self.parts.workers.iter();
                if let Some((stuck, _)) = workers.find(|(_, worker)| worker.has_missed()) {
                    return Err(StreamsError::WorkerStuck(stuck + 1));
                }
                self.part_if_late();
            }
            Life::Parting(until) => {
                // Nobody knows when those come back that are late.
                let late: BTreeSet<usize> = self.late().map(|(worker, _)| worker).collect();
                let is_quiet = self.roster.progress_without(&late) == Progress::AllRun;
                if is_quiet || until <= self.now() {
                    self.go_out();
                }
            }
            Life::Outside => self.come_back(),
            Life::Closing | Life::Leaving | Life::Over => {}
        }
        Ok(())
    }

    /// The workers that are late, by their numbers.
    fn late(&self) -> impl Iterator<Item = (usize, &WorkerHandle)> {
        let limit = self.parts.config.rebalance_timeout;
        let workers = self.parts.workers.iter();
        let late = workers.filter(move |(_, worker)| worker.pulse().busy_for() > limit);
        late.map(|(number, worker)| (*number, worker))
    }

    fn part_if_late(&mut self) {
        let Some((number, handle)) = self.late().next() else { return };
        let application = &self.parts.worker_parts.settings.application_id;
        let late = handle.held_up(thread_name(application, number));
        let error = StreamsError::WorkerLate {
            worker: number + 1,
            place: late.place.clone(),
            interval: self.parts.config.rebalance_timeout,
        };
        tracing::error!("{error}");
        self.parts.shared.record_late(number, late);
        self.life = Life::Parting(self.now().after(PARTING_MAX));
        self.roster.step_down();
        self.follow_roster();
    }

    /// What the late worker has not committed is lost, whatever it asks for later.
    fn go_out(&mut self) {
        self.life = Life::Outside;
        self.lose_all();
        self.follow_roster();
        let departure = match self.roster.worker_count() {
            0 => Departure::ForGood,
            _ => self.parts.shared.departure(),
        };
        let now = self.now();
        self.membership.leave(departure, now);
    }

    /// Joins again once the worker has heard that its tasks are lost, or one was added where there was
    /// none.
    fn come_back(&mut self) {
        let is_quiet = self.roster.progress() == Progress::AllRun;
        let has_workers = self.roster.worker_count() > 0;
        if !self.is_out || !is_quiet || !has_workers || self.late().next().is_some() {
            return;
        }
        tracing::info!("workers are back; joining the group again");
        self.is_out = false;
        self.life = Life::Member;
        self.membership = self.membership.successor(self.now());
        self.subscribe();
    }
}
