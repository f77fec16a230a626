//! Who had which task when, as the processes told it, and what follows from that.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use streams_core::names::TaskId;

use super::bystander::Bystander;
use super::flow;
use super::watch::TaskEvent;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Killed,
    Closed,
}

/// What was told by one process, from its start to its end. Times are those of
/// [`clock`](super::watch::clock).
#[derive(Debug, Clone)]
pub(crate) struct Life {
    /// Its state directory, and its name if it is a static member.
    pub(crate) slot: usize,
    pub(crate) events: Vec<(TaskId, TaskEvent)>,
    pub(crate) ended: Option<(Duration, Ending)>,
    pub(crate) pauses: Vec<Pause>,
}

/// A time in which a process was suspended; it lasts still where it has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) from: Duration,
    pub(crate) to: Option<Duration>,
}

impl Pause {
    /// Until when it cannot know what has become of its tasks.
    fn excuses_until(&self) -> Duration {
        self.to.map_or(Duration::MAX, |to| to + unaware_max())
    }
}

/// A process that goes on hears with its next heartbeat that its tasks are another's.
pub(crate) fn unaware_max() -> Duration {
    flow::bar(Duration::from_secs(3), Duration::from_secs(10))
}

/// A task in one process, from when it was taken until it was let go.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) life: usize,
    pub(crate) slot: usize,
    pub(crate) from: Duration,
    /// When it processed its first record.
    pub(crate) first: Option<Duration>,
    /// None as long as it has it.
    pub(crate) to: Option<Duration>,
    /// When it processed its last record; where that is not known, when it had it no more.
    pub(crate) last: Option<Duration>,
    /// Times between two records that took long.
    pub(crate) rests: Vec<(Duration, Duration)>,
}

impl Span {
    fn had_at(&self, at: Duration) -> bool {
        self.to.is_none_or(|to| to > at)
    }

    /// The longest time between two records that ended in this time, as far as it lies within,
    /// from when a record was there.
    fn rest_max(
        &self,
        during: &Range<Duration>,
        there_at: impl Fn(Duration) -> Duration,
    ) -> Duration {
        let rests = self.rests.iter().filter(|(_, to)| during.contains(to) && self.had_at(*to));
        let lengths = rests.map(|(from, to)| to.saturating_sub(there_at(*from).max(during.start)));
        lengths.max().unwrap_or_default()
    }
}

/// A task that nobody had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vacancy {
    pub(crate) task: TaskId,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

impl Vacancy {
    pub(crate) fn length(self) -> Duration {
        self.to - self.from
    }

    /// How long it lasted beyond the last of those moments that excuse it, which lie within.
    pub(crate) fn beyond(self, excuses: impl Iterator<Item = Duration>) -> Duration {
        let within = excuses.filter(|at| (self.from..=self.to).contains(at));
        self.to - within.max().unwrap_or(self.from)
    }
}

/// By task, its spans in the order of their beginnings.
#[derive(Debug)]
pub(crate) struct Owners(BTreeMap<TaskId, Vec<Span>>);

impl Owners {
    /// What follows from what was told until now.
    pub(crate) fn of(lives: &[Life], now: Duration) -> Self {
        let mut tasks: BTreeMap<TaskId, Vec<Span>> = BTreeMap::new();
        for (number, life) in lives.iter().enumerate() {
            for (task, spans) in spans_of(number, life) {
                tasks.entry(task).or_default().extend(spans);
            }
        }
        for spans in tasks.values_mut() {
            spans.sort_by_key(|span| span.from);
            end_with_suspensions(spans, lives, now);
        }
        Self(tasks)
    }

    /// The tasks that somebody has.
    pub(crate) fn owned(&self) -> BTreeSet<TaskId> {
        let has_owner = |spans: &[Span]| spans.iter().any(|span| span.to.is_none());
        self.0.iter().filter(|(_, spans)| has_owner(spans)).map(|(task, _)| *task).collect()
    }

    /// The tasks that a slot has.
    pub(crate) fn of_slot(&self, slot: usize) -> BTreeSet<TaskId> {
        let has = |spans: &[Span]| spans.iter().any(|s| s.slot == slot && s.to.is_none());
        self.0.iter().filter(|(_, spans)| has(spans)).map(|(task, _)| *task).collect()
    }

    /// How many tasks process, as far as it was told.
    pub(crate) fn flowing(&self) -> usize {
        let flows = |span: &Span| span.to.is_none() && span.first.is_some();
        self.0.values().filter(|spans| spans.iter().any(flows)).count()
    }

    /// How many tasks each slot has.
    pub(crate) fn shares(&self, slots: usize) -> Vec<usize> {
        let mut shares = vec![0; slots];
        for span in self.0.values().flatten().filter(|span| span.to.is_none()) {
            shares[span.slot] += 1;
        }
        shares
    }

    /// Tasks taken by one process while another had them.
    pub(crate) fn doubled(&self) -> Vec<(TaskId, Span, Span)> {
        let mut doubled = Vec::new();
        for (task, spans) in &self.0 {
            for (at, span) in spans.iter().enumerate() {
                let holds = |before: &&Span| before.to.is_none_or(|to| to > span.from);
                let before = spans[..at].iter().find(holds);
                doubled.extend(before.map(|before| (*task, before.clone(), span.clone())));
            }
        }
        doubled
    }

    /// Times between two owners of a task.
    pub(crate) fn vacancies(&self) -> Vec<Vacancy> {
        let between = |(task, spans): (&TaskId, &Vec<Span>)| {
            let pairs = spans.windows(2).filter_map(|pair| Some((pair[0].to?, pair[1].from)));
            let pairs = pairs.filter(|(from, to)| to > from);
            pairs.map(|(from, to)| Vacancy { task: *task, from, to }).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(between).collect()
    }

    /// Tasks that were in more than one slot since then.
    pub(crate) fn moved(&self, since: Duration) -> BTreeSet<TaskId> {
        let moved = |spans: &[Span]| {
            let mut slots = spans.iter().filter(|span| span.had_at(since)).map(|span| span.slot);
            let first = slots.next();
            slots.any(|slot| Some(slot) != first)
        };
        self.0.iter().filter(|(_, spans)| moved(spans)).map(|(task, _)| *task).collect()
    }

    /// By task, the longest part of this time in which it processed nothing, and which ended in it:
    /// between two records of one owner, or from the last of one to the first of the next.
    pub(crate) fn pauses(&self, during: Range<Duration>) -> BTreeMap<TaskId, Duration> {
        self.pauses_beside(during, &Bystander::default())
    }

    /// The same, from when the bystander had a record to read: what remains is not due to what comes
    /// before the process.
    pub(crate) fn pauses_beside(
        &self,
        during: Range<Duration>,
        bystander: &Bystander,
    ) -> BTreeMap<TaskId, Duration> {
        let pause = |task: TaskId, spans: &[Span]| {
            let there_at = |from| bystander.there_at(task.partition, from);
            let rests = spans.iter().map(|span| span.rest_max(&during, there_at));
            let pairs = spans.windows(2).filter(|pair| during.contains(&pair[1].from));
            let changes = pairs.filter_map(|pair| {
                let last = there_at(pair[0].last?).max(during.start);
                Some(pair[1].first?.saturating_sub(last))
            });
            rests.chain(changes).max().unwrap_or_default()
        };
        self.0.iter().map(|(task, spans)| (*task, pause(*task, spans))).collect()
    }

    /// The longest time from then until a task that rested processed a record again, beyond when the
    /// bystander had one.
    pub(crate) fn resumed_max(&self, at: Duration, bystander: &Bystander) -> Duration {
        let rests = self.0.iter().flat_map(|(task, spans)| {
            let rests = spans.iter().flat_map(|span| &span.rests);
            rests.map(|rest| (task.partition, *rest))
        });
        let over = rests.filter(|(_, (from, to))| (*from..*to).contains(&at));
        let took = over.map(|(partition, (from, to))| {
            to.saturating_sub(bystander.there_at(partition, from).max(at))
        });
        took.max().unwrap_or_default()
    }

    /// How long it took until the last of the tasks that somebody had until then processed a record in
    /// another process; for ever where one has not. `None` where nobody had any.
    pub(crate) fn taken_up_after(&self, end: Duration) -> Option<Duration> {
        let pairs = self.0.values().flat_map(|spans| spans.windows(2));
        let next = pairs.filter(|pair| pair[0].to == Some(end)).map(|pair| pair[1].first);
        let took = next.map(|first| first.map_or(Duration::MAX, |first| first - end));
        took.max()
    }

    /// The longest of all.
    pub(crate) fn pause_max(&self) -> Duration {
        self.pauses(Duration::ZERO..Duration::MAX).into_values().max().unwrap_or_default()
    }
}

fn spans_of(number: usize, life: &Life) -> BTreeMap<TaskId, Vec<Span>> {
    let mut tasks: BTreeMap<TaskId, Vec<Span>> = BTreeMap::new();
    for (task, event) in &life.events {
        let spans = tasks.entry(*task).or_default();
        if let TaskEvent::Taken(from) = event {
            let (life, slot, from) = (number, life.slot, *from);
            let (first, to, last, rests) = (None, None, None, Vec::new());
            spans.push(Span { life, slot, from, first, to, last, rests });
            continue;
        }
        let span = spans.last_mut().unwrap();
        match event {
            TaskEvent::First(at) => span.first = Some(*at),
            TaskEvent::Rested(from, to) => span.rests.push((*from, *to)),
            TaskEvent::Gone { at, last } => (span.to, span.last) = (Some(*at), Some(*last)),
            TaskEvent::Taken(_) => {}
        }
    }
    if let Some((at, _)) = life.ended {
        for span in tasks.values_mut().flatten().filter(|span| span.to.is_none()) {
            (span.to, span.last) = (Some(at), Some(at));
        }
    }
    tasks
}

/// A process that is suspended cannot know that its tasks went to another: its span ends when it
/// was suspended, where another begins before it has heard of that. It hears of it soon after it goes
/// on, or is no better than any other second owner.
fn end_with_suspensions(spans: &mut [Span], lives: &[Life], now: Duration) {
    for at in 0..spans.len() {
        let span = &spans[at];
        let excuses = |pause: &&Pause| {
            let taken = |other: &Span| {
                other.life != span.life
                    && other.from >= pause.from
                    && span.to.is_none_or(|to| to > other.from)
            };
            let is_held = pause.from >= span.from && span.to.is_none_or(|to| to > pause.from);
            let is_heard = span.to.unwrap_or(now) <= pause.excuses_until();
            is_held && is_heard && spans.iter().any(taken)
        };
        if let Some(pause) = lives[span.life].pauses.iter().find(excuses) {
            (spans[at].to, spans[at].last) = (Some(pause.from), Some(pause.from));
        }
    }
}
