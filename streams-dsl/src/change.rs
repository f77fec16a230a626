//! What flows between the nodes of tables, and its bytes in the repartition topics of grouped
//! tables.

use streams_core::names::TopicName;
use streams_core::serde::{Payload, Serde, SerdeError, SharedSerde};

/// An update of a table's row. Answers to Kafka's `Change`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change<V> {
    /// The new value; `None` deletes.
    pub(crate) new: Option<V>,
    /// The value before, where somebody below needs it and there was one.
    pub(crate) old: Option<V>,
    pub(crate) age: Age,
}

/// Whether an update is the last one of its row by time. Answers to Kafka's `isLatest` (KIP-914).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    Latest,
    /// A versioned table has a later one already.
    Late,
}

impl<V> Change<V> {
    /// The last update of a row.
    pub(crate) const fn latest(new: Option<V>, old: Option<V>) -> Self {
        Self { new, old, age: Age::Latest }
    }
}

/// Kafka's `ChangedSerializer`: the values, then one byte that says which are there.
pub(crate) struct ChangeSerde<V>(SharedSerde<V>);

const OLD: u8 = 0;
const NEW: u8 = 1;
const BOTH: u8 = 2;
/// Added to these three by writers of other versions, which put before it whether the change is the
/// latest. Late ones do not get here.
const WITH_LATEST: u8 = 3;

impl<V> ChangeSerde<V> {
    pub(crate) const fn new(value: SharedSerde<V>) -> Self {
        Self(value)
    }
}

fn invalid(problem: &'static str) -> SerdeError {
    SerdeError::Invalid { expected: "change of a table's row", source: problem.into() }
}

/// Kafka's zig-zag variable-length integer.
fn write_varint(value: usize, out: &mut Vec<u8>) -> Result<(), SerdeError> {
    let value = i32::try_from(value).map_err(|_| invalid("the new value is longer than 2 GiB"))?;
    let mut rest = value.cast_unsigned() << 1;
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    Ok(())
}

/// The number, and what follows it.
fn read_varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            // Lengths are not negative, so the sign bit is not set.
            let length = (value & 1 == 0).then_some(value >> 1)?;
            return Some((usize::try_from(length).ok()?, bytes.get(at + 1..)?));
        }
    }
    None
}

impl<V: 'static> Serde<Change<V>> for ChangeSerde<V> {
    fn encode(
        &self,
        topic: &TopicName,
        change: &Change<V>,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        let mut write = |value: &V| match self.0.encode(topic, value, out)? {
            Payload::Bytes => Ok(()),
            Payload::Null => Err(invalid("the serde turns a value into null")),
        };
        match (&change.new, &change.old) {
            (None, None) => Err(invalid("there is neither an old nor a new value")),
            (None, Some(old)) => {
                write(old)?;
                out.push(OLD);
                Ok(Payload::Bytes)
            }
            (Some(new), None) => {
                write(new)?;
                out.push(NEW);
                Ok(Payload::Bytes)
            }
            (Some(new), Some(old)) => {
                let start = out.len();
                if self.0.encode(topic, new, out)? == Payload::Null {
                    return Err(invalid("the serde turns a value into null"));
                }
                let bytes = out.split_off(start);
                write_varint(bytes.len(), out)?;
                out.extend_from_slice(&bytes);
                if self.0.encode(topic, old, out)? == Payload::Null {
                    return Err(invalid("the serde turns a value into null"));
                }
                out.push(BOTH);
                Ok(Payload::Bytes)
            }
        }
    }

    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<Change<V>, SerdeError> {
        let null = SerdeError::Null { expected: "change of a table's row" };
        let bytes = bytes.ok_or(null)?;
        let (flag, values) = bytes.split_last().ok_or_else(|| invalid("there are no bytes"))?;
        let (flag, values) = match (*flag, values) {
            (flag @ WITH_LATEST..=5, [values @ .., 0 | 1]) => (flag - WITH_LATEST, values),
            (flag, values) => (flag, values),
        };
        let read = |bytes: &[u8]| self.0.decode(topic, Some(bytes)).map(Some);
        match flag {
            OLD => Ok(Change::latest(None, read(values)?)),
            NEW => Ok(Change::latest(read(values)?, None)),
            BOTH => {
                let split =
                    read_varint(values).and_then(|(length, rest)| rest.split_at_checked(length));
                let (new, old) = split.ok_or_else(|| invalid("the length is out of bounds"))?;
                Ok(Change::latest(read(new)?, read(old)?))
            }
            _ => Err(invalid("the last byte says nothing known")),
        }
    }
}

#[cfg(test)]
mod tests {
    use streams_core::serde::DefaultSerde;

    use super::*;

    fn change(new: Option<&str>, old: Option<&str>) -> Change<String> {
        Change::latest(new.map(str::to_owned), old.map(str::to_owned))
    }

    #[test]
    fn the_bytes_are_those_of_javas_changed_serializer() {
        let serde = ChangeSerde::new(String::serde());
        let long = "x".repeat(100);
        let mut both = vec![0xc8, 1];
        both.extend_from_slice(long.as_bytes());
        both.extend_from_slice(b"a\x02");
        let table: [(Change<String>, &[u8]); 4] = [
            (change(None, Some("ab")), b"ab\x00"),
            (change(Some("ab"), None), b"ab\x01"),
            (change(Some("b"), Some("cd")), b"\x02bcd\x02"),
            (change(Some(&long), Some("a")), &both),
        ];
        for (change, bytes) in table {
            let mut out = Vec::new();
            serde.encode(&"t".into(), &change, &mut out).unwrap();
            assert_eq!(out, bytes);
            assert_eq!(serde.decode(&"t".into(), Some(bytes)).unwrap(), change);
        }
    }

    #[test]
    fn other_versions_are_read_and_rubbish_is_refused() {
        let serde = ChangeSerde::new(String::serde());
        let read = |bytes: &[u8]| serde.decode(&"t".into(), Some(bytes));
        assert_eq!(read(b"ab\x01\x04").unwrap(), change(Some("ab"), None));
        assert_eq!(read(b"\x02bcd\x00\x05").unwrap(), change(Some("b"), Some("cd")));
        for bytes in [&b""[..], b"\x02", b"\x08a\x02", b"\x01a\x02", b"a\x09", b"ab\x07\x04"] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        assert!(serde.encode(&"t".into(), &change(None, None), &mut Vec::new()).is_err());
    }
}
