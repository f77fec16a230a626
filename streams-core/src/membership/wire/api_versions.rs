//! ApiVersions: which versions a broker speaks.

use super::{Api, DecodeError, ErrorCode, Message, Reader, Request, Writer};

/// Asks for a broker's versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiVersionsRequest {
    /// The client's software.
    pub software_name: String,
    /// Its version.
    pub software_version: String,
}

/// A broker's versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiVersionsResponse {
    /// The outcome.
    pub error: ErrorCode,
    /// What the broker speaks.
    pub apis: Vec<ApiRange>,
}

/// The versions of one API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiRange {
    /// The API's key, known here or not.
    pub key: i16,
    /// The lowest version.
    pub min: i16,
    /// The highest version.
    pub max: i16,
}

impl Request for ApiVersionsRequest {
    const API: Api = Api::ApiVersions;
    type Response = ApiVersionsResponse;
}

impl Message for ApiVersionsRequest {
    fn encode(&self, out: &mut Writer) {
        out.string(&self.software_name);
        out.string(&self.software_version);
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (software_name, software_version) = (input.string()?, input.string()?);
        input.tags()?;
        Ok(Self { software_name, software_version })
    }
}

impl Message for ApiVersionsResponse {
    fn encode(&self, out: &mut Writer) {
        out.i16(self.error.number());
        out.list(&self.apis, |out, api| {
            out.i16(api.key);
            out.i16(api.min);
            out.i16(api.max);
            out.tags();
        });
        out.i32(0);
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let error = ErrorCode::from(input.i16()?);
        if error == ErrorCode::UnsupportedVersion {
            // Such an answer is in version 0, whatever was asked.
            input.take(input.left())?;
            return Ok(Self { error, apis: Vec::new() });
        }
        let apis = input.list(7, |input| {
            let range = ApiRange { key: input.i16()?, min: input.i16()?, max: input.i16()? };
            input.tags()?;
            Ok(range)
        })?;
        input.i32()?;
        input.tags()?;
        Ok(Self { error, apis })
    }
}
