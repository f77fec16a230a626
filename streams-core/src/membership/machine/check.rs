//! Whether the coordinator is still who it was. A join or a sync waits for other members, and nothing
//! can be sent behind it: one that is never answered looks the same.

use super::Membership;
use super::links::Link;
use crate::membership::connection::Call;
use crate::membership::names::Address;
use crate::membership::wire::ErrorCode;
use crate::membership::wire::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use crate::time::Moment;

/// A new coordinator gives members a new session, and they must find it before that is over.
const CHECKS_PER_SESSION: u32 = 2;

impl Membership {
    /// When another broker is asked who coordinates the group.
    pub(super) fn check_due(&self) -> Option<Moment> {
        let sent = self.link(Link::Coordinator)?.awaited_since(Call::waits_for_others)?;
        let asked = self.awaits(Link::Bootstrap, |call| call == Call::CheckCoordinator);
        let wait = self.config.session_timeout / CHECKS_PER_SESSION;
        let due = sent.max(self.session.checked).after(wait);
        self.bootstrap_due(due).filter(|_| !asked)
    }

    pub(super) fn check_coordinator(&mut self, now: Moment) {
        if self.check_due().is_some_and(|due| due <= now) && self.have_bootstrap(now) {
            self.session.checked = now;
            let request = FindCoordinatorRequest { group: self.config.group.clone() };
            self.send(Link::Bootstrap, Call::CheckCoordinator, &request, now);
        }
    }

    pub(super) fn on_check(&mut self, answer: &FindCoordinatorResponse, now: Moment) {
        let Some(told) = Address::told(&answer.host, answer.port) else { return };
        let waits = self.awaits(Link::Coordinator, Call::waits_for_others);
        let other = self.link(Link::Coordinator).is_some_and(|link| link.address != told);
        if answer.error == ErrorCode::None && waits && other {
            self.hang_up(Link::Coordinator, "another broker coordinates the group by now", now);
        }
    }
}
