//! Records that flow while something is done to the application, and what came of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::app::{COUNTS, SOON};
use super::fold::{self, Difference, Numbering};
use super::ledger::Ledger;
use super::place::Place;
use super::shape::Shape;
use super::wait::{holds_within, let_live};

/// How many records a failure names.
const TOLD_MAX: usize = 20;

/// Numbers from a seed (xorshift64*).
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
    }

    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from((most - least).as_micros()).unwrap().max(1);
        least + Duration::from_micros(self.next() % span)
    }

    pub(crate) fn one_in(&mut self, sides: u64) -> bool {
        self.next().is_multiple_of(sides)
    }

    pub(crate) fn one_of(&mut self, count: usize) -> usize {
        usize::try_from(self.next()).unwrap() % count
    }
}

/// Writes records, so many a second, until told to stop.
pub(crate) fn feed(place: &Place, numbering: &mut Numbering, a_second: usize, stop: &AtomicBool) {
    let mut writer = place.cluster.writer();
    let began = Instant::now();
    let before = numbering.given();
    while !stop.load(Ordering::Relaxed) {
        let due = began.elapsed().as_micros() as usize * a_second / 1_000_000;
        while numbering.given() - before < due {
            writer.write(&place.input, &numbering.next());
        }
        let_live(Duration::from_millis(5));
    }
    numbering.keep(writer.finish());
}

/// Runs `act` while records flow.
pub(crate) fn while_records_flow(
    place: &Place,
    numbering: &mut Numbering,
    a_second: usize,
    act: impl FnOnce(),
) {
    beside(|stop| feed(place, numbering, a_second, stop), act);
}

/// Runs `act`, and beside it what goes on until it is told to stop, however `act` ends.
pub(super) fn beside<A, B: Send>(
    goes_on: impl FnOnce(&AtomicBool) -> B + Send,
    act: impl FnOnce() -> A,
) -> (A, B) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| goes_on(&stop));
        let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        stop.store(true, Ordering::Relaxed);
        let ended = other.join();
        match acted {
            Ok(acted) => (acted, ended.unwrap()),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Waits until the group has committed all of the input of a tally.
#[track_caller]
pub(crate) fn await_all_committed(place: &Place, within: Duration) {
    await_drained(place, Shape::Tally, within);
}

/// Waits until the group has committed all input, and all that follows from it.
#[track_caller]
pub(crate) fn await_drained(place: &Place, shape: Shape, within: Duration) {
    for topic in shape.inputs(place) {
        holds_within("all input is committed", within, || {
            let ends = place.cluster.ends(&topic);
            let committed = place.cluster.committed(&place.application, &topic);
            committed.iter().zip(ends).all(|(committed, end)| match committed {
                Some((offset, _)) => *offset == end,
                None => end == 0,
            })
        });
    }
}

/// Waits until the group has committed the input up to these ends.
#[track_caller]
pub(crate) fn await_passed(place: &Place, ends: &[i64]) {
    holds_within("the group has passed it", SOON, || {
        let committed = place.committed();
        committed.iter().zip(ends).all(|(offset, end)| offset >= end)
    });
}

/// Compares everything that came out with everything that went in, all of which the input topic has
/// to hold.
#[track_caller]
pub(crate) fn compare(place: &Place, numbering: &Numbering) -> Difference {
    let output = place.cluster.read(&place.output);
    let changelog = place.cluster.read(&place.changelog(COUNTS));
    let found = fold::difference(&numbering.truth(), &output, &changelog);
    let absent = fold::absent(numbering, &place.cluster.read(&place.input));
    assert!(
        absent.is_empty(),
        "the brokers lost {} input records, so that {found:?}: {:#?}",
        absent.len(),
        &absent[..absent.len().min(TOLD_MAX)],
    );
    found
}

/// The same for more records than memory should hold.
#[track_caller]
pub(crate) fn compare_many(place: &Place, numbering: &Numbering) -> Difference {
    let mut ledger = Ledger::of(numbering);
    place.cluster.each(&place.input, |_| ledger.enter_input());
    place.cluster.each(&place.output, |record| ledger.enter_output(&record));
    place.cluster.each(&place.changelog(COUNTS), |record| ledger.enter_change(&record));
    let (found, absent) = ledger.close();
    assert_eq!(absent, 0, "input records that the brokers lost, so that {found:?}");
    found
}

/// Whether `scripts/soak` runs the long form of a test.
pub(crate) fn is_long() -> bool {
    std::env::var_os("MILLSTREAM_KEYS").is_some()
}

/// What a time is held to: the bar in the long form, which has its machine for itself, and in the
/// short form what a machine can keep that does much else.
pub(crate) fn bar(long: Duration, short: Duration) -> Duration {
    if is_long() { long } else { short }
}

/// A number that the long form of a test is given by `scripts/soak`.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// How often a test does what it does; `scripts/soak` may say.
pub(crate) fn rounds(default: u64) -> u64 {
    setting("MILLSTREAM_ROUNDS", default)
}

/// Where the random choices of a test come from.
pub(crate) fn dice() -> Dice {
    Dice::new(setting("MILLSTREAM_SEED", 1))
}
