//! The life of an application: Kafka's `KafkaStreams.State`.

use std::fmt;

/// What an application is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Made, not started.
    Created,
    /// Joining the group, taking tasks, or restoring their stores.
    Rebalancing,
    /// All tasks of this process run.
    Running,
    /// Closing on demand.
    PendingShutdown,
    /// Closed on demand.
    NotRunning,
    /// Closing after an error.
    PendingError,
    /// Stopped by an error.
    Error,
}

impl State {
    /// Whether the application may go from this state to that one.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use State::{
            Created, Error, NotRunning, PendingError, PendingShutdown, Rebalancing, Running,
        };
        // DIFFERENCE(error-states): in Kafka Streams a failure before the start and one while closing
        // change no state, so that an application which lost its last commit ends as if it had not.
        match self {
            Created => matches!(next, Rebalancing | PendingShutdown | PendingError),
            Rebalancing => matches!(next, Running | PendingShutdown | PendingError),
            Running => matches!(next, Rebalancing | PendingShutdown | PendingError),
            PendingShutdown => matches!(next, NotRunning | PendingError),
            PendingError => matches!(next, Error),
            NotRunning | Error => false,
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::NotRunning | Self::Error)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "CREATED",
            Self::Rebalancing => "REBALANCING",
            Self::Running => "RUNNING",
            Self::PendingShutdown => "PENDING_SHUTDOWN",
            Self::NotRunning => "NOT_RUNNING",
            Self::PendingError => "PENDING_ERROR",
            Self::Error => "ERROR",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::State::*;

    #[test]
    fn the_transitions_are_kafkas_and_any_failure_is_an_error() {
        let all = [Created, Rebalancing, Running, PendingShutdown, NotRunning, PendingError, Error];
        let allowed: Vec<String> = all
            .iter()
            .flat_map(|from| all.iter().map(move |to| (from, to)))
            .filter(|(from, to)| from.may_become(**to))
            .map(|(from, to)| format!("{from}>{to}"))
            .collect();
        assert_eq!(
            allowed,
            [
                "CREATED>REBALANCING",
                "CREATED>PENDING_SHUTDOWN",
                "CREATED>PENDING_ERROR",
                "REBALANCING>RUNNING",
                "REBALANCING>PENDING_SHUTDOWN",
                "REBALANCING>PENDING_ERROR",
                "RUNNING>REBALANCING",
                "RUNNING>PENDING_SHUTDOWN",
                "RUNNING>PENDING_ERROR",
                "PENDING_SHUTDOWN>NOT_RUNNING",
                "PENDING_SHUTDOWN>PENDING_ERROR",
                "PENDING_ERROR>ERROR",
            ]
        );
    }
}
