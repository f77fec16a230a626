//! A process with much state on disk is killed and started again: how soon its tasks process.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::support::child::{Launch, Process};
use crate::support::flow;
use crate::support::fold::EPOCH;
use crate::support::watch::{TaskEvent, clock};
use crate::support::{Given, Place, holds_within};

const PARTITIONS: i32 = 4;
/// Rows of each task; `scripts/soak` says how many.
const KEYS: u64 = 500;
/// What a row takes, almost all of it for its key.
const ROW_BYTES: usize = 1000;
/// Until as much was processed as is to be kept.
const PROCESSED_MAX: Duration = Duration::from_secs(1800);
/// On a machine that does much else.
const AGAIN_MAX: Duration = Duration::from_secs(10);
/// What the long form holds a start to.
const LONG_AGAIN_MAX: Duration = Duration::from_secs(2);

/// A start of a process that was killed.
struct Again {
    bytes: u64,
    running: Duration,
    /// When the last task had processed its first record.
    processing: Duration,
    /// Records that were restored.
    restored: i64,
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, running, processing, restored } = self;
        let megabytes = bytes / 1_000_000;
        write!(f, "{megabytes} MB of state: running after {running:?}, all tasks process after ")?;
        write!(f, "{processing:?}, {restored} records restored")
    }
}

/// What the files of a folder take.
fn bytes_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let sizes = entries.map(|entry| match entry.metadata().unwrap() {
        metadata if metadata.is_dir() => bytes_of(&entry.path()),
        metadata => metadata.len(),
    });
    sizes.sum()
}

/// The key of this number, in no order of the numbers, and nothing that gets smaller when it is
/// compressed.
fn key_of(number: u64) -> String {
    let (mut dice, mut key) = (flow::Dice::new(number + 1), String::with_capacity(ROW_BYTES));
    while key.len() < ROW_BYTES {
        write!(key, "{:08x}", dice.next() & 0xffff_ffff).unwrap();
    }
    key
}

struct World {
    place: Place,
    /// Records written so far.
    written: u64,
}

impl World {
    /// Writes a record of each key to each partition.
    fn write(&mut self, keys: std::ops::Range<u64>) {
        let mut writer = self.place.cluster.writer();
        for key in keys.map(key_of) {
            for partition in 0..PARTITIONS {
                writer.write(&self.place.input, &Given::text(partition, &key, "x", EPOCH));
                self.written += 1;
            }
        }
        drop(writer.finish());
    }

    fn start(&self, state: &Path) -> Process {
        // Rarely, so that a kill finds much that is not committed.
        let settings = &[("commit.interval.ms", "5000")];
        Launch { settings, ..Launch::of(&self.place, state) }.start()
    }

    /// Kills a process while it has records to process, and starts it again.
    fn again(&mut self, process: Process, state: &Path, keys: u64) -> (Process, Again) {
        flow::await_all_committed(&self.place, PROCESSED_MAX);
        let (processed, _) = process.progress();
        self.write(0..keys);
        holds_within("it has begun", AGAIN_MAX, || process.progress().0 > processed);
        drop(process.kill());
        let bytes = bytes_of(state);
        // For each task, whatever was committed at last.
        self.write(0..1);
        let began = clock();
        let process = self.start(state);
        let running = process.await_running();
        let firsts = || {
            let mut firsts = BTreeMap::new();
            for (task, event) in process.task_events() {
                if let TaskEvent::First(at) = event {
                    firsts.entry(task).or_insert(at);
                }
            }
            firsts
        };
        let tasks = usize::try_from(PARTITIONS).unwrap();
        holds_within("all tasks process", AGAIN_MAX, || firsts().len() == tasks);
        let processing = firsts().into_values().max().unwrap().saturating_sub(began);
        let restored = process.restored().iter().map(|(_, _, records)| records).sum();
        (process, Again { bytes, running, processing, restored })
    }
}

#[test]
fn a_process_with_much_state_is_soon_back_after_a_kill() {
    let keys = flow::setting("MILLSTREAM_KEYS", KEYS);
    let place = Place::new("large", PARTITIONS);
    let state = place.state("state");
    let mut world = World { place, written: 0 };
    let mut process = world.start(&state);
    let some = keys.min(20_000);
    world.write(0..keys);
    holds_within("all is processed", PROCESSED_MAX, || process.progress().0 >= world.written);
    for _ in 0..flow::rounds(1) {
        let again;
        (process, again) = world.again(process, &state, some);
        println!("{again}");
        let most = if flow::is_long() { LONG_AGAIN_MAX } else { AGAIN_MAX };
        assert!(again.running < most && again.processing < most, "{again}");
        // Nothing but what came after the last commit.
        let since = i64::try_from(some).unwrap() * i64::from(PARTITIONS);
        assert!(again.restored <= since, "{again}");
        let row_bytes = u64::try_from(ROW_BYTES).unwrap();
        let least = keys * u64::try_from(PARTITIONS).unwrap() * row_bytes;
        assert!(again.bytes >= least / 10 * 9, "{again}");
    }
    process.close();
}
