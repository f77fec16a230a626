//! Processes that are killed while records flow.

use std::fmt;
use std::time::{Duration, Instant};

use crate::support::Place;
use crate::support::app::SOON;
use crate::support::child::{self, Process, Told};
use crate::support::flow::{Dice, await_all_committed, compare, while_records_flow};
use crate::support::fold::{Difference, Numbering};
use crate::support::wait::let_live;

/// A session so long that nobody can have waited for it.
const SESSION: Duration = Duration::from_secs(45);
/// Bound of the time from the start of a killed instance to RUNNING.
const RUNNING_MAX: Duration = Duration::from_secs(10);

/// How a life of the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Kill,
    Close,
}

/// What happened in all lives of a process.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    pub(crate) kills: usize,
    pub(crate) closes: usize,
    /// Changelog records replayed after kills.
    pub(crate) replayed: i64,
    /// Changelog records that a replay from the beginning would have read.
    pub(crate) whole: i64,
    /// The longest time from the start of a process to RUNNING.
    pub(crate) to_running_max: Duration,
    /// The longest time without a record processed.
    pub(crate) pause_max: Duration,
    last_progress: Option<Instant>,
    /// The least offsets from which the stores may be restored, sorted.
    positions: Vec<i64>,
}

impl fmt::Display for Lives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, closes, replayed, whole, to_running_max, pause_max, .. } = self;
        write!(
            f,
            "{kills} kills, {closes} clean stops, {replayed} of {whole} changelog offsets replayed, \
             RUNNING within {to_running_max:?}, longest pause {pause_max:?}"
        )
    }
}

impl Lives {
    /// One life: it runs, works for a while, and ends.
    #[track_caller]
    pub(crate) fn live(&mut self, process: Process, end: End, after: Duration) {
        let to_running = process.await_running();
        self.to_running_max = self.to_running_max.max(to_running);
        let_live(after);
        let mut restored = process.restored();
        let told = match end {
            End::Kill => process.kill(),
            End::Close => process.close(),
        };
        self.kills += usize::from(end == End::Kill);
        self.closes += usize::from(end == End::Close);
        restored.sort_unstable();
        self.replayed += restored.iter().map(|(_, _, records)| records).sum::<i64>();
        self.whole += restored.iter().map(|(_, next, _)| next).sum::<i64>();
        let starts: Vec<i64> = restored.iter().map(|(start, _, _)| *start).collect();
        let kept = starts.iter().zip(&self.positions).all(|(start, before)| start >= before);
        assert!(kept, "local state was not used again: {:?}, then {starts:?}", self.positions);
        self.positions = starts;
        self.note_pauses(&told);
    }

    fn note_pauses(&mut self, told: &[(Instant, Told)]) {
        let mut before = 0;
        for (at, told) in told {
            let Told::Progress { processed, .. } = told else { continue };
            if *processed > before {
                let pause = self.last_progress.map_or(Duration::ZERO, |last| *at - last);
                self.pause_max = self.pause_max.max(pause);
                self.last_progress = Some(*at);
                before = *processed;
            }
        }
    }
}

#[test]
fn ten_kills_lose_nothing() {
    let seed = std::env::var("MILLSTREAM_SEED").map_or(1, |seed| seed.parse().unwrap());
    let (place, mut dice) = (Place::new("kills", 4), Dice::new(seed));
    let (mut numbering, mut lives) = (Numbering::new(200, 4), Lives::default());
    let state = place.state("state");
    while_records_flow(&place, &mut numbering, 3000, || {
        for _ in 0..10 {
            let after = dice.between(Duration::from_millis(50), Duration::from_millis(900));
            lives.live(child::start(&place, &state, &[]), End::Kill, after);
        }
    });
    let last = child::start(&place, &state, &[]);
    await_all_committed(&place, SOON);
    lives.live(last, End::Close, Duration::ZERO);

    let found = compare(&place, &numbering);
    println!("seed {seed}: {} records, {lives}; {found:?}", numbering.given());
    assert_eq!(lives.kills, 10);
    assert_eq!((found.lost, found.disordered, found.low), (0, 0, 0), "{found:?}");
    assert_eq!((found.foreign, found.split), (0, 0), "{found:?}");
    assert!(lives.replayed * 2 < lives.whole, "only the tail is to be replayed: {lives:?}");
    assert!(lives.to_running_max < RUNNING_MAX, "nobody waits for {SESSION:?}: {lives:?}");
}

#[test]
fn clean_stops_count_each_record_once() {
    let place = Place::new("stops", 4);
    let (mut numbering, mut lives) = (Numbering::new(200, 4), Lives::default());
    let state = place.state("state");
    while_records_flow(&place, &mut numbering, 3000, || {
        for _ in 0..4 {
            let process = child::start(&place, &state, &[]);
            lives.live(process, End::Close, Duration::from_millis(500));
        }
    });
    let last = child::start(&place, &state, &[]);
    await_all_committed(&place, SOON);
    lives.live(last, End::Close, Duration::ZERO);
    println!("{} records, {lives}", numbering.given());
    assert_eq!(compare(&place, &numbering), Difference::default());
    assert_eq!(lives.replayed, 0, "{lives:?}");
}
