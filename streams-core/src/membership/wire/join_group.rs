//! JoinGroup: enters a rebalance and waits for the others.

use super::{Api, DecodeError, ErrorCode, Message, Reader, Request, Writer};
use crate::membership::names::{Generation, GroupId, InstanceId, MemberId};

/// Joins a group, or joins it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinGroupRequest {
    /// The group.
    pub group: GroupId,
    /// How long the member may be silent before it is taken out, in milliseconds.
    pub session_timeout_ms: i32,
    /// How long the coordinator waits in a rebalance for members to join, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// The member's id; `None` for one that has none yet.
    pub member: Option<MemberId>,
    /// The member's lasting name.
    pub instance: Option<InstanceId>,
    /// The kind of group.
    pub protocol_type: String,
    /// The protocols that the member knows, the best first.
    pub protocols: Vec<JoinProtocol>,
}

/// A protocol for the assignment and what the member says in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinProtocol {
    /// The protocol's name.
    pub name: String,
    /// The member's subscription.
    pub metadata: Vec<u8>,
}

/// The outcome of a join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinGroupResponse {
    /// The outcome.
    pub error: ErrorCode,
    /// The generation that begins.
    pub generation: Generation,
    /// The protocol that the coordinator chose.
    pub protocol: String,
    /// The member that assigns.
    pub leader: String,
    /// The id of the member that asked; empty if none was given.
    pub member: String,
    /// All members, for the leader only.
    pub members: Vec<JoinedMember>,
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member: MemberId,
    /// Its lasting name.
    pub instance: Option<InstanceId>,
    /// Its subscription.
    pub metadata: Vec<u8>,
}

impl Request for JoinGroupRequest {
    const API: Api = Api::JoinGroup;
    type Response = JoinGroupResponse;
}

impl Message for JoinGroupRequest {
    fn encode(&self, out: &mut Writer) {
        out.string(self.group.as_str());
        out.i32(self.session_timeout_ms);
        out.i32(self.rebalance_timeout_ms);
        out.string(self.member.as_ref().map_or("", MemberId::as_str));
        out.nullable_string(self.instance.as_ref().map(InstanceId::as_str));
        out.string(&self.protocol_type);
        out.list(&self.protocols, |out, protocol| {
            out.string(&protocol.name);
            out.bytes(&protocol.metadata);
            out.tags();
        });
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let request = Self {
            group: input.string()?.into(),
            session_timeout_ms: input.i32()?,
            rebalance_timeout_ms: input.i32()?,
            member: Some(input.string()?).filter(|id| !id.is_empty()).map(MemberId::from),
            instance: input.nullable_string()?.map(InstanceId::from),
            protocol_type: input.string()?,
            protocols: input.list(2, |input| {
                let name = input.string()?;
                let metadata = input.bytes()?.to_vec();
                input.tags()?;
                Ok(JoinProtocol { name, metadata })
            })?,
        };
        input.tags()?;
        Ok(request)
    }
}

impl Message for JoinGroupResponse {
    fn encode(&self, out: &mut Writer) {
        out.i32(0);
        out.i16(self.error.number());
        out.i32(self.generation.0);
        out.string(&self.protocol);
        out.string(&self.leader);
        out.string(&self.member);
        out.list(&self.members, |out, member| {
            out.string(member.member.as_str());
            out.nullable_string(member.instance.as_ref().map(InstanceId::as_str));
            out.bytes(&member.metadata);
            out.tags();
        });
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.i32()?;
        let response = Self {
            error: input.i16()?.into(),
            generation: Generation(input.i32()?),
            // Some brokers send null with an error.
            protocol: input.nullable_string()?.unwrap_or_default(),
            leader: input.string()?,
            member: input.string()?,
            members: input.list(3, |input| {
                let member = input.string()?.into();
                let instance = input.nullable_string()?.map(InstanceId::from);
                let metadata = input.bytes()?.to_vec();
                input.tags()?;
                Ok(JoinedMember { member, instance, metadata })
            })?,
        };
        input.tags()?;
        Ok(response)
    }
}
