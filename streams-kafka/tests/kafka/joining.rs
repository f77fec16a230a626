//! A process joins others that have much state: how long tasks that stay and tasks that move pause,
//! and how long those of Kafka Streams do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use streams_core::names::TaskId;

use crate::support::Place;
use crate::support::app::COUNTS;
use crate::support::bystander::Bystander;
use crate::support::child::{Library, classpath};
use crate::support::fleet::Fleet;
use crate::support::flow::{self, await_all_committed, compare_many, while_records_flow};
use crate::support::fold::{Difference, Numbering};
use crate::support::shape::Shape;
use crate::support::wait::let_live;
use crate::support::watch::clock;

const PARTITIONS: i32 = 60;
/// Each task gets a record every 20 ms.
const RECORDS_A_SECOND: usize = 3000;
/// Keys of a task; `scripts/soak` says how many.
const KEYS: u64 = 200;
/// Copies of a task's state are made before it moves: for as long as that takes.
const MOVED_MAX: Duration = Duration::from_secs(600);
/// On a machine that does much else.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// What the long form holds tasks to.
const LONG_STAYED_MAX: Duration = Duration::from_millis(100);
const LONG_MOVED_MAX: Duration = Duration::from_secs(1);
/// How long it is watched what a busy machine does to the pauses without any change.
const BEFORE: Duration = Duration::from_secs(3);
/// By then tasks that rested until records flowed have gone on, and all their rows are in their stores.
const LONG_SETTLED: Duration = Duration::from_secs(15);
/// All copies are made at once. Anything else but the commits is as by default, and both libraries have
/// the same.
const SETTINGS: [(&str, &str); 2] =
    [("max.warmup.replicas", "20"), ("probing.rebalance.interval.ms", "60000")];
/// None falls into the time that is watched, since a commit stops tasks whether or not anything
/// changes.
const LONG_COMMIT_INTERVAL: (&str, &str) = ("commit.interval.ms", "120000");

/// The longest pauses of tasks.
#[derive(Debug, Clone, Copy)]
struct Pauses {
    stayed: Duration,
    moved: Duration,
}

impl Pauses {
    fn of(pauses: &BTreeMap<TaskId, Duration>, moved: &BTreeSet<TaskId>) -> Self {
        let longest = |moves: bool| {
            let ones = pauses.iter().filter(|(task, _)| moved.contains(task) == moves);
            ones.map(|(_, pause)| *pause).max().unwrap_or_default()
        };
        Self { stayed: longest(false), moved: longest(true) }
    }
}

/// What a join did to the tasks.
#[derive(Debug)]
struct Join {
    library: Library,
    /// Until all processes had equally many.
    shared: Duration,
    staying: usize,
    moving: usize,
    /// The longest pauses, of tasks that stay and of those that move.
    whole: Pauses,
    /// Beyond what a consumer that does nothing else waited for the same records.
    own: Pauses,
    /// The longest pause before anything changed, and that beyond such a consumer's.
    before: [Duration; 2],
    /// Tasks that two processes had at a time.
    doubled: usize,
    difference: Difference,
}

/// A row of the table that it prints.
impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| format!("{} ms", time.as_millis());
        let cells = [
            format!("{:?}", self.library),
            millis(self.before[0]),
            millis(self.before[1]),
            format!("{} tasks {}", self.staying, millis(self.whole.stayed)),
            millis(self.own.stayed),
            format!("{} tasks {}", self.moving, millis(self.whole.moved)),
            millis(self.own.moved),
            format!("{} s", self.shared.as_secs()),
        ];
        write_row(f, &cells.each_ref().map(String::as_str))
    }
}

const HEADINGS: [&str; 8] = [
    "longest pause of",
    "no change",
    "its own",
    "staying",
    "its own",
    "moving",
    "its own",
    "shared after",
];

fn write_row(f: &mut fmt::Formatter<'_>, cells: &[&str; 8]) -> fmt::Result {
    let [name, cells @ ..] = cells;
    write!(f, "{name:<18}")?;
    cells.iter().try_for_each(|cell| write!(f, "{cell:>20}"))
}

/// The names of its columns.
struct Headings;

impl fmt::Display for Headings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_row(f, &HEADINGS)
    }
}

/// Lets a third process join two that run all tasks while records flow.
fn join(library: Library, keys: u64) -> Join {
    let place = Place::new("joining", PARTITIONS);
    let partitions = PARTITIONS.unsigned_abs() as usize;
    let all_keys = partitions * usize::try_from(keys).unwrap();
    let mut numbering = Numbering::new(all_keys, PARTITIONS);
    let mut fleet = Fleet::new(&place, Shape::InMemory, 3).on(library).with(&SETTINGS);
    if flow::is_long() {
        fleet = fleet.with(&[LONG_COMMIT_INTERVAL]);
    }
    fleet.start(0);
    fleet.start(1);
    fleet.await_shared(partitions, MOVED_MAX);
    let mut writer = place.cluster.writer();
    (0..all_keys).for_each(|_| writer.write(&place.input, &numbering.next()));
    drop(writer.finish());
    await_all_committed(&place, MOVED_MAX);
    if flow::is_long() {
        // A broker that has run for a while has compiled what reading a changelog takes.
        place.cluster.each(&place.changelog(COUNTS), drop);
    }
    let [mut flowing, mut since, mut shared] = [Duration::ZERO; 3];
    let ((), bystander) = Bystander::beside(&place, || {
        while_records_flow(&place, &mut numbering, RECORDS_A_SECOND, || {
            let_live(flow::bar(LONG_SETTLED, BEFORE));
            flowing = clock();
            let_live(BEFORE);
            since = clock();
            fleet.start(2);
            shared = fleet.await_shared(partitions, MOVED_MAX);
            fleet.await_flowing(partitions);
        });
    });
    await_all_committed(&place, MOVED_MAX);
    fleet.close_all();

    let owners = fleet.owners();
    let moved = owners.moved(since);
    let whole = owners.pauses(since..Duration::MAX);
    let own = owners.pauses_beside(since..Duration::MAX, &bystander);
    let before = [Bystander::default(), bystander].map(|beside| {
        let pauses = owners.pauses_beside(flowing..since, &beside);
        pauses.into_values().max().unwrap_or_default()
    });
    Join {
        library,
        shared,
        staying: whole.len() - moved.len(),
        moving: moved.len(),
        whole: Pauses::of(&whole, &moved),
        own: Pauses::of(&own, &moved),
        before,
        doubled: owners.doubled().len(),
        difference: compare_many(&place, &numbering),
    }
}

#[test]
fn tasks_that_stay_hardly_pause_when_a_process_joins() {
    let keys = flow::setting("MILLSTREAM_KEYS", KEYS);
    let with_java = flow::is_long() && classpath().is_some();
    println!("a process joins two with {PARTITIONS} tasks of {keys} keys\n{Headings}");
    for _ in 0..flow::rounds(1) {
        if with_java {
            println!("{}", join(Library::KafkaStreams, keys));
        }
        let joined = join(Library::Millstream, keys);
        println!("{joined}");
        assert_eq!((joined.staying, joined.moving), (40, 20));
        assert_eq!((joined.doubled, &joined.difference), (0, &Difference::default()));
        let (stayed_max, moved_max) = if flow::is_long() {
            (LONG_STAYED_MAX, LONG_MOVED_MAX)
        } else {
            (PAUSE_MAX, PAUSE_MAX)
        };
        let Pauses { stayed, moved } = joined.own;
        assert!(stayed < stayed_max && moved < moved_max, "{joined:?}");
    }
}
