//! What the model answers to each request.

use streams_core::membership::GroupId;
use streams_core::membership::wire::api_versions::{
    ApiRange, ApiVersionsRequest, ApiVersionsResponse,
};
use streams_core::membership::wire::find_coordinator::{
    FindCoordinatorRequest, FindCoordinatorResponse,
};
use streams_core::membership::wire::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use streams_core::membership::wire::join_group::JoinGroupRequest;
use streams_core::membership::wire::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use streams_core::membership::wire::metadata::{
    Broker, MetadataRequest, MetadataResponse, PartitionMetadata, TopicMetadata,
};
use streams_core::membership::wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, PartitionCommit, PartitionCommitted,
};
use streams_core::membership::wire::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, PartitionOffset,
};
use streams_core::membership::wire::sync_group::SyncGroupRequest;
use streams_core::membership::wire::{
    Api, ByTopic, DecodeError, ErrorCode, Message as _, Reader, Request, decode_request_header,
};
use streams_core::names::{ApplicationId, TopicName, TopicPartition};

use super::connection::PORT;
use super::group::Claim;
use super::{AcceptedCommit, ReplyTo, refuse};
use crate::model::{CommittedOffset, State};

/// Where the model says that it is.
const HOST: &str = "model";
/// The longest text beside an offset that a broker keeps (`offset.metadata.max.bytes`).
const METADATA_BYTES_MAX: usize = 4096;

/// Works on one request; the answer of a join or sync may come later.
pub(super) fn answer(
    state: &mut State,
    (connection, broker): (u64, i32),
    frame: &[u8],
) -> Result<(), DecodeError> {
    let (header, mut body) = decode_request_header(frame)?;
    let to = ReplyTo { connection, version: header.version, correlation: header.correlation };
    let now = state.groups.now;
    if let Some(error) = not_here(state, header.api, broker) {
        return refuse::with(state, (to, header.api), &mut body, error);
    }
    match header.api {
        Api::ApiVersions => state.groups.reply::<ApiVersionsRequest>(to, &versions()),
        Api::Metadata => at_once::<MetadataRequest>(state, to, &mut body, metadata)?,
        Api::FindCoordinator => {
            at_once::<FindCoordinatorRequest>(state, to, &mut body, coordinator)?;
        }
        Api::JoinGroup => {
            let request = JoinGroupRequest::decode(&mut body)?;
            state.groups.group(&request.group).join(&request, to, now);
        }
        Api::SyncGroup => {
            let request = SyncGroupRequest::decode(&mut body)?;
            state.groups.group(&request.group.clone()).sync(request, to, now);
        }
        Api::Heartbeat => at_once::<HeartbeatRequest>(state, to, &mut body, |state, request| {
            let (member, generation) = (&request.member, request.generation);
            let claim = Claim { member, generation, instance: request.instance.as_ref() };
            HeartbeatResponse { error: state.groups.group(&request.group).heartbeat(claim, now) }
        })?,
        Api::LeaveGroup => at_once::<LeaveGroupRequest>(state, to, &mut body, |state, request| {
            let members = state.groups.group(&request.group).leave(request.members, now);
            LeaveGroupResponse { error: ErrorCode::None, members }
        })?,
        Api::OffsetCommit => at_once::<OffsetCommitRequest>(state, to, &mut body, commit)?,
        Api::OffsetFetch => at_once::<OffsetFetchRequest>(state, to, &mut body, fetch)?,
        Api::SaslHandshake | Api::SaslAuthenticate => {
            let value = header.api.key().into();
            return Err(DecodeError::InvalidValue { field: "api key", value });
        }
    }
    Ok(())
}

fn at_once<R: Request>(
    state: &mut State,
    to: ReplyTo,
    body: &mut Reader<'_>,
    respond: impl FnOnce(&mut State, R) -> R::Response,
) -> Result<(), DecodeError> {
    let response = respond(state, R::decode(body)?);
    state.groups.reply::<R>(to, &response);
    Ok(())
}

/// Why this broker does not answer for groups now.
fn not_here(state: &State, api: Api, broker: i32) -> Option<ErrorCode> {
    let of_any = matches!(api, Api::ApiVersions | Api::Metadata | Api::FindCoordinator);
    if of_any {
        None
    } else if state.network.coordinator() != broker {
        Some(ErrorCode::NotCoordinator)
    } else if state.network.loading_until > state.groups.now {
        Some(ErrorCode::CoordinatorLoadInProgress)
    } else {
        None
    }
}

fn broker(id: i32) -> Broker {
    Broker { id, host: HOST.to_owned(), port: i32::from(PORT) + id }
}

fn coordinator(state: &mut State, _: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let Broker { id: node, host, port } = broker(state.network.coordinator());
    FindCoordinatorResponse { error: ErrorCode::None, message: None, node, host, port }
}

fn versions() -> ApiVersionsResponse {
    let range = |api: Api| {
        let versions = api.versions().iter().copied();
        let (min, max) = (versions.clone().min(), versions.max());
        ApiRange { key: api.key(), min: min.unwrap_or(0), max: max.unwrap_or(0) }
    };
    let spoken = |api: &Api| !matches!(api, Api::SaslHandshake | Api::SaslAuthenticate);
    let apis = Api::ALL.into_iter().filter(spoken).map(range).collect();
    ApiVersionsResponse { error: ErrorCode::None, apis }
}

#[expect(clippy::needless_pass_by_value, reason = "every request is handed over")]
fn metadata(state: &mut State, request: MetadataRequest) -> MetadataResponse {
    let topics = request.topics.iter().map(|name| {
        let found = state.topics.get(name);
        let error = found.map_or(ErrorCode::UnknownTopicOrPartition, |_| ErrorCode::None);
        let partition =
            |partition| PartitionMetadata { error: ErrorCode::None, partition, leader: 0 };
        let id = found.map(crate::model::topic::Topic::id);
        let count = found.map_or(0, crate::model::topic::Topic::partition_count);
        let partitions = (0..count).map(partition).collect();
        TopicMetadata { error, name: Some(name.clone()), id, partitions }
    });
    let up = (0..state.network.brokers()).filter(|id| state.network.is_up(*id));
    let brokers = up.map(broker).collect();
    MetadataResponse {
        brokers,
        cluster_id: Some(state.cluster_id().to_string()),
        topics: topics.collect(),
    }
}

/// A group's offsets are kept under its name as an application.
fn application(group: &GroupId) -> ApplicationId {
    group.as_str().into()
}

/// Partitions that do not exist are refused before the group is asked.
fn commit(state: &mut State, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let (member, generation) = (&request.member, request.generation);
    let claim = Claim { member, generation, instance: request.instance.as_ref() };
    let now = state.groups.now;
    let mut places = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|one| TopicPartition::new(&topic.topic, one.partition))
    });
    let any_known = places.any(|place| state.log(&place).is_some());
    let error = if any_known {
        state.groups.group(&request.group).may_commit(claim, now)
    } else {
        ErrorCode::UnknownTopicOrPartition
    };
    if error == ErrorCode::None {
        keep(state, &request);
    }
    let application = application(&request.group);
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|one| {
            let partition = one.partition;
            let error = commit_one(state, (&application, error), &topic.topic, one);
            PartitionCommitted { partition, error }
        });
        ByTopic { partitions: partitions.collect(), topic: topic.topic }
    });
    OffsetCommitResponse { topics: topics.collect() }
}

/// Notes who committed what, for those who ask for it.
fn keep(state: &mut State, request: &OffsetCommitRequest) {
    let Some(accepted) = &mut state.groups.accepted else { return };
    let offsets = request.topics.iter().flat_map(|topic| {
        let of =
            |one: &PartitionCommit| (TopicPartition::new(&topic.topic, one.partition), one.offset);
        topic.partitions.iter().map(of)
    });
    accepted.push(AcceptedCommit {
        member: request.member.clone(),
        generation: request.generation.0,
        offsets: offsets.collect(),
    });
}

fn commit_one(
    state: &mut State,
    (application, error): (&ApplicationId, ErrorCode),
    topic: &TopicName,
    one: PartitionCommit,
) -> ErrorCode {
    let at = TopicPartition { topic: topic.clone(), partition: one.partition };
    if state.log(&at).is_none() {
        return ErrorCode::UnknownTopicOrPartition;
    }
    if error != ErrorCode::None {
        return error;
    }
    let (offset, leader_epoch) = (one.offset, one.leader_epoch);
    let metadata = one.metadata.unwrap_or_default();
    if metadata.len() > METADATA_BYTES_MAX {
        return ErrorCode::OffsetMetadataTooLarge;
    }
    let offsets = state.offsets.entry(application.clone()).or_default();
    offsets.insert(at, CommittedOffset { offset, leader_epoch, metadata });
    ErrorCode::None
}

fn fetch(state: &mut State, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let stored = state.offsets.get(&application(&request.group));
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let at = TopicPartition::new(&topic.topic, *partition);
            let stored = stored.and_then(|offsets| offsets.get(&at));
            PartitionOffset {
                partition: *partition,
                offset: stored.map_or(-1, |stored| stored.offset),
                leader_epoch: stored.and_then(|stored| stored.leader_epoch),
                metadata: stored.map(|stored| stored.metadata.as_str().into()),
                error: ErrorCode::None,
            }
        });
        ByTopic { partitions: partitions.collect(), topic: topic.topic }
    });
    OffsetFetchResponse { topics: topics.collect(), error: ErrorCode::None }
}
