//! Copies of state are made in the time that the machine has left: a worker that makes some rests for
//! as long as it had to wait for a core or a disk meanwhile, so that tasks that run, here or in other
//! processes, wait less.

use std::time::{Duration, Instant};

use crate::clock;

/// Shorter waits are those of a machine with time to spare.
const WAITED_MIN: Duration = Duration::from_millis(2);
/// What may have to be done by then waits for so long at most.
const REST_MAX: Duration = Duration::from_millis(10);

/// The time that a thread has used of its core, where the system tells.
#[cfg(target_os = "linux")]
fn used() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).ok()
}

#[cfg(not(target_os = "linux"))]
fn used() -> Option<Duration> {
    None
}

/// A turn of a worker that makes copies, from when it began.
#[derive(Debug)]
pub(crate) struct CopyingTurn {
    began: Instant,
    used: Option<Duration>,
}

impl CopyingTurn {
    pub(crate) fn begin() -> Self {
        Self { began: clock::monotonic(), used: used() }
    }

    /// Lets others have the machine, if it was short of it.
    #[expect(clippy::disallowed_methods, reason = "it is woken by the records that it reads")]
    pub(crate) fn give_way(self) {
        let Some(used) = self.used.zip(used()).map(|(from, to)| to.saturating_sub(from)) else {
            return;
        };
        let passed = clock::monotonic().saturating_duration_since(self.began);
        if let Some(rest) = rest_after(passed, used) {
            std::thread::sleep(rest);
        }
    }
}

/// How long to rest after so much time, of which so much was used.
fn rest_after(passed: Duration, used: Duration) -> Option<Duration> {
    let waited = passed.saturating_sub(used);
    (waited >= WAITED_MIN).then(|| waited.min(REST_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_as_long_as_it_waited_within_bounds() {
        let rest = |passed, used| {
            rest_after(Duration::from_millis(passed), Duration::from_millis(used))
                .map(|rest| rest.as_millis())
        };
        assert_eq!(rest(6, 5), None);
        assert_eq!(rest(9, 5), Some(4));
        assert_eq!(rest(90, 5), Some(10));
        assert_eq!(rest(5, 6), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_thread_uses_is_known() {
        let before = used().unwrap();
        let until = clock::monotonic() + Duration::from_secs(20);
        while used().unwrap() == before {
            assert!(clock::monotonic() < until);
        }
    }
}
