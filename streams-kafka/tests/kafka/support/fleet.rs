//! Several processes of one application, which are started, killed, closed and suspended, and what
//! became of their tasks.

use std::ops::Range;
use std::time::Duration;

use super::app::SOON;
use super::child::{Launch, Library, Process};
use super::owners::{Ending, Life, Owners, Pause};
use super::place::Place;
use super::shape::Shape;
use super::wait::holds_within;
use super::watch::clock;

/// The least session that a broker takes as it comes.
pub(crate) const SESSION: Duration = Duration::from_secs(6);
/// How often a member is heard of at least.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);
/// A member that is dead is found out after [`SESSION`].
pub(crate) const SHORT_SESSION: [(&str, &str); 2] =
    [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "1000")];

/// What was done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Started,
    Killed,
    Closed,
    Suspended,
    Resumed,
}

/// Whether members keep their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Each start is another member.
    Given,
    /// `group.instance.id` is that of the slot.
    Kept,
}

/// Processes of one application. Each has a slot, with a state directory that its next one finds
/// again.
pub(crate) struct Fleet<'a> {
    place: &'a Place,
    library: Library,
    shape: Shape,
    settings: Vec<(&'a str, &'a str)>,
    names: Names,
    running: Vec<Option<(usize, Process)>>,
    lives: Vec<Life>,
    changes: Vec<(Duration, Change)>,
    /// Of changelogs, after starts: records read, and what a whole replay would have read.
    replayed: i64,
    whole: i64,
    /// Of those read, what followed a close in the same slot.
    replayed_after_closes: i64,
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(place: &'a Place, shape: Shape, slots: usize) -> Self {
        Self {
            place,
            library: Library::Millstream,
            shape,
            settings: SHORT_SESSION.to_vec(),
            names: Names::Given,
            running: (0..slots).map(|_| None).collect(),
            lives: Vec::new(),
            changes: Vec::new(),
            replayed: 0,
            whole: 0,
            replayed_after_closes: 0,
        }
    }

    pub(crate) fn with(mut self, settings: &[(&'a str, &'a str)]) -> Self {
        self.settings.extend_from_slice(settings);
        self
    }

    pub(crate) const fn on(mut self, library: Library) -> Self {
        self.library = library;
        self
    }

    pub(crate) const fn named(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    pub(crate) fn slots(&self) -> Range<usize> {
        0..self.running.len()
    }

    pub(crate) fn process(&self, slot: usize) -> &Process {
        &self.running[slot].as_ref().unwrap().1
    }

    pub(crate) fn is_running(&self, slot: usize) -> bool {
        self.running[slot].is_some()
    }

    /// The state directory of a slot.
    pub(crate) fn state(&self, slot: usize) -> std::path::PathBuf {
        self.place.state(&format!("slot-{slot}"))
    }

    fn note(&mut self, change: Change) {
        self.changes.push((clock(), change));
    }

    pub(crate) fn start(&mut self, slot: usize) {
        let (state, name) = (self.state(slot), format!("slot-{slot}"));
        let mut settings = self.settings.clone();
        if self.names == Names::Kept {
            settings.push(("group.instance.id", &name));
        }
        let launch = Launch::of(self.place, &state);
        self.note(Change::Started);
        let (library, shape) = (self.library, self.shape);
        let process = Launch { library, shape, settings: &settings, ..launch }.start();
        let life = Life { slot, events: Vec::new(), ended: None, pauses: Vec::new() };
        self.running[slot] = Some((self.lives.len(), process));
        self.lives.push(life);
    }

    /// Starts what is not running.
    pub(crate) fn start_all(&mut self) {
        for slot in self.slots() {
            if !self.is_running(slot) {
                self.start(slot);
            }
        }
    }

    pub(crate) fn kill(&mut self, slot: usize) {
        let (life, mut process) = self.running[slot].take().unwrap();
        let at = process.end_at_once();
        self.changes.push((at, Change::Killed));
        self.bury(life, &process, (at, Ending::Killed));
    }

    #[track_caller]
    pub(crate) fn close(&mut self, slot: usize) {
        let (life, mut process) = self.running[slot].take().unwrap();
        self.note(Change::Closed);
        process.end_in_order();
        self.bury(life, &process, (clock(), Ending::Closed));
    }

    fn bury(&mut self, life: usize, process: &Process, ended: (Duration, Ending)) {
        let restored = process.restored();
        let records = restored.iter().map(|(_, _, records)| records).sum::<i64>();
        self.replayed += records;
        if self.ending_before(life) == Some(Ending::Closed) {
            self.replayed_after_closes += records;
        }
        self.whole += restored.iter().map(|(_, next, _)| next).sum::<i64>();
        self.lives[life].events = process.task_events();
        self.lives[life].ended = Some(ended);
    }

    /// How the process before this one in its slot ended.
    fn ending_before(&self, life: usize) -> Option<Ending> {
        let slot = self.lives[life].slot;
        let before = self.lives[..life].iter().rfind(|before| before.slot == slot)?;
        before.ended.map(|(_, ending)| ending)
    }

    /// Lets a process stand still. Since when it does.
    pub(crate) fn suspend(&mut self, slot: usize) -> Duration {
        self.process(slot).signal("-STOP");
        let from = clock();
        self.changes.push((from, Change::Suspended));
        let life = self.running[slot].as_ref().unwrap().0;
        self.lives[life].pauses.push(Pause { from, to: None });
        from
    }

    /// Lets it go on. When it does.
    pub(crate) fn resume(&mut self, slot: usize) -> Duration {
        let at = clock();
        self.changes.push((at, Change::Resumed));
        let life = self.running[slot].as_ref().unwrap().0;
        self.lives[life].pauses.last_mut().unwrap().to = Some(at);
        self.process(slot).signal("-CONT");
        at
    }

    /// What is known by now.
    pub(crate) fn owners(&self) -> Owners {
        let mut lives = self.lives.clone();
        for (life, process) in self.running.iter().flatten() {
            lives[*life].events = process.task_events();
        }
        Owners::of(&lives, clock())
    }

    /// Waits until each task has an owner, and no process has more than one more than another.
    #[track_caller]
    pub(crate) fn await_shared(&self, partitions: usize, within: Duration) -> Duration {
        let tasks = self.shape.tasks(partitions);
        holds_within("the tasks are shared", within, || {
            let owners = self.owners();
            let shares = owners.shares(self.running.len());
            let shares: Vec<usize> =
                self.slots().filter(|slot| self.is_running(*slot)).map(|at| shares[at]).collect();
            let (least, most) = (shares.iter().min(), shares.iter().max());
            let is_even = least.zip(most).is_some_and(|(least, most)| most - least <= 1);
            owners.owned().len() == tasks && is_even
        })
    }

    /// Waits until each task has an owner.
    #[track_caller]
    pub(crate) fn await_owned(&self, partitions: usize) -> Duration {
        let tasks = self.shape.tasks(partitions);
        holds_within("each task has an owner", SOON, || self.owners().owned().len() == tasks)
    }

    /// Waits until each task has an owner that has begun to process.
    #[track_caller]
    pub(crate) fn await_flowing(&self, partitions: usize) {
        let tasks = self.shape.tasks(partitions);
        holds_within("each task processes", SOON, || self.owners().flowing() == tasks);
    }

    /// When something was done, of these kinds.
    pub(crate) fn changes(&self, wanted: &[Change]) -> Vec<Duration> {
        let of_kind = self.changes.iter().filter(|(_, change)| wanted.contains(change));
        of_kind.map(|(at, _)| *at).collect()
    }

    /// What was done when, in this time.
    pub(crate) fn changes_within(&self, time: Range<Duration>) -> Vec<(Duration, Change)> {
        self.changes.iter().filter(|(at, _)| time.contains(at)).copied().collect()
    }

    /// Of changelogs, in processes that have ended: records read, and what a whole replay would
    /// have read.
    pub(crate) const fn replayed(&self) -> (i64, i64) {
        (self.replayed, self.whole)
    }

    /// Of changelogs, in processes that have ended: records read by those whose predecessors in their
    /// slots were closed.
    pub(crate) const fn replayed_after_closes(&self) -> i64 {
        self.replayed_after_closes
    }

    /// Closes all that run.
    #[track_caller]
    pub(crate) fn close_all(&mut self) {
        for slot in self.slots() {
            if self.is_running(slot) {
                self.close(slot);
            }
        }
    }
}
