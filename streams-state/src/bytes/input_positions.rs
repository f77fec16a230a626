//! How far the topic of a global store is in it, as kept beside its rows.

use streams_core::names::TopicName;

/// The format of these bytes.
const FORMAT_VERSION: u8 = 1;

/// The next offset of each partition of a global store's topic.
///
/// As bytes: version, the topic (length in 2, then text), then 8 for each partition, -1 for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputPositions {
    pub(crate) topic: TopicName,
    pub(crate) next: Vec<Option<i64>>,
}

impl InputPositions {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let topic = self.topic.as_str().as_bytes();
        let mut out = vec![FORMAT_VERSION];
        out.extend_from_slice(&u16::try_from(topic.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(topic);
        for next in &self.next {
            out.extend_from_slice(&next.unwrap_or(-1).to_be_bytes());
        }
        out
    }

    /// `None` for bytes of another version, or none of ours.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (topic_len, rest) = rest.split_first_chunk::<2>()?;
        let (topic, rest) = rest.split_at_checked(u16::from_be_bytes(*topic_len).into())?;
        let (positions, behind) = rest.as_chunks::<8>();
        if *version != FORMAT_VERSION || !behind.is_empty() {
            return None;
        }
        let next = |bytes: &[u8; 8]| Some(i64::from_be_bytes(*bytes)).filter(|next| *next >= 0);
        Some(Self {
            topic: std::str::from_utf8(topic).ok()?.into(),
            next: positions.iter().map(next).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::damage::rubbish;

    fn positions() -> InputPositions {
        InputPositions { topic: "t".into(), next: vec![Some(0), None, Some(7)] }
    }

    #[test]
    fn positions_are_read_as_written_and_other_bytes_are_refused() {
        let positions = positions();
        let mut bytes = positions.encode();
        assert_eq!(InputPositions::decode(&bytes), Some(positions));
        for end in 0..bytes.len() {
            let read = InputPositions::decode(&bytes[..end]);
            assert!(read.is_none_or(|read| read.next.len() < 3));
        }
        bytes[0] += 1;
        assert_eq!(InputPositions::decode(&bytes), None);
    }

    proptest! {
        #[test]
        fn damaged_positions_are_refused_or_come_back(
            bytes in rubbish(vec![positions().encode()]),
        ) {
            if let Some(read) = InputPositions::decode(&bytes) {
                let written = read.encode();
                prop_assert_eq!(InputPositions::decode(&written), Some(read));
            }
        }
    }
}
