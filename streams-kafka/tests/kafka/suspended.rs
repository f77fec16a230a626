//! Processes that are suspended for so long that others take their tasks, and then go on.

use std::collections::BTreeSet;
use std::time::Duration;

use streams_core::names::TaskId;

use crate::support::app::{COUNTS, SOON};
use crate::support::child::Told;
use crate::support::commits::{Commits, committed_by, steps_back};
use crate::support::fleet::{Fleet, SESSION};
use crate::support::flow::{self, Dice, await_all_committed, await_passed, while_records_flow};
use crate::support::fold::{self, Difference, Numbering};
use crate::support::shape::Shape;
use crate::support::singles::Singles;
use crate::support::wait::let_live;
use crate::support::watch::TaskEvent;
use crate::support::writer::Writer;
use crate::support::{Given, Place, Seen, holds_within};

const PARTITIONS: i32 = 4;
const SLOTS: usize = 2;
const KEYS: usize = 80;
/// Keys that get their first record just before a process is suspended. Half of them get a second one
/// when it is back, half when it runs alone at the end.
const SINGLES: usize = 32;
/// Between two of these records. All of them come within about a commit interval.
const BETWEEN_MAX: Duration = Duration::from_millis(10);
/// How much older the last word of a process about its commits may be than the moment at which it
/// stands still.
const WORD_AGE_MAX: Duration = Duration::from_millis(100);

/// A time in which a process stood still, and what it did then.
struct Outing {
    tasks: BTreeSet<TaskId>,
    since: Duration,
    /// How many of its commits were accepted, as it knew when it stood still.
    commits: u64,
    /// And when it had tasks again.
    commits_after: u64,
    /// How long it had tasks that were another's, once it went on.
    unaware: Duration,
    /// Keys that are asked for when it runs alone.
    kept: Vec<String>,
}

impl Outing {
    /// Commits of its own that were accepted and not answered yet when it stood still. Nobody else
    /// commits these tasks before its session is over.
    fn unanswered(&self, place: &Place, commits: &Commits) -> usize {
        let during = self.since.saturating_sub(WORD_AGE_MAX)..self.since + SESSION / 2;
        let partitions = self.tasks.iter().map(|task| (place.input.clone(), task.partition));
        let taken = partitions.filter_map(|partition| commits.get(&partition)).flatten();
        let times: BTreeSet<Duration> =
            taken.map(|taken| taken.at).filter(|at| during.contains(at)).collect();
        times.len()
    }

    /// How many commits were accepted from it after it was put out.
    fn fenced_commits(&self, place: &Place, commits: &Commits) -> u64 {
        let more = self.commits_after - self.commits;
        more.saturating_sub(self.unanswered(place, commits) as u64)
    }
}

/// Something that is done to two processes while records flow.
struct World<'a> {
    place: &'a Place,
    fleet: Fleet<'a>,
    singles: Singles,
    writer: Writer,
    dice: Dice,
}

impl World<'_> {
    /// Another takes all tasks, and commits beyond where the suspended one was: what that would commit
    /// now goes back.
    fn suspend_and_resume(&mut self, slot: usize) -> Outing {
        let (tasks, keys) = (self.fleet.owners().of_slot(slot), self.singles.fresh(SINGLES));
        for key in &keys {
            self.writer.write(&self.place.input, &self.singles.next_of(key));
            let_live(self.dice.between(Duration::ZERO, BETWEEN_MAX));
        }
        let since = self.fleet.suspend(slot);
        let_live(SESSION * 2);
        let ends = self.place.cluster.ends(&self.place.input);
        holds_within("the other has all tasks", SOON, || {
            self.fleet.owners().shares(SLOTS)[1 - slot] == ends.len()
        });
        await_passed(self.place, &ends);
        let (commits, heard) = (self.fleet.process(slot).progress().1, self.heard(slot));
        let resumed = self.fleet.resume(slot);
        self.fleet.await_shared(ends.len(), SOON);
        let (commits_after, unaware) = self.until_it_had_tasks(slot, (commits, heard), resumed);
        let kept = self.ask_for_half(&keys);
        Outing { tasks, since, commits, commits_after, unaware, kept }
    }

    fn heard(&self, slot: usize) -> usize {
        self.fleet.process(slot).told().len()
    }

    /// What a process told from when it went on until it had tasks again: of its commits, and when it
    /// let go of those before.
    fn until_it_had_tasks(
        &self,
        slot: usize,
        (mut commits, heard): (u64, usize),
        resumed: Duration,
    ) -> (u64, Duration) {
        let mut unaware = Duration::ZERO;
        for (_, told) in &self.fleet.process(slot).told()[heard..] {
            match told {
                Told::Progress { commits: now, .. } => commits = commits.max(*now),
                Told::Task(_, TaskEvent::Taken(_)) => break,
                Told::Task(_, TaskEvent::Gone { at, .. }) => {
                    unaware = unaware.max(at.saturating_sub(resumed));
                }
                _ => {}
            }
        }
        (commits, unaware)
    }

    /// Lets the owners count one more of half of these keys of each partition. The others.
    fn ask_for_half(&mut self, keys: &[String]) -> Vec<String> {
        let is_asked = |at: usize| (at / PARTITIONS.unsigned_abs() as usize).is_multiple_of(2);
        let (asked, kept): (Vec<_>, Vec<_>) =
            keys.iter().cloned().enumerate().partition(|(at, _)| is_asked(*at));
        let asked: Vec<Given> = asked.iter().map(|(_, key)| self.singles.next_of(key)).collect();
        self.place.cluster.write(&self.place.input, &asked);
        await_passed(self.place, &self.place.cluster.ends(&self.place.input));
        kept.into_iter().map(|(_, key)| key).collect()
    }

    /// What is wrong with those keys that are written all the time, as the last suspension left it.
    fn difference_of_numbered(&self, numbering: &Numbering) -> Difference {
        let is_numbered = |seen: &Seen| !self.singles.given().contains_key(&seen.key_text());
        let read = |topic: &str| -> Vec<Seen> {
            self.place.cluster.read(topic).into_iter().filter(is_numbered).collect()
        };
        let (output, changelog) = (read(&self.place.output), read(&self.place.changelog(COUNTS)));
        fold::difference(&numbering.truth(), &output, &changelog)
    }

    /// Lets a process alone count one more record of each key that is written all the time, and of
    /// those keys that have waited for it. Keys whose state is not what their changelog says.
    fn astray(&mut self, numbering: &mut Numbering, slot: usize, kept: &[String]) -> usize {
        let counts = || fold::counts(&self.place.cluster.read(&self.place.changelog(COUNTS)));
        let before = counts();
        self.fleet.start(slot);
        let mut more: Vec<Given> = (0..KEYS).map(|_| numbering.next()).collect();
        more.extend(kept.iter().map(|key| self.singles.next_of(key)));
        self.place.cluster.write(&self.place.input, &more);
        await_all_committed(self.place, SOON);
        self.fleet.close(slot);
        let after = counts();
        let keys = more.iter().map(|given| String::from_utf8(given.key.clone().unwrap()).unwrap());
        keys.filter(|key| after[key] != before[key] + 1).count()
    }
}

#[test]
fn a_process_that_was_suspended_commits_nothing_of_its_own_and_keeps_nothing_of_its_own() {
    let (rounds, mut dice) = (flow::rounds(2), flow::dice());
    let place = Place::new("suspended", PARTITIONS);
    let mut numbering = Numbering::new(KEYS, PARTITIONS);
    let fleet = Fleet::new(&place, Shape::Tally, SLOTS);
    let (writer, singles) = (place.cluster.writer(), Singles::new(PARTITIONS));
    let slots: Vec<usize> = (0..rounds).map(|_| dice.one_of(SLOTS)).collect();
    let mut world = World { place: &place, fleet, singles, writer, dice };
    let mut outings = Vec::new();
    while_records_flow(&place, &mut numbering, 1000, || {
        world.fleet.start_all();
        world.fleet.await_shared(PARTITIONS.unsigned_abs() as usize, SOON);
        for slot in &slots {
            outings.push((*slot, world.suspend_and_resume(*slot)));
        }
    });
    await_all_committed(&place, SOON);
    world.fleet.close_all();
    let commits = committed_by(&place.cluster, &place.application);
    let (owners, numbered) = (world.fleet.owners(), world.difference_of_numbered(&numbering));
    let astray = [0, 1].map(|slot| {
        let waited = outings.iter().filter(|(whose, _)| *whose == slot);
        let kept: Vec<String> = waited.flat_map(|(_, outing)| outing.kept.clone()).collect();
        world.astray(&mut numbering, slot, &kept)
    });
    let World { fleet, singles, writer, .. } = world;
    drop(writer.finish());
    numbering.count_in(singles.given());
    let found = flow::compare(&place, &numbering);
    let ((all, back), (replayed, whole)) = (steps_back(&commits), fleet.replayed());
    println!(
        "suspended {rounds} times, {} records and {} keys of two records: {found:?}; {back} of {all} \
         commits went back; tasks of another were let go within {:?}; {replayed} of {whole} changelog \
         offsets replayed; longest pause of a task {:?}",
        numbering.given(),
        singles.given().len(),
        outings.iter().map(|(_, outing)| outing.unaware).max().unwrap_or_default(),
        owners.pause_max(),
    );
    for found in [numbered, found] {
        assert_eq!((found.lost, found.foreign, found.low), (0, 0, 0), "{found:?}");
        assert_eq!((found.disordered, found.split), (0, 0), "{found:?}");
    }
    assert_eq!(back, 0, "commits went back");
    assert!(owners.doubled().is_empty(), "{:?}", owners.doubled());
    let fenced: Vec<u64> =
        outings.iter().map(|(_, outing)| outing.fenced_commits(&place, &commits)).collect();
    assert!(
        fenced.iter().all(|count| *count == 0),
        "commits accepted of those put out: {fenced:?}"
    );
    assert_eq!(astray, [0, 0], "keys whose state is not that of the changelog");
    let astray = singles.astray(&place.cluster.read(&place.output));
    assert!(astray.is_empty(), "keys whose state was not their owner's: {astray:#?}");
}
