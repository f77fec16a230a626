//! Waiting for something to become true, never for time to pass.

use std::time::{Duration, Instant};

/// Between two looks; short beside every bound in these tests.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The first thing that `look` finds.
#[track_caller]
pub(crate) fn eventually<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < within, "not within {within:?}: {what}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// How long it took until `look` held.
#[track_caller]
pub(crate) fn holds_within(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> bool,
) -> Duration {
    let began = Instant::now();
    eventually(what, within, || look().then_some(()));
    began.elapsed()
}

/// Lets an application run for a while, where a random moment or a rate is the subject of the test.
pub(crate) fn let_live(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}
