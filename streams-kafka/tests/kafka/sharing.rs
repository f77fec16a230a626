//! Several members of one group.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use streams_core::names::TaskId;

use crate::crashes::{await_all_committed, compare, while_records_flow};
use crate::support::app::SOON;
use crate::support::child;
use crate::support::fold::{Difference, Numbering};
use crate::support::{App, Place, holds_within};

/// The tasks that an instance had at its last commit.
fn tasks(app: &App) -> BTreeSet<TaskId> {
    let workers = app.streams.metrics().workers;
    workers.iter().flat_map(|worker| worker.lags.keys().copied()).collect()
}

#[test]
fn two_instances_share_the_tasks_and_one_takes_over() {
    let place = Place::new("share", 4);
    let mut numbering = Numbering::new(100, 4);
    let mut survivor = None;
    while_records_flow(&place, &mut numbering, 2000, || {
        let first = place.start_in("first", place.tally());
        first.await_running();
        holds_within("the first has all tasks", SOON, || tasks(&first).len() == 4);
        let second = place.start_in("second", place.tally());
        let shared = holds_within("both have two tasks", SOON, || {
            let (first, second) = (tasks(&first), tasks(&second));
            first.len() == 2 && second.len() == 2 && first.is_disjoint(&second)
        });
        assert_eq!(place.cluster.members(&place.application), 2);
        first.close();
        let taken = holds_within("the second has all tasks", SOON, || tasks(&second).len() == 4);
        println!("shared after {shared:?}, taken over after {taken:?}");
        survivor = Some(second);
    });
    await_all_committed(&place, SOON);
    survivor.unwrap().close();
    assert_eq!(compare(&place, &numbering), Difference::default());
}

const SHORT_SESSION: [(&str, &str); 2] =
    [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "1000")];

#[test]
fn the_tasks_of_a_dead_process_go_to_another() {
    let place = Place::new("dead", 4);
    let mut numbering = Numbering::new(100, 4);
    let mut survivor = None;
    while_records_flow(&place, &mut numbering, 1000, || {
        let first = child::start(&place, &place.state("first"), &SHORT_SESSION);
        first.await_running();
        let second = child::start(&place, &place.state("second"), &SHORT_SESSION);
        second.await_running();
        holds_within("both work", SOON, || first.progress().1 > 2 && second.progress().1 > 2);
        first.kill();
        let ends = place.cluster.ends(&place.input);
        let taken = holds_within("all partitions go on", SOON, || {
            let committed = place.cluster.committed(&place.application, &place.input);
            committed
                .iter()
                .zip(&ends)
                .all(|(committed, end)| committed.as_ref().is_some_and(|(offset, _)| offset > end))
        });
        println!("taken over {taken:?} after the death, with a session of 6 s");
        survivor = Some(second);
    });
    await_all_committed(&place, SOON);
    survivor.unwrap().close();
    let found = compare(&place, &numbering);
    assert_eq!((found.lost, found.disordered, found.low), (0, 0, 0), "{found:?}");
    assert_eq!((found.foreign, found.split), (0, 0), "{found:?}");
}

#[test]
fn a_standby_takes_over_from_a_dead_process_without_a_restoration() {
    let place = Place::new("standby", 4);
    let mut numbering = Numbering::new(100, 4);
    let settings = [SHORT_SESSION[0], SHORT_SESSION[1], ("num.standby.replicas", "1")];
    let mut survivor = None;
    while_records_flow(&place, &mut numbering, 1000, || {
        let first = child::start(&place, &place.state("first"), &settings);
        first.await_running();
        let second = child::start(&place, &place.state("second"), &settings);
        second.await_running();
        holds_within("both work", SOON, || first.progress().1 > 2 && second.progress().1 > 2);
        let before = second.restored().len();
        first.kill();
        let taken =
            holds_within("the other has all tasks", SOON, || second.restored().len() >= before + 2);
        println!("taken over {taken:?} after the death, with a session of 6 s");
        for (start, next, records) in &second.restored()[before..] {
            assert!(*start > 0 && *records < 100, "{records} records up to {next} were restored");
        }
        survivor = Some(second);
    });
    await_all_committed(&place, SOON);
    survivor.unwrap().close();
    let found = compare(&place, &numbering);
    assert_eq!((found.lost, found.disordered, found.low), (0, 0, 0), "{found:?}");
}

fn signal(process: &child::Process, signal: &str) {
    let sent = Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_process_that_was_suspended_does_not_commit_for_its_successor() {
    let place = Place::new("zombie", 2);
    let mut numbering = Numbering::new(50, 2);
    let mut both = None;
    while_records_flow(&place, &mut numbering, 1000, || {
        let first = child::start(&place, &place.state("first"), &SHORT_SESSION);
        first.await_running();
        let second = child::start(&place, &place.state("second"), &SHORT_SESSION);
        second.await_running();
        holds_within("both work", SOON, || first.progress().1 > 2 && second.progress().1 > 2);
        signal(&first, "-STOP");
        let alone = || place.cluster.members(&place.application) == 1;
        holds_within("the suspended one is expelled", SOON, alone);
        let before = second.progress().0;
        holds_within("the other goes on", SOON, || second.progress().0 > before + 1000);
        signal(&first, "-CONT");
        let again = || place.cluster.members(&place.application) == 2;
        let back = holds_within("the suspended one is back", SOON, again);
        println!("back in the group after {back:?}");
        let before = first.progress().0;
        holds_within("it works again", SOON, || first.progress().0 > before + 500);
        both = Some((first, second));
    });
    await_all_committed(&place, Duration::from_secs(40));
    let (first, second) = both.unwrap();
    first.close();
    second.close();
    let found = compare(&place, &numbering);
    println!("{} records, {found:?}", numbering.given());
    assert_eq!((found.lost, found.foreign), (0, 0), "{found:?}");
}
