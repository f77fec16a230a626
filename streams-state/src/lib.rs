//! State stores: typed views over layers over bytes.
//!
//! A processor or an operator of the DSL holds a view, such as [`KeyValueStore`]. Below it lie the
//! record cache, the changelog, the staging of what was written since the last commit, and a byte
//! store: a RocksDB database for each task, or memory. A [`StateBackend`] opens the stores of
//! tasks: [`RocksBackend`] on disk, [`MemoryBackend`] without any.
//!
//! [`StateBackend`]: streams_core::store::StateBackend

#![forbid(unsafe_code)]

mod backend;
mod buffer;
mod builder;
mod bytes;
#[cfg(test)]
#[path = "../../streams-core/tests/garbage/damage.rs"]
mod damage;
mod layer;
mod own;
mod process;
mod row_key;
mod row_store;
mod staging;
mod task;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod view;

pub use self::backend::{MemoryBackend, MemoryBudget, RocksBackend, StateDirectory};
pub use self::buffer::{Buffered, SuppressionBuffer};
pub use self::builder::{StoreBuilder, Stores, kept_in};
pub use self::own::{
    BytesStore, BytesStoreError, BytesStoreSupplier, ChangedRow, EachRow, ScanOrder, StorePlace,
};
pub use self::view::{
    Bounded, Cached, EncodedRow, Entries, Flushed, KeyValueStore, ListEntries, ListStore,
    OldValues, PutVersion, SessionStore, SessionStoreWithHeaders, Timestamped, TimestampedEntries,
    TimestampedKeyValueStore, TimestampedKeyValueStoreWithHeaders, TimestampedWindowStore,
    TimestampedWindowStoreWithHeaders, Update, VersionedKeyValueStore, WindowEntries, WindowStore,
    WindowedEntries, WithHeaders,
};
