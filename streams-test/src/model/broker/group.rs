//! One group: who is in it, and where its rebalance stands. Codes and their order are those of
//! Kafka 4.3.1's coordinator of classic groups.

mod joining;
mod leaving;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use streams_core::membership::wire::ErrorCode;
use streams_core::membership::wire::sync_group::{SyncGroupRequest, SyncGroupResponse};
use streams_core::membership::{Generation, InstanceId, MemberId, Moment};

use super::ReplyTo;
use super::member::{Member, Reply};

/// How a rebalance of a group that was empty waits for more members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Initial {
    remaining: Duration,
    /// Whether somebody joined since the last look.
    is_joined: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Empty,
    /// Members join, until this moment at the latest.
    Joining {
        until: Moment,
        initial: Option<Initial>,
    },
    /// The leader's assignment is awaited.
    Syncing,
    Stable,
}

/// Who a request says that it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    pub(super) member: &'a MemberId,
    pub(super) generation: Generation,
    pub(super) instance: Option<&'a InstanceId>,
}

/// What a coordinator writes down, and another one finds.
#[derive(Debug, Default, Clone)]
struct Roll {
    generation: i32,
    kind: String,
    protocol: String,
    leader: Option<MemberId>,
    members: BTreeMap<MemberId, Member>,
}

#[derive(Debug, Default)]
pub(super) struct Group {
    phase: Phase,
    roll: Roll,
    /// As it was written down last; `None` for a group that nobody has made yet.
    written: Option<Roll>,
    /// Ids that were given out and not joined with yet, until their time is over.
    promised: BTreeMap<MemberId, Moment>,
    /// Members that have not asked for their assignment, who must until `sync_until`.
    unsynced: BTreeSet<MemberId>,
    sync_until: Moment,
    next_id: u32,
    /// `group.initial.rebalance.delay.ms`.
    initial_delay: Duration,
    replies: Vec<(ReplyTo, Reply)>,
}

impl Group {
    pub(super) fn new(initial_delay: Duration) -> Self {
        Self { initial_delay, ..Self::default() }
    }

    pub(super) fn take_replies(&mut self) -> Vec<(ReplyTo, Reply)> {
        std::mem::take(&mut self.replies)
    }

    pub(super) fn member_ids(&self) -> Vec<String> {
        self.roll.members.keys().map(ToString::to_string).collect()
    }

    fn holder(&self, instance: &InstanceId) -> Option<MemberId> {
        let mut members = self.roll.members.iter();
        members
            .find(|(_, member)| member.instance.as_ref() == Some(instance))
            .map(|at| at.0.clone())
    }

    fn write_down(&mut self) {
        self.written = Some(self.roll.clone());
    }

    /// Another coordinator takes over, with what was written down: rebalances under way are
    /// forgotten, and every member has a new session. Those who wait are sent away.
    pub(super) fn move_away(&mut self, now: Moment) {
        let error = ErrorCode::NotCoordinator;
        for (id, member) in &mut self.roll.members {
            if let Some(to) = member.joining.take() {
                self.replies.push((to, Reply::join_refused(error, id.to_string())));
            }
            if let Some(to) = member.syncing.take() {
                let refused = SyncGroupResponse { error, assignment: Vec::new() };
                self.replies.push((to, Reply::Sync(refused)));
            }
        }
        self.roll = self.written.clone().unwrap_or_default();
        for member in self.roll.members.values_mut() {
            (member.joining, member.syncing, member.is_new) = (None, None, false);
            member.alive(now);
        }
        self.promised.clear();
        self.unsynced.clear();
        self.phase = if self.roll.members.is_empty() { Phase::Empty } else { Phase::Stable };
    }

    /// Whether a request may speak for the member that it names.
    fn check_member(&self, member: &MemberId, instance: Option<&InstanceId>) -> ErrorCode {
        match instance.map(|instance| self.holder(instance)) {
            Some(None) => ErrorCode::UnknownMemberId,
            Some(Some(holder)) if holder != *member => ErrorCode::FencedInstanceId,
            _ if self.roll.members.contains_key(member) => ErrorCode::None,
            _ => ErrorCode::UnknownMemberId,
        }
    }

    fn check(&self, claim: Claim<'_>) -> ErrorCode {
        match self.check_member(claim.member, claim.instance) {
            ErrorCode::None if claim.generation.0 != self.roll.generation => {
                ErrorCode::IllegalGeneration
            }
            error => error,
        }
    }

    fn alive(&mut self, member: &MemberId, now: Moment) {
        if let Some(member) = self.roll.members.get_mut(member) {
            member.alive(now);
        }
    }

    pub(super) fn sync(&mut self, request: SyncGroupRequest, to: ReplyTo, now: Moment) {
        let (member, generation) = (&request.member, request.generation);
        let claim = Claim { member, generation, instance: request.instance.as_ref() };
        let mut error = self.check(claim);
        if error == ErrorCode::None && matches!(self.phase, Phase::Joining { .. }) {
            error = ErrorCode::RebalanceInProgress;
        }
        if error != ErrorCode::None {
            let refused = SyncGroupResponse { error, assignment: Vec::new() };
            return self.replies.push((to, Reply::Sync(refused)));
        }
        self.unsynced.remove(member);
        if let Some(member) = self.roll.members.get_mut(member) {
            if self.phase == Phase::Stable {
                // It counts as no sign of life.
                let assignment = member.assignment.clone();
                let response = SyncGroupResponse { error, assignment };
                return self.replies.push((to, Reply::Sync(response)));
            }
            member.syncing = Some(to);
        }
        if self.phase == Phase::Syncing && self.roll.leader.as_ref() == Some(member) {
            self.phase = Phase::Stable;
            let mut given: BTreeMap<_, _> =
                request.assignments.into_iter().map(|one| (one.member, one.assignment)).collect();
            for (id, member) in &mut self.roll.members {
                member.assignment = given.remove(id).unwrap_or_default();
            }
            self.write_down();
            self.answer_syncs(ErrorCode::None, now);
        }
    }

    fn answer_syncs(&mut self, error: ErrorCode, now: Moment) {
        for member in self.roll.members.values_mut() {
            let Some(to) = member.syncing.take() else { continue };
            member.alive(now);
            let assignment = member.assignment.clone();
            self.replies.push((to, Reply::Sync(SyncGroupResponse { error, assignment })));
        }
    }

    pub(super) fn heartbeat(&mut self, claim: Claim<'_>, now: Moment) -> ErrorCode {
        let error = self.check(claim);
        if error != ErrorCode::None {
            return error;
        }
        self.alive(claim.member, now);
        match self.phase {
            Phase::Joining { .. } => ErrorCode::RebalanceInProgress,
            _ => ErrorCode::None,
        }
    }

    /// Whether a member may commit offsets now. A group without members takes them from anyone.
    pub(super) fn may_commit(&mut self, claim: Claim<'_>, now: Moment) -> ErrorCode {
        let generation = claim.generation.0;
        if self.written.is_none() && self.phase == Phase::Empty {
            if generation >= 0 {
                return ErrorCode::IllegalGeneration;
            }
            self.write_down();
        }
        if generation < 0 && self.phase == Phase::Empty {
            return ErrorCode::None;
        }
        let error = self.check(claim);
        if error != ErrorCode::None {
            return error;
        }
        if self.phase == Phase::Syncing {
            return ErrorCode::RebalanceInProgress;
        }
        self.alive(claim.member, now);
        ErrorCode::None
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        let members = self.roll.members.values().filter(|member| !member.is_excused());
        let phase = match self.phase {
            Phase::Joining { until, .. } => Some(until),
            Phase::Syncing | Phase::Stable if !self.unsynced.is_empty() => Some(self.sync_until),
            _ => None,
        };
        let promised = self.promised.values().copied();
        members.map(|member| member.expires).chain(phase).chain(promised).min()
    }
}
