//! What a buffer of 64 MiB lets the process grow by, and what an update costs that pushes another one
//! out. The bytes of a value are the argument, `-- 100` behind `cargo bench --bench buffer`, or 8.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run ends")]
#![expect(clippy::print_stdout, reason = "it tells what it measured")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]
#![expect(dead_code, reason = "there is no directory here")]

mod common;

use std::collections::BTreeMap;
use std::time::Instant;

use streams_core::serde::DefaultSerde;
use streams_core::store::Logging;
use streams_core::time::Timestamp;
use streams_state::{MemoryBackend, MemoryBudget, SuppressionBuffer};

use crate::common::{handle, open};

type Buffer = SuppressionBuffer<String, String>;

const MIB: usize = 1 << 20;
const BUFFER_BYTES: usize = 64 * MIB;
const GROWTH_BYTES_MAX: usize = 96 * MIB;
/// Of values that take little of a row.
const VALUE_BYTES: usize = 8;
/// A worker commits early when a task has staged so much.
const STAGED_BYTES_MAX: usize = 32 * MIB;

/// The most memory that the process had so far.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kib.expect("Linux tells how much") * 1024
}

fn main() {
    let length = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(VALUE_BYTES);
    let backend = MemoryBackend::within(MemoryBudget::of(1 << 30));
    let serdes = (String::serde(), String::serde());
    let spec = Buffer::declared("buffer", serdes, Logging::On(BTreeMap::new()));
    let mut stores = open(&backend, 0, &[spec], 0);
    let buffer: Buffer = handle(&*stores, "buffer");
    let (value, before) = ("v".repeat(length), peak());
    let (mut fills, mut updates) = (0_i64, 0_u32);
    let mut steady = None;
    while updates < 1_000_000 {
        fills += 1;
        let key = format!("key-{fills:012}");
        let put = buffer.put(Timestamp::from_millis(fills), &key, (None, Some(&value)));
        put.expect("the buffer takes it");
        while buffer.counted_bytes() > BUFFER_BYTES {
            steady.get_or_insert_with(Instant::now);
            updates += 1;
            buffer.emit_first(&mut |_| Ok(())).expect("it is given out");
        }
        if stores.staged_bytes() > STAGED_BYTES_MAX {
            buffer.log_changes().expect("the changelog takes it");
            stores.commit(&[(0, fills)]).expect("the buffer commits");
        }
    }
    let nanos = steady.map_or(0, |steady| steady.elapsed().as_nanos() / u128::from(updates));
    let growth = peak() - before;
    println!("{} updates wait; the process grew by {} MiB", buffer.len(), growth / MIB);
    println!("{nanos} ns for an update in and one out, with the changelog and commits");
    assert!(growth <= GROWTH_BYTES_MAX, "grew by {growth} bytes");
}
