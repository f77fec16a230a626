//! Joining the group, and what its errors lead to.

use std::collections::{BTreeMap, BTreeSet};

use super::Membership;
use super::links::Link;
use super::order::is_ordered;
use super::reaction::{Reaction, react};
use super::state::{Assigning, Joining, LeaderStep, Ownership, Phase, Role, Syncing, Told, Watch};
use crate::membership::connection::Call;
use crate::membership::consumer_protocol::ConsumerSubscription;
use crate::membership::error::{GroupFault, LossReason, OffsetsError, Trouble};
use crate::membership::event::MemberEvent;
use crate::membership::names::{Generation, MemberId};
use crate::membership::user_data::SubscriptionData;
use crate::membership::wire::join_group::{
    JoinGroupRequest, JoinGroupResponse, JoinProtocol, JoinedMember,
};
use crate::membership::wire::sync_group::{MemberAssignment, SyncGroupRequest};
use crate::membership::wire::{Api, EncodeError, ErrorCode};
use crate::time::Moment;

/// The kind of group: a consumer's, so that every tool can read it.
const PROTOCOL_TYPE: &str = "consumer";
/// The name of the assignment's protocol, which keeps other consumers out.
// DIFFERENCE(own-protocol): Kafka's `stream` deals tasks to threads.
const PROTOCOL_NAME: &str = "millstream";

impl Membership {
    pub(super) fn join_due(&self) -> Option<Moment> {
        match &self.phase {
            Phase::Joining(joining) if self.dead.is_empty() => Some(joining.not_before),
            _ => None,
        }
    }

    pub(super) fn send_join(&mut self, now: Moment) {
        let metadata = match self.encode_subscription() {
            Ok(metadata) => metadata,
            Err(source) => {
                let group = self.config.group.clone();
                return self.fail(GroupFault::Unwritable { group, api: Api::JoinGroup, source });
            }
        };
        let millis =
            |span: std::time::Duration| i32::try_from(span.as_millis()).unwrap_or(i32::MAX);
        let request = JoinGroupRequest {
            group: self.config.group.clone(),
            session_timeout_ms: millis(self.config.session_timeout),
            rebalance_timeout_ms: millis(self.config.rebalance_timeout),
            member: self.member.clone(),
            instance: self.config.instance.clone(),
            protocol_type: PROTOCOL_TYPE.to_owned(),
            protocols: vec![JoinProtocol { name: PROTOCOL_NAME.to_owned(), metadata }],
        };
        self.tasks.announced = self.tasks.owned();
        if let Some(subscription) = &mut self.subscription {
            subscription.announced = subscription.sequence;
        }
        self.end_waiting_commits();
        self.send(Link::Coordinator, Call::Join, &request, now);
    }

    fn encode_subscription(&self) -> Result<Vec<u8>, EncodeError> {
        let Some(subscription) = &self.subscription else { return Ok(Vec::new()) };
        let data = SubscriptionData {
            version: self.config.user_data_version,
            sequence: subscription.sequence,
            member: subscription.data.clone(),
            owned: self.tasks.owned(),
            order: self.order(),
        };
        let (topics, user_data) = (subscription.topics.clone(), data.encode()?);
        ConsumerSubscription { topics, user_data, owned: self.tasks.owned_inputs() }.encode()
    }

    pub(super) fn on_join(&mut self, answer: JoinGroupResponse, now: Moment) {
        let Phase::Joining(joining) = self.phase else { return };
        match react(Api::JoinGroup, answer.error) {
            Reaction::Done => self.joined(answer, now),
            Reaction::TakeId => {
                self.take_id(answer.member);
                self.join_at(now);
            }
            Reaction::Mismatch => self.mismatch(joining, now),
            _ => self.handle_group_error(Api::JoinGroup, answer.error, now),
        }
    }

    fn take_id(&mut self, id: String) {
        let id = MemberId::from(id);
        if self.member.as_ref() != Some(&id) {
            self.member = Some(id.clone());
            self.tell(MemberEvent::MemberIdGiven(id));
        }
    }

    fn joined(&mut self, answer: JoinGroupResponse, now: Moment) {
        let leads = answer.leader == answer.member && !answer.members.is_empty();
        let generation = answer.generation;
        self.take_id(answer.member);
        self.join_backoff.reset();
        self.session.heartbeat_due = now.after(self.config.heartbeat_interval);
        self.heard(now);
        if leads {
            self.begin_assigning(generation, answer.members, now);
        } else {
            let role = self.follower_role(now);
            self.sync(generation, role, Vec::new(), now);
        }
    }

    fn follower_role(&self, now: Moment) -> Role {
        match (&self.config.instance, &self.subscription) {
            (Some(_), Some(subscription)) => {
                let topics = subscription.topics.clone();
                Role::Watcher(Watch { topics, refresh: now, known: None })
            }
            _ => Role::Follower,
        }
    }

    fn begin_assigning(&mut self, generation: Generation, list: Vec<JoinedMember>, now: Moment) {
        let mut topics = BTreeSet::new();
        let mut members = BTreeMap::new();
        for joined in list {
            let subscription = ConsumerSubscription::decode(&joined.metadata);
            let (told, error) = match subscription {
                Ok(ConsumerSubscription { topics: wanted, user_data, owned }) => {
                    topics.extend(wanted);
                    match SubscriptionData::decode(&user_data) {
                        Ok(data) => (Told::Data(data), None),
                        Err(error) => (Told::Inputs(owned), Some(error)),
                    }
                }
                Err(error) => (Told::Nothing, Some(error)),
            };
            if let Some(error) = error {
                let (member, reason) = (joined.member.to_string(), error.to_string());
                self.trouble(Trouble::UnreadableMember { member, reason });
            }
            members.insert(joined.member, told);
        }
        let watch = Watch { topics, refresh: now, ..Watch::default() };
        if is_ordered(&members) {
            return self.assign_order(generation, &members, watch, now);
        }
        let step = LeaderStep::Describing;
        self.phase = Phase::Assigning(Assigning { generation, members, watch, step });
    }

    pub(super) fn sync(
        &mut self,
        generation: Generation,
        role: Role,
        assignments: Vec<MemberAssignment>,
        now: Moment,
    ) {
        let Some(member) = self.member.clone() else { return self.join_at(now) };
        let (group, instance) = (self.config.group.clone(), self.config.instance.clone());
        let request = SyncGroupRequest { group, generation, member, instance, assignments };
        self.phase = Phase::Syncing(Syncing { generation, role });
        self.send(Link::Coordinator, Call::Sync(generation), &request, now);
    }

    fn mismatch(&mut self, joining: Joining, now: Moment) {
        let since = joining.mismatch_since.unwrap_or(now);
        let (waited, group) = (now.since(since), self.config.group.clone());
        if waited >= self.config.mismatch_timeout {
            return self.fail(GroupFault::ProtocolMismatch { group, waited });
        }
        let left = self.config.mismatch_timeout.saturating_sub(waited);
        self.trouble(Trouble::ProtocolMismatch { group, left });
        let wait = self.join_backoff.next(self.config.retry_waits(), &mut self.jitter);
        let not_before = now.after(wait);
        self.phase = Phase::Joining(Joining { not_before, mismatch_since: Some(since) });
    }

    /// What an error of a join, sync or heartbeat leads to; one of a commit, too, if it concerns
    /// the member.
    pub(super) fn handle_group_error(&mut self, api: Api, code: ErrorCode, now: Moment) {
        match react(api, code) {
            Reaction::Fatal => return self.fail_with(api, code),
            Reaction::LoseGeneration => self.lose(code),
            Reaction::LoseMember => {
                self.member = None;
                self.lose(code);
            }
            Reaction::FindAgain => {
                self.report_retry(api, code);
                self.leave_coordinator(now);
            }
            _ => self.report_retry(api, code),
        }
        // A member with an assignment that only lost its coordinator keeps it.
        let keeps = matches!(self.phase, Phase::Stable(_)) && self.adopted.is_some();
        let retries = matches!(react(api, code), Reaction::RetryHere | Reaction::FindAgain);
        if matches!(self.phase, Phase::Leaving { .. }) || (keeps && retries) {
            return;
        }
        let wait = self.join_backoff.next(self.config.retry_waits(), &mut self.jitter);
        self.join_at(now.after(wait));
    }

    /// All tasks are lost at once, and with them the right to commit.
    fn lose(&mut self, code: ErrorCode) {
        self.tasks = Ownership::default();
        if self.adopted.take().is_some() {
            self.tell(MemberEvent::Lost { reason: LossReason::Fenced { code } });
        }
        self.end_commits(&OffsetsError::Fenced);
    }

    pub(super) fn fail_with(&mut self, api: Api, code: ErrorCode) {
        let group = self.config.group.clone();
        self.fail(match code {
            ErrorCode::GroupAuthorizationFailed => GroupFault::GroupNotAuthorized { group },
            ErrorCode::FencedInstanceId => {
                GroupFault::fenced(&group, self.config.instance.as_ref())
            }
            ErrorCode::InvalidSessionTimeout => {
                GroupFault::SessionTimeout { timeout: self.config.session_timeout }
            }
            ErrorCode::InvalidGroupId => GroupFault::InvalidGroup { group },
            ErrorCode::GroupMaxSizeReached => GroupFault::GroupFull { group },
            _ => GroupFault::Refused { group, api, code },
        });
    }
}
