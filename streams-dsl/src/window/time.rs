//! Windows of one size at regular distances.

use std::time::Duration;

use super::millis;
use super::sealed::{FixedWindows, Starts, Windowing};

/// Windows of one size. They follow each other without gap or overlap (tumbling), unless they
/// advance by less than their size (hopping). A window has its start and not its end; the first
/// starts at time 0. Answers to Kafka's `TimeWindows`.
///
/// A record changes each window that it falls into, the earliest first. A row's time is that of its
/// latest record. A window is closed when stream time has reached its end and grace period; a late
/// record is left out of the windows that are closed, and counted for each. A store keeps a window
/// for its size and grace period, from its start. [`WindowedKStream`](crate::WindowedKStream) says
/// what an aggregation does to headers and nulls, and what it makes.
///
/// Times are whole milliseconds. A size of 0, an advance of 0 or above the size, is a fault when
/// the topology is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeWindows {
    size_ms: i64,
    advance_ms: i64,
    grace_ms: i64,
}

impl TimeWindows {
    /// Tumbling windows of this size, aligned to time 0. They take no late records: without
    /// [`with_grace`](Self::with_grace) a window is closed as soon as stream time has reached its
    /// end. Kafka's `ofSizeWithNoGrace`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::metrics::DropReason;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let windows = TimeWindows::of_size(Duration::from_millis(10));
    /// let counts = clicks.group_by_key().windowed_by(windows).count();
    /// counts.to_stream().map(|window, count| (window.to_string(), count)).to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// for millis in [9, 10, 8] {
    ///     clicks.pipe_at("ann", "x", Timestamp::from_millis(millis))?;
    /// }
    /// let counts = driver.output::<String, Option<i64>>("counts").read_map()?;
    /// assert_eq!((counts["[ann@0/10]"], counts["[ann@10/20]"]), (Some(1), Some(1)));
    /// assert_eq!(driver.dropped().of(DropReason::Late), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of_size(size: Duration) -> Self {
        let size_ms = millis(size);
        Self { size_ms, advance_ms: size_ms, grace_ms: 0 }
    }

    /// A window starts each `advance`, so that a record falls into several: hopping windows.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let ms = Duration::from_millis;
    /// let windows = TimeWindows::of_size(ms(10)).advance_by(ms(5));
    /// let counts = clicks.group_by_key().windowed_by(windows).count();
    /// counts.to_stream().map(|window, count| (window.to_string(), count)).to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("clicks").pipe_at("ann", "x", Timestamp::from_millis(12))?;
    /// let counts = driver.output::<String, Option<i64>>("counts").read_key_values()?;
    /// let windows: Vec<_> = counts.into_iter().map(|(window, _)| window).collect();
    /// assert_eq!(windows, ["[ann@5/15]", "[ann@10/20]"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn advance_by(self, advance: Duration) -> Self {
        Self { advance_ms: millis(advance), ..self }
    }

    /// Late records are taken until stream time has passed the end of a window by this much; 0 by
    /// default. Kafka's `ofSizeAndGrace`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::metrics::DropReason;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let ms = Duration::from_millis;
    /// let windows = TimeWindows::of_size(ms(10)).with_grace(ms(5));
    /// let counts = clicks.group_by_key().windowed_by(windows).count();
    /// counts.to_stream().map(|window, count| (window.to_string(), count)).to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// for millis in [1, 14, 2, 15, 3] {
    ///     clicks.pipe_at("ann", "x", Timestamp::from_millis(millis))?;
    /// }
    /// let counts = driver.output::<String, Option<i64>>("counts").read_map()?;
    /// assert_eq!(counts["[ann@0/10]"], Some(2));
    /// assert_eq!(driver.dropped().of(DropReason::Late), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace_ms: millis(grace), ..self }
    }
}

impl Windowing for TimeWindows {
    fn size_ms(&self) -> i64 {
        self.size_ms
    }

    fn retention_ms(&self) -> i64 {
        self.size_ms.saturating_add(self.grace_ms)
    }

    fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    fn problem(&self) -> Option<String> {
        let Self { size_ms, advance_ms, .. } = self;
        if *size_ms < 1 {
            return Some("windows of 0 ms; give them a size of at least 1 ms".to_owned());
        }
        let fits = (1..=*size_ms).contains(advance_ms);
        (!fits).then(|| {
            format!(
                "windows of {size_ms} ms that advance by {advance_ms} ms; let them advance by at least 1 ms and at most their size"
            )
        })
    }
}

impl FixedWindows for TimeWindows {
    fn starts(&self, time: i64) -> Starts {
        let step = self.advance_ms.max(1);
        let first = time.saturating_sub(self.size_ms).saturating_add(step).max(0) / step * step;
        Starts { next: first, last: time, step }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_time_falls_into_the_windows_around_it() {
        let starts = |windows: TimeWindows, time| windows.starts(time).collect::<Vec<_>>();
        let tumbling = TimeWindows::of_size(ms(10));
        assert_eq!(starts(tumbling, 0), [0]);
        assert_eq!(starts(tumbling, 19), [10]);
        let hopping = tumbling.advance_by(ms(4));
        assert_eq!(starts(hopping, 3), [0]);
        assert_eq!(starts(hopping, 12), [4, 8, 12]);
        assert_eq!(starts(hopping, 13), [4, 8, 12]);
        // None begins after the greatest time.
        let last = i64::MAX - i64::MAX % 10;
        assert_eq!(starts(tumbling, i64::MAX), [last]);
        assert_eq!(tumbling.end(last), i64::MAX);
        assert_eq!(starts(hopping, i64::MAX).len(), 2);
    }

    #[test]
    fn impossible_numbers_are_named() {
        assert_eq!(TimeWindows::of_size(ms(1)).problem(), None);
        assert!(TimeWindows::of_size(ms(0)).problem().is_some());
        for advance in [0, 11] {
            assert!(TimeWindows::of_size(ms(10)).advance_by(ms(advance)).problem().is_some());
        }
    }

    #[test]
    fn windows_are_those_that_hold_the_time() {
        for (size, advance) in (1..12).flat_map(|size| (1..=size).map(move |by| (size, by))) {
            let windows = TimeWindows { size_ms: size, advance_ms: advance, grace_ms: 0 };
            for time in 0..40 {
                let holds = |start: &i64| start % advance == 0 && time < start + size;
                let expected: Vec<i64> = (0..=time).filter(holds).collect();
                assert_eq!(windows.starts(time).collect::<Vec<_>>(), expected);
            }
        }
    }
}
