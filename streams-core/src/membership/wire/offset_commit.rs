//! OffsetCommit: stores positions.

use super::{Api, ByTopic, DecodeError, ErrorCode, Message, Reader, Request, Writer};
use crate::membership::names::{Generation, GroupId, InstanceId, MemberId};

/// Stores positions on behalf of a member in its generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitRequest {
    /// The group.
    pub group: GroupId,
    /// The member's generation.
    pub generation: Generation,
    /// The member.
    pub member: MemberId,
    /// Its lasting name.
    pub instance: Option<InstanceId>,
    /// The positions.
    pub topics: Vec<ByTopic<PartitionCommit>>,
}

/// A position in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionCommit {
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub offset: i64,
    /// The leader's epoch of the last record read.
    pub leader_epoch: Option<i32>,
    /// Text kept with the offset.
    pub metadata: Option<String>,
}

/// The outcome for each partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitResponse {
    /// By topic.
    pub topics: Vec<ByTopic<PartitionCommitted>>,
}

/// The outcome for one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionCommitted {
    /// The partition.
    pub partition: i32,
    /// The outcome.
    pub error: ErrorCode,
}

impl Request for OffsetCommitRequest {
    const API: Api = Api::OffsetCommit;
    type Response = OffsetCommitResponse;
}

impl Message for OffsetCommitRequest {
    fn encode(&self, out: &mut Writer) {
        out.string(self.group.as_str());
        out.i32(self.generation.0);
        out.string(self.member.as_str());
        out.nullable_string(self.instance.as_ref().map(InstanceId::as_str));
        ByTopic::encode_all(&self.topics, out, |out, partition| {
            out.i32(partition.partition);
            out.i64(partition.offset);
            out.i32(partition.leader_epoch.unwrap_or(-1));
            out.nullable_string(partition.metadata.as_deref());
            out.tags();
        });
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let request = Self {
            group: input.string()?.into(),
            generation: Generation(input.i32()?),
            member: input.string()?.into(),
            instance: input.nullable_string()?.map(InstanceId::from),
            topics: ByTopic::decode_all(input, 17, |input| {
                let one = PartitionCommit {
                    partition: input.i32()?,
                    offset: input.i64()?,
                    leader_epoch: Some(input.i32()?).filter(|epoch| *epoch >= 0),
                    metadata: input.nullable_string()?,
                };
                input.tags()?;
                Ok(one)
            })?,
        };
        input.tags()?;
        Ok(request)
    }
}

impl Message for OffsetCommitResponse {
    fn encode(&self, out: &mut Writer) {
        out.i32(0);
        ByTopic::encode_all(&self.topics, out, |out, partition| {
            out.i32(partition.partition);
            out.i16(partition.error.number());
            out.tags();
        });
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.i32()?;
        let topics = ByTopic::decode_all(input, 6, |input| {
            let partition = input.i32()?;
            let error = input.i16()?.into();
            input.tags()?;
            Ok(PartitionCommitted { partition, error })
        })?;
        input.tags()?;
        Ok(Self { topics })
    }
}
