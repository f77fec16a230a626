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
