//! Bytes as they are.

use std::sync::Arc;

use bytes::Bytes;

use super::{DefaultSerde, Payload, Serde, SerdeError, SharedSerde};
use crate::names::TopicName;

/// Bytes as they are, as [`Bytes`]. Kafka's `BytesSerde`.
#[derive(Debug, Clone, Copy, Default)]
pub struct BytesSerde;

impl Serde<Bytes> for BytesSerde {
    fn encode(
        &self,
        _: &TopicName,
        value: &Bytes,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        out.extend_from_slice(value);
        Ok(Payload::Bytes)
    }

    fn decode(&self, _: &TopicName, bytes: Option<&[u8]>) -> Result<Bytes, SerdeError> {
        bytes.map(Bytes::copy_from_slice).ok_or(SerdeError::Null { expected: "bytes" })
    }
}

impl DefaultSerde for Bytes {
    fn serde() -> SharedSerde<Self> {
        Arc::new(BytesSerde)
    }
}

/// Bytes as they are, as `Vec<u8>`. Kafka's `ByteArraySerde`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByteVecSerde;

impl Serde<Vec<u8>> for ByteVecSerde {
    fn encode(
        &self,
        _: &TopicName,
        value: &Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        out.extend_from_slice(value);
        Ok(Payload::Bytes)
    }

    fn decode(&self, _: &TopicName, bytes: Option<&[u8]>) -> Result<Vec<u8>, SerdeError> {
        bytes.map(<[u8]>::to_vec).ok_or(SerdeError::Null { expected: "bytes" })
    }
}

impl DefaultSerde for Vec<u8> {
    fn serde() -> SharedSerde<Self> {
        Arc::new(ByteVecSerde)
    }
}
