//! A topic: partitions and settings.

use std::collections::BTreeMap;

use streams_core::error::ProduceError;
use streams_core::membership::TopicId;

use super::log::PartitionLog;
use super::record::NewRecord;

/// How large records may be where a topic has no `max.message.bytes`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum SizeLimit {
    /// As a broker's default says.
    #[default]
    Broker,
    /// As large as they are.
    None,
}

impl SizeLimit {
    const fn bytes(self) -> usize {
        match self {
            Self::Broker => 1_048_588,
            Self::None => usize::MAX,
        }
    }
}

#[derive(Debug)]
pub(super) struct Topic {
    identity: u64,
    partitions: Vec<PartitionLog>,
    settings: BTreeMap<String, String>,
}

impl Topic {
    pub(super) fn new(identity: u64, count: i32, settings: BTreeMap<String, String>) -> Self {
        let partitions = (0..count).map(|_| PartitionLog::default()).collect();
        Self { identity, partitions, settings }
    }

    pub(super) const fn identity(&self) -> u64 {
        self.identity
    }

    pub(super) fn id(&self) -> TopicId {
        TopicId(u128::from(self.identity).to_be_bytes())
    }

    pub(super) const fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    pub(super) fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    pub(super) fn partitions(&self) -> &[PartitionLog] {
        &self.partitions
    }

    pub(super) fn partitions_mut(&mut self) -> &mut [PartitionLog] {
        &mut self.partitions
    }

    pub(super) fn partition(&self, partition: i32) -> Option<&PartitionLog> {
        self.partitions.get(usize::try_from(partition).ok()?)
    }

    pub(super) fn partition_mut(&mut self, partition: i32) -> Option<&mut PartitionLog> {
        self.partitions.get_mut(usize::try_from(partition).ok()?)
    }

    /// Whether the topic's settings allow the record.
    pub(super) fn check(
        &self,
        record: &NewRecord,
        without_setting: SizeLimit,
    ) -> Result<(), ProduceError> {
        let limit = self.settings.get("max.message.bytes").and_then(|text| text.parse().ok());
        let bytes = record.size();
        if bytes > limit.unwrap_or(without_setting.bytes()) {
            return Err(ProduceError::TooLarge { bytes });
        }
        let policy = self.settings.get("cleanup.policy");
        if record.key.is_none() && policy.is_some_and(|policy| policy.contains("compact")) {
            return Err(ProduceError::Refused {
                code: "INVALID_RECORD".to_owned(),
                message: "a compacted topic takes no record without a key".to_owned(),
            });
        }
        Ok(())
    }
}
