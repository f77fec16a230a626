//! Windows around pairs of records.

use std::time::Duration;

use super::millis;
use super::sealed::Windowing;

/// Windows that hold records no further apart than a time difference. A window has its start and
/// its end. There is one for each set of records that fits into one: one ends with each record, and
/// one begins behind each record that others follow. Answers to Kafka's `SlidingWindows`.
///
/// Times are whole milliseconds. A difference of 0 is a fault when the topology is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlidingWindows {
    pub(crate) difference_ms: i64,
    pub(crate) grace_ms: i64,
}

impl SlidingWindows {
    /// Windows of this time difference, which take no late records.
    #[must_use]
    pub fn of_time_difference(difference: Duration) -> Self {
        Self { difference_ms: millis(difference), grace_ms: 0 }
    }

    /// Late records are taken until stream time has passed the end of a window by this much.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace_ms: millis(grace), ..self }
    }
}

impl Windowing for SlidingWindows {
    fn size_ms(&self) -> i64 {
        self.difference_ms
    }

    fn retention_ms(&self) -> i64 {
        self.difference_ms.saturating_mul(2).saturating_add(self.grace_ms)
    }

    fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    fn problem(&self) -> Option<String> {
        let too_small = "a time difference of 0 ms; give sliding windows at least 1 ms";
        (self.difference_ms < 1).then(|| too_small.to_owned())
    }
}
