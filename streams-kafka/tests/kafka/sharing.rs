//! Several members of one group.

use std::collections::BTreeSet;

use streams_core::names::TaskId;

use crate::support::app::SOON;
use crate::support::flow::{await_all_committed, compare, while_records_flow};
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
