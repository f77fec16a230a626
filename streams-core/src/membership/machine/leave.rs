//! Leaving, and taking out a member that died.

use super::Membership;
use super::links::Link;
use super::reaction::{Reaction, react};
use super::state::{Farewell, Phase};
use crate::membership::connection::Call;
use crate::membership::error::Trouble;
use crate::membership::event::{Action, MemberEvent};
use crate::membership::names::MemberId;
use crate::membership::wire::leave_group::{LeaveGroupRequest, LeaveGroupResponse, LeavingMember};
use crate::membership::wire::{Api, ErrorCode};
use crate::time::Moment;

/// Whether a member is expected back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The tasks of a static member wait for it until its session is over (KIP-345).
    ToReturn,
    /// Others have its tasks at once.
    ForGood,
}

impl Membership {
    /// Leaves the group, after the commits that wait have been answered; [`MemberEvent::Left`]
    /// follows within [`leave_timeout`](crate::membership::MembershipConfig::leave_timeout). One that
    /// never became a member asks for nothing: the place under its `group.instance.id` is that of
    /// another, or of the process before it.
    ///
    /// One that knows of an order to close goes only when all members do, or a session timeout has
    /// passed, so that the others hear of it from somebody. Until then it is in the group without
    /// tasks, and commits that wait come back with
    /// [`OffsetsError::Rebalancing`](crate::membership::OffsetsError::Rebalancing).
    ///
    /// A static member that is expected back goes without a word, at once. The group misses it when
    /// its session is over; one that joins by its name before then finds its place.
    pub fn leave(&mut self, departure: Departure, now: Moment) {
        if self.is_over() || self.parting.is_some() || matches!(self.phase, Phase::Leaving { .. }) {
            return;
        }
        if self.is_spreading() {
            return self.part(departure, now);
        }
        self.go(departure, now);
    }

    /// The id under which the group may still know this process: its own, unless the coordinator has
    /// confirmed that it left; while it has none, that of a dead member it has still to take out.
    #[must_use]
    pub fn id_in_group(&self) -> Option<&MemberId> {
        match self.phase {
            Phase::Left(Farewell::Confirmed) => None,
            _ => self.member.as_ref().or_else(|| self.dead.first()),
        }
    }

    /// Leaves at once.
    pub(super) fn go(&mut self, departure: Departure, now: Moment) {
        let is_silent = self.config.instance.is_some() && departure == Departure::ToReturn;
        if is_silent || self.member.is_none() {
            return self.finish_leaving(Farewell::Unconfirmed);
        }
        // The answer to a join or a sync may take long, and holds up the connection.
        let stuck = self.is_ready(Link::Coordinator) && !self.may_send();
        let deadline = now.after(self.config.leave_timeout);
        self.phase = Phase::Leaving { not_before: now, deadline };
        if stuck && let Some(connection) = self.link(Link::Coordinator) {
            let (id, address) = (connection.id, connection.address.clone());
            self.outbox.push_back(Action::Disconnect { connection: id });
            self.open(Link::Coordinator, address, now);
        }
    }

    pub(super) const fn leaving_deadline(&self) -> Option<Moment> {
        match self.phase {
            Phase::Leaving { deadline, .. } => Some(deadline),
            _ => None,
        }
    }

    pub(super) fn expire_leaving(&mut self, now: Moment) {
        if self.leaving_deadline().is_some_and(|deadline| deadline <= now) {
            self.trouble(Trouble::LeaveUnanswered { waited: self.config.leave_timeout });
            self.finish_leaving(Farewell::Unconfirmed);
        }
    }

    fn finish_leaving(&mut self, farewell: Farewell) {
        self.finish(Phase::Left(farewell));
        self.tell(MemberEvent::Left);
    }

    pub(super) fn leave_due(&self) -> Option<Moment> {
        let asked = self.awaits(Link::Coordinator, |call| call == Call::Leave);
        match self.phase {
            Phase::Leaving { not_before, .. } if !asked && self.commits.len() == 0 => {
                Some(not_before)
            }
            _ => None,
        }
    }

    pub(super) fn send_leave(&mut self, now: Moment) {
        let (member, instance) = (self.member.clone(), self.config.instance.clone());
        let members = vec![LeavingMember { member, instance }];
        let request = LeaveGroupRequest { group: self.config.group.clone(), members };
        self.send(Link::Coordinator, Call::Leave, &request, now);
    }

    /// A coordinator that cannot take it now is asked again until the deadline.
    pub(super) fn on_left(&mut self, answer: &LeaveGroupResponse, now: Moment) {
        let Phase::Leaving { deadline, .. } = self.phase else { return };
        let of_member = answer.members.first().map(|member| member.error);
        let code = match answer.error {
            ErrorCode::None => of_member.unwrap_or(ErrorCode::None),
            error => error,
        };
        if code == ErrorCode::FencedInstanceId {
            // Another has its place.
            return self.finish_leaving(Farewell::Confirmed);
        }
        match react(Api::LeaveGroup, code) {
            Reaction::Done | Reaction::LoseMember => self.finish_leaving(Farewell::Confirmed),
            Reaction::Fatal => {
                self.trouble(Trouble::LeaveRefused { code });
                self.finish_leaving(Farewell::Unconfirmed);
            }
            Reaction::FindAgain => {
                self.report_retry(Api::LeaveGroup, code);
                self.leave_coordinator(now);
            }
            _ => {
                self.report_retry(Api::LeaveGroup, code);
                let wait = self.join_backoff.next(self.config.retry_waits(), &mut self.jitter);
                self.phase = Phase::Leaving { not_before: now.after(wait), deadline };
            }
        }
    }

    pub(super) fn dead_due(&self) -> Option<Moment> {
        let asked = self.awaits(Link::Coordinator, |call| call == Call::LeaveDead);
        (!asked && !self.dead.is_empty()).then_some(self.dead_not_before)
    }

    pub(super) fn send_leave_dead(&mut self, now: Moment) {
        let dead = self.dead.iter().cloned();
        let members = dead.map(|member| LeavingMember { member: Some(member), instance: None });
        let (group, members) = (self.config.group.clone(), members.collect());
        self.send(Link::Coordinator, Call::LeaveDead, &LeaveGroupRequest { group, members }, now);
    }

    pub(super) fn on_dead_left(&mut self, code: ErrorCode, now: Moment) {
        match react(Api::LeaveGroup, code) {
            Reaction::RetryHere => {
                self.report_retry(Api::LeaveGroup, code);
                let wait = self.join_backoff.next(self.config.retry_waits(), &mut self.jitter);
                self.dead_not_before = now.after(wait);
            }
            Reaction::FindAgain => self.handle_dead_moved(code, now),
            Reaction::Fatal => self.fail_with(Api::LeaveGroup, code),
            // Gone, or never there: a member that is not known is what is wanted.
            _ => self.dead.clear(),
        }
    }

    fn handle_dead_moved(&mut self, code: ErrorCode, now: Moment) {
        self.report_retry(Api::LeaveGroup, code);
        self.leave_coordinator(now);
    }
}
