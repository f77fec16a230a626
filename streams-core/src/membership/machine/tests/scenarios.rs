//! Members in virtual time against a coordinator in the test.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::node::{Life, show, tasks_of};
use super::world::{World, config};
use crate::assign::TaskState;
use crate::membership::wire::{Api, ErrorCode};
use crate::membership::{
    CallRefused, CommittedOffset, Departure, Generation, GroupFault, Moment, OffsetsError,
    TopicName, TopicPartition,
};

pub(super) const ALL: &str = "0_0 0_1 0_2 0_3 1_0 1_1";

pub(super) fn running(world: &World, node: usize) -> String {
    show(&world.nodes[node].running)
}

/// Each task runs in exactly one of these processes, in balance.
pub(super) fn shared(world: &World, nodes: &[usize]) -> bool {
    let counts = nodes.iter().map(|node| world.nodes[*node].running.len());
    let (least, most) = (counts.clone().min().unwrap(), counts.clone().max().unwrap());
    let settled = nodes.iter().all(|node| world.nodes[*node].closing.is_none());
    counts.sum::<usize>() == 6 && most - least <= 1 && settled
}

fn offsets(offset: i64) -> BTreeMap<TopicPartition, CommittedOffset> {
    let metadata = "AgAAAAAAAAAB".to_owned();
    let one = CommittedOffset { offset, leader_epoch: Some(3), metadata };
    [(TopicPartition::new("clicks", 0), one)].into()
}

fn commit(world: &mut World, node: usize, offset: i64) -> Result<(), CallRefused> {
    let now = world.now;
    let node = &mut world.nodes[node];
    let token = node.token.as_ref().unwrap();
    node.member.commit(token, offsets(offset), now).map(|_| ())
}

fn stored(world: &World) -> Option<i64> {
    world.group.offsets.get(&TopicPartition::new("clicks", 0)).map(|stored| stored.offset)
}

pub(super) fn alone() -> World {
    let mut world = World::new();
    world.start("a", 1, config());
    world.run_until(500, |world| running(world, 0) == ALL);
    world
}

pub(super) fn pair() -> World {
    let mut world = alone();
    world.start("b", 2, config());
    world.run_until(5_000, |world| shared(world, &[0, 1]));
    world
}

#[test]
fn the_first_member_leads_and_runs_everything() {
    let world = alone();
    assert_eq!(world.nodes[0].log, ["id member-1", "1: +[0_0 0_1 0_2 0_3 1_0 1_1] -[]"]);
}

#[test]
fn a_second_member_gets_tasks_only_when_the_first_released_them() {
    let world = pair();
    assert_eq!(
        world.nodes[0].log[2..],
        ["2: +[0_0 0_1 1_0] -[0_2 0_3 1_1]", "3: +[0_0 0_1 1_0] -[]"]
    );
    assert_eq!(world.nodes[1].log, ["id member-2", "2: +[] -[]", "3: +[0_2 0_3 1_1] -[]"]);
}

#[test]
fn a_third_member_takes_a_share_and_the_others_keep_theirs() {
    let mut world = pair();
    let before = [running(&world, 0), running(&world, 1)];
    world.start("c", 3, config());
    world.run_until(5_000, |world| shared(world, &[0, 1, 2]));
    for (node, before) in before.iter().enumerate() {
        assert!(world.nodes[node].running.iter().all(|task| before.contains(&task.to_string())));
    }
}

#[test]
fn when_the_leader_leaves_the_other_takes_over() {
    let mut world = pair();
    let now = world.now;
    world.nodes[0].member.leave(Departure::ForGood, now);
    world.run_until(3_000, |world| running(world, 1) == ALL);
    assert_eq!(world.nodes[0].life, Life::Left);
    let token_free = world.nodes[0].token.is_none();
    assert!(token_free && world.nodes[0].member.deadline().is_none());
}

#[test]
fn a_killed_member_is_missed_after_its_session() {
    let mut world = pair();
    world.kill(0);
    world.run_for(9_000);
    assert_ne!(running(&world, 1), ALL);
    world.run_until(4_000, |world| running(world, 1) == ALL);
}

#[test]
fn a_restart_waits_for_no_session() {
    let mut world = pair();
    let dead = world.nodes[0].id.clone().unwrap();
    world.kill(0);
    let node = world.start("a again", 1, config());
    world.nodes[node].member.leave_dead_member(dead);
    world.run_until(2_500, |world| shared(world, &[1, 2]));
    assert_eq!(world.group.member_ids(), ["member-2", "member-3"]);
}

#[test]
fn the_coordinator_moves_and_nothing_is_lost() {
    let mut world = pair();
    let generation = world.group.generation;
    world.move_coordinator(2);
    world.run_for(8_000);
    assert!(shared(&world, &[0, 1]));
    assert_eq!(world.group.generation, generation);
    commit(&mut world, 1, 40).unwrap();
    world.run_for(100);
    assert_eq!(stored(&world), Some(40));
}

#[test]
fn brokers_away_for_a_minute_cost_no_task() {
    let mut world = pair();
    world.down = [1, 2].into();
    world.cut(1);
    world.cut(2);
    // The broker's clock stands still with it.
    let sessions = Moment::from_millis(world.now.as_millis() + 65_000);
    world.group.reload(sessions);
    world.run_for(30_000);
    commit(&mut world, 0, 7).unwrap();
    world.run_for(30_000);
    assert!(world.nodes[0].logged("no heartbeat was answered") >= 1);
    world.down.clear();
    world.run_for(4_000);
    assert!(shared(&world, &[0, 1]));
    assert_eq!(world.nodes[0].commits, [Ok(())]);
    assert_eq!(stored(&world), Some(7));
}

#[test]
fn a_member_that_was_thrown_out_loses_all_and_joins_again() {
    let mut world = pair();
    let id = world.nodes[0].id.clone().unwrap();
    world.zombies.insert(0);
    let now = world.now;
    world.group.kick(id.as_str(), now);
    commit(&mut world, 0, 9).unwrap();
    world.run_until(3_000, |world| world.nodes[0].logged("lost:") == 1);
    assert_eq!(world.nodes[0].commits, [Err(OffsetsError::Fenced)]);
    assert_eq!(stored(&world), None);
    world.zombies.clear();
    world.run_until(10_000, |world| shared(world, &[0, 1]));
    assert_eq!(world.nodes[0].logged("id member-3"), 1);
}

#[test]
fn a_process_that_stood_still_claims_nothing_and_stores_nothing() {
    let mut world = pair();
    world.nodes[0].life = Life::Paused;
    world.zombies.insert(0);
    world.run_until(15_000, |world| running(world, 1) == ALL);
    commit(&mut world, 0, 13).unwrap();
    world.nodes[0].life = Life::Up;
    world.run_until(2_000, |world| world.nodes[0].logged("lost:") == 1);
    world.zombies.clear();
    world.run_until(10_000, |world| shared(world, &[0, 1]));
    assert_eq!(world.nodes[0].commits, [Err(OffsetsError::Fenced)]);
    assert_eq!(stored(&world), None);
    let log = &world.nodes[0].log;
    let lost = log.iter().position(|line| line.starts_with("lost:")).unwrap();
    let next = log[lost..].iter().find(|line| line.contains('+')).unwrap();
    assert!(next.ends_with("+[] -[]"), "{log:?}");
}

#[test]
fn a_token_of_an_older_assignment_is_refused() {
    let mut world = alone();
    let old = world.nodes[0].token.take().unwrap();
    let now = world.now;
    world.nodes[0].member.rejoin(now);
    // None is taken, since the new assignment is not there yet.
    let refused = world.nodes[0].member.commit(&old, offsets(5), now);
    assert_eq!(refused, Err(CallRefused::Rebalancing));
    world.run_until(1_000, |world| world.nodes[0].token.is_some());
    let refused = world.nodes[0].member.commit(&old, offsets(5), world.now);
    assert_eq!(refused, Err(CallRefused::StaleToken));
    assert_eq!(stored(&world), None);
    commit(&mut world, 0, 6).unwrap();
    world.run_for(100);
    assert_eq!(stored(&world), Some(6));
}

#[test]
fn a_commit_that_waits_comes_back_when_the_group_rebalances() {
    let mut world = alone();
    world.faults.push_back((Api::OffsetCommit, ErrorCode::CoordinatorLoadInProgress));
    commit(&mut world, 0, 5).unwrap();
    world.run_for(20);
    let now = world.now;
    world.nodes[0].member.rejoin(now);
    world.run_until(1_000, |world| !world.nodes[0].commits.is_empty());
    assert_eq!(world.nodes[0].commits, [Err(OffsetsError::Rebalancing)]);
    world.run_for(1_000);
    assert_eq!(stored(&world), None);
}

#[test]
fn tasks_that_are_revoked_are_committed_with_the_new_token() {
    let mut world = alone();
    world.start("b", 2, config());
    world.run_until(4_000, |world| world.nodes[0].closing.is_some());
    commit(&mut world, 0, 77).unwrap();
    world.run_until(4_000, |world| shared(world, &[0, 1]));
    assert_eq!(world.nodes[0].commits, [Ok(())]);
    assert_eq!(stored(&world), Some(77));
}

#[test]
fn commits_keep_their_order_when_the_first_is_tried_again() {
    let mut world = alone();
    world.faults.push_back((Api::OffsetCommit, ErrorCode::CoordinatorLoadInProgress));
    world.lost_answers.push_back(Api::OffsetCommit);
    for offset in [1, 2, 3] {
        commit(&mut world, 0, offset).unwrap();
    }
    world.run_for(2_000);
    assert_eq!(world.nodes[0].commits, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(stored(&world), Some(3));
    assert_eq!(world.requests.iter().filter(|api| **api == Api::OffsetCommit).count(), 5);
}

#[test]
fn too_many_commits_are_refused_and_old_ones_time_out() {
    let mut world = alone();
    world.down = [1, 2].into();
    world.cut(1);
    world.cut(2);
    world.run_for(100);
    let refused = (0..2_000).find_map(|offset| commit(&mut world, 0, offset).err());
    assert_eq!(refused, Some(CallRefused::TooManyWaiting { waiting: 1024 }));
    world.run_for(61_000);
    assert_eq!(world.nodes[0].commits.len(), 1024);
    assert!(world.nodes[0].commits.iter().all(|one| *one == Err(OffsetsError::TimedOut)));
}

#[test]
fn positions_under_an_open_transaction_are_waited_for() {
    let mut world = alone();
    commit(&mut world, 0, 12).unwrap();
    world.run_for(50);
    world.group.unstable = true;
    let now = world.now;
    let partitions: BTreeSet<_> = [0, 1].map(|one| TopicPartition::new("clicks", one)).into();
    world.nodes[0].member.fetch_offsets(partitions, now).unwrap();
    world.run_for(3_000);
    assert!(world.nodes[0].fetched.is_empty());
    world.group.unstable = false;
    world.run_for(1_500);
    assert_eq!(world.nodes[0].fetched, ["clicks-0=Some(12) clicks-1=None"]);
}

#[test]
fn members_of_another_kind_are_put_up_with_for_a_minute() {
    let mut world = World::new();
    world.faults = vec![(Api::JoinGroup, ErrorCode::InconsistentGroupProtocol); 500].into();
    world.start("a", 1, config());
    world.run_for(30_000);
    assert!(world.nodes[0].fault.is_none());
    assert!(world.nodes[0].logged("members of another kind") > 20);
    world.run_until(35_000, |world| world.nodes[0].fault.is_some());
    let fault = world.nodes[0].fault.as_ref().unwrap();
    assert!(matches!(fault, GroupFault::ProtocolMismatch { .. }), "{fault}");
}

/// Their sessions begin anew with a coordinator that comes back.
#[test]
fn members_of_another_kind_have_their_minute_when_the_brokers_are_back() {
    let mut world = World::new();
    world.faults = vec![(Api::JoinGroup, ErrorCode::InconsistentGroupProtocol); 2_000].into();
    world.start("a", 1, config());
    world.run_for(5_000);
    world.down = [1, 2].into();
    world.cut(1);
    world.cut(2);
    world.run_for(70_000);
    world.down.clear();
    world.run_for(40_000);
    assert!(world.nodes[0].fault.is_none(), "{}", world.report());
    world.run_until(30_000, |world| world.nodes[0].fault.is_some());
}

#[test]
fn a_broker_without_an_api_is_named() {
    let mut world = World::new();
    world.unspoken = Some(Api::OffsetFetch);
    world.start("a", 1, config());
    world.run_until(1_000, |world| world.nodes[0].fault.is_some());
    assert_eq!(
        world.nodes[0].fault.as_ref().unwrap().to_string(),
        "broker 'b:1' does not speak OffsetFetch version 7 (it speaks versions 0 to 1); use Apache \
         Kafka 2.5 or later"
    );
}

#[test]
fn leaving_does_not_wait_for_a_rebalance() {
    let mut world = alone();
    world.start("b", 2, config());
    world.run_for(100);
    let now = world.now;
    world.nodes[1].member.leave(Departure::ForGood, now);
    world.run_until(500, |world| world.nodes[1].life == Life::Left);
    assert_eq!(world.group.member_ids(), ["member-1"]);
}

#[test]
fn leaving_ends_though_no_broker_answers() {
    let mut world = alone();
    world.down = [1, 2].into();
    world.cut(1);
    world.cut(2);
    world.run_for(50);
    let now = world.now;
    world.nodes[0].member.leave(Departure::ForGood, now);
    world.run_until(5_000, |world| world.nodes[0].life == Life::Left);
}

#[test]
fn a_leader_whose_owner_is_slow_keeps_its_session() {
    let mut world = World::new();
    world.start("a", 1, config());
    world.nodes[0].provides = false;
    world.run_for(60_000);
    assert_eq!(world.nodes[0].log, ["id member-1", "leads"]);
    assert_eq!(world.group.member_ids(), ["member-1"]);
}

#[test]
fn new_partitions_are_seen_by_the_leader() {
    let mut world = alone();
    world.partitions.insert("orders", 3);
    world.run_until(301_000, |world| world.nodes[0].running.len() == 7);
}

#[test]
fn a_missing_topic_is_looked_for_soon() {
    let mut world = World::new();
    let orders = world.partitions.remove("orders").unwrap();
    world.start("a", 1, config());
    world.run_until(500, |world| world.nodes[0].running.len() == 4);
    world.partitions.insert("orders", orders);
    world.run_until(6_000, |world| world.nodes[0].running.len() == 6);
}

#[test]
fn topics_that_the_leader_makes_are_no_change() {
    let mut world = World::new();
    let orders = world.partitions.remove("orders").unwrap();
    world.start("a", 1, config());
    world.nodes[0].provides = false;
    world.run_until(500, |world| world.nodes[0].logged("leads") == 1);
    world.partitions.insert("orders", orders);
    let topics: [TopicName; 2] = ["clicks".into(), "orders".into()];
    let tasks = tasks_of(topics.iter().zip([4, 2]), TaskState::Stateless);
    let (generation, now) = (Generation(world.group.generation), world.now);
    world.nodes[0].member.provide_tasks(generation, &tasks, now).unwrap();
    world.run_for(20_000);
    assert_eq!((running(&world, 0), world.group.generation), (ALL.to_owned(), generation.0));
}

#[test]
fn what_is_released_while_joining_is_handed_out_without_delay() {
    let mut world = alone();
    world.nodes[0].closing_ms = 1_000_000;
    world.start("b", 2, config());
    world.run_until(4_000, |world| world.nodes[0].closing.is_some());
    // Both are called to a rebalance; the second comes only after the first has closed its tasks.
    let now = world.now;
    world.nodes[0].member.rejoin(now);
    world.run_for(20);
    let (at, _) = world.nodes[0].closing.as_mut().unwrap();
    *at = world.now;
    world.run_until(1_500, |world| shared(world, &[0, 1]));
}

#[test]
fn an_owner_that_never_releases_is_not_robbed() {
    let mut world = alone();
    world.nodes[0].closing_ms = 1_000_000;
    world.start("b", 2, config());
    world.run_for(60_000);
    assert_eq!(running(&world, 0), ALL);
    assert_eq!(running(&world, 1), "");
    // Others keep asking, but no more often than the delay allows.
    assert!(world.group.generation < 12, "{}", world.group.generation);
    let (at, _) = world.nodes[0].closing.as_mut().unwrap();
    *at = world.now;
    world.run_until(1_000, |world| shared(world, &[0, 1]));
}

#[test]
fn a_rebalance_waits_a_little_for_tasks_that_are_being_released() {
    for (closing_ms, rebalances) in [(700, 2), (5_000, 3)] {
        let mut world = pair();
        let before = world.group.generation;
        world.nodes[1].closing_ms = closing_ms;
        world.start("c", 3, config());
        world.run_until(12_000, |world| shared(world, &[0, 1, 2]));
        assert_eq!(world.group.generation - before, rebalances, "{closing_ms} ms");
    }
}

#[test]
fn a_broken_answer_closes_the_connection() {
    let mut world = alone();
    let connections: Vec<_> = world.nodes[0].sockets.keys().copied().collect();
    let now = world.now;
    for connection in connections {
        world.nodes[0].member.on_bytes(connection, &[255; 8], now);
    }
    world.run_for(3_000);
    assert_eq!(world.nodes[0].logged("outside the limit"), 2);
    assert_eq!(running(&world, 0), ALL);
}

#[test]
fn a_rebalance_costs_little_time() {
    let mut settings = config();
    settings.heartbeat_interval = Duration::from_millis(2_000);
    let mut world = World::new();
    world.start("a", 1, settings.clone());
    world.run_until(500, |world| running(world, 0) == ALL);
    world.start("b", 2, settings);
    // One heartbeat to learn of it; the follow-up is learnt of at once by the one that releases.
    world.run_until(2_500, |world| shared(world, &[0, 1]));
}

#[test]
fn a_rebalance_that_is_asked_for_during_another_follows_it() {
    let mut world = pair();
    let joins = |world: &World| world.requests.iter().filter(|api| **api == Api::JoinGroup).count();
    let (before, now) = (joins(&world), world.now);
    world.nodes[0].member.rejoin(now);
    world.run_until(100, |world| joins(world) > before);
    let now = world.now;
    world.nodes[0].member.rejoin(now);
    assert!(world.nodes[0].member.wants_to_rejoin());
    world.run_until(10_000, |world| !world.nodes[0].member.wants_to_rejoin());
    world.run_until(10_000, |world| shared(world, &[0, 1]));
}
