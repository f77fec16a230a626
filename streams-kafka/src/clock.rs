//! The one reader of the system's clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use streams_core::time::Timestamp;

/// Wall-clock time in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the shell's clock is read here and nowhere else")]
pub(crate) fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Wall-clock time.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(now_millis())
}

/// A clock that never goes back.
#[expect(clippy::disallowed_methods, reason = "the shell's clock is read here and nowhere else")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}
