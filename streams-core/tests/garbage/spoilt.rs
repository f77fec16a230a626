//! What never was an encoding, or is none any more, and what memory it costs; tests of other crates
//! compile this file too.

use dhat::HeapStats;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::damage::rubbish;

/// Bytes of memory that bytes may cost beyond a multiple of their number.
pub(crate) const BYTES_FREE: usize = 64 * 1024;

/// How many of a kind of encoding are damaged.
const DAMAGED: usize = 300;

/// Bytes behind those that are damaged, in which a length finds what it announces: text and lists
/// without anything, in the classic encoding and in the flexible one.
const BEHIND: [(usize, u8); 3] = [(0, 0), (2048, 0), (2048, 1)];

/// These encodings, damaged; the same in each run.
pub(crate) fn spoilt(encodings: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut runner, rubbish) = (TestRunner::deterministic(), rubbish(encodings.to_vec()));
    let mut garbage = Vec::new();
    for _ in 0..DAMAGED {
        let damaged = rubbish.new_tree(&mut runner).unwrap().current();
        garbage.extend(BEHIND.map(|(count, byte)| {
            let mut bytes = damaged.clone();
            bytes.resize(damaged.len() + count, byte);
            bytes
        }));
    }
    garbage
}

/// All that is allocated meanwhile, in bytes, while a profiler of `dhat` runs.
pub(crate) fn allocated_by(act: impl FnOnce()) -> u64 {
    let before = HeapStats::get().total_bytes;
    act();
    HeapStats::get().total_bytes - before
}
