//! What decodes bytes that other processes wrote.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use streams_core::membership::consumer_protocol::{ConsumerAssignment, ConsumerSubscription};
use streams_core::membership::user_data::{
    AssignmentData, SubscriptionData, USER_DATA_BYTES_MAX, USER_DATA_VERSION,
};
use streams_core::membership::wire::api_versions::ApiVersionsRequest;
use streams_core::membership::wire::find_coordinator::FindCoordinatorRequest;
use streams_core::membership::wire::heartbeat::HeartbeatRequest;
use streams_core::membership::wire::join_group::JoinGroupRequest;
use streams_core::membership::wire::leave_group::LeaveGroupRequest;
use streams_core::membership::wire::metadata::MetadataRequest;
use streams_core::membership::wire::offset_commit::OffsetCommitRequest;
use streams_core::membership::wire::offset_fetch::OffsetFetchRequest;
use streams_core::membership::wire::sasl_authenticate::SaslAuthenticateRequest;
use streams_core::membership::wire::sasl_handshake::SaslHandshakeRequest;
use streams_core::membership::wire::sync_group::SyncGroupRequest;
use streams_core::membership::wire::{FrameBuffer, Message, Reader, Request};
use streams_core::membership::{MemberData, Order, ProcessId, StatePosition, TopicPartition};
use streams_core::names::TaskId;
use streams_core::serde::{
    DefaultSerde, ListSerde, Serde, SessionWindowedSerde, TimeWindowedSerde,
};
use streams_core::task::commit_metadata::CommitMetadata;
use streams_core::time::Timestamp;

/// Decodes bytes, and drops what comes of it.
type Decode = Box<dyn Fn(&[u8])>;

/// A decoder, whose result is dropped.
pub(crate) struct Decoder {
    pub(crate) name: String,
    /// Encodings, or what is near to one.
    pub(crate) valid: Vec<Vec<u8>>,
    /// How the bytes reach the decoder.
    pub(crate) travel: fn(Vec<u8>) -> Vec<u8>,
    pub(crate) decode: Decode,
}

impl Decoder {
    fn new<T>(
        name: impl Into<String>,
        valid: Vec<Vec<u8>>,
        decode: impl Fn(&[u8]) -> T + 'static,
    ) -> Self {
        let decode = Box::new(move |bytes: &[u8]| drop(decode(bytes)));
        Self { name: name.into(), valid, travel: |bytes| bytes, decode }
    }
}

fn tasks(count: i32) -> impl Iterator<Item = TaskId> {
    (0..count).map(|partition| TaskId::new(7, partition))
}

/// The data of a member that owns so many tasks, and has positions of so many.
fn subscription(owned: i32, positions: i32) -> SubscriptionData {
    let positions = tasks(positions).map(|task| (task, StatePosition::UpTo(9)));
    let member = MemberData {
        process: ProcessId(*b"0123456789abcdef"),
        application_version: 4,
        workers: 3,
        positions: positions.collect(),
        standby: tasks(2).collect(),
    };
    let (version, owned) = (USER_DATA_VERSION, tasks(owned).collect());
    SubscriptionData { version, sequence: 9, member, owned, order: Order::GoOn }
}

fn assignment(active: i32) -> AssignmentData {
    AssignmentData {
        version: USER_DATA_VERSION,
        active: tasks(active).collect(),
        standby: tasks(2).collect(),
        follow_up: true,
        probe_after: Some(Duration::from_mins(10)),
        order: Order::ShutDown,
    }
}

/// Decoders of user data with as much as there may be.
pub(crate) fn full_user_data() -> [(Decoder, Vec<u8>); 3] {
    let max = i32::try_from(USER_DATA_BYTES_MAX).unwrap();
    let tasks = max / 8 - 100;
    let subscriptions = || Decoder::new("full subscription", Vec::new(), SubscriptionData::decode);
    let assignments = Decoder::new("full assignment", Vec::new(), AssignmentData::decode);
    [
        (subscriptions(), subscription(tasks, 0).encode().unwrap()),
        (subscriptions(), subscription(0, max / 16).encode().unwrap()),
        (assignments, assignment(tasks).encode().unwrap()),
    ]
}

fn of_membership() -> Vec<Decoder> {
    let user_data = subscription(3, 3).encode().unwrap();
    let topics = BTreeSet::from(["orders".into(), "payments".into()]);
    let owned = [TopicPartition::new("orders", 2), TopicPartition::new("orders", 3)].into();
    let partitions = [TopicPartition::new("orders", 2)].into();
    let subscribed = ConsumerSubscription { topics, user_data: user_data.clone(), owned };
    let assigned = ConsumerAssignment { partitions, user_data: assignment(3).encode().unwrap() };
    let closed = [("counts".into(), Timestamp::from_millis(258))].into();
    let committed = CommitMetadata { partition_time: Timestamp::from_millis(1000), closed };
    let committed = STANDARD.decode(committed.encode()).unwrap();
    let read_text = |bytes: &[u8]| std::str::from_utf8(bytes).map(CommitMetadata::decode);
    vec![
        Decoder::new("subscription", vec![user_data], SubscriptionData::decode),
        Decoder::new("assignment", vec![assigned.user_data.clone()], AssignmentData::decode),
        Decoder::new(
            "consumer subscription",
            vec![subscribed.encode().unwrap()],
            ConsumerSubscription::decode,
        ),
        Decoder::new(
            "consumer assignment",
            vec![assigned.encode().unwrap()],
            ConsumerAssignment::decode,
        ),
        Decoder {
            travel: |bytes| STANDARD.encode(bytes).into_bytes(),
            ..Decoder::new("commit metadata", vec![committed], read_text)
        },
    ]
}

fn of_keys() -> Vec<Decoder> {
    let time = || TimeWindowedSerde::new(Vec::<u8>::serde(), Duration::from_millis(10));
    let (time, logged) = (time(), time().for_changelog());
    let session = SessionWindowedSerde::new(Vec::<u8>::serde());
    let texts = ListSerde::new(Option::<Vec<u8>>::serde());
    let numbers = ListSerde::of_width::<2>(Option::<i16>::serde());
    vec![
        Decoder::new("key of a window's changelog", near_all(), move |bytes: &[u8]| {
            logged.decode(&"t".into(), Some(bytes))
        }),
        Decoder::new("key of a window", near_all(), move |bytes: &[u8]| {
            time.decode(&"t".into(), Some(bytes))
        }),
        Decoder::new("list of texts", near_all(), move |bytes: &[u8]| {
            texts.decode(&"t".into(), Some(bytes))
        }),
        Decoder::new("list of numbers", near_all(), move |bytes: &[u8]| {
            numbers.decode(&"t".into(), Some(bytes))
        }),
        Decoder::new("key of a session", near_all(), move |bytes: &[u8]| {
            session.decode(&"t".into(), Some(bytes))
        }),
    ]
}

/// Text and lists without anything, in the classic encoding and in the flexible one.
fn near_all() -> Vec<Vec<u8>> {
    vec![vec![0; 48], vec![1; 48]]
}

fn read_frames(bytes: &[u8]) {
    let mut buffer = FrameBuffer::new();
    buffer.push(bytes);
    while let Ok(Some(_)) = buffer.next_frame() {}
}

/// Decoders of messages, in each version.
#[derive(Default)]
struct Messages {
    requests: Vec<Decoder>,
    responses: Vec<Decoder>,
}

impl Messages {
    fn with<R: Request + 'static>(mut self) -> Self {
        for number in R::API.versions() {
            let (api, version) = (R::API, R::API.version(*number));
            let request =
                move |bytes: &[u8]| <R as Message>::decode(&mut Reader::new(bytes, version));
            let response = move |bytes: &[u8]| {
                <R::Response as Message>::decode(&mut Reader::new(bytes, version))
            };
            let name = |kind| format!("{kind} {api} {number}");
            self.requests.push(Decoder::new(name("request"), near_all(), request));
            self.responses.push(Decoder::new(name("response"), near_all(), response));
        }
        self
    }

    fn all() -> Self {
        Self::default()
            .with::<ApiVersionsRequest>()
            .with::<MetadataRequest>()
            .with::<FindCoordinatorRequest>()
            .with::<JoinGroupRequest>()
            .with::<SyncGroupRequest>()
            .with::<HeartbeatRequest>()
            .with::<LeaveGroupRequest>()
            .with::<OffsetCommitRequest>()
            .with::<OffsetFetchRequest>()
            .with::<SaslHandshakeRequest>()
            .with::<SaslAuthenticateRequest>()
    }
}

/// Decoders of what brokers answer.
pub(crate) fn responses() -> Vec<Decoder> {
    Messages::all().responses
}

/// All decoders.
pub(crate) fn decoders() -> Vec<Decoder> {
    let Messages { requests, responses } = Messages::all();
    let frames = vec![Decoder::new("frames", near_all(), read_frames)];
    [of_membership(), of_keys(), frames, requests, responses].into_iter().flatten().collect()
}
