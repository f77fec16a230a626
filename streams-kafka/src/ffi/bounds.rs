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
    /// Of one partition in one answer.
    partition_fetch_bytes: u64,
    fetch_bytes: u64,
}

/// The bounds that a user asks for, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AskedBounds {
    fetch_bytes: Option<u64>,
    partition_fetch_bytes: Option<u64>,
}

const FETCH: &str = "fetch.max.bytes";
const PARTITION_FETCH: &str = "max.partition.fetch.bytes";

impl AskedBounds {
    /// Those among the settings of a consumer.
    pub(crate) fn of<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Self {
        let bytes = |key| value(key).and_then(|text| text.parse().ok());
        Self { fetch_bytes: bytes(FETCH), partition_fetch_bytes: bytes(PARTITION_FETCH) }
    }

    /// These, and so many bytes of all partitions at once where that is not among them.
    pub(crate) fn or_fetch(self, bytes: u64) -> Self {
        Self { fetch_bytes: self.fetch_bytes.or(Some(bytes)), ..self }
    }
}

/// What librdkafka needs to describe a fetched record.
const RECORD_COST: u64 = 400;
/// Below this a partition would fetch batch by batch.
const SMALLEST: u64 = 16 << 10;
/// More at once does not make fetching cheaper.
const LARGEST: u64 = 1 << 20;
/// librdkafka's range of `message.max.bytes`, up to its default. It refuses to fetch less than that
/// at once, and uses it in a consumer for nothing else.
const MESSAGE_BYTES: (u64, u64) = (1_000, 1_000_000);

impl FetchBounds {
    /// Divides `budget` bytes among `partitions`: half of a share may be queued, the other half be
    /// on its way. Below 16 KiB a half the budget is exceeded rather than fetching brought to a
    /// stop.
    pub(crate) fn new(budget: u64, partitions: usize) -> Self {
        let share = budget / u64::try_from(partitions.max(1)).unwrap_or(u64::MAX);
        let partition_bytes = (share / 2).clamp(SMALLEST, LARGEST);
        Self {
            partition_bytes,
            partition_fetch_bytes: partition_bytes,
            fetch_bytes: (budget / 2).max(SMALLEST),
        }
    }

    /// What is asked for beyond these bounds: key, value, and what is left of it.
    pub(crate) fn exceeded_by(
        self,
        asked: AskedBounds,
    ) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let fetch = (FETCH, asked.fetch_bytes, self.fetch_bytes);
        let of_partition =
            (PARTITION_FETCH, asked.partition_fetch_bytes, self.partition_fetch_bytes);
        [fetch, of_partition].into_iter().filter_map(|(key, asked, left)| {
            Some((key, asked.filter(|bytes| *bytes > left)?, left))
        })
    }

    /// These bounds, and what is asked for where that is less.
    pub(crate) fn at_most(self, asked: AskedBounds) -> Self {
        let least = |bound: u64, asked: Option<u64>| asked.map_or(bound, |asked| asked.min(bound));
        Self {
            fetch_bytes: least(self.fetch_bytes, asked.fetch_bytes).max(MESSAGE_BYTES.0),
            partition_fetch_bytes: least(self.partition_fetch_bytes, asked.partition_fetch_bytes),
            ..self
        }
    }

    /// The pairs for a consumer's settings, which cannot be changed while it lives.
    pub(crate) fn settings(self) -> [(&'static str, String); 5] {
        let records = (self.partition_bytes / RECORD_COST).max(1);
        [
            ("queued.max.messages.kbytes", (self.partition_bytes / 1000).max(1).to_string()),
            ("queued.min.messages", records.to_string()),
            ("fetch.message.max.bytes", self.partition_fetch_bytes.to_string()),
            (FETCH, self.fetch_bytes.to_string()),
            ("message.max.bytes", self.fetch_bytes.min(MESSAGE_BYTES.1).to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::Client;
    use super::super::config::{Config, Role};
    use super::*;

    #[track_caller]
    fn check_taken(bounds: FetchBounds) {
        let settings = bounds.settings();
        let pairs =
            settings.iter().map(|(key, value)| (*key, value.as_str())).chain([("group.id", "g")]);
        assert!(Client::new(Config::new(Role::Consumer, pairs).unwrap()).is_ok());
    }

    #[test]
    fn any_number_of_partitions_gives_settings_that_librdkafka_takes() {
        for partitions in [0, 1, 4, 100, 10_000] {
            for budget in [0, 65_536, 16 << 20, 1 << 30] {
                check_taken(FetchBounds::new(budget, partitions));
            }
        }
    }

    #[test]
    fn a_share_shrinks_with_the_number_of_partitions() {
        assert_eq!(FetchBounds::new(16 << 20, 4).partition_bytes, 1 << 20);
        assert_eq!(FetchBounds::new(16 << 20, 64).partition_bytes, 128 << 10);
        assert_eq!(FetchBounds::new(16 << 20, 100_000).partition_bytes, SMALLEST);
    }

    #[test]
    fn what_a_user_asks_for_holds_where_it_is_less_and_is_told_where_it_is_more() {
        let bounds = FetchBounds::new(16 << 20, 16);
        assert_eq!((bounds.fetch_bytes, bounds.partition_fetch_bytes), (8 << 20, 512 << 10));
        let asked = |fetch: u64, partition: u64| {
            let [fetch, partition] = [fetch, partition].map(|bytes| bytes.to_string());
            AskedBounds::of(|key| match key {
                FETCH => Some(fetch.as_str()),
                PARTITION_FETCH => Some(partition.as_str()),
                _ => None,
            })
        };
        assert_eq!(bounds.at_most(AskedBounds::of(|_| None)), bounds);
        let unasked = AskedBounds::of(|_| None).or_fetch(70_000);
        assert_eq!(bounds.at_most(unasked).fetch_bytes, 70_000);
        assert_eq!(bounds.at_most(asked(50_000, 1).or_fetch(70_000)).fetch_bytes, 50_000);
        let little = bounds.at_most(asked(50_000, 1));
        assert_eq!((little.fetch_bytes, little.partition_fetch_bytes), (50_000, 1));
        assert_eq!(little.partition_bytes, bounds.partition_bytes);
        check_taken(little);
        check_taken(bounds.at_most(asked(1_000, 1)));
        assert_eq!(bounds.exceeded_by(asked(50_000, 1)).count(), 0);
        let much = asked(10 << 20, 1 << 20);
        assert_eq!(bounds.at_most(much), bounds);
        let told: Vec<_> = bounds.exceeded_by(much).collect();
        assert_eq!(told, [(FETCH, 10 << 20, 8 << 20), (PARTITION_FETCH, 1 << 20, 512 << 10)]);
    }
}
