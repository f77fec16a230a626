//! Windows of activity.

use std::time::Duration;

use super::sealed::Windowing;
use super::{KeyWindows, millis};

/// Sessions: windows of records that follow each other within a gap of inactivity. A session has
/// its start and its end, which are the times of its first and last record; a record that lies
/// between two sessions, or within the gap of both, makes one of them. Answers to Kafka's
/// `SessionWindows`.
///
/// A row's time is its session's end. Sessions that a record joins leave the table by a null, each
/// at its own end, before the one that they become comes; on window close they do not, as they were
/// never given out. A session is closed when stream time has passed its end by more than the gap
/// and the grace period; a record of one that is closed is dropped and counted. A store keeps a
/// session for the gap and the grace period, from its end.
/// [`WindowedKStream`](crate::WindowedKStream) says what an aggregation does to keys, headers and
/// nulls, and what it makes.
///
/// Times are whole milliseconds. A gap of 0 joins the records of one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionWindows {
    pub(crate) gap_ms: i64,
    pub(crate) grace_ms: i64,
}

impl SessionWindows {
    /// Sessions that end when nothing comes for longer than `gap`; they take no late records. When
    /// a record makes a session longer or one of two, the former one leaves the table by a null.
    /// Kafka's `ofInactivityGapWithNoGrace`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, SessionWindows, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let windows = SessionWindows::of_inactivity_gap(Duration::from_millis(5));
    /// let counts = clicks.group_by_key().windowed_by(windows).count();
    /// counts.to_stream().map(|session, count| (session.to_string(), count)).to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// for millis in [10, 15, 21] {
    ///     clicks.pipe_at("ann", "x", Timestamp::from_millis(millis))?;
    /// }
    /// let counts = driver.output::<String, Option<i64>>("counts").read_map()?;
    /// assert_eq!((counts["[ann@10/10]"], counts["[ann@10/15]"]), (None, Some(2)));
    /// assert_eq!(counts["[ann@21/21]"], Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of_inactivity_gap(gap: Duration) -> Self {
        Self { gap_ms: millis(gap), grace_ms: 0 }
    }

    /// Late records are taken until stream time has passed the end of a session by the gap and this
    /// much; 0 by default. Kafka's `ofInactivityGapAndGrace`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::metrics::DropReason;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{KStream, SessionWindows, StreamsBuilder};
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// let ms = Duration::from_millis;
    /// let windows = SessionWindows::of_inactivity_gap(ms(5)).with_grace(ms(5));
    /// let counts = clicks.group_by_key().windowed_by(windows).count();
    /// counts.to_stream().map(|session, count| (session.to_string(), count)).to("counts");
    ///
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// for millis in [10, 20, 10, 21, 10] {
    ///     clicks.pipe_at("ann", "x", Timestamp::from_millis(millis))?;
    /// }
    /// let counts = driver.output::<String, Option<i64>>("counts").read_map()?;
    /// assert_eq!(counts["[ann@10/10]"], Some(2));
    /// assert_eq!(driver.dropped().of(DropReason::Late), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace_ms: millis(grace), ..self }
    }
}

impl Windowing for SessionWindows {
    fn size_ms(&self) -> i64 {
        0
    }

    fn retention_ms(&self) -> i64 {
        self.gap_ms.saturating_add(self.grace_ms)
    }

    fn grace_ms(&self) -> i64 {
        self.gap_ms.saturating_add(self.grace_ms)
    }

    fn of_keys(&self) -> KeyWindows {
        KeyWindows { size_ms: None, grace_ms: self.grace_ms() }
    }

    fn problem(&self) -> Option<String> {
        None
    }
}
