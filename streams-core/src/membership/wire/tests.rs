//! Every message there and back, cut anywhere, damaged, and of random bytes.

mod damaged;

use proptest::prelude::*;

use super::api_versions::{ApiRange, ApiVersionsRequest, ApiVersionsResponse};
use super::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use super::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use super::join_group::{JoinGroupRequest, JoinGroupResponse, JoinProtocol, JoinedMember};
use super::leave_group::{LeaveGroupRequest, LeaveGroupResponse, LeavingMember, LeftMember};
use super::metadata::{
    Broker, MetadataRequest, MetadataResponse, PartitionMetadata, TopicMetadata,
};
use super::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, PartitionCommit, PartitionCommitted,
};
use super::offset_fetch::{OffsetFetchRequest, OffsetFetchResponse, PartitionOffset};
use super::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use super::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use super::sync_group::{MemberAssignment, SyncGroupRequest, SyncGroupResponse};
use super::*;
use crate::membership::names::{Generation, TopicId};

/// Encodes and decodes both ways in every version, and decodes every cut of the bytes, and what else
/// may become of them.
#[track_caller]
fn round_trip<R: Request + Clone + PartialEq + std::fmt::Debug>(request: &R, response: &R::Response)
where
    R::Response: PartialEq + std::fmt::Debug,
{
    for number in R::API.versions() {
        let version = R::API.version(*number);
        let bytes = encode_request(request, version, 7, "client").unwrap();
        let (header, mut body) = decode_request_header(&bytes[4..]).unwrap();
        assert_eq!((header.api, header.version, header.correlation), (R::API, version, 7));
        assert_eq!(R::decode(&mut body).unwrap(), *request);
        body.finish().unwrap();
        for end in 4..bytes.len() {
            if let Ok((_, mut body)) = decode_request_header(&bytes[4..end]) {
                assert!(R::decode(&mut body).is_err(), "cut at {end}");
            }
        }
        damaged::requests_come_back::<R>(&bytes[4..], version);
        let bytes = encode_response::<R>(response, version, 9).unwrap();
        let decoded = decode_response::<R>(&bytes[4..], version, 9).unwrap();
        // A version without topic ids gives none.
        if R::API != Api::Metadata || *number == 12 {
            assert_eq!(decoded, *response);
        }
        assert_eq!(
            decode_response::<R>(&bytes[4..], version, 8).err(),
            Some(DecodeError::Correlation { expected: 8, found: 9 })
        );
        for end in 4..bytes.len() {
            assert!(decode_response::<R>(&bytes[4..end], version, 9).is_err(), "cut at {end}");
        }
        let longer = [&bytes[4..], &[0]].concat();
        let trailing = Some(DecodeError::TrailingBytes { count: 1 });
        assert_eq!(decode_response::<R>(&longer, version, 9).err(), trailing);
        damaged::responses_come_back::<R>(&bytes[4..], version);
    }
}

#[test]
fn versions_come_back() {
    let request = ApiVersionsRequest { software_name: "m".into(), software_version: "1".into() };
    let apis = vec![ApiRange { key: 11, min: 0, max: 9 }, ApiRange { key: 999, min: 1, max: 2 }];
    round_trip(&request, &ApiVersionsResponse { error: ErrorCode::None, apis });
}

#[test]
fn metadata_come_back() {
    let partitions =
        vec![PartitionMetadata { error: ErrorCode::LeaderNotAvailable, partition: 3, leader: -1 }];
    let id = Some(TopicId(*b"0123456789abcdef"));
    let topic = TopicMetadata { error: ErrorCode::None, name: Some("t".into()), id, partitions };
    let brokers = vec![Broker { id: 1, host: "h".into(), port: 9092 }];
    let cluster_id = Some("c".into());
    let response = MetadataResponse { brokers, cluster_id, topics: vec![topic] };
    round_trip(&MetadataRequest { topics: vec!["t".into()] }, &response);
}

#[test]
fn the_coordinator_comes_back() {
    let (error, message) = (ErrorCode::CoordinatorNotAvailable, Some("wait".into()));
    let response =
        FindCoordinatorResponse { error, message, node: -1, host: String::new(), port: -1 };
    round_trip(&FindCoordinatorRequest { group: "g".into() }, &response);
}

#[test]
fn a_join_comes_back() {
    let request = JoinGroupRequest {
        group: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 300_000,
        member: None,
        instance: Some("i".into()),
        protocol_type: "consumer".into(),
        protocols: vec![JoinProtocol { name: "p".into(), metadata: vec![1, 2] }],
    };
    let member = JoinedMember { member: "m".into(), instance: None, metadata: vec![3] };
    let response = JoinGroupResponse {
        error: ErrorCode::Other(1234),
        generation: Generation(5),
        protocol: "p".into(),
        leader: "m".into(),
        member: "m".into(),
        members: vec![member],
    };
    round_trip(&request, &response);
}

#[test]
fn a_sync_comes_back() {
    let (group, generation, member) = ("g".into(), Generation(1), "m".into());
    let assignments = vec![MemberAssignment { member: "m".into(), assignment: vec![9] }];
    let request = SyncGroupRequest { group, generation, member, instance: None, assignments };
    round_trip(&request, &SyncGroupResponse { error: ErrorCode::None, assignment: vec![9] });
}

#[test]
fn a_heartbeat_comes_back() {
    let (group, member, instance) = ("g".into(), "m".into(), Some("i".into()));
    let request = HeartbeatRequest { group, generation: Generation(1), member, instance };
    round_trip(&request, &HeartbeatResponse { error: ErrorCode::RebalanceInProgress });
}

#[test]
fn a_leave_comes_back() {
    let leaving = LeavingMember { member: Some("m".into()), instance: None };
    let left = LeftMember { member: leaving.clone(), error: ErrorCode::UnknownMemberId };
    let request = LeaveGroupRequest { group: "g".into(), members: vec![leaving] };
    round_trip(&request, &LeaveGroupResponse { error: ErrorCode::None, members: vec![left] });
}

#[test]
fn a_commit_comes_back() {
    let (leader_epoch, metadata) = (None, Some("AgAA".into()));
    let one = PartitionCommit { partition: 1, offset: 1 << 40, leader_epoch, metadata };
    let topics = vec![ByTopic { topic: "t".into(), partitions: vec![one] }];
    let (group, member) = ("g".into(), "m".into());
    let generation = Generation(3);
    let request = OffsetCommitRequest { group, generation, member, instance: None, topics };
    let partitions = vec![PartitionCommitted { partition: 1, error: ErrorCode::IllegalGeneration }];
    let topics = vec![ByTopic { topic: "t".into(), partitions }];
    round_trip(&request, &OffsetCommitResponse { topics });
}

#[test]
fn a_fetch_comes_back() {
    let topics = vec![ByTopic { topic: "t".into(), partitions: vec![0, 1] }];
    let request = OffsetFetchRequest { group: "g".into(), topics };
    let one = PartitionOffset {
        partition: 1,
        offset: -1,
        leader_epoch: Some(2),
        metadata: None,
        error: ErrorCode::UnstableOffsetCommit,
    };
    let topics = vec![ByTopic { topic: "t".into(), partitions: vec![one] }];
    round_trip(&request, &OffsetFetchResponse { topics, error: ErrorCode::None });
}

#[test]
fn sasl_comes_back_and_hides_its_secret() {
    let handshake = SaslHandshakeResponse {
        error: ErrorCode::UnsupportedSaslMechanism,
        mechanisms: vec!["PLAIN".into()],
    };
    round_trip(&SaslHandshakeRequest { mechanism: "SCRAM-SHA-256".into() }, &handshake);
    let request = SaslAuthenticateRequest { auth: b"secret".to_vec() };
    let (error, message, auth) = (ErrorCode::None, None, b"secret".to_vec());
    let response = SaslAuthenticateResponse { error, message, auth, session_lifetime_ms: 60 };
    round_trip(&request, &response);
    let shown = format!("{request:?} {response:?}");
    assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
}

#[test]
fn a_heartbeat_has_the_bytes_of_version_3() {
    let (group, member) = ("g".into(), "m1".into());
    let request = HeartbeatRequest { group, generation: Generation(2), member, instance: None };
    let bytes = encode_request(&request, Api::Heartbeat.best(), 5, "c").unwrap();
    let expected = [
        0, 0, 0, 24, 0, 12, 0, 3, 0, 0, 0, 5, 0, 1, b'c', // length and header
        0, 1, b'g', 0, 0, 0, 2, 0, 2, b'm', b'1', 255, 255,
    ];
    assert_eq!(bytes, expected);
}

#[test]
fn a_broker_that_knows_no_such_version_is_understood() {
    let bytes = [0, 0, 0, 1, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2];
    let answer = decode_response::<ApiVersionsRequest>(&bytes, Api::ApiVersions.best(), 1).unwrap();
    assert_eq!(answer.error, ErrorCode::UnsupportedVersion);
}

#[test]
fn every_version_used_is_spoken_since_2_5() {
    // The ranges of Kafka 2.5.0 and 4.3.1.
    let spoken = [
        (Api::Metadata, (0, 9), (0, 13)),
        (Api::OffsetCommit, (0, 8), (2, 10)),
        (Api::OffsetFetch, (0, 7), (1, 10)),
        (Api::FindCoordinator, (0, 3), (0, 6)),
        (Api::JoinGroup, (0, 7), (0, 9)),
        (Api::Heartbeat, (0, 4), (0, 4)),
        (Api::LeaveGroup, (0, 4), (0, 5)),
        (Api::SyncGroup, (0, 5), (0, 5)),
        (Api::SaslHandshake, (0, 1), (0, 1)),
        (Api::ApiVersions, (0, 3), (0, 4)),
        (Api::SaslAuthenticate, (0, 2), (0, 2)),
    ];
    assert_eq!(spoken.map(|(api, ..)| api), Api::ALL);
    for (api, old, new) in spoken {
        assert!(api.choose(old.0, old.1).is_some(), "{api}");
        assert_eq!(api.choose(new.0, new.1), Some(api.best()), "{api}");
    }
    assert_eq!(Api::JoinGroup.choose(0, 4), None);
}

#[test]
fn error_codes_have_their_numbers_and_names() {
    for code in ErrorCode::NAMED {
        assert_eq!(ErrorCode::from(code.number()), *code);
    }
    assert_eq!(ErrorCode::from(82).to_string(), "FENCED_INSTANCE_ID");
    assert_eq!(ErrorCode::from(5000).to_string(), "error 5000");
}

#[test]
fn a_text_that_is_too_long_is_an_error() {
    let request = FindCoordinatorRequest { group: "g".repeat(40_000).into() };
    let error = EncodeError::TooLong { length: 40_000, max: 32_767 };
    assert_eq!(encode_request(&request, Api::FindCoordinator.best(), 0, ""), Err(error));
}

#[test]
fn frames_come_together_from_any_cut() {
    let stream: Vec<u8> = [3_u8, 0, 5]
        .iter()
        .flat_map(|n| [&u32::from(*n).to_be_bytes()[..], &vec![*n; usize::from(*n)]].concat())
        .collect();
    for size in 1..stream.len() {
        let mut buffer = FrameBuffer::new();
        let mut frames = Vec::new();
        for chunk in stream.chunks(size) {
            buffer.push(chunk);
            while let Some(frame) = buffer.next_frame().unwrap() {
                frames.push(frame.len());
            }
        }
        assert_eq!(frames, [3, 0, 5], "in pieces of {size}");
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_before_it_comes() {
    for announced in [-1_i32, i32::MAX, 64 * 1024 * 1024 + 1] {
        let mut buffer = FrameBuffer::new();
        buffer.push(&announced.to_be_bytes());
        assert!(buffer.next_frame().is_err(), "{announced}");
    }
}

#[test]
fn a_list_longer_than_its_frame_is_refused() {
    // Two thousand million members announced in a join's answer of 18 bytes.
    let bytes = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 127, 255, 255, 255];
    let error = decode_response::<JoinGroupRequest>(&bytes, Api::JoinGroup.best(), 0).err();
    assert_eq!(error, Some(DecodeError::CountBeyondFrame { count: 2_147_483_647, left: 0 }));
}

#[test]
fn a_list_that_takes_far_more_memory_than_its_bytes_is_refused() {
    // A hundred thousand members without a name, in a join's answer of 800 kB.
    let mut bytes = vec![0; 24 + 8 * 100_000];
    bytes[20..24].copy_from_slice(&100_000_u32.to_be_bytes());
    let read = decode_response::<JoinGroupRequest>(&bytes, Api::JoinGroup.best(), 0);
    let count = 100_000;
    let (left, size) = (8 * count, count * size_of::<JoinedMember>());
    let error = DecodeError::MemoryBeyondFrame { count, left, bytes: size };
    assert_eq!(read.err(), Some(error));
}

#[test]
fn a_topic_may_have_many_partitions_without_an_offset() {
    let error = ErrorCode::None;
    let one = |partition| PartitionOffset {
        partition,
        offset: -1,
        leader_epoch: None,
        metadata: None,
        error,
    };
    let topics = vec![ByTopic { topic: "t".into(), partitions: (0..20_000).map(one).collect() }];
    let (response, version) = (OffsetFetchResponse { topics, error }, Api::OffsetFetch.best());
    let bytes = encode_response::<OffsetFetchRequest>(&response, version, 0).unwrap();
    assert_eq!(decode_response::<OffsetFetchRequest>(&bytes[4..], version, 0), Ok(response));
}

fn decode_all(bytes: &[u8]) {
    fn one<R: Request>(bytes: &[u8]) {
        for number in R::API.versions() {
            let version = R::API.version(*number);
            let _ = R::decode(&mut Reader::new(bytes, version));
            let _ = R::Response::decode(&mut Reader::new(bytes, version));
        }
    }
    one::<ApiVersionsRequest>(bytes);
    one::<MetadataRequest>(bytes);
    one::<FindCoordinatorRequest>(bytes);
    one::<JoinGroupRequest>(bytes);
    one::<SyncGroupRequest>(bytes);
    one::<HeartbeatRequest>(bytes);
    one::<LeaveGroupRequest>(bytes);
    one::<OffsetCommitRequest>(bytes);
    one::<OffsetFetchRequest>(bytes);
    one::<SaslHandshakeRequest>(bytes);
    one::<SaslAuthenticateRequest>(bytes);
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_all(&bytes);
    }

    #[test]
    fn no_small_numbers_make_a_decoder_panic(bytes in prop::collection::vec(0_u8..6, 0..200)) {
        decode_all(&bytes);
    }
}
