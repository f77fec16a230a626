//! What the tests stand on.

pub(crate) mod app;
pub(crate) mod broker;
pub(crate) mod child;
pub(crate) mod cluster;
pub(crate) mod fold;
pub(crate) mod place;
pub(crate) mod wait;

pub(crate) use self::app::App;
pub(crate) use self::cluster::{Given, Seen};
pub(crate) use self::place::Place;
pub(crate) use self::wait::holds_within;
