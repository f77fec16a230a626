//! FindCoordinator: which broker coordinates a group.

use super::{Api, DecodeError, ErrorCode, Message, Reader, Request, Writer};
use crate::membership::names::GroupId;

/// Stands for a group, as opposed to a transaction.
const KEY_IS_GROUP: i8 = 0;

/// Asks for a group's coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindCoordinatorRequest {
    /// The group.
    pub group: GroupId,
}

/// A group's coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindCoordinatorResponse {
    /// The outcome.
    pub error: ErrorCode,
    /// The broker's words on it.
    pub message: Option<String>,
    /// The coordinator's broker id, or -1.
    pub node: i32,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: i32,
}

impl Request for FindCoordinatorRequest {
    const API: Api = Api::FindCoordinator;
    type Response = FindCoordinatorResponse;
}

impl Message for FindCoordinatorRequest {
    fn encode(&self, out: &mut Writer) {
        out.string(self.group.as_str());
        out.i8(KEY_IS_GROUP);
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let group = input.string()?.into();
        let kind = input.i8()?;
        if kind != KEY_IS_GROUP {
            return Err(DecodeError::InvalidValue { field: "key type", value: kind.into() });
        }
        input.tags()?;
        Ok(Self { group })
    }
}

impl Message for FindCoordinatorResponse {
    fn encode(&self, out: &mut Writer) {
        out.i32(0);
        out.i16(self.error.number());
        out.nullable_string(self.message.as_deref());
        out.i32(self.node);
        out.string(&self.host);
        out.i32(self.port);
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.i32()?;
        let response = Self {
            error: input.i16()?.into(),
            message: input.nullable_string()?,
            node: input.i32()?,
            host: input.string()?,
            port: input.i32()?,
        };
        input.tags()?;
        Ok(response)
    }
}
