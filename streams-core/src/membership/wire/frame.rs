//! Frames: a length, a header, a message.

use super::api::{Api, Encoding, Version};
use super::reader::{DecodeError, Reader};
use super::writer::{EncodeError, Writer};
use super::{Message, Request};

/// The largest frame that is taken, in bytes.
pub const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of the length before each frame.
const PREFIX_BYTES: usize = 4;

/// How a record of TLS begins: its kind, then the version. As the length of a frame it would be
/// beyond every limit.
const TLS_ALERT: u8 = 0x15;
const TLS_HANDSHAKE: u8 = 0x16;
const TLS_MAJOR: u8 = 0x03;

/// How much room a buffer keeps between frames.
const RETAINED_BYTES: usize = 64 * 1024;

const CLASSIC: Version = Version { number: 0, encoding: Encoding::Classic };

/// What stands before a request's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API asked.
    pub api: Api,
    /// The version of request and response.
    pub version: Version,
    /// A number that the response repeats.
    pub correlation: i32,
    /// The client's name for itself.
    pub client_id: Option<String>,
}

/// A whole frame of a request.
///
/// # Errors
/// [`EncodeError`] if a field is longer than the protocol allows.
pub fn encode_request<R: Request>(
    request: &R,
    version: Version,
    correlation: i32,
    client_id: &str,
) -> Result<Vec<u8>, EncodeError> {
    let mut header = Writer::new(vec![0; PREFIX_BYTES], CLASSIC);
    header.i16(R::API.key());
    header.i16(version.number);
    header.i32(correlation);
    // Kept in the classic encoding by every version of the header.
    header.string(client_id);
    let mut body = Writer::new(header.finish()?, version);
    body.tags();
    request.encode(&mut body);
    framed(body)
}

/// A whole frame of a response, as a broker sends it.
///
/// # Errors
/// [`EncodeError`] if a field is longer than the protocol allows.
pub fn encode_response<R: Request>(
    response: &R::Response,
    version: Version,
    correlation: i32,
) -> Result<Vec<u8>, EncodeError> {
    let mut body = Writer::new(vec![0; PREFIX_BYTES], version);
    body.i32(correlation);
    if R::API != Api::ApiVersions {
        body.tags();
    }
    response.encode(&mut body);
    framed(body)
}

fn framed(body: Writer) -> Result<Vec<u8>, EncodeError> {
    let mut frame = body.finish()?;
    let length = frame.len() - PREFIX_BYTES;
    let prefix = i32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX);
    let Some(prefix) = prefix else {
        return Err(EncodeError::TooLong { length, max: FRAME_BYTES_MAX });
    };
    if let Some(place) = frame.first_chunk_mut::<PREFIX_BYTES>() {
        *place = prefix.to_be_bytes();
    }
    Ok(frame)
}

/// Reads the header of a request's frame (without its length) and leaves the message.
///
/// # Errors
/// [`DecodeError`] if it is no header, or of an API that is not known.
pub fn decode_request_header(frame: &[u8]) -> Result<(RequestHeader, Reader<'_>), DecodeError> {
    let mut header = Reader::new(frame, CLASSIC);
    let key = header.i16()?;
    let Some(api) = Api::from_key(key) else {
        return Err(DecodeError::InvalidValue { field: "api key", value: key.into() });
    };
    let version = api.version(header.i16()?);
    let correlation = header.i32()?;
    let client_id = header.nullable_string()?;
    let mut body = Reader::new(header.take(header.left())?, version);
    body.tags()?;
    Ok((RequestHeader { api, version, correlation, client_id }, body))
}

/// Reads the response to a request from its frame (without its length).
///
/// # Errors
/// [`DecodeError`] if the frame is not that response, in that version, with that correlation id.
pub fn decode_response<R: Request>(
    frame: &[u8],
    version: Version,
    correlation: i32,
) -> Result<R::Response, DecodeError> {
    let mut input = Reader::new(frame, version);
    let found = input.i32()?;
    if found != correlation {
        return Err(DecodeError::Correlation { expected: correlation, found });
    }
    // Its header is never flexible, so that any broker's answer can be read.
    if R::API != Api::ApiVersions {
        input.tags()?;
    }
    let response = R::Response::decode(&mut input)?;
    input.finish()?;
    Ok(response)
}

/// Puts frames together from bytes as they come.
#[derive(Debug, Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    read: usize,
}

impl FrameBuffer {
    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), read: 0 }
    }

    /// Adds bytes that have come. It never holds more than has come.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read > 0 {
            self.bytes.drain(..self.read);
            self.read = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, without its length; `None` until all of it has come.
    ///
    /// # Errors
    /// [`DecodeError::FrameLength`] if the length is negative or over [`FRAME_BYTES_MAX`];
    /// [`DecodeError::Tls`] if it is none, but the beginning of an alert or a handshake of TLS.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, DecodeError> {
        let waiting = self.bytes.get(self.read..).unwrap_or_default();
        let Some((prefix, rest)) = waiting.split_first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let announced = i32::from_be_bytes(*prefix);
        let length = usize::try_from(announced).ok().filter(|length| *length <= FRAME_BYTES_MAX);
        let Some(length) = length else {
            if let [TLS_ALERT | TLS_HANDSHAKE, TLS_MAJOR, ..] = prefix {
                return Err(DecodeError::Tls);
            }
            let max = FRAME_BYTES_MAX;
            return Err(DecodeError::FrameLength { length: announced.into(), max });
        };
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let frame = frame.to_vec();
        self.read += PREFIX_BYTES + length;
        if self.read == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(RETAINED_BYTES);
            self.read = 0;
        }
        Ok(Some(frame))
    }
}
