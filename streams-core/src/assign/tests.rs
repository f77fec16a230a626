//! Balance, stickiness and moves of the assignor.

use proptest::prelude::*;

use super::*;

fn id(text: &str) -> TaskId {
    let (subtopology, partition) = text.split_once('_').unwrap();
    TaskId::new(subtopology.parse().unwrap(), partition.parse().unwrap())
}

fn ids(text: &str) -> BTreeSet<TaskId> {
    text.split_whitespace().map(id).collect()
}

fn candidate(number: u8, owned: &str) -> Candidate {
    let process = ProcessId([number; 16]);
    Candidate { process, workers: 1, owned: ids(owned), lags: BTreeMap::new() }
}

fn members<const N: usize>(list: [(&str, Candidate); N]) -> BTreeMap<MemberId, Candidate> {
    list.into_iter().map(|(name, candidate)| (MemberId::from(name), candidate)).collect()
}

fn active(assignment: &Assignment, member: &str) -> String {
    let tasks = &assignment.placements[&MemberId::from(member)].active;
    tasks.iter().map(TaskId::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_member_alone_gets_everything() {
    let assignment = assign(&members([("a", candidate(1, ""))]), &ids("0_0 0_1 1_0"));
    assert_eq!(active(&assignment, "a"), "0_0 0_1 1_0");
    assert!(!assignment.follow_up_needed());
}

#[test]
fn nobody_gets_nothing() {
    assert_eq!(assign(&BTreeMap::new(), &ids("0_0")), Assignment::default());
}

#[test]
fn fresh_members_share_each_subtopology() {
    let fresh = members([("a", candidate(1, "")), ("b", candidate(2, ""))]);
    let assignment = assign(&fresh, &ids("0_0 0_1 0_2 0_3 1_0 1_1"));
    assert_eq!(active(&assignment, "a"), "0_0 0_2 1_0");
    assert_eq!(active(&assignment, "b"), "0_1 0_3 1_1");
}

#[test]
fn a_task_that_moves_is_withheld_until_its_owner_released_it() {
    let mut group = members([("a", candidate(1, "0_0 0_1 0_2 0_3")), ("b", candidate(2, ""))]);
    let tasks = ids("0_0 0_1 0_2 0_3");
    let first = assign(&group, &tasks);
    assert_eq!(active(&first, "a"), "0_0 0_1");
    assert_eq!(active(&first, "b"), "");
    assert_eq!(first.withheld.keys().copied().collect::<BTreeSet<_>>(), ids("0_2 0_3"));
    group.get_mut(&MemberId::from("a")).unwrap().owned = ids("0_0 0_1");
    let second = assign(&group, &tasks);
    assert_eq!(active(&second, "a"), "0_0 0_1");
    assert_eq!(active(&second, "b"), "0_2 0_3");
    assert!(!second.follow_up_needed());
}

#[test]
fn a_task_that_two_claim_is_given_to_neither() {
    let group = members([("a", candidate(1, "0_0")), ("b", candidate(2, "0_0"))]);
    let assignment = assign(&group, &ids("0_0"));
    assert_eq!(active(&assignment, "a"), "");
    assert_eq!(active(&assignment, "b"), "");
    assert!(assignment.follow_up_needed());
}

#[test]
fn a_task_without_owner_goes_to_the_least_lag() {
    let mut group = members([("a", candidate(1, "")), ("b", candidate(2, ""))]);
    group.get_mut(&MemberId::from("a")).unwrap().lags = [(id("0_1"), 900), (id("0_0"), 50)].into();
    group.get_mut(&MemberId::from("b")).unwrap().lags = [(id("0_0"), 10)].into();
    let assignment = assign(&group, &ids("0_0 0_1"));
    assert_eq!(active(&assignment, "a"), "0_1");
    assert_eq!(active(&assignment, "b"), "0_0");
}

#[test]
fn workers_weigh() {
    let mut group = members([("a", candidate(1, "")), ("b", candidate(2, ""))]);
    group.get_mut(&MemberId::from("a")).unwrap().workers = 3;
    let assignment = assign(&group, &ids("0_0 0_1 0_2 0_3 0_4 0_5 0_6 0_7"));
    assert_eq!(assignment.placements[&MemberId::from("a")].active.len(), 6);
}

#[test]
fn tasks_that_are_gone_are_dropped() {
    let assignment = assign(&members([("a", candidate(1, "7_7 0_0"))]), &ids("0_0"));
    assert_eq!(active(&assignment, "a"), "0_0");
    assert!(!assignment.follow_up_needed());
}

/// A group in which each task has at most one owner.
fn group() -> impl Strategy<Value = (BTreeMap<MemberId, Candidate>, BTreeSet<TaskId>)> {
    let shape = (1_usize..7, 0_u32..4, 1_i32..9);
    shape.prop_flat_map(|(count, subtopologies, partitions)| {
        let tasks: BTreeSet<TaskId> = (0..subtopologies)
            .flat_map(|sub| (0..partitions).map(move |partition| TaskId::new(sub, partition)))
            .collect();
        let owners = prop::collection::vec(0..count + 1, tasks.len());
        let lags = prop::collection::vec((0..count, 0_usize..40, 0_u64..1000), 0..20);
        let workers = prop::collection::vec(1_u16..4, count);
        (Just(tasks), owners, lags, workers).prop_map(|(tasks, owners, lags, workers)| {
            let mut group: Vec<Candidate> = (1_u8..)
                .zip(workers)
                .map(|(n, w)| Candidate { workers: w, ..candidate(n, "") })
                .collect();
            for (task, owner) in tasks.iter().zip(owners) {
                if let Some(member) = group.get_mut(owner) {
                    member.owned.insert(*task);
                }
            }
            for (member, index, lag) in lags {
                if let Some(task) = tasks.iter().nth(index) {
                    group[member].lags.insert(*task, lag);
                }
            }
            let named = group.into_iter().enumerate();
            (named.map(|(n, c)| (MemberId::from(format!("m{n}")), c)).collect(), tasks)
        })
    })
}

fn release(group: &mut BTreeMap<MemberId, Candidate>, assignment: &Assignment) {
    for (member, candidate) in group {
        candidate.owned.clone_from(&assignment.placements[member].active);
    }
}

proptest! {
    #[test]
    fn nothing_is_given_twice_or_while_owned_elsewhere((group, tasks) in group()) {
        let assignment = assign(&group, &tasks);
        let mut seen = BTreeSet::new();
        for (member, placement) in &assignment.placements {
            for task in &placement.active {
                prop_assert!(seen.insert(*task));
                prop_assert!(tasks.contains(task));
                prop_assert!(group.iter().all(|(m, c)| m == member || !c.owned.contains(task)));
            }
        }
        seen.extend(assignment.withheld.keys());
        prop_assert_eq!(seen, tasks);
    }

    #[test]
    fn one_follow_up_hands_out_everything_in_balance((mut group, tasks) in group()) {
        let first = assign(&group, &tasks);
        release(&mut group, &first);
        let second = assign(&group, &tasks);
        prop_assert!(!second.follow_up_needed());
        let workers: usize = group.values().map(|c| usize::from(c.workers)).sum();
        let mut count = 0;
        for (member, placement) in &second.placements {
            let scaled = tasks.len() * usize::from(group[member].workers);
            let given = placement.active.len();
            count += given;
            prop_assert!((scaled / workers..=scaled.div_ceil(workers)).contains(&given));
        }
        prop_assert_eq!(count, tasks.len());
        release(&mut group, &second);
        prop_assert_eq!(assign(&group, &tasks), second);
    }

    #[test]
    fn what_runs_stays_up_to_the_quota((group, tasks) in group()) {
        let assignment = assign(&group, &tasks);
        let workers: usize = group.values().map(|c| usize::from(c.workers)).sum();
        for (member, candidate) in &group {
            let share = tasks.len() * usize::from(candidate.workers) / workers;
            let kept = assignment.placements[member].active.intersection(&candidate.owned).count();
            prop_assert!(kept >= candidate.owned.len().min(share));
        }
    }

    #[test]
    fn member_ids_do_not_matter((group, tasks) in group()) {
        let renamed: BTreeMap<MemberId, Candidate> =
            group.values().rev().enumerate().map(|(n, c)| (MemberId::from(format!("x{n}")), c.clone())).collect();
        let by_process = |group: &BTreeMap<MemberId, Candidate>, assignment: Assignment| {
            let placements = assignment.placements.into_iter();
            placements.map(|(m, p)| (group[&m].process, p)).collect::<BTreeMap<_, _>>()
        };
        let before = by_process(&group, assign(&group, &tasks));
        prop_assert_eq!(before, by_process(&renamed, assign(&renamed, &tasks)));
    }
}
