//! Keys and values of the store of records without partner, and their bytes. Kafka's
//! `TimestampedKeyAndJoinSide` and `LeftOrRightValue`.
//!
//! ```text
//! key      time (8), 1 for the left side or 0 for the right one, key of the record
//! value    1 for the left side or 0 for the right one, value of the record
//! ```

use streams_core::names::TopicName;
use streams_core::serde::{Payload, Serde, SerdeError, SharedSerde};

/// The stream of a join that a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Right = 0,
    Left = 1,
}

impl Which {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    fn read(byte: u8) -> Self {
        if byte == Self::Left as u8 { Self::Left } else { Self::Right }
    }
}

/// Where records without partner lie: in the order of their times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinKey<K> {
    pub(super) time: i64,
    pub(super) which: Which,
    pub(super) key: K,
}

/// A record's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeftOrRight<V, W> {
    Left(V),
    Right(W),
}

const KEY: &str = "key of a record without partner";
const VALUE: &str = "value of a record without partner";

fn too_short(expected: &'static str) -> SerdeError {
    SerdeError::Invalid { expected, source: "there are too few bytes".into() }
}

pub(crate) struct JoinKeySerde<K>(pub(crate) SharedSerde<K>);

impl<K: 'static> Serde<JoinKey<K>> for JoinKeySerde<K> {
    fn encode(
        &self,
        topic: &TopicName,
        value: &JoinKey<K>,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        out.extend_from_slice(&value.time.to_be_bytes());
        out.push(value.which as u8);
        self.0.encode(topic, &value.key, out)
    }

    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<JoinKey<K>, SerdeError> {
        let bytes = bytes.ok_or(SerdeError::Null { expected: KEY })?;
        let (time, rest) = bytes.split_first_chunk().ok_or_else(|| too_short(KEY))?;
        let (which, key) = rest.split_first().ok_or_else(|| too_short(KEY))?;
        let (time, which) = (i64::from_be_bytes(*time), Which::read(*which));
        Ok(JoinKey { time, which, key: self.0.decode(topic, Some(key))? })
    }
}

pub(crate) struct LeftOrRightSerde<V, W> {
    pub(crate) left: SharedSerde<V>,
    pub(crate) right: SharedSerde<W>,
}

impl<V: 'static, W: 'static> Serde<LeftOrRight<V, W>> for LeftOrRightSerde<V, W> {
    fn encode(
        &self,
        topic: &TopicName,
        value: &LeftOrRight<V, W>,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        match value {
            LeftOrRight::Left(value) => {
                out.push(Which::Left as u8);
                self.left.encode(topic, value, out)
            }
            LeftOrRight::Right(value) => {
                out.push(Which::Right as u8);
                self.right.encode(topic, value, out)
            }
        }
    }

    fn decode(
        &self,
        topic: &TopicName,
        bytes: Option<&[u8]>,
    ) -> Result<LeftOrRight<V, W>, SerdeError> {
        let bytes = bytes.ok_or(SerdeError::Null { expected: VALUE })?;
        let (which, value) = bytes.split_first().ok_or_else(|| too_short(VALUE))?;
        Ok(match Which::read(*which) {
            Which::Left => LeftOrRight::Left(self.left.decode(topic, Some(value))?),
            Which::Right => LeftOrRight::Right(self.right.decode(topic, Some(value))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use streams_core::serde::DefaultSerde;

    use super::*;

    #[test]
    fn bytes_are_kafkas() {
        let topic = TopicName::from("t");
        let keys = JoinKeySerde(String::serde());
        let key = JoinKey { time: 258, which: Which::Left, key: "ab".to_owned() };
        let mut bytes = Vec::new();
        assert_eq!(keys.encode(&topic, &key, &mut bytes).unwrap(), Payload::Bytes);
        assert_eq!(bytes, b"\0\0\0\0\0\0\x01\x02\x01ab");
        assert_eq!(keys.decode(&topic, Some(&bytes)).unwrap(), key);
        assert!(keys.decode(&topic, bytes.get(..8)).is_err());

        let values = LeftOrRightSerde { left: String::serde(), right: i64::serde() };
        for (value, expected) in [
            (LeftOrRight::Left("x".to_owned()), &b"\x01x"[..]),
            (LeftOrRight::Right(1), b"\0\0\0\0\0\0\0\0\x01"),
        ] {
            bytes.clear();
            values.encode(&topic, &value, &mut bytes).unwrap();
            assert_eq!(bytes, expected);
            assert_eq!(values.decode(&topic, Some(&bytes)).unwrap(), value);
        }
        assert!(values.decode(&topic, Some(&[])).is_err());
    }
}
