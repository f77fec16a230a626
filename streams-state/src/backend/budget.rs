//! One memory budget for all stores of the process.
//!
//! DIFFERENCE(one-budget): in Kafka each store has a cache and buffers of its own.

use std::path::Path;

/// The memory that all stores of the process may take together: RocksDB's block cache and write
/// buffers, writes that wait for a commit, updates that wait in `suppress`, and rows kept because they
/// were used a short while ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    bytes: usize,
}

/// Bytes of the least budget that works.
const BYTES_MIN: usize = 16 << 20;
/// Taken as the machine's memory where it cannot be found out.
const MACHINE_BYTES_UNKNOWN: usize = 2 << 30;
/// Bytes that may wait for a commit in the whole process, if the budget allows.
const STAGED_BYTES_MAX: usize = 256 << 20;

impl MemoryBudget {
    /// This many bytes, at least 16 MiB.
    #[must_use]
    pub const fn of(bytes: usize) -> Self {
        Self { bytes: if bytes < BYTES_MIN { BYTES_MIN } else { bytes } }
    }

    /// A quarter of the memory that the process may use: the limit of its container (cgroup), else
    /// the machine's memory.
    #[must_use]
    pub fn of_machine() -> Self {
        Self::of(machine_bytes(Path::new("/")) / 4)
    }

    /// The whole budget.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.bytes
    }

    /// Of it, RocksDB's block cache and write buffers.
    #[must_use]
    pub const fn cache_bytes(self) -> usize {
        self.bytes / 2
    }

    /// Of [`cache_bytes`](Self::cache_bytes), the write buffers at most.
    #[must_use]
    pub const fn write_buffer_bytes(self) -> usize {
        self.bytes / 4
    }

    /// Rows in memory: staged, suppressed, or used a short while ago. What is left of the budget is for
    /// transient buffers and for what allocators waste.
    #[must_use]
    pub const fn rows_bytes(self) -> usize {
        self.bytes / 4
    }

    /// Bytes that may be staged in the whole process before a commit is due early: 256 MiB, or half
    /// of [`rows_bytes`](Self::rows_bytes) where that is less.
    #[must_use]
    pub const fn staged_bytes_max(self) -> usize {
        let half = self.rows_bytes() / 2;
        if half < STAGED_BYTES_MAX { half } else { STAGED_BYTES_MAX }
    }
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::of_machine()
    }
}

fn number(path: &Path) -> Option<usize> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The least of the limits that are set: of the cgroup (version 2, then 1) and of the machine.
fn machine_bytes(root: &Path) -> usize {
    let own = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let group = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let cgroup = root.join("sys/fs/cgroup");
    let limits = [
        number(&cgroup.join(group).join("memory.max")),
        number(&cgroup.join("memory.max")),
        number(&cgroup.join("memory/memory.limit_in_bytes")),
        machine(&root.join("proc/meminfo")),
    ];
    limits.into_iter().flatten().min().unwrap_or(MACHINE_BYTES_UNKNOWN)
}

fn machine(meminfo: &Path) -> Option<usize> {
    let text = std::fs::read_to_string(meminfo).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ScratchDirectory;

    #[test]
    fn the_least_limit_counts() {
        let root = ScratchDirectory::new("memory-budget");
        assert_eq!(machine_bytes(root.path()), MACHINE_BYTES_UNKNOWN);
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/meminfo", "MemTotal:       8000 kB\nMemFree: 1 kB\n");
        assert_eq!(machine_bytes(root.path()), 8000 * 1024);
        write("sys/fs/cgroup/memory.max", "max\n");
        assert_eq!(machine_bytes(root.path()), 8000 * 1024);
        write("proc/self/cgroup", "0::/app.slice\n");
        write("sys/fs/cgroup/app.slice/memory.max", "4096000\n");
        assert_eq!(machine_bytes(root.path()), 4_096_000);
    }

    #[test]
    fn the_parts_stay_within_the_whole() {
        for bytes in [0, BYTES_MIN, 256 << 20, 64 << 30] {
            let budget = MemoryBudget::of(bytes);
            assert!(budget.cache_bytes() + budget.rows_bytes() <= budget.bytes());
            assert!(budget.write_buffer_bytes() <= budget.cache_bytes());
            assert!(budget.staged_bytes_max() <= budget.rows_bytes());
        }
    }
}
