//! How many copies of state there are, and when a task may move to one.

/// How many copies of state there are, and when a task may move to one (KIP-441).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacementPolicy {
    /// Kafka's `num.standby.replicas`: members beside the owner that keep each state warm, as far
    /// as there are members. 0 by default.
    pub standby_replicas: usize,
    /// Kafka's `acceptable.recovery.lag`: a task with state moves only to a member that lacks at
    /// most so many records of its changelogs. 10,000 by default; `u64::MAX` moves tasks at once.
    pub acceptable_recovery_lag: u64,
    /// Kafka's `max.warmup.replicas`: copies beyond the standbys that are warmed up at a time ahead
    /// of a move. 2 by default, at least 1: without any, a task could never move.
    pub warmup_replicas_max: usize,
}

impl PlacementPolicy {
    /// No standbys and no warm-up: what a group can do with a member that knows of neither.
    pub const AT_ONCE: Self =
        Self { standby_replicas: 0, acceptable_recovery_lag: u64::MAX, warmup_replicas_max: 1 };
}

impl Default for PlacementPolicy {
    fn default() -> Self {
        Self { standby_replicas: 0, acceptable_recovery_lag: 10_000, warmup_replicas_max: 2 }
    }
}
