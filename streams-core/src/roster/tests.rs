//! Tasks on their ways between roles.

use std::collections::BTreeMap;

use super::*;
use crate::membership::StatePosition;
use crate::worker::HeldPhase;

fn id(partition: i32) -> TaskId {
    TaskId::new(0, partition)
}

fn ids(partitions: &[i32]) -> BTreeSet<TaskId> {
    partitions.iter().map(|at| id(*at)).collect()
}

fn to_start(tasks: &BTreeMap<TaskId, Role>) -> Vec<TaskToStart> {
    let start = |task: &TaskId| TaskToStart {
        task: *task,
        inputs: Vec::new(),
        changelog_ends: BTreeMap::new(),
        changelogs: BTreeMap::new(),
    };
    tasks.keys().map(start).collect()
}

/// All that the roster wants, in words; look-ups are remembered.
fn wants(roster: &mut Roster, asked: &mut Vec<(Round, Vec<TaskToStart>)>) -> String {
    let mut words = Vec::new();
    let tasks =
        |tasks: &[TaskId]| tasks.iter().map(TaskId::to_string).collect::<Vec<_>>().join(",");
    let starts =
        |starts: &[TaskToStart]| tasks(&starts.iter().map(|one| one.task).collect::<Vec<_>>());
    while let Some(action) = roster.poll() {
        words.push(match action {
            RosterAction::Prepare { round, tasks } => {
                asked.push((round, to_start(&tasks)));
                format!("prepare {:?}", tasks.values().collect::<Vec<_>>())
            }
            RosterAction::Release(task) => format!("release {task}"),
            RosterAction::Tell { worker, command } => match command {
                Command::Start(list) => format!("{worker}: start {}", starts(&list)),
                Command::StandBy(list) => format!("{worker}: stand by {}", starts(&list)),
                Command::Demote(list) => format!("{worker}: demote {}", tasks(&list)),
                Command::Release(list) => format!("{worker}: release {}", tasks(&list)),
                Command::Lose(list) => format!("{worker}: lose {}", tasks(&list)),
                other => format!("{worker}: {other:?}"),
            },
        });
    }
    words.join("; ")
}

fn with(active: &[i32], standby: &[i32]) -> (Roster, Vec<(Round, Vec<TaskToStart>)>) {
    let mut roster = Roster::new(2, BTreeMap::new());
    let mut asked = Vec::new();
    roster.adopt(&ids(active), &ids(standby));
    wants(&mut roster, &mut asked);
    for (round, tasks) in asked.drain(..) {
        roster.prepared(round, tasks);
    }
    wants(&mut roster, &mut asked);
    for task in active {
        roster.running(id(*task));
    }
    (roster, asked)
}

#[test]
fn tasks_are_spread_over_the_workers_by_role() {
    let mut roster = Roster::new(2, BTreeMap::new());
    let mut asked = Vec::new();
    roster.adopt(&ids(&[0, 1]), &ids(&[2, 3]));
    assert_eq!(wants(&mut roster, &mut asked), "prepare [Active, Active, Standby, Standby]");
    let (round, tasks) = asked.pop().unwrap();
    roster.prepared(round, tasks);
    assert_eq!(
        wants(&mut roster, &mut asked),
        "0: start 0_0; 0: stand by 0_2; 1: start 0_1; 1: stand by 0_3"
    );
    assert_eq!(roster.progress(), Progress::Underway);
    roster.running(id(0));
    roster.running(id(1));
    assert_eq!(roster.progress(), Progress::AllRun);
}

#[test]
fn a_task_keeps_its_worker_through_both_roles() {
    let (mut roster, mut asked) = with(&[0, 1], &[]);
    roster.adopt(&ids(&[0]), &ids(&[1]));
    assert_eq!(wants(&mut roster, &mut asked), "1: demote 0_1");
    roster.demoted(id(1));
    assert_eq!(wants(&mut roster, &mut asked), "release 0_1");
    roster.adopt(&ids(&[0, 1]), &ids(&[]));
    assert_eq!(wants(&mut roster, &mut asked), "prepare [Active]");
    let (round, tasks) = asked.pop().unwrap();
    roster.prepared(round, tasks);
    assert_eq!(wants(&mut roster, &mut asked), "1: start 0_1");
}

#[test]
fn a_task_that_is_wanted_back_while_it_leaves_comes_back() {
    let (mut roster, mut asked) = with(&[0], &[]);
    roster.adopt(&ids(&[]), &ids(&[0]));
    assert_eq!(wants(&mut roster, &mut asked), "0: demote 0_0");
    roster.adopt(&ids(&[0]), &ids(&[]));
    assert_eq!(wants(&mut roster, &mut asked), "");
    roster.demoted(id(0));
    assert_eq!(wants(&mut roster, &mut asked), "release 0_0; prepare [Active]");
    roster.adopt(&ids(&[]), &ids(&[]));
    assert_eq!(wants(&mut roster, &mut asked), "0: release 0_0");
    roster.adopt(&ids(&[0]), &ids(&[]));
    assert_eq!(wants(&mut roster, &mut asked), "");
    roster.closed(id(0));
    assert_eq!(wants(&mut roster, &mut asked), "release 0_0; prepare [Active]");
}

#[test]
fn what_was_looked_up_before_a_task_was_away_is_not_used() {
    let mut roster = Roster::new(1, BTreeMap::new());
    let mut asked = Vec::new();
    roster.adopt(&ids(&[0]), &ids(&[]));
    assert_eq!(wants(&mut roster, &mut asked), "prepare [Active]");
    roster.adopt(&ids(&[]), &ids(&[]));
    assert_eq!(wants(&mut roster, &mut asked), "release 0_0");
    roster.adopt(&ids(&[0]), &ids(&[]));
    assert_eq!(wants(&mut roster, &mut asked), "prepare [Active]");
    let (late, in_time) = (asked.remove(0), asked.remove(0));
    roster.prepared(late.0, late.1);
    assert_eq!(wants(&mut roster, &mut asked), "");
    roster.prepared(in_time.0, in_time.1);
    assert_eq!(wants(&mut roster, &mut asked), "0: start 0_0");
}

/// A standby with inputs of before would be another task by the time it runs.
#[test]
fn tasks_that_have_other_inputs_are_opened_again_in_either_role() {
    let (mut roster, mut asked) = with(&[0, 1], &[2]);
    roster.reopen(&ids(&[0, 2, 3]));
    assert_eq!(wants(&mut roster, &mut asked), "0: release 0_0,0_2");
    roster.reopen(&ids(&[0, 2, 3]));
    assert_eq!(wants(&mut roster, &mut asked), "");
    roster.closed(id(2));
    assert_eq!(wants(&mut roster, &mut asked), "release 0_2; prepare [Standby]");
    roster.closed(id(0));
    assert_eq!(wants(&mut roster, &mut asked), "release 0_0; prepare [Active]");
    let [standby, active] = <[_; 2]>::try_from(asked).unwrap();
    roster.prepared(standby.0, standby.1);
    roster.prepared(active.0, active.1);
    assert_eq!(wants(&mut roster, &mut Vec::new()), "0: stand by 0_2; 0: start 0_0");
}

#[test]
fn a_loss_keeps_standbys_and_waits_for_workers() {
    let (mut roster, mut asked) = with(&[0], &[1]);
    roster.lose_all();
    assert_eq!(wants(&mut roster, &mut asked), "0: lose 0_0");
    roster.adopt(&ids(&[0, 1]), &ids(&[]));
    assert_eq!(wants(&mut roster, &mut asked), "prepare [Active]");
    roster.closed(id(0));
    assert_eq!(wants(&mut roster, &mut asked), "release 0_0; prepare [Active]");
}

#[test]
fn states_are_told_by_what_the_task_does() {
    let (mut roster, _) = with(&[0], &[1]);
    let held = |at, phase| HeldState { task: id(at), phase, position: 50, on_disk: 40 };
    roster.holds(held(0, HeldPhase::Running));
    roster.holds(held(1, HeldPhase::Standby));
    let news = roster.news().unwrap();
    let up_to = StatePosition::UpTo;
    assert_eq!(news.positions, [(id(0), StatePosition::Running), (id(1), up_to(50))].into());
    assert_eq!(news.standby, ids(&[1]));
    assert_eq!(news.on_disk, [(id(0), 40), (id(1), 40)].into());
    assert_eq!(roster.news(), None);
    roster.lose_all();
    assert_eq!(roster.news().unwrap().positions[&id(0)], up_to(40));
}

#[test]
fn a_process_that_steps_down_waits_for_those_that_can_still_commit() {
    let (mut roster, mut asked) = with(&[0, 1, 2], &[3]);
    roster.step_down();
    assert_eq!(wants(&mut roster, &mut asked), "0: release 0_0,0_2; 1: release 0_1");
    let late = BTreeSet::from([0]);
    assert_eq!(roster.progress_without(&late), Progress::Underway);
    roster.closed(id(1));
    assert_eq!(roster.progress_without(&late), Progress::AllRun, "the late worker's do not count");
    assert_eq!(roster.progress(), Progress::Underway);
    // It came back in time after all.
    [id(0), id(2)].into_iter().for_each(|task| roster.closed(task));
    assert_eq!(roster.progress(), Progress::AllRun);
}

/// What the roster looked up is prepared, and what workers close is closed, until nothing is left.
fn settle(roster: &mut Roster) -> Vec<String> {
    let mut words = Vec::new();
    loop {
        let mut asked = Vec::new();
        let (mut closing, mut starting) = (Vec::new(), Vec::new());
        let mut any = false;
        while let Some(action) = roster.poll() {
            any = true;
            match action {
                RosterAction::Prepare { round, tasks } => asked.push((round, to_start(&tasks))),
                RosterAction::Tell { worker, command: Command::Release(tasks) } => {
                    words.push(format!("{worker} closes {}", tasks.len()));
                    closing.extend(tasks);
                }
                RosterAction::Tell { worker, command: Command::Start(tasks) } => {
                    words.push(format!("{worker} starts {}", tasks.len()));
                    starting.extend(tasks);
                }
                _ => {}
            }
        }
        asked.into_iter().for_each(|(round, tasks)| roster.prepared(round, tasks));
        starting.into_iter().for_each(|one| roster.running(one.task));
        closing.into_iter().for_each(|task| roster.closed(task));
        if !any {
            return words;
        }
    }
}

#[test]
fn tasks_that_stay_are_shared_anew_among_more_workers() {
    let (mut roster, _) = with(&[0, 1, 2, 3], &[]);
    roster.add_worker(2);
    assert!(settle(&mut roster).is_empty(), "until the group has shared, all stay");
    roster.adopt(&ids(&[0, 1, 2, 3]), &ids(&[]));
    assert_eq!(settle(&mut roster), ["1 closes 1", "2 starts 1"]);
    roster.adopt(&ids(&[0, 1, 2, 3]), &ids(&[]));
    assert!(settle(&mut roster).is_empty(), "they are even");
    assert_eq!(roster.progress(), Progress::AllRun);
}

#[test]
fn a_worker_that_is_removed_hands_over_at_once() {
    let (mut roster, mut asked) = with(&[0, 1, 2], &[3]);
    roster.remove_worker(0);
    assert_eq!(wants(&mut roster, &mut asked), "0: Shutdown");
    assert_eq!((roster.worker_count(), roster.progress()), (1, Progress::Underway));
    roster.closed(id(0));
    assert_eq!(wants(&mut roster, &mut asked), "release 0_0; prepare [Active]");
    let (round, tasks) = asked.pop().unwrap();
    roster.prepared(round, tasks);
    assert_eq!(wants(&mut roster, &mut asked), "1: start 0_0");
    roster.remove_worker(0);
    assert_eq!(wants(&mut roster, &mut asked), "", "it was told already");
}

#[test]
fn without_workers_there_are_no_tasks() {
    let (mut roster, mut asked) = with(&[0], &[1]);
    roster.adopt(&ids(&[0, 2]), &ids(&[1]));
    assert_eq!(wants(&mut roster, &mut asked), "prepare [Active]");
    roster.remove_worker(0);
    roster.remove_worker(1);
    assert_eq!(wants(&mut roster, &mut asked), "0: Shutdown; 1: Shutdown");
    let (round, tasks) = asked.pop().unwrap();
    roster.prepared(round, tasks);
    roster.closed(id(0));
    roster.closed(id(1));
    assert_eq!(wants(&mut roster, &mut asked), "release 0_0; release 0_1");
    assert_eq!(roster.progress(), Progress::AllRun);
    roster.add_worker(0);
    roster.adopt(&ids(&[0]), &ids(&[]));
    assert_eq!(wants(&mut roster, &mut asked), "prepare [Active]");
}
