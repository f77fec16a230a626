//! The benchmark's workloads written by hand, with no framework: what the rest of this project is
//! measured against.
//!
//! `limit WORKLOAD BOOTSTRAP APP_ID GUARANTEE CACHE_BYTES STATE_DIR THREADS`, one thread whatever
//! is asked, at-least-once, no cache. The work equals that of Kafka Streams: timestamps and headers
//! kept, delivery reports read, checksums verified, `acks=all`, idempotence, offsets committed each
//! second after the reports and before the store's batch. `LIMIT_CONSUMER`, `LIMIT_PRODUCER`
//! (`key=value,...`), `LIMIT_FETCH` and `LIMIT_BUDGET` change settings for experiments.

#[path = "../../../streams-kafka/src/ffi/mod.rs"]
#[expect(dead_code, reason = "the whole module is built on; the limit uses a part")]
mod ffi;
#[path = "../limit/mod.rs"]
mod limit;

#[cfg(not(feature = "system-alloc"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), limit::Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    limit::run(&limit::Arguments::parse(&arguments)?)
}
