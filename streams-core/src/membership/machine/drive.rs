//! What is due: the one place that decides what is sent when.

use super::Membership;
use super::links::Link;
use super::reaction::{Reaction, react};
use super::state::{Coordinator, LeaderStep, Phase, Role};
use std::time::Duration;

use crate::membership::connection::Call;
use crate::membership::error::Trouble;
use crate::membership::names::{Address, Generation, MemberId};
use crate::membership::wire::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use crate::membership::wire::heartbeat::HeartbeatRequest;
use crate::membership::wire::{Api, ErrorCode};
use crate::time::Moment;

/// Heartbeats in a heartbeat interval while a follow-up rebalance is expected.
const EXPECTANT_HEARTBEATS: u32 = 32;

impl Membership {
    pub(super) fn advance(&mut self, now: Moment) {
        if self.is_over() {
            return;
        }
        self.expire_connections(now);
        self.expire_calls(now);
        self.expire_session(now);
        self.expire_parting(now);
        self.expire_leaving(now);
        self.find_coordinator(now);
        self.describe_topics(now);
        self.ask_for_brokers(now);
        self.check_coordinator(now);
        if self.may_send() {
            self.drive_group(now);
        }
    }

    /// Whether a request to the coordinator would be answered soon. A broker answers a connection
    /// in order, so that nothing may be put behind a join or a sync, which wait for other members.
    pub(super) fn may_send(&self) -> bool {
        self.is_ready(Link::Coordinator) && !self.awaits(Link::Coordinator, Call::waits_for_others)
    }

    fn drive_group(&mut self, now: Moment) {
        if self.dead_due().is_some_and(|due| due <= now) {
            self.send_leave_dead(now);
        }
        if self.commit_due().is_some_and(|due| due <= now) {
            self.send_commit(now);
        }
        if self.fetch_due().is_some_and(|due| due <= now) {
            self.send_fetch(now);
        }
        if self.leave_due().is_some_and(|due| due <= now) {
            self.send_leave(now);
        }
        if self.heartbeat_due().is_some_and(|due| due <= now) {
            self.send_heartbeat(now);
        }
        if self.rebalance_due().is_some_and(|due| due <= now) {
            self.rejoin(now);
        }
        // Last, since nothing may follow it.
        if self.join_due().is_some_and(|due| due <= now) {
            self.send_join(now);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        if self.is_over() {
            return None;
        }
        let links = [self.link(Link::Bootstrap), self.link(Link::Coordinator)];
        let connections = links.into_iter().flatten().filter_map(|link| link.deadline());
        let group = if self.may_send() {
            let calls = [self.dead_due(), self.commit_due(), self.fetch_due(), self.leave_due()];
            let calls = calls.into_iter().flatten().min();
            [calls, self.heartbeat_due(), self.rebalance_due(), self.join_due()]
        } else {
            [None; 4]
        };
        let others = [
            self.session_due(),
            self.parting_deadline(),
            self.leaving_deadline(),
            self.calls_deadline(),
            self.find_due(),
            self.describe_due(),
            self.brokers_due(),
            self.check_due(),
        ];
        connections.chain(group.into_iter().flatten()).chain(others.into_iter().flatten()).min()
    }

    // --- finding the coordinator ---

    pub(super) fn wants_coordinator(&self) -> bool {
        let in_group = !matches!(self.phase, Phase::Unsubscribed);
        in_group || self.fetches.len() > 0 || !self.dead.is_empty()
    }

    fn find_due(&self) -> Option<Moment> {
        match self.coordinator {
            Coordinator::Unknown { not_before } if self.wants_coordinator() => {
                self.bootstrap_due(not_before)
            }
            _ => None,
        }
    }

    fn find_coordinator(&mut self, now: Moment) {
        if self.find_due().is_some_and(|due| due <= now) && self.have_bootstrap(now) {
            let request = FindCoordinatorRequest { group: self.config.group.clone() };
            self.coordinator = Coordinator::Finding;
            self.send(Link::Bootstrap, Call::FindCoordinator, &request, now);
        }
    }

    pub(super) fn on_coordinator(&mut self, answer: &FindCoordinatorResponse, now: Moment) {
        let address = Address::told(&answer.host, answer.port);
        match (react(Api::FindCoordinator, answer.error), address) {
            (Reaction::Done, Some(address)) => {
                self.bootstrap.backoff.reset();
                self.open(Link::Coordinator, address, now);
            }
            (Reaction::Fatal, _) => self.fail_with(Api::FindCoordinator, answer.error),
            _ => {
                self.report_retry(Api::FindCoordinator, answer.error);
                self.forget_coordinator(now);
            }
        }
    }

    pub(super) fn report_retry(&mut self, api: Api, code: ErrorCode) {
        self.trouble(Trouble::Retry { api, code });
    }

    // --- heartbeats ---

    /// The generation in which heartbeats are due.
    fn beating(&self) -> Option<Generation> {
        match &self.phase {
            Phase::Stable(stable) => Some(stable.generation),
            Phase::Assigning(assigning) => Some(assigning.generation),
            _ => None,
        }
    }

    fn heartbeat_due(&self) -> Option<Moment> {
        let in_flight = self.awaits(Link::Coordinator, |call| matches!(call, Call::Heartbeat(_)));
        self.beating().filter(|_| !in_flight).map(|_| self.session.heartbeat_due)
    }

    /// A rebalance is learnt of by a heartbeat, so they come faster while one is expected.
    pub(super) fn heartbeat_wait(&self) -> Duration {
        match self.follow_up_due() {
            Some(_) => self.config.heartbeat_interval / EXPECTANT_HEARTBEATS,
            None => self.config.heartbeat_interval,
        }
    }

    fn send_heartbeat(&mut self, now: Moment) {
        let (Some(generation), Some(member)) = (self.beating(), self.member.clone()) else {
            return;
        };
        self.session.heartbeat_due = now.after(self.heartbeat_wait());
        let request = self.heartbeat(generation, member);
        self.send(Link::Coordinator, Call::Heartbeat(generation), &request, now);
    }

    pub(super) fn heartbeat(&self, generation: Generation, member: MemberId) -> HeartbeatRequest {
        let (group, instance) = (self.config.group.clone(), self.config.instance.clone());
        HeartbeatRequest { group, generation, member, instance }
    }

    pub(super) fn on_heartbeat(
        &mut self,
        generation: Generation,
        code: ErrorCode,
        sent: Moment,
        now: Moment,
    ) {
        if self.beating() != Some(generation) {
            return;
        }
        match react(Api::Heartbeat, code) {
            Reaction::Done => self.heard(sent),
            Reaction::Rejoin if self.is_letting_go(now) => self.heard(sent),
            Reaction::Rejoin => self.join_at(now),
            _ => self.handle_group_error(Api::Heartbeat, code, now),
        }
    }

    /// Whether tasks will be released soon, and the member joins then.
    fn is_letting_go(&self, now: Moment) -> bool {
        match &self.phase {
            Phase::Stable(stable) => !self.tasks.revoking.is_empty() && now < stable.release_by,
            _ => false,
        }
    }

    /// The coordinator took a request that was sent then as a sign of life.
    pub(super) fn heard(&mut self, sent: Moment) {
        self.coordinator_backoff.reset();
        self.session.heard = self.session.heard.max(sent);
        self.session.expires = self.session.expires.max(sent.after(self.config.session_timeout));
    }

    fn session_due(&self) -> Option<Moment> {
        self.beating().map(|_| self.session.expires)
    }

    /// After a session timeout without an answer the connection cannot be trusted. The member keeps
    /// its tasks: a coordinator that was away gives its members a new session.
    fn expire_session(&mut self, now: Moment) {
        if self.session_due().is_none_or(|due| due > now) {
            return;
        }
        self.session.expires = now.after(self.config.session_timeout);
        self.trouble(Trouble::Silent { silent: now.since(self.session.heard) });
        if self.is_ready(Link::Coordinator) {
            self.leave_coordinator(now);
        }
    }

    // --- looking after the group ---

    fn follow_up_due(&self) -> Option<Moment> {
        match &self.phase {
            Phase::Stable(stable) => stable.follow_up,
            _ => None,
        }
    }

    /// When this member begins a rebalance of its own accord.
    fn rebalance_due(&self) -> Option<Moment> {
        match &self.phase {
            Phase::Stable(stable) => stable.follow_up.into_iter().chain(stable.probe).min(),
            _ => None,
        }
    }

    pub(super) fn describe_due(&self) -> Option<Moment> {
        let due = match &self.phase {
            Phase::Assigning(assigning) if assigning.step == LeaderStep::Describing => {
                assigning.watch.refresh
            }
            Phase::Stable(stable) => match &stable.role {
                Role::Watcher(watch) => watch.refresh,
                Role::Follower => return None,
            },
            _ => return None,
        };
        let asked = self.awaits(Link::Bootstrap, |call| call == Call::Metadata);
        self.bootstrap_due(due).filter(|_| !asked)
    }
}
