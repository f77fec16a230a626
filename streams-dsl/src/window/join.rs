//! Which records of two streams are joined.

use std::time::Duration;

use super::millis;

/// How far apart the times of two records may be that are joined: a record meets those of the other
/// stream from `before` earlier to `after` later, both ends included. Answers to Kafka's
/// `JoinWindows`.
///
/// Times are whole milliseconds. A window that ends before it starts is a fault when the topology is
/// built.
///
/// ```
/// use std::time::Duration;
/// use streams_dsl::JoinWindows;
///
/// let minutes = |count: u64| Duration::from_secs(60 * count);
/// // A payment that comes with its order or up to an hour later, and up to 5 minutes late.
/// let windows = JoinWindows::of_time_difference(minutes(60))
///     .before(Duration::ZERO)
///     .with_grace(minutes(5));
/// assert_eq!(windows.size(), minutes(60));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinWindows {
    pub(crate) before_ms: i64,
    pub(crate) after_ms: i64,
    pub(crate) grace_ms: i64,
}

impl JoinWindows {
    /// Records are joined that are no further apart than this, whichever comes first. Late records
    /// are not waited for. Kafka's `ofTimeDifferenceWithNoGrace`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::JoinWindows;
    /// let windows = JoinWindows::of_time_difference(Duration::from_secs(10));
    /// assert_eq!(windows.size(), Duration::from_secs(20));
    /// assert_eq!(windows.retention(), Duration::from_secs(20));
    /// ```
    #[must_use]
    pub fn of_time_difference(difference: Duration) -> Self {
        let difference = millis(difference);
        Self { before_ms: difference, after_ms: difference, grace_ms: 0 }
    }

    /// The other record may be from `before_ms` earlier to `after_ms` later, in milliseconds, of which
    /// a negative one lies on the other side: what Kafka's `before` and `after` take. Late records are
    /// not waited for.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::JoinWindows;
    /// let later = JoinWindows::of_time_difference(Duration::from_millis(10));
    /// let later = later.starting_after(Duration::from_millis(4));
    /// assert_eq!(JoinWindows::of_bounds(-4, 10), later);
    /// ```
    #[must_use]
    pub const fn of_bounds(before_ms: i64, after_ms: i64) -> Self {
        Self { before_ms, after_ms, grace_ms: 0 }
    }

    /// The other record may be this much earlier.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{JoinWindows, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let ms = Duration::from_millis;
    /// let windows = JoinWindows::of_time_difference(ms(0)).before(ms(5));
    /// ours.join(theirs, |_: &i64, other: &i64| *other, windows).to("pairs");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("ours").pipe_at("a", 100, Timestamp::from_millis(100))?;
    /// let mut theirs = driver.input::<String, i64>("theirs");
    /// for millis in [94, 95, 100, 101] {
    ///     theirs.pipe_at("a", millis, Timestamp::from_millis(millis))?;
    /// }
    /// assert_eq!(driver.output::<String, i64>("pairs").read_values()?, [95, 100]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn before(self, difference: Duration) -> Self {
        Self { before_ms: millis(difference), ..self }
    }

    /// The other record may be this much later.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{JoinWindows, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let ms = Duration::from_millis;
    /// let windows = JoinWindows::of_time_difference(ms(0)).after(ms(5));
    /// ours.join(theirs, |_: &i64, other: &i64| *other, windows).to("pairs");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("ours").pipe_at("a", 100, Timestamp::from_millis(100))?;
    /// let mut theirs = driver.input::<String, i64>("theirs");
    /// for millis in [99, 100, 105, 106] {
    ///     theirs.pipe_at("a", millis, Timestamp::from_millis(millis))?;
    /// }
    /// assert_eq!(driver.output::<String, i64>("pairs").read_values()?, [100, 105]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn after(self, difference: Duration) -> Self {
        Self { after_ms: millis(difference), ..self }
    }

    /// The other record must be later by this much at least: Kafka's `before` with a negative
    /// difference.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{JoinWindows, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let ms = Duration::from_millis;
    /// let windows = JoinWindows::of_time_difference(ms(5)).starting_after(ms(2));
    /// ours.join(theirs, |_: &i64, other: &i64| *other, windows).to("pairs");
    /// assert_eq!(windows.size(), ms(3));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("ours").pipe_at("a", 100, Timestamp::from_millis(100))?;
    /// let mut theirs = driver.input::<String, i64>("theirs");
    /// for millis in [101, 102, 105, 106] {
    ///     theirs.pipe_at("a", millis, Timestamp::from_millis(millis))?;
    /// }
    /// assert_eq!(driver.output::<String, i64>("pairs").read_values()?, [102, 105]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn starting_after(self, difference: Duration) -> Self {
        Self { before_ms: millis(difference).saturating_neg(), ..self }
    }

    /// The other record must be earlier by this much at least: Kafka's `after` with a negative
    /// difference.
    ///
    /// As in Kafka, a join keeps records for the size of the windows and the grace period, however
    /// far back the windows lie; a grace period of this much keeps them long enough.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{JoinWindows, KStream, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let ours: KStream<'_, String, i64> = builder.stream("ours");
    /// # let theirs: KStream<'_, String, i64> = builder.stream("theirs");
    /// let ms = Duration::from_millis;
    /// let windows = JoinWindows::of_time_difference(ms(5)).ending_before(ms(2)).with_grace(ms(2));
    /// ours.join(theirs, |_: &i64, other: &i64| *other, windows).to("pairs");
    /// assert_eq!(windows.size(), ms(3));
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut theirs = driver.input::<String, i64>("theirs");
    /// for millis in [94, 95, 98, 99] {
    ///     theirs.pipe_at("a", millis, Timestamp::from_millis(millis))?;
    /// }
    /// driver.input::<String, i64>("ours").pipe_at("a", 100, Timestamp::from_millis(100))?;
    /// assert_eq!(driver.output::<String, i64>("pairs").read_values()?, [95, 98]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn ending_before(self, difference: Duration) -> Self {
        Self { after_ms: millis(difference).saturating_neg(), ..self }
    }

    /// Late records are joined until stream time has passed the end of their window by this much; 0
    /// by default. A left or outer join says so much later that a record has no partner. Kafka's
    /// `ofTimeDifferenceAndGrace`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::JoinWindows;
    /// let secs = Duration::from_secs;
    /// let windows = JoinWindows::of_time_difference(secs(10)).with_grace(secs(60));
    /// assert_eq!(windows.size(), secs(20));
    /// assert_eq!(windows.retention(), secs(80));
    /// ```
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace_ms: millis(grace), ..self }
    }

    /// From the earliest to the latest time of a partner.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::JoinWindows;
    /// let secs = Duration::from_secs;
    /// let windows = JoinWindows::of_time_difference(secs(10)).after(secs(1));
    /// assert_eq!(windows.size(), secs(11));
    /// ```
    #[must_use]
    pub fn size(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.size_ms()).unwrap_or(0))
    }

    /// For how long a join keeps a record: the size of the windows and their grace period.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::JoinWindows;
    /// let secs = Duration::from_secs;
    /// let windows = JoinWindows::of_time_difference(secs(10)).with_grace(secs(5));
    /// assert_eq!(windows.retention(), secs(25));
    /// ```
    #[must_use]
    pub fn retention(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.retention_ms()).unwrap_or(0))
    }

    const fn size_ms(&self) -> i64 {
        self.before_ms.saturating_add(self.after_ms)
    }

    pub(crate) const fn retention_ms(&self) -> i64 {
        self.size_ms().saturating_add(self.grace_ms)
    }

    /// The same pairs, seen from the other stream.
    pub(crate) const fn reversed(self) -> Self {
        Self { before_ms: self.after_ms, after_ms: self.before_ms, grace_ms: self.grace_ms }
    }

    /// The first and the last time at which a partner of a record may be.
    pub(crate) fn around(&self, time: i64) -> (i64, i64) {
        let from = time.saturating_sub(self.before_ms).max(0);
        (from, time.saturating_add(self.after_ms).max(0))
    }

    /// What is wrong with the numbers.
    pub(crate) fn problem(&self) -> Option<String> {
        let Self { before_ms, after_ms, .. } = self;
        (self.size_ms() < 0).then(|| {
            format!(
                "a join window from {} ms to {after_ms} ms, which ends before it starts; let `before` and `after` add up to at least 0 ms",
                before_ms.saturating_neg()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_window_lies_around_a_record() {
        let windows = JoinWindows::of_time_difference(ms(10)).after(ms(5)).with_grace(ms(7));
        assert_eq!(windows.around(100), (90, 105));
        assert_eq!(windows.around(3), (0, 8));
        assert_eq!(windows.reversed().around(100), (95, 110));
        assert_eq!((windows.size(), windows.retention()), (ms(15), ms(22)));
    }

    #[test]
    fn a_window_may_lie_aside_but_not_end_before_it_starts() {
        let later = JoinWindows::of_time_difference(ms(10)).starting_after(ms(4));
        assert_eq!(later.around(100), (104, 110));
        assert_eq!(later.problem(), None);
        let earlier = JoinWindows::of_time_difference(ms(10)).ending_before(ms(4));
        assert_eq!(earlier.around(100), (90, 96));
        assert!(later.starting_after(ms(11)).problem().is_some());
        assert!(earlier.ending_before(ms(11)).problem().is_some());
    }
}
