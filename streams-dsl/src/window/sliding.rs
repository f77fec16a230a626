//! Windows around pairs of records.

use std::time::Duration;

use super::millis;
use super::sealed::Windowing;

/// Windows that hold records no further apart than a time difference. A window has its start and
/// its end. There is one for each set of records that fits into one: one ends with each record, and
/// one begins behind each record that others follow. Answers to Kafka's `SlidingWindows`.
///
/// A row's time is that of its latest record. A record with a null value is dropped and counted. A
/// window is closed when stream time has passed its end by more than the grace period; a late
/// record is left out of the windows that are closed, and counted for each. A store keeps a window
/// for twice the difference and the grace period, from its start.
/// [`WindowedKStream`](crate::WindowedKStream) says what an aggregation does to keys and headers,
/// and what it makes.
///
/// Times are whole milliseconds. A difference of 0 is a fault when the topology is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlidingWindows {
    pub(crate) difference_ms: i64,
    pub(crate) grace_ms: i64,
}

impl SlidingWindows {
    /// Windows of this time difference, which take no late records. Both ends belong to a window.
    /// Kafka's `ofTimeDifferenceWithNoGrace` (KIP-450).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, SlidingWindows, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let windows = SlidingWindows::of_time_difference(Duration::from_millis(10));
    /// let counts = clicks.group_by_key().windowed_by(windows).count();
    /// counts.to_stream().map(|window, count| (window.to_string(), count)).to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// for millis in [12, 15] {
    ///     clicks.pipe_at("ann", "x", Timestamp::from_millis(millis))?;
    /// }
    /// let counts = driver.output::<String, Option<i64>>("counts").read_map()?;
    /// assert_eq!(counts["[ann@2/12]"], Some(1));
    /// assert_eq!(counts["[ann@5/15]"], Some(2));
    /// assert_eq!(counts["[ann@13/23]"], Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of_time_difference(difference: Duration) -> Self {
        Self { difference_ms: millis(difference), grace_ms: 0 }
    }

    /// Late records are taken until stream time has passed the end of a window by this much; 0 by
    /// default. Kafka's `ofTimeDifferenceAndGrace`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::metrics::DropReason;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, SlidingWindows, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let ms = Duration::from_millis;
    /// let windows = SlidingWindows::of_time_difference(ms(10)).with_grace(ms(5));
    /// let counts = clicks.group_by_key().windowed_by(windows).count();
    /// counts.to_stream().map(|window, count| (window.to_string(), count)).to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// for millis in [14, 10, 26, 8] {
    ///     clicks.pipe_at("ann", "x", Timestamp::from_millis(millis))?;
    /// }
    /// let counts = driver.output::<String, Option<i64>>("counts").read_map()?;
    /// assert_eq!(counts["[ann@0/10]"], Some(1));
    /// assert_eq!(driver.dropped().of(DropReason::Late), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
