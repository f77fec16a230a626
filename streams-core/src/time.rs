//! Points in time as Kafka counts them.

use std::fmt;
use std::time::Duration;

/// Milliseconds since 1970-01-01 UTC, as in Kafka's records. Negative values mean "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// No time known: Kafka's -1.
    pub const UNKNOWN: Self = Self(-1);

    /// The time that many milliseconds after 1970-01-01 UTC.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// assert_eq!(Timestamp::from_millis(7).millis(), 7);
    /// assert!(!Timestamp::from_millis(-1).is_known());
    /// ```
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// assert_eq!(Timestamp::UNKNOWN.millis(), -1);
    /// ```
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whether this is a time at all (not negative).
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// assert!(Timestamp::from_millis(0).is_known());
    /// assert!(!Timestamp::UNKNOWN.is_known());
    /// ```
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.0 >= 0
    }

    /// The time this much later; stops at the end of the representable range.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// let (time, last) = (Timestamp::from_millis(5), Timestamp::from_millis(i64::MAX));
    /// assert_eq!(time.plus(Duration::from_millis(2)), Timestamp::from_millis(7));
    /// assert_eq!(last.plus(Duration::from_millis(2)), last);
    /// ```
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// How much later this is than `earlier`; zero when it is not later.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// let (earlier, later) = (Timestamp::from_millis(5), Timestamp::from_millis(7));
    /// assert_eq!(later.since(earlier), Duration::from_millis(2));
    /// assert_eq!(earlier.since(later), Duration::ZERO);
    /// ```
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment of a clock that never goes back, in milliseconds since a start that the caller chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// The moment so many milliseconds after the clock's start.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the clock's start.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `wait` later; parts of a millisecond count as a whole one.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        let millis = wait.as_nanos().div_ceil(1_000_000);
        Self(self.0.saturating_add(u64::try_from(millis).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero if it is still to come.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// What the clocks show: how much time passes goes by the one, and what time it is by the other,
/// which people and time servers set forwards and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For waits, intervals and time-outs.
    pub moment: Moment,
    /// For punctuation in wall-clock time, for records without a time, and for what is kept on disk.
    pub wall: Timestamp,
}

impl Now {
    /// Both clocks run together, from the wall clock's time.
    ///
    /// ```
    /// # use streams_core::time::{Moment, Now, Timestamp};
    /// let now = Now::from_wall(Timestamp::from_millis(7));
    /// assert_eq!(now.moment, Moment::from_millis(7));
    /// assert_eq!(Now::from_wall(Timestamp::UNKNOWN).moment, Moment::default());
    /// ```
    #[must_use]
    pub fn from_wall(wall: Timestamp) -> Self {
        let millis = u64::try_from(wall.millis()).unwrap_or(0);
        Self { moment: Moment::from_millis(millis), wall }
    }

    /// So much later, by both clocks.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::{Now, Timestamp};
    /// let now = Now::from_wall(Timestamp::from_millis(7));
    /// let later = Now::from_wall(Timestamp::from_millis(9));
    /// assert_eq!(now.after(Duration::from_millis(2)), later);
    /// ```
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self { moment: self.moment.after(wait), wall: self.wall.plus(wait) }
    }
}
