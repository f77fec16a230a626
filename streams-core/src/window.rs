//! Windows in time, and keys within them.

use std::fmt;

use crate::time::Timestamp;

/// A span of time. Whether its end belongs to it depends on its kind: it does not for tumbling and
/// hopping windows, it does for sliding windows and sessions. Answers to Kafka's `Window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first point in time.
    pub start: Timestamp,
    /// The last one, or for tumbling and hopping windows the one behind it.
    pub end: Timestamp,
}

impl Window {
    /// A window from `start` to `end`.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// let window = Window::new(Timestamp::from_millis(0), Timestamp::from_millis(10));
    /// assert_eq!((window.start.millis(), window.end.millis()), (0, 10));
    /// ```
    #[must_use]
    pub const fn new(start: Timestamp, end: Timestamp) -> Self {
        Self { start, end }
    }

    /// A window of this many milliseconds; it ends at the greatest time when that is earlier.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::Window;
    /// let window = Window::of_size(Timestamp::from_millis(5), 10);
    /// assert_eq!(window.end, Timestamp::from_millis(15));
    /// let endless = Window::of_size(Timestamp::from_millis(5), i64::MAX);
    /// assert_eq!(endless.end, Timestamp::from_millis(i64::MAX));
    /// ```
    #[must_use]
    pub const fn of_size(start: Timestamp, size_ms: i64) -> Self {
        let end = Timestamp::from_millis(start.millis().saturating_add(size_ms));
        Self { start, end }
    }
}

/// A key within a window. Answers to Kafka's `Windowed`, and is printed as Kafka prints it:
///
/// ```
/// use streams_core::time::Timestamp;
/// use streams_core::window::{Window, Windowed};
///
/// let window = Window::new(Timestamp::from_millis(0), Timestamp::from_millis(60_000));
/// assert_eq!(Windowed::new("a", window).to_string(), "[a@0/60000]");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Windowed<K> {
    /// The key.
    pub key: K,
    /// The window.
    pub window: Window,
}

impl<K> Windowed<K> {
    /// A key within a window.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// # use streams_core::window::{Window, Windowed};
    /// let window = Window::of_size(Timestamp::from_millis(5), 10);
    /// assert_eq!(Windowed::new("ann", window).to_string(), "[ann@5/15]");
    /// ```
    #[must_use]
    pub const fn new(key: K, window: Window) -> Self {
        Self { key, window }
    }
}

impl<K: fmt::Display> fmt::Display for Windowed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, window: Window { start, end } } = self;
        write!(f, "[{key}@{start}/{end}]")
    }
}
