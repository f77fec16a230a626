//! The layers of a store, from the top: record cache, changelog, retention, staging, byte store.
//! Each is written once, over bytes, for every kind of store.

pub(crate) mod cache;
mod cached;
pub(crate) mod changelog;
mod layers;
pub(crate) mod retention;
mod rows;
mod windowed;

pub(crate) use self::cached::{CacheLayer, Outgoing, Owner};
pub(crate) use self::layers::{LayerParts, Layers};
pub(crate) use self::retention::{Floor, Retention};
pub(crate) use self::rows::Rows;
pub(crate) use self::windowed::{KeySpan, Selection, WindowedRows};
