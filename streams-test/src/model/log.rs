//! The log of a partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use streams_core::time::Timestamp;

use super::record::ModelRecord;

/// What compaction does with records whose value is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tombstones {
    /// They stay, as before `delete.retention.ms` has passed.
    Keep,
    /// They go.
    Drop,
}

/// Records in order of their offsets; compaction leaves gaps.
#[derive(Debug, Default)]
pub(super) struct PartitionLog {
    records: Vec<Arc<ModelRecord>>,
    start: i64,
    end: i64,
}

impl PartitionLog {
    pub(super) const fn start(&self) -> i64 {
        self.start
    }

    pub(super) const fn end(&self) -> i64 {
        self.end
    }

    pub(super) fn append(&mut self, record: ModelRecord) -> i64 {
        let offset = record.offset;
        self.end = offset + 1;
        self.records.push(Arc::new(record));
        offset
    }

    fn from(&self, offset: i64) -> &[Arc<ModelRecord>] {
        let first = self.records.partition_point(|record| record.offset < offset);
        self.records.get(first..).unwrap_or(&[])
    }

    pub(super) fn read(&self, offset: i64, max: usize) -> Vec<Arc<ModelRecord>> {
        self.from(offset).iter().take(max).cloned().collect()
    }

    pub(super) fn after(&self, sequence: u64) -> &[Arc<ModelRecord>] {
        let first = self.records.partition_point(|record| record.sequence <= sequence);
        self.records.get(first..).unwrap_or(&[])
    }

    pub(super) fn offset_for_time(&self, time: Timestamp) -> i64 {
        let found = self.records.iter().find(|record| record.timestamp >= time);
        found.map_or(self.end, |record| record.offset)
    }

    pub(super) fn delete_before(&mut self, offset: i64) {
        self.start = offset.clamp(self.start, self.end);
        let start = self.start;
        self.records.retain(|record| record.offset >= start);
    }

    /// The last record always stays, as it does in Kafka's active segment.
    pub(super) fn compact(&mut self, tombstones: Tombstones) {
        let last_of: BTreeMap<Option<Bytes>, i64> =
            self.records.iter().map(|record| (record.key.clone(), record.offset)).collect();
        let last = self.end - 1;
        self.records.retain(|record| {
            let stays = record.value.is_some() || tombstones == Tombstones::Keep;
            record.offset == last || (stays && last_of.get(&record.key) == Some(&record.offset))
        });
    }
}
