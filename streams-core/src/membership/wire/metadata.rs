//! Metadata: topics and how many partitions they have.

use super::{Api, DecodeError, ErrorCode, Message, Reader, Request, Writer};
use crate::membership::names::{TopicId, TopicName};

/// The first version that has topic ids.
const TOPIC_IDS_SINCE: i16 = 10;
/// The last version that has a field on the rights in the cluster.
const CLUSTER_RIGHTS_UNTIL: i16 = 10;
/// Stands for rights that were not asked for.
const RIGHTS_UNASKED: i32 = i32::MIN;

/// Asks about topics. It never creates one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataRequest {
    /// The topics.
    pub topics: Vec<TopicName>,
}

/// What a broker knows of topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataResponse {
    /// The brokers that live.
    pub brokers: Vec<Broker>,
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The topics asked about.
    pub topics: Vec<TopicMetadata>,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: i32,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicMetadata {
    /// What is wrong with it, if anything.
    pub error: ErrorCode,
    /// Its name; null only where it was asked for by its id.
    pub name: Option<TopicName>,
    /// Its id; `None` if the broker gives none.
    pub id: Option<TopicId>,
    /// Its partitions.
    pub partitions: Vec<PartitionMetadata>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// What is wrong with it, if anything.
    pub error: ErrorCode,
    /// Its number.
    pub partition: i32,
    /// The broker that leads it, or -1.
    pub leader: i32,
}

impl Request for MetadataRequest {
    const API: Api = Api::Metadata;
    type Response = MetadataResponse;
}

impl Message for MetadataRequest {
    fn encode(&self, out: &mut Writer) {
        let with_ids = out.version() >= TOPIC_IDS_SINCE;
        out.list(&self.topics, |out, topic| {
            if with_ids {
                out.raw(&TopicId::default().0);
            }
            out.string(topic.as_str());
            out.tags();
        });
        out.i8(0);
        if out.version() <= CLUSTER_RIGHTS_UNTIL {
            out.i8(0);
        }
        out.i8(0);
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let with_ids = input.version() >= TOPIC_IDS_SINCE;
        let topics = input.list(2, |input| {
            if with_ids {
                input.uuid()?;
            }
            let name = input.string()?;
            input.tags()?;
            Ok(name.into())
        })?;
        input.boolean()?;
        if input.version() <= CLUSTER_RIGHTS_UNTIL {
            input.boolean()?;
        }
        input.boolean()?;
        input.tags()?;
        Ok(Self { topics })
    }
}

impl Message for MetadataResponse {
    fn encode(&self, out: &mut Writer) {
        out.i32(0);
        out.list(&self.brokers, |out, broker| {
            out.i32(broker.id);
            out.string(&broker.host);
            out.i32(broker.port);
            out.nullable_string(None);
            out.tags();
        });
        out.nullable_string(self.cluster_id.as_deref());
        out.i32(-1);
        out.list(&self.topics, |out, topic| topic.encode(out));
        if out.version() <= CLUSTER_RIGHTS_UNTIL {
            out.i32(RIGHTS_UNASKED);
        }
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.i32()?;
        let brokers = input.list(11, |input| {
            let broker = Broker { id: input.i32()?, host: input.string()?, port: input.i32()? };
            input.nullable_string()?;
            input.tags()?;
            Ok(broker)
        })?;
        let cluster_id = input.nullable_string()?;
        input.i32()?;
        let topics = input.list(10, TopicMetadata::decode)?;
        if input.version() <= CLUSTER_RIGHTS_UNTIL {
            input.i32()?;
        }
        input.tags()?;
        Ok(Self { brokers, cluster_id, topics })
    }
}

impl Message for TopicMetadata {
    fn encode(&self, out: &mut Writer) {
        out.i16(self.error.number());
        out.nullable_string(self.name.as_ref().map(TopicName::as_str));
        if out.version() >= TOPIC_IDS_SINCE {
            out.raw(&self.id.unwrap_or_default().0);
        }
        out.i8(0);
        out.list(&self.partitions, |out, partition| partition.encode(out));
        out.i32(RIGHTS_UNASKED);
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let error = input.i16()?.into();
        let name = input.nullable_string()?.map(TopicName::from);
        let id = match input.version() {
            TOPIC_IDS_SINCE.. => Some(TopicId(input.uuid()?)).filter(|id| !id.is_zero()),
            _ => None,
        };
        input.boolean()?;
        let partitions = input.list(18, PartitionMetadata::decode)?;
        input.i32()?;
        input.tags()?;
        Ok(Self { error, name, id, partitions })
    }
}

impl Message for PartitionMetadata {
    fn encode(&self, out: &mut Writer) {
        out.i16(self.error.number());
        out.i32(self.partition);
        out.i32(self.leader);
        out.i32(-1);
        for _ in ["replicas", "in sync", "offline"] {
            out.list(&[], |_, _: &()| ());
        }
        out.tags();
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let error = input.i16()?.into();
        let (partition, leader) = (input.i32()?, input.i32()?);
        input.i32()?;
        for _ in ["replicas", "in sync", "offline"] {
            input.list(4, Reader::i32)?;
        }
        input.tags()?;
        Ok(Self { error, partition, leader })
    }
}
