//! SaslHandshake: chooses a mechanism.

use super::{Api, DecodeError, ErrorCode, Message, Reader, Request, Writer};

/// Chooses a mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaslHandshakeRequest {
    /// The mechanism's name.
    pub mechanism: String,
}

/// Whether it may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaslHandshakeResponse {
    /// The outcome.
    pub error: ErrorCode,
    /// The mechanisms that the broker allows.
    pub mechanisms: Vec<String>,
}

impl Request for SaslHandshakeRequest {
    const API: Api = Api::SaslHandshake;
    type Response = SaslHandshakeResponse;
}

impl Message for SaslHandshakeRequest {
    fn encode(&self, out: &mut Writer) {
        out.string(&self.mechanism);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { mechanism: input.string()? })
    }
}

impl Message for SaslHandshakeResponse {
    fn encode(&self, out: &mut Writer) {
        out.i16(self.error.number());
        out.list(&self.mechanisms, |out, mechanism| out.string(mechanism));
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let error = input.i16()?.into();
        let mechanisms = input.list(2, Reader::string)?;
        Ok(Self { error, mechanisms })
    }
}
