//! Each error code of each API, met once or thrice, by a member that is otherwise well.

use super::world::{World, config};
use crate::membership::wire::{Api, ErrorCode};

/// What a member is in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It runs its tasks and never lost them.
    Kept,
    /// It runs its tasks, having lost them once.
    LostOnce,
    /// It failed for good.
    Failed,
}

fn end(api: Api, code: ErrorCode, times: usize) -> End {
    let mut world = World::new();
    world.start("a", 1, config());
    world.run_until(500, |world| world.nodes[0].running.len() == 6);
    for _ in 0..times {
        world.faults.push_back((api, code));
    }
    let now = world.now;
    let node = &mut world.nodes[0];
    match api {
        Api::JoinGroup | Api::SyncGroup => node.member.rejoin(now),
        Api::OffsetCommit => {
            let token = node.token.as_ref().unwrap();
            let one = crate::membership::CommittedOffset {
                offset: 1,
                leader_epoch: None,
                metadata: String::new(),
            };
            let place = crate::membership::TopicPartition::new("clicks", 0);
            let _ = node.member.commit(token, [(place, one)].into(), now).unwrap();
        }
        Api::OffsetFetch => {
            let place = crate::membership::TopicPartition::new("clicks", 0);
            let _ = node.member.fetch_offsets([place].into(), now).unwrap();
        }
        Api::FindCoordinator => world.cut(1),
        _ => {}
    }
    world.run_for(60_000);
    assert!(world.faults.is_empty() || world.nodes[0].fault.is_some(), "{api} {code} not met");
    let node = &world.nodes[0];
    let lost = node.logged("lost:");
    match (&node.fault, node.running.len(), lost) {
        (Some(_), 0, _) => End::Failed,
        (None, 6, 0) => End::Kept,
        (None, 6, _) => End::LostOnce,
        other => panic!("{api} {code}: {other:?} {}", world.report()),
    }
}

#[test]
fn each_code_has_its_end() {
    use End::{Failed, Kept, LostOnce};
    use ErrorCode as E;
    let table = [
        (E::CoordinatorLoadInProgress, [Kept, Kept, Kept]),
        (E::CoordinatorNotAvailable, [Kept, Kept, Kept]),
        (E::NotCoordinator, [Kept, Kept, Kept]),
        (E::RebalanceInProgress, [Kept, Kept, Kept]),
        (E::UnknownServerError, [Kept, Kept, Kept]),
        (E::RequestTimedOut, [Kept, Kept, Kept]),
        (E::InconsistentGroupProtocol, [Kept, Kept, Kept]),
        (E::IllegalGeneration, [LostOnce, LostOnce, LostOnce]),
        (E::UnknownMemberId, [LostOnce, LostOnce, LostOnce]),
        (E::FencedInstanceId, [Failed, Failed, Failed]),
        (E::GroupAuthorizationFailed, [Failed, Failed, Failed]),
        (E::InvalidSessionTimeout, [Failed, Failed, Failed]),
        (E::InvalidGroupId, [Failed, Failed, Failed]),
        (E::GroupMaxSizeReached, [Failed, Failed, Failed]),
        (E::UnsupportedVersion, [Failed, Failed, Failed]),
        (E::Other(4711), [Failed, Failed, Failed]),
    ];
    for (code, ends) in table {
        for (api, expected) in [Api::JoinGroup, Api::SyncGroup, Api::Heartbeat].iter().zip(ends) {
            assert_eq!(end(*api, code, 1), expected, "{api} {code}");
            assert_eq!(end(*api, code, 3), expected, "{api} {code} three times");
        }
    }
}

#[test]
fn a_promised_member_id_is_taken_up() {
    assert_eq!(end(Api::JoinGroup, ErrorCode::MemberIdRequired, 1), End::Kept);
}

#[test]
fn commits_and_fetches_have_their_ends() {
    use End::{Failed, Kept, LostOnce};
    use ErrorCode as E;
    let table = [
        (E::CoordinatorLoadInProgress, Kept, Kept),
        (E::NotCoordinator, Kept, Kept),
        (E::CoordinatorNotAvailable, Kept, Kept),
        (E::UnstableOffsetCommit, Kept, Kept),
        (E::UnknownTopicOrPartition, Kept, Kept),
        (E::RebalanceInProgress, Kept, Kept),
        (E::OffsetMetadataTooLarge, Kept, Kept),
        (E::UnknownMemberId, LostOnce, Kept),
        (E::IllegalGeneration, LostOnce, Kept),
        (E::FencedInstanceId, Failed, Kept),
        (E::GroupAuthorizationFailed, Kept, Failed),
    ];
    for (code, commit, fetch) in table {
        if !matches!(code, E::RebalanceInProgress) {
            assert_eq!(end_fetch(code), fetch, "{code}");
        }
        assert_eq!(end(Api::OffsetCommit, code, 1), commit, "{code}");
    }
}

fn end_fetch(code: ErrorCode) -> End {
    end(Api::OffsetFetch, code, 1)
}

#[test]
fn a_coordinator_that_is_hard_to_find_is_found() {
    for code in [ErrorCode::CoordinatorNotAvailable, ErrorCode::UnknownServerError] {
        assert_eq!(end(Api::FindCoordinator, code, 3), End::Kept);
    }
    assert_eq!(end(Api::FindCoordinator, ErrorCode::GroupAuthorizationFailed, 1), End::Failed);
}
