//! A disk without space: the task stops with an error, and goes on once there is space again.

use std::path::{Path, PathBuf};

use crate::small_disk::{alone, fill};
use crate::support::app::SOON;
use crate::support::child::{Launch, Process};
use crate::support::flow::{self, await_all_committed, compare, while_records_flow};
use crate::support::fold::Numbering;
use crate::support::owners::{Life, Owners};
use crate::support::watch::clock;
use crate::support::{Place, holds_within};

/// Mounts a disk and takes most of it before anything else can: RocksDB finds no room to set aside
/// for its logs. It writes again once it has as much room as a write buffer takes.
const MOUNT: &str = r#"
mkdir -p "$0" && mount -t tmpfs -o size=96m millstream "$0" || exit
head -c 95M /dev/zero >"$0/ballast" || exit
RUST_LOG=warn NO_COLOR=1 exec "$@" 2>"$0.log"
"#;

/// Runs the tally with a disk of its own, which nobody else sees.
fn start(place: &Place, state: &Path) -> Process {
    let directory = state.to_str().unwrap();
    let mount = ["sh", "-c", MOUNT, directory];
    let within: Vec<&str> = alone().iter().chain(&mount).copied().collect();
    let settings = [("state.memory.budget.bytes", "16777216")];
    Launch { settings: &settings, within: &within, ..Launch::of(place, state) }.start()
}

/// What the process has said of a full disk.
fn complaints(state: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(state.with_extension("log")).unwrap();
    log.lines().filter(|line| line.contains("its disk is full")).map(str::to_owned).collect()
}

#[test]
fn a_full_disk_stops_tasks_until_there_is_space() {
    let rounds = flow::rounds(1);
    let place = Place::new("full-disk", 2);
    let mut numbering = Numbering::new(2000, 2);
    let state = place.state("state");
    let mut process = start(&place, &state);
    process.await_running();
    let seen = format!("/proc/{}/root{}", process.id(), state.to_str().unwrap());
    let ballast = PathBuf::from(seen).join("ballast");
    let mut pauses = Vec::new();
    while_records_flow(&place, &mut numbering, 4000, || {
        for _ in 0..rounds {
            let commits = process.progress().1;
            holds_within("it commits", SOON, || process.progress().1 > commits + 2);
            let known = complaints(&state).len();
            let failed = |task: &str| {
                complaints(&state)[known..].iter().any(|complaint| complaint.contains(task))
            };
            holds_within("both tasks stop", SOON, || {
                // What RocksDB gives back when one fails would last the other for long.
                fill(&ballast);
                failed("task=0_0") && failed("task=0_1")
            });
            std::fs::remove_file(&ballast).unwrap();
            let commits = process.progress().1;
            pauses.push(holds_within("it goes on", SOON, || process.progress().1 > commits + 5));
        }
    });
    await_all_committed(&place, SOON);
    assert!(process.is_alive());
    assert_eq!(process.failures(), [""; 0], "nobody has to decide");
    let events = process.task_events();
    process.close();
    let life = Life { slot: 0, events, ended: None, pauses: Vec::new() };
    let complaints = complaints(&state);
    let found = compare(&place, &numbering);
    println!(
        "{rounds} times full, {} complaints, such as: {}; commits within {:?} after there was space; \
         longest pause of a task {:?}; {} records: {found:?}",
        complaints.len(),
        complaints[0],
        pauses.iter().max().unwrap(),
        Owners::of(&[life], clock()).pause_max(),
        numbering.given(),
    );
    for complaint in &complaints {
        assert!(complaint.contains("No space left on device"), "{complaint}");
    }
    assert_eq!((found.lost, found.disordered, found.low), (0, 0, 0), "{found:?}");
    assert_eq!((found.foreign, found.split), (0, 0), "{found:?}");
}
