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

    /// The refusal of a sync.
    pub(super) const fn sync_refused(error: ErrorCode) -> Self {
        Self::Sync(SyncGroupResponse { error, assignment: Vec::new() })
    }
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) instance: Option<InstanceId>,
    /// The protocol type that it joined with.
    pub(super) kind: String,
    /// What it said for each protocol, in the order of its preference.
    pub(super) protocols: Vec<(String, Vec<u8>)>,
    pub(super) joining: Option<ReplyTo>,
    pub(super) syncing: Option<ReplyTo>,
    pub(super) assignment: Vec<u8>,
    /// It has not seen the end of a rebalance yet, and may be taken out while it waits for one.
    pub(super) is_new: bool,
    session: Duration,
    pub(super) rebalance: Duration,
    pub(super) expires: Moment,
}

fn millis(millis: i32) -> Duration {
    Duration::from_millis(millis.unsigned_abs().into())
}

fn protocols(request: &JoinGroupRequest) -> Vec<(String, Vec<u8>)> {
    request.protocols.iter().map(|one| (one.name.clone(), one.metadata.clone())).collect()
}

impl Member {
    /// The member as its request to join says.
    pub(super) fn new(request: &JoinGroupRequest, joining: ReplyTo, now: Moment) -> Self {
        let session = millis(request.session_timeout_ms);
        Self {
            instance: request.instance.clone(),
            kind: request.protocol_type.clone(),
            protocols: protocols(request),
            joining: Some(joining),
            syncing: None,
            assignment: Vec::new(),
            is_new: false,
            session,
            rebalance: millis(request.rebalance_timeout_ms),
            expires: now.after(session),
        }
    }

    /// It joins again.
    pub(super) fn update(&mut self, request: &JoinGroupRequest, to: ReplyTo) {
        self.protocols = protocols(request);
        self.session = millis(request.session_timeout_ms);
        self.rebalance = millis(request.rebalance_timeout_ms);
        self.joining = Some(to);
    }

    /// Whether the request says what the member said before.
    pub(super) fn says(&self, request: &JoinGroupRequest) -> bool {
        self.protocols == protocols(request)
    }

    pub(super) fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
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
    pub(super) const fn is_excused(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }
}
