//! A model of the broker's side of a classic group: what it answers, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::membership::names::{GroupId, MemberId, TopicName, TopicPartition};
use crate::membership::wire::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::membership::wire::join_group::{JoinGroupRequest, JoinGroupResponse, JoinedMember};
use crate::membership::wire::leave_group::{LeaveGroupRequest, LeaveGroupResponse, LeftMember};
use crate::membership::wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, PartitionCommitted,
};
use crate::membership::wire::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, PartitionOffset,
};
use crate::membership::wire::sync_group::{SyncGroupRequest, SyncGroupResponse};
use crate::membership::wire::{ByTopic, ErrorCode, Request, Version, encode_response};
use crate::membership::{CommittedOffset, Generation};
use crate::time::Moment;

/// Where an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReplyTo {
    pub(super) socket: u64,
    pub(super) version: Version,
    pub(super) correlation: i32,
}

impl ReplyTo {
    pub(super) fn encode<R: Request>(self, response: &R::Response) -> (u64, Vec<u8>) {
        let bytes = encode_response::<R>(response, self.version, self.correlation);
        (self.socket, bytes.unwrap())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    Preparing { until: Moment },
    Completing,
    Stable,
}

#[derive(Debug)]
struct Member {
    instance: Option<String>,
    metadata: Vec<u8>,
    joining: Option<ReplyTo>,
    syncing: Option<ReplyTo>,
    assignment: Vec<u8>,
    session: Duration,
    rebalance: Duration,
    expires: Moment,
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    state: State,
    pub(super) generation: i32,
    leader: Option<String>,
    members: BTreeMap<String, Member>,
    promised: BTreeSet<String>,
    next_id: u32,
    pub(super) offsets: BTreeMap<TopicPartition, CommittedOffset>,
    pub(super) unstable: bool,
    /// Topics that it does not know, or not any more.
    pub(super) gone: BTreeSet<TopicName>,
    replies: Vec<(u64, Vec<u8>)>,
}

impl Group {
    pub(super) fn new() -> Self {
        Self {
            state: State::Empty,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            promised: BTreeSet::new(),
            next_id: 0,
            offsets: BTreeMap::new(),
            unstable: false,
            gone: BTreeSet::new(),
            replies: Vec::new(),
        }
    }

    pub(super) fn take_replies(&mut self) -> Vec<(u64, Vec<u8>)> {
        std::mem::take(&mut self.replies)
    }

    pub(super) fn member_ids(&self) -> Vec<&str> {
        self.members.keys().map(String::as_str).collect()
    }

    pub(super) fn join(&mut self, request: JoinGroupRequest, reply: ReplyTo, now: Moment) {
        let session = Duration::from_millis(request.session_timeout_ms.unsigned_abs().into());
        let rebalance = Duration::from_millis(request.rebalance_timeout_ms.unsigned_abs().into());
        let known = request.member.is_some();
        let id = request.member.map_or_else(|| self.next_id(), |member| member.to_string());
        let instance = request.instance.map(|instance| instance.to_string());
        let old = instance.as_ref().and_then(|name| self.holder(name));
        let error = match (&old, self.members.contains_key(&id), known) {
            (_, true, _) => None,
            (Some(_), false, true) => Some(ErrorCode::FencedInstanceId),
            (None, false, true) if !self.promised.remove(&id) => Some(ErrorCode::UnknownMemberId),
            (None, false, false) if instance.is_none() => {
                self.promise(&id);
                Some(ErrorCode::MemberIdRequired)
            }
            _ => None,
        };
        if let Some(error) = error {
            return self.refuse_join(error, &id, reply);
        }
        let metadata = request.protocols.into_iter().next().unwrap().metadata;
        let replaced = old.filter(|old| *old != id);
        let assignment = replaced.as_ref().and_then(|old| self.members.remove(old));
        let stays = assignment.is_some() && self.state == State::Stable;
        let same = self.members.get(&id).is_some_and(|member| member.metadata == metadata);
        let leads = self.leader.as_ref() == Some(&id);
        let assignment = match (self.members.remove(&id), assignment) {
            (Some(member), _) | (None, Some(member)) => member.assignment,
            _ => Vec::new(),
        };
        let expires = now.after(session);
        let (joining, syncing) = (Some(reply), None);
        let member = Member {
            instance,
            metadata,
            joining,
            syncing,
            assignment,
            session,
            rebalance,
            expires,
        };
        self.members.insert(id.clone(), member);
        let settled = matches!(self.state, State::Stable | State::Completing);
        if stays || (settled && same && !leads) {
            return self.answer_join(&id);
        }
        if !matches!(self.state, State::Preparing { .. }) {
            self.prepare(now);
        }
        self.try_complete(now);
    }

    fn next_id(&mut self) -> String {
        self.next_id += 1;
        format!("member-{}", self.next_id)
    }

    /// Lets an id be joined with that has been given out.
    pub(super) fn promise(&mut self, id: &str) {
        self.promised.insert(id.to_owned());
    }

    fn holder(&self, instance: &str) -> Option<String> {
        let holder = self.members.iter().find(|(_, m)| m.instance.as_deref() == Some(instance));
        holder.map(|(id, _)| id.clone())
    }

    fn refuse_join(&mut self, error: ErrorCode, member: &str, reply: ReplyTo) {
        let response = JoinGroupResponse {
            error,
            generation: Generation(-1),
            protocol: String::new(),
            leader: String::new(),
            member: member.to_owned(),
            members: Vec::new(),
        };
        self.replies.push(reply.encode::<JoinGroupRequest>(&response));
    }

    fn prepare(&mut self, now: Moment) {
        for member in self.members.values_mut() {
            if let Some(reply) = member.syncing.take() {
                let error = ErrorCode::RebalanceInProgress;
                let response = SyncGroupResponse { error, assignment: Vec::new() };
                self.replies.push(reply.encode::<SyncGroupRequest>(&response));
            }
        }
        let rebalance = self.members.values().map(|member| member.rebalance).max();
        self.state = State::Preparing { until: now.after(rebalance.unwrap_or_default()) };
    }

    fn try_complete(&mut self, now: Moment) {
        let State::Preparing { until } = self.state else { return };
        if self.members.values().any(|member| member.joining.is_none()) && now < until {
            return;
        }
        self.members.retain(|_, member| member.joining.is_some());
        if self.members.is_empty() {
            self.state = State::Empty;
            return;
        }
        self.generation += 1;
        self.state = State::Completing;
        if self.leader.as_ref().is_none_or(|leader| !self.members.contains_key(leader)) {
            self.leader = self.members.keys().next().cloned();
        }
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let member = self.members.get_mut(&id).unwrap();
            member.expires = now.after(member.session);
            member.assignment.clear();
            self.answer_join(&id);
        }
    }

    fn answer_join(&mut self, id: &str) {
        let leader = self.leader.clone().unwrap();
        let reply = self.members.get_mut(id).and_then(|member| member.joining.take()).unwrap();
        let all = self.members.iter().map(|(id, member)| JoinedMember {
            member: MemberId::from(id.as_str()),
            instance: member.instance.as_deref().map(Into::into),
            metadata: member.metadata.clone(),
        });
        let members = if leader == id { all.collect() } else { Vec::new() };
        let response = JoinGroupResponse {
            error: ErrorCode::None,
            generation: Generation(self.generation),
            protocol: "millstream".to_owned(),
            leader,
            member: id.to_owned(),
            members,
        };
        self.replies.push(reply.encode::<JoinGroupRequest>(&response));
    }

    fn check(
        &self,
        member: &MemberId,
        generation: Generation,
        instance: Option<&str>,
    ) -> ErrorCode {
        if let Some(holder) = instance.and_then(|name| self.holder(name))
            && holder != member.as_str()
        {
            return ErrorCode::FencedInstanceId;
        }
        match self.members.get(member.as_str()) {
            None => ErrorCode::UnknownMemberId,
            Some(_) if generation.0 != self.generation => ErrorCode::IllegalGeneration,
            Some(_) => ErrorCode::None,
        }
    }

    fn alive(&mut self, member: &MemberId, now: Moment) {
        if let Some(member) = self.members.get_mut(member.as_str()) {
            member.expires = now.after(member.session);
        }
    }

    pub(super) fn sync(&mut self, request: SyncGroupRequest, reply: ReplyTo, now: Moment) {
        let instance = request.instance.as_ref().map(|i| i.as_str());
        let mut error = self.check(&request.member, request.generation, instance);
        if error == ErrorCode::None && matches!(self.state, State::Preparing { .. }) {
            error = ErrorCode::RebalanceInProgress;
        }
        if error != ErrorCode::None {
            let response = SyncGroupResponse { error, assignment: Vec::new() };
            return self.replies.push(reply.encode::<SyncGroupRequest>(&response));
        }
        self.alive(&request.member, now);
        self.members.get_mut(request.member.as_str()).unwrap().syncing = Some(reply);
        if self.leader.as_deref() == Some(request.member.as_str())
            && self.state == State::Completing
        {
            for one in request.assignments {
                if let Some(member) = self.members.get_mut(one.member.as_str()) {
                    member.assignment = one.assignment;
                }
            }
            self.state = State::Stable;
        }
        if self.state == State::Stable {
            for member in self.members.values_mut() {
                let Some(reply) = member.syncing.take() else { continue };
                let (error, assignment) = (ErrorCode::None, member.assignment.clone());
                let response = SyncGroupResponse { error, assignment };
                self.replies.push(reply.encode::<SyncGroupRequest>(&response));
            }
        }
    }

    pub(super) fn heartbeat(&mut self, request: &HeartbeatRequest, reply: ReplyTo, now: Moment) {
        let instance = request.instance.as_ref().map(|i| i.as_str());
        let mut error = self.check(&request.member, request.generation, instance);
        if error == ErrorCode::None {
            self.alive(&request.member, now);
            if matches!(self.state, State::Preparing { .. }) {
                error = ErrorCode::RebalanceInProgress;
            }
        }
        self.replies.push(reply.encode::<HeartbeatRequest>(&HeartbeatResponse { error }));
    }

    pub(super) fn leave(&mut self, request: LeaveGroupRequest, reply: ReplyTo, now: Moment) {
        let mut members = Vec::new();
        for member in request.members {
            let instance = member.instance.as_ref();
            let holder = instance.and_then(|instance| self.holder(instance.as_str()));
            let id = holder.or_else(|| member.member.as_ref().map(ToString::to_string));
            let error = match id.is_some_and(|id| self.remove(&id)) {
                true => ErrorCode::None,
                false => ErrorCode::UnknownMemberId,
            };
            members.push(LeftMember { member, error });
        }
        let changed = members.iter().any(|member| member.error == ErrorCode::None);
        let response = LeaveGroupResponse { error: ErrorCode::None, members };
        self.replies.push(reply.encode::<LeaveGroupRequest>(&response));
        if changed {
            self.after_removal(now);
        }
    }

    /// Takes a member out, whatever it thinks.
    pub(super) fn kick(&mut self, id: &str, now: Moment) {
        if self.remove(id) {
            self.after_removal(now);
        }
    }

    fn remove(&mut self, id: &str) -> bool {
        if self.leader.as_deref() == Some(id) {
            self.leader = None;
        }
        self.members.remove(id).is_some()
    }

    fn after_removal(&mut self, now: Moment) {
        if matches!(self.state, State::Stable | State::Completing) {
            self.prepare(now);
        }
        self.try_complete(now);
    }

    pub(super) fn expire(&mut self, now: Moment) {
        let waits = |m: &Member| m.joining.is_some() || m.syncing.is_some();
        let dead = self.members.iter().filter(|(_, m)| m.expires <= now && !waits(m));
        let dead: Vec<String> = dead.map(|(id, _)| id.clone()).collect();
        for id in dead {
            self.kick(&id, now);
        }
        self.try_complete(now);
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        let waits = |m: &Member| m.joining.is_some() || m.syncing.is_some();
        let sessions = self.members.values().filter(|m| !waits(m)).map(|m| m.expires);
        let rebalance = match self.state {
            State::Preparing { until } => Some(until),
            _ => None,
        };
        sessions.chain(rebalance).min()
    }

    /// Forgets who waits on a connection; the members stay until their sessions end.
    pub(super) fn hang_up(&mut self, socket: u64, now: Moment) {
        for member in self.members.values_mut() {
            for waits in [&mut member.joining, &mut member.syncing] {
                if waits.take_if(|reply| reply.socket == socket).is_some() {
                    member.expires = now.after(member.session);
                }
            }
        }
    }

    /// What happens when the coordinator moves: new sessions, and nobody's answer is due.
    pub(super) fn reload(&mut self, now: Moment) {
        for member in self.members.values_mut() {
            member.expires = now.after(member.session);
        }
    }

    pub(super) fn commit(&mut self, request: OffsetCommitRequest, reply: ReplyTo, now: Moment) {
        let instance = request.instance.as_ref().map(|i| i.as_str());
        let mut error = self.check(&request.member, request.generation, instance);
        // A broker leaves out topics that it does not know, and asks the group of others alone.
        if request.topics.iter().all(|topic| self.gone.contains(&topic.topic)) {
            error = ErrorCode::None;
        } else if error == ErrorCode::None {
            self.alive(&request.member, now);
            if self.state == State::Completing {
                error = ErrorCode::RebalanceInProgress;
            }
        }
        let mut topics = Vec::new();
        for topic in request.topics {
            let name: TopicName = topic.topic;
            let mut partitions = Vec::new();
            let is_gone = error == ErrorCode::None && self.gone.contains(&name);
            let error = if is_gone { ErrorCode::UnknownTopicOrPartition } else { error };
            for one in topic.partitions {
                let place = TopicPartition::new(name.clone(), one.partition);
                partitions.push(PartitionCommitted { partition: one.partition, error });
                if error == ErrorCode::None {
                    let metadata = one.metadata.unwrap_or_default();
                    let (offset, leader_epoch) = (one.offset, one.leader_epoch);
                    self.offsets.insert(place, CommittedOffset { offset, leader_epoch, metadata });
                }
            }
            topics.push(ByTopic { topic: name, partitions });
        }
        self.replies.push(reply.encode::<OffsetCommitRequest>(&OffsetCommitResponse { topics }));
    }

    pub(super) fn fetch(&mut self, request: OffsetFetchRequest, reply: ReplyTo) {
        let _: GroupId = request.group;
        let mut topics = Vec::new();
        for topic in request.topics {
            let partitions = topic.partitions.iter().map(|partition| {
                let place = TopicPartition::new(topic.topic.clone(), *partition);
                let stored = self.offsets.get(&place);
                let unstable = self.unstable;
                PartitionOffset {
                    partition: *partition,
                    offset: stored.filter(|_| !unstable).map_or(-1, |stored| stored.offset),
                    leader_epoch: stored.and_then(|stored| stored.leader_epoch),
                    metadata: stored.map(|stored| stored.metadata.as_str().into()),
                    error: match unstable {
                        true => ErrorCode::UnstableOffsetCommit,
                        false => ErrorCode::None,
                    },
                }
            });
            topics.push(ByTopic { topic: topic.topic.clone(), partitions: partitions.collect() });
        }
        let response = OffsetFetchResponse { topics, error: ErrorCode::None };
        self.replies.push(reply.encode::<OffsetFetchRequest>(&response));
    }
}
