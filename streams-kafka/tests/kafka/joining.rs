//! A process joins others that have much state: how long tasks that stay and tasks that move pause.

use std::collections::BTreeMap;
use std::time::Duration;

use streams_core::names::TaskId;

use crate::support::app::SOON;
use crate::support::fleet::Fleet;
use crate::support::flow::{self, await_all_committed, compare, while_records_flow};
use crate::support::fold::{Difference, Numbering};
use crate::support::shape::Shape;
use crate::support::wait::let_live;
use crate::support::watch::clock;
use crate::support::{Given, Place};

const PARTITIONS: i32 = 60;
/// Each task gets a record every 20 ms.
const RECORDS_A_SECOND: usize = 3000;
/// Keys of a task; `scripts/soak` says how many.
const KEYS: u64 = 200;
/// Copies of a task's state are made before it moves: for as long as that takes.
const MOVED_MAX: Duration = Duration::from_secs(300);
/// On a machine that does much else.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How long it is watched what a busy machine does to the pauses without any change.
const BEFORE: Duration = Duration::from_secs(3);
/// All copies are made at once.
const SETTINGS: [(&str, &str); 2] =
    [("max.warmup.replicas", "20"), ("probing.rebalance.interval.ms", "60000")];

#[test]
fn tasks_that_stay_hardly_pause_when_a_process_joins() {
    let keys = flow::setting("MILLSTREAM_KEYS", KEYS);
    let place = Place::new("joining", PARTITIONS);
    let partitions = PARTITIONS.unsigned_abs() as usize;
    let all_keys = partitions * usize::try_from(keys).unwrap();
    let mut numbering = Numbering::new(all_keys, PARTITIONS);
    let mut fleet = Fleet::new(&place, Shape::InMemory, 3).with(&SETTINGS);
    fleet.start(0);
    fleet.start(1);
    fleet.await_shared(partitions, SOON);
    let one_each: Vec<Given> = (0..all_keys).map(|_| numbering.next()).collect();
    place.cluster.write(&place.input, &one_each);
    await_all_committed(&place, MOVED_MAX);
    let [mut flowing, mut since, mut took] = [Duration::ZERO; 3];
    while_records_flow(&place, &mut numbering, RECORDS_A_SECOND, || {
        // Tasks that rested until records flowed have gone on.
        let_live(BEFORE);
        flowing = clock();
        let_live(BEFORE);
        since = clock();
        fleet.start(2);
        took = fleet.await_shared(partitions, MOVED_MAX);
        fleet.await_flowing(partitions);
    });
    await_all_committed(&place, MOVED_MAX);
    fleet.close_all();

    let owners = fleet.owners();
    let moved = owners.moved(since);
    let (moving, staying): (BTreeMap<TaskId, Duration>, BTreeMap<TaskId, Duration>) =
        owners.pauses(since..Duration::MAX).into_iter().partition(|(task, _)| moved.contains(task));
    let longest =
        |pauses: &BTreeMap<TaskId, Duration>| pauses.values().max().copied().unwrap_or_default();
    let (stayed_max, moved_max) = (longest(&staying), longest(&moving));
    let before_max = longest(&owners.pauses(flowing..since));
    println!(
        "{keys} keys a task: shared in {took:?}; {} tasks stayed and paused at most {stayed_max:?}, \
         {} moved and paused at most {moved_max:?}; in {BEFORE:?} without a change it was \
         {before_max:?}",
        staying.len(),
        moving.len(),
    );
    assert!(owners.doubled().is_empty(), "{:?}", owners.doubled());
    assert_eq!((staying.len(), moving.len()), (40, 20));
    assert!(stayed_max < PAUSE_MAX && moved_max < PAUSE_MAX, "{stayed_max:?}, {moved_max:?}");
    assert_eq!(compare(&place, &numbering), Difference::default());
}
