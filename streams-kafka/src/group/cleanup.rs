//! Removes what is on disk of tasks that have gone: `state.cleanup.delay.ms`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use streams_core::membership::Moment;
use streams_core::names::TaskId;

use super::{Group, Life};

/// How often it is looked for at most and at least.
const INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Since when tasks that lie on disk are nobody's here.
#[derive(Debug)]
pub(super) struct Cleanup {
    delay: Duration,
    unowned: BTreeMap<TaskId, Moment>,
    next: Moment,
}

impl Cleanup {
    pub(super) const fn new(delay: Duration) -> Self {
        Self { delay, unowned: BTreeMap::new(), next: Moment::from_millis(0) }
    }

    /// These tasks are nobody's here now. Those that have been so for the whole delay.
    fn due(&mut self, unowned: impl IntoIterator<Item = TaskId>, now: Moment) -> Vec<TaskId> {
        let since = |task| (task, *self.unowned.get(&task).unwrap_or(&now));
        self.unowned = unowned.into_iter().map(since).collect();
        let due = self.unowned.iter().filter(|(_, since)| now.since(**since) >= self.delay);
        due.map(|(task, _)| *task).collect()
    }
}

impl Group {
    /// A task that the process has in any way is left alone. As in Kafka, nothing is removed before
    /// it is known which those are.
    pub(super) fn clean_up_if_due(&mut self) {
        let now = self.now();
        if now < self.cleanup.next || self.life != Life::Member || self.token.is_none() {
            return;
        }
        self.cleanup.next = now.after(self.cleanup.delay.clamp(INTERVAL.0, INTERVAL.1));
        let backend = Arc::clone(&self.parts.backend);
        let lying = match backend.directory().tasks() {
            Ok(lying) => lying,
            Err(error) => return tracing::warn!(%error, "the state directory cannot be read"),
        };
        let unowned = lying.into_iter().filter(|task| !self.roster.has(*task));
        let due = self.cleanup.due(unowned, now);
        for task in &due {
            match backend.directory().set_task_aside(*task) {
                Ok(()) => {
                    tracing::info!(%task, "its state is removed: the task has been away for long");
                    self.roster.forget(*task);
                }
                Err(error) => tracing::warn!(%task, %error, "its state cannot be removed"),
            }
        }
        if !due.is_empty() {
            tokio::task::spawn_blocking(move || {
                if let Err(error) = backend.directory().remove_set_aside() {
                    tracing::warn!(%error, "old state cannot be removed");
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(600);

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    #[test]
    fn a_task_is_due_when_it_was_nobodys_for_the_whole_delay() {
        let (mut cleanup, [early, late]) = (Cleanup::new(DELAY), [0, 1].map(|n| TaskId::new(0, n)));
        assert_eq!(cleanup.due([early], at(10)), []);
        assert_eq!(cleanup.due([early, late], at(300)), []);
        assert_eq!(cleanup.due([early, late], at(609)), []);
        assert_eq!(cleanup.due([early, late], at(610)), [early]);
        assert_eq!(cleanup.due([late], at(900)), [late]);
    }

    #[test]
    fn one_that_was_somebodys_meanwhile_has_the_whole_delay_again() {
        let (mut cleanup, task) = (Cleanup::new(DELAY), TaskId::new(0, 0));
        assert_eq!(cleanup.due([task], at(10)), []);
        assert_eq!(cleanup.due([], at(500)), []);
        assert_eq!(cleanup.due([task], at(700)), []);
        assert_eq!(cleanup.due([task], at(1_299)), []);
        assert_eq!(cleanup.due([task], at(1_300)), [task]);
    }
}
