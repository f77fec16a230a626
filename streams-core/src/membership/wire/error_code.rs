//! The broker's error codes.

use std::fmt;

macro_rules! error_codes {
    ($($code:literal $variant:ident $name:literal)*) => {
        /// An error code of Kafka's protocol; it prints under the broker's own name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = concat!("`", $name, "`, ", stringify!($code), ".")] $variant,)*
            /// A code that has no name here.
            Other(i16),
        }

        impl ErrorCode {
            /// All codes that have a name.
            pub const NAMED: &'static [Self] = &[$(Self::$variant),*];

            /// The code's number.
            #[must_use]
            pub const fn number(self) -> i16 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other(number) => number,
                }
            }
        }

        impl From<i16> for ErrorCode {
            fn from(number: i16) -> Self {
                match number {
                    $($code => Self::$variant,)*
                    other => Self::Other(other),
                }
            }
        }

        impl fmt::Display for ErrorCode {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => out.write_str($name),)*
                    Self::Other(number) => write!(out, "error {number}"),
                }
            }
        }
    };
}

error_codes! {
    -1 UnknownServerError "UNKNOWN_SERVER_ERROR"
    0 None "NONE"
    1 OffsetOutOfRange "OFFSET_OUT_OF_RANGE"
    2 CorruptMessage "CORRUPT_MESSAGE"
    3 UnknownTopicOrPartition "UNKNOWN_TOPIC_OR_PARTITION"
    5 LeaderNotAvailable "LEADER_NOT_AVAILABLE"
    6 NotLeaderOrFollower "NOT_LEADER_OR_FOLLOWER"
    7 RequestTimedOut "REQUEST_TIMED_OUT"
    8 BrokerNotAvailable "BROKER_NOT_AVAILABLE"
    9 ReplicaNotAvailable "REPLICA_NOT_AVAILABLE"
    10 MessageTooLarge "MESSAGE_TOO_LARGE"
    12 OffsetMetadataTooLarge "OFFSET_METADATA_TOO_LARGE"
    13 NetworkException "NETWORK_EXCEPTION"
    14 CoordinatorLoadInProgress "COORDINATOR_LOAD_IN_PROGRESS"
    15 CoordinatorNotAvailable "COORDINATOR_NOT_AVAILABLE"
    16 NotCoordinator "NOT_COORDINATOR"
    17 InvalidTopicException "INVALID_TOPIC_EXCEPTION"
    18 RecordListTooLarge "RECORD_LIST_TOO_LARGE"
    19 NotEnoughReplicas "NOT_ENOUGH_REPLICAS"
    20 NotEnoughReplicasAfterAppend "NOT_ENOUGH_REPLICAS_AFTER_APPEND"
    22 IllegalGeneration "ILLEGAL_GENERATION"
    23 InconsistentGroupProtocol "INCONSISTENT_GROUP_PROTOCOL"
    24 InvalidGroupId "INVALID_GROUP_ID"
    25 UnknownMemberId "UNKNOWN_MEMBER_ID"
    26 InvalidSessionTimeout "INVALID_SESSION_TIMEOUT"
    27 RebalanceInProgress "REBALANCE_IN_PROGRESS"
    28 InvalidCommitOffsetSize "INVALID_COMMIT_OFFSET_SIZE"
    29 TopicAuthorizationFailed "TOPIC_AUTHORIZATION_FAILED"
    30 GroupAuthorizationFailed "GROUP_AUTHORIZATION_FAILED"
    31 ClusterAuthorizationFailed "CLUSTER_AUTHORIZATION_FAILED"
    33 UnsupportedSaslMechanism "UNSUPPORTED_SASL_MECHANISM"
    34 IllegalSaslState "ILLEGAL_SASL_STATE"
    35 UnsupportedVersion "UNSUPPORTED_VERSION"
    42 InvalidRequest "INVALID_REQUEST"
    54 SecurityDisabled "SECURITY_DISABLED"
    56 KafkaStorageError "KAFKA_STORAGE_ERROR"
    58 SaslAuthenticationFailed "SASL_AUTHENTICATION_FAILED"
    69 GroupIdNotFound "GROUP_ID_NOT_FOUND"
    72 ListenerNotFound "LISTENER_NOT_FOUND"
    79 MemberIdRequired "MEMBER_ID_REQUIRED"
    81 GroupMaxSizeReached "GROUP_MAX_SIZE_REACHED"
    82 FencedInstanceId "FENCED_INSTANCE_ID"
    88 UnstableOffsetCommit "UNSTABLE_OFFSET_COMMIT"
    89 ThrottlingQuotaExceeded "THROTTLING_QUOTA_EXCEEDED"
    100 UnknownTopicId "UNKNOWN_TOPIC_ID"
    110 FencedMemberEpoch "FENCED_MEMBER_EPOCH"
    113 StaleMemberEpoch "STALE_MEMBER_EPOCH"
    129 RebootstrapRequired "REBOOTSTRAP_REQUIRED"
}
