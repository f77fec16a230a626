//! Numbers: big-endian and of fixed width, as Kafka's serdes write them.

use std::sync::Arc;

use super::{DefaultSerde, Payload, Serde, SerdeError, SharedSerde};
use crate::names::TopicName;

/// Integers, floats and booleans, big-endian. Answers to Kafka's `ShortSerde`, `IntegerSerde`,
/// `LongSerde`, `FloatSerde`, `DoubleSerde` and `BooleanSerde`; unsigned integers have no
/// counterpart there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Number;

macro_rules! number {
    ($($type:ident $name:literal)*) => {$(
        impl Serde<$type> for Number {
            fn encode(
                &self,
                _: &TopicName,
                value: &$type,
                out: &mut Vec<u8>,
            ) -> Result<Payload, SerdeError> {
                out.extend_from_slice(&value.to_be_bytes());
                Ok(Payload::Bytes)
            }

            fn decode(&self, _: &TopicName, bytes: Option<&[u8]>) -> Result<$type, SerdeError> {
                let bytes = bytes.ok_or(SerdeError::Null { expected: $name })?;
                let width = size_of::<$type>();
                let array = bytes.try_into().map_err(|_| SerdeError::Width {
                    expected: $name,
                    width,
                    actual: bytes.len(),
                })?;
                Ok($type::from_be_bytes(array))
            }
        }

        impl DefaultSerde for $type {
            fn serde() -> SharedSerde<Self> {
                Arc::new(Number)
            }
        }
    )*};
}

number! {
    i8 "8-bit integer"
    i16 "16-bit integer"
    i32 "32-bit integer"
    i64 "64-bit integer"
    u8 "8-bit unsigned integer"
    u16 "16-bit unsigned integer"
    u32 "32-bit unsigned integer"
    u64 "64-bit unsigned integer"
    f32 "32-bit float"
    f64 "64-bit float"
}

impl Serde<bool> for Number {
    fn encode(
        &self,
        _: &TopicName,
        value: &bool,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        out.push(u8::from(*value));
        Ok(Payload::Bytes)
    }

    fn decode(&self, _: &TopicName, bytes: Option<&[u8]>) -> Result<bool, SerdeError> {
        match bytes {
            None => Err(SerdeError::Null { expected: "boolean" }),
            Some([0]) => Ok(false),
            Some([1]) => Ok(true),
            Some([other]) => Err(SerdeError::Invalid {
                expected: "boolean",
                source: format!("a byte 0 or 1 is expected, not {other}").into(),
            }),
            Some(bytes) => {
                Err(SerdeError::Width { expected: "boolean", width: 1, actual: bytes.len() })
            }
        }
    }
}

impl DefaultSerde for bool {
    fn serde() -> SharedSerde<Self> {
        Arc::new(Number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of<T: DefaultSerde>(value: &T) -> Vec<u8> {
        let mut out = Vec::new();
        T::serde().encode(&"t".into(), value, &mut out).unwrap();
        out
    }

    #[test]
    fn the_bytes_are_those_of_javas_serializers() {
        assert_eq!(bytes_of(&1_i64), [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(bytes_of(&-2_i32), [0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(bytes_of(&258_i16), [1, 2]);
        assert_eq!(bytes_of(&1.0_f32), [0x3f, 0x80, 0, 0]);
        assert_eq!(bytes_of(&1.0_f64), [0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes_of(&true), [1]);
        assert_eq!(bytes_of(&"\u{fc}".to_owned()), [0xc3, 0xbc]);
    }

    #[test]
    fn what_is_not_a_number_is_an_error_that_says_so() {
        let error = |bytes| i64::serde().decode(&"t".into(), bytes).unwrap_err().to_string();
        assert_eq!(error(Some(&[1, 2, 3])), "3 bytes where a 64-bit integer takes 8");
        assert!(error(None).starts_with("null where a 64-bit integer is expected"));
        assert!(bool::serde().decode(&"t".into(), Some(&[2])).is_err());
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(n: Option<i64>, x: f64, text: String, raw: Vec<u8>) {
            let topic = "t".into();
            let read = f64::serde().decode(&topic, Some(&bytes_of(&x))).unwrap();
            prop_assert_eq!(read.to_bits(), x.to_bits());
            let read = String::serde().decode(&topic, Some(&bytes_of(&text))).unwrap();
            prop_assert_eq!(read, text);
            let read = Vec::<u8>::serde().decode(&topic, Some(&bytes_of(&raw))).unwrap();
            prop_assert_eq!(read, raw);
            let bytes = bytes_of(&n);
            let read = Option::<i64>::serde().decode(&topic, n.map(|_| &bytes[..])).unwrap();
            prop_assert_eq!(read, n);
        }
    }
}
