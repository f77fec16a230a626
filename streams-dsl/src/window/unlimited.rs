//! One window without end.

use streams_core::time::Timestamp;

use super::sealed::{FixedWindows, Starts, Windowing};

/// One window that never ends. Records before its start are left out, uncounted. Answers to Kafka's
/// `UnlimitedWindows`.
///
/// A row's time is that of its latest record. No record is late, and a store and its changelog keep
/// the window for ever. [`WindowedKStream`](crate::WindowedKStream) says what an aggregation does
/// to keys, headers and nulls, and what it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnlimitedWindows {
    start_ms: i64,
}

impl UnlimitedWindows {
    /// A window from time 0, which never closes and never expires.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder, UnlimitedWindows};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let counts = clicks.group_by_key().windowed_by(UnlimitedWindows::new()).count();
    /// counts.to_stream().map(|window, count| (window.to_string(), count)).to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// for millis in [1 << 40, 0] {
    ///     clicks.pipe_at("ann", "x", Timestamp::from_millis(millis))?;
    /// }
    /// let counts = driver.output::<String, Option<i64>>("counts").read_map()?;
    /// assert_eq!(counts["[ann@0/9223372036854775807]"], Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { start_ms: 0 }
    }

    /// The window starts at this time. A negative one is a fault when the topology is built.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, StreamsBuilder, UnlimitedWindows};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let windows = UnlimitedWindows::new().start_on(Timestamp::from_millis(5));
    /// let counts = clicks.group_by_key().windowed_by(windows).count();
    /// counts.to_stream().map(|window, count| (window.to_string(), count)).to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// for millis in [4, 5] {
    ///     clicks.pipe_at("ann", "x", Timestamp::from_millis(millis))?;
    /// }
    /// let counts = driver.output::<String, Option<i64>>("counts").read_map()?;
    /// assert_eq!(counts["[ann@5/9223372036854775807]"], Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn start_on(self, start: Timestamp) -> Self {
        Self { start_ms: start.millis() }
    }
}

impl Default for UnlimitedWindows {
    fn default() -> Self {
        Self::new()
    }
}

impl Windowing for UnlimitedWindows {
    fn size_ms(&self) -> i64 {
        i64::MAX
    }

    fn retention_ms(&self) -> i64 {
        i64::MAX
    }

    fn grace_ms(&self) -> i64 {
        0
    }

    fn problem(&self) -> Option<String> {
        (self.start_ms < 0).then(|| {
            format!("a window that starts at {}; let it start at 0 or later", self.start_ms)
        })
    }
}

impl FixedWindows for UnlimitedWindows {
    fn starts(&self, time: i64) -> Starts {
        let last = if time < self.start_ms { i64::MIN } else { self.start_ms };
        Starts { next: self.start_ms, last, step: i64::MAX }
    }

    fn end(&self, _: i64) -> i64 {
        i64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_window_from_its_start_on() {
        let windows = UnlimitedWindows::new().start_on(Timestamp::from_millis(5));
        let starts = |time| windows.starts(time).collect::<Vec<_>>();
        assert_eq!([starts(4), starts(5), starts(1 << 60)], [vec![], vec![5], vec![5]]);
        assert!(UnlimitedWindows::new().start_on(Timestamp::UNKNOWN).problem().is_some());
    }
}
