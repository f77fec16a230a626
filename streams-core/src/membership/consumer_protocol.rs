//! The subscription and assignment that every Kafka tool can read.
//!
//! The group is of type `consumer`, so its bytes are those of a plain consumer: tools list the
//! members' topics and partitions, and the broker keeps the offsets of subscribed topics. What only
//! this library understands travels in the field for user data.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{TopicName, TopicPartition};
use super::wire::{DecodeError, EncodeError, Encoding, Reader, Version, Writer};

/// The version written: the first with partitions owned. Any later one begins with the same fields.
const VERSION: i16 = 1;
const LAYOUT: Version = Version { number: VERSION, encoding: Encoding::Classic };

/// What a member wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerSubscription {
    /// All topics that the application consumes.
    pub topics: BTreeSet<TopicName>,
    /// User data.
    pub user_data: Vec<u8>,
    /// The inputs of tasks that it runs or has not yet released. A leader that can read the user data
    /// goes by the tasks that these name.
    pub owned: BTreeSet<TopicPartition>,
}

/// What a member is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerAssignment {
    /// The partitions, by topic.
    pub partitions: BTreeSet<TopicPartition>,
    /// User data.
    pub user_data: Vec<u8>,
}

impl ConsumerSubscription {
    /// The subscription's bytes.
    ///
    /// # Errors
    /// [`EncodeError`] if a topic's name is longer than the protocol allows.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Writer::new(Vec::new(), LAYOUT);
        out.i16(VERSION);
        let topics: Vec<&TopicName> = self.topics.iter().collect();
        out.list(&topics, |out, topic| out.string(topic.as_str()));
        out.bytes(&self.user_data);
        write_partitions(&mut out, &self.owned);
        out.finish()
    }

    /// Reads a subscription of any version. Members of version 0 give up all before they join.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (version, mut input) = versioned(bytes)?;
        let mut topics = BTreeSet::new();
        input.each(2, |input| {
            topics.insert(TopicName::from(input.string()?));
            Ok(())
        })?;
        let user_data = input.nullable_bytes()?.unwrap_or_default().to_vec();
        let owned = match version {
            VERSION.. => read_partitions(&mut input)?,
            _ => BTreeSet::new(),
        };
        Ok(Self { topics, user_data, owned })
    }
}

impl ConsumerAssignment {
    /// The assignment's bytes.
    ///
    /// # Errors
    /// [`EncodeError`] if a topic's name is longer than the protocol allows.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Writer::new(Vec::new(), LAYOUT);
        out.i16(VERSION);
        write_partitions(&mut out, &self.partitions);
        out.bytes(&self.user_data);
        out.finish()
    }

    /// Reads an assignment of any version. No bytes at all are an empty assignment: so the broker
    /// tells a member that the leader left out.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let (_, mut input) = versioned(bytes)?;
        let partitions = read_partitions(&mut input)?;
        let user_data = input.nullable_bytes()?.unwrap_or_default().to_vec();
        Ok(Self { partitions, user_data })
    }
}

fn write_partitions(out: &mut Writer, partitions: &BTreeSet<TopicPartition>) {
    let mut topics = BTreeMap::<&TopicName, Vec<i32>>::new();
    for one in partitions {
        topics.entry(&one.topic).or_default().push(one.partition);
    }
    let topics: Vec<(&TopicName, Vec<i32>)> = topics.into_iter().collect();
    out.list(&topics, |out, (topic, partitions)| {
        out.string(topic.as_str());
        out.list(partitions, |out, partition| out.i32(*partition));
    });
}

fn read_partitions(input: &mut Reader<'_>) -> Result<BTreeSet<TopicPartition>, DecodeError> {
    let mut partitions = BTreeSet::new();
    input.each(6, |input| {
        let topic = TopicName::from(input.string()?);
        input.each(4, |input| {
            partitions.insert(TopicPartition::new(&topic, input.i32()?));
            Ok(())
        })
    })?;
    Ok(partitions)
}

fn versioned(bytes: &[u8]) -> Result<(i16, Reader<'_>), DecodeError> {
    let mut input = Reader::new(bytes, LAYOUT);
    match input.i16()? {
        version @ 0.. => Ok((version, input)),
        version => Err(DecodeError::InvalidValue { field: "version", value: version.into() }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::damage::rubbish;

    fn subscription() -> ConsumerSubscription {
        let topics = BTreeSet::from(["ab".into()]);
        let owned = [TopicPartition::new("ab", 2)].into();
        ConsumerSubscription { topics, user_data: vec![7], owned }
    }

    fn assignment() -> ConsumerAssignment {
        let partitions = [TopicPartition::new("t", 1), TopicPartition::new("t", 4)].into();
        ConsumerAssignment { partitions, user_data: Vec::new() }
    }

    #[test]
    fn a_subscription_has_the_bytes_of_a_plain_consumer() {
        let subscription = subscription();
        let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, 2, b'a', b'b', 0, 0, 0, 1, 7];
        bytes.extend([0, 0, 0, 1, 0, 2, b'a', b'b', 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(subscription.encode().unwrap(), bytes);
        assert_eq!(ConsumerSubscription::decode(&bytes).unwrap(), subscription);
    }

    #[test]
    fn a_member_of_version_0_owns_nothing_when_it_joins() {
        let bytes = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7];
        let subscription = ConsumerSubscription { user_data: vec![7], ..Default::default() };
        assert_eq!(ConsumerSubscription::decode(&bytes).unwrap(), subscription);
    }

    #[test]
    fn an_assignment_has_the_bytes_of_a_plain_consumer() {
        let assignment = assignment();
        let bytes = [0, 1, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0];
        assert_eq!(assignment.encode().unwrap(), bytes);
        assert_eq!(ConsumerAssignment::decode(&bytes).unwrap(), assignment);
    }

    #[test]
    fn later_versions_and_null_user_data_are_read() {
        let bytes = [0, 3, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 1, 2, 3];
        assert_eq!(ConsumerSubscription::decode(&bytes).unwrap(), ConsumerSubscription::default());
        assert_eq!(ConsumerAssignment::decode(&[]).unwrap(), ConsumerAssignment::default());
    }

    #[test]
    fn broken_bytes_are_refused() {
        assert!(ConsumerSubscription::decode(&[255, 255]).is_err());
        assert!(ConsumerSubscription::decode(&[0, 1, 127, 255, 255, 255]).is_err());
        assert!(ConsumerSubscription::decode(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(ConsumerAssignment::decode(&[0, 1, 0, 0, 0, 1, 0, 9, b't']).is_err());
    }

    proptest! {
        #[test]
        fn damaged_subscriptions_are_refused_or_come_back_as_they_were_read(
            bytes in rubbish(vec![subscription().encode().unwrap()]),
        ) {
            if let Ok(read) = ConsumerSubscription::decode(&bytes) {
                let written = read.encode().unwrap();
                prop_assert_eq!(ConsumerSubscription::decode(&written), Ok(read));
            }
        }

        #[test]
        fn damaged_assignments_are_refused_or_come_back_as_they_were_read(
            bytes in rubbish(vec![assignment().encode().unwrap()]),
        ) {
            if let Ok(read) = ConsumerAssignment::decode(&bytes) {
                let written = read.encode().unwrap();
                prop_assert_eq!(ConsumerAssignment::decode(&written), Ok(read));
            }
        }
    }
}
