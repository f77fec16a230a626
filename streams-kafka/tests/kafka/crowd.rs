//! A crowd of members of one application, which join and leave all the time while records flow.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use streams_core::names::TaskId;
use streams_core::topology::{Topology, TopologyBuilder};

use crate::support::app::{SOON, sink, source};
use crate::support::flow::{self, Dice, await_all_committed, await_passed, while_records_flow};
use crate::support::fold::Numbering;
use crate::support::owners::{Ending, Life, Owners};
use crate::support::shape::Pass;
use crate::support::wait::let_live;
use crate::support::watch::{TaskEvent, Watch, clock};
use crate::support::{App, Place, holds_within};

const PARTITIONS: i32 = 24;
const TASKS: usize = PARTITIONS.unsigned_abs() as usize;
/// How many members there may be.
const SEATS: usize = 16;
/// The same in the short form.
const SEATS_SHORT: usize = 8;
/// So many stay in any case.
const MEMBERS_MIN: usize = 3;
/// The longest time between two changes: a hundred of them take a minute.
const CALM_MAX: Duration = Duration::from_secs(1);
/// Each task processes records again so soon after the last change.
const AGAIN: Duration = Duration::from_secs(10);
/// The same in the short form.
const AGAIN_SHORT: Duration = Duration::from_secs(20);
/// How many records a failure names.
const TOLD_MAX: usize = 20;

/// What became of the tasks of a member, told as it happens.
type Heard = Arc<Mutex<Vec<(TaskId, TaskEvent)>>>;

/// A member, from its start to its end.
struct Visit {
    seat: usize,
    heard: Heard,
    ended: Option<Duration>,
}

impl Visit {
    fn life(&self) -> Life {
        let events = self.heard.lock().unwrap().clone();
        let ended = self.ended.map(|at| (at, Ending::Closed));
        Life { slot: self.seat, events, ended, pauses: Vec::new() }
    }
}

/// A state directory, and which visit it has. One that leaves says when it has closed.
enum Seat {
    Free,
    Taken(usize, Box<App>),
    Leaving(usize, JoinHandle<Duration>),
}

struct Crowd<'a> {
    place: &'a Place,
    seats: Vec<Seat>,
    visits: Vec<Visit>,
    /// When somebody joined or left by chance.
    changes: Vec<Duration>,
    members_max: usize,
}

/// Passes records on, without a store: tasks move as soon as they may.
fn pass(place: &Place, watch: Watch) -> Topology {
    let mut builder = TopologyBuilder::new();
    let read = builder.source("source", [&*place.input], source::<String, String>());
    let passed = builder.processor("pass", &[read], move |_| Ok(watch.over(Pass)));
    builder.sink("sink", &[passed], sink::<String, String>(&place.output));
    builder.build().unwrap()
}

impl<'a> Crowd<'a> {
    fn new(place: &'a Place, seats: usize) -> Self {
        let seats = (0..seats).map(|_| Seat::Free).collect();
        Self { place, seats, visits: Vec::new(), changes: Vec::new(), members_max: 0 }
    }

    fn seats_that(&self, are: impl Fn(&Seat) -> bool) -> Vec<usize> {
        (0..self.seats.len()).filter(|at| are(&self.seats[*at])).collect()
    }

    fn taken(&self) -> Vec<usize> {
        self.seats_that(|seat| matches!(seat, Seat::Taken(..)))
    }

    fn join(&mut self, seat: usize) {
        let heard = Heard::default();
        let hears = Arc::clone(&heard);
        let hear = move |task, event| hears.lock().unwrap().push((task, event));
        // They hear of each rebalance soon. Their session is the long one, so that a busy machine does
        // not cost anybody its membership.
        let config = self.place.config(&self.place.state(&format!("seat-{seat}")));
        let config = config.set("heartbeat.interval.ms", "1000");
        let app = App::start(pass(self.place, Watch(Some(Arc::new(hear)))), config);
        self.seats[seat] = Seat::Taken(self.visits.len(), Box::new(app));
        self.visits.push(Visit { seat, heard, ended: None });
        self.members_max = self.members_max.max(self.taken().len());
    }

    /// Closes a member beside the others, which come and go meanwhile.
    fn leave(&mut self, seat: usize) {
        let taken = std::mem::replace(&mut self.seats[seat], Seat::Free);
        let Seat::Taken(visit, app) = taken else { panic!("nobody has seat {seat}") };
        let closing = std::thread::Builder::new().name(format!("leaving-{seat}"));
        let closing = closing.spawn(move || {
            app.close();
            clock()
        });
        self.seats[seat] = Seat::Leaving(visit, closing.unwrap());
    }

    /// Frees the seats of those that have left.
    fn vacate(&mut self, has_left: impl Fn(&JoinHandle<Duration>) -> bool) {
        for seat in &mut self.seats {
            let is_over = matches!(&*seat, Seat::Leaving(_, closing) if has_left(closing));
            if is_over && let Seat::Leaving(visit, closing) = std::mem::replace(seat, Seat::Free) {
                self.visits[visit].ended = Some(closing.join().unwrap());
            }
        }
    }

    /// Somebody joins or leaves, unless all that might have to stay, or are on their way out.
    fn change(&mut self, dice: &mut Dice) {
        self.vacate(JoinHandle::is_finished);
        let (taken, free) = (self.taken(), self.seats_that(|seat| matches!(seat, Seat::Free)));
        if taken.len() > MEMBERS_MIN && (free.is_empty() || dice.one_in(2)) {
            self.changes.push(clock());
            self.leave(taken[dice.one_of(taken.len())]);
        } else if !free.is_empty() {
            self.changes.push(clock());
            self.join(free[dice.one_of(free.len())]);
        }
    }

    fn leave_all(&mut self) {
        self.taken().into_iter().for_each(|seat| self.leave(seat));
        self.vacate(|_| true);
    }

    /// What is known by now.
    fn owners(&self) -> Owners {
        let lives: Vec<Life> = self.visits.iter().map(Visit::life).collect();
        Owners::of(&lives, clock())
    }

    /// Waits until each task has an owner, and no member has more than one more than another.
    fn await_shared(&self) -> Duration {
        holds_within("the tasks are shared", SOON, || {
            let owners = self.owners();
            let shares = owners.shares(self.seats.len());
            let shares: Vec<usize> = self.taken().into_iter().map(|seat| shares[seat]).collect();
            let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
            owners.owned().len() == TASKS && most - least <= 1
        })
    }
}

/// How long it takes until the group has processed records of each partition that are written from
/// now on.
fn await_processed(place: &Place) -> Duration {
    let since = Instant::now();
    let ends = place.cluster.ends(&place.input);
    await_passed(place, &ends.into_iter().map(|end| end + 1).collect::<Vec<_>>());
    since.elapsed()
}

/// The records of a topic by key and value, each once, and how many there are.
fn records(place: &Place, topic: &str) -> (BTreeSet<(String, String)>, usize) {
    let seen = place.cluster.read(topic);
    (seen.iter().map(|seen| (seen.key_text(), seen.value_text())).collect(), seen.len())
}

#[test]
fn no_task_is_doubled_and_no_record_lost_while_a_crowd_comes_and_goes() {
    let (changes, mut dice) = (usize::try_from(flow::rounds(20)).unwrap(), flow::dice());
    let place = Place::new("crowd", PARTITIONS);
    let mut numbering = Numbering::new(10 * TASKS, PARTITIONS);
    let mut crowd = Crowd::new(&place, if flow::is_long() { SEATS } else { SEATS_SHORT });
    let (mut again, mut shared) = (Duration::ZERO, Duration::ZERO);
    while_records_flow(&place, &mut numbering, 1000, || {
        (0..crowd.seats.len() / 2).for_each(|seat| crowd.join(seat));
        crowd.await_shared();
        while crowd.changes.len() < changes {
            let_live(dice.between(Duration::ZERO, CALM_MAX));
            crowd.change(&mut dice);
        }
        again = await_processed(&place);
        shared = crowd.await_shared();
    });
    await_all_committed(&place, SOON);
    let settled = crowd.owners();
    crowd.leave_all();

    let (owners, times) = (crowd.owners(), &crowd.changes);
    let vacancies = settled.vacancies().into_iter();
    let beyond = vacancies.map(|vacancy| vacancy.beyond(times.iter().copied())).max();
    let ((given, written), (came, output)) =
        (records(&place, &place.input), records(&place, &place.output));
    let lost: Vec<_> = given.difference(&came).collect();
    println!(
        "{changes} changes among up to {} members within {:?}, {written} records: {} lost, {} \
         doubled; tasks processed {again:?} after the last change, and were shared {shared:?} \
         later; a task had no owner for {:?} beyond a change at most; longest pause of a task {:?}",
        crowd.members_max,
        times[times.len() - 1] - times[0],
        lost.len(),
        output - came.len(),
        beyond.unwrap_or_default(),
        settled.pause_max(),
    );
    assert!(owners.doubled().is_empty(), "{:?}", owners.doubled());
    assert_eq!(written, numbering.given(), "the brokers have other input than they took");
    assert!(lost.is_empty(), "{:?}", &lost[..lost.len().min(TOLD_MAX)]);
    assert_eq!(came.difference(&given).next(), None, "what never went in");
    let bar = flow::bar(AGAIN, AGAIN_SHORT);
    assert!(again < bar, "{again:?}");
}
