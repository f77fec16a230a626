//! Membership of a consumer group: the client of Kafka's classic group protocol, without I/O.

pub mod consumer_protocol;
mod names;
mod time;
pub mod user_data;
pub mod wire;

pub use names::{
    Address, Generation, GroupId, InstanceId, MemberId, ProcessId, TopicId, TopicName,
    TopicPartition,
};
pub use time::Moment;
pub use user_data::MemberData;
