//! What each of the broker's error codes means for a member.

use crate::membership::wire::{Api, ErrorCode};

/// What to do about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    /// It went well.
    Done,
    /// Ask the same broker again after a wait.
    RetryHere,
    /// Look for the coordinator again.
    FindAgain,
    /// Join again; what is owned stays owned.
    Rejoin,
    /// The generation is over and all tasks are lost; join again with the same id.
    LoseGeneration,
    /// The id is unknown and all tasks are lost; join again without one.
    LoseMember,
    /// Join again with the id that came.
    TakeId,
    /// Members of another kind hold the group; try for a while.
    Mismatch,
    /// There is no way on.
    Fatal,
}

/// The reaction to a code in the answer of an API.
pub(super) const fn react(api: Api, code: ErrorCode) -> Reaction {
    use ErrorCode as E;
    match code {
        E::None => Reaction::Done,
        E::UnknownServerError
        | E::CoordinatorLoadInProgress
        | E::RequestTimedOut
        | E::NetworkException
        | E::NotEnoughReplicas
        | E::NotEnoughReplicasAfterAppend
        | E::ThrottlingQuotaExceeded
        | E::KafkaStorageError
        | E::UnstableOffsetCommit
        | E::LeaderNotAvailable
        | E::UnknownTopicOrPartition => Reaction::RetryHere,
        E::CoordinatorNotAvailable
        | E::NotCoordinator
        | E::BrokerNotAvailable
        | E::NotLeaderOrFollower => match api {
            Api::FindCoordinator | Api::Metadata => Reaction::RetryHere,
            _ => Reaction::FindAgain,
        },
        E::RebalanceInProgress => Reaction::Rejoin,
        E::IllegalGeneration => Reaction::LoseGeneration,
        E::UnknownMemberId | E::GroupIdNotFound => Reaction::LoseMember,
        E::MemberIdRequired => match api {
            Api::JoinGroup => Reaction::TakeId,
            _ => Reaction::LoseMember,
        },
        E::InconsistentGroupProtocol => Reaction::Mismatch,
        _ => Reaction::Fatal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_group_apis_has_its_reaction() {
        use ErrorCode as E;
        use Reaction as R;
        let table = [
            (E::None, R::Done, R::Done),
            (E::CoordinatorLoadInProgress, R::RetryHere, R::RetryHere),
            (E::CoordinatorNotAvailable, R::FindAgain, R::FindAgain),
            (E::NotCoordinator, R::FindAgain, R::FindAgain),
            (E::UnknownMemberId, R::LoseMember, R::LoseMember),
            (E::IllegalGeneration, R::LoseGeneration, R::LoseGeneration),
            (E::RebalanceInProgress, R::Rejoin, R::Rejoin),
            (E::FencedInstanceId, R::Fatal, R::Fatal),
            (E::MemberIdRequired, R::TakeId, R::LoseMember),
            (E::InconsistentGroupProtocol, R::Mismatch, R::Mismatch),
            (E::GroupAuthorizationFailed, R::Fatal, R::Fatal),
            (E::TopicAuthorizationFailed, R::Fatal, R::Fatal),
            (E::InvalidSessionTimeout, R::Fatal, R::Fatal),
            (E::InvalidGroupId, R::Fatal, R::Fatal),
            (E::GroupMaxSizeReached, R::Fatal, R::Fatal),
            (E::UnstableOffsetCommit, R::RetryHere, R::RetryHere),
            (E::OffsetMetadataTooLarge, R::Fatal, R::Fatal),
            (E::InvalidCommitOffsetSize, R::Fatal, R::Fatal),
            (E::UnsupportedVersion, R::Fatal, R::Fatal),
            (E::UnknownServerError, R::RetryHere, R::RetryHere),
            (E::Other(9999), R::Fatal, R::Fatal),
        ];
        for (code, join, other) in table {
            assert_eq!(react(Api::JoinGroup, code), join, "{code}");
            for api in [Api::SyncGroup, Api::Heartbeat, Api::OffsetCommit, Api::OffsetFetch] {
                assert_eq!(react(api, code), other, "{api} {code}");
            }
        }
    }

    #[test]
    fn a_bootstrap_server_that_knows_no_coordinator_is_asked_again() {
        let code = ErrorCode::CoordinatorNotAvailable;
        assert_eq!(react(Api::FindCoordinator, code), Reaction::RetryHere);
    }
}
