//! Counting in a store on disk: the time of a record and the memory of the process.
//!
//! `cargo bench -p streams-state --bench counting -- distinct` counts 10 million distinct keys
//! within a budget of 256 MiB, `distinct-small` 2 million; `hot` makes 4 million updates of 100,000
//! keys; `opened` opens 200 tasks of 10 stores.
#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot run ends")]

mod common;

use std::time::{Duration, Instant};

use streams_core::store::TaskStores;
use streams_core::time::Timestamp;
use streams_state::{
    MemoryBudget, RocksBackend, StateDirectory, Stores, TimestampedKeyValueStore, Update,
};

use crate::common::scratch::ScratchDirectory;
use crate::common::{handle, open};

type Counts = TimestampedKeyValueStore<String, i64>;

const BUDGET: usize = 256 << 20;
/// A task's bound of staged bytes; the worker commits early beyond it.
const STAGED_BYTES_MAX: usize = 32 << 20;

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// A field of `/proc/self/status` in MiB, such as the peak of the resident memory.
fn status_mib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// Time that this thread was on a processor; others may use the machine too.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

fn backend(scratch: &ScratchDirectory, budget: MemoryBudget) -> RocksBackend {
    let directory = StateDirectory::open(scratch.path(), &"bench".into()).expect("it is free");
    RocksBackend::new(directory, budget)
}

struct Counting {
    stores: Box<dyn TaskStores>,
    counts: Counts,
    records: i64,
    committed: Instant,
    commits: Duration,
}

impl Counting {
    fn new(backend: &RocksBackend) -> Self {
        let spec = Stores::timestamped_key_value::<String, i64>("counts").build();
        let stores = open(backend, 0, &[spec], 0);
        let counts = handle(&*stores, "counts");
        Self { stores, counts, records: 0, committed: now(), commits: Duration::ZERO }
    }

    fn count(&mut self, key: &String) {
        self.records += 1;
        let time = Timestamp::from_millis(self.records);
        let update = self
            .counts
            .update(key, |old| (Update::Put(old.map_or(0, |old| old.value) + 1, time), ()));
        update.expect("the store takes it");
    }

    fn commit(&mut self) {
        let start = cpu();
        self.stores.commit(&[(0, self.records)]).expect("the store commits");
        self.committed = now();
        self.commits += cpu() - start;
    }

    fn report(&self, name: &str, start: (Instant, Duration)) {
        let each = |time: Duration| time.as_nanos() / u128::from(self.records.unsigned_abs());
        println!(
            "{name}: {} records, each {} ns of processor ({} ns of them commits), {} ns elapsed; peak {} MiB, now {} MiB",
            self.records,
            each(cpu() - start.1),
            each(self.commits),
            each(start.0.elapsed()),
            status_mib("VmHWM:"),
            status_mib("VmRSS:"),
        );
    }
}

/// 10 million distinct keys of 8 to 16 bytes, in random order; then as many again, all known.
fn distinct(scratch: &ScratchDirectory, records: u64) {
    let budget = MemoryBudget::of(BUDGET);
    let staged_max = STAGED_BYTES_MAX.min(budget.staged_bytes_max());
    let backend = backend(scratch, budget);
    let mut counting = Counting::new(&backend);
    for name in ["distinct, first round", "distinct, both rounds"] {
        let start = (now(), cpu());
        counting.records = 0;
        counting.commits = Duration::ZERO;
        for number in 0..records {
            let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (number % 33);
            counting.count(&format!("{:x}", mixed ^ number << 20));
            if number % 256 == 0
                && (counting.stores.staged_bytes() > staged_max
                    || counting.committed.elapsed() > Duration::from_secs(1))
            {
                counting.commit();
            }
        }
        counting.commit();
        counting.report(name, start);
    }
}

/// 4 million updates of 100,000 keys, a commit each 100,000.
fn hot(scratch: &ScratchDirectory) {
    let backend = backend(scratch, MemoryBudget::of(BUDGET));
    let mut counting = Counting::new(&backend);
    let keys: Vec<_> = (0..100_000).map(|number| format!("key-{number}")).collect();
    let mut at = 0_usize;
    let start = (now(), cpu());
    for number in 0..4_000_000_u32 {
        at = (at * 1_664_525 + 1_013_904_223) % (1 << 32);
        counting.count(&keys[at % keys.len()]);
        if number % 100_000 == 99_999 {
            counting.commit();
        }
    }
    counting.report("hot", start);
}

/// 200 tasks of 10 stores, each with a few rows.
fn opened(scratch: &ScratchDirectory) {
    let backend = backend(scratch, MemoryBudget::of(BUDGET));
    let names: Vec<_> = (0..10).map(|store| format!("store-{store}")).collect();
    let specs = names
        .iter()
        .map(|name| Stores::timestamped_key_value::<String, i64>(name.as_str()).build());
    let specs: Vec<_> = specs.collect();
    let start = now();
    let mut tasks = Vec::new();
    for task in 0..200 {
        let mut stores = open(&backend, task, &specs, 0);
        for (number, name) in names.iter().enumerate() {
            let counts: Counts = handle(&*stores, name);
            counts.put(&"key".to_owned(), &1, Timestamp::from_millis(1)).expect("it is taken");
            stores.commit(&[(number, 1)]).expect("it commits");
        }
        tasks.push(stores);
    }
    println!(
        "opened: 200 tasks of 10 stores in {} ms; peak {} MiB",
        start.elapsed().as_millis(),
        status_mib("VmHWM:"),
    );
}

fn main() {
    let scratch = ScratchDirectory::new("counting");
    let chosen: Vec<_> = std::env::args().skip(1).collect();
    let is_chosen = |name: &str| chosen.iter().any(|argument| argument == name);
    if is_chosen("distinct") {
        distinct(&scratch, 10_000_000);
    }
    if is_chosen("distinct-small") {
        distinct(&scratch, 2_000_000);
    }
    if is_chosen("hot") {
        hot(&scratch);
    }
    if is_chosen("opened") {
        opened(&scratch);
    }
}
