//! Single cases, worked out by hand.

use super::*;

fn at_once(
    members: &BTreeMap<MemberId, Candidate>,
    tasks: &BTreeMap<TaskId, TaskState>,
) -> Assignment {
    assign(members, tasks, &PlacementPolicy::AT_ONCE)
}

#[test]
fn a_member_alone_gets_everything() {
    let assignment = at_once(&members([("a", candidate(1, ""))]), &stateless("0_0 0_1 1_0"));
    assert_eq!(active(&assignment, "a"), "0_0 0_1 1_0");
    assert!(!assignment.follow_up_needed());
}

#[test]
fn nobody_gets_nothing() {
    assert_eq!(at_once(&BTreeMap::new(), &stateless("0_0")), Assignment::default());
}

#[test]
fn fresh_members_share_each_subtopology() {
    let fresh = members([("a", candidate(1, "")), ("b", candidate(2, ""))]);
    let assignment = at_once(&fresh, &stateless("0_0 0_1 0_2 0_3 1_0 1_1"));
    assert_eq!(active(&assignment, "a"), "0_0 0_2 1_0");
    assert_eq!(active(&assignment, "b"), "0_1 0_3 1_1");
}

#[test]
fn a_task_that_moves_is_withheld_until_its_owner_released_it() {
    let mut group = members([("a", candidate(1, "0_0 0_1 0_2 0_3")), ("b", candidate(2, ""))]);
    let tasks = stateless("0_0 0_1 0_2 0_3");
    let first = at_once(&group, &tasks);
    assert_eq!(active(&first, "a"), "0_0 0_1");
    assert_eq!(active(&first, "b"), "");
    assert_eq!(first.withheld.keys().copied().collect::<BTreeSet<_>>(), ids("0_2 0_3"));
    group.get_mut(&MemberId::from("a")).unwrap().owned = ids("0_0 0_1");
    let second = at_once(&group, &tasks);
    assert_eq!(active(&second, "a"), "0_0 0_1");
    assert_eq!(active(&second, "b"), "0_2 0_3");
    assert!(!second.follow_up_needed());
}

#[test]
fn a_task_that_two_claim_is_given_to_neither() {
    let group = members([("a", candidate(1, "0_0")), ("b", candidate(2, "0_0"))]);
    let assignment = at_once(&group, &stateless("0_0"));
    assert_eq!(active(&assignment, "a"), "");
    assert_eq!(active(&assignment, "b"), "");
    assert!(assignment.follow_up_needed());
}

#[test]
fn a_task_without_owner_goes_to_the_least_lag() {
    let mut group = members([("a", candidate(1, "")), ("b", candidate(2, ""))]);
    group.get_mut(&MemberId::from("a")).unwrap().lags = [(id("0_1"), 900), (id("0_0"), 50)].into();
    group.get_mut(&MemberId::from("b")).unwrap().lags = [(id("0_0"), 10)].into();
    let assignment = at_once(&group, &logged("0_0 0_1"));
    assert_eq!(active(&assignment, "a"), "0_1");
    assert_eq!(active(&assignment, "b"), "0_0");
}

#[test]
fn workers_weigh() {
    let mut group = members([("a", candidate(1, "")), ("b", candidate(2, ""))]);
    group.get_mut(&MemberId::from("a")).unwrap().workers = 3;
    let assignment = at_once(&group, &stateless("0_0 0_1 0_2 0_3 0_4 0_5 0_6 0_7"));
    assert_eq!(assignment.placements[&MemberId::from("a")].active.len(), 6);
}

#[test]
fn tasks_that_are_gone_are_dropped() {
    let assignment = at_once(&members([("a", candidate(1, "7_7 0_0"))]), &stateless("0_0"));
    assert_eq!(active(&assignment, "a"), "0_0");
    assert!(!assignment.follow_up_needed());
}

#[test]
fn tasks_with_state_are_shared_among_themselves() {
    let fresh = members([("a", candidate(1, "")), ("b", candidate(2, ""))]);
    let mut tasks = logged("0_0 0_1");
    tasks.extend(stateless("1_0 1_1"));
    let assignment = at_once(&fresh, &tasks);
    assert_eq!(active(&assignment, "a"), "0_0 1_0");
    assert_eq!(active(&assignment, "b"), "0_1 1_1");
}

#[test]
fn a_task_moves_when_its_copy_has_caught_up() {
    let policy = PlacementPolicy { warmup_replicas_max: 1, ..PlacementPolicy::default() };
    let tasks = logged("0_0 0_1 0_2 0_3");
    let (a, b) = (MemberId::from("a"), MemberId::from("b"));
    let mut group = members([("a", candidate(1, "0_0 0_1 0_2 0_3")), ("b", candidate(2, ""))]);
    let first = assign(&group, &tasks, &policy);
    assert_eq!(active(&first, "a"), "0_0 0_1 0_2 0_3");
    assert_eq!((active(&first, "b"), standby(&first, "b")), (String::new(), "0_2".to_owned()));
    assert!(first.probing_needed() && !first.follow_up_needed());
    group.get_mut(&b).unwrap().standby = ids("0_2");
    group.get_mut(&b).unwrap().lags = [(id("0_2"), 10_001)].into();
    assert_eq!(assign(&group, &tasks, &policy), first);
    group.get_mut(&b).unwrap().lags = [(id("0_2"), 10_000)].into();
    let second = assign(&group, &tasks, &policy);
    assert_eq!(active(&second, "a"), "0_0 0_1 0_3");
    assert_eq!(second.withheld, [(id("0_2"), b.clone())].into());
    assert_eq!(standby(&second, "b"), "0_2 0_3");
    group.get_mut(&a).unwrap().owned = ids("0_0 0_1 0_3");
    let third = assign(&group, &tasks, &policy);
    assert_eq!(active(&third, "b"), "0_2");
    assert!(third.probing_needed());
}

#[test]
fn a_task_with_a_small_changelog_moves_at_once() {
    let group = members([("a", candidate(1, "0_0 0_1")), ("b", candidate(2, ""))]);
    let small = TaskState::Logged { end: Some(9_000) };
    let tasks = [(id("0_0"), small), (id("0_1"), small)].into();
    let assignment = assign(&group, &tasks, &PlacementPolicy::default());
    assert_eq!(assignment.withheld.len(), 1);
    assert!(!assignment.probing_needed());
}

#[test]
fn standbys_are_on_other_members_and_shared() {
    let policy = PlacementPolicy { standby_replicas: 1, ..PlacementPolicy::default() };
    let fresh =
        members([("a", candidate(1, "")), ("b", candidate(2, "")), ("c", candidate(3, ""))]);
    let mut tasks = logged("0_0 0_1 0_2");
    tasks.extend(stateless("1_0"));
    let assignment = assign(&fresh, &tasks, &policy);
    assert_eq!(active(&assignment, "a"), "0_0 1_0");
    assert_eq!(standby(&assignment, "a"), "0_2");
    assert_eq!((active(&assignment, "b"), standby(&assignment, "b")), ("0_1".into(), "0_0".into()));
    assert_eq!(standby(&assignment, "c"), "0_1");
}

#[test]
fn a_killed_member_is_replaced_by_its_standbys() {
    let policy = PlacementPolicy { standby_replicas: 1, ..PlacementPolicy::default() };
    let mut group = members([("b", candidate(2, "0_1")), ("c", candidate(3, "0_2"))]);
    let b = group.get_mut(&MemberId::from("b")).unwrap();
    (b.standby, b.lags) = (ids("0_0"), [(id("0_0"), 12)].into());
    let assignment = assign(&group, &logged("0_0 0_1 0_2"), &policy);
    assert_eq!(active(&assignment, "b"), "0_0 0_1");
    assert!(!assignment.probing_needed());
    // What cannot have a copy that has caught up gets a fresh one.
    assert_eq!(standby(&assignment, "b"), "0_2");
    assert_eq!(standby(&assignment, "c"), "0_0 0_1");
}

#[test]
fn a_task_that_is_still_restored_goes_to_a_copy_that_has_caught_up() {
    let mut group = members([("a", candidate(1, "0_0")), ("b", candidate(2, ""))]);
    group.get_mut(&MemberId::from("a")).unwrap().lags = [(id("0_0"), 500_000)].into();
    let b = group.get_mut(&MemberId::from("b")).unwrap();
    (b.standby, b.lags) = (ids("0_0"), [(id("0_0"), 3)].into());
    let assignment = assign(&group, &logged("0_0"), &PlacementPolicy::default());
    assert_eq!(assignment.withheld, [(id("0_0"), MemberId::from("b"))].into());
}
