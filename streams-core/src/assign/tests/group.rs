//! Random groups, and what their members become by an assignment.

use proptest::prelude::*;

use super::*;

/// Records in the changelogs of each task with state.
pub(super) const END: i64 = 1_000_000;

pub(super) type Group = BTreeMap<MemberId, Candidate>;
pub(super) type Tasks = BTreeMap<TaskId, TaskState>;

/// A group in which each task has at most one owner; the tasks of every other sub-topology have
/// state.
pub(super) fn group() -> impl Strategy<Value = (Group, Tasks)> {
    let shape = (1_usize..7, 0_u32..4, 1_i32..9);
    shape.prop_flat_map(|(count, subtopologies, partitions)| {
        let state = |sub: u32| match sub % 2 {
            0 => TaskState::Logged { end: Some(END) },
            _ => TaskState::Stateless,
        };
        let tasks: Tasks = (0..subtopologies)
            .flat_map(|sub| (0..partitions).map(move |at| (TaskId::new(sub, at), state(sub))))
            .collect();
        let owners = prop::collection::vec(0..count + 1, tasks.len());
        let lags = prop::collection::vec((0..count, 0_usize..40, 0_u64..30_000), 0..20);
        let workers = prop_oneof![Just(vec![1; count]), prop::collection::vec(1_u16..4, count)];
        (Just(tasks), owners, lags, workers).prop_map(|(tasks, owners, lags, workers)| {
            let numbered = (1_u8..).zip(workers);
            let mut group: Vec<Candidate> = numbered
                .map(|(number, workers)| Candidate { workers, ..candidate(number, "") })
                .collect();
            for (task, owner) in tasks.keys().zip(owners) {
                if let Some(member) = group.get_mut(owner) {
                    member.owned.insert(*task);
                }
            }
            for (member, index, lag) in lags {
                let task = tasks.iter().nth(index).filter(|(_, state)| state.is_logged());
                if let Some((task, _)) = task {
                    group[member].lags.insert(*task, lag);
                    if lag % 2 == 0 && !group[member].owned.contains(task) {
                        group[member].standby.insert(*task);
                    }
                }
            }
            let named = group.into_iter().enumerate();
            (named.map(|(at, one)| (MemberId::from(format!("m{at}")), one)).collect(), tasks)
        })
    })
}

pub(super) fn policy() -> impl Strategy<Value = PlacementPolicy> {
    (0_usize..3, 1_usize..4).prop_map(|(standby_replicas, warmup_replicas_max)| PlacementPolicy {
        standby_replicas,
        acceptable_recovery_lag: 10_000,
        warmup_replicas_max,
    })
}

/// The members do as they were told, and have the time to catch up.
pub(super) fn obey(group: &mut Group, assignment: &Assignment, tasks: &Tasks) {
    for (member, candidate) in group {
        let placement = &assignment.placements[member];
        for task in candidate.owned.union(&candidate.standby) {
            candidate.lags.insert(*task, 0);
        }
        candidate.owned.clone_from(&placement.active);
        candidate.standby.clone_from(&placement.standby);
        for task in placement.active.union(&placement.standby) {
            candidate.lags.insert(*task, 0);
        }
        candidate.lags.retain(|task, _| tasks.get(task).is_some_and(|state| state.is_logged()));
    }
}

/// Rebalances until none is needed any more.
pub(super) fn settle(group: &mut Group, tasks: &Tasks, policy: &PlacementPolicy) -> Assignment {
    // A task moves by being warmed up, released and given out; so does a standby.
    for _ in 0..3 * (tasks.len() * (1 + policy.standby_replicas)) + 4 {
        let assignment = assign(group, tasks, policy);
        let is_settled = !assignment.follow_up_needed() && !assignment.probing_needed();
        obey(group, &assignment, tasks);
        if is_settled {
            return assignment;
        }
    }
    panic!("the group comes to no end");
}
