//! Tasks go to workers, and workers tell what became of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use streams_core::names::TopicPartition;
use streams_core::roster::RosterAction;
use streams_core::worker::{Action as WorkerAction, Command};

use super::{Group, Input, KEEP_STATES_INTERVAL, LookUp};
use crate::clock;
use crate::worker_thread::Told;

impl Group {
    pub(super) fn tell(&self, worker: usize, command: Command) {
        if let Some(worker) = self.parts.workers.get(&worker) {
            worker.tell(Told { losses: self.losses, command });
        }
    }

    /// Does what the roster wants.
    pub(super) fn follow_roster(&mut self) {
        while let Some(action) = self.roster.poll() {
            match action {
                RosterAction::Prepare { round, tasks } => {
                    self.look_up(LookUp { round, tasks, failures: 0 });
                }
                RosterAction::Tell { worker, command } => self.tell(worker, command),
                RosterAction::Release(task) => {
                    self.tell_states();
                    let now = self.now();
                    self.membership.release(&BTreeSet::from([task]), now);
                }
            }
        }
    }

    /// The group went on without this member.
    pub(super) fn lose_all(&mut self) {
        self.losses += 1;
        self.token = None;
        self.roster.lose_all();
    }

    pub(super) fn on_worker(&mut self, worker: usize, losses: u64, action: WorkerAction) {
        match action {
            WorkerAction::Commit { id, offsets, .. } => self.commit(worker, losses, id, offsets),
            WorkerAction::FindEnds(changelogs) => self.find_ends(worker, changelogs),
            WorkerAction::FindCommitted(inputs) => self.find_committed(worker, inputs),
            WorkerAction::Running(task) => self.roster.running(task),
            WorkerAction::Closed(task) => {
                self.parts.shared.break_off_restorations(task);
                self.roster.closed(task);
            }
            WorkerAction::Demoted(task) => self.roster.demoted(task),
            WorkerAction::Holds(held) => self.roster.holds(held),
            WorkerAction::Done => {
                if self.parts.shared.is_leaving(worker) {
                    self.let_go(worker);
                } else {
                    self.workers_done.insert(worker);
                }
                self.leave_if_done();
            }
            // Its thread asks the user first.
            WorkerAction::Failed { .. } => {}
            WorkerAction::Restored(progress) => self.parts.shared.tell_restore(&progress),
        }
    }

    /// What lies before the ends was written before they were asked for.
    fn find_ends(&self, worker: usize, changelogs: Vec<TopicPartition>) {
        let topics = Arc::clone(self.parts.clients.topics());
        self.ask(move || {
            let at = clock::wall();
            let ends = topics.ends(&changelogs);
            Input::EndsFound(worker, Command::Ends { at, ends })
        });
    }

    /// The next time that the member joins, it says how far its states are.
    pub(super) fn tell_states(&mut self) {
        let now = self.now();
        if let Some(held) = self.roster.news() {
            if held.on_disk != self.held.on_disk {
                self.keep_states_at.get_or_insert(now.after(KEEP_STATES_INTERVAL));
            }
            self.held = held;
            self.subscribe();
        }
        if self.keep_states_at.is_some_and(|at| at <= now) {
            self.keep_states();
        }
    }

    pub(super) fn keep_states(&mut self) {
        self.keep_states_at = None;
        let kept = self.parts.backend.directory().keep_state_positions(&self.held.on_disk);
        if let Err(error) = kept {
            tracing::warn!(%error, "it could not be kept how far the states on disk are");
        }
    }
}
