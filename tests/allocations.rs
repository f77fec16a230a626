//! How often the heap is asked for memory on the way of a record.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use dhat::HeapStats;
use millstream::{KStream, StreamsBuilder};
use streams_test::TopologyTestDriver;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const RECORDS: u64 = 1_000;

/// Allocations of a thousand records that go through so many `map_values`.
fn allocations(hops: usize) -> u64 {
    let builder = StreamsBuilder::new();
    let mut stream: KStream<'_, String, String> = builder.stream("in");
    for _ in 0..hops {
        stream = stream.map_values(|mut value| {
            value.make_ascii_uppercase();
            value
        });
    }
    stream.for_each(|_, _| {});
    let driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
    let mut input = driver.input::<String, String>("in");
    // Buffers reach their sizes.
    input.pipe("key", "value").unwrap();
    input.advance_time(Duration::from_millis(1));
    let before = HeapStats::get().total_blocks;
    for _ in 0..RECORDS {
        input.pipe("key", "value").unwrap();
    }
    HeapStats::get().total_blocks - before
}

#[test]
fn a_hop_of_text_allocates_nothing() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let (none, ten) = (allocations(0), allocations(10));
    assert!(none >= RECORDS, "the text of each record is allocated, and only {none} were counted");
    // The model's log doubles its capacity now and then; a hop would add a thousand.
    assert!(ten.abs_diff(none) < 10, "ten hops of {RECORDS} records add {}", ten.abs_diff(none));
}
