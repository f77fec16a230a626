//! The one reader of the system's clocks.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use streams_core::time::{Moment, Now, Timestamp};

/// Wall-clock time in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the shell's clock is read here and nowhere else")]
pub(crate) fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Wall-clock time.
pub(crate) fn wall() -> Timestamp {
    Timestamp::from_millis(now_millis())
}

/// Both clocks.
pub(crate) fn now() -> Now {
    Now { moment: Moment::from_millis(monotonic_millis()), wall: wall() }
}

/// A clock that never goes back.
#[expect(clippy::disallowed_methods, reason = "the shell's clock is read here and nowhere else")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// Milliseconds of that clock since it was asked first.
pub(crate) fn monotonic_millis() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let now = monotonic();
    let since = now.saturating_duration_since(*START.get_or_init(|| now));
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
