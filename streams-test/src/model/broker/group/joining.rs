//! Joining, and the end of a rebalance.

use std::collections::BTreeMap;
use std::time::Duration;

use streams_core::membership::wire::ErrorCode;
use streams_core::membership::wire::join_group::{
    JoinGroupRequest, JoinGroupResponse, JoinedMember,
};
use streams_core::membership::{Generation, MemberId, Moment};

use super::{Group, Initial, Phase};
use crate::model::broker::ReplyTo;
use crate::model::broker::member::{Member, Reply};

/// The bounds that a broker sets to session timeouts by default.
const SESSION_MS: std::ops::RangeInclusive<i32> = 6_000..=1_800_000;
/// How long a member may wait in the first rebalance that it sees.
pub(super) const NEW_MEMBER_MAX: Duration = Duration::from_secs(300);

impl Group {
    pub(in crate::model::broker) fn join(
        &mut self,
        request: &JoinGroupRequest,
        to: ReplyTo,
        now: Moment,
    ) {
        let named = request.member.as_ref().map(ToString::to_string).unwrap_or_default();
        if !SESSION_MS.contains(&request.session_timeout_ms) {
            return self.refuse(ErrorCode::InvalidSessionTimeout, named, to);
        }
        let is_made = self.written.is_some() || self.phase != Phase::Empty;
        if !is_made && request.member.is_some() {
            return self.refuse(ErrorCode::UnknownMemberId, named, to);
        }
        if !is_made {
            self.write_down();
        }
        if !self.supports(request) {
            return self.refuse(ErrorCode::InconsistentGroupProtocol, named, to);
        }
        match &request.member {
            None => self.join_anew(request, to, now),
            // Kafka's coordinator takes it for a state that cannot be.
            Some(id) if request.instance.is_some() && self.promised.contains_key(id) => {
                self.refuse(ErrorCode::UnknownServerError, String::new(), to);
            }
            Some(id) if self.promised.remove(id).is_some() => {
                self.add(id.clone(), Member::new(request, to, now), now);
            }
            Some(id) => match self.check_member(id, request.instance.as_ref()) {
                ErrorCode::None => self.join_again(id, request, (to, now)),
                error => self.refuse(error, named, to),
            },
        }
    }

    fn refuse(&mut self, error: ErrorCode, member: String, to: ReplyTo) {
        self.replies.push((to, Reply::join_refused(error, member)));
    }

    /// Whether the group and the one who joins have a protocol in common.
    fn supports(&self, request: &JoinGroupRequest) -> bool {
        if self.phase == Phase::Empty {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        let by_all = |name: &str| self.roll.members.values().all(|member| member.knows(name));
        request.protocol_type == self.roll.kind
            && request.protocols.iter().any(|protocol| by_all(&protocol.name))
    }

    fn new_id(&mut self) -> MemberId {
        self.next_id += 1;
        format!("member-{}", self.next_id).into()
    }

    fn join_anew(&mut self, request: &JoinGroupRequest, to: ReplyTo, now: Moment) {
        let id = self.new_id();
        let Some(instance) = &request.instance else {
            let session = Duration::from_millis(request.session_timeout_ms.unsigned_abs().into());
            self.promised.insert(id.clone(), now.after(session));
            return self.refuse(ErrorCode::MemberIdRequired, id.to_string(), to);
        };
        match self.holder(instance) {
            Some(holder) => self.replace(&holder, id, request, (to, now)),
            None => self.add(id, Member::new(request, to, now), now),
        }
    }

    fn add(&mut self, id: MemberId, mut member: Member, now: Moment) {
        if let Phase::Joining { initial: Some(initial), .. } = &mut self.phase {
            initial.is_joined = true;
        }
        if self.roll.members.is_empty() {
            self.roll.kind.clone_from(&member.kind);
        }
        member.is_new = true;
        member.expires = now.after(NEW_MEMBER_MAX);
        self.roll.leader.get_or_insert_with(|| id.clone());
        self.roll.members.insert(id, member);
        self.rebalance(now);
    }

    fn join_again(&mut self, id: &MemberId, request: &JoinGroupRequest, at: (ReplyTo, Moment)) {
        let (to, now) = at;
        let leads = self.roll.leader.as_ref() == Some(id);
        let Some(member) = self.roll.members.get_mut(id) else { return };
        let says_the_same = member.says(request);
        member.update(request, to);
        match self.phase {
            Phase::Syncing if says_the_same => self.answer_join(id),
            Phase::Stable if says_the_same && !leads => self.answer_join(id),
            _ => self.rebalance(now),
        }
    }

    /// A lasting name comes back: in a group at rest nothing changes for the others.
    fn replace(
        &mut self,
        old: &MemberId,
        id: MemberId,
        request: &JoinGroupRequest,
        (to, now): (ReplyTo, Moment),
    ) {
        let Some(mut member) = self.roll.members.remove(old) else { return };
        let led = self.roll.leader.clone();
        let fenced = ErrorCode::FencedInstanceId;
        if let Some(to) = member.joining.take() {
            self.refuse(fenced, old.to_string(), to);
        }
        if let Some(to) = member.syncing.take() {
            self.replies.push((to, Reply::sync_refused(fenced)));
        }
        // The session that it had counts until it is heard again.
        member.alive(now);
        member.is_new = false;
        member.update(request, to);
        self.roll.members.insert(id.clone(), member);
        if self.unsynced.remove(old) {
            self.unsynced.insert(id.clone());
        }
        if led.as_ref() == Some(old) {
            self.roll.leader = Some(id.clone());
        }
        match self.phase {
            Phase::Stable if self.select() == self.roll.protocol => {
                self.write_down();
                self.answer_replaced(&id, led);
            }
            Phase::Joining { .. } => self.end_if_all_joined(now),
            _ => self.prepare(now),
        }
    }

    /// One that led is not told that it still does: its answer names who it was.
    fn answer_replaced(&mut self, id: &MemberId, leader: Option<MemberId>) {
        let to = self.roll.members.get_mut(id).and_then(|member| member.joining.take());
        let Some(to) = to else { return };
        let leader = leader.map(|leader| leader.to_string()).unwrap_or_default();
        let response = self.response(id, leader);
        self.replies.push((to, Reply::Join(response)));
    }

    /// A rebalance begins, or ends since everybody is there.
    pub(super) fn rebalance(&mut self, now: Moment) {
        match self.phase {
            Phase::Joining { .. } => self.end_if_all_joined(now),
            _ => self.prepare(now),
        }
    }

    fn longest_rebalance(&self) -> Duration {
        self.roll.members.values().map(|member| member.rebalance).max().unwrap_or_default()
    }

    pub(super) fn prepare(&mut self, now: Moment) {
        if self.phase == Phase::Syncing {
            self.roll.members.values_mut().for_each(|member| member.assignment.clear());
            self.answer_syncs(ErrorCode::RebalanceInProgress, now);
        }
        self.unsynced.clear();
        let longest = self.longest_rebalance();
        if self.phase == Phase::Empty {
            let remaining = longest.saturating_sub(self.initial_delay);
            let initial = Some(Initial { remaining, is_joined: false });
            self.phase = Phase::Joining { until: now.after(self.initial_delay), initial };
            // Those whose ids were given out are not waited for.
            return self.expire_joining(now);
        }
        self.phase = Phase::Joining { until: now.after(longest), initial: None };
        self.end_if_all_joined(now);
    }

    fn end_if_all_joined(&mut self, now: Moment) {
        if let Phase::Joining { initial: None, .. } = self.phase
            && self.all_joined()
        {
            self.end_joining(now);
        }
    }

    pub(super) fn all_joined(&self) -> bool {
        let joined = self.roll.members.values().all(|member| member.joining.is_some());
        joined && self.promised.is_empty()
    }

    /// The time for joining is over; a group that was empty may be given more.
    pub(super) fn expire_joining(&mut self, now: Moment) {
        let delay = self.initial_delay;
        match &mut self.phase {
            Phase::Joining { until, .. } if *until > now => {}
            Phase::Joining { until, initial: Some(initial) }
                if initial.is_joined && !initial.remaining.is_zero() =>
            {
                initial.is_joined = false;
                *until = until.after(delay.min(initial.remaining));
                initial.remaining = initial.remaining.saturating_sub(delay);
            }
            Phase::Joining { .. } => self.end_joining(now),
            _ => {}
        }
    }

    /// Ends the rebalance: who has not joined is out, but for those with a lasting name.
    pub(super) fn end_joining(&mut self, now: Moment) {
        let stays = |member: &Member| member.joining.is_some() || member.instance.is_some();
        let gone = self.roll.members.iter().filter(|(_, member)| !stays(member));
        for id in gone.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.forget(&id);
        }
        if !self.roll.members.is_empty() && !self.elect() {
            let until = now.after(self.longest_rebalance());
            self.phase = Phase::Joining { until, initial: None };
            return;
        }
        self.roll.generation += 1;
        if self.roll.members.is_empty() {
            self.roll.protocol.clear();
            self.phase = Phase::Empty;
            return self.write_down();
        }
        self.roll.protocol = self.select();
        self.phase = Phase::Syncing;
        self.sync_until = now.after(self.longest_rebalance());
        self.unsynced = self.roll.members.keys().cloned().collect();
        for id in self.unsynced.clone() {
            if let Some(member) = self.roll.members.get_mut(&id) {
                member.alive(now);
                member.is_new = false;
            }
            self.answer_join(&id);
        }
    }

    /// Whether a leader has joined; one that has not is replaced.
    fn elect(&mut self) -> bool {
        let members = &self.roll.members;
        let joined = |id: &MemberId| members.get(id).is_some_and(|m| m.joining.is_some());
        if !self.roll.leader.as_ref().is_some_and(joined) {
            let next = members.keys().find(|id| joined(id)).cloned();
            let Some(next) = next else { return false };
            self.roll.leader = Some(next);
        }
        true
    }

    /// Each member votes for the first protocol of its own that all know.
    fn select(&self) -> String {
        let members = self.roll.members.values();
        let by_all = |name: &str| members.clone().all(|member| member.knows(name));
        let mut votes = BTreeMap::<&str, usize>::new();
        for member in members.clone() {
            let vote = member.protocols.iter().map(|(name, _)| name.as_str());
            if let Some(name) = vote.clone().find(|name| by_all(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let chosen = votes.into_iter().max_by_key(|(_, votes)| *votes);
        chosen.map(|(name, _)| name.to_owned()).unwrap_or_default()
    }

    fn response(&self, id: &MemberId, leader: String) -> JoinGroupResponse {
        let all = self.roll.members.iter().map(|(id, member)| JoinedMember {
            member: id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(&self.roll.protocol),
        });
        JoinGroupResponse {
            error: ErrorCode::None,
            generation: Generation(self.roll.generation),
            protocol: self.roll.protocol.clone(),
            member: id.to_string(),
            members: if leader == id.as_str() { all.collect() } else { Vec::new() },
            leader,
        }
    }

    fn answer_join(&mut self, id: &MemberId) {
        let to = self.roll.members.get_mut(id).and_then(|member| member.joining.take());
        let (Some(to), Some(leader)) = (to, &self.roll.leader) else { return };
        let response = self.response(id, leader.to_string());
        self.replies.push((to, Reply::Join(response)));
    }
}
