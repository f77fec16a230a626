//! A disk that is full when a commit is logged, a write buffer is flushed, or files are compacted.
//!
//! The test runs itself once more, alone in a mount namespace with a small disk of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use streams_core::error::StoreError;
use streams_core::store::TaskStores;

use crate::task::StoresOfTask;
use crate::testing::small_disk::{alone, fill};
use crate::testing::{Fixture, ScratchDirectory, handle};
use crate::{KeyValueStore, MemoryBudget, RocksBackend, StateDirectory, Stores};

type Store = KeyValueStore<u32, Vec<u8>>;

const SMALL_DISK: &str = "MILLSTREAM_SMALL_DISK";
const TEST: &str =
    "tests::full_disk::a_disk_that_is_full_at_any_moment_costs_no_commit_that_was_made";
const MOUNT: &str = r#"mount -t tmpfs -o size=48m millstream "$0" && exec timeout 120 "$@""#;
const ROUNDS: u32 = 7;
/// A database takes no more writes when it has too many files.
const ATTEMPTS_MAX: u32 = 4;
/// Most of a write buffer, so that a log that is closed does not give back as much room.
const COMMITS_IN_MEMORY: u32 = 42;
/// By then the log has outgrown what was set aside for it.
const COMMITS_MAX: u32 = 20_000;

/// What meets the full disk first.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Write,
    Flush,
    Compaction,
}

/// The small disk, and what takes up its space.
struct Disk(PathBuf);

impl Disk {
    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    fn fill(&self) {
        fill(&self.ballast());
    }

    fn clear(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn open(&self, fixture: &Fixture) -> Result<StoresOfTask, StoreError> {
        let directory = StateDirectory::open(&self.0.join("state"), &"app".into())?;
        RocksBackend::new(directory, MemoryBudget::of(16 << 20)).open_task(fixture.request())
    }
}

fn fixture() -> Fixture {
    Fixture::new(vec![Stores::key_value::<u32, Vec<u8>>("s").build()], 0)
}

/// Bytes that cannot be compressed.
fn noise(seed: u32) -> Vec<u8> {
    let step = |at: &mut u32| {
        *at = at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*at >> 24).to_le_bytes()[0])
    };
    std::iter::repeat(()).scan(seed, |at, ()| step(at)).take(2000).collect()
}

/// Writes some rows and commits them.
fn commit(fixture: &Fixture, stores: &mut StoresOfTask) -> Result<(), StoreError> {
    let store: Store = handle(stores, "s");
    for _ in 0..10 {
        let number = u32::try_from(fixture.end()).unwrap();
        store.put(&(number % 500), &noise(number))?;
    }
    stores.commit(&[(0, fixture.end())])
}

/// What was committed, as the changelog has it.
fn fold(fixture: &Fixture, end: i64) -> BTreeMap<u32, Vec<u8>> {
    let outbox = fixture.outbox.borrow();
    let sent = outbox.sent[..usize::try_from(end).unwrap()].iter();
    let row = |key: &[u8]| u32::from_be_bytes(key.try_into().unwrap());
    sent.map(|sent| (row(&sent.key), sent.value.clone().unwrap())).collect()
}

/// What the database had said by then.
fn said(error: &StoreError) -> String {
    let StoreError::DiskFull { source, .. } = error else { panic!("{error:?}") };
    assert!(error.is_passing(), "{error:?}");
    source.to_string()
}

/// Fills the disk before this moment. Whether that met it: files that are given back meanwhile may
/// have made room.
fn fill_before(moment: Moment, fixture: &Fixture, disk: &Disk, stores: &mut StoresOfTask) -> bool {
    for _ in 0..3 {
        stores.database().unwrap().flush().unwrap();
        (0..COMMITS_IN_MEMORY).for_each(|_| commit(fixture, stores).unwrap());
    }
    if matches!(moment, Moment::Compaction) {
        stores.database().unwrap().flush().unwrap();
    }
    disk.fill();
    let database = stores.database().unwrap();
    match moment {
        Moment::Write => true,
        Moment::Flush => database.flush().is_err_and(|error| {
            let said = said(&error.of_store(&"s".into()));
            assert!(said.contains(".sst"), "{said}");
            true
        }),
        Moment::Compaction => {
            let before = database.background_errors();
            database.compact();
            database.background_errors() > before
        }
    }
}

/// A disk becomes full, and has space again.
fn round(moment: Moment, fixture: &Fixture, disk: &Disk) {
    let mut stores = disk.open(fixture).unwrap();
    if matches!(moment, Moment::Compaction) {
        stores.database().unwrap().compact_when_told();
    }
    let met = (0..ATTEMPTS_MAX).any(|_| {
        let met = fill_before(moment, fixture, disk, &mut stores);
        if !met {
            disk.clear();
        }
        met
    });
    assert!(met, "{moment:?}");
    let mut committed = fixture.end();
    let failed = (0..COMMITS_MAX).find_map(|_| match commit(fixture, &mut stores) {
        Ok(()) => {
            committed = fixture.end();
            disk.fill();
            None
        }
        Err(error) => Some(error),
    });
    let failed = said(&failed.expect("a commit finds no space"));
    assert!(!matches!(moment, Moment::Write) || failed.contains(".log"), "{failed}");
    drop(stores);
    // Whether it is opened or not: nothing is damaged by that.
    if let Err(error) = disk.open(fixture) {
        assert!(error.is_passing(), "{error:?}");
    }
    disk.clear();

    let stores = disk.open(fixture).unwrap();
    let position = stores.position(0).unwrap();
    assert!(position >= committed, "{moment:?}: {position} < {committed}");
    let store: Store = handle(&stores, "s");
    let rows: BTreeMap<_, _> = store.all().unwrap().collect::<Result<_, _>>().unwrap();
    assert!(rows == fold(fixture, position), "{moment:?}");
    fixture.outbox.borrow_mut().sent.truncate(usize::try_from(position).unwrap());
}

fn run_again_on_a_small_disk(disk: &Path) {
    let mut again = Command::new(alone()[0]);
    again.args(&alone()[1..]).args(["sh", "-c", MOUNT]).arg(disk);
    again.arg(std::env::current_exe().unwrap()).args(["--exact", TEST, "--nocapture"]);
    let ran = again.env(SMALL_DISK, disk).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{ran:?}");
}

#[test]
fn a_disk_that_is_full_at_any_moment_costs_no_commit_that_was_made() {
    let Some(disk) = std::env::var_os(SMALL_DISK) else {
        let scratch = ScratchDirectory::new("small-disk");
        return run_again_on_a_small_disk(scratch.path());
    };
    let (disk, fixture) = (Disk(disk.into()), fixture());
    for _ in 0..ROUNDS {
        for moment in [Moment::Write, Moment::Flush, Moment::Compaction] {
            round(moment, &fixture, &disk);
        }
    }
}
