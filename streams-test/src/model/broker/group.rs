//! One group: who is in it, and where its rebalance stands.

use std::collections::{BTreeMap, BTreeSet};

use streams_core::membership::wire::ErrorCode;
use streams_core::membership::wire::join_group::{
    JoinGroupRequest, JoinGroupResponse, JoinedMember,
};
use streams_core::membership::wire::leave_group::{LeavingMember, LeftMember};
use streams_core::membership::wire::sync_group::{SyncGroupRequest, SyncGroupResponse};
use streams_core::membership::{Generation, InstanceId, MemberId, Moment};

use super::ReplyTo;
use super::member::{Member, Reply};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Empty,
    /// Members join, until this moment at the latest.
    Joining {
        until: Moment,
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

#[derive(Debug, Default)]
pub(super) struct Group {
    phase: Phase,
    generation: i32,
    protocol: String,
    leader: Option<MemberId>,
    members: BTreeMap<MemberId, Member>,
    /// Ids that were given out and not joined with yet.
    promised: BTreeSet<MemberId>,
    next_id: u32,
    replies: Vec<(ReplyTo, Reply)>,
}

impl Group {
    pub(super) fn take_replies(&mut self) -> Vec<(ReplyTo, Reply)> {
        std::mem::take(&mut self.replies)
    }

    pub(super) fn member_ids(&self) -> Vec<String> {
        self.members.keys().map(ToString::to_string).collect()
    }

    fn holder(&self, instance: &InstanceId) -> Option<MemberId> {
        let mut members = self.members.iter();
        members
            .find(|(_, member)| member.instance.as_ref() == Some(instance))
            .map(|at| at.0.clone())
    }

    fn new_id(&mut self) -> MemberId {
        self.next_id += 1;
        format!("member-{}", self.next_id).into()
    }

    pub(super) fn join(&mut self, request: &JoinGroupRequest, to: ReplyTo, now: Moment) {
        let holder = request.instance.as_ref().and_then(|instance| self.holder(instance));
        let id = match &request.member {
            Some(id) if self.members.contains_key(id) || self.promised.remove(id) => id.clone(),
            Some(id) => {
                let error = match holder {
                    Some(_) => ErrorCode::FencedInstanceId,
                    None => ErrorCode::UnknownMemberId,
                };
                return self.replies.push((to, Reply::join_refused(error, id.to_string())));
            }
            None if request.instance.is_some() => self.new_id(),
            None => {
                let id = self.new_id();
                self.promised.insert(id.clone());
                let error = ErrorCode::MemberIdRequired;
                return self.replies.push((to, Reply::join_refused(error, id.to_string())));
            }
        };
        let mut member = Member::new(request, to, now);
        let replaced = holder.filter(|holder| *holder != id);
        let before = self.members.remove(replaced.as_ref().unwrap_or(&id));
        if replaced.is_some() && self.leader == replaced {
            self.leader = Some(id.clone());
        }
        let said_the_same = before.as_ref().is_some_and(|old| old.protocols == member.protocols);
        member.assignment = before.map(|old| old.assignment).unwrap_or_default();
        self.members.insert(id.clone(), member);
        let leads = self.leader.as_ref() == Some(&id);
        match self.phase {
            // Nothing changes for the others.
            Phase::Stable if said_the_same && (replaced.is_some() || !leads) => {
                self.answer_join(&id);
            }
            Phase::Syncing if said_the_same => self.answer_join(&id),
            Phase::Joining { .. } => self.end_joining(now),
            _ => {
                self.begin_joining(now);
                self.end_joining(now);
            }
        }
    }

    fn begin_joining(&mut self, now: Moment) {
        for member in self.members.values_mut() {
            if let Some(to) = member.syncing.take() {
                let error = ErrorCode::RebalanceInProgress;
                let refused = SyncGroupResponse { error, assignment: Vec::new() };
                self.replies.push((to, Reply::Sync(refused)));
                member.alive(now);
            }
        }
        let longest = self.members.values().map(|member| member.rebalance).max();
        self.phase = Phase::Joining { until: now.after(longest.unwrap_or_default()) };
    }

    /// Ends the rebalance when everyone has joined, or nobody is waited for any longer.
    fn end_joining(&mut self, now: Moment) {
        let Phase::Joining { until } = self.phase else { return };
        if self.members.values().any(|member| member.joining.is_none()) && now < until {
            return;
        }
        // A lasting name keeps its place until its session is over.
        self.members.retain(|_, member| member.joining.is_some() || member.instance.is_some());
        self.generation += 1;
        let joined = |id: &MemberId| self.members.get(id).is_some_and(|m| m.joining.is_some());
        if !self.leader.as_ref().is_some_and(joined) {
            let mut joined = self.members.iter().filter(|(_, member)| member.joining.is_some());
            self.leader = joined.next().map(|(id, _)| id.clone());
        }
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            return;
        }
        self.phase = Phase::Syncing;
        self.choose_protocol();
        for id in self.members.keys().cloned().collect::<Vec<_>>() {
            if let Some(member) = self.members.get_mut(&id) {
                member.alive(now);
                member.assignment.clear();
            }
            self.answer_join(&id);
        }
    }

    /// The first protocol of the first member that all members know.
    fn choose_protocol(&mut self) {
        let knows = |member: &Member, name: &str| member.protocols.iter().any(|one| one.0 == name);
        let first = self.members.values().next().into_iter().flat_map(|member| &member.protocols);
        let mut common = first.filter(|(name, _)| self.members.values().all(|m| knows(m, name)));
        self.protocol = common.next().map(|(name, _)| name.clone()).unwrap_or_default();
    }

    fn answer_join(&mut self, id: &MemberId) {
        let to = self.members.get_mut(id).and_then(|member| member.joining.take());
        let (Some(to), Some(leader)) = (to, &self.leader) else { return };
        let all = self.members.iter().map(|(id, member)| JoinedMember {
            member: id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(&self.protocol),
        });
        let response = JoinGroupResponse {
            error: ErrorCode::None,
            generation: Generation(self.generation),
            protocol: self.protocol.clone(),
            leader: leader.to_string(),
            member: id.to_string(),
            members: if leader == id { all.collect() } else { Vec::new() },
        };
        self.replies.push((to, Reply::Join(response)));
    }

    /// Whether a request may speak for the member that it names.
    pub(super) fn check(&self, claim: Claim<'_>) -> ErrorCode {
        let holder = claim.instance.and_then(|instance| self.holder(instance));
        if holder.is_some_and(|holder| holder != *claim.member) {
            return ErrorCode::FencedInstanceId;
        }
        match self.members.get(claim.member) {
            None => ErrorCode::UnknownMemberId,
            Some(_) if claim.generation.0 != self.generation => ErrorCode::IllegalGeneration,
            Some(_) => ErrorCode::None,
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
        if let Some(member) = self.members.get_mut(member) {
            member.alive(now);
            member.syncing = Some(to);
        }
        if self.phase == Phase::Syncing && self.leader.as_ref() == Some(member) {
            self.phase = Phase::Stable;
            for one in request.assignments {
                if let Some(member) = self.members.get_mut(&one.member) {
                    member.assignment = one.assignment;
                }
            }
        }
        if self.phase != Phase::Stable {
            return;
        }
        for member in self.members.values_mut() {
            let Some(to) = member.syncing.take() else { continue };
            member.alive(now);
            let (error, assignment) = (ErrorCode::None, member.assignment.clone());
            self.replies.push((to, Reply::Sync(SyncGroupResponse { error, assignment })));
        }
    }

    pub(super) fn heartbeat(&mut self, claim: Claim<'_>, now: Moment) -> ErrorCode {
        let error = self.check(claim);
        if error != ErrorCode::None {
            return error;
        }
        if let Some(member) = self.members.get_mut(claim.member) {
            member.alive(now);
        }
        match self.phase {
            Phase::Joining { .. } => ErrorCode::RebalanceInProgress,
            _ => ErrorCode::None,
        }
    }

    /// Whether a member may commit offsets now. A group without members takes them from anyone.
    pub(super) fn may_commit(&mut self, claim: Claim<'_>, now: Moment) -> ErrorCode {
        if self.members.is_empty() && claim.generation.0 < 0 {
            return ErrorCode::None;
        }
        let error = self.check(claim);
        if error == ErrorCode::None && self.phase == Phase::Syncing {
            return ErrorCode::RebalanceInProgress;
        }
        if let (ErrorCode::None, Some(member)) = (error, self.members.get_mut(claim.member)) {
            member.alive(now);
        }
        error
    }

    pub(super) fn leave(&mut self, leaving: Vec<LeavingMember>, now: Moment) -> Vec<LeftMember> {
        let mut any_left = false;
        let left = leaving.into_iter().map(|member| {
            let holder = member.instance.as_ref().and_then(|instance| self.holder(instance));
            let id = holder.or_else(|| member.member.clone());
            let known = id.is_some_and(|id| self.remove(&id) || self.promised.remove(&id));
            any_left |= known;
            let error = if known { ErrorCode::None } else { ErrorCode::UnknownMemberId };
            LeftMember { member, error }
        });
        let left = left.collect();
        if any_left {
            self.after_removal(now);
        }
        left
    }

    fn remove(&mut self, id: &MemberId) -> bool {
        self.members.remove(id).is_some()
    }

    fn after_removal(&mut self, now: Moment) {
        if matches!(self.phase, Phase::Stable | Phase::Syncing) {
            self.begin_joining(now);
        }
        self.end_joining(now);
    }

    /// Takes out members that were silent for too long.
    pub(super) fn expire(&mut self, now: Moment) {
        let silent = self.members.iter().filter(|(_, m)| m.expires <= now && !m.waits());
        let silent: Vec<MemberId> = silent.map(|(id, _)| id.clone()).collect();
        for id in &silent {
            self.remove(id);
        }
        if silent.is_empty() {
            self.end_joining(now);
        } else {
            self.after_removal(now);
        }
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        let members = self.members.values().filter(|member| !member.waits());
        let rebalance = match self.phase {
            Phase::Joining { until } => Some(until),
            _ => None,
        };
        members.map(|member| member.expires).chain(rebalance).min()
    }

    /// Forgets who waits on a connection; its members stay until their sessions are over.
    pub(super) fn hang_up(&mut self, connection: u64, now: Moment) {
        for member in self.members.values_mut() {
            let waits = [&mut member.joining, &mut member.syncing];
            let mut hung_up = false;
            for waits in waits {
                hung_up |= waits.take_if(|to| to.connection == connection).is_some();
            }
            if hung_up {
                member.alive(now);
            }
        }
    }
}
