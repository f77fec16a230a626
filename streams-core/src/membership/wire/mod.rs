//! The requests and responses of Kafka's protocol that membership needs, one file for each.
//!
//! Both directions are here: the client encodes requests and decodes responses, models of a broker
//! do the reverse. Nothing is allocated on the word of a length: each one is first checked against
//! the bytes that are there, and no list takes more memory than twice these and 64 KiB.

mod api;
pub mod api_versions;
mod by_topic;
mod error_code;
pub mod find_coordinator;
mod frame;
pub mod heartbeat;
pub mod join_group;
pub mod leave_group;
pub mod metadata;
pub mod offset_commit;
pub mod offset_fetch;
mod reader;
pub mod sasl_authenticate;
pub mod sasl_handshake;
pub mod sync_group;
#[cfg(test)]
mod tests;
mod writer;

pub use api::{Api, Encoding, Version};
pub use by_topic::ByTopic;
pub use error_code::ErrorCode;
pub use frame::{
    FRAME_BYTES_MAX, FrameBuffer, RequestHeader, decode_request_header, decode_response,
    encode_request, encode_response,
};
pub use reader::{DecodeError, Reader};
pub use writer::{EncodeError, Writer};

/// Something that can be written to and read from a frame.
pub trait Message: Sized {
    /// Appends the message, in the version that `out` was made for.
    fn encode(&self, out: &mut Writer);

    /// Reads the message, in the version that `input` was made for.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are no such message.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// A request, which names its API and its response.
pub trait Request: Message {
    /// The API that the request is for.
    const API: Api;
    /// What the broker answers.
    type Response: Message;
}
