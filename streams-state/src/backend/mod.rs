//! Backends: where the stores of a process live.

mod budget;
mod memory;
mod own;
pub(crate) mod private;
mod rocks;
mod state_dir;

pub use self::budget::MemoryBudget;
pub use self::memory::MemoryBackend;
pub use self::rocks::RocksBackend;
pub use self::state_dir::StateDirectory;
