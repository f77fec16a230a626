//! The text that is committed beside an offset: Kafka's `TopicPartitionMetadata`, version 2.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::names::StoreName;
use crate::time::Timestamp;

const VERSION: u8 = 2;

/// By the store of a windowed aggregation: up to which time its windows were given out. Answers to
/// Kafka's `ProcessorMetadata`.
pub type ClosedWindows = BTreeMap<StoreName, Timestamp>;

/// What a task has to know after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitMetadata {
    /// The time of the partition, which brings back stream time.
    pub partition_time: Timestamp,
    /// What was given out of windows that are given out when they close.
    pub closed: ClosedWindows,
}

impl Default for CommitMetadata {
    fn default() -> Self {
        Self { partition_time: Timestamp::UNKNOWN, closed: ClosedWindows::new() }
    }
}

impl CommitMetadata {
    /// The text. A store: the length of its name in 4 bytes, the name, the time in 8.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.partition_time.millis().to_be_bytes());
        if !self.closed.is_empty() {
            put_count(self.closed.len(), &mut bytes);
        }
        for (store, time) in &self.closed {
            put_count(store.as_str().len(), &mut bytes);
            bytes.extend_from_slice(store.as_str().as_bytes());
            bytes.extend_from_slice(&time.millis().to_be_bytes());
        }
        STANDARD.encode(bytes)
    }

    /// Reads the text. What is no such text, such as that of another tool, gives
    /// [`Timestamp::UNKNOWN`] and nothing given out.
    #[must_use]
    pub fn decode(metadata: &str) -> Self {
        let Ok(bytes) = STANDARD.decode(metadata) else { return Self::default() };
        let Some(([version @ (1 | VERSION), time @ ..], rest)) = bytes.split_first_chunk::<9>()
        else {
            return Self::default();
        };
        let partition_time = Timestamp::from_millis(i64::from_be_bytes(*time));
        let closed = match (*version, rest) {
            (1, _) | (_, []) => Some(ClosedWindows::new()),
            (_, rest) => read_closed(rest),
        };
        // As in Kafka, text that ends early tells nothing.
        closed.map(|closed| Self { partition_time, closed }).unwrap_or_default()
    }
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes());
}

fn read_count(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(i32::from_be_bytes(*count)).ok()?, rest))
}

fn read_closed(bytes: &[u8]) -> Option<ClosedWindows> {
    let (count, mut rest) = read_count(bytes)?;
    let mut closed = ClosedWindows::new();
    for _ in 0..count {
        let (length, after) = read_count(rest)?;
        let (name, after) = after.split_at_checked(length)?;
        let (time, after) = after.split_first_chunk::<8>()?;
        let name = std::str::from_utf8(name).ok()?;
        closed.insert(name.into(), Timestamp::from_millis(i64::from_be_bytes(*time)));
        rest = after;
    }
    Some(closed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::damage::rubbish;

    fn at(millis: i64) -> CommitMetadata {
        CommitMetadata { partition_time: Timestamp::from_millis(millis), ..Default::default() }
    }

    fn given_out() -> CommitMetadata {
        let closed = [("ab".into(), Timestamp::from_millis(258))].into();
        CommitMetadata { closed, ..at(1000) }
    }

    #[test]
    fn the_text_is_kafkas() {
        assert_eq!(at(1000).encode(), "AgAAAAAAAAPo");
        assert_eq!(CommitMetadata::decode("AgAAAAAAAAPo"), at(1000));
        assert_eq!(CommitMetadata::decode("AQAAAAAAAAPo"), at(1000), "version 1");
        let text = given_out().encode();
        let bytes = STANDARD.decode(&text).unwrap();
        assert_eq!(bytes[9..], *b"\0\0\0\x01\0\0\0\x02ab\0\0\0\0\0\0\x01\x02");
        assert_eq!(CommitMetadata::decode(&text), given_out());
    }

    #[test]
    fn garbage_is_no_time() {
        for text in ["", "x", "!!", "AwAAAAAAAAPo", "Ag==", "AgAAAAAAAAPoAAAAAQ=="] {
            assert_eq!(CommitMetadata::decode(text), CommitMetadata::default(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn damaged_text_says_nothing_or_what_comes_back(
            text in rubbish(vec![at(1000).encode().into(), given_out().encode().into()]),
            bytes in rubbish(vec![STANDARD.decode(given_out().encode()).unwrap()]),
        ) {
            for text in [String::from_utf8_lossy(&text).into_owned(), STANDARD.encode(&bytes)] {
                let read = CommitMetadata::decode(&text);
                prop_assert_eq!(CommitMetadata::decode(&read.encode()), read);
            }
        }
    }
}
