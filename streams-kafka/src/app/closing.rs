//! What `close` gives its time to, and what holds threads up.

use std::fmt;
use std::time::{Duration, Instant};

use streams_core::worker::Place;

use crate::clock;

/// The most of the time of a `close` that is kept for leaving the group without the workers.
const LEAVE_MAX: Duration = Duration::from_secs(2);

/// A thread that did not come back in time, and where it was then: when the time of a `close` was over,
/// or after `max.poll.interval.ms`.
///
/// ```
/// use std::time::Duration;
/// use streams_kafka::HeldUp;
///
/// let thread = "copy-worker-1".to_owned();
/// let held_up = HeldUp { thread, place: None, busy_for: Duration::ZERO };
/// assert_eq!(held_up.to_string(), "copy-worker-1 waits for brokers");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldUp {
    /// Its name.
    pub thread: String,
    /// The task and the record that it was busy with; `None` when it was with none.
    pub place: Option<Place>,
    /// For how long it had not come back from your code or a store; zero when it was waiting for
    /// brokers.
    pub busy_for: Duration,
}

impl fmt::Display for HeldUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, place, busy_for } = self;
        match place {
            _ if busy_for.is_zero() => write!(f, "{thread} waits for brokers"),
            Some(place) => {
                write!(f, "{thread} has been at {place} for {} ms", busy_for.as_millis())
            }
            None => write!(f, "{thread} has not come back for {} ms", busy_for.as_millis()),
        }
    }
}

/// For an error's text.
pub(super) fn one_by_one(held_up_by: &[HeldUp]) -> String {
    held_up_by.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Until when what is waited for in a `close`. Its last quarter, 2 s at most, is for the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CloseBy {
    /// For workers to commit and close.
    pub(crate) workers: Instant,
    /// For threads to end, dropped ones among them.
    pub(crate) threads: Instant,
    /// For the thread of the global stores.
    pub(crate) globals: Instant,
}

impl CloseBy {
    /// `None` for a time that the clock cannot show, which never comes.
    pub(crate) fn within(timeout: Duration) -> Option<Self> {
        let all = clock::monotonic().checked_add(timeout)?;
        let reserve = (timeout / 4).min(LEAVE_MAX);
        let before = |time| all.checked_sub(time);
        let (workers, threads) = (before(reserve)?, before(reserve / 2)?);
        Some(Self { workers, threads, globals: before(reserve / 8)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_the_time_is_for_leaving() {
        let spans = [0, 400, 30_000].map(|millis| {
            let by = CloseBy::within(Duration::from_millis(millis)).unwrap();
            by.globals.duration_since(by.workers).as_millis()
        });
        assert_eq!(spans, [0, 87, 1_750]);
        assert_eq!(CloseBy::within(Duration::MAX), None);
    }

    #[test]
    fn what_held_it_up_is_said_of_each() {
        let thread = "a-worker-1".to_owned();
        let busy_for = Duration::from_millis(20);
        let stuck = HeldUp { thread, place: None, busy_for };
        let waiting = HeldUp { busy_for: Duration::ZERO, ..stuck.clone() };
        let text = one_by_one(&[stuck, waiting]);
        assert_eq!(text, "a-worker-1 has not come back for 20 ms; a-worker-1 waits for brokers");
    }
}
