//! How long a task that was stopped waits, and how long its troubles may last.

use std::time::Duration;

use crate::time::Moment;

/// When a task that was stopped is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Kafka's `task.timeout.ms`: troubles that pass by themselves become a failure when they have
    /// lasted so long.
    pub task_timeout: Duration,
    /// The first wait. Each that follows without a commit in between is twice as long.
    pub backoff: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            task_timeout: Duration::from_mins(5),
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
        }
    }
}

/// The troubles of a task since its last commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Troubles {
    count: u32,
    span: Option<(Moment, Moment)>,
}

impl Troubles {
    /// One more. How long troubles have lasted. Those of long ago do not count: the task ran in
    /// between.
    pub(super) fn add(&mut self, policy: &RetryPolicy, now: Moment) -> Duration {
        let (first, _) = match self.span {
            Some((first, last)) if now.since(last) <= policy.task_timeout => (first, last),
            _ => {
                self.count = 0;
                (now, now)
            }
        };
        self.count = self.count.saturating_add(1);
        self.span = Some((first, now));
        now.since(first)
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

    #[test]
    fn troubles_of_long_ago_do_not_count() {
        let (policy, mut troubles) = (RetryPolicy::default(), Troubles::default());
        let mut at =
            |seconds: u64| troubles.add(&policy, Moment::from_millis(seconds * 1000)).as_secs();
        assert_eq!([at(1), at(200), at(400), at(701), at(702)], [0, 199, 399, 0, 1]);
    }
}
