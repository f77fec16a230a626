//! Membership of a consumer group: the client of Kafka's classic group protocol, without I/O.
//!
//! [`Membership`] finds the coordinator, joins, leads when it must, keeps the session, stores and
//! reads positions. It takes bytes, commands and the time, and returns [`Action`]s: connections to
//! open, bytes to send, events for its owner. A driver need only move bytes.
//!
//! ```
//! use streams_core::membership::{Action, Address, MemberData, Membership, MembershipConfig,
//! Moment};
//!
//! let config = MembershipConfig::new("orders", vec![Address::new("localhost", 9092)]);
//! let now = Moment::from_millis(0);
//! let mut member = Membership::new(config, now);
//! member.subscribe(["payments".into()].into(), MemberData::default(), now);
//! let Some(Action::Connect { address, .. }) = member.poll(now) else { unreachable!() };
//! assert_eq!(address.to_string(), "localhost:9092");
//! ```

mod backoff;
mod config;
mod connection;
pub mod consumer_protocol;
mod error;
mod event;
mod machine;
mod names;
mod token;
pub mod user_data;
pub mod wire;

pub use crate::time::Moment;
pub use config::MembershipConfig;
pub use error::{CallRefused, GroupFault, LossReason, OffsetsError, SaslFault, TlsFault, Trouble};
pub use event::{
    Action, Assigned, CallId, CommittedOffset, ConnectionId, MemberEvent, TasksWanted, TopicInfo,
};
pub use machine::{Departure, Membership, SaslStep};
pub use names::{
    Address, Generation, GroupId, InstanceId, MemberId, ProcessId, TopicId, TopicName,
    TopicPartition,
};
pub use token::CommitToken;
pub use user_data::{MemberData, Order, StatePosition};
