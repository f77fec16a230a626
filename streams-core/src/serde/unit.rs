//! No value at all.

use std::sync::Arc;

use super::{DefaultSerde, Payload, Serde, SerdeError, SharedSerde};
use crate::names::TopicName;

/// Always null. Kafka's `VoidSerde`.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnitSerde;

impl Serde<()> for UnitSerde {
    fn encode(&self, _: &TopicName, (): &(), _: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        Ok(Payload::Null)
    }

    fn decode(&self, _: &TopicName, bytes: Option<&[u8]>) -> Result<(), SerdeError> {
        bytes.map_or(Ok(()), |bytes| {
            Err(SerdeError::Width { expected: "null", width: 0, actual: bytes.len() })
        })
    }
}

impl DefaultSerde for () {
    fn serde() -> SharedSerde<Self> {
        Arc::new(UnitSerde)
    }
}
