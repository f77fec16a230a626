//! Refusals: a request that is answered with an error, and not worked on.

use streams_core::membership::Generation;
use streams_core::membership::wire::find_coordinator::{
    FindCoordinatorRequest, FindCoordinatorResponse,
};
use streams_core::membership::wire::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use streams_core::membership::wire::join_group::{JoinGroupRequest, JoinGroupResponse};
use streams_core::membership::wire::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use streams_core::membership::wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, PartitionCommitted,
};
use streams_core::membership::wire::offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};
use streams_core::membership::wire::sync_group::{SyncGroupRequest, SyncGroupResponse};
use streams_core::membership::wire::{
    Api, ByTopic, DecodeError, ErrorCode, Message as _, Reader, decode_request_header,
};

use super::answer::answer;
use super::{ReplyTo, passing};
use crate::model::State;

/// Refuses a request with an error that passes; one that no broker refuses so is answered.
pub(super) fn for_now(
    state: &mut State,
    (connection, broker): (u64, i32),
    frame: &[u8],
) -> Result<(), DecodeError> {
    let (header, mut body) = decode_request_header(frame)?;
    let error = match header.api {
        Api::ApiVersions | Api::Metadata | Api::SaslHandshake | Api::SaslAuthenticate => {
            return answer(state, (connection, broker), frame);
        }
        Api::FindCoordinator => ErrorCode::CoordinatorNotAvailable,
        _ => passing(&mut state.network.dice),
    };
    let to = ReplyTo { connection, version: header.version, correlation: header.correlation };
    with(state, (to, header.api), &mut body, error)
}

pub(super) fn with(
    state: &mut State,
    (to, api): (ReplyTo, Api),
    body: &mut Reader<'_>,
    error: ErrorCode,
) -> Result<(), DecodeError> {
    let groups = &mut state.groups;
    match api {
        Api::JoinGroup => {
            let request = JoinGroupRequest::decode(body)?;
            let response = JoinGroupResponse {
                error,
                generation: Generation(-1),
                protocol: String::new(),
                leader: String::new(),
                member: request.member.map(|member| member.to_string()).unwrap_or_default(),
                members: Vec::new(),
            };
            groups.reply::<JoinGroupRequest>(to, &response);
        }
        Api::SyncGroup => {
            let response = SyncGroupResponse { error, assignment: Vec::new() };
            groups.reply::<SyncGroupRequest>(to, &response);
        }
        Api::Heartbeat => groups.reply::<HeartbeatRequest>(to, &HeartbeatResponse { error }),
        Api::LeaveGroup => {
            let response = LeaveGroupResponse { error, members: Vec::new() };
            groups.reply::<LeaveGroupRequest>(to, &response);
        }
        Api::OffsetCommit => {
            let response = commit_refused(OffsetCommitRequest::decode(body)?, error);
            groups.reply::<OffsetCommitRequest>(to, &response);
        }
        Api::OffsetFetch => {
            let response = OffsetFetchResponse { topics: Vec::new(), error };
            groups.reply::<OffsetFetchRequest>(to, &response);
        }
        Api::FindCoordinator => {
            let (message, host) = (None, String::new());
            let response = FindCoordinatorResponse { error, message, node: -1, host, port: -1 };
            groups.reply::<FindCoordinatorRequest>(to, &response);
        }
        Api::ApiVersions | Api::Metadata | Api::SaslHandshake | Api::SaslAuthenticate => {
            return Err(DecodeError::InvalidValue { field: "api key", value: api.key().into() });
        }
    }
    Ok(())
}

fn commit_refused(request: OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let of = |partition| PartitionCommitted { partition, error };
        let partitions = topic.partitions.iter().map(|one| of(one.partition)).collect();
        ByTopic { topic: topic.topic, partitions }
    });
    OffsetCommitResponse { topics: topics.collect() }
}
