//! What the tests stand on.

pub(crate) mod app;
pub(crate) mod broker;
pub(crate) mod bystander;
pub(crate) mod child;
pub(crate) mod cluster;
pub(crate) mod commits;
pub(crate) mod fleet;
pub(crate) mod flow;
pub(crate) mod fold;
pub(crate) mod ledger;
pub(crate) mod owners;
pub(crate) mod place;
pub(crate) mod proxy;
pub(crate) mod shape;
pub(crate) mod singles;
pub(crate) mod tool;
pub(crate) mod wait;
pub(crate) mod watch;
pub(crate) mod writer;

pub(crate) use self::app::App;
pub(crate) use self::cluster::{Given, Seen};
pub(crate) use self::place::Place;
pub(crate) use self::wait::holds_within;
