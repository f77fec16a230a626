//! A member of a group, and what it waits for.

use std::time::Duration;

use streams_core::membership::wire::ErrorCode;
use streams_core::membership::wire::join_group::{JoinGroupRequest, JoinGroupResponse};
use streams_core::membership::wire::sync_group::{SyncGroupRequest, SyncGroupResponse};
use streams_core::membership::{Generation, InstanceId, Moment};

use super::{Groups, ReplyTo};

/// An answer that came later than its request.
#[derive(Debug)]
pub(super) enum Reply {
    Join(JoinGroupResponse),
    Sync(SyncGroupResponse),
}

impl Reply {
    pub(super) fn send(&self, groups: &mut Groups, to: ReplyTo) {
        match self {
            Self::Join(response) => groups.reply::<JoinGroupRequest>(to, response),
            Self::Sync(response) => groups.reply::<SyncGroupRequest>(to, response),
        }
    }

    /// The refusal of a join.
    pub(super) const fn join_refused(error: ErrorCode, member: String) -> Self {
        Self::Join(JoinGroupResponse {
            error,
            generation: Generation(-1),
            protocol: String::new(),
            leader: String::new(),
            member,
            members: Vec::new(),
        })
    }
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) instance: Option<InstanceId>,
    /// What it said for each protocol, in the order of its preference.
    pub(super) protocols: Vec<(String, Vec<u8>)>,
    pub(super) joining: Option<ReplyTo>,
    pub(super) syncing: Option<ReplyTo>,
    pub(super) assignment: Vec<u8>,
    pub(super) session: Duration,
    pub(super) rebalance: Duration,
    pub(super) expires: Moment,
}

impl Member {
    /// The member as its request to join says.
    pub(super) fn new(request: &JoinGroupRequest, joining: ReplyTo, now: Moment) -> Self {
        let millis = |millis: i32| Duration::from_millis(millis.unsigned_abs().into());
        let protocols = request.protocols.iter();
        let session = millis(request.session_timeout_ms);
        Self {
            instance: request.instance.clone(),
            protocols: protocols.map(|one| (one.name.clone(), one.metadata.clone())).collect(),
            joining: Some(joining),
            syncing: None,
            assignment: Vec::new(),
            session,
            rebalance: millis(request.rebalance_timeout_ms),
            expires: now.after(session),
        }
    }

    pub(super) fn metadata(&self, protocol: &str) -> Vec<u8> {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    /// The member has shown that it lives.
    pub(super) fn alive(&mut self, now: Moment) {
        self.expires = now.after(self.session);
    }

    /// One that waits for the coordinator is not silent.
    pub(super) const fn waits(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }
}
