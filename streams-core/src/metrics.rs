//! What a task counts, as data that the shell records under Kafka's names.

use crate::names::{NodeName, StoreName};

/// Why a record was dropped. All reasons add up to Kafka's `dropped-records-total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// A keyed operator met a null key.
    NullKey,
    /// An operator that needs a value met none.
    NullValue,
    /// The source expects no null and skips it.
    UnexpectedNull,
    /// The input could not be read, and its handler says to go on.
    Undecodable,
    /// The record has no valid time.
    InvalidTimestamp,
    /// User code failed, and its handler says to go on.
    ProcessingFailed,
    /// The output could not be written, and its handler says to go on.
    ProductionFailed,
    /// The record came after its window was closed.
    Late,
    /// The record is older than what its store keeps.
    Expired,
    /// The answer of a foreign-key join is not for the row as it is by now.
    Stale,
    /// A join of a versioned table takes its latest rows only.
    OutOfOrder,
}

impl DropReason {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 11] = [
        Self::NullKey,
        Self::NullValue,
        Self::UnexpectedNull,
        Self::Undecodable,
        Self::InvalidTimestamp,
        Self::ProcessingFailed,
        Self::ProductionFailed,
        Self::Late,
        Self::Expired,
        Self::Stale,
        Self::OutOfOrder,
    ];

    /// The reason as a metric's tag.
    ///
    /// ```
    /// # use streams_core::metrics::DropReason;
    /// assert_eq!(DropReason::NullKey.as_str(), "null-key");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NullKey => "null-key",
            Self::NullValue => "null-value",
            Self::UnexpectedNull => "unexpected-null",
            Self::Undecodable => "undecodable",
            Self::InvalidTimestamp => "invalid-timestamp",
            Self::ProcessingFailed => "processing-failed",
            Self::ProductionFailed => "production-failed",
            Self::Late => "late",
            Self::Expired => "expired",
            Self::Stale => "stale",
            Self::OutOfOrder => "out-of-order",
        }
    }
}

/// How many records were dropped, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DropCounts([u64; DropReason::ALL.len()]);

impl DropCounts {
    /// One more.
    ///
    /// ```
    /// # use streams_core::metrics::DropReason;
    /// # use streams_core::metrics::DropCounts;
    /// let mut dropped = DropCounts::default();
    /// dropped.add(DropReason::Late);
    /// dropped.add(DropReason::Late);
    /// assert_eq!(dropped.of(DropReason::Late), 2);
    /// ```
    pub fn add(&mut self, reason: DropReason) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// How many for this reason.
    ///
    /// ```
    /// # use streams_core::metrics::DropReason;
    /// # use streams_core::metrics::DropCounts;
    /// assert_eq!(DropCounts::default().of(DropReason::Late), 0);
    /// ```
    #[must_use]
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// Kafka's `dropped-records-total`.
    ///
    /// ```
    /// # use streams_core::metrics::DropReason;
    /// # use streams_core::metrics::DropCounts;
    /// let mut dropped = DropCounts::default();
    /// dropped.add(DropReason::Late);
    /// dropped.add(DropReason::NullKey);
    /// assert_eq!(dropped.total(), 2);
    /// ```
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds another count, reason by reason.
    ///
    /// ```
    /// # use streams_core::metrics::DropReason;
    /// # use streams_core::metrics::DropCounts;
    /// let mut dropped = DropCounts::default();
    /// dropped.add(DropReason::Late);
    /// let mut all = dropped;
    /// all.merge(&dropped);
    /// assert_eq!(all.of(DropReason::Late), 2);
    /// ```
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

/// What a buffer of `suppress` has done since its task has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferMetrics {
    /// The buffer.
    pub store: StoreName,
    /// The operator, which is a node of the topology.
    pub node: NodeName,
    /// Its counts.
    pub counts: BufferCounts,
}

/// The counts of a buffer. It is looked at after each of its changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BufferCounts {
    /// `suppression-emit-total`: updates that went on.
    pub emitted_total: u64,
    /// `suppression-buffer-count-max`: most updates that waited.
    pub records_max: u64,
    /// `suppression-buffer-size-max`: most bytes that waited, as Kafka counts them.
    pub bytes_max: u64,
    looks: u64,
    records_sum: u64,
    bytes_sum: u64,
}

impl BufferCounts {
    /// So many updates wait, of so many bytes.
    ///
    /// ```
    /// # use streams_core::metrics::BufferCounts;
    /// let mut counts = BufferCounts::default();
    /// counts.look(2, 60);
    /// counts.look(1, 30);
    /// assert_eq!((counts.records_max, counts.bytes_max), (2, 60));
    /// ```
    pub fn look(&mut self, records: usize, bytes: usize) {
        let [records, bytes] = [records, bytes].map(|n| u64::try_from(n).unwrap_or(u64::MAX));
        self.looks += 1;
        self.records_max = self.records_max.max(records);
        self.bytes_max = self.bytes_max.max(bytes);
        self.records_sum = self.records_sum.saturating_add(records);
        self.bytes_sum = self.bytes_sum.saturating_add(bytes);
    }

    /// `suppression-buffer-count-avg`, over all looks; `None` before the first.
    ///
    /// ```
    /// # use streams_core::metrics::BufferCounts;
    /// let mut counts = BufferCounts::default();
    /// assert_eq!(counts.records_avg(), None);
    /// counts.look(2, 60);
    /// counts.look(1, 30);
    /// assert_eq!(counts.records_avg(), Some(1.5));
    /// ```
    #[must_use]
    pub fn records_avg(&self) -> Option<f64> {
        (self.looks > 0).then(|| self.records_sum as f64 / self.looks as f64)
    }

    /// `suppression-buffer-size-avg`, in bytes, over all looks; `None` before the first.
    ///
    /// ```
    /// # use streams_core::metrics::BufferCounts;
    /// let mut counts = BufferCounts::default();
    /// counts.look(2, 60);
    /// counts.look(1, 30);
    /// assert_eq!(counts.bytes_avg(), Some(45.0));
    /// ```
    #[must_use]
    pub fn bytes_avg(&self) -> Option<f64> {
        (self.looks > 0).then(|| self.bytes_sum as f64 / self.looks as f64)
    }
}
