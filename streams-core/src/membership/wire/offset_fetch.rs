//! OffsetFetch: reads positions.

use super::{Api, DecodeError, ErrorCode, Message, Reader, Request, Writer};
use crate::membership::names::{GroupId, TopicName};

/// Asks for positions; ones that a transaction may still change are refused, not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetchRequest {
    /// The group.
    pub group: GroupId,
    /// The partitions.
    pub topics: Vec<TopicPartitions>,
}

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPartitions {
    /// The topic.
    pub topic: TopicName,
    /// Its partitions.
    pub partitions: Vec<i32>,
}

/// Positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetchResponse {
    /// By topic.
    pub topics: Vec<TopicOffsets>,
    /// The outcome as a whole.
    pub error: ErrorCode,
}

/// Positions in one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicOffsets {
    /// The topic.
    pub topic: TopicName,
    /// By partition.
    pub partitions: Vec<PartitionOffset>,
}

/// A position in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionOffset {
    /// The partition.
    pub partition: i32,
    /// The next offset to read, -1 if none is stored.
    pub offset: i64,
    /// The leader's epoch stored with it.
    pub leader_epoch: Option<i32>,
    /// The text stored with it.
    pub metadata: Option<String>,
    /// The outcome.
    pub error: ErrorCode,
}

impl Request for OffsetFetchRequest {
    const API: Api = Api::OffsetFetch;
    type Response = OffsetFetchResponse;
}

impl Message for OffsetFetchRequest {
    fn encode(&self, out: &mut Writer) {
        out.string(self.group.as_str());
        out.list(&self.topics, |out, topic| {
            out.string(topic.topic.as_str());
            out.list(&topic.partitions, |out, partition| out.i32(*partition));
            out.tags();
        });
        out.i8(1);
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let group = input.string()?.into();
        let topics = input.list(3, |input| {
            let topic = input.string()?.into();
            let partitions = input.list(4, Reader::i32)?;
            input.tags()?;
            Ok(TopicPartitions { topic, partitions })
        })?;
        if !input.boolean()? {
            return Err(DecodeError::InvalidValue { field: "require stable", value: 0 });
        }
        input.tags()?;
        Ok(Self { group, topics })
    }
}

impl Message for OffsetFetchResponse {
    fn encode(&self, out: &mut Writer) {
        out.i32(0);
        out.list(&self.topics, |out, topic| {
            out.string(topic.topic.as_str());
            out.list(&topic.partitions, |out, partition| {
                out.i32(partition.partition);
                out.i64(partition.offset);
                out.i32(partition.leader_epoch.unwrap_or(-1));
                out.nullable_string(partition.metadata.as_deref());
                out.i16(partition.error.number());
                out.tags();
            });
            out.tags();
        });
        out.i16(self.error.number());
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.i32()?;
        let topics = input.list(3, |input| {
            let topic = input.string()?.into();
            let partitions = input.list(20, |input| {
                let one = PartitionOffset {
                    partition: input.i32()?,
                    offset: input.i64()?,
                    leader_epoch: Some(input.i32()?).filter(|epoch| *epoch >= 0),
                    metadata: input.nullable_string()?,
                    error: input.i16()?.into(),
                };
                input.tags()?;
                Ok(one)
            })?;
            input.tags()?;
            Ok(TopicOffsets { topic, partitions })
        })?;
        let error = input.i16()?.into();
        input.tags()?;
        Ok(Self { topics, error })
    }
}
