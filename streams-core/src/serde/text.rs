//! Text as UTF-8.

use std::sync::Arc;

use super::{DefaultSerde, Payload, Serde, SerdeError, SharedSerde};
use crate::names::TopicName;

/// Text as UTF-8. Kafka's `StringSerde`.
///
/// DIFFERENCE(utf8): bytes that are not UTF-8 are an error; Java replaces them in silence.
#[derive(Debug, Clone, Copy, Default)]
pub struct Utf8;

impl Serde<String> for Utf8 {
    fn encode(
        &self,
        _: &TopicName,
        value: &String,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        out.extend_from_slice(value.as_bytes());
        Ok(Payload::Bytes)
    }

    fn decode(&self, _: &TopicName, bytes: Option<&[u8]>) -> Result<String, SerdeError> {
        let bytes = bytes.ok_or(SerdeError::Null { expected: "text" })?;
        let text = std::str::from_utf8(bytes)
            .map_err(|e| SerdeError::Invalid { expected: "UTF-8 text", source: Box::new(e) })?;
        Ok(text.to_owned())
    }
}

impl DefaultSerde for String {
    fn serde() -> SharedSerde<Self> {
        Arc::new(Utf8)
    }
}
