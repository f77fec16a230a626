//! Backends: where the stores of a process live.

mod memory;

pub use self::memory::MemoryBackend;
