//! What holds of any group.

use proptest::prelude::*;

use super::group::{Group, Tasks, group, obey, policy, settle};
use super::*;

fn logged_of(placed: &BTreeSet<TaskId>, tasks: &Tasks) -> usize {
    placed.iter().filter(|task| tasks[*task].is_logged()).count()
}

fn share(count: usize, group: &Group, member: &MemberId) -> (usize, usize) {
    let workers: usize = group.values().map(|one| usize::from(one.workers)).sum();
    let scaled = count * usize::from(group[member].workers);
    (scaled / workers, scaled.div_ceil(workers))
}

fn is_even(group: &Group) -> bool {
    let mut workers = group.values().map(|one| one.workers);
    let first = workers.next();
    workers.all(|one| Some(one) == first)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn nothing_is_given_twice_or_while_owned_elsewhere(
        (group, tasks) in group(), policy in policy(),
    ) {
        let assignment = assign(&group, &tasks, &policy);
        let mut seen = BTreeSet::new();
        for (member, placement) in &assignment.placements {
            for task in &placement.active {
                prop_assert!(seen.insert(*task));
                prop_assert!(tasks.contains_key(task));
                prop_assert!(group.iter().all(|(m, c)| m == member || !c.owned.contains(task)));
            }
        }
        seen.extend(assignment.withheld.keys());
        prop_assert_eq!(seen, tasks.keys().copied().collect::<BTreeSet<_>>());
    }

    #[test]
    fn a_group_settles_in_balance_and_stays((mut group, tasks) in group(), policy in policy()) {
        let settled = settle(&mut group, &tasks, &policy);
        let with_state = tasks.values().filter(|state| state.is_logged()).count();
        // Two balances at once can be one task apart where workers differ.
        let slack = usize::from(!is_even(&group));
        for (member, placement) in &settled.placements {
            let (least, most) = share(with_state, &group, member);
            let count = logged_of(&placement.active, &tasks);
            prop_assert!((least..=most).contains(&count), "{} of {}", count, with_state);
            let (least, most) = share(tasks.len(), &group, member);
            let count = placement.active.len();
            prop_assert!((least.saturating_sub(slack)..=most + slack).contains(&count));
        }
        // Standbys may yet come nearer to their shares.
        let again = assign(&group, &tasks, &policy);
        prop_assert!(again.withheld.is_empty());
        for (member, placement) in &again.placements {
            prop_assert_eq!(&placement.active, &settled.placements[member].active);
        }
    }

    #[test]
    fn each_state_has_its_standbys((mut group, tasks) in group(), policy in policy()) {
        let settled = settle(&mut group, &tasks, &policy);
        let replicas = policy.standby_replicas.min(group.len() - 1);
        for (task, state) in &tasks {
            let wanted = if state.is_logged() { replicas } else { 0 };
            let placements = settled.placements.values();
            prop_assert_eq!(placements.filter(|one| one.standby.contains(task)).count(), wanted);
        }
        for placement in settled.placements.values() {
            prop_assert!(placement.active.is_disjoint(&placement.standby));
        }
        if is_even(&group) {
            let counts = || settled.placements.values().map(|one| one.standby.len());
            let (least, most) = (counts().min().unwrap(), counts().max().unwrap());
            prop_assert!(most - least <= 2, "{} to {}", least, most);
        }
    }

    #[test]
    fn a_task_runs_where_its_state_is((group, tasks) in group(), policy in policy()) {
        let assignment = assign(&group, &tasks, &policy);
        let caught_up = |member: &Candidate, task: &TaskId| match member.lags.get(task) {
            Some(lag) => *lag <= policy.acceptable_recovery_lag,
            None => member.owned.contains(task),
        };
        let given = assignment.placements.iter();
        let given = given.flat_map(|(m, p)| p.active.iter().map(move |task| (m, task)));
        let withheld = assignment.withheld.iter().map(|(task, member)| (member, task));
        for (member, task) in given.chain(withheld).filter(|(_, task)| tasks[*task].is_logged()) {
            let any = group.values().any(|one| caught_up(one, task));
            prop_assert!(!any || caught_up(&group[member], task));
        }
    }

    #[test]
    fn few_copies_are_warmed_up((group, tasks) in group(), policy in policy()) {
        let assignment = assign(&group, &tasks, &policy);
        let with_state = tasks.values().filter(|state| state.is_logged()).count();
        let standbys = with_state * policy.standby_replicas.min(group.len() - 1);
        let placed: usize = assignment.placements.values().map(|one| one.standby.len()).sum();
        let mut waiting = 0;
        for (task, member) in &assignment.withheld {
            if tasks[task].is_logged() {
                waiting += 1;
                prop_assert!(assignment.placements[member].standby.contains(task));
            }
        }
        let placed = placed - waiting;
        prop_assert!((standbys..=standbys + policy.warmup_replicas_max).contains(&placed));
    }

    #[test]
    fn no_more_moves_than_balance_needs((mut group, tasks) in group()) {
        for member in group.values_mut() {
            member.lags.clear();
            member.standby.clear();
        }
        let assignment = assign(&group, &tasks, &PlacementPolicy::AT_ONCE);
        let with_state = tasks.values().filter(|state| state.is_logged()).count();
        for (member, candidate) in &group {
            let kept = assignment.placements[member].active.intersection(&candidate.owned);
            let kept: BTreeSet<TaskId> = kept.copied().collect();
            let logged = logged_of(&candidate.owned, &tasks);
            let (least, _) = share(with_state, &group, member);
            prop_assert!(logged_of(&kept, &tasks) >= logged.min(least));
            if logged == 0 || logged == candidate.owned.len() {
                let (least, _) = share(tasks.len(), &group, member);
                let at_least = candidate.owned.len().min(least.saturating_sub(with_state));
                prop_assert!(kept.len() >= at_least);
            }
        }
    }

    #[test]
    fn a_join_moves_no_state_but_to_the_newcomer(
        (mut group, tasks) in group(), policy in policy(),
    ) {
        settle(&mut group, &tasks, &policy);
        let before = group.clone();
        group.insert(MemberId::from("new"), candidate(200, ""));
        settle(&mut group, &tasks, &policy);
        let logged = |owned: &BTreeSet<TaskId>| -> BTreeSet<TaskId> {
            owned.iter().copied().filter(|task| tasks[task].is_logged()).collect()
        };
        let left = |(member, one): (&MemberId, &Candidate)| -> Vec<TaskId> {
            let (before, after) = (logged(&one.owned), logged(&group[member].owned));
            before.difference(&after).copied().collect()
        };
        let moved: BTreeSet<TaskId> = before.iter().flat_map(left).collect();
        if is_even(&group) {
            prop_assert_eq!(moved, logged(&group[&MemberId::from("new")].owned));
        }
    }

    #[test]
    fn after_a_kill_each_state_is_taken_over_where_it_is(
        (mut group, tasks) in group(), warmups in 1_usize..4,
    ) {
        let policy = PlacementPolicy {
            standby_replicas: 1,
            acceptable_recovery_lag: 10_000,
            warmup_replicas_max: warmups,
        };
        settle(&mut group, &tasks, &policy);
        let Some((_, dead)) = group.pop_first().filter(|_| !group.is_empty()) else {
            return Ok(());
        };
        let assignment = assign(&group, &tasks, &policy);
        for task in dead.owned.iter().filter(|task| tasks[*task].is_logged()) {
            let owner = assignment.placements.iter().find(|(_, one)| one.active.contains(task));
            let lag = owner.and_then(|(member, _)| group[member].lags.get(task));
            prop_assert!(lag.is_some_and(|lag| *lag <= policy.acceptable_recovery_lag));
        }
        obey(&mut group, &assignment, &tasks);
        settle(&mut group, &tasks, &policy);
    }

    #[test]
    fn member_ids_do_not_matter((group, tasks) in group(), policy in policy()) {
        let again = group.values().rev().enumerate();
        let renamed: Group =
            again.map(|(at, one)| (MemberId::from(format!("x{at}")), one.clone())).collect();
        let by_process = |group: &Group, assignment: Assignment| {
            let placements = assignment.placements.into_iter();
            placements.map(|(m, p)| (group[&m].process, p)).collect::<BTreeMap<_, _>>()
        };
        let before = by_process(&group, assign(&group, &tasks, &policy));
        prop_assert_eq!(before, by_process(&renamed, assign(&renamed, &tasks, &policy)));
    }
}
