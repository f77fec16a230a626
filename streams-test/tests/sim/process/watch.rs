//! Workers that do not come back in time.

use std::collections::BTreeSet;
use std::time::Duration;

use streams_core::membership::Moment;
use streams_core::roster::Progress;

use super::{Life, Place, Process, REBALANCE_TIMEOUT};

/// How long the other workers may take to commit and close.
const PARTING_MAX: Duration = Duration::from_secs(10);

impl Process {
    pub(super) fn watch_workers(&mut self, now: Moment) {
        match self.life {
            Life::Up if !self.late(now).is_empty() => {
                self.said.push("has a late worker".to_owned());
                self.life = Life::Parting(now.after(PARTING_MAX));
                self.roster.step_down();
                self.follow_roster(now);
            }
            Life::Parting(until) if until <= now || self.others_are_quiet(now) => self.go_out(now),
            Life::Outside if self.may_come_back(now) => {
                self.said.push("comes back".to_owned());
                self.place = Place::Member;
                self.life = Life::Up;
                self.member = self.member.successor(now);
                self.subscribe(now);
            }
            _ => {}
        }
    }

    fn may_come_back(&self, now: Moment) -> bool {
        self.place == Place::Out && self.is_quiet() && self.late(now).is_empty()
    }

    fn late(&self, now: Moment) -> BTreeSet<usize> {
        let threads = self.threads.iter();
        let late = threads.filter(|(_, thread)| thread.busy_for(now) > REBALANCE_TIMEOUT);
        late.map(|(worker, _)| *worker).collect()
    }

    fn others_are_quiet(&self, now: Moment) -> bool {
        self.roster.progress_without(&self.late(now)) == Progress::AllRun
    }

    fn is_quiet(&self) -> bool {
        self.roster.progress() == Progress::AllRun
    }

    fn go_out(&mut self, now: Moment) {
        self.life = Life::Outside;
        self.times_out += 1;
        self.lose_all();
        self.follow_roster(now);
        self.member.leave(self.departure, now);
    }
}
