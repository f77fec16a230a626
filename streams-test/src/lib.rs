//! Tests and trials without a cluster: a model of Kafka in memory, and a driver that runs a
//! topology on it.
//!
//! [`TopologyTestDriver`] pipes records through a topology by the production task and reads what
//! comes out; [`KafkaModel`] is what it runs on, and what a whole application can run on.

#![forbid(unsafe_code)]

pub mod driver;
pub mod model;

pub use crate::driver::{
    CommitWhen, DriverBuilder, Entry, KeyValues, Layout, TestError, TestInputTopic,
    TestOutputTopic, TopologyTestDriver,
};
pub use crate::model::{KafkaModel, ModelOutbox, ModelPlane, ModelRecord};
pub use streams_core::task::TaskIdle;
