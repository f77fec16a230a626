//! How long a task that was stopped waits, and how long its troubles may last.

use std::time::Duration;

use crate::time::Moment;

/// When a task that was stopped is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Kafka's `task.timeout.ms`: troubles that pass by themselves become a failure when they have
    /// lasted longer. With 0, the first one is a failure.
    pub task_timeout: Duration,
    /// A task that has gone on for so long has overcome its troubles, be it that it had nothing to
    /// commit. Longer than it takes until something fails: than commits are apart, and until records
    /// come back undelivered.
    pub overcome_after: Duration,
    /// The first wait. Each that follows without a commit in between is twice as long.
    pub backoff: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            task_timeout: Duration::from_mins(5),
            overcome_after: Duration::from_mins(10),
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// Whether troubles that have lasted so long are a failure.
    ///
    /// DIFFERENCE(no-task-timeout): Kafka documents that with 0 the first one is, and tries once more.
    pub(super) fn is_over(&self, lasted: Duration) -> bool {
        lasted > self.task_timeout || self.task_timeout.is_zero()
    }
}

/// The troubles of a task since its last commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Troubles {
    count: u32,
    first: Option<Moment>,
    /// When the task went on after the last of them.
    resumed: Option<Moment>,
}

impl Troubles {
    /// One more. How long troubles have lasted.
    pub(super) fn add(&mut self, policy: &RetryPolicy, now: Moment) -> Duration {
        if self.resumed.is_some_and(|at| now.since(at) > policy.overcome_after) {
            *self = Self::default();
        }
        self.resumed = None;
        self.count = self.count.saturating_add(1);
        now.since(*self.first.get_or_insert(now))
    }

    /// The task goes on.
    pub(super) const fn resume(&mut self, now: Moment) {
        self.resumed = Some(now);
    }

    /// How many there were.
    pub(super) const fn count(self) -> u32 {
        self.count
    }

    /// How long to wait after the last one.
    pub(super) fn wait(self, policy: &RetryPolicy) -> Duration {
        let doublings = self.count.saturating_sub(1).min(16);
        policy.backoff.saturating_mul(1 << doublings).min(policy.backoff_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let (policy, mut troubles) = (RetryPolicy::default(), Troubles::default());
        let waits = (0..9).map(|second| {
            troubles.add(&policy, Moment::from_millis(second * 1000));
            troubles.wait(&policy).as_millis()
        });
        let waits: Vec<u128> = waits.collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    /// In seconds: how long troubles at these times have lasted, of a task that goes on 1 s after each.
    fn lasted<const N: usize>(policy: &RetryPolicy, times: [u64; N]) -> [u64; N] {
        let mut troubles = Troubles::default();
        times.map(|seconds| {
            let lasted = troubles.add(policy, Moment::from_millis(seconds * 1000));
            troubles.resume(Moment::from_millis((seconds + 1) * 1000));
            lasted.as_secs()
        })
    }

    #[test]
    fn a_task_that_ran_for_long_has_overcome_its_troubles() {
        let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
        for task_timeout in [Duration::ZERO, minute, hour] {
            let policy = RetryPolicy { task_timeout, ..RetryPolicy::default() };
            assert_eq!(lasted(&policy, [1, 200, 801, 1403, 1404]), [0, 199, 800, 0, 1]);
        }
    }

    #[test]
    fn a_task_that_was_stopped_for_long_has_overcome_nothing() {
        let (policy, mut troubles) = (RetryPolicy::default(), Troubles::default());
        let day = Duration::from_hours(24);
        troubles.add(&policy, Moment::default());
        assert_eq!(troubles.add(&policy, Moment::default().after(day)), day);
    }

    #[test]
    fn troubles_are_a_failure_once_they_have_lasted_longer_than_the_timeout() {
        let is_over = |task_timeout: u64, lasted: u64| {
            let task_timeout = Duration::from_millis(task_timeout);
            let policy = RetryPolicy { task_timeout, ..RetryPolicy::default() };
            policy.is_over(Duration::from_millis(lasted))
        };
        assert!(is_over(0, 0) && is_over(5, 6));
        assert!(!is_over(1, 0) && !is_over(5, 5));
    }
}
