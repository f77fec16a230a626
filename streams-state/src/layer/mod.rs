//! The layers of a store, from the top: record cache, changelog, staging, byte store. Each is
//! written once, over bytes, for every kind of store.

pub(crate) mod cache;
mod cached;
pub(crate) mod changelog;
mod layers;
mod rows;

pub(crate) use self::cached::{CacheLayer, Outgoing, Owner};
pub(crate) use self::layers::{LayerParts, Layers};
pub(crate) use self::rows::Rows;
