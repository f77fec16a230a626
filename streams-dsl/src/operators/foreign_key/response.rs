//! The right side's answer, and its bytes. Kafka's `SubscriptionResponseWrapper`.

use streams_core::names::TopicName;
use streams_core::serde::{Payload, Serde, SerdeError, SharedSerde};

use super::RowHash;
use super::subscription::{NO_HASH, invalid, read_hash, write_hash};

/// The foreign row of a left row, by the hash with which that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response<V> {
    pub(crate) hash: Option<RowHash>,
    pub(crate) foreign: Option<V>,
    /// Where it goes; not written.
    pub(crate) primary_partition: Option<i32>,
}

/// Version and whether there is a hash, hash, value. A value without bytes is none.
pub(crate) struct ResponseSerde<V>(SharedSerde<V>);

impl<V> ResponseSerde<V> {
    pub(crate) const fn new(foreign: SharedSerde<V>) -> Self {
        Self(foreign)
    }
}

const EXPECTED: &str = "response of a foreign-key join";

impl<V: 'static> Serde<Response<V>> for ResponseSerde<V> {
    fn encode(
        &self,
        topic: &TopicName,
        value: &Response<V>,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        out.push(if value.hash.is_some() { 0 } else { NO_HASH });
        write_hash(value.hash, out);
        if let Some(foreign) = &value.foreign {
            self.0.encode(topic, foreign, out)?;
        }
        Ok(Payload::Bytes)
    }

    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<Response<V>, SerdeError> {
        let bytes = bytes.ok_or(SerdeError::Null { expected: EXPECTED })?;
        let too_short = || invalid(EXPECTED, "there are too few bytes");
        let (first, rest) = bytes.split_first().ok_or_else(too_short)?;
        if first & !NO_HASH != 0 {
            return Err(invalid(EXPECTED, "its version is not known; upgrade this reader"));
        }
        let (hash, value) = read_hash(*first, rest).ok_or_else(too_short)?;
        let value = (!value.is_empty()).then(|| self.0.decode(topic, Some(value)));
        Ok(Response { hash, foreign: value.transpose()?, primary_partition: None })
    }
}

#[cfg(test)]
mod tests {
    use streams_core::serde::DefaultSerde;

    use super::*;

    #[test]
    fn bytes_are_those_of_kafka_streams() {
        let serde = ResponseSerde::new(String::serde());
        let of = |hash, foreign: Option<&str>| {
            let foreign = foreign.map(str::to_owned);
            Response { hash, foreign, primary_partition: None }
        };
        let hash = b"\x00\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x02\x03";
        let table = [
            (of(Some([1, 0x0203]), Some("xy")), [&hash[..], b"xy"].concat()),
            (of(Some([1, 0x0203]), None), hash.to_vec()),
            (of(None, Some("xy")), b"\x80xy".to_vec()),
            (of(None, None), b"\x80".to_vec()),
        ];
        for (response, bytes) in table {
            let mut out = Vec::new();
            serde.encode(&"t".into(), &response, &mut out).unwrap();
            assert_eq!(out, bytes);
            assert_eq!(serde.decode(&"t".into(), Some(&bytes)).unwrap(), response);
        }
        for bytes in [&b""[..], b"\x01ab", b"\x00short"] {
            assert!(serde.decode(&"t".into(), Some(bytes)).is_err(), "{bytes:?}");
        }
    }
}
