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
        let since = |task| (task, *self.cleanup.unowned.get(&task).unwrap_or(&now));
        self.cleanup.unowned = unowned.map(since).collect();
        let delay = self.cleanup.delay;
        let due = self.cleanup.unowned.iter().filter(|(_, since)| now.since(**since) >= delay);
        let due: Vec<TaskId> = due.map(|(task, _)| *task).collect();
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
