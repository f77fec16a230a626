//! Punctuations: calls of a processor by time, in Kafka's order.

use std::cmp::Ordering;
use std::time::Duration;

use crate::java_order::PriorityQueue;
use crate::time::Timestamp;

/// Which clock drives a punctuation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PunctuationType {
    /// The task's stream time: it advances with records only.
    StreamTime,
    /// The time of day, read once a step.
    WallClock,
}

/// One schedule of a processor, to tell it from its others and to cancel it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PunctuationId(u32);

/// A punctuation that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Punctuation {
    /// The schedule.
    pub id: PunctuationId,
    /// Stream time or wall-clock time as it is now, which may be later than when it was due.
    pub timestamp: Timestamp,
    /// Which clock drives it.
    pub kind: PunctuationType,
}

/// Why a punctuation cannot be scheduled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The interval is too short.
    #[error("the interval {0:?} is shorter than 1 ms; take at least that")]
    Interval(Duration),
    /// The start lies before the epoch.
    #[error("the start {0} is negative; take a time from 0 on")]
    Start(Timestamp),
    /// The processor fills a global store, which follows its topic and no clock.
    #[error(
        "the processor of a global store is called for records only; schedule in a processor of a stream, which may read the store"
    )]
    GlobalStore,
}

/// Whether punctuations are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clocks {
    Followed,
    /// The task fills global stores.
    Ignored,
}

/// What a processor asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) interval: Duration,
    pub(crate) kind: PunctuationType,
    /// All calls fall on this time or whole intervals later.
    pub(crate) anchor: Option<Timestamp>,
}

#[derive(Debug)]
struct Entry {
    due: i64,
    interval: i64,
    id: PunctuationId,
    node: usize,
    state: EntryState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntryState {
    Scheduled,
    Cancelled,
}

impl Entry {
    fn compare(&self, other: &Self) -> Ordering {
        self.due.cmp(&other.due)
    }

    /// Goes to the next time after `now` on this schedule's grid, what was missed collapses into one
    /// call; `None` where no such time can be told.
    // DIFFERENCE(last-punctuation): in Kafka the processor is then called without end.
    fn advanced(self, now: i64) -> Option<Self> {
        let mut due = self.due.checked_add(self.interval)?;
        if now >= due {
            let missed = (now - due) / self.interval;
            due = (missed + 1).checked_mul(self.interval)?.checked_add(due)?;
        }
        Some(Self { due, ..self })
    }
}

/// The schedules that one clock drives.
#[derive(Debug)]
struct Queue {
    entries: PriorityQueue<Entry>,
    /// How many of them are cancelled.
    cancelled: usize,
}

/// Cancelled entries that a queue may hold beside as many others.
const CANCELLED_MAX: usize = 64;

impl Queue {
    const fn new() -> Self {
        Self { entries: PriorityQueue::new(), cancelled: 0 }
    }

    /// Says whether the schedule is in this queue. As in Kafka it stays there until it is due,
    /// unless there are too many such.
    // DIFFERENCE(cancelled-schedules): in Kafka all of them stay.
    fn cancel(&mut self, id: PunctuationId) -> bool {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) else {
            return false;
        };
        if entry.state == EntryState::Scheduled {
            entry.state = EntryState::Cancelled;
            self.cancelled += 1;
        }
        if self.cancelled > CANCELLED_MAX && 2 * self.cancelled > self.entries.len() {
            self.entries.retain(|entry| entry.state == EntryState::Scheduled, Entry::compare);
            self.cancelled = 0;
        }
        true
    }

    fn take_due(&mut self, now: Timestamp) -> Option<Entry> {
        while self.entries.peek().is_some_and(|entry| entry.due <= now.millis()) {
            let entry = self.entries.poll(Entry::compare)?;
            match entry.state {
                EntryState::Scheduled => return Some(entry),
                EntryState::Cancelled => self.cancelled -= 1,
            }
        }
        None
    }
}

/// The schedules of a task, one queue a clock.
#[derive(Debug)]
pub(crate) struct Schedules {
    stream_time: Queue,
    wall_clock: Queue,
    /// The schedule whose call is being made, unless it was cancelled meanwhile.
    called: Option<PunctuationId>,
    next_id: u32,
    clocks: Clocks,
}

impl Schedules {
    pub(crate) const fn new() -> Self {
        Self {
            stream_time: Queue::new(),
            wall_clock: Queue::new(),
            called: None,
            next_id: 0,
            clocks: Clocks::Followed,
        }
    }

    /// Refuses all schedules: the task fills global stores.
    pub(crate) const fn ignore_clocks(&mut self) {
        self.clocks = Clocks::Ignored;
    }

    fn queue(&mut self, kind: PunctuationType) -> &mut Queue {
        match kind {
            PunctuationType::StreamTime => &mut self.stream_time,
            PunctuationType::WallClock => &mut self.wall_clock,
        }
    }

    /// Adds a schedule of `node`; `now` is what its clock shows. Without an anchor, one in stream
    /// time is due at once, one in wall-clock time after its interval.
    pub(crate) fn add(
        &mut self,
        node: usize,
        asked: Asked,
        now: Timestamp,
    ) -> Result<PunctuationId, ScheduleError> {
        if self.clocks == Clocks::Ignored {
            return Err(ScheduleError::GlobalStore);
        }
        let Asked { interval: every, kind, anchor } = asked;
        let interval = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
        if interval < 1 {
            return Err(ScheduleError::Interval(every));
        }
        if let Some(negative) = anchor.filter(|anchor| !anchor.is_known()) {
            return Err(ScheduleError::Start(negative));
        }
        let id = PunctuationId(self.next_id);
        self.next_id += 1;
        let due = match (anchor, kind) {
            (Some(anchor), _) => anchor.millis(),
            (None, PunctuationType::StreamTime) => 0,
            (None, PunctuationType::WallClock) => now.millis().saturating_add(interval),
        };
        let state = EntryState::Scheduled;
        let entry = Entry { due, interval, id, node, state };
        let is_past = anchor.is_some_and(|anchor| anchor < now);
        let entry = if is_past { entry.advanced(now.millis()) } else { Some(entry) };
        if let Some(entry) = entry {
            self.queue(kind).entries.offer(entry, Entry::compare);
        }
        Ok(id)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { next_id: self.next_id, clocks: self.clocks, ..Self::new() };
    }

    pub(crate) fn cancel(&mut self, id: PunctuationId) {
        let is_waiting = self.stream_time.cancel(id) || self.wall_clock.cancel(id);
        if !is_waiting && self.called == Some(id) {
            self.called = None;
        }
    }

    /// When the first schedule of this clock is due.
    pub(crate) fn next_due(&self, kind: PunctuationType) -> Option<Timestamp> {
        let queue = match kind {
            PunctuationType::StreamTime => &self.stream_time,
            PunctuationType::WallClock => &self.wall_clock,
        };
        queue.entries.peek().map(|entry| Timestamp::from_millis(entry.due))
    }

    /// Takes the first schedule that is due; give it back with [`rearm`](Self::rearm) after the
    /// call.
    pub(crate) fn take_due(&mut self, kind: PunctuationType, now: Timestamp) -> Option<Due> {
        let entry = self.queue(kind).take_due(now)?;
        self.called = Some(entry.id);
        Some(Due(entry))
    }

    pub(crate) fn rearm(&mut self, kind: PunctuationType, due: Due, now: Timestamp) {
        let Due(entry) = due;
        if self.called.take() == Some(entry.id)
            && let Some(entry) = entry.advanced(now.millis())
        {
            self.queue(kind).entries.offer(entry, Entry::compare);
        }
    }
}

/// A schedule that is due, taken out of its queue.
#[derive(Debug)]
pub(crate) struct Due(Entry);

impl Due {
    pub(crate) const fn node(&self) -> usize {
        self.0.node
    }

    pub(crate) const fn id(&self) -> PunctuationId {
        self.0.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn every(millis: u64, kind: PunctuationType, anchor: Option<i64>) -> Asked {
        let anchor = anchor.map(Timestamp::from_millis);
        Asked { interval: Duration::from_millis(millis), kind, anchor }
    }

    /// The times at which a schedule fires when its clock shows `clock` in turn.
    fn fired(kind: PunctuationType, interval: u64, clock: &[i64]) -> Vec<i64> {
        fired_from(every(interval, kind, None), 0, clock)
    }

    fn fired_from(asked: Asked, start: i64, clock: &[i64]) -> Vec<i64> {
        let (kind, mut schedules) = (asked.kind, Schedules::new());
        assert!(schedules.add(0, asked, at(start)).is_ok());
        let mut fired = Vec::new();
        for now in clock {
            while let Some(due) = schedules.take_due(kind, at(*now)) {
                fired.push(*now);
                schedules.rearm(kind, due, at(*now));
            }
        }
        fired
    }

    #[test]
    fn a_schedule_ends_at_the_greatest_time() {
        let kind = PunctuationType::StreamTime;
        for anchor in [None, Some(at(i64::MAX - 5))] {
            let mut schedules = Schedules::new();
            let asked = Asked { interval: Duration::from_millis(10), kind, anchor };
            schedules.add(0, asked, at(0)).unwrap();
            let due = schedules.take_due(kind, at(i64::MAX)).unwrap();
            schedules.rearm(kind, due, at(i64::MAX));
            assert_eq!(schedules.next_due(kind), None);
        }
        let asked = Asked { interval: Duration::MAX, kind, anchor: Some(at(1)) };
        let mut schedules = Schedules::new();
        schedules.add(0, asked, at(5)).unwrap();
        assert_eq!(schedules.next_due(kind), None);
    }

    #[test]
    fn stream_time_fires_with_the_first_record_and_collapses_what_was_missed() {
        let clock = [7, 9, 10, 35, 39, 40];
        assert_eq!(fired(PunctuationType::StreamTime, 10, &clock), [7, 10, 35, 40]);
    }

    #[test]
    fn wall_clock_fires_first_after_its_interval() {
        assert_eq!(
            fired(PunctuationType::WallClock, 10, &[5, 10, 19, 20, 55, 60]),
            [10, 20, 55, 60]
        );
    }

    #[test]
    fn a_wall_clock_that_jumps_costs_no_more_than_one_call() {
        const HOUR: i64 = 3_600_000;
        let fired = |clock: &[i64]| fired(PunctuationType::WallClock, 10, clock);
        assert_eq!(fired(&[10, HOUR, HOUR + 5, HOUR + 10]), [10, HOUR, HOUR + 10]);
        // Set back, it calls nothing before it is where it was, as in Kafka.
        assert_eq!(fired(&[HOUR, 10, 20, HOUR, HOUR + 10]), [HOUR, HOUR + 10]);
    }

    #[test]
    fn an_anchored_schedule_keeps_to_its_grid() {
        use PunctuationType::{StreamTime, WallClock};
        let clock = [4, 5, 14, 16, 25];
        assert_eq!(fired_from(every(10, StreamTime, Some(5)), -1, &clock), [5, 16, 25]);
        // The start is over: the first call is not made early.
        assert_eq!(fired_from(every(10, WallClock, Some(5)), 17, &[17, 24, 25, 36]), [25, 36]);
    }

    #[test]
    fn a_schedule_without_an_interval_is_refused() {
        let kind = PunctuationType::WallClock;
        let short = Asked { interval: Duration::from_micros(999), kind, anchor: None };
        let refused = Schedules::new().add(0, short, at(0));
        assert_eq!(refused, Err(ScheduleError::Interval(Duration::from_micros(999))));
        let early = Schedules::new().add(0, every(1, kind, Some(-7)), at(0));
        assert_eq!(early, Err(ScheduleError::Start(at(-7))));
    }

    #[test]
    fn a_task_of_global_stores_refuses_schedules_also_when_it_starts_again() {
        let mut schedules = Schedules::new();
        schedules.ignore_clocks();
        schedules.clear();
        let refused = schedules.add(0, every(1, PunctuationType::WallClock, None), at(0));
        assert_eq!(refused, Err(ScheduleError::GlobalStore));
    }

    #[test]
    fn what_is_cancelled_does_not_pile_up() {
        let kind = PunctuationType::WallClock;
        let mut schedules = Schedules::new();
        let late = schedules.add(0, every(50, kind, None), at(0));
        for _ in 0..10_000 {
            let Ok(id) = schedules.add(0, every(1000, kind, None), at(0)) else { return };
            schedules.cancel(id);
            // Nothing, the second time.
            schedules.cancel(id);
        }
        assert!(schedules.wall_clock.entries.len() <= 2 + CANCELLED_MAX);
        let due = schedules.take_due(kind, at(2000));
        assert_eq!(due.map(|due| due.id()), late.ok());
        assert!(schedules.take_due(kind, at(2000)).is_none());
    }

    #[test]
    fn a_schedule_is_cancelled_by_its_own_call() {
        let kind = PunctuationType::StreamTime;
        let mut schedules = Schedules::new();
        assert!(schedules.add(0, every(1, kind, None), at(0)).is_ok());
        let due = schedules.take_due(kind, at(5));
        if let Some(due) = due {
            schedules.cancel(due.id());
            schedules.rearm(kind, due, at(5));
        }
        assert_eq!(schedules.next_due(kind), None);
    }

    #[test]
    fn a_cancelled_schedule_does_not_fire() {
        let mut schedules = Schedules::new();
        let id = schedules.add(0, every(1, PunctuationType::WallClock, None), at(0));
        assert!(id.map(|id| schedules.cancel(id)).is_ok());
        assert!(schedules.take_due(PunctuationType::WallClock, at(100)).is_none());
    }
}
