//! The layers of a store, from the top: record cache, changelog, retention or a bound, staging, byte store.
//! Each is written once, over bytes, for every kind of store.

mod again;
pub(crate) mod cache;
mod cached;
pub(crate) mod changelog;
pub(crate) mod expiry;
pub(crate) mod headers_row;
mod layers;
mod reach;
mod recency;
pub(crate) mod retention;
mod rows;
mod unseen;
mod version_row;
mod versions;
mod windowed;

pub(crate) use self::cached::{CacheLayer, Outgoing, Owner};
pub(crate) use self::expiry::Expiry;
pub(crate) use self::layers::{LayerParts, Layers};
pub(crate) use self::reach::Reach;
pub(crate) use self::recency::Recency;
pub(crate) use self::retention::{Floor, Retention};
pub(crate) use self::rows::Rows;
pub(crate) use self::unseen::Unseen;
pub(crate) use self::versions::Versions;
pub(crate) use self::windowed::{KeySpan, Selection, WindowedRows};
