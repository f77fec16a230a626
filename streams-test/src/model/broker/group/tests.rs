//! What depends on time, which no broker is asked about; the rest is compared with one.

use std::time::Duration;

use streams_core::membership::wire::join_group::{JoinGroupRequest, JoinProtocol};
use streams_core::membership::wire::sync_group::SyncGroupRequest;
use streams_core::membership::wire::{Encoding, ErrorCode, Version};
use streams_core::membership::{Generation, MemberId, Moment};

use super::{Claim, Group};
use crate::model::broker::ReplyTo;
use crate::model::broker::member::Reply;

const TO: ReplyTo = ReplyTo {
    connection: 1,
    version: Version { number: 5, encoding: Encoding::Classic },
    correlation: 0,
};

fn at(seconds: u64) -> Moment {
    Moment::from_millis(seconds * 1000)
}

fn join(group: &mut Group, member: Option<&str>, seconds: u64) {
    let request = JoinGroupRequest {
        group: "g".into(),
        session_timeout_ms: 6_000,
        rebalance_timeout_ms: 20_000,
        member: member.map(MemberId::from),
        instance: None,
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinProtocol { name: "p".to_owned(), metadata: Vec::new() }],
    };
    group.join(&request, TO, at(seconds));
}

/// Joins with the id that is given out.
fn enter(group: &mut Group, seconds: u64) -> String {
    join(group, None, seconds);
    let mut replies = group.take_replies();
    let Some((_, Reply::Join(answer))) = replies.pop() else { panic!("no id") };
    assert_eq!(answer.error, ErrorCode::MemberIdRequired);
    join(group, Some(&answer.member), seconds);
    answer.member
}

fn sync(group: &mut Group, member: &str, generation: i32, seconds: u64) {
    let request = SyncGroupRequest {
        group: "g".into(),
        generation: Generation(generation),
        member: member.into(),
        instance: None,
        assignments: Vec::new(),
    };
    group.sync(request, TO, at(seconds));
}

/// Codes and generations of what was answered.
fn answers(group: &mut Group) -> Vec<(ErrorCode, i32)> {
    let replies = group.take_replies().into_iter().map(|(_, reply)| match reply {
        Reply::Join(answer) => (answer.error, answer.generation.0),
        Reply::Sync(answer) => (answer.error, 0),
    });
    replies.collect()
}

fn beat(group: &mut Group, member: &str, generation: i32, seconds: u64) -> ErrorCode {
    let (member, generation) = (&member.into(), Generation(generation));
    group.heartbeat(Claim { member, generation, instance: None }, at(seconds))
}

/// A group of one that has its assignment.
fn settled() -> (Group, String) {
    let mut group = Group::new(Duration::ZERO);
    let member = enter(&mut group, 0);
    assert_eq!(answers(&mut group), [(ErrorCode::None, 1)]);
    sync(&mut group, &member, 1, 0);
    assert_eq!(answers(&mut group), [(ErrorCode::None, 0)]);
    (group, member)
}

#[test]
fn an_empty_group_waits_for_more_and_for_longer_when_some_come() {
    let mut group = Group::new(Duration::from_secs(3));
    enter(&mut group, 0);
    group.expire(at(2));
    enter(&mut group, 2);
    group.expire(at(3));
    assert!(answers(&mut group).is_empty());
    group.expire(at(6));
    assert_eq!(answers(&mut group), [(ErrorCode::None, 1); 2]);
}

#[test]
fn an_id_that_was_given_out_holds_up_the_rebalance_until_its_session_is_over() {
    let (mut group, member) = settled();
    join(&mut group, None, 1);
    answers(&mut group);
    join(&mut group, Some(&member), 2);
    group.expire(at(6));
    assert!(answers(&mut group).is_empty());
    group.expire(at(7));
    assert_eq!(answers(&mut group), [(ErrorCode::None, 2)]);
}

#[test]
fn a_member_that_does_not_ask_for_its_assignment_is_out_after_the_rebalance_timeout() {
    let (mut group, member) = settled();
    let other = enter(&mut group, 1);
    join(&mut group, Some(&member), 1);
    assert_eq!(answers(&mut group), [(ErrorCode::None, 2); 2]);
    sync(&mut group, &member, 2, 1);
    for second in 2..21 {
        assert_eq!(beat(&mut group, &member, 2, second), ErrorCode::None);
        assert_eq!(beat(&mut group, &other, 2, second), ErrorCode::None);
        group.expire(at(second));
    }
    group.expire(at(21));
    assert_eq!(beat(&mut group, &other, 2, 21), ErrorCode::UnknownMemberId);
    assert_eq!(beat(&mut group, &member, 2, 21), ErrorCode::RebalanceInProgress);
}

#[test]
fn another_coordinator_knows_the_last_assignment_only() {
    let (mut group, member) = settled();
    let other = enter(&mut group, 1);
    join(&mut group, Some(&member), 1);
    assert_eq!(answers(&mut group), [(ErrorCode::None, 2); 2]);
    sync(&mut group, &other, 2, 1);
    group.move_away(at(5));
    assert_eq!(answers(&mut group), [(ErrorCode::NotCoordinator, 0)]);
    assert_eq!(beat(&mut group, &member, 2, 5), ErrorCode::IllegalGeneration);
    assert_eq!(beat(&mut group, &other, 2, 5), ErrorCode::UnknownMemberId);
    group.expire(at(10));
    assert_eq!(beat(&mut group, &member, 1, 10), ErrorCode::None, "its session began anew");
}
