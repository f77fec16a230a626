//! LeaveGroup: takes members out of a group at once.

use super::{Api, DecodeError, ErrorCode, Message, Reader, Request, Writer};
use crate::membership::names::{GroupId, InstanceId, MemberId};

/// Takes members out of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveGroupRequest {
    /// The group.
    pub group: GroupId,
    /// The members.
    pub members: Vec<LeavingMember>,
}

/// A member that goes, by its id, its lasting name or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeavingMember {
    /// Its id.
    pub member: Option<MemberId>,
    /// Its lasting name.
    pub instance: Option<InstanceId>,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveGroupResponse {
    /// The outcome as a whole.
    pub error: ErrorCode,
    /// The outcome for each member.
    pub members: Vec<LeftMember>,
}

/// The outcome for one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftMember {
    /// Which.
    pub member: LeavingMember,
    /// The outcome.
    pub error: ErrorCode,
}

impl Request for LeaveGroupRequest {
    const API: Api = Api::LeaveGroup;
    type Response = LeaveGroupResponse;
}

fn encode_identity(member: &LeavingMember, out: &mut Writer) {
    out.string(member.member.as_ref().map_or("", MemberId::as_str));
    out.nullable_string(member.instance.as_ref().map(InstanceId::as_str));
}

fn decode_identity(input: &mut Reader<'_>) -> Result<LeavingMember, DecodeError> {
    let member = Some(input.string()?).filter(|id| !id.is_empty()).map(MemberId::from);
    let instance = input.nullable_string()?.map(InstanceId::from);
    Ok(LeavingMember { member, instance })
}

impl Message for LeaveGroupRequest {
    fn encode(&self, out: &mut Writer) {
        out.string(self.group.as_str());
        out.list(&self.members, |out, member| {
            encode_identity(member, out);
            out.tags();
        });
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let group = input.string()?.into();
        let members = input.list(2, |input| {
            let member = decode_identity(input)?;
            input.tags()?;
            Ok(member)
        })?;
        input.tags()?;
        Ok(Self { group, members })
    }
}

impl Message for LeaveGroupResponse {
    fn encode(&self, out: &mut Writer) {
        out.i32(0);
        out.i16(self.error.number());
        out.list(&self.members, |out, left| {
            encode_identity(&left.member, out);
            out.i16(left.error.number());
            out.tags();
        });
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.i32()?;
        let error = input.i16()?.into();
        let members = input.list(4, |input| {
            let member = decode_identity(input)?;
            let error = input.i16()?.into();
            input.tags()?;
            Ok(LeftMember { member, error })
        })?;
        input.tags()?;
        Ok(Self { error, members })
    }
}
