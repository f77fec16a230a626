//! SaslAuthenticate: one message of a SASL exchange each way.

use std::fmt;

use super::{Api, DecodeError, ErrorCode, Message, Reader, Request, Writer};

/// The client's message.
#[derive(Clone, PartialEq, Eq)]
pub struct SaslAuthenticateRequest {
    /// The mechanism's bytes; they may hold a secret and are never printed.
    pub auth: Vec<u8>,
}

/// The broker's message.
#[derive(Clone, PartialEq, Eq)]
pub struct SaslAuthenticateResponse {
    /// The outcome.
    pub error: ErrorCode,
    /// The broker's words on it.
    pub message: Option<String>,
    /// The mechanism's bytes, never printed.
    pub auth: Vec<u8>,
    /// How long the session may last, in milliseconds; zero for any time.
    pub session_lifetime_ms: i64,
}

impl fmt::Debug for SaslAuthenticateRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SaslAuthenticateRequest").finish_non_exhaustive()
    }
}

impl fmt::Debug for SaslAuthenticateResponse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = out.debug_struct("SaslAuthenticateResponse");
        out.field("error", &self.error).field("message", &self.message).finish_non_exhaustive()
    }
}

impl Request for SaslAuthenticateRequest {
    const API: Api = Api::SaslAuthenticate;
    type Response = SaslAuthenticateResponse;
}

impl Message for SaslAuthenticateRequest {
    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.auth);
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let auth = input.bytes()?.to_vec();
        input.tags()?;
        Ok(Self { auth })
    }
}

impl Message for SaslAuthenticateResponse {
    fn encode(&self, out: &mut Writer) {
        out.i16(self.error.number());
        out.nullable_string(self.message.as_deref());
        out.bytes(&self.auth);
        out.i64(self.session_lifetime_ms);
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let response = Self {
            error: input.i16()?.into(),
            message: input.nullable_string()?,
            auth: input.bytes()?.to_vec(),
            session_lifetime_ms: input.i64()?,
        };
        input.tags()?;
        Ok(response)
    }
}
