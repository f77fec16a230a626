//! Balance, stickiness, moves, warm-ups and standbys of the assignor.

mod cases;
mod group;
mod properties;

use super::*;

fn id(text: &str) -> TaskId {
    let (subtopology, partition) = text.split_once('_').unwrap();
    TaskId::new(subtopology.parse().unwrap(), partition.parse().unwrap())
}

fn ids(text: &str) -> BTreeSet<TaskId> {
    text.split_whitespace().map(id).collect()
}

fn stateless(text: &str) -> BTreeMap<TaskId, TaskState> {
    ids(text).into_iter().map(|task| (task, TaskState::Stateless)).collect()
}

/// Tasks whose changelogs have a million records.
fn logged(text: &str) -> BTreeMap<TaskId, TaskState> {
    let state = TaskState::Logged { end: Some(1_000_000) };
    ids(text).into_iter().map(|task| (task, state)).collect()
}

fn candidate(number: u8, owned: &str) -> Candidate {
    Candidate {
        process: ProcessId([number; 16]),
        workers: 1,
        owned: ids(owned),
        standby: BTreeSet::new(),
        lags: BTreeMap::new(),
    }
}

fn members<const N: usize>(list: [(&str, Candidate); N]) -> BTreeMap<MemberId, Candidate> {
    list.into_iter().map(|(name, candidate)| (MemberId::from(name), candidate)).collect()
}

fn show(tasks: &BTreeSet<TaskId>) -> String {
    tasks.iter().map(TaskId::to_string).collect::<Vec<_>>().join(" ")
}

fn active(assignment: &Assignment, member: &str) -> String {
    show(&assignment.placements[&MemberId::from(member)].active)
}

fn standby(assignment: &Assignment, member: &str) -> String {
    show(&assignment.placements[&MemberId::from(member)].standby)
}
