//! SyncGroup: the leader hands out the assignment, every member fetches its own.

use super::{Api, DecodeError, ErrorCode, Message, Reader, Request, Writer};
use crate::membership::names::{Generation, GroupId, InstanceId, MemberId};

/// Asks for the member's assignment; the leader brings everyone's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncGroupRequest {
    /// The group.
    pub group: GroupId,
    /// The generation joined.
    pub generation: Generation,
    /// The member.
    pub member: MemberId,
    /// Its lasting name.
    pub instance: Option<InstanceId>,
    /// Everyone's assignment, from the leader only.
    pub assignments: Vec<MemberAssignment>,
}

/// The assignment of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberAssignment {
    /// The member.
    pub member: MemberId,
    /// What it is assigned.
    pub assignment: Vec<u8>,
}

/// A member's assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncGroupResponse {
    /// The outcome.
    pub error: ErrorCode,
    /// What the member is assigned; empty if the leader left it out.
    pub assignment: Vec<u8>,
}

impl Request for SyncGroupRequest {
    const API: Api = Api::SyncGroup;
    type Response = SyncGroupResponse;
}

impl Message for SyncGroupRequest {
    fn encode(&self, out: &mut Writer) {
        out.string(self.group.as_str());
        out.i32(self.generation.0);
        out.string(self.member.as_str());
        out.nullable_string(self.instance.as_ref().map(InstanceId::as_str));
        out.list(&self.assignments, |out, one| {
            out.string(one.member.as_str());
            out.bytes(&one.assignment);
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
            assignments: input.list(2, |input| {
                let member = input.string()?.into();
                let assignment = input.bytes()?.to_vec();
                input.tags()?;
                Ok(MemberAssignment { member, assignment })
            })?,
        };
        input.tags()?;
        Ok(request)
    }
}

impl Message for SyncGroupResponse {
    fn encode(&self, out: &mut Writer) {
        out.i32(0);
        out.i16(self.error.number());
        out.bytes(&self.assignment);
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.i32()?;
        let error = input.i16()?.into();
        let assignment = input.bytes()?.to_vec();
        input.tags()?;
        Ok(Self { error, assignment })
    }
}
