//! OffsetFetch: reads positions.

use super::{Api, ByTopic, DecodeError, ErrorCode, Message, Reader, Request, Writer};
use crate::membership::names::GroupId;

/// Asks for positions; ones that a transaction may still change are refused, not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetchRequest {
    /// The group.
    pub group: GroupId,
    /// The partitions.
    pub topics: Vec<ByTopic<i32>>,
}

/// Positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetchResponse {
    /// By topic.
    pub topics: Vec<ByTopic<PartitionOffset>>,
    /// The outcome as a whole.
    pub error: ErrorCode,
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
    /// The text stored with it. Boxed, a position without text takes twice its bytes, which a list
    /// may.
    pub metadata: Option<Box<str>>,
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
        ByTopic::encode_all(&self.topics, out, |out, partition| out.i32(*partition));
        out.i8(1);
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let group = input.string()?.into();
        let topics = ByTopic::decode_all(input, 4, |input| input.i32())?;
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
        ByTopic::encode_all(&self.topics, out, |out, partition| {
            out.i32(partition.partition);
            out.i64(partition.offset);
            out.i32(partition.leader_epoch.unwrap_or(-1));
            out.nullable_string(partition.metadata.as_deref());
            out.i16(partition.error.number());
            out.tags();
        });
        out.i16(self.error.number());
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.i32()?;
        let topics = ByTopic::decode_all(input, 20, |input| {
            let one = PartitionOffset {
                partition: input.i32()?,
                offset: input.i64()?,
                leader_epoch: Some(input.i32()?).filter(|epoch| *epoch >= 0),
                metadata: input.nullable_string()?.map(String::into_boxed_str),
                error: input.i16()?.into(),
            };
            input.tags()?;
            Ok(one)
        })?;
        let error = input.i16()?.into();
        input.tags()?;
        Ok(Self { topics, error })
    }
}
