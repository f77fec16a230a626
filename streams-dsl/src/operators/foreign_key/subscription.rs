//! What a left row tells the right side, and its bytes. Kafka's `SubscriptionWrapper`.

use std::fmt;
use std::sync::Arc;

use streams_core::names::TopicName;
use streams_core::serde::{Payload, Serde, SerdeError, SharedSerde};

use super::{PseudoTopic, RowHash};

/// What the right side of a join by a foreign key shall do. Answers to Kafka's
/// `SubscriptionWrapper.Instruction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instruction {
    /// End the subscription, answer nothing.
    DeleteKeyNoPropagate,
    /// End the subscription, answer that there is no row.
    DeleteKeyAndPropagate,
    /// Subscribe, answer with the row or that there is none.
    PropagateNullIfNoForeignRow,
    /// Subscribe, answer if there is a row.
    PropagateOnlyIfForeignRow,
}

impl Instruction {
    const ALL: [Self; 4] = [
        Self::DeleteKeyNoPropagate,
        Self::DeleteKeyAndPropagate,
        Self::PropagateNullIfNoForeignRow,
        Self::PropagateOnlyIfForeignRow,
    ];
}

/// Kafka's name of it.
impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeleteKeyNoPropagate => "DELETE_KEY_NO_PROPAGATE",
            Self::DeleteKeyAndPropagate => "DELETE_KEY_AND_PROPAGATE",
            Self::PropagateNullIfNoForeignRow => "PROPAGATE_NULL_IF_NO_FK_VAL_AVAILABLE",
            Self::PropagateOnlyIfForeignRow => "PROPAGATE_ONLY_IF_FK_VAL_AVAILABLE",
        })
    }
}

/// A left row's subscription to a foreign key. Answers to Kafka's `SubscriptionWrapper`, and is printed
/// as Kafka prints it.
///
/// ```
/// use streams_dsl::foreign_key::{Instruction, Subscription};
///
/// let subscription = Subscription {
///     hash: Some([7, u64::MAX]),
///     instruction: Instruction::PropagateOnlyIfForeignRow,
///     primary_key: "Peer Gynt",
///     primary_partition: Some(0),
/// };
/// let text = "SubscriptionWrapper{version=1, primaryKey=Peer Gynt, \
///     instruction=PROPAGATE_ONLY_IF_FK_VAL_AVAILABLE, hash=[7, -1], primaryPartition=0}";
/// assert_eq!(subscription.to_string(), text);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription<K> {
    /// The Murmur3 hash of the left row's bytes; none when the row is deleted.
    pub hash: Option<[u64; 2]>,
    /// What the right side shall do.
    pub instruction: Instruction,
    /// The left row's own key.
    pub primary_key: K,
    /// Where the answer goes; writers of version 0 do not say.
    pub primary_partition: Option<i32>,
}

impl<K> Subscription<K> {
    /// What was read in version 0 is written so again.
    const fn version(&self) -> u8 {
        if self.primary_partition.is_some() { VERSION } else { 0 }
    }
}

impl<K: fmt::Display> fmt::Display for Subscription<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hash, instruction, primary_key, primary_partition } = self;
        write!(f, "SubscriptionWrapper{{version={}, primaryKey={primary_key}, ", self.version())?;
        write!(f, "instruction={instruction}, hash=")?;
        match hash {
            Some(words) => write!(f, "{:?}", words.map(u64::cast_signed))?,
            None => f.write_str("null")?,
        }
        match primary_partition {
            Some(partition) => write!(f, ", primaryPartition={partition}}}"),
            None => f.write_str(", primaryPartition=null}"),
        }
    }
}

pub(super) const NO_HASH: u8 = 0x80;
const VERSION: u8 = 1;

pub(super) fn invalid(expected: &'static str, problem: &'static str) -> SerdeError {
    SerdeError::Invalid { expected, source: problem.into() }
}

pub(super) fn write_hash(hash: Option<RowHash>, out: &mut Vec<u8>) {
    for word in hash.into_iter().flatten() {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// The hash, unless the first byte says that there is none, and what follows it.
pub(super) fn read_hash(first: u8, bytes: &[u8]) -> Option<(Option<RowHash>, &[u8])> {
    if first & NO_HASH != 0 {
        return Some((None, bytes));
    }
    let (low, rest) = bytes.split_first_chunk::<8>()?;
    let (high, rest) = rest.split_first_chunk::<8>()?;
    Some((Some([u64::from_be_bytes(*low), u64::from_be_bytes(*high)]), rest))
}

/// Version and whether there is a hash, instruction, hash, primary key, partition.
pub(crate) struct SubscriptionSerde<K> {
    primary_key: SharedSerde<K>,
    topic: Arc<PseudoTopic>,
}

impl<K> SubscriptionSerde<K> {
    pub(crate) const fn new(primary_key: SharedSerde<K>, topic: Arc<PseudoTopic>) -> Self {
        Self { primary_key, topic }
    }
}

const EXPECTED: &str = "subscription of a foreign-key join";

impl<K: 'static> Serde<Subscription<K>> for SubscriptionSerde<K> {
    fn encode(
        &self,
        topic: &TopicName,
        value: &Subscription<K>,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        let Subscription { hash, instruction, primary_key, primary_partition } = value;
        let version = value.version();
        out.push(if hash.is_some() { version } else { version | NO_HASH });
        out.push(*instruction as u8);
        write_hash(*hash, out);
        if self.primary_key.encode(&self.topic.beside(topic), primary_key, out)? == Payload::Null {
            return Err(invalid(EXPECTED, "the serde turns a primary key into null"));
        }
        if let Some(partition) = primary_partition {
            out.extend_from_slice(&partition.to_be_bytes());
        }
        Ok(Payload::Bytes)
    }

    fn decode(
        &self,
        topic: &TopicName,
        bytes: Option<&[u8]>,
    ) -> Result<Subscription<K>, SerdeError> {
        let bytes = bytes.ok_or(SerdeError::Null { expected: EXPECTED })?;
        let too_short = || invalid(EXPECTED, "there are too few bytes");
        let (&[first, instruction], rest) = bytes.split_first_chunk().ok_or_else(too_short)?;
        let instruction = Instruction::ALL.get(usize::from(instruction));
        let instruction = *instruction.ok_or_else(|| invalid(EXPECTED, "unknown instruction"))?;
        let (hash, rest) = read_hash(first, rest).ok_or_else(too_short)?;
        let (key, primary_partition) = match first & !NO_HASH {
            0 => (rest, None),
            VERSION => {
                let (key, partition) = rest.split_last_chunk().ok_or_else(too_short)?;
                (key, Some(i32::from_be_bytes(*partition)))
            }
            _ => return Err(invalid(EXPECTED, "its version is not known; upgrade this reader")),
        };
        let primary_key = self.primary_key.decode(&self.topic.beside(topic), Some(key))?;
        Ok(Subscription { hash, instruction, primary_key, primary_partition })
    }
}

#[cfg(test)]
mod tests {
    use streams_core::serde::DefaultSerde;
    use streams_core::time::Timestamp;
    use streams_core::window::{Window, Windowed};

    use super::*;

    #[test]
    fn bytes_are_those_of_kafka_streams() {
        let pseudo = Arc::new(PseudoTopic::new(&"S".into(), &"STORE".into(), "pk"));
        let serde = SubscriptionSerde::new(String::serde(), pseudo);
        let (hash, key) = (Some([1, 0x0203]), "ab".to_owned());
        let of = |hash, instruction, primary_partition| Subscription {
            hash,
            instruction,
            primary_key: key.clone(),
            primary_partition,
        };
        let with_hash = b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x02\x03ab";
        let hashed = |head: &[u8], tail: &[u8]| [head, with_hash, tail].concat();
        let table = [
            (of(hash, Instruction::ALL[0], Some(7)), hashed(b"\x01\x00", b"\0\0\0\x07")),
            (of(hash, Instruction::ALL[3], None), hashed(b"\x00\x03", b"")),
            (of(None, Instruction::ALL[1], Some(-1)), b"\x81\x01ab\xff\xff\xff\xff".to_vec()),
            (of(None, Instruction::ALL[2], None), b"\x80\x02ab".to_vec()),
        ];
        for (subscription, bytes) in table {
            let mut out = Vec::new();
            serde.encode(&"app-S".into(), &subscription, &mut out).unwrap();
            assert_eq!(out, bytes);
            assert_eq!(serde.decode(&"app-S".into(), Some(&bytes)).unwrap(), subscription);
        }
        for bytes in [&b""[..], b"\x01", b"\x01\x04", b"\x02\x01ab", b"\x00\x00short", b"\x81\x00a"]
        {
            assert!(serde.decode(&"app-S".into(), Some(bytes)).is_err(), "{bytes:?}");
        }
    }
    #[test]
    fn text_is_that_of_kafka_streams() {
        let subscription = Subscription {
            hash: None,
            instruction: Instruction::DeleteKeyNoPropagate,
            primary_key: Windowed::new("a", Window::of_size(Timestamp::from_millis(0), 10)),
            primary_partition: None,
        };
        let text = "SubscriptionWrapper{version=0, primaryKey=[a@0/10], \
            instruction=DELETE_KEY_NO_PROPAGATE, hash=null, primaryPartition=null}";
        assert_eq!(subscription.to_string(), text);
        let names = Instruction::ALL.map(|instruction| instruction.to_string());
        let [_, and_propagate, if_none, if_some] = names;
        assert_eq!(and_propagate, "DELETE_KEY_AND_PROPAGATE");
        assert_eq!(if_none, "PROPAGATE_NULL_IF_NO_FK_VAL_AVAILABLE");
        assert_eq!(if_some, "PROPAGATE_ONLY_IF_FK_VAL_AVAILABLE");
    }
}
