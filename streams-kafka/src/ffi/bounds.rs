//! How much a process fetches ahead.

/// Settings that bound what a consumer fetches ahead, computed from one budget.
///
/// With a queue for each partition librdkafka applies `queued.max.messages.kbytes` and
/// `queued.min.messages` to each partition alone, and counts a record's bytes but not the some 400
/// bytes that it needs to describe it. A partition below both bounds is asked for again, and one
/// answer may go beyond them by `fetch.message.max.bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FetchBounds {
    partition_bytes: u64,
    partition_records: u64,
    fetch_bytes: u64,
}

/// What librdkafka needs to describe a fetched record.
const RECORD_COST: u64 = 400;
/// Below this a partition would fetch batch by batch.
const SMALLEST: u64 = 16 << 10;
/// More at once does not make fetching cheaper.
const LARGEST: u64 = 1 << 20;
/// librdkafka refuses `fetch.max.bytes` below `message.max.bytes`.
const SMALLEST_FETCH: u64 = 1_000_000;

impl FetchBounds {
    /// Divides `budget` bytes among `partitions`: half of a share may be queued, the other half be
    /// on its way. Below 16 KiB a half the budget is exceeded rather than fetching brought to a
    /// stop.
    pub(crate) fn new(budget: u64, partitions: usize) -> Self {
        let share = budget / u64::try_from(partitions.max(1)).unwrap_or(u64::MAX);
        let partition_bytes = (share / 2).clamp(SMALLEST, LARGEST);
        Self {
            partition_bytes,
            partition_records: (partition_bytes / RECORD_COST).max(1),
            fetch_bytes: (budget / 2).max(SMALLEST_FETCH),
        }
    }

    /// The pairs for a consumer's settings, which cannot be changed while it lives.
    pub(crate) fn settings(self) -> [(&'static str, String); 4] {
        [
            ("queued.max.messages.kbytes", (self.partition_bytes / 1000).max(1).to_string()),
            ("queued.min.messages", self.partition_records.to_string()),
            ("fetch.message.max.bytes", self.partition_bytes.to_string()),
            ("fetch.max.bytes", self.fetch_bytes.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::Client;
    use super::super::config::{Config, Role};
    use super::*;

    #[test]
    fn any_number_of_partitions_gives_settings_that_librdkafka_takes() {
        for partitions in [0, 1, 4, 100, 10_000] {
            let settings = FetchBounds::new(16 << 20, partitions).settings();
            let pairs = settings
                .iter()
                .map(|(key, value)| (*key, value.as_str()))
                .chain([("group.id", "g")]);
            assert!(Client::new(Config::new(Role::Consumer, pairs).unwrap()).is_ok());
        }
    }

    #[test]
    fn a_share_shrinks_with_the_number_of_partitions() {
        assert_eq!(FetchBounds::new(16 << 20, 4).partition_bytes, 1 << 20);
        assert_eq!(FetchBounds::new(16 << 20, 64).partition_bytes, 128 << 10);
        assert_eq!(FetchBounds::new(16 << 20, 100_000).partition_bytes, SMALLEST);
    }
}
