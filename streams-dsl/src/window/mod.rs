//! Windows: which ones a record falls into, and how long they are kept.

mod join;
mod session;
mod sliding;
mod time;
mod unlimited;

use std::time::Duration;

pub use self::join::JoinWindows;
pub use self::session::SessionWindows;
pub use self::sliding::SlidingWindows;
pub use self::time::TimeWindows;
pub use self::unlimited::UnlimitedWindows;

/// When a windowed aggregation gives out its results. Answers to Kafka's `EmitStrategy` (KIP-825).
///
/// ```
/// # use std::time::Duration;
/// # use streams_core::time::Timestamp;
/// # use streams_dsl::{EmitStrategy, KStream, StreamsBuilder, TimeWindows};
/// # use streams_test::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// # let clicks: KStream<'_, String, String> = builder.stream("clicks");
/// let windows = TimeWindows::of_size(Duration::from_millis(10));
/// let clicks = clicks.group_by_key().windowed_by(windows);
/// let each = clicks.count().to_stream().map(|window, count| (window.key, count));
/// each.to("updates");
/// let once = clicks.with_emit_strategy(EmitStrategy::OnWindowClose).count();
/// once.to_stream().map(|window, count| (window.key, count)).to("closed");
///
/// # let driver = TopologyTestDriver::new(&builder.build()?)?;
/// let mut clicks = driver.input::<String, String>("clicks");
/// for millis in [1, 2] {
///     clicks.pipe_at("ann", "x", Timestamp::from_millis(millis))?;
/// }
/// driver.advance_wall_clock(Duration::from_secs(1))?;
/// clicks.pipe_at("bob", "x", Timestamp::from_millis(10))?;
/// let updates = driver.output::<String, Option<i64>>("updates").read_values()?;
/// assert_eq!(updates, [Some(1), Some(2), Some(1)]);
/// let closed = driver.output::<String, Option<i64>>("closed").read_record()?;
/// assert_eq!((closed.value, closed.timestamp), (Some(2), Timestamp::from_millis(2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmitStrategy {
    /// Each update of a window, or the last one between two commits where there is a record cache.
    #[default]
    OnWindowUpdate,
    /// Each window once, when it is closed: when stream time has passed its end and its grace
    /// period. The aggregation looks for closed windows when a record comes, and at most once a
    /// second of wall-clock time (`__emit.interval.ms.kstreams.windowed.aggregation__`; with 0,
    /// whenever a record comes). A result has the time of the window's latest record, or the end of
    /// its session, and the headers of the record that had come. The stores of sliding windows and
    /// sessions have no record cache then.
    OnWindowClose,
}

/// The windows that the keys of a table lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyWindows {
    /// Milliseconds of a window; sessions have their end in the key.
    pub(crate) size_ms: Option<i64>,
    /// Milliseconds after its end for which a window may still change.
    pub(crate) grace_ms: i64,
}

impl KeyWindows {
    /// Those of two tables that come together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { grace_ms: self.grace_ms.max(other.grace_ms), ..self }
    }
}

mod sealed {
    use super::KeyWindows;

    /// What [`Windowing`](super::Windowing) is inside the crate.
    pub trait Windowing {
        /// Milliseconds of a window, as its keys are read and printed.
        fn size_ms(&self) -> i64;
        /// Milliseconds for which a store has to keep a window.
        fn retention_ms(&self) -> i64;
        /// Milliseconds after its end for which a window may still change.
        fn grace_ms(&self) -> i64;
        /// As its keys show them.
        fn of_keys(&self) -> KeyWindows {
            KeyWindows { size_ms: Some(self.size_ms()), grace_ms: self.grace_ms() }
        }
        /// What is wrong with the numbers.
        fn problem(&self) -> Option<String>;
    }

    /// Windows whose starts follow from a record's time alone.
    pub trait FixedWindows: Windowing + Copy + Send + Sync + 'static {
        /// The starts of the windows that a time falls into, the earliest first, and how many there
        /// are.
        fn starts(&self, time: i64) -> Starts;
        /// Milliseconds from start to end; a window ends at the greatest time at the latest.
        // DIFFERENCE(last-window): in Kafka a window that would end later is an error.
        fn end(&self, start: i64) -> i64 {
            start.saturating_add(self.size_ms())
        }
    }

    /// Starts of windows.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Starts {
        pub next: i64,
        pub last: i64,
        pub step: i64,
    }

    impl Iterator for Starts {
        type Item = i64;

        fn next(&mut self) -> Option<i64> {
            if self.next > self.last {
                return None;
            }
            let start = self.next;
            match start.checked_add(self.step.max(1)) {
                Some(next) => self.next = next,
                // No window begins after the greatest time.
                None => self.last = i64::MIN,
            }
            Some(start)
        }
    }
}

pub(crate) use self::sealed::{FixedWindows as StartsOf, Windowing as Sizes};

/// The kinds of windows: [`TimeWindows`], [`SlidingWindows`], [`SessionWindows`] and
/// [`UnlimitedWindows`].
pub trait Windowing: sealed::Windowing + Copy + Send + Sync + 'static {}

impl<W: sealed::Windowing + Copy + Send + Sync + 'static> Windowing for W {}

/// Windows whose starts follow from a record's time alone: [`TimeWindows`] and
/// [`UnlimitedWindows`].
pub trait FixedWindows: sealed::FixedWindows + Windowing {}

impl FixedWindows for TimeWindows {}
impl FixedWindows for UnlimitedWindows {}

/// Windows that close: all but [`UnlimitedWindows`].
pub trait ClosingWindows: Windowing {}

impl ClosingWindows for TimeWindows {}
impl ClosingWindows for SlidingWindows {}
impl ClosingWindows for SessionWindows {}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
