//! What is said of partitions, topic by topic.

use super::{DecodeError, Reader, Writer};
use crate::membership::names::TopicName;

/// An empty name, an empty list and no tags.
const TOPIC_BYTES_MIN: usize = 3;

/// What is said of partitions of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByTopic<T> {
    /// The topic.
    pub topic: TopicName,
    /// By partition.
    pub partitions: Vec<T>,
}

impl<T> ByTopic<T> {
    pub(super) fn encode_all(
        topics: &[Self],
        out: &mut Writer,
        mut partition: impl FnMut(&mut Writer, &T),
    ) {
        out.list(topics, |out, topic| {
            out.string(topic.topic.as_str());
            out.list(&topic.partitions, &mut partition);
            out.tags();
        });
    }

    /// Reads topics whose partitions take at least `bytes_min` bytes each.
    pub(super) fn decode_all(
        input: &mut Reader<'_>,
        bytes_min: usize,
        mut partition: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<Vec<Self>, DecodeError> {
        input.list(TOPIC_BYTES_MIN, |input| {
            let topic = input.string()?.into();
            let partitions = input.list(bytes_min, &mut partition)?;
            input.tags()?;
            Ok(Self { topic, partitions })
        })
    }
}
