//! The key of a subscription in its store: those of one foreign key lie together. Kafka's
//! `CombinedKey`.

use std::sync::Arc;

use streams_core::names::TopicName;
use streams_core::serde::{Payload, Serde, SerdeError, SharedSerde};

use super::PseudoTopic;
use super::subscription::invalid;

/// The key of a [`Subscription`](super::Subscription) in its store. Answers to Kafka's `CombinedKey`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CombinedKey<F, K> {
    /// The key that the left row refers to. A row that refers to none is not stored.
    pub foreign: Option<F>,
    /// The left row's own key.
    pub primary: K,
}

/// The length of the foreign key in four bytes, the foreign key, the primary key.
pub(crate) struct CombinedKeySerde<F, K> {
    foreign: (SharedSerde<F>, Arc<PseudoTopic>),
    primary: (SharedSerde<K>, Arc<PseudoTopic>),
}

const EXPECTED: &str = "key of a subscription";

impl<F, K> CombinedKeySerde<F, K> {
    pub(crate) const fn new(
        foreign: (SharedSerde<F>, Arc<PseudoTopic>),
        primary: (SharedSerde<K>, Arc<PseudoTopic>),
    ) -> Self {
        Self { foreign, primary }
    }
}

/// Appends what the keys of all subscriptions to a foreign key begin with.
pub(super) fn write_prefix<F: 'static>(
    serde: &SharedSerde<F>,
    topic: &TopicName,
    foreign: &F,
    out: &mut Vec<u8>,
) -> Result<(), SerdeError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    if serde.encode(topic, foreign, out)? == Payload::Null {
        return Err(invalid(EXPECTED, "the serde turns a foreign key into null"));
    }
    let length = i32::try_from(out.len() - start - 4);
    let length = length.map_err(|_| invalid(EXPECTED, "the foreign key is longer than 2 GiB"))?;
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

impl<F: 'static, K: 'static> Serde<CombinedKey<F, K>> for CombinedKeySerde<F, K> {
    fn encode(
        &self,
        topic: &TopicName,
        key: &CombinedKey<F, K>,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        let foreign = key.foreign.as_ref().ok_or(SerdeError::Null { expected: EXPECTED })?;
        let ((foreign_serde, foreign_topic), (primary, primary_topic)) =
            (&self.foreign, &self.primary);
        write_prefix(foreign_serde, &foreign_topic.beside(topic), foreign, out)?;
        primary.encode(&primary_topic.beside(topic), &key.primary, out)
    }

    fn decode(
        &self,
        topic: &TopicName,
        bytes: Option<&[u8]>,
    ) -> Result<CombinedKey<F, K>, SerdeError> {
        let bytes = bytes.ok_or(SerdeError::Null { expected: EXPECTED })?;
        let split = bytes.split_first_chunk().and_then(|(length, rest)| {
            let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
            rest.split_at_checked(length)
        });
        let (foreign, primary) =
            split.ok_or_else(|| invalid(EXPECTED, "its length is out of bounds"))?;
        let foreign = self.foreign.0.decode(&self.foreign.1.beside(topic), Some(foreign))?;
        let primary = self.primary.0.decode(&self.primary.1.beside(topic), Some(primary))?;
        Ok(CombinedKey { foreign: Some(foreign), primary })
    }
}

#[cfg(test)]
mod tests {
    use streams_core::serde::DefaultSerde;

    use super::*;

    #[test]
    fn the_length_of_the_foreign_key_comes_first() {
        let pseudo = |part| Arc::new(PseudoTopic::new(&"S".into(), &"STORE".into(), part));
        let (foreign, primary) = ((String::serde(), pseudo("fk")), (i64::serde(), pseudo("pk")));
        let serde = CombinedKeySerde::new(foreign, primary);
        let key = CombinedKey { foreign: Some("abc".to_owned()), primary: 5_i64 };
        let mut out = Vec::new();
        serde.encode(&"app-STORE-changelog".into(), &key, &mut out).unwrap();
        assert_eq!(out, b"\0\0\0\x03abc\0\0\0\0\0\0\0\x05");
        assert_eq!(serde.decode(&"app-STORE-changelog".into(), Some(&out)).unwrap(), key);
        for bytes in [&b"\0\0\0"[..], b"\0\0\0\x04abc", b"\xff\xff\xff\xffabc"] {
            assert!(serde.decode(&"t".into(), Some(bytes)).is_err(), "{bytes:?}");
        }
    }
}
