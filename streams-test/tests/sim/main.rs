//! Deterministic simulation of whole applications: real members, rosters and workers on the model
//! of Kafka, in virtual time, with everything that happens determined by a seed.
//!
//! `MILLSTREAM_SEED=n cargo test --release --workspace --test sim -- --nocapture one_seed` runs one
//! seed again. `MILLSTREAM_SEEDS` says how many are run, from `MILLSTREAM_FIRST_SEED` on, and
//! `MILLSTREAM_SECONDS` for how long instead; `scripts/soak --simulation` sets them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod app;
mod calls;
mod changelogs;
mod checks;
mod defects;
mod disk;
mod flaws;
mod image;
mod plan;
mod poison;
mod process;
mod rhythm;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use self::defects::{Defect, Trial};
use self::world::{Failure, Report, run};

/// Seeds that the tests of a change run.
const SEEDS: u64 = 400;
/// Each planted defect must be found within so many.
const SEEDS_TO_FIND: u64 = 2_000;
/// So many show nothing of a defect when the fault that shows it is left out.
const SEEDS_WITHOUT: u64 = 30;
const THREADS: usize = 2;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs a seed; a panic is a failure too.
fn attempt(seed: u64, trial: Trial) -> Result<Report, Failure> {
    let ran = catch_unwind(AssertUnwindSafe(|| run(seed, trial)));
    ran.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Failure { what: format!("a panic: {text:?}"), trace: Vec::new() })
    })
}

fn explain(seed: u64, failure: &Failure) -> String {
    let trace = failure.trace.join("\n");
    format!(
        "{trace}\nseed {seed}: {}\nrun it again: MILLSTREAM_SEED={seed} cargo test --release \
         --workspace --test sim -- --nocapture one_seed",
        failure.what
    )
}

/// Which seeds are run, and how long at most.
#[derive(Debug, Clone, Copy)]
struct Seeds {
    first: u64,
    count: u64,
    until: Option<Instant>,
}

impl Seeds {
    fn upto(count: u64) -> Self {
        Self { first: 0, count, until: None }
    }

    #[expect(clippy::disallowed_methods, reason = "a long run ends by the real clock")]
    fn now() -> Instant {
        Instant::now()
    }

    /// As the environment says.
    fn chosen() -> Self {
        let until = setting("MILLSTREAM_SECONDS").map(|s| Self::now() + Duration::from_secs(s));
        let count = if until.is_some() { u64::MAX } else { SEEDS };
        let count = setting("MILLSTREAM_SEEDS").unwrap_or(count);
        Self { first: setting("MILLSTREAM_FIRST_SEED").unwrap_or(0), count, until }
    }

    fn is_over(self) -> bool {
        self.until.is_some_and(|until| Self::now() >= until)
    }
}

/// What became of a number of seeds.
#[derive(Debug, Default)]
struct Outcome {
    report: Report,
    ran: u64,
    /// The first that failed.
    failed: Option<(u64, Failure)>,
}

/// Runs seeds on all threads until one fails or all are done.
fn run_all(seeds: Seeds, trial: Trial) -> Outcome {
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Outcome::default()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while sum.lock().unwrap().failed.is_none() && !seeds.is_over() {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= seeds.count {
                        return;
                    }
                    let seed = seeds.first + at;
                    let ran = attempt(seed, trial);
                    let mut sum = sum.lock().unwrap();
                    sum.ran += 1;
                    match ran {
                        Ok(report) => sum.report.add(&report),
                        Err(failure) => sum.failed = Some((seed, failure)),
                    }
                }
            });
        }
    });
    sum.into_inner().unwrap()
}

/// One seed, as often as one likes: `MILLSTREAM_SEED` says which.
#[test]
fn one_seed() {
    let seed = setting("MILLSTREAM_SEED").unwrap_or(0);
    match attempt(seed, Trial::default()) {
        Ok(report) => println!("seed {seed} held: {report:?}"),
        Err(failure) => panic!("{}", explain(seed, &failure)),
    }
}

#[test]
fn every_seed_holds() {
    let seeds = Seeds::chosen();
    let Outcome { report, ran, failed } = run_all(seeds, Trial::default());
    println!("{ran} seeds from {}: {report:?}", seeds.first);
    if let Some((seed, failure)) = failed {
        panic!("{}", explain(seed, &failure));
    }
    let Report { crashes, zombies, failures, returns, fenced, late, ordered, repeated, .. } =
        report;
    let Report { blackouts, full_disks, panics, damages, set_aside, .. } = report;
    let Report { outages, left_out, spoilt, refused, unanswered, punctuations, .. } = report;
    assert!(crashes >= ran && failures >= ran && punctuations >= ran, "{report:?}");
    let Report { workers_added, workers_removed, breaks, older, .. } = report;
    let by_programs = [workers_added, workers_removed, breaks, older];
    let rare = [zombies, returns, fenced, late, ordered, repeated, blackouts, full_disks];
    let others = [panics, damages, set_aside, outages, left_out, spoilt, refused, unanswered];
    assert!(rare.iter().chain(&others).chain(&by_programs).all(|count| *count > 0), "{report:?}");
}

#[test]
fn planted_defects_are_found() {
    let mut missed = Vec::new();
    for defect in Defect::ALL {
        let Outcome { ran, failed, .. } = run_all(Seeds::upto(SEEDS_TO_FIND), Trial::of(defect));
        match failed {
            Some((seed, Failure { what, .. })) => {
                println!("{defect:?} was found by seed {seed}, after {ran}: {what}");
            }
            None => missed.push(defect),
        }
    }
    assert!(missed.is_empty(), "not found within {SEEDS_TO_FIND} seeds: {missed:?}");
}

#[test]
fn what_one_fault_shows_is_not_seen_without_it() {
    for defect in Defect::ALL {
        let without = defect.shown_by();
        let trial = Trial { without, ..Trial::of(defect) };
        let seeds = Seeds::upto(if without.is_some() { SEEDS_WITHOUT } else { 0 });
        if let Some((seed, Failure { what, .. })) = run_all(seeds, trial).failed {
            panic!("{defect:?} was found without {without:?} by seed {seed}: {what}");
        }
    }
}

#[test]
fn a_seed_tells_the_whole_run() {
    for seed in 0..4 {
        let reports =
            [(); 2].map(|()| attempt(seed, Trial::default()).map_err(|failure| failure.what));
        let [one, other] = reports.map(|report| format!("{report:?}"));
        assert_eq!(one, other);
    }
}
