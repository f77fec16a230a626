//! Heartbeat: says that a member lives, and learns of rebalances.

use super::{Api, DecodeError, ErrorCode, Message, Reader, Request, Writer};
use crate::membership::names::{Generation, GroupId, InstanceId, MemberId};

/// Says that a member lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatRequest {
    /// The group.
    pub group: GroupId,
    /// The member's generation.
    pub generation: Generation,
    /// The member.
    pub member: MemberId,
    /// Its lasting name.
    pub instance: Option<InstanceId>,
}

/// What the coordinator makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatResponse {
    /// The outcome.
    pub error: ErrorCode,
}

impl Request for HeartbeatRequest {
    const API: Api = Api::Heartbeat;
    type Response = HeartbeatResponse;
}

impl Message for HeartbeatRequest {
    fn encode(&self, out: &mut Writer) {
        out.string(self.group.as_str());
        out.i32(self.generation.0);
        out.string(self.member.as_str());
        out.nullable_string(self.instance.as_ref().map(InstanceId::as_str));
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let request = Self {
            group: input.string()?.into(),
            generation: Generation(input.i32()?),
            member: input.string()?.into(),
            instance: input.nullable_string()?.map(InstanceId::from),
        };
        input.tags()?;
        Ok(request)
    }
}

impl Message for HeartbeatResponse {
    fn encode(&self, out: &mut Writer) {
        out.i32(0);
        out.i16(self.error.number());
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.i32()?;
        let error = input.i16()?.into();
        input.tags()?;
        Ok(Self { error })
    }
}
